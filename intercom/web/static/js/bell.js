// The bell: two soft strokes, again and again, and a buzz where the device can.

const STROKES = [
  { hz: 659.3, at_s: 0 },
  { hz: 523.3, at_s: 0.45 },
];
const EVERY_MS = 2600;
const BUZZ_MS = [240, 120, 240];

export class Bell extends EventTarget {
  #context = null;
  #timer = 0;

  /** Browsers play nothing before the person has touched the page. */
  get isUnlocked() {
    return this.#context?.state === "running";
  }

  async unlock() {
    this.#context ??= new AudioContext();
    if (!this.isUnlocked) await this.#context.resume();
    this.dispatchEvent(new Event("change"));
  }

  start() {
    this.stop();
    this.#strike();
    this.#timer = setInterval(() => this.#strike(), EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
    navigator.vibrate?.(0);
  }

  #strike() {
    if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(BUZZ_MS);
    if (!this.isUnlocked) return;
    for (const stroke of STROKES) this.#tone(stroke.hz, this.#context.currentTime + stroke.at_s);
  }

  #tone(hz, at) {
    const gain = this.#context.createGain();
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.5, at + 0.01);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 1.6);
    const oscillator = this.#context.createOscillator();
    oscillator.frequency.value = hz;
    oscillator.connect(gain).connect(this.#context.destination);
    oscillator.start(at);
    oscillator.stop(at + 1.7);
  }
}
