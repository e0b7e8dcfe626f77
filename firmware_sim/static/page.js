/* What every part of the page needs: elements, icons, requests. */
export const el = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function icon(name) {
  const found = el("icons").content.querySelector(`[data-icon="${name}"]`).cloneNode(true);
  found.setAttribute("aria-hidden", "true");
  return found;
}

/** Change a text only where it differs, so that a screen reader says it once. */
export function say(id, text) {
  if (el(id).textContent !== text) el(id).textContent = text;
}

export async function post(path, body = {}) {
  await fetch(path, { method: "POST", body: JSON.stringify(body) });
}
