"""Coupons 优惠券: batches of codes, who may have one, and until when it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sop.timing import spoken

REMIND_BEFORE = timedelta(days=2)
SOON = timedelta(days=1)  # who has just been told needs no reminder


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch of codes. It may be claimed from ``starts`` on and before ``ends``; None is open.

    A claimed code counts for ``valid_days`` days, and never past ``ends``; 0 days means until ``ends``.
    """

    id: str
    name: str
    per_member: int = 1
    starts: datetime | None = None
    ends: datetime | None = None
    valid_days: int = 0

    def expiry(self, claimed: datetime) -> datetime | None:
        """Until when a code claimed at this instant counts, None without end."""
        own = claimed + timedelta(days=self.valid_days) if self.valid_days else None
        ends = [end for end in (own, self.ends) if end is not None]
        return min(ends, default=None)


class Held(StrEnum):
    """How a member stands with a coupon they were given."""

    CLAIMED = "claimed"  # can be used now
    REDEEMED = "redeemed"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class Coupon:
    """One code in one member's hands."""

    code: str
    batch: str
    member: str = ""
    claimed: datetime | None = None
    expires: datetime | None = None
    redeemed: datetime | None = None
    order: str = ""

    def remind_at(self) -> datetime | None:
        """When to remind who has it: two days before it ends; None when it has no end or had a short life anyway."""
        if self.expires is None or self.claimed is None:
            return None
        at = self.expires - REMIND_BEFORE
        return at if at - self.claimed >= SOON else None

    def held(self, now: datetime) -> Held:
        if self.redeemed is not None:
            return Held.REDEEMED
        return Held.CLAIMED if self.expires is None or now < self.expires else Held.EXPIRED

    def usable(self, now: datetime) -> bool:
        return self.held(now) is Held.CLAIMED

    def days_left(self, now: datetime) -> int | None:
        """Whole days left, counting the running one; None without end."""
        if self.expires is None:
            return None
        return max(0, -(-(self.expires - now) // timedelta(days=1)))


# ---------------------------------------------------------------- claiming


@dataclass(frozen=True)
class Allowed:
    """The rules agree: this member's ``nth`` code of the batch may be taken from stock and counts until ``expires``."""

    nth: int
    expires: datetime | None


@dataclass(frozen=True)
class Issued:
    """A code was given now."""

    coupon: Coupon
    batch: Batch


@dataclass(frozen=True)
class Already:
    """The member has all they may have; this is the newest, and the same words are said again."""

    coupon: Coupon
    batch: Batch


@dataclass(frozen=True)
class SoldOut:
    batch: Batch


@dataclass(frozen=True)
class NotYet:
    batch: Batch
    starts: datetime


@dataclass(frozen=True)
class Ended:
    batch: Batch


Claim = Issued | Already | SoldOut | NotYet | Ended


def claim(batch: Batch, held: Sequence[Coupon], now: datetime) -> Allowed | Already | NotYet | Ended:
    """What the rules say of one more code for a member who holds ``held`` of this batch, newest last; stock is not asked.

    Who has theirs is answered with it even after the end, so that a lost message can be said again.
    """
    if held and len(held) >= batch.per_member:
        return Already(held[-1], batch)
    if batch.starts is not None and now < batch.starts:
        return NotYet(batch, batch.starts)
    if batch.ends is not None and now >= batch.ends:
        return Ended(batch)
    return Allowed(len(held) + 1, batch.expiry(now))


def claim_text(answer: Claim, now: datetime, zone: str) -> str:
    """What a member reads after asking for a coupon."""
    name = answer.batch.name
    match answer:
        case Issued(coupon):
            return f"「{name}」到手啦！券码：{coupon.code}{_until(coupon, zone)}"
        case Already(coupon) if coupon.redeemed is not None:
            return f"「{name}」你已经领过并且用掉啦，下次有新券第一时间告诉你。"
        case Already(coupon) if not coupon.usable(now):
            return f"「{name}」你之前领过，可惜已经过期了，下次记得早点用～"
        case Already(coupon):
            return f"「{name}」你已经领过啦，还是这张：{coupon.code}{_until(coupon, zone)}"
        case SoldOut():
            return f"「{name}」刚刚被领完了，下次补货我们会在群里说一声。"
        case NotYet(_, starts):
            return f"「{name}」还没到时间，{spoken(starts, zone)} 开抢，到时见！"
        case Ended():
            return f"「{name}」这一期已经结束啦，留意下一期吧。"


def _until(coupon: Coupon, zone: str) -> str:
    return f"，{spoken(coupon.expires, zone)} 前有效" if coupon.expires else ""


def remind_text(batch: Batch) -> str:
    """What everybody whose code of this batch ends soon may read; it names no code."""
    return f"提醒一声：你领的「{batch.name}」这两天就要到期啦。点开就能看到券码，想用的话别错过～"


# ---------------------------------------------------------------- redeeming


@dataclass(frozen=True)
class Redeemed:
    """The code is used, by this order."""

    coupon: Coupon


@dataclass(frozen=True)
class NotRedeemed:
    """The code does not count; ``reason`` is one line in Chinese."""

    reason: str


Redemption = Redeemed | NotRedeemed


def redeem(coupon: Coupon | None, order: str, now: datetime) -> Redemption:
    """Whether a shop may take this code for ``order``; the same order asking again hears the same answer.

    A code nobody holds and one that does not exist are answered alike.
    """
    if coupon is None or not coupon.member:
        return NotRedeemed("没有这张券")
    if coupon.redeemed is not None:
        return Redeemed(coupon) if order and coupon.order == order else NotRedeemed("这张券已经用过了")
    return Redeemed(coupon) if coupon.usable(now) else NotRedeemed("这张券已经过期了")
