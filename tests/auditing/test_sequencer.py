"""The sequencer: nothing is skipped and nothing taken twice, whoever commits when and whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import workflow_store

from tests.support import rows
from tests.support.commands import program_environment
from tests.support.postgres import drop_database, new_database
from tests.support.tampering import Forger
from workflow.audit import merkle
from workflow.audit.checkpoint import Checkpoint
from workflow.audit.proofs import consistency_path
from workflow.audit.tiles import Growth, Nodes, layout
from workflow.auditing import drain, make_checkpoint, sequencing, signers_of
from workflow.checks import KeyVault
from workflow.errors import AuditError, WorkflowError
from workflow.settings import development_keys

SIGNERS = signers_of(KeyVault(development_keys()), "access.example.org/workflow")
WORKER = """
import sys, workflow_store
from workflow.errors import ConflictError, StoreError
store = workflow_store.connect(sys.argv[1])
sequencer = store.sequencer()
print("ready", flush=True)
while True:
    try:
        sequencer.run(limit=int(sys.argv[2]))
    except (ConflictError, StoreError):
        pass
"""


DYING = """
import contextlib, os, signal, sys, workflow_store
from workflow_store.sequencer import Sequencer

class Dying:
    \"\"\"A database whose user is killed just before a statement that begins so, or before the commit.\"\"\"
    def __init__(self, database, at):
        self.database, self.at, self.book, self.rows = database, at, database.book, database.rows
    @contextlib.contextmanager
    def transaction(self):
        with self.database.transaction() as run:
            yield Run(run, self.at)

class Run:
    def __init__(self, run, at):
        self.run, self.at = run, at
    def rows(self, statement, values):
        if self.at in statement.text:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.run.rows(statement, values)
    def commit(self):
        if self.at == "COMMIT":
            os.kill(os.getpid(), signal.SIGKILL)
        self.run.commit()

Sequencer(Dying(workflow_store.connect(sys.argv[1])._database, sys.argv[2])).run()
print("was not killed")
"""
STAGES = ('INSERT INTO "workflow_leaves"', 'DELETE FROM "workflow_unsequenced"', 'INSERT INTO "workflow_tiles"', "COMMIT")
"""What a batch writes, in its order."""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    """A database of its own on each server: its tables are changed here, so nobody else may get it afterwards."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    server = request.getfixturevalue("postgres_server")
    made = new_database(server, template=request.getfixturevalue("postgres_template"))
    yield made
    drop_database(server, made)


@pytest.fixture
def tree(url):
    store = workflow_store.connect(url)
    yield store
    store.close()


def save(store, instance: str, count: int) -> None:
    """Save some entries of one instance, one after the other; their hashes are noise, which the tree does not mind."""
    with store.unit() as uow:
        for sequence in range(1, count + 1):
            change = rows.first(instance) if sequence == 1 else rows.following(sequence, instance)
            entry = rows.entry(instance, sequence, entry_hash=random.Random(f"{instance}/{sequence}").randbytes(32))
            uow.save(replace(change, entries=(entry,)))


def positions(store) -> list[tuple[str, int]]:
    with store.snapshot() as snapshot:
        leaves = list(snapshot.leaves())
    assert list(range(len(leaves))) == [leaf.position for leaf in leaves]
    return [(leaf.instance_id, leaf.sequence) for leaf in leaves]


def make_head(store):
    """Sign what is in the tree, as somebody outside would keep it."""
    with store.snapshot() as snapshot:
        size = snapshot.leaf_count()
        return Checkpoint(origin="access.example.org/workflow", size=size, root=Growth.read(snapshot.tile, size).root())


