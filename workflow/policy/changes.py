"""Changes of a definition's meaning, as values.

Promises: pure; a change names one thing, says in one sentence what is different, and where both versions say it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from workflow.states.definition import Definition, Unit
from workflow.states.node import Node, Place
from workflow.states.parse import Parsed


class Way(StrEnum):
    """What a change does to what may happen."""

    LOOSENED = "loosened"  # something is allowed that was not, or there is more time for it
    TIGHTENED = "tightened"  # something is refused that was allowed, or there is less time for it
    OTHER = "other"  # something is different, and neither of both can be said


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference in meaning.

    Attributes:
        way: what it does to what may happen.
        part: what kind of thing changed: ``state``, ``transition``, ``guard``, ``who``, ``deadline``, ``effect``, ...
        name: of the thing: an event, a state's path, a timer's key, a property's name.
        sentence: what is different, for a person.
        old, new: ``file:line`` of both versions; None where there is none.
    """

    way: Way
    part: str
    name: str
    sentence: str
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two versions: what it was read from, and how its file is called."""

    file: str
    parsed: Parsed

    @property
    def definition(self) -> Definition:
        """The definition of this version."""
        return self.parsed.definition

    def at(self, place: Place | Node) -> str:
        """Write where something stands."""
        return f"{self.file}:{(place.place if isinstance(place, Node) else place)[0]}"

    def named(self, section: str, name: str) -> str:
        """Write where something named in a section stands; the top of the file when it is declared nowhere."""
        return self.at(self.parsed.place(section, name))

    def key(self, key: str) -> str:
        """Write where a key of the top level stands."""
        return self.at(self.parsed.root.place_of(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changed from one version to another; `renamed` is new name -> old name, by kind, where that was certain."""

    old: Definition
    new: Definition
    changes: tuple[Change, ...]
    renamed: dict[str, dict[str, str]]

    def of(self, way: Way) -> Iterator[Change]:
        """Give the changes of one way."""
        return (change for change in self.changes if change.way is way)

    @property
    def is_loosened(self) -> bool:
        """Tell whether something is allowed that was not."""
        return any(change.way is Way.LOOSENED for change in self.changes)


_SIZES = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def spoken(unit: Unit) -> str:
    """Say a duration: ``5 minutes``, ``2 working days``, ``16 working hours``; in whole units of one size where that is exact."""
    if unit.kind == "working_days":
        return _counted(unit.amount, "working day")
    if unit.kind == "working_time":
        return _counted(unit.amount // 3_600, "working hour")
    name, size = next((name, size) for name, size in _SIZES if name != "week" and unit.amount % size == 0)
    return _counted(unit.amount // size, name)


def lasting(seconds: int) -> str:
    """Say a stretch of time in its two largest units: ``1 day 3 hours``."""
    parts = []
    rest = abs(seconds)
    for name, size in _SIZES[1:]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(_counted(count, name))
    return " ".join(parts[:2]) or "0 seconds"


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"
