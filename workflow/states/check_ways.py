"""Judges where an onboarding can get to under its guards, roles and timers: what is never entered, and what is never left.

Promises: pure; says only what `flow` is sure of. What the graph alone shows (`check_graph`) is not said twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from workflow.states.definition import EventName, StatePath
from workflow.states.findings import Findings
from workflow.states.flow import Flow
from workflow.states.parse import Parsed
from workflow.states.reach import Edge, Graph


def check_ways(parsed: Parsed, graph: Graph, flow: Flow, findings: Findings) -> None:
    """Note every state that is never entered or never left, and every event that nobody can fire where it is awaited."""
    if _check_roles(parsed, flow, findings):
        return
    _check_entered(parsed, graph, flow, findings)
    _check_left(parsed, graph, flow, findings)


def _check_roles(parsed: Parsed, flow: Flow, findings: Findings) -> bool:
    """Note events whose roles nobody can hold anywhere, because what they are held for is never chosen before."""
    found = False
    for (source, name), choice in flow.choices.by_source.items():
        leaves = [leaf for leaf in flow.set_in if flow.graph.handled[leaf].get(name) == source]
        if not leaves or flow.definition.events[name].is_engine or any(flow.may_happen(name, leaf, flow.set_in[leaf]) for leaf in leaves):
            continue
        found = True
        roles = ", ".join(f"{role!r} for its {flow.definition.roles[role].scope!r}" for role in flow.definition.events[name].by)
        message = f"Nobody can fire {name!r} here: it needs {roles}, and on no way to this state a value is set for that."
        findings.note(parsed.transition(choice[0].transition), "nobody-can", message)
    return found


def _check_entered(parsed: Parsed, graph: Graph, flow: Flow, findings: Findings) -> None:
    definition = parsed.definition
    alive = {path for leaf in flow.set_in for path in definition.lineage(leaf)}
    for path, state in definition.states.items():
        if path not in alive and state.parent in alive:
            message = f"The state {path!r} is never entered under its guards, roles and timers.{_why(parsed, graph, flow, path)}"
            findings.note(parsed.place_of_state(path), "unreachable-state", message)


def _why(parsed: Parsed, graph: Graph, flow: Flow, path: StatePath) -> str:
    """Say of one transition into a state why it is not taken."""
    for edge in _edges_into(parsed, graph, path):
        if edge.source in flow.set_in:
            line, name = parsed.transition(edge.transition).line, edge.transition.event
            if not flow.may_happen(name, edge.source, flow.set_in[edge.source]):
                return f" The transition on line {line} waits for {name!r}, which nothing fires in {edge.source!r}."
            return f" The guard of the transition on line {line} holds for nothing that can be set in {edge.source!r}."
    return ""


def _edges_into(parsed: Parsed, graph: Graph, path: StatePath) -> Iterator[Edge]:
    return (edge for edges in graph.edges.values() for edge in edges if parsed.definition.is_within(edge.target, path))


def _check_left(parsed: Parsed, graph: Graph, flow: Flow, findings: Findings) -> None:
    outcomes = [leaf.path for leaf in parsed.definition.leaves() if leaf.outcome]
    by_graph, by_flow = graph.leading_to(outcomes), flow.leading_to(outcomes)
    for leaf in flow.set_in:
        if leaf in by_graph - by_flow:
            names = sorted({edge.transition.event for edge in graph.edges[leaf]} - _taken(flow, leaf))
            because = f" Not taken: {', '.join(names)}." if names else ""
            message = f"From {leaf!r} no state with an outcome can be reached under the guards, roles and timers of the ways out.{because}"
            findings.warn(parsed.place_of_state(leaf), "no-way-to-an-outcome", message)


def _taken(flow: Flow, leaf: StatePath) -> set[EventName]:
    return {way.transition.event for way in flow.ways[leaf] if way.target != leaf}
