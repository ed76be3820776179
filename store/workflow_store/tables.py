"""Every table of the store, as SQLAlchemy Core metadata.

Promises: one function makes all tables for a prefix and a schema; the migrations lead to exactly these tables.
Rows are lean: what is never searched lies in one canonical JSON text per row. There are no foreign keys: `save` is the
only writer, writes all rows of a change in one statement, and a check per row would cost more than the row.
"""

# ruff: noqa: S608  # statements are put together from templates of ours; what comes from data is always bound

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from workflow.errors import StoreError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
APPEND_ONLY = {"entries": ("instance_id", "sequence"), "leaves": ("position",), "checkpoints": ("number",)}
"""Tables whose rows the database itself refuses to change, with their primary keys."""
NAME = re.compile(r"[a-z_][a-z0-9_]{0,30}\Z")


def micros(instant: datetime) -> int:
    """Give microseconds since 1970-01-01T00:00:00Z; exact."""
    return (instant - EPOCH) // MICROSECOND


def instant(value: int) -> datetime:
    """Give the instant of microseconds since 1970-01-01T00:00:00Z, in UTC."""
    return EPOCH + timedelta(microseconds=value)


# `timestamptz` in PostgreSQL; microseconds since the epoch in SQLite, so that comparing is exact. A plain variant and no
# type of our own: a host's Alembic can render it without importing us.
INSTANT: TypeEngine[Any] = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
# "C" sorts by code point as SQLite and Python do, so that every store pages in the same order, and is faster.
KEY: TypeEngine[Any] = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _column(name: str, type_: TypeEngine[Any] | type[TypeEngine[Any]], *, null: bool = False, primary: bool = False) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=null, primary_key=primary, autoincrement=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables by attribute, and the metadata that owns them."""

    metadata: sa.MetaData
    prefix: str
    schema: str | None
    instances: sa.Table
    entries: sa.Table
    unsequenced: sa.Table
    leaves: sa.Table
    tiles: sa.Table
    checkpoints: sa.Table
    timers: sa.Table
    outbox: sa.Table
    work: sa.Table
    credentials: sa.Table
    subject_keys: sa.Table
    sealed_values: sa.Table
    delegations: sa.Table
    documents: sa.Table
    publications: sa.Table
    unique_values: sa.Table
    answers: sa.Table
    sessions: sa.Table

    def names(self) -> Mapping[str, str]:
        """Give attribute -> quoted, qualified name, for statements that are written by hand."""
        tables = {f.name: getattr(self, f.name) for f in fields(self) if f.type == "sa.Table"}
        return {key: qualified(table.name, self.schema) for key, table in tables.items()}


def qualified(name: str, schema: str | None) -> str:
    """Quote a name that `check_names` has allowed, with its schema in front."""
    return f'"{name}"' if schema is None else f'"{schema}"."{name}"'


def check_names(prefix: str, schema: str | None) -> None:
    """Refuse a prefix or schema that is no plain lower-case identifier; they become part of statements."""
    for what, name in (("prefix", prefix or "_"), ("schema", schema or "_")):
        if not NAME.match(name):
            raise StoreError(f"The {what} {name!r} is not usable: use 1 to 31 lower-case letters, digits and _, not starting with a digit.")


def build(prefix: str = "workflow_", schema: str | None = None) -> Tables:
    """Make all tables, named `<prefix><table>`, in `schema` (PostgreSQL only; None for the connection's own)."""
    check_names(prefix, schema)
    metadata = sa.MetaData(
        schema=schema,
        naming_convention={"pk": "%(table_name)s_pkey", "ix": "%(table_name)s_%(column_0_N_name)s_idx"},
    )
    made: dict[str, sa.Table] = {}
    for make in (_history, _tree, _waiting, _people, _published, _signed_in):
        made |= make(metadata, prefix)
    tables = Tables(metadata=metadata, prefix=prefix, schema=schema, **made)
    for dialect in ("postgresql", "sqlite"):
        for name, key in APPEND_ONLY.items():
            for ddl in append_only(dialect, prefix=prefix, schema=schema, table=name, key=key):
                statement = sa.DDL(ddl).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]  # SQLAlchemy has not typed it
                sa.event.listen(made[name], "after_create", statement)
    return tables


