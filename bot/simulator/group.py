"""Customer groups (客户群) as the API tells of them: two seconds behind, with a version chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal, paged
from bot.simulator.world import Group, Seat, World

STAFF, OUTSIDE = 1, 2
OWNERS_MOST = 100


def changed(world: World, group: Group) -> tuple[str, str]:
    """Move the group to its next version after a change; both versions, for the callback."""
    before, group.version = group.version, world.chance.token(3)
    now = world.now()
    shown = now - timedelta(seconds=world.rules.group_lag_s)
    while len(group.seen) > 1 and group.seen[1][0] <= shown:
        group.seen.pop(0)
    group.seen.append((now, replace(group, seats=dict(group.seats), seen=[])))
    return before, group.version


def listing(call: Call) -> Answer:
    if not call.body.get("owner_filter") and len(call.world.staff) > call.world.rules.unfiltered_staff:
        raise Refusal(81017)
    named = call.part("owner_filter").get("userid_list") or []
    if len(named) > OWNERS_MOST:
        raise Refusal(81017)
    owners = {name.lower() for name in named}
    groups = [
        {"chat_id": group.id, "status": 0}
        for group in call.world.groups.values()
        if not group.dismissed and (not owners or group.owner.lower() in owners)
    ]
    page, cursor = paged(groups, call, default=100, most=1000)
    return {"group_chat_list": page, "next_cursor": cursor}


def get(call: Call) -> Answer:
    group = call.world.groups.get(call.text("chat_id"))
    if group is None or group.dismissed:
        raise Refusal(40035, "chat_id")
    need_name = call.number("need_name", default=0, most=1) == 1
    return {"group_chat": _described(call.world, shown(call.world, group), need_name)}


def shown(world: World, group: Group) -> Group:
    """The state the detail API answers with: the newest that is old enough to have reached it."""
    visible = world.now() - timedelta(seconds=world.rules.group_lag_s)
    state = group.seen[0][1] if group.seen else group
    for since, later in group.seen:
        if since <= visible:
            state = later
    return state


def _described(world: World, group: Group, need_name: bool) -> dict[str, Any]:
    return {
        "chat_id": group.id,
        "name": group.name,
        "owner": group.owner,
        "create_time": int(group.created.timestamp()),
        "notice": group.notice,
        "member_list": [_seat(world, seat, need_name) for seat in group.seats.values()],
        "admin_list": [],
        "member_version": group.version,
    }


def _seat(world: World, seat: Seat, need_name: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "userid": seat.id,
        "type": STAFF if seat.staff else OUTSIDE,
        "join_time": int(seat.joined.timestamp()),
        "join_scene": seat.scene,
        "group_nickname": "",
    }
    if not seat.staff and seat.id in world.members:
        described["unionid"] = world.members[seat.id].unionid
    if seat.invited_by in world.staff:
        described["invitor"] = {"userid": seat.invited_by}
    if need_name:
        described["name"] = world.name_of(seat.id)
    if seat.state:
        described["state"] = seat.state
    return described


CALLS = {
    "externalcontact/groupchat/list": Api("POST", listing),
    "externalcontact/groupchat/get": Api("POST", get),
}
