"""Rehearsals over the community there is: read in pages, played between them, nothing written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from handlers.context import Settings
from sop.rehearsal import Absence, Rehearsal, Scene, Stage, Summary, Walker
from sop.sender import Senders
from sop.template import Template
from storage.engine import Connection, Database
from storage.rehearsal import RehearsalStore

BREATH = 20  # members played at a stretch
Seen = Callable[[Walker, Sequence[Scene | Absence]], None]


async def rehearse(
    db: Database,
    template: Template,
    settings: Settings,
    *,
    now: datetime,
    start: datetime,
    days: int,
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

    size, batches = await db.read(lambda c: (store(c).size(template), store(c).batches()))
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
