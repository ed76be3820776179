"""What the back office's pages share: who asks, how a request is written, how a form is made of an event.

Promises: an onboarding that one may not see reads like one that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from workflow.errors import Reason
from workflow.states.catalogue import choices
from workflow.states.definition import Definition, EventType, Field, FieldName, FieldType, StatePath
from workflow.states.effects import Work
from workflow.states.instance import Actor, Instance, Situation
from workflow.states.may import earliest_due_at
from workflow.states.verdict import Refused, Verdict
from workflow.states.who import scope_of
from workflow.web.forms import Form
from workflow.web.seeing import Seen, Sight
from workflow.web.visit import Visit
from workflow.web.words import title_in

OPERATORS = frozenset({"administrator", "helpdesk"})
"""Roles, held without a scope, that look after messages."""
SOON = timedelta(days=1)
FASTER = "Somebody was faster: the request has changed since you opened it. Look again before you decide."
_NUMBER = re.compile(r"-?[0-9]{1,18}")
ASSIGNEE = FieldName("assignee")
"""A field of this name says who takes care of a request; whoever may be chosen for it are the holders of the event's own roles."""


def sight(visit: Visit) -> Sight:
    """Give what the asking person sees."""
    return Sight.of(visit.engine, visit.signed_in())


def holds(actor: Actor, roles: frozenset[str]) -> bool:
    """Tell whether an actor holds one of some roles, without a scope."""
    return any(str(grant.role) in roles and grant.scope is None for grant in actor.grants)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request in a list; `works` are (event, its title) that the reader may decide."""

    instance: Instance
    definition: Definition
    due_at: datetime | None
    works: tuple[tuple[str, str], ...] = ()
    passed: str = ""
    """Title of the last deadline in working time that has passed without a decision; empty while none has."""

    @property
    def state_title(self) -> str:
        """Give the state's title, with that of the state around it where it has one."""
        return state_title(self.definition, self.instance.state)

    @property
    def assignee(self) -> str:
        """Give who takes care of it, where the definition keeps that in a field of this name; empty when nobody does."""
        return str(self.instance.fields.get(ASSIGNEE, ""))

    @property
    def scope(self) -> str:
        """Give the values that roles of the definition are held for: a network, a centre."""
        scopes = {role.scope for role in self.definition.roles.values() if role.scope is not None}
        return ", ".join(str(self.instance.fields[name]) for name in sorted(scopes) if name in self.instance.fields)


def state_title(definition: Definition, path: StatePath) -> str:
    """Give the title of a state; its name where it has none."""
    state = definition.states[path]
    return state.title or str(path).rpartition(".")[2].replace("_", " ").capitalize()


def event_title(definition: Definition, event: str) -> str:
    """Give the title of an event; its name where it has none."""
    found = next((type_ for name, type_ in definition.events.items() if name == event), None)
    return found.title if found is not None and found.title else event.replace("_", " ").capitalize()


def passed_title(definition: Definition, situation: Situation) -> str:
    """Give the title of the last rung of a ladder in working time that has fired in the present state; empty when none has."""
    running = {timer.key for timer in situation.timers}
    path = situation.instance.state
    rungs = [
        timer
        for state in definition.lineage(path)
        for timer in definition.states[state].timers
        if timer.after.kind != "elapsed" and timer.since is None and timer.key not in running
    ]
    return event_title(definition, max(rungs, key=lambda timer: timer.after.amount).event) if rungs else ""


def rows_of(found: Sight, situations: tuple[Situation, ...]) -> list[Row]:
    """Give requests for a list."""
    rows = []
    for situation in situations:
        definition = found.in_force(situation.instance).world.definition
        rows.append(
            Row(
                instance=situation.instance,
                definition=definition,
                due_at=earliest_due_at(situation),
                passed=passed_title(definition, situation),
            )
        )
    return rows


def grouped(found: Sight, work: tuple[tuple[Situation, Work], ...]) -> list[Row]:
    """Give open work as one row for each request, in the order of the list."""
    rows: dict[str, Row] = {}
    for situation, one in work:
        definition = found.in_force(situation.instance).world.definition
        before = rows.get(situation.instance.id)
        named = (str(one.event), event_title(definition, one.event))
        works = tuple(dict.fromkeys([*(before.works if before else ()), named]))
        rows[situation.instance.id] = Row(
            instance=situation.instance, definition=definition, due_at=one.due_at, works=works, passed=passed_title(definition, situation)
        )
    return list(rows.values())


# Forms


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One value of an event's payload, as a form asks for it.

    `kind` is one of ``text``, ``area``, ``select``, ``boxes``, ``tick``, ``email``, ``tel``, ``number``, ``date``.
    """

    name: str
    label: str
    kind: str
    is_required: bool
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    longest: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that the reader may do with a request, or may not and why."""

    event: str
    title: str
    verdict: Verdict
    inputs: tuple[Input, ...] = ()
    is_decision: bool = False
    reasons: tuple[Reason, ...] = field(default=())

    @property
    def is_refused(self) -> bool:
        """Tell whether it is refused whatever is sent along."""
        return isinstance(self.verdict, Refused)


