"""Judges a parsed definition as a whole.

Promises: pure; everything that can be known before the first instance starts is noted, at its place. What depends on
references being whole (reachability, usage) is left out while they are not, so that one mistake gives one finding.
"""

from __future__ import annotations

from workflow.states.cases import Cases
from workflow.states.check_cases import Choices, check_cases, note_unjudged
from workflow.states.check_cel import check_expressions
from workflow.states.check_events import check_events, check_usage
from workflow.states.check_graph import check_graph
from workflow.states.check_people import check_people, note_single_roles
from workflow.states.check_policy import check_policy
from workflow.states.check_properties import check_properties
from workflow.states.check_uses import check_uses
from workflow.states.check_ways import check_ways
from workflow.states.findings import Findings
from workflow.states.flow import Flow
from workflow.states.known import Known
from workflow.states.parse import Parsed
from workflow.states.reach import Graph

_BROKEN_REFERENCES = frozenset(
    {"unknown-state", "unknown-event", "unknown-role", "unknown-check", "unknown-action", "unknown-key", "duplicate-state", "not-inside"}
    | {
        "not-an-engine-event",
        "missing-key",
        "wrong-type",
        "invalid-value",
        "invalid-name",
        "invalid-duration",
        "duplicate-timer",
        "reserved-name",
    }
)
"""Parser findings after which parts of the graph are missing."""


def check(
    parsed: Parsed, *, known: Known, findings: Findings, is_whole: bool = True, is_stored: bool = False, with_notes: bool = False
) -> None:
    """Note every fault of meaning.

    Args:
        parsed: the definition with its nodes.
        known: kinds of checks and actions.
        findings: where faults are noted; those of the parser are there already.
        is_whole: False when parts of the document could not be taken in (a key that stands twice).
        is_stored: True for one that was published before: its guards, people and properties are not judged again.
        with_notes: also note what is worth knowing and no fault.
    """
    is_connected = is_whole and not findings.codes & _BROKEN_REFERENCES
    check_events(parsed, findings)
    check_expressions(parsed, known, findings)
    check_uses(parsed, known, findings)
    check_policy(parsed, findings)
    if is_connected:
        graph = Graph.of(parsed.definition)
        check_graph(parsed, graph, findings)
        check_usage(parsed, graph, findings)
        if not is_stored:
            _check_cases(parsed, graph, known, findings, with_notes=with_notes)


def _check_cases(parsed: Parsed, graph: Graph, known: Known, findings: Findings, *, with_notes: bool) -> None:
    """Judge guards by cases, and what follows from them; what follows from a fault that is noted already is not noted too."""
    cases = Cases(definition=parsed.definition, known=known)
    choices = Choices.of(cases, graph)
    check_cases(parsed, choices, findings)
    if findings.codes:
        return
    if with_notes:
        note_unjudged(parsed, choices, findings)
    flow = Flow.of(cases, graph, choices)
    if flow is None:
        return
    check_ways(parsed, graph, flow, findings)
    if not findings.codes:
        check_people(parsed, flow, findings)
        check_properties(parsed, flow, cases, findings)
        if with_notes:
            note_single_roles(parsed, flow, findings)
