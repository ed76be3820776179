"""Heads of the tree: signing them, handing them out, and reading them back from outside.

Promises: signs no head that does not begin with the one signed before (C2SP tlog-checkpoint "Signatures"); never overwrites a kept
checkpoint with one that contradicts it; the signing keys stay in the vault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from workflow.audit.checkpoint import Checkpoint, Signer, VerifierKey, read_note, sign
from workflow.audit.merkle import is_consistent
from workflow.audit.proofs import Proof, consistency_path, inclusion_path
from workflow.audit.tiles import Growth, Nodes, ReadTile, cut, layout, path
from workflow.errors import AuditError, NotFoundError
from workflow.ports import Backlog, Snapshot, TreeStore
from workflow.states.instance import InstanceId

BATCH = 2_000
MOST_ROUNDS = 1_000_000


MOST_NOTE_BYTES = 65_536
"""Of a checkpoint's file; one of ours has a few hundred bytes, and a file without end is none."""


class SigningVault(Protocol):
    """What a vault needs for checkpoints."""

    @property
    def kids(self) -> tuple[str, ...]:
        """The names of the keys, newest first."""
        ...

    def sign(self, message: bytes, /, *, kid: str | None = None) -> bytes:
        """Sign under a key."""
        ...

    def public_key(self, kid: str | None = None) -> bytes:
        """Give the public key."""
        ...


def keys_of(vault: SigningVault, origin: str) -> tuple[VerifierKey, ...]:
    """Give the public keys of a vault under a log's name, newest first."""
    return tuple(VerifierKey(name=origin, public_key=vault.public_key(kid)) for kid in vault.kids)


