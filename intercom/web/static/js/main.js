// The resident's page: which of its three views shows, and who knows what.

import { LitElement, css, html } from "../vendor/lit-3.3.3.min.js";
import { Bell } from "./bell.js";
import { Call } from "./call.js";
import "./call-view.js";
import "./home-view.js";
import { language, t, timeOfDay } from "./i18n.js";
import { Key } from "./key.js";
import { Link } from "./link.js";
import { prepareConnection } from "./media.js";
import "./login-view.js";

const RING_FRAMES = 8; // rings of other doors that wait behind the one on the screen

class IntercomApp extends LitElement {
  static styles = css`:host { display: block; }`;
  static properties = {
    view: { state: true },
    name: { state: true },
    doors: { state: true },
    keys: { state: true },
    call: { state: true },
    missed: { state: true },
    waiting: { state: true },
    wasLoggedOut: { state: true },
    hasAccountPages: { state: true },
  };

  #link = new Link();
  #bell = new Bell();
  #wakeLock = null;

  constructor() {
    super();
    this.view = "loading";
    this.name = "";
    this.doors = [];
    this.keys = new Map();
    this.call = null;
    this.missed = null;
    this.waiting = [];
    this.wasLoggedOut = false;
    this.hasAccountPages = false;
    document.documentElement.lang = language;
    this.#link.addEventListener("message", (event) => this.#received(event.detail));
    this.#link.addEventListener("state", () => this.#linkChanged());
    for (const gesture of ["pointerup", "keydown"]) {
      addEventListener(gesture, () => this.#bell.isUnlocked || this.#bell.unlock());
    }
  }

  connectedCallback() {
    super.connectedCallback();
    this.#start();
  }

  async #start() {
    try {
      const response = await fetch("/api/me");
      const answer = await response.json();
      this.hasAccountPages = answer.account_pages === true;
      if (response.status === 401) return void (this.view = "login");
      this.name = answer.name;
    } catch {
      // Not reachable: the link goes on trying, and home says so.
    }
    this.#enter();
  }

  #enter() {
    this.view = "home";
    this.#link.open();
  }

  #loggedIn(name) {
    this.name = name;
    this.wasLoggedOut = false;
    this.#enter();
  }

  async #logOut() {
    this.#link.close();
    try {
      await fetch("/api/logout", { method: "POST" });
    } finally {
      this.#leave(false);
    }
  }

  #leave(wasLoggedOut) {
    this.call?.close();
    this.waiting = [];
    this.missed = null;
    this.doors = [];
    this.keys = new Map();
    this.wasLoggedOut = wasLoggedOut;
    this.view = "login";
  }

  #linkChanged() {
    if (this.#link.state === "logged-out") this.#leave(true);
    if (!this.#link.isOnline) this.waiting = [];
    this.call?.linkChanged();
    this.requestUpdate();
  }

  #received(frame) {
    if (frame.type === "hello") return this.#greeted(frame);
    if (frame.type === "ring") return this.#rang(frame);
    if (frame.type === "key_result") return this.keys.forEach((key) => key.receive(frame));
    if (frame.call === undefined) return;
    if (frame.call === this.call?.token) this.call.receive(frame);
    else if (frame.type === "ended") this.waiting = this.waiting.filter((one) => one.frame.call !== frame.call);
  }

  #greeted(frame) {
    this.name = frame.resident.name;
    this.doors = frame.doors;
    this.#takeKeys(frame.doors.filter((door) => door.key));
    this.call?.reconnected();
    prepareConnection();
  }

  /** Keep the keys that stay: one of them may be turning. */
  #takeKeys(doors) {
    const before = this.keys;
    this.keys = new Map(doors.map((door) => [door.id, before.get(door.id) ?? this.#newKey(door)]));
    for (const door of doors) this.keys.get(door.id).rename(door);
    for (const key of this.keys.values()) key.reconnected();
  }

  #newKey(door) {
    const key = new Key(door, this.#link);
    key.addEventListener("change", () => (this.keys = new Map(this.keys)));
    return key;
  }

  #rang(frame) {
    if (frame.call === this.call?.token) return;
    if (this.call?.isLive) {
      this.waiting = [...this.waiting, { frame, at: performance.now() }].slice(-RING_FRAMES);
    } else {
      this.#show(frame);
    }
  }

  #show(frame) {
    this.call?.close();
    const call = new Call(frame, this.#link);
    this.call = call;
    this.missed = null;
    call.addEventListener("change", () => this.#callChanged(call));
    call.addEventListener("close", () => this.#callClosed(call));
    this.#keepAwake();
    this.#callChanged(call);
    call.prepare();
  }

  #callChanged(call) {
    if (call !== this.call) return;
    if (call.shouldSound && !this.isSounding) this.#bell.start();
    if (!call.shouldSound && this.isSounding) this.#bell.stop();
    this.isSounding = call.shouldSound;
    if (call.end?.isMissed) this.missed = { door: call.name, time: timeOfDay(call.rangAt) };
  }

  #callClosed(call) {
    if (call !== this.call) return;
    this.call = null;
    if (this.isSounding) this.#bell.stop();
    this.isSounding = false;
    this.#wakeLock?.release();
    this.#wakeLock = null;
    prepareConnection();
    const [next, ...others] = this.waiting;
    this.waiting = others;
    if (next) this.#show({ ...next.frame, since_s: (next.frame.since_s ?? 0) + (performance.now() - next.at) / 1000 });
  }

  async #keepAwake() {
    try {
      this.#wakeLock = await navigator.wakeLock?.request("screen");
    } catch {
      // A device low on battery may refuse; the call goes on.
    }
  }

  updated() {
    document.documentElement.classList.toggle("in-call", Boolean(this.call));
    const isRinging = this.call?.phase === "ringing";
    document.title = isRinging ? t("call.page_title", { door: this.call.name }) : t("app.name");
  }

  render() {
    if (this.call && this.view === "home") {
      return html`<call-view .call=${this.call} .waiting=${this.waiting.map((one) => one.frame.door.name)}></call-view>`;
    }
    if (this.view === "login") {
      return html`<login-view .wasLoggedOut=${this.wasLoggedOut} .hasAccountPages=${this.hasAccountPages} @logged-in=${(event) => this.#loggedIn(event.detail)}></login-view>`;
    }
    if (this.view === "loading") return html``;
    return html`<home-view
      .name=${this.name} .hasAccountPages=${this.hasAccountPages} .doors=${this.doors} .keys=${this.keys} .linkState=${this.#link.state} .missed=${this.missed} .bell=${this.#bell}
      @log-out=${() => this.#logOut()} @use-here=${() => this.#link.open()} @dismiss=${() => (this.missed = null)}
    ></home-view>`;
  }
}

customElements.define("intercom-app", IntercomApp);
