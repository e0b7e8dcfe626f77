// Sound and picture of one call: the browser's half of the peer connection, and the microphone.

const FRAME_CHECK_MS = 1000;
const LOST_AFTER_CHECKS = 4;

/** Events: "picture" (see `picture`: loading, live, lost) and "failed". */
export class Media extends EventTarget {
  stream = new MediaStream();
  picture = "loading";
  isFailed = false;
  #connection = new RTCPeerConnection({ iceServers: [] });
  #microphone = null;
  #isMuted = false;
  #checkTimer = 0;

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

  /** Open the microphone toward the visitor; returns "on", "blocked" or "missing". */
  async openMicrophone() {
    if (!navigator.mediaDevices) return "missing";
    let microphone;
    try {
      microphone = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
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
    clearInterval(this.#checkTimer);
    let frames = 0;
    let checksWithout = 0;
    this.#checkTimer = setInterval(() => {
      const now = video.getVideoPlaybackQuality().totalVideoFrames;
      if (document.hidden) return; // a hidden page counts no frames
      checksWithout = now > frames ? 0 : checksWithout + 1;
      frames = now;
      if (checksWithout === 0) this.#become("live");
      else if (checksWithout >= LOST_AFTER_CHECKS && this.picture === "live") this.#become("lost");
    }, FRAME_CHECK_MS);
    video.onloadeddata = () => video.videoWidth > 0 && this.#become("live");
  }

  close() {
    clearInterval(this.#checkTimer);
    this.#connection.close();
    if (this.#microphone) stop(this.#microphone);
    for (const track of this.stream.getTracks()) track.stop();
  }

  #audio() {
    return this.#connection.getTransceivers().find((one) => one.receiver.track.kind === "audio");
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

function stop(stream) {
  for (const track of stream.getTracks()) track.stop();
}
