"""What an app pushes to staff, template cards included, and what a webhook posts into an internal group."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.talks import deliver
from bot.simulator.world import Line, World, app_talk, webhook_talk

INTERACTIVE = frozenset({"button_interaction", "vote_interaction", "multiple_interaction"})
CARD_S = 72 * 3600
TEXT_BYTES, MARKDOWN_BYTES = 2048, 4096
SORTS = frozenset(
    {"text", "textcard", "news", "markdown", "template_card", "image", "voice", "file", "video"}
)
HOOK_SORTS = frozenset({"text", "markdown", "markdown_v2", "news", "template_card", "image", "file", "voice"})


def push(call: Call) -> Answer:
    """``message/send``: what is over a member's limit is dropped without a word, as the platform does."""
    world, app = call.world, call.holder.name.removeprefix("app/")
    if call.number("agentid", default=0) != call.holder.agent_id:
        raise Refusal(40056)
    found, unknown = _receivers(call)
    if not found:
        raise Refusal(81013)
    sort, content = _content(call.body, SORTS)
    code = _response_code(call, app, sort, content)
    if not call.limits.pushes(app, len(found), call.now):
        raise Refusal(45009, "person-times of the day")
    msgid = world.id("MSG-QX")
    for staff in _not_yet(call, app, found):
        if call.limits.push(app, staff, call.now):
            _show_push(world, app_talk(app, staff), f"app/{app}", sort, content, code)
            deliver(world, "app", staff, _words(sort, content), app=app, msgid=msgid)
    answer: Answer = {"invaliduser": "|".join(unknown).lower(), "invalidparty": "", "invalidtag": ""}
    return {**answer, "unlicenseduser": "", "msgid": msgid, **({"response_code": code} if code else {})}


def update_card(call: Call) -> Answer:
    """Replace a card, or the word on its button, with a code that works once."""
    code = call.world.codes.get(call.text("response_code"))
    app = call.holder.name.removeprefix("app/")
    if call.number("agentid", default=0) != call.holder.agent_id:
        raise Refusal(40056)
    if code is None or code.used or call.now >= code.expires or code.about.get("app") != app:
        raise Refusal(60140)
    button, card = call.part("button"), call.part("template_card")
    if not button and not card:
        raise Refusal(40035, "button or template_card")
    code.used = True
    wanted = {name.lower() for name in call.texts("userids", most=1000)}
    for staff in call.world.staff:
        if not wanted or staff.lower() in wanted:
            _replace(call.world.talks[app_talk(app, staff)], code.about["task"], button, card)
    return {"invaliduser": []}


def post(world: World, key: str, body: Mapping[str, Any]) -> Answer:
    """``webhook/send``: limits are counted by the caller, for they come before everything."""
    hook = world.webhooks.get(key)
    if hook is None:
        raise Refusal(93000)
    sort, content = _content(body, HOOK_SORTS)
    longest = TEXT_BYTES if sort == "text" else MARKDOWN_BYTES
    if len(_words(sort, content).encode()) > longest:
        raise Refusal(45002, sort)
    if content.get("card_type") in INTERACTIVE:
        raise Refusal(40008, "no interactive cards here")
    hook.posts.append({"at": world.now().isoformat(), **body})
    _show_push(world, webhook_talk(hook.name), f"webhook/{hook.name}", sort, content, "")
    deliver(world, "webhook", hook.name, _words(sort, content))
    return {}


def card_code(world: World, app: str, task: str) -> str:
    """A code for updating one card, good once within 72 hours."""
    return world.code("RC", CARD_S, app=app, task=task).code


def _receivers(call: Call) -> tuple[list[str], list[str]]:
    wanted = call.text("touser", default="")
    if not (wanted or call.body.get("toparty") or call.body.get("totag")):
        raise Refusal(40035, "touser, toparty and totag are all empty")
    if wanted == "@all":
        return list(call.world.staff), []
    names = list(dict.fromkeys(name for name in wanted.split("|") if name))
    if len(names) > 1000:
        raise Refusal(81017, "touser")
    known = {staff.lower(): staff for staff in call.world.staff}
    found = [known[name.lower()] for name in names if name.lower() in known]
    return found, [name for name in names if name.lower() not in known]


