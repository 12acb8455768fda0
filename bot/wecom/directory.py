"""Who is who: staff, members, groups and corporate tags, as the platform tells when asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from bot.gateway import CorpTag
from bot.wecom.client import WeComClient, part
from bot.wecom.person import person
from sop.errors import NotFound, Refused
from sop.update import Friendship, GroupDescribed, MemberDescribed, Seat

STAFF = 1  # a group member's type
CORPORATE = 1  # a tag's type
LONGEST_NAME = 128
TOO_MANY, NO_FRIENDS, TAG_EXISTS = 81017, 84061, 40071
OWNERS_AT_ONCE = 100


@dataclass(eq=False)
class Directory:
    """Questions about people, groups and tags; all may be asked again."""

    client: WeComClient

    # ------------------------------------------------------------ people

    async def staff(self) -> tuple[str, ...]:
        answer = await self._get("get_follow_user_list")
        return tuple(person(str(one)) for one in answer.get("follow_user") or ())

    async def members_of(self, staff: str) -> tuple[str, ...]:
        try:
            answer = await self._get("list", userid=staff)
        except Refused as error:
            if error.code == NO_FRIENDS:
                return ()
            raise
        return tuple(str(one) for one in answer.get("external_userid") or ())

    async def member(self, member: str) -> MemberDescribed:
        friends: list[Friendship] = []
        answer = await self._get("get", external_userid=member)
        told, cursor = part(answer, "external_contact"), str(answer.get("next_cursor") or "")
        friends += map(_friendship, answer.get("follow_user") or ())
        while cursor:
            answer = await self._get("get", external_userid=member, cursor=cursor)
            friends += map(_friendship, answer.get("follow_user") or ())
            cursor = str(answer.get("next_cursor") or "")
        return MemberDescribed(
            at=self.client.clock.now(),
            member=str(told["external_userid"]),
            name=_name(told.get("name")),
            avatar=str(told.get("avatar") or ""),
            unionid=str(told.get("unionid") or ""),
            gender=int(told.get("gender") or 0),
            friends=tuple(friends),
        )

    # ------------------------------------------------------------ groups

    async def groups(self) -> tuple[str, ...]:
        try:
            return tuple([chat async for chat in self._chats({})])
        except Refused as error:
            if error.code != TOO_MANY:
                raise
        staff, found = await self.staff(), []
        for start in range(
            0, len(staff), OWNERS_AT_ONCE
        ):  # with many staff, only groups of named owners are told
            owners = {"owner_filter": {"userid_list": list(staff[start : start + OWNERS_AT_ONCE])}}
            found += [chat async for chat in self._chats(owners)]
        return tuple(dict.fromkeys(found))

    async def group(self, group: str) -> GroupDescribed:
        answer = await self._post("groupchat/get", {"chat_id": group, "need_name": 1})
        chat = part(answer, "group_chat")
        return GroupDescribed(
            at=self.client.clock.now(),
            group=str(chat["chat_id"]),
            name=_name(chat.get("name")),
            owner=person(str(chat.get("owner") or "")),
            notice=str(chat.get("notice") or ""),
            created=int(chat.get("create_time") or 0),
            version=str(chat.get("member_version") or ""),
            seats=tuple(_seat(seat) for seat in chat.get("member_list") or ()),
        )

    async def _chats(self, filter: dict[str, Any]) -> AsyncIterator[str]:
        body: dict[str, Any] = {"status_filter": 0, "limit": 1000, **filter}
        while True:
            answer = await self._post("groupchat/list", body)
            for chat in answer.get("group_chat_list") or ():
                yield str(chat["chat_id"])
            if not answer.get("next_cursor"):
                return
            body = {**body, "cursor": answer["next_cursor"]}

    # ------------------------------------------------------------ tags

    async def tags(self) -> tuple[CorpTag, ...]:
        answer = await self._post("get_corp_tag_list", {})
        return tuple(tag for group in answer.get("tag_group") or () for tag in _tags(group))

    async def add_tag(self, name: str, *, group: str) -> CorpTag:
        body = {"group_name": group, "tag": [{"name": name}]}
        answer = await self._post("add_corp_tag", body)
        made = (
            _tags(answer.get("tag_group") or {}) if answer.get("errcode") != TAG_EXISTS else await self.tags()
        )
        for tag in made:
            if (tag.name, tag.group) == (name, group):
                return tag
        raise NotFound("tag", name)

    async def mark(self, member: str, staff: str, *, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
        if not add and not remove:
            return
        body: dict[str, Any] = {"userid": staff, "external_userid": member}
        if add:
            body["add_tag"] = list(add)
        if remove:
            body["remove_tag"] = list(remove)
        await self._post("mark_tag", body)

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.get(f"externalcontact/{path}", contact, **query)

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/{path}", contact, body)


def _friendship(told: dict[str, Any]) -> Friendship:
    tags = [tag for tag in told.get("tags") or () if tag.get("type", CORPORATE) == CORPORATE]
    return Friendship(
        staff=person(str(told["userid"])),
        remark=str(told.get("remark") or ""),
        source=str(told.get("state") or ""),
        since=int(told.get("createtime") or 0),
        tags=tuple((str(tag["tag_id"]), str(tag["tag_name"])) for tag in tags if tag.get("tag_id")),
    )


def _name(told: object) -> str:
    """A name as people may read it: the platform promises no limit, we keep what fits a line."""
    return str(told or "")[:LONGEST_NAME]


def _seat(told: dict[str, Any]) -> Seat:
    is_staff = told.get("type") == STAFF
    id = str(told["userid"])
    return Seat(
        member=id.lower() if is_staff else id,
        name=_name(told.get("name") or told.get("group_nickname")),
        staff=is_staff,
        joined=int(told.get("join_time") or 0),
        scene=int(told.get("join_scene") or 0),
        invited_by=person(str((told.get("invitor") or {}).get("userid") or "")),
        source=str(told.get("state") or ""),
    )


def _tags(group: dict[str, Any]) -> list[CorpTag]:
    if group.get("deleted"):
        return []
    name = str(group.get("group_name") or "")
    return [
        CorpTag(str(tag["id"]), str(tag["name"]), name)
        for tag in group.get("tag") or ()
        if not tag.get("deleted")
    ]
