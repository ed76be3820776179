"""`workflow audit`: as an operator signs and an auditor verifies."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.support.commands import workflow
from tests.support.houses import mail_trap
from tests.support.sound import KEY, ORIGIN, sound_postgres, sound_sqlite, store
from workflow.audit.checkpoint import Checkpoint, read_note
from workflow.audit.proofs import Proof
from workflow.settings import development_keys

__all__ = ["mail_trap", "sound_postgres", "sound_sqlite", "store"]


# What the databases have in common is tested elsewhere.
pytestmark = pytest.mark.parametrize("store", ["sqlite"], indirect=True)


def test_an_operator_signs_and_an_auditor_verifies(store, tmp_path):
    """The checkpoint goes to a file, the rest to people; an auditor without any secret key verifies by file and public key."""
    kept = tmp_path / "kept"
    made = workflow("audit", "checkpoint", "--output", kept, database=store.url)
    assert (0, "") == (made.code, made.out)
    assert "0 are not yet" in made.err
    keys = workflow("audit", "keys", database=store.url)
    assert (KEY.write(), 0) == (keys.out.strip(), keys.code)
    (tmp_path / "log.key").write_text(keys.out)
    seen = workflow(
        "audit", "verify", "--checkpoint", kept, "--key", tmp_path / "log.key", database=store.url, WORKFLOW_ENVIRONMENT="production"
    )
    assert 0 == seen.code, seen.err
    assert "Nothing is wrong" in seen.out
    assert "Window: 0 entries are not under a checkpoint that is held elsewhere" in seen.out
    assert "entries/s" in seen.out


def test_a_checkpoint_is_printed_as_it_is_kept(store):
    """Standard output is the checkpoint and nothing else, so that it can be piped; JSON has the same and the window."""
    printed = workflow("audit", "checkpoint", database=store.url)
    assert ORIGIN == Checkpoint.read(read_note(printed.out).text).origin
    data = workflow("audit", "checkpoint", "--json", database=store.url).data
    assert (printed.out, {"entries": 0, "oldest_at": None}, [KEY.write()]) == (data["checkpoint"], data["window"], data["keys"])


def test_tiles_are_written_and_verified(store, tmp_path):
    """A folder of tiles is a log that others can read; verified against it, a rewritten entry is named."""
    folder = tmp_path / "log"
    assert 0 == workflow("audit", "checkpoint", "--tiles", folder, database=store.url).code
    assert (folder / "checkpoint").is_file()
    assert list((folder / "tile" / "0").iterdir())
    ann = store.ids["ann"]
    store.forger.say(ann, 3, actor="mallory")
    store.forger.edit(ann, 3, actor="mallory")
    store.forger.rechain(ann)
    store.forger.retree()
    store.forger.forget_checkpoints()
    seen = workflow("audit", "verify", "--checkpoint", folder, "--json", database=store.url)
    assert (1, False) == (seen.code, seen.data["is_sound"])
    assert (ann, 3, "checkpoint:inconsistent") == tuple(seen.data["first"][name] for name in ("instance", "sequence", "what"))


def test_the_first_bad_entry_is_named(store):
    """The exit code is 1, and the first bad entry is named with what is wrong."""
    cid = store.ids["cid"]
    store.forger.edit(cid, 4, actor="mallory")
    seen = workflow("audit", "verify", database=store.url)
    assert 1 == seen.code
    assert f"First: {cid}, entry 4: The column actor of entry 4 does not say what the entry says." in seen.out
    assert "Traceback" not in seen.err


def test_without_a_checkpoint_from_outside_the_report_says_what_that_means(store):
    """The report does not claim what it cannot: without a checkpoint from outside everything could have been rewritten."""
    seen = workflow("audit", "verify", database=store.url)
    assert "could have rewritten all" in seen.out
    unknown = workflow("audit", "verify", database=store.url, WORKFLOW_ENVIRONMENT="production")
    assert (0, True) == (unknown.code, "signatures NOT verified" in unknown.out)


def test_an_entry_is_proven(store):
    """A proof needs no key; it proves its entry, and an entry that waits has none."""
    cid = store.ids["cid"]
    made = workflow("audit", "prove", cid, "2", database=store.url, WORKFLOW_ENVIRONMENT="production")
    assert 0 == made.code, made.err
    proof = Proof.read(made.out)
    assert proof.holds_for(bytes(store.forger.entry(cid, 2)["entry_hash"]))
    assert proof.write() == workflow("audit", "prove", cid, "2", "--json", database=store.url).data["proof"]
    assert 3 == workflow("audit", "prove", store.ids["eve"], "1", database=store.url).code


def test_keys_come_from_a_file(store, tmp_path):
    """A signing key may live in a file that only the one who signs can read; while it changes, both keys sign."""
    file = tmp_path / "keys"
    new = workflow("keys", "new", database=store.url).out.strip()
    file.write_text(f"{new}\n{development_keys()[0].write()}\n")
    given = {"database": store.url, "WORKFLOW_ENVIRONMENT": "production"}
    made = workflow("audit", "checkpoint", "--key-file", file, "--json", **given)
    assert 2 == len(read_note(made.data["checkpoint"]).signatures)
    assert 0 == workflow("audit", "verify", "--key-file", file, **given).code
    assert 0 == workflow("audit", "verify", "--key", KEY.write(), **given).code
    assert 3 == workflow("audit", "checkpoint", "--key-file", tmp_path / "none", **given).code


def test_mistakes_are_told(store, tmp_path):
    """No key, no file, or no key in what was given: each is told in a sentence, with the exit code for it."""
    given = {"database": store.url, "WORKFLOW_ENVIRONMENT": "production"}
    none = workflow("audit", "checkpoint", **given)
    assert (5, True) == (none.code, "--key-file" in none.err)
    assert 3 == workflow("audit", "verify", "--checkpoint", tmp_path / "none", **given).code
    wrong = workflow("audit", "verify", "--key", "nonsense", **given)
    assert (1, True) == (wrong.code, "audit keys" in wrong.err)
    with closing(store.tree):
        store.forger.run("UPDATE {t}checkpoints SET note = 'nonsense'")
    assert "checkpoint:unreadable" in workflow("audit", "verify", database=store.url).out