def _history(metadata: sa.MetaData, prefix: str) -> dict[str, sa.Table]:
    instances = sa.Table(
        f"{prefix}instances",
        metadata,
        _column("id", KEY, primary=True),
        _column("definition", KEY),
        _column("digest", KEY),
        _column("state", KEY),
        _column("subject", KEY),
        _column("version", sa.BigInteger),
        _column("head", sa.BigInteger),
        _column("head_hash", sa.LargeBinary),
        _column("outcome", KEY, null=True),
        _column("started_at", INSTANT),
        _column("recorded_at", INSTANT),
        _column("suppressed_count", sa.BigInteger),
        _column("data", sa.Text),
        postgresql_with={"fillfactor": 80},
    )
    sa.Index(f"{prefix}instances_subject_idx", instances.c.subject, instances.c.id)
    entries = sa.Table(
        f"{prefix}entries",
        metadata,
        _column("instance_id", KEY, primary=True),
        _column("sequence", sa.BigInteger, primary=True),
        _column("kind", KEY),
        _column("event", KEY),
        _column("actor", KEY),
        _column("on_behalf_of", KEY, null=True),
        _column("from_state", KEY, null=True),
        _column("to_state", KEY, null=True),
        _column("occurred_at", INSTANT),
        _column("recorded_at", INSTANT),
        _column("canonical", sa.LargeBinary),
        _column("entry_hash", sa.LargeBinary),
    )
    unsequenced = sa.Table(
        f"{prefix}unsequenced",
        metadata,
        _column("instance_id", KEY, primary=True),
        _column("sequence", sa.BigInteger, primary=True),
        sqlite_with_rowid=False,
    )
    return {"instances": instances, "entries": entries, "unsequenced": unsequenced}


def _tree(metadata: sa.MetaData, prefix: str) -> dict[str, sa.Table]:
    leaves = sa.Table(
        f"{prefix}leaves",
        metadata,
        _column("position", sa.BigInteger, primary=True),
        _column("instance_id", KEY),
        _column("sequence", sa.BigInteger),
        _column("leaf_hash", sa.LargeBinary),
    )
    sa.Index(f"{prefix}leaves_entry_idx", leaves.c.instance_id, leaves.c.sequence, unique=True)
    tiles = sa.Table(
        f"{prefix}tiles",
        metadata,
        _column("level", sa.Integer, primary=True),
        _column("number", sa.BigInteger, primary=True),
        _column("hashes", sa.LargeBinary),  # up to 256 of 32 bytes; only the last of a level is shorter, and grows
    )
    checkpoints = sa.Table(
        f"{prefix}checkpoints",
        metadata,
        _column("number", sa.BigInteger, primary=True),
        _column("size", sa.BigInteger),
        _column("note", sa.Text),
        _column("recorded_at", INSTANT),
    )
    return {"leaves": leaves, "tiles": tiles, "checkpoints": checkpoints}


