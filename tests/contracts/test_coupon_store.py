"""Coupons in storage, on both databases: never oversold, one per member, used once."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from sop.coupon import (
    Already,
    Batch,
    Claim,
    Ended,
    Issued,
    NotRedeemed,
    NotYet,
    Redeemed,
    Redemption,
    SoldOut,
)
from storage.coupon import REMIND, CouponStore
from storage.due import DueStore
from storage.engine import Connection, Database
from tests.contracts.world import NOW, after

SUMMER = Batch(id="summer", name="夏日咖啡券", ends=after(days=30), valid_days=10)


async def stocked(db: Database, size: int, batch: Batch = SUMMER) -> None:
    def stock(connection: Connection) -> None:
        store = CouponStore(connection, NOW)
        store.open(batch)
        store.stock(batch.id, [f"{batch.id}-{number}" for number in range(size)])

    await db.write(stock)


async def claims(db: Database, *members: str, at: float = 0, batch: str = "summer") -> list[Claim]:
    """Everybody at once, each in a transaction of their own."""
    now = after(days=at)
    return await asyncio.gather(
        *(db.write(lambda c, who=who: CouponStore(c, now).issue(batch, who)) for who in members)  # type: ignore[misc]
    )


async def test_parallel_claims_never_oversell(db: Database) -> None:
    await stocked(db, 20)

    answers = await claims(db, *(f"m{number}" for number in range(60)))

    given = [answer.coupon.code for answer in answers if isinstance(answer, Issued)]
    assert (len(given), len(set(given))) == (20, 20)
    assert sum(isinstance(answer, SoldOut) for answer in answers) == 40


async def test_one_member_asking_many_times_at_once_gets_one_code(db: Database) -> None:
    await stocked(db, 20)

    answers = await claims(db, *["lin"] * 20)

    kinds = Counter(type(answer) for answer in answers)
    assert kinds == {Issued: 1, Already: 19}
    assert len({answer.coupon.code for answer in answers if isinstance(answer, Issued | Already)}) == 1


async def test_a_batch_that_allows_two_gives_two(db: Database) -> None:
    await stocked(db, 20, Batch(id="two", name="双人券", per_member=2))

    answers = await claims(db, *["lin"] * 5, batch="two")

    assert sum(isinstance(answer, Issued) for answer in answers) == 2


async def test_importing_the_same_codes_again_adds_nothing(db: Database) -> None:
    await stocked(db, 5)

    again = await db.write(lambda c: CouponStore(c, NOW).stock("summer", [f"summer-{n}" for n in range(7)]))

    assert again == 2
    (usage,) = await db.read(lambda c: CouponStore(c, NOW).usage())
    assert (usage.stock, usage.left) == (7, 7)


async def test_the_window_is_kept_to_the_instant(db: Database) -> None:
    await stocked(db, 5, Batch(id="day", name="一日券", starts=NOW, ends=after(days=1)))
    moment = timedelta(milliseconds=1)

    answers = [
        await db.write(lambda c, now=now, who=who: CouponStore(c, now).issue("day", who))  # type: ignore[misc]
        for who, now in (("a", NOW - moment), ("b", NOW), ("c", after(days=1) - moment), ("d", after(days=1)))
    ]

    assert [type(answer) for answer in answers] == [NotYet, Issued, Issued, Ended]


async def test_a_code_is_used_once_and_the_same_order_hears_the_same(db: Database) -> None:
    await stocked(db, 1)
    await claims(db, "lin")

    async def redeem(order: str) -> Redemption:
        return await db.write(lambda c: CouponStore(c, NOW).redeem("summer-0", order))

    answers = await asyncio.gather(*(redeem(f"order{n}") for n in range(8)))
    (winner,) = (answer.coupon for answer in answers if isinstance(answer, Redeemed))
    kept = await db.read(lambda c: CouponStore(c, NOW).get("summer-0"))

    assert kept is not None
    assert isinstance(await redeem(kept.order), Redeemed)
    assert winner.code == "summer-0"
    assert sum(isinstance(answer, NotRedeemed) for answer in answers) == 7


async def test_a_code_nobody_has_cannot_be_used(db: Database) -> None:
    await stocked(db, 1)

    refused = await db.write(lambda c: CouponStore(c, NOW).redeem("summer-0", "order"))
    unknown = await db.write(lambda c: CouponStore(c, NOW).redeem("no-such-code", "order"))

    assert refused == unknown == NotRedeemed("没有这张券")


async def test_giving_a_code_waits_to_remind_its_holder(db: Database) -> None:
    await stocked(db, 1)
    await claims(db, "lin")

    (wait,) = await db.read(lambda c: DueStore(c).of(REMIND, "summer-0"))

    assert wait.at == after(days=8)


async def test_what_is_left_and_what_is_held_is_known(db: Database) -> None:
    await stocked(db, 1)

    before = await db.read(lambda c: CouponStore(c, NOW).any_left("summer"))
    await claims(db, "lin")
    left, held = await db.read(
        lambda c: (CouponStore(c, NOW).any_left("summer"), CouponStore(c, NOW).held_of("summer", "lin"))
    )

    assert (before, left) == (True, False)
    assert [coupon.code for coupon in held] == ["summer-0"]
