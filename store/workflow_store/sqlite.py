"""SQLite as our own database: WAL, durable, one writer at a time.

Promises: `load` takes no lock; `save` is one write transaction of driver-level statements, begun IMMEDIATE so that it
never has to be retried half way.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import sqlalchemy as sa

from workflow.errors import StoreError
from workflow.ports import Change
from workflow.states.instance import InstanceId
from workflow_store import saving_sqlite
from workflow_store.faults import from_sqlite
from workflow_store.pool import Pool
from workflow_store.statements import Book, Row, Statement
from workflow_store.tables import Tables
from workflow_store.unit_of_work import OwnUnit

BUSY_SECONDS = 5.0
PRAGMAS = (
    "page_size=2048",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "recursive_triggers=ON",
    "wal_autocheckpoint=8000",
    "cache_size=-8000",
)
"""A new file has pages of 2 KiB: a step changes little on each of a dozen pages, and the log takes whole ones (an older file keeps its
own). Checkpoints come every 16 MB of log instead of every 4, and 8 MB of pages stay in memory: nothing is less durable for it."""


Before = Callable[[str], None]
"""Told the text of a statement before it runs."""


def _watched(execute: Callable[..., sqlite3.Cursor], before: Before) -> Callable[..., sqlite3.Cursor]:
    def run(text: str, *values: Any) -> sqlite3.Cursor:  # noqa: ANN401  # the driver's own
        before(text)
        return execute(text, *values)

    return run


class SqliteRunner:
    """Runs statements on a driver connection."""

    __slots__ = ("_execute", "_raw")

    def __init__(self, raw: sqlite3.Connection, before: Before | None = None) -> None:
        """Take a driver connection in autocommit mode: transactions are begun by hand; `before` is told each statement first."""
        self._raw = raw
        execute = raw.cursor().execute  # one cursor for the connection's life; every answer is fetched whole
        self._execute = execute if before is None else _watched(execute, before)

    def rows(self, statement: Statement, values: Mapping[str, Any], /) -> Sequence[Row]:
        """Run a statement that gives rows."""
        return self._execute(statement.text, statement.bind(values)).fetchall()

    def change(self, statement: Statement, values: Sequence[Any], /) -> int:
        """Run a statement with values in its own order."""
        return self._execute(statement.text, values).rowcount

    def begin(self, how: str = "BEGIN IMMEDIATE") -> None:
        """Begin a transaction, a write transaction unless said otherwise."""
        self._execute(how)

    def commit(self) -> None:
        """Make it durable."""
        self._execute("COMMIT")

    def roll_back(self) -> None:
        """Undo what is not committed."""
        if self._raw.in_transaction:
            self._execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()


class SqliteDatabase:
    """The connections, and the one door for writers of this process."""

    def __init__(self, url: sa.URL, tables: Tables, *, pool_size: int, busy_seconds: float = BUSY_SECONDS) -> None:
        """Prepare; nothing is opened yet."""
        self.is_memory = url.database in {None, "", ":memory:"}
        self.engine = _engine(url, is_memory=self.is_memory, busy_seconds=busy_seconds)
        self.book = Book("sqlite", "qmark", tables)
        self._busy_seconds = busy_seconds
        self.before: Before | None = None
        # Writers of one process queue here: SQLite's own waiting sleeps ever longer and is not fair.
        self._door = threading.RLock()
        self._pool: Pool[SqliteRunner] = Pool(self._open, size=pool_size)
        self._memory = self.engine.raw_connection() if self.is_memory else None

    def _open(self) -> SqliteRunner:
        if self._memory is not None:
            return SqliteRunner(cast("sqlite3.Connection", self._memory.driver_connection))
        try:
            opened = self.engine.raw_connection()
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            raise StoreError(f"SQLite cannot open the file: {getattr(error, 'orig', error)}.") from error
        raw = cast("sqlite3.Connection", opened.driver_connection)
        opened.detach()
        return SqliteRunner(raw, self.before)

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run one statement in a transaction of its own."""
        if self.is_memory:
            with self._through_door(), self._lent() as run:
                return run.rows(statement, values)
        run = self._pool.take()
        try:
            return run.rows(statement, values)
        except sqlite3.Error as error:
            raise from_sqlite(error, is_joined=False) from error
        finally:
            self._pool.give(run)

    def save(self, change: Change) -> None:
        """Write a change in a transaction of its own: what `transaction` does, without three context managers in every step."""
        if self.is_memory:
            with self.transaction() as run:
                saving_sqlite.save(run, self.book, change)
                run.commit()
            return
        self._enter()
        try:
            run = self._pool.take()
            try:
                run.begin()
                saving_sqlite.save(run, self.book, change)
                run.commit()
            except sqlite3.Error as error:
                raise from_sqlite(error, is_joined=False) from error
            finally:
                run.roll_back()  # nothing, when it is committed
                self._pool.give(run)
        finally:
            self._door.release()

    @contextmanager
    def transaction(self) -> Iterator[SqliteRunner]:
        """Lend a connection inside a write transaction; what is not committed by then is rolled back at the end."""
        with self._through_door(), self._lent() as run:
            run.begin()
            try:
                yield run
            finally:
                run.roll_back()

    @contextmanager
    def batch(self, instance_ids: Sequence[InstanceId]) -> Iterator[SqliteBatch]:
        """Open a transaction in which many instances are settled; it is committed at the end."""
        with self.transaction() as run:
            yield SqliteBatch(self, run, instance_ids)
            run.commit()

    @contextmanager
    def moment(self) -> Iterator[SqliteRunner]:
        """Lend a connection that sees one moment of the file; writers go on meanwhile, unless the database is in memory."""
        with self._through_door() if self.is_memory else nullcontext(), self._lent() as run:
            run.begin("BEGIN")
            try:
                yield run
            finally:
                run.roll_back()

    @contextmanager
    def _through_door(self) -> Iterator[None]:
        self._enter()
        try:
            yield
        finally:
            self._door.release()

    def _enter(self) -> None:
        if not self._door.acquire(blocking=False) and not self._door.acquire(timeout=self._busy_seconds):
            raise StoreError("Another thread kept the SQLite file until the waiting time was over; try again.")

    @contextmanager
    def _lent(self) -> Iterator[SqliteRunner]:
        """Lend a connection; a database in memory is one connection, for whoever came through the door."""
        run = self._open() if self.is_memory else self._pool.take()
        try:
            yield run
        except sqlite3.Error as error:
            raise from_sqlite(error, is_joined=False) from error
        finally:
            if not self.is_memory:
                self._pool.give(run)

    def unit(self) -> SqliteUnit:
        """Give a unit of work."""
        return SqliteUnit(self)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        if self._memory is not None:
            self._memory.close()
        self.engine.dispose()


