"""Moves: what a transition does to states, worked out once for each leaf state in which it may be taken.

Promises: pure and static; nothing here depends on an instance.

The one rule: a move leaves everything below its *domain* and enters from there down to the target. The domain of a
transition is its source, when the target lies inside the source (only children are left, the source's own timers run on),
unless it says `reenter`; otherwise it is the nearest ancestor that source and target share.
"""

from __future__ import annotations

from dataclasses import dataclass

from workflow.states.definition import ActionUse, Definition, EventName, State, StatePath, TimerType, Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What becomes of states, actions, timers and counts.

    Attributes:
        leaf: where the instance rests afterwards.
        left: states left, innermost first.
        entered: states entered, outermost first.
        uses: actions in their order: of the left states, of the transition, of the entered states.
        outcome: of the leaf or its ancestors.
        fresh: events whose counts start again.
        stale: reports that are forgotten, because their action is queued again or their waiting state is entered again.
        arming: timers that start with the entry.
        paused: states whose own timers stand still while the instance rests in `leaf`.
    """

    leaf: StatePath
    left: tuple[StatePath, ...] = ()
    entered: tuple[StatePath, ...] = ()
    uses: tuple[ActionUse, ...] = ()
    outcome: str | None = None
    fresh: frozenset[EventName] = frozenset()
    stale: frozenset[EventName] = frozenset()
    arming: tuple[TimerType, ...] = ()
    paused: frozenset[StatePath] = frozenset()


def move_of(definition: Definition, transition: Transition | None, current: StatePath | None) -> Move:
    """Work out a move.

    Args:
        definition: the definition.
        transition: what is taken; None when an event is recorded that nothing handles.
        current: the leaf before; None for a start.
    """
    target = transition.target if transition else None
    leaf = target if target is not None else current
    if leaf is None:
        raise ValueError("A start needs a target.")
    left, entered = _path(definition, transition, current, target) if transition and target is not None else ((), ())
    states = definition.states
    actions = transition.actions if transition else ()
    uses = (
        *(use for path in left for use in states[path].exit),
        *actions,
        *(use for path in entered for use in states[path].entry),
    )
    timers = [timer for path in entered for timer in states[path].timers]
    return Move(
        leaf=leaf,
        left=left,
        entered=entered,
        uses=uses,
        outcome=next((o for path in definition.lineage(leaf) if (o := states[path].outcome)), None),
        fresh=frozenset(name for path in entered for name in tallied_by(states[path])),
        stale=frozenset(name for name in (*(t.since for t in timers), *(use.done for use in uses)) if name is not None),
        arming=tuple(timer for timer in timers if timer.since is None),
        paused=paused_in(definition, leaf),
    )


def paused_in(definition: Definition, leaf: StatePath) -> frozenset[StatePath]:
    """Name the states whose own timers stand still while an instance rests in `leaf`."""
    return frozenset(
        path for path in definition.lineage(leaf) if any(definition.is_within(leaf, paused) for paused in definition.states[path].paused_in)
    )


def tallied_by(state: State) -> frozenset[EventName]:
    """Name the events whose counts belong to a state: its `tally`, and those of its transitions with a quorum."""
    return state.tally | {t.event for t in state.transitions if t.quorum is not None}


def _path(
    definition: Definition, transition: Transition, current: StatePath | None, target: StatePath
) -> tuple[tuple[StatePath, ...], tuple[StatePath, ...]]:
    if current is None:
        return (), tuple(reversed(definition.lineage(target)))
    source = transition.source
    is_local = definition.is_within(target, source)
    domain: StatePath | None = source
    if is_local and transition.is_reentering:
        domain = definition.states[source].parent
    elif not is_local:
        domain = next(path for path in definition.lineage(source) if definition.is_within(target, path))
    return _below(definition, current, domain), tuple(reversed(_below(definition, target, domain)))


def _below(definition: Definition, path: StatePath, domain: StatePath | None) -> tuple[StatePath, ...]:
    """Give the state and its ancestors strictly below `domain`, innermost first; all of them when there is no domain."""
    lineage = definition.lineage(path)
    return lineage if domain is None else lineage[: lineage.index(domain)]
