"""Commitments: what an entry says of a personal value.

Promises: an entry holds only `SHA-256(tag | salt | canonical value)`. Without the 32-byte salt, which lives sealed beside
the value, the true value cannot be found by trying; when both are destroyed the entry still proves itself.
"""

from __future__ import annotations

import hashlib

from workflow.audit.canonical import canonical

TAG = b"workflow/commitment/1\x00"
SALT_BYTES = 32


def commit(value: object, salt: bytes) -> str:
    """Give the commitment to a JSON value, in hex.

    Raises:
        ValueError: the salt has not 32 bytes, or the value no canonical form.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes, not {len(salt)}.")
    return hashlib.sha256(TAG + salt + canonical(value)).hexdigest()


def opens(commitment: str, value: object, salt: bytes) -> bool:
    """Tell whether a value and its salt are what was committed to."""
    return commit(value, salt) == commitment
