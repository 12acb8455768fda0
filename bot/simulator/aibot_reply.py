"""What a 智能机器人 answers, as its readers see it, and what the platform does not take.

Shapes and limits as in developer.work.weixin.qq.com paths 101031 and 101138; numbers of refusals that no page gives
are the nearest ones there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.simulator.calls import Refusal
from bot.simulator.message import INTERACTIVE
from bot.simulator.message import SORTS as PUSH_SORTS
from bot.simulator.talks import deliver
from bot.simulator.world import Line, World, bot_talk, internal_talk

LONGEST, LONGEST_FEEDBACK = 20_480, 256
STREAM_S = {"webhook": 360, "websocket": 600}
PROMPT_S = 5
INVALID_REQUEST, STREAM_OVER = 846605, 846608


@dataclass
class Exchange:
    """One thing told to a bot, and what it answered so far. ``sort``: message, greeting, click or feedback."""

    bot: str
    mode: str
    staff: str
    group: str
    sort: str
    told_at: datetime
    request: str = ""
    task: str = ""
    stream: str = ""
    line: Line | None = None
    finished: bool = False
    carded: bool = False

    @property
    def talk(self) -> str:
        return internal_talk(self.group) if self.group else bot_talk(self.bot, self.staff)

    def over(self, now: datetime) -> bool:
        """Whether nothing more is taken for it."""
        life = STREAM_S[self.mode] if self.sort == "message" else PROMPT_S
        return now >= self.told_at + timedelta(seconds=life)


def take(world: World, exchange: Exchange, reply: Mapping[str, Any]) -> None:
    """Show a reply given in answer to what was told; ``Refusal`` when the platform would not take it."""
    if exchange.over(world.now()):
        raise Refusal(STREAM_OVER, "too late")
    if exchange.finished:
        raise Refusal(STREAM_OVER, "answered already")
    if exchange.sort == "click":
        _update(world, exchange, reply)
        return
    sort = str(reply.get("msgtype"))
    allowed = {
        "greeting": ("text", "template_card"),
        "message": ("stream", "template_card", "stream_with_template_card"),
    }.get(exchange.sort, ())
    if sort not in allowed:
        raise Refusal(40008, f"{sort} in answer to {exchange.sort}")
    if sort == "text":
        _say(world, exchange, _text(reply, "text"))
    if "stream" in sort:
        _stream(world, exchange, _part(reply, "stream"))
    if "template_card" in sort:
        _card(world, exchange, _part(reply, "template_card"))
    if not sort.startswith("stream"):
        exchange.finished = True


def _stream(world: World, exchange: Exchange, block: Mapping[str, Any]) -> None:
    number, content, feedback = block.get("id"), block.get("content", ""), block.get("feedback")
    if not isinstance(number, str) or not number or number != (exchange.stream or number):
        raise Refusal(40058, "stream.id")
    if not isinstance(content, str) or len(content.encode()) > LONGEST:
        raise Refusal(45002, "stream.content")
    if not isinstance(block.get("finish"), bool):
        raise Refusal(40058, "stream.finish")
    if feedback is not None and (
        exchange.stream or len(str(feedback.get("id", "")).encode()) > LONGEST_FEEDBACK
    ):
        raise Refusal(40058, "feedback belongs to the first reply")
    if exchange.line is None:
        exchange.line = _say(world, exchange, content, feedback=(feedback or {}).get("id", ""))
    exchange.stream, exchange.line.text, exchange.finished = number, content, block["finish"]
    exchange.line.data["finished"] = exchange.finished
    if exchange.finished:
        deliver(world, "aibot", exchange.talk, content, bot=exchange.bot)


def _card(world: World, exchange: Exchange, card: Mapping[str, Any]) -> None:
    if exchange.carded:
        raise Refusal(40058, "one card a message")
    exchange.carded = True
    show_card(world, exchange.bot, exchange.talk, card)


def _update(world: World, exchange: Exchange, reply: Mapping[str, Any]) -> None:
    if reply.get("response_type") != "update_template_card":
        raise Refusal(40008, "only a card answers a click")
    card = _part(reply, "template_card")
    if card.get("task_id") != exchange.task:
        raise Refusal(40058, "task_id is another card's")
    named = reply.get("userids") if exchange.group else None
    line = find_card(world, exchange.talk, exchange.task)
    if line is None:
        raise Refusal(40058, "no such card")
    if named:
        line.data.setdefault("seen", {}).update({one: dict(card) for one in named})
    else:
        line.data["card"] = dict(card)
    exchange.finished = True


# ---------------------------------------------------------------- pushes and responses


def push(world: World, bot: str, talk: str, body: Mapping[str, Any]) -> None:
    """A message on its own: Markdown or a card, over a response_url or the long connection."""
    sort = str(body.get("msgtype"))
    if sort not in PUSH_SORTS:
        raise Refusal(40008, sort)
    block = _part(body, sort)
    if sort == "template_card":
        show_card(world, bot, talk, block)
    elif sort == "markdown":
        text = _text(body, sort)
        world.talk(talk, f"aibot/{bot}", text, feedback=(block.get("feedback") or {}).get("id", ""))
        deliver(world, "aibot", talk, text, bot=bot)
    else:
        media = block.get("media_id")
        if not isinstance(media, str) or media not in world.codes:
            raise Refusal(40007, "media_id")
        world.talk(talk, f"aibot/{bot}", f"[{sort}]", media=media)


def show_card(world: World, bot: str, talk: str, card: Mapping[str, Any]) -> None:
    task = card.get("task_id")
    if card.get("card_type") in INTERACTIVE and not task:
        raise Refusal(40058, "task_id")
    if task and any(find_card(world, one, str(task)) for one in list(world.talks)):
        raise Refusal(40058, "task_id was used before")
    title = card.get("main_title") or {}
    words = "\n".join(str(title[part]) for part in ("title", "desc") if title.get(part))
    world.talk(talk, f"aibot/{bot}", words, kind="card", card=dict(card))
    deliver(world, "aibot", talk, words, bot=bot)


def find_card(world: World, talk: str, task: str) -> Line | None:
    lines = world.talks.get(talk, [])
    return next(
        (
            line
            for line in reversed(lines)
            if line.kind == "card" and line.data["card"].get("task_id") == task
        ),
        None,
    )


def _say(world: World, exchange: Exchange, text: str, **data: Any) -> Line:
    return world.talk(exchange.talk, f"aibot/{exchange.bot}", text, **data)


def _text(body: Mapping[str, Any], sort: str) -> str:
    text = _part(body, sort).get("content")
    if not isinstance(text, str) or not text:
        raise Refusal(44004, f"{sort}.content")
    if len(text.encode()) > LONGEST:
        raise Refusal(45002, sort)
    return text


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    if not isinstance(found, Mapping):
        raise Refusal(40058, name)
    return found
