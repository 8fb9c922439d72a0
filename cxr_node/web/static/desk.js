/** Takes, gives back, marks as read and acknowledges lines of the worklist. Name, organisation and
 * role stay in this tab; the token stays on this page. */
const form = document.querySelector("#reader");
const told = document.querySelector("#desk-answer");
const KEPT = ["name", "organisation", "role"];

for (const key of KEPT) {
  const kept = sessionStorage.getItem(`reader-${key}`);
  if (kept) form.elements[key].value = kept;
  form.elements[key].addEventListener("change", (event) => {
    sessionStorage.setItem(`reader-${key}`, event.target.value);
  });
}

async function send(study, what) {
  const values = new FormData(form);
  const person = Object.fromEntries(KEPT.map((key) => [key, values.get(key)]));
  const headers = { "content-type": "application/json" };
  if (values.has("token")) headers.authorization = `Bearer ${values.get("token")}`;
  const [path, more] = what === "read" ? ["release", { read: true }] : [what, {}];
  const answer = await fetch(`/api/v1/studies/${study}/${path}`, {
    method: "POST", headers, body: JSON.stringify({ person, ...more }),
  });
  return answer.ok ? "" : (await answer.json()).message;
}

document.querySelector("#worklist").addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-do]");
  if (!button || !form.reportValidity()) return;
  button.disabled = true;
  try {
    told.textContent = await send(button.closest("tr").dataset.study, button.dataset.do);
  } catch {
    told.textContent = "The node did not answer. Nothing was recorded as far as this page knows.";
  }
  button.disabled = false;
  document.dispatchEvent(new Event("worklist-changed"));
});
