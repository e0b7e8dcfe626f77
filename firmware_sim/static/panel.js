/* Draws what /api/live says and sends what is pressed; of its own it only knows what is being searched for. */
import { drawInside } from "./inside.js";
import { begin, hasOpenGroup, nameOf, reset, showNames } from "./names.js";
import { el, icon, make, post, say } from "./page.js";
import { play, playOnce, wake } from "./sounds.js";

const ICONS = {
  idle: "bell", calling: "calling", talking: "talking", opened: "door", sent: "door",
  refused: "problem", "no answer from the door": "problem", "locked again": "locked", ended: "ended", "no router": "offline",
};
const ANSWERS = { coming: "coming", leave_it: "parcel", wrong_door: "wrong" };
const BUSY = new Set(["calling", "early", "talking"]);

let latest = null;
let namesRev = 0;
let spoken = "";
let face = "";
let answeredAt = 0;

async function drawNames(state) {
  if (namesRev === state.names_rev && spoken === state.language) return;
  [namesRev, spoken] = [state.names_rev, state.language];
  const { rev, rows } = await (await fetch("/api/names")).json();
  namesRev = rev;
  showNames(rows, state.labels, Object.keys(state.languages)[0] ?? state.language);
}

function setIcon(id, name) {
  if (el(id).dataset.icon === name) return;
  el(id).dataset.icon = name;
  el(id).replaceChildren(icon(name));
}

function drawView(state) {
  const isCall = state.screen.face !== "idle" || state.answer !== null;
  const isOver = !isCall && el("device").dataset.view === "call";
  const view = isCall ? "call" : hasOpenGroup() && !isOver ? "group" : "names";
  el("device").dataset.view = view;
  el("call").hidden = view !== "call";
  el("group").hidden = view !== "group";
  el("list").hidden = view !== "names";
  if (isOver) reset();
}

function drawState(state) {
  const { screen, answer, call, labels } = state;
  const isLive = call !== null && BUSY.has(call.phase);
  const device = el("device");
  device.dataset.lamp = screen.face === "idle" && answer ? answer.lamp : screen.lamp;
  el("lamp").dataset.lamp = screen.lamp;
  setIcon("lamp", ICONS[screen.face] ?? "bell");
  say("text", screen.text);
  say("hint", screen.hint);
  el("text").toggleAttribute("data-long", screen.text.length > 34);
  say("whom", (call && nameOf(call.button)) || "");
  el("cancel").textContent = isLive ? labels.cancel : labels.back;
  el("cancel").dataset.live = String(isLive);
  el("call").toggleAttribute("data-at-rest", screen.face === "idle");
}

function drawAnswer({ answer, call, labels }) {
  el("answer").hidden = answer === null;
  el("call").toggleAttribute("data-answered", answer !== null);
  if (answer === null) return;
  const name = call && nameOf(call.button);
  setIcon("answersign", ANSWERS[answer.answer] ?? "said");
  say("answerfrom", name ? labels.from.replace("{name}", name) : "");
  say("answertext", answer.text);
  say("answerhint", answer.hint);
}

function sound(state) {
  const { screen, answer } = state;
  const now = `${screen.face} ${screen.at_ms}`;
  if (now !== face) {
    if (face !== "") play(screen.sound);
    face = now;
  }
  if (answer !== null && answer.at_ms !== answeredAt) playOnce(answer.sound);
  answeredAt = answer?.at_ms ?? 0;
}

function drawTop(state) {
  document.documentElement.lang = state.language;
  if (el("door").textContent !== state.name) {
    el("door").textContent = state.name;
    document.title = `${state.name} · door panel`;
  }
  say("place", state.place);
  say("ask", state.labels.press ?? "");
  el("net").hidden = state.has_router;
  if (el("net").dataset.said !== state.labels.offline) {
    el("net").dataset.said = state.labels.offline;
    el("net").replaceChildren(icon("offline"), state.labels.offline);
  }
  const languages = el("languages");
  const offered = JSON.stringify([state.languages, state.language]);
  if (languages.dataset.offered === offered) return;
  languages.dataset.offered = offered;
  languages.replaceChildren(...Object.entries(state.languages)
    .filter(([language]) => language !== state.language)
    .map(([language, name]) => {
      const button = make("button", { type: "button", lang: language, "data-language": language }, name);
      button.addEventListener("click", () => post("/api/language", { language }));
      return button;
    }));
}

function draw(state) {
  latest = state;
  drawTop(state);
  drawNames(state);
  drawView(state);
  drawState(state);
  drawAnswer(state);
  sound(state);
  drawInside(state);
}

function tick() {
  el("clock").textContent = new Date().toLocaleTimeString("nb-NO", { hour: "2-digit", minute: "2-digit" });
}

begin(() => latest && drawView(latest));
document.addEventListener("pointerdown", wake);
el("cancel").addEventListener("click", () => post("/api/cancel"));
new EventSource("/api/live").addEventListener("message", ({ data }) => draw(JSON.parse(data)));
tick();
setInterval(tick, 1000);
