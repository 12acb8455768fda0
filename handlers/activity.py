"""Every update that says what somebody did, or what happened to them, is logged once, before anybody reacts to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from handlers.context import Context
from handlers.router import Router
from sop.activity import NO_GROUP, TALK, Activity, hash_of, short_key
from sop.kf import KfEntered, KfSessionChanged, KfStaffSpoke
from sop.moment import MomentReported
from sop.notice import PlatformTold
from sop.packed import to_plain
from sop.staff import TransferFailed
from sop.update import (
    AnswerGiven,
    AppOpened,
    CardClicked,
    CheckedIn,
    ConsentChanged,
    CouponRedeemed,
    CouponWanted,
    FeedbackGiven,
    FriendAdded,
    FriendLost,
    GroupChanged,
    GroupCreated,
    GroupDismissed,
    Kind,
    LinkVisited,
    MembersJoined,
    MembersLeft,
    MessageHeard,
    MessageRecalled,
    MessageSent,
    OrderPaid,
    TagChanged,
    TierChanged,
    Unknown,
    Update,
)

router = Router("activity")

Facts = Iterator[dict[str, Any]]

# the clock, doorbells and the platform's answers to our own questions are nobody's deeds
UNLOGGED = frozenset(
    {
        Kind.CLOCK_TICKED,
        Kind.WAIT_ENDED,
        Kind.MESSAGE_RECALLED,
        Kind.KF_RANG,
        Kind.KF_ACCOUNTS_CHANGED,
        Kind.KF_FAILED,
        Kind.KF_SERVICER_CHANGED,
        Kind.KF_SESSION_TOLD,
        Kind.KF_MOVED,
        Kind.KF_BARRED,
        Kind.ARCHIVE_DECIDED,
        Kind.ARCHIVE_RANG,
        Kind.GROUP_DESCRIBED,
        Kind.MEMBER_DESCRIBED,
        Kind.TASK_REPORTED,
        Kind.FRIEND_EDITED,
        Kind.TAG_EDITED,
        Kind.STAFF_CHANGED,
        Kind.STAFF_RENAMED,
        Kind.TAG_REQUESTED,
        Kind.MESSAGE_REVIEWED,
        Kind.MESSAGE_WITHDRAWN,
        Kind.MISS_DECIDED,
    }
)


@router.observe(*(kind for kind in Kind if kind not in UNLOGGED))
def log(update: Update, ctx: Context) -> None:
    """One row for each member it is about; told again, it adds nothing."""
    for number, fact in enumerate(READERS[update.kind](update, ctx)):
        activity = Activity(**{"key": _key(update, number), "at": update.at, **fact})
        if activity.member and activity.kind in (TALK, "staff_spoke"):
            ctx.tx.members.meet(activity.member, staff=activity.kind != TALK, seen_at=update.at)
        if ctx.tx.activity.log(activity, zone=ctx.settings.zone) and activity.counts:
            ctx.tx.members.touch(activity.member, update.at)


@router.observe(Kind.MESSAGE_RECALLED)
def take_back(recalled: MessageRecalled, ctx: Context) -> None:
    """What somebody took back counts no more."""
    ctx.tx.activity.recall(short_key(recalled.message), zone=ctx.settings.zone)


def _key(update: Update, number: int) -> str:
    identity = (
        update.id or hashlib.sha256(json.dumps(to_plain(update), ensure_ascii=False).encode()).hexdigest()
    )
    return short_key(f"{identity}.{number}" if number else identity)


def _heard(heard: MessageHeard, ctx: Context) -> Facts:
    """Words in a group are talk; words to us alone are a question, unless staff say them."""
    alone = not heard.group
    kind = "staff_spoke" if heard.from_staff or heard.via in ("app", "aibot") else "asked" if alone else TALK
    yield {
        "kind": kind,
        "member": heard.member,
        "group": heard.group,
        "level": "archive" if heard.via == "archive" else "bot",
        "ref": heard.reply_to or _quoted(heard, ctx),
        "text_hash": hash_of(heard.text),
        "text_len": len(heard.text),
    }


def _quoted(heard: MessageHeard, ctx: Context) -> str:
    """What was quoted in a group, where we heard it said there."""
    if not heard.quoted or not heard.group:
        return ""
    return ctx.tx.activity.quoted(heard.group, heard.quoted, heard.at)


def _joined(joined: MembersJoined, ctx: Context) -> Facts:
    for member in joined.members:
        yield {"kind": "joined", "member": member, "group": joined.group}


def _left(left: MembersLeft, ctx: Context) -> Facts:
    for member in left.members:
        yield {"kind": "left", "member": member, "group": left.group}


def _befriended(added: FriendAdded, ctx: Context) -> Facts:
    if not added.half:
        yield {"kind": "befriended", "member": added.member, "ref": added.staff}


def _unfriended(lost: FriendLost, ctx: Context) -> Facts:
    yield {"kind": "unfriended", "member": lost.member, "ref": lost.staff}


def _founded(created: GroupCreated, ctx: Context) -> Facts:
    yield {"kind": "founded", "group": created.group}


def _edited(changed: GroupChanged, ctx: Context) -> Facts:
    yield {"kind": "edited", "group": changed.group, "ref": changed.detail}


def _dismissed(dismissed: GroupDismissed, ctx: Context) -> Facts:
    yield {"kind": "dismissed", "group": dismissed.group}


def _clicked(clicked: CardClicked, ctx: Context) -> Facts:
    yield {"kind": "clicked", "member": clicked.staff, "ref": f"{clicked.task}:{clicked.key}"}


def _judged(given: FeedbackGiven, ctx: Context) -> Facts:
    yield {"kind": "judged", "member": given.staff, "ref": f"{given.verdict}:{given.answer}"[:160]}


def _opened(opened: AppOpened, ctx: Context) -> Facts:
    yield {"kind": "opened", "member": opened.staff, "ref": opened.key}


def _entered(entered: KfEntered, ctx: Context) -> Facts:
    yield {"kind": "entered", "member": entered.member, "ref": entered.param or entered.scene}


def _staff_wrote(spoke: KfStaffSpoke, ctx: Context) -> Facts:
    yield {
        "kind": "staff_spoke",
        "member": spoke.staff,
        "level": "bot",
        "ref": spoke.member,
        "text_hash": hash_of(spoke.text),
        "text_len": len(spoke.text),
    }


def _attended(changed: KfSessionChanged, ctx: Context) -> Facts:
    yield {"kind": "attended", "member": changed.member, "ref": f"{changed.change}:{changed.after}"}


def _visited(visited: LinkVisited, ctx: Context) -> Facts:
    yield {"kind": "visited", "member": visited.member, "level": "page", "ref": visited.token}


def _answered(given: AnswerGiven, ctx: Context) -> Facts:
    where = given.group or NO_GROUP
    yield {
        "kind": "answered",
        "member": given.member,
        "group": where,
        "level": "page",
        "ref": f"{given.run}:{given.option}",
    }


def _checked_in(checked: CheckedIn, ctx: Context) -> Facts:
    yield {
        "kind": "checked_in",
        "member": checked.member,
        "group": checked.group or NO_GROUP,
        "level": "page",
    }


def _wanted(wanted: CouponWanted, ctx: Context) -> Facts:
    yield {"kind": "wanted", "member": wanted.member, "level": "page", "ref": wanted.batch}


def _redeemed(redeemed: CouponRedeemed, ctx: Context) -> Facts:
    yield {"kind": "redeemed", "ref": redeemed.code}


def _paid(paid: OrderPaid, ctx: Context) -> Facts:
    yield {"kind": "paid", "member": paid.member, "ref": paid.order}


def _consented(changed: ConsentChanged, ctx: Context) -> Facts:
    yield {
        "kind": "consented" if changed.granted else "withdrew",
        "member": changed.member,
        "ref": changed.channel,
    }


def _tagged(changed: TagChanged, ctx: Context) -> Facts:
    yield {"kind": "tagged", "member": changed.member, "ref": f"{'+' if changed.added else '-'}{changed.tag}"}


def _promoted(changed: TierChanged, ctx: Context) -> Facts:
    yield {"kind": "promoted", "member": changed.member, "ref": f"{changed.before}>{changed.after}"}


def _received(sent: MessageSent, ctx: Context) -> Facts:
    yield {"kind": "received", "member": sent.member, "group": sent.group, "ref": str(sent.message)}


def _reacted(told: MomentReported, ctx: Context) -> Facts:
    """Told again and again, each with the instant it happened: the same reaction is one fact."""
    for kind, reactions in (("liked", told.liked), ("commented", told.commented)):
        for member, at in reactions:
            yield {
                "key": short_key(f"moment:{told.moment}:{kind}:{member}:{at}"),
                "at": datetime.fromtimestamp(at, UTC) if at else told.at,
                "kind": kind,
                "member": member,
                "ref": told.moment,
            }


def _stayed(failed: TransferFailed, ctx: Context) -> Facts:
    yield {"kind": "stayed", "member": failed.member, "ref": f"{failed.reason}:{failed.staff}"}


def _told(told: PlatformTold, ctx: Context) -> Facts:
    yield {"kind": "told", "member": told.fact("ExternalUserID")[:64], "ref": told.name[:160]}


def _unknown(unknown: Unknown, ctx: Context) -> Facts:
    yield {"kind": "unknown", "ref": unknown.name[:160]}


READERS: dict[Kind, Callable[[Any, Context], Facts]] = {
    Kind.MESSAGE: _heard,
    Kind.MEMBERS_JOINED: _joined,
    Kind.MEMBERS_LEFT: _left,
    Kind.FRIEND_ADDED: _befriended,
    Kind.FRIEND_LOST: _unfriended,
    Kind.GROUP_CREATED: _founded,
    Kind.GROUP_CHANGED: _edited,
    Kind.GROUP_DISMISSED: _dismissed,
    Kind.CARD_CLICKED: _clicked,
    Kind.APP_OPENED: _opened,
    Kind.FEEDBACK_GIVEN: _judged,
    Kind.KF_ENTERED: _entered,
    Kind.KF_STAFF_SPOKE: _staff_wrote,
    Kind.KF_SESSION_CHANGED: _attended,
    Kind.LINK_VISITED: _visited,
    Kind.ANSWER_GIVEN: _answered,
    Kind.CHECKED_IN: _checked_in,
    Kind.COUPON_WANTED: _wanted,
    Kind.COUPON_REDEEMED: _redeemed,
    Kind.ORDER_PAID: _paid,
    Kind.CONSENT_CHANGED: _consented,
    Kind.TAG_CHANGED: _tagged,
    Kind.TIER_CHANGED: _promoted,
    Kind.MESSAGE_SENT: _received,
    Kind.MOMENT_REPORTED: _reacted,
    Kind.TRANSFER_FAILED: _stayed,
    Kind.PLATFORM_TOLD: _told,
    Kind.UNKNOWN: _unknown,
}