def _content(body: Mapping[str, Any], sorts: frozenset[str]) -> tuple[str, Mapping[str, Any]]:
    sort = body.get("msgtype")
    if sort not in sorts:
        raise Refusal(40008, str(sort))
    content = body.get(sort)
    if not isinstance(content, dict):
        raise Refusal(40035, sort)
    if sort in ("text", "markdown", "markdown_v2") and not content.get("content"):
        raise Refusal(44004, f"{sort}.content")
    if sort == "textcard" and not (
        content.get("title") and content.get("description") and content.get("url")
    ):
        raise Refusal(40035, "textcard needs title, description and url")
    return sort, content


def _response_code(call: Call, app: str, sort: str, card: Mapping[str, Any]) -> str:
    if sort != "template_card":
        return ""
    answers = card.get("card_type") in INTERACTIVE or "action_menu" in card
    if not answers:
        return ""
    task = str(card.get("task_id") or "")
    if not task or len(task.encode()) > 128:
        raise Refusal(40035, "template_card.task_id")
    if call.holder.name not in call.world.doors:
        raise Refusal(43012)
    return card_code(call.world, app, task)


def _not_yet(call: Call, app: str, staff: list[str]) -> list[str]:
    """Those who have not had this very request within the duplicate-check interval."""
    if call.number("enable_duplicate_check", default=0, most=1) != 1:
        return staff
    interval = call.number("duplicate_check_interval", default=1800, least=0, most=14400)
    request = json.dumps(dict(call.body), sort_keys=True, ensure_ascii=False)
    fresh = []
    for one in staff:
        last = call.world.pushed.get((app, one, request))
        if last is None or call.now - last >= timedelta(seconds=interval):
            call.world.pushed[app, one, request] = call.now
            fresh.append(one)
    return fresh


def _show_push(
    world: World, talk: str, speaker: str, sort: str, content: Mapping[str, Any], code: str
) -> None:
    match sort:
        case "textcard":
            _link(world, talk, speaker, content, content.get("description"))
        case "news":
            for article in content.get("articles") or []:
                _link(world, talk, speaker, article, article.get("description"))
        case "template_card":
            card = {**content, "response_code": code}
            world.talk(talk, speaker, _words(sort, content), kind="card", card=card)
        case _:
            world.talk(talk, speaker, _words(sort, content), markdown=sort.startswith("markdown"))


def _link(world: World, talk: str, speaker: str, content: Mapping[str, Any], description: Any) -> None:
    world.talk(
        talk,
        speaker,
        str(content.get("title", "")),
        kind="link",
        url=str(content.get("url", "")),
        description=str(description or ""),
    )


def _words(sort: str, content: Mapping[str, Any]) -> str:
    if sort == "template_card":
        return str((content.get("main_title") or {}).get("title") or content.get("sub_title_text") or "")
    if sort == "textcard":
        return str(content.get("title"))
    if sort == "news":
        return " / ".join(str(article.get("title", "")) for article in content.get("articles") or [])
    text = str(content.get("content", f"[{sort}]"))
    return text.encode()[:TEXT_BYTES].decode("utf-8", "ignore") if sort == "text" else text


def _replace(lines: list[Line], task: str, button: Mapping[str, Any], card: Mapping[str, Any]) -> None:
    for line in lines:
        if line.kind == "card" and line.data["card"].get("task_id") == task:
            if card:
                line.data["card"] = {**card, "task_id": task}
            line.data["replaced"] = str(button.get("replace_name") or card.get("replace_text") or "已更新")


CALLS = {
    "message/send": Api("POST", push, frozenset({"app"}), counted=False),
    "message/update_template_card": Api("POST", update_card, frozenset({"app"})),
}
