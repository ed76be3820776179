"""Properties: the policy block and the host's own, judged after each act beside the oracles.

Promises: the first rule that objects ends the run with its name, its sentence and what happened; a rule of severity `warning`
is noted and ends nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from workflow.policy.history import Said, Violation, Watch
from workflow.policy.sentences import sentence_of
from workflow.states.definition import Definition, EventName, FieldName, Property, has_mark, listed, values_named
from workflow.states.guards import Guard, GuardFault, compile_guard, leaves_of
from workflow.states.known import Known
from workflow.states.verdict import Accepted
from workflow.states.view import View
from workflow.testing.acts import AnyAct, Tick
from workflow.testing.observed import Observed, facts_of
from workflow.testing.oracles import ORACLES, Oracle
from workflow.testing.run import Rig

__all__ = ["Judge", "Oracle", "PolicyViolationError", "marks_broken"]


class PolicyViolationError(AssertionError):
    """A rule does not hold; `rig` has the run that shows it."""

    def __init__(self, name: str, sentence: str, detail: str, *, rig: Rig) -> None:
        """Keep the rule's name and sentence, and what speaks against it."""
        super().__init__(f"{name}: {sentence} {detail}")
        self.name, self.sentence, self.detail, self.rig = name, sentence, detail, rig


@cache
def _kind_of(name: str) -> type[PolicyViolationError]:
    """Give each rule an exception class of its own, so that shrinking a run does not slip from one rule to another."""
    return type("PolicyViolationError", (PolicyViolationError,), {"rule": name})


@dataclass(slots=True)
class Judge:
    """Judges one run."""

    rig: Rig
    known: Known
    properties: Sequence[Oracle] = ()
    oracles: Sequence[Oracle] = ORACLES
    warnings: Counter[str] = field(default_factory=Counter)
    _watch: Watch = field(init=False)
    _states: tuple[tuple[Property, Guard], ...] = field(init=False)
    _events: tuple[tuple[Property, Mapping[str, Guard]], ...] = field(init=False)

    def __post_init__(self) -> None:
        """Make the policy block ready."""
        definition = self.rig.definition
        self._watch = Watch(definition, subject=self.rig.subject, calendar=self.rig.world.calendar)
        self._states = _compiled(definition, self.known)
        self._events = _demanded(definition, self.known)

    def do(self, act: AnyAct) -> Observed:
        """Do an act and judge what it did; an engine that falls over has broken a rule too.

        Raises:
            PolicyViolationError: a rule does not hold.
        """
        try:
            seen = self.rig.do(act)
        except Exception as error:  # whatever it is, the run that shows it must be told
            raise _kind_of(type(error).__name__)(
                "no unexpected error", "The engine answers, and does not fall over.", f"{type(error).__name__}: {error}", rig=self.rig
            ) from error
        self.look(seen)
        return seen

    def look(self, seen: Observed) -> None:
        """Ask every oracle and every property.

        Raises:
            PolicyViolationError: the first that objects.
        """
        for oracle in (*self.oracles, *self.properties):
            for detail in oracle.look(self.rig, seen):
                self._object(oracle.name, oracle.sentence, detail)
        for said in seen.entries:
            self._tell(self._watch.see(Said.read(said.canonical)))
        if seen.entries:
            self._tell(self._states_broken(seen))
            self._tell(self._events_broken(seen))
        if seen.after is not None and all(t.due_at is None or t.due_at > seen.now for t in seen.after.timers):
            self._tell(self._watch.overdue(seen.now))

    def end(self) -> None:
        """Settle the run at one last instant, and judge it as a whole."""
        self.do(Tick())
        for oracle in (*self.oracles, *self.properties):
            for detail in oracle.end(self.rig) if oracle.end is not None else ():
                self._object(oracle.name, oracle.sentence, detail)

    def _object(self, name: str, sentence: str, detail: str) -> None:
        raise _kind_of(name)(name, sentence, detail, rig=self.rig)

    def _tell(self, found: Iterable[Violation]) -> None:
        for violation in found:
            rule = violation.rule
            if rule.severity == "warning":
                self.warnings[rule.name] += 1
            else:
                self._object(rule.name, sentence_of(rule), violation.detail)

    def _states_broken(self, seen: Observed) -> Iterator[Violation]:
        if seen.after is None:
            return
        definition, instance = self.rig.definition, seen.after.instance
        view = View(definition=definition, instance=instance, event=definition.start.event, now=seen.now)
        for rule, guard in self._states:
            state = definition.resolve(str(rule.body["state"])) if "state" in rule.body else None
            if state is not None and not definition.is_within(instance.state, state):
                continue
            if self.rig.is_erased and _asks_for_personal(guard, definition):
                continue  # what an erasure has destroyed on purpose is missed by nobody
            if not _holds(guard, view):
                yield Violation(rule=rule, sequence=instance.head, detail=f"In {instance.state} it does not hold.")

    def _events_broken(self, seen: Observed) -> Iterator[Violation]:
        """Ask what was demanded of a person's event, of the situation that it found."""
        event, found = seen.event, seen.settled
        if event is None or found is None or not isinstance(seen.answer, Accepted):
            return
        said = seen.said[-1]
        view = View(
            definition=self.rig.definition,
            instance=found.instance,
            event=event.name,
            now=seen.now,
            payload=dict(event.payload),
            facts=facts_of(said),
            is_subject=event.actor.id == found.instance.subject,
            is_deputy=said.get("on_behalf_of") is not None,
        )
        for rule, guards in self._events:
            guard = guards.get(event.name)
            state = self.rig.definition.resolve(str(rule.body["state"])) if "state" in rule.body else None
            is_there = state is None or self.rig.definition.is_within(found.instance.state, state)
            if guard is not None and is_there and not _holds(guard, view):
                yield Violation(rule=rule, sequence=found.instance.head, detail=f"{event.name} was accepted, and it did not hold.")


def _asks_for_personal(guard: Guard, definition: Definition) -> bool:
    names = (leaf[4:] for leaf in guard.reads if leaf.startswith("has."))
    return any(definition.fields[FieldName(name)].is_personal for name in names)


def _holds(guard: Guard, view: View) -> bool:
    try:
        return guard.holds(view.look_up)
    except GuardFault:
        return False


def _demanded(definition: Definition, known: Known) -> tuple[tuple[Property, Mapping[str, Guard]], ...]:
    """Compile what is demanded of events, for each event by itself: each has facts and a payload of its own."""
    rules = [rule for rule in definition.policy if rule.kind == "cel" and "event" in rule.body]
    return tuple((rule, {name: _guard_of(definition, known, name, rule) for name in listed(rule.body["event"])}) for rule in rules)


def _guard_of(definition: Definition, known: Known, name: str, rule: Property) -> Guard:
    return compile_guard(str(rule.body["holds"]), leaves_of(definition, known, definition.events[EventName(name)]))


def _compiled(definition: Definition, known: Known) -> tuple[tuple[Property, Guard], ...]:
    leaves = leaves_of(definition, known, None)
    resting = (rule for rule in definition.policy if rule.kind == "cel" and "event" not in rule.body)
    return tuple((rule, compile_guard(str(rule.body["holds"]), leaves)) for rule in resting)


def marks_broken(definition: Definition) -> Iterator[Property]:
    """Give the `field` properties that the definition itself breaks; no run is needed for them."""
    for rule in definition.policy:
        if rule.kind != "field":
            continue
        mark = str(rule.body["is"])
        specs = (spec for name in listed(rule.body["name"]) for spec in values_named(definition, name, mark))
        if any(not has_mark(spec, mark) for spec in specs):
            yield rule
