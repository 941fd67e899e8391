// Small things that make the console livelier. Every page works without them.

// Times are sent in UTC; readers live somewhere.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const showLocalTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = local.format(new Date(time.dateTime));
  }
};
showLocalTimes(document);
document.addEventListener("htmx:after:swap", () => showLocalTimes(document));

// Secrets that are shown once can be copied.
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
  if (button === null) return;
  const say = (text) => {
    button.textContent = text;
  };
  const from = document.getElementById(button.dataset.copy);
  navigator.clipboard.writeText(from?.textContent ?? "").then(
    () => say("Copied"),
    () => say("Select it and copy it by hand"),
  );
});
for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = !navigator.clipboard;

// A filter that is changed is applied; without this script its button does it.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field instanceof HTMLSelectElement && field.form?.dataset.instant !== undefined) field.form.requestSubmit();
});

// A second click on a button whose work takes a while does not do it twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
  if (form.dataset.sent !== undefined) return event.preventDefault();
  form.dataset.sent = "";
  form.querySelector("button[type=submit]")?.setAttribute("aria-busy", "true");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-busy]")?.removeAttribute("aria-busy");
  }
});
