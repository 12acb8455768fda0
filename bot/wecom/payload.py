"""What a message looks like on each channel. What a channel cannot show is said in words.

Sizes are the platform's (developer.work.weixin.qq.com paths 90236, 92135, 94677).
A text too long is refused, for the platform would cut it silently.
"""

from __future__ import annotations

import hashlib
import zlib
from html import escape
from typing import Any

from bot.gateway import Parcel
from bot.wecom.card import number_of
from sop.errors import Refused
from sop.message import CAPABILITIES, Choice, Content, Link

DUPLICATE_WINDOW_S = 1800  # at least this long the platform drops a repeat of the same app message
DUPLICATE_SPREAD_S = 12_600  # and at most four hours
CARD_OPTIONS, MENU_ITEMS = 20, 10
TITLE_BYTES, DESCRIPTION_BYTES, URL_BYTES = 128, 512, 2048
QUESTION = "choice"

Body = dict[str, Any]


def app_body(agent_id: int, parcel: Parcel) -> Body:
    """An app message: a vote card, a link card, or a text.

    The interval of the duplicate check differs from message to message, so that two messages that
    happen to say the same are two requests, and only a repeat of one message is dropped.
    """
    kind, shown = _app_content(parcel)
    interval = DUPLICATE_WINDOW_S + zlib.crc32(parcel.key.encode()) % DUPLICATE_SPREAD_S
    return {
        "touser": "|".join(parcel.recipients),
        "msgtype": kind,
        "agentid": agent_id,
        kind: shown,
        "enable_duplicate_check": 1,
        "duplicate_check_interval": interval,
    }


def _app_content(parcel: Parcel) -> tuple[str, Body]:
    content = parcel.content
    if content.choice is not None and content.link is None and len(content.choice.options) <= CARD_OPTIONS:
        return "template_card", _vote_card(content.text, content.choice, parcel.key)
    text = _fitting(_said(content), parcel)
    if content.link is None:
        return "text", {"content": text}
    if len(text.encode()) <= DESCRIPTION_BYTES:
        return "textcard", _textcard(text, content.link)
    anchor = f'<a href="{escape(_url(content.link))}">{escape(content.link.title)}</a>'
    return "text", {"content": _fitting(f"{text}\n{anchor}", parcel)}


def _vote_card(text: str, choice: Choice, key: str) -> Body:
    options = [{"id": option.id, "text": option.text, "is_checked": False} for option in choice.options]
    return {
        "card_type": "vote_interaction",
        "main_title": {"title": choice.question, "desc": text},
        "checkbox": {"question_key": QUESTION, "mode": 0, "option_list": options},
        "submit_button": {"text": "提交", "key": "submit"},
        "task_id": number_of(choice.task, key),
    }


def _textcard(text: str, link: Link) -> Body:
    return {
        "title": _cut(link.title, TITLE_BYTES),
        "description": text or link.description or link.title,
        "url": _url(link),
        "btntxt": "查看",
    }


def mass_body(parcel: Parcel) -> Body:
    """The text and attachments that welcomes and mass sends share."""
    body: Body = {}
    text = _fitting(_said(parcel.content), parcel)
    if text:
        body["text"] = {"content": text}
    if (link := parcel.content.link) is not None:
        card = {"title": _cut(link.title, TITLE_BYTES), "url": _url(link)}
        if link.description:
            card["desc"] = _cut(link.description, DESCRIPTION_BYTES)
        body["attachments"] = [{"msgtype": "link", "link": card}]
    return body


def group_send_body(parcel: Parcel) -> Body:
    """A task for one member of staff to confirm; its recipients are members or groups."""
    to_groups = parcel.audience == "group"
    body: Body = {"chat_type": "group" if to_groups else "single"}
    if parcel.sender:
        body["sender"] = parcel.sender
    body["chat_id_list" if to_groups else "external_userid"] = list(parcel.recipients)
    return {**body, **mass_body(parcel)}


def kf_body(parcel: Parcel) -> Body:
    """A message in 微信客服: a menu to choose from, or a text. The key makes its number there."""
    body: Body = {"msgid": hashlib.sha256(parcel.key.encode()).hexdigest()[:32]}
    if parcel.welcome_code:
        body["code"] = parcel.welcome_code
    else:
        body |= {"touser": parcel.recipients[0], "open_kfid": parcel.sender}
    choice, items = parcel.content.choice, _menu(parcel.content)
    if choice is None or len(items) > MENU_ITEMS:
        return {**body, "msgtype": "text", "text": {"content": _fitting(_in_words(parcel.content), parcel)}}
    head = _fitting("\n".join(part for part in (parcel.content.text, choice.question) if part), parcel)
    return {**body, "msgtype": "msgmenu", "msgmenu": {"head_content": head, "list": items}}


def _menu(content: Content) -> list[Body]:
    items: list[Body] = []
    if (choice := content.choice) is not None:
        for option in choice.options:
            click = {"id": menu_id(choice.task, option.id), "content": option.text}
            items.append({"type": "click", "click": click})
    if content.link is not None:
        items.append({"type": "view", "view": {"url": _url(content.link), "content": content.link.title}})
    return items


def menu_id(run: str, option: str) -> str:
    """What a click on a menu tells: the run and the option, parted by the last colon."""
    return f"{run}:{option}"


def webhook_body(parcel: Parcel) -> Body:
    return {"msgtype": "text", "text": {"content": _fitting(_in_words(parcel.content), parcel)}}


# ---------------------------------------------------------------- words and sizes


def _said(content: Content) -> str:
    """The text, and the options of a choice as lines."""
    if content.choice is None:
        return content.text
    options = [f"{option.id}. {option.text}" for option in content.choice.options]
    return "\n".join(part for part in (content.text, content.choice.question, *options) if part)


def _in_words(content: Content) -> str:
    """Everything, the link's address too."""
    parts = [_said(content)]
    if content.link is not None:
        parts += [content.link.title, _url(content.link)]
    return "\n".join(part for part in parts if part)


def _fitting(text: str, parcel: Parcel) -> str:
    most = CAPABILITIES[parcel.channel].max_bytes
    if len(text.encode()) > most:
        raise Refused(f"正文超过 {most} 字节，请缩短文案", code=45002)
    return text


def _url(link: Link) -> str:
    if len(link.url.encode()) > URL_BYTES:
        raise Refused(f"链接超过 {URL_BYTES} 字节", code=45002)
    return link.url


def _cut(text: str, most: int) -> str:
    whole = text.encode()
    if len(whole) <= most:
        return text
    return whole[: most - 3].decode("utf-8", "ignore") + "…"
