/* The names: a list that is searched by letters, and groups that open to their persons.
   Of the letters only those can be pressed that lead to a name: nobody types into nothing. */
import { el, icon, make, post, say } from "./page.js";
import { playOnce, wake } from "./sounds.js";

const SEARCHED_FROM = 10;
const SHOWN_AT_ONCE = 60;
const REST_MS = 30_000;
const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const OWN_LETTERS = { nb: "æøå", nn: "æøå", sv: "åäö", en: "" };
const DIGITS = "0123456789";

let rows = [];
let labels = {};
let home = "nb";
let shown = SHOWN_AT_ONCE;
let group = null;
let onGroup = () => {};
let rest = 0;

const fold = (text) => text.toLocaleLowerCase(home);
const wordsOf = (row) => [row.name, ...row.persons.map(({ name }) => name)].map(fold);

/** A name fits when what was typed begins it, or any later word of it. */
function fits(names, typed) {
  return names.some((name) => name.startsWith(typed) || name.includes(` ${typed}`) || name.includes(`-${typed}`));
}

function nextLetters(names, typed, into) {
  for (const name of names) {
    for (let at = name.indexOf(typed); at >= 0; at = name.indexOf(typed, at + 1)) {
      if (at === 0 || name[at - 1] === " " || name[at - 1] === "-") into.add(name[at + typed.length]);
      if (typed === "" && at >= name.length) break;
    }
  }
}

export function nameOf(button) {
  for (const row of rows) {
    if (row.button === button) return row.name;
    const person = row.persons.find((each) => each.button === button);
    if (person) return person.name;
  }
  return "";
}

function press(button) {
  wake();
  playOnce("click");
  post("/api/press", { button });
}

function line(row) {
  const isGroup = row.persons.length > 0;
  const name = make("span", { class: "name" }, row.name);
  const text = make("span", { class: "words" }, name);
  if (isGroup) {
    text.append(make("span", { class: "size" }, (labels.persons ?? "").replace("{count}", row.persons.length)));
  }
  const sign = icon(isGroup ? "open" : "bell");
  const button = make("button", { type: "button" }, text, sign);
  if (isGroup) button.setAttribute("data-group", row.name);
  else button.setAttribute("data-name", row.button);
  button.addEventListener("click", () => (isGroup ? openGroup(row) : press(row.button)));
  return make("li", {}, button);
}

function openGroup(row) {
  group = row;
  el("persons").replaceChildren(...row.persons.map((person) => line({ ...person, persons: [] })));
  say("groupname", row.name);
  onGroup();
  el("back").focus({ preventScroll: true });
}

function closeGroup() {
  group = null;
  onGroup();
}

function drawKeys(names, typed) {
  const next = new Set();
  for (const each of names) nextLetters(each, typed, next);
  const has = (key) => next.has(key);
  const digits = [...DIGITS].some(has) || /\d/.test(typed) ? DIGITS : "";
  const letters = [...LETTERS, ...(OWN_LETTERS[home] ?? ""), ...digits];
  const keys = el("keys");
  if (keys.dataset.letters !== letters.join("")) {
    keys.dataset.letters = letters.join("");
    keys.toggleAttribute("data-plain", letters.length === LETTERS.length);
    keys.replaceChildren(...letters.map((letter) => key(letter, letter.toUpperCase())), key(" ", "␣"));
  }
  for (const button of keys.querySelectorAll("[data-key]")) {
    button.disabled = !has(button.dataset.key);
  }
}

function key(letter, label) {
  const button = make("button", { type: "button", "data-key": letter }, label);
  button.addEventListener("click", () => type(el("query").value + letter));
  return button;
}

function more() {
  const button = make("button", { type: "button", class: "more" }, labels.more ?? "");
  button.addEventListener("click", () => {
    const before = shown;
    shown += SHOWN_AT_ONCE;
    drawList();
    el("names").children[before]?.querySelector("button").focus();
  });
  return make("li", {}, button);
}

function type(text) {
  wake();
  el("query").value = text;
  shown = SHOWN_AT_ONCE;
  drawList();
  el("names").scrollTop = 0;
}

function drawList() {
  const typed = fold(el("query").value.trimStart());
  const named = rows.map(wordsOf);
  const fitting = rows.filter((_, at) => typed === "" || fits(named[at], typed));
  const isFirst = (row) => fold(row.name).startsWith(typed);
  const found = [...fitting.filter(isFirst), ...fitting.filter((row) => !isFirst(row))];
  const isSearched = rows.length > SEARCHED_FROM;
  el("find").hidden = !isSearched;
  el("keys").hidden = !isSearched;
  el("clear").hidden = typed === "";
  el("list").toggleAttribute("data-searched", isSearched);
  el("names").replaceChildren(...found.slice(0, shown).map(line), ...(found.length > shown ? [more()] : []));
  el("names").toggleAttribute("data-few", rows.length <= 4);
  say("count", (labels.found ?? "").replace("{count}", found.length));
  el("count").hidden = !isSearched || found.length === 0;
  el("none").hidden = found.length > 0;
  el("names").hidden = found.length === 0;
  el("ask").hidden = rows.length === 0;
  say("none", rows.length === 0 ? labels.no_names ?? "" : labels.no_match ?? "");
  if (isSearched) drawKeys(named, typed);
}

/** Take other names, words or another language. */
export function showNames(found, spoken, language) {
  [rows, labels, home] = [found, spoken, language];
  const open = group && rows.find((row) => row.persons.length && row.name === group.name);
  if (open) openGroup(open);
  else group = null;
  say("groupask", labels.choose_person ?? "");
  say("querylabel", labels.search ?? "");
  el("query").placeholder = labels.search ?? "";
  el("clear").setAttribute("aria-label", labels.erase ?? "");
  el("back").replaceChildren(icon("back"), labels.back ?? "");
  el("keys").dataset.letters = "";
  drawList();
}

export const hasOpenGroup = () => group !== null;

/** The next visitor finds the whole list. */
export function reset() {
  group = null;
  if (el("query").value) type("");
  el("names").scrollTop = 0;
}

export function begin(changed) {
  onGroup = changed;
  el("query").before(icon("search"));
  el("clear").append(icon("erase"));
  el("clear").addEventListener("click", () => type(el("query").value.slice(0, -1)));
  el("query").addEventListener("input", () => type(el("query").value));
  el("back").addEventListener("click", closeGroup);
  const stir = () => {
    clearTimeout(rest);
    rest = setTimeout(() => {
      reset();
      onGroup();
    }, REST_MS);
  };
  for (const each of ["pointerdown", "keydown"]) document.addEventListener(each, stir);
}