def _waiting(metadata: sa.MetaData, prefix: str) -> dict[str, sa.Table]:
    timers = sa.Table(
        f"{prefix}timers",
        metadata,
        _column("instance_id", KEY, primary=True),
        _column("key", KEY, primary=True),
        _column("event", KEY),
        _column("state", KEY),
        _column("position", sa.Integer),
        _column("armed_at", INSTANT),
        _column("base_at", INSTANT),
        _column("remaining_days", sa.BigInteger),
        _column("remaining_seconds", sa.BigInteger),
        _column("due_at", INSTANT, null=True),
        sqlite_with_rowid=False,
    )
    _waiting_index(f"{prefix}timers_due_idx", timers.c.due_at, timers.c.instance_id)
    outbox = sa.Table(
        f"{prefix}outbox",
        metadata,
        _column("id", KEY, primary=True),  # begins with the instance's: no further index for an instance's messages
        _column("instance_id", KEY),
        _column("sequence", sa.BigInteger),
        _column("link", KEY, null=True),
        _column("serial", sa.BigInteger),
        _column("state", KEY),
        _column("queued_at", INSTANT),
        _column("available_at", INSTANT),
        # When somebody may take it: available_at while queued, the end of the lease while leased, else null.
        _column("due_at", INSTANT, null=True),
        _column("attempts", sa.Integer),
        _column("token", sa.BigInteger),
        _column("last_error", sa.Text),
        _column("effect", sa.Text),
        sqlite_with_rowid=False,
    )
    _waiting_index(f"{prefix}outbox_due_idx", outbox.c.due_at, outbox.c.id)
    dead = outbox.c.state == sa.text("'dead'")
    sa.Index(f"{prefix}outbox_dead_idx", outbox.c.id, postgresql_where=dead, sqlite_where=dead)
    work = sa.Table(
        f"{prefix}work",
        metadata,
        _column("instance_id", KEY, primary=True),
        _column("event", KEY, primary=True),
        _column("role", KEY, primary=True),
        _column("scope", KEY, primary=True),  # "" stands for no scope: null cannot be part of a key
        _column("due_at", INSTANT),  # NEVER stands for no deadline: it sorts last, and pages can compare it
        sqlite_with_rowid=False,
    )
    sa.Index(f"{prefix}work_queue_idx", work.c.role, work.c.scope, work.c.due_at, work.c.instance_id)
    return {"timers": timers, "outbox": outbox, "work": work}


def _waiting_index(name: str, due_at: sa.Column[Any], id_: sa.Column[Any]) -> None:
    # Only rows that wait are in the index, so that a poll costs the same with ten and with a million rows behind it.
    sa.Index(name, due_at, id_, postgresql_where=due_at.is_not(None), sqlite_where=due_at.is_not(None))


def _people(metadata: sa.MetaData, prefix: str) -> dict[str, sa.Table]:
    credentials = sa.Table(
        f"{prefix}credentials",
        metadata,
        _column("subject", KEY, primary=True),
        _column("kind", KEY, primary=True),
        _column("name", KEY, primary=True),
        _column("version", sa.BigInteger),
        _column("sealed", sa.LargeBinary),
        _column("is_active", sa.Boolean(create_constraint=False)),
        _column("failure_count", sa.Integer),
        _column("last_step", sa.BigInteger, null=True),
        _column("locked_until", INSTANT, null=True),
        _column("created_at", INSTANT, null=True),
    )
    subject_keys = sa.Table(
        f"{prefix}subject_keys",
        metadata,
        _column("subject", KEY, primary=True),
        _column("sealed", sa.LargeBinary),
    )
    sealed_values = sa.Table(
        f"{prefix}sealed_values",
        metadata,
        _column("instance_id", KEY, primary=True),
        _column("slot", KEY, primary=True),
        _column("sequence", sa.BigInteger, primary=True),
        _column("subject", KEY),
        _column("sealed", sa.LargeBinary),
    )
    sa.Index(f"{prefix}sealed_values_subject_idx", sealed_values.c.subject)
    delegations = sa.Table(
        f"{prefix}delegations",
        metadata,
        _column("id", KEY, primary=True),
        _column("principal", KEY),
        _column("deputy", KEY),
        _column("role", KEY, null=True),
        _column("scope", KEY, null=True),
        _column("starts_at", INSTANT),
        _column("ends_at", INSTANT),
        _column("reason", sa.Text),
    )
    sa.Index(f"{prefix}delegations_ends_idx", delegations.c.ends_at)
    return {"credentials": credentials, "subject_keys": subject_keys, "sealed_values": sealed_values, "delegations": delegations}


