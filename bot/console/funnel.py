"""效果: what came of a template: each step as a funnel with the people behind every number, and what is known of its arms."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from bot.console.page import Page, render, room, whole
from sop.errors import TemplateError
from sop.experiment import HELD_OUT, PLAIN, Tally, verdicts
from sop.funnel import STAGES, Stage, StepLine
from sop.template import Template
from storage.engine import Connection
from storage.experiment import ExperimentStore
from storage.funnel import FunnelStore
from storage.template import Saved, TemplateStore, compiled

SPANS = (7, 28, 90)  # days to look back
EACH = 100


@dataclass(frozen=True)
class ArmLine:
    """One arm as operators read it."""

    name: str
    tally: Tally


async def shown(request: web.Request) -> web.Response:
    here = room(request)
    now, days = here.now, _days(request)

    def ask(c: Connection) -> dict[str, Any]:
        plan, saved = _plan(c, request)
        store = ExperimentStore(c, now)
        tallies = store.tallies(plan)
        return {
            "plan": plan,
            "saved": saved,
            "lines": FunnelStore(c, plan, now - timedelta(days=days)).lines(),
            "arms": [ArmLine(_called(name), tally) for name, tally in tallies.items()],
            "verdicts": verdicts(tallies),
            "young": store.young(plan),
        }

    known = await here.read(ask)
    return render(request, "funnel.html", days=days, spans=SPANS, stages=STAGES, **known)


async def people(request: web.Request) -> web.Response:
    """Who stands behind one number."""
    here, step, after = room(request), request.match_info["step"], whole(request.query.get("after"))
    now, days, stage = here.now, _days(request), _stage(request)

    def ask(c: Connection) -> dict[str, Any]:
        plan, saved = _plan(c, request)
        found = plan.step(step)
        if found is None:
            raise web.HTTPNotFound
        store = FunnelStore(c, plan, now - timedelta(days=days))
        return {
            "plan": plan,
            "saved": saved,
            "step": found,
            "people": store.people(step, stage, limit=EACH, after=after),
        }

    known = await here.read(ask)
    more = after + EACH if len(known["people"]) == EACH else None
    return render(request, "funnel_people.html", days=days, stage=STAGES[stage], more=more, **known)


async def download(request: web.Request) -> web.Response:
    """The funnel as a file for a spreadsheet."""
    here, days = room(request), _days(request)
    now = here.now

    def ask(c: Connection) -> list[StepLine]:
        plan, _ = _plan(c, request)
        return FunnelStore(c, plan, now - timedelta(days=days)).lines()

    name = f"{request.match_info['template']}.csv"
    return web.Response(
        text="\ufeff" + as_csv(await here.read(ask)),
        content_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def as_csv(lines: list[StepLine]) -> str:
    """A line for each step."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["step", *map(str, STAGES), "reasons"])
    for line in lines:
        reasons = "；".join(f"{reason} {count}" for reason, count in line.kept.items())
        writer.writerow([line.step, *(line.counts.get(stage, 0) for stage in STAGES), reasons])
    return file.getvalue()


def _called(name: str) -> str:
    return "原来的文案" if name == PLAIN else name if name == HELD_OUT else f"「{name}」"


def _plan(connection: Connection, request: web.Request) -> tuple[Template, Saved]:
    """The version in force, else the newest that can be read."""
    versions = TemplateStore(connection, room(request).now).versions(request.match_info["template"])
    for saved in sorted(versions, key=lambda one: (one.state == "published", one.version), reverse=True):
        try:
            return compiled(saved.text, saved.version), saved
        except TemplateError:
            continue
    raise web.HTTPNotFound


def _days(request: web.Request) -> int:
    asked = whole(request.query.get("days"))
    return asked if asked in SPANS else SPANS[1]


def _stage(request: web.Request) -> Stage:
    try:
        return Stage(request.match_info["stage"])
    except ValueError:
        raise web.HTTPNotFound from None


PAGES = (
    Page("GET", "/templates/{template}/funnel", shown),
    Page("GET", "/templates/{template}/funnel.csv", download),
    Page("GET", "/templates/{template}/funnel/{step}/{stage}", people),
)
