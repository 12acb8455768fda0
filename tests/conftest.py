"""What tests share: databases, and the services a laptop may lack.

A test that needs PostgreSQL, Redis or Chromium asks for ``postgres_url``, ``redis_url`` or ``chromium``.
Without the service it is skipped, and the last lines of the run say so; in CI (``QUNXING_CI=1``) it fails.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import settings

from storage import schema
from storage.engine import Database, database

POSTGRES, REDIS, CHROMIUM = "QUNXING_TEST_POSTGRES", "QUNXING_TEST_REDIS", "QUNXING_TEST_CHROMIUM"
IN_CI = os.environ.get("QUNXING_CI") == "1"

settings.register_profile("ours", deadline=None, print_blob=True)  # a busy machine is no bug
settings.load_profile("ours")

_missing = pytest.StashKey[list[str]]()


def service(request: pytest.FixtureRequest, variable: str) -> str:
    """Where the service is; skips loudly on a laptop, fails in CI."""
    address = os.environ.get(variable, "")
    if address:
        return address
    request.config.stash.setdefault(_missing, []).append(variable)
    if IN_CI:
        pytest.fail(f"{variable} is not set, and CI may not skip")
    pytest.skip(f"{variable} is not set")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for variable in sorted(set(config.stash.get(_missing, None) or ())):
        terminalreporter.write_line(f"NOT TESTED HERE: set {variable} to test with this service", yellow=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'qunxing.sqlite'}"


@pytest.fixture
async def postgres_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """An empty PostgreSQL database of this test's own."""
    import asyncpg

    server = service(request, POSTGRES)
    name = f"qunxing_test_{os.urandom(6).hex()}"
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING "UTF8"')
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """A Redis to share: give your keys a prefix of your own."""
    return service(request, REDIS)


@pytest.fixture
def chromium(request: pytest.FixtureRequest) -> str:
    """The path of the browser."""
    return service(request, CHROMIUM)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Both databases keep the same promises."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """An open database with our schema, once on SQLite and once on PostgreSQL."""
    async with database(database_url) as opened:
        await schema.ensure(opened)
        yield opened


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    """An open SQLite database with our schema, where one database is enough."""
    async with database(sqlite_url) as opened:
        await schema.ensure(opened)
        yield opened
