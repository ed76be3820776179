"""SQLite as our own database: WAL, durable, one writer at a time.

Promises: `load` takes no lock; `save` is one write transaction of driver-level statements, begun IMMEDIATE so that it
never has to be retried half way.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
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
from workflow_store.unit_of_work import Unit

BUSY_SECONDS = 5.0
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON", "wal_autocheckpoint=4000")
"""Checkpoints come every 16 MB of log instead of every 4: nothing is less durable, and a step pays less of them."""


class SqliteRunner:
    """Runs statements on a driver connection."""

    __slots__ = ("_raw",)

    def __init__(self, raw: sqlite3.Connection) -> None:
        """Take a driver connection in autocommit mode: transactions are begun by hand."""
        self._raw = raw

    def rows(self, statement: Statement, values: Mapping[str, Any], /) -> Sequence[Row]:
        """Run a statement that gives rows."""
        return self._raw.execute(statement.text, statement.bind(values)).fetchall()

    def change(self, statement: Statement, values: Mapping[str, Any], /) -> int:
        """Run a statement that gives none."""
        return self._raw.execute(statement.text, statement.bind(values)).rowcount

    def begin(self, how: str = "BEGIN IMMEDIATE") -> None:
        """Begin a transaction, a write transaction unless said otherwise."""
        self._raw.execute(how)

    def commit(self) -> None:
        """Make it durable."""
        self._raw.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo what is not committed."""
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._raw.close()

    def change_many(self, statement: Statement, values: Sequence[Sequence[Any]], /) -> int:
        """Run a statement once per sequence of values."""
        if len(values) == 1:
            return self._raw.execute(statement.text, values[0]).rowcount
        return self._raw.executemany(statement.text, values).rowcount


class SqliteDatabase:
    """The connections, and the one door for writers of this process."""

    def __init__(self, url: sa.URL, tables: Tables, *, pool_size: int, busy_seconds: float = BUSY_SECONDS) -> None:
        """Prepare; nothing is opened yet."""
        self.is_memory = url.database in {None, "", ":memory:"}
        self.engine = _engine(url, is_memory=self.is_memory, busy_seconds=busy_seconds)
        self.book = Book("sqlite", "qmark", tables)
        self._busy_seconds = busy_seconds
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
        return SqliteRunner(raw)

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
        if not self._door.acquire(timeout=self._busy_seconds):
            raise StoreError("Another thread kept the SQLite file until the waiting time was over; try again.")
        try:
            yield
        finally:
            self._door.release()

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

    def unit(self, ending: ExitStack) -> SqliteUnit:
        """Give a unit of work."""
        return SqliteUnit(self, ending)

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


class SqliteUnit(Unit):
    """A unit of work on our own SQLite file."""

    def __init__(self, database: SqliteDatabase, ending: ExitStack) -> None:
        """Keep the database; `ending` is what is left at the end of the unit."""
        self._database = database
        self._ending = ending
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
            self._held = self._ending.enter_context(self._database.transaction())

    def save(self, change: Change, /) -> None:
        """Write the change and commit; raises `ConflictError` when somebody was faster (nothing is written then)."""
        if self._held is not None:
            run, self._held = self._held, None
            with self._ending.pop_all():
                saving_sqlite.save(run, self._book, change)
                run.commit()
            return
        with self._database.transaction() as run:
            saving_sqlite.save(run, self._book, change)
            run.commit()
