// How each kind of line looks: words, links, cards, menus, and a mass send that waits for its sender.
"use strict";

const ADDRESS = /(https?:\/\/[^\s，。；！？）》」"'<>]+)/;
const GAP_MS = 5 * 60 * 1000;

function door(who, url) {
  return `/sim/open?as=${encodeURIComponent(who)}&url=${encodeURIComponent(url)}`;
}

const ANCHOR = /<a href="([^"]+)">([^<]*)<\/a>/;
const ENTITIES = { "&amp;": "&", "&quot;": '"', "&lt;": "<", "&gt;": ">", "&#x27;": "'" };
const plain = (text) => text.replace(/&(amp|quot|lt|gt|#x27);/g, (one) => ENTITIES[one]);

// Bare addresses become links, and so do the anchors WeCom allows in an app's text; nothing else is markup.
function words(who, text) {
  const anchor = text.match(ANCHOR);
  if (anchor) {
    const before = text.slice(0, anchor.index), after = text.slice(anchor.index + anchor[0].length);
    return [words(who, before), opener(who, plain(anchor[1]), plain(anchor[2])), words(who, after)];
  }
  return text.split(ADDRESS).map((part) => (ADDRESS.test(part) ? opener(who, part, part) : part));
}

function opener(who, url, text) {
  return make("a", { href: door(who, url), target: "_blank", rel: "noopener" }, text);
}

function linkCard(who, line) {
  let host = "";
  try { host = new URL(line.url).host; } catch { host = "链接"; }
  return make("a", { class: "slab", href: door(who, line.url), target: "_blank", rel: "noopener" },
    make("div", { class: "top" }, line.text),
    make("div", { class: "sub" }, line.description || ""),
    make("div", { class: "foot" }, make("span", {}, host), make("span", {}, "打开 ›")));
}

function menuCard(who, line, tap) {
  const menu = line.menu;
  const items = (menu.list || []).map((item) => {
    if (item.type === "click") {
      return make("button", { class: "choice", onclick: () => tap({ key: item.click.id || "", text: item.click.content }) }, item.click.content);
    }
    if (item.type === "view") {
      return make("a", { class: "choice", href: door(who, item.view.url), target: "_blank", rel: "noopener" }, item.view.content);
    }
    return make("div", { class: "choice" }, (item.text && item.text.content) || "");
  });
  return make("div", { class: "bubble menu" }, words(who, menu.head_content || ""), items,
    menu.tail_content ? make("div", { class: "tail" }, menu.tail_content) : null);
}

function templateCard(who, line, tap) {
  const card = line.card, done = Boolean(line.replaced), title = card.main_title || {};
  const facts = (card.horizontal_content_list || []).map((row) => [make("dt", {}, row.keyname), make("dd", {}, row.value || "")]);
  const box = card.checkbox;
  const many = box && box.mode === 1;
  const options = box ? box.option_list.map((one) => make("label", {},
    make("input", { type: many ? "checkbox" : "radio", name: card.task_id, value: one.id, checked: Boolean(one.is_checked), disabled: done }), one.text)) : [];
  const buttons = (card.button_list || []).map((one, index) =>
    make("button", { class: index ? "" : "main", disabled: done, onclick: () => tap({ task: card.task_id, key: one.key }) }, one.text));
  if (card.submit_button) {
    buttons.push(make("button", { class: "main", disabled: done, onclick: (event) => {
      const chosen = [...event.target.closest(".slab").querySelectorAll("input:checked")].map((one) => one.value);
      if (chosen.length) tap({ task: card.task_id, key: card.submit_button.key, options: { [box ? box.question_key : "q"]: chosen } });
    } }, card.submit_button.text));
  }
  const jumps = [...(card.jump_list || []), card.card_action || {}].filter((one) => one.url);
  const links = jumps.map((one) => make("a", { href: door(who, one.url), target: "_blank", rel: "noopener" }, one.title || "查看详情"));
  return make("div", { class: "slab" },
    make("div", { class: "top" }, title.title || card.sub_title_text || ""),
    make("div", { class: "sub" }, [title.desc, title.title ? card.sub_title_text : ""].filter(Boolean).join("\n")),
    facts.length ? make("dl", { class: "facts" }, facts) : null, options,
    buttons.length || links.length || done ? make("div", { class: "buttons" }, done ? make("button", { disabled: true }, line.replaced) : buttons, links) : null);
}

function bodyOf(who, line, tap) {
  if (line.kind === "link") return linkCard(who, line);
  if (line.kind === "menu") return menuCard(who, line, tap);
  if (line.kind === "card") return templateCard(who, line, tap);
  return make("div", { class: "bubble" }, words(who, line.text));
}

function lineOf(who, line, tap) {
  const marks = line.staff ? make("span", { class: "mark" }, line.task ? "群发" : "员工") : null;
  return make("div", { class: `line${line.mine ? " mine" : ""}` }, avatar(line.who, line.colour),
    make("div", { class: "body" }, make("div", { class: "name" }, line.who, marks), bodyOf(who, line, tap)));
}

function linesOf(who, lines, now, tap) {
  let before = 0;
  return lines.flatMap((line) => {
    const at = Date.parse(line.at), gap = at - before > GAP_MS;
    before = at;
    return [gap ? make("time", {}, moment(line.at, now)) : null, lineOf(who, line, tap)];
  });
}

function waitingOf(who, task, now, confirm) {
  const links = task.links.map((link) => make("a", { href: door(who, link.url), target: "_blank", rel: "noopener" }, `链接：${link.title}`));
  return make("div", { class: "waiting" }, make("div", { class: "slab" },
    make("div", { class: "top" }, make("span", { class: "stamp" }, task.reminders ? `待确认群发 · 已提醒 ${task.reminders} 次` : "待确认群发"),
      make("div", {}, `发给${task.groups ? "客户群" : "客户"}：${task.to}`)),
    make("div", { class: "sub" }, `${task.text}\n创建于 ${moment(task.at, now)}`),
    make("div", { class: "buttons" }, links, make("button", { class: "main", onclick: () => confirm(task.id) }, "确认发送"))));
}
