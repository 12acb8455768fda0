"""However full the ledger is, what is asked for each message is found through an index of few rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from storage import schema
from storage.engine import Database, SqliteDatabase
from storage.foresight import described
from storage.lane import lanes
from storage.outbox import OutboxStore
from storage.policy import lately
from storage.tables import outbox
from storage.zone import ZoneStore
from tests.contracts.world import NOW

SOME = [f"wm-{number}" for number in range(100)]
QUESTIONS: dict[str, tuple[Callable[[Connection], object], str]] = {
    "lately": (lambda c: lately(c, SOME, outbox.c.member, NOW, range(100)), "ix_outbox_member"),
    "lanes": (lanes, "ix_outbox_waiting"),
    "cancel": (lambda c: OutboxStore(c, NOW).cancel(member="wm-1", reason=""), "ix_outbox_member"),
    "said": (lambda c: OutboxStore(c, NOW).said(NOW, member="wm-1"), "ix_outbox_member"),
    "created": (lambda c: OutboxStore(c, NOW).created_for("wm-1"), "ix_outbox_member"),
    "zones": (lambda c: ZoneStore(c).of(SOME), "ix_member_zone"),
}


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_question_about_one_reads_few(tmp_path: Path, question: str) -> None:
    ask, index = QUESTIONS[question]
    async with SqliteDatabase(f"sqlite:///{tmp_path / 'new.sqlite'}") as db:
        await schema.ensure(db)

        plan = await db.write(lambda c: _plan(c, ask))

    assert index in plan
    assert "ix_outbox_state" not in plan


def _plan(connection: Connection, ask: Callable[[Connection], object]) -> str:
    """How SQLite goes about everything that ``ask`` asks."""
    asked: list[tuple[str, object]] = []

    def note(_: object, __: object, statement: str, values: object, *___: object) -> None:
        asked.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    ask(connection)
    event.remove(connection, "before_cursor_execute", note)
    plans = [
        connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()  # type: ignore[arg-type]
        for statement, values in asked
    ]
    return "\n".join(row[3] for plan in plans for row in plan)


async def test_a_database_is_told_once_it_is_made(db: Database) -> None:
    told = "SELECT count(*) FROM sqlite_stat1" if db.dialect == "sqlite" else "SELECT 1"

    assert await db.read(lambda c: c.scalar(text(told)))


def test_an_index_of_few_values_is_told_to_be_coarse() -> None:
    assert described(["state", "id"], 1_000_000, unique=False) == "1000000 125000 20"
    assert described(["template", "whom", "run"], 1_000_000, unique=True) == "1000000 33333 20 1"
    assert described(["member"], 1_000_000, unique=False) == "1000000 20"
