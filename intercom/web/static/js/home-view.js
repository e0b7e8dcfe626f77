// Waiting for the doorbell: who is logged in, whether it can ring here, and the doors.

import { LitElement, css, html, nothing } from "../vendor/lit-3.3.3.min.js";
import "./door-button.js";
import { dayOf, t, timeOfDay } from "./i18n.js";
import { askForMicrophone, microphonePermission } from "./media.js";
import { icon } from "./icons.js";
import { buttons, shared } from "./styles.js";

const CLOCK_MS = 1000;

class HomeView extends LitElement {
  static styles = [shared, buttons, css`
    :host { min-height: 100dvh; display: grid; grid-template-rows: auto 1fr; }
    header { display: flex; align-items: center; gap: var(--s3); padding: calc(env(safe-area-inset-top) + var(--s3)) var(--s5) var(--s3); }
    .mark { width: 36px; height: 36px; flex: none; }
    .who { font-weight: 650; letter-spacing: -.01em; overflow-wrap: anywhere; line-height: 1.25; }
    a.who { color: inherit; padding-block: var(--s3); text-decoration-color: var(--line-strong); text-underline-offset: 4px; }
    header .btn { margin-inline-start: auto; font-size: var(--t-sm); white-space: nowrap; }
    main { display: grid; gap: var(--s8); align-content: center; width: min(100%, 34rem); margin: 0 auto; padding: var(--s4) var(--s5) calc(env(safe-area-inset-bottom) + var(--s10)); }
    .clock { display: none; }
    .state { display: grid; gap: var(--s3); justify-items: start; }
    .pill { display: inline-flex; align-items: center; gap: 8px; padding: 5px 12px 5px 10px; border-radius: var(--r-full); font-size: var(--t-xs); font-weight: 600; background: var(--sunken); color: var(--ink-2); }
    .pill.ok { background: var(--ok-soft); color: var(--ok); }
    .pill.bad { background: var(--bad-soft); color: var(--bad); }
    .pill .dot { width: 8px; height: 8px; border-radius: 50%; background: currentColor; }
    h1 { font-size: var(--t-xl); font-weight: 650; letter-spacing: -.02em; line-height: 1.15; text-wrap: balance; }
    .lede { color: var(--ink-2); max-width: 40ch; }
    .card { background: var(--surface); border: 1px solid var(--line); border-radius: var(--r-md); box-shadow: var(--shadow); }
    .ask { display: grid; gap: var(--s3); padding: var(--s5); }
    .ask p { color: var(--ink-2); font-size: var(--t-sm); }
    .ask .btn { min-height: 56px; padding-inline: var(--s3); text-wrap: balance; }
    .tell { display: flex; gap: var(--s3); align-items: center; padding: var(--s3) var(--s3) var(--s3) var(--s5); min-height: 64px; }
    .tell .btn { margin-inline-start: auto; min-width: 48px; flex: none; }
    .tell > .i { color: var(--ink-2); }
    .tell b { display: block; font-weight: 650; line-height: 1.3; }
    .tell small { display: block; font-size: var(--t-sm); color: var(--ink-2); overflow-wrap: anywhere; }
    .block { padding: var(--s5); display: grid; grid-template-columns: auto 1fr; gap: var(--s2) var(--s3); }
    .block > .i { color: var(--bad); margin-top: 2px; }
    .block b { font-weight: 650; }
    .block p { color: var(--ink-2); font-size: var(--t-sm); grid-column: 2; }
    .block .btn { grid-column: 2; justify-self: start; margin-top: var(--s2); }
    .ready { display: flex; align-items: center; gap: 8px; color: var(--ok); font-size: var(--t-sm); font-weight: 600; }
    h2 { font-size: var(--t-sm); font-weight: 600; color: var(--ink-2); margin-bottom: var(--s3); }
    .doors li { display: grid; grid-template-columns: 44px minmax(0, 1fr); gap: var(--s4); align-items: center; padding: var(--s4) var(--s5); }
    .doors li + li { border-top: 1px solid var(--line); }
    .glyph { width: 44px; height: 44px; border-radius: 11px; display: grid; place-items: center; background: var(--sunken); color: var(--ink-2); font-size: 1.1rem; }
    .doors b { display: block; font-weight: 650; letter-spacing: -.01em; line-height: 1.3; overflow-wrap: anywhere; }
    .doors small { display: block; font-size: var(--t-sm); color: var(--ink-2); }
    .doors door-button { grid-column: 1 / -1; }
    .none { color: var(--ink-2); font-size: var(--t-sm); }
    @media (min-width: 900px) and (orientation: landscape) {
      header { padding: var(--s5) var(--s8); }
      main { grid-template-columns: minmax(0, 1fr) minmax(0, 24rem); gap: var(--s8) var(--s16); width: min(100%, 62rem); padding-inline: var(--s8); align-items: center; }
      .side { display: grid; gap: var(--s6); }
      .clock { display: block; margin-bottom: var(--s6); }
      .clock b { display: block; font-size: 4.5rem; font-weight: 300; letter-spacing: -.04em; line-height: 1; }
      .clock span { color: var(--ink-2); display: block; margin-top: var(--s2); }
    }
    @media (max-width: 899px), (orientation: portrait) { .side { display: grid; gap: var(--s8); } }
    @media (forced-colors: active) { .pill, .glyph { border: 1px solid CanvasText; } }
  `];

