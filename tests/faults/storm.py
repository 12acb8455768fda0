"""A storm over the whole process: callbacks, claims and hot kills, then the oracle's verdict."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from tests.faults.platform_stub import ACCOUNT, CORP, KEY, TOKEN, Platform

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SENDERS = 8
ACKS_BETWEEN_KILLS = 40
QUIET_WITHIN_S = 90.0


@dataclass(kw_only=True)
class Plan:
    """How much of everything; ``seed`` makes a storm repeatable."""

    members: int
    coupons: int
    kills: int
    seed: int
    mutant: str = ""
    extra: int = 2  # further callbacks for each member


@dataclass
class Outcome:
    hot_kills: int = 0
    acked: int = 0
    claimed: int = 0
    broken: list[str] = field(default_factory=list)


class Storm:
    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.platform = Platform(folder)
        self.chance = random.Random(plan.seed)
        self.database = folder / "storm.sqlite"
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.up = asyncio.Event()
        self.outcome = Outcome()
        self.process: subprocess.Popen[bytes] | None = None

    async def run(self) -> Outcome:
        runner = web.AppRunner(self.platform.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            self._prepare(runner.addresses[0][1])
            async with aiohttp.ClientSession() as session:
                await self._start(session)
                raging = asyncio.create_task(self._rage(session))
                await self._kill_often(session, raging)
                await raging
            await self._quiet()
        finally:
            self._stop()
            await runner.cleanup()
            self.platform.close()
        return self._verdict()

    # ------------------------------------------------------------ the process under test

    def _prepare(self, stub_port: int) -> None:
        keys = f'token = "{TOKEN}"\naes_key = "{KEY}"\nsecret = "storm-secret"\n'
        (self.folder / "config.toml").write_text(
            f'[server]\nport = {self.port}\npublic_url = "{self.base}"\n'
            f'[storage]\ndatabase = "sqlite:///{self.database}"\n'
            f'[wecom]\ncorp_id = "{CORP}"\napi_base = "http://127.0.0.1:{stub_port}"\n'
            f'[wecom.contact]\n{keys}[wecom.kf]\n{keys}account = "{ACCOUNT}"\n[log]\nlevel = "error"\n'
        )
        codes = self.folder / "codes.txt"
        codes.write_text("\n".join(f"ST{number:05d}" for number in range(self.plan.coupons)))
        subprocess.run(
            self._command("coupon", "import", "storm", str(codes)),
            check=True,
            capture_output=True,
            cwd=ROOT,
            timeout=60,
        )

    def _command(self, *words: str) -> list[str]:
        program = [str(HERE / "mutant.py"), self.plan.mutant] if self.plan.mutant else ["-m", "bot.cli.main"]
        return [sys.executable, *program, *words, "--config", str(self.folder / "config.toml")]

    async def _start(self, session: aiohttp.ClientSession) -> None:
        self._launch()
        for _ in range(300):
            await asyncio.sleep(0.1)
            try:
                async with session.get(f"{self.base}/readyz") as answer:
                    if answer.status == 200:
                        break
            except aiohttp.ClientError:
                continue
        else:
            raise AssertionError(f"it did not start: {(self.folder / 'process.log').read_text()[-2000:]}")
        self.up.set()

    def _launch(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with (self.folder / "process.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command("run"), cwd=ROOT, stdout=log, stderr=log, env=environment
            )

    def _stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    async def _kill_often(self, session: aiohttp.ClientSession, raging: asyncio.Task[None]) -> None:
        """Only a kill with a request in flight counts."""
        while self.outcome.hot_kills < self.plan.kills:
            self.platform.expect(ACKS_BETWEEN_KILLS)
            await asyncio.wait(
                [raging, asyncio.ensure_future(self.platform.reached.wait())],
                return_when=asyncio.FIRST_COMPLETED,
            )
            await asyncio.sleep(self.chance.random() * 0.05)
            if raging.done():
                return
            if self.platform.in_flight and self.process is not None:
                os.kill(self.process.pid, signal.SIGKILL)
                self.outcome.hot_kills += 1
                self.up.clear()
                self.process.wait()
                await self._start(session)

    # ------------------------------------------------------------ the storm

    async def _rage(self, session: aiohttp.ClientSession) -> None:
        waiting = self._callbacks()

        async def sender() -> None:
            while waiting:
                await self.up.wait()
                door, message = waiting.pop()
                await self.platform.deliver(session, self.base, door, message)

        await asyncio.gather(*(sender() for _ in range(SENDERS)))

    def _callbacks(self) -> list[tuple[str, bytes]]:
        """Every callback of the storm, some several times, none in order."""
        callbacks = []
        for number in range(self.plan.members):
            member = f"wmSTORM{number:05d}"
            callbacks.append(("contact", contact("add_external_contact", member, number)))
            callbacks += [
                ("contact", contact("edit_external_contact", member, 100_000 * again + number))
                for again in range(1, self.plan.extra)
            ]
            for word in range(2):
                self.platform.said.append(
                    {
                        "msgid": f"said-{number}-{word}",
                        "open_kfid": ACCOUNT,
                        "external_userid": member,
                        "send_time": int(time.time()),
                        "origin": 3,
                        "msgtype": "text",
                        "text": {"content": "领券"},
                    }
                )
                callbacks.append(("kf", doorbell(2 * number + word)))
        repeated = [one for one in callbacks for _ in range(self.chance.choice((1, 1, 2, 3)))]
        self.chance.shuffle(repeated)
        return repeated

    # ------------------------------------------------------------ afterwards

    async def _quiet(self) -> None:
        """Wait until nothing waits any more, as the database tells."""
        calm = 0
        for _ in range(int(QUIET_WITHIN_S / 0.5)):
            await asyncio.sleep(0.5)
            calm = calm + 1 if self._waiting() == 0 else 0
            if calm >= 4:
                return
        raise AssertionError(f"{self._waiting()} things still wait")

    def _waiting(self) -> int:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            (inbox,) = db.execute("SELECT COUNT(*) FROM inbox WHERE state = 0").fetchone()
            (outbox,) = db.execute(
                "SELECT COUNT(*) FROM outbox WHERE state IN ('waiting', 'sending')"
            ).fetchone()
            (errands,) = db.execute("SELECT COUNT(*) FROM errand WHERE what = 'kf'").fetchone()
        return int(inbox + outbox + errands)

    def _verdict(self) -> Outcome:
        oracle = subprocess.run(
            [sys.executable, str(HERE / "oracle.py"), str(self.folder), str(self.database)],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        self.outcome.broken = json.loads(oracle.stdout or '["the oracle died: ' + oracle.stderr[-300:] + '"]')
        self.outcome.acked = self.platform.acks
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            (self.outcome.claimed,) = db.execute(
                "SELECT COUNT(*) FROM coupon WHERE member IS NOT NULL"
            ).fetchone()
        return self.outcome


def contact(change: str, member: str, number: int) -> bytes:
    return (
        f"<xml><ToUserName>{CORP}</ToUserName><FromUserName>sys</FromUserName>"
        f"<CreateTime>{1_790_000_000 + number}</CreateTime><MsgType>event</MsgType>"
        f"<Event>change_external_contact</Event><ChangeType>{change}</ChangeType>"
        f"<UserID>linmo</UserID><ExternalUserID>{member}</ExternalUserID></xml>"
    ).encode()


def doorbell(number: int) -> bytes:
    return (
        f"<xml><ToUserName>{CORP}</ToUserName><CreateTime>{1_790_000_000 + number}</CreateTime>"
        f"<MsgType>event</MsgType><Event>kf_msg_or_event</Event><Token>T{number}</Token>"
        f"<OpenKfId>{ACCOUNT}</OpenKfId></xml>"
    ).encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
