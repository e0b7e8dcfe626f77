// The call screen. Its three rows hold their places in every state; only what they say changes.

import { LitElement, html, nothing } from "../vendor/lit-3.3.3.min.js";
import { callStyle } from "./call-style.js";
import "./door-button.js";
import { dayOf, duration, t, timeOfDay } from "./i18n.js";
import { outcomeOf } from "./outcome.js";
import { icon } from "./icons.js";
import { shared } from "./styles.js";

const TICK_MS = 200;
const DOUBLE_TAP_MS = 600; // a second tap on Answer must not mute what has just begun

class CallView extends LitElement {
  static styles = [shared, callStyle];
  static properties = { call: {}, waiting: {}, isWhole: { state: true } };

  #tickTimer = 0;
  #answeredAt = 0;
  #watched = null;

  constructor() {
    super();
    this.waiting = [];
    this.isWhole = false;
    this.changed = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    this.#tickTimer = setInterval(this.changed, TICK_MS);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.#tickTimer);
    this.call?.removeEventListener("change", this.changed);
  }

  willUpdate(changes) {
    if (!changes.has("call")) return;
    changes.get("call")?.removeEventListener("change", this.changed);
    this.call.addEventListener("change", this.changed);
    this.isWhole = false;
  }

  updated() {
    const video = this.renderRoot.querySelector("video");
    const media = this.call.media;
    if (media !== this.#watched) {
      this.#watched = media;
      video.srcObject = media?.stream ?? null;
      media?.watch(video);
    }
    video.muted = !this.call.isVisitorAudible;
    if (video.srcObject && video.paused) video.play().catch(() => {}); // refused until the page is touched
  }

