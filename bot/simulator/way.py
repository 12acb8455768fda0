"""Ways in: QR codes that lead to staff or into groups (developer.work.weixin.qq.com paths 92228 and 92229).

Who comes through one carries its state: a new friend in the callback, a new seat in the group's details.
"""

from __future__ import annotations

from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal, paged
from bot.simulator.member import staff_named
from bot.simulator.world import Way, World

SINGLE, MULTIPLE = 1, 2
MINI_PROGRAM, QR = 1, 2
LONGEST = 30
LONGEST_ROOM_NAME = 40
MOST_STAFF, MOST_GROUPS, MOST_LISTED = 100, 5, 1000


def add_contact(call: Call) -> Answer:
    _quota(call)
    sort, scene = _one_of(call, "type", (SINGLE, MULTIPLE)), _one_of(call, "scene", (MINI_PROGRAM, QR))
    way = Way(call.world.id("cwQX"), False, scene, call.now, sort=sort)
    _change_contact(call, way)
    call.world.ways[way.id] = way
    return {"config_id": way.id, **({"qr_code": _picture(way)} if scene == QR else {})}


def get_contact(call: Call) -> Answer:
    way = _known(call, to_groups=False)
    return {
        "contact_way": {**_told(way), "type": way.sort, "skip_verify": way.skip_verify, "user": way.staff}
    }


def update_contact(call: Call) -> Answer:
    _change_contact(call, _known(call, to_groups=False))
    return {}


def list_contact(call: Call) -> Answer:
    start = call.number("start_time", default=0)
    end = call.number("end_time", default=2**62)
    made = [
        {"config_id": way.id}
        for way in call.world.ways.values()
        if not way.to_groups and start <= way.made.timestamp() <= end
    ]
    page, cursor = paged(made, call, default=100, most=MOST_LISTED)
    return {"contact_way": page, "next_cursor": cursor}


def delete(call: Call) -> Answer:
    call.world.ways.pop(_known(call).id)
    return {}


def add_join(call: Call) -> Answer:
    _quota(call)
    way = Way(call.world.id("jwQX"), True, QR, call.now)
    _change_join(call, way)
    call.world.ways[way.id] = way
    return {"config_id": way.id}


def get_join(call: Call) -> Answer:
    way = _known(call, to_groups=True)
    room = {"room_base_name": way.room_name, "room_base_id": way.room_number} if way.room_name else {}
    told = {**_told(way), "auto_create_room": int(way.opens_rooms), **room, "chat_id_list": way.groups}
    return {"join_way": told}


def update_join(call: Call) -> Answer:
    _change_join(call, _known(call, to_groups=True))
    return {}


def _change_contact(call: Call, way: Way) -> None:
    staff = call.texts("user", most=10_000) if "user" in call.body else way.staff
    if len(staff) > MOST_STAFF:
        raise Refusal(41041)
    if way.sort == SINGLE and len(staff) != 1:
        raise Refusal(40035, "type 1 wants exactly one user")
    if not staff and not call.body.get("party"):
        raise Refusal(40035, "user")
    way.staff = [staff_named(call.world, one) for one in staff]
    way.state, way.remark = _short(call, "state", way.state), _short(call, "remark", way.remark)
    way.skip_verify = _yes(call, "skip_verify", way.skip_verify)


def _change_join(call: Call, way: Way) -> None:
    groups = call.texts("chat_id_list", most=10_000)
    if not groups or len(groups) > MOST_GROUPS or any(group not in call.world.groups for group in groups):
        raise Refusal(40035, "chat_id_list")
    way.groups, way.scene = groups, _one_of(call, "scene", (MINI_PROGRAM, QR))
    way.state, way.remark = _short(call, "state", ""), _short(call, "remark", "")
    way.opens_rooms = call.number("auto_create_room", default=1, most=1) == 1
    way.room_name = call.text("room_base_name", default="")
    way.room_number = call.number("room_base_id", default=1)
    if len(way.room_name) > LONGEST_ROOM_NAME:
        raise Refusal(40035, "room_base_name")


def _told(way: Way) -> dict[str, Any]:
    shown = {"config_id": way.id, "scene": way.scene, "remark": way.remark, "state": way.state}
    return {**shown, "qr_code": _picture(way)}


def _picture(way: Way) -> str:
    return f"https://wework.qpic.example/{way.id}/0"


def _known(call: Call, *, to_groups: bool | None = None) -> Way:
    way = call.world.ways.get(call.text("config_id"))
    if way is None or (to_groups is not None and way.to_groups != to_groups):
        raise Refusal(40035, "config_id")
    return way


def _quota(call: Call) -> None:
    if len(call.world.ways) >= call.limits.allowance.ways:
        raise Refusal(41045)


def _short(call: Call, key: str, otherwise: str) -> str:
    text = call.text(key, default=otherwise) if key in call.body else otherwise
    if len(text) > LONGEST:
        raise Refusal(40035, key)
    return text


def _one_of(call: Call, key: str, values: tuple[int, ...]) -> int:
    found = call.number(key, default=-1, least=-1)
    if found not in values:
        raise Refusal(40035, key)
    return found


def _yes(call: Call, key: str, otherwise: bool) -> bool:
    value = call.body.get(key, otherwise)
    if not isinstance(value, bool):
        raise Refusal(40035, key)
    return value


def next_staff(world: World, way: Way) -> str:
    """Whom the next scan leads to: staff take turns."""
    way.scans += 1
    return way.staff[(way.scans - 1) % len(way.staff)]


CALLS = {
    "externalcontact/add_contact_way": Api("POST", add_contact),
    "externalcontact/get_contact_way": Api("POST", get_contact),
    "externalcontact/update_contact_way": Api("POST", update_contact),
    "externalcontact/list_contact_way": Api("POST", list_contact),
    "externalcontact/del_contact_way": Api("POST", delete),
    "externalcontact/groupchat/add_join_way": Api("POST", add_join),
    "externalcontact/groupchat/get_join_way": Api("POST", get_join),
    "externalcontact/groupchat/update_join_way": Api("POST", update_join),
    "externalcontact/groupchat/del_join_way": Api("POST", delete),
}
