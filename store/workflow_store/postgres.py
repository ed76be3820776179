"""PostgreSQL as our own database, through psycopg's own cursors on SQLAlchemy's pool.

Promises: `load` is one round trip and so is `save`; both are single statements on a connection in autocommit mode, so that
no BEGIN and no COMMIT travels. A transaction exists only while a unit holds the row lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

import psycopg
import sqlalchemy as sa

from workflow.errors import StoreError
from workflow.ports import Change
from workflow.states.instance import InstanceId
from workflow_store import loading
from workflow_store.faults import LostConnectionError, from_postgres
from workflow_store.mapping import to_json
from workflow_store.pipeline import Pipeline, timestamp
from workflow_store.pool import Pool
from workflow_store.saving_postgres import save_with, template, values_of
from workflow_store.statements import Book, Reader, Row, Statement
from workflow_store.tables import Tables
from workflow_store.unit_of_work import OwnUnit
from workflow_store.writes import Write, is_plain, writes_of

SESSION = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; "
    "SET lock_timeout = '5s'; SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET timezone = 'UTC'"
)
PREPARED = 1_000  # statements kept per connection: one per combination of arms that was ever used


class PsycopgRunner:
    """Runs prepared statements on a driver connection in autocommit mode."""

    __slots__ = ("_cursor", "_pipeline")

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        """Keep one cursor for the connection's life."""
        self._cursor = psycopg.RawCursor(raw)
        self._pipeline = Pipeline(raw)

    def rows(self, statement: Statement, values: Mapping[str, Any], /) -> Sequence[Row]:
        """Run a statement that gives rows."""
        cursor = self._cursor
        cursor.execute(statement.text, statement.bind(values), prepare=True, binary=True)
        return cursor.fetchall()

    def loaded(self, statement: Statement, values: Mapping[str, str | None]) -> Sequence[Row]:
        """Run the statement of a load."""
        return self._pipeline.rows(statement, statement.bind(values))

    def write(self, book: Book, writes: Sequence[Write]) -> None:
        """Run the writes of a change in one round trip; outside a transaction they are one."""
        self._pipeline.run(book, writes)

    def write_part(self, book: Book, writes: Sequence[Write]) -> None:
        """Run the writes of a change as a part of a transaction that goes on when they fail."""
        self._pipeline.run(book, writes, is_part=True)

    def begin(self, how: str = "BEGIN") -> None:
        """Begin a transaction."""
        self._pipeline.tell(how.encode())

    def commit(self) -> None:
        """Make it durable."""
        self._pipeline.tell(b"COMMIT")

    @property
    def is_usable(self) -> bool:
        """Tell whether the connection is open and without a transaction."""
        raw = self._cursor.connection
        is_idle = raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE and self._pipeline.is_idle
        return not raw.closed and is_idle

    def roll_back(self) -> None:
        """Undo what is not committed."""
        if not self.is_usable and not self._cursor.connection.closed:
            self._pipeline.tell(b"ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._cursor.connection.close()


class PostgresDatabase:
    """The connections."""

    def __init__(self, url: sa.URL, tables: Tables, *, pool_size: int) -> None:
        """Prepare; nothing is opened yet."""
        self.engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool, pool_reset_on_return=None
        )
        sa.event.listen(self.engine, "connect", _prepare)
        self.book = Book("postgresql", "numeric_dollar", tables)
        self._pool: Pool[PsycopgRunner] = Pool(self._open, size=pool_size)

    def _open(self) -> PsycopgRunner:
        try:
            opened = self.engine.raw_connection()
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            raise LostConnectionError(f"PostgreSQL cannot be reached: {getattr(error, 'orig', error)}") from error
        raw = cast("psycopg.Connection[Any]", opened.driver_connection)
        opened.detach()
        return PsycopgRunner(raw)

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run one statement in a transaction of its own."""
        run = self._pool.take()
        try:
            found = run.rows(statement, values)
        except BaseException as error:
            self._failed(run, error)
            raise
        self._pool.give(run)
        return found

    def loaded(self, statement: Statement, values: Mapping[str, str | None]) -> Sequence[Row]:
        """Run the statement of a load."""
        run = self._pool.take()
        try:
            found = run.loaded(statement, values)
        except BaseException as error:
            self._failed(run, error)
            raise
        self._pool.give(run)
        return found

    def write(self, writes: Sequence[Write]) -> None:
        """Run the writes of a change in a transaction of their own."""
        run = self._pool.take()
        try:
            run.write(self.book, writes)
        except BaseException as error:
            self._failed(run, error)
            raise
        self._pool.give(run)

    def _failed(self, run: PsycopgRunner, error: BaseException) -> None:
        """Take back a connection on which something failed, and say it in our own words."""
        if run.is_usable:
            self._pool.give(run)
        else:
            self._pool.drop(run)
        if isinstance(error, psycopg.Error):
            raise from_postgres(error) from error

    @contextmanager
    def transaction(self, how: str = "BEGIN") -> Iterator[PsycopgRunner]:
        """Lend a connection inside a transaction; what is not committed by then is rolled back at the end."""
        run = self._pool.take()
        try:
            run.begin(how)
            try:
                yield run
            finally:
                run.roll_back()
        except psycopg.Error as error:
            raise from_postgres(error) from error
        finally:
            # After an interruption in the middle of an answer it is not idle: such a connection is not used again.
            if run.is_usable:
                self._pool.give(run)
            else:
                self._pool.drop(run)

    @contextmanager
    def batch(self, instance_ids: Sequence[InstanceId]) -> Iterator[PostgresBatch]:
        """Open a transaction in which many instances are settled; it is committed at the end."""
        with self.transaction() as run:
            free = run.rows(self.book[loading.FREE], {"ids": to_json(list(instance_ids))})
            yield PostgresBatch(self, run, [row[0] for row in free])
            run.commit()

    def moment(self) -> AbstractContextManager[PsycopgRunner]:
        """Lend a connection that sees one moment of the database; writers go on meanwhile."""
        return self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def unit(self) -> PostgresUnit:
        """Give a unit of work."""
        return PostgresUnit(self)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        self.engine.dispose()


def _prepare(raw: psycopg.Connection[Any], _record: object) -> None:
    raw.autocommit = True
    raw.prepared_max = PREPARED
    raw.execute(SESSION)


class PostgresUnit(OwnUnit):
    """A unit of work on our own connection."""

    def __init__(self, database: PostgresDatabase) -> None:
        """Keep the database."""
        super().__init__()
        self._database = database
        self._held: PsycopgRunner | None = None

    @property
    def _book(self) -> Book:
        return self._database.book

    def _rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        if self._held is not None:
            try:
                return self._held.rows(statement, values)
            except psycopg.Error as error:
                raise from_postgres(error) from error
        try:
            return self._database.rows(statement, values)
        except LostConnectionError:
            # The server was restarted since the pool last used this connection. Reading twice harms nobody.
            return self._database.rows(statement, values)

    def _loaded(self, statement: Statement, values: Mapping[str, str | None]) -> Sequence[Row]:
        if self._held is not None:
            return self._rows(statement, values)
        try:
            return self._database.loaded(statement, values)
        except LostConnectionError:
            return self._database.loaded(statement, values)  # as above

    def _lock(self, instance_id: InstanceId | None) -> None:
        if self._held is None:
            self._held = self._hold(self._database.transaction())
        self._rows(self._book[loading.LOCK], {"instance_id": instance_id})

    def save(self, change: Change, /) -> None:
        """Write the change and commit; raises `ConflictError` when somebody was faster (nothing is written then)."""
        if self._held is not None:
            run, self._held = self._held, None
            with self._release():
                if is_plain(change):
                    run.write(self._book, writes_of(change, timestamp))
                else:
                    self._save_at_once(run, change)
                run.commit()
        elif is_plain(change):
            self._database.write(writes_of(change, timestamp))
        else:
            self._save_at_once(self._database, change)

    def _save_at_once(self, run: Reader, change: Change) -> None:
        """Write a publication or an erasure: one statement, as in a host's transaction."""
        arms, values = values_of(change)
        save_with(run, self._book[template(arms, is_new=change.is_new)], values)