def assert_whole(store, heads=()) -> None:
    """Every entry is in the tree once, behind its predecessor; tiles, root and all older heads fit."""
    found = positions(store)
    with store.snapshot() as snapshot:
        entries = [(one.row.instance_id, one.row.sequence) for one in snapshot.entries()]
        leaves = [leaf.leaf_hash for leaf in snapshot.leaves()]
        assert sorted(found) == entries
        for instance in {one for one, _ in found}:
            sequences = [sequence for one, sequence in found if one == instance]
            assert sorted(sequences) == sequences
        size, root = len(leaves), merkle.root_of(leaves)
        assert root == Growth.read(snapshot.tile, size).root()
        assert all(snapshot.tile(level, number) is not None for level, number, _ in layout(size))
        nodes = Nodes(snapshot.tile, size)
        for head in heads:
            path = consistency_path(nodes, first=head.size, second=size)
            assert merkle.is_consistent(first=head.size, first_root=head.root, second=size, second_root=root, path=path)


def test_entries_are_taken_by_instance_and_sequence(tree):
    """A batch is ordered by instance, then by sequence; the next batch goes on behind it."""
    save(tree, "i2", 3)
    save(tree, "i1", 2)
    sequencer = tree.sequencer()
    assert (5, rows.NOW) == (sequencer.backlog().count, sequencer.backlog().oldest_at)
    assert 4 == sequencer.run(limit=4)
    assert 1 == sequencer.backlog().count
    save(tree, "i0", 1)
    assert 2 == sequencer.run()
    assert [("i1", 1), ("i1", 2), ("i2", 1), ("i2", 2), ("i0", 1), ("i2", 3)] == positions(tree)
    assert (0, 0, None) == (sequencer.run(), sequencer.backlog().count, sequencer.backlog().oldest_at)
    assert_whole(tree)


def test_a_tree_over_several_tiles(tree):
    """Batches that end anywhere in a tile give the tree that one batch would give."""
    save(tree, "i1", 300)
    save(tree, "i2", 260)
    while tree.sequencer().run(limit=97):
        pass
    assert 560 == len(positions(tree))
    assert_whole(tree)


def test_what_fails_half_way_has_not_happened(tree, url):
    """When a batch cannot be written whole, nothing of it is written, and everything still waits."""
    save(tree, "i1", 5)
    forger = Forger(url)
    # The last thing that a batch writes is its tiles: this database refuses them.
    forger.run("DROP TABLE {t}tiles")
    if forger.is_sqlite:
        forger.run("CREATE TABLE {t}tiles (level INTEGER, number INTEGER, hashes BLOB CHECK (level < 0), PRIMARY KEY (level, number))")
    else:
        forger.run("CREATE TABLE {t}tiles (level INT, number BIGINT, hashes BYTEA CHECK (level < 0), PRIMARY KEY (level, number))")
    with pytest.raises(WorkflowError):
        tree.sequencer().run()
    forger.close()
    assert (5, []) == (tree.sequencer().backlog().count, positions(tree))


def test_an_entry_that_waits_twice_is_told(tree, url):
    """An entry that is in the tree already is not taken again; the sequencer says what to do."""
    save(tree, "i1", 3)
    tree.sequencer().run()
    forger = Forger(url)
    forger.run("INSERT INTO {t}unsequenced VALUES ('i1', 2)")
    save(tree, "i2", 1)
    with pytest.raises(AuditError, match="there already"):
        tree.sequencer().run()
    forger.run("DELETE FROM {t}unsequenced WHERE instance_id = 'i1'")
    forger.close()
    assert 1 == tree.sequencer().run()
    assert_whole(tree)


def test_an_entry_that_is_gone_is_told(tree, url):
    """An entry that waits but was deleted stops the sequencer, which says what to do; nothing is taken past it."""
    save(tree, "i1", 2)
    forger = Forger(url)
    forger.delete_entry("i1", 2)
    forger.close()
    with pytest.raises(AuditError, match="audit verify"):
        tree.sequencer().run()
    assert [] == positions(tree)


