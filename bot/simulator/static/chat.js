// The page: ask once a second what the phone shows, draw what changed, tell what was tapped.
"use strict";

const $ = (id) => document.getElementById(id);
const BEAT_MS = 1000;
const CHIPS = {
  kf: ["领券", "签到", "今日任务", "为什么发给我", "退订"],
  app: ["待办", "活跃度"],
};
const place = new URLSearchParams(location.hash.slice(1));
const state = { who: place.get("who") || "", talk: place.get("talk") || "", view: null, drawn: {} };

function go(who, talk) {
  Object.assign(state, { who, talk });
  history.replaceState(null, "", `#${new URLSearchParams({ who, talk })}`);
  $("sheet").hidden = true;
  state.drawn.lines = "";
  return refresh();
}

function say(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("toast").hidden = true; }, 2600);
}

async function act(path, wanted) {
  try {
    const answer = await tell(path, wanted);
    await refresh();
    return answer;
  } catch (error) {
    say(`没有成功：${error.message}`);
    return null;
  }
}

const deed = (name, about) => act("/sim/api/do", { who: state.who, deed: name, ...about });
const tap = (about) => deed("tap", { talk: state.talk, ...about });

function draw(part, shown, paint) {
  const now = JSON.stringify(shown);
  if (state.drawn[part] === now) return;
  state.drawn[part] = now;
  paint();
}

function drawPeople(view) {
  const wanted = $("search").value.trim();
  const row = (one) => make("li", {}, make("button", { "aria-current": one.id === state.who ? "true" : "false", onclick: () => { close("people-panel"); go(one.id, ""); } },
    avatar(one.name, one.colour), make("span", { class: "words" }, make("b", {}, one.name), make("small", {}, one.note)),
    one.badge ? make("span", { class: "badge", title: "待确认的群发" }, String(one.badge)) : null));
  draw("people", [view.people, wanted, state.who], () => {
    const found = view.people.filter((one) => one.name.includes(wanted));
    const part = (role, title) => {
      const those = found.filter((one) => one.role === role);
      return those.length ? [make("li", { class: "group-label" }, `${title} ${those.length}`), ...those.map(row)] : [];
    };
    $("people").replaceChildren(...part("staff", "员工"), ...part("member", "成员"));
  });
}

const KINDS = { kf: "微信客服", app: "应用", webhook: "内部群", group: "", friend: "" };

function drawTalks(view) {
  draw("talks", [view.talks, dayOf(view.now)], () => {
    const rows = view.talks.map((one) => make("li", { class: one.pinned ? "pinned" : "" }, make("button", { onclick: () => go(state.who, one.id) },
      avatar(one.title, one.colour), make("span", { class: "words" },
        make("b", {}, make("span", {}, one.title, " ", KINDS[one.kind] ? make("span", { class: "mark" }, KINDS[one.kind]) : null), make("time", {}, one.at ? moment(one.at, view.now) : "")),
        make("small", {}, make("span", {}, one.last || "还没有消息"), one.badge ? make("span", { class: "badge" }, String(one.badge)) : null)))));
    $("talks").replaceChildren(...(rows.length ? rows : [make("li", { class: "empty" }, "这部手机上还没有会话")]));
  });
}

function drawTalk(view) {
  const talk = view.talk, open = Boolean(talk.id);
  $("talks").hidden = open;
  $("talk").hidden = $("back").hidden = !open;
  $("more").hidden = !state.who;
  $("title").textContent = open ? talk.title : "消息";
  if (!open) return;
  $("composer").hidden = !talk.speaks;
  draw("lines", [talk, dayOf(view.now)], () => {
    const box = $("lines"), end = box.scrollHeight - box.scrollTop - box.clientHeight < 80 || state.drawn.talk !== talk.id;
    state.drawn.talk = talk.id;
    const waiting = (talk.waiting || []).map((task) => waitingOf(state.who, task, view.now, (id) => deed("confirm", { task: id })));
    const lines = linesOf(state.who, talk.lines, view.now, tap).filter(Boolean);
    box.replaceChildren(...(lines.length || waiting.length ? lines : [make("div", { class: "empty" }, "说句话，打个招呼吧")]), ...waiting);
    if (end) box.scrollTop = box.scrollHeight;
  });
  draw("chips", talk.kind, () => $("chips").replaceChildren(...(CHIPS[talk.kind] || []).map((text) => make("button", { onclick: () => deed("say", { talk: state.talk, text }) }, text))));
}

function drawClock(view) {
  $("phone-time").textContent = $("clock-time").textContent = clockOf(view.now);
  $("clock-date").textContent = `${dayOf(view.now)} ${weekdayOf(view.now)}`;
  for (const button of $("paces").children) button.setAttribute("aria-pressed", String(Number(button.dataset.pace) === view.speed));
}

const SORTS = { callback: "回调", call: "接口", delivery: "送达", visit: "访问", verify: "验证", act: "动作" };

