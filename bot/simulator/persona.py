"""Sorts of people and how each behaves: how much they talk, when, about what, and what they do with a link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.chance import Chance

DAY_HOURS = (1, 0, 0, 0, 0, 0, 2, 5, 9, 8, 6, 5, 9, 7, 4, 4, 4, 5, 7, 11, 14, 14, 11, 6)
NIGHT_HOURS = (9, 6, 2, 0, 0, 0, 0, 0, 1, 2, 2, 2, 4, 3, 2, 2, 2, 3, 4, 6, 8, 10, 14, 14)


@dataclass(frozen=True)
class Persona:
    """One sort of person. Rates are chances; ``talk`` is a weight among those present."""

    key: str
    name: str
    talk: float
    topics: Mapping[str, int]
    asks: float = 0.1
    answers: float = 0.1
    opens: float = 0.3  # a link they are shown
    votes: float = 0.7  # on a page with choices, once opened
    claims: float = 0.02  # per day, 领券 in 微信客服
    checks_in: float = 0.05  # per day
    leaves: float = 0.0  # per day
    fades: bool = False  # talks less and less
    hours: tuple[int, ...] = DAY_HOURS


EAGER = Persona("eager", "热心新人", 1.6, {"greeting": 3, "coffee": 4, "small": 3, "check_in": 3}, asks=0.45,
                opens=0.75, votes=0.9, claims=0.12, checks_in=0.5)  # fmt: skip
LURKER = Persona("lurker", "潜水的人", 0.08, {"small": 3, "greeting": 1}, opens=0.25, votes=0.5, claims=0.01,
                 leaves=0.003)  # fmt: skip
HELPER = Persona("helper", "热心答主", 2.2, {"coffee": 4, "tea": 3, "business": 3, "small": 2}, asks=0.05,
                 answers=0.8, opens=0.6, votes=0.9, checks_in=0.4)  # fmt: skip
HUNTER = Persona("hunter", "羊毛党", 0.35, {"small": 4, "greeting": 1}, asks=0.3, opens=0.55, votes=0.3, claims=0.5,
                 leaves=0.008)  # fmt: skip
OWL = Persona("owl", "夜猫子", 0.9, {"reading": 5, "tea": 2, "small": 3}, opens=0.4, hours=NIGHT_HOURS)
CORE = Persona("core", "安静的核心", 1.1, {"reading": 3, "business": 4, "coffee": 2, "small": 1}, answers=0.4,
               opens=0.8, votes=0.95, claims=0.04, checks_in=0.8)  # fmt: skip
CHURNER = Persona("churner", "快要离开的人", 0.8, {"small": 3, "coffee": 2, "business": 2}, opens=0.1, votes=0.2,
                  leaves=0.03, fades=True)  # fmt: skip
REGULAR = Persona("regular", "普通成员", 0.6, {"coffee": 3, "tea": 2, "reading": 3, "business": 2, "small": 4,
                  "greeting": 2}, asks=0.15, opens=0.4, checks_in=0.15)  # fmt: skip

PERSONAS = (EAGER, LURKER, HELPER, HUNTER, OWL, CORE, CHURNER, REGULAR)


def weighted(weights: Mapping[str, float], chance: Chance) -> str:
    """One of the names, as often as its weight says."""
    left = chance.fraction() * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return next(iter(weights))


def happens(rate: float, chance: Chance) -> int:
    """How often something with this mean happens; spread a little around it."""
    mean = rate * (0.6 + 0.8 * chance.fraction())
    return int(mean) + (chance.fraction() < mean - int(mean))


def second_of_day(hours: tuple[int, ...], chance: Chance) -> int:
    """When in the day somebody with these hours is about."""
    hour = int(weighted({str(hour): weight for hour, weight in enumerate(hours)}, chance))
    return hour * 3600 + int(chance.fraction() * 3600)
