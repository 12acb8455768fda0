"""What a scan of a QR code leads to: a new friend of the next member of staff, or a seat in a group with room."""

from __future__ import annotations

from bot.simulator.acts import BY_QR, Acts
from bot.simulator.way import next_staff
from bot.simulator.world import Way


def scan(acts: Acts, member: str, number: str) -> str:
    """A person scans the code of a way; whom or what they came to: a staff id or a group id."""
    way = acts.world.ways[number]
    if not way.to_groups:
        staff = next_staff(acts.world, way)
        acts.add_friend(member, staff, state=way.state, half=not way.skip_verify)
        return staff
    group = _with_room(acts, way)
    acts.join(group, member, scene=BY_QR, state=way.state)
    return group


def _with_room(acts: Acts, way: Way) -> str:
    """The first group that is not full; when all are, a new one is opened where the way allows it."""
    groups = [acts.world.groups[group] for group in way.groups]
    most = acts.world.rules.room_seats
    free = [group for group in groups if not group.dismissed and len(group.seats) < most]
    if free:
        return free[0].id
    if not way.opens_rooms:
        raise ValueError("all groups of this way are full")
    name = f"{way.room_name or groups[-1].name}{way.room_number}"
    way.room_number += 1
    opened = acts.create_group(groups[-1].owner, name)
    way.groups = [*way.groups, opened][-5:]
    return opened
