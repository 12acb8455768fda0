"""Polls, questions and check-ins."""

from __future__ import annotations

from datetime import date, timedelta

from aiohttp import web

from bot.pages.page import Page, brought, draw, known, lost, place
from bot.pages.visitor import Visitor
from sop.interaction import tally
from sop.timing import local_day
from sop.update import AnswerGiven, CheckedIn
from storage.interaction import Run
from storage.tx import Tx

CALENDAR_DAYS = 28
LONGEST_WORDS = 500


# ---------------------------------------------------------------- polls and questions


@known
async def poll(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    return await _show(request, visitor)


@known
async def vote(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    fields, here, run_id = await brought(request, visitor), place(request), request.match_info["run"]
    option = (fields.get("option") or fields.get("text") or "").strip()[:LONGEST_WORDS]
    run = await here.read(lambda tx: tx.interactions.get(run_id))
    said = await here.ask(
        AnswerGiven(
            at=here.clock.now(),
            id=f"page:{run_id}:{visitor.member}:{option[:20]}",
            member=visitor.member,
            run=run_id,
            option=option,
            group=run.group if run else "",
        )
    )
    return await _show(request, visitor, said=said)


async def _show(request: web.Request, visitor: Visitor, *, said: str = "") -> web.StreamResponse:
    here, run_id = place(request), request.match_info["run"]

    def look(tx: Tx) -> tuple[Run | None, dict[str, int], str | None]:
        run = tx.interactions.get(run_id)
        counts = tx.interactions.counts(run_id) if run else {}
        mine = tx.interactions.answer_of(run_id, visitor.member) if visitor.member else None
        return run, counts, mine

    run, counts, mine = await here.read(look)
    if run is None:
        return lost(request, visitor, "题目找不到了", "这道题可能已经撤下，等下一题吧。")
    counted = tally(run.options, counts)
    bars = [
        {"option": option, "n": n, "share": round(100 * n / counted.total) if counted.total else 0}
        for option, n in zip(counted.options, counted.counts, strict=True)
    ]
    is_open = run.open_at(here.clock.now())
    return draw(
        request,
        "poll.html",
        visitor,
        run=run,
        bars=bars,
        total=counted.total,
        mine=mine,
        is_open=is_open,
        said=said,
    )


# ---------------------------------------------------------------- check-ins


@known
async def calendar(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    return await _calendar(request, visitor)


@known
async def check_in(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    await brought(request, visitor)
    here = place(request)
    now = here.clock.now()
    day = local_day(now, here.settings.zone).isoformat()
    said = await here.ask(CheckedIn(at=now, id=f"checkin:{visitor.member}:{day}", member=visitor.member))
    return await _calendar(request, visitor, said=said)


async def _calendar(request: web.Request, visitor: Visitor, *, said: str = "") -> web.StreamResponse:
    here = place(request)
    today = local_day(here.clock.now(), here.settings.zone)
    first = today - timedelta(days=CALENDAR_DAYS - 1)
    first -= timedelta(days=first.weekday())

    def look(tx: Tx) -> tuple[set[date], int]:
        return set(tx.interactions.days(visitor.member, first)), tx.interactions.streak(visitor.member, today)

    done, streak = await here.read(look) if visitor.member else (set(), 0)
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    return draw(request, "checkin.html", visitor, days=days, done=done, streak=streak, today=today, said=said)


PAGES = (
    Page("GET", "/m/poll/{run}", poll),
    Page("POST", "/m/poll/{run}", vote),
    Page("GET", "/m/checkin", calendar),
    Page("POST", "/m/checkin", check_in),
)
