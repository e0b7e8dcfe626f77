// Sound and picture of one call: the browser's half of the peer connection, and the microphone.

const FRAME_CHECK_MS = 500;
const LOST_AFTER_MS = 4000;
const WARM_MS = 2000;
const SPARE_KEPT_MS = 6 * 3_600_000; // a certificate of the browser's own making lasts a month

let spare = null;
let spareMadeAt = 0;

/** Have a connection and its certificate ready, so that a ring need not wait for them. */
export async function prepareConnection() {
  if (spare && performance.now() - spareMadeAt < SPARE_KEPT_MS) return;
  try {
    const certificate = await RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256" });
    spare?.close();
    spare = new RTCPeerConnection({ iceServers: [], certificates: [certificate] });
    spareMadeAt = performance.now();
  } catch {
    // Then it is made when it rings.
  }
}

function takeConnection() {
  const connection = spare ?? new RTCPeerConnection({ iceServers: [] });
  spare = null;
  return connection;
}

/** Events: "picture" (see `picture`: loading, live, lost) and "failed". */
export class Media extends EventTarget {
  stream = new MediaStream();
  picture = "loading";
  isFailed = false;
  #connection = takeConnection();
  #microphone = null;
  #opening = null;
  #isWanted = false;
  #isMuted = false;
  #checkTimer = 0;
  #frameAt = 0;
  #video = null;
  #frameWatch = 0;

  constructor() {
    super();
    this.#connection.ontrack = ({ track }) => this.stream.addTrack(track);
    this.#connection.onconnectionstatechange = () => {
      this.isFailed = this.#connection.connectionState === "failed";
      if (this.isFailed) this.dispatchEvent(new Event("failed"));
    };
  }

  /**
   * Answer the service's offer. Sound is sendrecv from the start, with no track to send:
   * the microphone takes its place at the answer by replaceTrack, without renegotiation.
   */
  async answer(offer) {
    await this.#connection.setRemoteDescription({ type: "offer", sdp: offer });
    const audio = this.#audio();
    if (audio) audio.direction = "sendrecv";
    await this.#connection.setLocalDescription(await this.#connection.createAnswer());
    return this.#connection.localDescription.sdp;
  }

  /** A finger is on Answer: open the microphone already, where that was allowed before; shut unless answered. */
  async warmMicrophone() {
    if (this.#opening || (await microphonePermission()) !== "granted" || this.#isWanted) return;
    const opening = (this.#opening ??= listen());
    opening.catch(() => {}); // said again at the answer
    setTimeout(() => {
      if (this.#opening !== opening) return; // it was answered
      this.#opening = null;
      opening.then(stop, () => {});
    }, WARM_MS);
  }

  /** Open the microphone toward the visitor; returns "on", "blocked" or "missing". */
  async openMicrophone() {
    if (!navigator.mediaDevices) return "missing";
    let microphone;
    this.#isWanted = true;
    const opening = this.#opening ?? listen();
    this.#opening = null;
    try {
      microphone = await opening;
    } catch (error) {
      return error.name === "NotAllowedError" || error.name === "SecurityError" ? "blocked" : "missing";
    }
    if (this.#connection.signalingState === "closed") {
      stop(microphone);
      return "missing";
    }
    this.#microphone = microphone;
    const [track] = microphone.getAudioTracks();
    track.enabled = !this.#isMuted;
    await this.#audio()?.sender.replaceTrack(track);
    return "on";
  }

  mute(isMuted) {
    this.#isMuted = isMuted;
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !isMuted;
  }

  /** Watch whether new frames keep coming to the element that shows the stream. */
  watch(video) {
    this.#unwatch();
    this.#video = video;
    let frames = 0;
    this.#checkTimer = setInterval(() => {
      const now = video.getVideoPlaybackQuality().totalVideoFrames;
      if (now > frames) this.#frameCame();
      frames = now;
      if (document.hidden) this.#frameAt = performance.now(); // a hidden page counts no frames
      if (this.picture === "live" && performance.now() - this.#frameAt > LOST_AFTER_MS) this.#become("lost");
    }, FRAME_CHECK_MS);
    video.onloadeddata = () => video.videoWidth > 0 && this.#frameCame();
    if (!video.requestVideoFrameCallback) return;
    const again = () => {
      this.#frameCame();
      this.#frameWatch = video.requestVideoFrameCallback(again);
    };
    this.#frameWatch = video.requestVideoFrameCallback(again); // sooner than the next check when it comes back
  }

  /** The service gets no picture from the panel any more. The next frame that is shown says otherwise. */
  pictureStopped() {
    this.#become("lost");
  }

  close() {
    this.#unwatch();
    this.#opening?.then(stop, () => {});
    this.#opening = null;
    this.#connection.close();
    if (this.#microphone) stop(this.#microphone);
    for (const track of this.stream.getTracks()) track.stop();
  }

  #audio() {
    return this.#connection.getTransceivers().find((one) => one.receiver.track.kind === "audio");
  }

  #frameCame() {
    this.#frameAt = performance.now();
    this.#become("live");
  }

  #unwatch() {
    clearInterval(this.#checkTimer);
    if (this.#frameWatch) this.#video.cancelVideoFrameCallback(this.#frameWatch);
    this.#frameWatch = 0;
    this.#video = null;
  }

  #become(picture) {
    if (picture === this.picture) return;
    this.picture = picture;
    this.dispatchEvent(new Event("picture"));
  }
}

/** What the person allowed so far: "granted", "denied", "prompt", or "missing" without a microphone. */
export async function microphonePermission() {
  if (!navigator.mediaDevices) return "missing";
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state;
  } catch {
    return "prompt"; // an older browser does not say before it is asked
  }
}

/** Ask for the microphone now, so that the answer need not; it is shut again at once. */
export async function askForMicrophone() {
  if (!navigator.mediaDevices) return "missing";
  try {
    stop(await navigator.mediaDevices.getUserMedia({ audio: true }));
    return "granted";
  } catch (error) {
    return error.name === "NotAllowedError" ? "denied" : "missing";
  }
}

function listen() {
  return navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  });
}

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}
