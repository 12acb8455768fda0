"""What happens to staff, members, groups and tags, as the callbacks of 通讯录 and 客户联系 tell it.

Structures: developer.work.weixin.qq.com pages 90240 (staff), 92130 (members, groups, tags) and 97299 (获客助手).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from bot.wecom.letter import LONGEST_ID, Letter
from bot.wecom.parse_app import told
from bot.wecom.person import person
from sop.archive import ArchiveDecided
from sop.staff import StaffChanged, StaffRenamed, TransferFailed
from sop.update import (
    FriendAdded,
    FriendEdited,
    FriendLost,
    GroupChanged,
    GroupCreated,
    GroupDismissed,
    MembersJoined,
    MembersLeft,
    TagEdited,
    Unknown,
    Update,
)

Reader = Callable[[Letter], Update]


def by_change(readers: Mapping[str, Reader]) -> Reader:
    """The reader of an event whose meaning hangs on its kind of change."""

    def read(letter: Letter) -> Update:
        return readers.get(letter.must("ChangeType"), unknown)(letter)

    return read


def unknown(letter: Letter) -> Update:
    """Of tomorrow, or of no interest to anybody yet."""
    return Unknown(at=letter.at, id=letter.id, name=letter.name, facts=letter.facts)


# ---------------------------------------------------------------- staff


def _hired(letter: Letter) -> Update:
    return StaffChanged(at=letter.at, id=letter.id, staff=letter.staff, present=True)


def _gone(letter: Letter) -> Update:
    return StaffChanged(at=letter.at, id=letter.id, staff=letter.staff, present=False, left=True)


def _edited_staff(letter: Letter) -> Update:
    """Only another number changes anything for us."""
    number = person(letter.text("NewUserID"))
    if number and letter.must("NewUserID") and number != letter.staff:
        return StaffRenamed(at=letter.at, id=letter.id, staff=letter.staff, now=number)
    return told(letter)


# ---------------------------------------------------------------- members


def _friend_added(letter: Letter) -> Update:
    return FriendAdded(
        at=letter.at,
        id=letter.id,
        member=letter.must("ExternalUserID"),
        staff=letter.staff,
        source=letter.text("State")[:LONGEST_ID],
        welcome_code=letter.text("WelcomeCode"),
        half=letter.text("ChangeType") == "add_half_external_contact",
    )


def _friend_edited(letter: Letter) -> Update:
    return FriendEdited(at=letter.at, id=letter.id, member=letter.must("ExternalUserID"), staff=letter.staff)


def _deleted_by_staff(letter: Letter) -> Update:
    return FriendLost(
        at=letter.at,
        id=letter.id,
        member=letter.must("ExternalUserID"),
        staff=letter.staff,
        by="staff",
        transferred=letter.text("Source") == "DELETE_BY_TRANSFER",
    )


def _deleted_by_member(letter: Letter) -> Update:
    return FriendLost(
        at=letter.at, id=letter.id, member=letter.must("ExternalUserID"), staff=letter.staff, by="member"
    )


REFUSED: Mapping[str, Literal["refused", "limit"]] = {
    "customer_refused": "refused",
    "customer_limit_exceed": "limit",
}


def _not_handed_over(letter: Letter) -> Update:
    return TransferFailed(
        at=letter.at,
        id=letter.id,
        member=letter.must("ExternalUserID"),
        staff=letter.staff,
        reason=REFUSED.get(letter.text("FailReason"), "unknown"),
    )


def _archiving_agreed(letter: Letter) -> Update:
    """To the archive of the chat with this employee."""
    member = letter.must("ExternalUserID")
    return ArchiveDecided(at=letter.at, id=letter.id, member=member, scope=letter.staff, agreed=True)


# ---------------------------------------------------------------- groups and tags


def _created(letter: Letter) -> Update:
    return GroupCreated(at=letter.at, id=letter.id, group=letter.must("ChatId"))


def _dismissed(letter: Letter) -> Update:
    return GroupDismissed(at=letter.at, id=letter.id, group=letter.must("ChatId"))


def _group_changed(letter: Letter) -> Update:
    detail = letter.text("UpdateDetail")
    moved = {"add_member": (MembersJoined, "JoinScene"), "del_member": (MembersLeft, "QuitScene")}.get(detail)
    people = tuple(person(one) for one in letter.ids("MemChangeList", "Item"))
    if moved is None or not people:  # without the list, only asking the platform tells who
        return GroupChanged(at=letter.at, id=letter.id, group=letter.must("ChatId"), detail=detail)
    kind, scene = moved
    return kind(
        at=letter.at,
        id=letter.id,
        group=letter.must("ChatId"),
        members=people,
        scene=letter.number(scene),
        before=letter.text("LastMemVer"),
        after=letter.text("CurMemVer"),
    )


def _tag(letter: Letter) -> Update:
    return TagEdited(
        at=letter.at,
        id=letter.id,
        tag=letter.maybe("Id"),
        what="tag" if letter.text("TagType") == "tag" else "tag_group",
        change=letter.must("ChangeType"),
    )


STAFF = {
    "create_user": _hired,
    "update_user": _edited_staff,
    "delete_user": _gone,
    "create_party": told,
    "update_party": told,
    "delete_party": told,
    "update_tag": told,
}

MEMBERS = {
    "add_external_contact": _friend_added,
    "add_half_external_contact": _friend_added,
    "edit_external_contact": _friend_edited,
    "del_external_contact": _deleted_by_staff,
    "del_follow_user": _deleted_by_member,
    "transfer_fail": _not_handed_over,
    "msg_audit_approved": _archiving_agreed,
}

GROUPS = {"create": _created, "update": _group_changed, "dismiss": _dismissed}

TAGS = dict.fromkeys(("create", "update", "delete", "shuffle"), _tag)

ACQUISITION = dict.fromkeys(
    (
        "balance_low",
        "balance_exhausted",
        "balance_increased",
        "quota_expire_soon",
        "link_unavailable",
        "delete_link",
        "open_profile",
        "friend_request",
        "customer_start_chat",
        "message_from_customer",
    ),
    told,
)

EVENTS: dict[str, Reader] = {
    "change_contact": by_change(STAFF),
    "change_external_contact": by_change(MEMBERS),
    "change_external_chat": by_change(GROUPS),
    "change_external_tag": by_change(TAGS),
    "customer_acquisition": by_change(ACQUISITION),
}
