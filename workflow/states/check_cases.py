"""Judges the guards of a definition by cases: which never hold, which take each other's events, and what none of them takes.

Promises: pure; no solver. A guard that is said never to hold holds in no region of what it reads; two guards that are said to overlap
do so in the case that is told, which the engine's own CEL has judged. What takes more than the budget is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from workflow.states.cases import Cases, Guarded, may_be, told, witness
from workflow.states.definition import EventName, StatePath, Transition
from workflow.states.findings import Findings
from workflow.states.node import Node
from workflow.states.parse import Parsed
from workflow.states.parse_states import rules
from workflow.states.reach import Graph, masked

_SEVERAL = 2
_FIXED = frozenset({"event.name", "instance.state"})
"""What one guard may say for clearness, though it stands where nothing else is possible."""

Choice = tuple[Guarded, ...]
"""The transitions of one event in one state, in the order in which they are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Every choice of a definition, by state and event; the start is the choice of no state."""

    start: Guarded
    by_source: Mapping[tuple[StatePath, EventName], Choice]

    @staticmethod
    def of(cases: Cases, graph: Graph) -> Choices:
        """Make the tables of every guard."""
        definition = cases.definition
        start = definition.start
        scene = cases.scene(definition.events[start.event], (), is_start=True)
        found: dict[tuple[StatePath, EventName], Choice] = {}
        for path, state in definition.states.items():
            for name in dict.fromkeys(one.event for one in state.transitions):
                places = [leaf for leaf, handled in graph.handled.items() if handled.get(name) == path]
                chosen = [one for one in state.transitions if one.event == name]
                found[path, name] = cases.guarded(chosen, cases.scene(definition.events[name], places))
        return Choices(start=cases.guarded([start], scene)[0], by_source=found)


def check_cases(parsed: Parsed, choices: Choices, findings: Findings) -> None:
    """Note every fault of the guards, choice by choice."""
    for choice in ((choices.start,), *choices.by_source.values()):
        hidden = {one.index for one, _ in masked([each.transition for each in choice])}
        never = {each.transition.index for each in choice if _check_never(parsed, each, findings)}
        alive = tuple(each for each in choice if each.transition.index not in hidden | never)
        _check_always(parsed, choice, findings)
        if len(alive) >= _SEVERAL:
            covered = {each.transition.index for each in _covered(alive)}
            for each in alive:
                if each.transition.index in covered:
                    _note_covered(parsed, each.transition, findings)
            rest = tuple(each for each in alive if each.transition.index not in covered)
            _check_overlaps(parsed, rest, findings)
            _check_gap(parsed, rest, findings)


def _check_never(parsed: Parsed, guarded: Guarded, findings: Findings) -> bool:
    """Note a transition whose guards never hold, and say whether it is one."""
    written = list(rules(parsed.transition(guarded.transition).get("guard")))
    alone = False
    for (where, _), table, reads in zip(written, guarded.tables, guarded.reads, strict=True):
        if table is not None and reads and not table.holds:
            alone = True
            findings.note(where, "never-true", "This guard never holds, whatever the values are, so nobody can ever satisfy it.")
    if alone or len(guarded.tables) == 1 or may_be(guarded.holding()):
        return alone
    message = "These guards exclude each other, so they never hold together and nobody can ever satisfy them."
    findings.note(parsed.transition(guarded.transition).get("guard") or parsed.root, "never-true", message)
    return True


def _check_always(parsed: Parsed, choice: Choice, findings: Findings) -> None:
    for guarded in choice:
        written = rules(parsed.transition(guarded.transition).get("guard"))
        for (where, _), table, reads in zip(written, guarded.tables, guarded.reads, strict=True):
            if table is not None and reads - _FIXED and not table.fails:
                findings.warn(where, "always-true", "This guard holds always, whatever the values are; leave it out.")


def _covered(choice: Choice) -> Iterator[Guarded]:
    """Give the transitions that are never taken, because in every case an earlier one is."""
    for place, guarded in enumerate(choice):
        earlier = [each.failing() for each in choice[:place] if each.is_known]
        if earlier and not may_be([*guarded.holding(), *earlier]):
            yield guarded


def _note_covered(parsed: Parsed, transition: Transition, findings: Findings) -> None:
    message = f"This transition is never taken: whenever it could be, an earlier one for {transition.event!r} holds and is tried first."
    findings.note(parsed.transition(transition), "masked-transition", message)


def _check_overlaps(parsed: Parsed, choice: Choice, findings: Findings) -> None:
    """Note pairs of guards of which neither is a special case of the other, and that hold together all the same.

    A special case before a general one, and a last transition without guards, are how the language says "otherwise".
    """
    for first, second in combinations([each for each in choice if each.is_known], 2):
        if _does_the_same(first.transition, second.transition) or not first.tables or not second.tables or _are_entwined(first, second):
            continue
        both = witness([*first.holding(), *second.holding()])
        if both is None or not (_differs(first, second) and _differs(second, first)):
            continue
        line = parsed.transition(first.transition).line
        message = (
            f"This transition and the one on line {line} can both be taken, and the earlier one wins: when {told(both)}. "
            "Say in this guard that the other one does not hold."
        )
        findings.warn(parsed.transition(second.transition), "overlapping-guards", message)


def _differs(one: Guarded, other: Guarded) -> bool:
    """Tell whether one certainly holds somewhere without the other."""
    return witness([*one.holding(), other.failing()]) is not None


def _does_the_same(one: Transition, other: Transition) -> bool:
    return (one.target, one.assignments, one.actions, one.quorum) == (other.target, other.assignments, other.actions, other.quorum)


def _are_entwined(first: Guarded, second: Guarded) -> bool:
    """Tell whether two transitions ask one check for different things: which of them go together is known to the check only."""
    asked = [_asked(each) for each in (first, second)]
    return any(check in asked[1] and asked[1][check] != leaves for check, leaves in asked[0].items())


def _asked(guarded: Guarded) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for leaf in guarded.read:
        prefix, _, name = leaf.partition(".")
        check = name.partition(".")[0]
        if prefix == "facts":
            found[check] = found.get(check, frozenset()) | {leaf}
    return found


def _check_gap(parsed: Parsed, choice: Choice, findings: Findings) -> None:
    """Note a case that none of several ways takes, when no guard says in its own words why it refuses.

    One way with a guard is a refusal that is meant, also when special cases of it stand before it; so is a guard with a code or a
    message, and one that asks a check, which gives its own reasons.
    """
    targets = {each.transition.target for each in choice} - {None}
    if len(targets) < _SEVERAL or not all(each.is_known and each.tables and _is_silent(each) for each in choice):
        return
    case = witness([each.failing() for each in choice])
    if case is None or any(not any(_differs(other, each) for other in choice) for each in choice):
        return
    last = choice[-1].transition
    message = f"No transition takes {last.event!r} when {told(case)}: add one, or say why it is refused by a `code` and a `message`."
    findings.warn(_guard(parsed, last), "uncovered-case", message)


def _is_silent(guarded: Guarded) -> bool:
    says = any(rule.code != "guard_false" or rule.message for rule in guarded.transition.guards)
    return not says and not _asked(guarded)


def _guard(parsed: Parsed, transition: Transition) -> Node:
    node = parsed.transition(transition)
    return node.get("guard") or node


def note_unjudged(parsed: Parsed, choices: Choices, findings: Findings) -> None:
    """Note each guard that was too complex to be judged by cases, so that nobody takes silence for an answer."""
    for guarded in (choices.start, *(each for choice in choices.by_source.values() for each in choice)):
        written = rules(parsed.transition(guarded.transition).get("guard"))
        for (where, _), table in zip(written, guarded.tables, strict=True):
            if table is None:
                message = (
                    "Not judged by cases: this guard compares in a way for which no finite regions are known, or has too many of them."
                )
                findings.note(where, "not-judged", message, severity="note")
