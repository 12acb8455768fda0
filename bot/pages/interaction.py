"""Polls and questions: one tap or one line, changed as often as one likes while it is open, counted once."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bot.pages.page import Page, brought_to, draw, known, lost, place
from bot.pages.visitor import Visitor
from sop.group import Group, GroupKind
from sop.interaction import AnswerOption, tally
from sop.update import AnswerGiven
from storage.interaction import Run
from storage.tx import Tx

ADDRESS = "/m/poll/{run}"


@dataclass(frozen=True)
class Row:
    """One option as the page shows it."""

    option: AnswerOption
    count: int
    share: int  # in hundredths of all answers


@dataclass(frozen=True)
class Poll:
    """A question with its answers so far, as one visitor sees it."""

    run: Run
    group: Group | None
    rows: tuple[Row, ...]
    answers: int
    mine: str | None

    def person(self, visitor: Visitor) -> str:
        """Who would answer; staff belong only to their internal groups."""
        internal = self.group is not None and self.group.kind == GroupKind.INTERNAL
        return visitor.member or (visitor.staff if internal else "")


def _look(tx: Tx, run_id: str, visitor: Visitor) -> Poll | None:
    run = tx.interactions.get(run_id)
    if run is None:
        return None
    counts = tx.interactions.counts(run_id)
    counted = tally(run.options, counts)
    rows = tuple(
        Row(option, n, round(100 * n / counted.total) if counted.total else 0)
        for option, n in zip(counted.options, counted.counts, strict=True)
    )
    mine = tx.interactions.answer_of(run_id, visitor.member or visitor.staff) if visitor.asked else None
    return Poll(run, tx.groups.get(run.group) if run.group else None, rows, sum(counts.values()), mine)


@known
async def show(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    here, run_id = place(request), request.match_info["run"]
    poll = await here.read(lambda tx: _look(tx, run_id, visitor))
    if poll is None:
        return lost(request, visitor, "题目找不到了", "这道题可能已经撤下，等下一题吧。")
    is_open = poll.run.open_at(here.now)
    view = "poll.html" if poll.run.options else "question.html"
    return draw(
        request,
        view,
        visitor,
        poll=poll,
        run=poll.run,
        is_open=is_open,
        may_answer=is_open and bool(poll.person(visitor)),
        left=poll.run.closes - here.now,
    )


@brought_to(ADDRESS)
async def answer(request: web.Request, visitor: Visitor, fields: dict[str, str]) -> str:
    """However often it is sent, one person answers a question once."""
    here, run_id = place(request), request.match_info["run"]
    poll = await here.read(lambda tx: _look(tx, run_id, visitor))
    person = poll.person(visitor) if poll else ""
    if poll is None or not person:
        return ""
    return await here.ask(
        AnswerGiven(
            at=here.now,
            id=f"page:{run_id}:{person}",
            member=person,
            run=run_id,
            option=(fields.get("option") or fields.get("text") or "").strip(),
            group=poll.run.group,
        )
    )


PAGES = (Page("GET", ADDRESS, show), Page("POST", ADDRESS, answer))
