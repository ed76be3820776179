"""What goes wrong with a database is told in words that say what to do, and leaves nothing half done."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import workflow_store
from workflow_store.faults import translated
from workflow_store.pool import Pool
from workflow_store.reads import cursor as cursor_of

from tests.support import rows
from workflow.errors import ConflictError, CursorError, StoreError
from workflow.ports import InstanceQuery, MessageQuery, WorkQuery


def test_a_pool_that_is_empty_for_too_long_is_told():
    """Whoever waits longer than the pool waits hears that all connections are lent, and what to change; one given back is lent again."""
    pool = Pool(lambda: SimpleNamespace(close=lambda: None), size=1, wait_seconds=0.01)
    lent = pool.take()
    with pytest.raises(StoreError, match="raise `pool_size`"):
        pool.take()
    pool.give(lent)
    assert pool.take() is lent


def test_a_connection_that_cannot_be_opened_does_not_use_up_the_pool():
    """Each failure gives its place in the pool back, so that the next one may try."""
    tries = []

    def make():
        tries.append(1)
        if len(tries) < 3:
            raise StoreError("not now")
        return SimpleNamespace(close=lambda: None)

    pool = Pool(make, size=1, wait_seconds=0.01)
    for _ in range(2):
        with pytest.raises(StoreError, match="not now"):
            pool.take()
    assert pool.take() is not None


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    """A SQLite file in a folder that nobody made cannot be opened, and that is said for reading and for writing."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/nowhere/store.db")
    with pytest.raises(StoreError, match="SQLite cannot open the file"), store.unit() as uow:
        uow.load("i1")
    with pytest.raises(StoreError, match="SQLite cannot open the file"), store.unit() as uow:
        uow.save(rows.first())
    store.close()


def test_a_file_that_is_no_database_is_told(tmp_path: Path):
    """A file of something else is no SQLite file."""
    path = tmp_path / "store.db"
    path.write_bytes(b"This is a letter to the editor.\n" * 100)
    store = workflow_store.connect(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="file is not a database"), store.unit() as uow:
        uow.load("i1")
    store.close()


def test_a_file_that_another_program_keeps_is_told(sqlite_url: str):
    """Who waits in vain for another program's transaction is told to find it; nothing was written, and later it is."""
    kept = sa.create_engine(sqlite_url)
    store = workflow_store.connect(sqlite_url, busy_seconds=0.05)
    with kept.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="stayed locked by another writer"), store.unit() as uow:
            uow.save(rows.first())
        with pytest.raises(StoreError, match="stayed locked by another writer"), store.unit() as uow:
            uow.load("i1", lock=True)
    with store.unit() as uow:
        uow.save(rows.first())
    store.close()
    kept.dispose()


def test_a_thread_that_keeps_the_file_is_told(sqlite_url: str):
    """Writers of one process queue at one door; who waits there in vain is told so."""
    store = workflow_store.connect(sqlite_url, busy_seconds=0.05)
    is_in, may_go = threading.Event(), threading.Event()

    def keep() -> None:
        with store.unit() as uow:
            uow.load("i1", lock=True)
            is_in.set()
            may_go.wait(10)

    thread = threading.Thread(target=keep)
    thread.start()
    assert is_in.wait(10)
    with pytest.raises(StoreError, match="Another thread kept the SQLite file"), store.unit() as uow:
        uow.save(rows.first())
    may_go.set()
    thread.join()
    store.close()


def test_a_joined_sqlite_file_that_is_kept_is_a_conflict(sqlite_url: str):
    """In a host's transaction another writer is a conflict: only the host can run its whole transaction again."""
    engine = sa.create_engine(sqlite_url, connect_args={"timeout": 0.05})
    with engine.connect() as keeper, engine.connect() as host:
        keeper.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(ConflictError, match="run your whole transaction again"), workflow_store.join(host).unit() as uow:
            uow.save(rows.first())
    engine.dispose()


def test_what_is_no_connection_cannot_be_joined(sqlite_url: str):
    """An engine, a closed connection or one of another database: each is told what to give instead."""
    engine = sa.create_engine(sqlite_url)
    with pytest.raises(StoreError, match="A Engine cannot be joined"):
        workflow_store.join(engine)
    with engine.connect() as connection:
        store = workflow_store.join(connection)
    with pytest.raises(StoreError, match="The connection cannot be used"), store.unit() as uow:
        uow.load("i1")
    strange = SimpleNamespace(dialect=SimpleNamespace(name="mysql", driver="mysqldb", paramstyle="format"))
    session = SimpleNamespace(connection=lambda: strange)
    with pytest.raises(StoreError, match=r"A mysql connection \(mysqldb\) cannot be joined"), workflow_store.join(session).unit() as uow:
        uow.load("i1")
    engine.dispose()


def test_what_postgresql_refuses_is_told_with_its_state(postgres_url: str):
    """A fault that no rule of ours explains carries PostgreSQL's own state, for whoever operates it; the connection lives on."""
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        with pytest.raises(StoreError, match="SQLSTATE 22012"), translated("postgresql"):
            connection.exec_driver_sql("SELECT 1/0")
        connection.rollback()
        with workflow_store.join(connection).unit() as uow:
            assert uow.load("i1").situation is None
    engine.dispose()


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "99999999999999999999|m1", "W10="])
def test_a_cursor_that_is_none_is_told(own, cursor: str):
    """A page cursor comes from the page before; any other text is told, on every store, and never a wrong page."""

    def ask(store) -> None:
        with store.reads() as reads:
            reads.messages(MessageQuery(after=cursor))
            reads.instances(InstanceQuery(after=cursor))

    with pytest.raises(CursorError, match="page cursor"):
        own.do(ask)


def test_a_cursor_with_an_impossible_instant_is_told(real):
    """A place in the list of open work that no list can have is told like any other wrong one."""
    after = cursor_of(2**62, "i1", "approve", "team", "")

    def ask(store) -> None:
        with store.reads() as reads:
            reads.work(WorkQuery(after=after))

    with pytest.raises(CursorError, match="not one of ours"):
        real.do(ask)


@pytest.mark.parametrize("where", ["", ":memory:"])
def test_a_database_in_memory_is_one_for_all_threads(where: str):
    """Without a file there is one connection; threads take turns, and all of them see one store."""
    store = workflow_store.connect(f"sqlite:///{where}")
    store.upgrade()
    with store.unit() as uow:
        uow.save(rows.first())
    seen = []
    thread = threading.Thread(target=lambda: seen.append(count(store)))
    thread.start()
    thread.join()
    assert seen == [1]
    with store.snapshot() as taken:
        assert taken.entry_count() == 1
    with pytest.raises(StoreError, match="SQLite cannot do it"), store.unit() as uow:
        uow.document(object())
    store.close()


def count(store) -> int:
    with store.reads() as reads:
        return len(reads.instances(InstanceQuery()).rows)
