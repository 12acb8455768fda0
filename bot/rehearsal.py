"""Rehearsals over the community there is: read in pages, played between them, nothing written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog

from handlers.context import Settings
from sop.rehearsal import Rehearsal
from sop.rehearsed import Summary
from sop.sender import Senders
from sop.stage import Absence, Outcome, Scene, Stage, Walker
from sop.template import Template
from sop.timing import local
from storage.engine import Connection, Database
from storage.rehearsal import RehearsalStore

BREATH = 20  # members played at a stretch
log = structlog.get_logger()

KEPT_FOR = timedelta(minutes=30)
KEPT = 20_000  # lines of a rehearsal that are kept for its page; the command writes them all
AT_ONCE = 8  # rehearsals that are kept
Seen = Callable[[Walker, Sequence[Scene | Absence]], None]
OUTCOMES = {
    Outcome.SENT: "会发出",
    Outcome.WAITING: "到最后一天还没轮到",
    Outcome.REFUSED: "规则不让发",
    Outcome.UNSAID: "没有可说的",
    Outcome.SKIPPED: "错过了，跳过",
    Outcome.ASKED: "错过了，等运营决定",
    Outcome.CANCELLED: "旅程先结束了，不再发",
}
HEAD = ("member", "name", "step", "planned", "at", "outcome", "channel", "sender", "reason", "text")


async def rehearse(
    db: Database,
    template: Template,
    settings: Settings,
    *,
    now: datetime,
    start: datetime,
    days: int,
    answer_rate: float = 0.0,
    seen: Seen = lambda walker, scenes: None,
    progress: Callable[[int, int], None] = lambda done, size: None,
) -> Summary:
    """Play a template from ``start`` for so many days with everybody as they are ``now``."""
    house, after = settings.house, ""
    senders = Senders(app=settings.main_app, kf=settings.kf_account, webhook=settings.webhook)

    def store(connection: Connection) -> RehearsalStore:
        return RehearsalStore(connection, now, house.zone, senders)

    def read(after: str, connection: Connection) -> list[Walker]:
        return store(connection).page(template, after)

    size, batches, invites = await db.read(
        lambda c: (store(c).size(template), store(c).batches(), store(c).invites(template))
    )
    stage = Stage(
        template=template,
        start=start,
        end=start + timedelta(days=days),
        zone=house.zone,
        weekly_cap=house.weekly_cap,
        quiet=house.quiet,
        spacing=house.spacing,
        hour_hold_out=house.hour_hold_out,
        group_send_limit=house.group_send_limit,
        batches=batches,
        invites=invites,
        answer_rate=answer_rate,
    )
    rehearsal, summary = Rehearsal(stage), Summary(stage)
    while page := await db.read(partial(read, after)):
        after = page[-1].to.id
        for number, walker in enumerate(page):
            if number % BREATH == 0:
                await asyncio.sleep(0)  # a console that plays this answers others meanwhile
            scenes = list(rehearsal.play(walker))
            summary.add(walker, scenes)
            seen(walker, scenes)
        progress(summary.looked_at, size)
    return summary


def row(template: Template, scene: Scene, zone: str) -> tuple[str, ...]:
    """A scene as a line of a table; a cell a spreadsheet would take for a formula is made plain."""
    cells = (
        scene.whom,
        scene.called,
        template.sayings[scene.step].id,
        f"{local(scene.planned, zone):%Y-%m-%d %H:%M}",
        f"{local(scene.at, zone):%Y-%m-%d %H:%M}",
        str(scene.outcome),
        str(scene.channel or ""),
        scene.sender,
        scene.reason,
        scene.text,
    )
    return tuple(f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t") else cell for cell in cells)


@dataclass
class Run:
    """A rehearsal under way or over: how far it is, and what it came to."""

    template: Template
    days: int
    begun: datetime
    answer_rate: float = 0.0
    done: int = 0
    size: int = 0
    rows: list[tuple[str, ...]] = field(default_factory=list)
    left_out: int = 0  # lines beyond those that are kept
    summary: Summary | None = None
    failure: str = ""
    task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self.task is not None and not self.task.done()

    def progress(self, done: int, size: int) -> None:
        self.done, self.size = done, max(size, done)


class Rehearsals:
    """The rehearsals that operators play on their pages; each sees their own, for a while."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Run] = {}

    def get(self, who: str, template: str) -> Run | None:
        return self._runs.get((who, template))

    def start(
        self,
        db: Database,
        template: Template,
        settings: Settings,
        *,
        who: str,
        now: datetime,
        days: int,
        answer_rate: float = 0.0,
    ) -> Run:
        """Play a template in the background; one that plays already for the same operator is stopped."""
        self.stop(who, template.id)
        self._forget(now)
        run = self._runs[who, template.id] = Run(template, days, now, answer_rate)
        run.task = asyncio.create_task(self._play(run, db, settings))
        return run

    def stop(self, who: str, template: str) -> None:
        run = self._runs.pop((who, template), None)
        if run is not None and run.task is not None:
            run.task.cancel()

    def _forget(self, now: datetime) -> None:
        old = [key for key, run in self._runs.items() if now - run.begun > KEPT_FOR]
        for key in [*old, *list(self._runs)[: max(0, len(self._runs) - len(old) - AT_ONCE + 1)]]:
            self.stop(*key)

    async def _play(self, run: Run, db: Database, settings: Settings) -> None:
        zone = settings.zone

        def seen(walker: Walker, scenes: Sequence[Scene | Absence]) -> None:
            found = [row(run.template, one, zone) for one in scenes if isinstance(one, Scene)]
            room = KEPT - len(run.rows)
            run.rows += found[:room]
            run.left_out += max(0, len(found) - room)

        try:
            run.summary = await rehearse(
                db,
                run.template,
                settings,
                now=run.begun,
                start=run.begun,
                days=run.days,
                answer_rate=run.answer_rate,
                seen=seen,
                progress=run.progress,
            )
        except Exception as error:  # the page says so; the log has the rest
            log.exception("rehearsal failed", template=run.template.id)
            run.failure = type(error).__name__
