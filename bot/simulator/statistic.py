"""Statistics of days that are over (developer.work.weixin.qq.com paths 92132 and 92133).

Per owner or per day, never per group; days of UTC+8, from yesterday back to 180 days, 30 at a time. Totals count up to the
end of the day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.member import staff_named
from bot.simulator.world import Group, World, group_talk

ZONE = timezone(timedelta(hours=8))
OLDEST, LONGEST = timedelta(days=180), 30
ORDERED_BY = {1: "new_chat_cnt", 2: "chat_total", 3: "new_member_cnt", 4: "member_total"}
MOST_OWNERS = 100


def by_owner(call: Call) -> Answer:
    first, last = _span(call, "day_begin_time", "day_end_time")
    owners = _owners(call)
    order = ORDERED_BY.get(call.number("order_by", default=1))
    if order is None:
        raise Refusal(40035, "order_by")
    numbers = {owner: _numbers(call.world, _groups(call.world, [owner]), first, last) for owner in owners}
    down = call.number("order_asc", default=0, most=1) == 0
    ranked = sorted(
        (owner for owner in owners if numbers[owner]["chat_total"]), key=lambda one: numbers[one][order]
    )
    rows = [{"owner": owner, "data": numbers[owner]} for owner in (reversed(ranked) if down else ranked)]
    start = call.number("offset", default=0)
    end = start + call.number("limit", default=500, least=1, most=1000)
    return {"total": len(rows), "next_offset": min(end, len(rows)), "items": rows[start:end]}


def by_day(call: Call) -> Answer:
    first, last = _span(call, "day_begin_time", "day_end_time")
    groups = _groups(call.world, _owners(call))
    return {
        "items": [
            {"stat_time": _midnight(day), "data": _numbers(call.world, groups, day, day)}
            for day in _days(first, last)
        ]
    }


def of_staff(call: Call) -> Answer:
    first, last = _span(call, "start_time", "end_time")
    staff = [staff_named(call.world, one) for one in call.texts("userid", most=MOST_OWNERS)]
    if not staff and not call.texts("partyid", most=MOST_OWNERS):
        raise Refusal(40035, "userid")
    return {"behavior_data": [_conversations(call.world, staff, day) for day in _days(first, last)]}


def _span(call: Call, start: str, end: str) -> tuple[date, date]:
    """The days asked for, which have to be over and not too long ago."""
    begin = call.number(start, default=-1, least=-1)
    first = datetime.fromtimestamp(begin, ZONE).date()
    last = datetime.fromtimestamp(call.number(end, default=begin), ZONE).date()
    today = call.now.astimezone(ZONE).date()
    if begin < 0 or last < first or last >= today or first < today - OLDEST:
        raise Refusal(40035, "days from yesterday back to 180 days")
    if (last - first).days >= LONGEST:
        raise Refusal(40035, "at most 30 days")
    return first, last


def _owners(call: Call) -> list[str]:
    owners = call.part("owner_filter").get("userid_list")
    if not isinstance(owners, list) or not owners:
        raise Refusal(40035, "owner_filter")
    if len(owners) > MOST_OWNERS:
        raise Refusal(81017)
    return [staff_named(call.world, str(one)) for one in owners]


def _groups(world: World, owners: Sequence[str]) -> list[Group]:
    return [group for group in world.groups.values() if not group.dismissed and group.owner in owners]


def _numbers(world: World, groups: Sequence[Group], first: date, last: date) -> dict[str, int]:
    start, end = _begin(first), _begin(last + timedelta(days=1))
    seats = [seat for group in groups for seat in group.seats.values() if seat.joined < end]
    lines = [
        (group.id, line) for group in groups for line in world.talks[group_talk(group.id)] if line.at < end
    ]
    return {
        "new_chat_cnt": sum(start <= group.created < end for group in groups),
        "chat_total": sum(group.created < end for group in groups),
        "chat_has_msg": len({group for group, _ in lines}),
        "new_member_cnt": sum(seat.joined >= start for seat in seats),
        "member_total": len(seats),
        "member_has_msg": len({(group, line.speaker) for group, line in lines}),
        "msg_total": len(lines),
        "migrate_trainee_chat_cnt": 0,
    }


def _conversations(world: World, staff: Sequence[str], day: date) -> dict[str, Any]:
    start, end = _begin(day), _begin(day + timedelta(days=1))
    talks = [
        [line for line in world.talks[name] if start <= line.at < end]
        for name in list(world.talks)
        if name.startswith("friend/") and name.split("/")[1] in staff
    ]
    fresh = sum(start <= bond.since < end for one in staff for bond in world.friends_of(one) if not bond.half)
    said = sum(line.speaker in staff for lines in talks for line in lines)
    return {
        "stat_time": _midnight(day),
        "new_apply_cnt": fresh,
        "new_contact_cnt": fresh,
        "chat_cnt": sum(bool(lines) for lines in talks),
        "message_cnt": said,
        "negative_feedback_cnt": 0,
    }


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), ZONE)


def _midnight(day: date) -> int:
    return int(_begin(day).timestamp())


CALLS = {
    "externalcontact/groupchat/statistic": Api("POST", by_owner),
    "externalcontact/groupchat/statistic_group_by_day": Api("POST", by_day),
    "externalcontact/get_user_behavior_data": Api("POST", of_staff),
}