  static properties = { name: {}, hasAccountPages: {}, doors: {}, keys: {}, linkState: {}, missed: {}, bell: {}, microphone: { state: true }, now: { state: true } };

  #clockTimer = 0;
  #permission = null;

  constructor() {
    super();
    this.doors = [];
    this.keys = new Map();
    this.microphone = "unknown";
    this.now = new Date();
  }

  connectedCallback() {
    super.connectedCallback();
    this.#clockTimer = setInterval(() => this.#tick(), CLOCK_MS);
    this.#learnMicrophone();
    this.bellChanged = () => this.requestUpdate();
    this.bell?.addEventListener("change", this.bellChanged);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#clockTimer);
    this.bell?.removeEventListener("change", this.bellChanged);
    if (this.#permission) this.#permission.onchange = null;
  }

  #tick() {
    const now = new Date();
    if (now.getMinutes() !== this.now.getMinutes()) this.now = now;
    if ([...this.keys.values()].some((key) => key.door.state === "opened")) this.requestUpdate();
  }

  #door(door) {
    const key = this.keys.get(door.id);
    const secondsLeft = key ? Math.max(0, Math.ceil((key.door.until - performance.now()) / 1000)) : 0;
    return html`<li><span class="glyph">${icon("door-closed")}</span><span><b>${door.name}</b><small>${door.place}</small></span>
      ${key ? html`<door-button .call=${key} .door=${key.door} .isOnline=${key.isOnline} .secondsLeft=${secondsLeft}></door-button>` : nothing}</li>`;
  }

  async #learnMicrophone() {
    this.microphone = await microphonePermission();
    try {
      this.#permission = await navigator.permissions.query({ name: "microphone" });
      this.#permission.onchange = () => (this.microphone = this.#permission.state);
    } catch {
      // An older browser says nothing by itself.
    }
  }

  async #allow() {
    this.bell.unlock();
    this.microphone = await askForMicrophone();
  }

  #state() {
    const pills = {
      online: html`<span class="pill ok"><span class="dot"></span>${t("home.online")}</span>`,
      connecting: html`<span class="pill"><span class="dot"></span>${t("home.connecting")}</span>`,
      offline: html`<span class="pill bad">${icon("wifi-off")}${t("home.offline")}</span>`,
    };
    if (this.linkState === "replaced") {
      return html`<div class="state"><h1>${t("home.replaced_title")}</h1><p class="lede">${t("home.replaced")}</p>
        <button class="btn pri" @click=${() => this.dispatchEvent(new Event("use-here"))}>${t("home.use_here")}</button></div>`;
    }
    const isOffline = this.linkState === "offline";
    return html`<div class="state" role="status">${pills[this.linkState] ?? pills.connecting}
      <h1>${isOffline ? t("home.title_offline") : t("home.title")}</h1>
      <p class="lede">${isOffline ? t("home.lede_offline") : t("home.lede")}</p></div>`;
  }

  #permissionCard() {
    if (this.microphone === "unknown") return nothing;
    if (this.microphone === "denied") {
      return html`<section class="card block">${icon("mic-off")}<b>${t("mic.blocked_title")}</b><p>${t("mic.blocked_how")} ${t("mic.door_works")}</p>
        <button class="btn" @click=${this.#allow}>${icon("rotate-cw")}${t("mic.try")}</button></section>`;
    }
    if (this.microphone === "missing" && this.bell.isUnlocked) {
      return html`<section class="card block">${icon("mic-off")}<b>${t("mic.missing_title")}</b><p>${t("mic.missing_how")} ${t("mic.door_works")}</p></section>`;
    }
    if (this.microphone === "granted" && this.bell.isUnlocked) {
      return html`<p class="ready">${icon("check")}${t("home.allowed")}</p>`;
    }
    return html`<section class="card ask"><button class="btn pri" @click=${this.#allow}>${icon("bell")}${t("home.allow")}</button><p>${t("home.allow_why")}</p></section>`;
  }

  render() {
    return html`<header><img class="mark" src="/static/mark.svg" alt="">${this.hasAccountPages
        ? html`<a class="who" href="/admin/me" aria-label=${`${this.name}: ${t("home.account")}`}>${this.name}</a>`
        : html`<span class="who">${this.name}</span>`}
        <button class="btn quiet" @click=${() => this.dispatchEvent(new Event("log-out"))}>${icon("log-out")}${t("home.log_out")}</button></header>
      <main>
        <div><div class="clock tn"><b>${timeOfDay(this.now)}</b><span>${dayOf(this.now)}</span></div>${this.#state()}</div>
        <div class="side">
          ${this.missed ? html`<section class="card tell">${icon("phone-missed")}<span><b>${t("end.missed")}</b><small>${this.missed.door} · <span class="tn">${this.missed.time}</span></small></span><button class="btn quiet" aria-label=${t("home.dismiss")} @click=${() => this.dispatchEvent(new Event("dismiss"))}>${icon("x")}</button></section>` : nothing}
          ${this.#permissionCard()}
          <section><h2>${t("home.doors")}</h2>
            ${this.doors.length
              ? html`<ul class="card doors">${this.doors.map((door) => this.#door(door))}</ul>`
              : html`<p class="none">${t("home.no_doors")}</p>`}
          </section>
        </div>
      </main>`;
  }
}

customElements.define("home-view", HomeView);
