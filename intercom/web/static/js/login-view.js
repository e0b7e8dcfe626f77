// Logging in with what the administrator gave.

import { LitElement, css, html, nothing } from "../vendor/lit-3.3.3.min.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { buttons, shared } from "./styles.js";

class LoginView extends LitElement {
  static styles = [shared, buttons, css`
    :host { min-height: 100dvh; display: grid; place-items: center; padding: var(--s6) var(--s5) max(var(--s6), env(safe-area-inset-bottom)); }
    main { width: min(100%, 25rem); display: grid; gap: var(--s6); }
    .mark { width: 56px; height: 56px; }
    h1 { font-size: var(--t-xl); font-weight: 650; letter-spacing: -.02em; line-height: 1.15; }
    .lede { color: var(--ink-2); margin-top: var(--s2); }
    form { display: grid; gap: var(--s5); }
    .field { display: grid; gap: 6px; font-weight: 600; font-size: var(--t-sm); }
    .box { position: relative; }
    input { width: 100%; min-height: 52px; padding: 0 var(--s4); border: 1px solid var(--line-strong); border-radius: 12px; background: var(--surface); font-size: var(--t-md); font-weight: 400; }
    .box input { padding-inline-end: 56px; }
    .eye { position: absolute; inset: 2px 2px 2px auto; width: 48px; border: 0; border-radius: 10px; background: none; color: var(--ink-2); display: grid; place-items: center; }
    .problem { display: flex; gap: var(--s3); padding: var(--s3) var(--s4); border-radius: 12px; background: var(--bad-soft); color: var(--bad); font-size: var(--t-sm); line-height: 1.45; }
    .problem .i { margin-top: 2px; }
    .btn { min-height: 56px; }
    .forgot { justify-self: center; }
  `];

  static properties = { wasLoggedOut: {}, hasAccountPages: {}, problem: { state: true }, isBusy: { state: true }, isShown: { state: true } };

  constructor() {
    super();
    this.wasLoggedOut = false;
    this.problem = "";
    this.isBusy = false;
    this.isShown = false;
  }

  firstUpdated() {
    if (this.wasLoggedOut) this.problem = t("login.logged_out");
  }

  async #submit(event) {
    event.preventDefault();
    const fields = new FormData(event.target);
    this.isBusy = true;
    this.problem = "";
    try {
      const response = await fetch("/api/login", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ username: fields.get("username").trim(), password: fields.get("password") }),
      });
      const answer = await response.json();
      if (response.ok) this.dispatchEvent(new CustomEvent("logged-in", { detail: answer.name }));
      else if (response.status === 429) this.problem = t("login.locked", { minutes: Math.ceil(answer.retry_s / 60) });
      else this.problem = t("login.wrong");
    } catch {
      this.problem = t("login.unreachable");
    }
    this.isBusy = false;
  }

  render() {
    return html`<main>
      <img class="mark" src="/static/mark.svg" alt="">
      <div><h1>${t("login.title")}</h1><p class="lede">${t("login.lede")}</p></div>
      <form @submit=${this.#submit}>
        <label class="field">${t("login.username")}
          <input name="username" required maxlength="128" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" autofocus>
        </label>
        <div class="field"><label for="password">${t("login.password")}</label>
          <div class="box">
            <input id="password" name="password" required maxlength="512" type=${this.isShown ? "text" : "password"} autocomplete="current-password">
            <button class="eye" type="button" aria-pressed=${this.isShown} aria-label=${this.isShown ? t("login.hide") : t("login.show")} @click=${() => (this.isShown = !this.isShown)}>${icon(this.isShown ? "eye-off" : "eye")}</button>
          </div>
        </div>
        <div role="alert">${this.problem ? html`<p class="problem">${icon("triangle-alert")}<span>${this.problem}</span></p>` : nothing}</div>
        <button class="btn pri" ?disabled=${this.isBusy}>${this.isBusy ? t("login.busy") : t("login.submit")}</button>
        ${this.hasAccountPages ? html`<a class="btn quiet forgot" href="/admin/forgot">${t("login.forgot")}</a>` : nothing}
      </form>
    </main>`;
  }
}

customElements.define("login-view", LoginView);
