"""The machine: every transition of a definition, compiled once to one flat table.

Promises: the only importer of `transitions`. Compound states are compiled away: the table has the leaf states only, each
with the transitions it inherits, because a flat `transitions` machine costs a fraction of its hierarchical form.

Rules that live here and nowhere else:
- The innermost state that mentions an event handles it. It does not bubble further out when its guards are false: an
  outer state is no way around an inner guard.
- The transitions of that state are tried in declaration order; the first whose guards all hold is taken.
- A transition with a quorum that is not yet reached is accepted as an internal one: it is counted and nothing moves.
- Names are checked before the library is given anything: it raises for an unknown event, but silently accepts unknown targets
  and dotted callbacks, and its auto-transitions would bypass every guard (so they are switched off).
- The library compiles the table; `choose` asks the conditions that it holds ready for a state and an event, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from transitions import Machine

from workflow.errors import Reason
from workflow.states.definition import ROOT, Assignment, Definition, EventName, Quorum, Role, Rule, StatePath, Transition
from workflow.states.guards import Guard, GuardFault, compile_guard, leaves_of
from workflow.states.instance import Tally
from workflow.states.known import Known
from workflow.states.moves import Move, move_of, tallied_by
from workflow.states.view import View

NOT_JUDGED = "not_judged"
"""Private code of a guard that reads a check which was not run; the check that failed before it gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """A rule with its compiled guard; `checks` are the checks whose facts it reads, `is_open` tells that it needs facts or payload."""

    rule: Rule
    guard: Guard
    checks: frozenset[str]
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """A transition as it is ready to be tried."""

    transition: Transition
    rules: tuple[CompiledRule, ...]
    values: Mapping[Assignment, Guard]

    def holds(self, view: View) -> bool:
        """Tell whether all guards hold; an error is a no."""
        try:
            for compiled in self.rules:
                if not compiled.guard.holds(view.look_up):
                    return False
        except GuardFault:
            return False
        return True

    def is_out(self, view: View) -> bool:
        """Tell whether a guard is false whatever is still unknown (CEL: ``false && unknown`` is false)."""
        return any(self._is_false(rule, view) for rule in self.rules)

    def _is_false(self, compiled: CompiledRule, view: View) -> bool:
        try:
            return not compiled.guard.holds(view.look_up)
        except GuardFault:
            return False

    def failures_of(self, compiled: CompiledRule, view: View) -> list[Reason]:
        """Give the reason why one guard does not hold, none when it does; an error is a no."""
        try:
            return [] if compiled.guard.holds(view.look_up) else [_reason(compiled.rule)]
        except GuardFault as fault:
            is_unjudged = any(leaf.startswith("facts.") and leaf[6:] not in view.facts for leaf in compiled.guard.reads)
            return [_reason(compiled.rule, private=NOT_JUDGED if is_unjudged else f"guard_error: {fault}"[:200])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """No transition is taken: every reason, and the checks that the failing guards read."""

    reasons: tuple[Reason, ...]
    checks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The transition that an event takes; `is_counted_only` when a quorum is not yet reached and nothing moves."""

    arrow: Arrow
    is_counted_only: bool


Try = Callable[[View, str], Choice | None]
"""Gives the choice when the transition is to be taken by this actor, None when it is not."""


class Table:
    """A definition, ready to run. Building it costs some milliseconds, so the engine keeps one for each definition."""

    def __init__(self, definition: Definition, known: Known) -> None:
        """Compile every guard and every transition; the definition must have been checked."""
        self.definition = definition
        self._arrows = {
            path: tuple(self._arrow(transition, known) for transition in state.transitions) for path, state in definition.states.items()
        }
        self.start = self._arrow(definition.start, known)
        self.unique_fields = tuple(f for f in definition.fields.values() if f.unique_on_conflict is not None)
        self._by_leaf: dict[tuple[StatePath, EventName], tuple[Arrow, ...]] = {}
        self._machine = Machine(
            model=None,
            states=[leaf.path for leaf in definition.leaves()],
            initial=definition.start.target,
            auto_transitions=False,
            after_state_change=None,
        )
        for leaf in definition.leaves():
            self._add_leaf(leaf.path)
        self._tries = {key: self._tries_of(*key) for key in self._by_leaf}
        self._voted_on = {key for key, arrows in self._by_leaf.items() if any(arrow.transition.quorum for arrow in arrows)}
        self._moves: dict[tuple[StatePath | None, int | None, StatePath | None], Move] = {}
        self._tallied = {leaf.path: self._tallied_at(leaf.path) for leaf in definition.leaves()}
        self._work = {leaf.path: tuple(self._work_of(leaf.path)) for leaf in definition.leaves()}

    def arrows(self, state: StatePath, event: EventName) -> tuple[Arrow, ...]:
        """Give the transitions that an event may take in a leaf state, in the order in which they are tried."""
        return self._by_leaf.get((state, event), ())

    def is_voted_on(self, state: StatePath, event: EventName) -> bool:
        """Tell whether a quorum counts an event in a leaf state."""
        return (state, event) in self._voted_on

    def events_in(self, state: StatePath) -> tuple[EventName, ...]:
        """Name the events that a leaf state handles, itself or by inheritance."""
        return tuple(event for leaf, event in self._by_leaf if leaf == state)

    def work_in(self, state: StatePath) -> tuple[tuple[EventName, Role], ...]:
        """Give the events of a leaf state that are somebody's work, with the roles whose work they are.

        Events that hold everywhere (handled by the root) and those that need no identity are no work of anybody.
        """
        return self._work.get(state, ())

    def tallied_in(self, state: StatePath) -> frozenset[EventName]:
        """Name the events that are counted in a leaf state."""
        return self._tallied[state]

    def move(self, transition: Transition | None, current: StatePath | None) -> Move:
        """Give what a transition does to states when it is taken in the leaf `current` (None: at the start)."""
        key = (transition.source, transition.index, current) if transition else (None, None, current)
        found = self._moves.get(key)
        if found is None:
            found = self._moves[key] = move_of(self.definition, transition, current)
        return found

    def choose(self, event: EventName, view: View, actor: str) -> Choice | Unmet:
        """Say which transition the event takes, or every reason why it takes none."""
        state = view.instance.state
        tries = self._tries.get((state, event))
        if tries is None:
            return Unmet(reasons=(self.wrong_state(event, state),))
        for attempt in tries:
            if (choice := attempt(view, actor)) is not None:
                return choice
        return unmet(self._by_leaf[state, event], view)

    def wrong_state(self, event: EventName, state: StatePath) -> Reason:
        """Say that an event is not possible in a state, and where it is."""
        where = sorted({leaf for leaf, name in self._by_leaf if name == event})
        return Reason(
            code="wrong_state",
            message=f"{event!r} is not possible in the state {state!r}.",
            needed=f"one of the states {', '.join(where)}" if where else "",
        )

    def _add_leaf(self, leaf: StatePath) -> None:
        for path in self.definition.lineage(leaf):
            for arrow in self._arrows[path]:
                key = (leaf, arrow.transition.event)
                handled = self._by_leaf.get(key, ())
                if handled and handled[0].transition.source != path:
                    continue  # an inner state handles this event
                self._by_leaf[key] = (*handled, arrow)
                self._add_to_machine(leaf, arrow)

    def _tries_of(self, leaf: StatePath, event: EventName) -> tuple[Try, ...]:
        """Read what the library would try in a leaf state, in its order.

        Its table is what decides; but moving a model that lives for one decision, with callbacks that nobody has, would cost
        as much as judging the guards. So its conditions are asked, and its model is left out.
        """
        found = (condition.func for taken in self._machine.events[event].transitions[leaf] for condition in taken.conditions)
        return tuple(cast("Try", attempt) for attempt in found)

    def _tallied_at(self, leaf: StatePath) -> frozenset[EventName]:
        states = (self.definition.states[path] for path in self.definition.lineage(leaf))
        return frozenset(name for state in states for name in tallied_by(state))

    def _work_of(self, leaf: StatePath) -> Iterator[tuple[EventName, Role]]:
        for name, type_ in self.definition.events.items():
            arrows = self.arrows(leaf, name)
            if arrows and arrows[0].transition.source != ROOT:
                roles = (self.definition.roles[role] for role in type_.by)
                yield from ((name, role) for role in roles if not role.is_anyone)

    def _add_to_machine(self, leaf: StatePath, arrow: Arrow) -> None:
        event, target = arrow.transition.event, arrow.transition.target
        moving, counting = Choice(arrow=arrow, is_counted_only=False), Choice(arrow=arrow, is_counted_only=True)
        if arrow.transition.quorum is None:
            self._add(event, leaf, target, partial(_take, moving))
            return
        self._add(event, leaf, target, partial(_take_when_reached, moving, arrow.transition.quorum))
        self._add(event, leaf, None, partial(_take, counting))

    def _add(self, event: EventName, leaf: StatePath, target: StatePath | None, attempt: Try) -> None:
        # To the library a choice is as good as True.
        self._machine.add_transition(event, leaf, target, conditions=[cast("Callable[..., bool | None]", attempt)])

    def _arrow(self, transition: Transition, known: Known) -> Arrow:
        event = self.definition.events[transition.event]
        leaves = leaves_of(self.definition, known, event)
        rules = []
        for rule in transition.guards:
            guard = compile_guard(rule.source, leaves)
            checks = frozenset(leaf.split(".")[1] for leaf in guard.reads if leaf.startswith("facts."))
            is_open = any(is_open_leaf(leaf) for leaf in guard.reads)
            rules.append(CompiledRule(rule=rule, guard=guard, checks=checks, is_open=is_open))
        values = {a: compile_guard(a.source, leaves) for a in transition.assignments if a.source is not None}
        return Arrow(transition=transition, rules=tuple(rules), values=values)


def is_open_leaf(leaf: str) -> bool:
    """Tell whether a leaf is only known with the payload and the facts of one event; the event's own name always is."""
    return leaf.startswith(("facts.", "event.")) and leaf != "event.name"


def _take(choice: Choice, view: View, _actor: str) -> Choice | None:
    """Take a transition whose guards all hold."""
    return choice if choice.arrow.holds(view) else None


def _take_when_reached(choice: Choice, quorum: Quorum, view: View, actor: str) -> Choice | None:
    """Take a transition whose quorum the present event completes."""
    tally = view.instance.tallies.get(choice.arrow.transition.event, Tally())
    counted = len({*tally.actors, actor}) if quorum.is_distinct else tally.count + 1
    return _take(choice, view, actor) if counted >= quorum.need else None


def _reason(rule: Rule, *, private: str = "") -> Reason:
    message = rule.message or f"The guard {rule.source!r} does not hold."
    return Reason(code=rule.code, message=message, needed=rule.needed, private=private)


def unmet(arrows: Iterable[Arrow], view: View) -> Unmet:
    """Judge every guard of every transition once more, and tell what does not hold."""
    failed = [(rule, reasons) for arrow in arrows for rule in arrow.rules if (reasons := arrow.failures_of(rule, view))]
    return Unmet(
        reasons=tuple(dict.fromkeys(reason for _, reasons in failed for reason in reasons)),
        checks=frozenset(check for rule, _ in failed for check in rule.checks),
    )
