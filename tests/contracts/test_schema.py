"""The schema: made when there is none, refused in words when it is of another age."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import Connection, inspect

from sop.errors import Misconfigured
from storage import schema
from storage.engine import Database, Work, database
from storage.tables import metadata


def aged(statement: str) -> Work[None]:
    def work(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return work


async def test_processes_that_start_at_once_make_one_schema(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(database(database_url)) for _ in range(4)]

        await asyncio.gather(*(schema.ensure(db) for db in opened))

        tables = set(await opened[0].read(lambda c: inspect(c).get_table_names()))
    assert tables >= set(metadata.tables)


async def test_a_database_without_a_version_is_sent_to_the_upgrade(db: Database) -> None:
    await db.write(aged("DELETE FROM alembic_version"))

    with pytest.raises(Misconfigured, match="qunxing db upgrade"):
        await schema.ensure(db)


async def test_a_schema_from_the_future_is_refused_and_left_alone(db: Database) -> None:
    await db.write(aged("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(Misconfigured, match="newer than this program"):
        await schema.ensure(db)
    with pytest.raises(Misconfigured, match="newer than this program"):
        await schema.upgrade(db)

    assert await db.read(schema.current) == "9999"
