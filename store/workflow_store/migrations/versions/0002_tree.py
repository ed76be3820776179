"""The tree over all entries: its leaves, its tiles, and the checkpoints that were signed.

Revision: 0002, after the first. Entries that are there already wait in `unsequenced` and become leaves with the next sequencing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from workflow_store.tables import append_only, qualified

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT: Any = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
KEY: Any = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
APPEND_ONLY = {"leaves": ("position",), "checkpoints": ("number",)}


def _names() -> tuple[str, str | None]:
    given = context.config.attributes
    return given.get("prefix", "workflow_"), given.get("schema")


def upgrade() -> None:
    """Make the tables, and refuse changes to what is only ever appended."""
    prefix, schema = _names()
    op.create_table(
        f"{prefix}leaves",
        sa.Column("position", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("instance_id", KEY, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=f"{prefix}leaves_pkey"),
        schema=schema,
    )
    op.create_index(f"{prefix}leaves_entry_idx", f"{prefix}leaves", ["instance_id", "sequence"], unique=True, schema=schema)
    op.create_table(
        f"{prefix}tiles",
        sa.Column("level", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=f"{prefix}tiles_pkey"),
        schema=schema,
    )
    op.create_table(
        f"{prefix}checkpoints",
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("number", name=f"{prefix}checkpoints_pkey"),
        schema=schema,
    )
    for table, key in APPEND_ONLY.items():
        for ddl in append_only(context.get_context().dialect.name, prefix=prefix, schema=schema, table=table, key=key):
            op.execute(sa.text(ddl.replace(":", r"\:")))


def downgrade() -> None:
    """Remove the tree; it can be made again from the entries, but not in the order that was signed."""
    prefix, schema = _names()
    for name in ("checkpoints", "tiles", "leaves"):
        op.drop_table(f"{prefix}{name}", schema=schema)
    if context.get_context().dialect.name == "postgresql":
        for name in APPEND_ONLY:
            op.execute(f"DROP FUNCTION {qualified(f'{prefix}{name}_refuse', schema)}()")
