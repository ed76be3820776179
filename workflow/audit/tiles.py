"""The tree as it is stored and published: tiles of 256 hashes (C2SP tlog-tiles).

Promises: a full tile never changes again. The tile at level L holds roots of subtrees with 256^L leaves; the levels in between are
hashed again when they are needed. Appending touches the right edge only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from workflow.audit.merkle import HASH_BYTES, fold, perfect_root
from workflow.errors import AuditError

HEIGHT = 8  # C2SP tlog-tiles "Merkle Tree"
WIDTH = 1 << HEIGHT

ReadTile = Callable[[int, int], bytes | None]
"""(level, number) -> the hashes of a tile, one after the other; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Consecutive hashes of one level; `hashes` has 32 bytes for each."""

    level: int
    number: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes there are: 1 to 256."""
        return len(self.hashes) // HASH_BYTES

    @property
    def path(self) -> str:
        """Where it lies below a log's folder, e.g. ``tile/0/x001/067`` or ``tile/0/000.p/12``."""
        return path(self.level, self.number, self.width)


def path(level: int, number: int, width: int = WIDTH) -> str:
    """Say where a tile lies below a log's folder."""
    above, last = divmod(number, 1000)
    groups = [f"{last:03}"]
    while above > 0:
        above, group = divmod(above, 1000)
        groups.insert(0, f"x{group:03}")
    suffix = f".p/{width}" if width < WIDTH else ""
    return f"tile/{level}/{'/'.join(groups)}{suffix}"


def split(hashes: bytes) -> list[bytes]:
    """Give the hashes of a tile one by one."""
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]


def edge(size: int) -> Iterator[tuple[int, int, int]]:
    """Name the partial tiles of a tree by level, number and width, leaves first."""
    level = 0
    while size > 0:
        size, width = divmod(size, WIDTH)
        if width:
            yield level, size, width
        level += 1


def layout(size: int) -> Iterator[tuple[int, int, int]]:
    """Name every tile of a tree by level, number and width, leaves first."""
    level = 0
    while size > 0:
        full, width = divmod(size, WIDTH)
        for number in range(full):
            yield level, number, WIDTH
        if width:
            yield level, full, width
        size, level = full, level + 1


def cut(read: ReadTile, *, size: int, level: int, number: int) -> bytes:
    """Read a tile as it is in the tree of `size` leaves; one that has grown since is cut.

    Raises:
        AuditError: there is none, or it is too short.
    """
    width = min((size >> (HEIGHT * level)) - number * WIDTH, WIDTH)
    hashes = (read(level, number) or b"")[: width * HASH_BYTES]
    if len(hashes) != width * HASH_BYTES:
        raise AuditError(f"The tree has no {path(level, number, width)}: it was changed or deleted. Run `workflow audit verify`.")
    return hashes


class Growth:
    """A tree that grows at its right edge, which is all it keeps."""

    def __init__(self, size: int = 0, edges: Mapping[int, bytes] | None = None) -> None:
        """Begin with the tree of `size` leaves, whose partial tiles are given by level.

        Raises:
            AuditError: the edge is not that of such a tree.
        """
        self.size = size
        self._edges = dict(edges or {})
        if size < 0:
            raise AuditError(f"A tree cannot have {size} leaves. Run `workflow audit verify`.")
        wanted = {level: width * HASH_BYTES for level, _, width in edge(size)}
        if wanted != {level: len(hashes) for level, hashes in self._edges.items() if hashes}:
            raise AuditError(f"The right edge of the tree does not belong to {size} leaves. Run `workflow audit verify`.")

    @staticmethod
    def read(read: ReadTile, size: int) -> Growth:
        """Begin with the stored tree of `size` leaves."""
        return Growth(size, {level: cut(read, size=size, level=level, number=number) for level, number, _ in edge(size)})

    def extend(self, leaves: Sequence[bytes]) -> tuple[Tile, ...]:
        """Append leaf hashes; gives every tile that is new or has grown."""
        tiles: list[Tile] = []
        level, before, fresh = 0, self.size, leaves
        while fresh:
            first = before // WIDTH
            whole = self._edges.get(level, b"") + b"".join(fresh)
            step = WIDTH * HASH_BYTES
            chunks = [whole[at : at + step] for at in range(0, len(whole), step)]
            tiles += [Tile(level=level, number=first + place, hashes=chunk) for place, chunk in enumerate(chunks)]
            full = [chunk for chunk in chunks if len(chunk) == step]
            self._edges[level] = chunks[-1] if len(chunks) > len(full) else b""
            level, before, fresh = level + 1, first, [perfect_root(split(chunk)) for chunk in full]
        self.size += len(leaves)
        return tuple(tiles)

    def root(self) -> bytes:
        """Give the root of the tree as it is now."""
        peaks: list[bytes] = []
        for level in sorted(self._edges, reverse=True):
            hashes = split(self._edges[level])
            at = 0
            for height in range(HEIGHT - 1, -1, -1):
                if len(hashes) >> height & 1:
                    peaks.append(perfect_root(hashes[at : at + (1 << height)]))
                    at += 1 << height
        return fold(peaks)


class Nodes:
    """Roots of perfect subtrees of a stored tree, each tile read once."""

    def __init__(self, read: ReadTile, size: int) -> None:
        """Keep where tiles come from, and the size of the tree that is asked about."""
        self._read, self._size = read, size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def __call__(self, height: int, index: int) -> bytes:
        """Give the root over the leaves from `index` * 2^height to before (`index` + 1) * 2^height.

        Raises:
            AuditError: a tile is missing.
        """
        level, above = divmod(height, HEIGHT)
        number, at = divmod(index << above, WIDTH)
        tile = self._tiles.get((level, number))
        if tile is None:
            tile = self._tiles[level, number] = split(cut(self._read, size=self._size, level=level, number=number))
        return perfect_root(tile[at : at + (1 << above)])
