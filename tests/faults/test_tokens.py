"""Tokens: expiry loses nothing, a fleet fetches one, and a platform that refuses is left in peace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from fakeredis import TcpFakeServer

from bot.chance import SeededChance
from bot.clock import TurnedClock
from bot.outgoing import Outgoing
from bot.simulator.faults import Fault
from bot.simulator.simulator import Simulator
from bot.wecom.credential import Credential
from bot.wecom.gateway import WeComGateway
from bot.wecom.settings import WeComSettings
from bot.wecom.token import Tokens
from sop.errors import Blocked, Busy, SendError
from storage.shared_memory import MemoryShared

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 1, 5, 2, tzinfo=UTC)
EVERY = 50  # calls between expiries
AT_ONCE = 10


@contextlib.asynccontextmanager
async def platform() -> AsyncIterator[tuple[Simulator, WeComGateway, TurnedClock]]:
    clock = TurnedClock(START)
    async with Simulator(clock=clock, chance=SeededChance(1)) as simulator, Outgoing(clock) as outgoing:
        await simulator.serve()
        simulator.acts.hire("linmo", "林墨")
        simulator.limits.allowance.call_minute = simulator.limits.allowance.call_hour = 1_000_000
        secret = simulator.world.holders["contact"].secret
        settings = WeComSettings(
            corp_id=simulator.world.corp_id, api_base=simulator.api_base, contact_secret=secret
        )
        yield simulator, WeComGateway(settings, outgoing, clock, SeededChance(2), MemoryShared()), clock


# ---------------------------------------------------------------- tokens that end early


async def called(calls: int) -> tuple[int, int, int]:
    """So many calls, ten at a time, while the platform ends the token every fifty: answered, ended, fetched."""
    async with platform() as (simulator, gateway, clock):
        answered = ended = 0

        async def one(number: int) -> None:
            nonlocal answered, ended
            if number % EVERY == EVERY // 2:
                ended += simulator.credentials.revoke()
            with contextlib.suppress(SendError):
                staff = await gateway.staff()
                answered += len(staff)
            if number % 100 == 0:
                await clock.turn(timedelta(seconds=1))

        for start in range(0, calls, AT_ONCE):
            await asyncio.gather(*(one(number) for number in range(start, start + AT_ONCE)))
        fetched = len(simulator.journal.of("call", api="gettoken"))
        return answered, ended, fetched


@pytest.mark.timeout(180)
@pytest.mark.parametrize("calls", [300, pytest.param(5000, marks=pytest.mark.full)])
async def test_a_token_that_ends_early_loses_no_call_and_is_fetched_once(calls: int) -> None:
    answered, ended, fetched = await called(calls)

    print(f"{calls} calls, {answered} answered, {ended} tokens ended, {fetched} fetched")
    assert answered == calls
    assert ended == calls // EVERY, "too few tokens ended to say anything"
    assert fetched <= ended + 1


async def test_not_renewing_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    async def same(self: Tokens, credential: Credential, refused: str) -> str:
        return refused

    monkeypatch.setattr(Tokens, "renew", same)

    answered, _, _ = await called(200)

    assert answered < 200


async def test_renewing_for_everybody_who_was_refused_would_be_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def again(self: Tokens, credential: Credential, refused: str) -> str:
        await self._fetch(credential, self._purse(credential))
        return await self.get(credential)

    monkeypatch.setattr(Tokens, "renew", again)

    _, ended, fetched = await called(200)

    assert fetched > ended + 1


# ---------------------------------------------------------------- a fleet


@pytest.fixture
def redis(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Redis of the test's own; a stand-in where there is none."""
    if address := os.environ.get("QUNXING_TEST_REDIS", ""):
        yield address
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{port}/0"
    server.shutdown()
    server.server_close()


