"""Strategies: payloads, people, findings of checks, waits, and whole acts, drawn from a definition.

Promises: what is drawn follows from the definition, the run so far and the draws alone, so that a seed gives the same run.
Personal and secret values carry a mark by which an oracle finds them where they must not be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from workflow.states.calendar import Calendar
from workflow.states.catalogue import choices
from workflow.states.definition import Definition, EventType, Field, FieldName, FieldType
from workflow.states.instance import Situation
from workflow.states.making import World
from workflow.states.who import scope_of
from workflow.testing.acts import STRANGER, SUBJECT
from workflow.testing.clock import START
from workflow.testing.oracles_history import MARK
from workflow.testing.oracles_who import may_fire
from workflow.testing.rig import EVERYBODY
from workflow.testing.run import Rig

T = TypeVar("T")
Draw = Callable[[SearchStrategy[T]], T]
Person = tuple[str, tuple[str, ...]]
"""An actor's id and roles."""

WORDS = ("", " O'Brien", " Zoë", " 王", " <b>", " 'x'; --")
ELSEWHERE = "elsewhere"
_LITERALS = re.compile(r"'([^']+)' in instance\.(\w+)|instance\.(\w+) == '([^']+)'")
DEPUTIES = ("deputy-1", "deputy-2")


def start_instants(calendar: Calendar | None) -> SearchStrategy[datetime]:
    """Draw when a run begins: a Monday morning, a Friday afternoon, before a holiday, before the clocks change."""
    return st.sampled_from(tuple(_interesting(calendar)))


def _interesting(calendar: Calendar | None) -> Iterator[datetime]:
    yield START
    zone = ZoneInfo(calendar.zone) if calendar else UTC
    friday = datetime(2026, 11, 27, 16, 30, tzinfo=zone)
    yield from (friday.astimezone(UTC), (friday + timedelta(days=1, hours=3)).astimezone(UTC))
    # Clocks: forward on 28 March 2027, back on 31 October 2027 in Europe; America changes on 14 March and 7 November.
    for day in (datetime(2027, 3, 26), datetime(2027, 3, 12), datetime(2027, 10, 29), datetime(2027, 11, 5)):  # noqa: DTZ001  # a local date
        yield day.replace(hour=2, minute=30, tzinfo=zone).astimezone(UTC)
    first = START.date()
    for off in sorted(day for day in (calendar.days_off if calendar else ()) if first < day < first.replace(year=first.year + 1))[:4]:
        yield datetime(off.year, off.month, off.day, 15, 0, tzinfo=zone).astimezone(UTC) - timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Draws payloads; `overrides` are the host's strategies by ``event.value`` or ``value``."""

    world: World
    overrides: Mapping[str, SearchStrategy[Any]] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    """Values that guards name, by field; found when they are first asked for."""

    def payload(
        self, draw: Draw[Any], type_: EventType, situation: Situation | None, *, taken: Mapping[str, object] | None = None
    ) -> dict[str, object]:
        """Draw a valid payload; `taken` are values that it must have."""
        fields: dict[str, object] = dict(situation.instance.fields) if situation else {}  # type: ignore[arg-type]  # names of fields are text
        made: dict[str, object] = {}
        order = sorted(type_.payload.values(), key=lambda f: (f.same_as is not None, f.catalogue is not None, _depends(f)))
        for spec in order:
            if spec.name in made:
                continue
            if not spec.is_required and spec.must_be is None and spec.same_as is None and not draw(st.booleans()):
                continue
            if taken and spec.name in taken:
                made[spec.name] = taken[spec.name]
            else:
                self._value(draw, type_, spec, made, fields)
        for spec in type_.payload.values():
            if spec.same_as is not None and spec.same_as in made:
                made[spec.name] = made[spec.same_as]
        return {str(name): made[name] for name in type_.payload if name in made}

    def _value(self, draw: Draw[Any], type_: EventType, spec: Field, made: dict[str, object], fields: dict[str, object]) -> None:
        override = self.overrides.get(f"{type_.name}.{spec.name}") or self.overrides.get(spec.name)
        if override is not None:
            made[spec.name] = draw(override)
        elif spec.catalogue is not None and self.world.catalogue is not None:
            self._chosen(draw, type_, spec, made, fields)
        elif spec.is_many:
            made[spec.name] = [draw(value_of(spec))]
        else:
            made[spec.name] = draw(value_of(spec))

    def _named(self, field: FieldName) -> set[str]:
        """Give the values of a field that some guard names: with these, something happens that does not happen otherwise."""
        if not self.named:
            transitions = [t for state in self.world.definition.states.values() for t in state.transitions]
            sources = [rule.source for transition in transitions for rule in transition.guards]
            for source in sources:
                for literal, name, other, value in _LITERALS.findall(source):
                    self.named.setdefault(name or other, set()).add(literal or value)
            self.named.setdefault("", set())
        return self.named.get(field, set())

    def _chosen(self, draw: Draw[Any], type_: EventType, spec: Field, made: dict[str, object], fields: dict[str, object]) -> None:
        """Choose from the catalogue; what must match the choice is chosen with it when it is of the same payload."""
        rule, catalogue = spec.catalogue, self.world.catalogue
        if rule is None or catalogue is None:
            return
        fixed = {name: value for name, value in fields.items() if name not in type_.payload}
        listed = {str(rule.listed_in[0]): made[rule.listed_in[0]]} if rule.listed_in and rule.listed_in[0] in made else {}
        items = choices(spec, {**fixed, **listed}, catalogue)
        if not items:
            return
        named = sorted(self._named(spec.name) & set(items))
        key = draw(st.sampled_from(named if named and draw(st.booleans()) else sorted(items)))
        chosen = [key]
        needs = items[key].get("needs", ())
        chosen += [one for one in (needs if isinstance(needs, tuple) else ()) if one not in chosen]
        made[spec.name] = chosen if spec.is_many else key
        for attribute, other in rule.matches.items():
            if other in type_.payload:
                made[other] = items[key].get(attribute)


