"""Properties that have an expression (`cel`, and `requires` under a condition), judged over a replayed history.

Promises: pure; judges given the recorded facts. What an erasure has destroyed on purpose is missed by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from workflow.audit.replay import Stage, permitted_by_record
from workflow.policy.history import Violation
from workflow.policy.once import Required
from workflow.policy.said import STEPS, Facts, Said
from workflow.states.definition import Definition, EventName, FieldName, Property, listed
from workflow.states.guards import Guard, GuardFault, compile_guard, leaves_of
from workflow.states.instance import ActorId
from workflow.states.known import Known
from workflow.states.machine import Table
from workflow.states.verdict import Kind
from workflow.states.view import View


@dataclass(frozen=True, slots=True)
class Expressions:
    """The expressions of a definition's policy, compiled once.

    `resting` of states, `accepted` of events, by event, and `demanded`: under which condition an event must bring something with it.
    """

    table: Table
    resting: tuple[tuple[Property, Guard], ...]
    accepted: tuple[tuple[Property, Mapping[str, Guard]], ...]
    demanded: tuple[tuple[Property, Mapping[str, Guard]], ...] = ()

    @staticmethod
    def of(table: Table, known: Known) -> Expressions:
        """Compile them."""
        definition = table.definition
        rules = [rule for rule in definition.policy if rule.kind == "cel"]
        leaves = leaves_of(definition, known, None)
        resting = tuple((rule, compile_guard(str(rule.body["holds"]), leaves)) for rule in rules if "event" not in rule.body)
        accepted = tuple((rule, _by_event(definition, known, rule, "holds")) for rule in rules if "event" in rule.body)
        conditional = [rule for rule in definition.policy if rule.kind == "requires" and "when" in rule.body]
        demanded = tuple((rule, _by_event(definition, known, rule, "when")) for rule in conditional)
        return Expressions(table, resting, accepted, demanded)

    @property
    def rules(self) -> tuple[Property, ...]:
        """The properties that are judged here."""
        return tuple(rule for rule, _ in (*self.resting, *self.accepted))


@dataclass(slots=True)
class Expressed:
    """Judges one history, stage by stage; `found` has the first violation of each property, by its name."""

    expressions: Expressions
    subject: ActorId
    found: dict[str, Violation] = field(default_factory=dict)
    _is_erased: bool = False
    _last: Stage | None = None

    def see(self, stage: Stage) -> None:
        """Look at the next legal entry. Steps that were written at one instant are one change: only where it ends, it rests."""
        if self._last is not None and self._last.row.recorded_at != stage.row.recorded_at:
            self._rested(self._last)
        self._last = stage
        self._is_erased = self._is_erased or stage.row.kind == Kind.ERASED
        if stage.row.kind == Kind.ACCEPTED and stage.before is not None:
            self._accepted(stage)
        if stage.row.kind in STEPS and stage.before is not None:
            self._demanded(stage)

    def end(self) -> None:
        """The history ends here, and rests."""
        if self._last is not None:
            self._rested(self._last)

    def _rested(self, stage: Stage) -> None:
        if stage.after is None:
            return
        definition, instance = self.expressions.table.definition, stage.after.instance
        view = View(definition=definition, instance=instance, event=EventName(stage.row.event), now=stage.row.recorded_at)
        for rule, guard in self.expressions.resting:
            is_asked = not (self._is_erased and _asks_for_personal(guard, definition)) and _is_in(definition, rule, instance.state)
            if is_asked and not _holds(guard, view):
                self._keep(rule, stage, f"In {instance.state} it does not hold.")

    def _accepted(self, stage: Stage) -> None:
        """Ask what is demanded of an event, of the situation that it found."""
        if stage.before is None:
            return
        definition, found = self.expressions.table.definition, stage.before.instance
        view: View | None = None
        for rule, guards in self.expressions.accepted:
            guard = guards.get(stage.row.event)
            if guard is None or not _is_in(definition, rule, found.state):
                continue
            view = view or self._view_of(stage)
            if not _holds(guard, view):
                self._keep(rule, stage, f"{stage.row.event} was accepted, and it did not hold.")

    def _demanded(self, stage: Stage) -> None:
        """Where the condition held in the situation that an event found, ask what the event had to bring with it."""
        definition = self.expressions.table.definition
        view: View | None = None
        for rule, guards in self.expressions.demanded:
            guard = guards.get(stage.row.event)
            if guard is None:
                continue
            view = view or self._view_of(stage)
            if _holds(guard, view):
                body = {key: value for key, value in rule.body.items() if key != "when"}
                for detail in Required(body, Facts(definition, self.subject, None)).see(Said.read(stage.row.canonical)):
                    self._keep(rule, stage, detail)

    def _view_of(self, stage: Stage) -> View:
        if stage.before is None:
            raise ValueError("An event is accepted where something was before it.")
        return View(
            definition=self.expressions.table.definition,
            instance=stage.before.instance,
            event=EventName(stage.row.event),
            now=stage.row.recorded_at,
            payload=permitted_by_record(self.expressions.table, stage.said).payload,
            facts=stage.said["facts"],
            is_subject=stage.row.actor == self.subject,
            is_deputy=stage.row.on_behalf_of is not None,
        )

    def _keep(self, rule: Property, stage: Stage, detail: str) -> None:
        self.found.setdefault(rule.name, Violation(rule=rule, sequence=stage.row.sequence, detail=detail))


def _by_event(definition: Definition, known: Known, rule: Property, key: str) -> dict[str, Guard]:
    """Compile an expression of a property for each of its events by itself: each has facts and a payload of its own."""
    names = [EventName(name) for name in listed(rule.body["event"])]
    return {name: compile_guard(str(rule.body[key]), leaves_of(definition, known, definition.events[name])) for name in names}


def _is_in(definition: Definition, rule: Property, leaf: str) -> bool:
    if "state" not in rule.body:
        return True
    state = definition.resolve(str(rule.body["state"]))
    return state is not None and definition.is_within(leaf, state)  # type: ignore[arg-type]  # a leaf of this definition


def _asks_for_personal(guard: Guard, definition: Definition) -> bool:
    names = (leaf[4:] for leaf in guard.reads if leaf.startswith("has."))
    return any(definition.fields[FieldName(name)].is_personal for name in names)


def _holds(guard: Guard, view: View) -> bool:
    try:
        return guard.holds(view.look_up)
    except GuardFault:
        return False


def listed_violations(*found: Mapping[str, Violation] | tuple[Violation, ...]) -> Iterator[Violation]:
    """Give violations of several judges in the order of entries, then of names."""
    every = [one for some in found for one in (some.values() if isinstance(some, Mapping) else some)]
    yield from sorted(every, key=lambda one: (one.sequence, one.rule.name))
