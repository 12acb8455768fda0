"""Who is who: staff, members, groups and corporate tags, as the platform tells when asked.

An answer that is not what the platform documents is not believed: it raises ``Unanswered`` and is asked for again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.gateway import CorpTag
from bot.registry import FriendPage, GroupPage
from bot.wecom.client import WeComClient, part
from bot.wecom.paging import ENDLESS, next_cursor, pages, rows, word
from bot.wecom.person import person
from sop.errors import Blocked, NotFound, Refused, SendError, Unanswered
from sop.update import Friendship, GroupDescribed, MemberDescribed, Seat

STAFF = 1  # a group member's type
CORPORATE = 1  # a tag's type
LONGEST_NAME, LONGEST_REMARK = 128, 64
LONGEST_TAG = 30
TOO_MANY, NO_FRIENDS, TAG_EXISTS, NO_TAG = 81017, 84061, 40071, 40068
UNLICENSED, BAD_CURSOR = 701008, 50100
OUT_OF_SIGHT = frozenset({50002, 60011, 60021})  # it may be there, but not for our app
STAFF_AT_ONCE, FRIENDS_AT_ONCE, GROUPS_AT_ONCE = 100, 100, 1000


@dataclass(eq=False)
class Directory:
    """Questions about people, groups and tags; all may be asked again."""

    client: WeComClient

    # ------------------------------------------------------------ people

    async def staff(self) -> tuple[str, ...]:
        answer = await self._get("get_follow_user_list")
        return tuple(person(one) for one in _texts(answer, "follow_user"))

    async def members_of(self, staff: str) -> tuple[str, ...]:
        try:
            answer = await self._get("list", userid=staff)
        except Refused as error:
            if error.code == NO_FRIENDS:
                return ()
            raise
        return _texts(answer, "external_userid")

    async def friend_page(self, staff: Sequence[str], cursor: str) -> FriendPage:
        """One page of the friends of up to a hundred employees, each with one friendship."""
        at = self.client.clock.now()
        body: dict[str, Any] = {"userid_list": list(staff), "limit": FRIENDS_AT_ONCE}
        try:
            answer = await self._post("batch/get_by_user", {**body, **({"cursor": cursor} if cursor else {})})
        except (Refused, Blocked) as error:
            if error.code in (NO_FRIENDS, UNLICENSED):
                return FriendPage((), "", tuple(staff) if error.code == UNLICENSED else ())
            raise _placeless(error, cursor) from error
        told = tuple(_friend(row, at) for row in rows(answer, "external_contact_list"))
        failed = answer.get("fail_info")
        unlicensed = _texts(failed, "unlicensed_userid_list") if isinstance(failed, dict) else ()
        return FriendPage(told, next_cursor(answer), tuple(person(one) for one in unlicensed))

    async def member(self, member: str) -> MemberDescribed:
        """Everything about a member; one whom nobody has as a friend any more has no friendships."""
        at = self.client.clock.now()
        friends: list[Friendship] = []
        told: dict[str, Any] = {}

        async def ask(cursor: str) -> dict[str, Any]:
            return await self._get("get", external_userid=member, **({"cursor": cursor} if cursor else {}))

        try:
            async for answer in pages(ask):
                told = told or part(answer, "external_contact")
                friends += [_friendship(row) for row in rows(answer, "follow_user")]
        except Refused as error:
            if error.code == NO_FRIENDS:
                return MemberDescribed(at=at, member=member)
            raise
        return _described(told, tuple(friends), at, whole=True)

    async def remark(self, member: str, staff: str, text: str) -> None:
        """Let one employee see the member under this name."""
        await self._post("remark", {"userid": staff, "external_userid": member, "remark": text})

    # ------------------------------------------------------------ groups

    async def groups(self) -> tuple[str, ...]:
        """Every group there is; with many staff, only groups of named owners are told."""
        page = await self.group_page((), "")
        if not page.too_many:
            return tuple([group async for group in self._chats((), page)])
        staff, found = await self.staff(), []
        for start in range(0, len(staff), STAFF_AT_ONCE):
            owners = staff[start : start + STAFF_AT_ONCE]
            found += [group async for group in self._chats(owners, await self.group_page(owners, ""))]
        return tuple(dict.fromkeys(found))

    async def _chats(self, owners: Sequence[str], page: GroupPage) -> AsyncIterator[str]:
        used = {""}
        while True:
            for group in page.groups:
                yield group
            if not page.cursor:
                return
            if page.cursor in used:
                raise Unanswered(ENDLESS)
            used.add(page.cursor)
            page = await self.group_page(owners, page.cursor)

    async def group_page(self, owners: Sequence[str], cursor: str) -> GroupPage:
        """One page of group ids, of these owners (at most a hundred) or of all; ``too_many`` wants owners named."""
        body: dict[str, Any] = {"status_filter": 0, "limit": GROUPS_AT_ONCE}
        if owners:
            body["owner_filter"] = {"userid_list": list(owners)}
        if cursor:
            body["cursor"] = cursor
        try:
            answer = await self._post("groupchat/list", body)
        except Refused as error:
            if error.code == TOO_MANY and not owners:
                return GroupPage((), "", too_many=True)
            raise _placeless(error, cursor) from error
        found = tuple(word(row, "chat_id") for row in rows(answer, "group_chat_list"))
        return GroupPage(found, next_cursor(answer))

    async def group(self, group: str) -> GroupDescribed:
        """Everything about a group; ``NotFound`` when the platform knows no such group."""
        try:
            answer = await self._post("groupchat/get", {"chat_id": group, "need_name": 1})
        except Refused as error:
            if error.code in OUT_OF_SIGHT:
                raise
            raise NotFound("group", group) from error
        chat = part(answer, "group_chat")
        return GroupDescribed(
            at=self.client.clock.now(),
            group=word(chat, "chat_id"),
            name=_name(chat.get("name")),
            owner=person(str(chat.get("owner") or "")),
            notice=str(chat.get("notice") or ""),
            created=_seconds(chat.get("create_time")),
            version=str(chat.get("member_version") or ""),
            seats=tuple(_seat(seat) for seat in rows(chat, "member_list")),
        )

    # ------------------------------------------------------------ tags

    async def tags(self) -> tuple[CorpTag, ...]:
        answer = await self._post("get_corp_tag_list", {})
        return tuple(tag for group in rows(answer, "tag_group") for tag in _tags(group))

    async def add_tag(self, name: str, *, group: str) -> CorpTag:
        """Make a corporate tag, or find the one there is; the platform's names are at most thirty signs long."""
        name = name[:LONGEST_TAG]
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
        """Set and unset corporate tags on one friendship; ``NotFound`` when one of them is gone from the platform."""
        if not add and not remove:
            return
        body: dict[str, Any] = {"userid": staff, "external_userid": member}
        if add:
            body["add_tag"] = list(add)
        if remove:
            body["remove_tag"] = list(remove)
        try:
            await self._post("mark_tag", body)
        except Refused as error:
            if error.code != NO_TAG:
                raise
            raise NotFound("tag", ",".join((*add, *remove))) from error

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.get(f"externalcontact/{path}", contact, **query)

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        contact = self.client.credentials.contact()
        return await self.client.post(f"externalcontact/{path}", contact, body)


