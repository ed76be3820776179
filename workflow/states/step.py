"""The step: one event against one situation.

Promises: pure, total and the only place where an instance changes. Everything that affects what a transition does lives
here and in `machine` (which transition), `moves` (which states), `who` (who may) and `timers` (which deadlines).

The life of one event:
1. `settle` fires the deadlines that were reached before it, each at its own instant.
2. `permit` judges state, role and payload; only then do checks turn secrets into facts (outside, they are slow).
3. `decide` judges the guards with these facts and gives the step or every reason why not.
4. `settle` once more: a step may have armed a deadline that is already reached.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from workflow.errors import DeadlineError, Reason
from workflow.states import timers as timing
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import ActionUse, Definition, EventName, FieldName, StatePath, TimerKey
from workflow.states.effects import Effect
from workflow.states.guards import GuardFault
from workflow.states.instance import (
    ENGINE_ACTOR,
    Actor,
    ActorId,
    Delegation,
    Event,
    Instance,
    InstanceId,
    Plain,
    Situation,
    Tally,
    Timer,
)
from workflow.states.machine import Arrow, Choice, Table
from workflow.states.moves import Move
from workflow.states.payload import validate
from workflow.states.verdict import Facts, Kind, Permitted, Refused, Step
from workflow.states.view import View
from workflow.states.who import Holders, Permission, is_deputy_of
from workflow.states.who import permit as judge_actor

MAX_FIRINGS = 1_000
"""More deadlines than this in one settling is a definition that runs in circles."""

_ENGINE = Actor(id=ENGINE_ACTOR)


class EndlessTimersError(RuntimeError):
    """A definition's timers fire one another without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What deciding needs beside the situation: the compiled definition and the documents in force."""

    table: Table
    calendar: Calendar | None = None
    catalogue: Catalogue | None = None

    @property
    def definition(self) -> Definition:
        """The definition the instance is pinned to."""
        return self.table.definition


def permit(
    world: World,
    situation: Situation | None,
    event: Event,
    *,
    subject: ActorId,
    delegations: Collection[Delegation],
    holders: Holders,
    now: datetime,
    is_payload_known: bool = True,
) -> Permitted | Refused:
    """Judge what can be judged without checks: the state, the actor, the payload. All reasons at once.

    `is_payload_known` is False when somebody asks what may be done: then the payload is not judged.
    """
    definition = world.definition
    type_ = definition.events.get(event.name)
    if type_ is None:
        return Refused(reasons=(Reason(code="unknown_event", message=f"The definition {definition.name!r} has no event {event.name!r}."),))
    instance = situation.instance if situation else None
    reasons: list[Reason] = []
    if instance is None and event.name != definition.start.event:
        reasons.append(
            Reason(code="wrong_state", message=f"An onboarding starts with {definition.start.event!r}, not with {event.name!r}.")
        )
    elif instance is not None and not world.table.arrows(instance.state, event.name):
        reasons.append(world.table.wrong_state(event.name, instance.state))
    if type_.is_engine:
        reasons.append(Reason(code="engine_only", message=f"{event.name!r} is fired by the engine alone."))
        return Refused(reasons=tuple(reasons))
    payload: dict[str, object] = {}
    faults: tuple[Reason, ...] = ()
    if is_payload_known:
        fields: Mapping[str, object] = {**instance.fields} if instance else {}  # type: ignore[dict-item]  # names of fields are text
        payload, faults = validate(type_, event.payload, instance_fields=fields, catalogue=world.catalogue)
    permission = judge_actor(
        definition,
        type_,
        event.actor,
        instance=instance,
        subject=subject,
        delegations=delegations,
        holders=holders,
        now=now,
        starting_with=_starting_values(definition, payload) if instance is None else {},
    )
    reasons += (*permission.reasons, *faults)
    if instance is not None:
        reasons += _quorum_faults(world, instance, event, permission)
    if reasons:
        return Refused(reasons=tuple(reasons))
    return Permitted(event=event, payload=payload, roles=permission.roles, on_behalf_of=permission.on_behalf_of)


