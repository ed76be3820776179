"""Properties judged over a history: what was recorded, against what the policy demands.

Promises: pure, and incremental: a `Watch` sees one entry after the other and says at once which property it breaks. Legality is
judged given the recorded facts and roles. Kinds that need more than a history (`field`, `cel`,
`requires` with a condition) are not judged here.

What the words mean:
- An event *happens* with an entry that made a step. An engine's event that nothing in its state hears (no transition takes
  it, no timer starts by it) was noted and did not happen; nor did the report of a message that a newer one had replaced.
- A deadline is reached *at* its instant: an event is `later_than` a duration from that instant on. `within` is inclusive.
- `within` with a `clock` is measured while that timer's state does not pause it.
- `same_actor_as` looks back: at who had done the other event before, both people of a delegation included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from workflow.policy.clocks import due, timer_of, unit_of
from workflow.policy.once import NEVER, Required
from workflow.policy.said import STEPS, Facts, Said
from workflow.states import deadlines
from workflow.states.axis import UnitKind
from workflow.states.calendar import Calendar
from workflow.states.definition import Definition, Property
from workflow.states.instance import ActorId, Remaining
from workflow.states.moves import paused_in

__all__ = ["STEPS", "Monitor", "Said", "Violation", "Watch", "violations"]


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

    def recalendar(self, at: datetime) -> None:
        """Count again what is not yet over at an instant, by the calendar in force now."""
        ...


class Watch:
    """Watches every property of a definition that a history can break."""

    def __init__(
        self, definition: Definition, *, subject: str, calendar: Calendar | None = None, rules: Iterable[Property] | None = None
    ) -> None:
        """Begin a history; `rules` are the definition's own when None."""
        self._facts = Facts(definition, ActorId(subject), calendar)
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

    def use(self, calendar: Calendar | None, *, at: datetime) -> None:
        """Go on by the calendar that is in force from an instant on, as the engine does with its deadlines."""
        if calendar is not self._facts.calendar:
            self._facts.calendar = calendar
            for _, one in self._monitors:
                one.recalendar(at)

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


def _monitor(rule: Property, facts: Facts) -> Monitor | None:
    body = rule.body
    match rule.kind:
        case "never":
            return next(make(body, facts) for key, make in NEVER.items() if key in body)
        case "always":
            return _Response(body, facts)
        case "requires":
            return Required(body, facts)
        case _:
            return None


@dataclass
class _Owed:
    """What one entry into a state, or one event, still asks for; `due_at` is None without a limit or while its clock is paused."""

    sequence: int
    base_at: datetime
    remaining: Remaining | None
    due_at: datetime | None


class _Response:
    """`always`: what must follow, and by when."""

    def __init__(self, body: Mapping[str, object], facts: Facts) -> None:
        self._body, self._facts = body, facts
        wanted = body.get("leads_to", ())
        listed = [wanted] if isinstance(wanted, str) else [str(one) for one in wanted] if isinstance(wanted, Sequence) else []
        self._states = [name for name in listed if facts.definition.resolve(name) is not None]
        self._events = set(listed) - set(self._states)
        self._unit = unit_of(body["within"]) if "within" in body else None
        self._clock = timer_of(facts.definition, str(body["clock"])) if "clock" in body else None
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

    def recalendar(self, at: datetime) -> None:
        """Move what is still to come, as a new calendar moves the engine's own deadlines."""
        for owed in self._owed if self._unit is not None else ():
            if self._unit is not None and owed.remaining is not None and owed.due_at is not None and at <= owed.due_at:
                owed.due_at = due(owed.base_at, owed.remaining, self._unit.kind, self._facts.calendar)

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
                owed.due_at = due(said.occurred_at, owed.remaining, kind, calendar)

    def _told(self, owed: _Owed, what: str) -> str:
        wanted = ", ".join([*self._states, *sorted(self._events)])
        return f"Entry {owed.sequence} asks for one of {wanted} by {owed.due_at:%a %d %b %H:%M:%S}; {what}."