def _engine(url: sa.URL, *, is_memory: bool, busy_seconds: float) -> sa.Engine:
    options = {"check_same_thread": False, "cached_statements": 512}
    pool = sa.StaticPool if is_memory else sa.NullPool
    engine = sa.create_engine(url, pool_reset_on_return=None, poolclass=pool, connect_args=options)

    def prepare(raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None
        raw.execute(f"PRAGMA busy_timeout={int(busy_seconds * 1000)}")
        for pragma in PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "connect", prepare)
    return engine


class SqliteUnit(OwnUnit):
    """A unit of work on our own SQLite file."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Keep the database."""
        super().__init__()
        self._database = database
        self._held: SqliteRunner | None = None

    @property
    def _book(self) -> Book:
        return self._database.book

    def _rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        if self._held is not None:
            try:
                return self._held.rows(statement, values)
            except sqlite3.Error as error:
                raise from_sqlite(error, is_joined=False) from error
        return self._database.rows(statement, values)

    def _lock(self, instance_id: InstanceId | None) -> None:
        """Begin the write transaction: SQLite locks the whole file."""
        del instance_id
        if self._held is None:
            self._held = self._hold(self._database.transaction())

    def save(self, change: Change, /) -> None:
        """Write the change and commit; raises `ConflictError` when somebody was faster (nothing is written then)."""
        if self._held is not None:
            run, self._held = self._held, None
            with self._release():
                saving_sqlite.save(run, self._book, change)
                run.commit()
            return
        self._database.save(change)


class SqlitePart(SqliteUnit):
    """A unit of work in a batch: what it saves is kept or undone by itself, and committed with the others."""

    def __init__(self, database: SqliteDatabase, held: SqliteRunner) -> None:
        """Use the connection of the batch, which has the write lock already."""
        super().__init__(database)
        self._held = held

    def save(self, change: Change, /) -> None:
        """Write the change; raises `ConflictError` when a part of it is not as it was read (nothing of it is written then)."""
        run = self._held
        if run is None:
            raise StoreError("The batch of this unit is over; open another one.")
        run.begin("SAVEPOINT workflow_part")
        try:
            saving_sqlite.save(run, self._book, change)
        except BaseException as error:
            run.begin("ROLLBACK TO workflow_part")
            if isinstance(error, sqlite3.Error):
                raise from_sqlite(error, is_joined=False) from error
            raise
        finally:
            run.begin("RELEASE workflow_part")


class SqliteBatch:
    """A write transaction for many instances."""

    def __init__(self, database: SqliteDatabase, run: SqliteRunner, ids: Sequence[InstanceId]) -> None:
        """Take the connection; the whole file is locked, so nobody else writes to any instance."""
        self._database, self._run, self.ids = database, run, ids

    def unit(self) -> SqlitePart:
        """Give a unit whose `save` writes into the transaction."""
        return SqlitePart(self._database, self._run)
