"""A run that the solver found, told as a timeline.

Promises: values only; what the solver left free is left out, so that a timeline says what matters and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import z3

from workflow.prove.model import Model
from workflow.prove.solve import Move
from workflow.prove.terms import Formula
from workflow.prove.verdicts import Happening, Leaf
from workflow.states.definition import EventType, Field, FieldType


def timeline_of(model: Model, moves: Sequence[Move]) -> tuple[Happening, ...]:
    """Tell a run step by step."""
    is_subject = bool(moves) and _is(moves[0].values, "p.is_subject")
    return tuple(_told(model, move, index, is_subject=is_subject) for index, move in enumerate(moves))


def _told(model: Model, move: Move, index: int, *, is_subject: bool) -> Happening:
    rule, values = move.arc.rule, move.values
    type_ = model.definition.events.get(rule.event)
    is_people = rule.kind in {"start", "event"}
    at = values.get("at")
    seconds = float(index) if at is None else timedelta(seconds=float(at.as_fraction())).total_seconds()
    return Happening(
        kind=rule.kind,
        event=rule.event,
        source=rule.source or "",
        target=rule.target,
        seconds=seconds,
        who=_who(values, "actor", index, is_subject=is_subject) if is_people else "",
        for_whom=_who(values, "for", index, is_subject=is_subject) if is_people and _is(values, "for.anybody") else "",
        roles=_roles(model, type_, values) if type_ and is_people else (),
        facts=_facts(model, type_, values) if type_ and is_people else {},
        wishes=_wishes(model, type_, values) if type_ and is_people else {},
        left_out=frozenset(n for n in type_.payload if z3.is_false(values.get(f"given.{n}"))) if type_ else frozenset(),
        timer=rule.timer or "",
        report=rule.report,
    )


def _is(values: Mapping[str, Formula], name: str) -> bool:
    return bool(z3.is_true(values.get(name, z3.BoolVal(False))))


def _who(values: Mapping[str, Formula], part: str, index: int, *, is_subject: bool) -> str:
    """Name a person; whoever is neither the subject nor the one the property is about is somebody else each time."""
    if _is(values, f"{part}.is_subject") or (is_subject and _is(values, f"{part}.is_p")):
        return "subject"
    return "somebody" if _is(values, f"{part}.is_p") else f"{part}-{index}"


def _roles(model: Model, type_: EventType, values: Mapping[str, Formula]) -> tuple[str, ...]:
    held = [name for name in type_.by if _is(values, f"role.{name}")]
    return tuple(name for name in held if not model.definition.roles[name].is_anyone and not model.definition.roles[name].is_subject)


def _facts(model: Model, type_: EventType, values: Mapping[str, Formula]) -> dict[str, dict[str, Leaf]]:
    found: dict[str, dict[str, Leaf]] = {}
    for check in type_.checks:
        spec = model.known.checks[model.definition.checks[check].use]
        for leaf, kind in spec.facts.items():
            value = values.get(f"facts.{check}.{leaf}")
            if value is not None:
                found.setdefault(check, {})[leaf] = _plain(model, value, is_text=kind == "string")
    return found


def _wishes(model: Model, type_: EventType, values: Mapping[str, Formula]) -> dict[str, Leaf | tuple[str, ...]]:
    found: dict[str, Leaf | tuple[str, ...]] = {}
    for name, field in type_.payload.items():
        value = values.get(f"event.{name}")
        if field.is_many:
            among = tuple(text for text in sorted(model.reading.texts) if _is(values, f"event.{name}|{text}"))
            found |= {name: among} if among else {}
        elif value is not None and field.type is not FieldType.INSTANT and _is_written(model, field, value):
            found[name] = _plain(model, value, is_text=field.type not in {FieldType.INTEGER, FieldType.BOOLEAN})
    return found


def _is_written(model: Model, field: Field, value: Formula) -> bool:
    """Tell whether a text's code stands for a text that is written somewhere."""
    if field.type in {FieldType.INTEGER, FieldType.BOOLEAN}:
        return True
    return bool(model.codes_text(value.as_long()))


def _plain(model: Model, value: Formula, *, is_text: bool) -> Leaf:
    if z3.is_bool(value):
        return bool(z3.is_true(value))
    number = int(value.as_long())
    return (model.codes_text(number) or "") if is_text else number
