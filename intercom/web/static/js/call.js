// One call as this device knows it. Says only what is known; the views draw it.

import { Media } from "./media.js";
import { randomId } from "./random-id.js";

const DOOR_TIMEOUT_MS = 8000; // without a word by then we do not know
const DOOR_SAID_MS = 8000; // how long "sent" stands before the button is itself again
const SNAPSHOT_LOST_MS = 6000; // no new still picture for so long
const LOST_AFTER_MS = 30_000; // offline while it rings: by then nobody waits any more
const SILENT_ENDS = new Set(["declined", "resident hung up"]);
const STAYING_ENDS = new Set(["fault", "lost"]);
const ELSEWHERE_ENDS = new Set(["answered elsewhere", "opened elsewhere"]);
const CLOSE_SHORTLY_MS = 4000;
const CLOSE_LATER_MS = 30_000;

/** Events: "change", and "close" when the screen is done with. Times are performance.now(). */
export class Call extends EventTarget {
  phase = "ringing"; // ringing, answering, talking, ended
  isQuiet = false;
  isSilenced = false;
  isListening = false;
  isMuted = false;
  isSpeakerOn = true;
  hasPicture;
  picture = "loading"; // loading, live, lost, none
  isSnapshot; // the picture is a still one each second
  snapshot = ""; // the newest of them, as an image's address; gone with the call
  isSoundLost = false;
  isDoorSilent = false; // nothing comes from the door's microphone
  isUnheard = false; // nothing of ours comes to the door
  wasOffline = false;
  microphone = "shut"; // shut, asking, on, blocked, missing
  door = { state: "idle", until: 0, for_ms: 0, cause: "" };
  readyAnswer = { answer: "", state: "" }; // the newest; sending, told, refused
  end = null; // { reason, text, isMissed, closesAt }
  media = null;
  #link;
  #ring;
  #timers = new Set();
  #doorTimer = 0;
  #snapshotTimer = 0;

  constructor(ring, link) {
    super();
    this.#ring = ring;
    this.#link = link;
    this.hasPicture = ring.has_picture;
    this.picture = ring.has_picture ? "loading" : "none";
    this.isSnapshot = Boolean(ring.is_snapshot);
    this.startedAt = performance.now() - 1000 * (ring.since_s ?? 0);
    this.talkingSince = 0;
    this.rangAt = new Date();
  }

  get token() {
    return this.#ring.call;
  }

  get name() {
    return this.#ring.door.name;
  }

  get place() {
    return this.#ring.place ?? "";
  }

  get isOnline() {
    return this.#link.isOnline;
  }

  get isLive() {
    return this.phase !== "ended";
  }

  /** Whether the bell should sound here now. */
  get shouldSound() {
    const isDoorDone = this.door.state === "opened" || this.door.state === "sent";
    return this.phase === "ringing" && this.isOnline && !this.isQuiet && !this.isSilenced && !this.isListening && !isDoorDone;
  }

  /** Whether the visitor can be heard here. */
  get isVisitorAudible() {
    if (this.phase === "ringing") return this.isListening;
    return this.isLive && this.isSpeakerOn;
  }

