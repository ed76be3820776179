"""Sign-ins at the pages.

Revision: 0003, after the tree. Nothing is lost when it is removed: everybody signs in again.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INSTANT: Any = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
KEY: Any = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def _names() -> tuple[str, str | None]:
    given = context.config.attributes
    return given.get("prefix", "workflow_"), given.get("schema")


def upgrade() -> None:
    """Make the table."""
    prefix, schema = _names()
    op.create_table(
        f"{prefix}sessions",
        sa.Column("digest", KEY, nullable=False),
        sa.Column("actor", KEY, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=f"{prefix}sessions_pkey"),
        schema=schema,
    )
    op.create_index(f"{prefix}sessions_actor_idx", f"{prefix}sessions", ["actor"], schema=schema)
    op.create_index(f"{prefix}sessions_expires_idx", f"{prefix}sessions", ["expires_at"], schema=schema)


def downgrade() -> None:
    """Remove the table."""
    prefix, schema = _names()
    op.drop_table(f"{prefix}sessions", schema=schema)
