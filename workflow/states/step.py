"""The step: one event against one situation.

Promises: pure and total. Everything that affects what a transition does lives here and in `machine` (which transition),
`moves` (which states), `making` (what follows), `who` (who may) and `timers` (which deadlines).

The life of one event:
1. `settle` fires the deadlines that were reached before it, each at its own instant.
2. `permit` judges state, role and payload; only then do checks turn secrets into facts (outside, they are slow).
3. `decide` judges the guards with these facts and gives the step or every reason why not.
4. `settle` once more: a step may have armed a deadline that is already reached.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from workflow.errors import DeadlineError, Reason
from workflow.states import timers as timing
from workflow.states.definition import Definition, EventName, FieldName, StatePath
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
    Situation,
    Timer,
)
from workflow.states.machine import Choice, Unmet, unmet
from workflow.states.making import Making, World
from workflow.states.payload import validate
from workflow.states.verdict import Facts, Kind, Permitted, Refused, Step, make_permitted
from workflow.states.view import make_view
from workflow.states.who import Holders, Permission, is_deputy_of, one_voice_with
from workflow.states.who import permit as judge_actor

MAX_FIRINGS = 1_000
"""More deadlines than this in one settling is a definition that runs in circles."""

_ENGINE = Actor(id=ENGINE_ACTOR)


class EndlessTimersError(RuntimeError):
    """A definition's timers fire one another without end."""


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
    if instance is not None and world.table.is_voted_on(instance.state, event.name):
        reasons += _quorum_faults(world, instance, event, permission, one_voice_with(event.actor.id, delegations, now))
    if reasons:
        return Refused(reasons=tuple(reasons))
    return make_permitted(event=event, payload=payload, roles=permission.roles, on_behalf_of=permission.on_behalf_of)


def _starting_values(definition: Definition, payload: Mapping[str, object]) -> dict[FieldName, object]:
    """Give the fields that a start copies from its payload: a scoped role of the start is held for one of these values."""
    copies = ((a.field, a.copy_of) for a in definition.start.assignments if a.copy_of is not None)
    return {field: payload[name] for field, name in copies if name in payload}


def decide(
    world: World, situation: Situation, permitted: Permitted, facts: Facts, *, delegations: Collection[Delegation], now: datetime
) -> Step | Refused:
    """Judge the guards and make the step, or give every reason why not."""
    event, instance = permitted.event, situation.instance
    view = make_view(
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
    if isinstance(choice, Unmet):
        return Refused(reasons=choice.reasons, checks=choice.checks)
    return _made_or_refused(Making(world, situation, event, view, at=now, kind=Kind.ACCEPTED, permitted=permitted), choice)


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
    view = make_view(
        definition=definition,
        instance=nobody,
        event=event.name,
        now=now,
        payload=permitted.payload,
        facts=facts,
        is_subject=event.actor.id == subject,
    )
    if not world.table.start.holds(view):
        failed = unmet((world.table.start,), view)
        return Refused(reasons=failed.reasons, checks=failed.checks)
    made = Making(world, Situation(instance=nobody), event, view, at=now, kind=Kind.STARTED, permitted=permitted)
    return _made_or_refused(made, Choice(arrow=world.table.start, is_counted_only=False))


def report(world: World, situation: Situation, effect: Effect, name: EventName, *, performed_at: datetime, now: datetime) -> Step:
    """Make the step of a report: an effect was performed (or failed for good) at `performed_at`.

    A report that no transition handles is recorded all the same. A report of an older serial changes nothing: a newer
    message has replaced the one it speaks of.
    """
    event = Event(name=name, actor=_ENGINE, payload={"serial": effect.serial}, occurred_at=performed_at)
    instance = situation.instance
    view = make_view(definition=world.definition, instance=instance, event=name, now=now)
    made = Making(world, situation, event, view, at=min(performed_at, now), kind=Kind.REPORTED)
    is_current = effect.serial == instance.serials.get(effect.link or str(effect.done), 0)
    choice = world.table.choose(name, view, ENGINE_ACTOR) if is_current and world.table.arrows(instance.state, name) else ()
    made.mark = performed_at if is_current else None
    return made.step_or_nothing(choice if isinstance(choice, Choice) else None)


def tell(world: World, situation: Situation, event: Event, *, now: datetime) -> Step:
    """Make the step of an engine event that is neither timer nor report, such as a second registration of a unique value.

    It is recorded even when no transition takes it.
    """
    view = make_view(definition=world.definition, instance=situation.instance, event=event.name, now=now)
    made = Making(world, situation, event, view, at=now, kind=Kind.ACCEPTED)
    choice = world.table.choose(event.name, view, ENGINE_ACTOR)
    return made.step_or_nothing(choice if isinstance(choice, Choice) else None)


def settle(world: World, situation: Situation, *, now: datetime) -> tuple[Step, ...]:
    """Fire every deadline that is reached at `now`, in due order, each at its own instant, until none is due.

    Raises:
        EndlessTimersError: more than `MAX_FIRINGS` deadlines in one settling.
    """
    for timer in situation.timers:
        if timer.due_at is not None and timer.due_at <= now:
            break
    else:
        return ()  # asked twice by every event, and hardly ever is there one
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
    view = make_view(definition=world.definition, instance=situation.instance, event=timer.event, now=at)
    choice = world.table.choose(timer.event, view, ENGINE_ACTOR)
    made = Making(world, without, event, view, at=at, kind=Kind.FIRED)
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


def _made_or_refused(made: Making, choice: Choice) -> Step | Refused:
    """Make the step; a value or a deadline that cannot be computed is a refusal, like a guard that cannot."""
    try:
        return made.step(choice)
    except GuardFault as fault:
        message = "A value that this event sets cannot be computed."
        return Refused(reasons=(Reason(code="set_error", message=message, private=f"set_error: {fault}"[:200]),))
    except DeadlineError as error:
        return Refused(reasons=(Reason(code="deadline_unknown", message=str(error), needed="a calendar that reaches further"),))


def _quorum_faults(world: World, instance: Instance, event: Event, permission: Permission, voices: frozenset[ActorId]) -> list[Reason]:
    """Refuse a second voice where a quorum wants different people, and a voice of a role that it does not count."""
    found: list[Reason] = []
    for arrow in world.table.arrows(instance.state, event.name):
        quorum, tally = arrow.transition.quorum, instance.tallies.get(event.name)
        if quorum is None:
            continue
        if quorum.is_distinct and tally is not None and not voices.isdisjoint(tally.actors):
            message = (
                f"This voice in {event.name!r} is counted already (a deputy and the principal have one); {quorum.need} people are needed."
            )
            found.append(Reason(code="counted_already", message=message, needed="another person"))
        if quorum.role is not None and permission.roles and all(grant.role != quorum.role for grant in permission.roles):
            message = f"Only the role {quorum.role!r} has a voice in {event.name!r} here."
            found.append(Reason(code="role_missing", message=message, needed=f"the role {quorum.role}"))
    return list(dict.fromkeys(found))
