"""What a 智能机器人 says: streams, Markdown and cards (developer.work.weixin.qq.com paths 101031, 101138, 101032)."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping

from bot.wecom.card import card_body, vote_of
from bot.wecom.words import Body, fitting, url_of
from sop.message import Choice, Content, Markup, Media

BodyOf = Callable[[Media], Awaitable[bytes]]  # the bytes of a file we keep

LONGEST = 20_480  # bytes of a stream or of Markdown
LONGEST_FEEDBACK = 256
CARD_OPTIONS = 20
ACTIVE = {"<think": "＜think", "</think": "＜/think", "<@": "＜@"}  # what would hide words or call somebody


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


def media_message(form: str, number: str) -> Body:
    """A file that was handed over before."""
    return {"msgtype": form, form: {"media_id": number}}


# ---------------------------------------------------------------- words


def markdown(content: Content) -> str:
    """Everything in words; too long is refused, for the platform would cut it."""
    words = inert if content.markup is Markup.PLAIN else str
    parts = [words(content.text)]
    if content.choice is not None and not _fits_card(content.choice):
        parts.append(inert(content.choice.question))
        parts += [f"{option.id}. {inert(option.text)}" for option in content.choice.options]
    if (link := content.link) is not None:
        parts += [f"[{inert(link.title)}]({url_of(link)})", inert(link.description)]
    return fitting("\n".join(part for part in parts if part), LONGEST)


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
    """The card of a message that is one, or asks for a choice; None when it asks for none, or for too much."""
    if content.card is not None:
        return card_body(content.card, key, robot=True)
    if content.choice is None or not _fits_card(content.choice):
        return None
    return card_body(vote_of(content.choice, content.text), key, robot=True)


def known_as(content: Content, key: str) -> str:
    """What the platform will call this message: a card by its number, for that is what a click tells."""
    card = card_of(content, key)
    return str(card.get("task_id") or key) if card else key


def answered(card: Body, pressed: str, chosen: Mapping[str, Collection[str]]) -> Body | None:
    """The card as it looks to who has answered it: their choice, and nothing more to press; None for a mere notice."""
    if box := card.get("checkbox"):
        picked = chosen.get(box["question_key"], ())
        options = [{**option, "is_checked": option["id"] in picked} for option in box["option_list"]]
        return {**card, "checkbox": {**box, "disable": True, "option_list": options}, **_done(card)}
    if lists := card.get("select_list"):
        return {**card, "select_list": [_picked(one, chosen) for one in lists], **_done(card)}
    if buttons := [one for one in card.get("button_list", ()) if one["key"] == pressed]:
        picker = card.get("button_selection")
        shown = {"button_selection": _picked(picker, chosen)} if picker else {}
        return {**card, "button_list": [{**buttons[0], "text": f"{buttons[0]['text']} ✓"}], **shown}
    return None


def _picked(question: Body, chosen: Mapping[str, Collection[str]]) -> Body:
    picked = next(iter(chosen.get(question["question_key"], ())), "")
    return {**question, "disable": True, **({"selected_id": picked} if picked else {})}


def _done(card: Body) -> Body:
    return {"submit_button": {**card["submit_button"], "text": "已提交"}}


def _fits_card(choice: Choice) -> bool:
    return 0 < len(choice.options) <= CARD_OPTIONS
