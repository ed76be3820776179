"""The tree of a store, made again from its leaves, and compared with its tiles and with every checkpoint.

Promises: reads the leaves once, in order; says of a checkpoint that does not hold where the first difference can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from workflow.audit.checkpoint import Checkpoint
from workflow.audit.merkle import EMPTY_ROOT
from workflow.audit.tiles import WIDTH, Growth, ReadTile, Tile, split
from workflow.auditing.report import Found, What
from workflow.ports import Leaf, Snapshot

RUN = 16 * WIDTH
"""Leaves that are hashed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A checkpoint to compare the tree with; `source` names it to people, `tiles` are those that were kept with it."""

    source: str
    checkpoint: Checkpoint
    is_outside: bool = False
    tiles: ReadTile | None = None


@dataclass(slots=True, kw_only=True)
class Trees:
    """One pass over all leaves."""

    snapshot: Snapshot
    found: Found
    held: Sequence[Held]
    size: int = 0
    root: bytes = EMPTY_ROOT
    holding: list[Held] = field(default_factory=list)
    """Checkpoints that the tree begins with."""
    _growth: Growth = field(default_factory=Growth)
    _partial: dict[int, Tile] = field(default_factory=dict)
    _edges: dict[int, Leaf] = field(default_factory=dict)
    """The first leaf behind each checkpoint."""

    def verify(self) -> None:
        """Make the tree again, and compare.

        (1) positions run from 0 without a gap; (2) stored tiles are those of the leaves; (3) at the size of each checkpoint the root is the
        checkpoint's; (4) no checkpoint counts more leaves than there are.
        """
        sizes = {one.checkpoint.size for one in self.held}
        self._compare(0)
        run: list[Leaf] = []
        for leaf in self.snapshot.leaves():
            # (1)
            expected = self._growth.size + len(run)
            if leaf.position != expected:
                message = f"The tree has nothing at position {expected}: leaves were deleted or moved."
                self.found.add(What.TREE_GAP, message, position=expected, expected=expected, found=leaf.position)
                break
            if expected in sizes:
                self._edges[expected] = leaf
            run.append(leaf)
            if len(run) == RUN or expected + 1 in sizes:
                self._take(run)
                run = []
                # (3)
                if expected + 1 in sizes:
                    self._compare(expected + 1)
        self._take(run)
        for tile in self._partial.values():
            self._compare_tile(tile)
        self.size, self.root = self._growth.size, self._growth.root()
        # (4)
        self._cut()

    def _take(self, run: Sequence[Leaf]) -> None:
        """Append leaves, and compare the tiles that they complete."""
        if not run:
            return
        first = self._growth.size
        # (2)
        for tile in self._growth.extend([leaf.leaf_hash for leaf in run]):
            if tile.level == 0:
                self._compare_outside(tile, first, run)
            if tile.width == WIDTH:
                self._partial.pop(tile.level, None)
                self._compare_tile(tile)
            else:
                self._partial[tile.level] = tile

    def _compare_tile(self, tile: Tile) -> None:
        stored = self.snapshot.tile(tile.level, tile.number)
        if stored != tile.hashes:
            message = f"The stored {tile.path} is not made of the leaves below it."
            at = tile.number * WIDTH if tile.level == 0 else None
            self.found.add(What.TREE_TILE, message, position=at, expected=f"{tile.width} hashes", found="others" if stored else "nothing")

    def _compare_outside(self, tile: Tile, first: int, run: Sequence[Leaf]) -> None:
        """Name the leaf that is not the one in a tile that was kept elsewhere; known is only what stands in this run."""
        for one in self.held:
            kept = one.tiles(0, tile.number) if one.tiles else None
            if kept is None:
                continue
            for place, (ours, theirs) in enumerate(zip(split(tile.hashes), split(kept), strict=False)):
                position = tile.number * WIDTH + place
                if ours != theirs and position >= first and position < one.checkpoint.size:
                    leaf = run[position - first]
                    self.found.add(
                        What.CHECKPOINT_INCONSISTENT,
                        f"Entry {leaf.sequence} is not the one that stands at position {position} of the tiles kept with {one.source}.",
                        instance=leaf.instance_id,
                        sequence=leaf.sequence,
                        position=position,
                        expected=theirs,
                        found=ours,
                    )
                    return

    def _compare(self, size: int) -> None:
        root = self._growth.root()
        for one in (one for one in self.held if one.checkpoint.size == size):
            if one.checkpoint.root == root:
                self.holding.append(one)
                continue
            since = max((held.checkpoint.size for held in self.holding), default=0)
            leaf = self._edges.get(since)
            self.found.add(
                What.CHECKPOINT_INCONSISTENT,
                f"{one.source} does not fit the tree: something from position {since} to {size - 1} was rewritten"
                + (f", the first of it is entry {leaf.sequence} of {leaf.instance_id}." if leaf else "."),
                position=since,
                expected=one.checkpoint.root,
                found=root,
            )

    def _cut(self) -> None:
        for one in self.held:
            if one.checkpoint.size > self.size:
                self.found.add(
                    What.CHECKPOINT_CUT,
                    f"{one.source} counts {one.checkpoint.size} entries, "
                    f"the tree has {self.size}: its end was cut off, or all of it replaced.",
                    position=self.size,
                    expected=one.checkpoint.size,
                    found=self.size,
                )


def newest(held: Iterable[Held]) -> Held | None:
    """Give the one that covers most."""
    return max(held, key=lambda one: one.checkpoint.size, default=None)
