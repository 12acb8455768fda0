"""Interactions: what was asked of whom, who answered what, and who checked in on which day."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from sop.interaction import AnswerOption, Posted
from storage.due import Due, DueStore
from storage.engine import insert_into, one_at_a_time
from storage.instant import from_ms, to_ms
from storage.tables import answer, check_in, interaction_run

CLOSE = "interaction.close"
STRAGGLERS = timedelta(minutes=12)  # the archive is read every ten: what was said in time is counted


@dataclass(frozen=True, kw_only=True)
class Run:
    """One posting of one question, to a group or to members; ``options`` empty means any words are an answer."""

    id: str
    item: str
    kind: str
    question: str
    options: tuple[AnswerOption, ...] = ()
    group: str = ""
    joke: str = ""
    template: str = ""
    step: str = ""
    opened: datetime
    closes: datetime
    post_result: bool = False
    closed: bool = False

    def open_at(self, now: datetime) -> bool:
        return not self.closed and self.opened <= now < self.closes


class InteractionStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def open(self, run: Run) -> None:
        """Ask it, and wait until every answer given in time has been heard; a run that is open already stays as it is."""
        self._connection.execute(
            insert_into(self._connection, interaction_run)
            .values(
                id=run.id, item=run.item, kind=run.kind, group_id=run.group, question=run.question, joke=run.joke,
                options=[[option.id, option.text, option.tag] for option in run.options],
                template=run.template, step=run.step, opened_at=to_ms(run.opened), closes_at=to_ms(run.closes),
                post_result=run.post_result,
            )
            .on_conflict_do_nothing(index_elements=["id"])
        )  # fmt: skip
        DueStore(self._connection).add(
            Due(what=CLOSE, whom=run.id, occurrence="1", at=run.closes + STRAGGLERS)
        )

    def get(self, run_id: str) -> Run | None:
        row = self._connection.execute(
            select(interaction_run).where(interaction_run.c.id == run_id)
        ).one_or_none()
        return None if row is None else _run(row)

    def close(self, run_id: str) -> bool:
        """True for whoever closes it first."""
        result = self._connection.execute(
            update(interaction_run)
            .where(interaction_run.c.id == run_id, interaction_run.c.closed.is_(False))
            .values(closed=True)
        )
        return bool(result.rowcount)

    def open_for(self, groups: Collection[str], at: datetime | None = None) -> list[Run]:
        """What members of these groups may answer now, or may have at ``at``, the newest first.

        What was asked of all members counts too.
        """
        instant = to_ms(at or self._now)
        rows = self._connection.execute(
            select(interaction_run)
            .where(
                interaction_run.c.group_id.in_([*groups, ""]),
                interaction_run.c.closed.is_(False),
                interaction_run.c.opened_at <= instant,
                interaction_run.c.closes_at > instant,
            )
            .order_by(interaction_run.c.opened_at.desc(), interaction_run.c.id)
        )
        return [_run(row) for row in rows]

    def history(self, group: str) -> list[Posted]:
        """Which items this group has had, and when."""
        rows = self._connection.execute(
            select(interaction_run.c.item, interaction_run.c.opened_at).where(
                interaction_run.c.group_id == group
            )
        )
        return [Posted(row.item, from_ms(row.opened_at)) for row in rows]

    # ------------------------------------------------------------ answers

    def answer(self, run_id: str, member: str, option: str) -> str | None:
        """Record an answer, or change it; returns what was answered before, None the first time."""
        one_at_a_time(self._connection, f"answer:{run_id}:{member}")
        before = self.answer_of(run_id, member)
        insertion = insert_into(self._connection, answer).values(
            run=run_id, member=member, option=option, answered_at=to_ms(self._now)
        )
        self._connection.execute(
            insertion.on_conflict_do_update(
                index_elements=["run", "member"], set_={"option": option, "answered_at": to_ms(self._now)}
            )
        )
        return before

    def answer_of(self, run_id: str, member: str) -> str | None:
        return self._connection.scalar(
            select(answer.c.option).where(answer.c.run == run_id, answer.c.member == member)
        )

    def counts(self, run_id: str) -> dict[str, int]:
        """Answers per option."""
        rows = self._connection.execute(
            select(answer.c.option, func.count()).where(answer.c.run == run_id).group_by(answer.c.option)
        )
        return dict(rows.all())

    # ------------------------------------------------------------ check-ins

    def check_in(self, member: str, day: date, *, group: str = "") -> bool:
        """True the first time on a day."""
        row = self._connection.execute(
            insert_into(self._connection, check_in)
            .values(member=member, day=day.isoformat(), group_id=group, checked_at=to_ms(self._now))
            .on_conflict_do_nothing(index_elements=["member", "day"])
            .returning(check_in.c.day)
        ).first()
        return row is not None

    def days(self, member: str, since: date) -> list[date]:
        """The days a member checked in, from a day on."""
        rows = self._connection.scalars(
            select(check_in.c.day)
            .where(check_in.c.member == member, check_in.c.day >= since.isoformat())
            .order_by(check_in.c.day)
        )
        return [date.fromisoformat(day) for day in rows]

    def streak(self, member: str, today: date) -> int:
        """How many days in a row, up to and including today or yesterday."""
        days = set(self.days(member, today - timedelta(days=400)))
        last = today if today in days else today - timedelta(days=1)
        count = 0
        while last - timedelta(days=count) in days:
            count += 1
        return count


def _run(row: Any) -> Run:
    return Run(
        id=row.id, item=row.item, kind=row.kind, question=row.question, joke=row.joke, group=row.group_id,
        options=tuple(AnswerOption(*option) for option in row.options), template=row.template, step=row.step,
        opened=from_ms(row.opened_at), closes=from_ms(row.closes_at), post_result=bool(row.post_result),
        closed=bool(row.closed),
    )  # fmt: skip
