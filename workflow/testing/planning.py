"""Planning: the next thing to do on the way to a transition that a run wants to take.

Promises: a plan is a suggestion from the definition's graph and the present instance; whether it works out is for the engine to
say. Without plans, chance alone would rarely get past the tenth state of an onboarding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

from workflow.states.definition import CheckUse, EventName, FieldType, StatePath
from workflow.states.instance import Instance, InstanceId
from workflow.states.known import Known
from workflow.states.machine import Arrow, Choice, CompiledRule
from workflow.states.making import World
from workflow.states.view import View
from workflow.testing.acts import Leaf
from workflow.testing.coverage import every_arrow, is_switched_off
from workflow.testing.plausible import BAD, Facts, coherent, issuers_of
from workflow.testing.run import Rig

FEW_TRIES = 20
MAX_TRIES = 128
"""So many combinations of facts and payload values are tried to make guards true."""
Key = tuple[StatePath, int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A transition to be taken next, and how: by a person, or by waiting, a report or a second registration."""

    arrow: Arrow
    facts: Facts = field(default_factory=dict)
    values: Mapping[str, Leaf] = field(default_factory=dict)
    """Payload values that guards ask for."""


class Planner:
    """Knows the ways through a definition."""

    def __init__(self, world: World, known: Known) -> None:
        """Draw the map: which transitions lead from which leaf to which."""
        self.world, self.known = world, known
        definition = world.definition
        self.goals = tuple(a for a in every_arrow(world) if a is not world.table.start and not is_switched_off(definition, a))
        self._here: dict[StatePath, tuple[Arrow, ...]] = {}
        for leaf in definition.leaves():
            arrows = (a for event in world.table.events_in(leaf.path) for a in world.table.arrows(leaf.path, event))
            self._here[leaf.path] = tuple(a for a in arrows if not is_switched_off(definition, a))
        self._far: dict[Key, dict[StatePath, int]] = {}

    def here(self, leaf: StatePath) -> tuple[Arrow, ...]:
        """Give the transitions that may be taken in a leaf."""
        return self._here[leaf]

    def is_here(self, leaf: StatePath, arrow: Arrow) -> bool:
        """Tell whether a transition may be taken in a leaf; by identity, because comparing whole transitions takes its time."""
        return any(one is arrow for one in self._here[leaf])

    def inner(self, leaf: StatePath) -> tuple[Arrow, ...]:
        """Give those that do not hold everywhere; all when there are no others."""
        return tuple(a for a in self._here[leaf] if a.transition.source) or self._here[leaf]

    def on_the_way(self, leaf: StatePath, goal: Arrow) -> tuple[Arrow, ...]:
        """Give the transitions that bring a leaf nearer to where the goal can be taken; the goal itself when it can be here."""
        if self.is_here(leaf, goal):
            return (goal,)
        for is_plain in (True, False):
            far = self._distances(goal, is_plain=is_plain)
            mine = far.get(leaf)
            if mine is not None:
                arrows = (a for a in self._here[leaf] if not is_plain or self._is_plain(a))
                return tuple(a for a in arrows if a.transition.target is not None and far.get(a.transition.target, mine) < mine)
        return ()

    def distance(self, leaf: StatePath, goal: Arrow) -> int:
        """Say how many moves lie between a leaf and where a goal can be taken; -1 when there is no plain way."""
        return self._distances(goal, is_plain=True).get(leaf, -1)

    def _is_plain(self, arrow: Arrow) -> bool:
        """Tell whether a transition leads on: not one that holds everywhere, and not into an end without success."""
        target = arrow.transition.target
        ends = target is not None and self.world.definition.states[target].outcome in {"failure", "neutral"}
        return bool(arrow.transition.source) and not ends

    def _distances(self, goal: Arrow, *, is_plain: bool) -> dict[StatePath, int]:
        key = (goal.transition.source, goal.transition.index, is_plain)
        if key not in self._far:
            back: dict[StatePath, set[StatePath]] = {}
            for leaf, arrows in self._here.items():
                for arrow in arrows:
                    if arrow.transition.target is not None and (not is_plain or self._is_plain(arrow)):
                        back.setdefault(arrow.transition.target, set()).add(leaf)
            self._far[key] = _spread({leaf for leaf in self._here if self.is_here(leaf, goal)}, back)
        return self._far[key]

    def wish(self, rig: Rig, arrow: Arrow, payload: Mapping[str, object]) -> Wish | None:
        """Find facts and payload values with which the event takes this transition now; None when there are none."""
        stored, event = rig.present(), arrow.transition.event
        if stored is None:
            return None
        instance = stored.instance
        tried: list[tuple[Facts, dict[str, Leaf]]] = []
        for facts, values in islice(self.combinations(rig, instance.state, event), MAX_TRIES):
            if (facts, values) in tried:
                continue  # what checks cannot find now makes many combinations the same
            tried.append((facts, values))
            view = View(
                definition=self.world.definition,
                instance=instance,
                event=event,
                now=rig.now(stored),
                payload={**payload, **values},
                facts=flat(facts),
            )
            choice = self.world.table.choose(event, view, "-")
            if isinstance(choice, Choice) and choice.arrow is arrow:
                return Wish(arrow=arrow, facts=facts, values=values)
        return None

    def start(self, rig: Rig, payload: Mapping[str, object]) -> Wish | None:
        """Find facts and payload values with which the onboarding starts."""
        arrow, definition = self.world.table.start, self.world.definition
        for facts, values in islice(self.combinations(rig, StatePath(""), definition.start.event), MAX_TRIES):
            if not arrow.rules:
                return Wish(arrow=arrow, facts=facts, values=values)
            view = _starting(self.world, rig, {**payload, **values}, facts)
            if arrow.holds(view):
                return Wish(arrow=arrow, facts=facts, values=values)
        return None

    def enablers(self, rig: Rig, arrow: Arrow, payload: Mapping[str, object]) -> Sequence[Arrow]:
        """Give transitions that bring about what the guards of this one ask for, or what its checks could only find then."""
        present = rig.present()
        if present is None:
            return ()
        unmet = self._unmet(rig, arrow, payload)
        if not unmet:
            return self._issuers(rig, arrow)
        reads = [leaf.partition(".") for rule in unmet for leaf in rule.guard.reads]
        fields = {name for prefix, _, name in reads if prefix in {"instance", "has"}}
        is_set = {name for name in fields if name in present.instance.fields or name in present.instance.personal}
        counted = {name for prefix, _, name in reads if prefix in {"count", "distinct_actors"}}
        found = []
        for one in self.goals:
            writes = any(a.field in fields and (a.field in is_set or not a.is_cleared) for a in one.transition.assignments)
            if one is not arrow and (writes or one.transition.event in counted):
                found.append(one)
        return found

    def reporters(self, leaf: StatePath, arrow: Arrow) -> Sequence[Arrow]:
        """Give transitions that queue what reports an arrow's event, and after which that arrow can be taken."""
        states, event, found = self.world.definition.states, arrow.transition.event, []
        for one in self.goals:
            target = one.transition.target
            entered = (use for path in self.world.definition.lineage(target) for use in states[path].entry) if target is not None else ()
            does_report = any(event in (use.done, use.failed) for use in (*one.transition.actions, *entered))
            if does_report and self.is_here(target if target is not None else leaf, arrow):
                found.append(one)
        return found

    def _unmet(self, rig: Rig, arrow: Arrow, payload: Mapping[str, object]) -> Sequence[CompiledRule]:
        """Give the guards that are false whatever the checks find; none when only the findings are impossible now."""
        present = rig.present()
        if present is None:
            return ()
        best: Sequence[CompiledRule] = arrow.rules
        event = arrow.transition.event
        for facts, values in islice(self.combinations(rig, present.instance.state, event, is_free=True), FEW_TRIES):
            view = View(
                definition=self.world.definition,
                instance=present.instance,
                event=event,
                now=rig.now(present),
                payload={**payload, **values},
                facts=flat(facts),
            )
            failing = [rule for rule in arrow.rules if arrow.failures_of(rule, view)]
            if len(failing) < len(best):
                best = failing
        return best

    def _issuers(self, rig: Rig, arrow: Arrow) -> Sequence[Arrow]:
        """Give transitions after whose checks the checks of this one could find what they do not find now."""
        definition = self.world.definition
        wanted: set[str] = set()
        for check in definition.events[arrow.transition.event].checks:
            use = definition.checks[check]
            wanted |= issuers_of(rig, use)
        found = []
        for one in self.goals:
            uses = {definition.checks[check].use for check in definition.events[one.transition.event].checks}
            if one is not arrow and uses & wanted:
                found.append(one)
        return found

    def combinations(
        self, rig: Rig, leaf: StatePath, event: EventName, *, is_free: bool = False
    ) -> Iterator[tuple[Facts, dict[str, Leaf]]]:
        """Give facts and payload values, the best first."""
        definition = self.world.definition
        type_ = definition.events[event]
        arrows = self.world.table.arrows(leaf, event) or (self.world.table.start,)
        read = {one for arrow in arrows for rule in arrow.rules for one in rule.guard.reads}
        slots: list[tuple[str, tuple[Leaf, ...]]] = []
        for check in type_.checks:
            use = definition.checks[check]
            for name, kind in self.known.checks[use.use].facts.items():
                options = _options(name, kind, use)
                slots.append((f"facts.{check}.{name}", options if kind == "string" or f"facts.{check}.{name}" in read else options[:1]))
        for value, spec in type_.payload.items():
            if f"event.{value}" in read and not spec.is_many:
                limits = (spec.min or 0, spec.max if spec.max is not None else 9)
                by_type: dict[FieldType, tuple[Leaf, ...]] = {
                    FieldType.CHOICE: spec.values,
                    FieldType.BOOLEAN: (True, False),
                    FieldType.INTEGER: limits,
                }
                if spec.type in by_type:
                    slots.append((f"event.{value}", by_type[spec.type]))
        slots.sort(key=lambda slot: len(slot[1]))
        for combination in product(*(options for _, options in slots)):
            facts: Facts = {check: {} for check in type_.checks}
            values: dict[str, Leaf] = {}
            for (name, _), chosen in zip(slots, combination, strict=True):
                prefix, _, rest = name.partition(".")
                if prefix == "event":
                    values[rest] = chosen
                else:
                    facts[rest.partition(".")[0]][rest.partition(".")[2]] = chosen
            yield facts if is_free else coherent(rig, facts), values


