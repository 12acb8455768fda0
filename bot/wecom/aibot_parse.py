"""What a 智能机器人 is told: JSON, the same over a callback and over the long connection, becomes one typed update.

Fields as in developer.work.weixin.qq.com paths 100719 (messages) and 101027 (events). The pages' tables and samples differ in how
they spell the parts of a card event: nested snake case is read first, flat names after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from bot.clean_json import INSTEAD, read_json
from bot.wecom.card import run_of
from bot.wecom.person import person
from bot.wecom.settings import Aibot
from sop.errors import Malformed
from sop.update import AppOpened, CardClicked, FeedbackGiven, MessageHeard, Ticket, Unknown, Update
from storage.inbox import Knock, key_of
from storage.response import LIFE as RESPONSE_LIFE

STREAM_LIFE = timedelta(minutes=6)  # after the message, until when the platform asks for more of the answer
LEAD = timedelta(seconds=15)  # so much earlier we count with no further question
PROMPT = timedelta(seconds=5)  # for a greeting
LONGEST_ID = 64
LONGEST_LANE = 128
MEDIA = {"image": "[图片]", "file": "[文件]", "video": "[视频]"}

Plain = Mapping[str, Any]


# ---------------------------------------------------------------- what is stored


def knock_of(corp: str, door: str, said: bytes, now: datetime, *, request: str = "") -> Knock:
    """What arrived, as the inbox keeps it: known by its msgid, and else by what it says.

    A message does not say when it was sent, so the instant of its arrival is kept with it. ``request`` is the number an
    answer over the long connection must repeat.
    """
    told = read(said)
    if told is None:
        return Knock(key_of(corp, door, said), door, said, door, now)
    msgid = told.get("msgid")
    identity = f"msgid {msgid}".encode() if isinstance(msgid, str) and msgid else said
    envelope = {"at": now.timestamp(), "request": request, "told": told}
    body = json.dumps(envelope, ensure_ascii=False).encode(
        "utf-8", "replace"
    )  # halves of characters are none
    return Knock(key_of(corp, door, identity), door, body, _lane(told, door), now)


def read(said: bytes) -> dict[str, Any] | None:
    """The JSON object in a text, None when there is none."""
    try:
        told = read_json(said)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def stream_of(told: Plain) -> str:
    """The stream the platform wants more of, empty when it wants something else."""
    stream = told.get("stream") if told.get("msgtype") == "stream" else None
    name = stream.get("id") if isinstance(stream, Mapping) else None
    return name if isinstance(name, str) else ""


def event_of(told: Plain) -> str:
    """The sort of an event, empty for messages."""
    event = told.get("event") if told.get("msgtype") == "event" else None
    name = event.get("eventtype") if isinstance(event, Mapping) else None
    return name if isinstance(name, str) else ""


def _lane(told: Plain, door: str) -> str:
    speaker = told.get("from")
    who = speaker.get("userid") if isinstance(speaker, Mapping) else None
    lane = told.get("chatid") or who
    return str(lane)[:LONGEST_LANE] if lane else door


# ---------------------------------------------------------------- what it means


def parse_told(bot: Aibot, body: bytes, id: str) -> Update:
    """The update in what :func:`knock_of` stored; ``Malformed`` when it makes no sense."""
    envelope = read(body)
    if envelope is None or not isinstance(envelope.get("told"), dict):
        raise Malformed("what the bot was told is no JSON object")
    try:
        told = Told(bot, id, envelope["told"], float(envelope["at"]), str(envelope.get("request") or ""))
        return _READERS.get(told.must("msgtype"), _unknown)(told)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise Malformed(f"what the bot was told cannot be read ({type(error).__name__})") from error


@dataclass(frozen=True)
class Told:
    """One thing the bot was told, with when it arrived (unix seconds)."""

    bot: Aibot
    id: str
    fields: Plain
    arrived: float
    request: str

    @property
    def at(self) -> datetime:
        created = self.fields.get("create_time")
        return datetime.fromtimestamp(created if type(created) is int else self.arrived, UTC)

    @property
    def who(self) -> str:
        """The speaker as the platform writes them."""
        speaker = self.part("from").get("userid")
        return _id("from.userid", speaker)

    @property
    def member(self) -> str:
        """An encrypted id means nothing outside this bot, and its letters' case means something."""
        return person(self.who) if self.bot.plain_ids else self.who

    @property
    def group(self) -> str:
        return _id("chatid", self.fields.get("chatid")) if self.fields.get("chattype") == "group" else ""

    def must(self, name: str) -> str:
        return _id(name, self.fields.get(name))

    def part(self, name: str) -> Plain:
        found = self.fields.get(name)
        if not isinstance(found, Mapping):
            raise Malformed(f"{name} is missing")
        return found

    def ticket(self, *, kind: str, asked: timedelta | None, valid: timedelta | None) -> Ticket:
        """What the way of answering needs; times count from the arrival."""
        arrived = datetime.fromtimestamp(self.arrived, UTC)
        code = {
            "kind": kind,
            "url": str(self.fields.get("response_url") or ""),
            "request": self.request,
            "chat": self.group or self.who,
        }
        return Ticket(
            json.dumps({key: value for key, value in code.items() if value}, ensure_ascii=False),
            None if asked is None else arrived + asked,
            None if valid is None else arrived + valid,
        )


