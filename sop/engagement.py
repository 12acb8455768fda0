"""Engagement 活跃度: how alive a group is, and how alive a member is in it, from days of activity alone.

No part counts messages: who shouts more does not score more. The score says how many different people still come,
whether that is rising or falling, and whether newcomers stay. What it cannot know it does not guess: a number carries a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import exp, log, log2
from typing import Protocol

from sop.activity import ANSWERED, KEPT_HASHES, UNANSWERED
from sop.formula import STANDARD, Formula

DAY = timedelta(days=1)

PARTS: dict[str, str] = {
    "breadth": "广度",
    "momentum": "势头",
    "newcomers": "新人",
    "depth": "深度",
    "rhythm": "节奏",
    "reciprocity": "回应",
}
OK, OBSERVING, TOO_LITTLE, PARTIAL = "ok", "observing", "too_little", "partial"
LABELS: dict[str, str] = {
    OK: "可信",
    OBSERVING: "观察中：还不满 28 天",
    TOO_LITTLE: "数据太少",
    PARTIAL: "数据不全：有些天没有收到任何数据",
}
CONFIDENCES: dict[str, str] = {"high": "高", "medium": "中", "low": "低", "none": "无"}
WHOLE = frozenset({"archive", "import"})  # coverages that miss nothing that was said
FEW = 6  # in groups of fewer active members what comes next is close to chance
ONE_MEMBER = (
    20.0  # points: among three others or more, no single member moves a group further, whatever they do
)
NOTES: dict[str, str] = {
    "one_person": "这个群主要靠一个人在说话，分数没有算上他。",
    "newcomer_surge": "最近的活跃一半以上来自新成员，先看看他们是不是真的留下来。",
    "flood": "有人刷屏，刷屏的那几天没有计分。",
}


class Active(Protocol):
    """One member's day in the group."""

    @property
    def member(self) -> str: ...
    @property
    def day(self) -> date: ...
    @property
    def n(self) -> int: ...
    @property
    def turns(self) -> int: ...
    @property
    def different(self) -> int: ...
    @property
    def answered(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ActiveDay:
    """One member's day in the group, as storage remembers it."""

    member: str
    day: date
    n: int = 1
    turns: int = 1
    different: int = 1
    answered: int = UNANSWERED


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """What was left out before anything was counted."""

    flood_days: int = 0
    one_person: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Score:
    """How alive a group was up to the day before ``as_of``, with all it takes to explain the number."""

    as_of: date
    value: float
    label: str
    parts: Mapping[str, float]
    coverage: str = "archive"
    members: int = 0
    messages: int = 0
    observed: int = 28
    excluded: Excluded = field(default_factory=Excluded)
    notes: tuple[str, ...] = ()
    formula: str = STANDARD.version

    @property
    def confidence(self) -> str:
        """How far to trust the number: ``high``, ``medium``, ``low``, or ``none`` where there is nothing to trust."""
        if self.label in (OBSERVING, TOO_LITTLE):
            return "none"
        if self.label == PARTIAL:
            return "low"
        return "high" if self.coverage in WHOLE and self.members >= FEW else "medium"

    @property
    def shown(self) -> float | None:
        """The number pages may show; None while the label does not vouch for it."""
        return self.value if self.label == OK else None


# ---------------------------------------------------------------- what does not count


def is_flood(row: Active, others: int, formula: Formula = STANDARD) -> bool:
    """Did this member drown the group on this day, in which everybody else wrote ``others`` messages?"""
    if row.n < formula.flood_from:
        return False
    if row.n / max(1, row.turns) >= formula.flood_turn:
        return True
    if row.different < KEPT_HASHES and row.different / row.n <= formula.flood_different:
        return True
    return row.n >= formula.flood_alone and row.n >= formula.flood_share * max(formula.flood_others, others)


def floods(rows: Sequence[Active], formula: Formula = STANDARD) -> set[tuple[str, date]]:
    """The member-days that drowned the group."""
    total: dict[date, int] = defaultdict(int)
    for row in rows:
        total[row.day] += row.n
    return {(row.member, row.day) for row in rows if is_flood(row, total[row.day] - row.n, formula)}


def soloists(rows: Iterable[Active], formula: Formula = STANDARD) -> set[str]:
    """Members whose words are most of what was said in the window."""
    said: dict[str, int] = defaultdict(int)
    for row in rows:
        said[row.member] += row.n
    most = formula.one_person_share * sum(said.values())
    return {member for member, n in said.items() if n >= formula.one_person_from and n > most}


# ---------------------------------------------------------------- the score


def score(
    rows: Iterable[Active],
    firsts: Mapping[str, date],
    as_of: date,
    *,
    began: date | None = None,
    observed: Collection[date] | None = None,
    coverage: str = "archive",
    formula: Formula = STANDARD,
) -> Score:
    """The score of the window that ends the day before ``as_of``.

    ``firsts`` tells since when each member has been here, ``began`` since when we have watched the group, ``observed``
    the days on which we heard anything at all (None: all of them).
    """
    window = [as_of - DAY * age for age in range(1, formula.window + 1)]
    seen = window if observed is None else [day for day in window if day in observed]
    inside = [row for row in rows if window[-1] <= row.day < as_of]
    drowned = floods(inside, formula)
    calm = [row for row in inside if (row.member, row.day) not in drowned]
    alone = soloists(calm, formula)
    counted = _Counted([row for row in calm if row.member not in alone], firsts, as_of, seen, formula)
    parts = counted.parts()
    notes = {"one_person": bool(alone), "newcomer_surge": counted.is_surge, "flood": bool(drowned)}
    return Score(
        as_of=as_of,
        value=100 * sum(weight * parts[part] for part, weight in formula.weights),
        label=_label(counted, as_of, began, len(seen), formula),
        parts=parts,
        coverage=coverage,
        members=len(counted.days),
        messages=counted.messages,
        observed=len(seen),
        excluded=Excluded(flood_days=len(drowned), one_person=tuple(sorted(alone))),
        notes=tuple(note for note, true in notes.items() if true),
        formula=formula.version,
    )


def _label(counted: _Counted, as_of: date, began: date | None, observed: int, formula: Formula) -> str:
    if began is None or (as_of - began).days < formula.window:
        return OBSERVING
    if len(counted.days) < formula.least_members or counted.messages < formula.least_messages:
        return TOO_LITTLE
    return PARTIAL if observed < formula.least_observed else OK


class _Counted:
    """What is left to count, gathered by member and by day."""

    def __init__(
        self,
        rows: Sequence[Active],
        firsts: Mapping[str, date],
        as_of: date,
        seen: Sequence[date],
        formula: Formula,
    ) -> None:
        self.formula = formula
        self.ages = [(as_of - day).days - 1 for day in seen]  # 0 is yesterday
        self.days: dict[str, list[int]] = defaultdict(list)  # member → ages of the active days
        self.heads: dict[int, int] = defaultdict(int)  # age → active members
        self.messages = 0
        answered: set[str] = set()
        for row in rows:
            age = (as_of - row.day).days - 1
            self.days[row.member].append(age)
            self.heads[age] += 1
            self.messages += row.n
            if row.answered == ANSWERED or (
                row.answered and age > 0
            ):  # nobody has spoken past this midnight yet
                answered.add(row.member)
        self.answered = len(answered)
        start = as_of - DAY * formula.window
        self.newcomers = {member for member in self.days if firsts.get(member, start - DAY) >= start}
        settled = as_of - DAY * (1 + formula.judged_after)
        self.judged = {member for member in self.newcomers if firsts[member] <= settled}
        self.fresh = sum(self._nearness(member) for member in sorted(self.newcomers))
        self.regular = sum(self._nearness(member) for member in sorted(self.days.keys() - self.newcomers))

    def _nearness(self, member: str) -> float:
        return halved(min(self.days[member]), self.formula.fade)

    @property
    def is_surge(self) -> bool:
        return self.fresh > self.regular

    def parts(self) -> dict[str, float]:
        return {
            "breadth": self._breadth(),
            "momentum": self._momentum(),
            "newcomers": self._stay(),
            "depth": self._depth(),
            "rhythm": self._rhythm(),
            "reciprocity": (self.answered + 1) / (len(self.days) + 2),
        }

    def _breadth(self) -> float:
        near = self.regular + min(self.fresh, max(self.formula.newcomer_room, self.regular))
        return min(1.0, log(1 + near) / log(1 + self.formula.full_breadth))

    def _momentum(self) -> float:
        weights = {age: halved(age, self.formula.fade) for age in self.ages}
        lately = sum(weights[age] * self.heads[age] for age in self.ages) / (sum(weights.values()) or 1)
        usually = sum(self.heads[age] for age in self.ages) / (len(self.ages) or 1)
        pace = (lately + self.formula.calm) / (usually + self.formula.calm)
        return pace / (1 + pace)

    def _stay(self) -> float:
        spans = (max(self.days[member]) - min(self.days[member]) for member in self.judged)
        stayed = sum(1 for span in spans if span >= self.formula.stayed_after)
        return (stayed + 1) / (len(self.judged) + 4)

    def _depth(self) -> float:
        active_days = sum(len(ages) for ages in self.days.values())
        return min(1.0, max(0.0, log2((active_days + 1) / (len(self.days) + 1)) / self.formula.full_depth))

    def _rhythm(self) -> float:
        weights = {age: halved(age, self.formula.rhythm_fade) for age in self.ages}
        shared = sum(weight for age, weight in weights.items() if self.heads[age] >= 2)
        return shared / (sum(weights.values()) or 1)


def halved(age: float, half_life: float) -> float:
    """What something of this age is worth, when it is worth half after ``half_life``."""
    return float(2.0 ** (-age / half_life))


# ---------------------------------------------------------------- in words

NOTABLE = 1.0  # points a part must move to be named

_MOVED: dict[tuple[str, bool], str] = {
    ("breadth", True): "{since}高了 {points} 分，主要因为最近开口的人变多了。",
    ("breadth", False): "{since}低了 {points} 分，主要因为最近开口的人变少了。",
    ("momentum", True): "{since}高了 {points} 分，主要因为最近一周比平时热闹。",
    ("momentum", False): "{since}低了 {points} 分，主要因为最近一周比平时冷清。",
    ("newcomers", True): "{since}高了 {points} 分，主要因为新来的人有更多愿意再开口。",
    ("newcomers", False): "{since}低了 {points} 分，主要因为新来的人说过一次就不再开口。",
    ("depth", True): "{since}高了 {points} 分，主要因为老面孔来得更勤了。",
    ("depth", False): "{since}低了 {points} 分，主要因为每个人来的天数变少了。",
    ("rhythm", True): "{since}高了 {points} 分，主要因为有人聊天的日子变多了。",
    ("rhythm", False): "{since}低了 {points} 分，主要因为没人聊天的日子变多了。",
    ("reciprocity", True): "{since}高了 {points} 分，主要因为说的话更常有人接。",
    ("reciprocity", False): "{since}低了 {points} 分，主要因为说的话常常没人接。",
}


def explain(now: Score, before: Score | None = None, formula: Formula = STANDARD) -> str:
    """One sentence for operators: what moved the score since an earlier one, or what holds it where it is."""
    if now.label == OBSERVING:
        return "这个群观察还不满 28 天，先不给分数。"
    if now.label == TOO_LITTLE:
        return f"最近 28 天只有 {now.members} 位成员发了 {now.messages} 条，给不出可信的分数。"
    if before is None or before.label not in (OK, PARTIAL) or before.coverage != now.coverage:
        return _standing(now, formula)
    since = f"和 {before.as_of.month} 月 {before.as_of.day} 日相比"
    moved = {
        part: 100 * weight * (now.parts[part] - before.parts.get(part, 0.0))
        for part, weight in formula.weights
    }
    total = now.value - before.value
    cause = max(moved, key=lambda part: moved[part] * (1 if total >= 0 else -1))
    if abs(total) < NOTABLE:
        return f"{since}基本持平。"
    return _MOVED[cause, total > 0].format(since=since, points=f"{abs(total):.1f}")


def _standing(now: Score, formula: Formula) -> str:
    lost = {part: weight * (1 - now.parts[part]) for part, weight in formula.weights if part != "reciprocity"}
    return f"最近 28 天有 {now.members} 位成员参与；最能提分的是{PARTS[max(lost, key=lambda part: lost[part])]}。"


# ---------------------------------------------------------------- alarms


@dataclass(frozen=True)
class Concern:
    """Why a group needs a look; ``key`` tells one concern from another of the same group."""

    key: str
    text: str


def concern(called: str, now: Score, line: float, why: str) -> Concern | None:
    """What operators should hear about a group today, if anything; missing data is no silence."""
    hears_all = now.coverage == "archive"
    if now.label == OK and now.value < line:
        return Concern("line", f"「{called}」活跃度 {now.value:.0f} 分，低于警戒线 {line:.0f} 分。{why}")
    if hears_all and now.label == TOO_LITTLE and now.observed >= STANDARD.least_observed:
        return Concern(
            "silent", f"「{called}」最近 28 天几乎没有人说话（{now.members} 人，{now.messages} 条）。"
        )
    return None


# ---------------------------------------------------------------- members

MEMBER_FADE = 14.0


@dataclass(frozen=True)
class Energy:
    """Active days, each worth half after 14 days, as of ``day``."""

    value: float
    day: date

    def plus(self, day: date, sign: int = 1) -> Energy:
        """With one more active day (or one taken back), whichever way round days are told."""
        newest = max(day, self.day)
        return Energy(max(0.0, self.at(newest) + sign * halved((newest - day).days, MEMBER_FADE)), newest)

    def at(self, day: date) -> float:
        return self.value * halved((day - self.day).days, MEMBER_FADE)


def energy_of(days: Iterable[date], at: date) -> float:
    """The energy on a day, from the active days up to it."""
    return sum(halved((at - day).days, MEMBER_FADE) for day in days if day <= at)


def return_chance(energy: float, *, was_active_before: bool, is_new: bool) -> float:
    """The chance that a member is active in the next 28 days; the member's score is a hundred times that.

    ``was_active_before``: in the 28 days before the last 28. ``is_new``: first seen less than 28 days ago.
    """
    z = -0.5 + 0.95 * log2(energy + 0.1) + 0.75 * was_active_before - 0.85 * is_new
    return 1 / (1 + exp(-z))
