"""In a host's transaction: what is ours lives and dies with it, and what is the host's is left alone."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
import workflow_store
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session

from tests.support import rows
from workflow.errors import ConflictError, StoreError
from workflow.ports import Store
from workflow.states.instance import InstanceId

I1 = InstanceId("i1")


def add(store: Store, change) -> None:
    with store.unit() as uow:
        uow.save(change)


def head(store: Store) -> int | None:
    with store.unit() as uow:
        situation = uow.load(I1).situation
    return situation.instance.head if situation else None


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def host(request):
    """A host's engine on a database that has our tables and one of its own."""
    engine = sa.create_engine(request.getfixturevalue(request.param))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bookings (id INTEGER PRIMARY KEY)")
    yield engine
    engine.dispose()


def bookings(engine):
    with engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT id FROM bookings ORDER BY id")]


def committed_head(engine):
    with engine.connect() as connection:
        return head(workflow_store.join(connection))


def test_host_rollback_leaves_nothing(host):
    """When the host rolls back, neither its rows nor ours remain, also when ours were written first."""
    for is_ours_first in (True, False):
        with host.connect() as connection:
            store = workflow_store.join(connection)
            for is_ours in (is_ours_first, not is_ours_first):
                if is_ours:
                    add(store, rows.first())
                    assert 1 == head(store)
                else:
                    connection.exec_driver_sql("INSERT INTO bookings VALUES (1)")
            connection.rollback()
        assert ([], None) == (bookings(host), committed_head(host))


def test_nothing_is_committed_before_the_host_commits(host):
    """Until the host commits, nobody else sees what a joined unit saved."""
    with host.connect() as connection:
        add(workflow_store.join(connection), rows.first())
        assert committed_head(host) is None
        connection.commit()
    assert 1 == committed_head(host)


def test_conflict_leaves_the_hosts_work_alive(host):
    """A conflict undoes our savepoint only; the host goes on and commits."""
    with host.begin() as connection:
        store = workflow_store.join(connection)
        add(store, rows.first())
        connection.exec_driver_sql("INSERT INTO bookings VALUES (1)")
        with pytest.raises(ConflictError):
            add(store, rows.following(7, timers_set=(rows.timer(),)))
        with pytest.raises(ConflictError):
            add(store, rows.following(credentials=rows.written(rows.credential(version=3)), timers_set=(rows.timer(),)))
        with pytest.raises(ConflictError):
            add(store, rows.first("i2", messages=(rows.message(), rows.message())))
        connection.exec_driver_sql("INSERT INTO bookings VALUES (2)")
        add(store, rows.following())
    assert ([1, 2], 2) == (bookings(host), committed_head(host))


def test_lock_belongs_to_the_hosts_transaction(host):
    """A lock taken in a joined unit is kept until the host ends its transaction."""
    with host.begin() as connection:
        add(workflow_store.join(connection), rows.first())
    with host.connect() as connection:
        with workflow_store.join(connection).unit() as uow:
            uow.load(I1, lock=True)
        with host.connect() as other:
            other.exec_driver_sql("PRAGMA busy_timeout=10" if host.dialect.name == "sqlite" else "SET lock_timeout = '10ms'")
            with pytest.raises(ConflictError):
                add(workflow_store.join(other), rows.following())
            other.rollback()
            other.exec_driver_sql("PRAGMA busy_timeout=5000" if host.dialect.name == "sqlite" else "RESET lock_timeout")
        connection.rollback()


def test_session_can_be_joined(host):
    """A host's ORM session is joined through its connection, and ends the transaction itself."""
    with Session(host) as session:
        add(workflow_store.join(session), rows.first())
        session.execute(sa.text("INSERT INTO bookings VALUES (1)"))
        session.rollback()
        add(workflow_store.join(session), rows.first())
        session.commit()
    assert ([], 1) == (bookings(host), committed_head(host))


def test_async_session_is_joined_inside_run_sync(sqlite_url):
    """Joining an `AsyncSession` touches nothing before its store is used in `run_sync`."""

    async def run():
        engine = create_async_engine(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with async_sessionmaker(engine)() as session:
            store = workflow_store.join(session.sync_session)
            await session.run_sync(lambda _sync: add(store, rows.first()))
            await session.rollback()
            await session.run_sync(lambda _sync: add(store, rows.first()))
            await session.commit()
            found = await session.run_sync(lambda _sync: head(store))
        await engine.dispose()
        return found

    assert 1 == asyncio.run(run())


def test_autocommit_connection_is_refused(postgres_url):
    """A connection without a transaction cannot be joined: half of a change could stay."""
    engine = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(StoreError, match="AUTOCOMMIT"):
        add(workflow_store.join(connection), rows.first())
    engine.dispose()


@pytest.mark.parametrize("given", [None, "sqlite://", 7])
def test_what_is_no_connection_is_refused(given):
    """Something that is neither connection nor session is told at once."""
    with pytest.raises(StoreError, match="cannot be joined"):
        workflow_store.join(given)


def test_prefix_and_schema_of_a_host_are_honoured(empty_postgres_url):
    """The tables may live under another prefix and in a schema; two stores in one database do not meet."""
    engine = sa.create_engine(empty_postgres_url)
    names = ({"prefix": "a_", "schema": "app"}, {"prefix": "", "schema": "app"}, {"prefix": "a_"})
    with engine.begin() as connection:
        for given in names:
            workflow_store.upgrade(connection, **given)
            assert workflow_store.is_current(connection, **given)
            add(
                workflow_store.join(connection, **given),
                rows.first(timers_set=(rows.timer(),), work=(rows.work(),), documents=(rows.document(),)),
            )
    own = workflow_store.connect(empty_postgres_url, prefix="a_", schema="app")
    add(own, rows.following())
    own.close()
    with engine.connect() as connection:
        assert [2, 1, 1] == [head(workflow_store.join(connection, **given)) for given in names]
    engine.dispose()
