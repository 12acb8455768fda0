"""The best hour 最佳时间: when a message is most likely to be followed by a visit or an answer, and whether knowing it helps.

What followed our messages is counted by hour of the week. Few messages say little, so every count is drawn towards what
is known more broadly: a tier of a group towards its group, a group towards everybody, everybody towards the evening
hours, weekends above all, at which people in such communities open most. A share of all steps keeps the usual hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from math import sqrt

from sop.journey import USUAL_HOUR, Journey, best_day
from sop.template import AtBest, Template
from sop.timing import QuietHours, at_local

WEEK_HOURS = 168  # 0 is Monday from midnight to one, local time
FOLLOWS = timedelta(hours=4)  # what somebody does later than this has nothing to do with the message
HALVED_AFTER = timedelta(days=60)  # what a message counts halves in this time
STRENGTH = 20.0  # messages: as much as what is known more broadly counts
USUAL_SHARE = 0.15  # of messages that are followed, while none were sent
LEAST = 30  # messages of each kind before anything is said about a difference
CONFIDENT = 1.96  # 95 %

Rates = tuple[float, ...]  # how many of our messages are followed, by hour of the week


@dataclass(frozen=True)
class Counts:
    """What was sent at each hour of the week, and how much of it was followed."""

    sends: tuple[float, ...] = (0.0,) * WEEK_HOURS
    hits: tuple[float, ...] = (0.0,) * WEEK_HOURS


@dataclass(frozen=True)
class Best:
    """The community's rules for best hours: when nobody is disturbed, and the share that keeps the usual hour."""

    quiet: QuietHours | None = None
    hold_out: float = 0.1


@dataclass(frozen=True)
class Choice:
    """When a step is said. ``learnt`` is None where the usual hour is not allowed, so that nothing can be compared."""

    at: datetime
    moment: time
    learnt: bool | None


def hour_of_week(there: datetime) -> int:
    """The hour of the week of a local time."""
    return there.weekday() * 24 + there.hour


# ---------------------------------------------------------------- learning


def _shape(hour: int) -> float:
    """How open people are at an hour of the week, as a multiple of the average, before anything is known."""
    day, clock = divmod(hour, 24)
    if 19 <= clock < 22:
        return 2.4 if day >= 5 else 1.9
    if 12 <= clock < 14:
        return 1.4
    return 0.3 if clock < 7 or clock >= 23 else 1.0


PRIOR: Rates = tuple(USUAL_SHARE * _shape(hour) for hour in range(WEEK_HOURS))


def learn(everybody: Counts, group: Counts, segment: Counts) -> Rates:
    """What can be expected at each hour of the week, from what is known broadly to what is known closely."""
    broad = _drawn(_alike(everybody), PRIOR)
    near = _drawn(_alike(group), broad)
    return _drawn(segment, near)


def _drawn(counts: Counts, towards: Rates) -> Rates:
    return tuple(
        expected + (hits - sends * expected) / (sends + STRENGTH)
        for sends, hits, expected in zip(counts.sends, counts.hits, towards, strict=True)
    )


def _alike(counts: Counts) -> Counts:
    """Days of a working week are alike, and so are the two of a weekend."""
    return Counts(_pooled(counts.sends), _pooled(counts.hits))


def _pooled(values: Sequence[float]) -> tuple[float, ...]:
    sums = [[0.0] * 24, [0.0] * 24]
    for hour, value in enumerate(values):
        sums[hour >= 120][hour % 24] += value
    return tuple(sums[hour >= 120][hour % 24] for hour in range(WEEK_HOURS))


# ---------------------------------------------------------------- choosing


def choice(template: Template, journey: Journey, zone: str, rates: Rates, best: Best) -> Choice | None:
    """When the next step of a journey is said, if it is one at its best hour; ``zone`` is the community's."""
    if journey.over or journey.deciding or journey.step >= len(template.steps):
        return None
    step, zone = template.steps[journey.step], journey.zone or zone
    if not isinstance(step.when, AtBest):
        return None
    day = best_day(step.when, journey.anchor, zone)
    quiet = best.quiet if template.quiet is None else template.quiet
    hours = _allowed(step.when, quiet)
    moment = time(_best_of(hours, day, rates), 30)
    learnt = None
    if USUAL_HOUR.hour in hours:
        learnt = _lot(journey, step.id) >= best.hold_out
    if learnt is False:
        moment = USUAL_HOUR
    return Choice(at_local(day, moment, zone), moment, learnt)


def _allowed(when: AtBest, quiet: QuietHours | None) -> tuple[int, ...]:
    """The hours at whose half nobody is disturbed; all that the step allows where quiet hours leave none."""
    return tuple(hour for hour in when.hours if not (quiet and quiet.covers(time(hour, 30)))) or when.hours


def _best_of(hours: Sequence[int], day: date, rates: Rates) -> int:
    """The hour of this day at which most is expected; of equal ones the earliest."""
    return max(hours, key=lambda hour: (round(rates[day.weekday() * 24 + hour], 9), -hour))


def _lot(journey: Journey, step: str) -> float:
    """The same lot for the same step of the same journey, 0 ≤ lot < 1, in earnest and in rehearsal."""
    name = f"{journey.template}:{journey.whom}:{journey.run}:{step}"
    return int.from_bytes(sha256(name.encode()).digest()[:7]) / 2**56


# ---------------------------------------------------------------- whether it helps


@dataclass(frozen=True)
class Tally:
    """How many messages were sent, and how many of them were followed."""

    sends: int = 0
    hits: int = 0

    @property
    def share(self) -> float:
        return self.hits / self.sends if self.sends else 0.0


@dataclass(frozen=True)
class Effect:
    """How much more is followed at the learnt hour than at the usual one, with its 95 % interval; unknown when too little."""

    learnt: Tally
    usual: Tally
    low: float = -1.0
    high: float = 1.0

    @property
    def known(self) -> bool:
        return min(self.learnt.sends, self.usual.sends) >= LEAST

    @property
    def line(self) -> str:
        """One line for operators."""
        sends = f"学来的钟点发了 {self.learnt.sends} 条，{USUAL_HOUR:%H:%M} 发了 {self.usual.sends} 条"
        if not self.known:
            return f"还不知道有没有用：{sends}，各满 {LEAST} 条才能比"
        points = 100 * (self.learnt.share - self.usual.share)
        between = f"{sends}，有动静的比例相差 {points:+.1f} 个百分点（95% 区间 {100 * self.low:+.1f} 到 {100 * self.high:+.1f}）"
        if self.low > 0:
            return f"有用：{between}"
        return f"反而更差：{between}" if self.high < 0 else f"还看不出差别：{between}"


def effect(learnt: Tally, usual: Tally) -> Effect:
    """The difference of two shares with Newcombe's interval, which keeps its word for small shares too."""
    found = Effect(learnt, usual)
    if not found.known:
        return found
    (low_a, high_a), (low_b, high_b) = _wilson(learnt), _wilson(usual)
    a, b = learnt.share, usual.share
    low = a - b - sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    high = a - b + sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    return Effect(learnt, usual, low, high)


def _wilson(tally: Tally) -> tuple[float, float]:
    n, share, z2 = tally.sends, tally.share, CONFIDENT**2
    middle = share + z2 / (2 * n)
    spread = CONFIDENT * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return (middle - spread) / (1 + z2 / n), (middle + spread) / (1 + z2 / n)
