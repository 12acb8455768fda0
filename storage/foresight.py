"""What SQLite is told of its tables before they are full, so that it never reads all messages of a state to find one member's.

PostgreSQL looks for itself. SQLite looks only when asked, and what it saw of an empty table would mislead it for ever.
Source: https://sqlite.org/fileformat2.html#stat1tab
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

ROWS = 1_000_000  # of a grown community
PARTIAL = 10_000  # rows of those that an index of some rows holds
ALIKE = 20  # rows that share a value of a column that is not named here
VALUES = {  # columns of few values → how many
    "batch": 50,
    "channel": 8,
    "day": 500,
    "kind": 30,
    "shard": 64,
    "staff": 50,
    "state": 8,
    "step": 10,
    "tag": 100,
    "template": 30,
    "urgent": 2,
    "what": 10,
}
GROWING = ("activity", "coupon", "due", "friend", "inbox", "journey", "member", "member_day", "member_tag", "outbox", "seat", "trail")  # fmt: skip


def tell(connection: Connection) -> None:
    """Describe the tables that grow to SQLite's planner, in place of what it may have seen."""
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("ANALYZE")  # makes the table that the following is kept in
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    for table in GROWING:
        for row in connection.exec_driver_sql("SELECT * FROM pragma_index_list(?)", (table,)).all():
            told = described(
                _columns(connection, row.name), PARTIAL if row.partial else ROWS, unique=row.unique
            )
            connection.exec_driver_sql("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", (table, row.name, told))
    connection.exec_driver_sql("ANALYZE sqlite_schema")  # reads it again


def _columns(connection: Connection, index: str) -> Sequence[str]:
    return connection.exec_driver_sql("SELECT name FROM pragma_index_info(?)", (index,)).scalars().all()


def described(columns: Sequence[str], rows: int, *, unique: bool) -> str:
    """How many rows an index has, then for each more of its leading columns how many of them share their values."""
    told = [rows]
    for column in columns:
        few = told[-1] // VALUES[column] if column in VALUES else min(ALIKE, told[-1] // ALIKE)
        told.append(max(1, few))
    return " ".join(map(str, [*told[:-1], 1] if unique else told))
