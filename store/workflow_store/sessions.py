"""Sign-ins on the server: who is signed in at the pages, until when.

Promises: only a digest of what the browser holds is kept, and what a session says is sealed, so that a dump of this table signs
nobody in. Off the hot path: plain statements through SQLAlchemy.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from workflow.ports import StoredSession
from workflow_store.faults import translated
from workflow_store.tables import Tables, instant, micros

if TYPE_CHECKING:
    from workflow_store.postgres import PostgresDatabase
    from workflow_store.sqlite import SqliteDatabase


class StoreSessions:
    """`ports.SessionStore` on a database of our own."""

    def __init__(self, database: SqliteDatabase | PostgresDatabase) -> None:
        """Use `OwnStore.sessions`."""
        self._engine: sa.Engine = database.engine
        tables: Tables = database.book.tables
        self._table = tables.sessions

    def read(self, digest: str, /) -> StoredSession | None:
        """Read a session by the digest of its token."""
        with translated(self._engine.dialect.name), self._engine.begin() as connection:
            row = connection.execute(sa.select(self._table).where(self._table.c.digest == digest)).one_or_none()
        return None if row is None else _session(row)

    def write(self, session: StoredSession, /) -> None:
        """Write a session, new or changed."""
        values = self._values(session)
        insert: Any = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(self._table).values(values)
        changed = {name: statement.excluded[name] for name in values if name != "digest"}
        with translated(self._engine.dialect.name), self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["digest"], set_=changed))

    def renew(self, session: StoredSession, /) -> bool:
        """Write a session that is there; False when it was ended meanwhile, and then it stays ended."""
        statement = sa.update(self._table).where(self._table.c.digest == session.digest).values(self._values(session))
        with translated(self._engine.dialect.name), self._engine.begin() as connection:
            return connection.execute(statement).rowcount > 0

    def remove(self, digest: str, /) -> None:
        """End a session."""
        with translated(self._engine.dialect.name), self._engine.begin() as connection:
            connection.execute(sa.delete(self._table).where(self._table.c.digest == digest))

    def remove_all_of(self, actor: str, /) -> int:
        """End every session of an actor; gives how many."""
        with translated(self._engine.dialect.name), self._engine.begin() as connection:
            return connection.execute(sa.delete(self._table).where(self._table.c.actor == actor)).rowcount

    def forget(self, *, until: datetime) -> int:
        """Delete sessions that have expired; gives how many."""
        with translated(self._engine.dialect.name), self._engine.begin() as connection:
            return connection.execute(sa.delete(self._table).where(self._table.c.expires_at <= self._written(until))).rowcount

    def _values(self, session: StoredSession) -> dict[str, Any]:
        return {
            "digest": session.digest,
            "actor": session.actor,
            "sealed": session.sealed,
            "created_at": self._written(session.created_at),
            "seen_at": self._written(session.seen_at),
            "expires_at": self._written(session.expires_at),
        }

    def _written(self, at: datetime) -> Any:  # noqa: ANN401  # a number on SQLite, an instant on PostgreSQL
        return at if self._engine.dialect.name == "postgresql" else micros(at)


def _session(row: sa.Row[Any]) -> StoredSession:
    return StoredSession(
        digest=row.digest,
        actor=row.actor,
        sealed=bytes(row.sealed),
        created_at=_read(row.created_at),
        seen_at=_read(row.seen_at),
        expires_at=_read(row.expires_at),
    )


def _read(value: datetime | int) -> datetime:
    return value if isinstance(value, datetime) else instant(value)
