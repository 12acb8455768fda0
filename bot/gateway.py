"""The door to a platform, in our words. WeCom is one implementation (``bot/wecom/``); a new one starts here.

Every ``send`` ends in a :class:`~sop.receipt.Sent` or raises one of ``sop.errors``: ``Busy`` (not sent, later),
``Refused`` (never), ``Blocked`` (stop the channel, tell an operator), ``Unanswered`` (unknown: review).
Everything that asks may be asked again; nothing here retries a send by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sop.archive import ArchiveDecided
from sop.card import Card
from sop.kf import Care, KfMoved, KfSessionTold
from sop.message import Capabilities, Channel, Content
from sop.moment import MomentReported
from sop.receipt import Sent
from sop.update import GroupDescribed, MemberDescribed, TaskReported, Update


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One request to the platform: one content to one or many recipients of one channel.

    ``recipients`` are member ids, staff ids or group ids, as ``audience`` says; only GROUP_SEND and APP take many.
    ``sender`` is the staff member (group-send), the app's name (app), the account (kf) or the name of the webhook or 智能机器人.
    ``key`` makes a repeat recognisable where the platform can (kf msgid, duplicate check).
    """

    channel: Channel
    content: Content
    recipients: tuple[str, ...]
    audience: str = "member"  # member | staff | group
    sender: str = ""
    key: str = ""
    welcome_code: str = ""
    ticket: str = ""


@dataclass(frozen=True)
class Unread:
    """An item of a stream that makes no sense: kept as it came under ``door``, with the reason."""

    door: str
    body: bytes
    reason: str


@dataclass(frozen=True)
class KfPage:
    """One page of a 微信客服 account: typed updates, the cursor after it, and whether more waits."""

    updates: tuple[Update, ...]
    cursor: str
    more: bool
    unread: tuple[Unread, ...] = ()


@dataclass(frozen=True)
class ArchivePage:
    """Records of the archive in order; ``seq`` is where to go on.

    ``lacking`` says which versions of the private key were wanted and missing, and from which record on.
    """

    updates: tuple[Update, ...]
    seq: int
    more: bool
    unread: tuple[Unread, ...] = ()
    lacking: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """Who stands behind a web visit: a staff member, a member, or a stranger known by openid only."""

    staff: str = ""
    member: str = ""
    openid: str = ""


@dataclass(frozen=True)
class CorpTag:
    """A corporate tag as the platform lists it."""

    id: str
    name: str
    group: str


@dataclass(frozen=True)
class Chat:
    """An internal group our app made: who owns it, and the staff in it."""

    number: str
    name: str
    owner: str
    staff: tuple[str, ...]


class Gateway(Protocol):
    """Everything we ask of a platform."""

    def capabilities(self, channel: Channel) -> Capabilities: ...

    def silent(self, channel: Channel) -> Collection[str]:
        """The senders of a channel whose messages must wait, or leave through another process; all others' may be tried."""
        ...

    async def send(self, parcel: Parcel) -> Sent: ...

    async def find_task(self, parcel: Parcel, since: datetime) -> str | None:
        """The id of a group-send task equal to ``parcel`` created since then, for adopting after an unknown outcome."""
        ...

    async def task(self, task: str, sender: str, *, to_groups: bool) -> TaskReported: ...

    async def remind(self, task: str) -> None: ...

    async def cancel(self, task: str) -> None: ...

    async def moment(self, job: str, moment: str, sender: str) -> MomentReported:
        """What became of a moment; ``moment`` is its number, empty while only its job is known."""
        ...

    async def update_card(
        self, code: str, *, staff: tuple[str, ...], app: str = "", button: str = "", card: Card | None = None
    ) -> None:
        """Change a card somebody pressed: the words on its button, or all of it. A code works once within 72 hours."""
        ...

    async def unsay(self, number: str, *, app: str = "") -> None:
        """Take back an app message within 24 hours."""
        ...

    async def create_chat(
        self, name: str, *, owner: str, staff: tuple[str, ...], number: str, app: str = ""
    ) -> str:
        """Make an internal group with a number of our choosing."""
        ...

    async def change_chat(
        self,
        number: str,
        *,
        name: str = "",
        owner: str = "",
        add: tuple[str, ...] = (),
        remove: tuple[str, ...] = (),
        app: str = "",
    ) -> None: ...

    async def chat(self, number: str, *, app: str = "") -> Chat: ...

    async def file(self, number: str) -> bytes:
        """A file somebody sent our app; it can be had for three days."""
        ...

    async def staff(self) -> tuple[str, ...]:
        """Ids of the employees licensed for customer contact."""
        ...

    async def members_of(self, staff: str) -> tuple[str, ...]:
        """Ids of the members who are friends of one employee."""
        ...

    async def groups(self) -> tuple[str, ...]: ...

    async def member(self, member: str) -> MemberDescribed: ...

    async def group(self, group: str) -> GroupDescribed: ...

    async def tags(self) -> tuple[CorpTag, ...]: ...

    async def add_tag(self, name: str, *, group: str) -> CorpTag: ...

    async def mark(
        self, member: str, staff: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()
    ) -> None:
        """Set and unset corporate tags (by platform id) on one friendship."""
        ...

    async def hear_kf(self, account: str, *, cursor: str, token: str) -> KfPage: ...

    async def kf_accounts(self) -> tuple[str, ...]:
        """The 微信客服 accounts we may look after."""
        ...

    async def kf_members(self, members: Sequence[str]) -> tuple[MemberDescribed, ...]:
        """Names and unionids of those who wrote to an account; who has not is left out."""
        ...

    async def kf_session(self, account: str, member: str) -> KfSessionTold: ...

    async def move_kf(self, account: str, member: str, care: Care, *, staff: str = "") -> KfMoved:
        """Give a session to the queue, to an employee, or end it; ``Refused`` where there is no such way."""
        ...

    async def hear_archive(self, seq: int) -> ArchivePage: ...

    def opens_archive(self, version: int) -> bool:
        """Is the private key of this version there by now?"""
        ...

    async def agreed_in_group(self, group: str) -> tuple[ArchiveDecided, ...]:
        """Which members of a group agreed to being archived there."""
        ...

    async def agreed_alone(self, pairs: Collection[tuple[str, str]]) -> tuple[ArchiveDecided, ...]:
        """Which members agreed to their chats with an employee being archived; (member, employee)."""
        ...

    async def who(self, code: str) -> Identity:
        """Who came back from the login page with this one-use code."""
        ...
