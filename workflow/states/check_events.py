"""Judges events and roles: who may fire what, who never can, and what nobody decides.

Promises: pure. A rule that no one can satisfy, and a door that anyone could walk through, are faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from workflow.states.definition import ActionUse, Definition, EventName, EventType, Transition
from workflow.states.findings import Findings
from workflow.states.guards import mentions
from workflow.states.parse import Parsed
from workflow.states.reach import Edge, Graph

MAX_STAGES = 50


def every_transition(definition: Definition) -> Iterator[Transition]:
    """Give all transitions, the start first."""
    yield definition.start
    for state in definition.states.values():
        yield from state.transitions


def every_action(definition: Definition) -> Iterator[ActionUse]:
    """Give all actions of states and transitions."""
    for transition in every_transition(definition):
        yield from transition.actions
    for state in definition.states.values():
        yield from (*state.entry, *state.exit)


def reported(definition: Definition) -> frozenset[EventName]:
    """Give the events by which actions report."""
    return frozenset(name for action in every_action(definition) for name in (action.done, action.failed) if name is not None)


def check_events(parsed: Parsed, findings: Findings) -> None:
    """Note what is wrong with each event, whatever the graph looks like."""
    definition = parsed.definition
    stages = {event.decision for event in definition.events.values() if event.decision}
    if len(stages) > MAX_STAGES:
        findings.note(parsed.root.place_of("events"), "too-many", f"There are {len(stages)} stages; at most {MAX_STAGES} are allowed.")
    for event in definition.events.values():
        _check_anyone(parsed, event, findings)
        _check_decision(parsed, event, stages, findings)
    for transition in every_transition(definition):
        _check_open_door(parsed, transition, findings)
        _check_quorum(parsed, transition, findings)
    if definition.events[definition.start.event].is_engine:
        node = parsed.root.get("start")
        place = node.get("event") if node else None
        findings.note(place or parsed.root, "engine-start", "Somebody must start an instance; this event is fired by the engine only.")


def check_usage(parsed: Parsed, graph: Graph, findings: Findings) -> None:
    """Note what is declared and never used, fired or reported; needs a document whose references are whole."""
    _check_fired(parsed, findings)
    _check_erasure(parsed, findings)
    _check_since(parsed, findings)
    _check_used(parsed, findings)
    _check_timeouts(parsed, graph, findings)


def _check_anyone(parsed: Parsed, event: EventType, findings: Findings) -> None:
    definition = parsed.definition
    roles = [definition.roles[name] for name in event.by if name in definition.roles]
    open_to = next((role.name for role in roles if role.is_anyone), None)
    if open_to is None or event.name == definition.start.event:
        return
    node = parsed.node("events", event.name)
    if not event.checks:
        message = f"Anyone may fire {event.name!r} as {open_to!r}, and nothing is checked: give it `checks: [...]`."
        findings.note(parsed.place("events", event.name), "anyone-without-check", message)
    if event.decision:
        findings.note(node.place_of("decision"), "decision-by-anyone", f"Nobody knows who decides when {open_to!r} needs no identity.")


def _check_open_door(parsed: Parsed, transition: Transition, findings: Findings) -> None:
    definition = parsed.definition
    event = definition.events[transition.event]
    is_open = any(definition.roles[name].is_anyone for name in event.by if name in definition.roles)
    if not is_open or not event.checks or transition is definition.start or transition.event == definition.start.event:
        return
    if not any(mentions(rule.source, "facts") for rule in transition.guards):
        message = f"Anyone may fire {event.name!r}, and no guard here reads what its checks found (`facts.{event.checks[0]}...`)."
        findings.note(parsed.transition(transition), "unguarded-door", message)


def _check_decision(parsed: Parsed, event: EventType, stages: set[str], findings: Findings) -> None:
    definition = parsed.definition
    node = parsed.node("events", event.name)
    if event.decision and event.by and all(name == definition.subject for name in event.by):
        message = f"Only the subject may fire {event.name!r}, and the subject never decides on the own request: nobody can."
        findings.note(node.place_of("by"), "nobody-can", message)
    listed = node.get("may_also_decide")
    for item in listed.items if listed else ():
        if item.text is not None and item.text not in stages:
            findings.note(item, "unknown-stage", f"No event decides a stage {item.text!r}.{findings.hint(item.text, stages)}")
    if listed is not None and not event.decision and not event.is_engine:
        findings.note(node.place_of("may_also_decide"), "key-not-applicable", "'may_also_decide' is for events with `decision: STAGE`.")


def _check_quorum(parsed: Parsed, transition: Transition, findings: Findings) -> None:
    quorum, event = transition.quorum, parsed.definition.events[transition.event]
    if quorum is None:
        return
    node = parsed.transition(transition).get("quorum") or parsed.root
    if quorum.role is not None and quorum.role not in event.by:
        message = f"The role {quorum.role!r} cannot fire {event.name!r}, so the quorum is never reached."
        findings.note(node.get("role") or node, "nobody-can", message)
    is_one_person = event.is_engine or set(event.by) == {parsed.definition.subject}
    if quorum.need > 1 and quorum.is_distinct and is_one_person:
        message = f"Only one actor can fire {event.name!r}; {quorum.need} different ones never will."
        findings.note(node.get("need") or node, "nobody-can", message)


def _check_fired(parsed: Parsed, findings: Findings) -> None:
    definition = parsed.definition
    fired = reported(definition) | {timer.event for state in definition.states.values() for timer in state.timers}
    fired |= {field.unique_on_conflict for field in definition.fields.values() if field.unique_on_conflict is not None}
    fired |= {definition.erasure} if definition.erasure is not None else set()
    used = {transition.event for transition in every_transition(definition)}
    for event in definition.events.values():
        if event.is_engine and event.name not in fired and event.name in used - {definition.start.event}:
            message = f"Nothing fires {event.name!r}: no timer, no report (`done`, `failed`) and no `on_conflict` names it."
            findings.note(parsed.place("events", event.name), "never-fired", message)


def _check_erasure(parsed: Parsed, findings: Findings) -> None:
    """Note states in which an erasure could not close the onboarding: an erasure must never be stuck half way."""
    definition = parsed.definition
    if definition.erasure is None:
        return
    ended = {leaf.path for leaf in definition.leaves() if any(definition.states[p].outcome for p in definition.lineage(leaf.path))}
    for leaf in definition.leaves():
        own = ([t for t in definition.states[p].transitions if t.event == definition.erasure] for p in definition.lineage(leaf.path))
        handled = next((found for found in own if found), [])
        if leaf.path not in ended and not any(transition.target in ended for transition in handled):
            message = f"{definition.erasure!r} does not lead from {leaf.path!r} to an outcome, so a subject could not be erased there."
            findings.note(parsed.root.get("erasure") or parsed.root, "erasure-not-closing", message)


def _check_since(parsed: Parsed, findings: Findings) -> None:
    reports = reported(parsed.definition)
    for path, node in parsed.states.items():
        listed = node.get("timers")
        for item in listed.items if listed else ():
            since = item.get("since")
            if since is not None and since.text is not None and since.text not in reports:
                message = (
                    f"No action reports {since.text!r} (as `done` or `failed`), so this timer of {path or 'the definition'!r} never starts."
                )
                findings.note(since, "since-never-reported", message)


def _check_used(parsed: Parsed, findings: Findings) -> None:
    definition = parsed.definition
    timers = [timer for state in definition.states.values() for timer in state.timers]
    asked = {value for use in definition.checks.values() for value in use.params.values() if isinstance(value, str)}
    used = {transition.event for transition in every_transition(definition)} | reported(definition) | asked
    used |= {str(name) for timer in timers for name in (timer.event, timer.since)}
    for event in definition.events.values():
        if event.name not in used:
            findings.warn(parsed.place("events", event.name), "unused-event", f"No transition handles {event.name!r}.")
    acting = {name for event in definition.events.values() for name in event.by}
    acting |= {transition.quorum.role for transition in every_transition(definition) if transition.quorum and transition.quorum.role}
    told = {action.to for action in every_action(definition)}
    for role in definition.roles.values():
        if role.name not in acting | told | asked and not role.is_subject:
            findings.warn(parsed.place("roles", role.name), "unused-role", f"The role {role.name!r} may fire nothing and is told nothing.")
    run = {name for event in definition.events.values() for name in event.checks}
    for name in definition.checks:
        if name not in run:
            findings.warn(parsed.place("checks", name), "unused-check", f"No event runs the check {name!r}.")


def _check_timeouts(parsed: Parsed, graph: Graph, findings: Findings) -> None:
    """Note time-outs that decide: a timer leads to where, without timers, only a decision of some stage leads."""
    events = parsed.definition.events

    def is_timed(edge: Edge) -> bool:
        return edge.transition.event in graph.timed

    def is_silent(edge: Edge) -> bool:
        return is_timed(edge) and not events[edge.transition.event].is_automatic

    def stage_of(edge: Edge) -> str | None:
        return events[edge.transition.event].decision

    decided = graph.reached(lambda edge: not is_timed(edge))
    timeouts = [edge for edges in graph.edges.values() for edge in edges if is_silent(edge) and edge.target in decided]
    stages = dict.fromkeys(event.decision for event in events.values() if event.decision)
    for stage in list(stages)[:MAX_STAGES]:
        undecided = graph.reached(partial(lambda stage, edge: stage_of(edge) != stage and not is_timed(edge), stage))
        idle = graph.reached(partial(lambda stage, edge: stage_of(edge) != stage and (not is_timed(edge) or is_silent(edge)), stage))
        for edge in timeouts:
            if edge.source in idle and edge.target not in undecided:
                message = (
                    f"A time-out leads to {edge.target!r}, where otherwise only the decision of stage {stage!r} leads. If the engine "
                    f"shall decide by itself, say `auto: true` at the event {edge.transition.event!r}."
                )
                findings.note(parsed.transition(edge.transition), "decision-by-timeout", message)
