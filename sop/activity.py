"""Activity 行为: a logged fact, and how much of it counts as taking part.

Talk and deliberate answers count; what happened to somebody, or what staff and robots said, is only remembered.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

KINDS: dict[str, str] = {
    "spoke": "发言",
    "staff_spoke": "员工发言",
    "bot_spoke": "机器人发言",
    "broadcast": "多群转发",
    "recalled": "撤回的话",
    "asked": "找客服",
    "visited": "打开链接",
    "answered": "作答",
    "checked_in": "打卡",
    "wanted": "想领券",
    "redeemed": "用券",
    "paid": "下单",
    "entered": "进入客服会话",
    "attended": "人工接待",
    "joined": "进群",
    "left": "退群",
    "befriended": "加为好友",
    "unfriended": "解除好友",
    "consented": "同意接收",
    "withdrew": "退订",
    "received": "收到消息",
    "tagged": "标签变化",
    "promoted": "分层变化",
    "founded": "建群",
    "edited": "群信息变化",
    "dismissed": "群解散",
    "clicked": "点击卡片",
    "judged": "评价机器人",
    "opened": "打开应用",
    "liked": "朋友圈点赞",
    "commented": "朋友圈评论",
    "stayed": "未能转接",
    "told": "平台通知",
    "unknown": "其他事件",
}
TALK = "spoke"  # a member's words in a group: they make turns and answer each other
BROADCAST = "broadcast"
RECALLED = "recalled"
ANSWERS = frozenset({"answered", "checked_in", "wanted", "redeemed"})  # what a task of ours asks for
PARTICIPATION = ANSWERS | {TALK, "asked", "visited", "paid"}
OURS = frozenset(
    {"tagged", "promoted", "received"}
)  # our own doing: that we did it does not show that we could hear
LEVELS: dict[str, str] = {
    "archive": "会话存档",
    "bot": "对机器人说",
    "page": "页面",
    "official": "官方事件",
    "import": "导入",
}
NO_GROUP = ""  # what somebody does outside every group is kept under this name

ANSWER_WITHIN = timedelta(minutes=30)  # after a turn: who speaks next has answered, roughly
BROADCAST_GROUPS = 5
BROADCAST_WITHIN = timedelta(hours=24)
KEPT_HASHES = 64  # of a member's day; a full set no longer says how many texts were different
LONGEST_KEY = 96
HASH_LENGTH = 16


@dataclass(frozen=True, kw_only=True)
class Activity:
    """Something somebody did, or that happened to them; ``key`` makes it one fact however often it is told."""

    key: str
    kind: str
    at: datetime
    member: str = ""
    group: str = NO_GROUP
    level: str = "official"
    ref: str = ""
    text_hash: str = ""
    text_len: int = 0

    @property
    def is_talk(self) -> bool:
        return self.kind == TALK and bool(self.group)

    @property
    def counts(self) -> bool:
        """Does it make the member active on that day?"""
        return self.kind in PARTICIPATION and bool(self.member)

    @property
    def weight(self) -> int:
        """What it adds to a day: one contribution, or nothing."""
        return int(self.counts)


class Spoken(Protocol):
    """Anything that tells who said what, where and when."""

    @property
    def group(self) -> str: ...
    @property
    def member(self) -> str: ...
    @property
    def at(self) -> datetime: ...
    @property
    def text(self) -> str: ...
    @property
    def from_staff(self) -> bool: ...


def talk(said: Spoken, number: int | str, *, level: str = "archive") -> Activity:
    """One message of a group's past; ``number`` tells it from the others of the same past."""
    return Activity(
        key=short_key(f"talk:{said.group}:{number}"),
        kind="staff_spoke" if said.from_staff else TALK,
        at=said.at,
        member=said.member,
        group=said.group,
        level=level,
        text_hash=hash_of(said.text),
        text_len=len(said.text),
    )


def normalised(text: str) -> str:
    """A text as repeats are told by: width, case and blanks do not matter."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def hash_of(text: str) -> str:
    """Equal for texts that say the same to the letter; empty for no text, which equals nothing."""
    plain = normalised(text)
    if not plain:
        return ""
    return hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=HASH_LENGTH // 2).hexdigest()


def short_key(key: str) -> str:
    """The key itself where it fits, else a digest of it."""
    if len(key) <= LONGEST_KEY:
        return key
    return key[:40] + ":" + hashlib.blake2b(key.encode(), digest_size=20).hexdigest()


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local_day(at: datetime, zone: str) -> date:
    """The day an instant falls on, where the group lives."""
    return at.astimezone(_zone(zone)).date()


def day_start(day: date, zone: str) -> datetime:
    """The first instant of a local day."""
    return datetime(day.year, day.month, day.day, tzinfo=_zone(zone))


# ---------------------------------------------------------------- what a day adds up to

UNANSWERED, ANSWERED, ANSWERED_LATE = 0, 1, 2  # late: only by somebody who spoke past midnight


@dataclass(slots=True)
class MemberDay:
    """What one member did in one group on one local day; the score is made of nothing else."""

    member: str
    day: date
    n: int = 0
    turns: int = 0
    answered: int = UNANSWERED
    untold: int = 0  # what came without a text: a picture, an answer, a check-in
    hashes: set[str] = field(default_factory=set)

    @property
    def different(self) -> int:
        """How many different texts, counted up to :data:`KEPT_HASHES`."""
        return min(KEPT_HASHES, len(self.hashes) + self.untold)

    def add(self, text_hash: str) -> None:
        self.n += 1
        if not text_hash:
            self.untold += 1
        elif len(self.hashes) < KEPT_HASHES:
            self.hashes.add(text_hash)

    def hear_answer(self, same_day: bool) -> None:
        """Somebody else spoke soon after this member's turn."""
        self.answered = later_answer(self.answered, same_day)


def later_answer(answered: int, same_day: bool) -> int:
    """What is known of a day's answers after one more; an answer of the same day outweighs one past midnight."""
    return ANSWERED if same_day else (answered or ANSWERED_LATE)


def roll_up(facts: Iterable[Activity], zone: str) -> list[MemberDay]:
    """One group's days from its log, whatever the order in which it was written."""
    days: dict[tuple[date, str], MemberDay] = {}
    last: tuple[MemberDay, datetime] | None = None
    for fact in sorted((fact for fact in facts if fact.counts), key=lambda fact: (fact.at, fact.key)):
        day = local_day(fact.at, zone)
        row = days.setdefault((day, fact.member), MemberDay(fact.member, day))
        row.add(fact.text_hash if fact.is_talk else "")
        if not fact.is_talk:
            row.turns += 1
            continue
        if last is None or last[0] is not row:
            row.turns += 1
        if last is not None and last[0].member != fact.member and fact.at - last[1] <= ANSWER_WITHIN:
            last[0].hear_answer(same_day=last[0].day == day)
        last = (row, fact.at)
    return list(days.values())
