"""What may be done here: verdicts without a payload, and the open work of a situation.

Promises: pure; `may` never says `Allowed` where `decide` could still refuse for the same actor in the same instant.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from workflow.errors import Reason
from workflow.states.definition import EventName, EventType, StatePath
from workflow.states.effects import Work
from workflow.states.instance import Actor, Delegation, Event, Situation
from workflow.states.machine import Arrow
from workflow.states.making import World
from workflow.states.step import permit
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
    type_ = world.definition.events.get(name)
    event, subject = Event(name=name, actor=actor), situation.instance.subject
    judged = permit(world, situation, event, subject=subject, delegations=delegations, holders=holders, now=now, is_payload_known=False)
    if isinstance(judged, Refused) or type_ is None:  # permit refuses an unknown event; the second half tells the type checker
        return judged if isinstance(judged, Refused) else Allowed()
    view = View(
        definition=world.definition,
        instance=situation.instance,
        event=name,
        now=now,
        is_subject=actor.id == subject,
        is_deputy=judged.on_behalf_of is not None or is_deputy_of(actor.id, subject, delegations, now),
    )
    return _by_guards(world.table.arrows(situation.instance.state, name), view, type_)


def is_hopeless(world: World, situation: Situation, permitted: Permitted, facts: Facts, *, now: datetime) -> bool:
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
        is_deputy=permitted.on_behalf_of is not None,
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


def _by_guards(arrows: tuple[Arrow, ...], view: View, type_: EventType) -> Verdict:
    """Judge the guards that need neither payload nor facts; whatever is left open is what it depends on."""
    refusing: list[Reason] = []
    for arrow in arrows:
        closed = [reason for rule in arrow.rules if not rule.is_open for reason in arrow.failures_of(rule, view)]
        if closed:
            refusing += closed
            continue
        on = _open_parts(arrow, type_)
        return Depends(on=on) if on else Allowed()
    return Refused(reasons=tuple(dict.fromkeys(refusing)))


def _open_parts(arrow: Arrow, type_: EventType) -> tuple[str, ...]:
    needed = [name for name, field in type_.payload.items() if field.is_required or field.must_be is not None]
    by_guards: Iterable[str] = (
        leaf.removeprefix("event.") for rule in arrow.rules if rule.is_open for leaf in rule.guard.reads if leaf.startswith("event.")
    )
    return tuple(dict.fromkeys((*needed, *by_guards, *type_.checks)))
