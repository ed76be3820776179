"""The migrations lead to exactly the tables of the metadata, on both databases, whatever the prefix and schema."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
import workflow_store
from alembic import command
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from workflow_store.upgrading import configuration

from tests.support import rows
from workflow.errors import StoreError

NAMES = [("workflow_", None), ("host_wf_", None), ("", None)]


def inspector_dump(connection, prefix, schema):
    """Describe every table, index and trigger as the database knows them."""
    seen = sa.inspect(connection)
    tables = {name: name for name in seen.get_table_names(schema=schema) if name.startswith(prefix) and not name.endswith("version")}
    return {
        name: (
            [
                (c["name"], str(c["type"]), getattr(c["type"], "collation", None), c["nullable"])
                for c in seen.get_columns(name, schema=schema)
            ],
            seen.get_pk_constraint(name, schema=schema)["constrained_columns"],
            sorted(
                (i["name"], tuple(i["column_names"]), sorted((k, str(v)) for k, v in i["dialect_options"].items()))
                for i in seen.get_indexes(name, schema=schema)
            ),
        )
        for name in tables
    }


def triggers(connection):
    statement = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal",
    }[connection.dialect.name]
    return sorted(row[0] for row in connection.exec_driver_sql(statement))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request, tmp_path):
    """An engine on a database without any table."""
    url = f"sqlite:///{tmp_path}/empty.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url")
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(("prefix", "schema"), [*NAMES, ("wf_", "app")])
def test_migrated_tables_equal_the_metadata(empty, prefix, schema):
    """Alembic finds no difference after all migrations, and creating the metadata gives the same tables, indexes and triggers."""
    if schema and empty.dialect.name == "sqlite":
        schema = None
    with empty.connect() as connection:
        workflow_store.upgrade(connection, prefix=prefix, schema=schema)
        options = {
            "compare_type": True,
            "version_table": f"{prefix}version",
            "version_table_schema": schema,
            "include_schemas": bool(schema),
        }
        context = MigrationContext.configure(connection, opts=options)
        metadata = workflow_store.build(prefix, schema).metadata
        assert [] == compare_metadata(context, metadata)
        migrated = inspector_dump(connection, prefix, schema), triggers(connection)
        connection.rollback()
    with empty.connect() as connection:
        if schema:
            connection.execute(sa.schema.CreateSchema(schema))
        if empty.dialect.name == "sqlite":
            for table in reversed(metadata.sorted_tables):
                table.drop(connection, checkfirst=True)
        metadata.create_all(connection)
        assert (inspector_dump(connection, prefix, schema), triggers(connection)) == migrated
        connection.rollback()


def test_upgrade_in_a_hosts_transaction_is_the_hosts(empty_postgres_url):
    """On a host's connection the tables appear when the host commits, and not when it rolls back."""
    engine = sa.create_engine(empty_postgres_url)
    with engine.connect() as connection:
        workflow_store.upgrade(connection)
        assert workflow_store.is_current(connection)
        connection.rollback()
    assert not workflow_store.is_current(empty_postgres_url)
    engine.dispose()


def test_upgrade_twice_changes_nothing(empty):
    """Upgrading an up-to-date database does nothing, also when two processes do it at once."""
    url = empty.url.render_as_string(hide_password=False)
    assert not workflow_store.is_current(url)
    code = "import sys, workflow_store; workflow_store.upgrade(sys.argv[1])"
    running = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(2)]
    assert [0, 0] == [process.wait(60) for process in running]
    workflow_store.upgrade(url)
    assert workflow_store.is_current(url)


@pytest.mark.parametrize(("prefix", "schema"), [("workflow_", None), ("wf_", "app")])
def test_going_back_leaves_nothing_and_going_forth_again_the_same(empty, prefix, schema):
    """Alembic's way back removes every table, trigger and function of ours, step by step; the way forth makes the same ones again."""
    if schema and empty.dialect.name == "sqlite":
        schema = None
    with empty.connect() as connection:
        workflow_store.upgrade(connection, prefix=prefix, schema=schema)
        made = inspector_dump(connection, prefix, schema), triggers(connection)
        config = configuration(prefix=prefix, schema=schema)
        config.attributes["connection"] = connection
        for _ in ScriptDirectory.from_config(config).walk_revisions():
            command.downgrade(config, "-1")
        assert (inspector_dump(connection, prefix, schema), triggers(connection)) == ({}, [])
        assert functions(connection) == []
        workflow_store.upgrade(connection, prefix=prefix, schema=schema)
        assert (inspector_dump(connection, prefix, schema), triggers(connection)) == made
        connection.rollback()


