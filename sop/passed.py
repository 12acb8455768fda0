"""Which slots of a timetable have passed, so that a clock that jumps makes none of them happen twice and none never.

What passed are stretches: slots that followed each other. A clock put forward by a year begins a new stretch, and when it
is put back, the days between are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

MOST = 500  # stretches kept, the nearest: some hundreds of jumps
BETWEEN, WITHIN = " ", "/"


@dataclass(frozen=True)
class Passed:
    """Stretches of slots that have passed, first and last included, in their order and apart from each other."""

    stretches: tuple[tuple[datetime, datetime], ...] = ()

    def until(self, slot: datetime) -> datetime | None:
        """The last slot of the stretch this one lies in; None when it has not passed."""
        return next((last for first, last in self.stretches if first <= slot <= last), None)

    def before(self, now: datetime) -> datetime | None:
        """The newest slot that passed and is not later than ``now``."""
        return max((last for _, last in self.stretches if last <= now), default=None)

    def with_slot(self, slot: datetime, follows: Callable[[datetime, datetime], bool]) -> Passed:
        """Now this slot has passed too; ``follows`` says whether a slot comes right after another."""
        if self.until(slot) is not None:
            return self
        found: list[tuple[datetime, datetime]] = []
        for first, last in sorted((*self.stretches, (slot, slot))):
            if found and (first <= found[-1][1] or follows(found[-1][1], first)):
                found[-1] = found[-1][0], max(last, found[-1][1])
            else:
                found.append((first, last))
        return Passed(_newest(found, slot))

    def written(self) -> str:
        return BETWEEN.join(
            f"{first.isoformat()}{WITHIN}{last.isoformat()}" for first, last in self.stretches
        )


def read_passed(text: str) -> Passed:
    """What :meth:`Passed.written` wrote."""
    pairs = (part.split(WITHIN) for part in text.split(BETWEEN) if part)
    return Passed(
        tuple((datetime.fromisoformat(first), datetime.fromisoformat(last)) for first, last in pairs)
    )


def _newest(
    stretches: Iterable[tuple[datetime, datetime]], near: datetime
) -> tuple[tuple[datetime, datetime], ...]:
    """The stretches that are kept: those nearest to what happened last."""
    nearest = sorted(stretches, key=lambda one: abs(one[1] - near))[:MOST]
    return tuple(sorted(nearest))
