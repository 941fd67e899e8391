// Improvements for browsers with JavaScript. Every page works without them.

// Pages contain times in UTC. The title of a time shows it in the time zone of the browser.
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const showLocalTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = local.format(new Date(time.dateTime));
  }
};
showLocalTimes(document);
document.addEventListener("htmx:after:swap", () => showLocalTimes(document));

// Copies a secret that is shown only once.
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button[data-copy]") : null;
  if (button === null) return;
  const say = (text) => {
    button.textContent = text;
  };
  const from = document.getElementById(button.dataset.copy);
  navigator.clipboard.writeText(from?.textContent ?? "").then(
    () => say("Copied"),
    () => say("Select the text and copy it"),
  );
});
for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = !navigator.clipboard;

// Applies a filter when it changes. Without this script, its button does that.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field instanceof HTMLSelectElement && field.form?.dataset.instant !== undefined) field.form.requestSubmit();
});

// Sends a form only once, although somebody clicks twice.
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

// Adds new rows at the top of the log.
const live = document.querySelector("[data-stream]");
if (live !== null && "EventSource" in window) {
  const said = live.querySelector("[data-said]");
  const button = live.querySelector("[data-pause]");
  const rowsKept = 500;
  let source = null;
  let lastSeq = live.dataset.after;
  let missed = 0;

  const say = (text) => {
    if (said.textContent !== text) said.textContent = text;
  };
  const list = () => {
    const empty = document.getElementById("log-empty");
    const found = document.querySelector("ol.log");
    if (empty !== null) empty.remove();
    found.hidden = false;
    return found;
  };
  const open = () => {
    const url = new URL(live.dataset.stream, location.href);
    url.searchParams.set("after", lastSeq);
    source = new EventSource(url);
    source.addEventListener("open", () => say("Live: new rows appear automatically."));
    source.addEventListener("error", () => say("Not connected; trying again…"));
    source.addEventListener("message", (event) => {
      lastSeq = event.lastEventId;
      const template = document.createElement("template");
      template.innerHTML = JSON.parse(event.data);
      const row = template.content.firstElementChild;
      row.classList.add("fresh");
      const log = list();
      log.prepend(row);
      while (log.children.length > rowsKept) log.lastElementChild.remove();
      showLocalTimes(row);
      missed += 1;
      say(`Live: ${missed} new ${missed === 1 ? "row" : "rows"} since you opened this page.`);
    });
  };
  button.addEventListener("click", () => {
    const isPaused = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!isPaused));
    button.textContent = isPaused ? "Pause" : "Continue";
    if (isPaused) return open();
    source.close();
    say("Paused. Continue to see the rows that you missed.");
  });
  live.hidden = false;
  open();
}

// Shows a notice while Rollcall does not answer, because the figures on the page are old.
document.addEventListener("htmx:error", () => {
  document.getElementById("offline")?.removeAttribute("hidden");
});
document.addEventListener("htmx:after:request", (event) => {
  if (event.detail?.ctx?.response?.raw?.ok) document.getElementById("offline")?.setAttribute("hidden", "");
});
