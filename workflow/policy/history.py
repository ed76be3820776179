"""Properties judged over a history: what was recorded, against what the policy demands.

Promises: pure, and incremental: a `Watch` sees one entry after the other and says at once which property it breaks. Legality is
judged given the recorded facts and roles. Kinds that need more than a history (`field`, `cel`) are not judged here.

What the words mean:
- An event *happens* with an entry that made a step. An engine's event that nothing in its state hears (no transition takes
  it, no timer starts by it) was noted and did not happen; nor did the report of a message that a newer one had replaced.
- A deadline is reached *at* its instant: an event is `later_than` a duration from that instant on. `within` is inclusive.
- `within` with a `clock` is measured while that timer's state does not pause it.
- `same_actor_as` looks back: at who had done the other event before, both people of a delegation included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import orjson

from workflow.errors import DeadlineError
from workflow.states import deadlines
from workflow.states.axis import UnitKind
from workflow.states.calendar import Calendar
from workflow.states.check_events import every_action
from workflow.states.definition import Definition, EventName, Property, StatePath, TimerType, Unit
from workflow.states.durations import read_duration
from workflow.states.instance import ActorId, Remaining
from workflow.states.moves import paused_in
from workflow.states.verdict import Kind

STEPS = frozenset({Kind.STARTED, Kind.ACCEPTED, Kind.FIRED, Kind.REPORTED})
SUBJECT = "subject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One entry as properties see it. `effects` are (kind, name, serial), those that a later rung overtook included."""

    sequence: int
    kind: str
    event: EventName
    actor: ActorId
    people: frozenset[ActorId]
    roles: frozenset[str]
    source: StatePath | None
    target: StatePath | None
    occurred_at: datetime
    effects: tuple[tuple[str, str, int], ...] = ()
    serial: int | None = None

    @staticmethod
    def read(canonical: bytes) -> Said:
        """Read the canonical bytes of an entry."""
        body = orjson.loads(canonical)
        people = {body["actor"], body.get("on_behalf_of") or body["actor"]}
        done = (*body.get("effects", ()), *body.get("suppressed", ()))
        return Said(
            sequence=body["sequence"],
            kind=body["kind"],
            event=body["event"],
            actor=body["actor"],
            people=frozenset(people),
            roles=frozenset(role.partition(":")[0] for role in body.get("roles", ())),
            source=body.get("from"),
            target=body.get("to"),
            occurred_at=datetime.fromisoformat(body["occurred_at"]),
            effects=tuple((e["kind"], e["name"], e.get("serial", 0)) for e in done),
            serial=body.get("payload", {}).get("serial"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A property that a history breaks, at which entry, and how."""

    rule: Property
    sequence: int
    detail: str


class Monitor(Protocol):
    """Watches one property."""

    def see(self, said: Said) -> Iterator[str]:
        """Look at the next entry; say how it breaks the property."""
        ...

    def overdue(self, until: datetime) -> Iterator[tuple[int, str]]:
        """Say what should have followed by `until`, and after which entry."""
        ...


class Watch:
    """Watches every property of a definition that a history can break."""

    def __init__(
        self, definition: Definition, *, subject: str, calendar: Calendar | None = None, rules: Iterable[Property] | None = None
    ) -> None:
        """Begin a history; `rules` are the definition's own when None."""
        self._facts = _Facts(definition, ActorId(subject), calendar)
        wanted = definition.policy if rules is None else rules
        self._monitors = [(rule, made) for rule in wanted if (made := _monitor(rule, self._facts)) is not None]

    @property
    def rules(self) -> tuple[Property, ...]:
        """The properties that are judged here."""
        return tuple(rule for rule, _ in self._monitors)

    def see(self, said: Said) -> tuple[Violation, ...]:
        """Look at the next entry of the history."""
        if said.kind not in STEPS or not self._facts.happened(said):
            return ()
        found = tuple(Violation(rule=rule, sequence=said.sequence, detail=why) for rule, one in self._monitors for why in one.see(said))
        self._facts.note(said)
        return found

    def overdue(self, until: datetime) -> tuple[Violation, ...]:
        """Say what should have followed by `until`; the history must be settled until then."""
        return tuple(
            Violation(rule=rule, sequence=sequence, detail=why) for rule, one in self._monitors for sequence, why in one.overdue(until)
        )


def violations(
    definition: Definition, entries: Sequence[Said], *, subject: str, calendar: Calendar | None = None, until: datetime | None = None
) -> tuple[Violation, ...]:
    """Judge a whole history; `until` is the instant up to which it is settled, the newest entry's when None."""
    watch = Watch(definition, subject=subject, calendar=calendar)
    found = [violation for said in entries for violation in watch.see(said)]
    last = until or (entries[-1].occurred_at if entries else None)
    return (*found, *(watch.overdue(last) if last is not None else ()))


class _Facts:
    """What several properties ask of a definition and its history so far."""

    def __init__(self, definition: Definition, subject: ActorId, calendar: Calendar | None) -> None:
        self.definition, self.subject, self.calendar = definition, subject, calendar
        self._reports: dict[EventName, set[tuple[str, str]]] = {}
        for action in every_action(definition):
            if action.done is not None:
                self._reports.setdefault(action.done, set()).add((action.kind, action.name))
        self._newest: dict[tuple[str, str], int] = {}

    def happened(self, said: Said) -> bool:
        """Tell whether an entry is more than a note: something heard it, and nothing newer had replaced what it reports."""
        if said.kind in (Kind.STARTED, Kind.ACCEPTED):
            return True
        if said.kind == Kind.REPORTED and said.serial is not None:
            named = self._reports.get(said.event, set())
            if said.serial < max((self._newest.get(one, 0) for one in named), default=0):
                return False
        return said.source is None or self._is_heard(said.source, said.event)

    def note(self, said: Said) -> None:
        """Remember the newest serial of each action."""
        for kind, name, serial in said.effects:
            self._newest[kind, name] = max(serial, self._newest.get((kind, name), 0))

    def _is_heard(self, leaf: StatePath, event: EventName) -> bool:
        states = (self.definition.states[path] for path in self.definition.lineage(leaf))
        return any(t.event == event for s in states for t in s.transitions) or any(
            t.since == event for path in self.definition.lineage(leaf) for t in self.definition.states[path].timers
        )

    def within(self, path: StatePath | None, name: str) -> bool:
        """Tell whether a leaf lies in the state that a property names."""
        state = self.definition.resolve(name)
        return path is not None and state is not None and self.definition.is_within(path, state)

    def entered(self, said: Said, name: str) -> bool:
        """Tell whether an entry led into a state from outside."""
        return self.within(said.target, name) and not self.within(said.source, name)


def _monitor(rule: Property, facts: _Facts) -> Monitor | None:
    body = rule.body
    match rule.kind:
        case "never":
            return next(make(body, facts) for key, make in _NEVER.items() if key in body)
        case "always":
            return _Response(body, facts)
        case "requires":
            return _Required(body)
        case _:
            return None


class _AtOnce:
    """A property that only an entry can break."""

    def overdue(self, until: datetime) -> Iterator[tuple[int, str]]:
        """Nothing is ever overdue."""
        del until
        yield from ()


@dataclass
class _Precedence(_AtOnce):
    body: Mapping[str, object]
    facts: _Facts
    is_done: bool = False

    def see(self, said: Said) -> Iterator[str]:
        first, state = str(self.body["before"]), str(self.body["state"])
        is_state = self.facts.definition.resolve(first) is not None
        if not is_state and said.event == first:
            self.is_done = True
        if not self.is_done and self.facts.entered(said, state):
            yield f"{state} was entered by {said.event} and {first} had not been before."
        if is_state and self.facts.within(said.target, first):
            self.is_done = True


@dataclass
class _Actor(_AtOnce):
    body: Mapping[str, object]
    facts: _Facts

    def see(self, said: Said) -> Iterator[str]:
        role = str(self.body["actor"])
        is_subject = role in (SUBJECT, self.facts.definition.subject)
        if said.event == self.body["event"] and (self.facts.subject in said.people if is_subject else role in said.roles):
            yield f"{said.event} was done by {said.actor}, acting as {role}."


@dataclass
class _SameActor(_AtOnce):
    body: Mapping[str, object]
    facts: _Facts
    people: set[ActorId] = field(default_factory=set)

    def see(self, said: Said) -> Iterator[str]:
        if said.event == self.body["event"] and (both := sorted(self.people & said.people)):
            yield f"{', '.join(both)} did {self.body['same_actor_as']} and then {said.event}."
        if said.event == self.body["same_actor_as"]:
            self.people |= said.people


@dataclass
class _LaterThan(_AtOnce):
    body: Mapping[str, object]
    facts: _Facts
    since: datetime | None = None

    def see(self, said: Said) -> Iterator[str]:
        if said.event == self.body["event"] and self.since is not None:
            unit = _unit(self.body["later_than"])
            due_at = deadlines.due(self.since, deadlines.budget(unit), unit.kind, self.facts.calendar)
            if said.occurred_at >= due_at:
                yield f"{said.event} was accepted at {said.occurred_at:%a %d %b %H:%M:%S}; its time was over at {due_at:%a %d %b %H:%M:%S}."
        if said.event == self.body["since"]:
            self.since = said.occurred_at


@dataclass
class _MoreThan(_AtOnce):
    body: Mapping[str, object]
    facts: _Facts
    count: int = 0

    def see(self, said: Said) -> Iterator[str]:
        if said.event == self.body["event"]:
            self.count += 1
            if self.count > int(str(self.body["more_than"])):
                yield f"{said.event} was accepted {self.count} times."


@dataclass
class _Absence(_AtOnce):
    body: Mapping[str, object]
    facts: _Facts

    def see(self, said: Said) -> Iterator[str]:
        state = str(self.body["state"])
        if self.facts.entered(said, state):
            yield f"{state} was entered by {said.event}."


_NEVER: Mapping[str, Callable[[Mapping[str, object], _Facts], Monitor]] = {
    "before": _Precedence,
    "same_actor_as": _SameActor,
    "later_than": _LaterThan,
    "more_than": _MoreThan,
    "actor": _Actor,
    "state": _Absence,
}
"""The key that tells which kind of `never` it is; `state` last, because it stands beside others."""


@dataclass
class _Required(_AtOnce):
    body: Mapping[str, object]

    def see(self, said: Said) -> Iterator[str]:
        wanted = str(self.body["effect"])
        names = {text for kind, name, _ in said.effects for text in (kind, name, f"{kind}.{name}", f"{kind}:{name}")}
        if said.event == self.body["event"] and wanted not in names:
            yield f"{said.event} happened without {wanted}."


@dataclass
class _Owed:
    """What one entry into a state, or one event, still asks for; `due_at` is None without a limit or while its clock is paused."""

    sequence: int
    base_at: datetime
    remaining: Remaining | None
    due_at: datetime | None


class _Response:
    """`always`: what must follow, and by when."""

    def __init__(self, body: Mapping[str, object], facts: _Facts) -> None:
        self._body, self._facts = body, facts
        wanted = body.get("leads_to", ())
        listed = [wanted] if isinstance(wanted, str) else [str(one) for one in wanted] if isinstance(wanted, Sequence) else []
        self._states = [name for name in listed if facts.definition.resolve(name) is not None]
        self._events = set(listed) - set(self._states)
        self._unit = _unit(body["within"]) if "within" in body else None
        self._clock = _timer(facts.definition, str(body["clock"])) if "clock" in body else None
        self._owed: list[_Owed] = []

    def see(self, said: Said) -> Iterator[str]:
        """Settle what this entry answers, then note what it asks for."""
        if self._is_answered(said):
            late = [owed for owed in self._owed if owed.due_at is not None and said.occurred_at > owed.due_at]
            yield from (self._told(owed, f"{said.event} came at {said.occurred_at:%a %d %b %H:%M:%S}") for owed in late)
            self._owed.clear()
        if self._is_asking(said) and not any(self._facts.within(said.target, state) for state in self._states):
            budget = deadlines.budget(self._unit) if self._unit else None
            self._owed.append(_Owed(sequence=said.sequence, base_at=said.occurred_at, remaining=budget, due_at=None))
        self._run_or_pause(said)
        ends = said.target is not None and self._facts.definition.states[said.target].outcome is not None
        if ends and self._unit is None and self._owed:
            yield f"The onboarding ended in {said.target}, and nothing that entry {self._owed[0].sequence} asks for had followed."
            self._owed.clear()

    def overdue(self, until: datetime) -> Iterator[tuple[int, str]]:
        """Name every obligation whose time was over before `until`."""
        late = [owed for owed in self._owed if owed.due_at is not None and until > owed.due_at]
        self._owed = [owed for owed in self._owed if owed not in late]
        yield from ((owed.sequence, self._told(owed, "nothing came")) for owed in late)

    def _is_answered(self, said: Said) -> bool:
        return said.event in self._events or any(self._facts.within(said.target, state) for state in self._states)

    def _is_asking(self, said: Said) -> bool:
        if "state" in self._body:
            return self._facts.entered(said, str(self._body["state"]))
        return said.event == self._body.get("event")

    def _run_or_pause(self, said: Said) -> None:
        """Let the clock of each obligation run or stand still, as the state after this entry says."""
        is_paused = (
            self._clock is not None and said.target is not None and self._clock.state in paused_in(self._facts.definition, said.target)
        )
        unit, calendar = self._unit, self._facts.calendar
        for owed in self._owed if unit is not None else ():
            kind: UnitKind = unit.kind if unit is not None else "elapsed"
            if owed.remaining is None or (owed.due_at is not None and said.occurred_at > owed.due_at):
                continue
            if is_paused and owed.due_at is not None:
                owed.remaining = deadlines.left(owed.base_at, owed.remaining, said.occurred_at, kind, calendar)
                owed.due_at = None
            elif not is_paused and owed.due_at is None:
                owed.base_at = said.occurred_at
                owed.due_at = _due(said.occurred_at, owed.remaining, kind, calendar)

    def _told(self, owed: _Owed, what: str) -> str:
        wanted = ", ".join([*self._states, *sorted(self._events)])
        return f"Entry {owed.sequence} asks for one of {wanted} by {owed.due_at:%a %d %b %H:%M:%S}; {what}."


def _due(start: datetime, remaining: Remaining, kind: UnitKind, calendar: Calendar | None) -> datetime | None:
    """Give the instant at which a budget runs out, None when the calendar does not know it."""
    try:
        return deadlines.due(start, remaining, kind, calendar)
    except DeadlineError:
        return None


def _unit(text: object) -> Unit:
    unit = read_duration(str(text))
    if unit is None:
        raise ValueError(f"{text!r} is no duration; the loader should have said so.")
    return unit


def _timer(definition: Definition, name: str) -> TimerType | None:
    holder, _, timer = name.rpartition(".")
    path = definition.resolve(holder) if holder else StatePath("")
    state = definition.states[path] if path is not None else None
    return next((t for t in state.timers if t.name == timer), None) if state else None