def _starting_values(definition: Definition, payload: Mapping[str, object]) -> dict[FieldName, object]:
    """Give the fields that a start copies from its payload: a scoped role of the start is held for one of these values."""
    copies = ((a.field, a.copy_of) for a in definition.start.assignments if a.copy_of is not None)
    return {field: payload[name] for field, name in copies if name in payload}


def decide(
    world: World, situation: Situation, permitted: Permitted, facts: Facts, *, delegations: Collection[Delegation], now: datetime
) -> Step | Refused:
    """Judge the guards and make the step, or give every reason why not."""
    event, instance = permitted.event, situation.instance
    view = View(
        definition=world.definition,
        instance=instance,
        event=event.name,
        now=now,
        payload=permitted.payload,
        facts=facts,
        is_subject=event.actor.id == instance.subject,
        is_deputy=permitted.on_behalf_of is not None or is_deputy_of(event.actor.id, instance.subject, delegations, now),
    )
    choice = world.table.choose(event.name, view, event.actor.id)
    if isinstance(choice, tuple):
        return Refused(reasons=choice)
    return _made_or_refused(_Making(world, situation, event, view, at=now, kind=Kind.ACCEPTED, permitted=permitted), choice)


def begin(
    world: World,
    permitted: Permitted,
    facts: Facts,
    *,
    instance_id: InstanceId,
    subject: ActorId,
    now: datetime,
) -> Step | Refused:
    """Make the first step of a new instance, or give every reason why not."""
    definition, event = world.definition, permitted.event
    calendar_digest = world.calendar.digest if world.calendar else None
    nobody = Instance(
        id=instance_id,
        definition=definition.name,
        digest=definition.digest,
        state=StatePath(""),
        subject=subject,
        fields={f.name: f.default for f in definition.fields.values() if f.default is not None},
        started_at=now,
        recorded_at=now,
        calendar_digest=calendar_digest,
    )
    view = View(
        definition=definition,
        instance=nobody,
        event=event.name,
        now=now,
        payload=permitted.payload,
        facts=facts,
        is_subject=event.actor.id == subject,
    )
    if reasons := world.table.start.failures(view):
        return Refused(reasons=tuple(reasons))
    made = _Making(world, Situation(instance=nobody), event, view, at=now, kind=Kind.STARTED, permitted=permitted)
    return _made_or_refused(made, Choice(arrow=world.table.start, is_counted_only=False))


def report(world: World, situation: Situation, effect: Effect, name: EventName, *, performed_at: datetime, now: datetime) -> Step:
    """Make the step of a report: an effect was performed (or failed for good) at `performed_at`.

    A report that no transition handles is recorded all the same. A report of an older serial changes nothing: a newer
    message has replaced the one it speaks of.
    """
    event = Event(name=name, actor=_ENGINE, payload={"serial": effect.serial}, occurred_at=performed_at)
    instance = situation.instance
    view = View(definition=world.definition, instance=instance, event=name, now=now)
    made = _Making(world, situation, event, view, at=min(performed_at, now), kind=Kind.REPORTED)
    is_current = effect.serial == instance.serials.get(effect.link or str(effect.done), 0)
    choice = world.table.choose(name, view, ENGINE_ACTOR) if is_current and world.table.arrows(instance.state, name) else ()
    made.mark = performed_at if is_current else None
    return made.step_or_nothing(choice if isinstance(choice, Choice) else None)


def tell(world: World, situation: Situation, event: Event, *, now: datetime) -> Step:
    """Make the step of an engine event that is neither timer nor report, such as a second registration of a unique value.

    It is recorded even when no transition takes it.
    """
    view = View(definition=world.definition, instance=situation.instance, event=event.name, now=now)
    made = _Making(world, situation, event, view, at=now, kind=Kind.ACCEPTED)
    choice = world.table.choose(event.name, view, ENGINE_ACTOR)
    return made.step_or_nothing(choice if isinstance(choice, Choice) else None)


