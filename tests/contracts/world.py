"""Words the storage and role contracts share: instants, messages, knocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, event

from sop.message import Channel, Content, Message
from sop.update import MessageHeard, Update
from storage.inbox import Knock, key_of, knock_of

NOW = datetime(2026, 3, 5, 11, 0, tzinfo=UTC)  # Thursday, 19:00 in Shanghai


def after(**span: float) -> datetime:
    """A while after the instant at which every test begins."""
    return NOW + timedelta(**span)


def knock(body: str = "<xml/>", *, lane: str = "lin", door: str = "contact", at: datetime = NOW) -> Knock:
    return Knock(key_of("corp", door, body.encode()), door, body.encode(), lane, at)


def said(text: str, *, member: str = "lin", update_id: str = "", at: datetime = NOW) -> MessageHeard:
    """Something a member wrote to us in 微信客服."""
    return MessageHeard(at=at, id=update_id, member=member, text=text, via="kf", account="kf-1")


def heard(update: Update, *, lane: str = "") -> Knock:
    return knock_of(update, lane=lane or str(getattr(update, "member", "self")), now=update.at)


def message(key: str = "m1", **fields: Any) -> Message:
    """A reply to a member, unless said otherwise."""
    plain: dict[str, Any] = {
        "channel": Channel.KF,
        "content": Content("你好"),
        "to_member": "lin",
        "sender": "kf-1",
        "urgent": True,
        "marketing": False,
    }
    return Message(key=key, **(plain | fields))


def push(key: str = "p1", **fields: Any) -> Message:
    """A marketing message to a member through a group-send task."""
    plain: dict[str, Any] = {
        "channel": Channel.GROUP_SEND,
        "sender": "wang",
        "urgent": False,
        "marketing": True,
    }
    return message(key, **(plain | fields))


@contextmanager
def counted_commits() -> Iterator[list[Connection]]:
    commits: list[Connection] = []

    def count(connection: Connection) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", count)
    try:
        yield commits
    finally:
        event.remove(Engine, "commit", count)