  #answer() {
    this.#answeredAt = performance.now();
    this.call.answer();
  }

  #toggle(action) {
    if (performance.now() - this.#answeredAt > DOUBLE_TAP_MS) action();
  }

  #state() {
    const { phase, door, isQuiet, isOnline, end } = this.call;
    if (phase === "ended") return ["ended", end.isMissed ? t("call.missed") : t("call.ended")];
    if (!isOnline) return ["offline", t("call.reconnecting")];
    if (door.state === "opened") return ["door", t("call.unlocked")];
    if (door.state === "sent") return ["door", t("call.sent")];
    if (phase === "talking") return ["talking", t("call.talking")];
    if (phase === "answering") return ["answering", t("call.answering")];
    return ["ringing", isQuiet ? t("call.quiet") : t("call.ringing")];
  }

  #head() {
    const [kind, words] = this.#state();
    const { call } = this;
    const since = call.talkingSince || call.startedAt;
    return html`<header class="head">
      <span class="state" data-s=${kind} role="status"><i></i>${words}</span>
      <h1>${call.name}</h1>
      <p class="where">${call.place}${call.isLive ? html`${call.place ? " · " : nothing}<span class="tn" role="timer">${duration((performance.now() - since) / 1000)}</span>` : nothing}</p>
    </header>`;
  }

  #tools() {
    const { call } = this;
    if (!call.isLive) return nothing;
    return html`<div class="tools">
      ${call.phase === "ringing" ? html`<button class="ib" aria-pressed=${call.isSilenced} aria-label=${t("call.silence")} title=${t("call.silence")} @click=${() => call.silence()}>${icon("bell-off")}</button>` : nothing}
      ${call.picture === "none" ? nothing : html`<button class="ib" aria-pressed=${this.isWhole} aria-label=${this.isWhole ? t("call.fill") : t("call.whole")} title=${this.isWhole ? t("call.fill") : t("call.whole")} @click=${() => (this.isWhole = !this.isWhole)}>${icon(this.isWhole ? "minimize" : "maximize")}</button>`}
    </div>`;
  }

  #instead() {
    const { call } = this;
    if (!call.isLive) return html`<div class="instead over-now">${icon(outcomeOf(call.end).icon)}</div>`;
    if (call.picture === "live") return nothing;
    if (call.picture === "loading") return html`<div class="instead" role="status"><b>${t("picture.loading")}</b></div>`;
    if (call.picture === "none") return html`<div class="instead">${icon("video-off")}<b>${t("picture.none")}</b><span>${t("picture.none_sub")}</span></div>`;
    const isTalking = call.phase === "talking";
    const isSoundLost = call.isSoundLost || call.isDoorSilent;
    const title = isSoundLost ? t("picture.lost_both") : t("picture.lost");
    const sub = isSoundLost ? t("mic.door_works") : isTalking ? t("picture.lost_sound") : t("picture.lost_ringing");
    return html`<div class="instead" role="status">${icon("video-off")}<b>${title}</b><span>${sub}</span></div>`;
  }

  #over() {
    const { call } = this;
    if (!call.isLive) return nothing;
    const others = this.waiting.map((door) => html`<p class="chip" role="status">${icon("bell")}${t("call.also_rings", { door })}</p>`);
    const listen = call.phase === "ringing" && call.media
      ? html`<button class="chip" aria-pressed=${call.isListening} @click=${() => call.listen()}>${icon(call.isListening ? "volume-2" : "ear")}${call.isListening ? t("call.listening") : t("call.listen")}</button>`
      : nothing;
    const still = call.isSnapshot && call.picture === "live" ? html`<p class="note">${icon("clock")}${t("picture.each_second")}</p>` : nothing;
    const isHeardFor = call.phase !== "ringing" || call.isListening; // else nobody misses the sound
    const silent = call.isDoorSilent && !call.isSoundLost && call.picture !== "lost" && isHeardFor
      ? html`<p class="chip silent" role="status">${icon("volume-x")}${t("sound.lost")}</p>`
      : nothing;
    return html`<div class="over">${others}${silent}${still}${this.#microphoneCard()}${listen}${this.#readyAnswers()}</div>`;
  }

  /** What a resident can say without speaking; the visitor sees and hears it. */
  #readyAnswers() {
    const { call } = this;
    const answers = [["coming", t("answer.coming")], ["leave_it", t("answer.leave_it")], ["wrong_door", t("answer.wrong_door")]];
    const { answer: said, state } = call.readyAnswer;
    const words = { sending: t("answer.sending"), told: t("answer.told"), refused: t("answer.refused") }[state] ?? "";
    return html`<div class="answers" role="group" aria-label=${t("answer.label")}>
      ${answers.map(([answer, text]) => html`<button class="chip" ?disabled=${!call.isOnline} aria-pressed=${answer === said && state === "told"} @click=${() => call.answerReady(answer)}>${answer === said && state === "told" ? icon("check") : nothing}${text}</button>`)}
      <span class="sr" role="status">${words}</span>
      ${state === "refused" ? html`<p class="note">${icon("x")}${words}</p>` : nothing}
    </div>`;
  }

  #microphoneCard() {
    const { call } = this;
    if (call.phase === "ringing") return nothing;
    if (call.microphone === "blocked") {
      return html`<section class="card" role="alert">${icon("mic-off")}<b>${t("mic.blocked_title")}</b><p>${t("mic.blocked_how")} <b>${t("mic.door_works")}</b></p><button @click=${() => call.openMicrophone()}>${t("mic.try")}</button></section>`;
    }
    if (call.microphone === "missing") {
      return html`<section class="card" role="alert">${icon("mic-off")}<b>${t("mic.missing_title")}</b><p>${t("mic.missing_how")} <b>${t("mic.door_works")}</b></p></section>`;
    }
    return nothing;
  }

  #doorRow() {
    const { call } = this;
    if (call.isLive) return html`<door-button .call=${call} .door=${call.door} .isOnline=${call.isOnline} .secondsLeft=${secondsUntil(call.door.until)}></door-button>`;
    const outcome = outcomeOf(call.end);
    return html`<div class="outcome" role="status">${icon(outcome.icon)}<span><b>${outcome.title}</b>${outcome.sub ? html`<small>${outcome.sub}</small>` : nothing}</span></div>`;
  }

  #actions() {
    const { call } = this;
    if (!call.isLive) return html`<div class="acts out"><button class="act close" @click=${() => call.close()}>${icon("x")}${t("call.close")}</button></div>`;
    if (call.phase === "ringing") {
      return html`<div class="acts"><button class="act decline" @click=${() => call.decline()}>${icon("phone-off")}${t("call.decline")}</button><button class="act answer" aria-disabled=${!call.isOnline} @pointerdown=${() => call.aboutToAnswer()} @click=${() => this.#answer()}>${icon("phone")}${t("call.answer")}</button></div>`;
    }
    return html`<div class="acts in"><button class="act end" @click=${() => call.hangUp()}>${icon("phone-off")}${t("call.end")}</button>
      <button class="tog" aria-pressed=${call.isMuted} @click=${() => this.#toggle(() => call.toggleMute())}>${icon(call.isMuted ? "mic-off" : "mic")}${t("call.mute")}</button>
      <button class="tog" aria-pressed=${call.isSpeakerOn} @click=${() => this.#toggle(() => call.toggleSpeaker())}>${icon(call.isSpeakerOn ? "volume-2" : "volume-x")}${t("call.speaker")}</button></div>`;
  }

  #fact() {
    const { phase, microphone, isMuted, isUnheard, isQuiet, isOnline, isSpeakerOn, end } = this.call;
    if (phase === "ended") return fact("clock", t("end.closing", { seconds: secondsUntil(end.closesAt) }));
    if (!isOnline) return fact("wifi-off", t("fact.offline"));
    if (phase === "ringing") return fact("mic-off", isQuiet ? t("fact.quiet") : t("fact.shut"));
    if (microphone === "asking") return fact("mic", t("fact.asking"));
    if (microphone === "blocked") return fact("mic-off", t("fact.blocked"));
    if (microphone !== "on") return fact("mic-off", t("fact.missing"));
    if (phase === "answering") return fact("mic", t("fact.answering"));
    if (isMuted) return fact("mic-off", t("fact.muted"));
    if (isUnheard) return fact("mic-off", t("fact.unheard"));
    const words = isSpeakerOn ? t("fact.on") : t("fact.speaker_off");
    return html`<p class="fact" role="status"><span class="meter" aria-hidden="true"><i></i><i></i><i></i><i></i></span>${words}</p>`;
  }

  render() {
    const { call } = this;
    const isLit = call.isLive && call.door.state === "opened";
    const now = new Date();
    return html`<main class="call ${isLit ? "lit" : ""} ${call.shouldSound ? "sounding" : ""}">
      <section class="pic ${call.isLive ? call.picture : "none"} ${this.isWhole ? "whole" : ""}" aria-label=${t("call.picture")}>
        <video autoplay playsinline muted disablepictureinpicture></video>
        ${call.snapshot ? html`<img src=${call.snapshot} alt="" />` : nothing}
        ${this.#instead()}${this.#head()}${this.#tools()}${this.#over()}
      </section>
      <section class="panel" aria-label=${t("call.controls")}>
        <div class="clock tn"><b>${timeOfDay(now)}</b><span>${dayOf(now)}</span></div>
        ${this.#doorRow()}${this.#actions()}${this.#fact()}
      </section>
    </main>`;
  }
}

function fact(iconName, words) {
  return html`<p class="fact" role="status">${icon(iconName)}${words}</p>`;
}

function secondsUntil(at) {
  return Math.max(0, Math.ceil((at - performance.now()) / 1000));
}

customElements.define("call-view", CallView);
