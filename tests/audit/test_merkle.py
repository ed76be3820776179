"""The Merkle tree: against RFC 9162's own recursive definitions, and against known answers."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.audit import merkle
from workflow.audit.proofs import consistency_path, inclusion_path
from workflow.audit.tiles import Growth, Nodes

# The inputs of the reference implementation of RFC 6962, and the roots of their first n (0 to 8).
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [merkle.leaf_hash(bytes.fromhex(data)) for data in INPUTS]
# Consistency between trees of these inputs, as published with the same reference implementation: (first, second, path).
CONSISTENCY = [
    (1, 1, []),
    (1, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 5, ["5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"]),
]  # fmt: skip


def mth(leaves: list[bytes]) -> bytes:
    """MTH(D_n) of RFC 9162 §2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D_n) of RFC 9162 §2.1.3.1, word for word."""
    n = len(leaves)
    if n == 1:
        return []
    k = split(n)
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], is_known: bool) -> list[bytes]:
    """SUBPROOF(m, D_n, b) of RFC 9162 §2.1.4.1, word for word."""
    n = len(leaves)
    if m == n:
        return [] if is_known else [mth(leaves)]
    k = split(n)
    if m <= k:
        return [*subproof(m, leaves[:k], is_known), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def nodes(leaves: list[bytes]) -> Nodes:
    tiles = {(tile.level, tile.number): tile.hashes for tile in Growth().extend(leaves)}
    return Nodes(lambda level, number: tiles.get((level, number)), len(leaves))


def some(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


sizes = st.integers(min_value=1, max_value=700)


@pytest.mark.parametrize("size", range(9))
def test_known_roots(size):
    """The roots of the trees of 0 to 8 known leaves are those that everybody computes."""
    assert ROOTS[size] == merkle.root_of(LEAVES[:size]).hex() == mth(LEAVES[:size]).hex()
    growth = Growth()
    growth.extend(LEAVES[:size])
    assert ROOTS[size] == growth.root().hex()


@pytest.mark.parametrize(("first", "second", "expected"), CONSISTENCY)
def test_known_consistency(first, second, expected):
    """Consistency proofs between known trees are those that everybody computes."""
    assert expected == [one.hex() for one in consistency_path(nodes(LEAVES[:second]), first=first, second=second)]


@pytest.mark.parametrize("size", range(1, 18))
def test_every_leaf_of_every_small_tree_is_proved_and_nothing_else_is(size):
    """Up to 17 leaves, without exception: the proof of a leaf verifies, and with one thing changed it does not."""
    leaves = some(size)
    root = mth(leaves)
    for index, leaf in enumerate(leaves):
        good = inclusion_path(nodes(leaves), index=index, size=size)
        assert path(index, leaves) == list(good)
        assert merkle.is_included(leaf, index=index, size=size, path=good, root=root)
        for wrong in (
            {"index": size},
            {"index": -1},
            {"path": (*good, root)},
            {"root": bytes(32)},
            *({"path": (*good[:at], bytes(32), *good[at + 1 :])} for at in range(len(good))),
            *({"path": good[:at]} for at in range(len(good))),
        ):
            assert not merkle.is_included(leaf, **{"index": index, "size": size, "path": good, "root": root} | wrong), wrong


@pytest.mark.parametrize("second", range(1, 18))
def test_every_small_tree_begins_with_each_of_its_beginnings_and_nothing_else_does(second):
    """Up to 17 leaves, without exception: the proof that a tree begins with another verifies, and with one thing changed it does not."""
    leaves = some(second)
    for first in range(second + 1):
        made = consistency_path(nodes(leaves), first=first, second=second)
        known = {"first": first, "first_root": mth(leaves[:first]), "second": second, "second_root": mth(leaves), "path": made}
        assert merkle.is_consistent(**known)
        wrongs = [{"first_root": bytes(32)}, {"path": (*made, bytes(32))}, *({"path": made[:at]} for at in range(len(made)))]
        wrongs += [{"path": (*made[:at], bytes(32), *made[at + 1 :])} for at in range(len(made))]
        wrongs += [{"second_root": bytes(32)}] if first else []
        wrongs += [{"first": second, "second": first}, {"first": -1}] if first < second else []
        for wrong in wrongs:
            assert not merkle.is_consistent(**known | wrong), (first, wrong)


def test_a_leaf_is_no_node():
    """A leaf whose data are two hashes is not the node over them: the prefixes part them."""
    assert merkle.leaf_hash(LEAVES[0] + LEAVES[1]) != merkle.node_hash(LEAVES[0], LEAVES[1])


@given(sizes)
def test_streaming_equals_the_definition(size):
    """The root made leaf by leaf is the recursive one of the RFC."""
    assert mth(some(size)) == merkle.root_of(some(size))


@given(sizes, st.data())
def test_inclusion_proofs_are_the_definition_and_verify(size, data):
    """Every proof is PATH of the RFC, and verifies."""
    index, leaves = data.draw(st.integers(0, size - 1)), some(size)
    made = inclusion_path(nodes(leaves), index=index, size=size)
    assert path(index, leaves) == list(made)
    assert merkle.is_included(leaves[index], index=index, size=size, path=made, root=mth(leaves))


@given(sizes, st.data())
def test_a_changed_inclusion_proof_fails(size, data):
    """Another leaf, place, size, root, or a longer, shorter or changed path proves nothing."""
    leaves = some(size)
    index = data.draw(st.integers(0, size - 1))
    good = list(inclusion_path(nodes(leaves), index=index, size=size))
    root, leaf = mth(leaves), leaves[index]
    assert not merkle.is_included(b"\x00" * 32, index=index, size=size, path=good, root=root)
    assert not merkle.is_included(leaf, index=index, size=size, path=good, root=b"\x00" * 32)
    assert not merkle.is_included(leaf, index=index, size=size, path=[*good, root], root=root)
    assert not merkle.is_included(leaf, index=size, size=size, path=good, root=root)
    assert not merkle.is_included(leaf, index=-1, size=size, path=good, root=root)
    if good:
        assert not merkle.is_included(leaf, index=index, size=size, path=good[:-1], root=root)
        place = data.draw(st.integers(0, len(good) - 1))
        changed = [*good[:place], bytes(32), *good[place + 1 :]]
        assert not merkle.is_included(leaf, index=index, size=size, path=changed, root=root)
        assert not merkle.is_included(leaf, index=index ^ 1, size=size, path=good, root=root)


@given(sizes, st.data())
def test_consistency_proofs_are_the_definition_and_verify(second, data):
    """Every proof is PROOF of the RFC, and verifies; with another root on either side it does not."""
    first, leaves = data.draw(st.integers(0, second)), some(second)
    made = consistency_path(nodes(leaves), first=first, second=second)
    if 0 < first < second:
        assert subproof(first, leaves, True) == list(made)
    known = {"first": first, "first_root": mth(leaves[:first]), "second": second, "second_root": mth(leaves)}
    assert merkle.is_consistent(**known, path=made)
    assert not merkle.is_consistent(**known | {"first_root": bytes(32)}, path=made)
    if 0 < first:
        assert not merkle.is_consistent(**known | {"second_root": bytes(32)}, path=made)
    if first < second:
        assert not merkle.is_consistent(**known, path=[*made, bytes(32)])
        assert not merkle.is_consistent(**known | {"first": second, "second": first}, path=made)
    if made:
        assert not merkle.is_consistent(**known, path=made[:-1])
        assert not merkle.is_consistent(**known, path=())


@given(sizes, st.data())
def test_a_rewritten_beginning_is_not_consistent(second, data):
    """No proof leads from a tree to one whose beginning was changed."""
    first = data.draw(st.integers(1, second))
    leaves = some(second)
    forged = [*leaves]
    forged[data.draw(st.integers(0, first - 1))] = bytes(32)
    made = consistency_path(nodes(forged), first=first, second=second)
    known = {"first": first, "first_root": mth(leaves[:first]), "second": second, "second_root": mth(forged)}
    assert not merkle.is_consistent(**known, path=made)


def test_proofs_of_what_is_not_there_are_refused():
    """There is no proof for a leaf behind the end, nor from a larger tree to a smaller one."""
    with pytest.raises(ValueError, match="no leaf 3"):
        inclusion_path(nodes(some(3)), index=3, size=3)
    with pytest.raises(ValueError, match="does not begin"):
        consistency_path(nodes(some(3)), first=4, second=3)
