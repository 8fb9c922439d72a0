/** Joins a line of the findings table with its box, and writes times in local time. */
import { localise } from "./times.js";

localise(document);

function mark(key, on) {
  for (const element of document.querySelectorAll(`[data-finding="${key}"]`)) {
    element.classList.toggle("pointed", on);
  }
}

for (const element of document.querySelectorAll("[data-finding]")) {
  const key = element.dataset.finding;
  for (const name of ["mouseenter", "focus"]) element.addEventListener(name, () => mark(key, true));
  for (const name of ["mouseleave", "blur"]) element.addEventListener(name, () => mark(key, false));
}
