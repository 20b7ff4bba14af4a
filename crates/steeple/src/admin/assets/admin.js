// What pages can do beyond links and forms. Every page works without it.
"use strict";

const root = document.body.dataset.root;
const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const say = (text) => { const place = one("#said"); if (place) place.textContent = text; };

// Theme: the server reads the cookie, so that no page flashes in the other one.
const themes = ["auto", "light", "dark"];
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.cookie = `steeple_theme=${theme}; path=${root || "/"}; max-age=31536000; samesite=lax`;
  for (const button of all("[data-does=theme]")) button.title = `Theme: ${theme}`;
  say(`theme: ${theme}`);
}
function nextTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme;
  // The first press changes what is seen.
  const order = dark ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
  setTheme(order[(order.indexOf(themes.includes(now) ? now : "auto") + 1) % 3]);
}

// Moments in the viewer's own time, on hover.
function localTimes(from = document) {
  for (const time of all("time[datetime]", from)) {
    const moment = new Date(time.dateTime);
    if (!isNaN(moment)) time.title = `${time.dateTime} (here: ${moment.toLocaleString()})`;
  }
}

// Live parts: asked for again while the page is looked at.
function keepAlive(part) {
  const every = Number(part.dataset.every) || 2000;
  const light = one("#live");
  let waits;
  const again = () => { clearTimeout(waits); waits = setTimeout(look, every); };
  async function look() {
    if (document.hidden) return again();
    // What somebody reads or stands on is not pulled away; and it is said that it gets old.
    if (part.matches(":has(.hit:hover, details[open])") || part.contains(document.activeElement)) {
      light?.classList.remove("on");
      if (light) light.textContent = "Paused";
      return again();
    }
    try {
      const answer = await fetch(part.dataset.live, { headers: { "x-fragment": "1" }, cache: "no-store", redirect: "manual" });
      if (answer.status === 401) { light?.classList.remove("on"); return over(); }
      if (!answer.ok) throw new Error(answer.status);
      part.innerHTML = await answer.text();
      localTimes(part);
      light?.classList.add("on");
      if (light) light.textContent = "Live";
    } catch {
      light?.classList.remove("on");
      if (light) light.textContent = "Waiting for the server";
    }
    again();
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  again();
}
function over() {
  const note = one("#over");
  if (note) note.hidden = false;
}

// The live tail: rows as the server renders them, newest on top.
const MOST_ROWS = 200;
function tail(button) {
  const body = one("tbody[data-tail]");
  let source;
  const stop = () => {
    source?.close();
    source = undefined;
    button.setAttribute("aria-pressed", "false");
    one(".words", button).textContent = "Live tail";
    say("live tail off");
  };
  const start = () => {
    source = new EventSource(body.dataset.tail);
    button.setAttribute("aria-pressed", "true");
    one(".words", button).textContent = "Following";
    say("live tail on");
    source.addEventListener("call", (event) => {
      const holder = document.createElement("tbody");
      holder.innerHTML = event.data;
      const row = holder.firstElementChild;
      if (!row) return;
      localTimes(row);
      row.classList.add("new");
      const old = document.getElementById(row.id);
      if (old) old.replaceWith(row); else body.prepend(row);
      for (const gone of [...body.rows].slice(MOST_ROWS)) gone.remove();
      one(".empty")?.remove();
      one("table")?.removeAttribute("hidden");
    });
    source.addEventListener("gap", () => say("some calls were left out"));
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) { stop(); over(); } };
  };
  button.hidden = false;
  button.addEventListener("click", () => (source ? stop() : start()));
}

// Relations with many rows: what is typed is looked for.
function picker(input) {
  const list = document.getElementById(input.getAttribute("list"));
  let waits;
  input.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(async () => {
      const answer = await fetch(`${input.dataset.pick}?q=${encodeURIComponent(input.value)}`, { headers: { "x-fragment": "1" } });
      if (!answer.ok) return;
      list.replaceChildren(...(await answer.json()).map(({ key, label }) => new Option(label, key)));
    }, 150);
  });
}

// Rows by keyboard.
function move(step) {
  const rows = all("tbody tr").filter((row) => one("a", row));
  if (!rows.length) return;
  const now = rows.findIndex((row) => row.classList.contains("at"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now + step))];
  rows[now]?.classList.remove("at");
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
  one("a", next).focus({ preventScroll: true });
}

let leader = 0;
function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input, select, textarea, [contenteditable]");
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (Date.now() - leader < 1200) {
    leader = 0;
    const link = one(`[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  const does = {
    g: () => { leader = Date.now(); },
    j: () => move(1),
    k: () => move(-1),
    t: nextTheme,
    n: () => one("[data-does=next]")?.click(),
    c: () => one("[data-does=add]")?.click(),
    l: () => one("[data-does=tail]")?.click(),
    "/": () => one("[data-does=search]")?.focus(),
    "?": () => { const keys = one("#keys"); if (keys && !keys.open) keys.showModal(); },
  }[event.key];
  if (does) { event.preventDefault(); does(); }
}

document.addEventListener("keydown", key);
document.addEventListener("click", (event) => {
  const does = event.target.closest("[data-does]");
  if (!does) return;
  if (does.dataset.does === "theme") nextTheme();
  if (does.dataset.does === "keys") one("#keys").showModal();
  if (does.dataset.does === "copy") {
    navigator.clipboard?.writeText(one(does.dataset.from).textContent).then(() => { does.textContent = "Copied"; say("copied"); });
  }
  if (does.dataset.does === "check-all") {
    for (const box of all(`input[name="${does.dataset.name}"]`)) box.checked = does.checked;
  }
});
document.addEventListener("pointerover", (event) => {
  const hit = event.target.closest?.(".hit");
  if (!hit) return;
  const place = one(".chart-read", hit.closest(".panel"));
  if (place) place.textContent = hit.dataset.read;
});
// What is empty does not clutter the address.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "get") return;
  for (const field of event.target.elements) if (field.name && field.value === "") field.disabled = true;
});
document.addEventListener("change", (event) => { if (event.target.matches("[data-sends]")) event.target.form.requestSubmit(); });
addEventListener("pageshow", () => { for (const field of all("form[method=get] :disabled")) field.disabled = false; });

localTimes();
for (const part of all("[data-live]")) keepAlive(part);
for (const button of all("[data-does=tail]")) tail(button);
for (const input of all("[data-pick]")) picker(input);
for (const button of all("[data-needs-script]")) button.hidden = false;