def settle(world: World, situation: Situation, *, now: datetime) -> tuple[Step, ...]:
    """Fire every deadline that is reached at `now`, in due order, each at its own instant, until none is due.

    Raises:
        EndlessTimersError: more than `MAX_FIRINGS` deadlines in one settling.
    """
    steps: list[Step] = []
    while due := [t for t in situation.timers if t.due_at is not None and t.due_at <= now]:
        if len(steps) >= MAX_FIRINGS:
            raise EndlessTimersError(f"More than {MAX_FIRINGS} deadlines of {situation.instance.id} were reached at once.")
        steps.append(_fire(world, situation, min(due, key=timing.order), now=now))
        situation = steps[-1].after
    return tuple(steps)


def recalendar(world: World, situation: Situation, *, now: datetime) -> Step | None:
    """Apply a newly published calendar to the running deadlines; None when it is the one they were computed by.

    The instance takes note of the calendar even when no deadline moves; only a move is worth an entry, so the step's
    `moved` is empty then and the caller keeps the situation without recording it.
    """
    digest = world.calendar.digest if world.calendar else None
    if digest is None or digest == situation.instance.calendar_digest:
        return None
    moved = timing.recalculate(world.definition, situation.timers, world.calendar)
    changed = {old.key: new for old, new in moved}
    after = Situation(
        instance=replace(situation.instance, calendar_digest=digest), timers=tuple(changed.get(t.key, t) for t in situation.timers)
    )
    event = Event(name=EventName("calendar_changed"), actor=_ENGINE)
    return Step(kind=Kind.CALENDAR_CHANGED, before=situation, after=after, event=event, occurred_at=now, moved=tuple(moved))


def _fire(world: World, situation: Situation, timer: Timer, *, now: datetime) -> Step:
    """Fire one deadline at its own instant. The timer is spent even when no transition takes its event."""
    at = timer.due_at or now
    event = Event(name=timer.event, actor=_ENGINE)
    without = Situation(instance=situation.instance, timers=tuple(t for t in situation.timers if t.key != timer.key))
    view = View(definition=world.definition, instance=situation.instance, event=timer.event, now=at)
    choice = world.table.choose(timer.event, view, ENGINE_ACTOR)
    made = _Making(world, without, event, view, at=at, kind=Kind.FIRED)
    made.spent = timer
    step = made.step_or_nothing(choice if isinstance(choice, Choice) else None)
    return _without_overtaken_notices(step, timer, now=now)


def _without_overtaken_notices(step: Step, timer: Timer, *, now: datetime) -> Step:
    """Drop the notices of a rung when a later rung of the same ladder is reached as well: only the last one notifies."""
    is_overtaken = any(t.state == timer.state and t.due_at is not None and t.due_at <= now for t in step.after.timers)
    if not is_overtaken:
        return step
    dropped = tuple(e for e in step.effects if e.is_notice and e.done is None)
    return replace(step, effects=tuple(e for e in step.effects if e not in dropped), suppressed=dropped)


def _made_or_refused(made: _Making, choice: Choice) -> Step | Refused:
    """Make the step; a value or a deadline that cannot be computed is a refusal, like a guard that cannot."""
    try:
        return made.step(choice)
    except GuardFault as fault:
        return Refused(reasons=(value_fault(fault),))
    except DeadlineError as error:
        return Refused(reasons=(Reason(code="deadline_unknown", message=str(error), needed="a calendar that reaches further"),))


def value_fault(fault: GuardFault) -> Reason:
    """Say that a value which a transition sets cannot be computed."""
    return Reason(code="set_error", message="A value that this event sets cannot be computed.", private=f"set_error: {fault}"[:200])


def _quorum_faults(world: World, instance: Instance, event: Event, permission: Permission) -> list[Reason]:
    """Refuse a second voice of the same actor where a quorum wants different ones, and a voice of a role that it does not count."""
    found: list[Reason] = []
    for arrow in world.table.arrows(instance.state, event.name):
        quorum, tally = arrow.transition.quorum, instance.tallies.get(event.name)
        if quorum is None:
            continue
        if quorum.is_distinct and tally is not None and event.actor.id in tally.actors:
            message = f"This actor's {event.name!r} is counted already; {quorum.need} different people are needed."
            found.append(Reason(code="counted_already", message=message, needed="another person"))
        if quorum.role is not None and permission.roles and all(grant.role != quorum.role for grant in permission.roles):
            message = f"Only the role {quorum.role!r} has a voice in {event.name!r} here."
            found.append(Reason(code="role_missing", message=message, needed=f"the role {quorum.role}"))
    return list(dict.fromkeys(found))


