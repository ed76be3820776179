"""PostgreSQL as our own database, through psycopg's own cursors on SQLAlchemy's pool.

Promises: `load` is one round trip and so is `save`; both are single statements on a connection in autocommit mode, so that
no BEGIN and no COMMIT travels. A transaction exists only while a unit holds the row lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, LiteralString, cast

import psycopg
import sqlalchemy as sa

from workflow.ports import Change
from workflow.states.instance import InstanceId
from workflow_store import loading
from workflow_store.faults import LostConnectionError, from_postgres
from workflow_store.pool import Pool
from workflow_store.saving_postgres import save_with, template, values_of
from workflow_store.statements import Book, Row, Statement
from workflow_store.tables import Tables
from workflow_store.unit_of_work import Unit

SESSION = (
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; "
    "SET lock_timeout = '5s'; SET jit = off; SET enable_seqscan = off; SET timezone = 'UTC'"
)
PREPARED = 1_000  # statements kept per connection: one per combination of arms that was ever used


class PsycopgRunner:
    """Runs prepared statements on a driver connection in autocommit mode."""

    __slots__ = ("_cursor",)

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        """Keep one cursor for the connection's life."""
        self._cursor = psycopg.RawCursor(raw)

    def rows(self, statement: Statement, values: Mapping[str, Any], /) -> Sequence[Row]:
        """Run a statement that gives rows."""
        cursor = self._cursor
        cursor.execute(statement.text, statement.bind(values), prepare=True, binary=True)
        return cursor.fetchall()

    def begin(self, how: LiteralString = "BEGIN") -> None:
        """Begin a transaction."""
        self._cursor.execute(how)

    def commit(self) -> None:
        """Make it durable."""
        self._cursor.execute("COMMIT")

    @property
    def is_usable(self) -> bool:
        """Tell whether the connection is open and without a transaction."""
        raw = self._cursor.connection
        return not raw.closed and raw.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    def roll_back(self) -> None:
        """Undo what is not committed."""
        if not self.is_usable and not self._cursor.connection.closed:
            self._cursor.execute("ROLLBACK")

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
            if run.is_usable:
                self._pool.give(run)
            else:
                self._pool.drop(run)
            if isinstance(error, psycopg.Error):
                raise from_postgres(error) from error
            raise
        self._pool.give(run)
        return found

    @contextmanager
    def transaction(self, how: LiteralString = "BEGIN") -> Iterator[PsycopgRunner]:
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

    def moment(self) -> AbstractContextManager[PsycopgRunner]:
        """Lend a connection that sees one moment of the database; writers go on meanwhile."""
        return self.transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def unit(self, ending: ExitStack) -> PostgresUnit:
        """Give a unit of work."""
        return PostgresUnit(self, ending)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        self.engine.dispose()


def _prepare(raw: psycopg.Connection[Any], _record: object) -> None:
    raw.autocommit = True
    raw.prepared_max = PREPARED
    raw.execute(SESSION)


class PostgresUnit(Unit):
    """A unit of work on our own connection."""

    def __init__(self, database: PostgresDatabase, ending: ExitStack) -> None:
        """Keep the database; `ending` is what is left at the end of the unit."""
        self._database = database
        self._ending = ending
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

    def _lock(self, instance_id: InstanceId | None) -> None:
        if self._held is None:
            self._held = self._ending.enter_context(self._database.transaction())
        self._rows(self._book[loading.LOCK], {"instance_id": instance_id})

    def save(self, change: Change, /) -> None:
        """Write the change and commit; raises `ConflictError` when somebody was faster (nothing is written then)."""
        arms, values = values_of(change)
        statement = self._book[template(arms, is_new=change.is_new)]
        if self._held is not None:
            run, self._held = self._held, None
            with self._ending.pop_all():
                save_with(run, statement, values)
                run.commit()
            return
        save_with(self._database, statement, values)