def functions(connection):
    if connection.dialect.name == "sqlite":
        return []
    rows = connection.exec_driver_sql("SELECT proname FROM pg_proc WHERE proname LIKE '%%refuse'")
    return [row[0] for row in rows]


def test_missing_tables_are_told_with_the_command(empty):
    """A database without our tables is an error that names the command that makes them."""
    store = workflow_store.connect(empty.url.render_as_string(hide_password=False))
    with pytest.raises(StoreError, match="workflow db upgrade"), store.unit() as uow:
        uow.load("i1")
    with pytest.raises(StoreError, match="workflow db upgrade"), store.unit() as uow:
        uow.save(rows.first())
    with pytest.raises(StoreError, match="workflow db upgrade"), store.reads() as reads:
        reads.next_due_at()
    store.close()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_migrations_can_be_written_as_sql(dialect, request, tmp_path):
    """Offline, the migrations are a script that an administrator can run; it leads to an up-to-date database."""
    script = workflow_store.upgrade_sql(dialect, prefix="wf_", schema=None)
    assert "wf_entries_no_" in script
    url = f"sqlite:///{tmp_path}/offline.db" if dialect == "sqlite" else request.getfixturevalue("empty_postgres_url")
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.executescript(script) if dialect == "sqlite" else raw.execute(script)
        connection.commit()
    engine.dispose()
    assert workflow_store.is_current(url, prefix="wf_")
    assert 'CREATE SCHEMA IF NOT EXISTS "app"' in workflow_store.upgrade_sql("postgresql", prefix="wf_", schema="app")
    with pytest.raises(StoreError):
        workflow_store.upgrade_sql("oracle", prefix="wf_", schema=None)


def test_host_can_include_our_metadata_in_its_own_migrations(empty):
    """A host's Alembic can render our tables without importing us, and running what it rendered gives the same tables."""
    own = sa.MetaData()
    sa.Table("bookings", own, sa.Column("id", sa.Integer, primary_key=True))
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        metadata = [own, workflow_store.metadata]
        script = produce_migrations(context, metadata)
        imports = {"from sqlalchemy.dialects import postgresql"}
        code = render_python_code(script.upgrade_ops, migration_context=context, imports=list(imports))
        assert "workflow_store" not in code
        body = "def upgrade():\n" + "\n".join(f"    {line}" for line in code.splitlines())
        names = {"op": Operations(context), "sa": sa, "postgresql": postgresql}
        exec(body, names)
        names["upgrade"]()
        assert [] == compare_metadata(context, metadata)
        connection.rollback()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "", "postgresql+asyncpg://x/y", "sqlite+aiosqlite:///x.db"])
def test_unknown_url_is_refused_clearly(url):
    """A URL that this store cannot use is told with what can be used."""
    with pytest.raises(StoreError, match="postgresql://"):
        workflow_store.connect(url)


@pytest.mark.parametrize("name", ["A", "1a", "a-b", 'a"; DROP TABLE x; --', "a" * 40])
def test_strange_prefix_or_schema_is_refused(name):
    """Prefix and schema become part of statements, so only plain identifiers are taken."""
    with pytest.raises(StoreError, match="not usable"):
        workflow_store.connect("sqlite://", prefix=name)
    with pytest.raises(StoreError, match="not usable"):
        workflow_store.build(schema=name)


def test_missing_driver_is_told_with_the_extra():
    """Without psycopg a PostgreSQL URL names the extra that brings it."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "import workflow_store\n"
        "try: workflow_store.connect('postgresql://x/y')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("StoreError")
    assert "`postgres`" in told


def test_file_that_cannot_be_opened_is_told(tmp_path):
    """A SQLite path in a folder that does not exist is a clear error."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/no/such/folder.db")
    with pytest.raises(StoreError, match="open"), store.unit() as uow:
        uow.load("i1")
    store.close()


def test_unreachable_server_is_told():
    """A PostgreSQL server that does not answer is a clear error."""
    store = workflow_store.connect("postgresql://nobody@/none?host=/nonexistent")
    with pytest.raises(StoreError, match="cannot be reached"), store.unit() as uow:
        uow.load("i1")
    store.close()
