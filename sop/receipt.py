"""Receipts 回执: what the platform told us of a message.

A send ends in one of four ways (:class:`Sent`, or an error of ``sop.errors``: ``Busy`` not sent,
``Refused`` never, ``Blocked`` stop, ``Unanswered`` unknown). A group-send task is only *created* by a send;
staff confirm it later, and each recipient has a result of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """The life of a message in the ledger of sends."""

    PLANNED = "planned"  # 等待写文案: whom it is for is settled, its words are not
    WAITING = "waiting"  # 等待发送
    SENDING = "sending"  # 正在发送
    CREATED = "created"  # 待员工确认: a task exists, nothing has been sent
    CONFIRMED = "confirmed"  # 员工已确认, results not in yet
    SENT = "sent"  # 已送达
    REFUSED = "refused"  # 未送达: the platform or a rule said never
    CANCELLED = "cancelled"  # 已取消
    UNKNOWN = "unknown"  # 结果未知: waits in review


SETTLED = (State.SENT, State.REFUSED, State.CANCELLED)  # nothing more is to come
MOVES: dict[State, frozenset[State]] = {
    State.PLANNED: frozenset({State.WAITING, State.CANCELLED}),
    State.WAITING: frozenset({State.SENDING, State.REFUSED, State.CANCELLED}),
    State.SENDING: frozenset({State.WAITING, State.CREATED, State.SENT, State.REFUSED, State.UNKNOWN}),
    State.CREATED: frozenset(
        {
            State.CONFIRMED,
            State.SENT,
            State.REFUSED,
            State.CANCELLED,
            State.WAITING,
        }  # waiting: made anew without somebody
    ),
    State.CONFIRMED: frozenset({State.SENT, State.REFUSED}),
    State.UNKNOWN: frozenset(
        {State.UNKNOWN, State.SENT, State.CREATED, State.REFUSED, State.WAITING, State.CANCELLED}
    ),
    State.SENT: frozenset(
        {
            State.REFUSED,
            State.CANCELLED,
        }  # 微信客服 reports some failures afterwards; an app takes back what it said
    ),
    State.REFUSED: frozenset(),
    State.CANCELLED: frozenset({State.SENT}),  # the tap on a task was quicker than our taking it back
}


@dataclass(frozen=True)
class Sent:
    """The platform accepted it. ``number`` is its id there; ``failed`` lists recipients it refused."""

    number: str
    failed: tuple[str, ...] = ()


class Outcome(StrEnum):
    """What became of one recipient of a group-send task."""

    UNSENT = "unsent"
    DELIVERED = "delivered"
    NOT_FRIEND = "not_friend"
    QUOTA_USED = "quota_used"


@dataclass(frozen=True)
class Result:
    """One recipient's outcome within a confirmed group-send task."""

    recipient: str  # external_userid or chat_id
    outcome: Outcome
    at: datetime | None = None


@dataclass(frozen=True)
class TaskStatus:
    """A group-send task as the platform sees it: has its sender confirmed, and with what results."""

    task: str
    sender: str
    confirmed: bool
    confirmed_at: datetime | None = None
    results: tuple[Result, ...] = ()
