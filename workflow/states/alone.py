"""What one person can do alone: the subject with every role, or somebody else with every role.

Promises: pure. The rules of decisions are those of `states.who`; engine events come by themselves; what checks find is free, and who needs
no identity is the subject. More may be said to be possible than is, never less.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from workflow.states.cases import Fixed
from workflow.states.definition import ENGINE, EventName, EventType, FieldName, RoleName, StatePath
from workflow.states.flow import Flow, SetFields, Way, after

MAX_JUDGED = 30_000
"""Transitions judged, each once for every place and whatever may be set there; a person who needs more is not followed."""

Marks = frozenset[str]
Place = tuple[StatePath, Marks]
"""A leaf, and what the person has done that counts later: stages decided, events watched."""


def decided(stage: str) -> str:
    """Give the mark of who has decided in a stage."""
    return f"decided {stage}"


def did(event: str) -> str:
    """Give the mark of who has done an event that is watched."""
    return f"did {event}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One event on the way of a person, and the role by which they fire it; the engine's own name for what comes by itself."""

    event: EventName
    role: RoleName
    way: Way | None = None
    """The transition that it takes; None for the start."""

    def __str__(self) -> str:
        """Write it as in a path: ``approve (network_team)``."""
        return f"{self.event} ({self.role})"


@dataclass(slots=True)
class Alone:
    """One person, and where they get to.

    Attributes:
        is_subject: whether they are the person being onboarded.
        watched: events that are remembered once the person has done them.
        came: place -> the place before it and the act between, on a shortest way.
    """

    flow: Flow
    is_subject: bool
    watched: frozenset[EventName] = frozenset()
    came: dict[Place, tuple[Place | None, Act]] = field(default_factory=dict)
    _steps: dict[Place, tuple[tuple[Act, Way, Place], ...]] = field(default_factory=dict)

    def go(self) -> Alone:
        """Follow every way that the person can take alone; nothing is reached when that takes too long."""
        start, begun = self.flow.choices.start.transition, self.flow.start()
        role = self.role_for(self.flow.definition.events[start.event], frozenset())
        if begun is None or role is None:
            return self
        first = (begun[0], self._marked(frozenset(), start.event))
        if not self._spread(first, begun[1]):
            return self
        self.came = {first: (None, Act(event=start.event, role=role))}
        waiting = deque([first])
        while waiting:
            place = waiting.popleft()
            for act, _, following in self._steps[place]:
                if following not in self.came:
                    self.came[following] = (place, act)
                    waiting.append(following)
        return self

    def path(self, place: Place, *more: Act) -> str:
        """Write the acts that lead to a place, with what has to be done in between so that the next guard is met."""
        acts: list[tuple[Place, Act]] = [(place, act) for act in more]
        at: Place | None = place
        while at is not None:
            before, act = self.came[at]
            acts.insert(0, (before or at, act))
            at = before
        written: list[str] = []
        begun = self.flow.start()
        fields = begun[1] if begun else frozenset()
        for here, act in acts:
            for one in (*self._helping(here, act, fields), act):
                written.append(str(one))
                fields = after(fields, one.way.transition) if one.way else fields
        return ", ".join(written)

    def _helping(self, place: Place, wanted: Act, fields: SetFields) -> Iterator[Act]:
        """Give the internal acts in a place that set what the guard of the next one reads, as far as they are needed."""
        if wanted.way is None:
            return
        read = {FieldName(leaf.partition(".")[2]) for leaf in wanted.way.guarded.read}
        for act, way in self.acts(place):
            missing = (after(fields, way.transition) - fields) & read
            helps = way.transition.target is None and missing and self._is_open(way, place[0], fields)
            if helps and not self._is_open(wanted.way, place[0], fields):
                yield act
                fields = after(fields, way.transition)

    def places(self, leaf: StatePath) -> Iterator[Place]:
        """Give the places in a leaf, those reached first in front."""
        return (place for place in self.came if place[0] == leaf)

    def acts(self, place: Place) -> Iterator[tuple[Act, Way]]:
        """Give what the person, or the engine, can do in a place that was reached."""
        return ((act, way) for act, way, _ in self._steps[place])

    def _is_open(self, way: Way, leaf: StatePath, fields: SetFields) -> bool:
        if self.flow.definition.events[way.transition.event].is_engine:
            return self.flow.is_open(way.guarded, leaf, fields)
        fixed: Fixed = {"actor.is_subject": (self.is_subject,), "actor.is_deputy": (False,)}
        # One person is one actor, however often they come.
        alone: Fixed = {read: (0, 1) for read in way.guarded.read if read.startswith("distinct_actors.")}
        return self.flow.is_open(way.guarded, leaf, fields, {**fixed, **alone})

    def role_for(self, event: EventType, marks: Marks) -> RoleName | None:
        """Give a role by which the person may fire an event; None when there is none."""
        if event.is_engine:
            return ENGINE
        if event.decision is not None and (self.is_subject or not self._may_decide(event, marks)):
            return None
        return next((role for role in event.by if self._has(role)), None)

    def _may_decide(self, event: EventType, marks: Marks) -> bool:
        stages = {one.decision for one in self.flow.definition.events.values() if one.decision}
        return not any(decided(stage) in marks for stage in stages - {event.decision} - set(event.may_also_decide))

    def _has(self, name: RoleName) -> bool:
        """Whoever needs no identity is the subject: it is their link, their password."""
        role = self.flow.definition.roles[name]
        return self.is_subject or not (role.is_anyone or role.is_subject)

    def _spread(self, first: Place, fields: SetFields) -> bool:
        """Find every place with the fields that may be set there; False when it takes too long."""
        found: dict[Place, SetFields] = {}
        waiting = deque([(first, fields)])
        judged = 0
        while waiting and judged <= MAX_JUDGED:
            place, arriving = waiting.popleft()
            before = found.get(place)
            now = arriving if before is None else arriving | before
            if now != before:
                found[place] = now
                judged += len(self.flow.ways[place[0]])
                self._steps[place] = tuple(self._taken(place, now))
                waiting += [(following, after(now, way.transition)) for _, way, following in self._steps[place]]
        return judged <= MAX_JUDGED

    def _taken(self, place: Place, fields: SetFields) -> Iterator[tuple[Act, Way, Place]]:
        leaf, marks = place
        for way in self.flow.ways[leaf]:
            event = self.flow.definition.events[way.transition.event]
            role = self.role_for(event, marks)
            if role is not None and self._gets_through(way, role, fields) and self._is_open(way, leaf, fields):
                yield Act(event=event.name, role=role, way=way), way, (way.target, self._marked(marks, event.name))

    def _gets_through(self, way: Way, role: RoleName, fields: SetFields) -> bool:
        quorum = way.transition.quorum
        if quorum is not None and quorum.need > 1 and quorum.is_distinct:
            return False
        return role == ENGINE or self.flow.can_be_held(role, fields)

    def _marked(self, marks: Marks, name: EventName) -> Marks:
        event = self.flow.definition.events[name]
        stages = {decided(event.decision)} if event.decision else set()
        return marks | stages | ({did(name)} if name in self.watched and not event.is_engine else set())