  /** Set sound and picture up while it rings, so that nothing is left to do at the answer. */
  async prepare() {
    if (!this.#ring.offer) return;
    this.media = new Media();
    this.media.addEventListener("picture", () => {
      if (!this.isSnapshot) this.#change({ picture: this.hasPicture ? this.media.picture : "none" });
    });
    this.media.addEventListener("failed", () => this.#mediaFailed());
    this.#change({});
    try {
      const sdp = await this.media.answer(this.#ring.offer);
      if (this.isLive) this.#send("answer_sdp", { sdp });
    } catch {
      this.#mediaFailed();
    }
  }

  async answer() {
    if (this.phase !== "ringing" || !this.#send("accept")) return;
    this.#change({ phase: "answering", microphone: "asking" });
    await this.openMicrophone();
  }

  /** A finger is on Answer. */
  aboutToAnswer() {
    if (this.phase === "ringing" && this.isOnline) this.media?.warmMicrophone();
  }

  async openMicrophone() {
    if (!this.media) return this.#change({ microphone: "missing" });
    const microphone = await this.media.openMicrophone();
    if (this.isLive) this.#change({ microphone });
  }

  decline() {
    this.#send("decline");
    this.finish("declined");
  }

  hangUp() {
    this.#send("hang_up");
    this.finish("resident hung up");
  }

  /** Ask for one opening; its id makes a repeated frame harmless. */
  open() {
    if (!this.isLive || this.door.state === "opening" || this.door.state === "refused") return;
    if (!this.#send("open", { id: randomId() })) return;
    this.#setDoor("opening");
    this.#doorTimer = this.#after(DOOR_TIMEOUT_MS, () => this.#setDoor("unknown"));
  }

  /** Let the visitor be told something without speaking; it neither answers nor opens. */
  answerReady(answer) {
    if (this.isLive && this.#send("ready_answer", { answer })) this.#change({ readyAnswer: { answer, state: "sending" } });
  }

  silence() {
    this.#change({ isSilenced: !this.isSilenced });
  }

  listen() {
    this.#change({ isListening: !this.isListening });
  }

  toggleMute() {
    this.media?.mute(!this.isMuted);
    this.#change({ isMuted: !this.isMuted });
  }

  toggleSpeaker() {
    this.#change({ isSpeakerOn: !this.isSpeakerOn });
  }

  /** Take a frame of this call from the service. */
  receive(frame) {
    if (!this.isLive) return;
    if (frame.type === "quiet") this.#change({ isQuiet: true });
    else if (frame.type === "talking") this.#talking();
    else if (frame.type === "door") this.#setDoor(frame.state, frame.for_ms ?? 0, frame.cause ?? "");
    else if (frame.type === "picture") this.#pictureSaid(frame.state);
    else if (frame.type === "path" && frame.media === "video" && frame.from === "door") this.#picturePathSaid(frame.state);
    else if (frame.type === "path") this.#soundPathSaid(frame.from, frame.state === "lost");
    else if (frame.type === "snapshot") this.#snapshotCame(frame.jpeg);
    else if (frame.type === "ready_answer") this.#change({ readyAnswer: { answer: frame.answer, state: frame.state } });
    else if (frame.type === "ended") this.finish(frame.reason, frame.text ?? "");
    else if (frame.type === "error" && frame.code === "no_such_call") this.finish("lost");
    else if (frame.type === "error" && frame.code === "media") this.#mediaFailed();
  }

  /** The connection came or went. */
  linkChanged() {
    if (!this.isOnline && this.door.state === "opening") this.#setDoor("unknown");
    if (this.isLive && !this.isOnline && !this.wasOffline) {
      this.#after(LOST_AFTER_MS, () => !this.isOnline && this.phase !== "talking" && this.finish("lost"));
    }
    this.#change({ wasOffline: this.wasOffline || !this.isOnline });
  }

  /**
   * The connection is back. What rang is over for the service, and rings anew if it still rings;
   * talk went on as long as its sound did.
   */
  reconnected() {
    if (this.isLive && this.wasOffline && (this.phase !== "talking" || this.isSoundLost)) this.finish("lost");
  }

  finish(reason, text = "") {
    if (!this.isLive) return;
    const isMissed = this.phase === "ringing" && !SILENT_ENDS.has(reason) && !ELSEWHERE_ENDS.has(reason) && reason !== "door opened";
    const stays_ms = isMissed || STAYING_ENDS.has(reason) ? CLOSE_LATER_MS : CLOSE_SHORTLY_MS;
    this.#clearTimers();
    this.media?.close();
    this.snapshot = "";
    this.#change({ phase: "ended", end: { reason, text, isMissed, closesAt: performance.now() + stays_ms } });
    if (SILENT_ENDS.has(reason) || reason === "stage over") this.close();
    else this.#after(stays_ms, () => this.close());
  }

  close() {
    this.#clearTimers();
    this.media?.close();
    this.dispatchEvent(new Event("close"));
  }

  #talking() {
    if (!this.talkingSince) this.talkingSince = performance.now();
    this.#change({ phase: "talking" });
    if (this.microphone === "shut") this.#change({ microphone: "asking" });
  }

  #snapshotCame(jpeg) {
    this.#timers.delete(this.#snapshotTimer);
    clearTimeout(this.#snapshotTimer);
    this.#change({ picture: "live", snapshot: `data:image/jpeg;base64,${jpeg}` });
    this.#snapshotTimer = this.#after(SNAPSHOT_LOST_MS, () => this.#change({ picture: "lost" }));
  }

  /** Without sound and picture the door still works; without the connection too, nothing does. */
  #mediaFailed() {
    if (!this.isLive) return;
    const picture = this.isSnapshot ? this.picture : "lost"; // that one comes another way
    this.#change({ isSoundLost: true, picture: this.hasPicture ? picture : "none" });
    if (this.phase === "talking" && this.wasOffline) this.finish("lost");
  }

  #pictureSaid(state) {
    if (this.isSnapshot) return;
    if (state === "none") this.hasPicture = false;
    if (["live", "lost", "none"].includes(state)) this.#change({ picture: state });
  }

  /** What the service gets from the panel. That it is back is seen by the frames themselves. */
  #picturePathSaid(state) {
    if (state === "lost" && !this.isSnapshot) this.media?.pictureStopped();
  }

  /** What the service gets of the sound, from the door or from here. */
  #soundPathSaid(from, isLost) {
    this.#change(from === "you" ? { isUnheard: isLost } : { isDoorSilent: isLost });
  }

  #setDoor(state, for_ms = 0, cause = "") {
    this.#timers.delete(this.#doorTimer);
    clearTimeout(this.#doorTimer);
    const stands_ms = state === "opened" ? for_ms || 3000 : state === "sent" ? Math.max(for_ms, DOOR_SAID_MS) : 0;
    this.#change({ door: { state, until: performance.now() + stands_ms, for_ms: stands_ms, cause } });
    if (stands_ms) this.#doorTimer = this.#after(stands_ms, () => this.#setDoor("idle"));
  }

  #send(type, fields = {}) {
    return this.#link.send({ type, call: this.token, ...fields });
  }

  #change(values) {
    Object.assign(this, values);
    this.dispatchEvent(new Event("change"));
  }

  #after(delay_ms, action) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, delay_ms);
    this.#timers.add(timer);
    return timer;
  }

  #clearTimers() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
