"""The Merkle tree over all entries (RFC 9162 §2.1), as far as hashing and verifying go.

Promises: leaves and inner nodes are hashed apart (0x00 and 0x01 in front, §2.1.1), so that no node can pass for an entry. Verifying
needs the few hashes of a proof and nothing else; both procedures carry the numbers of the RFC. Proofs are made in `proofs`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
LEAF_PREFIX, NODE_PREFIX = b"\x00", b"\x01"  # RFC 9162 §2.1.1
EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves (RFC 9162 §2.1.1)."""


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf; for the canonical bytes of an entry this is the entry's own hash."""
    return sha256(LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node."""
    return sha256(NODE_PREFIX + left + right).digest()


def fold(peaks: Sequence[bytes]) -> bytes:
    """Give the root over perfect subtrees of falling size, left to right; that of the empty tree when there are none."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for left in reversed(peaks[:-1]):
        root = node_hash(left, root)
    return root


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Give the root over 2^n hashes."""
    level = hashes
    while len(level) > 1:
        level = [sha256(NODE_PREFIX + level[at] + level[at + 1]).digest() for at in range(0, len(level), 2)]
    return level[0]


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Give the root over leaf hashes, in memory that grows with the height of the tree only."""
    peaks: list[bytes] = []
    for count, leaf in enumerate(leaves, start=1):
        peaks.append(leaf)
        # As many subtrees are complete now as the number of leaves has zeros at its end.
        for _ in range((count & -count).bit_length() - 1):
            right = peaks.pop()
            peaks.append(node_hash(peaks.pop(), right))
    return fold(peaks)


def is_included(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Verify an inclusion proof (RFC 9162 §2.1.3.2): the leaf hash is the one at `index` in the tree of `size` leaves with this root."""
    # (1)
    if not 0 <= index < size:
        return False
    # (2)
    fn, sn = index, size - 1
    # (3)
    r = leaf
    # (4)
    for p in path:
        # (4a)
        if sn == 0:
            return False
        # (4b)
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        # (4c)
        fn, sn = fn >> 1, sn >> 1
    # (5)
    return sn == 0 and r == root


def is_consistent(*, first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Verify a consistency proof (RFC 9162 §2.1.4.2): the tree of `second` leaves begins with the tree of `first` leaves.

    The RFC speaks of 0 < first < second only. The empty tree is the beginning of every tree, and a tree is its own beginning.
    """
    if not 0 <= first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path and first_root == EMPTY_ROOT
    # (1)
    if not path:
        return False
    # (2)
    hashes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    # (3)
    fn, sn = first - 1, second - 1
    # (4)
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    # (5)
    fr = sr = hashes[0]
    # (6)
    for c in hashes[1:]:
        # (6a)
        if sn == 0:
            return False
        # (6b)
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        # (6c)
        fn, sn = fn >> 1, sn >> 1
    # (7)
    return sn == 0 and fr == first_root and sr == second_root