def _spread(starts: Collection[StatePath], back: Mapping[StatePath, Collection[StatePath]]) -> dict[StatePath, int]:
    """Say how far each state is from the nearest of `starts`, going backwards."""
    far = dict.fromkeys(sorted(starts), 0)
    queue = deque(far)
    while queue:
        leaf = queue.popleft()
        for before in sorted(back.get(leaf, ())):
            if before not in far:
                far[before] = far[leaf] + 1
                queue.append(before)
    return far


def flat(facts: Facts) -> dict[str, Leaf]:
    """Give findings under their full names."""
    return {f"{check}.{leaf}": value for check, leaves in facts.items() for leaf, value in leaves.items()}


def _options(name: str, kind: str, use: CheckUse) -> tuple[Leaf, ...]:
    """Give the values of a leaf, the one first that it has when all is well."""
    if kind == "bool":
        return (False, True) if name in BAD else (True, False)
    if kind == "int":
        return (1, 0, 5)
    methods = use.params.get("methods")
    return methods if isinstance(methods, tuple) else ("",)


def _starting(world: World, rig: Rig, payload: Mapping[str, object], facts: Facts) -> View:
    now = rig.now(None)
    nobody = Instance(
        id=InstanceId("-"),
        definition=world.definition.name,
        digest=world.definition.digest,
        state=StatePath(""),
        subject=rig.subject,
        started_at=now,
        recorded_at=now,
    )
    return View(
        definition=world.definition,
        instance=nobody,
        event=world.definition.start.event,
        now=now,
        payload=payload,
        facts=flat(facts),
        is_subject=True,
    )
