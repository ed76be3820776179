"""The hash chain of one instance."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from workflow.audit.chain import entry_hash, verify
from workflow.audit.entry import Head, Witnessed, record_witnessed
from workflow.errors import ChainBrokenError, Reason
from workflow.states.instance import ActorId, InstanceId
from workflow.states.verdict import Kind

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
HERE = InstanceId("one")


def chain(length):
    rows, head = [], Head()
    for number in range(length):
        seen = Witnessed(
            kind=Kind.REFUSED,
            event=f"event_{number}",
            actor=ActorId("ana"),
            on_behalf_of=ActorId("ben"),
            occurred_at=NOW,
            state="requested",
            reasons=(Reason(code="wrong_code", message="Wrong.", private="code_replayed", field="code"),),
        )
        rows.append(record_witnessed(seen, HERE, after=head, recorded_at=NOW + timedelta(seconds=number), digests={}))
        head = Head(sequence=rows[-1].sequence, hash=rows[-1].entry_hash)
    return rows


def test_a_whole_chain_verifies():
    """Every entry follows its predecessor, and the number of entries is told."""
    assert verify(chain(5)) == 5
    assert verify([]) == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "event:accepted"},
        {"event": "other"},
        {"actor": "eve"},
        {"on_behalf_of": None},
        {"from_state": "approved"},
        {"to_state": "approved"},
        {"occurred_at": NOW + timedelta(microseconds=1)},
        {"recorded_at": NOW - timedelta(days=1)},
        {"instance_id": InstanceId("two")},
        {"canonical": b"{}"},
        {"entry_hash": b"\x00" * 32},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_changed_column_is_found(changed):
    """Whatever is changed in an entry's row, the first entry that does not fit is named."""
    rows = chain(4)
    rows[2] = replace(rows[2], **changed)
    with pytest.raises(ChainBrokenError) as broken:
        verify(rows)
    assert broken.value.sequence == 3


def test_a_missing_entry_is_found():
    """A deleted entry leaves a gap in the sequence."""
    rows = chain(4)
    del rows[1]
    with pytest.raises(ChainBrokenError, match="Entry 2 is missing"):
        verify(rows)


def test_a_rewritten_entry_is_found_by_its_successor():
    """An entry that was rewritten with a fitting hash of its own does not fit its successor."""
    rows = chain(4)
    canonical = rows[1].canonical.replace(b"event_1", b"event_9")
    rows[1] = replace(rows[1], event="event_9", canonical=canonical, entry_hash=entry_hash(canonical))
    with pytest.raises(ChainBrokenError, match="Entry 3 does not follow entry 2"):
        verify(rows)


def test_the_public_and_the_precise_code_are_both_kept():
    """An entry keeps the precise reason beside the one that the actor was told."""
    row = chain(1)[0]
    assert b'"code":"code_replayed"' in row.canonical
    assert b'"public":"wrong_code"' in row.canonical


@pytest.mark.parametrize(
    "spoil", [lambda _: b"{", lambda _: b"[]", lambda said: said + b" ", lambda said: said.replace(b'"form":1', b'"form": 1')]
)
def test_what_is_not_canonical_is_found(spoil):
    """An entry whose bytes are no canonical JSON object is broken, also when somebody gave them a fitting hash."""
    rows = chain(1)
    canonical = spoil(rows[0].canonical)
    with pytest.raises(ChainBrokenError, match="canonical form"):
        verify([replace(rows[0], canonical=canonical, entry_hash=entry_hash(canonical))])
