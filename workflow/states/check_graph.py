"""Judges the graph of states: what is never reached, never left, or never handled.

Promises: pure; only looks at shapes of the graph, every guard counts as satisfiable.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.states.definition import ROOT, StatePath, TimerType
from workflow.states.findings import Findings
from workflow.states.parse import Parsed
from workflow.states.reach import Graph, masked, timers_running


def check_graph(parsed: Parsed, graph: Graph, findings: Findings) -> None:
    """Note every fault of the graph."""
    _check_reached(parsed, graph, findings)
    _check_left(parsed, graph, findings)
    _check_masked(parsed, findings)
    _check_waiting(parsed, findings)
    _check_timers(parsed, graph, findings)
    _check_compounds(parsed, findings)


def _check_reached(parsed: Parsed, graph: Graph, findings: Findings) -> None:
    definition = parsed.definition
    reached = graph.reached()
    alive = {path for leaf in reached for path in definition.lineage(leaf)}
    for path, state in definition.states.items():
        # Only the outermost state is named: what is inside is unreachable for the same reason.
        if path not in alive and state.parent in alive:
            message = f"The state {path!r} is never entered: no transition that can be taken leads to it."
            findings.note(parsed.place_of_state(path), "unreachable-state", message)


def _check_left(parsed: Parsed, graph: Graph, findings: Findings) -> None:
    outcomes = [leaf.path for leaf in parsed.definition.leaves() if leaf.outcome]
    leading, reached = graph.leading_to(outcomes), graph.reached()
    for leaf in parsed.definition.leaves():
        if leaf.outcome or leaf.path not in reached:
            continue
        place = parsed.place_of_state(leaf.path)
        if all(edge.target == leaf.path for edge in graph.edges[leaf.path]):
            message = (
                f"Nothing leads out of {leaf.path!r}: give it a transition with a target, or an outcome when the onboarding ends here."
            )
            findings.note(place, "dead-end", message)
        elif outcomes and leaf.path not in leading:
            findings.warn(place, "no-way-to-an-outcome", f"From {leaf.path!r} no state with an outcome can be reached.")


def _check_masked(parsed: Parsed, findings: Findings) -> None:
    for state in parsed.definition.states.values():
        for transition, winner in masked(state.transitions):
            line = parsed.transition(winner).line
            why = "has no guard" if not winner.guards else "holds whenever this one does"
            message = f"This transition is never taken: the one for {transition.event!r} on line {line} {why} and is tried first."
            findings.note(parsed.transition(transition), "masked-transition", message)


def _check_waiting(parsed: Parsed, findings: Findings) -> None:
    definition = parsed.definition
    for leaf in definition.leaves():
        lineage = [definition.states[path] for path in definition.lineage(leaf.path) if path != ROOT]
        if leaf.outcome or leaf.path == ROOT or any(state.waits_forever for state in lineage):
            continue
        if not any(timer.since is None and timer.state != ROOT for timer in timers_running(definition, leaf.path)):
            message = f"The state {leaf.path!r} can wait for ever: add a timer that runs from its entry, or `waits_forever: reason`."
            findings.note(parsed.place_of_state(leaf.path), "waiting-without-timer", message)


def _check_timers(parsed: Parsed, graph: Graph, findings: Findings) -> None:
    for state in parsed.definition.states.values():
        by_name = {timer.name: timer for timer in state.timers}
        listed = parsed.states[state.path].get("timers")
        for node in listed.items if listed else ():
            name = node.get("name")
            timer = by_name.get(name.text or "") if name else None
            leaf = next(_unhandling(parsed, graph, timer), None) if timer else None
            if timer is not None and leaf is not None:
                message = f"The timer fires {timer.event!r}, which nothing handles in the state {leaf!r}."
                findings.note(node.get("event") or node, "unhandled-timer", message)


def _unhandling(parsed: Parsed, graph: Graph, timer: TimerType) -> Iterator[StatePath]:
    """Give the leaves in which a timer may fire and nothing handles its event."""
    definition = parsed.definition
    paused_in = definition.states[timer.state].paused_in
    for leaf, events in graph.handled.items():
        is_running = definition.is_within(leaf, timer.state) and not paused_in.intersection(definition.lineage(leaf))
        if is_running and timer.event not in events:
            yield leaf


def _check_compounds(parsed: Parsed, findings: Findings) -> None:
    for path, state in parsed.definition.states.items():
        node = parsed.states[path]
        if state.outcome and not state.is_leaf:
            message = "Only a state without inner states can be an outcome; give it to one of the inner states."
            findings.note(node.place_of("outcome"), "outcome-not-leaf", message)
        if state.outcome and state.is_leaf and state.waits_forever:
            findings.warn(
                node.place_of("waits_forever"), "key-not-applicable", "An outcome waits for nothing; 'waits_forever' has no meaning."
            )
        if state.paused_in and not state.timers:
            message = "No timers are declared in this state itself, so nothing stands still."
            findings.warn(node.place_of("paused_in"), "paused-without-timers", message)
