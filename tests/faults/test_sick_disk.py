"""The running process when its database cannot store: no false 200, not ready, and well again by itself."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.faults.platform_stub import CORP, KEY, TOKEN, Platform, seal
from tests.faults.storm import ROOT, contact, free_port

ANSWER_WITHIN_S = 5.0  # then the platform hangs up
AT_ONCE = 12


@dataclass
class Bot:
    """A whole process, and its doors as the platform sees them."""

    process: subprocess.Popen[bytes]
    session: aiohttp.ClientSession
    base: str
    database: Path

    async def deliver(self, number: int) -> bool:
        """One try of one callback; whether it was acknowledged."""
        body, query = seal(contact("add_external_contact", f"wmSICK{number:05d}", number))
        try:
            async with (
                asyncio.timeout(ANSWER_WITHIN_S),
                self.session.post(
                    f"{self.base}/callback/contact", params=query, data=body.encode()
                ) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def ready(self) -> int:
        try:
            async with asyncio.timeout(10), self.session.get(f"{self.base}/readyz") as answer:
                return answer.status
        except (aiohttp.ClientError, OSError):
            return 0

    async def until_ready(self) -> bool:
        for _ in range(150):
            if await self.ready() == 200:
                return True
            await asyncio.sleep(0.1)
        return False

    def stored(self) -> set[str]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT lane FROM inbox WHERE door = 'contact'").fetchall()
        return {str(lane) for (lane,) in rows}


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Bot]:
    platform, port, database = Platform(tmp_path), free_port(), tmp_path / "sick.sqlite"
    runner = web.AppRunner(platform.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base, stub = f"http://127.0.0.1:{port}", runner.addresses[0][1]
    (tmp_path / "config.toml").write_text(
        f'[server]\nport = {port}\npublic_url = "{base}"\n[storage]\ndatabase = "sqlite:///{database}"\n'
        f'[wecom]\ncorp_id = "{CORP}"\napi_base = "http://127.0.0.1:{stub}"\n'
        f'[wecom.contact]\nsecret = "s"\ntoken = "{TOKEN}"\naes_key = "{KEY}"\n[log]\nlevel = "error"\n'
    )
    process = _started(tmp_path / "config.toml")
    try:
        async with aiohttp.ClientSession() as session:
            running = Bot(process, session, base, database)
            assert await running.until_ready()
            yield running
    finally:
        process.kill()
        process.wait()
        await runner.cleanup()
        platform.close()


def _started(config: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "bot.cli.main", "run", "--config", str(config)]
    nowhere, environment = subprocess.DEVNULL, {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(words, cwd=ROOT, stdout=nowhere, stderr=nowhere, env=environment)


@contextmanager
def locked(bot: Bot) -> Iterator[None]:
    """Somebody else writes and does not stop."""
    with closing(sqlite3.connect(bot.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def full(bot: Bot) -> Iterator[None]:
    """The kernel lets the process write no byte more into any file."""
    _, hard = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (512, hard))
    yield
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("sick", [locked, full])
async def test_nothing_is_acknowledged_that_is_not_stored_and_afterwards_all_is_well(
    bot: Bot, sick: Callable[[Bot], AbstractContextManager[None]]
) -> None:
    healthy = await bot.deliver(1)
    await asyncio.sleep(3.5)  # what was known to be good is asked anew
    with sick(bot):
        acknowledged = [await asyncio.gather(*(bot.deliver(number) for number in range(100, 100 + AT_ONCE)))]
        ready = await bot.ready()
        alive = bot.process.poll() is None
    well = await bot.until_ready()
    again = await asyncio.gather(*(bot.deliver(number) for number in range(100, 100 + AT_ONCE)))

    assert (healthy, any(acknowledged[0]), ready, alive) == (True, False, 503, True)
    assert (well, all(again)) == (True, True)
    assert len(bot.stored()) == AT_ONCE + 1
