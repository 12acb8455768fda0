"""Ways in 渠道活码: the QR codes people scan to add staff or to join a group, and what a scan tells us about them.

A way carries a ``state`` the platform brings back with whoever comes through it; so each source becomes a tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LONGEST_STATE = LONGEST_REMARK = 30
LONGEST_ROOM_NAME = 40
MOST_STAFF, MOST_GROUPS = 100, 5
LONGEST_TAG = 30


class WayKind(StrEnum):
    """What a scan leads to."""

    CONTACT = "contact"  # a friend request to staff
    JOIN = "join"  # into a group


class Scene(StrEnum):
    """Where the way is used: a QR code to print, or a button in a mini program."""

    QR = "qr"
    MINI_PROGRAM = "mini_program"


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way in. ``groups`` take people in turn; with ``opens_rooms`` a new group is opened when they are full."""

    state: str
    name: str
    kind: WayKind
    tags: tuple[str, ...] = ()
    scene: Scene = Scene.QR
    staff: tuple[str, ...] = ()
    needs_no_consent: bool = True  # of the staff side
    groups: tuple[str, ...] = ()
    opens_rooms: bool = True
    room_name: str = ""
    room_number: int = 1


def objections(way: Way) -> list[str]:
    """What is wrong with a way, in the operators' words; empty when the platform can take it."""
    return [words for wrong, words in _checks(way) if wrong]


def _checks(way: Way) -> list[tuple[bool, str]]:
    contact = way.kind is WayKind.CONTACT
    return [
        (not way.name.strip(), "请写一个名称，例如「一月海报」。"),
        (len(way.name) > LONGEST_REMARK, f"名称最多 {LONGEST_REMARK} 个字。"),
        (not way.state or len(way.state) > LONGEST_STATE, f"渠道标识要有 1 到 {LONGEST_STATE} 个字。"),
        (
            any(not tag.strip() or len(tag) > LONGEST_TAG for tag in way.tags),
            f"标签最多 {LONGEST_TAG} 个字。",
        ),
        (contact and not way.staff, "请至少选一位员工。"),
        (contact and len(way.staff) > MOST_STAFF, f"一个活码最多 {MOST_STAFF} 位员工。"),
        (not contact and not way.groups, "请至少选一个群。"),
        (not contact and len(way.groups) > MOST_GROUPS, f"一个入群活码最多 {MOST_GROUPS} 个群。"),
        (len(way.room_name) > LONGEST_ROOM_NAME, f"新群名最多 {LONGEST_ROOM_NAME} 个字。"),
        (way.room_number < 0, "新群的起始编号不能是负数。"),
    ]
