"""Addresses for a late answer are used once, whoever asks and however often it starts anew."""

from __future__ import annotations

import asyncio

from storage import response
from storage.engine import Database
from tests.contracts.world import NOW, after

URL = "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=RC1"


async def use(db: Database, url: str = URL) -> bool:
    return await db.write(lambda c: response.use(c, url, NOW))


async def test_of_several_who_want_an_address_one_gets_it(db: Database) -> None:
    got = await asyncio.gather(*(use(db) for _ in range(5)), use(db, URL + "2"))

    assert (sum(got[:5]), got[5]) == (1, True)


async def test_what_was_given_back_can_be_used_again(db: Database) -> None:
    await use(db)

    await db.write(lambda c: response.give_back(c, URL))

    assert await use(db)


async def test_an_address_is_remembered_longer_than_it_lives(db: Database) -> None:
    await use(db)

    await db.write(lambda c: response.forget(c, after(minutes=61)))
    remembered = not await use(db)
    await db.write(lambda c: response.forget(c, after(hours=3)))

    assert remembered
    assert await use(db)
