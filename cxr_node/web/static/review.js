/** Collects corrections and verdicts on the page of a study and sends them, token in the header. */
const card = document.getElementById("review");
const form = document.getElementById("review-form");
const told = document.getElementById("review-answer");
const corrections = document.getElementById("review-corrections");
const verdicts = document.getElementById("review-verdicts");

function line(list, key, label, field) {
  const item = document.createElement("li");
  const name = document.createElement("label");
  const away = document.createElement("button");
  item.dataset.key = key;
  name.append(`${label} `, field);
  away.type = "button";
  away.textContent = "remove";
  away.addEventListener("click", () => item.remove());
  item.append(name, " ", away);
  list.append(item);
  field.focus();
}

function answerField(kind, choices) {
  if (kind !== "closed") {
    const field = document.createElement("input");
    field.maxLength = 2000;
    field.size = 50;
    field.placeholder = kind === "box" ? "(x0, y0), (x1, y1) in percent" : "text, or: not assessed";
    return field;
  }
  const field = document.createElement("select");
  for (const choice of choices.split("|")) field.append(new Option(choice.replaceAll("_", " "), choice));
  return field;
}

function isThere(list, key) {
  return [...list.children].some((item) => item.dataset.key === key);
}

for (const button of document.querySelectorAll("button.correct")) {
  button.addEventListener("click", () => {
    const { place, kind, choices } = button.dataset;
    if (!isThere(corrections, place)) line(corrections, place, place, answerField(kind, choices));
    card.scrollIntoView({ block: "nearest" });
  });
}

for (const select of document.querySelectorAll("select.verdict")) {
  select.addEventListener("change", () => {
    const key = select.dataset.verdictOf;
    for (const item of [...verdicts.children]) if (item.dataset.key === key) item.remove();
    if (!select.value) return;
    const comment = document.createElement("input");
    comment.maxLength = 1000;
    comment.size = 50;
    comment.placeholder = select.value === "supplemented" ? "what is missing" : "comment, if any";
    line(verdicts, key, `${key}: ${select.value},`, comment);
    verdicts.lastElementChild.dataset.verdict = select.value;
  });
}

function field(item) {
  return item.querySelector("input, select").value;
}

function order(what, values) {
  const person = { name: values.get("name"), organisation: values.get("organisation"), role: values.get("role") };
  const shared = { revision: Number(card.dataset.revision), person };
  if (what === "assess") {
    const findings = [...verdicts.children].map((item) => ({
      finding: item.dataset.key, verdict: item.dataset.verdict, comment: field(item),
    }));
    return ["assessments", { ...shared, findings }];
  }
  return ["amendments", {
    ...shared,
    reason: values.get("reason"),
    corrections: [...corrections.children].map((item) => ({ place: item.dataset.key, answer: field(item) })),
    verified: values.has("verified"),
    priority: values.get("priority") || null,
  }];
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const values = new FormData(form);
  const [what, sent] = order(event.submitter?.value, values);
  const headers = { "content-type": "application/json" };
  if (values.get("token")) headers.authorization = `Bearer ${values.get("token")}`;
  told.textContent = "Sending.";
  try {
    const answer = await fetch(`/api/v1/studies/${card.dataset.study}/${what}`, {
      method: "POST",
      headers,
      body: JSON.stringify(sent),
    });
    const said = await answer.json();
    const done = what === "amendments"
      ? `Taken: revision ${said.revision} is being read. Reload the page in a moment.`
      : "Recorded.";
    told.textContent = answer.ok ? done : said.message;
    if (answer.ok) (what === "amendments" ? corrections : verdicts).replaceChildren();
  } catch {
    told.textContent = "The node did not answer. Nothing was recorded as far as this page knows.";
  }
});
