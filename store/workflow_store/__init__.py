"""The store: remembers instances, histories and what waits, in SQLite or PostgreSQL.

Promises: implements `workflow.ports.Store` on connections of its own (`connect`) or in a host's transaction (`join`); no
SQLAlchemy object leaves it but `metadata`, which a host may include in its own Alembic.
"""

from __future__ import annotations

from workflow_store.stores import JoinedStore, OwnStore, connect, is_current, join, upgrade
from workflow_store.tables import Tables, append_only, build, metadata
from workflow_store.upgrading import upgrade_sql

__all__ = [
    "JoinedStore",
    "OwnStore",
    "Tables",
    "append_only",
    "build",
    "connect",
    "is_current",
    "join",
    "metadata",
    "upgrade",
    "upgrade_sql",
]
