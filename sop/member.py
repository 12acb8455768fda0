"""Members 成员: a person in the community, as rules see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sop.audience import Facts, Measure

TIERS: dict[str, str] = {"new": "新成员", "potential": "潜力用户", "core": "核心用户"}


@dataclass(frozen=True, kw_only=True)
class Member:
    """One person, with what we know that a rule may ask; ``source`` is where they came from (a poster, a link)."""

    id: str
    name: str = ""
    tier: str = "new"
    tags: frozenset[str] = frozenset()
    source: str = ""
    staff: bool = False
    bot: bool = False
    avatar: str = ""
    zone: str = ""  # empty: their group's, or the community's
    groups: frozenset[str] = frozenset()  # names of the groups the member sits in
    kinds: frozenset[str] = frozenset()  # of these groups
    coupons: frozenset[str] | None = None  # as :class:`Facts` has them; None when nobody looked
    measured: Mapping[Measure, float] = field(default_factory=dict, hash=False)
    tier_since: datetime | None = None
    first_seen: datetime | None = None
    last_active: datetime | None = None

    @property
    def called(self) -> str:
        """How we write about this person to operators."""
        return self.name or f"成员 {self.id[-6:]}"

    def facts(self, groups: Iterable[str] = ()) -> Facts:
        """What an audience may ask of this member, who sits in their own groups and in those of these names."""
        return Facts(
            tags=self.tags,
            tier=self.tier,
            source=self.source,
            groups=self.groups | frozenset(groups),
            kinds=self.kinds,
            coupons=self.coupons,
            measured=self.measured,
        )


def tier_rank(tier: str) -> int:
    """Where a tier stands: new is 0; an unknown tier counts as new."""
    return list(TIERS).index(tier) if tier in TIERS else 0


def is_promotion(before: str, after: str) -> bool:
    return tier_rank(after) > tier_rank(before)
