"""What an app pushes to staff, template cards included, and what a webhook posts into an internal group."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bot.simulator import card as cards
from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.media import CORP, MB, keep, known
from bot.simulator.talks import deliver
from bot.simulator.world import Line, Sent, World, app_talk, webhook_talk

INTERACTIVE = cards.INTERACTIVE
FILES = frozenset({"image", "voice", "file", "video"})
RECALL = timedelta(hours=24)
LARGEST_PICTURE = 2 * MB
MOST_ARTICLES, ARTICLE_BYTES = 8, 666 * 1024
CARD_S = 72 * 3600
TEXT_BYTES, MARKDOWN_BYTES = 2048, 4096
SORTS = frozenset(
    {"text", "textcard", "news", "mpnews", "markdown", "template_card", "miniprogram_notice", *FILES}
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
    sort, content = content_of_push(call, SORTS)
    if sort == "miniprogram_notice" and call.text("touser", default="") == "@all":
        raise Refusal(40035, "miniprogram_notice knows no @all")
    code = _response_code(call, app, sort, content)
    if not call.limits.pushes(app, len(found), call.now):
        raise Refusal(45009, "person-times of the day")
    msgid = world.id("MSG-QX")
    world.sent[msgid] = sent = Sent(call.now, app)
    fresh = _not_yet(call, app, found)
    if fresh and code:
        _must_be_new(world, app, str(content["task_id"]))
    for staff in fresh:
        if call.limits.push(app, staff, call.now):
            sent.lines += show_push(world, app_talk(app, staff), f"app/{app}", sort, content, code)
            deliver(world, "app", staff, _words(sort, content), app=app, msgid=msgid)
    answer: Answer = {"invaliduser": "|".join(unknown).lower(), "invalidparty": "", "invalidtag": ""}
    return {**answer, "unlicenseduser": "", "msgid": msgid, **({"response_code": code} if code else {})}


def recall(call: Call) -> Answer:
    """Take back what was said less than 24 hours ago."""
    sent, app = call.world.sent.get(call.text("msgid")), call.holder.name.removeprefix("app/")
    if sent is None or sent.app != app or call.now >= sent.at + RECALL:
        raise Refusal(40035, "msgid")
    for line in sent.lines:
        line.data["recalled"] = True
    return {}


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
    if card:
        cards.check(card)
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
    if len(str(content.get("content", "")).encode()) > longest:
        raise Refusal(45002, sort)
    if content.get("card_type") in INTERACTIVE:
        raise Refusal(40008, "no interactive cards here")
    if sort == "image":
        _check_picture(content)
    elif sort in FILES:
        known(world, content.get("media_id"), f"webhook/{hook.name}", sort)
    hook.posts.append({"at": world.now().isoformat(), **body})
    show_push(world, webhook_talk(hook.name), f"webhook/{hook.name}", sort, content, "")
    deliver(world, "webhook", hook.name, _words(sort, content))
    return {}


def upload_for_hook(call: Call, key: str) -> Answer:
    """A file for one webhook only."""
    hook = call.world.webhooks.get(key)
    if hook is None:
        raise Refusal(93000)
    if call.text("type") not in ("file", "voice"):
        raise Refusal(40035, "type")
    return keep(call, call.text("type"), f"webhook/{hook.name}")


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
    if sort == "template_card":
        cards.check(content)
    if sort in ("news", "mpnews"):
        _check_articles(sort, content)
    if sort in ("text", "markdown", "markdown_v2") and not content.get("content"):
        raise Refusal(44004, f"{sort}.content")
    if sort == "textcard" and not (
        content.get("title") and content.get("description") and content.get("url")
    ):
        raise Refusal(40035, "textcard needs title, description and url")
    return sort, content


def content_of_push(call: Call, sorts: frozenset[str]) -> tuple[str, Mapping[str, Any]]:
    """What an app says, with the files it needs."""
    sort, content = _content(call.body, sorts)
    if sort in FILES:
        known(call.world, content.get("media_id"), CORP, sort)
    if sort == "markdown" and len(str(content["content"]).encode()) > TEXT_BYTES:
        raise Refusal(45002, sort)
    if sort == "mpnews":
        for article in content["articles"]:
            known(call.world, article.get("thumb_media_id"), CORP, "image")
    if sort == "miniprogram_notice" and not (content.get("appid") and content.get("title")):
        raise Refusal(40035, "miniprogram_notice needs appid and title")
    return sort, content


def _check_articles(sort: str, content: Mapping[str, Any]) -> None:
    articles = content.get("articles")
    if not isinstance(articles, list) or not 1 <= len(articles) <= MOST_ARTICLES:
        raise Refusal(40035, "articles")
    for article in articles:
        if not isinstance(article, dict) or not article.get("title"):
            raise Refusal(40035, "articles.title")
        if sort == "news" and not (article.get("url") or article.get("appid")):
            raise Refusal(40035, "articles.url")
        if sort == "mpnews" and not 0 < len(str(article.get("content") or "").encode()) <= ARTICLE_BYTES:
            raise Refusal(45002, "articles.content")


def _check_picture(content: Mapping[str, Any]) -> None:
    """The picture travels in the request, with the hash of its bytes."""
    try:
        whole = base64.b64decode(str(content.get("base64") or ""), validate=True)
    except binascii.Error as error:
        raise Refusal(40035, "image.base64") from error
    if hashlib.md5(whole, usedforsecurity=False).hexdigest() != content.get("md5"):
        raise Refusal(40035, "image.md5")
    if not whole or len(whole) > LARGEST_PICTURE:
        raise Refusal(41080, "image")


def _response_code(call: Call, app: str, sort: str, card: Mapping[str, Any]) -> str:
    if sort != "template_card":
        return ""
    if not cards.needs_task(card):
        return ""
    task = str(card["task_id"])
    if call.holder.name not in call.world.doors:
        raise Refusal(43012)
    return card_code(call.world, app, task)


def _must_be_new(world: World, app: str, task: str) -> None:
    """An app's card numbers are never used again."""
    if (app, task) in world.carded:
        raise Refusal(40035, "template_card.task_id is used")
    world.carded.add((app, task))


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


def show_push(
    world: World, talk: str, speaker: str, sort: str, content: Mapping[str, Any], code: str
) -> list[Line]:
    """Put what was said into a talk, as a phone shows it; the lines it made."""
    match sort:
        case "textcard":
            return [_link(world, talk, speaker, content, content.get("description"))]
        case "news" | "mpnews":
            articles = content["articles"]
            return [
                _link(world, talk, speaker, one, one.get("description") or one.get("digest"))
                for one in articles
            ]
        case "template_card":
            card = {**content, "response_code": code}
            return [world.talk(talk, speaker, _words(sort, content), kind="card", card=card)]
        case _:
            words, marked = _words(sort, content), sort.startswith("markdown")
            return [world.talk(talk, speaker, words, markdown=marked)]


def _link(world: World, talk: str, speaker: str, content: Mapping[str, Any], description: Any) -> Line:
    return world.talk(
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
    if sort == "miniprogram_notice":
        return str(content.get("title"))
    if sort in ("news", "mpnews"):
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
    "message/recall": Api("POST", recall, frozenset({"app"})),
    "message/update_template_card": Api("POST", update_card, frozenset({"app"})),
}
