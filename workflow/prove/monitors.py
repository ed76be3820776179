"""Properties as watchers of a run: what they remember, and what breaks them.

Promises: the same meaning as `policy.history` gives to a recorded history; where the two could differ, the watcher is the stricter
one, so that a proof also holds for the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import z3

from workflow.prove.leaves import Scene
from workflow.prove.model import Model
from workflow.prove.people import role_input
from workflow.prove.rules import Rule
from workflow.prove.terms import FALSE, TRUE, Formula
from workflow.states.definition import Definition, Property, RoleName, StatePath, TimerType, Unit, listed
from workflow.states.durations import read_duration

SUBJECT = "subject"


class UnencodedError(Exception):
    """A property is of a kind that the model has no words for; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one rule does to a watcher: what it remembers afterwards, and when that breaks the property (None: never)."""

    updates: Mapping[str, Formula] = field(default_factory=dict)
    broken: Formula | None = None


@dataclass
class Monitor:
    """A property over one model."""

    model: Model
    rule: Property

    def __post_init__(self) -> None:
        """Declare what the watcher remembers."""

    @property
    def body(self) -> Mapping[str, object]:
        """The property as written."""
        return self.rule.body

    @property
    def definition(self) -> Definition:
        """The definition it belongs to."""
        return self.model.definition

    def see(self, rule: Rule) -> Seen:
        """Say what a rule does to the watcher."""
        del rule
        return Seen()

    def rests(self, leaf: StatePath) -> Formula | None:
        """Say when resting in a leaf breaks the property."""
        del leaf
        return None

    def guess(self, leaf: StatePath) -> Formula | None:
        """Suppose what is so in a leaf whatever has happened, so that nothing can break the property; it is believed only when proven."""
        del leaf
        return None

    def remembers(self) -> tuple[object, ...]:
        """Say what the watcher looks at beyond the rules, so that watchers of two models can be compared."""
        return ()

    def text(self, key: str) -> str:
        """Give a word of the body."""
        return str(self.body.get(key, ""))

    def within(self, path: StatePath | None, name: str) -> bool:
        """Tell whether a leaf lies in a state that the property names."""
        state = self.definition.resolve(name)
        return path is not None and state is not None and self.definition.is_within(path, state)

    def entered(self, rule: Rule, name: str) -> bool:
        """Tell whether a rule leads into a state from outside."""
        return self.within(rule.target, name) and not self.within(rule.source, name)

    def happens(self, rule: Rule, *names: str) -> bool:
        """Tell whether a rule is one of the events, and more than a note."""
        return rule.is_heard and rule.kind != "idle" and rule.event in names

    @property
    def events(self) -> tuple[str, ...]:
        """The events that the property is about."""
        return listed(self.body.get("event", ()))

    def is_asked(self, rule: Rule) -> bool:
        """Tell whether a rule is an event of the property, in the state that it names, or without an event enters that state."""
        if "event" not in self.body:
            return rule.is_heard and self.entered(rule, self.text("state"))
        is_there = "state" not in self.body or self.within(rule.source, self.text("state"))
        return is_there and self.happens(rule, *self.events)

    def took_part(self, rule: Rule) -> Formula:
        """Say that the person *p* is among the people of a step."""
        if rule.kind not in {"start", "event"}:
            return FALSE
        words = self.model.words
        return z3.Or(words.input("actor.is_p", bool), words.input("for.is_p", bool))

    def scene(self, rule: Rule) -> Scene:
        """Give where and when an expression about the event of a rule is judged."""
        type_ = self.definition.events[rule.event]
        now = rule.at if rule.kind in {"start", "event", "fired"} else self.model.clocks.now
        return Scene(leaf=rule.source or StatePath(""), event=type_, now=now, is_engine=type_.is_engine)

    def unit(self, key: str) -> Unit:
        """Read a duration of the body."""
        unit = read_duration(self.text(key))
        if unit is None:
            raise UnencodedError(f"{self.text(key)!r} is no duration.")
        return unit


class Precedence(Monitor):
    """``never: {state, before}``."""

    def __post_init__(self) -> None:
        """Remember whether it had been."""
        self.model.words.declare("m.done", bool)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        done, first = self.model.words.var("m.done"), self.text("before")
        is_state = self.definition.resolve(first) is not None
        now = TRUE if not is_state and self.happens(rule, first) else done
        then = TRUE if is_state and self.within(rule.target, first) else now
        broken = z3.Not(now) if rule.is_heard and self.entered(rule, self.text("state")) else None
        return Seen(updates={"m.done": then}, broken=broken)


class ByWhom(Monitor):
    """``never: {event, actor}``."""

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        if not self.happens(rule, *self.events) or rule.kind not in {"start", "event"}:
            return Seen()
        role, words = self.text("actor"), self.model.words
        if role in (SUBJECT, self.definition.subject):
            is_subject = words.input("p.is_subject", bool) if rule.kind == "start" else words.var("p.is_subject")
            return Seen(broken=z3.And(is_subject, self.took_part(rule)))
        if RoleName(role) not in self.definition.events[rule.event].by:
            return Seen()
        return Seen(broken=role_input(words, RoleName(role)))


class SameActor(Monitor):
    """``never: {event, same_actor_as}``."""

    def __post_init__(self) -> None:
        """Remember whether *p* did the other one."""
        events = (self.definition.events[name] for name in self.definition.events if name in (*self.events, self.text("same_actor_as")))
        if all(type_.is_engine for type_ in events):
            raise UnencodedError("The engine itself is the only actor of both events.")
        self.model.words.declare("m.did", bool)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        did, p = self.model.words.var("m.did"), self.took_part(rule)
        broken = z3.And(did, p) if self.happens(rule, *self.events) else None
        return Seen(updates={"m.did": z3.Or(did, p)} if self.happens(rule, self.text("same_actor_as")) else {}, broken=broken)


class LaterThan(Monitor):
    """``never: {event, later_than, since}``: since the last time it happened, and since the report that counts for the checks."""

    def __post_init__(self) -> None:
        """Remember when it happened."""
        if self.unit("later_than").kind != "elapsed":
            raise UnencodedError("The model does not compute working time, and no timer bounds this one.")
        self.model.words.declare("m.since", bool)
        self.model.words.declare("m.since_at", float)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        words, seconds, since = self.model.words, self.unit("later_than").amount, self.text("since")
        broken: Formula | None = None
        if self.happens(rule, *self.events):
            known = [(words.var("m.since"), words.var("m.since_at"))]
            if words.has(f"marked.{since}"):
                known.append((words.var(f"marked.{since}"), words.var(f"mark.{since}")))
            late = [TRUE if rule.at is None else rule.at >= at + seconds for _, at in known]
            broken = z3.Or([z3.And(is_set, is_late) for (is_set, _), is_late in zip(known, late, strict=True)])
        updates: dict[str, Formula] = {}
        if self.happens(rule, since) and rule.kind != "stale":
            updates = {"m.since": TRUE} | ({} if rule.at is None else {"m.since_at": rule.at})
        return Seen(updates=updates, broken=broken)


class MoreThan(Monitor):
    """``never: {event, more_than}``."""

    def __post_init__(self) -> None:
        """Remember how often."""
        self.model.words.declare("m.count", int)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        count = self.model.words.var("m.count")
        if not self.happens(rule, *self.events):
            return Seen()
        return Seen(updates={"m.count": count + 1}, broken=count >= int(self.text("more_than")))


class EarlierThan(Monitor):
    """``never: {event, earlier_than, since}``: never sooner than that after the last time it was so.

    What a timer brings about that is long enough and started then needs no clock; what anything else does is measured (elapsed time).
    """

    def __post_init__(self) -> None:
        """Remember when it was so, where that is needed."""
        self._is_state = self.definition.resolve(self.text("since")) is not None
        told = [self.definition.events[name] for name in self.definition.events if name in self.events]
        timers = self._timers()
        is_timed = all(self._is_bounded(timer) for timer in timers)
        is_reported = any(not names.isdisjoint(self.events) for pair in self.model.reports.values() for names in pair)
        self._is_measured = not is_timed or is_reported or not self.model.told.isdisjoint(self.events)
        self._is_measured |= not timers or any(not type_.is_engine for type_ in told)
        if self._is_measured and self.unit("earlier_than").kind == "elapsed":
            self.model.words.declare("m.since_at", float)
        if self._is_measured:
            self.model.words.declare("m.since", bool)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        if not self._is_measured:
            return Seen()
        words, unit = self.model.words, self.unit("earlier_than")
        is_since = (
            self.entered(rule, self.text("since")) if self._is_state else self.happens(rule, self.text("since")) and rule.kind != "stale"
        )
        broken: Formula | None = None
        if self.is_asked(rule) and not self._is_late_enough(rule):
            is_early = TRUE if rule.at is None or unit.kind != "elapsed" else rule.at < words.var("m.since_at") + unit.amount
            broken = z3.And(words.var("m.since"), is_early)
        updates: dict[str, Formula] = {}
        if is_since:
            updates = {"m.since": TRUE} | ({} if rule.at is None or unit.kind != "elapsed" else {"m.since_at": rule.at})
        return Seen(updates=updates, broken=broken)

    def remembers(self) -> tuple[object, ...]:
        """Say whether there is something to measure, and by which timers."""
        return (self._is_measured, *((timer.key, self._is_bounded(timer)) for timer in self._timers()))

    def _timers(self) -> list[TimerType]:
        """Give the timers that bring one of the events about, in the state that is named beside it."""
        found = [timer for state in self.definition.states.values() for timer in state.timers if timer.event in self.events]
        there = self.definition.resolve(self.text("state")) if "state" in self.body else None
        within = self.definition.is_within
        return [timer for timer in found if there is None or within(timer.state, there) or within(there, timer.state)]

    def _is_late_enough(self, rule: Rule) -> bool:
        """Tell whether a timer brings it about that starts with what the property counts from, and is long enough."""
        timer = self.definition.timer(rule.timer) if rule.timer is not None else None
        return timer is not None and self._is_bounded(timer)

    def _is_bounded(self, timer: TimerType) -> bool:
        unit, since = self.unit("earlier_than"), self.text("since")
        starts = timer.since == since or (timer.since is None and self._is_state and timer.state == self.definition.resolve(since))
        return starts and timer.after.kind == unit.kind and timer.after.amount >= unit.amount


class Absence(Monitor):
    """``never: {state}`` and ``never: {event, state}``."""

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        return Seen(broken=TRUE if self.is_asked(rule) else None)


class Required(Monitor):
    """``requires: {event, effect}`` and its kin: what a step brings with it, where it leads, and from whom it comes."""

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        if not self.is_asked(rule) or (missing := self._missing(rule)) is FALSE:
            return Seen()
        if "when" not in self.body:
            return Seen(broken=missing)
        holds = self.model.reading.truth(self.text("when"), self.scene(rule)).yes
        return Seen(broken=z3.And(missing, holds))

    def _missing(self, rule: Rule) -> Formula:
        names = {text for use in rule.uses for text in (use.kind, use.name, f"{use.kind}.{use.name}", f"{use.kind}:{use.name}")}
        if not names.issuperset(listed(self.body.get("effect", ()))):
            return TRUE
        places, roles = listed(self.body.get("leads_to", ())), listed(self.body.get("actor", ()))
        if places and not any(self.within(rule.target, one) for one in places):
            return TRUE
        by = self.definition.events[rule.event].by if roles else ()
        if all(name in roles for name in by):
            return FALSE if by or not roles else TRUE
        return z3.Not(z3.Or([role_input(self.model.words, name) for name in by if name in roles]))


class Demanded(Monitor):
    """``cel: {event, holds}``: what is so whenever an event is accepted, before the step."""

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        if not self.is_asked(rule) or rule.kind == "stale":
            return Seen()
        return Seen(broken=z3.Not(self.model.reading.truth(self.text("holds"), self.scene(rule)).yes))


class Always(Monitor):
    """``cel: {state, holds}``."""

    def rests(self, leaf: StatePath) -> Formula | None:
        """Say when the expression does not hold in a leaf."""
        if "state" in self.body and not self.within(leaf, self.text("state")):
            return None
        now = self.model.words.var("now") if self.model.mode.has_instants else None
        scene = Scene(leaf=leaf, event=None, now=now)
        return z3.Not(self.model.reading.truth(self.text("holds"), scene).yes)
