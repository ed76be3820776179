"""Verifying a whole store.

Promises: reads one moment of it; believes signatures of keys that were given, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from workflow.audit.checkpoint import Checkpoint, CheckpointError, VerifierKey, read_note
from workflow.audit.checkpoint import verify as verify_note
from workflow.auditing.chains import Chains, Counted
from workflow.auditing.heads import Given
from workflow.auditing.report import Found, Progress, Report, What, Window
from workflow.auditing.trees import Held, Trees, newest
from workflow.checks.vault import is_signed
from workflow.errors import AuditError
from workflow.ports import KeptCheckpoint, Snapshot, TreeStore

KeysFor = Callable[[str], Iterable[VerifierKey]]
"""Gives the known keys of a log by its origin."""


def verify(tree: TreeStore, *, keys: KeysFor | None = None, given: Sequence[Given] = (), on_progress: Progress | None = None) -> Report:
    """Verify everything that can be verified in a store.

    (1) checkpoints are read, and their signatures verified; (2) the tree is made again from its leaves and compared with its tiles and with
    every checkpoint; (3) every chain is followed, each entry compared with its leaf, and instance, timers and outbox with the history.

    Args:
        tree: the store.
        keys: known keys by origin; signatures are not verified when None, and the report says so.
        given: checkpoints that somebody else has kept.
        on_progress: is told how far it is.
    """
    began = time.perf_counter()
    found = Found()
    with tree.snapshot() as snapshot:
        # (1)
        kept = snapshot.checkpoints()
        reading = _Heads(found, keys)
        held = [*reading.stored(kept), *reading.given(given)]
        # (2)
        trees = Trees(snapshot=snapshot, found=found, held=held)
        trees.verify()
        outside = newest(one for one in trees.holding if one.is_outside and one.source in reading.believed)
        covering = outside or (None if given else newest(trees.holding))
        covered = covering.checkpoint.size if covering else 0
        # (3)
        counted = _chains(snapshot, found, covered, on_progress)
    return Report(
        entries=counted.entries,
        instances=counted.histories,
        leaves=trees.size,
        waiting=counted.waiting,
        root=trees.root,
        checkpoints=len(kept),
        given=len(given),
        keys=tuple(sorted(reading.keys_seen)),
        window=Window(count=counted.uncovered, oldest_at=counted.oldest_at, covered=covered, is_held_elsewhere=outside is not None),
        flaws=tuple(found.flaws),
        flaw_count=found.count,
        seconds=time.perf_counter() - began,
    )


def _chains(snapshot: Snapshot, found: Found, covered: int, on_progress: Progress | None) -> Counted:
    passing = Chains(snapshot=snapshot, found=found, covered=covered, on_progress=on_progress or (lambda _done, _total: None))
    try:
        passing.library.read(snapshot, found)
        passing.verify()
    except AuditError as error:  # a row that is no row of ours: what comes behind it cannot be told from it
        found.add(What.ROW_UNREADABLE, f"{error} What comes behind it was not verified.")
    return passing.counted


class _Heads:
    """Reads checkpoints, stored and given, and verifies who signed them."""

    def __init__(self, found: Found, keys: KeysFor | None) -> None:
        self._found, self._keys = found, keys
        self.keys_seen: set[str] = set()
        self.believed: set[str] = set()
        """Sources that a known key has signed; all that can be read when no key is known."""

    def stored(self, kept: Sequence[KeptCheckpoint]) -> list[Held]:
        """Read the checkpoints in the store. Of older ones a key may be retired by now; the newest must be signed by a known key."""
        held: list[Held] = []
        for place, one in enumerate(kept, start=1):
            if one.number != place:
                message = f"Checkpoint {place} is missing: stored checkpoints are numbered without a gap."
                self._found.add(What.CHECKPOINT_DELETED, message, expected=place, found=one.number)
                return held
            checkpoint = self._read(one.note, f"The stored checkpoint {one.number}", is_key_needed=place == len(kept))
            if checkpoint is not None and checkpoint.size != one.size:
                message = f"The size of the stored checkpoint {one.number} is not what its note says."
                self._found.add(What.CHECKPOINT_UNREADABLE, message, expected=checkpoint.size, found=one.size)
            if checkpoint is not None:
                held.append(Held(source=f"The stored checkpoint {one.number}", checkpoint=checkpoint))
        return held

    def given(self, given: Sequence[Given]) -> list[Held]:
        """Read the checkpoints from outside."""
        held: list[Held] = []
        for one in given:
            source = f"The checkpoint {one.source}"
            checkpoint = self._read(one.note, source, is_key_needed=True)
            if checkpoint is not None:
                held.append(Held(source=source, checkpoint=checkpoint, is_outside=True, tiles=one.tiles))
        return held

    def _read(self, note: str, source: str, *, is_key_needed: bool) -> Checkpoint | None:
        try:
            taken = read_note(note)
            checkpoint = Checkpoint.read(taken.text)
        except AuditError as error:
            self._found.add(What.CHECKPOINT_UNREADABLE, f"{source} cannot be read: {error}")
            return None
        if self._keys is None:
            self.believed.add(source)
            return checkpoint
        try:
            signed = verify_note(
                taken, self._keys(checkpoint.origin), is_signed=lambda key, text, by: is_signed(public_key=key, message=text, signature=by)
            )
        except CheckpointError as error:
            if is_key_needed or not error.is_key_unknown:
                self._found.add(What.CHECKPOINT_KEY, f"{source}: {error}")
        else:
            self.keys_seen |= {f"{key.name} (key {key.id.hex()})" for key in signed}
            self.believed.add(source)
        return checkpoint
