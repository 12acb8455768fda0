"""Audiences 适用人群: who something is for, as an expression over what is true of a member or a group.

Missing is not zero. A measure nobody could take is neither above nor below anything: a comparison with it is unknown, and
so is the opposite of that comparison (Kleene's three values, as in SQL). Somebody belongs when it is *known* that they do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite


class Ask(StrEnum):
    """What an atom asks about; the value is the prefix that is written before the colon."""

    TAG = ""
    TIER = "tier"
    GROUP = "group"
    SOURCE = "source"
    KIND = "kind"
    COUPON = "coupon"


class Quantity(StrEnum):
    """What can be measured of a member; of a group only its score."""

    JOINED = "joined"  # hours since the community first saw the member
    SILENT = "silent"  # hours since anything was heard of the member
    ACTIVE = "active"  # local days of a window, today included, on which the member was active
    ACTS = "acts"  # acts on these days
    SCORE = "score"  # percent: the member's best chance to come back, in any of their groups; or the group's score


SPANS = frozenset({Quantity.JOINED, Quantity.SILENT})
WINDOWED = frozenset({Quantity.ACTIVE, Quantity.ACTS})
LONGEST_WINDOW = 365  # days


@dataclass(frozen=True)
class Measure:
    """A quantity, and for those counted in a window how many days it has."""

    of: Quantity
    days: int = 0

    def __post_init__(self) -> None:
        if not (1 <= self.days <= LONGEST_WINDOW if self.of in WINDOWED else self.days == 0):
            raise ValueError(f"{self.of} over {self.days} days says nothing")


class Sign(StrEnum):
    AT_LEAST = ">="
    AT_MOST = "<="
    OVER = ">"
    UNDER = "<"


COMPARE: dict[Sign, Callable[[float, float], bool]] = {
    Sign.AT_LEAST: operator.ge,
    Sign.AT_MOST: operator.le,
    Sign.OVER: operator.gt,
    Sign.UNDER: operator.lt,
}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is true of one member or one group at one moment.

    A measure that is not in ``measured`` is unknown, and so are ``coupons`` that nobody looked up. A coupon stands there as
    its batch, and as batch and state: ``growth_gift``, ``growth_gift=claimed``.
    """

    tags: frozenset[str] = frozenset()
    tier: str = ""
    groups: frozenset[str] = frozenset()
    source: str = ""
    kinds: frozenset[str] = frozenset()
    coupons: frozenset[str] | None = None
    measured: Mapping[Measure, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Is:
    """Somebody carries the tag, is in the tier or group, came from the source, or was given the coupon."""

    name: str
    ask: Ask = Ask.TAG

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a nameless atom says nothing, so it may not widen")


@dataclass(frozen=True)
class Compare:
    """A measure is above or below a bound, which is in the measure's own unit."""

    measure: Measure
    sign: Sign
    bound: float

    def __post_init__(self) -> None:
        if not (isfinite(self.bound) and self.bound >= 0):
            raise ValueError(f"{self.bound} bounds nothing")


@dataclass(frozen=True)
class Not:
    part: Expression


@dataclass(frozen=True)
class All:
    """Every part holds; there are two or more."""

    parts: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError("a clause joins two parts or more; an empty one may not widen")


@dataclass(frozen=True)
class Some:
    """At least one of two or more parts holds."""

    parts: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError("a clause joins two parts or more; an empty one may not widen")


Atom = Is | Compare
Expression = Atom | Not | All | Some


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Who a template is for. Without ``include`` it is nobody, unless ``everyone`` is said in so many words.

    Of whom ``exclude`` is unknown stays: it takes away those of whom it is known to hold.
    """

    include: Expression | None = None
    exclude: Expression | None = None
    everyone: bool = False

    def has(self, facts: Facts) -> bool:
        if self.exclude is not None and matches(self.exclude, facts):
            return False
        return self.everyone or (self.include is not None and matches(self.include, facts))

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(one for one in (self.include, self.exclude) if one is not None)


def matches(expression: Expression, facts: Facts) -> bool:
    """Whether the expression is known to hold for somebody of whom these facts are true."""
    return holds(expression, facts) is True


def holds(expression: Expression, facts: Facts) -> bool | None:
    """Whether the expression holds; None when it turns on what is unknown."""
    match expression:
        case Is(name, ask):
            answers = _answers(ask, facts)
            return None if answers is None else name in answers
        case Compare(measure, sign, bound):
            value = facts.measured.get(measure)
            return None if value is None else COMPARE[sign](value, bound)
        case Not(part):
            answer = holds(part, facts)
            return None if answer is None else not answer
        case All(parts):
            return _decided(False, (holds(part, facts) for part in parts))
        case Some(parts):
            return _decided(True, (holds(part, facts) for part in parts))


def _decided(by: bool, answers: Iterator[bool | None]) -> bool | None:
    """One part that is ``by`` decides a clause; if none is, an unknown part leaves it unknown."""
    unknown = False
    for answer in answers:
        if answer is by:
            return by
        unknown = unknown or answer is None
    return None if unknown else not by


def _answers(ask: Ask, facts: Facts) -> frozenset[str] | tuple[str, ...] | None:
    match ask:
        case Ask.TAG:
            return facts.tags
        case Ask.GROUP:
            return facts.groups
        case Ask.TIER:
            return (facts.tier,)
        case Ask.SOURCE:
            return (facts.source,)
        case Ask.KIND:
            return facts.kinds
        case Ask.COUPON:
            return facts.coupons


def atoms(expression: Expression) -> Iterator[Atom]:
    """Every atom of the expression, in the order it is written."""
    match expression:
        case Is() | Compare():
            yield expression
        case Not(part):
            yield from atoms(part)
        case All(parts) | Some(parts):
            for part in parts:
                yield from atoms(part)


def is_clocked(expression: Expression) -> bool:
    """Whether its answer can change by time passing alone, with nothing done to anybody."""
    return any(isinstance(atom, Compare) or atom.ask is Ask.COUPON for atom in atoms(expression))
