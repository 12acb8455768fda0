"""Copies of a database: made while it runs, brought back only when nobody has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy import Connection, text

from sop.errors import Misconfigured
from storage.engine import APPLICATION


def copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use; what is no database, or not whole, is refused."""
    if not source.exists():
        raise Misconfigured(f"There is no database at {source}.", remedy="Check storage.database.")
    unfinished = target.with_name(f"{target.name}.unfinished")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        _copy(source, unfinished)
        unfinished.replace(target)
    except sqlite3.OperationalError as error:
        raise Misconfigured(
            f"{source} cannot be copied to {target}: {error}.", remedy="Check the disk and the rights."
        ) from error
    except sqlite3.DatabaseError as error:
        raise Misconfigured(
            f"{source} is no whole database: {error}.", remedy="Name another file."
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(target)) as copy:
        whole.backup(copy)
        if (said := copy.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(said)


def must_be_idle(connection: Connection) -> None:
    """Refuse while another process of ours is at this PostgreSQL database: it would write into what is being replaced."""
    others = connection.scalar(
        text(
            "SELECT COUNT(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = :name AND pid <> pg_backend_pid()"
        ),
        {"name": APPLICATION},
    )
    if others:
        raise Misconfigured(
            f"The database is in use: qunxing has {others} connections to it.", remedy="Stop the bot first."
        )


def restore_sqlite(copy: Path, path: Path) -> Path | None:
    """Put a copy in the place of a database nobody has open; returns where the old one is kept, None without one."""
    incoming = path.with_name(f"{path.name}.incoming")
    copy_sqlite(copy, incoming)
    kept = _free_name(path) if path.exists() else None
    try:
        if kept is not None:
            _close(path)
            path.replace(kept)
        incoming.replace(path)
    finally:
        incoming.unlink(missing_ok=True)
    return kept


def _free_name(path: Path) -> Path:
    names = (f"{path.name}.before-restore{number}" for number in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(kept for kept in map(path.with_name, names) if not kept.exists())


def _close(path: Path) -> None:
    """Bring the write-ahead log home, which only the last one at a database can."""
    try:
        with closing(sqlite3.connect(path, timeout=1.0)) as last:
            mode = last.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise Misconfigured(f"{path} is in use: {error}.", remedy="Stop the bot first.") from error
    except sqlite3.DatabaseError:  # what is broken is kept as it is
        return
    if mode == "wal":
        raise Misconfigured(f"{path} is in use.", remedy="Stop the bot first.")
