"""The funnel of a template, read from the ledger of sends, the list of what was missed, and what people did."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, cast, exists, func, select

from sop.funnel import Stage, StepLine, gist
from sop.receipt import State
from sop.template import Template
from storage.instant import from_ms, to_ms
from storage.tables import activity, answer, groups, interaction_run, journey, link, member, missed, outbox

WAITING = (State.PLANNED, State.WAITING, State.SENDING, State.CREATED, State.CONFIRMED)
KEPT = (State.REFUSED, State.CANCELLED, State.UNKNOWN)
UNSAID = ("skipped", "unsaid", "failed", "asked")  # fates of steps that became no message


@dataclass(frozen=True)
class Somebody:
    """One of those behind a number: who, when, and why."""

    whom: str
    name: str
    at: datetime
    reason: str


class FunnelStore:
    """What became of the steps of one template since an instant."""

    def __init__(self, connection: Connection, template: Template, since: datetime) -> None:
        self._connection = connection
        self._template, self._since = template, to_ms(since)

    def lines(self) -> list[StepLine]:
        """Each step of the template, in order."""
        counts: dict[str, Counter[Stage]] = defaultdict(Counter)
        kept: dict[str, Counter[str]] = defaultdict(Counter)
        for step, state, reason, count in self._messages():
            stage = Stage.SENT if state == State.SENT else Stage.KEPT if state in KEPT else Stage.WAITING
            counts[step][Stage.DUE] += count
            counts[step][stage] += count
            if stage is Stage.KEPT:
                kept[step][gist(reason)] += count
        for step, reason, count in self._unsaid():
            counts[step] += Counter({Stage.DUE: count, Stage.KEPT: count})
            kept[step][gist(reason)] += count
        for stage in (Stage.OPENED, Stage.ANSWERED, Stage.GOAL):
            for step, count in self._followed(stage):
                counts[step][stage] = count
        return [
            StepLine(step.id, counts[step.id], dict(kept[step.id].most_common()))
            for step in self._template.sayings
        ]

    def _messages(self) -> Iterator[tuple[str, str, str, int]]:
        rows = self._connection.execute(
            select(outbox.c.step, outbox.c.state, outbox.c.reason, func.count())
            .where(*self._mine())
            .group_by(outbox.c.step, outbox.c.state, outbox.c.reason)
        )
        return ((step, state, reason, count) for step, state, reason, count in rows)

    def _mine(self) -> list[ColumnElement[bool]]:
        return [outbox.c.template == self._template.id, outbox.c.created_at >= self._since]

    def _unsaid(self) -> Iterator[tuple[str, str, int]]:
        rows = self._connection.execute(
            select(missed.c.occurrence, missed.c.reason, func.count())
            .join_from(missed, journey, cast(journey.c.id, String) == missed.c.whom)
            .where(*self._missed())
            .group_by(missed.c.occurrence, missed.c.reason)
        )
        return ((self._step(at), reason, count) for at, reason, count in rows)

    def _missed(self) -> list[ColumnElement[bool]]:
        return [
            missed.c.what == "step",
            missed.c.fate.in_(UNSAID),
            missed.c.noticed_at >= self._since,
            journey.c.template == self._template.id,
        ]

    def _step(self, occurrence: str) -> str:
        at = int(occurrence) if occurrence.isdecimal() else -1
        return self._template.steps[at].id if 0 <= at < len(self._template.steps) else ""

    def _followed(self, stage: Stage) -> Iterator[tuple[str, int]]:
        rows = self._connection.execute(
            select(outbox.c.step, func.count())
            .where(*self._mine(), outbox.c.state == State.SENT, self._did(stage))
            .group_by(outbox.c.step)
        )
        return ((step, count) for step, count in rows)

    def _did(self, stage: Stage) -> ColumnElement[bool]:
        """What a recipient of a message did after it; of a message to a group, what nobody but members can do."""
        after = activity.c.happened_at >= outbox.c.sent_at
        match stage:
            case Stage.OPENED:
                mine = and_(link.c.template == outbox.c.template, link.c.step == outbox.c.step)
                return exists().where(
                    activity.c.member == outbox.c.member, activity.c.kind == "visited", after, activity.c.ref == link.c.token, mine
                )  # fmt: skip
            case Stage.ANSWERED:
                mine = and_(
                    interaction_run.c.template == outbox.c.template, interaction_run.c.step == outbox.c.step
                )
                return exists().where(
                    answer.c.member == outbox.c.member, answer.c.run == interaction_run.c.id, mine
                )
            case _:
                return exists().where(journey.c.id == outbox.c.journey, journey.c.goal_at >= outbox.c.sent_at)

    # ------------------------------------------------------------ the people behind a number

    def people(self, step: str, stage: Stage, *, limit: int, after: int = 0) -> list[Somebody]:
        """Who they are, the newest first."""
        found = [
            _somebody(row)
            for row in self._connection.execute(self._who(step, stage).limit(limit).offset(after))
        ]
        if stage in (Stage.DUE, Stage.KEPT) and len(found) < limit:
            found += [
                _somebody(row)
                for row in self._connection.execute(self._who_missed(step).limit(limit - len(found)))
            ]
        return found

    def _who(self, step: str, stage: Stage) -> Select[Any]:
        name = func.coalesce(member.c.name, groups.c.name, "")
        return (
            select((outbox.c.member + outbox.c.group_id).label("whom"), name.label("name"), outbox.c.reason, func.coalesce(outbox.c.sent_at, outbox.c.created_at).label("at"))
            .outerjoin(member, member.c.id == outbox.c.member)
            .outerjoin(groups, groups.c.id == outbox.c.group_id)
            .where(*self._mine(), outbox.c.step == step, *self._at(stage))
            .order_by(outbox.c.id.desc())
        )  # fmt: skip

    def _at(self, stage: Stage) -> list[ColumnElement[bool]]:
        states: Mapping[Stage, tuple[State, ...]] = {Stage.WAITING: WAITING, Stage.KEPT: KEPT}
        if stage is Stage.DUE:
            return []
        sent = outbox.c.state.in_(states.get(stage, (State.SENT,)))
        return [sent] if stage in states or stage is Stage.SENT else [sent, self._did(stage)]

    def _who_missed(self, step: str) -> Select[Any]:
        occurrence = str(self._template.place(step))
        name = func.coalesce(member.c.name, groups.c.name, "")
        return (
            select(journey.c.whom, name.label("name"), missed.c.reason, missed.c.noticed_at.label("at"))
            .join_from(missed, journey, cast(journey.c.id, String) == missed.c.whom)
            .outerjoin(member, member.c.id == journey.c.whom)
            .outerjoin(groups, groups.c.id == journey.c.whom)
            .where(*self._missed(), missed.c.occurrence == occurrence)
            .order_by(missed.c.id.desc())
        )


def _somebody(row: Any) -> Somebody:
    return Somebody(row.whom, row.name, from_ms(row.at), row.reason)
