"""The ledger of sends: planned → waiting → sending → created → confirmed → sent, or refused, cancelled, unknown.

One business key is one row, so one effect is said once. A claim carries a fencing number; only its
holder may write what became of the message. What is *sending* when a sender dies is *unknown* afterwards: nobody repeats it blindly.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Subquery,
    and_,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from sop.message import Channel, Content, Message
from sop.receipt import MOVES, SETTLED, State
from storage.among import among
from storage.content import content_from_plain, content_to_plain
from storage.engine import can_skip_locked, insert_into, insert_new
from storage.instant import from_ms, maybe_from_ms, maybe_ms, to_ms
from storage.lane import Lane, lanes
from storage.tables import outbox
from storage.trail import TrailStore


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A message in the ledger, with what became of it so far."""

    id: int
    message: Message
    state: State
    reason: str
    fence: int
    attempts: int
    number: str
    digest: str
    created_at: datetime
    due_at: datetime
    tried_at: datetime | None
    sent_at: datetime | None
    settled_at: datetime | None = None  # when nothing more was to come of it
    doubt_at: datetime | None = None  # when an attempt left that was never answered: it may have arrived
    address: str = ""  # where it goes to, when the channel knows the recipient by another id

    @property
    def recipient(self) -> str:
        return self.message.to_member or self.message.to_group or self.message.to_staff


Silent = Mapping[str, Collection[str]]  # channel → senders whose messages cannot leave from here now

UNTRIED = (State.PLANNED, State.WAITING)
# spelt out, not bound: a partial index serves only a query that repeats its words
_IS_WAITING = outbox.c.state == literal_column(f"'{State.WAITING}'")
_FIRST_DOUBT = func.coalesce(outbox.c.doubt_at, outbox.c.tried_at)