def signers_of(vault: SigningVault, origin: str) -> tuple[Signer, ...]:
    """Give all keys of a vault as signers: while keys are rotated, each signs."""
    return tuple(
        Signer(key=VerifierKey(name=origin, public_key=vault.public_key(kid)), sign=partial(vault.sign, kid=kid)) for kid in vault.kids
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signed head, and what is not yet under it."""

    checkpoint: Checkpoint
    note: str
    sequenced: int
    backlog: Backlog


def make_checkpoint(tree: TreeStore, *, origin: str, signers: Sequence[Signer], now: datetime) -> Signed:
    """Take everything that waits into the tree, sign its head, and keep it.

    A head that is signed by the same keys already is given again.

    Raises:
        AuditError: the tree does not begin with the one that was signed before; nothing is signed then.
    """
    sequencer = tree.sequencer()
    sequenced = drain(tree)
    with tree.snapshot() as snapshot:
        size = snapshot.leaf_count()
        head = Checkpoint(origin=origin, size=size, root=Growth.read(snapshot.tile, size).root())
        kept = snapshot.checkpoints()
        if kept:
            _refuse_contradiction(snapshot, Checkpoint.read(read_note(kept[-1].note).text), head)
    note = sign(head, signers)
    if not kept or kept[-1].note != note:  # Ed25519 signs the same text the same way (RFC 8032 §5.1.6)
        sequencer.keep(note, size=size, recorded_at=now)
    return Signed(checkpoint=head, note=note, sequenced=sequenced, backlog=sequencer.backlog())


def drain(tree: TreeStore) -> int:
    """Take everything that waits now into the tree; gives how much it was."""
    sequencer, total = tree.sequencer(), 0
    for _ in range(MOST_ROUNDS):
        taken = sequencer.run(BATCH)
        total += taken
        if taken < BATCH:
            break
    return total


def _refuse_contradiction(snapshot: Snapshot, older: Checkpoint, head: Checkpoint) -> None:
    if older.origin != head.origin:
        raise AuditError(f"This log was signed as {older.origin!r} before; sign it by that name, not as {head.origin!r}.")
    is_fit = older.size <= head.size
    if is_fit:
        proof = consistency_path(Nodes(snapshot.tile, head.size), first=older.size, second=head.size)
        is_fit = is_consistent(first=older.size, first_root=older.root, second=head.size, second_root=head.root, path=proof)
    if not is_fit:
        raise AuditError(
            f"The tree of {head.size} entries does not begin with the one of {older.size} that was signed before; nothing was signed. "
            "Run `workflow audit verify`."
        )


def prove(snapshot: Snapshot, instance_id: str, sequence: int, *, note: str | None = None) -> Proof:
    """Prove that an entry is under a signed checkpoint; under the newest one that was kept when None is given.

    Raises:
        NotFoundError: there is no such entry in the tree, or no checkpoint.
        AuditError: the checkpoint is older than the entry, or the tree was changed.
    """
    leaf = snapshot.leaf_of(InstanceId(instance_id), sequence)
    kept = snapshot.checkpoints() if note is None else ()
    signed = note or (kept[-1].note if kept else None)
    if leaf is None:
        raise NotFoundError("entry in the tree", f"{instance_id}/{sequence}")
    if signed is None:
        raise NotFoundError("checkpoint", "newest")
    head = Checkpoint.read(read_note(signed).text)
    if leaf.position >= head.size:
        raise AuditError(f"The checkpoint covers {head.size} entries, this is number {leaf.position + 1}: make a newer checkpoint.")
    nodes = Nodes(snapshot.tile, head.size)
    proof = Proof(index=leaf.position, path=inclusion_path(nodes, index=leaf.position, size=head.size), note=signed)
    if not proof.holds_for(leaf.leaf_hash):
        raise AuditError("The tree does not lead to the root that was signed: run `workflow audit verify`.")
    return proof


# Outside


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A checkpoint from outside: where it came from, the note, and the tiles that were kept with it, if any."""

    source: str
    note: str
    tiles: ReadTile | None = None


def read_given(place: Path) -> Given:
    """Read a checkpoint from a file, or a folder of tiles with its ``checkpoint``.

    Raises:
        NotFoundError: there is none.
    """
    file = place / "checkpoint" if place.is_dir() else place
    try:
        with file.open("rb") as opened:
            note = opened.read(MOST_NOTE_BYTES).decode()
    except OSError:
        raise NotFoundError("checkpoint", str(file)) from None
    except UnicodeDecodeError:
        raise AuditError(f"{file} is no checkpoint: it is not written in UTF-8.") from None
    return Given(source=str(file), note=note, tiles=_tiles_in(place) if place.is_dir() else None)


def _tiles_in(folder: Path) -> ReadTile:
    def read(level: int, number: int) -> bytes | None:
        full = folder / path(level, number)
        if full.is_file():
            return full.read_bytes()
        partial_tiles = sorted((folder / f"{path(level, number)}.p").glob("*"), key=lambda one: int(one.name))
        return partial_tiles[-1].read_bytes() if partial_tiles else None

    return read


def write_tiles(snapshot: Snapshot, signed: Signed, folder: Path) -> int:
    """Write the tree under a checkpoint to a folder (C2SP tlog-tiles), the checkpoint last; gives how many tiles were written.

    Full tiles that are there already are kept: they never change.

    Raises:
        AuditError: the folder's own checkpoint contradicts this one; nothing is written then.
    """
    head = signed.checkpoint
    if (folder / "checkpoint").is_file():
        _refuse_contradiction(snapshot, Checkpoint.read(read_note(read_given(folder).note).text), head)
    written = 0
    for level, number, width in layout(head.size):
        place = folder / path(level, number, width)
        if not place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(cut(snapshot.tile, size=head.size, level=level, number=number))
            written += 1
    folder.mkdir(parents=True, exist_ok=True)
    write_note(signed.note, folder / "checkpoint")
    return written


def write_note(note: str, place: Path) -> None:
    """Write a checkpoint to a file, so that a reader sees the old one or the new one."""
    fresh = place.with_name(f"{place.name}.new")
    fresh.write_bytes(note.encode())
    fresh.replace(place)
