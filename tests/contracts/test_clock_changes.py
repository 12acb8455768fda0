"""A local day has one daily run, in every zone and across every change of its clocks."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from bot.scheduler import TIMETABLE, _next
from sop.journey import next_slot
from sop.template import On, Trigger
from tests.rules.test_time_oracle import ZONES, changes

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOMENTS = [
    time(0, 0),
    time(0, 30),
    time(1, 30),
    time(2, 30),
    time(3, 0),
    time(19, 30),
    time(23, 30),
    time(23, 59),
]
FEW = 12  # every so many zones; all of them behind the marker


def days_of(slots: list[datetime], zone: str) -> list[int]:
    return [slot.astimezone(ZoneInfo(zone)).date().toordinal() for slot in slots]


def daily_plans(zone: str, moment: time, change: datetime) -> list[datetime]:
    """When a template of every day begins, around a change of the clocks."""
    trigger, slots, after = Trigger(on=On.DATE_FIELD, field="birthday", time=moment), [], change - 4 * DAY
    while after < change + 4 * DAY:
        slot = next_slot(trigger, after, zone)
        assert slot is not None
        slots.append(slot)
        after = slot
    return slots


def daily_ticks(zone: str, change: datetime) -> list[datetime]:
    """When the scheduler does its daily housekeeping, around a change of the clocks."""
    trigger, slots = CronTrigger(timezone=ZoneInfo(zone), **TIMETABLE["day"]), []
    after = change - 4 * DAY
    while after < change + 4 * DAY:
        slot = _next(trigger, after)
        assert slot is not None
        slots.append(slot)
        after = slot + timedelta(seconds=1)
    return slots


def wrong(zone: str) -> list[str]:
    """Days without a run, and with more than one."""
    found = []
    for change in changes(zone):
        runs = {"tick": daily_ticks(zone, change)}
        runs |= {f"plan at {moment}": daily_plans(zone, moment, change) for moment in MOMENTS}
        for name, slots in runs.items():
            days = days_of(slots, zone)
            if days != list(range(days[0], days[0] + len(days))):
                found.append(f"{name} in {zone} around {change}: {[str(slot) for slot in slots]}")
    return found


def test_a_local_day_has_one_daily_run_when_clocks_change() -> None:
    assert [line for zone in ZONES[::FEW] for line in wrong(zone)] == []


@pytest.mark.full
def test_a_local_day_has_one_daily_run_in_every_zone_from_2024_to_2030() -> None:
    seen = [zone for zone in ZONES if changes(zone)]

    assert len(seen) > 150
    assert [line for zone in seen for line in wrong(zone)] == []


def test_days_counted_in_hours_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who adds 24 hours instead of a day has days with two runs, or none."""

    first = next_slot

    def shifted(trigger: Trigger, after: datetime, zone: str) -> datetime | None:
        slot = first(trigger, after, zone)
        return after + DAY if slot and slot - after > 20 * HOUR else slot

    monkeypatch.setitem(globals(), "next_slot", shifted)

    assert wrong("America/New_York")
