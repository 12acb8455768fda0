"""Members and their friendships with staff, as the API tells of them."""

from __future__ import annotations

from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal, paged
from bot.simulator.world import Friendship, World

CORP_TAG = 1


def staff_list(call: Call) -> Answer:
    return {"follow_user": list(call.world.staff)}


def friends_list(call: Call) -> Answer:
    staff = staff_named(call.world, call.text("userid"))
    friends = [bond.member for bond in call.world.friends_of(staff) if not bond.half]
    if not friends:
        raise Refusal(84061)
    return {"external_userid": friends}


def get(call: Call) -> Answer:
    member = call.text("external_userid")
    if member not in call.world.members:
        raise Refusal(40096)
    bonds = [bond for bond in call.world.followers(member) if not bond.half]
    if not bonds:
        raise Refusal(84061)
    follow = [{**_bond(bond), "tags": _tags(call.world, bond)} for bond in bonds]
    return {"external_contact": _contact(call.world, member), "follow_user": follow}


def get_by_staff(call: Call) -> Answer:
    wanted = call.texts("userid_list", most=100)
    if not wanted:
        raise Refusal(40035, "userid_list")
    staff = [staff_named(call.world, name) for name in wanted]
    unlicensed = [name for name in staff if not call.world.staff[name].licensed]
    if len(unlicensed) == len(staff):
        raise Refusal(701008)
    able = [name for name in staff if name not in unlicensed]
    bonds = [bond for name in able for bond in call.world.friends_of(name) if not bond.half]
    page, cursor = paged(bonds, call, default=50, most=100)
    contacts = [
        {
            "external_contact": _contact(call.world, bond.member),
            "follow_info": {**_bond(bond), "tag_id": sorted(bond.tags)},
        }
        for bond in page
    ]
    return {
        "external_contact_list": contacts,
        "next_cursor": cursor,
        "fail_info": {"unlicensed_userid_list": unlicensed},
    }


def remark(call: Call) -> Answer:
    bond = relation(call.world, call.text("userid"), call.text("external_userid"))
    changes = ("remark", "description", "remark_company", "remark_mobiles", "remark_pic_mediaid")
    if not any(name in call.body for name in changes):
        raise Refusal(40035, "nothing to change")
    bond.remark = call.text("remark", default=bond.remark)
    return {}


def staff_named(world: World, name: str) -> str:
    """The staff id meant by ``name``, whatever its case."""
    for staff in world.staff:
        if staff.lower() == name.lower():
            return staff
    raise Refusal(60111)


def relation(world: World, staff: str, member: str) -> Friendship:
    """The friendship an API call is about; half a friendship is none."""
    if member not in world.members:
        raise Refusal(40096)
    bond = world.friendships.get((staff_named(world, staff), member))
    if bond is None or bond.half:
        raise Refusal(84061)
    return bond


def _contact(world: World, member: str) -> Answer:
    person = world.members[member]
    return {
        "external_userid": person.id,
        "name": person.name,
        "avatar": "",
        "type": 1,
        "gender": person.gender,
        "unionid": person.unionid,
    }


def _bond(bond: Friendship) -> dict[str, Any]:
    return {
        "userid": bond.staff,
        "remark": bond.remark,
        "description": "",
        "createtime": int(bond.since.timestamp()),
        "remark_mobiles": [],
        "state": bond.state,
        "oper_userid": bond.member,
        "add_way": bond.add_way,
    }


def _tags(world: World, bond: Friendship) -> list[dict[str, Any]]:
    known = [world.tags[tag] for tag in sorted(bond.tags) if tag in world.tags]
    return [
        {
            "group_name": world.tag_groups[tag.group].name,
            "tag_name": tag.name,
            "tag_id": tag.id,
            "type": CORP_TAG,
        }
        for tag in known
    ]


CALLS = {
    "externalcontact/get_follow_user_list": Api("GET", staff_list),
    "externalcontact/list": Api("GET", friends_list),
    "externalcontact/get": Api("GET", get),
    "externalcontact/remark": Api("POST", remark),
    "externalcontact/batch/get_by_user": Api("POST", get_by_staff),
}
