"""Bringing the tables of a database up to date, and telling whether they are.

Promises: works on a host's connection without ending the host's transaction; two processes that upgrade at once wait for
each other on PostgreSQL and SQLite.
"""

from __future__ import annotations

import io
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from workflow.errors import StoreError
from workflow_store.faults import translated
from workflow_store.tables import check_names

SCRIPTS = Path(__file__).parent / "migrations"
UPGRADING = 7_305_115_912_401_771_379  # an advisory lock of our own; any number that nobody else uses


def configuration(*, prefix: str, schema: str | None, output: io.StringIO | None = None) -> Config:
    """Give Alembic's configuration, without a file."""
    check_names(prefix, schema)
    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes |= {"prefix": prefix, "schema": schema}
    return config


def upgrade_connection(connection: sa.Connection, *, prefix: str, schema: str | None) -> None:
    """Run every missing migration on a connection; whoever began its transaction ends it."""
    config = configuration(prefix=prefix, schema=schema)
    config.attributes["connection"] = connection
    with translated(connection.dialect.name):
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:id)"), {"id": UPGRADING})
            if schema is not None and not sa.inspect(connection).has_schema(schema):
                connection.execute(sa.schema.CreateSchema(schema))
        command.upgrade(config, "head")


def upgrade_engine(engine: sa.Engine, *, prefix: str, schema: str | None) -> None:
    """Run every missing migration in one transaction of our own."""
    with translated(engine.dialect.name), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            # Our own pool works in AUTOCOMMIT; all migrations are one transaction, and may wait longer than a step may.
            connection.execution_options(isolation_level="READ COMMITTED")
            connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
        upgrade_connection(connection, prefix=prefix, schema=schema)
        connection.commit()


def is_current_connection(connection: sa.Connection, *, prefix: str, schema: str | None) -> bool:
    """Tell whether the newest migration has run."""
    newest = ScriptDirectory.from_config(configuration(prefix=prefix, schema=schema)).get_current_head()
    table = f"{prefix}version"
    with translated(connection.dialect.name):
        if not sa.inspect(connection).has_table(table, schema=schema):
            return False
        options = {"version_table": table, "version_table_schema": schema}
        return MigrationContext.configure(connection, opts=options).get_current_revision() == newest


def upgrade_sql(dialect: str, *, prefix: str, schema: str | None) -> str:
    """Give the statements of all migrations as SQL, for databases that only an administrator may change."""
    if dialect not in {"postgresql", "sqlite"}:
        raise StoreError(f"There are no tables for {dialect!r}: use postgresql or sqlite.")
    output = io.StringIO()
    config = configuration(prefix=prefix, schema=schema, output=output)
    config.attributes["dialect"] = dialect
    command.upgrade(config, "head", sql=True)
    return output.getvalue()
