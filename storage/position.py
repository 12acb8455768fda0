"""How far we have read of something that goes on: a feed, a timetable, a file."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from storage.engine import insert_into
from storage.tables import position


def read_position(connection: Connection, name: str) -> str:
    """Where we are, empty at the start."""
    return connection.scalar(select(position.c.value).where(position.c.name == name)) or ""


def positions_below(connection: Connection, prefix: str) -> set[str]:
    """The rest of every name that begins with ``prefix``."""
    names = connection.scalars(
        select(position.c.name).where(position.c.name.startswith(prefix, autoescape=True))
    )
    return {name.removeprefix(prefix) for name in names}


def first_position(connection: Connection, name: str, value: str) -> str:
    """``value``, unless somebody wrote one before; returns the one in force."""
    insertion = insert_into(connection, position).values(name=name, value=value)
    connection.execute(insertion.on_conflict_do_nothing(index_elements=["name"]))
    return read_position(connection, name)


def write_position(connection: Connection, name: str, value: str) -> None:
    insertion = insert_into(connection, position).values(name=name, value=value)
    connection.execute(
        insertion.on_conflict_do_update(index_elements=["name"], set_={"value": insertion.excluded.value})
    )


def drop_position(connection: Connection, name: str) -> None:
    connection.execute(delete(position).where(position.c.name == name))
