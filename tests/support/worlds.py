"""Small definitions and the pure core around them, for tests of `workflow.states`: no store, no fakes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from workflow.load import load
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Digest, EventName
from workflow.states.effects import Effect
from workflow.states.instance import Actor, ActorId, Delegation, Event, InstanceId, Situation
from workflow.states.known import ActionSpec, CheckSpec, Known
from workflow.states.machine import Table
from workflow.states.making import World
from workflow.states.may import may
from workflow.states.step import begin, decide, permit, report, settle, tell
from workflow.states.verdict import Permitted, Refused, Step, Verdict

KNOWN = Known(
    checks={"code": CheckSpec(use="code", facts={"ok": "bool", "tries": "int", "method": "string"}, reads={"code": "code"})},
    actions={kind: ActionSpec(kind=kind) for kind in ("mail", "sms", "push", "alert", "provision")},
)
MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OFFICE_DAYS = """\
zone: UTC
working_days: [monday, tuesday, wednesday, thursday, friday]
hours: {from: 09:00, to: 17:00}
holidays: {country: BE, language: en_US}
from: 2026-01-01
horizon: 2027-12-31
"""
"""A calendar document, but for its first line: its name."""


def calendar(**days_off: str) -> Calendar:
    """Give a Monday-to-Friday office in Brussels; days off as ``d2026_03_04="Name"``."""
    return Calendar(
        name="office",
        zone="Europe/Brussels",
        tzdata="2026a",
        weekdays=frozenset({1, 2, 3, 4, 5}),
        opens=time(9),
        closes=time(17),
        days_off={date(*map(int, key[1:].split("_"))): name for key, name in days_off.items()},
        horizon=date(2029, 12, 31),
        digest=Digest("c" * 64),
        data={},
    )


def world(text: str, *, calendar: Calendar | None = None, catalogue: Catalogue | None = None) -> World:
    """Compile a definition written in a test."""
    return World(table=Table(load(text, known=KNOWN), KNOWN), calendar=calendar, catalogue=catalogue)


@dataclass
class Run:
    """One onboarding in memory: what the engine does, without a store."""

    world: World
    now: datetime = MONDAY
    situation: Situation | None = None
    steps: list[Step] = field(default_factory=list)
    delegations: tuple[Delegation, ...] = ()
    holders: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def instance(self):
        return self.situation.instance

    def who(self, role, scope):
        return tuple(ActorId(name) for name in self.holders.get(f"{role}:{scope}" if scope else role, ()))

    def begin(self, actor: Actor, *, subject: str = "ana", facts=None, **payload) -> Step | Refused:
        event = Event.of(self.world.definition.start.event, actor, **payload)
        judged = permit(self.world, None, event, subject=ActorId(subject), delegations=(), holders=self.who, now=self.now)
        if isinstance(judged, Refused):
            return judged
        return self._keep(begin(self.world, judged, facts or {}, instance_id=InstanceId("one"), subject=ActorId(subject), now=self.now))

    def fire(self, name: str, actor: Actor, *, facts=None, **payload) -> Step | Refused:
        self.sweep()
        event = Event.of(name, actor, **payload)
        subject = self.instance.subject
        judged = permit(self.world, self.situation, event, subject=subject, delegations=self.delegations, holders=self.who, now=self.now)
        if not isinstance(judged, Permitted):
            return judged
        made = decide(self.world, self.situation, judged, facts or {}, delegations=self.delegations, now=self.now)
        answer = self._keep(made)
        self.sweep()
        return answer

    def report(self, effect: Effect, name: str, *, at: datetime | None = None) -> Step:
        self.sweep()
        step = report(self.world, self.situation, effect, EventName(name), performed_at=at or self.now, now=self.now)
        self._keep(step)
        self.sweep()
        return step

    def tell(self, name: str) -> Step:
        return self._keep(tell(self.world, self.situation, Event.of(name, Actor.of("engine")), now=self.now))

    def sweep(self) -> tuple[Step, ...]:
        fired = settle(self.world, self.situation, now=self.now)
        for step in fired:
            self._keep(step)
        return fired

    def wait(self, **duration) -> Run:
        self.now += timedelta(**duration)
        return self

    def may(self, name: str, actor: Actor) -> Verdict:
        return may(self.world, self.situation, EventName(name), actor, delegations=self.delegations, holders=self.who, now=self.now)

    def due(self, key: str) -> datetime | None:
        return next(t for t in self.situation.timers if t.key == key).due_at

    @property
    def armed(self) -> set[str]:
        return {str(t.key) for t in self.situation.timers}

    def _keep(self, made: Step | Refused) -> Step | Refused:
        if isinstance(made, Step):
            self.steps.append(made)
            self.situation = replace(made.after, instance=replace(made.after.instance, head=len(self.steps)))
        return made
