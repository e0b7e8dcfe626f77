// The key to one door: opens it without a call. Says only what is known; the door's button draws it.

import { randomId } from "./random-id.js";

const TIMEOUT_MS = 10_000; // without a word by then we do not know
const SAID_MS = 8000; // how long a result stands before the button is itself again

/** Events: "change". It has what a door's button needs of a call: name, place, open(). */
export class Key extends EventTarget {
  door = { state: "idle", until: 0, for_ms: 0, cause: "" };
  #link;
  #wishId = "";
  #timer = 0;

  constructor(door, link) {
    super();
    this.#link = link;
    this.rename(door);
  }

  rename(door) {
    this.id = door.id;
    this.name = door.name;
    this.place = door.place;
  }

  get isOnline() {
    return this.#link.isOnline;
  }

  /** Ask for one opening; its id makes a repeated frame harmless. */
  open() {
    if (this.door.state === "opening") return;
    this.#wishId = randomId();
    if (this.#send()) this.#become("opening", TIMEOUT_MS);
  }

  /** Take what came of a wish; another one's is not ours. */
  receive(frame) {
    if (frame.id !== this.#wishId) return;
    const stands_ms = frame.state === "opened" ? frame.pulse_ms || 3000 : SAID_MS;
    this.#become(frame.state, stands_ms, frame.cause);
  }

  /** The connection came back: what is still under way is asked again, and opens no second time. */
  reconnected() {
    if (this.door.state === "opening") this.#send();
  }

  #send() {
    return this.#link.send({ type: "key", door: this.id, id: this.#wishId });
  }

  #become(state, stands_ms, cause = "") {
    clearTimeout(this.#timer);
    this.door = { state, until: performance.now() + stands_ms, for_ms: stands_ms, cause };
    if (stands_ms) this.#timer = setTimeout(() => this.#timeUp(), stands_ms);
    this.dispatchEvent(new Event("change"));
  }

  #timeUp() {
    if (this.door.state === "opening") this.#become("unknown", SAID_MS);
    else this.#become("idle", 0);
  }
}