# ---------------------------------------------------------------- messages


def _message(told: Told) -> Update:
    kind = told.must("msgtype")
    return MessageHeard(
        at=told.at,
        id=told.id,
        member=told.member,
        text=_addressed(_words(kind, told.part(kind)), told),
        via="aibot",
        account=told.bot.name,
        group=told.group,
        media=kind,
        from_staff=True,
        alias=not told.bot.plain_ids,
        quoted=_quoted(told.fields.get("quote")),
        ticket=_for_a_message(told),
    )


def _for_a_message(told: Told) -> Ticket:
    """Over callbacks the platform asks for six minutes, and takes one answer more within the hour."""
    if told.bot.mode == "websocket":
        return told.ticket(kind="message", asked=None, valid=None)
    asked = STREAM_LIFE - LEAD
    return told.ticket(
        kind="message", asked=asked, valid=RESPONSE_LIFE if told.fields.get("response_url") else asked
    )


def _words(kind: str, content: Plain) -> str:
    """What a message says in words; a voice comes as what was understood."""
    if kind == "mixed":
        items = content.get("msg_item")
        parts = [_words(str(item["msgtype"]), item[str(item["msgtype"])]) for item in _many(items)]
        return "\n".join(part for part in parts if part)
    return str(content.get("content") or "") if kind in ("text", "voice") else ""


def _quoted(quote: Any) -> str:
    if not isinstance(quote, Mapping):
        return ""
    kind = str(quote.get("msgtype") or "")
    content = quote.get(kind)
    return (_words(kind, content) if isinstance(content, Mapping) else "") or MEDIA.get(kind, "")


def _addressed(text: str, told: Told) -> str:
    """The words without the bot's own name, which stands before or behind them in groups."""
    if not told.group:
        return text.strip()
    if not told.bot.display_name:
        return re.sub(r"^\s*@\S+\s*", "", text).strip()
    name = re.escape(f"@{told.bot.display_name}")
    return re.sub(rf"^\s*{name}(?=\s|$)|(?<=\s){name}\s*$", "", text).strip()


# ---------------------------------------------------------------- events


def _event(told: Told) -> Update:
    return _EVENTS.get(event_of(told.fields), _unknown)(told)


def _entered(told: Told) -> Update:
    """The chat was opened for the first time today; a greeting is taken for five seconds."""
    asked = PROMPT if told.bot.mode == "webhook" else None
    ticket = told.ticket(kind="greeting", asked=asked, valid=PROMPT)
    return AppOpened(at=told.at, id=told.id, staff=told.member, via="aibot", app=told.bot.name, ticket=ticket)


