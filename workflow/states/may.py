"""What may be done here: verdicts without a payload, and the open work of a situation.

Promises: pure; `may` never says `Allowed` where `decide` could still refuse for the same actor in the same instant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from workflow.errors import Reason
from workflow.states.definition import EventName, StatePath
from workflow.states.effects import Work, make_work
from workflow.states.instance import Actor, Delegation, Event, Instance, Situation
from workflow.states.machine import Arrow, is_open_leaf
from workflow.states.making import World
from workflow.states.payload import validate
from workflow.states.step import decide, permit
from workflow.states.verdict import Allowed, Depends, Facts, Permitted, Refused, Verdict
from workflow.states.view import View
from workflow.states.who import Holders, is_deputy_of, scope_of


def may(
    world: World,
    situation: Situation,
    name: EventName,
    actor: Actor,
    *,
    delegations: Collection[Delegation],
    holders: Holders,
    now: datetime,
) -> Verdict:
    """Say whether the actor may fire the event now; `Depends` names the payload values and checks that decide."""
    event, subject = Event(name=name, actor=actor), situation.instance.subject
    judged = permit(world, situation, event, subject=subject, delegations=delegations, holders=holders, now=now, is_payload_known=False)
    if isinstance(judged, Refused):
        return judged
    view = View(
        definition=world.definition,
        instance=situation.instance,
        event=name,
        now=now,
        is_subject=actor.id == subject,
        is_deputy=judged.on_behalf_of is not None or is_deputy_of(actor.id, subject, delegations, now),
    )
    refusing: list[Reason] = []
    for arrow in world.table.arrows(situation.instance.state, name):
        closed = [reason for rule in arrow.rules if not rule.is_open for reason in arrow.failures_of(rule, view)]
        if closed:
            refusing += closed
            continue
        if on := _open_parts(world, situation.instance, name, arrow):
            return Depends(on=on)
        # Nothing is open any more, so the answer is that of `decide` itself.
        decided = decide(world, situation, judged, {}, delegations=delegations, now=now)
        return decided if isinstance(decided, Refused) else Allowed()
    return Refused(reasons=tuple(dict.fromkeys(refusing)))


def is_hopeless(
    world: World, situation: Situation, permitted: Permitted, facts: Facts, *, delegations: Collection[Delegation], now: datetime
) -> bool:
    """Tell whether an event will be refused whatever the checks that have not yet been run find."""
    instance, event = situation.instance, permitted.event
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
    return all(arrow.is_out(view) for arrow in world.table.arrows(instance.state, event.name))


def events_of_interest(world: World, state: StatePath) -> tuple[EventName, ...]:
    """Name the events that people may fire in a leaf state, in the order of the definition."""
    possible = set(world.table.events_in(state))
    return tuple(name for name, type_ in world.definition.events.items() if name in possible and not type_.is_engine)


def open_work(world: World, situation: Situation) -> tuple[Work, ...]:
    """Give what roles may do with an instance now: the rows of their queues.

    Events that hold everywhere (handled by the root) and those that need no identity are no work of anybody, nor is what
    a scoped role does while the field of its scope has no value: nobody holds the role for nothing.
    """
    instance = situation.instance
    due_at = earliest_due_at(situation)
    scopes = ((event, role, scope_of(role, instance.fields)) for event, role in world.table.work_in(instance.state))
    return tuple(
        make_work(event=event, role=role.name, scope=str(instance.subject) if role.is_subject else scope, due_at=due_at)
        for event, role, scope in scopes
        if role.scope is None or scope is not None
    )


def earliest_due_at(situation: Situation) -> datetime | None:
    """Give the earliest running deadline, None when none runs."""
    earliest = None
    for timer in situation.timers:
        due_at = timer.due_at
        if due_at is not None and (earliest is None or due_at < earliest):
            earliest = due_at
    return earliest


def _open_parts(world: World, instance: Instance, name: EventName, arrow: Arrow) -> tuple[str, ...]:
    """Name the payload values and checks that decide: what an empty payload lacks, and what guards and assignments read."""
    type_ = world.definition.events[name]
    fields: Mapping[str, object] = {**instance.fields}  # type: ignore[dict-item]  # names of fields are text
    _, lacking = validate(type_, {}, instance_fields=fields, catalogue=world.catalogue)
    guards = (*(rule.guard for rule in arrow.rules), *arrow.values.values())
    read = (leaf.removeprefix("event.") for guard in guards for leaf in guard.reads if leaf.startswith("event.") and is_open_leaf(leaf))
    return tuple(dict.fromkeys((*(reason.field for reason in lacking), *read, *type_.checks)))
