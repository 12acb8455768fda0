"""Coupons: batches of codes, each code one row. Lock, ask the rule, write; the schema keeps what must stay unique."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, func, select, update

from sop.coupon import (
    Allowed,
    Already,
    Batch,
    Claim,
    Coupon,
    Issued,
    Redeemed,
    Redemption,
    SoldOut,
    claim,
    redeem,
)
from sop.errors import NotFound
from storage.due import Due, DueStore
from storage.engine import can_skip_locked, insert_into, one_at_a_time
from storage.instant import maybe_from_ms, maybe_ms, to_ms
from storage.tables import coupon, coupon_batch

REMIND = "coupon.remind"


@dataclass(frozen=True)
class Usage:
    """How a batch is doing, in codes."""

    batch: Batch
    stock: int
    claimed: int
    redeemed: int
    expired: int

    @property
    def left(self) -> int:
        return self.stock - self.claimed


# made once: building a statement costs more than running it
_ONE_BATCH = select(coupon_batch).where(coupon_batch.c.id == bindparam("of"))
_HELD = (
    select(coupon)
    .where(coupon.c.batch == bindparam("of"), coupon.c.member == bindparam("who"))
    .order_by(coupon.c.nth)
)
_FREE = (
    select(coupon.c.id)
    .where(coupon.c.batch == bindparam("of"), coupon.c.member.is_(None))
    .order_by(coupon.c.id)
    .limit(1)
)
_GIVEN: dict[str, Any] = {
    "member": bindparam("who"),
    "nth": bindparam("number"),
    "claimed_at": bindparam("at"),
    "expires_at": bindparam("until"),
}
_TAKE, _TAKE_UNLOCKED = (
    update(coupon).where(coupon.c.id == free.scalar_subquery()).values(_GIVEN).returning(coupon)
    for free in (_FREE, _FREE.with_for_update(skip_locked=True))
)


class CouponStore:
    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # ------------------------------------------------------------ batches

    def open(self, batch: Batch) -> None:
        """Create a batch, or change the rules of one that exists."""
        values = {
            "name": batch.name,
            "per_member": batch.per_member,
            "starts_at": maybe_ms(batch.starts),
            "ends_at": maybe_ms(batch.ends),
            "valid_days": batch.valid_days,
        }
        self._connection.execute(
            insert_into(self._connection, coupon_batch)
            .values(id=batch.id, created_at=to_ms(self._now), **values)
            .on_conflict_do_update(index_elements=["id"], set_=values)
        )

    def stock(self, batch: str, codes: Collection[str]) -> int:
        """Put codes into a batch; codes already known add nothing. Returns how many were new."""
        before = self._count(batch)
        rows = [{"batch": batch, "code": code, "order_id": ""} for code in codes]
        if rows:
            self._connection.execute(
                insert_into(self._connection, coupon).on_conflict_do_nothing(index_elements=["code"]), rows
            )
        return self._count(batch) - before

    def batch(self, batch_id: str) -> Batch | None:
        row = self._connection.execute(_ONE_BATCH, {"of": batch_id}).one_or_none()
        return None if row is None else _batch(row)

    def batches(self) -> list[Batch]:
        rows = self._connection.execute(
            select(coupon_batch).order_by(coupon_batch.c.created_at, coupon_batch.c.id)
        )
        return [_batch(row) for row in rows]

    def usage(self) -> list[Usage]:
        now = to_ms(self._now)
        expired = and_(coupon.c.redeemed_at.is_(None), coupon.c.expires_at <= now)
        rows = self._connection.execute(
            select(
                coupon.c.batch,
                func.count().label("stock"),
                func.count(coupon.c.member).label("claimed"),
                func.count(coupon.c.redeemed_at).label("redeemed"),
                func.sum(case((expired, 1), else_=0)).label("expired"),
            ).group_by(coupon.c.batch)
        )
        by_batch = {row.batch: row for row in rows}
        return [_usage(batch, by_batch.get(batch.id)) for batch in self.batches()]

    # ------------------------------------------------------------ claiming

    def issue(self, batch_id: str, to: str) -> Claim:
        """Give a member a code and wait to remind them, or say why not.

        The same person asking again gets the same code when one is all they may have.
        """
        batch = self.batch(batch_id)
        if batch is None:
            raise NotFound("coupon batch", batch_id)
        one_at_a_time(self._connection, f"coupon:{batch_id}:{to}")
        held = self.held_of(batch_id, to)
        verdict = claim(batch, held, self._now)
        if not isinstance(verdict, Allowed):
            return verdict
        given = self._take(batch_id, to, verdict.nth, verdict.expires)
        if given is None:
            return SoldOut(batch)
        if remind_at := given.remind_at():
            DueStore(self._connection).add(Due(what=REMIND, whom=given.code, occurrence="1", at=remind_at))
        return Issued(given, batch)

    def would_issue(self, batch: Batch, to: str) -> bool:
        """Whether asking for this member would end with a code in their hands."""
        verdict = claim(batch, self.held_of(batch.id, to), self._now)
        return isinstance(verdict, Already) or (isinstance(verdict, Allowed) and self.any_left(batch.id))

    def _take(self, batch_id: str, member: str, nth: int, expires: datetime | None) -> Coupon | None:
        take = _TAKE_UNLOCKED if can_skip_locked(self._connection) else _TAKE
        row = self._connection.execute(
            take,
            {
                "of": batch_id,
                "who": member,
                "number": nth,
                "at": to_ms(self._now),
                "until": maybe_ms(expires),
            },
        ).one_or_none()
        return None if row is None else as_coupon(row)

    def get(self, code: str) -> Coupon | None:
        row = self._connection.execute(select(coupon).where(coupon.c.code == code)).one_or_none()
        return None if row is None else as_coupon(row)

    def held_of(self, batch_id: str, member: str) -> list[Coupon]:
        """A member's codes of one batch, the newest last."""
        rows = self._connection.execute(_HELD, {"of": batch_id, "who": member})
        return [as_coupon(row) for row in rows]

    def any_left(self, batch_id: str) -> bool:
        """Is there a code nobody has yet?"""
        free = select(coupon.c.id).where(coupon.c.batch == batch_id, coupon.c.member.is_(None)).limit(1)
        return self._connection.execute(free).first() is not None

    def held_by(self, member: str) -> list[Coupon]:
        rows = self._connection.execute(
            select(coupon).where(coupon.c.member == member).order_by(coupon.c.claimed_at.desc())
        )
        return [as_coupon(row) for row in rows]

    # ------------------------------------------------------------ redeeming

    def redeem(self, code: str, order: str) -> Redemption:
        """Use a code once; the same order asking again hears the same answer."""
        row = self._connection.execute(
            select(coupon).where(coupon.c.code == code).with_for_update()
        ).one_or_none()
        verdict = redeem(None if row is None else as_coupon(row), order, self._now)
        if isinstance(verdict, Redeemed) and row is not None and row.redeemed_at is None:
            self._connection.execute(
                update(coupon)
                .where(coupon.c.id == row.id, coupon.c.redeemed_at.is_(None))
                .values(redeemed_at=to_ms(self._now), order_id=order)
            )
        return verdict

    def expiring(self, since: datetime, until: datetime) -> list[Coupon]:
        """Claimed and unused codes that end within a span."""
        rows = self._connection.execute(
            select(coupon).where(
                coupon.c.member.is_not(None),
                coupon.c.redeemed_at.is_(None),
                coupon.c.expires_at > to_ms(since),
                coupon.c.expires_at <= to_ms(until),
            )
        )
        return [as_coupon(row) for row in rows]

    def _count(self, batch: str) -> int:
        return self._connection.scalar(select(func.count()).where(coupon.c.batch == batch)) or 0


def _usage(batch: Batch, row: Any) -> Usage:
    if row is None:
        return Usage(batch, 0, 0, 0, 0)
    return Usage(batch, row.stock, row.claimed, row.redeemed, int(row.expired or 0))


def _batch(row: Any) -> Batch:
    return Batch(
        id=row.id,
        name=row.name,
        per_member=row.per_member,
        starts=maybe_from_ms(row.starts_at),
        ends=maybe_from_ms(row.ends_at),
        valid_days=row.valid_days,
    )


def as_coupon(row: Any) -> Coupon:
    """A row of the coupon table as rules see it."""
    return Coupon(
        code=row.code,
        batch=row.batch,
        member=row.member or "",
        claimed=maybe_from_ms(row.claimed_at),
        expires=maybe_from_ms(row.expires_at),
        redeemed=maybe_from_ms(row.redeemed_at),
        order=row.order_id,
    )
