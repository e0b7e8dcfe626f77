/* Draws what /api/live says and sends what is pressed; holds no state of its own. */
const ICONS = {
  idle: "idle", calling: "calling", talking: "talking", opened: "door", sent: "door",
  refused: "problem", "no answer from the door": "problem", "locked again": "locked", ended: "ended", "no router": "problem",
};
const LIT = new Set(["opened", "sent"]);
const BUSY = new Set(["calling", "early", "talking"]);
const WORDS = {
  nb: { cancel: "Avbryt", net: "Uten kontakt med anlegget" },
  en: { cancel: "Cancel", net: "No contact with the system" },
};
const FAULTS = {
  link_down: "Panel link cut", sip_down: "SIP cut", relay_silent: "Door commands ignored",
  relay_stuck: "Coil draws no current", mute: "Answers get lost", slow: "Link is slow",
  no_video: "Camera dead", stubborn_camera: "Key frames are rare", no_sound: "Microphone dead", no_speaker: "Speaker dead",
};
const PHASES = { on: "Energised", prolonged: "Energised", off: "At rest", "no current": "No current" };
const STEPS = {
  press: "pressed", response: "first response", first_rtp_in: "first sound in",
  first_picture_out: "first picture out", no_router: "router lost", ended: "ended",
};
const el = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

async function post(path, body = {}) {
  await fetch(path, { method: "POST", body: JSON.stringify(body) });
}

function bell() {
  const icon = document.querySelector('[data-icon="idle"].i').cloneNode(true);
  icon.removeAttribute("data-icon");
  icon.setAttribute("aria-hidden", "true");
  return icon;
}

function drawNames(state) {
  const names = el("names");
  if (names.childElementCount !== state.buttons.length) {
    names.replaceChildren(...state.buttons.map(({ name, label }) => {
      const button = make("button", { type: "button", "data-name": name }, label, bell());
      button.addEventListener("click", () => post("/api/press", { button: name }));
      return make("li", {}, button);
    }));
  }
  const live = state.call && BUSY.has(state.call.phase) ? state.call.button : null;
  for (const button of names.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === live));
  }
  el("cancel").disabled = live === null;
}

function drawScreen(state) {
  const { face, text, lamp } = state.screen;
  const words = WORDS[state.language] ?? WORDS.en;
  document.documentElement.lang = state.language;
  el("device").dataset.face = face;
  el("device").toggleAttribute("data-lit", LIT.has(face));
  el("lamp").dataset.lamp = lamp;
  el("lamp").dataset.icon = ICONS[face] ?? "idle";
  if (el("text").textContent !== text) el("text").textContent = text;
  el("text").toggleAttribute("data-long", text.length > 40);
  if (el("door").textContent !== state.name) {
    el("door").textContent = state.name;
    document.title = `${state.name} · door panel`;
  }
  el("cancel").textContent = words.cancel;
  el("net").textContent = words.net;
  el("net").hidden = state.is_registered || state.link?.is_online === true;
}

function drawRelays(state) {
  el("relays").replaceChildren(...state.relays.map((coil) => {
    const isOn = coil.phase === "on" || coil.phase === "prolonged";
    const last = coil.phase === "off" && coil.on_ms ? `\nlast pulse ${(coil.on_ms / 1000).toFixed(2)} s` : "";
    const measured = `${isOn ? coil.coil_ma : 0} mA${last}`;
    const words = make("div", {}, make("b", {}, `Relay ${coil.relay}`), make("span", {}, PHASES[coil.phase] ?? coil.phase));
    return make("li", { "data-phase": coil.phase }, make("i", { class: "dot" }), words, make("span", { class: "measured tn" }, measured));
  }));
}

function drawFact(id, isOk, yes, no) {
  el(id).textContent = isOk ? yes : no;
  el(id).dataset.ok = String(isOk);
}

function drawCall(state) {
  const { call } = state;
  el("nocall").hidden = call !== null;
  if (call === null) return;
  const said = call.states.map(({ at_ms, text }) => [at_ms, `“${text}”`]);
  const done = Object.entries(call.stamps).map(([name, at]) => [at, STEPS[name] ?? name]);
  const steps = [...done, ...said].sort(([a], [b]) => a - b);
  el("steps").replaceChildren(...steps.map(([at, what]) =>
    make("li", {}, make("span", {}, `${at - call.stamps.press} ms`), make("span", {}, what))));
}

function drawFaults(state) {
  const list = el("faults");
  if (list.childElementCount === 0) {
    list.append(...Object.keys(state.faults).map((name) => {
      const button = make("button", { type: "button", "data-fault": name }, FAULTS[name] ?? name);
      button.addEventListener("click", () =>
        post("/api/fault", { name, on: button.getAttribute("aria-pressed") !== "true" }));
      return make("li", {}, button);
    }));
  }
  for (const button of list.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(state.faults[button.dataset.fault]));
  }
}

let journal = [];
let lastMove = "";
async function drawJournal(state) {
  const move = JSON.stringify(state.relays.map(({ at_ms, phase }) => [at_ms, phase]));
  if (move !== lastMove) {
    lastMove = move;
    journal = await (await fetch("/api/journal")).json();
  }
  el("journal").replaceChildren(...journal.slice(-6).reverse().map((entry) =>
    make("li", {}, make("span", {}, `${Math.round((state.now_ms - entry.at_ms) / 1000)} s ago`),
      make("span", {}, `relay ${entry.relay} ${entry.phase}${entry.phase === "off" ? ` after ${entry.on_ms} ms` : ""}`))));
}

function draw(state) {
  drawScreen(state);
  drawNames(state);
  drawRelays(state);
  drawFact("sip", state.is_registered, "Registered", "Not registered");
  drawFact("link", state.link?.is_online === true, "Online", state.link ? "Offline" : "Not used");
  el("ctr").textContent = state.link ? String(state.link.ctr) : "–";
  drawCall(state);
  drawFaults(state);
  drawJournal(state);
}

function tick() {
  el("clock").textContent = new Date().toLocaleTimeString("nb-NO", { hour: "2-digit", minute: "2-digit" });
}

el("cancel").addEventListener("click", () => post("/api/cancel"));
new EventSource("/api/live").addEventListener("message", ({ data }) => draw(JSON.parse(data)));
tick();
setInterval(tick, 1000);
