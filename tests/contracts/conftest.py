"""Every storage contract runs on SQLite, and on PostgreSQL when QUNXING_TEST_POSTGRES names a server."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.clock import TurnedClock
from storage.engine import Database, SqliteDatabase, database
from storage.tables import metadata
from tests.contracts.world import NOW

POSTGRES = os.environ.get("QUNXING_TEST_POSTGRES", "")


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema and nothing else, to be copied."""
    path = tmp_path_factory.mktemp("schema") / "empty.sqlite"

    async def make() -> None:
        async with SqliteDatabase(f"sqlite:///{path}") as db:
            await db.write(metadata.create_all)

    asyncio.run(make())
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
async def url(request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path) -> AsyncIterator[str]:
    """Where a fresh database with the schema is."""
    if request.param == "sqlite":
        shutil.copy(empty_sqlite, tmp_path / "q.sqlite")
        yield f"sqlite:///{tmp_path / 'q.sqlite'}"
        return
    if not POSTGRES:
        pytest.skip("QUNXING_TEST_POSTGRES is not set")
    name = f"qunxing_test_{uuid4().hex}"
    await _administer(f"CREATE DATABASE {name}")
    try:
        fresh = make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
        async with database(fresh) as db:
            await db.write(metadata.create_all)
        yield fresh
    finally:
        await _administer(f"DROP DATABASE {name} WITH (FORCE)")


async def _administer(statement: str) -> None:
    engine = create_async_engine(
        make_url(POSTGRES).set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT"
    )
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    async with database(url) as opened:
        yield opened


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOW)
