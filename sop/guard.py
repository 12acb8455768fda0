"""Guards 护栏: when a template does more harm than good, it stops by itself and somebody looks.

Counted are people, not messages: of those a template reached within the window, how many then opted out, ended the
friendship or could not be reached, or left a group. Few people prove nothing, so a guard has a least number as well as a share.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

from sop.form import Form
from sop.timing import lasting

MOST_WINDOW = timedelta(days=7)  # so far back anybody asks who was reached
NEXT = "没发的都停下了。请看看文案和适用人群，改好后在控制台模板的「版本」页点「恢复」"


class Measure(StrEnum):
    """What a guard watches; the names are the keys of the template's table."""

    OPT_OUTS = "opt_outs"
    REFUSALS = "refusals"
    LEAVERS = "leavers"


DEEDS: dict[Measure, str] = {
    Measure.OPT_OUTS: "退订",
    Measure.REFUSALS: "删了好友或被平台拒收",
    Measure.LEAVERS: "退群",
}


@dataclass(frozen=True, kw_only=True)
class Guard:
    """The shares of the people reached at which a template stops, once at least ``minimum`` people are concerned."""

    off: bool = False
    opt_outs: float = 0.05
    refusals: float = 0.1
    leavers: float = 0.1
    window: timedelta = timedelta(hours=24)
    minimum: int = 5

    def line(self, measure: Measure) -> Fraction:
        """The share as it is written, to the digit."""
        return Fraction(str(getattr(self, measure)))

    def since(self, now: datetime, resumed: datetime | None) -> datetime:
        """Who was reached from this instant on counts; whoever let a template go on has seen what came before."""
        start = now - self.window
        return start if resumed is None else max(start, resumed)

    def enough(self, measure: Measure, people: int) -> int:
        """So many reached at most make these people a breach; -1 when they never are. More need not be counted."""
        if self.off or people < self.minimum:
            return -1
        return int(people / self.line(measure))


USUAL = Guard()  # for templates that bring none


@dataclass(frozen=True)
class Breach:
    """A measure above its line: how many people, of how many reached."""

    measure: Measure
    people: int
    reached: int
    line: float
    window: timedelta

    @property
    def reason(self) -> str:
        """One line for operators: what happened, in numbers."""
        share = f"{self.people / self.reached:.1%}" if self.reached else "全部"
        return (
            f"过去 {lasting(self.window)}发到 {self.reached} 人，其中 {self.people} 人{DEEDS[self.measure]}"
            f"（{share}），到了设定的 {self.line:.1%}".replace(".0%", "%")
        )


def breach(guard: Guard, measure: Measure, people: int, reached: int) -> Breach | None:
    """Whether so many of those reached are too many."""
    if reached > guard.enough(measure, people):
        return None
    return Breach(measure, people, reached, getattr(guard, measure), guard.window)


def read_guard(form: Form | None) -> Guard:
    """The guard in a ``[guard]`` table; without one, the USUAL."""
    if form is None:
        return USUAL
    guard = Guard(
        off=form.flag("off"),
        opt_outs=form.share("opt_outs", USUAL.opt_outs, least=0.001, most=1.0),
        refusals=form.share("refusals", USUAL.refusals, least=0.001, most=1.0),
        leavers=form.share("leavers", USUAL.leavers, least=0.001, most=1.0),
        window=form.span("window", USUAL.window),
        minimum=form.number("minimum", USUAL.minimum, least=1, most=10**6),
    )
    if not timedelta(minutes=10) <= guard.window <= MOST_WINDOW:
        form.wrong("window", "太短或太长", expected="10 分钟到 7 天")
    form.done()
    return guard
