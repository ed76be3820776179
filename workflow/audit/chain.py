"""The hash chain of one instance.

Promises: `entry_hash = SHA-256(0x00 | canonical bytes)`, and the bytes of entry n contain the hash of entry n-1.
The leading zero byte is the leaf prefix of RFC 6962 §2.1 (kept by RFC 9162 §2.1.1), so that an entry's hash is also its
leaf hash in the global tree and nothing needs to be hashed twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import orjson

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

    (1) sequence numbers run from 1 without a gap; (2) the stored hash is the hash of the stored bytes; (3) the bytes
    name the predecessor's hash; (4) the projections beside the bytes say what the bytes say.

    Raises:
        ChainBrokenError: the first entry that does not fit, with what was expected and what was found.
    """
    previous, count = GENESIS, 0
    for count, row in enumerate(entries, start=1):  # the count is the answer
        # (1)
        if row.sequence != count:
            raise ChainBrokenError(f"Entry {count} is missing.", sequence=count, expected=str(count), found=str(row.sequence))
        # (2)
        computed = entry_hash(row.canonical)
        if computed != row.entry_hash:
            raise ChainBrokenError(
                f"Entry {count} was changed: its bytes do not have its hash.",
                sequence=count,
                expected=computed.hex(),
                found=row.entry_hash.hex(),
            )
        said = orjson.loads(row.canonical)
        # (3)
        if said["previous"] != previous:
            raise ChainBrokenError(
                f"Entry {count} does not follow entry {count - 1}.", sequence=count, expected=previous, found=str(said["previous"])
            )
        # (4)
        if (wrong := row.differs_from(said)) is not None:
            raise ChainBrokenError(
                f"The column {wrong} of entry {count} does not say what the entry says.",
                sequence=count,
                expected=str(said.get(wrong)),
                found=wrong,
            )
        previous = computed.hex()
    return count
