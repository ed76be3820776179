"""Aiming: what runs have not covered yet, and the act that covers some of it from here.

Promises: what is wanted is taken from a coverage at one moment and stays as it is, so that the same draws give the same acts; an
aim is a suggestion, and what it covers is for the engine to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from workflow.states.definition import Definition, EventName, EventType, StatePath, TimerKey
from workflow.states.instance import Situation
from workflow.states.machine import Arrow
from workflow.states.view import View
from workflow.testing.acts import STRANGER, SUBJECT, AnyAct, Delegate, Fire, Leaf, Start
from workflow.testing.coverage import GUARDS, ROLES, RUNGS, TRANSITIONS, Coverage, every_arrow, name_of, side_name, wanted_of
from workflow.testing.planning import MAX_TRIES, Planner, flat
from workflow.testing.plausible import Facts
from workflow.testing.rig import EVERYBODY
from workflow.testing.run import Rig
from workflow.testing.strategies import DEPUTIES, ELSEWHERE, Draw, Person, Values, people_of, rightful

_DEPUTY: Person = ("a deputy of the subject", ())
"""Stands for one who is still to be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a guard: the `index`-th of a transition, judged true or false."""

    arrow: Arrow
    index: int
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is not covered yet: transitions, deadlines, sides of guards, and refusals of people by event.

    `goals` are the transitions that lead on: those wanted; else those into states whose deadline is, or with a refusal that is.
    """

    arrows: tuple[Arrow, ...] = ()
    goals: tuple[Arrow, ...] = ()
    timers: frozenset[str] = frozenset()
    sides: tuple[Side, ...] = ()
    refusals: Mapping[EventName, tuple[str, ...]] = field(default_factory=dict)

    @staticmethod
    def of(coverage: Coverage) -> Wanted:
        """Compare a coverage with what its definition has."""
        world, counts = coverage.world, coverage.counts
        wanted = {kind: {name for name in names if not counts[kind, name]} for kind, names in wanted_of(world).items()}
        arrows = [arrow for arrow in every_arrow(world) if arrow is not world.table.start]
        sides = [
            Side(arrow=arrow, index=index, holds=holds)
            for arrow in arrows
            for index in range(len(arrow.rules))
            for holds in (True, False)
            if side_name(arrow, index, holds=holds) in wanted[GUARDS]
        ]
        refusals: dict[EventName, tuple[str, ...]] = {}
        for name in sorted(wanted[ROLES]):
            event, _, code = name.partition(": ")
            refusals[EventName(event)] = (*refusals.get(EventName(event), ()), code)
        new = tuple(arrow for arrow in arrows if name_of(arrow) in wanted[TRANSITIONS])
        timers = frozenset(wanted[RUNGS])
        entering = tuple(arrow for arrow in arrows if any(_enters(world.definition, arrow, key) for key in timers))
        refusing = tuple(arrow for arrow in arrows if arrow.transition.event in refusals)
        return Wanted(arrows=new, goals=new or entering or refusing, timers=timers, sides=tuple(sides), refusals=refusals)


def _enters(definition: Definition, arrow: Arrow, key: str) -> bool:
    target, timer = arrow.transition.target, definition.timer(TimerKey(key))
    return target is not None and timer is not None and definition.is_within(target, timer.state)