def deeds(visit: Visit, seen: Seen) -> list[Deed]:
    """Give everything that people may do in a request's state, each with what its form asks for."""
    actor = visit.signed_in()
    found = []
    for name, verdict in seen.verdicts(actor, visit.engine.parts.directory.holders).items():
        type_ = next(type_ for event, type_ in seen.definition.events.items() if event == name)
        if _is_for_staff(seen.definition, type_):
            reasons = visit.problems(verdict.reasons).reasons if isinstance(verdict, Refused) else ()
            title = visit.say(event_title(seen.definition, name))
            inputs = tuple(inputs_of(visit, seen, type_))
            found.append(
                Deed(event=name, title=title, verdict=verdict, inputs=inputs, is_decision=type_.decision is not None, reasons=reasons)
            )
    return found


def deed_type(definition: Definition, event: str) -> EventType | None:
    """Give an event that belongs into the back office, None for any other: a sign-in, say, has a page of its own with limits of its own."""
    found = next((type_ for name, type_ in definition.events.items() if name == event and not type_.is_engine), None)
    return found if found is not None and _is_for_staff(definition, found) else None


def _is_for_staff(definition: Definition, type_: EventType) -> bool:
    """Tell whether an event belongs into the back office: some role of people fires it, and it takes no secret."""
    roles = [definition.roles[name] for name in type_.by]
    return any(not role.is_anyone and not role.is_subject for role in roles) and not any(f.is_secret for f in type_.payload.values())


def inputs_of(visit: Visit, seen: Seen, type_: EventType) -> Iterator[Input]:
    """Give what an event's form asks for."""
    for name, one in type_.payload.items():
        label = visit.say(one.description.rstrip(".") or str(name).replace("_", " ").capitalize())
        options = tuple(_people(visit, seen, type_) if name == ASSIGNEE else _options(visit, seen, one))
        yield Input(
            name=str(name), label=label, kind=_kind(one, options), is_required=one.is_required, options=options, longest=one.max_length
        )


def _people(visit: Visit, seen: Seen, type_: EventType) -> Iterator[tuple[str, str]]:
    """Name who holds one of an event's roles for a request, the reader first."""
    holders, me = visit.engine.parts.directory.holders, visit.signed_in().id
    found = {
        str(who)
        for role in (seen.definition.roles[name] for name in type_.by)
        if not role.is_anyone and not role.is_subject
        for who in holders(role.name, scope_of(role, seen.instance.fields))
    }
    for who in sorted(found, key=lambda who: (who != me, who)):
        yield who, visit.say("{name} (myself)", name=who) if who == me else who


def _options(visit: Visit, seen: Seen, one: Field) -> Iterator[tuple[str, str]]:
    catalogue = seen.in_force.world.catalogue
    if one.catalogue is not None and catalogue is not None:
        others: Mapping[str, object] = {str(name): value for name, value in seen.instance.fields.items()}
        for key, item in choices(one, others, catalogue).items():
            yield key, title_in(visit.reader, one.catalogue.set_name, key, item)
    for value in one.values:
        yield value, visit.say(value)


def _kind(one: Field, options: tuple[tuple[str, str], ...]) -> str:
    if options:
        return "boxes" if one.is_many else "select"
    kinds = {FieldType.TEXT: "area", FieldType.BOOLEAN: "tick", FieldType.EMAIL: "email", FieldType.PHONE: "tel"}
    return kinds.get(one.type) or {FieldType.INTEGER: "number", FieldType.DATE: "date"}.get(one.type, "text")


def payload_of(form: Form, type_: EventType, *, prefix: str = "") -> dict[str, object]:
    """Read an event's payload from a form; what was left empty is left out."""
    payload: dict[str, object] = {}
    for name, one in type_.payload.items():
        given = form.text(prefix + name)
        if one.is_many:
            if values := [value for value in form.texts(prefix + name) if value]:
                payload[str(name)] = values
        elif one.type is FieldType.BOOLEAN:
            payload[str(name)] = form.is_ticked(prefix + name)
        elif given:
            is_number = one.type is FieldType.INTEGER and _NUMBER.fullmatch(given)
            payload[str(name)] = int(given) if is_number else given
    return payload


def labels_of(visit: Visit, seen: Seen, type_: EventType) -> dict[str, str]:
    """Give the names of an event's values on its form."""
    return {one.name: one.label for one in inputs_of(visit, seen, type_)}


def plain_fields(visit: Visit, seen: Seen) -> list[tuple[str, str]]:
    """Give what a request keeps and is not personal, as pairs of label and words."""
    fields, catalogue = seen.definition.fields, seen.in_force.world.catalogue
    shown = []
    for name, value in seen.instance.fields.items():
        rule = fields[name].catalogue if name in fields else None
        items = catalogue.sets.get(rule.set_name, {}) if rule and catalogue else {}
        shown.append((visit.say(str(name).replace("_", " ").capitalize()), written(visit, fields.get(name), value, items)))
    return shown


def written(visit: Visit, one: Field | None, value: object, items: Mapping[str, Mapping[str, object]] | None = None) -> str:
    """Write a value for people."""
    if isinstance(value, bool):
        return visit.say("yes") if value else visit.say("no")
    if isinstance(value, tuple | list):
        return ", ".join(written(visit, one, item, items) for item in value)
    if one is not None and one.type is FieldType.INSTANT:
        return visit.reader.instant(datetime.fromisoformat(str(value)))
    item = (items or {}).get(str(value))
    if item is None or one is None or one.catalogue is None:
        return str(value)
    return title_in(visit.reader, one.catalogue.set_name, str(value), item)


def personal_names(seen: Seen) -> tuple[FieldName, ...]:
    """Name the personal fields that have a value."""
    return tuple(sorted(seen.instance.personal))
