"""A recorded decision, taken again under another definition.

Promises: pure; *given the recorded facts and roles*: what checks found and which roles were held is taken from the entry. What no
entry holds (personal values, secrets, findings of checks that were not run then) is never guessed: the answer is then unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from workflow.audit.delegations import Delegations
from workflow.audit.replay import permitted_by_record
from workflow.errors import Reason
from workflow.states.definition import Definition, EventName, EventType
from workflow.states.instance import Actor, ActorId, Event, Grant, InstanceId, Situation
from workflow.states.machine import NOT_JUDGED
from workflow.states.making import World
from workflow.states.payload import validate
from workflow.states.step import begin, decide, permit
from workflow.states.verdict import Permitted, Refused, Step
from workflow.states.who import permit as judge_actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """What the history does not say, so that nothing can be said."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """Takes decisions again; `old` is the definition that the entries were written by, `world` the other one."""

    world: World
    old: Definition
    subject: ActorId
    delegations: Delegations

    def decided(self, said: Mapping[str, Any], situation: Situation | None, now: datetime) -> Step | Refused | Unknown:
        """Decide an entry's event in a situation; None: the start."""
        type_ = self.world.definition.events.get(EventName(said["event"]))
        if type_ is None:
            message = f"There is no event {said['event']!r} any more."
            return Refused(reasons=(Reason(code="unknown_event", message=message),))
        permitted = permitted_by_record(self.world.table, said)
        reasons = (*self._refused_actor(said, type_, permitted, situation, now), *self._faults(type_, permitted, situation))
        if reasons:
            return Refused(reasons=reasons)
        made = self._made(said, permitted, situation, now)
        if isinstance(made, Refused) and self._is_open(made, situation, type_):
            missing = sorted({*type_.checks} - {leaf.partition(".")[0] for leaf in said["facts"]})
            if missing:
                return Unknown(why=f"{type_.name} asks the check {', '.join(missing)}, which was not asked then")
        return made

    def _is_open(self, made: Refused, situation: Situation | None, type_: EventType) -> bool:
        """Tell whether a check that was not run could have made the difference: some transition fails for want of it alone."""
        unjudged = [reason.private == NOT_JUDGED for reason in made.reasons]
        arrows = self.world.table.arrows(situation.instance.state, type_.name) if situation else ()
        return all(unjudged) or (any(unjudged) and len(arrows) > 1)

    def _made(self, said: Mapping[str, Any], permitted: Permitted, situation: Situation | None, now: datetime) -> Step | Refused:
        if situation is None:
            return begin(self.world, permitted, said["facts"], instance_id=InstanceId(said["instance"]), subject=self.subject, now=now)
        return decide(self.world, situation, permitted, said["facts"], delegations=self.delegations.at(now), now=now)

    def _refused_actor(
        self, said: Mapping[str, Any], type_: EventType, permitted: Permitted, situation: Situation | None, now: datetime
    ) -> tuple[Reason, ...]:
        """Judge state, role, scope and stages by the recorded roles; a principal is taken to have held the role."""
        roles, behalf = tuple(map(Grant.read, said["roles"])), said["on_behalf_of"]
        actor = Actor(id=ActorId(said["actor"]), grants=frozenset() if behalf else frozenset(roles))
        running = self.delegations.at(now)

        def holders(_role: object, _scope: object) -> tuple[ActorId, ...]:
            return (ActorId(behalf),) if behalf else ()

        if situation is not None:
            event = Event(name=type_.name, actor=actor)
            found = permit(
                self.world,
                situation,
                event,
                subject=self.subject,
                delegations=running,
                holders=holders,
                now=now,
                is_payload_known=False,
            )
            return found.reasons if isinstance(found, Refused) else ()
        start = self.world.definition.start
        if start.event != type_.name:
            return (Reason(code="wrong_start", message=f"An onboarding starts with {start.event!r}."),)
        copies = {
            a.field: permitted.payload[a.copy_of] for a in start.assignments if a.copy_of is not None and a.copy_of in permitted.payload
        }
        return judge_actor(
            self.world.definition,
            type_,
            actor,
            instance=None,
            subject=self.subject,
            delegations=running,
            holders=holders,
            now=now,
            starting_with=copies,
        ).reasons

    def _faults(self, type_: EventType, permitted: Permitted, situation: Situation | None) -> Iterator[Reason]:
        """Judge the payload as far as it was kept: plain values by the new schema, and what was certainly not given."""
        old = self.old.events.get(type_.name)
        known = old.payload if old else {}
        plain = {name: spec for name, spec in type_.payload.items() if not spec.is_personal and not spec.is_secret and name in known}
        kept = {str(name): permitted.payload[name] for name in plain if name in permitted.payload and not known[name].is_personal}
        judged = replace(
            type_, payload={name: replace(spec, is_required=False, must_be=None, same_as=None) for name, spec in plain.items()}
        )
        fields: Mapping[str, object] = {**situation.instance.fields} if situation else {}  # type: ignore[dict-item]  # names of fields are text
        yield from validate(judged, kept, instance_fields=fields, catalogue=self.world.catalogue)[1]
        for name, spec in type_.payload.items():
            was_needed = name in known and (known[name].is_required or known[name].is_secret)
            if spec.is_required and not was_needed and name not in permitted.payload:
                yield Reason(code="value_missing", message=f"{name} is required now, and was not given then.", field=str(name))
