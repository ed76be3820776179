"""What verifying a store found.

Promises: plain values; the flaw that is named first is the first bad entry, when an entry is bad.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MOST_FLAWS = 200
"""Kept one by one; more are counted."""

Progress = Callable[[int, int], None]
"""(entries verified so far, entries in all)."""


class What(StrEnum):
    """Kinds of flaws, ``<subject>:<what>``."""

    ENTRY_CHANGED = "entry:changed"
    ENTRY_NOT_IN_TREE = "entry:not-in-tree"
    ENTRY_OTHER_IN_TREE = "entry:other-in-tree"
    ENTRY_OUT_OF_ORDER = "entry:out-of-order"
    ENTRY_DELETED = "entry:deleted"
    INSTANCE_DELETED = "instance:deleted"
    INSTANCE_WITHOUT_HISTORY = "instance:without-history"
    INSTANCE_DIFFERS = "instance:differs"
    TIMER_DIFFERS = "timer:differs"
    MESSAGE_DIFFERS = "message:differs"
    DELEGATION_DIFFERS = "delegation:differs"
    ROW_UNREADABLE = "row:unreadable"
    DOCUMENT_CHANGED = "document:changed"
    TREE_GAP = "tree:gap"
    TREE_TILE = "tree:tile"
    CHECKPOINT_UNREADABLE = "checkpoint:unreadable"
    CHECKPOINT_KEY = "checkpoint:key"
    CHECKPOINT_DELETED = "checkpoint:deleted"
    CHECKPOINT_CUT = "checkpoint:cut"
    CHECKPOINT_INCONSISTENT = "checkpoint:inconsistent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is not as it must be; `instance`, `sequence` and `position` (in the tree) say where, as far as it has a place."""

    what: What
    message: str
    instance: str | None = None
    sequence: int | None = None
    position: int | None = None
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Entries that no checkpoint covers: until one does, the owner of the database could rewrite them unseen.

    Attributes:
        count: how many.
        oldest_at: `recorded_at` of the oldest, None when there is none.
        covered: entries under the checkpoint that counts.
        is_held_elsewhere: that checkpoint was given from outside; otherwise it is only the newest one in the database itself.
    """

    count: int
    oldest_at: datetime | None
    covered: int
    is_held_elsewhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What verifying a store gave.

    Attributes:
        entries, instances, leaves: how many were verified; the system's own chain counts as an instance.
        waiting: entries that are not yet in the tree.
        root: of the tree.
        checkpoints: stored ones.
        given: checkpoints from outside.
        keys: names and ids of the keys by which signatures were verified; empty when none was known.
        flaws: the first `MOST_FLAWS`; `flaw_count` counts all.
        seconds: how long it took.
    """

    entries: int
    instances: int
    leaves: int
    waiting: int
    root: bytes
    checkpoints: int
    given: int
    keys: tuple[str, ...]
    window: Window
    flaws: tuple[Flaw, ...] = ()
    flaw_count: int = 0
    seconds: float = 0.0

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was found."""
        return not self.flaw_count

    @property
    def first(self) -> Flaw | None:
        """The first bad entry, else the first flaw of any kind, None when there is none."""
        return next((one for one in self.flaws if one.sequence is not None), self.flaws[0] if self.flaws else None)

    @property
    def entries_per_second(self) -> float:
        """How fast it was."""
        return self.entries / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Found:
    """Flaws as they are found; keeps the first ones and counts the rest."""

    flaws: list[Flaw] = field(default_factory=list)
    count: int = 0

    def add(
        self,
        what: What,
        message: str,
        *,
        instance: str | None = None,
        sequence: int | None = None,
        position: int | None = None,
        expected: object = "",
        found: object = "",
    ) -> None:
        """Note one flaw."""
        self.count += 1
        if len(self.flaws) < MOST_FLAWS:
            flaw = Flaw(
                what=what,
                message=message,
                instance=instance,
                sequence=sequence,
                position=position,
                expected=_written(expected),
                found=_written(found),
            )
            self.flaws.append(flaw)


def _written(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
