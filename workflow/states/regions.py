"""The finite regions of expressions: for each leaf the few values between which the expressions can tell.

Promises: pure, and nothing is guessed: an expression is either *understood*, and then every value a leaf can have behaves like one of
its representatives, or it is not, and then nothing is said about it. Instants are seen from one `NOW`: before, at and after each
distance that an expression measures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

from workflow.states.cel_tree import Apply, Items, Literal, Name, Node, UnreadError, read
from workflow.states.guards import CelType

T = TypeVar("T")
_LOGIC = frozenset({"&&", "||", "!", "?:"})
_ORDERED = frozenset({"<", "<=", ">", ">="})
_EQUAL = frozenset({"==", "!="})
_DURATION = re.compile(r"(\d+)(h|m|s)")
_SECONDS = {"h": 3600, "m": 60, "s": 1}


class _OutsideError(Exception):
    """An expression compares in a way for which no finite regions are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What expressions compare their leaves with.

    Attributes:
        values: leaf -> the numbers and texts it is compared with.
        offsets: instant -> the distances from now at which something changes, in seconds.
        items: list -> the texts that are looked for in it.
        ties: leaves that are compared with each other.
    """

    values: Mapping[str, frozenset[int | str]] = field(default_factory=dict)
    offsets: Mapping[str, frozenset[int]] = field(default_factory=dict)
    items: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ties: frozenset[tuple[str, str]] = frozenset()

    @staticmethod
    def joined(all_: Iterable[Compared]) -> Compared:
        """Give what several expressions compare; leaves that are tied to each other share what they are compared with."""
        listed = list(all_)
        ties = frozenset(tie for one in listed for tie in one.ties)
        values = _shared(_united(one.values for one in listed), ties)
        offsets = _shared(_united(one.offsets for one in listed), ties)
        return Compared(values=values, offsets=offsets, items=_united(one.items for one in listed), ties=ties)


def _united(found: Iterable[Mapping[str, frozenset[T]]]) -> dict[str, frozenset[T]]:
    said: dict[str, frozenset[T]] = {}
    for one in found:
        for leaf, values in one.items():
            said[leaf] = said.get(leaf, frozenset()) | values
    return said


def _shared(values: dict[str, frozenset[T]], ties: frozenset[tuple[str, str]]) -> dict[str, frozenset[T]]:
    for _ in ties:
        for one, other in ties:
            both = values.get(one, frozenset()) | values.get(other, frozenset())
            values |= {one: both, other: both} if both else {}
    return values


def understand(source: str, types: Mapping[str, CelType]) -> Compared | None:
    """Say what an expression compares its leaves with; None when it is not understood.

    Args:
        source: an expression of type bool that compiles.
        types: full dotted name -> type of every leaf it may mention.
    """
    reader = _Reader(types)
    try:
        reader.truth(read(source))
    except (UnreadError, _OutsideError):
        return None
    return Compared(
        values={leaf: frozenset(found) for leaf, found in reader.values.items()},
        offsets={leaf: frozenset(found) for leaf, found in reader.offsets.items()},
        items={leaf: frozenset(found) for leaf, found in reader.items.items()},
        ties=frozenset(reader.ties),
    )


class _Reader:
    """Walks an expression and notes what it compares."""

    def __init__(self, types: Mapping[str, CelType]) -> None:
        self._types = types
        self.values: dict[str, set[int | str]] = {}
        self.offsets: dict[str, set[int]] = {}
        self.items: dict[str, set[str]] = {}
        self.ties: set[tuple[str, str]] = set()

    def truth(self, node: Node) -> None:
        """Look at a part that is true or false."""
        match node:
            case Literal(value=bool()):
                return
            case Name(path=path) if self._types.get(path) is CelType.BOOL:
                return
            case Apply(op=op, parts=parts) if op in _LOGIC or (op in _EQUAL and all(map(self._is_truth, parts))):
                for part in parts:
                    self.truth(part)
            case Apply(op=op, parts=(left, right)) if op in _EQUAL | _ORDERED:
                self._compare(op, left, right)
            case Apply(op="in", parts=(one, many)):
                self._among(one, many)
            case _:
                raise _OutsideError

    def _is_truth(self, node: Node) -> bool:
        match node:
            case Literal(value=value):
                return isinstance(value, bool)
            case Name(path=path):
                return self._types.get(path) is CelType.BOOL
            case Apply(op=op):
                return op in _LOGIC | _EQUAL | _ORDERED | {"in"}
            case _:
                return False

    def _compare(self, op: str, left: Node, right: Node) -> None:
        leaf, text = (left, right) if isinstance(left, Name) else (right, left)
        if isinstance(leaf, Name) and self._types.get(leaf.path) is CelType.STRING:
            if op in _ORDERED:
                raise _OutsideError
            self._compare_text(leaf.path, text)
            return
        leaves, constant = _difference(self._linear(left), self._linear(right))
        match sorted(leaves.items()):
            case []:
                return
            case [(one, factor)] if self._types[one] is CelType.INT and abs(factor) == 1:
                self.values.setdefault(one, set()).add(-constant * factor)
            case [(one, a), (other, b)] if a == -b and abs(a) == 1 and "now" in leaves:
                instant, factor = (one, b) if other == "now" else (other, a)
                self.offsets.setdefault(instant, set()).add(constant * factor)
            case [(one, a), (other, b)] if a == -b and constant == 0:
                self.ties.add((one, other))
            case _:
                raise _OutsideError

    def _compare_text(self, leaf: str, other: Node) -> None:
        match other:
            case Literal(value=str() as text):
                self.values.setdefault(leaf, set()).add(text)
            case Name(path=path) if self._types.get(path) is CelType.STRING:
                self.ties.add((leaf, path))
            case _:
                raise _OutsideError

    def _linear(self, node: Node) -> tuple[dict[str, int], int]:
        """Read a sum of numbers, or of instants and durations (in seconds)."""
        match node:
            case Literal(value=int() as number):
                return {}, number
            case Name(path=path) if self._types.get(path) in {CelType.INT, CelType.TIMESTAMP}:
                return {path: 1}, 0
            case Apply(op="duration", parts=(Literal(value=str() as text),)):
                return {}, _seconds(text)
            case Apply(op="-", parts=(part,)):
                return _difference(({}, 0), self._linear(part))
            case Apply(op="-", parts=(left, right)):
                return _difference(self._linear(left), self._linear(right))
            case Apply(op="+", parts=(left, right)):
                return _difference(self._linear(left), _difference(({}, 0), self._linear(right)))
            case _:
                raise _OutsideError

    def _among(self, one: Node, many: Node) -> None:
        match one, many:
            case Literal(value=str() as text), Name(path=path) if self._types.get(path) is CelType.STRINGS:
                self.items.setdefault(path, set()).add(text)
            case Name(path=path), Items(items=items) if self._types.get(path) in {CelType.STRING, CelType.INT}:
                listed = [item.value for item in items if isinstance(item, Literal)]
                if len(listed) < len(items):
                    raise _OutsideError
                self.values.setdefault(path, set()).update(listed)
            case _:
                raise _OutsideError


def _difference(left: tuple[dict[str, int], int], right: tuple[dict[str, int], int]) -> tuple[dict[str, int], int]:
    leaves = {leaf: left[0].get(leaf, 0) - right[0].get(leaf, 0) for leaf in {**left[0], **right[0]}}
    return {leaf: factor for leaf, factor in leaves.items() if factor}, left[1] - right[1]


def _seconds(text: str) -> int:
    """Read a duration of CEL that has whole seconds."""
    found = _DURATION.findall(text)
    if not found or "".join(amount + unit for amount, unit in found) != text:
        raise _OutsideError
    return sum(int(amount) * _SECONDS[unit] for amount, unit in found)


def told(seconds: int) -> str:
    """Write a distance from now: ``15m before now``."""
    if seconds == 0:
        return "now"
    return f"{_length(abs(seconds))} {'before' if seconds < 0 else 'after'} now"


def _length(seconds: int) -> str:
    parts = timedelta(seconds=seconds)
    amounts = (("d", parts.days), ("h", parts.seconds // 3600), ("m", parts.seconds // 60 % 60), ("s", parts.seconds % 60))
    return " ".join(f"{amount}{unit}" for unit, amount in amounts if amount)
