"""Corporate tags: groups of words that apps and people attach to a friendship."""

from __future__ import annotations

from typing import Any

from bot.simulator.calls import Answer, Api, Call, Refusal
from bot.simulator.member import relation
from bot.simulator.world import CorpTag, TagGroup, World

MOST_TAGS = 10_000
LONGEST = 30


def listing(call: Call) -> Answer:
    groups, tags = call.texts("group_id", most=1000), call.texts("tag_id", most=1000)
    if groups:
        chosen = [tag for tag in call.world.tags.values() if tag.group in groups]
    elif tags:
        chosen = [tag for tag in call.world.tags.values() if tag.id in tags]
    else:
        chosen = list(call.world.tags.values())
    return {
        "tag_group": [_group(call.world, group, chosen) for group in dict.fromkeys(t.group for t in chosen)]
    }


def add(call: Call) -> Answer:
    wanted = call.body.get("tag")
    if not isinstance(wanted, list) or not wanted:
        raise Refusal(40035, "tag")
    names = [str(item.get("name", "")) if isinstance(item, dict) else "" for item in wanted]
    if any(not name or len(name) > LONGEST for name in names):
        raise Refusal(40035, "tag.name")
    if len(call.world.tags) + len(names) > MOST_TAGS:
        raise Refusal(40035, "more than 10000 tags")
    group = _wanted_group(call)
    made = [create(call.world, name, group.name, by=call.holder.name) for name in dict.fromkeys(names)]
    return {"tag_group": _group(call.world, group.id, made)}


def edit(call: Call) -> Answer:
    tag = _own(call, call.text("id"))
    tag.name = call.text("name", default=tag.name)
    return {}


def delete(call: Call) -> Answer:
    gone = set(call.texts("tag_id", most=1000))
    groups = call.texts("group_id", most=1000)
    gone |= {tag.id for tag in call.world.tags.values() if tag.group in groups}
    for tag in [_own(call, name) for name in gone]:
        remove(call.world, tag.id)
    return {}


def mark(call: Call) -> Answer:
    bond = relation(call.world, call.text("userid"), call.text("external_userid"))
    add_tags, remove_tags = (call.texts("add_tag", most=1000), call.texts("remove_tag", most=1000))
    if not add_tags and not remove_tags:
        raise Refusal(40035, "add_tag and remove_tag")
    if any(tag not in call.world.tags for tag in [*add_tags, *remove_tags]):
        raise Refusal(40068)
    bond.tags.update(add_tags)
    bond.tags.difference_update(remove_tags)
    return {}


def create(world: World, name: str, group: str, *, by: str = "") -> CorpTag:
    """A tag of that name in the group of that name; both are reused when they exist."""
    home = next((one for one in world.tag_groups.values() if one.name == group), None)
    if home is None:
        home = TagGroup(world.id("etQXgroup"), group, world.now(), len(world.tag_groups))
        world.tag_groups[home.id] = home
    for tag in world.tags.values():
        if tag.group == home.id and tag.name == name:
            return tag
    tag = CorpTag(world.id("etQXtag"), name, home.id, world.now(), by=by)
    world.tags[tag.id] = tag
    return tag


def remove(world: World, tag: str) -> None:
    """Take a tag out of the world; its group goes with its last tag."""
    group = world.tags.pop(tag).group
    for bond in world.friendships.values():
        bond.tags.discard(tag)
    if not any(other.group == group for other in world.tags.values()):
        world.tag_groups.pop(group, None)


def _wanted_group(call: Call) -> TagGroup:
    world, group_id = call.world, call.text("group_id", default="")
    if group_id:
        if group_id not in world.tag_groups:
            raise Refusal(40068, "group_id")
        return world.tag_groups[group_id]
    name = call.text("group_name")
    if len(name) > LONGEST:
        raise Refusal(40035, "group_name")
    for group in world.tag_groups.values():
        if group.name == name:
            return group
    group = TagGroup(world.id("etQXgroup"), name, world.now(), len(world.tag_groups))
    world.tag_groups[group.id] = group
    return group


def _own(call: Call, tag: str) -> CorpTag:
    if tag not in call.world.tags:
        raise Refusal(40068)
    if call.world.tags[tag].by != call.holder.name:
        raise Refusal(81011)
    return call.world.tags[tag]


def _group(world: World, group: str, tags: list[CorpTag]) -> dict[str, Any]:
    home = world.tag_groups[group]
    return {
        "group_id": home.id,
        "group_name": home.name,
        "create_time": int(home.created.timestamp()),
        "order": home.order,
        "tag": [
            {"id": tag.id, "name": tag.name, "create_time": int(tag.created.timestamp()), "order": tag.order}
            for tag in tags
            if tag.group == group
        ],
    }


CALLS = {
    "externalcontact/get_corp_tag_list": Api("POST", listing),
    "externalcontact/add_corp_tag": Api("POST", add),
    "externalcontact/edit_corp_tag": Api("POST", edit),
    "externalcontact/del_corp_tag": Api("POST", delete),
    "externalcontact/mark_tag": Api("POST", mark),
}
