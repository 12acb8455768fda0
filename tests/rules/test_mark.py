"""What a reading of a friendship's tags says, beside what we know of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sop.mark import LAG, Difference, Mark, difference

NOW = datetime(2026, 7, 2, 11, 0, tzinfo=UTC)
OURS, GONE = Mark(True, True, NOW), Mark(False, True, NOW)
GOING, COMING = Mark(False, False, NOW), Mark(True, False, NOW)
LATER = NOW + LAG


@pytest.mark.parametrize(
    ("known", "carried", "read_at", "told"),
    [
        ({}, (), LATER, Difference()),
        ({}, ("茶",), LATER, Difference(gained=("茶",))),
        ({"茶": OURS}, ("茶",), LATER, Difference()),
        ({"茶": OURS}, (), LATER, Difference(lost=("茶",))),
        ({"茶": OURS}, (), NOW, Difference(doubtful=("茶",))),
        ({"茶": GONE}, (), LATER, Difference()),
        ({"茶": GONE}, ("茶",), LATER, Difference(gained=("茶",))),
        ({"茶": GONE}, ("茶",), LATER - timedelta(milliseconds=1), Difference(doubtful=("茶",))),
    ],
)
def test_only_a_reading_younger_than_our_last_change_is_believed(
    known: dict[str, Mark], carried: tuple[str, ...], read_at: datetime, told: Difference
) -> None:
    assert difference(known, carried, read_at) == told


@pytest.mark.parametrize(("mark", "carried"), [(GOING, ("茶",)), (COMING, ())])
def test_what_we_are_still_writing_is_judged_by_nothing(mark: Mark, carried: tuple[str, ...]) -> None:
    assert difference({"茶": mark}, carried, NOW + timedelta(days=1)) == Difference()