def _placeless(error: SendError, cursor: str) -> Exception:
    """A place in a list that the platform does not know any more is not found; every other refusal is what it is."""
    return NotFound("page", cursor) if error.code == BAD_CURSOR and cursor else error


def _described(
    told: dict[str, Any], friends: tuple[Friendship, ...], at: datetime, *, whole: bool
) -> MemberDescribed:
    return MemberDescribed(
        at=at,
        member=word(told, "external_userid"),
        name=_name(told.get("name")),
        avatar=str(told.get("avatar") or ""),
        unionid=str(told.get("unionid") or ""),
        gender=_seconds(told.get("gender")),
        friends=friends,
        whole=whole,
    )


def _friend(row: dict[str, Any], at: datetime) -> MemberDescribed:
    """A row of the page by staff: tags come as numbers only."""
    bond = part(row, "follow_info")
    friendship = _friendship(bond, tuple((number, "") for number in _texts(bond, "tag_id")))
    return _described(part(row, "external_contact"), (friendship,), at, whole=False)


def _friendship(told: dict[str, Any], tags: tuple[tuple[str, str], ...] | None = None) -> Friendship:
    if tags is None:
        corporate = [tag for tag in rows(told, "tags") if tag.get("type", CORPORATE) == CORPORATE]
        tags = tuple(
            (str(tag["tag_id"]), str(tag.get("tag_name") or "")) for tag in corporate if tag.get("tag_id")
        )
    return Friendship(
        staff=person(word(told, "userid")),
        remark=str(told.get("remark") or "")[:LONGEST_REMARK],
        source=str(told.get("state") or ""),
        since=_seconds(told.get("createtime")),
        tags=tags,
    )


def _name(told: object) -> str:
    """A name as people may read it: the platform promises no limit, we keep what fits a line."""
    return str(told or "")[:LONGEST_NAME]


def _seconds(told: object) -> int:
    """A whole number the platform gives, nought when it gives none."""
    if told is None or told == "":
        return 0
    if isinstance(told, str) and told.isdecimal():
        return int(told)
    if not isinstance(told, int) or isinstance(told, bool) or not 0 <= told < 2**40:
        raise Unanswered("企业微信的答复里有不可读的数字")
    return told


def _texts(answer: dict[str, Any], name: str) -> tuple[str, ...]:
    found = answer.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise Unanswered(f"企业微信的答复里 {name} 不可读")
    return tuple(found)


def _seat(told: dict[str, Any]) -> Seat:
    is_staff = told.get("type") == STAFF
    id = word(told, "userid")
    invitor = told.get("invitor")
    return Seat(
        member=id.lower() if is_staff else id,
        name=_name(told.get("name") or told.get("group_nickname")),
        staff=is_staff,
        joined=_seconds(told.get("join_time")),
        scene=_seconds(told.get("join_scene")),
        invited_by=person(str(invitor.get("userid") or "")) if isinstance(invitor, dict) else "",
        source=str(told.get("state") or ""),
    )


def _tags(group: dict[str, Any]) -> list[CorpTag]:
    if group.get("deleted"):
        return []
    name = str(group.get("group_name") or "")
    return [
        CorpTag(word(tag, "id"), word(tag, "name"), name)
        for tag in rows(group, "tag")
        if not tag.get("deleted")
    ]
