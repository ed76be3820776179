"""Several threads and connections at once, on stores with connections of their own."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import sqlalchemy as sa
import workflow_store

from tests.support import rows
from tests.support.postgres import plain
from workflow.errors import ConflictError, StoreError
from workflow.states.instance import InstanceId

I1 = InstanceId("i1")


def add(store, *changes):
    for change in changes:
        with store.unit() as uow:
            uow.save(change)


def head(store):
    with store.unit() as uow:
        return uow.load(I1).situation.instance.head


def test_of_many_writers_one_wins_each_round(own):
    """Eight threads append to one instance, reading again after each conflict: every entry is there once and none is lost."""
    own.do(lambda store: add(store, rows.first()))
    conflicts = []

    def append(store):
        for _ in range(5):
            while True:
                with store.unit() as uow:
                    seen = uow.load(I1).situation.instance.head
                    try:
                        uow.save(rows.following(seen + 1))
                    except ConflictError:
                        conflicts.append(seen)
                    else:
                        break

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: own.do(append), range(8)))

    def read(store):
        with store.reads() as reads:
            return [one.sequence for one in reads.entries(I1)]

    assert list(range(1, 42)) == own.do(read)


def test_lock_lets_one_decide_after_the_other(own):
    """Units that lock wait for each other: none of them meets a conflict, and each reads what the one before wrote."""
    own.do(lambda store: add(store, rows.first()))

    def append(store):
        for _ in range(3):
            with store.unit() as uow:
                loaded = uow.load(I1, lock=True).situation
                seen = loaded.instance.head
                assert seen == len(loaded.timers) + 1
                uow.save(rows.following(seen + 1, timers_set=(rows.timer(f"t{seen}"),)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: own.do(append), range(4)))
    assert 13 == own.do(head)


def test_two_workers_never_claim_the_same_message(own):
    """Four workers empty an outbox of sixty: every message is claimed exactly once."""
    messages = tuple(rows.message(f"m{n}") for n in range(60))
    own.do(lambda store: add(store, rows.first(messages=messages)))

    def work(store):
        mine = []
        while True:
            with store.reads() as reads:
                batch = reads.claim(now=rows.NOW, limit=4, lease_seconds=60)
            if not batch:
                return mine
            mine += [one.id for one in batch]

    with ThreadPoolExecutor(4) as pool:
        claimed = [id_ for mine in pool.map(lambda _: own.do(work), range(4)) for id_ in mine]
    assert sorted(one.id for one in messages) == sorted(claimed)


def test_reader_inside_a_locked_unit_is_served(own):
    """The thread that holds the lock may read beside its unit: a report looks at its message before it saves."""
    own.do(lambda store: add(store, rows.first(messages=(rows.message(),))))

    def both(store):
        with store.unit() as uow, store.reads() as reads:
            uow.load(I1, lock=True)
            found = reads.message("i1-m1")
            uow.save(rows.following())
            return found

    assert own.do(both).id == "i1-m1"
    assert 2 == own.do(head)


def test_unit_that_breaks_off_leaves_nothing(own):
    """An exception inside a locked unit gives the lock back and writes nothing."""
    own.do(lambda store: add(store, rows.first()))

    def break_off(store):
        with store.unit() as uow:
            uow.load(I1, lock=True)
            raise RuntimeError("the host's own fault")

    with pytest.raises(RuntimeError):
        own.do(break_off)
    own.do(lambda store: add(store, rows.following()))
    assert 2 == own.do(head)


def tables_of(url):
    return sa.create_engine(url)


@pytest.mark.parametrize("statement", ["UPDATE workflow_entries SET actor = 'x'", "DELETE FROM workflow_entries"])
def test_database_itself_refuses_to_change_history(real, statement):
    """Entries cannot be updated or deleted, not even by SQL of the owner."""
    real.do(lambda store: add(store, rows.first()))
    engine = tables_of(real.url)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_history_cannot_be_replaced_or_truncated(real):
    """The roundabout ways are closed too: INSERT OR REPLACE in SQLite, TRUNCATE in PostgreSQL."""
    real.do(lambda store: add(store, rows.first()))
    columns = "instance_id, sequence, kind, event, 'x', on_behalf_of, from_state, to_state, occurred_at, recorded_at, canonical, entry_hash"
    statement = {
        "sqlite": f"INSERT OR REPLACE INTO workflow_entries SELECT {columns} FROM workflow_entries",
        "postgres": "TRUNCATE workflow_entries",
    }[real.kind]
    engine = tables_of(real.url)
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_every_entry_waits_for_the_tree(real):
    """Each saved entry is inserted into `unsequenced` with it."""
    real.do(lambda store: add(store, rows.first(), rows.following(), rows.first("i2")))
    engine = tables_of(real.url)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT instance_id, sequence FROM workflow_unsequenced ORDER BY 1, 2").fetchall()
    engine.dispose()
    assert [("i1", 1), ("i1", 2), ("i2", 1)] == [tuple(row) for row in found]


def test_locked_file_is_told_after_the_waiting_time(sqlite_url):
    """A writer that waits in vain for another process says so, and works again afterwards."""
    store = workflow_store.connect(sqlite_url, busy_seconds=0.05)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        add(store, rows.first())
    other.execute("ROLLBACK")
    other.close()
    add(store, rows.first())
    store.close()


def test_lost_connection_is_survived_by_the_next_read(postgres_url):
    """A server that ended our connections costs a reader nothing: the read is made again on a new one."""
    store = workflow_store.connect(postgres_url)
    add(store, rows.first())
    _end_connections(postgres_url)
    assert 1 == head(store)
    store.close()


def test_lost_connection_while_saving_is_told(postgres_url):
    """A save over a lost connection is not repeated, because nobody knows whether it took effect."""
    store = workflow_store.connect(postgres_url)
    add(store, rows.first())
    _end_connections(postgres_url)
    with pytest.raises(StoreError, match="lost"):
        add(store, rows.following())
    add(store, rows.following())
    store.close()


def test_crash_before_commit_leaves_nothing(postgres_url):
    """A unit whose connection dies while it holds the lock leaves neither lock nor rows."""
    store = workflow_store.connect(postgres_url)
    add(store, rows.first())
    with store.unit() as uow:
        uow.load(I1, lock=True)
        _end_connections(postgres_url)
        with pytest.raises(StoreError, match="lost"):
            uow.save(rows.following())
    add(store, rows.following())
    assert 2 == head(store)
    store.close()


def _end_connections(url):
    with psycopg.connect(plain(url), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


DYING = """
import os, sys
import workflow_store
with workflow_store.connect(sys.argv[1]).unit() as uow:
    uow.load("i1", lock=True)
    os._exit(9)
