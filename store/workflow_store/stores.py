"""Opening a store: of our own by URL, or inside a host's transaction by its connection.

Promises: an address that cannot work is refused with what to do about it, before anything is read or written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from workflow.errors import StoreError
from workflow.ports import Batch, Reads, Snapshot, UnitOfWork
from workflow.states.instance import InstanceId
from workflow_store.joined import Host, JoinedUnit
from workflow_store.reads import StoreReads
from workflow_store.sequencer import Sequencer
from workflow_store.sessions import StoreSessions
from workflow_store.snapshot import snapshot
from workflow_store.sqlite import SqliteDatabase
from workflow_store.tables import Tables, build
from workflow_store.upgrading import is_current_connection, upgrade_connection, upgrade_engine

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from workflow_store.postgres import PostgresDatabase

POOL_SIZE = 16
ERASABLE = ("sealed_values", "subject_keys", "credentials", "unique_values", "answers", "outbox", "delegations", "sessions")
"""Tables from which an erasure deletes, or in which it overwrites."""


class OwnStore:
    """A store with connections of its own; `close` it in the end."""

    def __init__(self, database: SqliteDatabase | PostgresDatabase) -> None:
        """Use `connect`."""
        self._database = database

    def unit(self) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work; leaving it without `save` leaves nothing behind."""
        return self._database.unit()

    def batch(self, instance_ids: Sequence[InstanceId], /) -> AbstractContextManager[Batch]:
        """Open a transaction in which many instances are settled; it is committed at the end."""
        return self._database.batch(instance_ids)

    @contextmanager
    def reads(self) -> Iterator[Reads]:
        """Open a reader; each of its calls is a transaction of its own."""
        yield StoreReads(lambda: self._database.book, self._database.rows)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Open a reader that sees the whole store at one moment."""
        with snapshot(self._database) as taken:
            yield taken

    def sequencer(self) -> Sequencer:
        """Give what takes entries into the tree."""
        return Sequencer(self._database)

    def sessions(self) -> StoreSessions:
        """Give what keeps the sign-ins at the pages."""
        return StoreSessions(self._database)

    def watch(self, before: Callable[[str], None]) -> None:
        """Tell each SQLite statement before it runs, on connections opened from now on; on PostgreSQL a change is one round trip."""
        if isinstance(self._database, SqliteDatabase):
            self._database.before = before

    @property
    def engine(self) -> sa.Engine:
        """SQLAlchemy's engine underneath, for what is not in the ports (exports, an administrator's own queries)."""
        return self._database.engine

    def upgrade(self) -> None:
        """Bring the tables up to date."""
        tables = self._database.book.tables
        upgrade_engine(self.engine, prefix=tables.prefix, schema=tables.schema)

    def is_current(self) -> bool:
        """Tell whether the tables are up to date."""
        tables = self._database.book.tables
        with self.engine.connect() as connection:
            return is_current_connection(connection, prefix=tables.prefix, schema=tables.schema)

    def compact(self) -> None:
        """Give back the room of what was deleted, so that no byte of it stays in the files of the database."""
        tables = self._database.book.tables.names()
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                return
            for name in ERASABLE:
                connection.exec_driver_sql(f"VACUUM {tables[name]}")

    def close(self) -> None:
        """Close every connection."""
        self._database.close()


class JoinedStore:
    """A store inside a host's transaction: nothing is committed or rolled back but savepoints of our own."""

    def __init__(self, host: Host) -> None:
        """Use `join`."""
        self._host = host

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """Open a unit of work in the host's transaction."""
        yield JoinedUnit(self._host)

    @contextmanager
    def reads(self) -> Iterator[Reads]:
        """Open a reader in the host's transaction."""
        yield StoreReads(lambda: self._host.book, self._host.rows)


def connect(
    url: str, *, prefix: str = "workflow_", schema: str | None = None, pool_size: int = POOL_SIZE, busy_seconds: float = 5.0
) -> OwnStore:
    """Open a store of our own.

    Args:
        url: ``sqlite:///file.db``, ``sqlite://`` (in memory, made at once), ``postgresql://...``.
        prefix: in front of every table's name.
        schema: PostgreSQL schema of the tables; the connection's own when None.
        pool_size: connections at most; whoever wants one more waits.
        busy_seconds: how long a writer waits for another writer of the same SQLite file.

    Raises:
        StoreError: the URL is no URL, names another database, or its driver is not installed.
    """
    parsed = _parsed(url)
    tables = build(prefix, schema)
    if parsed.get_backend_name() == "postgresql":
        return OwnStore(_postgres(parsed, tables, pool_size=pool_size))
    store = OwnStore(SqliteDatabase(parsed, tables, pool_size=pool_size, busy_seconds=busy_seconds))
    if parsed.database in {None, "", ":memory:"}:
        store.upgrade()  # nobody else can
    return store


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres://") else url)
    except sa.exc.ArgumentError as error:
        raise StoreError("This is no database URL: write sqlite:///file.db or postgresql://user@host/database.") from error
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"}:
        raise StoreError(f"There is no store for {parsed.drivername!r}: use sqlite:///file.db or postgresql://user@host/database.")
    return parsed


def _postgres(url: sa.URL, tables: Tables, *, pool_size: int) -> PostgresDatabase:
    try:
        from workflow_store.postgres import PostgresDatabase  # noqa: PLC0415  # the driver is optional
    except ImportError as error:
        raise StoreError("PostgreSQL needs the driver psycopg: install this package with the extra `postgres`.") from error
    return PostgresDatabase(url, tables, pool_size=pool_size)


def join(connection: object, *, prefix: str = "workflow_", schema: str | None = None) -> JoinedStore:
    """Enter a host's transaction by its SQLAlchemy `Connection` or `Session`.

    Of asynchronous hosts give the synchronous object (`sync_session`, `sync_connection`) and use the store inside `run_sync`;
    the connection is not touched before.

    Raises:
        StoreError: it is neither; and when it is first used, that it is no PostgreSQL or SQLite, or has no transaction to join.
    """
    return JoinedStore(Host(connection, _tables(prefix, schema)))


@cache
def _tables(prefix: str, schema: str | None) -> Tables:
    # Joining happens per transaction of the host, so the tables are made once for each name.
    return build(prefix, schema)


def upgrade(target: str | sa.Connection | Session, *, prefix: str = "workflow_", schema: str | None = None) -> None:
    """Bring the tables of a database up to date; on a host's connection, within the host's transaction."""
    if not isinstance(target, str):
        upgrade_connection(Host(target, _tables(prefix, schema)).connection, prefix=prefix, schema=schema)
        return
    store = connect(target, prefix=prefix, schema=schema)
    try:
        store.upgrade()
    finally:
        store.close()


def is_current(target: str | sa.Connection | Session, *, prefix: str = "workflow_", schema: str | None = None) -> bool:
    """Tell whether the tables of a database are there and up to date."""
    if not isinstance(target, str):
        return is_current_connection(Host(target, _tables(prefix, schema)).connection, prefix=prefix, schema=schema)
    store = connect(target, prefix=prefix, schema=schema)
    try:
        return store.is_current()
    finally:
        store.close()
