// Making elements without markup in strings: whatever people say stays text.
"use strict";

function make(name, about, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(about || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...inside.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

function avatar(name, colour) {
  return make("span", { class: `avatar c${colour}`, "aria-hidden": "true" }, [...name][0] || "?");
}

async function ask(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

async function tell(path, wanted) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(wanted),
  });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// The simulator speaks China time; only the wall-clock part of an instant is shown.
const WEEKDAYS = ["周日", "周一", "周二", "周三", "周四", "周五", "周六"];
const clockOf = (at) => at.slice(11, 16);
const dayOf = (at) => at.slice(0, 10);
const weekdayOf = (at) => WEEKDAYS[new Date(`${dayOf(at)}T12:00:00Z`).getUTCDay()];

function moment(at, now) {
  if (dayOf(at) === dayOf(now)) return clockOf(at);
  const days = Math.round((Date.parse(dayOf(now)) - Date.parse(dayOf(at))) / 86400000);
  if (days === 1) return `昨天 ${clockOf(at)}`;
  if (days < 7 && days > 0) return `${weekdayOf(at)} ${clockOf(at)}`;
  return `${Number(at.slice(5, 7))}月${Number(at.slice(8, 10))}日 ${clockOf(at)}`;
}
