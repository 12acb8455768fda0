// Small helps for the console: confirmations, the editor's line numbers, jumping to a mistake. Pages work without it.
"use strict";

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  const jump = event.target.closest(".jump");
  if (jump) jumpTo(Number(jump.dataset.line), Number(jump.dataset.column));
  for (const open of document.querySelectorAll("details.me[open], details.pop[open]"))
    if (!open.contains(event.target)) open.open = false;
});

for (const toast of document.querySelectorAll("[data-toast]")) setTimeout(() => toast.classList.add("gone"), 5000);

// A list somebody is working in must not be replaced under their hands.
document.addEventListener("htmx:beforeSwap", (event) => {
  const live = event.detail.target;
  if (live.classList.contains("live") && live.contains(document.activeElement) && document.activeElement.matches("button, input, select"))
    event.detail.shouldSwap = false;
});

const form = document.querySelector("[data-editor]");
const area = form && form.querySelector("textarea");

function number() {
  const gutter = form.querySelector(".gutter");
  const lines = area.value.split("\n").length;
  if (gutter.childElementCount !== lines) {
    const rows = document.createDocumentFragment();
    for (let line = 1; line <= lines; line++) rows.append(Object.assign(document.createElement("i"), { textContent: line }));
    gutter.replaceChildren(rows);
  }
  area.rows = Math.max(lines + 1, 16);
  mark();
}

function mark() {
  const wrong = new Set([...document.querySelectorAll(".jump")].map((jump) => Number(jump.dataset.line)));
  form.querySelectorAll(".gutter i").forEach((row, index) => row.classList.toggle("wrong", wrong.has(index + 1)));
}

function jumpTo(line, column) {
  const lines = area.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  const text = lines[line - 1] || "";
  area.focus({ preventScroll: true });
  area.setSelectionRange(start + Math.min(Math.max(column - 1, 0), text.length), start + text.length);
  const row = form.querySelectorAll(".gutter i")[line - 1];
  if (row) row.scrollIntoView({ block: "center", behavior: "smooth" });
}

if (area) {
  const saved = area.value;
  const dirty = () => area.value !== saved;
  const note = form.querySelector("[data-dirty]");
  let leaving = false;
  number();
  area.addEventListener("input", () => { number(); note.hidden = !dirty(); });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Tab" && !event.shiftKey && !event.ctrlKey && !event.altKey && !escaped) {
      event.preventDefault();
      area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
    escaped = event.key === "Escape";  // Escape, then Tab, leaves the text
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.querySelector("[value=draft]").click();
    }
  });
  form.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("beforeunload", (event) => { if (dirty() && !leaving) event.preventDefault(); });
  document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "problems") mark(); });
}
var escaped = false;