@contextlib.asynccontextmanager
async def token_office() -> AsyncIterator[tuple[str, Counter[str]]]:
    """Gives tokens, slowly, and counts who asked."""
    fetches: Counter[str] = Counter()

    async def give(request: web.Request) -> web.Response:
        fetches[request.query["corpsecret"]] += 1
        await asyncio.sleep(0.05)
        number = sum(fetches.values())
        return web.json_response({"errcode": 0, "access_token": f"T{number}", "expires_in": 7200})

    app = web.Application()
    app.router.add_get("/cgi-bin/gettoken", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", fetches
    await runner.cleanup()


async def cold_starts(redis: str, processes: int, tasks: int, rounds: int, mutant: str = "") -> Counter[str]:
    """Every process wants a token nobody has, with all its tasks at once, again and again; who was asked for what."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = [sys.executable, str(ROOT / "tests" / "faults" / "fetcher.py")]
    async with token_office() as (api, fetches):
        fleet = [
            await asyncio.create_subprocess_exec(
                *program, redis, api, str(tasks), *([mutant] if mutant else []),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, cwd=ROOT,
            )
            for _ in range(processes)
        ]  # fmt: skip
        try:
            assert {await _line(one) for one in fleet} == {"ready"}
            for number in range(rounds):
                secret = f"{os.getpid()}-{os.urandom(4).hex()}-{number}"
                for one in fleet:
                    assert one.stdin is not None
                    one.stdin.write(f"{secret}\n".encode())
                answers = await asyncio.gather(*(_line(one) for one in fleet))
                assert mutant or set(answers) == {"1"}, "one process got more than one token, or none"
        finally:
            for one in fleet:
                with contextlib.suppress(ProcessLookupError):
                    one.kill()
                await one.wait()
        return fetches


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), timeout=60)).decode().strip()


FLEETS = [(2, 20, 4), pytest.param((8, 50, 100), marks=pytest.mark.full)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fleet", FLEETS, ids=str)
async def test_a_fleet_that_starts_cold_fetches_one_token(redis: str, fleet: tuple[int, int, int]) -> None:
    processes, tasks, rounds = fleet

    fetches = await cold_starts(redis, processes, tasks, rounds)

    print(f"{processes} processes × {tasks} tasks, {rounds} cold starts: {sum(fetches.values())} fetches")
    assert len(fetches) == rounds, "too few cold starts to say anything"
    assert sum(fetches.values()) <= rounds


@pytest.mark.timeout(120)
async def test_a_fleet_without_a_lock_would_be_caught(redis: str) -> None:
    fetches = await cold_starts(redis, 2, 10, 2, "no_lock")

    assert sum(fetches.values()) > 2


# ---------------------------------------------------------------- a platform that refuses

REFUSALS: dict[str, dict[str, object]] = {
    "a wrong secret": {"what": "refuse", "code": 40001},
    "a busy platform": {"what": "refuse", "code": -1},
    "an address not trusted": {"what": "refuse", "code": 60020},
    "no answer": {"what": "cut"},
}


async def hammered(trouble: dict[str, object], seconds: int) -> int:
    """Everybody wants a token while the platform refuses; how often it was asked."""
    async with platform() as (simulator, gateway, clock):
        simulator.faults.add(Fault(where="api", match="gettoken", times=10_000, **trouble))  # type: ignore[arg-type]
        for _ in range(seconds * 4):
            for refused in await asyncio.gather(*(gateway.staff() for _ in range(5)), return_exceptions=True):
                assert isinstance(refused, (Busy, Blocked))
            await clock.turn(timedelta(seconds=0.25))
        return len(simulator.journal.of("call", api="gettoken"))


@pytest.mark.parametrize("trouble", REFUSALS)
async def test_sixty_seconds_of_refusals_ask_at_most_ten_times(trouble: str) -> None:
    asked = await hammered(REFUSALS[trouble], 60)

    print(f"{trouble}: asked {asked} times in 60 s")
    assert 1 <= asked <= 10


async def test_impatience_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tokens, "_wait", lambda *_: 0.0)

    assert await hammered(REFUSALS["a busy platform"], 10) > 10
