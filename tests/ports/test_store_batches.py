"""Batches: the changes of many instances in one transaction, on real stores with connections of their own."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.support import rows
from workflow.errors import ConflictError
from workflow.states.instance import InstanceId

IDS = [InstanceId(f"i{number}") for number in range(1, 4)]


@pytest.fixture
def filled(real):
    """A store with three instances."""
    for id_ in IDS:
        real.do(lambda store, id_=id_: save(store, rows.first(id_)))
    return real


def save(store, change):
    with store.unit() as uow:
        uow.save(change)


def heads(case):
    def read(store):
        found = []
        for id_ in IDS:
            with store.unit() as uow:
                found.append(uow.load(id_).situation.instance.head)
        return found

    return case.do(read)


def settle(batch, id_, change=None):
    unit = batch.unit()
    head = unit.load(id_).situation.instance.head
    unit.save(change or rows.following(head + 1, id_))


def test_a_batch_is_one_transaction(filled):
    """Nobody sees a change of a batch before its end, and everybody sees all of them afterwards."""

    def act(store):
        with store.batch(IDS) as batch:
            assert list(batch.ids) == IDS
            for id_ in batch.ids:
                settle(batch, id_)
            # The batch itself reads what it has written.
            assert batch.unit().load(IDS[0]).situation.instance.head == 2
            return seen_by_others(store)

    assert [1, 1, 1] == filled.do(act)
    assert [2, 2, 2] == heads(filled)


def seen_by_others(store):
    with store.reads() as reads:
        return [len(reads.entries(id_)) for id_ in IDS]


def test_a_part_that_fails_costs_the_batch_nothing(filled):
    """A change that is not as it was read leaves nothing of itself; the parts before and after it are kept."""

    def act(store):
        with store.batch(IDS) as batch:
            settle(batch, IDS[0])
            with pytest.raises(ConflictError):
                settle(batch, IDS[1], rows.following(9, IDS[1]))
            settle(batch, IDS[2])

    filled.do(act)
    assert [2, 1, 2] == heads(filled)


def test_a_part_that_breaks_a_rule_of_the_database_costs_the_batch_nothing(filled):
    """Also an error that the database raises in the middle of a part undoes this part alone."""
    taken = rows.message("taken", IDS[1])
    filled.do(lambda store: save(store, rows.following(2, IDS[1], messages=(taken,))))

    def act(store):
        with store.batch(IDS) as batch:
            with pytest.raises(ConflictError):
                settle(batch, IDS[0], rows.following(2, IDS[0], messages=(replace(taken, instance_id=IDS[0]),)))
            settle(batch, IDS[2])

    filled.do(act)
    assert [1, 2, 2] == heads(filled)


def test_an_exception_that_leaves_a_batch_leaves_nothing(filled):
    """What breaks off a batch undoes all of it, and the store can be used afterwards."""

    def act(store):
        with store.batch(IDS) as batch:
            settle(batch, IDS[0])
            raise KeyError

    with pytest.raises(KeyError):
        filled.do(act)
    assert [1, 1, 1] == heads(filled)
    filled.do(lambda store: save(store, rows.following(2, IDS[0])))
    assert [2, 1, 1] == heads(filled)


@pytest.mark.parametrize("real", ["postgres"], indirect=True)
def test_two_batches_do_not_wait_for_each_other(filled):
    """On PostgreSQL an instance that another batch has locked is left to it; on SQLite there is one writer at a time anyway."""
    taken, done = threading.Event(), threading.Event()

    def hold(store):
        with store.batch(IDS[:2]) as batch:
            taken.set()
            assert done.wait(20)
            settle(batch, IDS[0])

    def act(store):
        thread = threading.Thread(target=hold, args=(store,))
        thread.start()
        assert taken.wait(20)
        try:
            with store.batch(IDS) as batch:
                found = list(batch.ids)
                settle(batch, IDS[2])
        finally:
            done.set()
            thread.join()
        return found

    assert IDS[2:] == filled.do(act)
    assert [2, 1, 2] == heads(filled)
