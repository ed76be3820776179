"""Planning: the next thing to do on the way to a transition that a run wants to take.

Promises: a plan is a suggestion from the definition's graph and the present instance; whether it works out is for the engine to
say. Without plans, chance alone would rarely get past the tenth state of an onboarding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice, product

from workflow.states.definition import CheckUse, EventName, FieldType, StatePath
from workflow.states.durations import read_duration
from workflow.states.instance import Instance, InstanceId
from workflow.states.known import Known
from workflow.states.machine import Arrow, Choice
from workflow.states.step import World
from workflow.states.view import View
from workflow.testing.acts import Leaf
from workflow.testing.coverage import every_arrow, is_switched_off
from workflow.testing.run import Rig

MAX_TRIES = 200
"""So many combinations of facts and payload values are tried to make guards true."""
BAD = frozenset({"locked", "expired", "limited"})
"""Leaves that are false when all is well."""
ISSUED_BY = {
    "phone_confirm": "phone",
    "sms_code": "sms_challenge",
    "app_initialise": "app_enrol",
    "app_confirm": "app_initialise",
    "app_pin": "app_push",
    "app_code": "app_qr",
}
"""A check that finds a code can only do so while the check that issued it says that it lives."""
DEFAULT_TTL = "PT10M"

Key = tuple[StatePath, int]
Facts = dict[str, dict[str, Leaf]]


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

    def inner(self, leaf: StatePath) -> tuple[Arrow, ...]:
        """Give those that do not hold everywhere; all when there are no others."""
        return tuple(a for a in self._here[leaf] if a.transition.source) or self._here[leaf]

    def on_the_way(self, leaf: StatePath, goal: Arrow) -> tuple[Arrow, ...]:
        """Give the transitions that bring a leaf nearer to where the goal can be taken; the goal itself when it can be here."""
        if goal in self._here[leaf]:
            return (goal,)
        far = self._distances(goal)
        mine = far.get(leaf)
        if mine is None:
            return ()
        return tuple(a for a in self._here[leaf] if a.transition.target is not None and far.get(a.transition.target, mine) < mine)

    def _distances(self, goal: Arrow) -> dict[StatePath, int]:
        key = (goal.transition.source, goal.transition.index)
        if key not in self._far:
            back: dict[StatePath, set[StatePath]] = {}
            for leaf, arrows in self._here.items():
                for arrow in arrows:
                    if arrow.transition.target is not None:
                        back.setdefault(arrow.transition.target, set()).add(leaf)
            far = {leaf: 0 for leaf, arrows in self._here.items() if goal in arrows}
            queue = deque(far)
            while queue:
                leaf = queue.popleft()
                for before in sorted(back.get(leaf, ())):
                    if before not in far:
                        far[before] = far[leaf] + 1
                        queue.append(before)
            self._far[key] = far
        return self._far[key]

    def wish(self, rig: Rig, arrow: Arrow, payload: Mapping[str, object]) -> Wish | None:
        """Find facts and payload values with which the event takes this transition now; None when there are none."""
        stored, event = rig.present(), arrow.transition.event
        if stored is None:
            return None
        instance = stored.instance
        for facts, values in islice(self._combinations(rig, instance.state, event), MAX_TRIES):
            view = View(
                definition=self.world.definition,
                instance=instance,
                event=event,
                now=rig.now(stored),
                payload={**payload, **values},
                facts={f"{check}.{leaf}": value for check, leaves in facts.items() for leaf, value in leaves.items()},
                is_subject=False,
            )
            choice = self.world.table.choose(event, view, "-")
            if isinstance(choice, Choice) and choice.arrow is arrow:
                return Wish(arrow=arrow, facts=facts, values=values)
        return None

    def start(self, rig: Rig, payload: Mapping[str, object]) -> Wish | None:
        """Find facts and payload values with which the onboarding starts."""
        arrow, definition = self.world.table.start, self.world.definition
        for facts, values in islice(self._combinations(rig, StatePath(""), definition.start.event), MAX_TRIES):
            if not arrow.rules:
                return Wish(arrow=arrow, facts=facts, values=values)
            view = _starting(self.world, rig, {**payload, **values}, facts)
            if arrow.holds(view):
                return Wish(arrow=arrow, facts=facts, values=values)
        return None

    def enablers(self, rig: Rig, arrow: Arrow) -> Sequence[Arrow]:
        """Give transitions that write what the guards of this one read, or are counted by them."""
        reads = [leaf.partition(".") for rule in arrow.rules for leaf in rule.guard.reads]
        fields = {name for prefix, _, name in reads if prefix in {"instance", "has"}}
        counted = {name for prefix, _, name in reads if prefix in {"count", "distinct_actors"}}
        writes = (a for a in self.goals if a is not arrow)
        return [a for a in writes if a.transition.event in counted or any(s.field in fields for s in a.transition.assignments)]

    def _combinations(self, rig: Rig, leaf: StatePath, event: EventName) -> Iterator[tuple[Facts, dict[str, Leaf]]]:
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
                slots.append((f"facts.{check}.{name}", options if f"facts.{check}.{name}" in read else options[:1]))
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
            yield self.coherent(rig, facts), values

    def coherent(self, rig: Rig, facts: Facts) -> Facts:
        """Take back what no check could find now: a link before it was mailed or after its time, a code that nobody issued."""
        return {name: self._possible(rig, self.world.definition.checks[name], dict(leaves)) for name, leaves in facts.items()}

    def _possible(self, rig: Rig, use: CheckUse, leaves: dict[str, Leaf]) -> dict[str, Leaf]:
        stored = rig.present()
        now = rig.now(stored)
        if use.use == "link" and "valid" in leaves:
            sent_at = stored.instance.marks.get(EventName(str(use.params["since"]))) if stored else None
            is_over = sent_at is not None and now >= sent_at + _ttl(use)
            leaves["sent"], leaves["expired"] = sent_at is not None and bool(leaves.get("current")), is_over and bool(leaves.get("current"))
            leaves["valid"] = bool(leaves["valid"]) and bool(leaves["sent"]) and not is_over and bool(leaves.get("genuine"))
        issuer = ISSUED_BY.get(use.use)
        if issuer is not None and leaves.get("ok"):
            issued_at = rig.issued_at.get(issuer)
            uses = [one for one in self.world.definition.checks.values() if one.use == issuer]
            leaves["ok"] = issued_at is not None and any(now < issued_at + _ttl(one) for one in uses)
        return leaves


def _ttl(use: CheckUse) -> timedelta:
    unit = read_duration(str(use.params.get("ttl", DEFAULT_TTL)))
    return timedelta(seconds=unit.amount if unit else 0)


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
    flat = {f"{check}.{leaf}": value for check, leaves in facts.items() for leaf, value in leaves.items()}
    return View(
        definition=world.definition,
        instance=nobody,
        event=world.definition.start.event,
        now=now,
        payload=payload,
        facts=flat,
        is_subject=True,
    )
