"""What a platform keeps beside messages, in our words: its directory, ways in, greetings, statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from bot.gateway import Gateway
from sop.greeting import Greeting
from sop.statistic import Statistic
from sop.update import MemberDescribed
from sop.way import Way, WayKind


@dataclass(frozen=True)
class FriendPage:
    """One page of staff's friends, each with the one friendship it tells of; the cursor is empty at the end."""

    told: tuple[MemberDescribed, ...]
    cursor: str
    unlicensed: tuple[str, ...]  # staff whose friends cannot be told


@dataclass(frozen=True)
class GroupPage:
    """One page of group ids; ``too_many`` when the platform wants owners named."""

    groups: tuple[str, ...]
    cursor: str
    too_many: bool = False


@dataclass(frozen=True)
class MadeWay:
    """A way in as the platform keeps it: its number, and the address of its QR code."""

    number: str
    image: str


class Registry(Gateway, Protocol):
    """A gateway that can be asked about all of this. A place lost in a list is ``NotFound``."""

    async def friend_page(self, staff: Sequence[str], cursor: str) -> FriendPage:
        """One page of the friends of up to a hundred employees."""
        ...

    async def group_page(self, owners: Sequence[str], cursor: str) -> GroupPage:
        """One page of the groups of up to a hundred owners, or of everybody when none is named."""
        ...

    async def remark(self, member: str, staff: str, text: str) -> None:
        """Let one employee see the member under this name."""
        ...

    async def make_way(self, way: Way) -> MadeWay: ...

    async def find_way(self, way: Way, since: datetime) -> MadeWay | None:
        """The way with this state made since then, for adopting after an unknown outcome; None where none is listed."""
        ...

    async def change_way(self, number: str, way: Way) -> None: ...

    async def drop_way(self, number: str, kind: WayKind) -> None: ...

    async def add_greeting(self, greeting: Greeting) -> str:
        """Put a greeting into the library; returns its number. A person must put it into each group."""
        ...

    async def edit_greeting(self, number: str, greeting: Greeting) -> None: ...

    async def drop_greeting(self, number: str) -> None: ...

    async def owner_statistics(self, day: date, owners: Sequence[str]) -> tuple[Statistic, ...]: ...

    async def day_statistics(
        self, first: date, last: date, owners: Sequence[str]
    ) -> tuple[Statistic, ...]: ...

    async def staff_statistics(self, day: date, staff: str) -> tuple[Statistic, ...]: ...
