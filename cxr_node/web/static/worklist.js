/** Keeps the worklist live: the node says when it changed; without that it is asked every two
 * seconds. Only the lines that changed are changed. */
import { clockTime } from "./times.js";

const PERIOD_MS = 2000;
const TOLD_PERIOD_MS = 20000;
const live = document.querySelector("#worklist");
const status = document.querySelector("#live-status");
let lastAnswer = new Date();
let asking = false;
let again = false;
let told = false;

async function refresh() {
  again = asking;
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch("/fragments/worklist", {
      cache: "no-store", signal: AbortSignal.timeout(8000),
    });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    show(new DOMParser().parseFromString(await answer.text(), "text/html").body);
    lastAnswer = new Date();
    say(`live, ${clockTime(lastAnswer)}`, false);
  } catch {
    say(`NOT LIVE since ${clockTime(lastAnswer)}: the node does not answer`, true);
  } finally {
    asking = false;
  }
  if (again) refresh();
}

function listen() {
  const stream = new EventSource("/api/v1/worklist/events");
  stream.addEventListener("open", () => { told = true; });
  stream.addEventListener("error", () => { told = false; });
  stream.addEventListener("changed", refresh);
}

function say(text, stale) {
  status.textContent = text;
  document.body.classList.toggle("stale", stale);
}

function show(fresh) {
  const focused = document.activeElement?.closest("tr[data-study]")?.dataset.study;
  for (const name of ["counts", "alarm", "empty"]) {
    const selector = `[data-part="${name}"]`;
    const [old, next] = [live.querySelector(selector), fresh.querySelector(selector)];
    if (old.innerHTML !== next.innerHTML) old.replaceWith(next);
  }
  live.querySelector("table").hidden = fresh.querySelector("table").hidden;
  placeRows(live.querySelector("tbody"), fresh.querySelectorAll("tbody tr"));
  if (focused && !document.activeElement?.closest("tr[data-study]")) {
    live.querySelector(`tr[data-study="${focused}"] a`)?.focus({ preventScroll: true });
  }
}

function placeRows(body, freshRows) {
  const known = new Map([...body.rows].map((row) => [row.dataset.study, row]));
  [...freshRows].forEach((fresh, index) => {
    const old = known.get(fresh.dataset.study);
    known.delete(fresh.dataset.study);
    const row = keepOrReplace(old, fresh);
    if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
  });
  for (const gone of known.values()) gone.remove();
}

function keepOrReplace(old, fresh) {
  if (old && old.innerHTML === fresh.innerHTML) return old;
  const urgent = fresh.classList.contains("row-stat") || fresh.classList.contains("row-high");
  if (urgent && old?.classList[0] !== fresh.classList[0]) fresh.classList.add("risen");
  old?.replaceWith(fresh);
  return fresh;
}

function step(event) {
  const move = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
  if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = [...live.querySelectorAll("tbody a")];
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? 0 : Math.min(Math.max(at + move, 0), links.length - 1)];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

document.addEventListener("keydown", step);
document.addEventListener("visibilitychange", refresh);
document.addEventListener("worklist-changed", refresh);
setInterval(() => { if (!told || Date.now() - lastAnswer > TOLD_PERIOD_MS) refresh(); }, PERIOD_MS);
listen();
refresh();
