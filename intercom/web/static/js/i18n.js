// The page's words. Keys are whole strings everywhere, so that a test can find each one.

import en from "./texts/en.js";
import nb from "./texts/nb.js";
import nn from "./texts/nn.js";
import sv from "./texts/sv.js";

const all = { en, nb, nn, sv, no: nb };
const asked = navigator.language.slice(0, 2).toLowerCase();
export const language = asked === "no" ? "nb" : Object.hasOwn(all, asked) ? asked : "en";
const texts = all[language];

/** Look a text up and put values in the place of {names}. */
export function t(key, values = {}) {
  const text = texts[key];
  if (text === undefined) throw new Error(`no text for ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** The time of day, such as 17:42. */
export function timeOfDay(date) {
  return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(date);
}

/** The day, such as Sunday 22 November. */
export function dayOf(date) {
  const parts = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, { weekday: "long", day: "numeric", month: "long" });
  const text = parts.format(date);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Seconds as 0:07. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