class OutboxStore:
    """The ledger as one transaction sees it at one instant."""

    def __init__(self, connection: Connection, now: datetime, silent: Silent | None = None) -> None:
        """What senders say that are ``silent`` here is not claimed."""
        self._connection = connection
        self._now, self._silent = now, silent or {}
        self.trail = TrailStore(connection, now)

    # ------------------------------------------------------------ saying

    def add(self, message: Message) -> bool:
        """Let a message wait; False when its key is already in the ledger."""
        insertion = insert_into(self._connection, outbox).on_conflict_do_nothing(index_elements=["key"])
        added = self._connection.execute(insertion.returning(outbox.c.id), row_of(message, self._now))
        return added.first() is not None

    def add_all(self, messages: Sequence[Message]) -> None:
        """Let many wait at once; whose key is already in the ledger stays as it is."""
        if messages:
            insert_new(self._connection, outbox, [row_of(message, self._now) for message in messages], "key")

    # ------------------------------------------------------------ sending

    def claim(self, limit: int, *, channels: Collection[str], fence: int) -> list[Entry]:
        """Take what may be sent now and mark it sending under ``fence``: replies before pushes, each template in its turn."""
        first = self._first(channels, limit)
        if first is None:
            return []
        rows = self._connection.execute(
            select(outbox)
            .join(first, first.c.id == outbox.c.id)
            .where(_IS_WAITING)
            .order_by(outbox.c.urgent.desc(), first.c.turn, outbox.c.due_at, outbox.c.id)
            .limit(limit)
            .with_for_update(of=outbox, skip_locked=can_skip_locked(self._connection))
        ).all()
        ids = [row.id for row in rows]
        if ids:
            self._connection.execute(
                update(outbox)
                .where(among(outbox.c.id, ids), outbox.c.state == State.WAITING)
                .values(
                    state=State.SENDING,
                    fence=fence,
                    tried_at=to_ms(self._now),
                    attempts=outbox.c.attempts + 1,
                )
            )
        return [
            replace(
                entry(row), state=State.SENDING, fence=fence, tried_at=self._now, attempts=row.attempts + 1
            )
            for row in rows
        ]

    def any_waiting(self, channels: Collection[str]) -> bool:
        """Is there anything to claim now? Asked before taking the write lock."""
        first = self._first(channels, 1)
        return first is not None and self._connection.execute(select(first.c.id).limit(1)).first() is not None

    def _first(self, channels: Collection[str], limit: int) -> Subquery | None:
        """The first of each lane with its turn there; each is one look into the index, however many wait."""
        due = [
            lane
            for lane in lanes(self._connection)
            if lane.channel in channels and lane.due_at <= to_ms(self._now)
        ]
        if not due:
            return None
        return union_all(
            *(
                select(
                    select(
                        outbox.c.id,
                        func.row_number().over(order_by=(outbox.c.due_at, outbox.c.id)).label("turn"),
                    )
                    .where(*self._of_lane(lane), outbox.c.due_at <= to_ms(self._now))
                    .order_by(outbox.c.due_at, outbox.c.id)
                    .limit(limit)
                    .subquery()
                )
                for lane in due
            )
        ).subquery("first")

    def _of_lane(self, lane: Lane) -> list[ColumnElement[bool]]:
        silent = self._silent.get(lane.channel)
        return [
            _IS_WAITING,
            outbox.c.channel == lane.channel,
            outbox.c.urgent.is_(lane.urgent),
            outbox.c.template == lane.template,
            *([outbox.c.sender.not_in(silent)] if silent else []),
        ]

    def settle(
        self,
        ids: Iterable[int],
        state: State,
        *,
        fence: int,
        reason: str = "",
        number: str = "",
        due_at: datetime | None = None,
        doubt: bool = False,
        untried: bool = False,
    ) -> int:
        """Write what became of messages claimed under ``fence``; returns how many rows that was.

        ``doubt`` says that a request left and was not answered, ``untried`` that none left. Waiting again without doubt,
        nothing has been tried either.
        """
        values = self._now_in(state) | {"reason": reason}
        if number:
            values["number"] = number
        if due_at is not None:
            values["due_at"] = to_ms(due_at)
        if state is State.SENT:
            values["sent_at"] = to_ms(self._now)
        if doubt:
            values["doubt_at"] = _FIRST_DOUBT
        elif untried or state is State.WAITING:
            values["attempts"] = outbox.c.attempts - 1
        result = self._connection.execute(
            update(outbox)
            .where(among(outbox.c.id, list(ids)), outbox.c.state == State.SENDING, outbox.c.fence == fence)
            .values(**values)
        )
        return result.rowcount

    def move(self, ids: Iterable[int], state: State, *, reason: str = "", at: datetime | None = None) -> int:
        """Move messages that no sender holds, where the ledger allows it (:data:`sop.receipt.MOVES`); sent ``at``, or now."""
        allowed = [
            before for before, after in MOVES.items() if state in after and before is not State.SENDING
        ]
        values = self._now_in(state) | {"reason": reason}
        if state is State.SENT:
            values["sent_at"] = to_ms(at or self._now)
        if state is State.WAITING:  # whoever lets it be sent again has decided that it never arrived
            values |= {"doubt_at": None, "attempts": 0, "due_at": to_ms(self._now)}
        result = self._connection.execute(
            update(outbox).where(outbox.c.id.in_(list(ids)), outbox.c.state.in_(allowed)).values(**values)
        )
        return result.rowcount

    def _now_in(self, state: State) -> dict[str, Any]:
        return {"state": state, "settled_at": to_ms(self._now) if state in SETTLED else None}

    def adopt(self, ids: Iterable[int], number: str, *, reason: str) -> int:
        """Messages whose task was found on the platform after all."""
        result = self._connection.execute(
            update(outbox)
            .where(outbox.c.id.in_(list(ids)), outbox.c.state == State.UNKNOWN)
            .values(state=State.CREATED, number=number, reason=reason)
        )
        return result.rowcount

    def explain(self, ids: Iterable[int], reason: str) -> None:
        """Say more about messages whose fate is still unknown."""
        unknown = and_(outbox.c.id.in_(list(ids)), outbox.c.state == State.UNKNOWN)
        self._connection.execute(update(outbox).where(unknown).values(reason=reason))

    def accepted(self, numbers: Mapping[int, tuple[str, int]]) -> None:
        """The platform took these: message → its number there, and the fence it was claimed under."""
        settled = self._now_in(State.SENT) | {"reason": "", "sent_at": to_ms(self._now)}
        held = and_(outbox.c.state == State.SENDING, outbox.c.fence == bindparam("fence_"))
        self._connection.execute(
            update(outbox)
            .where(outbox.c.id == bindparam("id_"), held)
            .values(number=bindparam("number_"), **settled),
            [{"id_": id_, "number_": number, "fence_": fence} for id_, (number, fence) in numbers.items()],
        )

    def hand_over(self, key: str, number: str) -> bool:
        """Give a waiting message to the platform, which came for it; False when it does not wait, or no longer may be said."""
        in_time = or_(outbox.c.deadline_at.is_(None), outbox.c.deadline_at > to_ms(self._now))
        given = self._now_in(State.SENT) | {"number": number, "reason": "", "sent_at": to_ms(self._now)}
        result = self._connection.execute(
            update(outbox).where(outbox.c.key == key, _IS_WAITING, in_time).values(**given)
        )
        return bool(result.rowcount)

    def any_orphan(self, before: datetime) -> bool:
        """Was anything left in the middle of a send begun before an instant?"""
        return (
            self._connection.execute(select(outbox.c.id).where(*_left(before)).limit(1)).first() is not None
        )

    def orphaned(self, before: datetime, fence: int) -> list[Entry]:
        """Take over under ``fence`` what a dead sender left in the middle of a send: it may have arrived."""
        orphans = self._connection.execute(select(outbox).where(*_left(before)).with_for_update()).all()
        ids = [row.id for row in orphans]
        if ids:
            self._connection.execute(
                update(outbox).where(outbox.c.id.in_(ids)).values(fence=fence, doubt_at=_FIRST_DOUBT)
            )
        return self.several(ids) if ids else []

    def next_at(self) -> datetime | None:
        """When the next waiting message wants to leave."""
        first = [at for lane in lanes(self._connection) if (at := self._first_in(lane)) is not None]
        return from_ms(min(first)) if first else None

    def _first_in(self, lane: Lane) -> int | None:
        if not self._silent.get(lane.channel):
            return lane.due_at
        first: int | None = self._connection.scalar(
            select(func.min(outbox.c.due_at)).where(*self._of_lane(lane))
        )
        return first

    def cancel(self, *, member: str = "", group: str = "", journey: int = 0, reason: str) -> int:
        """Cancel what still waits for someone, or for a journey; urgent messages stay."""
        whom = [
            column == value
            for column, value in (
                (outbox.c.member, member),
                (outbox.c.group_id, group),
                (outbox.c.journey, journey),
            )
            if value
        ]
        if not whom:
            raise ValueError("cancel needs a member, a group or a journey")
        result = self._connection.execute(
            update(outbox)
            .where(and_(*whom), outbox.c.state.in_(UNTRIED), outbox.c.urgent.is_(False))
            .values(self._now_in(State.CANCELLED) | {"reason": reason})
        )
        return result.rowcount

    def unsay(self, journeys: Collection[int]) -> dict[int, list[str]]:
        """Take out what these journeys were about to say and nobody has tried to send; their steps, by journey."""
        untried = and_(outbox.c.state.in_(UNTRIED), outbox.c.attempts == 0, outbox.c.doubt_at.is_(None))
        rows = self._connection.execute(
            delete(outbox)
            .where(outbox.c.journey.in_(journeys), untried, outbox.c.urgent.is_(False))
            .returning(outbox.c.id, outbox.c.journey, outbox.c.step)
        ).all()
        self.trail.drop([row.id for row in rows])
        taken: dict[int, list[str]] = {}
        for row in rows:
            taken.setdefault(row.journey, []).append(row.step)
        return taken

    # ------------------------------------------------------------ group-send tasks

    def created_for(self, recipient: str, *, sender: str = "") -> list[Entry]:
        """Messages to a member or group that wait for a tap."""
        whom = or_(outbox.c.member == recipient, outbox.c.group_id == recipient)
        where = and_(outbox.c.state == State.CREATED, whom)
        return self._entries(and_(where, outbox.c.sender == sender) if sender else where)

    def moments(self, since: datetime) -> list[Entry]:
        """Moments made since an instant: unpublished, or with reactions still to come."""
        states = (State.CREATED, State.SENT)
        young = outbox.c.created_at >= to_ms(since)
        return self._entries(
            and_(outbox.c.channel == Channel.MOMENT, outbox.c.state.in_(states), outbox.c.number != "", young)
        )

    def of_task(self, number: str) -> list[Entry]:
        return self._entries(outbox.c.number == number)

    # ------------------------------------------------------------ asking

    def get(self, message_id: int) -> Entry | None:
        found = self._entries(outbox.c.id == message_id)
        return found[0] if found else None

    def several(self, ids: Collection[int]) -> list[Entry]:
        return self._entries(among(outbox.c.id, ids))

    def by_key(self, key: str) -> Entry | None:
        found = self._entries(outbox.c.key == key)
        return found[0] if found else None

    def by_number(self, number: str) -> Entry | None:
        found = self._entries(outbox.c.number == number)
        return found[0] if found else None

    def said(self, since: datetime, *, member: str = "", group: str = "") -> list[datetime]:
        """When marketing messages went to someone since an instant; a created task counts from its creation."""
        whom = outbox.c.member == member if member else outbox.c.group_id == group
        spoken = func.coalesce(outbox.c.sent_at, outbox.c.tried_at)
        rows = self._connection.scalars(
            select(spoken).where(
                whom,
                outbox.c.urgent.is_(False),
                outbox.c.marketing,
                spoken >= to_ms(since),
                outbox.c.state.in_(
                    (State.SENDING, State.CREATED, State.CONFIRMED, State.SENT, State.UNKNOWN)
                ),
            )
        )
        return [from_ms(at) for at in rows]

    def recent(
        self,
        *,
        states: Collection[str] = (),
        member: str = "",
        group: str = "",
        limit: int = 100,
        before: int = 0,
    ) -> list[Entry]:
        """The newest messages, for the console."""
        query = select(outbox).order_by(outbox.c.id.desc()).limit(limit)
        if states:
            query = query.where(outbox.c.state.in_(states))
        if member or group:
            query = query.where(or_(*_whom(member, group)))
        if before:
            query = query.where(outbox.c.id < before)
        return [entry(row) for row in self._connection.execute(query)]

    def counts(self) -> dict[str, int]:
        rows = self._connection.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))
        return dict.fromkeys(map(str, State), 0) | {row[0]: row[1] for row in rows}

    def _entries(self, where: Any) -> list[Entry]:
        return [
            entry(row) for row in self._connection.execute(select(outbox).where(where).order_by(outbox.c.id))
        ]


