"""A document as a tree of values that know where they stand.

Promises: plain values only (text, numbers, booleans, null, lists, mappings), without any knowledge of the format that they were
written in. Both a YAML file and a stored document become such a tree, so that there is one parser for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Scalar = str | int | float | bool | None
Place = tuple[int, int]
"""Line and column, both 1-based; columns count characters."""

MAX_DEPTH = 32
"""Deeper documents are refused; the language itself needs far less, and every walk over a tree may recurse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value of a document.

    Attributes:
        value: a scalar, the nodes of a list, or the nodes of a mapping by key.
        line: 1-based.
        column: 1-based, in characters.
        key_places: where each key of a mapping stands.
        raw: a scalar as written, quotes and indicators included; empty when it was written exactly as its value.
        is_plain: a scalar written without quotes.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    line: int = 1
    column: int = 1
    key_places: Mapping[str, Place] = field(default_factory=dict)
    raw: str = ""
    is_plain: bool = False

    @property
    def place(self) -> Place:
        """Where the value begins."""
        return (self.line, self.column)

    @property
    def text(self) -> str | None:
        """The value when it is text, else None."""
        return self.value if isinstance(self.value, str) else None

    @property
    def items(self) -> tuple[Node, ...]:
        """The nodes of a list, in order; empty for anything else."""
        return self.value if isinstance(self.value, tuple) else ()

    @property
    def entries(self) -> Mapping[str, Node]:
        """The nodes of a mapping by key, in order; empty for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    def get(self, key: str) -> Node | None:
        """Give the node of a key; None when this is no mapping or has no such key."""
        return self.entries.get(key)

    def place_of(self, key: str) -> Place:
        """Where a key stands; the mapping's own place when it is not there."""
        return self.key_places.get(key, self.place)

    def plain(self) -> object:
        """Give the bare value: dict, list or scalar."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, Mapping):
            return {key: node.plain() for key, node in self.value.items()}
        return self.value

    def place_at(self, line: int, column: int) -> Place:
        """Find where a character of a text stands in the document.

        Args:
            line: 1-based, within the value.
            column: 1-based, within that line of the value.

        Returns:
            Its place in the document. Quotes, escapes, folded lines and indentation are walked over; when the
            way is lost the beginning of the value.
        """
        if not isinstance(self.value, str):
            return self.place
        lines = self.value.split("\n")
        offset = sum(len(one) + 1 for one in lines[: line - 1]) + column - 1
        if not self.raw:
            return (self.line, self.column + offset)
        found = _align(self.value, self.raw, offset)
        if found is None:
            return self.place
        before = self.raw[:found]
        row = before.count("\n")
        return (self.line + row, self.column + found if row == 0 else found - before.rindex("\n"))


def node_of(data: object) -> Node:
    """Make a tree from bare values, such as a stored document; nothing in it knows its place.

    Raises:
        ValueError: the data is deeper than `MAX_DEPTH` or holds something that is no plain value.
    """
    return _node_of(data, MAX_DEPTH)


def _node_of(data: object, room: int) -> Node:
    if room < 0:
        raise ValueError(f"deeper than {MAX_DEPTH}")
    if data is None or isinstance(data, str | int | float):
        return Node(value=data)
    if isinstance(data, list | tuple):
        return Node(value=tuple(_node_of(item, room - 1) for item in data))
    if isinstance(data, Mapping):
        return Node(value={str(key): _node_of(item, room - 1) for key, item in data.items()})
    raise ValueError(f"{type(data).__name__} is no plain value")


def _align(value: str, raw: str, offset: int) -> int | None:
    """Walk the value and the text as written side by side; give the position in `raw` of the value's character `offset`."""
    position = 1 if raw[:1] in {"'", '"'} else 0
    if raw[:1] in {"|", ">"}:
        position = raw.find("\n") + 1
    for character in value[:offset]:
        position = _find(raw, position, character)
        if position < 0:
            return None
        position += 1
    if offset < len(value):
        position = _find(raw, position, value[offset])
    return position if position >= 0 else None


def _find(raw: str, position: int, character: str) -> int:
    """Find where a character of the value is written, from a position on."""
    here = raw[position : position + 1]
    if here == character:
        return position
    if character.isspace():
        # A blank or a line break of the value is written as an escape, or is a fold: a line break with its indentation.
        return position + 1 if here in {"\\", "\n"} else raw.find("\n", position)
    return raw.find(character, position)
