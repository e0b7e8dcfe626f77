/* What an installer would see behind the glass: relays, connections, the last call, faults to try. */
import { el, make, post } from "./page.js";

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

export function drawInside(state) {
  drawRelays(state);
  drawFact("sip", state.is_registered, "Registered", "Not registered");
  drawFact("link", state.link?.is_online === true, "Online", state.link ? "Offline" : "Not used");
  el("ctr").textContent = state.link ? String(state.link.ctr) : "–";
  el("cfg").textContent = state.cfg_rev ? `Revision ${state.cfg_rev}` : "As it came";
  el("lampnow").textContent = (state.answer ?? state.screen).lamp;
  el("soundnow").textContent = (state.answer ?? state.screen).sound;
  drawCall(state);
  drawFaults(state);
  drawJournal(state);
}
