"""What the leaves of an expression can be: a few representatives of each, by the definition's own types and bounds.

Promises: pure; together with `regions` every value that can occur behaves like one of these. More than can occur may be among them (what
checks find is free), so what holds for none of them never holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import combinations

from workflow.states.definition import Definition, EventType, Field, FieldName, FieldType, StatePath
from workflow.states.guards import Value
from workflow.states.known import Known
from workflow.states.regions import Compared, told
from workflow.states.view import seen

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""The instant from which regions of instants are seen; any would do."""
MAX_ITEMS = 5
"""More texts that are looked for in one list give too many lists."""
_OTHER_TEXT = "another"
_OTHER_DATE = "2000-01-01"


class Unset(Enum):
    """The value of a field or payload value that has none."""

    UNSET = "not set"


Part = bool | int | str | datetime | tuple[str, ...] | Unset


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where expressions are judged: for which event (None: outside of any), in which leaves, and whether at the start."""

    definition: Definition
    known: Known
    event: EventType | None
    places: tuple[StatePath, ...]
    is_start: bool = False

    def variable(self, leaf: str) -> str:
        """Give the variable that a leaf is read from: whether a field is set is told by its value, where that can be seen."""
        prefix, _, name = leaf.partition(".")
        if prefix == "has" and not self.definition.fields[FieldName(name)].is_personal:
            return f"instance.{name}"
        return leaf

    def look_up(self, leaf: str, case: Mapping[str, Part]) -> Value | None:
        """Give what an expression sees of a case, as `states.view` shows it to the engine's own."""
        value = case[self.variable(leaf)]
        prefix, _, name = leaf.partition(".")
        if prefix == "has":
            return value is True if leaf in case else value is not Unset.UNSET
        if isinstance(value, Unset):
            field = self._field(prefix, name)
            return seen(None, field.type, is_many=field.is_many)
        return list(value) if isinstance(value, tuple) else value

    def domain(self, variable: str, compared: Compared) -> tuple[Part, ...]:
        """Give the representatives of a variable."""
        prefix, _, name = variable.partition(".")
        match prefix:
            case "now":
                return (NOW,)
            case "has":
                return (False,) if self.is_start else (False, True)
            case "actor":
                return self._actor(name)
            case "facts":
                return self._fact(name, compared.values.get(variable, frozenset()))
            case "count" | "distinct_actors":
                return _around(compared.values.get(variable, frozenset()), least=0)
            case _:
                return self._value(prefix, name, compared)

    def _value(self, prefix: str, name: str, compared: Compared) -> tuple[Part, ...]:
        if prefix == "instance" and name == "state":
            return self.places
        if prefix == "event" and name == "name" and self.event is not None:
            return (self.event.name,)
        field = self._field(prefix, name)
        if prefix == "instance" and self.is_start:
            return (Unset.UNSET,)
        found = _values(field, f"{prefix}.{name}", compared)
        is_given = prefix == "event" and (field.is_required or field.default is not None)
        # Without representatives nothing is known, so that what is not set must not stand for all of them.
        return found if is_given or not found else (Unset.UNSET, *found)

    def _field(self, prefix: str, name: str) -> Field:
        fields = self.event.payload if prefix == "event" and self.event is not None else self.definition.fields
        return fields[FieldName(name)]

    def _actor(self, name: str) -> tuple[Part, ...]:
        event = self.event
        is_engine = event is None or event.is_engine
        by = () if event is None else event.by
        is_own = all(role == self.definition.subject for role in by)
        if name == "is_subject":
            if is_engine or (event is not None and event.decision):
                return (False,)
            return (True,) if is_own else (False, True)
        return (False,) if is_engine or is_own else (False, True)

    def _fact(self, name: str, values: frozenset[int | str]) -> tuple[Part, ...]:
        check, _, leaf = name.partition(".")
        type_ = self.known.checks[self.definition.checks[check].use].facts[leaf]
        if type_ == "bool":
            return (False, True)
        return _around(values) if type_ == "int" else _texts(values)


def _values(field: Field, leaf: str, compared: Compared) -> tuple[Part, ...]:
    """Give the values that a field or payload value can have when it has one."""
    if field.is_many:
        return _lists(sorted(compared.items.get(leaf, frozenset())))
    values = compared.values.get(leaf, frozenset())
    match field.type:
        case FieldType.BOOLEAN:
            return (False, True) if field.must_be is None else (field.must_be,)
        case FieldType.INTEGER:
            return _around(values, least=field.min, most=field.max)
        case FieldType.INSTANT:
            return _instants(compared.offsets.get(leaf, frozenset()))
        case FieldType.CHOICE:
            return field.values
        case FieldType.DATE:
            return _texts(values, other=_OTHER_DATE)
        case _:
            return _texts(values)


def _around(values: Iterable[int | str], *, least: int | None = None, most: int | None = None) -> tuple[int, ...]:
    """Give the numbers at and beside each that is compared with, two steps far, so that tied ones can differ in either direction."""
    near = {number + step for number in (0, *values) if isinstance(number, int) for step in (-2, -1, 0, 1, 2)}
    near |= {bound for bound in (least, most) if bound is not None}
    return tuple(sorted(n for n in near if (least is None or n >= least) and (most is None or n <= most)))


def _texts(values: Iterable[int | str], *, other: str = _OTHER_TEXT) -> tuple[str, ...]:
    listed = sorted(str(value) for value in values)
    while other in listed:
        other += "_"
    # Two others, so that two texts that are compared with each other can differ without being one of those written out.
    return (*listed, other, f"{other}_")


def _instants(offsets: Iterable[int]) -> tuple[datetime, ...]:
    seconds = {offset + step for offset in (0, *offsets) for step in (-1, 0, 1)}
    return tuple(NOW + timedelta(seconds=one) for one in sorted(seconds))


def _lists(items: list[str]) -> tuple[tuple[str, ...], ...]:
    if len(items) > MAX_ITEMS:
        return ()
    return tuple(chosen for length in range(len(items) + 1) for chosen in combinations(items, length))


def written(variable: str, value: Part) -> str:
    """Write one value of a case for a person: ``instance.sms_retired is true``."""
    match value:
        case Unset():
            return f"{variable} is not set"
        case bool():
            return f"{variable} is {str(value).lower()}"
        case datetime():
            return f"{variable} is {told(int((value - NOW).total_seconds()))}"
        case tuple():
            return f"{variable} is [{', '.join(value)}]"
        case str():
            return f"{variable} is {value!r}"
        case _:
            return f"{variable} is {value}"
