"""Counterexamples, done to the real engine.

Promises: the engine decides, with its own clock port, checks port and store; what it records is judged by whoever asked, not by the
model. A step that the engine refuses ends the replay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from workflow.engine import Dispatch, Engine
from workflow.engine.calls import drive
from workflow.engine.erasing import close
from workflow.errors import ActionError, WorkflowError
from workflow.ports import Briefing, CheckInput, CheckResult, Message, Performed
from workflow.prove.payloads import payload_of
from workflow.prove.verdicts import Happening, Leaf
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Definition, EventName, RoleName
from workflow.states.instance import Actor, ActorId, Delegation, Event, Instance, InstanceId, Situation
from workflow.states.known import Known
from workflow.states.verdict import Accepted

ADMIN = Actor.of("admin", "administrator")
SUBJECT = "subject"
_ZERO: Mapping[str, Leaf] = {"bool": False, "int": 0, "string": ""}


class MovableClock(Protocol):
    """A clock that is told what time it is."""

    def now(self) -> datetime:
        """Give the present instant."""
        ...

    def set(self, instant: datetime) -> datetime:
        """Make it another one."""
        ...


@dataclass(slots=True)
class ScriptedChecks:
    """`ports.Checks` whose findings are those of the counterexample; what it does not say is false, zero or empty."""

    known: Known
    script: Mapping[str, Mapping[str, Leaf]] = field(default_factory=dict)

    def run(self, seen: CheckInput, /) -> CheckResult:
        """Find what the counterexample says."""
        said = self.script.get(seen.use.name, {})
        return CheckResult(facts={leaf: said.get(leaf, _ZERO[type_]) for leaf, type_ in self.known.checks[seen.use.use].facts.items()})


@dataclass(frozen=True, slots=True)
class Everybody:
    """`ports.Directory`: each of the people of a counterexample holds every role."""

    def holders(self, role: RoleName, scope: str | None) -> Sequence[ActorId]:
        """Name them."""
        del role, scope
        return ActorId(SUBJECT), ActorId("somebody"), *(ActorId(f"for-{index}") for index in range(50))

    def address(self, actor: ActorId) -> Mapping[str, str]:
        """Give an address for everybody."""
        return {"email": f"{actor}@office.example", "name": actor}


class StrayedError(WorkflowError):
    """The engine does not follow the counterexample."""


MakeDispatch = Callable[[Engine, Callable[[Briefing], Performed]], Dispatch]


@dataclass
class Replay:
    """One counterexample on one engine with an empty store."""

    engine: Engine
    clock: MovableClock
    checks: ScriptedChecks
    definition: Definition
    make_dispatch: MakeDispatch
    catalogue: Catalogue | None = None
    instance_id: InstanceId | None = None
    situations: list[Situation] = field(default_factory=list)
    _began: datetime | None = None
    _said: dict[str, Message] = field(default_factory=dict)
    _dead: list[str] = field(default_factory=list)

    def run(self, timeline: Sequence[Happening]) -> None:
        """Do every step.

        Raises:
            StrayedError: the engine does something else.
        """
        self._began = self.clock.now()
        for happening in timeline:
            self._wait_until(self._began + timedelta(seconds=happening.seconds))
            match happening.kind:
                case "start" | "event":
                    self._fire(happening)
                case "fired":
                    self._let_fire(happening)
                case "reported":
                    self._report(happening)
                case "idle":
                    self.engine.tick()
                case "told" if happening.event == self.definition.erasure and self.instance_id is not None:
                    drive(close(self.engine.parts, self.engine.store, self.instance_id))
                case _:
                    raise StrayedError(f"A replay cannot make the engine do {happening.event!r} ({happening.kind}).")
            self.situations.append(self._stored())

    def settle(self, until: datetime) -> None:
        """Let time pass at the end, so that what is overdue shows."""
        self._wait_until(until)
        self.engine.tick()

    @property
    def instance(self) -> Instance | None:
        """The onboarding as it is now."""
        return None if self.instance_id is None else self.engine.get(self.instance_id)

    def _wait_until(self, at: datetime) -> None:
        if at > self.clock.now():
            self.clock.set(at)

    def _fire(self, happening: Happening) -> None:
        instance = self.instance
        type_ = self.definition.events[EventName(happening.event)]
        fields = dict(instance.fields) if instance else {}
        payload = payload_of(
            type_,
            happening.wishes,
            left_out=happening.left_out,
            instance_fields={str(name): value for name, value in fields.items()},
            catalogue=self.catalogue,
        )
        if payload is None:
            raise StrayedError(f"No payload of {happening.event!r} was found that has what the counterexample needs.")
        self.checks.script = happening.facts
        event = Event.of(happening.event, self._actor(happening, payload, instance), payload)
        with self._delegated(happening):
            if instance is None:
                answer: object = self.engine.start(self.definition.name, event, subject=SUBJECT)
            else:
                answer = self.engine.fire(instance.id, event)
        if not isinstance(answer, Accepted):
            raise StrayedError(f"The engine did not accept {happening.event!r}.")
        self.instance_id = answer.instance.id

    def _actor(self, happening: Happening, payload: Mapping[str, object], instance: Instance | None) -> Actor:
        """Give the actor the roles of the event, each for the value of this onboarding; a deputy holds none of their own."""
        if happening.for_whom:
            return Actor.of(happening.who)
        wanted = happening.roles or self.definition.events[EventName(happening.event)].by
        granted = []
        for name in wanted:
            role = self.definition.roles[RoleName(name)]
            if role.is_anyone or role.is_subject:
                continue
            values = instance.fields if instance else payload
            scope = values.get(role.scope) if role.scope is not None else None
            granted.append(f"{name}:{scope}" if scope is not None else str(name))
        return Actor.of(happening.who, *granted)

    @contextmanager
    def _delegated(self, happening: Happening) -> Iterator[None]:
        """Let somebody act for another in this step only; several may at the same instant."""
        if not happening.for_whom:
            yield
            return
        now = self.clock.now()
        made = Delegation(
            id=f"step-{len(self.situations)}",
            principal=ActorId(happening.for_whom),
            deputy=ActorId(happening.who),
            role=None,
            scope=None,
            starts_at=now,
            ends_at=now + timedelta(days=1),
        )
        self.engine.delegate(made, actor=ADMIN)
        yield
        self.engine.end_delegation(made.id, actor=ADMIN)

    def _let_fire(self, happening: Happening) -> None:
        """Wait until the timer's own deadline, as the engine has computed it."""
        timers = self._stored().timers
        due_at = next((t.due_at for t in timers if t.key == happening.timer), None)
        if due_at is not None:
            self._wait_until(due_at)
        self.engine.tick()

    def _stored(self) -> Situation:
        if self.instance_id is None:
            raise StrayedError("Nothing has begun.")
        return self.engine.situation(self.instance_id)

    def _report(self, happening: Happening) -> None:
        """Perform the newest message of the effect that the counterexample reports."""
        dispatch = self.make_dispatch(self.engine, lambda _: self._performed(happening))
        with self.engine.reads() as reads:
            for dead in self._dead:
                reads.retry(dead, now=self.clock.now())
        for message in dispatch.claim(limit=100):
            self._said[message.id] = message
        wanted = [
            m for m in self._said.values() if (m.effect.link or m.effect.done) == happening.report or m.effect.failed == happening.event
        ]
        if not wanted:
            raise StrayedError(f"There is no message whose outcome {happening.event!r} could report.")
        newest = max(wanted, key=lambda m: (m.effect.serial, m.sequence))
        del self._said[newest.id]
        if dispatch.perform(newest) == "dead":
            self._dead.append(newest.id)

    def _performed(self, happening: Happening) -> Performed:
        if any(happening.event == state.failed for state in self._effects()):
            raise ActionError("The counterexample says so.", effect=happening.event, will_retry=False)
        return Performed(performed_at=self.clock.now())

    def _effects(self) -> list[_Outcome]:
        transitions = [t for state in self.definition.states.values() for t in state.transitions]
        uses = [use for t in transitions for use in t.actions]
        uses += [use for state in self.definition.states.values() for use in (*state.entry, *state.exit)]
        return [_Outcome(done=use.done, failed=use.failed) for use in uses]


@dataclass(frozen=True, slots=True)
class _Outcome:
    done: str | None
    failed: str | None
