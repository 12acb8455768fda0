"""A gateway on a wire that records what was asked and answers what the platform would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.chance import SeededChance, SystemChance
from bot.clock import TurnedClock
from bot.outgoing import File, Outgoing
from bot.wecom.gateway import WeComGateway
from bot.wecom.settings import Aibot, App, WeComSettings
from sop.message import Form, Media
from storage.engine import Database
from storage.media import MediaStore
from storage.shared_memory import MemoryShared

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTINGS = WeComSettings(
    corp_id="wwqx2026demo0001",
    api_base="https://wecom.test",
    apps=(App("community", 1000002, "app-secret"), App("second", 1000003, "second-secret")),
    contact_secret="contact-secret",
    kf_secret="kf-secret",
    archive_secret="archive-secret",
    archive_feed="https://wecom.test/cgi-bin/archive/feed",
    webhooks={"运营群": "hook-key"},
    aibots=(Aibot(name="helper", mode="webhook"),),
)


@dataclass(frozen=True)
class Asked:
    """One recorded request; the token is checked and taken out of the query."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    token: str = ""
    file: File | None = None


@dataclass(eq=False)
class Wire(Outgoing):
    """Answers by path: a list is answered one by one, an exception is raised. Tokens are T-{secret}-{n}."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    fetches: list[str] = field(default_factory=list)

    def answer(self, path: str, *answers: Any) -> None:
        self.answers.setdefault(path, []).extend(answers)

    async def json(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        file: File | None = None,
    ) -> dict[str, Any]:
        path, plain = url.removeprefix("https://wecom.test/cgi-bin/"), dict(query or {})
        if path == "gettoken" and path not in self.answers:
            self.fetches.append(plain["corpsecret"])
            return {"access_token": f"T-{plain['corpsecret']}-{len(self.fetches)}", "expires_in": 7200}
        if path == "gettoken":
            self.fetches.append(plain["corpsecret"])
        else:
            self.asked.append(Asked(method, path, plain, body, plain.pop("access_token", ""), file))
        return self._next(path)

    async def file(self, url: str, *, query: Mapping[str, str] | None = None) -> bytes | dict[str, Any]:
        answer = await self.json("GET", url, query=query)
        whole: bytes | dict[str, Any] = answer.get("whole", answer)
        return whole

    def _next(self, path: str) -> dict[str, Any]:
        waiting = self.answers.get(path, [{}])
        given = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(given, Exception):
            raise given
        return {"errcode": 0, "errmsg": "ok", **(given() if isinstance(given, Callable) else given)}  # type: ignore[arg-type]

    @property
    def last(self) -> Asked:
        return self.asked[-1]


def shelf_gateway(wire: Wire, db: Database, shared: MemoryShared | None = None) -> WeComGateway:
    """A gateway whose messages may carry the files of a database."""
    return WeComGateway(SETTINGS, wire, wire.clock, SystemChance(), shared or MemoryShared(), db)


async def keep(db: Database, form: Form, name: str, body: bytes) -> Media:
    return await db.write(lambda c: MediaStore(c, NOW).keep(form, name, body))


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOW)


@pytest.fixture
def wire(clock: TurnedClock) -> Wire:
    return Wire(clock)


@pytest.fixture
def gateway(wire: Wire, clock: TurnedClock) -> WeComGateway:
    return WeComGateway(SETTINGS, wire, clock, SeededChance(1), MemoryShared())
