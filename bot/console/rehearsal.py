"""彩排: a version of a template played against the members there are, in the background, with its results as a page."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

from aiohttp import web

from bot.console.page import Page, form, go, is_part, render, room, signed_in, whole
from bot.rehearsal import HEAD, OUTCOMES, Run
from sop.errors import TemplateError
from sop.rehearsed import Count, Summary
from sop.stage import Outcome, assumed
from sop.timing import WEEKDAYS
from storage.template import Saved, TemplateStore, compiled

DAYS = (7, 14, 30, 60)
ANSWERS = (0, 10, 20, 30, 50, 80, 100)  # per cent who do what a step with branches asks
SHOWN = 20  # people named with a wording; the file has more
WORDINGS = 60  # on the page
HEAT = 4  # shades of the calendar


async def shown(request: web.Request) -> web.Response:
    """How far it is, or what it came to; before there is one, what it would do."""
    template_id, who = request.match_info["template"], signed_in(request).operator.name
    run = room(request).rehearsals.get(who, template_id)
    if is_part(request):
        return render(request, "rehearsal_result.html", **_result(template_id, run))
    versions = await _versions(request)
    number = whole(request.query.get("version")) or (run.template.version if run else versions[0].version)
    context: dict[str, Any] = {
        "versions": versions,
        "number": number,
        "name": versions[0].name,
        "choices": DAYS,
        "answers": ANSWERS,
        "assumed": assumed(run.answer_rate if run else 0.0),
    }
    return render(request, "rehearsal.html", **context, **_result(template_id, run))


async def start(request: web.Request) -> web.Response:
    """Begin to play a version for so many days."""
    here, template_id, fields = room(request), request.match_info["template"], await form(request)
    who, number = signed_in(request).operator.name, whole(fields.get("version"))
    days = min(max(whole(fields.get("days")) or DAYS[1], 1), DAYS[-1])
    answers = min(max(whole(fields.get("answers")), 0), 100) / 100
    saved = next((one for one in await _versions(request) if one.version == number), None)
    if saved is None:
        raise web.HTTPNotFound
    try:
        plan = compiled(saved.text, saved.version)
    except TemplateError:
        return go(f"/templates/{template_id}?version={number}", "这一版还有错误，改好才能彩排。")
    here.rehearsals.start(here.db, plan, here.settings, who=who, now=here.now, days=days, answer_rate=answers)
    return go(_home(template_id), "彩排开始了，什么也不会发出去。")


async def stop(request: web.Request) -> web.Response:
    template_id = request.match_info["template"]
    room(request).rehearsals.stop(signed_in(request).operator.name, template_id)
    return go(_home(template_id), "彩排停下了。")


async def download(request: web.Request) -> web.Response:
    """Every line that was kept, for a spreadsheet."""
    template_id = request.match_info["template"]
    run = room(request).rehearsals.get(signed_in(request).operator.name, template_id)
    if run is None:
        return go(_home(template_id), "没有可以下载的彩排，再彩排一次。")
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEAD)
    writer.writerows(run.rows)
    return web.Response(
        text="\ufeff" + file.getvalue(),
        content_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{template_id}-rehearsal.csv"'},
    )


async def _versions(request: web.Request) -> list[Saved]:
    here, template_id = room(request), request.match_info["template"]
    now = here.now
    versions = await here.read(lambda c: TemplateStore(c, now).versions(template_id))
    if not versions:
        raise web.HTTPNotFound
    return versions


def _result(template_id: str, run: Run | None) -> dict[str, Any]:
    """What the page shows of a run."""
    found: dict[str, Any] = {"template_id": template_id, "run": run, "summary": run.summary if run else None}
    if run is None or run.summary is None:
        return found
    summary = run.summary
    said = _said(run)
    staff, confirmations = _confirmations(summary)
    reasons = sorted(summary.reasons.items(), key=lambda item: -item[1].number)
    return found | {
        "outcomes": [(one, OUTCOMES[one], number) for one, number in summary.outcomes.most_common()],
        "steps": [step.called for step in run.template.sayings],
        "grid": _calendar(summary),
        "reasons": [(reason, OUTCOMES[one], count) for (reason, one), count in reasons],
        "absent": list(summary.absent.items()),
        "staff": staff,
        "confirmations": confirmations,
        "said": said[:WORDINGS],
        "more_said": max(0, len(said) - WORDINGS),
        "limits": summary.stage.limits,
    }


def _calendar(summary: Summary) -> list[tuple[str, list[tuple[int, int]], int]]:
    """Each day with how many each step reaches, how hot that is beside the others (0 to 4), and the sum."""
    most = max((count.number for count in summary.calendar.values()), default=0)
    grid = []
    for day in sorted({day for day, _ in summary.calendar}):
        steps = range(len(summary.stage.template.sayings))
        counts = [_number(summary.calendar.get((day, at))) for at in steps]
        grid.append((_spoken(day), [(count, -(-HEAT * count // most)) for count in counts], sum(counts)))
    return grid


def _confirmations(summary: Summary) -> tuple[list[str], list[tuple[str, list[int]]]]:
    """Staff members, and for each day how many tasks each of them has to confirm."""
    tasks = {(day, staff): number for staff, day, number in summary.confirmations()}
    staff = sorted({name for _, name in tasks})
    days = sorted({day for day, _ in tasks})
    return staff, [(_spoken(day), [tasks.get((day, name), 0) for name in staff]) for day in days]


def _spoken(day: str) -> str:
    """A day as operators read it: 7月4日 周六."""
    there = date.fromisoformat(day)
    return f"{there.month}月{there.day}日 {WEEKDAYS[there.weekday()]}"


def _said(run: Run) -> list[dict[str, Any]]:
    """Every wording, in the order of the steps, with how often it is said and to whom first."""
    places = {step.id: at for at, step in enumerate(run.template.sayings)}
    found: dict[tuple[int, str, str], dict[str, Any]] = {}
    for line in run.rows:
        one = dict(zip(HEAD, line, strict=True))
        if one["outcome"] != Outcome.SENT:
            continue
        at = places[one["step"]]
        key = (at, one["channel"], one["text"])
        wording = found.setdefault(
            key,
            {
                "step": run.template.sayings[at].called,
                "channel": one["channel"],
                "text": one["text"],
                "number": 0,
                "people": [],
            },
        )
        wording["number"] += 1
        if len(wording["people"]) < SHOWN:
            wording["people"].append(one)
    return [found[key] for key in sorted(found, key=lambda key: (key[0], -found[key]["number"]))]


def _number(count: Count | None) -> int:
    return count.number if count else 0


def _home(template_id: str) -> str:
    return f"/templates/{template_id}/rehearsal"


PAGES = (
    Page("GET", "/templates/{template}/rehearsal", shown),
    Page("POST", "/templates/{template}/rehearsal", start),
    Page("POST", "/templates/{template}/rehearsal/stop", stop),
    Page("GET", "/templates/{template}/rehearsal.csv", download),
)
