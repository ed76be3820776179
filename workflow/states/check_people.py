"""Judges a definition by its people: what takes two of them and can be done by one, and whose absence stops everything.

Promises: pure; a path is told for everything that one person can do alone. Roles are the host's: one person may hold all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.states.alone import Act, Alone, Place, did
from workflow.states.definition import EventName, Property, RoleName, StatePath, listed
from workflow.states.findings import Findings
from workflow.states.flow import Flow, Way
from workflow.states.node import Node
from workflow.states.parse import Parsed

SUBJECT = "subject"


def check_people(parsed: Parsed, flow: Flow, findings: Findings) -> None:
    """Note what one person can do alone although the definition says that it takes another one."""
    watched = frozenset(EventName(str(rule.body["same_actor_as"])) for _, rule in _pairs(parsed))
    gates = _gates(flow)
    kept = [rule for rule in parsed.definition.policy if rule.kind == "never" and "event" in rule.body]
    if not gates and not kept:
        return
    people = [Alone(flow=flow, is_subject=is_subject, watched=watched).go() for is_subject in (True, False)]
    _check_gates(parsed, gates, people, findings)
    _check_pairs(parsed, flow, people, findings)
    _check_own(parsed, flow, people[0], findings)


def note_single_roles(parsed: Parsed, flow: Flow, findings: Findings) -> None:
    """Note every role without which no onboarding can succeed; that may well be meant, so it is only told when asked for."""
    definition = parsed.definition
    successes = [leaf.path for leaf in definition.leaves() if leaf.outcome == "success" and leaf.path in flow.set_in]
    for role in definition.roles.values():
        if role.is_anyone or role.is_subject or not successes:
            continue
        reached = flow.reached(lambda way, name=role.name: _is_possible(flow, way, without=name))  # type: ignore[misc]  # bound on purpose
        start = definition.events[definition.start.event]
        if set(start.by) == {role.name} or not reached.intersection(successes):
            names = [event.name for event in definition.events.values() if set(event.by) == {role.name}]
            only = f" Nobody else may {', '.join(names)}." if names else ""
            message = f"Without {role.name!r} no onboarding succeeds.{only} See that more than one person holds it."
            findings.note(parsed.place("roles", role.name), "single-role", message, severity="note")


def _is_possible(flow: Flow, way: Way, *, without: RoleName) -> bool:
    quorum = way.transition.quorum
    if quorum is not None and quorum.role == without:
        return False
    return flow.may_happen(way.transition.event, way.source, flow.set_in[way.source], without=(without,))


def _gates(flow: Flow) -> dict[StatePath, Way]:
    """Give the states that decisions protect: where the last one leads to, behind which nobody decides any more before a success.

    A state that an onboarding passes anyhow on its way to that decision is not protected by it.
    """
    definition = flow.definition
    successes = {leaf.path for leaf in definition.leaves() if leaf.outcome == "success"}
    found: dict[StatePath, Way] = {}
    for way in (way for ways in flow.ways.values() for way in ways):
        if definition.events[way.transition.event].decision is None or way.target in (way.source, *found):
            continue
        onward = flow.reached_from([way.target], lambda one: definition.events[one.transition.event].decision is None)
        around = flow.reached(lambda one, target=way.target: one.target != target)  # type: ignore[misc]  # bound on purpose
        if onward & successes and way.source in around and flow.choices.start.transition.target != way.target:
            found[way.target] = way
    return found


def _check_gates(parsed: Parsed, gates: dict[StatePath, Way], people: list[Alone], findings: Findings) -> None:
    for leaf, gate in gates.items():
        for person in people:
            place = next(person.places(leaf), None)
            if place is not None:
                message = (
                    f"{_who(person)} can reach {leaf!r} alone, though {gate.transition.event!r} is a decision: {person.path(place)}. "
                    "Make what leads there a decision too, or guard it."
                )
                findings.warn(parsed.place_of_state(leaf), "one-person", message)
                break


def _who(person: Alone) -> str:
    return "The subject" if person.is_subject else "One person"


def _pairs(parsed: Parsed) -> Iterator[tuple[Node, Property]]:
    """Give the rules that one person must not do two things, each with its node."""
    return ((item, rule) for item, rule in written(parsed) if rule.kind == "never" and "same_actor_as" in rule.body)


def written(parsed: Parsed) -> Iterator[tuple[Node, Property]]:
    """Give the properties with the nodes that they were read from; of a document without errors."""
    node = parsed.root.get("policy")
    return zip(node.items if node else (), parsed.definition.policy, strict=True)


def _check_pairs(parsed: Parsed, flow: Flow, people: list[Alone], findings: Findings) -> None:
    for item, rule in _pairs(parsed):
        other = EventName(str(rule.body["same_actor_as"]))
        for name in _of_people(rule, flow):
            if _takes_two_subjects(flow, name, other):
                message = f"Only the subject can do {other!r} and {name!r}, and {other!r} comes first: nobody can keep to this."
                findings.note(item, "nobody-can", message)
                continue
            found = next((one for person in people if (one := _alone(person, name, other)) is not None), None)
            if found is not None:
                person, place, act = found
                message = f"{_who(person)} can do {other!r} and then {name!r}: {person.path(place, act)}."
                findings.warn(item, "one-person", message)


def _of_people(rule: Property, flow: Flow) -> Iterator[EventName]:
    """Give the events of a rule that people fire."""
    return (EventName(name) for name in listed(rule.body.get("event")) if not flow.definition.events[EventName(name)].is_engine)


def _alone(person: Alone, name: EventName, other: EventName | None) -> tuple[Alone, Place, Act] | None:
    for place in person.came:
        if other is None or did(other) in place[1]:
            act = next((act for act, way in person.acts(place) if act.event == name), None)
            if act is not None:
                return person, place, act
    return None


def _takes_two_subjects(flow: Flow, name: EventName, other: EventName) -> bool:
    """Tell whether both events belong to the one subject, and the second cannot come without the first."""
    events, subject = flow.definition.events, (flow.definition.subject,)
    if events[name].by != subject or events[other].by != subject or name == other:
        return False
    everywhere = [way for ways in flow.ways.values() for way in ways if way.transition.event == name]
    without = () if other == flow.definition.start.event else flow.reached(lambda way: way.transition.event != other)
    return bool(everywhere) and not any(way.source in without for way in everywhere)


def _check_own(parsed: Parsed, flow: Flow, subject: Alone, findings: Findings) -> None:
    for item, rule in written(parsed):
        if rule.kind != "never" or rule.body.get("actor") not in {SUBJECT, flow.definition.subject}:
            continue
        for name in _of_people(rule, flow):
            found = _alone(subject, name, None)
            if found is not None:
                message = f"The subject can do {name!r}: {subject.path(found[1], found[2])}."
                findings.warn(item, "one-person", message)
