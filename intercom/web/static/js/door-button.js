// The one warm thing on the screen. A door is not a button that one brushes against: press and
// hold, lifting cancels. A click without a pointer (keyboard, switch, screen reader) gets a plain
// question instead: same result, no timing (WCAG 2.5.1, 2.5.2).

import { LitElement, css, html } from "../vendor/lit-3.3.3.min.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { shared } from "./styles.js";

const HOLD_MS = 600;

class DoorButton extends LitElement {
  static styles = [shared, css`
    .door { position: relative; overflow: hidden; width: 100%; min-height: 72px; border: 0; border-radius: var(--r-lg); background: var(--door); color: var(--door-ink); display: flex; align-items: center; gap: var(--s3); padding: 8px 20px; text-align: start; touch-action: none; user-select: none; -webkit-user-select: none; -webkit-touch-callout: none; transition: transform var(--fast) var(--ease), background var(--mid) var(--ease); }
    .door > * { position: relative; }
    .door:active:not([aria-disabled="true"]) { transform: scale(.985); }
    .fill, .left { position: absolute; inset: 0; background: #fff3cf; transform: scaleX(0); transform-origin: 0 50%; }
    .left { background: var(--door); }
    .icon { font-size: 1.35rem; }
    b { display: block; font-size: var(--t-md); font-weight: 650; letter-spacing: -.01em; line-height: 1.25; }
    small { display: block; font-size: var(--t-xs); font-weight: 500; line-height: 1.3; opacity: .9; }
    .words { min-width: 0; overflow-wrap: anywhere; }
    .key { margin-inline-start: auto; flex: none; width: 36px; height: 36px; border-radius: 50%; display: grid; place-items: center; background: rgb(34 22 0 / .12); font-size: 1rem; }
    .opened { background: #fff3cf; }
    .opened .fill { background: #e39a0b; }
    .unknown, .failed { background: color-mix(in srgb, var(--door) 10%, #101315); box-shadow: inset 0 0 0 2px var(--door); color: #fff; }
    .unknown .fill, .failed .fill { background: rgb(245 179 36 / .45); }
    .unknown .key, .failed .key { background: rgb(245 179 36 / .2); color: var(--door); }
    .unknown .icon, .failed .icon { color: var(--door); }
    .refused, .offline { background: #1b1f22; box-shadow: inset 0 0 0 2px #4a5157; color: #cfd3d5; }
    .refused .key, .offline .key { background: #2a2e32; }
    dialog { width: min(22rem, calc(100vw - 40px)); padding: var(--s6); border: 1px solid #3b4146; border-radius: var(--r-lg); background: #1b1f22; color: #fff; }
    dialog::backdrop { background: rgb(0 0 0 / .66); }
    dialog h2 { font-size: var(--t-lg); font-weight: 650; letter-spacing: -.02em; line-height: 1.2; }
    dialog p { color: #c6cacc; margin-top: var(--s1); }
    .choice { display: grid; grid-template-columns: 1fr 1fr; gap: var(--s3); margin-top: var(--s6); }
    .choice button { min-height: 64px; border: 0; border-radius: var(--r-lg); font-weight: 600; background: #2f3539; color: #fff; }
    .choice .yes { background: var(--door); color: var(--door-ink); }
    @media (min-width: 900px) and (orientation: landscape) {
      .door { min-height: 120px; }
      .key { width: 48px; height: 48px; }
      b { font-size: 1.25rem; }
    }
    @media (forced-colors: active) {
      .fill, .left { background: Highlight; forced-color-adjust: none; opacity: .5; }
      .refused, .offline { border-style: dashed !important; }
    }
  `];

  static properties = { call: {}, door: {}, isOnline: {}, secondsLeft: {}, isHolding: { state: true } };

  #heldSince = 0;
  #frame = 0;
  #wasVirtual = false;
  #countdown = null;
  #countdownUntil = 0;

  constructor() {
    super();
    this.isHolding = false;
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#release();
  }