class _Making:
    """One step in the making: collects what follows from the chosen transition, then gives the step."""

    def __init__(
        self, world: World, situation: Situation, event: Event, view: View, *, at: datetime, kind: Kind, permitted: Permitted | None = None
    ) -> None:
        self.world, self.situation, self.event, self.view = world, situation, event, view
        self.definition = world.definition
        self.at, self.kind, self.permitted = at, kind, permitted
        self.mark: datetime | None = None
        self.spent: Timer | None = None
        self.kept: set[FieldName | None] = set()
        self.serials = dict(situation.instance.serials)

    def step_or_nothing(self, choice: Choice | None) -> Step:
        """Make the step of a timer or report; what it would write but cannot compute leaves everything as it was."""
        try:
            return self.step(choice)
        except GuardFault:
            return self.step(None)

    def step(self, choice: Choice | None) -> Step:
        """Make the step for the chosen transition; None when no transition takes the event."""
        before = self.situation.instance
        arrow = choice.arrow if choice and not choice.is_counted_only else None
        current = None if self.kind is Kind.STARTED else before.state
        move = self.world.table.move(arrow.transition if arrow else None, current)
        fields, personal_set, personal = self._assign(arrow)  # first: what cannot be computed must not have taken a serial
        effects = tuple(self._effect(use) for use in move.uses)
        timers, armed, disarmed, moved = self._timers(move)
        after = replace(
            before,
            state=move.leaf,
            version=before.version + 1,
            fields=fields,
            personal=personal_set,
            tallies=self._tallies(choice, move),
            deciders=self._deciders(),
            serials=self.serials,
            marks=self._marks(move),
            outcome=move.outcome if move.entered else before.outcome,
        )
        plain, withheld = self._payload()
        permitted = self.permitted
        return Step(
            kind=self.kind,
            before=None if self.kind is Kind.STARTED else self.situation,
            after=Situation(instance=after, timers=timers),
            event=self.event,
            occurred_at=self.at,
            facts=self.view.facts,
            effects=effects,
            personal=personal,
            payload=plain,
            personal_payload=withheld,
            armed=armed,
            disarmed=disarmed,
            moved=moved,
            roles=permitted.roles if permitted else (),
            on_behalf_of=permitted.on_behalf_of if permitted else None,
            is_automatic=self.definition.events[self.event.name].is_automatic,
        )

    def _effect(self, use: ActionUse) -> Effect:
        """Make the effect; one whose outcome is reported takes the next serial, so that an older report is known as such."""
        serial, counted = 0, use.link or use.done
        if counted is not None:
            serial = self.serials[counted] = self.serials.get(counted, 0) + 1
        return Effect(
            kind=use.kind,
            name=use.name,
            to=use.to,
            link=use.link,
            serial=serial,
            done=use.done,
            failed=use.failed,
            params=use.params,
        )

    def _assign(self, arrow: Arrow | None) -> tuple[Mapping[FieldName, Plain], frozenset[FieldName], dict[FieldName, object]]:
        """Write the transition's assignments: plain values into the fields, personal ones aside."""
        before = self.situation.instance
        if arrow is None or not arrow.transition.assignments:
            return before.fields, before.personal, {}
        fields, names, personal = dict(before.fields), set(before.personal), {}
        kept = self.kept
        payload = self.permitted.payload if self.permitted else {}
        for assignment in arrow.transition.assignments:
            name, field = assignment.field, self.definition.fields[assignment.field]
            if assignment.copy_of is not None:
                value = payload.get(assignment.copy_of)
            else:
                value = None if assignment.is_cleared else arrow.values[assignment].evaluate(self.view.look_up)
            if value is None:
                fields.pop(name, None)
                names.discard(name)
            elif field.is_personal:
                personal[name] = list(value) if isinstance(value, tuple) else value
                names.add(name)
                kept.add(assignment.copy_of)
            else:
                fields[name] = _plain(value)
        return fields, frozenset(names), personal

    def _timers(self, move: Move) -> tuple[tuple[Timer, ...], tuple[Timer, ...], tuple[TimerKey, ...], tuple[tuple[Timer, Timer], ...]]:
        """Give the timers afterwards, and what was armed, disarmed and moved."""
        calendar, timers = self.world.calendar, self.situation.timers
        gone = [t for t in timers if t.state in move.left] if move.left else []
        kept = [t for t in timers if t.state not in move.left] if gone else list(timers)
        moved = timing.pause_or_resume(self.definition, kept, paused=move.paused, at=self.at, calendar=calendar) if move.entered else []
        armed = [timing.arm(t, at=self.at, is_paused=t.state in move.paused, calendar=calendar) for t in move.arming]
        if self.mark is not None:
            armed += self._armed_by_report(move, self.mark)
        now_on = {t.key: t for t in kept}
        now_on.update((new.key, new) for _, new in moved)
        now_on.update((t.key, t) for t in armed)
        disarmed = tuple(t.key for t in gone if t.key not in now_on)
        if self.spent is not None and self.spent.key not in now_on:
            disarmed = (self.spent.key, *disarmed)
        return tuple(now_on.values()), tuple(armed), disarmed, tuple(moved)

    def _armed_by_report(self, move: Move, performed_at: datetime) -> list[Timer]:
        """Start the timers of active states that run since this report."""
        states, calendar = self.definition.states, self.world.calendar
        waiting = [t for path in self.definition.lineage(move.leaf) for t in states[path].timers if t.since == self.event.name]
        return [timing.arm(t, at=performed_at, is_paused=t.state in move.paused, calendar=calendar) for t in waiting]

    def _tallies(self, choice: Choice | None, move: Move) -> Mapping[EventName, Tally]:
        """Count an accepted event where a state wants it counted; a state that is entered starts its counts again."""
        before, name = self.situation.instance, self.event.name
        tallies = before.tallies
        if choice is not None and self.kind is not Kind.STARTED and name in self.world.table.tallied_in(before.state):
            tally, actor = tallies.get(name, Tally()), self.event.actor.id
            actors = tally.actors if actor in tally.actors else (*tally.actors, actor)
            tallies = {**tallies, name: Tally(count=tally.count + 1, actors=actors)}
        return {n: t for n, t in tallies.items() if n not in move.fresh} if move.fresh and tallies else tallies

    def _deciders(self) -> Mapping[str, tuple[ActorId, ...]]:
        deciders, permitted = self.situation.instance.deciders, self.permitted
        stage = self.definition.events[self.event.name].decision
        if stage is None or permitted is None:
            return deciders
        people = (self.event.actor.id,) if permitted.on_behalf_of is None else (self.event.actor.id, permitted.on_behalf_of)
        return {**deciders, stage: tuple(dict.fromkeys((*deciders.get(stage, ()), *people)))}

    def _marks(self, move: Move) -> Mapping[EventName, datetime]:
        """Note a report that counts; forget one when its action was queued again or its waiting state is entered again."""
        marks = self.situation.instance.marks
        if marks and move.stale:
            marks = {name: at for name, at in marks.items() if name not in move.stale}
        return marks if self.mark is None else {**marks, self.event.name: self.mark}

    def _payload(self) -> tuple[dict[str, Plain], dict[str, object]]:
        """Part the payload into plain values, and personal ones that no field keeps; secrets are in neither."""
        if self.permitted is None:
            return ({"serial": int(str(self.event.payload["serial"]))}, {}) if self.event.payload else ({}, {})
        types = self.definition.events[self.event.name].payload
        plain: dict[str, Plain] = {}
        aside: dict[str, object] = {}
        for name, value in self.permitted.payload.items():
            field = types[FieldName(name)]
            if field.is_secret:
                continue
            if not field.is_personal:
                plain[name] = _plain(value)
            elif name not in self.kept:
                aside[name] = list(value) if isinstance(value, tuple) else value
        return plain, aside


def _plain(value: object) -> Plain:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    return value  # type: ignore[return-value]  # validated: str, int, bool or tuple of str
