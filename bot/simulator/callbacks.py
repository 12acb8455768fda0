"""Callbacks as the platform sends them: encrypted, in order per sender, re-sent only when nobody answered.

No answer within 5 s, a refused or a dropped connection: sent again, three times in all. Any HTTP answer at all,
an error status included, ends it (developer.work.weixin.qq.com path 90930). Deadlines are real time; the world's clock
stands still while a callback is on its way.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from bot.cipher import Cipher
from bot.clock import Hold
from bot.simulator.envelope import Field, sealed, xml
from bot.simulator.faults import Fault, Faults
from bot.simulator.world import Door, World

VERIFY_S = 1.0
ANSWER_S = 5.0
RESENDS = 3
AT_ONCE = 64


class Session(Protocol):
    """What we need of an HTTP client; ``aiohttp.ClientSession`` is one."""

    def get(
        self, url: str, *, params: Any = ..., headers: Any = ..., allow_redirects: bool = ...
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]: ...

    def post(
        self, url: str, *, params: Any = ..., data: Any = ..., headers: Any = ..., allow_redirects: bool = ...
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]: ...


@dataclass
class Callback:
    """One fact on its way: the same plain text however often it is sent."""

    number: int
    door: Door
    lane: str
    plain: bytes
    hold: Hold
    again: bool = False  # a duplicate was asked for


class Callbacks:
    """Sends what happened to the bot's doors."""

    def __init__(self, world: World, faults: Faults, session: Session, *, resend_wait_s: float = 1.0) -> None:
        self._world, self._faults, self._session = world, faults, session
        self._resend_wait_s = resend_wait_s
        self.answer_s, self.verify_s = ANSWER_S, VERIFY_S
        self.bot_url = ""
        self._lanes: dict[str, deque[Callback]] = {}
        self._flying: set[asyncio.Task[None]] = set()
        self._sleeping: set[asyncio.Task[None]] = set()
        self._put_back: dict[str, list[Callback]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._ciphers: dict[Door, Cipher] = {}

    def ring(self, door: str, fields: dict[str, Field], *, lane: str = "") -> None:
        """Send an event; ``ToUserName`` and, for an app's door, ``AgentID`` are added here."""
        whole: dict[str, Field] = {"ToUserName": self._world.corp_id, **fields}
        agent_id = self._world.doors[door].agent_id if door in self._world.doors else 0
        if agent_id and "AgentID" not in whole:
            whole["AgentID"] = agent_id
        self.send(door, xml(whole), lane=lane)

    def send(self, door: str, plain: bytes, *, lane: str = "") -> None:
        """Send any plain text to a door, in order with others of the same ``lane``."""
        if not self.bot_url or door not in self._world.doors:
            self._world.journal.note("callback", door=door, outcome="nobody listens", plain=_text(plain))
            return
        number = self._world.number("callback")
        callback = Callback(
            number, self._world.doors[door], f"{door} {lane}", plain, self._world.clock.hold()
        )
        self._start(callback, self._faults.take("callback", door))

    async def verify(self) -> dict[str, bool]:
        """Ask every door to prove its keys, as the console does when an address is saved."""
        names = list(self._world.doors)
        answers = await asyncio.gather(*(self._verify(self._world.doors[name]) for name in names))
        return dict(zip(names, answers, strict=True))

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return not self._flying

    async def quiet(self) -> None:
        """Wait until nothing is on its way; what was asked to be late is not waited for."""
        while self._flying:
            await asyncio.wait(set(self._flying))

    async def aclose(self) -> None:
        tasks = self._flying | self._sleeping
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self._lanes.values():
            for callback in lane:
                callback.hold.release()

    # which way a callback goes

    def _start(self, callback: Callback, fault: Fault | None) -> None:
        match fault.what if fault else "":
            case "drop":
                self._note(callback, 0, "dropped")
                callback.hold.release()
            case "delay":
                assert fault is not None
                callback.hold.release()
                self._spawn(self._later(callback, fault.seconds), self._sleeping)
            case "reorder":
                self._put_back.setdefault(callback.door.name, []).append(callback)
                callback.hold.release()
                wait_s = (fault.seconds if fault else 0.0) or 2.0
                self._spawn(self._not_forgotten(callback, wait_s), self._sleeping)
            case what:
                callback.again = what == "duplicate"
                self._queue(callback)
                self._queue_put_back(callback.door.name)

    def _queue_put_back(self, door: str) -> None:
        for callback in self._put_back.pop(door, []):
            callback.hold = self._world.clock.hold()
            self._queue(callback)

    async def _later(self, callback: Callback, seconds: float) -> None:
        await self._world.clock.sleep(seconds)
        callback.hold = self._world.clock.hold()
        self._queue(callback)

    async def _not_forgotten(self, callback: Callback, seconds: float) -> None:
        await self._world.clock.sleep(seconds)
        if callback in self._put_back.get(callback.door.name, []):
            self._queue_put_back(callback.door.name)

    def _queue(self, callback: Callback) -> None:
        waiting = self._lanes.get(callback.lane)
        if waiting is not None:
            waiting.append(callback)
            return
        self._lanes[callback.lane] = deque([callback])
        self._spawn(self._walk(callback.lane), self._flying)

    @staticmethod
    def _spawn(work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)

    async def _walk(self, lane: str) -> None:
        waiting = self._lanes[lane]
        try:
            while waiting:
                callback = waiting.popleft()
                with callback.hold:
                    async with self._turn:
                        await self._deliver(callback)
        finally:
            if not waiting:
                self._lanes.pop(lane, None)

    # one callback

    async def _deliver(self, callback: Callback) -> None:
        for attempt in range(1, RESENDS + 2):
            outcome = await self._attempt(callback, attempt)
            if outcome not in ("timeout", "refused", "disconnected"):
                break
            if attempt <= RESENDS:
                await asyncio.sleep(self._resend_wait_s)
        if callback.again:
            callback.again = False
            await self._deliver(callback)

    async def _attempt(self, callback: Callback, attempt: int) -> str:
        world, door = self._world, callback.door
        encrypted = self._cipher(door).seal(callback.plain, world.chance.bytes(16))
        status = 0
        try:
            async with asyncio.timeout(self.answer_s):
                async with self._session.post(
                    self._url(door),
                    params=self._signed(door, encrypted),
                    data=sealed(world.corp_id, encrypted, door.agent_id),
                    headers={"Content-Type": "text/xml"},
                    allow_redirects=False,
                ) as reply:
                    await reply.read()
                    status = reply.status
                    outcome = "acked" if status == 200 else "answered"
        except TimeoutError:
            outcome = "timeout"
        except aiohttp.ClientConnectorError:
            outcome = "refused"
        except (aiohttp.ClientError, OSError):
            outcome = "disconnected"
        self._note(callback, attempt, outcome, status=status)
        return outcome

    async def _verify(self, door: Door) -> bool:
        echo = str(self._world.number("echo") + 7_000_000_000_000_000_000).encode()
        encrypted = self._cipher(door).seal(echo, self._world.chance.bytes(16))
        params = {**self._signed(door, encrypted), "echostr": encrypted}
        try:
            async with asyncio.timeout(self.verify_s):
                async with self._session.get(self._url(door), params=params, allow_redirects=False) as reply:
                    proved = reply.status == 200 and await reply.read() == echo
                    outcome = "proved" if proved else f"wrong answer, status {reply.status}"
        except TimeoutError:
            proved, outcome = False, "timeout"
        except (aiohttp.ClientError, OSError):
            proved, outcome = False, "refused"
        self._world.journal.note("verify", door=door.name, outcome=outcome)
        return proved

    def _url(self, door: Door) -> str:
        return f"{self.bot_url.rstrip('/')}/callback/{door.name}"

    def _cipher(self, door: Door) -> Cipher:
        if door not in self._ciphers:
            receiver = self._world.corp_id if door.for_corp else ""
            self._ciphers[door] = Cipher(door.token, door.aes_key, receiver)
        return self._ciphers[door]

    def _signed(self, door: Door, encrypted: str) -> dict[str, str]:
        timestamp = str(int(self._world.now().timestamp()))
        nonce = self._world.chance.token(5)
        signature = self._cipher(door).sign(timestamp, nonce, encrypted)
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}

    def _note(self, callback: Callback, attempt: int, outcome: str, **facts: Any) -> None:
        self._world.journal.note(
            "callback",
            id=callback.number,
            door=callback.door.name,
            attempt=attempt,
            outcome=outcome,
            plain=_text(callback.plain),
            sha256=hashlib.sha256(callback.plain).hexdigest(),
            **facts,
        )
        self._world.journal.counts[f"callback {outcome}"] += 1


def _text(plain: bytes) -> str:
    return plain.decode("utf-8", "replace")