  updated() {
    if (this.#look().isDisabled) this.#release();
    this.#countDown();
    const dialog = this.renderRoot.querySelector("dialog");
    if (dialog.open && this.#look().isDisabled) dialog.close();
  }

  /** Show how long the door stays unlocked; it is information, so it moves for everybody. */
  #countDown() {
    const { state, until, for_ms } = this.door;
    const countdownUntil = state === "opened" ? until : 0;
    if (countdownUntil === this.#countdownUntil) return;
    this.#countdownUntil = countdownUntil;
    this.#countdown?.cancel();
    if (!countdownUntil) return;
    const left = this.renderRoot.querySelector(".left");
    this.#countdown = left.animate([{ transform: "scaleX(1)" }, { transform: "scaleX(0)" }], { duration: for_ms });
    this.#countdown.currentTime = Math.max(0, for_ms - (until - performance.now()));
  }

  #look() {
    if (!this.isOnline) return look("offline", "door-closed", t("door.offline"), t("door.offline_sub"), "wifi-off", true);
    const { state, cause } = this.door;
    switch (state) {
      case "opening": return look("opening", "door-closed", t("door.opening"), t("door.opening_sub"), "clock", true);
      case "opened": return look("opened", "door-open", t("door.opened", { seconds: this.secondsLeft }), t("door.opened_sub"), "check");
      case "sent": return look("sent", "door-closed", t("door.sent"), t("door.sent_sub"), "send");
      case "unknown": return look("unknown", "door-closed", t("door.unknown"), t("door.unknown_sub"), "circle-question-mark");
      case "failed": return look("failed", "door-closed", t("door.failed"), whyItFailed(cause), "rotate-cw");
      case "refused": return look("refused", "door-closed", t("door.refused"), whyRefused(cause), "x", true);
      default: return look("idle", "door-closed", t("door.open"), t("door.hold"), "key-round");
    }
  }

  #press(event) {
    this.#wasVirtual = isVirtual(event);
    if (event.button !== 0 || this.#wasVirtual || this.#look().isDisabled) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    this.isHolding = true;
    this.#heldSince = performance.now();
    this.#frame = requestAnimationFrame(() => this.#grow());
  }

  #grow() {
    const progress = Math.min(1, (performance.now() - this.#heldSince) / HOLD_MS);
    this.renderRoot.querySelector(".fill").style.transform = `scaleX(${progress})`;
    if (progress < 1) {
      this.#frame = requestAnimationFrame(() => this.#grow());
    } else {
      this.#release();
      navigator.vibrate?.(40);
      this.call.open();
    }
  }

  /** Lifting, leaving the button or anything unexpected cancels. */
  #release() {
    cancelAnimationFrame(this.#frame);
    this.isHolding = false;
    const fill = this.renderRoot?.querySelector(".fill");
    if (fill) fill.style.transform = "";
  }

  #moved(event) {
    if (!this.isHolding) return;
    const box = event.currentTarget.getBoundingClientRect();
    const isInside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!isInside) this.#release();
  }

  #clicked(event) {
    if ((event.detail > 0 && !this.#wasVirtual) || this.#look().isDisabled) return;
    this.renderRoot.querySelector("dialog").showModal();
  }

  #confirmed() {
    this.renderRoot.querySelector("dialog").close();
    this.call.open();
  }

  #close(event) {
    event.currentTarget.closest("dialog").close();
  }

  render() {
    const now = this.#look();
    return html`
      <button class="door ${now.name}" aria-disabled=${now.isDisabled} aria-describedby="how"
        @pointerdown=${this.#press} @pointermove=${this.#moved} @pointerup=${this.#release} @pointercancel=${this.#release}
        @lostpointercapture=${this.#release} @contextmenu=${(event) => event.preventDefault()} @click=${this.#clicked}>
        <span class="left"></span><span class="fill"></span>
        <span class="icon">${icon(now.icon)}</span>
        <span class="words"><b class="tn">${this.isHolding ? t("door.keep_holding") : now.title}</b><small id="how">${now.sub}</small></span>
        <span class="key">${icon(now.key)}</span>
      </button>
      <dialog aria-labelledby="question">
        <h2 id="question">${t("door.confirm")}</h2><p>${this.call.name}${this.call.place ? ` · ${this.call.place}` : ""}</p>
        <div class="choice"><button autofocus @click=${this.#close}>${t("door.confirm_no")}</button><button class="yes" @click=${this.#confirmed}>${t("door.confirm_yes")}</button></div>
      </dialog>`;
  }
}

function look(name, iconName, title, sub, key, isDisabled = false) {
  return { name, icon: iconName, title, sub, key, isDisabled };
}

/** The service says causes in an installer's words; a resident is told what concerns them. */
function whyItFailed(cause) {
  if (cause === "the panel is offline") return t("door.failed_panel");
  if (cause === "the relay does not draw current") return t("door.failed_lock");
  if (cause.startsWith("the relay")) return t("door.failed_reach");
  return t("door.failed_sub");
}

/** In a call there is nothing but the number of openings, or the right to them. */
function whyRefused(cause) {
  if (cause === "too many openings within a minute") return t("door.refused_often");
  if (cause === "you may not open this door now") return t("door.refused_right");
  return t("door.refused_sub");
}

/** A press that a screen reader made up has no size, or no pressure. */
function isVirtual(event) {
  if (event.width === 0 && event.height === 0) return true;
  return event.pointerType === "mouse" && event.pressure === 0 && event.detail === 0;
}

customElements.define("door-button", DoorButton);