def test_a_broken_edge_is_told(tree, url):
    """A tree whose tiles were deleted is not grown."""
    save(tree, "i1", 3)
    tree.sequencer().run()
    save(tree, "i2", 1)
    forger = Forger(url)
    forger.run("DELETE FROM {t}tiles")
    forger.close()
    with pytest.raises(AuditError, match="audit verify"):
        tree.sequencer().run()
    assert 1 == tree.sequencer().backlog().count


def test_leaves_and_checkpoints_are_append_only(tree, url):
    """The database itself refuses to change or delete a leaf or a checkpoint."""
    save(tree, "i1", 2)
    make_checkpoint(tree, origin="access.example.org/workflow", signers=SIGNERS, now=rows.NOW)
    for statement in (
        "UPDATE workflow_leaves SET sequence = 9",
        "DELETE FROM workflow_leaves",
        "UPDATE workflow_checkpoints SET size = 1",
        "DELETE FROM workflow_checkpoints",
    ):
        with tree.engine.connect() as on, pytest.raises(Exception, match="append-only"):
            on.exec_driver_sql(statement)


def test_a_thread_keeps_the_tree(tree):
    """Beside a worker the tree follows the history; the end of the block ends it."""
    with sequencing(tree, interval_seconds=0.001):
        for number in range(5):
            save(tree, f"i{number}", 3)
        while tree.sequencer().backlog().count:
            pass
    assert 15 == len(positions(tree))
    assert_whole(tree)
    assert not [thread for thread in threading.enumerate() if thread.name == "workflow-sequencer"]


def test_what_is_wrong_is_told_once(tree, url, caplog):
    """A tree that was tampered with is told once, however often it is tried, and when it is right again."""
    save(tree, "i1", 2)
    forger = Forger(url)
    forger.run("INSERT INTO {t}unsequenced VALUES ('zz', 1)")
    with caplog.at_level("WARNING"), sequencing(tree, interval_seconds=0.001):
        while not caplog.records:
            pass
        forger.run("DELETE FROM {t}unsequenced WHERE instance_id = 'zz'")
        while tree.sequencer().backlog().count or len(caplog.records) < 2:
            pass
    forger.close()
    told = [record.getMessage() for record in caplog.records]
    assert 2 == len(told), told
    assert "audit verify" in told[0]
    assert "right again" in told[1]


def test_a_kill_within_a_batch_leaves_nothing_of_it(tree, url):
    """Whoever is killed with -9 before any of the statements of a batch, or before its commit, has done nothing; the next one does it all."""
    save(tree, "i1", 5)
    tree.sequencer().run(limit=2)
    before = positions(tree)
    head = make_head(tree)
    for at in STAGES:
        command = [sys.executable, "-c", DYING, url, at]
        done = subprocess.run(command, capture_output=True, text=True, env=program_environment(), timeout=60, check=False)
        assert ("", "", -signal.SIGKILL) == (done.stdout, done.stderr, done.returncode), at
    assert (before, 3) == (positions(tree), tree.sequencer().backlog().count)
    assert 3 == tree.sequencer().run()
    assert_whole(tree, [head])


@pytest.mark.slow
def test_two_sequencers_eight_writers_and_a_kill(tree, url):
    """While eight writers commit, two workers sequence and one is killed with -9: the tree is whole and fits every older head."""
    command = [sys.executable, "-c", WORKER, url, "7"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, env=program_environment()) for _ in range(2)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert b"ready\n" == worker.stdout.readline()
        writers = [threading.Thread(target=save, args=(tree, f"w{number}", 60)) for number in range(8)]
        for thread in writers:
            thread.start()
        heads = []
        for thread in writers[:4]:
            thread.join()
            heads.append(make_checkpoint(tree, origin="access.example.org/workflow", signers=SIGNERS, now=rows.NOW).checkpoint)
        os.kill(workers[0].pid, signal.SIGKILL)
        for thread in writers[4:]:
            thread.join()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
    drain(tree)
    assert 480 == len(positions(tree))
    assert_whole(tree, heads)
