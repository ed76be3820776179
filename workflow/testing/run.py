"""One run: acts done to the real engine, and what was observed after each.

Promises: an act is done the same way whoever thought of it (Hypothesis, a regression test, a host); after each act every
oracle and every property looks at what happened, and the first that objects ends the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from workflow.audit.entry import EntryRow
from workflow.engine import Dispatch, Engine
from workflow.errors import ActionError, DeadlineError, NotFoundError
from workflow.ports import Briefing, InstanceQuery, Message, MessageQuery, Performed, WorkQuery
from workflow.states.definition import Definition, EventName
from workflow.states.instance import Actor, ActorId, Delegation, Event, InstanceId, Situation
from workflow.states.payload import normal_for_uniqueness
from workflow.states.step import settle
from workflow.states.verdict import Kind, Refused
from workflow.testing.acts import SUBJECT, AnyAct, Ask, Delegate, EndDelegation, Erase, Fire, Perform, Repeat, Start, Tick, Wait
from workflow.testing.administering import administered
from workflow.testing.clock import START, VirtualClock
from workflow.testing.coverage import Coverage
from workflow.testing.observed import Observed, again, answered, apply_timers, factors_of, facts_of
from workflow.testing.rig import ADMIN, CrashError, House, People, actor_of
from workflow.testing.shadow import Note, Shadow, noted

ENROLS = {"password_profile": "password", "totp_confirm": "totp", "phone_confirm": "phone", "app_confirm": "app_device"}
"""Kind of check -> what the subject has once its event was accepted."""
MAX_HELD = 12


class Rig:
    """One onboarding on one engine, to which acts are done."""

    def __init__(self, house: House, *, start_at: datetime = START, coverage: Coverage | None = None) -> None:
        """Open an engine on a fresh database, at an instant."""
        self.house, self.world = house, house.world
        self.start_at = start_at
        self.clock = VirtualClock(start_at)
        self.opened = house.open(self.clock)
        self.engine: Engine = self.opened.engine
        self.tag = self.opened.tag
        self.instance_id: InstanceId | None = None
        self.delegations: list[Delegation] = []
        self.held: list[Message] = []
        self.started: Start | None = None
        self.keyed: tuple[Event, Observed | None] | None = None
        self.timers_before: dict[str, datetime | None] = {}
        """Which timers ran before the last act, and when they were due (None: paused), by the history alone."""
        self.timers_after: dict[str, datetime | None] = {}
        self.history: list[Mapping[str, object]] = []
        self.rows: list[EntryRow] = []
        self.acts: list[AnyAct] = []
        self.coverage = coverage or Coverage(world=self.world)
        self.shadow = Shadow(world=self.world, holders=People().holders, coverage=self.coverage)
        self.notes: list[Note] = []
        self.issued_at: dict[str, datetime] = {}
        self.enrolled: set[str] = set()
        self.is_erased = False
        self.cut_count = 0
        """So many processes of this run have ended between two statements."""
        self.contents: Mapping[str, object] | None = None
        """Every row before an act whose process is cut off, by table."""
        self.performed: dict[str, list[str]] = {}
        self.marks: dict[str, Any] = {}
        """What oracles remember from one act to the next."""
        self._performance: tuple[str, datetime] = ("done", start_at)
        self._performing: Message | None = None
        self._present: Situation | None = None
        self._performed_at = start_at
        self._dispatch = self._new_dispatch()

    def _new_dispatch(self) -> Dispatch:
        return Dispatch(self.engine, performer=self._perform_one, next_attempt=again, link_url=lambda *parts: "/".join(parts))

    def _reopen(self) -> None:
        """Let another process go on; what the dead one had leased comes back when its lease is over."""
        self.cut_count += 1
        self.opened = self.house.reopen(self.opened, self.clock)
        self.engine = self.opened.engine
        self._dispatch, self.held = self._new_dispatch(), []

    @property
    def definition(self) -> Definition:
        """The definition under test."""
        return self.world.definition

    @property
    def subject(self) -> ActorId:
        """The id of the person being onboarded."""
        return ActorId(SUBJECT + self.tag)

    def person(self, id_: str, roles: Sequence[str]) -> Actor:
        """Make an actor; where runs share a database, ids differ from run to run, but not those of the directory."""
        return actor_of(id_ + self.tag if id_ == SUBJECT else id_, roles)

    def unique(self, payload: Mapping[str, object]) -> set[tuple[str, str]]:
        """Name the unique values that a start with this payload writes."""
        copies = {a.field: str(a.copy_of) for a in self.definition.start.assignments if a.copy_of is not None}
        named = ((f, payload.get(copies.get(f.name, ""))) for f in self.world.table.unique_fields)
        return {(str(f.name), normal_for_uniqueness(f, value)) for f, value in named if value is not None}

    def stored(self) -> Situation | None:
        """Read the instance as it is stored, past every point of danger."""
        if self.instance_id is None:
            return None
        with self.opened.store.inner.unit() as uow:
            return uow.load(self.instance_id).situation

    def present(self) -> Situation | None:
        """Give the instance as it is now: as stored, with the deadlines that were reached since."""
        if self._present is None:
            stored = self.stored()
            steps = settle(self.world, stored, now=self.now(stored)) if stored else ()
            self._present = steps[-1].after if steps else stored
        return self._present

    def now(self, before: Situation | None) -> datetime:
        """Give the instant that counts for an instance."""
        at = self.clock.now()
        return max(at, before.instance.recorded_at) if before else at

    def running(self) -> tuple[Delegation, ...]:
        """Give the delegations that are in force."""
        return tuple(d for d in self.delegations if d.ends_at > self.clock.now())

    def close(self) -> None:
        """Remove the database; in a shared one, end the delegations, which the next run knows nothing of."""
        for delegation in self.delegations if self.tag else ():
            with suppress(NotFoundError):
                self.engine.end_delegation(delegation.id, actor=ADMIN)
        self.opened.close()

    # Doing

    def do(self, act: AnyAct) -> Observed:
        """Do an act and say what it did."""
        self.acts.append(act)
        self._present = None
        before = self.stored()
        now = self.now(before)
        steps = settle(self.world, before, now=now) if before else ()
        seen = Observed(
            act=act, before=before, settled=steps[-1].after if steps else before, after=before, now=now, delegations=self.running()
        )
        self.contents = self.opened.contents() if act.cut is not None and self.opened.path is not None else None
        self.opened.store.arm(act.crash, act.cut)
        try:
            seen = self._do(act, seen)
        except CrashError:
            if self.opened.store.is_cut:
                self._reopen()
            event = self._event_of(act)
            seen = replace(seen, is_crashed=True, event=event)
            if isinstance(act, Fire) and act.key is not None and event is not None:
                self.keyed = (event, None)
        except DeadlineError as error:
            seen = replace(seen, answer=error)
        finally:
            self.opened.store.arm(None)
        seen, self._present = self._look(seen), None
        if isinstance(act, Start) and seen.before is None and seen.after is not None:
            self.started = act
        self._follow(seen)
        if isinstance(act, Fire) and act.key is not None and not seen.is_crashed and seen.event is not None:
            self.keyed = (seen.event, seen)
        return seen

    def _do(self, act: AnyAct, seen: Observed) -> Observed:
        match act:
            case Start():
                return self._start(act, seen)
            case Fire():
                return self._fire(act, seen)
            case Repeat():
                return self._repeat(act, seen)
            case Wait():
                self.clock.set(self.clock.now() + timedelta(seconds=act.seconds))
                return seen
            case Tick():
                return replace(seen, answer=self.engine.tick())
            case Perform():
                return self._perform(act, seen)
            case Ask():
                return self._ask(act, seen)
            case Delegate() | EndDelegation() | Erase():
                return administered(self, act, seen)

    def _event_of(self, act: AnyAct) -> Event | None:
        match act:
            case Start():
                who = self.person(act.actor, act.roles)
                return Event.of(self.definition.start.event, who, self._tagged(act.payload))
            case Fire():
                who = self.person(act.actor, act.roles)
                return Event.of(act.event, who, self._tagged(act.payload), key=act.key)
            case _:
                return None

    def _tagged(self, payload: Mapping[str, object]) -> Mapping[str, object]:
        """Make unique values differ between runs on one database."""
        if not self.tag:
            return payload
        fields = {str(f.name): f for f in self.world.table.unique_fields}
        types = {str(n): f for type_ in self.definition.events.values() for n, f in type_.payload.items()}
        unique = {name: fields[str(same)] for name, f in types.items() if (same := f.same_as or f.name) in fields}
        return {n: _with_tag(v, self.tag, unique[n].max_length) if n in unique and isinstance(v, str) else v for n, v in payload.items()}

    def _start(self, act: Start, seen: Observed) -> Observed:
        event = self._event_of(act)
        if event is None:
            return seen
        self.opened.checks.script = act.facts
        # The second time it is somebody else who offers values that are taken.
        subject = self.subject if self.instance_id is None else ActorId(f"second{self.tag}")
        answer = answered(lambda: self.engine.start(self.definition.name, event, subject=subject))
        return replace(seen, event=event, answer=answer)

    def _fire(self, act: Fire, seen: Observed) -> Observed:
        event = self._event_of(act)
        if event is None or self.instance_id is None:
            return seen
        id_ = self.instance_id
        self.opened.checks.script = act.facts
        verdict = self.engine.may(id_, event.actor, event.name).get(event.name) if act.crash is None else None
        answer = answered(lambda: self.engine.fire(id_, event))
        return replace(seen, event=event, answer=answer, verdict=verdict)

    def _repeat(self, act: Repeat, seen: Observed) -> Observed:
        if self.keyed is None or self.instance_id is None:
            return seen
        id_, (event, first) = self.instance_id, self.keyed
        if act.is_changed:
            event = replace(event, payload={**event.payload, "changed": "yes"})
        return replace(seen, event=event, answer=answered(lambda: self.engine.fire(id_, event)), first=first)

    def _ask(self, act: Ask, seen: Observed) -> Observed:
        if self.instance_id is None:
            return seen
        who = self.person(act.actor, act.roles)
        verdicts = self.engine.may(self.instance_id, who)
        page = self.engine.work(WorkQuery(definition=self.definition.name, limit=1000))
        rows = tuple(work for situation, work in page.rows if situation.instance.id == self.instance_id)
        return replace(seen, event=Event.of("", who), verdicts=verdicts, work=rows)

    # Messages

    def claim(self) -> list[Message]:
        """Lease what is due, and give all that this worker holds or ever held, in a stable order."""
        found = {(m.id, m.token): m for m in (*self.held, *self._dispatch.claim(limit=100))}
        ordered = sorted(found.values(), key=lambda m: (m.sequence, m.effect.kind, m.effect.name, m.effect.to, m.effect.serial, m.token))
        self.held = [m for m in ordered if m.instance_id == self.instance_id][-MAX_HELD:]
        return self.held

    def _perform(self, act: Perform, seen: Observed) -> Observed:
        held = self.claim() or self._retried()
        if not held:
            return seen
        message = held[act.index % len(held)]
        self._performance = (act.outcome, self.clock.now() - timedelta(seconds=act.ago))
        self._performing = message
        came = self._dispatch.perform(message)
        if came in {"done", "dead"}:
            self.performed.setdefault(message.id, []).append(came)
        if came != "lost":
            self.held = [m for m in self.held if m is not message]
        return replace(seen, answer=(message, came))

    def _retried(self) -> list[Message]:
        """Let an operator send again what was given up last, when there is nothing else to do."""
        with self.opened.store.inner.reads() as reads:
            dead = reads.messages(MessageQuery(state="dead", instance_id=self.instance_id, limit=100)).rows
            if not dead or not reads.retry(dead[-1].id, now=self.clock.now()):
                return []
        self.performed.pop(dead[-1].id, None)
        return self.claim()

    def _perform_one(self, briefing: Briefing) -> Performed:
        outcome, at = self._performance
        if outcome == "done":
            self._performed_at = min(self.clock.now(), max(at, briefing.message.queued_at))
            return Performed(performed_at=self._performed_at)
        raise ActionError("It was told to fail.", effect=briefing.message.effect.kind, will_retry=outcome == "retry")

    # Seeing

    def _look(self, seen: Observed) -> Observed:
        """Read what the act has left behind."""
        self.timers_before = dict(self.timers_after)
        if self.instance_id is None:
            with self.opened.store.inner.reads() as reads:
                page = reads.instances(InstanceQuery(definition=self.definition.name, subject=self.subject))
            self.instance_id = page.rows[0].instance.id if page.rows else None
        after = self.stored()
        if self.instance_id is None or after is None:
            return replace(seen, after=after)
        head = seen.before.instance.head if seen.before else 0
        if after.instance.head == head:
            return replace(seen, after=after)
        with self.opened.store.inner.reads() as reads:
            rows = tuple(reads.entries(self.instance_id, after=head))
            said = tuple(orjson.loads(row.canonical) for row in rows)
            has_effects = any(one.get("effects") for one in said)
            messages = (
                tuple(self._new_messages(reads.messages(MessageQuery(instance_id=self.instance_id, limit=1000)).rows, head))
                if has_effects
                else ()
            )
        self.rows += rows
        self.history += said
        for one in said:
            apply_timers(self.timers_after, one)
        return replace(seen, after=after, entries=rows, said=said, messages=messages)

    def _new_messages(self, rows: Iterable[Message], head: int) -> list[Message]:
        return [m for m in rows if m.sequence > head]

    def _follow(self, seen: Observed) -> None:
        """Let the shadow do what was done here, and take note of what was written."""
        for said in seen.said:
            if (said["kind"] == Kind.REPORTED and "effects" not in said) or said["kind"] in {Kind.REFUSALS_COUNTED, Kind.ERASED}:
                continue  # nobody wanted to hear it; a summary; no step
            self.notes.append(noted(said, has_codes=not self._has_checks(str(said["event"]))))
            self._note_issues(said)
        self._shadow(seen)

    def _has_checks(self, event: str) -> bool:
        type_ = self.definition.events.get(EventName(event))
        return type_ is not None and bool(type_.checks)

    def _note_issues(self, said: Mapping[str, object]) -> None:
        """Remember what was issued and enrolled, so that no check finds what cannot be there."""
        if said["kind"] not in {Kind.ACCEPTED, Kind.STARTED} or said["actor"] == "engine":
            return
        facts, type_ = facts_of(said), self.definition.events[EventName(str(said["event"]))]
        for check in type_.checks:
            use = self.definition.checks[check]
            self.issued_at[use.use] = datetime.fromisoformat(str(said["occurred_at"]))
            if use.use in ENROLS and facts.get(f"{check}.ok"):
                self.enrolled.add(ENROLS[use.use])
            if use.use == "remove_factor":
                self.enrolled -= set(factors_of(use))

    def _shadow(self, seen: Observed) -> None:
        own = [s for s in seen.said if s["kind"] in {Kind.ACCEPTED, Kind.REFUSED, Kind.STARTED} and s["actor"] != "engine"]
        act, event = seen.act, seen.event
        if isinstance(act, Start) and seen.before is None and seen.after is not None and event is not None and own:
            self.shadow.start(event, facts_of(own[0]), subject=self.subject, instance_id=seen.after.instance.id, now=seen.now)
        elif isinstance(act, Erase) or (isinstance(act, Start) and seen.before is not None):
            for told in (s for s in seen.said if s["kind"] == Kind.ACCEPTED and s["actor"] == "engine"):
                self.shadow.tell(self.definition.events[told["event"]].name, now=seen.now)  # type: ignore[index]  # names of events are text
            if any(told["kind"] == Kind.ERASED for told in seen.said):
                self.shadow.erase(seen.now)
                self.is_erased = True
        elif isinstance(act, Start) and isinstance(seen.answer, Refused):
            self.coverage.refuse(self.definition.start.event, [r.code for r in seen.answer.reasons])
        elif isinstance(act, Fire | Repeat) and event is not None and own:
            self.shadow.fire(event, facts_of(own[-1]), delegations=seen.delegations, now=seen.now, is_unscoped=self._is_elsewhere(act))
        elif isinstance(act, Perform):
            self._shadow_report(seen)

    def _is_elsewhere(self, act: Fire | Repeat) -> bool:
        return isinstance(act, Fire) and any(":" in role for role in act.roles)

    def _shadow_report(self, seen: Observed) -> None:
        told = [s for s in seen.said if s["kind"] == Kind.REPORTED and "effects" in s]
        if not told or self._performing is None:
            return
        effect, name, occurred_at = self._performing.effect, str(told[0]["event"]), datetime.fromisoformat(str(told[0]["occurred_at"]))
        self.shadow.report(effect, name, performed_at=self._performed_at if name == effect.done else occurred_at, now=seen.now)


def _with_tag(text: str, tag: str, max_length: int | None) -> str:
    """Make a unique value another one than in any other run on the same database."""
    name, at, domain = text.rpartition("@")
    return f"{name}{tag}{at}{domain}" if at else text[: (max_length or 100) - len(tag)] + tag
