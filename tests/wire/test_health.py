"""What a supervisor asks: alive, ready, and in numbers, also while the database is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bot.server import Health, Metrics
from storage import inbox, schema
from storage.engine import SqliteDatabase, Work


class Away(SqliteDatabase):
    """A database that can be away."""

    gone = False
    full = False

    async def write(self, work: Work[Any], *, urgent: bool = False) -> Any:
        if self.full or self.gone:
            raise OSError(28, "No space left on device")
        return await super().write(work, urgent=urgent)

    async def read(self, work: Work[Any]) -> Any:
        if self.gone:
            raise ConnectionRefusedError(111, "Connection refused")
        return await super().read(work)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Away]:
    async with Away(f"sqlite:///{tmp_path / 'q.sqlite'}") as opened:
        await schema.ensure(opened)
        yield opened


@pytest.fixture
async def client(db: Away) -> AsyncIterator[TestClient[Any, Any]]:
    metrics = Metrics()

    async def count() -> None:
        for state, number in (await db.read(inbox.counts)).items():
            metrics.inbox.labels(state).set(number)

    app = web.Application()
    Health(db, metrics, count, remember_s=0.0).add_to(app)
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def status(client: TestClient[Any, Any], path: str) -> int:
    return (await client.get(path)).status


async def test_all_is_well(client: TestClient[Any, Any]) -> None:
    assert [await status(client, path) for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]


async def test_without_a_database_we_are_alive_and_not_ready(client: TestClient[Any, Any], db: Away) -> None:
    db.gone = True

    assert [await status(client, path) for path in ("/healthz", "/readyz")] == [200, 503]


async def test_who_cannot_store_is_not_ready_and_is_again_when_it_can(
    client: TestClient[Any, Any], db: Away
) -> None:
    db.full = True
    sick = [await status(client, path) for path in ("/healthz", "/readyz")]
    db.full = False

    assert sick == [200, 503]
    assert await status(client, "/readyz") == 200


async def test_asking_often_writes_once(db: Away) -> None:
    writes = 0
    health = Health(db, Metrics(), count=db.__aenter__)  # type: ignore[arg-type]
    app = web.Application()
    health.add_to(app)
    write = db.write

    async def counted(work: Work[Any], *, urgent: bool = False) -> Any:
        nonlocal writes
        writes += 1
        return await write(work, urgent=urgent)

    db.write = counted  # type: ignore[method-assign]
    async with TestClient(TestServer(app)) as client:
        answers = {await status(client, "/readyz") for _ in range(20)}

    assert (answers, writes) == ({200}, 1)


async def test_the_numbers_of_the_process_are_told_without_a_database(
    client: TestClient[Any, Any], db: Away
) -> None:
    db.gone = True

    answer = await client.get("/metrics")

    assert answer.status == 200
    assert "qunxing_callbacks" in await answer.text()
