/* The panel's buzzer: a tune for each sound that the firmware names, heard besides what the call brings. */
const SOUNDS = {
  ring: [[523, 0, 0.35], [659, 0.1, 0.5]],
  speak: [[660, 0, 0.12], [880, 0.15, 0.18]],
  open: [[523, 0, 0.14], [659, 0.14, 0.14], [784, 0.28, 0.4]],
  click: [[1200, 0, 0.03]],
  refused: [[233, 0, 0.35], [196, 0.42, 0.5]],
  end: [[494, 0, 0.16], [370, 0.2, 0.26]],
  alarm: [[294, 0, 0.14], [294, 0.24, 0.14], [294, 0.48, 0.3]],
  message: [[880, 0, 0.12], [1109, 0.12, 0.12], [1319, 0.24, 0.4]],
};
const AGAIN_MS = { ring: 3000 };
const LOUDNESS = 0.12;

let context = null;
let again = 0;

/** Browsers allow sound only after somebody has pressed something. */
export function wake() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume();
}

function tone(hz, after, length) {
  const at = context.currentTime + after;
  const [source, volume] = [context.createOscillator(), context.createGain()];
  source.frequency.value = hz;
  source.type = "triangle";
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(LOUDNESS, at + 0.01);
  volume.gain.setTargetAtTime(0, at + length * 0.6, length * 0.15);
  source.connect(volume).connect(context.destination);
  source.start(at);
  source.stop(at + length + 0.2);
}

/** Play a sound, and again and again where it is one of those; "none" ends that. */
export function play(name) {
  clearInterval(again);
  const tune = () => {
    if (context?.state === "running") for (const each of SOUNDS[name] ?? []) tone(...each);
  };
  tune();
  if (name in AGAIN_MS) again = setInterval(tune, AGAIN_MS[name]);
}

/** Play a sound once, beside what is playing again and again. */
export function playOnce(name) {
  if (context?.state === "running") for (const each of SOUNDS[name] ?? []) tone(...each);
}
