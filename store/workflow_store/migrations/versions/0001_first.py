"""Every table of the store, and what keeps entries from being changed.

Revision: 0001, the first.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from workflow_store.tables import append_only, qualified

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT: Any = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
KEY: Any = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
TABLES = ("answers", "unique_values", "publications", "documents", "delegations", "sealed_values", "subject_keys", "credentials", "work", "outbox", "timers", "unsequenced", "entries", "instances")


def _names() -> tuple[str, str | None]:
    given = context.config.attributes
    return given.get("prefix", "workflow_"), given.get("schema")


def _column(name: str, type_: Any, *, null: bool = False, primary: bool = False) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=null, primary_key=primary, autoincrement=False)


def _table(name: str, *columns: sa.Column[Any], **options: Any) -> None:
    prefix, schema = _names()
    key = sa.PrimaryKeyConstraint(*(column.name for column in columns if column.primary_key), name=f"{prefix}{name}_pkey")
    for column in columns:
        column.primary_key = False
    op.create_table(f"{prefix}{name}", *columns, key, schema=schema, **options)


def _index(name: str, table: str, columns: list[str], *, where: str | None = None) -> None:
    prefix, schema = _names()
    only = None if where is None else sa.text(where)
    op.create_index(f"{prefix}{name}_idx", f"{prefix}{table}", columns, schema=schema, postgresql_where=only, sqlite_where=only)


def upgrade() -> None:
    """Make everything."""
    _table(
        "instances",
        _column("id", KEY, primary=True),
        _column("definition", KEY),
        _column("digest", KEY),
        _column("state", KEY),
        _column("subject", KEY),
        _column("version", sa.BigInteger()),
        _column("head", sa.BigInteger()),
        _column("head_hash", sa.LargeBinary()),
        _column("outcome", KEY, null=True),
        _column("started_at", INSTANT),
        _column("recorded_at", INSTANT),
        _column("suppressed_count", sa.BigInteger()),
        _column("data", sa.Text()),
        postgresql_with={'fillfactor': 80},
    )
    _index("instances_subject", "instances", ["subject", "id"])
    _table(
        "entries",
        _column("instance_id", KEY, primary=True),
        _column("sequence", sa.BigInteger(), primary=True),
        _column("kind", KEY),
        _column("event", KEY),
        _column("actor", KEY),
        _column("on_behalf_of", KEY, null=True),
        _column("from_state", KEY, null=True),
        _column("to_state", KEY, null=True),
        _column("occurred_at", INSTANT),
        _column("recorded_at", INSTANT),
        _column("canonical", sa.LargeBinary()),
        _column("entry_hash", sa.LargeBinary()),
    )
    _table(
        "unsequenced",
        _column("instance_id", KEY, primary=True),
        _column("sequence", sa.BigInteger(), primary=True),
        sqlite_with_rowid=False,
    )
    _table(
        "timers",
        _column("instance_id", KEY, primary=True),
        _column("key", KEY, primary=True),
        _column("event", KEY),
        _column("state", KEY),
        _column("position", sa.Integer()),
        _column("armed_at", INSTANT),
        _column("base_at", INSTANT),
        _column("remaining_days", sa.BigInteger()),
        _column("remaining_seconds", sa.BigInteger()),
        _column("due_at", INSTANT, null=True),
        sqlite_with_rowid=False,
    )
    _index("timers_due", "timers", ["due_at", "instance_id"], where="due_at IS NOT NULL")
    _table(
        "outbox",
        _column("id", KEY, primary=True),
        _column("instance_id", KEY),
        _column("sequence", sa.BigInteger()),
        _column("link", KEY, null=True),
        _column("serial", sa.BigInteger()),
        _column("state", KEY),
        _column("queued_at", INSTANT),
        _column("available_at", INSTANT),
        _column("due_at", INSTANT, null=True),
        _column("attempts", sa.Integer()),
        _column("token", sa.BigInteger()),
        _column("last_error", sa.Text()),
        _column("effect", sa.Text()),
        sqlite_with_rowid=False,
    )
    _index("outbox_dead", "outbox", ["id"], where="state = 'dead'")
    _index("outbox_due", "outbox", ["due_at", "id"], where="due_at IS NOT NULL")
    _table(
        "work",
        _column("instance_id", KEY, primary=True),
        _column("event", KEY, primary=True),
        _column("role", KEY, primary=True),
        _column("scope", KEY, primary=True),
        _column("due_at", INSTANT),
        sqlite_with_rowid=False,
    )
    _index("work_queue", "work", ["role", "scope", "due_at", "instance_id"])
    _table(
        "credentials",
        _column("subject", KEY, primary=True),
        _column("kind", KEY, primary=True),
        _column("name", KEY, primary=True),
        _column("version", sa.BigInteger()),
        _column("sealed", sa.LargeBinary()),
        _column("is_active", sa.Boolean()),
        _column("failure_count", sa.Integer()),
        _column("last_step", sa.BigInteger(), null=True),
        _column("locked_until", INSTANT, null=True),
        _column("created_at", INSTANT, null=True),
    )
    _table(
        "subject_keys",
        _column("subject", KEY, primary=True),
        _column("sealed", sa.LargeBinary()),
    )
    _table(
        "sealed_values",
        _column("instance_id", KEY, primary=True),
        _column("slot", KEY, primary=True),
        _column("sequence", sa.BigInteger(), primary=True),
        _column("subject", KEY),
        _column("sealed", sa.LargeBinary()),
    )
    _index("sealed_values_subject", "sealed_values", ["subject"])
    _table(
        "delegations",
        _column("id", KEY, primary=True),
        _column("principal", KEY),
        _column("deputy", KEY),
        _column("role", KEY, null=True),
        _column("scope", KEY, null=True),
        _column("starts_at", INSTANT),
        _column("ends_at", INSTANT),
        _column("reason", sa.Text()),
    )
    _index("delegations_ends", "delegations", ["ends_at"])
    _table(
        "documents",
        _column("digest", KEY, primary=True),
        _column("text_digest", KEY, primary=True),
        _column("kind", KEY),
        _column("name", KEY),
        _column("position", sa.BigInteger()),
        _column("content", sa.LargeBinary()),
        _column("text", sa.LargeBinary()),
    )
    _index("documents_newest", "documents", ["kind", "name", "position"])
    _table(
        "publications",
        _column("id", sa.Integer(), primary=True),
        _column("count", sa.BigInteger()),
    )
    _table(
        "unique_values",
        _column("definition", KEY, primary=True),
        _column("field", KEY, primary=True),
        _column("blind", KEY, primary=True),
        _column("instance_id", KEY),
    )
    _index("unique_values_instance", "unique_values", ["instance_id"])
    _table(
        "answers",
        _column("key", KEY, primary=True),
        _column("content", KEY),
        _column("instance_id", KEY),
        _column("sequence", sa.BigInteger()),
        _column("is_accepted", sa.Boolean()),
        _column("body", sa.LargeBinary()),
        _column("expires_at", INSTANT),
        sqlite_with_rowid=False,
    )
    prefix, schema = _names()
    for ddl in append_only(context.get_context().dialect.name, prefix=prefix, schema=schema):
        op.execute(sa.text(ddl.replace(":", r"\:")))


def downgrade() -> None:
    """Remove everything, the history too."""
    prefix, schema = _names()
    for name in TABLES:
        op.drop_table(f"{prefix}{name}", schema=schema)
    if context.get_context().dialect.name == "postgresql":
        op.execute(f"DROP FUNCTION {qualified(prefix + 'entries_refuse', schema)}()")
