"""Personal messages drained through the durable outbox to a stand-in platform, beside a bare HTTP client posting the same.

    python -m bench.drain [RECIPIENTS]

First everybody waits at once: how many leave a second. Then steps come due at a steady pace, and are planned, worded and
sent by one process: how late the last of a hundred is. The stand-in answers from a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvloop
from aiohttp import ClientSession, TCPConnector
from sqlalchemy import Connection, func, insert, select

from bench.community import planner_over, publish
from bot.bell import Bell
from bot.clock import SystemClock
from bot.gateway import Gateway, Parcel
from bot.outgoing import Outgoing
from bot.sender import AT_ONCE, Sender
from sop.message import CAPABILITIES, Capabilities, Channel, Content, Message
from sop.receipt import Sent, State
from storage import schema
from storage.engine import Database, SqliteDatabase
from storage.instant import to_ms
from storage.outbox import OutboxStore
from storage.policy import House
from storage.tables import due, journey, member, outbox

DELAYS_MS = (0, 50)  # a stand-in that answers at once, and one that takes as long as a platform does
PACE = 1600  # steps that come due in a second
TEXT = "晚上好，今天是「七天成长计划」第三天。今晚这篇只要三分钟，讲怎样把一件大事切成十分钟。"
PERSONAL = """
id = "growth"
name = "七天成长计划"
version = 1
trigger = { on = "friend.added" }
audience = { everyone = true }

[[step]]
id = "day1"
when = { after = "1h", window = "24h" }
channel = "kf"
text = "{{ member.name | default: '朋友' }}，今天是第 {{ day }} 天，这篇只要三分钟。"

[[step]]
id = "day2"
when = { after = "25h", window = "24h" }
channel = "kf"
text = "第二天，继续。"
"""


@dataclass
class StandIn:
    """A gateway that posts each message to the stand-in, and nothing else."""

    outgoing: Outgoing
    url: str

    def capabilities(self, channel: Channel) -> Capabilities:
        return CAPABILITIES[channel]

    def silent(self, channel: Channel) -> Collection[str]:
        return ()

    async def send(self, parcel: Parcel) -> Sent:
        answer = await self.outgoing.json(
            "POST", self.url, body=body_of(parcel.recipients[0], parcel.content.text)
        )
        return Sent(str(answer["msgid"]))


def body_of(recipient: str, text: str) -> dict[str, Any]:
    return {"touser": recipient, "open_kfid": "wk", "msgtype": "text", "text": {"content": text}}


# ---------------------------------------------------------------- the stand-in


class _Answers(asyncio.Protocol):
    """Says yes to every request whose head and body have come, after a while."""

    delay_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.seen = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        self.seen += data
        while (end := self.seen.find(b"\r\n\r\n")) >= 0:
            head = self.seen[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.seen) < end + 4 + size:
                return
            self.seen = self.seen[end + 4 + size :]
            body = b'{"errcode":0,"errmsg":"ok","msgid":"m"}'
            self.answer(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (len(body), body)
            )

    def answer(self, whole: bytes) -> None:
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self.transport.write, whole)
        else:
            self.transport.write(whole)


async def stand_in(delay_ms: int) -> None:
    _Answers.delay_s = delay_ms / 1000
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def platform(delay_ms: int = 0) -> Iterator[str]:
    """The address of a stand-in in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.drain", "stand-in", str(delay_ms)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/cgi-bin/kf/send_msg"
    finally:
        process.kill()
        process.wait()


# ---------------------------------------------------------------- the floor


async def bare(url: str, count: int) -> float:
    """Requests a second of a plain client with kept connections that reads each answer."""
    waiting = iter(range(count))
    async with ClientSession(connector=TCPConnector(limit=AT_ONCE)) as session:

        async def one() -> None:
            for number in waiting:
                async with session.post(
                    url, data=json.dumps(body_of(f"wm{number}", TEXT)).encode()
                ) as answer:
                    assert json.loads(await answer.read())["errcode"] == 0

        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))
        return count / (time.perf_counter() - started)


# ---------------------------------------------------------------- ours


def sender_over(db: Database, outgoing: Outgoing, url: str) -> Sender:
    clock = SystemClock()
    house = House(zone="Asia/Shanghai", weekly_cap=None, quiet=None)
    return Sender(db, cast(Gateway, StandIn(outgoing, url)), clock, Bell(clock), Bell(clock), house, "bench")