class Aim:
    """Finds acts that cover what is wanted, in the present situation of a run."""

    def __init__(self, rig: Rig, planner: Planner, values: Values, wanted: Wanted) -> None:
        """Aim at what is wanted, for one run."""
        self.rig, self.planner, self.values, self.wanted = rig, planner, values, wanted
        self.definition = rig.definition
        self._near: dict[StatePath, tuple[Side, ...]] = {}

    def refusal(self, draw: Draw[Any], situation: Situation) -> AnyAct | None:
        """Let somebody be refused in a way that nobody was yet; None when nothing of the kind can be done here."""
        events = dict.fromkeys(arrow.transition.event for arrow in self.planner.here(situation.instance.state))
        wanted = [(self.definition.events[event], code) for event in events for code in self.wanted.refusals.get(event, ())]
        open_ = [(type_, person) for type_, code in wanted if (person := self._unfit(code, type_, situation)) is not None]
        if not open_:
            return None
        type_, person = open_[draw(_below(len(open_)))]
        if person == _DEPUTY and not self._deputies():
            return Delegate(principal=SUBJECT, deputy=DEPUTIES[0])
        id_, roles = person if person != _DEPUTY else (self._deputies()[0], self._everything(type_, situation))
        return Fire(event=str(type_.name), actor=id_, roles=roles, payload=self.values.payload(draw, type_, situation))

    def _deputies(self) -> list[str]:
        return [str(one.deputy) for one in self.rig.running() if one.principal == self.rig.subject]

    def _everything(self, type_: EventType, situation: Situation) -> tuple[str, ...]:
        return next(roles for id_, roles in people_of(self.definition, type_, situation, {}) if id_ == EVERYBODY)

    def _unfit(self, code: str, type_: EventType, situation: Situation) -> Person | None:
        """Name somebody whom the event refuses for this reason."""
        everything = self._everything(type_, situation)
        match code:
            case "own_request":
                return SUBJECT, everything
            case "deputy_of_subject":
                return _DEPUTY
            case "two_stages":
                others = {stage: ids for stage, ids in situation.instance.deciders.items() if stage != type_.decision}
                found = [str(id_) for stage, ids in others.items() if stage not in type_.may_also_decide for id_ in ids]
                return (found[0], everything) if found else None
            case "wrong_scope":
                scoped = [role for role in type_.by if self.definition.roles[role].scope]
                return (f"{scoped[0]}-{ELSEWHERE}", (f"{scoped[0]}:{ELSEWHERE}",)) if scoped else None
            case _:
                return STRANGER, ()

    def sides_here(self, leaf: StatePath) -> Sequence[Side]:
        """Give the sides of guards that are judged in a leaf."""
        if leaf not in self._near:
            self._near[leaf] = tuple(side for side in self.wanted.sides if self.planner.is_here(leaf, side.arrow))
        return self._near[leaf]

    def is_so(self, situation: Situation, side: Side) -> bool:
        """Tell whether an engine's event would find a guard so now."""
        view = View(definition=self.definition, instance=situation.instance, event=side.arrow.transition.event, now=self.rig.now(situation))
        return _is_side(side, view)

    def judged(self, draw: Draw[Any], situation: Situation, side: Side) -> Fire | None:
        """Fire an event of people so that a guard is judged as wanted; None when it cannot be now."""
        type_ = self.definition.events[side.arrow.transition.event]
        payload = self.values.payload(draw, type_, situation)
        found = self._findings(situation, side, payload)
        if found is None:
            return None
        facts, values, is_subject = found
        payload = {**payload, **values}
        people = people_of(self.definition, type_, situation, payload)
        right = [
            one for one in rightful(self.rig, type_, people, situation, payload) if (one[0] == SUBJECT) is is_subject or not _asks_who(side)
        ]
        if not right:
            return None
        id_, roles = right[draw(_below(len(right)))]
        return Fire(event=str(type_.name), actor=id_, roles=roles, payload=payload, facts=facts)

    def _findings(self, situation: Situation, side: Side, payload: Mapping[str, object]) -> tuple[Facts, Mapping[str, Leaf], bool] | None:
        """Find facts and values with which the guard is so, the ones first with which the others hold."""
        instance, event = situation.instance, side.arrow.transition.event
        for facts, values in islice(self.planner.combinations(self.rig, instance.state, event), MAX_TRIES):
            for is_subject in (False, True) if _asks_who(side) else (False,):
                view = View(
                    definition=self.definition,
                    instance=instance,
                    event=event,
                    now=self.rig.now(situation),
                    payload={**payload, **values},
                    facts=flat(facts),
                    is_subject=is_subject,
                )
                if _is_side(side, view):
                    return facts, values, is_subject
        return None

    def leading_to(self, side: Side) -> Sequence[Arrow]:
        """Give transitions after which a guard may be otherwise: they count what it counts, or write what it reads."""
        reads = [leaf.partition(".") for leaf in side.arrow.rules[side.index].guard.reads]
        counted = {name for prefix, _, name in reads if prefix in {"count", "distinct_actors"}}
        fields = {name for prefix, _, name in reads if prefix in {"instance", "has"}}
        found = [one for one in self.planner.goals if one.transition.event in counted]
        return found or [one for one in self.planner.goals if any(a.field in fields for a in one.transition.assignments)]

    def is_timed(self, side: Side) -> bool:
        """Tell whether a guard becomes otherwise by waiting."""
        return "now" in side.arrow.rules[side.index].guard.reads


def _is_side(side: Side, view: View) -> bool:
    return (not side.arrow.failures_of(side.arrow.rules[side.index], view)) is side.holds


def _asks_who(side: Side) -> bool:
    return any(leaf.startswith("actor.") for leaf in side.arrow.rules[side.index].guard.reads)


def _below(count: int) -> SearchStrategy[int]:
    return st.integers(0, count - 1)


def offered_again(rig: Rig, draw: Draw[Any], crash: int | None, conflict: str | None = None) -> Start | None:
    """Let somebody else offer a unique value that this onboarding holds."""
    first = rig.started
    unique = [f for f in rig.world.table.unique_fields if conflict is None or f.unique_on_conflict == conflict]
    copies = {a.field: str(a.copy_of) for a in rig.definition.start.assignments if a.copy_of is not None}
    taken = [f for f in unique if f.name in copies and first is not None and copies[f.name] in first.payload]
    if first is None or not taken:
        return None
    one = draw(st.sampled_from(taken))
    payload = dict(first.payload)
    for other in rig.world.table.unique_fields:
        if other.name != one.name and copies.get(other.name) in payload:
            text = str(payload[copies[other.name]])
            payload[copies[other.name]] = text.replace("@", ".x@") if "@" in text else f"{text}x"[: other.max_length or 100]
    for spec in rig.definition.events[rig.definition.start.event].payload.values():
        if spec.same_as is not None and spec.same_as in payload:
            payload[spec.name] = payload[spec.same_as]
    return Start(
        payload=payload, facts=first.facts, actor=first.actor if first.actor != SUBJECT else "second", roles=first.roles, crash=crash
    )
