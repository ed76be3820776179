"""Tiles: the tree as it is stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.audit import merkle, tiles
from workflow.audit.tiles import Growth, Nodes
from workflow.errors import AuditError


def some(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


@pytest.mark.parametrize(
    ("number", "width", "expected"),
    [(0, 256, "tile/0/000"), (5, 12, "tile/0/005.p/12"), (1234067, 256, "tile/0/x001/x234/067"), (1000, 1, "tile/0/x001/000.p/1")],
)
def test_paths_are_those_of_the_specification(number, width, expected):
    """Numbers are written in groups of three digits, all but the last with an x; a partial tile names its width."""
    assert expected == tiles.path(0, number, width)


def test_the_layout_is_that_of_the_specification():
    """A tree of 70,000 has 273 full tiles of leaves and one of 112, one full and one of 17 above, and one of 1 on top."""
    found = list(tiles.layout(70_000))
    assert 273 == sum(level == 0 and width == 256 for level, _, width in found)
    assert [(0, 273, 112), (1, 1, 17), (2, 0, 1)] == [one for one in found if one[2] < 256]
    assert 1 == sum(level == 1 and width == 256 for level, _, width in found)
    assert [(0, 0, 256), (1, 0, 1)] == list(tiles.layout(256))
    assert [] == list(tiles.layout(0))


@given(st.lists(st.integers(0, 600), max_size=6))
def test_growing_in_any_steps_gives_the_same_tree(steps):
    """However leaves come, the tiles are those of the whole tree, and so is the root at every step."""
    store: dict[tuple[int, int], bytes] = {}
    leaves, taken = some(sum(steps)), 0
    for step in steps:
        growth = Growth.read(lambda level, number: store.get((level, number)), taken)
        for tile in growth.extend(leaves[taken : taken + step]):
            store[tile.level, tile.number] = tile.hashes
        taken += step
        assert merkle.root_of(leaves[:taken]) == growth.root()
        assert growth.size == taken
    assert {(level, number): width for level, number, width in tiles.layout(taken)} == {
        place: len(hashes) // 32 for place, hashes in store.items()
    }


def test_a_tree_of_seventy_thousand():
    """Three levels of tiles give the same root as hashing leaf by leaf, and every perfect subtree can be asked for."""
    leaves = some(70_000)
    growth = Growth()
    store = {(tile.level, tile.number): tile.hashes for tile in growth.extend(leaves)}
    assert merkle.root_of(leaves) == growth.root()
    nodes = Nodes(lambda level, number: store.get((level, number)), 70_000)
    for height, index in ((0, 69_999), (3, 8_000), (8, 272), (11, 33), (16, 0)):
        assert merkle.perfect_root(leaves[index << height : (index + 1) << height]) == nodes(height, index)


def test_a_missing_or_short_tile_is_told():
    """Whoever asks for a tile that is not there, or not whole, is told, and gets no wrong hash."""
    store = {(tile.level, tile.number): tile.hashes for tile in Growth().extend(some(300))}
    store[0, 1] = store[0, 1][:-32]
    with pytest.raises(AuditError, match=r"tile/0/001\.p/44"):
        Growth.read(lambda level, number: store.get((level, number)), 300)
    with pytest.raises(AuditError, match="tile/0/000"):
        Nodes(lambda _level, _number: None, 300)(0, 0)
    with pytest.raises(AuditError, match="right edge"):
        Growth(300, {0: store[0, 1]})
    with pytest.raises(AuditError, match="cannot have -1 leaves"):
        Growth(-1)


def test_a_tile_knows_its_width_and_its_place():
    """What is written for a tree of 300 are a full tile, a partial one of 44 and the one above them, each under its own name."""
    made = Growth().extend(some(300))
    assert [(256, "tile/0/000"), (44, "tile/0/001.p/44"), (1, "tile/1/000.p/1")] == [(tile.width, tile.path) for tile in made]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 300, 65_536, 65_537])
def test_the_edge_is_what_is_partial_of_the_layout(size):
    """What a tree keeps to grow are its partial tiles; a tree of 256 or 65,536 leaves has none but the highest."""
    assert [one for one in tiles.layout(size) if one[2] < 256] == list(tiles.edge(size))
