"""Experiments 对比: does one wording of a template, or the template at all, bring more people to its goal?

Whoever begins is drawn into an arm 分组 by a lot of template and member, once and for ever, and is compared with those of
the other arms and with the hold-out, who hear nothing. Only those count whose time for the goal is over. Operators look
whenever they like, so intervals hold at every look at once: asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha,
Kennedy, Ramdas: Time-uniform central limit theory and asymptotic confidence sequences, arXiv 2103.06476), tightest at
about :data:`TUNED_FOR` people. Below :data:`LEAST` people an arm, or :data:`LEAST_EVENTS` of either outcome, nothing is said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt

from sop.template import Template

ALPHA = 0.05
TUNED_FOR = 1000  # people in both arms together
LEAST = 100  # people an arm: where the normal approximation of a share begins to hold
LEAST_EVENTS = 5  # of either outcome in each arm, the usual rule for that approximation
PLAIN = ""  # the arm of who was drawn into none: they hear the steps' own text
HELD_OUT = "对照组"


def arm_of(template: Template, whom: str) -> str:
    """The arm somebody belongs to; what the shares leave over is the plain arm."""
    fraction = _lot(f"{template.id}:{whom}")
    for arm in template.arms:
        fraction -= arm.share
        if fraction < 0:
            return arm.name
    return PLAIN


def lot_of(template: Template, whom: str) -> float:
    """The lot that decides about the hold-out, 0 ≤ lot < 1: the same at every beginning, and in a rehearsal."""
    return _lot(f"{template.id}:{whom}", "held") if template.hold_out else 1.0


def _lot(seed: str, purpose: str = "arm") -> float:
    drawn = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64


@dataclass(frozen=True)
class Tally:
    """Of those whose time is over: how many began, and how many of them reached the goal."""

    began: int
    reached: int

    @property
    def share(self) -> float:
        return self.reached / self.began if self.began else 0.0

    @property
    def enough(self) -> bool:
        return self.began >= LEAST and min(self.reached, self.began - self.reached) >= LEAST_EVENTS


@dataclass(frozen=True)
class Difference:
    """How much more of one arm reached the goal than of another, as a difference of shares, with its interval."""

    by: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        return self.low > 0 or self.high < 0


def difference(one: Tally, other: Tally) -> Difference | None:
    """``one`` against ``other``; None while there are too few to say anything."""
    if not (one.enough and other.enough):
        return None
    spread = sum(arm.share * (1 - arm.share) / arm.began for arm in (one, other))
    reach = sqrt(spread) * _widening(one.began + other.began)
    by = one.share - other.share
    return Difference(by, max(-1.0, by - reach), min(1.0, by + reach))


def _widening(people: int) -> float:
    """How many standard errors the interval reaches, so that it holds whenever one looks."""
    tuned = (-2 * log(ALPHA) + log(-2 * log(ALPHA) + 1)) / TUNED_FOR
    told = people * tuned
    return sqrt(2 * (told + 1) / told * log(sqrt(told + 1) / ALPHA))


def verdict(name: str, one: Tally, against: str, other: Tally) -> str:
    """What is known of one arm against another, in one line an operator understands."""
    found = difference(one, other)
    if found is None:
        return f"「{name}」和「{against}」还不知道谁好：每组至少要 {LEAST} 人走完、各有 {LEAST_EVENTS} 人以上达成和没达成"
    points = (
        f"相差 {found.by * 100:+.1f} 个百分点（95% 区间 {found.low * 100:+.1f} 到 {found.high * 100:+.1f}）"
    )
    if not found.known:
        return f"「{name}」和「{against}」还不知道谁好：{points}，跨过了零"
    return f"「{name}」比「{against}」{'好' if found.by > 0 else '差'}：{points}，随时看都算数"


def verdicts(tallies: Mapping[str, Tally]) -> list[str]:
    """Every arm against the plain one, and all who heard the template against the hold-out."""
    plain, held = tallies.get(PLAIN), tallies.get(HELD_OUT)
    lines = [
        verdict(name, tally, "原来的文案", plain)
        for name, tally in tallies.items()
        if plain and name not in (PLAIN, HELD_OUT)
    ]
    if held:
        heard = [tally for name, tally in tallies.items() if name != HELD_OUT]
        everybody = Tally(sum(one.began for one in heard), sum(one.reached for one in heard))
        lines.append(verdict("收到的人", everybody, HELD_OUT, held))
    return lines
