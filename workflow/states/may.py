"""What may be done here: verdicts without a payload, and the open work of a situation.

Promises: pure; `may` never says `Allowed` where `decide` could still refuse for the same actor in the same instant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from workflow.errors import Reason
from workflow.states.definition import EventName, StatePath
from workflow.states.effects import Work
from workflow.states.guards import GuardFault
from workflow.states.instance import Actor, Delegation, Event, Situation
from workflow.states.machine import Arrow, is_open_leaf
from workflow.states.making import World
from workflow.states.payload import validate
from workflow.states.step import permit, value_fault
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
    return _by_guards(world, view, actor)


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

    Events that hold everywhere (handled by the root) and those that need no identity are no work of anybody.
    """
    instance = situation.instance
    due_at = earliest_due_at(situation)
    return tuple(
        Work(
            event=event, role=role.name, scope=str(instance.subject) if role.is_subject else scope_of(role, instance.fields), due_at=due_at
        )
        for event, role in world.table.work_in(instance.state)
    )


def earliest_due_at(situation: Situation) -> datetime | None:
    """Give the earliest running deadline, None when none runs."""
    return min([t.due_at for t in situation.timers if t.due_at is not None], default=None)


def _by_guards(world: World, view: View, actor: Actor) -> Verdict:
    """Judge the guards that need neither payload nor facts; whatever is left open is what it depends on."""
    refusing: list[Reason] = []
    for arrow in world.table.arrows(view.instance.state, view.event):
        closed = [reason for rule in arrow.rules if not rule.is_open for reason in arrow.failures_of(rule, view)]
        if closed:
            refusing += closed
            continue
        on = _open_parts(world, arrow, view)
        if on:
            return Depends(on=on)
        # Nothing is open, so this transition is the one that would be taken; only what it writes could still be impossible.
        faults = _value_faults(arrow, view) if arrow.is_reached(view, actor.id) else ()
        return Refused(reasons=faults) if faults else Allowed()
    return Refused(reasons=tuple(dict.fromkeys(refusing)))


def _open_parts(world: World, arrow: Arrow, view: View) -> tuple[str, ...]:
    """Name the payload values and checks on which a transition depends: those that an empty payload lacks, and those that it reads."""
    type_ = world.definition.events[view.event]
    fields: Mapping[str, object] = {**view.instance.fields}  # type: ignore[dict-item]  # names of fields are text
    _, lacking = validate(type_, {}, instance_fields=fields, catalogue=world.catalogue)
    guards = (*(rule.guard for rule in arrow.rules), *arrow.values.values())
    read = (leaf.removeprefix("event.") for guard in guards for leaf in guard.reads if is_open_leaf(leaf) and leaf.startswith("event."))
    return tuple(dict.fromkeys((*(reason.field for reason in lacking), *read, *type_.checks)))


def _value_faults(arrow: Arrow, view: View) -> tuple[Reason, ...]:
    """Say which values a transition could not compute; `decide` would refuse for them."""
    found = []
    for value in arrow.values.values():
        try:
            value.evaluate(view.look_up)
        except GuardFault as fault:
            found.append(value_fault(fault))
    return tuple(found)
