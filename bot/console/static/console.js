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

function showCurrent() {
  for (const here of document.querySelectorAll(".tabs [aria-current], .side nav [aria-current], .set [aria-current]")) {
    const strip = here.parentElement;
    if (strip.scrollWidth > strip.clientWidth) strip.scrollLeft = here.offsetLeft - strip.offsetLeft - 40;
  }
}
showCurrent();
document.addEventListener("htmx:afterSettle", showCurrent);

// ---------------------------------------------------------------- the editor: colours under a transparent text, and line numbers

const form = document.querySelector("[data-editor]");
const area = form && form.querySelector("textarea");
const TOKENS = /(\{\{.*?\}\}|\{%.*?%\})|("(?:[^"\\]|\\.)*"|'[^']*')|(#.*$)|(^\s*\[\[?[\w.]+\]?\])|([\w.-]+(?=\s*=))/g;
const SLOTS = /(\{\{.*?\}\}|\{%.*?%\})/g;
const KINDS = ["slot", "text", "remark", "table", "key"];

function paint(line, inside) {
  const row = document.createElement("div");
  let at = 0;
  for (const found of line.matchAll(inside ? SLOTS : TOKENS)) {
    const plain = line.slice(at, found.index);
    if (plain) row.append(inside ? span("text", plain) : plain);
    row.append(span(KINDS[found.slice(1).findIndex((part) => part !== undefined)], found[0]));
    at = found.index + found[0].length;
  }
  const rest = line.slice(at);
  row.append(inside && rest ? span("text", rest) : rest || (at ? "" : "\u200b"));
  return row;
}

function span(kind, text) {
  return Object.assign(document.createElement("span"), { className: kind, textContent: text });
}

function draw() {
  const rows = document.createDocumentFragment();
  let inside = false;
  for (const line of area.value.split("\n")) {
    const fences = line.split('"""').length - 1;
    rows.append(paint(line, inside && !fences));
    if (fences % 2) inside = !inside;
  }
  form.querySelector(".mirror").replaceChildren(rows);
  measure();
}

function measure() {
  const mirror = form.querySelector(".mirror");
  const heights = [...mirror.children].map((row) => row.offsetHeight);
  const numbers = document.createDocumentFragment();
  heights.forEach((height, index) => {
    const number = Object.assign(document.createElement("i"), { textContent: index + 1 });
    number.style.height = `${height}px`;
    numbers.append(number);
  });
  form.querySelector(".gutter").replaceChildren(numbers);
  area.style.height = `${mirror.offsetHeight}px`;
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
  let escaped = false;
  draw();
  new ResizeObserver(measure).observe(form.querySelector(".sheet"), { box: "border-box" });
  area.addEventListener("input", () => { draw(); note.hidden = !dirty(); });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Tab" && !event.shiftKey && !event.ctrlKey && !event.altKey && !escaped) {
      event.preventDefault();
      area.setRangeText("  ", area.selectionStart, area.selectionEnd, "end");
      area.dispatchEvent(new Event("input", { bubbles: true }));
    }
    escaped = event.key === "Escape"; // Escape, then Tab, leaves the text
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.querySelector("[value=draft]").click();
    }
  });
  form.addEventListener("submit", () => { leaving = true; });
  window.addEventListener("beforeunload", (event) => { if (dirty() && !leaving) event.preventDefault(); });
  document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "problems") mark(); });
}
