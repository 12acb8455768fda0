"""The schema of a database: made when it is empty, refused when it is older or newer than this program."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from sop.errors import Misconfigured
from storage import foresight
from storage.engine import Database, one_at_a_time
from storage.tables import metadata

MIGRATIONS = Path(__file__).parent / "migrations"


def newest() -> str:
    """The schema this program works with."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current(connection: Connection) -> str:
    """The schema the database has, empty when it has none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


async def ensure(db: Database) -> None:
    """Make the schema of an empty database; refuse one of another age."""
    found, empty = await db.read(_state)
    if empty:
        await db.write(_create)
    elif found != newest():
        _refuse_stranger(found)
        raise Misconfigured(
            f"The database has schema {found or 'unknown'}, this program needs {newest()}.",
            remedy="Make a copy with qunxing db backup, then run qunxing db upgrade.",
            field="storage.database",
        )


async def upgrade(db: Database) -> tuple[str, str]:
    """Bring an older database up to date; returns the schema before and after."""
    before, empty = await db.read(_state)
    _refuse_stranger(before)
    await db.write(_create if empty else _upgrade)
    return before, newest()


def _refuse_stranger(found: str) -> None:
    """A schema this program has never heard of was made by a newer one."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found and found not in known:
        raise Misconfigured(
            f"The database has schema {found}, which is newer than this program; it knows {newest()}.",
            remedy="Run the newer program, or bring back an older copy with qunxing db restore.",
            field="storage.database",
        )


def _state(connection: Connection) -> tuple[str, bool]:
    """The schema, and whether there is nothing at all."""
    return current(connection), not inspect(connection).get_table_names()


def _create(connection: Connection) -> None:
    """Make every table, unless another process that starts at the same time was first."""
    one_at_a_time(connection, "schema")
    if not _state(connection)[1]:
        return
    metadata.create_all(connection)
    MigrationContext.configure(connection)._ensure_version_table()
    config = _config()
    config.attributes["connection"] = connection
    command.stamp(config, "head")
    foresight.tell(connection)


def _upgrade(connection: Connection) -> None:
    one_at_a_time(connection, "schema")
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    foresight.tell(connection)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
