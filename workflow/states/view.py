"""What an expression sees: the leaves of one decision, looked up by their full dotted names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from workflow.states.definition import Definition, EventName, FieldName, FieldType
from workflow.states.guards import Value
from workflow.states.instance import Instance, Tally
from workflow.states.quick import maker, quick
from workflow.states.verdict import Facts

_ZERO: dict[FieldType, bool | int | str] = {FieldType.BOOLEAN: False, FieldType.INTEGER: 0}
_NO_TALLY = Tally()


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One decision as an expression sees it. Personal and secret values are not reachable from here."""

    definition: Definition
    instance: Instance
    event: EventName
    now: datetime
    payload: Mapping[str, object] = field(default_factory=dict, repr=False)
    facts: Facts = field(default_factory=dict)
    is_subject: bool = False
    is_deputy: bool = False

    def look_up(self, leaf: str) -> Value | None:
        """Give the value of a leaf, None when it has none (which makes the expression an error, and so a refusal)."""
        prefix, name = _parted(leaf)
        match prefix:
            case "facts":
                return self.facts.get(name)
            case "instance":
                return self._of_instance(FieldName(name))
            case "event":
                return self.event if name == "name" else self._of_payload(FieldName(name))
            case "has":
                return name in self.instance.fields or name in self.instance.personal
            case "now":
                return self.now
            case "actor":
                return self.is_subject if name == "is_subject" else self.is_deputy
            case "count":
                return self.instance.tallies.get(EventName(name), _NO_TALLY).count
            case _:
                return len(self.instance.tallies.get(EventName(name), _NO_TALLY).actors)

    def _of_instance(self, name: FieldName) -> Value | None:
        if name == "state":
            return self.instance.state
        field_ = self.definition.fields[name]
        return seen(self.instance.fields.get(name), field_.type, is_many=field_.is_many)

    def _of_payload(self, name: FieldName) -> Value | None:
        field_ = self.definition.events[self.event].payload[name]
        return seen(self.payload.get(name), field_.type, is_many=field_.is_many)


make_view = maker(View)


@cache
def _parted(leaf: str) -> tuple[str, str]:
    """Part a leaf of a compiled guard; there are as many as definitions name."""
    prefix, _, name = leaf.partition(".")
    return prefix, name


def seen(value: object, type_: FieldType, *, is_many: bool) -> Value | None:
    """Give a plain value as CEL sees it; an unset value reads as the zero of its type, an unset instant as nothing."""
    if is_many:
        return [str(item) for item in value] if isinstance(value, tuple | list) else []
    if type_ is FieldType.INSTANT:
        return datetime.fromisoformat(str(value)) if value is not None else None
    if value is None:
        return _ZERO.get(type_, "")
    return value if isinstance(value, bool | int | str) else str(value)
