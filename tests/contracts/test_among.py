"""One bound value stands for many, and says what ``IN`` says."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, delete, insert, not_, select

from storage.among import among
from storage.engine import Database
from storage.tables import position

NAMES = ["a", "b'", 'c"', "d,e", "{f}", "群[1]", "\\n", "null", "NULL", "7"]


@pytest.mark.parametrize(
    "asked", [[], ["a"], ["b'", 'c"', "d,e"], ["{f}", "群[1]", "\\n"], NAMES, ["g", "null"]]
)
async def test_it_finds_what_in_would_find(db: Database, asked: list[str]) -> None:
    found, left = await db.write(lambda c: _asked(c, asked))

    assert found == set(asked) & set(NAMES)
    assert left == set(NAMES) - set(asked)


def _asked(connection: Connection, asked: list[str]) -> tuple[set[str], set[str]]:
    name = position.c.name
    connection.execute(insert(position), [{"name": one, "value": ""} for one in NAMES])
    found = connection.scalars(select(name).where(among(name, asked))).all()
    left = connection.scalars(select(name).where(not_(among(name, asked)))).all()
    connection.execute(delete(position).where(among(name, NAMES)))
    return set(found), set(left)
