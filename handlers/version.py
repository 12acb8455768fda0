"""Journeys move to another version of their template, because an operator wants them to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from handlers.context import Context
from handlers.filters import Waited
from handlers.router import Router
from sop.journey import Journey, JourneyState
from sop.template import Template
from sop.update import Kind, WaitEnded
from sop.version import moved
from storage.due import Due
from storage.version import MIGRATE

router = Router("version")

CHUNK = 100  # journeys moved in one transaction
BREATH = timedelta(milliseconds=200)  # between chunks, in which callbacks are stored
NOTHING_LEFT = "移到新版本，新版本里没有后面的步骤了"


@router.observe(Kind.WAIT_ENDED, where=Waited(MIGRATE))
def migrate(wait: WaitEnded, ctx: Context) -> None:
    """Move a chunk; who is behind them moves with the next one. What waits to be sent is written anew."""
    version = int(dict(wait.data)["version"])
    target = ctx.tx.templates.read(wait.whom, version)
    if target is None:
        return
    journeys = ctx.tx.journeys.on_other_versions(target.id, version, CHUNK)
    _move(journeys, target, ctx)
    if len(journeys) == CHUNK:
        begun, _, chunk = wait.occurrence.partition("#")
        again = f"{begun}#{int(chunk or 0) + 1}"
        ctx.tx.due.add(
            Due(
                what=MIGRATE,
                whom=wait.whom,
                occurrence=again,
                at=ctx.now + BREATH,
                data={"version": str(version)},
            )
        )


def _move(journeys: Sequence[Journey], target: Template, ctx: Context) -> None:
    ids = [journey.id for journey in journeys]
    unsaid = ctx.tx.outbox.unsay(ids)
    further = [
        replace(journey, version=target.version, step=_place(journey, target, unsaid, ctx))
        for journey in journeys
    ]
    ctx.tx.due.drop_steps(ids)
    ctx.tx.journeys.migrate(further)
    ctx.tx.trail.journeys(
        (was.id, _told(was, now, target)) for was, now in zip(journeys, further, strict=True)
    )
    over = [journey.id for journey in further if journey.step >= len(target.steps)]
    ctx.tx.journeys.end(over, JourneyState.DONE, NOTHING_LEFT)
    ctx.tx.journeys.await_steps_of(
        [(target, journey) for journey in further if journey.step < len(target.steps)],
        ctx.settings.zone,
        best=ctx.settings.house.best,
    )


def _told(was: Journey, now: Journey, target: Template) -> str:
    way = f"接着走「{target.steps[now.step].called}」" if now.step < len(target.steps) else "后面没有步骤了"
    return f"从第 {was.version} 版移到第 {now.version} 版，{way}"


def _place(journey: Journey, target: Template, unsaid: Mapping[int, Sequence[str]], ctx: Context) -> int:
    """Where a journey goes on: at what it was about to say, if the new version still says it, or else where it was."""
    places = {step.id: at for at, step in enumerate(target.steps)}
    again = [places[step] for step in unsaid.get(journey.id, ()) if step in places]
    old = ctx.tx.templates.read(journey.template, journey.version)
    return min([*again, moved(old, target, journey.step) if old else len(target.steps)])
