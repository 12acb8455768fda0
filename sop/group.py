"""Groups 群: a chat of many members, as rules see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sop.audience import Facts, Measure


class GroupKind(StrEnum):
    """What sort of group it is; it decides which channels reach it."""

    CUSTOMER = "customer"  # 客户群: only group-send reaches it, its owner confirms
    INTERNAL = "internal"  # 内部群: a webhook posts into it
    IMPORTED = "imported"  # known from imported history only; nothing is sent there


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group; ``zone`` is empty when the community's zone holds, ``line`` is where its alarm starts."""

    id: str
    name: str = ""
    owner: str = ""
    kind: str = GroupKind.CUSTOMER
    zone: str = ""
    version: str = ""
    line: float | None = None
    created: datetime | None = None
    dismissed: datetime | None = None
    measured: Mapping[Measure, float] = field(default_factory=dict, hash=False)

    @property
    def called(self) -> str:
        """How we write about this group to operators."""
        return self.name or f"群 {self.id[-6:]}"

    @property
    def alive(self) -> bool:
        return self.dismissed is None

    def facts(self) -> Facts:
        """What an audience may ask of this group."""
        return Facts(groups=frozenset({self.name}), kinds=frozenset({str(self.kind)}), measured=self.measured)


SETTLES = timedelta(seconds=30)  # by then a list shows what happened, or callbacks were lost


def is_behind(version: str, read_at: datetime, heard: str, heard_at: datetime) -> bool:
    """Whether a list read from the platform may be older than what its callbacks have told.

    Its details trail its events by some two seconds, and versions have no order: a list of another version than the last
    one told of is older, or newer than we know yet, until things have settled.
    """
    return bool(version and heard) and version != heard and read_at - heard_at < SETTLES