def _published(metadata: sa.MetaData, prefix: str) -> dict[str, sa.Table]:
    documents = sa.Table(
        f"{prefix}documents",
        metadata,
        _column("digest", KEY, primary=True),
        _column("text_digest", KEY, primary=True),
        _column("kind", KEY),
        _column("name", KEY),
        _column("position", sa.BigInteger),  # order of publication; publishing again moves a document to the end
        _column("content", sa.LargeBinary),
        _column("text", sa.LargeBinary),
    )
    sa.Index(f"{prefix}documents_newest_idx", documents.c.kind, documents.c.name, documents.c.position)
    publications = sa.Table(
        f"{prefix}publications",
        metadata,
        _column("id", sa.Integer, primary=True),
        _column("count", sa.BigInteger),
    )
    unique_values = sa.Table(
        f"{prefix}unique_values",
        metadata,
        _column("definition", KEY, primary=True),
        _column("field", KEY, primary=True),
        _column("blind", KEY, primary=True),
        _column("instance_id", KEY),
    )
    sa.Index(f"{prefix}unique_values_instance_idx", unique_values.c.instance_id)
    answers = sa.Table(
        f"{prefix}answers",
        metadata,
        _column("key", KEY, primary=True),
        _column("content", KEY),
        _column("instance_id", KEY),
        _column("sequence", sa.BigInteger),
        _column("is_accepted", sa.Boolean(create_constraint=False)),
        _column("body", sa.LargeBinary),
        _column("expires_at", INSTANT),
        sqlite_with_rowid=False,
    )
    # No index but the key: an answer is written by every event that has one, and swept once in a long while, whole.
    return {"documents": documents, "publications": publications, "unique_values": unique_values, "answers": answers}


def _signed_in(metadata: sa.MetaData, prefix: str) -> dict[str, sa.Table]:
    sessions = sa.Table(
        f"{prefix}sessions",
        metadata,
        _column("digest", KEY, primary=True),
        _column("actor", KEY),
        _column("sealed", sa.LargeBinary),
        _column("created_at", INSTANT),
        _column("seen_at", INSTANT),
        _column("expires_at", INSTANT),
    )
    sa.Index(f"{prefix}sessions_actor_idx", sessions.c.actor)
    sa.Index(f"{prefix}sessions_expires_idx", sessions.c.expires_at)
    return {"sessions": sessions}


def append_only(
    dialect: str, *, prefix: str, schema: str | None, table: str = "entries", key: tuple[str, ...] = ("instance_id", "sequence")
) -> tuple[str, ...]:
    """Give the statements that make the database itself refuse to change or delete a row of a table with this primary key."""
    name = qualified(f"{prefix}{table}", schema)
    message = f"{table} are append-only"
    if dialect == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        # INSERT OR REPLACE deletes without asking the DELETE trigger unless recursive_triggers is on.
        known = f"SELECT 1 FROM {name} WHERE {' AND '.join(f'{column} = NEW.{column}' for column in key)}"
        return (
            f'CREATE TRIGGER "{prefix}{table}_no_update" BEFORE UPDATE ON {name} {refuse}',
            f'CREATE TRIGGER "{prefix}{table}_no_delete" BEFORE DELETE ON {name} {refuse}',
            f'CREATE TRIGGER "{prefix}{table}_no_replace" BEFORE INSERT ON {name} WHEN EXISTS ({known}) {refuse}',
        )
    function = qualified(f"{prefix}{table}_refuse", schema)
    body = f"BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'restrict_violation'; END"
    return (
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
        f'CREATE TRIGGER "{prefix}{table}_no_change" BEFORE UPDATE OR DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION {function}()',
        f'CREATE TRIGGER "{prefix}{table}_no_truncate" BEFORE TRUNCATE ON {name} FOR EACH STATEMENT EXECUTE FUNCTION {function}()',
    )


default = build()
metadata = default.metadata
