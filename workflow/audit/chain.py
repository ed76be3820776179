"""The hash chain of one instance.

Promises: `entry_hash = SHA-256(0x00 | canonical bytes)`, and the bytes of entry n contain the hash of entry n-1.
The leading zero byte is the leaf prefix of RFC 6962 §2.1 (kept by RFC 9162 §2.1.1), so that an entry's hash is also its
leaf hash in the global tree and nothing needs to be hashed twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from workflow.audit.canonical import canonical_entry
from workflow.audit.entry import EntryRow
from workflow.errors import ChainBrokenError

LEAF_PREFIX = b"\x00"  # RFC 9162 §2.1.1
GENESIS = ""
"""What the first entry says of its predecessor."""


def entry_hash(canonical: bytes) -> bytes:
    """Hash the canonical bytes of an entry."""
    return hashlib.sha256(LEAF_PREFIX + canonical).digest()


def verify(entries: Iterable[EntryRow]) -> int:
    """Verify the entries of one instance, first to last, and give how many there are.

    Raises:
        ChainBrokenError: the first entry that does not fit, with what was expected and what was found.
    """
    previous, count = GENESIS, 0
    for count, row in enumerate(entries, start=1):  # the count is the answer
        follow(row, sequence=count, previous=previous)
        previous = row.entry_hash.hex()
    return count


def follow(row: EntryRow, *, sequence: int, previous: str) -> Mapping[str, Any]:
    """Verify one entry behind the one with the hash `previous` (in hex, `GENESIS` for the first), and give what it says.

    (1) sequence numbers run from 1 without a gap; (2) the stored hash is the hash of the stored bytes; (3) the bytes are canonical;
    (4) they name the predecessor's hash; (5) the projections beside them say what they say.

    Raises:
        ChainBrokenError: it does not fit, with what was expected and what was found.
    """
    # (1)
    if row.sequence != sequence:
        raise ChainBrokenError(f"Entry {sequence} is missing.", sequence=sequence, expected=str(sequence), found=str(row.sequence))
    # (2)
    computed = entry_hash(row.canonical)
    if computed != row.entry_hash:
        raise ChainBrokenError(
            f"Entry {sequence} was changed: its bytes do not have its hash.",
            sequence=sequence,
            expected=computed.hex(),
            found=row.entry_hash.hex(),
        )
    # (3)
    said = _read(row.canonical)
    if said is None:
        raise ChainBrokenError(
            f"Entry {sequence} is not written in canonical form.", sequence=sequence, expected="RFC 8785", found=repr(row.canonical[:60])
        )
    # (4)
    if said.get("previous") != previous:
        raise ChainBrokenError(
            f"Entry {sequence} does not follow entry {sequence - 1}.",
            sequence=sequence,
            expected=previous,
            found=str(said.get("previous")),
        )
    # (5)
    if (wrong := row.differs_from(said)) is not None:
        raise ChainBrokenError(
            f"The column {wrong} of entry {sequence} does not say what the entry says.",
            sequence=sequence,
            expected=str(said.get(wrong)),
            found=wrong,
        )
    return said


def _read(canonical: bytes) -> Mapping[str, Any] | None:
    """Read an entry's bytes, None when they are no object in canonical form."""
    try:
        said = orjson.loads(canonical)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) and canonical_entry(said) == canonical else None
