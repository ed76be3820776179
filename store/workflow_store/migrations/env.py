"""Alembic's entry: runs on the connection it is given, or writes SQL.

Promises: reads `connection`, `prefix` and `schema` from the configuration's attributes; the version table is `<prefix>version`
in the same schema. A transaction that was begun elsewhere is ended elsewhere.
"""

from __future__ import annotations

from typing import Any

from alembic import context

from workflow_store.tables import build

_given = context.config.attributes
_prefix: str = _given.get("prefix", "workflow_")
_schema: str | None = _given.get("schema")
_options: dict[str, Any] = {
    "target_metadata": build(_prefix, _schema).metadata,
    "version_table": f"{_prefix}version",
    "version_table_schema": _schema,
}


def _write_sql() -> None:
    context.configure(dialect_name=_given["dialect"], literal_binds=True, **_options)
    with context.begin_transaction():
        if _schema is not None:
            context.execute(f'CREATE SCHEMA IF NOT EXISTS "{_schema}"')
        context.run_migrations()


def _run() -> None:
    context.configure(connection=_given["connection"], **_options)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _write_sql()
else:
    _run()