def _clicked(told: Told) -> Update:
    block = _Block(told.part("event"))
    items = block.get("selected_items")
    valid = RESPONSE_LIFE if told.bot.mode == "webhook" else None
    return CardClicked(
        at=told.at,
        id=told.id,
        staff=told.member,
        task=run_of(str(block.get("task_id") or "")),
        key=str(block.get("event_key") or ""),
        app=told.bot.name,
        options=tuple(_chosen(_Block(item)) for item in _inside(items, "selected_item")),
        via="aibot",
        group=told.group,
        ticket=told.ticket(kind="click", asked=None, valid=valid),
    )


def _chosen(item: _Block) -> tuple[str, tuple[str, ...]]:
    options = _inside(item.get("option_ids"), "option_id")
    return str(item.get("question_key") or ""), tuple(str(option) for option in options)


def card_number(told: Plain) -> str:
    """The number of the card an event is about."""
    event = told.get("event")
    return str(_Block(event).get("task_id") or "") if isinstance(event, Mapping) else ""


def chosen_on_card(told: Plain) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The button somebody pressed on a card, and the options they chose of each of its questions."""
    block = _Block(told.get("event"))
    items = _inside(block.get("selected_items"), "selected_item")
    return str(block.get("event_key") or ""), dict(_chosen(_Block(item)) for item in items)


Verdict = Literal["good", "bad", "withdrawn"]

_VERDICTS: Mapping[Any, Verdict] = {1: "good", 2: "bad", 3: "withdrawn"}
_REASONS = {1: "答非所问", 2: "内容不完整", 3: "内容有误", 4: "数据分析有误"}


def _judged(told: Told) -> Update:
    block = _Block(told.part("event"))
    verdict = _VERDICTS.get(block.get("type"))
    if verdict is None:
        raise Malformed("feedback says neither good nor bad")
    reasons = tuple(_REASONS.get(one, str(one)) for one in _many(block.get("inaccurate_reason_list")))
    return FeedbackGiven(
        at=told.at,
        id=told.id,
        staff=told.member,
        answer=str(block.get("id") or ""),
        verdict=verdict,
        reasons=reasons,
        words=str(block.get("content") or ""),
    )


def _unknown(told: Told) -> Update:
    parts = ("aibot", told.must("msgtype"), event_of(told.fields))
    return Unknown(at=told.at, id=told.id, name="/".join(part for part in parts if part))


_EVENTS: dict[str, Callable[[Told], Update]] = {
    "enter_chat": _entered,
    "template_card_event": _clicked,
    "feedback_event": _judged,
}

_READERS: dict[str, Callable[[Told], Update]] = {
    **dict.fromkeys(("text", "image", "mixed", "voice", "file", "video"), _message),
    "event": _event,
}


# ---------------------------------------------------------------- spellings


class _Block:
    """The particulars of an event, wherever and however they are spelt."""

    def __init__(self, event: Any) -> None:
        fields = event if isinstance(event, Mapping) else {}
        nested = fields.get(str(fields.get("eventtype")))
        self._places = [nested, fields] if isinstance(nested, Mapping) else [fields]

    def get(self, name: str) -> Any:
        for place in self._places:
            for spelt in (name, name.replace("_", "")):
                if spelt in place:
                    return place[spelt]
        return None


def _inside(holder: Any, name: str) -> Sequence[Any]:
    """The list ``name`` inside ``holder``, or ``holder`` itself when it is the list."""
    return _many(_Block(holder).get(name) if isinstance(holder, Mapping) else holder)


def _many(items: Any) -> Sequence[Any]:
    if items is None:
        return []
    return items if isinstance(items, list) else [items]


def _id(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is missing")
    if not value.isprintable() or INSTEAD in value:
        raise Malformed(f"{name} holds signs that are none")
    if len(value) > LONGEST_ID:
        raise Malformed(f"{name} is longer than {LONGEST_ID} characters")
    return value
