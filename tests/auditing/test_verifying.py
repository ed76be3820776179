"""A sound store is found sound, and what is verified is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.sound import KEY, ORIGIN, VAULT
from workflow.audit.checkpoint import Checkpoint, VerifierKey, read_note
from workflow.auditing import Given, drain, keys_of, make_checkpoint, prove, read_given, signers_of, verify, write_tiles
from workflow.checks import KeyVault
from workflow.errors import AuditError, NotFoundError
from workflow.settings import MasterKey

NOW = datetime(2026, 12, 24, 12, tzinfo=UTC)
OTHER = KeyVault([MasterKey(kid="other", secret=b"o" * 32)])


def test_a_sound_store_is_found_sound(store):
    """Real histories of five people, with deadlines, pauses, refusals, deputies and mails, agree with everything beside them."""
    report = store.verify(store.old, store.new, store.with_tiles)
    assert (True, ()) == (report.is_sound, report.flaws)
    assert report.entries == report.leaves + report.waiting
    assert 6 == report.instances  # five people and the system's own chain
    assert (2, 3) == (report.checkpoints, report.given)
    assert (f"{ORIGIN} (key {KEY.id.hex()})",) == report.keys
    assert report.entries_per_second > 0


def test_the_window_counts_from_the_checkpoint_that_is_held_elsewhere(store):
    """What no checkpoint from outside covers is told, with the time of the oldest; without one, the newest in the database counts."""
    sizes = {one: Checkpoint.read(read_note(given.note).text).size for one, given in (("old", store.old), ("new", store.new))}
    for name, given in (("old", store.old), ("new", store.new)):
        report = store.verify(given)
        assert (report.entries - sizes[name], sizes[name], True) == (
            report.window.count,
            report.window.covered,
            report.window.is_held_elsewhere,
        )
        assert report.window.oldest_at is not None
    inside = store.verify().window
    assert (sizes["new"], False) == (inside.covered, inside.is_held_elsewhere)


def test_the_progress_is_told(store):
    """Whoever waits is told how far it is; the last word is all of it."""
    told = []
    report = verify(store.tree, on_progress=lambda done, total: told.append((done, total)))
    assert (report.entries, report.entries) == told[-1]
    assert () == report.keys


def test_entries_that_wait_are_taken_in_and_proven(store):
    """After a checkpoint nothing waits, every older checkpoint still holds, and each entry of a history has its proof."""
    signed = make_checkpoint(store.tree, origin=ORIGIN, signers=signers_of(VAULT, ORIGIN), now=NOW)
    report = store.verify(store.old, store.new, Given(source="newest", note=signed.note))
    assert (True, 0, 0) == (report.is_sound, report.waiting, report.window.count)
    assert (signed.sequenced > 0, 0, None) == (True, signed.backlog.count, signed.backlog.oldest_at)
    with store.tree.snapshot() as snapshot:
        for one in [one for one in snapshot.entries() if one.row.instance_id == store.ids["cid"]]:
            proof = prove(snapshot, one.row.instance_id, one.row.sequence)
            assert proof.note == signed.note
            assert proof.holds_for(one.row.entry_hash)
            assert not proof.holds_for(bytes(32))


def test_signing_again_gives_the_same_checkpoint(store):
    """A head that is signed already is not kept twice; with another key it is a new checkpoint."""
    first, again = (make_checkpoint(store.tree, origin=ORIGIN, signers=signers_of(VAULT, ORIGIN), now=NOW) for _ in range(2))
    assert first.note == again.note
    assert 3 == store.verify().checkpoints
    make_checkpoint(store.tree, origin=ORIGIN, signers=[*signers_of(OTHER, ORIGIN), *signers_of(VAULT, ORIGIN)], now=NOW)
    report = verify(store.tree, keys=lambda origin: keys_of(OTHER, origin))
    assert (True, 4) == (report.is_sound, report.checkpoints)


def test_what_cannot_be_proven_is_told(store):
    """There is no proof for an entry that waits, for one that is not there, or under an older checkpoint."""
    with store.tree.snapshot() as snapshot:
        with pytest.raises(NotFoundError):
            prove(snapshot, store.ids["eve"], 1)
        with pytest.raises(NotFoundError):
            prove(snapshot, "nobody", 1)
        with pytest.raises(AuditError, match="make a newer checkpoint"):
            prove(snapshot, store.ids["cid"], 1, note=store.old.note)
    store.forger.forget_checkpoints()
    with store.tree.snapshot() as snapshot, pytest.raises(NotFoundError):
        prove(snapshot, store.ids["ann"], 1)


def test_nothing_is_signed_that_contradicts_what_was_signed(store):
    """A rewritten tree, or another name, is not signed."""
    drain(store.tree)
    with pytest.raises(AuditError, match="signed as"):
        make_checkpoint(store.tree, origin="another.example.org/log", signers=signers_of(VAULT, ORIGIN), now=NOW)
    store.forger.say(store.ids["ann"], 2, actor="mallory")
    store.forger.edit(store.ids["ann"], 2, actor="mallory")
    store.forger.rechain(store.ids["ann"])
    store.forger.retree()
    with pytest.raises(AuditError, match="does not begin with"):
        make_checkpoint(store.tree, origin=ORIGIN, signers=signers_of(VAULT, ORIGIN), now=NOW)
    assert 2 == store.verify().checkpoints


def test_a_folder_of_tiles_is_never_overwritten_with_a_contradiction(store, tmp_path):
    """Tiles are written once, and a folder whose checkpoint contradicts the store stays as it is."""
    signed = make_checkpoint(store.tree, origin=ORIGIN, signers=signers_of(VAULT, ORIGIN), now=NOW)
    with store.tree.snapshot() as snapshot:
        assert write_tiles(snapshot, signed, tmp_path / "log") > 0
        assert 0 == write_tiles(snapshot, signed, tmp_path / "log")
    assert read_given(tmp_path / "log").note == signed.note
    assert store.verify(read_given(tmp_path / "log")).is_sound
    store.forger.edit(store.ids["ann"], 2, actor="mallory")
    store.forger.say(store.ids["ann"], 2, actor="mallory")
    store.forger.rechain(store.ids["ann"])
    store.forger.retree()
    store.forger.forget_checkpoints()
    forged = make_checkpoint(store.tree, origin=ORIGIN, signers=signers_of(OTHER, ORIGIN), now=NOW)
    with store.tree.snapshot() as snapshot, pytest.raises(AuditError, match="does not begin with"):
        write_tiles(snapshot, forged, tmp_path / "log")
    assert read_given(tmp_path / "log").note == signed.note


def test_a_checkpoint_that_is_not_there_is_told(tmp_path):
    """A path that leads nowhere, or to something else, is told."""
    with pytest.raises(NotFoundError):
        read_given(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(AuditError, match="UTF-8"):
        read_given(tmp_path / "binary")


def test_a_wrong_key_is_found(store):
    """A checkpoint of a key that nobody knows is not believed, in the store and from outside; it covers nothing."""
    wrong = [VerifierKey(name=ORIGIN, public_key=OTHER.public_key())]
    report = verify(store.tree, keys=lambda _origin: wrong, given=[store.new])
    assert ["checkpoint:key", "checkpoint:key"] == [flaw.what.value for flaw in report.flaws]
    assert (0, False) == (report.window.covered, report.window.is_held_elsewhere)
    forged = store.new.note.replace("\u2014", "\u2014", 1)[:-6] + "AAAA=\n"
    assert {"checkpoint:key"} == store.found(Given(source="forged", note=forged))
    assert {"checkpoint:unreadable"} == store.found(Given(source="nonsense", note="nonsense"))