def _depends(spec: Field) -> int:
    """Put what decides before what follows from it: a choice with `matches` fixes the others, one with `listed_in` comes after."""
    rule = spec.catalogue
    if rule is None:
        return 0
    return 2 if rule.listed_in else (0 if rule.matches else 1)


def value_of(spec: Field) -> SearchStrategy[Any]:
    """Draw a valid value of a type."""
    mark = MARK if spec.is_personal or spec.is_secret else "v"
    length = spec.max_length or 100
    if spec.type is FieldType.INTEGER:
        low = spec.min if spec.min is not None else 0
        high = spec.max if spec.max is not None else max(low, 10)
        return st.sampled_from(sorted({low, (low + high) // 2, high}))
    if spec.type is FieldType.BOOLEAN:
        return st.booleans() if spec.must_be is None else st.just(spec.must_be)
    texts: dict[FieldType, tuple[str, ...]] = {
        FieldType.STRING: tuple((mark + word)[:length] for word in WORDS),
        FieldType.TEXT: tuple((mark + word)[:length] for word in WORDS),
        FieldType.SECRET: (f"{mark}-Secret-1", f"{mark}-Secret-2"),
        FieldType.EMAIL: (f"{mark}.a@clinic.example", f"{mark}.b@clinic.example"),
        FieldType.PHONE: ("+32470123456", "+49 170 1234567"),
        FieldType.DATE: ("1980-02-29", "2026-11-23", "2030-01-01"),
        FieldType.INSTANT: ("2026-11-23T09:00:00Z", "2027-03-28T02:30:00+01:00"),
        FieldType.CHOICE: spec.values,
    }
    return st.sampled_from(texts[spec.type])


def spoiled(draw: Draw[Any], type_: EventType, payload: Mapping[str, object]) -> dict[str, object]:
    """Make one fault in a payload."""
    names = sorted(map(str, type_.payload))
    if not names or draw(st.sampled_from((False, False, False, True))):
        return {**payload, "no_such_value": "x"}
    name = draw(st.sampled_from(names))
    bad = draw(st.sampled_from((None, "", 7, True, [], {"a": 1}, "x" * 5_000, "\x00", "no such key", -(10**9), 1.5)))
    return {**payload, name: bad}


# People


def people_of(definition: Definition, type_: EventType, situation: Situation | None, payload: Mapping[str, object]) -> list[Person]:
    """Name who may try: two holders, one with every role, the subject with and without roles, a wrong scope, deputies, nobody."""
    fields: Mapping[Any, object] = situation.instance.fields if situation else _starting(definition, payload)
    everything = tuple(
        sorted(
            f"{r.name}:{v}" if (v := scope_of(r, fields)) else str(r.name)
            for r in definition.roles.values()
            if not r.is_anyone and not r.is_subject
        )
    )
    found: list[Person] = []
    for name in type_.by:
        role = definition.roles[name]
        if role.is_anyone or role.is_subject:
            continue
        value = scope_of(role, fields)
        own = f"{name}:{value}" if value else str(name)
        found += [(f"{name}-1", (own,)), (f"{name}-2", (own,))]
        if role.scope:
            found.append((f"{name}-{ELSEWHERE}", (f"{name}:{ELSEWHERE}",)))
    found += [
        (EVERYBODY, everything),
        (SUBJECT, ()),
        (SUBJECT, everything),
        *((one, ()) for one in DEPUTIES),
        (DEPUTIES[0], everything),
        (STRANGER, ()),
    ]
    return found


def _starting(definition: Definition, payload: Mapping[str, object]) -> dict[FieldName, object]:
    return {a.field: payload[a.copy_of] for a in definition.start.assignments if a.copy_of is not None and a.copy_of in payload}


def rightful(
    rig: Rig, type_: EventType, people: Sequence[Person], situation: Situation | None, payload: Mapping[str, object]
) -> list[Person]:
    """Keep those who may, by role and by who decided before."""
    definition = rig.definition
    fields: Mapping[Any, object] = situation.instance.fields if situation else _starting(definition, payload)
    running = rig.running()
    kept = []
    for id_, roles in people:
        who = rig.person(id_, roles)
        if not may_fire(definition, type_, who, fields, subject=rig.subject, running=running):
            continue
        if type_.decision is not None and (who.id == rig.subject or id_ in DEPUTIES):
            continue
        if situation is not None and type_.decision is not None:
            others = {
                one
                for stage, ones in situation.instance.deciders.items()
                if stage not in {type_.decision, *type_.may_also_decide}
                for one in ones
            }
            if who.id in others:
                continue
        tally = situation.instance.tallies.get(type_.name) if situation else None
        if tally is not None and who.id in tally.actors and len(people) > 1 and _wants_others(rig, situation, type_):
            continue
        kept.append((id_, roles))
    return kept


def _wants_others(rig: Rig, situation: Situation | None, type_: EventType) -> bool:
    arrows = rig.world.table.arrows(situation.instance.state, type_.name) if situation else ()
    return any(a.transition.quorum is not None for a in arrows)
