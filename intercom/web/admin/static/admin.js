// Webadmin works without this file; with it, searching needs no Enter and states follow by themselves.
// Pages are fetched as documents, not as text to be parsed here: Trusted Types have nothing to object to.

const SEARCH_PAUSE_MS = 160;
const FOLLOW_MS = 4000;

/** Fetches a page of ours as a document; null when it cannot be had, or is another page by now. */
function fetchPage(url, signal) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", url);
    request.responseType = "document";
    request.timeout = 8000;
    request.setRequestHeader("X-Follow", "1"); // not a person's doing: it keeps no log-in alive
    request.onload = () => resolve(request.status === 200 ? request.responseXML : null);
    request.onerror = request.ontimeout = request.onabort = () => resolve(null);
    signal?.addEventListener("abort", () => request.abort());
    request.send();
  });
}

/** Puts the new part of a page in the place of the old one, unless somebody is busy in it. */
function replacePart(page, id, { isForced = false } = {}) {
  const old = document.getElementById(id);
  const fresh = page?.getElementById(id);
  if (!old || !fresh || old.outerHTML === fresh.outerHTML) return;
  const isBusy = old.contains(document.activeElement) || old.querySelector("details[open]");
  if (isBusy && !isForced) return;
  old.replaceWith(document.importNode(fresh, true));
}

function searchAsYouType(form) {
  let timer;
  let running;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      running?.abort();
      running = new AbortController();
      const { signal } = running;
      const asked = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value) asked.append(name, value);
      const url = `${location.pathname}${asked.size ? `?${asked}` : ""}`;
      const page = await fetchPage(url, signal);
      if (signal.aborted || !page) return;
      replacePart(page, form.dataset.search, { isForced: true });
      history.replaceState(null, "", url);
    }, SEARCH_PAUSE_MS);
  });
}

/** Keeps [data-follow] up to date while the page is looked at. */
function follow() {
  const ids = () => [...document.querySelectorAll("[data-follow][id]")].map((part) => part.id);
  if (!ids().length) return;
  setInterval(async () => {
    if (document.hidden) return;
    const page = await fetchPage(location.href);
    for (const id of ids()) replacePart(page, id);
  }, FOLLOW_MS);
}

/** Shows the fields that belong to the choice made: data-shown-for="name=value value". */
function showWhatBelongs() {
  const parts = [...document.querySelectorAll("[data-shown-for]")];
  const settle = () => {
    for (const part of parts) {
      const [name, values] = part.dataset.shownFor.split("=");
      const form = part.closest("form");
      part.hidden = !values.split(" ").includes(new FormData(form).get(name) ?? "");
    }
  };
  if (parts.length) document.addEventListener("change", settle);
  settle();
}

function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
      button.querySelector("span").textContent = button.dataset.copied;
    });
  }
}

// One press is one sending.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  else if (event.target.method === "post") event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

for (const form of document.querySelectorAll("form[data-search]")) searchAsYouType(form);
follow();
showWhatBelongs();
copyButtons();
for (const here of document.querySelectorAll(".nav [aria-current]")) {
  const bar = here.closest(".nav"); // on a phone the sections lie in one line
  bar.scrollLeft = here.offsetLeft - bar.offsetLeft - (bar.clientWidth - here.offsetWidth) / 2;
}
document.querySelector("[role=alert]")?.scrollIntoView({ block: "nearest" });
document.querySelector("[aria-invalid]")?.focus();
