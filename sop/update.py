"""Updates 动态: everything that can happen, as frozen values.

An update is what the edge makes of a callback, what a page makes of a click and what the
clock brings. Past the edge nobody has seen XML, JSON or HTTP. ``at`` is when it happened (aware);
``id`` is the identity given at the door, so that one fact is one fact however often it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Literal


class Kind(StrEnum):
    """The kinds a router can be asked for, one per class below."""

    MESSAGE = "message"
    FRIEND_ADDED = "friend_added"
    FRIEND_EDITED = "friend_edited"
    FRIEND_LOST = "friend_lost"
    GROUP_CREATED = "group_created"
    GROUP_CHANGED = "group_changed"
    GROUP_DISMISSED = "group_dismissed"
    MEMBERS_JOINED = "members_joined"
    MEMBERS_LEFT = "members_left"
    GROUP_DESCRIBED = "group_described"
    MEMBER_DESCRIBED = "member_described"
    TASK_REPORTED = "task_reported"
    MOMENT_REPORTED = "moment_reported"
    TAG_EDITED = "tag_edited"
    CARD_CLICKED = "card_clicked"
    FEEDBACK_GIVEN = "feedback_given"
    APP_OPENED = "app_opened"
    STAFF_CHANGED = "staff_changed"
    STAFF_RENAMED = "staff_renamed"
    TRANSFER_FAILED = "transfer_failed"
    MESSAGE_RECALLED = "message_recalled"
    KF_RANG = "kf_rang"
    KF_ACCOUNTS_CHANGED = "kf_accounts_changed"
    KF_ENTERED = "kf_entered"
    KF_FAILED = "kf_failed"
    KF_STAFF_SPOKE = "kf_staff_spoke"
    KF_SERVICER_CHANGED = "kf_servicer_changed"
    KF_SESSION_CHANGED = "kf_session_changed"
    KF_SESSION_TOLD = "kf_session_told"
    KF_MOVED = "kf_moved"
    KF_BARRED = "kf_barred"
    ARCHIVE_RANG = "archive_rang"
    ARCHIVE_DECIDED = "archive_decided"
    LINK_VISITED = "link_visited"
    ANSWER_GIVEN = "answer_given"
    CHECKED_IN = "checked_in"
    COUPON_WANTED = "coupon_wanted"
    COUPON_REDEEMED = "coupon_redeemed"
    ORDER_PAID = "order_paid"
    CONSENT_CHANGED = "consent_changed"
    CLOCK_TICKED = "clock_ticked"
    WAIT_ENDED = "wait_ended"
    TAG_CHANGED = "tag_changed"
    TIER_CHANGED = "tier_changed"
    MESSAGE_SENT = "message_sent"
    TAG_REQUESTED = "tag_requested"
    MESSAGE_REVIEWED = "message_reviewed"
    MESSAGE_WITHDRAWN = "message_withdrawn"
    MISS_DECIDED = "miss_decided"
    PLATFORM_TOLD = "platform_told"
    UNKNOWN = "unknown"


Facts = tuple[tuple[str, str], ...]  # elements of a callback as (path, text), in their order


@dataclass(frozen=True, kw_only=True)
class Update:
    """Something that happened, at an aware instant, known by ``id``; ``extra`` is what it told beside its own fields."""

    kind: ClassVar[Kind]
    at: datetime
    id: str = ""
    extra: Facts = field(default=(), compare=False)


@dataclass(frozen=True)
class Ticket:
    """How an update can be answered where the platform hands out something for it.

    ``code`` is what it wants back. Until ``asked_until`` it comes asking for the answer itself, and after
    ``valid_until`` it takes none.
    """

    code: str
    asked_until: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MessageHeard(Update):
    """A person spoke. ``via`` says where we heard it, and so what may answer.

    ``app``: staff to our app. ``kf``: a member in 微信客服 (``account`` is the open_kfid).
    ``archive``: in a group, from the archive; nothing can answer there.
    ``aibot``: staff to a 智能机器人 (``account`` is its name), alone or in an internal group; with ``alias``
    ``member`` is an id that only this bot knows them by.
    ``quoted`` is what they quoted, ``reply_to`` the identity of the update it was, where we know it.
    ``file`` is the platform's number of a picture, voice or video sent to our app, good for three days.
    """

    kind = Kind.MESSAGE
    member: str
    text: str = ""
    via: Literal["app", "kf", "archive", "aibot"] = "app"
    group: str = ""
    account: str = ""
    media: str = "text"
    menu: str = ""
    mentions: tuple[str, ...] = ()
    reply_to: str = ""
    from_staff: bool = False
    alias: bool = False
    quoted: str = ""
    file: str = ""
    ticket: Ticket | None = None


@dataclass(frozen=True, kw_only=True)
class MessageRecalled(Update):
    """Somebody took back what they said; ``message`` is the identity of the update it was."""

    kind = Kind.MESSAGE_RECALLED
    message: str
    member: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class FriendAdded(Update):
    """A member and a staff member became friends; ``half`` while the staff side has not accepted."""

    kind = Kind.FRIEND_ADDED
    member: str
    staff: str
    source: str = ""
    welcome_code: str = ""
    half: bool = False


@dataclass(frozen=True, kw_only=True)
class FriendEdited(Update):
    """Remark, phone or tags of a friend changed in the client; details must be asked for."""

    kind = Kind.FRIEND_EDITED
    member: str
    staff: str


@dataclass(frozen=True, kw_only=True)
class FriendLost(Update):
    """One side deleted the other (``by``), or a transfer moved the member (``transferred``)."""

    kind = Kind.FRIEND_LOST
    member: str
    staff: str
    by: Literal["member", "staff"]
    transferred: bool = False


@dataclass(frozen=True, kw_only=True)
class GroupCreated(Update):
    kind = Kind.GROUP_CREATED
    group: str


@dataclass(frozen=True, kw_only=True)
class GroupChanged(Update):
    """Name, owner or notice changed (``detail`` is the platform's word)."""

    kind = Kind.GROUP_CHANGED
    group: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupDismissed(Update):
    kind = Kind.GROUP_DISMISSED
    group: str


@dataclass(frozen=True, kw_only=True)
class MembersJoined(Update):
    """Members joined a group. Apply only when ``before`` is the version we hold, else resync."""

    kind = Kind.MEMBERS_JOINED
    group: str
    members: tuple[str, ...]
    scene: int = 0
    before: str = ""
    after: str = ""


@dataclass(frozen=True, kw_only=True)
class MembersLeft(Update):
    """Members left or were removed. Apply only when ``before`` is the version we hold, else resync."""

    kind = Kind.MEMBERS_LEFT
    group: str
    members: tuple[str, ...]
    scene: int = 0
    before: str = ""
    after: str = ""

    @property
    def removed(self) -> bool:
        """By the owner or an administrator, not of their own will."""
        return self.scene == 1


@dataclass(frozen=True)
class Seat:
    """One person in a group, as the platform describes it. ``scene``: 1 direct, 2 invite link, 3 QR."""

    member: str
    name: str = ""
    staff: bool = False
    joined: int = 0  # unix seconds
    scene: int = 0
    invited_by: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupDescribed(Update):
    """The platform's whole answer about a group; it overrides what we held."""

    kind = Kind.GROUP_DESCRIBED
    group: str
    name: str = ""
    owner: str = ""
    notice: str = ""
    created: int = 0  # unix seconds
    version: str = ""
    seats: tuple[Seat, ...] = ()


@dataclass(frozen=True)
class Friendship:
    """One staff member who has the member as a friend, with the corporate tags set there."""

    staff: str
    remark: str = ""
    source: str = ""
    since: int = 0  # unix seconds
    tags: tuple[tuple[str, str], ...] = ()  # (tag id, tag name)


@dataclass(frozen=True, kw_only=True)
class MemberDescribed(Update):
    """The platform's answer about a member as of ``at``; unless ``whole``, it tells of the named friendships only."""

    kind = Kind.MEMBER_DESCRIBED
    member: str
    name: str = ""
    avatar: str = ""
    unionid: str = ""
    gender: int = 0
    friends: tuple[Friendship, ...] = ()
    whole: bool = True


@dataclass(frozen=True, kw_only=True)
class TaskReported(Update):
    """What became of a group-send task; ``results`` holds (recipient, outcome, unix seconds or 0)."""

    kind = Kind.TASK_REPORTED
    task: str
    sender: str
    confirmed: bool
    results: tuple[tuple[str, str, int], ...] = ()
    cancelled: bool = False  # we took it back: who has no result gets nothing from it


@dataclass(frozen=True, kw_only=True)
class TagEdited(Update):
    """A corporate tag or tag group was created, changed, deleted or shuffled in the console."""

    kind = Kind.TAG_EDITED
    tag: str
    what: Literal["tag", "tag_group"] = "tag"
    change: str = "update"


@dataclass(frozen=True, kw_only=True)
class CardClicked(Update):
    """Staff pressed a button or submitted a vote on a template card of an app or, in ``group``, of a 智能机器人.

    With ``menu`` they chose from the menu in the card's corner, and the card stays as it is.
    """

    kind = Kind.CARD_CLICKED
    staff: str
    task: str
    key: str
    app: str = ""
    response_code: str = ""
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()
    menu: bool = False
    via: Literal["app", "aibot"] = "app"
    group: str = ""
    ticket: Ticket | None = None


@dataclass(frozen=True, kw_only=True)
class AppOpened(Update):
    """Staff opened the app, or pressed a menu entry (``key``), or opened the chat with a 智能机器人 (``app``)."""

    kind = Kind.APP_OPENED
    staff: str
    key: str = ""
    via: Literal["app", "aibot"] = "app"
    app: str = ""
    ticket: Ticket | None = None


@dataclass(frozen=True, kw_only=True)
class FeedbackGiven(Update):
    """Staff judged an answer of a 智能机器人: ``answer`` is the business key of the message, ``words`` what they wrote."""

    kind = Kind.FEEDBACK_GIVEN
    staff: str
    answer: str
    verdict: Literal["good", "bad", "withdrawn"]
    reasons: tuple[str, ...] = ()
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class LinkVisited(Update):
    """Someone opened a tracked link; ``member`` is empty when we do not know who, ``guest`` is then their pseudonym."""

    kind = Kind.LINK_VISITED
    token: str
    member: str = ""
    guest: str = ""


@dataclass(frozen=True, kw_only=True)
class AnswerGiven(Update):
    """A member chose ``option`` of an interaction's ``run``, on a page or by a click."""

    kind = Kind.ANSWER_GIVEN
    member: str
    run: str
    option: str
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckedIn(Update):
    """A member checked in on a page."""

    kind = Kind.CHECKED_IN
    member: str
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class CouponWanted(Update):
    """A member asked for a coupon of ``batch``; ``answered`` when they have heard already and this is only told."""

    kind = Kind.COUPON_WANTED
    member: str
    batch: str
    answered: bool = False


@dataclass(frozen=True, kw_only=True)
class CouponRedeemed(Update):
    """A shop says that ``code`` was used."""

    kind = Kind.COUPON_REDEEMED
    code: str
    order: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderPaid(Update):
    """A shop says that a member paid ``amount`` (in cents)."""

    kind = Kind.ORDER_PAID
    member: str
    order: str
    amount: int = 0


@dataclass(frozen=True, kw_only=True)
class ConsentChanged(Update):
    """A member allowed or refused marketing messages."""

    kind = Kind.CONSENT_CHANGED
    member: str
    granted: bool
    channel: str = ""


@dataclass(frozen=True, kw_only=True)
class ClockTicked(Update):
    """The clock reached ``slot`` of the timetable entry ``name``."""

    kind = Kind.CLOCK_TICKED
    name: str
    slot: datetime


@dataclass(frozen=True, kw_only=True)
class WaitEnded(Update):
    """Noted when something we waited for is due: ``what`` for ``whom``, this ``occurrence`` of it."""

    kind = Kind.WAIT_ENDED
    what: str
    whom: str
    occurrence: str
    due: datetime
    data: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class TagChanged(Update):
    """Noted by the transaction: a member gained or lost a tag."""

    kind = Kind.TAG_CHANGED
    member: str
    tag: str
    added: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class TierChanged(Update):
    """Noted by the transaction: a member moved to another tier."""

    kind = Kind.TIER_CHANGED
    member: str
    before: str
    after: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MessageSent(Update):
    """A receipt: a message of ours reached ``member`` or ``group``."""

    kind = Kind.MESSAGE_SENT
    message: int
    member: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class TagRequested(Update):
    """An operator (``by``) wants a member to gain or lose a tag."""

    kind = Kind.TAG_REQUESTED
    member: str
    tag: str
    added: bool
    by: str


@dataclass(frozen=True, kw_only=True)
class MessageReviewed(Update):
    """An operator (``by``) says of a message whose fate was unknown: it arrived, or let it be sent again."""

    kind = Kind.MESSAGE_REVIEWED
    message: int
    delivered: bool
    by: str


@dataclass(frozen=True, kw_only=True)
class MessageWithdrawn(Update):
    """An operator (``by``) wants an app message taken back."""

    kind = Kind.MESSAGE_WITHDRAWN
    message: int
    by: str


@dataclass(frozen=True, kw_only=True)
class Unknown(Update):
    """An event we have no name for; stored, counted and harmless. ``name`` and ``facts`` are the platform's."""

    kind = Kind.UNKNOWN
    name: str = ""
    facts: Facts = ()