async def drained(url: str, count: int) -> float:
    """Messages a second, from waiting to told that they were sent, with everything on disk."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            SqliteDatabase(f"sqlite:///{Path(folder) / 'drain.sqlite'}") as db,
            Outgoing(SystemClock()) as out,
        ):
            await schema.ensure(db)
            now = SystemClock().now()
            await publish(db, now, PERSONAL)
            for start in range(0, count, 2000):
                waiting = [_message(number) for number in range(start, min(start + 2000, count))]
                await db.write(lambda c, waiting=waiting: OutboxStore(c, now).add_all(waiting))  # type: ignore[misc]
            sender = sender_over(db, out, url)
            await sender.start()
            started = time.perf_counter()
            while await sender.send_once():
                pass
            took = time.perf_counter() - started
            assert (await db.read(lambda c: OutboxStore(c, now).counts()))["sent"] == count
            return count / took


def _message(number: int) -> Message:
    return Message(
        key=f"bench:{number}",
        channel=Channel.KF,
        content=Content(TEXT),
        to_member=f"wm{number}",
        sender="wk",
        template="growth",
        template_version=1,
        step="day3",
        journey=number + 1,
    )


async def paced(url: str, count: int) -> tuple[float, float, float]:
    """Journeys whose step comes due at a steady pace: steps a second, and how late half and 99 of 100 of them leave."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            SqliteDatabase(f"sqlite:///{Path(folder) / 'drain.sqlite'}") as db,
            Outgoing(SystemClock()) as out,
        ):
            await schema.ensure(db)
            await publish(db, SystemClock().now(), PERSONAL)
            first = to_ms(SystemClock().now()) + 8000
            for start in range(0, count, 5000):
                numbers = range(start, min(start + 5000, count))
                await db.write(lambda c, numbers=numbers: _due(c, numbers, first))  # type: ignore[misc]
            sender, planner = sender_over(db, out, url), planner_over(db, "wk")
            planner.after_chunk = sender.bell.ring
            roles = [asyncio.create_task(planner.run()), asyncio.create_task(sender.run())]
            while await db.read(_sent) < count:  # noqa: ASYNC110
                await asyncio.sleep(1.0)  # nobody tells us
            for role in roles:
                role.cancel()
            return await db.read(lambda c: _lateness(c, first))


def _due(connection: Connection, numbers: range, first: int) -> None:
    begun = first - 3_600_000
    connection.execute(
        insert(member), [{"id": f"wm{n}", "seen_at": begun, "name": f"成员{n}"} for n in numbers]
    )
    connection.execute(
        insert(journey),
        [
            {
                "id": n + 1, "template": "growth", "version": 1, "subject": "member", "whom": f"wm{n}", "run": 1,
                "state": "active", "anchor_at": begun + n * 1000 // PACE, "changed_at": begun,
            }
            for n in numbers
        ],
    )  # fmt: skip
    connection.execute(
        insert(due),
        [
            {"what": "step", "whom": str(n + 1), "occurrence": "0", "due_at": first + n * 1000 // PACE, "version": 1, "data": {}}
            for n in numbers
        ],
    )  # fmt: skip


def _sent(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(outbox.c.state == State.SENT)) or 0


def _lateness(connection: Connection, first: int) -> tuple[float, float, float]:
    rows = connection.execute(select(outbox.c.journey, outbox.c.sent_at)).all()
    late = sorted(row.sent_at - (first + (row.journey - 1) * 1000 // PACE) for row in rows)
    rate = len(late) / ((max(row.sent_at for row in rows) - first) / 1000)
    return rate, late[len(late) // 2], late[int(len(late) * 0.99)]


async def main(count: int) -> None:
    print(f"drain     {count:,} recipients, {AT_ONCE} requests in flight")
    for delay in DELAYS_MS:
        with platform(delay) as url:
            await bare(url, 2000)
            floor = await bare(url, count)
            ours = await drained(url, count)
        print(
            f"  answers after {delay:2} ms  bare client {floor:6,.0f}/s  durable outbox {ours:6,.0f}/s  ratio {ours / floor:.2f}"
        )
    with platform(delay) as url:
        rate, half, late = await paced(url, count)
    print(f"  due at {PACE}/s        {rate:,.0f} steps/s  late by {half:,.0f} ms (p50), {late:,.0f} ms (p99)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["stand-in"]:
        uvloop.run(stand_in(int(sys.argv[2])))
    else:
        uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
