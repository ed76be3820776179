"""Payloads for counterexamples: the plainest ones that the schema and the catalogue accept.

Promises: pure; the same wishes give the same payload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from workflow.states.catalogue import Catalogue
from workflow.states.definition import EventType, Field, FieldType
from workflow.states.payload import validate

MAX_TRIES = 2_000

_PLAIN: Mapping[FieldType, object] = {
    FieldType.STRING: "Somebody",
    FieldType.TEXT: "Because of the counterexample.",
    FieldType.EMAIL: "somebody@clinic.example",
    FieldType.PHONE: "+32470123456",
    FieldType.DATE: "2026-11-23",
    FieldType.INSTANT: "2026-11-23T09:00:00Z",
    FieldType.SECRET: "secret",
}


def payload_of(
    type_: EventType,
    wishes: Mapping[str, object],
    *,
    left_out: frozenset[str],
    instance_fields: Mapping[str, object],
    catalogue: Catalogue | None,
) -> dict[str, object] | None:
    """Make a payload that holds what is wished and that the schema accepts; None when none was found."""
    names = [str(name) for name in type_.payload if name not in left_out and type_.payload[name].same_as is None]
    for made in islice(_tries(type_, names, wishes, catalogue), MAX_TRIES):
        for name, one in type_.payload.items():
            if one.same_as is not None:
                made[name] = made.get(one.same_as)
        normal, faults = validate(type_, made, instance_fields=instance_fields, catalogue=catalogue)
        if not faults and all(_is_met(normal.get(name), wish) for name, wish in wishes.items()):
            return made
    return None


def _tries(type_: EventType, names: list[str], wishes: Mapping[str, object], catalogue: Catalogue | None) -> Iterator[dict[str, object]]:
    if not names:
        yield {}
        return
    for rest in _tries(type_, names[:-1], wishes, catalogue):
        for value in _values(next(f for n, f in type_.payload.items() if n == names[-1]), wishes.get(names[-1]), catalogue):
            yield {**rest, names[-1]: value}


def _values(one: Field, wish: object, catalogue: Catalogue | None) -> Iterator[object]:
    """Give values for one entry, the wished one first."""
    if isinstance(wish, tuple) and wish:
        yield list(wish)
        return
    if wish not in (None, "", ()):
        yield wish
        return
    match one:
        case Field(catalogue=rule) if rule is not None:
            keys = list(catalogue.sets.get(rule.set_name, {})) if catalogue else []
            yield from ([key] for key in keys) if one.is_many else keys
        case Field(type=FieldType.CHOICE):
            yield from ([value] for value in one.values) if one.is_many else one.values
        case Field(type=FieldType.BOOLEAN):
            yield True if one.must_be is None else one.must_be
        case Field(type=FieldType.INTEGER):
            yield from dict.fromkeys((one.min or 0, one.max if one.max is not None else 1))
        case _:
            plain = str(_PLAIN[one.type])[: one.max_length or None]
            yield [plain] if one.is_many else plain


def _is_met(value: object, wish: object) -> bool:
    if isinstance(wish, tuple):
        return set(wish) <= set(value if isinstance(value, list | tuple) else ())
    return value == wish or (value is None and wish in ("", 0, False))
