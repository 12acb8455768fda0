"""The database: one door for writing, one for reading, on SQLite and on PostgreSQL.

A unit of work is a plain function of a :class:`~sqlalchemy.Connection`. On SQLite one thread writes; works that
wait together share one transaction and one sync to disk (group commit). On PostgreSQL each work is
a transaction of its own, run through the async driver. Differences between the two live in this file only.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from sqlalchemy import Connection as Connection
from sqlalchemy import Engine, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from sop.errors import Misconfigured
from storage.checkpoint import Checkpointer

T = TypeVar("T")
Work = Callable[[Connection], T]

APPLICATION = "qunxing"  # what PostgreSQL calls us
GROUP_SIZE = 64  # works that may share one transaction
READERS = 3
LARGEST_INSERT = 256  # rows in one statement
RETRIES = 5  # of a PostgreSQL transaction that lost a deadlock or a serialisation race


class Database(Protocol):
    """Where the product remembers. Open it as an async context manager."""

    dialect: str

    async def write(self, work: Work[T], *, urgent: bool = False) -> T:
        """Run ``work`` in a transaction; when this returns, it is on disk. A work may be run again, so it keeps no state.

        ``urgent`` works go before others.
        """
        ...

    async def store_new(self, table: Table, rows: Sequence[dict[str, Any]], *unique: str) -> None:
        """Insert rows at once, before other works; when this returns they are on disk. What is there already stays."""
        ...

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` on a consistent view; it must not write."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def database(url: str) -> Database:
    """The database behind ``sqlite:///path`` or ``postgresql://…``."""
    try:
        backend = make_url(url).get_backend_name()
    except Exception as error:  # SQLAlchemy raises several kinds for a text that is no URL
        raise Misconfigured(
            "storage.database is not a database URL.",
            remedy="Write sqlite:///data/qunxing.sqlite or postgresql://user:password@host/name.",
            field="storage.database",
        ) from error
    if backend == "sqlite":
        return SqliteDatabase(url)
    if backend == "postgresql":
        return PostgresDatabase(url)
    raise Misconfigured(
        f"storage.database names {backend!r}.",
        remedy="Use sqlite:///… or postgresql://…",
        field="storage.database",
    )


# ---------------------------------------------------------------- SQLite


