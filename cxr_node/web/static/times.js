/** Writes every time of `root` in the reader's own time zone; the page is sent with UTC. */
const format = new Intl.DateTimeFormat("sv-SE", {
  year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

export function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    element.title = element.textContent;
    element.textContent = format.format(new Date(element.dateTime));
  }
}

export function clockTime(date) {
  return date.toLocaleTimeString(undefined, { hourCycle: "h23" });
}
