"""Properties as watchers of a run: what they remember, and what breaks them.

Promises: the same meaning as `policy.history` gives to a recorded history; where the two could differ, the watcher is the stricter
one, so that a proof also holds for the history.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import z3

from workflow.prove.leaves import Scene
from workflow.prove.model import Model, Rule
from workflow.prove.people import role_input
from workflow.prove.terms import FALSE, TRUE, Formula
from workflow.states.definition import Definition, Property, RoleName, StatePath, TimerType, Unit
from workflow.states.durations import read_duration
from workflow.states.moves import paused_in

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

    def happens(self, rule: Rule, name: str) -> bool:
        """Tell whether a rule is an event, and more than a note."""
        return rule.is_heard and rule.kind != "idle" and rule.event == name

    def took_part(self, rule: Rule) -> Formula:
        """Say that the person *p* is among the people of a step."""
        if rule.kind not in {"start", "event"}:
            return FALSE
        words = self.model.words
        return z3.Or(words.input("actor.is_p", bool), words.input("for.is_p", bool))

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
        if not self.happens(rule, self.text("event")) or rule.kind not in {"start", "event"}:
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
        events = (
            self.definition.events[name] for name in self.definition.events if name in (self.text("event"), self.text("same_actor_as"))
        )
        if all(type_.is_engine for type_ in events):
            raise UnencodedError("The engine itself is the only actor of both events.")
        self.model.words.declare("m.did", bool)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        did, p = self.model.words.var("m.did"), self.took_part(rule)
        broken = z3.And(did, p) if self.happens(rule, self.text("event")) else None
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
        if self.happens(rule, self.text("event")):
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
        if not self.happens(rule, self.text("event")):
            return Seen()
        return Seen(updates={"m.count": count + 1}, broken=count >= int(self.text("more_than")))


class Absence(Monitor):
    """``never: {state}`` and ``never: {event, state}``."""

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        event, state = self.text("event"), self.text("state")
        if not event:
            return Seen(broken=TRUE if rule.is_heard and self.entered(rule, state) else None)
        return Seen(broken=TRUE if self.happens(rule, event) and self.within(rule.source, state) else None)


class Required(Monitor):
    """``requires: {event, effect}``."""

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        names = {text for use in rule.uses for text in (use.kind, use.name, f"{use.kind}.{use.name}", f"{use.kind}:{use.name}")}
        return Seen(broken=TRUE if self.happens(rule, self.text("event")) and self.text("effect") not in names else None)


class Always(Monitor):
    """``cel: {state, holds}``."""

    def rests(self, leaf: StatePath) -> Formula | None:
        """Say when the expression does not hold in a leaf."""
        if "state" in self.body and not self.within(leaf, self.text("state")):
            return None
        now = self.model.words.var("now") if self.model.mode.has_instants else None
        scene = Scene(leaf=leaf, event=None, now=now)
        return z3.Not(self.model.reading.truth(self.text("holds"), scene).yes)


@dataclass
class Response(Monitor):
    """``always: {state|event, leads_to, within, clock}``.

    Without `within`: an onboarding does not end while something is owed. With it: a *witness*, a timer that started no later than
    what is owed, is not longer and does not pause more, must be running as long as something is owed. The run does not go past
    it, so what follows is in time. Without a witness the clock is kept itself (elapsed time only).
    """

    witness: TimerType | None = None

    def __post_init__(self) -> None:
        """Remember whether something is owed."""
        self.model.words.declare("m.owed", bool)
        self._is_timed = "within" in self.body and self.witness is None
        if self._is_timed:
            clock = find_timer(self.definition, self.text("clock")) if "clock" in self.body else None
            if self.unit("within").kind != "elapsed":
                raise UnencodedError("No single timer bounds this working time.")
            if clock is not None and self.definition.states[clock.state].paused_in:
                raise UnencodedError("Its clock pauses, and no single timer bounds it.")
            self.model.words.declare("m.due", float)
        wanted = self.body.get("leads_to", ())
        listed = [wanted] if isinstance(wanted, str) else [str(one) for one in wanted] if isinstance(wanted, Sequence) else []
        self._states = [name for name in listed if self.definition.resolve(name) is not None]
        self._events = set(listed) - set(self._states)

    def see(self, rule: Rule) -> Seen:
        """Look at a rule."""
        owed = self.model.words.var("m.owed")
        is_noted = rule.is_heard or rule.kind == "idle"
        in_answer = any(self.within(rule.target, state) for state in self._states)
        is_answered = rule.kind != "idle" and rule.is_heard and (rule.event in self._events or in_answer)
        asks = is_noted and self._asks(rule) and not in_answer
        left = FALSE if is_answered else owed
        then = TRUE if asks else left
        if self._is_timed:
            return self._timed(rule, is_answered=is_answered, asks=asks, then=then)
        if self.witness is not None:
            return Seen(updates={"m.owed": then}, broken=self._uncovered(rule, left, then))
        ends = rule.is_heard and rule.kind != "idle" and self.definition.states[rule.target].outcome is not None
        return Seen(updates={"m.owed": then}, broken=then if ends else None)

    def _asks(self, rule: Rule) -> bool:
        if "state" in self.body:
            return self.entered(rule, self.text("state"))
        return self.happens(rule, self.text("event")) and rule.kind != "stale"

    def _uncovered(self, rule: Rule, left: Formula, then: Formula) -> Formula | None:
        witness = self.witness
        if witness is None or rule.kind == "idle":
            return None
        armed = rule.updates.get(f"armed.{witness.key}", self.model.words.var(f"armed.{witness.key}"))
        begins_anew = left if witness.key in rule.armed else FALSE
        return z3.Or(z3.And(then, z3.Not(armed)), begins_anew)

    def _timed(self, rule: Rule, *, is_answered: bool, asks: bool, then: Formula) -> Seen:
        words = self.model.words
        owed, due = words.var("m.owed"), words.var("m.due")
        broken: Formula | None = None
        if is_answered or rule.kind == "idle":
            broken = z3.And(owed, TRUE if rule.at is None else rule.at > due)
        updates = {"m.owed": then}
        if asks and rule.at is not None:
            fresh = rule.at + self.unit("within").amount
            updates["m.due"] = fresh if is_answered else z3.If(z3.And(owed, due < fresh), due, fresh)
        return Seen(updates=updates, broken=broken)


_NEVER: Mapping[str, type[Monitor]] = {
    "before": Precedence,
    "same_actor_as": SameActor,
    "later_than": LaterThan,
    "more_than": MoreThan,
    "actor": ByWhom,
    "state": Absence,
}


def monitor_of(model: Model, rule: Property, witness: TimerType | None = None) -> Monitor:
    """Make the watcher of a property.

    Raises:
        UnencodedError: there is none for it; says why.
    """
    match rule.kind:
        case "never":
            for key, make in _NEVER.items():
                if key in rule.body:
                    return make(model, rule)
        case "always":
            return Response(model, rule, witness=witness)
        case "requires":
            return Required(model, rule)
        case "cel":
            return Always(model, rule)
        case "field":
            pass
    raise UnencodedError(f"There is no model for a {rule.kind} property of this form.")


def witnesses(definition: Definition, rule: Property) -> Iterator[TimerType]:
    """Give the timers that may bound a bounded response: not longer, and paused at most where its clock is."""
    unit = read_duration(str(rule.body.get("within", "")))
    if rule.kind != "always" or unit is None:
        return
    clock = find_timer(definition, str(rule.body.get("clock", "")))
    state = definition.resolve(str(rule.body["state"])) if "state" in rule.body else None
    begun = [t for one in definition.states.values() for t in one.timers if _begins(t, state, str(rule.body.get("event", "")))]
    found = [timer for timer in begun if _bounds(definition, timer, unit, clock)]
    yield from sorted(found, key=lambda timer: (clock is None or timer.key != clock.key, -timer.after.amount))


def find_timer(definition: Definition, name: str) -> TimerType | None:
    """Find the timer that a property calls its clock."""
    holder, _, timer = name.rpartition(".")
    path = definition.resolve(holder) if holder else StatePath("")
    state = definition.states[path] if path is not None else None
    return next((t for t in state.timers if t.name == timer), None) if state else None


def _begins(timer: TimerType, state: StatePath | None, event: str) -> bool:
    """Tell whether a timer may start with what the property asks about."""
    return timer.since == event if timer.since is not None else state is None or timer.state == state


def _bounds(definition: Definition, timer: TimerType, unit: Unit, clock: TimerType | None) -> bool:
    if timer.after.kind != unit.kind or timer.after.amount > unit.amount:
        return False
    pausing = {leaf.path for leaf in definition.leaves() if timer.state in paused_in(definition, leaf.path)}
    counted = {leaf.path for leaf in definition.leaves() if clock is not None and clock.state in paused_in(definition, leaf.path)}
    return pausing <= counted