def _left(before: datetime) -> tuple[Any, ...]:
    return outbox.c.state == State.SENDING, outbox.c.tried_at < to_ms(before)


def _whom(member: str, group: str) -> list[Any]:
    pairs = ((outbox.c.member, member), (outbox.c.group_id, group))
    return [column == value for column, value in pairs if value]


def digest_of(message: Message) -> str:
    """Equal for messages that may share one group-send task: same channel, sender, kind of recipient and content."""
    return _digest(message.channel, message.sender, bool(message.to_group), message.content)


@lru_cache(maxsize=256)  # one text often goes to thousands
def _digest(channel: Channel, sender: str, to_group: bool, content: Content) -> str:
    recipient = "group" if to_group else "member"
    text = json.dumps([channel, sender, recipient, content_to_plain(content)], ensure_ascii=False)
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


PLAIN_FIELDS = (
    "key", "channel", "sender", "urgent", "marketing", "welcome_code", "ticket", "template", "step", "journey", "why"
)  # fmt: skip
assert {field.name for field in fields(Message)} >= set(PLAIN_FIELDS)


def row_of(message: Message, now: datetime) -> dict[str, Any]:
    """A message as a row that waits."""
    return {name: getattr(message, name) for name in PLAIN_FIELDS} | {
        "channel": str(message.channel),
        "member": message.to_member,
        "staff": message.to_staff,
        "group_id": message.to_group,
        "content": content_to_plain(message.content),
        "digest": digest_of(message),
        "version": message.template_version,
        "state": State.WAITING,
        "created_at": to_ms(now),
        "due_at": to_ms(message.not_before or now),
        "deadline_at": maybe_ms(message.deadline),
    }


def entry(row: Any) -> Entry:
    """A row of the ledger as a value."""
    return Entry(
        id=row.id,
        message=Message(
            **{name: getattr(row, name) for name in PLAIN_FIELDS} | {"channel": Channel(row.channel)},
            content=content_from_plain(row.content),
            to_member=row.member,
            to_staff=row.staff,
            to_group=row.group_id,
            not_before=from_ms(row.due_at),
            deadline=maybe_from_ms(row.deadline_at),
            template_version=row.version,
        ),
        state=State(row.state),
        reason=row.reason,
        fence=row.fence,
        attempts=row.attempts,
        number=row.number,
        digest=row.digest,
        created_at=from_ms(row.created_at),
        due_at=from_ms(row.due_at),
        tried_at=maybe_from_ms(row.tried_at),
        sent_at=maybe_from_ms(row.sent_at),
        settled_at=maybe_from_ms(row.settled_at),
        doubt_at=maybe_from_ms(row.doubt_at),
    )
