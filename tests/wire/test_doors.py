"""The doors as WeCom meets them over HTTP: verified, stored before acknowledged, and refused all alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import Table

from bot.bell import Bell
from bot.cipher import Cipher
from bot.clock import SystemClock
from bot.server import Doors, Metrics
from bot.wecom.callback import LARGEST_BODY
from storage import inbox, schema
from storage.engine import SqliteDatabase

CORP, TOKEN = "wx5823bf96d3bd56c7", "QDG6eK"
KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
SAMPLE_A = {
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": "1409659589",
    "nonce": "263014780",
    "echostr": "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==",
}
TALK = b"<xml><FromUserName>linmo</FromUserName><MsgType>text</MsgType><Content>hello</Content></xml>"


class Fragile(SqliteDatabase):
    """A database whose disk can be full."""

    full = False

    async def store_new(self, table: Table, rows: Sequence[dict[str, Any]], *unique: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        await super().store_new(table, rows, *unique)


class Door:
    """A receiver with one door open, and what it stored."""

    def __init__(self, client: TestClient[Any, Any], db: Fragile) -> None:
        self.client, self.db = client, db
        self.cipher = Cipher(TOKEN, KEY, CORP)

    async def knock(
        self, message: bytes, *, cipher: Cipher | None = None, nonce: str = "qx1", at: int | None = None
    ) -> aiohttp.ClientResponse:
        sealing = cipher or self.cipher
        sealed = sealing.seal(message, b"0123456789abcdef")
        timestamp = str(at or int(SystemClock().now().timestamp()))
        query = {
            "msg_signature": sealing.sign(timestamp, nonce, sealed),
            "timestamp": timestamp,
            "nonce": nonce,
        }
        body = (
            f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
        )
        return await self.client.post("/callback/contact", params=query, data=body.encode())

    async def stored(self) -> int:
        return sum((await self.db.read(inbox.counts)).values())


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    clock = SystemClock()
    async with Fragile(f"sqlite:///{tmp_path / 'doors.sqlite'}") as db:
        await schema.ensure(db)

        async def alarm(text: str) -> None: ...

        app = web.Application(client_max_size=1024 * 1024)
        doors = Doors(db, clock, CORP, {"contact": Cipher(TOKEN, KEY, CORP)}, Bell(clock), Metrics(), alarm)
        doors.add_to(app)
        async with TestClient(TestServer(app)) as client:
            yield Door(client, db)


async def test_the_platform_s_published_sample_verifies_at_the_door(door: Door) -> None:
    answer = await door.client.get("/callback/contact", params=SAMPLE_A)

    assert (answer.status, await answer.read()) == (200, b"1616140317555161061")


async def test_a_good_knock_is_stored_before_it_is_acknowledged(door: Door) -> None:
    answer = await door.knock(TALK)

    assert (answer.status, await answer.read()) == (200, b"")
    assert await door.stored() == 1


async def test_the_same_knock_sealed_anew_is_stored_once(door: Door) -> None:
    for nonce in ("qx1", "qx2", "qx3"):
        await door.knock(TALK, nonce=nonce)

    assert await door.stored() == 1


async def test_whatever_is_wrong_is_refused_with_one_status_and_one_body(door: Door) -> None:
    other_corp, other_key = Cipher(TOKEN, KEY, "wwother"), Cipher(TOKEN, "A" * 43, CORP)
    a_week_ago = int(SystemClock().now().timestamp()) - 7 * 86400
    answers = [
        await door.knock(TALK, cipher=other_corp),
        await door.knock(TALK, cipher=other_key),
        await door.knock(TALK, cipher=Cipher("wrongToken", KEY, CORP)),
        await door.knock(TALK, at=a_week_ago),
        await door.client.post("/callback/contact", data=b"<xml><Encrypt>AAAA</Encrypt></xml>"),
        await door.client.post(
            "/callback/contact", data=b"<!DOCTYPE lolz [<!ENTITY lol 'lol'>]><xml>&lol;</xml>"
        ),
        await door.client.post("/callback/contact", data=b"x" * (LARGEST_BODY + 1)),
        await door.client.get("/callback/contact", params={**SAMPLE_A, "msg_signature": "0" * 40}),
    ]

    assert {(answer.status, await answer.text()) for answer in answers} == {(403, "refused")}
    assert await door.stored() == 0


async def test_when_storing_fails_the_connection_is_closed_without_an_answer(door: Door) -> None:
    door.db.full = True

    with pytest.raises(aiohttp.ClientError):
        await door.knock(TALK)


async def test_what_could_not_be_stored_is_taken_when_it_comes_again(door: Door) -> None:
    door.db.full = True
    with pytest.raises(aiohttp.ClientError):
        await door.knock(TALK)
    door.db.full = False

    answer = await door.knock(TALK, nonce="qx2")

    assert answer.status == 200
    assert await door.stored() == 1
