"""Marks: which tags the platform carries on one friendship, as far as we know, and what a fresh reading changes.

A reading may be older than what we did meanwhile, and the platform's details may trail its own changes. So a tag we have
just written or removed is not judged by a reading that could still be behind: it is asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

LAG = timedelta(seconds=10)  # how far behind a reading may be


@dataclass(frozen=True)
class Mark:
    """A tag on a friendship: whether it is, or shall be, there, and whether the platform has taken that."""

    present: bool
    settled: bool
    changed: datetime


@dataclass(frozen=True)
class Difference:
    """What staff changed in their client; ``doubtful`` tags need a younger reading."""

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def difference(known: Mapping[str, Mark], carried: Collection[str], read_at: datetime) -> Difference:
    """Compare what a reading shows (``carried``) with what we know of the same friendship.

    What the platform has not taken yet is neither gained nor lost, and no reading can tell.
    """
    found: dict[str, list[str]] = {"gained": [], "lost": [], "doubtful": []}
    for tag in dict.fromkeys([*carried, *known]):
        if fate := _fate(known.get(tag), tag in carried, read_at):
            found[fate].append(tag)
    return Difference(*(tuple(found[fate]) for fate in ("gained", "lost", "doubtful")))


def _fate(mark: Mark | None, carried: bool, read_at: datetime) -> str:
    present = mark is not None and mark.present
    if carried == present or (mark is not None and not mark.settled):
        return ""
    if mark is not None and read_at < mark.changed + LAG:
        return "doubtful"
    return "gained" if carried else "lost"