function drawTicker(view) {
  draw("ticker", view.journal, () => $("ticker").replaceChildren(...[...view.ticker].reverse().map((one) =>
    make("li", { class: one.good ? "" : "wrong" }, make("time", {}, one.at), make("span", { class: `sort ${one.what}` }, SORTS[one.what] || one.what), make("span", { class: "words" }, one.text)))));
}

function drawWho(view) {
  const me = view.people.find((one) => one.id === state.who);
  draw("who", me, () => $("who-bar").replaceChildren(...(me ? [avatar(me.name, me.colour), `现在是 ${me.name}`] : ["还没有选人"])));
}

async function refresh() {
  const asked = [state.who, state.talk].join();
  const query = new URLSearchParams({ who: state.who, talk: state.talk });
  const view = await ask(`/sim/api/view?${query}`);
  if (asked !== [state.who, state.talk].join()) return;
  if (!state.who && view.people.length) { await go(view.people[0].id, ""); return; }
  state.view = view;
  for (const part of [drawPeople, drawTalks, drawTalk, drawClock, drawTicker, drawWho]) part(view);
}

function choices(view) {
  const kind = view.talk.kind, id = view.talk.id || "", staff = view.staff.some((one) => one.id === state.who);
  const inside = new Set(view.talks.map((one) => one.id));
  const list = [];
  if (kind === "group") list.push(["退出群聊", "leave", { group: id.slice(6) }, "grave"]);
  if (kind === "friend" && !staff) list.push(["删除这位员工", "unfriend", { staff: id.split("/")[1] }, "grave"]);
  if (kind === "kf") list.push(["重新进入客服", "enter_kf", { account: id.split("/")[1] }]);
  if (kind === "app") list.push(["进入应用", "open_app", {}]);
  if (kind) return list;
  for (const group of view.groups) if (!inside.has(`group/${group.id}`)) list.push([`扫码进群：${group.name}`, "join", { group: group.id }]);
  if (!staff) for (const one of view.staff) if (!inside.has(`friend/${one.id}/${state.who}`)) list.push([`加好友：${one.name}`, "befriend", { staff: one.id }]);
  return list;
}

function toggleSheet() {
  const sheet = $("sheet"), list = state.view ? choices(state.view) : [];
  sheet.hidden = !sheet.hidden;
  $("more").setAttribute("aria-expanded", String(!sheet.hidden));
  sheet.replaceChildren(...(list.length ? list : [["没有别的事可做", "", {}]]).map(([text, name, about, grave]) =>
    make("button", { class: grave || "", onclick: async () => {
      sheet.hidden = true;
      if (name && (await deed(name, about)) && grave) go(state.who, "");
    } }, text)));
}

const close = (id) => $(id).classList.remove("open");

async function turn(button) {
  const all = document.querySelectorAll("#turns button");
  const wanted = button.dataset.turn === "saturday" ? { to: "saturday" } : { seconds: Number(button.dataset.turn) };
  all.forEach((one) => { one.disabled = true; });
  $("turning").hidden = false;
  await act("/sim/api/turn", wanted);
  $("turning").hidden = true;
  all.forEach((one) => { one.disabled = false; });
}

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.elements.text, text = input.value.trim();
  if (!text) return;
  input.value = "";
  await deed("say", { talk: state.talk, text });
});
$("arrive").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.elements.name, me = state.view && state.view.staff.some((one) => one.id === state.who) ? state.who : "";
  const answer = await act("/sim/api/arrive", { name: input.value.trim(), staff: me });
  if (answer) { input.value = ""; close("people-panel"); go(answer.id, `friend/${answer.staff}/${answer.id}`); }
});
async function offerNotices() {
  const offered = (await ask("/sim/deeds")).filter((one) => one.called);
  $("notices").elements.name.replaceChildren(...offered.map((one) => make("option", { value: one.deed }, one.called)));
  $("notices").hidden = !offered.length;
}
$("notices").addEventListener("submit", (event) => {
  event.preventDefault();
  const staff = state.view && state.view.staff.some((one) => one.id === state.who) ? state.who : "";
  act("/sim/deeds", { deed: event.target.elements.name.value, staff });
});
$("back").addEventListener("click", () => go(state.who, ""));
$("more").addEventListener("click", toggleSheet);
$("search").addEventListener("input", () => state.view && drawPeople(state.view));
$("turns").addEventListener("click", (event) => event.target.dataset.turn && turn(event.target));
$("paces").addEventListener("click", (event) => event.target.dataset.pace && act("/sim/api/pace", { speed: Number(event.target.dataset.pace) }));
for (const button of document.querySelectorAll("[data-open]")) button.addEventListener("click", () => $(button.dataset.open).classList.add("open"));
for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", () => close(button.dataset.close));
if (document.body.dataset.turnable !== "yes") $("turns").hidden = $("paces").hidden = true;

async function beat() {
  try { await refresh(); } catch (error) { say(`模拟器没有回应：${error.message}`); }
  setTimeout(beat, BEAT_MS);
}
offerNotices().catch(() => say("平台通知的清单没有取到"));
beat();
