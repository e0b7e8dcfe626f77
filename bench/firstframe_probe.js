// In the page of bench/firstframe.py: notes when the ring, the first picture and the sound came, and reads
// the clock in each picture. All times are performance.now(), which Chromium takes of CLOCK_MONOTONIC.
(() => {
  const SQUARES = 40;
  const SAMPLES = 4; // each square becomes 4 x 4 pixels of the canvas
  const TAP_MS = 80; // how long a finger is down; the answer counts from its lifting
  const LOUD = 1e-4; // mean square; the visitor's tone is 100 times that
  const canvas = Object.assign(document.createElement("canvas"), { width: SQUARES * SAMPLES, height: SAMPLES });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let listening = null;
  let noted = null;

  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      this.addEventListener("message", ({ data }) => {
        if (noted && !noted.rang_at && String(data).includes('"offer"')) {
          noted.rang_at = performance.now();
          findVideo(noted);
        }
      });
    }
  };

  for (const kind of ["createAnswer", "setRemoteDescription", "setLocalDescription"]) {
    const native = RTCPeerConnection.prototype[kind];
    RTCPeerConnection.prototype[kind] = async function (...args) {
      const from = performance.now();
      const result = await native.apply(this, args);
      step(`${kind} ${(performance.now() - from).toFixed(0)} ms, done`);
      return result;
    };
  }
  const nativeMicrophone = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (...args) => {
    const from = performance.now();
    const stream = await nativeMicrophone(...args);
    if (noted) noted.microphone_ms = performance.now() - from;
    return stream;
  };

  function step(name) {
    if (noted?.rang_at && !noted.shown_at) noted.steps.push([name, Math.round(performance.now() - noted.rang_at)]);
  }

  function view() {
    return document.querySelector("intercom-app")?.shadowRoot.querySelector("call-view")?.shadowRoot;
  }

  function findVideo(note) {
    const video = view()?.querySelector("video");
    if (!video) return void setTimeout(() => note === noted && findVideo(note), 1);
    step("video element");
    for (const kind of ["loadedmetadata", "loadeddata", "playing"]) {
      video.addEventListener(kind, () => step(kind), { once: true });
    }
    const shown = (_, frame) => {
      if (note !== noted) return;
      step("frame");
      video.requestVideoFrameCallback(shown);
      if (Number(getComputedStyle(video).opacity) < 0.99) return;
      note.shown_at ??= Math.max(frame.expectedDisplayTime, performance.now());
      const clock = readClock(video);
      if (clock !== null) note.clocks.push([Math.max(frame.expectedDisplayTime, frame.presentationTime), clock]);
    };
    video.requestVideoFrameCallback(shown);
  }

  /** Read the squares at the picture's lower edge (firmware_sim/clock_code.py). */
  function readClock(video) {
    const rows = video.videoHeight / 30;
    pen.drawImage(video, 0, video.videoHeight - rows, video.videoWidth, rows, 0, 0, canvas.width, canvas.height);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    const level = (square) => {
      let sum = 0;
      for (const row of [1, 2]) for (const column of [1, 2]) sum += pixels[4 * (row * canvas.width + square * SAMPLES + column) + 1];
      return sum / 4;
    };
    const [white, black] = [(level(0) + level(2)) / 2, (level(1) + level(3)) / 2];
    if (white - black < 64) return null;
    let value = 0;
    let check = 5;
    for (let group = 0; group < 9; group++) {
      let bits = 0;
      for (let bit = 0; bit < 4; bit++) bits = 2 * bits + (level(4 + 4 * group + bit) > (white + black) / 2 ? 1 : 0);
      if (group < 8) {
        value = 16 * value + bits;
        check ^= bits;
      } else if (bits !== check) return null;
    }
    return value;
  }

  /** Note when the visitor's sound is loud here: the element is not muted, and there is sound in its stream. */
  function listen(note) {
    const video = view().querySelector("video");
    listening ??= new AudioContext();
    const ear = listening.createAnalyser();
    ear.fftSize = 256;
    listening.createMediaStreamSource(video.srcObject).connect(ear);
    const samples = new Float32Array(ear.fftSize);
    const look = () => {
      if (note !== noted || note.heard_at) return;
      ear.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      if (note.answered_at && !video.muted && !video.paused && power > LOUD) note.heard_at = performance.now();
      else setTimeout(look, 1);
    };
    look();
  }

  window.probe = {
    begin() {
      noted = { rang_at: null, shown_at: null, answered_at: null, heard_at: null, microphone_ms: null, clocks: [], steps: [] };
    },
    seen: () => noted,
    /** Wait until the first picture is shown; false if none is by then. */
    async isShown(limit_ms) {
      const until = performance.now() + limit_ms;
      while (!noted.shown_at && performance.now() < until) await new Promise((done) => setTimeout(done, 50));
      return Boolean(noted.shown_at);
    },
    async answer() {
      const note = noted;
      listen(note);
      await new Promise((done) => setTimeout(done, 100));
      const button = view().querySelector(".answer");
      button.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
      await new Promise((done) => setTimeout(done, TAP_MS));
      note.answered_at = performance.now();
      button.click();
    },
    hangUp() {
      noted = null;
      view()?.querySelector(".end, .close, .decline")?.click();
    },
  };
})();