"""


def test_row_that_stays_locked_is_a_conflict(postgres_url):
    """Who waits too long for a row lock is told to try again, at the statement that waited."""
    store = workflow_store.connect(postgres_url)
    add(store, rows.first())
    with psycopg.connect(plain(postgres_url)) as host:
        host.execute("SELECT 1 FROM workflow_instances FOR UPDATE")
        with store.unit() as uow, pytest.raises(ConflictError):
            uow.load(I1, lock=True)
    assert 1 == head(store)
    store.close()


def test_lost_connection_under_the_lock_is_told_at_once(postgres_url):
    """A read inside a locked unit whose connection died raises our own error, and the next unit gets a new connection."""
    store = workflow_store.connect(postgres_url)
    add(store, rows.first())
    with store.unit() as uow:
        uow.load(I1, lock=True)
        _end_connections(postgres_url)
        with pytest.raises(StoreError, match="lost"):
            uow.personal(I1)
    add(store, rows.following())
    assert 2 == head(store)
    store.close()


def test_killed_process_blocks_nobody(sqlite_url):
    """A process that dies while it holds the file's write lock leaves neither lock nor rows."""
    assert 9 == subprocess.run([sys.executable, "-c", DYING, sqlite_url], check=False).returncode
    store = workflow_store.connect(sqlite_url, busy_seconds=1.0)
    add(store, rows.first())
    assert 1 == head(store)
    store.close()


def test_memory_database_is_shared_by_threads():
    """A database in memory is one database, whichever thread asks."""
    store = workflow_store.connect("sqlite://")
    add(store, rows.first())
    with ThreadPoolExecutor(4) as pool:
        assert [1] * 8 == list(pool.map(lambda _: head(store), range(8)))
    store.close()


def test_clock_of_postgres_comes_with_the_read(postgres_url):
    """PostgreSQL gives its own time with every read, aware and in UTC."""
    store = workflow_store.connect(postgres_url)
    with store.unit() as uow:
        first, second = uow.load(None).database_now, uow.load(I1).database_now
    assert first.utcoffset().total_seconds() == 0
    assert first < second
    assert abs(first.timestamp() - time.time()) < 60
    store.close()
