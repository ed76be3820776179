"""Oracles about people: who may, four eyes, and what `may` and the queues say of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from workflow.errors import ConflictError
from workflow.states.definition import ROOT, Definition, EventType
from workflow.states.instance import Actor, Delegation, Event
from workflow.states.verdict import Accepted, Allowed, Kind, Refused
from workflow.testing.acts import Fire, Repeat
from workflow.testing.observed import Observed
from workflow.testing.rig import EVERYBODY
from workflow.testing.run import Rig

STEPS = frozenset({Kind.STARTED, Kind.ACCEPTED, Kind.FIRED, Kind.REPORTED, Kind.CALENDAR_CHANGED})
NOTICES = frozenset({"mail", "sms", "push", "alert"})
Said = Mapping[str, object]


def people_events(seen: Observed) -> Iterator[Said]:
    """Give the accepted events of people that an act has brought about."""
    return (s for s in seen.said if s["kind"] in {Kind.ACCEPTED, Kind.STARTED} and s["actor"] != "engine")


def may_fire(
    definition: Definition, type_: EventType, actor: Actor, fields: Mapping[str, object], *, subject: str, running: Collection[Delegation]
) -> bool:
    """Say whether a person may fire an event, by the words of docs/language.md."""
    if type_.is_engine:
        return False
    for name in type_.by:
        role = definition.roles[name]
        if role.is_anyone:
            return True
        if role.is_subject:
            if actor.id == subject:
                return True
            continue
        value = fields.get(role.scope) if role.scope else None
        if role.scope and value is None:
            continue
        text = f"{name}:{value}" if role.scope else str(name)
        if text in {str(grant) for grant in actor.grants}:
            return True
        holders = {f"{name}-1", f"{name}-2", EVERYBODY}
        if any(d.deputy == actor.id and d.principal in holders and d.role in (None, name) and d.scope in (None, value) for d in running):
            return True
    return False


def no_unauthorised_move(rig: Rig, seen: Observed) -> Iterator[str]:
    """Whoever was accepted might."""
    event = seen.event
    if event is None or isinstance(seen.act, Repeat):
        return
    for said in people_events(seen):
        type_ = rig.definition.events[event.name]
        settled = seen.settled.instance.fields if seen.settled else {}
        fields = settled if seen.before else _starting(rig.definition, event)
        running = [d for d in seen.delegations if d.starts_at <= seen.now < d.ends_at]
        if not may_fire(rig.definition, type_, event.actor, fields, subject=rig.subject, running=running):  # type: ignore[arg-type]  # names of fields are text
            yield f"{said['event']} was accepted from {event.actor.id}, who holds {_held(event.actor)}."
        if said["actor"] != event.actor.id:
            yield f"{said['event']} was fired by {event.actor.id} and recorded as done by {said['actor']}."


def _starting(definition: Definition, event: Event) -> dict[str, object]:
    copies = ((a.field, a.copy_of) for a in definition.start.assignments if a.copy_of is not None)
    return {str(name): event.payload[source] for name, source in copies if source in event.payload}


def _held(actor: Actor) -> str:
    return ", ".join(sorted(map(str, actor.grants))) or "no role"


def no_unjust_refusal(rig: Rig, seen: Observed) -> Iterator[str]:
    """The other half of who may: whoever may is not told that a role is missing."""
    event, answer = seen.event, seen.answer
    if not isinstance(seen.act, Fire) or event is None or seen.settled is None or not isinstance(answer, Refused):
        return
    type_ = rig.definition.events.get(event.name)
    if type_ is None or "role_missing" not in {r.code for r in answer.reasons}:
        return
    running = [d for d in seen.delegations if d.starts_at <= seen.now < d.ends_at]
    fields = seen.settled.instance.fields
    if may_fire(rig.definition, type_, event.actor, fields, subject=rig.subject, running=running):  # type: ignore[arg-type]  # as above
        quorum = any(
            a.transition.quorum and a.transition.quorum.role for a in rig.world.table.arrows(seen.settled.instance.state, event.name)
        )
        if not quorum:
            yield f"{event.name} was refused to {event.actor.id} for want of a role, who holds {_held(event.actor)}."


def four_eyes(rig: Rig, seen: Observed) -> Iterator[str]:
    """Neither the subject nor a deputy of theirs decides, and nobody in two stages."""
    events = {str(name): type_ for name, type_ in rig.definition.events.items()}
    for said in people_events(seen):
        type_ = events[str(said["event"])]
        if type_.decision is None:
            continue
        people = {said["actor"], said["on_behalf_of"] or said["actor"]}
        if rig.subject in people:
            yield f"{said['event']} decides on a request of {rig.subject}, by {rig.subject}."
        if any(d.deputy == said["actor"] and d.principal == rig.subject and d.starts_at <= seen.now < d.ends_at for d in seen.delegations):
            yield f"{said['event']} decides on a request of {rig.subject}, by their deputy {said['actor']}."
        for earlier in rig.history:
            other = events.get(str(earlier["event"]))
            if earlier["kind"] != Kind.ACCEPTED or other is None or other.decision in {None, type_.decision, *type_.may_also_decide}:
                continue
            if earlier["sequence"] < said["sequence"] and people & {earlier["actor"], earlier["on_behalf_of"] or earlier["actor"]}:  # type: ignore[operator]  # both are numbers
                yield f"{said['actor']} decided in the stage {type_.decision} after {other.decision}."


def may_tells_the_truth(rig: Rig, seen: Observed) -> Iterator[str]:
    """`may` and `fire` agree."""
    if not isinstance(seen.act, Fire) or seen.event is None or isinstance(seen.answer, ConflictError):
        return
    if isinstance(seen.verdict, Refused) and isinstance(seen.answer, Accepted):
        yield f"`may` refused {seen.event.name} to {seen.event.actor.id}, and it was accepted."
    if isinstance(seen.verdict, Allowed) and isinstance(seen.answer, Refused):
        codes = {r.code for r in seen.answer.reasons} - {"unknown_value", "invalid_value", "deadline_unknown", "set_error", "values_differ"}
        codes -= {"not_in_catalogue", "does_not_belong", "not_offered", "choose_first", "needs_more"}
        if codes:
            yield f"`may` allowed {seen.event.name} to {seen.event.actor.id}, and it was refused ({', '.join(sorted(codes))})."
    del rig


def work_matches_may(rig: Rig, seen: Observed) -> Iterator[str]:
    """The rows of the queues and `may` agree."""
    if seen.work is None or seen.before is None or seen.event is None or seen.settled != seen.before:
        return  # rows are as of the last write; what is reached since is settled by the next one
    actor, definition, state = seen.event.actor, rig.definition, seen.before.instance.state
    running = [d for d in seen.delegations if d.starts_at <= seen.now < d.ends_at]
    rows = {(str(w.event), str(w.role)) for w in seen.work if _holds(actor, str(w.role), w.scope, rig.subject, definition)}
    for name, verdict in seen.verdicts.items():
        type_ = next(t for n, t in definition.events.items() if n == name)
        arrows = rig.world.table.arrows(state, type_.name)
        is_work = arrows and arrows[0].transition.source != ROOT and not any(definition.roles[r].is_anyone for r in type_.by)
        has_row = any(event == name for event, _ in rows)
        codes = {r.code for r in verdict.reasons} if isinstance(verdict, Refused) else set()
        if has_row and codes & {"wrong_state", "role_missing"}:
            yield f"{name} is open work of {actor.id}, and `may` refuses it ({', '.join(sorted(codes))})."
        if is_work and not has_row and not codes and not any(d.deputy == actor.id for d in running):
            yield f"`may` does not refuse {name} to {actor.id}, and it is not among their open work."
    for event, _ in rows:
        if event not in seen.verdicts:
            yield f"{event} is open work of {actor.id}, and `may` does not know it."


def _holds(actor: Actor, role: str, scope: str | None, subject: str, definition: Definition) -> bool:
    if role == definition.subject:
        return actor.id == subject
    return (f"{role}:{scope}" if scope else role) in {str(grant) for grant in actor.grants}