class PostgresPart(PostgresUnit):
    """A unit of work in a batch: what it saves is kept or undone by itself, and committed with the others."""

    def __init__(self, database: PostgresDatabase, held: PsycopgRunner) -> None:
        """Use the connection of the batch."""
        super().__init__(database)
        self._held = held

    def _loaded(self, statement: Statement, values: Mapping[str, str | None]) -> Sequence[Row]:
        if self._held is None:
            raise StoreError("The batch of this unit is over; open another one.")
        try:
            return self._held.loaded(statement, values)
        except psycopg.Error as error:
            raise from_postgres(error) from error

    def save(self, change: Change, /) -> None:
        """Write the change; raises `ConflictError` when a part of it is not as it was read (nothing of it is written then)."""
        run = self._held
        if run is None or not is_plain(change):
            raise StoreError("A batch settles instances, and neither publishes nor erases; use a unit of its own for that.")
        try:
            run.write_part(self._book, writes_of(change, timestamp))
        except psycopg.Error as error:
            raise from_postgres(error) from error


class PostgresBatch:
    """A transaction for many instances, whose rows it has locked."""

    def __init__(self, database: PostgresDatabase, run: PsycopgRunner, ids: Sequence[InstanceId]) -> None:
        """Take the connection, and the instances that nobody else had locked."""
        self._database, self._run, self.ids = database, run, ids

    def unit(self) -> PostgresPart:
        """Give a unit whose `save` writes into the transaction."""
        return PostgresPart(self._database, self._run)