@dataclass(eq=False)
class _Job:
    work: Work[Any] | None  # None when a statement is all there is to do
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    statement: tuple[str, list[Any]] = ("", [])
    result: Any = None
    error: BaseException | None = None

    def run(self, connection: Connection) -> None:
        if self.work is not None:
            self.result = self.work(connection)

    def answer(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


@dataclass(eq=False)
class SqliteDatabase:
    """WAL, synchronous FULL, one writer thread, a few reader threads, and one that carries the log over."""

    url: str
    dialect: str = "sqlite"
    synchronous: str = "FULL"
    _urgent: deque[_Job] = field(default_factory=deque)
    _waiting: deque[_Job] = field(default_factory=deque)
    _asked: SimpleQueue[None] = field(
        default_factory=SimpleQueue
    )  # one token for each job, and one for closing
    _closing: bool = False

    async def __aenter__(self) -> Self:
        path = make_url(self.url).database
        self._writer_engine = self._engine("BEGIN IMMEDIATE")
        self._reader_engine = self._engine("BEGIN")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="sqlite-read")
        self._thread_connections = threading.local()
        self._opened: list[Connection] = []
        self._thread = threading.Thread(target=self._write_forever, name="sqlite-write", daemon=True)
        try:
            if path and path != ":memory:":
                await asyncio.to_thread(Path(path).parent.mkdir, parents=True, exist_ok=True)
            writer = await asyncio.to_thread(self._writer_engine.connect)
        except (OSError, DBAPIError) as error:
            raise Misconfigured(
                f"The database {path} cannot be opened: {reason_of(error)}.",
                remedy="Check that the folder can be written to and the disk is not full, or change storage.database.",
                field="storage.database",
            ) from error
        self._writer, self._checkpointer = writer, Checkpointer(path or "")
        self._checkpointer.start()
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        self._asked.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._checkpointer.stop)
        self._readers.shutdown(wait=True)
        for connection in self._opened:
            connection.close()
        self._writer.close()
        self._writer_engine.dispose()
        self._reader_engine.dispose()

    async def write(self, work: Work[T], *, urgent: bool = False) -> T:
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop)
        self._ask(job, self._urgent if urgent else self._waiting)
        result: T = await job.future
        return result

    async def store_new(self, table: Table, rows: Sequence[dict[str, Any]], *unique: str) -> None:
        loop = asyncio.get_running_loop()
        for part in _parts(rows):
            job = _Job(None, loop.create_future(), loop, _insertion(table, part, unique))
            self._ask(job, self._urgent)
            await job.future

    def _ask(self, job: _Job, queue: deque[_Job]) -> None:
        if self._closing:
            raise RuntimeError("the database is closed")
        queue.append(job)
        self._asked.put(None)

    async def read(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    def _read(self, work: Work[T]) -> T:
        connection: Connection | None = getattr(self._thread_connections, "connection", None)
        if connection is None:
            connection = self._reader_engine.connect()
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.rollback()
            self._thread_connections.connection = connection
            self._opened.append(connection)
        try:
            return work(connection)
        finally:
            connection.rollback()

    def _engine(self, begin: str) -> Engine:
        engine = create_engine(
            self.url,
            poolclass=NullPool,
            connect_args={"check_same_thread": False, "timeout": 5.0, "isolation_level": None},
        )

        @event.listens_for(engine, "connect")
        def _prepare(raw: sqlite3.Connection, _: Any) -> None:
            raw.execute("PRAGMA journal_mode = WAL")
            raw.execute(f"PRAGMA synchronous = {self.synchronous}")
            raw.execute("PRAGMA busy_timeout = 5000")
            raw.execute("PRAGMA cache_size = -32000")
            raw.execute("PRAGMA wal_autocheckpoint = 0")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            raw: Any = connection.connection.dbapi_connection
            raw.execute(begin)

        event.listen(engine, "savepoint", _refuse_if_lost)
        return engine

    def _write_forever(self) -> None:
        while jobs := self._next_jobs():
            self._run(jobs) if jobs[0].work else self._execute(jobs[0])
            self._checkpointer.written()
            by_loop: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
            for job in jobs:
                by_loop.setdefault(job.loop, []).append(job)
            for loop, answered in by_loop.items():
                with suppress(RuntimeError):  # the loop that asked is closed: nobody waits any more
                    loop.call_soon_threadsafe(_answer_all, answered)

    def _next_jobs(self) -> list[_Job]:
        """The next works, which share a transaction, or one statement, which is a transaction of its own."""
        while True:
            self._asked.get()
            queue, jobs = self._urgent or self._waiting, list[_Job]()
            while queue and len(jobs) < GROUP_SIZE and (queue[0].work or not jobs):
                jobs.append(queue.popleft())
                if not jobs[0].work:
                    break
            if jobs or self._closing:
                return jobs

    def _execute(self, job: _Job) -> None:
        """One statement that begins, writes and commits without giving up the interpreter in between."""
        try:
            raw: Any = self._writer.connection.dbapi_connection
            raw.execute(*job.statement)
        except Exception as error:  # see _run
            job.error = error

    def _run(self, jobs: list[_Job]) -> None:
        """All works in one transaction; if one fails, all again under savepoints; if even that fails, each alone."""
        try:
            transaction = self._writer.begin()
        except Exception as error:  # nobody gets the lock now; waiting again for each would only take longer
            for job in jobs:
                job.error = error
            return
        try:
            with transaction:
                for job in jobs:
                    job.run(self._writer)
                _refuse_if_lost(self._writer)
        except Exception as error:  # whatever a work raises belongs to its caller, not to this thread
            if len(jobs) == 1:
                jobs[0].error = error
            else:
                self._run_again(jobs)

    def _run_again(self, jobs: list[_Job]) -> None:
        try:
            with self._writer.begin():
                for job in jobs:
                    self._run_apart(job)
                _refuse_if_lost(self._writer)
        except Exception:  # a full disk ends the whole transaction, and what seemed done is not
            for job in jobs:
                job.result, job.error = None, None
                self._run([job])

    def _run_apart(self, job: _Job) -> None:
        try:
            with self._writer.begin_nested():
                job.run(self._writer)
        except Exception as error:  # see _run
            _refuse_if_lost(self._writer)
            job.error = error


class TransactionLost(Exception):
    """The database ended a transaction by itself, so nothing of it is stored."""


def _refuse_if_lost(connection: Connection, *_: Any) -> None:
    """SQLite ends a transaction when the disk is full or broken; what followed would commit statement by statement."""
    raw: Any = connection.connection.dbapi_connection
    if isinstance(raw, sqlite3.Connection) and not raw.in_transaction:
        raise TransactionLost("the disk may be full")


def _answer_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.answer()


# ---------------------------------------------------------------- PostgreSQL


@dataclass(eq=False)
class PostgresDatabase:
    """One transaction a work; the server groups commits itself."""

    url: str
    dialect: str = "postgresql"

    async def __aenter__(self) -> Self:
        from sqlalchemy.ext.asyncio import create_async_engine  # brings the ORM along, slowly

        url = make_url(self.url).set(drivername="postgresql+asyncpg")
        try:
            self._engine = create_async_engine(
                url,
                pool_size=10,
                max_overflow=10,
                connect_args={"server_settings": {"application_name": APPLICATION}},
            )
            async with self._engine.connect():
                pass
        except ModuleNotFoundError as error:
            raise Misconfigured(
                "PostgreSQL needs its driver.",
                remedy="Install it: pip install 'qunxing[postgres]'.",
                field="storage.database",
            ) from error
        except (DBAPIError, OSError) as error:
            raise Misconfigured(
                f"PostgreSQL at {url.host}:{url.port or 5432} does not answer ({type(error).__name__}).",
                remedy="Check storage.database, and that the server runs and lets this host in.",
                field="storage.database",
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._engine.dispose()

    async def write(self, work: Work[T], *, urgent: bool = False) -> T:
        for attempt in range(RETRIES):
            try:
                async with self._engine.begin() as connection:
                    return await connection.run_sync(work)
            except DBAPIError as error:
                if not _lost_a_race(error) or attempt == RETRIES - 1:
                    raise
        raise AssertionError("unreachable")

    async def store_new(self, table: Table, rows: Sequence[dict[str, Any]], *unique: str) -> None:
        await self.write(lambda connection: insert_new(connection, table, rows, *unique))

    async def read(self, work: Work[T]) -> T:
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            return await connection.run_sync(work)


def _lost_a_race(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", "") in {"40001", "40P01"}


# busy, locked, no memory, read-only, input or output failed, corrupt, full, cannot open, no database
SQLITE_TROUBLE = frozenset({5, 6, 7, 8, 10, 11, 13, 14, 26})
POSTGRES_TROUBLE = ("08", "40", "53", "57", "58")  # connection, lost race, no resources, shut down, broken


def is_trouble(error: BaseException | None) -> bool:
    """Whether the database itself is in trouble (away, locked, full): no work is to blame, and later it may be well."""
    while error is not None:
        if isinstance(error, (TransactionLost, OSError)) or _troubled(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def reason_of(error: BaseException) -> str:
    """The cause alone, in the words of whoever refused."""
    said = error.orig if isinstance(error, DBAPIError) else getattr(error, "strerror", None)
    return str(said or error)


def _troubled(error: BaseException) -> bool:
    raw = error.orig if isinstance(error, DBAPIError) else error
    code, state = getattr(raw, "sqlite_errorcode", None), getattr(raw, "sqlstate", None)
    return (
        (isinstance(error, DBAPIError) and error.connection_invalidated)
        or (code or 0) & 0xFF in SQLITE_TROUBLE
        or str(state or "")[:2] in POSTGRES_TROUBLE
    )


def insert_into(connection: Connection, table: Table) -> Any:
    """An insert that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``, in this database's dialect."""
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: Table) -> Any:
    """The same for a dialect's name, so that a statement can be made once and used often."""
    return (postgresql_insert if dialect == "postgresql" else sqlite_insert)(table)


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], *unique: str) -> None:
    """Insert many rows of the same columns; one whose ``unique`` columns are there already stays as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(insert_into(connection, table).on_conflict_do_nothing(index_elements=unique), rows)
        return
    raw: Any = connection.connection.dbapi_connection
    for part in _parts(rows):
        raw.execute(*_insertion(table, part, unique))


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    return (rows[start : start + LARGEST_INSERT] for start in range(0, len(rows), LARGEST_INSERT))


def _insertion(
    table: Table, rows: Sequence[dict[str, Any]], unique: tuple[str, ...]
) -> tuple[str, list[Any]]:
    """All rows in one statement of SQLite: it gives up the interpreter once, not for each row."""
    names = tuple(rows[0])
    adapted = _adapted(table, names)
    values = list(chain.from_iterable(map(dict.values, rows)))
    for index, make in adapted:
        values[index :: len(names)] = map(make, values[index :: len(names)])
    return _words(table.name, names, len(rows), unique), values


@lru_cache
def _adapted(table: Table, names: tuple[str, ...]) -> tuple[tuple[int, Callable[[Any], Any]], ...]:
    """Which columns SQLite wants another value for than ours, and what makes it."""
    dialect = sqlite_dialect()
    makers = (table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)
    return tuple((index, make) for index, make in enumerate(makers) if make is not None)


@lru_cache(maxsize=1024)
def _words(table: str, columns: tuple[str, ...], count: int, unique: tuple[str, ...]) -> str:
    row = f"({', '.join('?' * len(columns))})"
    names, rows = ", ".join(columns), ", ".join([row] * count)
    return f"INSERT INTO {table} ({names}) VALUES {rows} ON CONFLICT ({', '.join(unique)}) DO NOTHING"


def can_skip_locked(connection: Connection) -> bool:
    """Whether several processes claim rows at once; SQLite has one writer and nothing to skip."""
    return bool(connection.dialect.name == "postgresql")


def one_at_a_time(connection: Connection, name: str) -> None:
    """From here to the end of the transaction nobody else passes with the same name; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


def sqlite_path(url: str) -> Path | None:
    """The file behind a SQLite URL; None for another database."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
