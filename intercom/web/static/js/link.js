// The WebSocket to the service: reconnects by itself, and knows a dead connection in 15 s.

const PING_MS = 10_000;
const PONG_MS = 5_000;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 15_000;
const CLOSED_LOGGED_OUT = 4401;
const CLOSED_REPLACED = 4409;

/** Events: "message" (detail: the frame), "state". `state`: connecting, online, offline, replaced, logged-out, closed. */
export class Link extends EventTarget {
  state = "closed";
  #socket = null;
  #attempts = 0;
  #retryTimer = 0;
  #pingTimer = 0;
  #pongTimer = 0;

  constructor() {
    super();
    addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      if (this.state === "online") this.#ping();
      else this.#retryNow();
    });
  }

  get isOnline() {
    return this.state === "online";
  }

  open() {
    this.#attempts = 0;
    this.#become("connecting");
    this.#connect();
  }

  close() {
    this.#forget();
    this.#become("closed");
  }

  /** Send a frame; false when there is no connection. */
  send(frame) {
    if (!this.isOnline) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  #connect() {
    this.#forget();
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#attempts = 0;
      this.#schedulePing();
    };
    socket.onmessage = (event) => this.#received(JSON.parse(event.data));
    socket.onclose = (event) => this.#closed(event.code);
    this.#pongTimer = setTimeout(() => this.#closed(0), PONG_MS);
  }

  #received(frame) {
    clearTimeout(this.#pongTimer);
    if (frame.type === "hello") this.#become("online");
    if (frame.type !== "pong") this.dispatchEvent(new CustomEvent("message", { detail: frame }));
  }

  async #closed(code) {
    const wasOnline = this.isOnline;
    this.#forget();
    if (code === CLOSED_LOGGED_OUT) return this.#become("logged-out");
    if (code === CLOSED_REPLACED) return this.#become("replaced");
    this.#become("offline");
    // Full jitter: after a restart the apps of a whole building do not come back in one moment.
    const limit = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#attempts++);
    this.#retryTimer = setTimeout(() => this.#connect(), Math.random() * limit);
    if (!wasOnline && (await isLoggedOut()) && this.state === "offline") {
      this.#forget();
      this.#become("logged-out");
    }
  }

  #schedulePing() {
    clearTimeout(this.#pingTimer);
    this.#pingTimer = setTimeout(() => this.#ping(), PING_MS);
  }

  #ping() {
    if (!this.send({ type: "ping" })) return;
    clearTimeout(this.#pongTimer);
    this.#pongTimer = setTimeout(() => this.#closed(0), PONG_MS);
    this.#schedulePing();
  }

  #retryNow() {
    if (this.state !== "offline") return;
    this.#attempts = 0;
    this.#connect();
  }

  #forget() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pingTimer);
    clearTimeout(this.#pongTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

async function isLoggedOut() {
  try {
    return (await fetch("/api/me")).status === 401;
  } catch {
    return false;
  }
}
