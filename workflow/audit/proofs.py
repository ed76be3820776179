"""Proofs: that an entry is in the tree, and that a tree begins with an older one.

Promises: made as RFC 9162 §2.1.3.1 and §2.1.4.1 define them, from roots of perfect subtrees, so that a proof costs a few tiles however
large the tree is. A proof can be written as text (C2SP tlog-proof) and read by whoever has never seen this package.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from workflow.audit.checkpoint import Checkpoint, read_note
from workflow.audit.merkle import HASH_BYTES, fold, is_included
from workflow.errors import AuditError

Node = Callable[[int, int], bytes]
"""(height, index) -> root of the index-th perfect subtree of 2^height leaves; see `tiles.Nodes`."""

HEADER = "c2sp.org/tlog-proof@v1"
MOST_HASHES = 63  # a path is never longer than the tree is high


def subtree(node: Node, start: int, end: int) -> bytes:
    """Give the root over the leaves from `start` to before `end`, where `start` is a multiple of 2^n >= end - start."""
    peaks = []
    while start < end:
        height = (end - start).bit_length() - 1
        peaks.append(node(height, start >> height))
        start += 1 << height
    return fold(peaks)


def inclusion_path(node: Node, *, index: int, size: int) -> tuple[bytes, ...]:
    """Make the inclusion proof of the leaf at `index` in the tree of `size` leaves: PATH(m, D_n) of RFC 9162 §2.1.3.1.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"There is no leaf {index} in a tree of {size}.")
    found, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append(subtree(node, middle, end))
            end = middle
        else:
            found.append(subtree(node, start, middle))
            start = middle
    return tuple(reversed(found))


def consistency_path(node: Node, *, first: int, second: int) -> tuple[bytes, ...]:
    """Make the proof that the tree of `second` leaves begins with that of `first`: PROOF(m, D_n) of RFC 9162 §2.1.4.1.

    Raises:
        ValueError: `first` is negative or greater than `second`.
    """
    if not 0 <= first <= second:
        raise ValueError(f"A tree of {second} leaves does not begin with one of {first}.")
    if first in {0, second}:
        return ()
    found, start, end = [], 0, second
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            found.append(subtree(node, middle, end))
            end = middle
        else:
            found.append(subtree(node, start, middle))
            start = middle
    # SUBPROOF(m, D_m, b): the older tree itself is known to the verifier (b is true) when nothing stands left of it.
    return tuple(reversed(found)) if start == 0 else (subtree(node, start, end), *reversed(found))


def _split(count: int) -> int:
    """Give the largest power of two below `count` (k in RFC 9162 §2.1.1)."""
    return 1 << (count - 1).bit_length() - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That a leaf is at `index` of the tree that a checkpoint speaks of; `note` is the signed checkpoint as text."""

    index: int
    path: tuple[bytes, ...]
    note: str

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says; its signatures are verified by `checkpoint.verify`."""
        return Checkpoint.read(read_note(self.note).text)

    def holds_for(self, leaf: bytes) -> bool:
        """Tell whether the leaf hash is where the proof says, given that the checkpoint is believed."""
        head = self.checkpoint
        return is_included(leaf, index=self.index, size=head.size, path=self.path, root=head.root)

    def write(self) -> str:
        """Give the proof as text (C2SP tlog-proof)."""
        hashes = "".join(f"{base64.b64encode(one).decode()}\n" for one in self.path)
        return f"{HEADER}\nindex {self.index}\n{hashes}\n{self.note}"

    @staticmethod
    def read(text: str) -> Proof:
        """Read what `write` wrote, strictly.

        Raises:
            AuditError: it is no such proof.
        """
        head, _, note = text.partition("\n\n")
        header, *lines = head.split("\n")
        word, _, index = (lines[0] if lines else "").partition(" ")
        if header != HEADER or word != "index" or not (index.isascii() and index.isdigit()) or str(int(index[:20])) != index:
            raise AuditError(f"This is no inclusion proof: it does not begin with {HEADER} and the entry's index.")
        if len(lines) > MOST_HASHES + 1:
            raise AuditError("This inclusion proof has more hashes than any tree is high.")
        made = Proof(index=int(index), path=tuple(_hash(line) for line in lines[1:]), note=note)
        if made.write() != text:
            raise AuditError("This inclusion proof is not written as it must be.")
        return made


def _hash(line: str) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != HASH_BYTES:
        raise AuditError("A line of this inclusion proof is no hash.")
    return found
