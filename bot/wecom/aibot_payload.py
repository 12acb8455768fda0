"""What a 智能机器人 says: streams, Markdown and cards (developer.work.weixin.qq.com paths 101031, 101138, 101032)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from bot.wecom.card import number_of
from sop.errors import Refused
from sop.message import Choice, Content

LONGEST = 20_480  # bytes of a stream or of Markdown
LONGEST_FEEDBACK = 256
CARD_OPTIONS = 20
QUESTION = "choice"
ACTIVE = {"<think": "＜think", "</think": "＜/think", "<@": "＜@"}  # what would hide words or call somebody

Body = dict[str, Any]


def stream(number: str, text: str, *, finish: bool, feedback: str = "", card: Body | None = None) -> Body:
    """A piece of an answer; each replaces the one before it. ``feedback`` belongs to the first piece only."""
    block: Body = {"id": number, "finish": finish, "content": text}
    if feedback:
        block["feedback"] = {"id": feedback}
    if card is None:
        return {"msgtype": "stream", "stream": block}
    return {"msgtype": "stream_with_template_card", "stream": block, "template_card": card}


def greeting(content: Content, key: str) -> Body:
    """The first words when the chat is opened: a card or a text, nothing else."""
    card = card_of(content, key)
    if card is not None:
        return {"msgtype": "template_card", "template_card": card}
    return {"msgtype": "text", "text": {"content": markdown(content)}}


def message(content: Content, key: str, *, feedback: str = "") -> Body:
    """A message on its own: a card where there is something to choose, else Markdown."""
    if (card := card_of(content, key)) is not None:
        return {"msgtype": "template_card", "template_card": card}
    block: Body = {"content": markdown(content)}
    if feedback:
        block["feedback"] = {"id": feedback}
    return {"msgtype": "markdown", "markdown": block}


def update_card(card: Body, userids: Collection[str] = ()) -> Body:
    """A card in the place of one that was clicked; in groups for those named, else for everyone."""
    body: Body = {"response_type": "update_template_card", "template_card": card}
    return {**body, "userids": list(userids)} if userids else body


# ---------------------------------------------------------------- words


def markdown(content: Content) -> str:
    """Everything in words; too long is refused, for the platform would cut it."""
    parts = [inert(content.text)]
    if content.choice is not None and not _fits_card(content.choice):
        parts.append(inert(content.choice.question))
        parts += [f"{option.id}. {inert(option.text)}" for option in content.choice.options]
    if (link := content.link) is not None:
        parts.append(f"[{inert(link.title)}]({link.url})")
        parts.append(inert(link.description))
    return fitting("\n".join(part for part in parts if part))


def fitting(text: str) -> str:
    if len(text.encode()) > LONGEST:
        raise Refused(f"正文超过 {LONGEST} 字节，请缩短文案", code=45002)
    return text


def inert(text: str) -> str:
    """Words that stay words."""
    for active, harmless in ACTIVE.items():
        text = text.replace(active, harmless)
    return text


def feedback_id(key: str) -> str:
    """The message's key, by which feedback tells what it is about."""
    return key if len(key.encode()) <= LONGEST_FEEDBACK else hashlib.sha256(key.encode()).hexdigest()


# ---------------------------------------------------------------- cards


def card_of(content: Content, key: str) -> Body | None:
    """The vote card of a message that asks for a choice; None when it asks for none, or for too much."""
    choice = content.choice
    if choice is None or not _fits_card(choice):
        return None
    options = [{"id": option.id, "text": option.text, "is_checked": False} for option in choice.options]
    return {
        "card_type": "vote_interaction",
        "main_title": {"title": choice.question, "desc": content.text},
        "checkbox": {"question_key": QUESTION, "mode": 0, "option_list": options},
        "submit_button": {"text": "提交", "key": "submit"},
        "task_id": number_of(choice.task, key),
    }


def answered(card: Body, chosen: Collection[str]) -> Body:
    """The card as it looks to who has answered it: their choice, and nothing more to press."""
    box = card["checkbox"]
    options = [{**option, "is_checked": option["id"] in chosen} for option in box["option_list"]]
    return {
        **card,
        "checkbox": {**box, "disable": True, "option_list": options},
        "submit_button": {**card["submit_button"], "text": "已提交"},
    }


def _fits_card(choice: Choice) -> bool:
    return 0 < len(choice.options) <= CARD_OPTIONS
