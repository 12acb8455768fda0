"""The load generator, in a process of its own: keep-alive connections that send prepared requests and time the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from bot.cipher import Cipher

A_SECOND = 5000  # callbacks that carry the same second
CORP, TOKEN, AES_KEY = "wwbench", "token-of-the-bench", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"


@dataclass(frozen=True)
class Measured:
    """How long answers took, in seconds, and how long all of it."""

    latencies: list[float]
    took: float

    def at(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def sealed_requests(count: int, *, start: int = 0) -> list[bytes]:
    """Callbacks as WeCom posts them, each with another body."""
    cipher, begun = Cipher(TOKEN, AES_KEY, CORP), int(time.time()) - 600
    return [
        _request(cipher, str(begun + number // A_SECOND), number) for number in range(start, start + count)
    ]


def _request(cipher: Cipher, stamp: str, number: int) -> bytes:
    plain = (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
        f"<CreateTime>{stamp}</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        "<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[edit_external_contact]]></ChangeType>"
        f"<UserID><![CDATA[wang]]></UserID><ExternalUserID><![CDATA[wm{number % 5000:032d}]]></ExternalUserID>"
        f"<State><![CDATA[{number}]]></State></xml>"
    )
    nonce = str(number)
    sealed = cipher.seal(plain.encode(), number.to_bytes(16, "big"))
    body = (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt>"
        "<AgentID><![CDATA[]]></AgentID></xml>"
    ).encode()
    signature = cipher.sign(stamp, nonce, sealed)
    head = (
        f"POST /callback/contact?msg_signature={signature}&timestamp={stamp}&nonce={nonce} HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nUser-Agent: Mozilla/4.0\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends the next request when the last one is answered; an answer without a body ends with a blank line."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[None] | None = None
        self.seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(ConnectionError("hung up without an answer"))

    def data_received(self, data: bytes) -> None:
        self.seen += data
        if self.seen.endswith(b"\r\n\r\n") and self.answered is not None:
            if not self.seen.startswith(b"HTTP/1.1 200"):
                self.answered.set_exception(ValueError(self.seen[:40]))
            else:
                self.answered.set_result(None)
            self.seen = b""

    async def ask(self, request: bytes) -> float:
        started = time.perf_counter()
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self.answered
        return time.perf_counter() - started


async def as_fast_as_possible(port: int, requests: Sequence[bytes], connections: int) -> Measured:
    """Every connection sends its next request when the last one is answered."""
    loop, waiting = asyncio.get_running_loop(), iter(requests)
    latencies: list[float] = []

    async def one() -> None:
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", port)
        latencies.extend([await connection.ask(request) for request in waiting])
        connection.transport.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Measured(latencies, time.perf_counter() - started)


async def at_a_rate(port: int, requests: Sequence[bytes], rate: float, connections: int) -> Measured:
    """Requests leave on their instant whether or not others are answered; waiting for a connection counts."""
    loop = asyncio.get_running_loop()
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait((await loop.create_connection(_Connection, "127.0.0.1", port))[1])
    latencies: list[float] = []

    async def one(request: bytes, meant: float) -> None:
        connection = await free.get()
        await connection.ask(request)
        latencies.append(time.perf_counter() - meant)
        free.put_nowait(connection)

    started, tasks = time.perf_counter(), []
    for number, request in enumerate(requests):
        meant = started + number / rate
        if (ahead := meant - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        tasks.append(asyncio.create_task(one(request, meant)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().transport.close()
    return Measured(latencies, time.perf_counter() - started)
