"""Templates that are paused: nothing of them is planned or sent until they go on.

A step whose turn comes meanwhile is laid aside; it keeps its moment, so that its own rule for lateness decides afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, String, cast, delete, select, update

from sop.receipt import State
from sop.timing import PAUSED
from storage.alarm import close_alarms
from storage.due import HELD, STEP, Due
from storage.engine import insert_into
from storage.errand import Errand, ErrandStore
from storage.guard import GuardStore, alarm_of
from storage.instant import to_ms
from storage.tables import due, journey, outbox, pause, task
from storage.trail import TrailStore

LAID_ASIDE = "轮到下一步，但模板停着，先搁下"


class PauseStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def paused(self) -> frozenset[str]:
        """The ids of the templates that are paused."""
        return frozenset(self._connection.scalars(select(pause.c.template)))

    def reason(self, template: str) -> str | None:
        """Why a template is paused, or by whom where nobody said; None when it is not."""
        return self.reasons().get(template)

    def reasons(self) -> dict[str, str]:
        """What is paused, each with its reason."""
        rows = self._connection.execute(select(pause))
        return {row.template: row.reason or f"已由运营 {row.by} 暂停" for row in rows}

    def pause(self, template: str, by: str, reason: str = "") -> bool:
        """Stop a template; what waits for a tap is taken back. False when it was paused already."""
        insertion = insert_into(self._connection, pause).on_conflict_do_nothing(index_elements=["template"])
        row = {"template": template, "by": by, "reason": reason, "since_at": to_ms(self._now)}
        if not self._connection.execute(insertion.returning(pause.c.template), row).first():
            return False
        errands = ErrandStore(self._connection)
        for one in self._untapped(template):
            data = {"sender": one.sender, "to_groups": one.to_groups}
            errands.add(Errand(what="recall", whom=one.number, at=self._now, data=data))
        return True

    def resume(self, template: str) -> bool:
        """Let a template go on: what was laid aside is due again, and its guard counts anew. False when it was not paused."""
        if not self._connection.execute(delete(pause).where(pause.c.template == template)).rowcount:
            return False
        GuardStore(self._connection, self._now).begin_anew(template)
        close_alarms(self._connection, alarm_of(template), self._now)
        mine = select(cast(journey.c.id, String)).where(journey.c.template == template)
        self._connection.execute(
            update(due).where(due.c.what == HELD, due.c.whom.in_(mine)).values(what=STEP)
        )
        self._connection.execute(
            update(outbox)
            .where(outbox.c.template == template, outbox.c.state == State.WAITING, outbox.c.reason == PAUSED)
            .values(due_at=to_ms(self._now), reason="")
        )
        return True

    def lay_aside(self, waits: Iterable[tuple[Due, str]]) -> None:
        """Keep these steps of templates until they go on; who has gone on meanwhile is left alone."""
        paused = self.paused()
        held = {wait.id: int(wait.whom) for wait, template in waits if template in paused}
        if not held:
            return
        mine = due.c.id.in_(held.keys())
        laid = update(due).where(mine, due.c.what == STEP).values(what=HELD).returning(due.c.id)
        ids = self._connection.scalars(laid).all()
        TrailStore(self._connection, self._now).journeys((held[id_], LAID_ASIDE) for id_ in ids)

    def _untapped(self, template: str) -> Sequence[Row[Any]]:
        """Group-send tasks of a template that nobody has confirmed yet."""
        waiting = select(outbox.c.number).where(
            outbox.c.template == template, outbox.c.state == State.CREATED, outbox.c.number != ""
        )
        return self._connection.execute(select(task).where(task.c.number.in_(waiting))).all()
