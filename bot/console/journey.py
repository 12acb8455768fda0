"""旅程: who walks which template, when they go on, and which steps were missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiohttp import web

from bot.console.page import Page, form, go, render, room, signed_in, whole
from sop.journey import Journey, JourneyState, MissDecided
from sop.template import Template
from storage import report
from storage.due import DueStore
from storage.engine import Connection
from storage.journey import JourneyStore
from storage.template import TemplateStore

EACH = 60


async def listed(request: web.Request) -> web.Response:
    """Templates with counts, then journeys of one template and state, then what was missed."""
    here, query = room(request), request.query
    template, state = query.get("template", ""), query.get("state", str(JourneyState.ACTIVE))
    now = here.now

    def ask(c: Connection) -> dict[str, Any]:
        journeys = JourneyStore(c, now).recent(template=template, state=state, limit=EACH)
        missed = DueStore(c).missed(limit=30)
        walkers = JourneyStore(c, now).several([int(row.whom) for row in missed if row.whom.isdigit()])
        whom = [journey.whom for journey in (*journeys, *walkers.values())]
        return {
            "lines": report.journeys_by_template(c),
            "templates": report.template_names(c),
            "journeys": journeys,
            "steps": _steps(TemplateStore(c, now), journeys),
            "next_steps": report.next_steps(c, [journey.id for journey in journeys]),
            "missed": missed,
            "walkers": walkers,
            "names": report.names(c, members=whom, chats=whom),
        }

    known = await here.read(ask)
    return render(request, "journeys.html", template=template, state=state, each=EACH, **known)


def _steps(store: TemplateStore, journeys: Sequence[Journey]) -> dict[int, str]:
    """What the next step of each journey is called, and how many there are."""
    plans: dict[tuple[str, int], Template | None] = {}
    said: dict[int, str] = {}
    for journey in journeys:
        key = (journey.template, journey.version)
        if key not in plans:
            plans[key] = store.read(*key)
        plan = plans[key]
        if plan is not None and journey.step < len(plan.steps):
            step = plan.steps[journey.step]
            said[journey.id] = f"{journey.step + 1}/{len(plan.steps)} {step.name or step.id}"
    return said


async def decide(request: web.Request) -> web.Response:
    """A missed step that waits for an operator's word: say it now, or never."""
    here, number = room(request), whole(request.match_info["miss"])
    send = (await form(request)).get("do") == "send"
    who = signed_in(request).operator.name
    decided = MissDecided(at=here.now, id=f"console.{here.chance.token(12)}", miss=number, send=send, by=who)
    reply = await here.desk.ask(decided)
    await here.did(request, "sent a missed step" if send else "dropped a missed step", f"step {number}")
    return go("/journeys", reply.content.text if reply else "")


PAGES = (
    Page("GET", "/journeys", listed),
    Page("POST", "/journeys/missed/{miss}", decide),
)
