"""The tamper matrix: everything that somebody with every right on the database can do to a history, and what finds it."""

from __future__ import annotations

import pytest

from tests.support.edits import EDITS, ENTRY_COLUMNS, IDENTITY, ways
from tests.support.tamperings import TAMPERINGS, UNDETECTED


@pytest.mark.parametrize("column", ENTRY_COLUMNS)
def test_an_edited_column_is_found(store, column):
    """Whatever column of an entry is edited, wherever and however well the rest is made to fit, it is found, and the entry named."""
    ann = store.ids["ann"]
    last = store.forger.rows("SELECT max(sequence) AS n FROM {t}entries WHERE instance_id = :i", i=ann)[0]["n"]
    places = [(edit, sequence) for edit in EDITS for sequence in ((4,) if "fitted" in edit.name else (1, 4, last))]
    assert ways(column) == {edit.name for edit, sequence in places if _is_found(store, edit, column, sequence)}


def _is_found(store, edit, column, sequence) -> bool:
    """Edit, verify, and undo it; False when this way says nothing of this column (it has the value already)."""
    ann = store.ids["ann"]
    with store.forger.undone():
        if not edit.do(store, ann, column, sequence):
            return False
        if edit.needs_outside:
            assert set() == store.found(), "without the checkpoint from outside nothing would be found"
        report = store.verify(store.new) if edit.needs_outside else store.verify()
        case = (column, sequence, edit.name, [flaw.what.value for flaw in report.flaws])
        assert edit.found_by & {flaw.what.value for flaw in report.flaws}, case
        if edit.names_entry:
            assert (ann, sequence) in {(flaw.instance, flaw.sequence) for flaw in report.flaws}, case
        if edit.names_entry and column not in IDENTITY:
            assert (ann, sequence) == (report.first.instance, report.first.sequence), case
            assert report.first.message
    return True


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda one: one.id)
def test_a_tampering_is_found(store, tampering):
    """Every way of tampering is found by what the table says; where that is a checkpoint from outside, nothing else would find it."""
    tampering.do(store)
    if tampering.needs_outside:
        assert set() == store.found()
        assert tampering.found_by in store.found(store.new)
    else:
        assert tampering.found_by in store.found()


@pytest.mark.parametrize("one", UNDETECTED, ids=lambda one: one.id)
def test_what_cannot_be_found_is_not_claimed(store, one):
    """What is listed as undetected is undetected: the list claims neither more nor less."""
    one.do(store)
    assert set() == store.found(store.old, store.new)


def test_tiles_from_outside_name_the_entry(store):
    """A rewritten entry that everything in the database fits is named by the tiles that somebody else has kept."""
    ann = store.ids["ann"]
    store.forger.say(ann, 3, actor="mallory")
    store.forger.edit(ann, 3, actor="mallory")
    store.forger.rechain(ann)
    store.forger.retree()
    store.forger.forget_checkpoints()
    first = store.verify(store.with_tiles).first
    assert (ann, 3, "checkpoint:inconsistent") == (first.instance, first.sequence, first.what)


def test_a_checkpoint_from_outside_narrows_the_place(store):
    """Between a checkpoint that holds and one that does not lies what was rewritten; the report says where it can begin."""
    cid = store.ids["cid"]
    store.forger.say(cid, 2, actor="mallory")
    store.forger.edit(cid, 2, actor="mallory")
    store.forger.rechain(cid)
    store.forger.retree()
    report = store.verify(store.old, store.new)
    assert {"checkpoint:inconsistent"} == {flaw.what.value for flaw in report.flaws}
    assert (report.window.covered, report.window.is_held_elsewhere) == (report.flaws[0].position, True)


def test_rows_that_are_no_entries_are_told(store):
    """Canonical bytes that say nonsense, with a fitting hash, are found and do not stop the verification."""
    ann = store.ids["ann"]
    for said in ({"armed": 3}, {"armed": [{}]}, {"documents": 7}, {"effects": [{"kind": 1}]}):
        store.forger.say(ann, 2, **said)
        store.forger.rechain(ann)
        first = store.verify().first
        assert (ann, 2) == (first.instance, first.sequence)


def test_many_flaws_are_counted(store):
    """A report keeps the first flaws and counts the rest."""
    store.forger.run("UPDATE {t}leaves SET leaf_hash = :h", h=bytes(32))
    report = store.verify()
    assert report.flaw_count >= len(report.flaws) > 20
