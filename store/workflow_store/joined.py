"""A host's transaction, entered through the host's SQLAlchemy connection.

Promises: nothing is ever committed or rolled back but our own savepoint; statements go through SQLAlchemy, so that the
async drivers (asyncpg, aiosqlite, psycopg) work the same inside `run_sync`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import sqlalchemy as sa

from workflow.errors import StoreError
from workflow.ports import Change
from workflow.states.instance import InstanceId
from workflow_store import loading, saving_sqlite
from workflow_store.faults import translated
from workflow_store.saving_postgres import save_with, template, values_of
from workflow_store.statements import Book, Database, Row, Statement, Style
from workflow_store.tables import Tables
from workflow_store.unit_of_work import Unit

STYLES: Mapping[str, Style] = {"pyformat": "pyformat", "numeric_dollar": "numeric_dollar", "qmark": "qmark"}
TOUCH = "UPDATE {instances} SET head = head WHERE id = :instance_id"


class JoinedRunner:
    """Runs statements on a host's connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sa.Connection) -> None:
        """Take the host's connection."""
        self._connection = connection

    def rows(self, statement: Statement, values: Mapping[str, Any], /) -> Sequence[Row]:
        """Run a statement that gives rows."""
        return cast("Sequence[Row]", self._connection.exec_driver_sql(statement.text, statement.bind(values)).fetchall())

    def change(self, statement: Statement, values: Sequence[Any], /) -> int:
        """Run a statement with values in its own order."""
        return self._connection.exec_driver_sql(statement.text, tuple(values)).rowcount


class Host:
    """A host's connection, looked at only when a statement is run.

    A session asks its pool when it is asked for its connection, and an asynchronous one may only do that inside `run_sync`.
    """

    def __init__(self, given: object, tables: Tables) -> None:
        """Take a SQLAlchemy Connection or Session."""
        if not isinstance(given, sa.Connection) and not callable(getattr(given, "connection", None)):
            raise StoreError(f"A {type(given).__name__} cannot be joined: give a SQLAlchemy Connection or Session.")
        self._given: Any = given
        self._tables = tables

    @property
    def connection(self) -> sa.Connection:
        """The connection that the host's transaction is on now."""
        given = self._given
        return given if isinstance(given, sa.Connection) else cast("sa.Connection", given.connection())

    @cached_property
    def book(self) -> Book:
        """The statements in the host's driver's style."""
        dialect = self.connection.dialect
        style = STYLES.get(dialect.paramstyle)
        if dialect.name not in {"postgresql", "sqlite"} or style is None:
            raise StoreError(f"A {dialect.name} connection ({dialect.driver}) cannot be joined: use PostgreSQL or SQLite.")
        return _book(cast("Database", dialect.name), style, self._tables)

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that gives rows."""
        with translated(self.book.database):
            return JoinedRunner(self.connection).rows(statement, values)


_books: dict[tuple[Database, Style, Tables], Book] = {}


def _book(database: Database, style: Style, tables: Tables) -> Book:
    # A host joins once per transaction; the statements are rendered once per process.
    key = (database, style, tables)
    found = _books.get(key)
    if found is None:
        found = _books[key] = Book(*key)
    return found


class JoinedUnit(Unit):
    """A unit of work in a host's transaction."""

    is_joined = True

    def __init__(self, host: Host) -> None:
        """Take the host's connection."""
        self._host = host

    @property
    def _book(self) -> Book:
        return self._host.book

    def _rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        return self._host.rows(statement, values)

    def _lock(self, instance_id: InstanceId | None) -> None:
        if self._book.database == "postgresql":
            self._rows(self._book[loading.LOCK], {"instance_id": instance_id})
            return
        with translated("sqlite"):
            connection = self._host.connection
            begin(connection)
            # SQLite knows no row locks: a write that changes nothing takes the file's.
            JoinedRunner(connection).change(self._book[TOUCH], (instance_id,))

    def save(self, change: Change, /) -> None:
        """Write the change in a savepoint; raises `ConflictError` when somebody was faster (nothing of ours is written then)."""
        book = self._book
        with translated(book.database):
            connection = self._host.connection
            begin(connection)
            run = JoinedRunner(connection)
            with connection.begin_nested():
                if book.database == "sqlite":
                    saving_sqlite.save(run, book, change)
                    return
                arms, values = values_of(change)
                save_with(run, book[template(arms, is_new=change.is_new)], values)


def begin(connection: sa.Connection) -> None:
    """Make sure that a transaction is open, so that ending our savepoint cannot end what is the host's.

    Python's sqlite3 opens no transaction before SAVEPOINT, and releasing the outermost savepoint of SQLite commits.
    """
    if connection.dialect.name == "sqlite":
        driver = connection.connection.driver_connection
        if not getattr(driver, "in_transaction", True):
            connection.exec_driver_sql("BEGIN")
    elif (raw := connection.connection.dbapi_connection) is not None and connection.dialect.detect_autocommit_setting(raw):
        raise StoreError("The connection is in AUTOCOMMIT mode and has no transaction to join: give one without that isolation level.")
