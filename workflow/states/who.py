"""Who may: state, role, scope, deputies, and the rules of decisions.

Promises: pure; every refusing reason is given, not the first. The subject, or a deputy of the subject, never decides on
the own request, and nobody fills two stages of a decision unless the definition says so. There is no override.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from workflow.errors import Reason
from workflow.states.definition import Definition, EventType, FieldName, Role, RoleName
from workflow.states.instance import ENGINE_ACTOR, Actor, ActorId, Delegation, Grant, Instance
from workflow.states.quick import maker

Holders = Callable[[RoleName, str | None], Collection[ActorId]]
"""Who holds a role for a scope now, by the host's directory; asked only when a deputy acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """By which grants an actor may fire an event, and for whom when a deputy acts; `reasons` when they may not."""

    roles: tuple[Grant, ...] = ()
    on_behalf_of: ActorId | None = None
    reasons: tuple[Reason, ...] = ()


make_permission = maker(Permission)


def permit(
    definition: Definition,
    event: EventType,
    actor: Actor,
    *,
    instance: Instance | None,
    subject: ActorId,
    delegations: Collection[Delegation],
    holders: Holders,
    now: datetime,
    starting_with: Mapping[FieldName, object] = MappingProxyType({}),
) -> Permission:
    """Say by which roles an actor may fire an event on an instance (None: a start), or every reason why not.

    At a start the scope of a role is taken from the values the onboarding starts with.
    """
    fields: Mapping[FieldName, object] = instance.fields if instance else starting_with
    running = [d for d in delegations if d.starts_at <= now < d.ends_at]
    found = _direct(definition, event, actor, fields, subject) or _as_deputy(definition, event, actor, fields, running, holders)
    reasons: list[Reason] = []
    if actor.id == ENGINE_ACTOR:
        reasons.append(Reason(code="engine_name", message="Nobody acts in the name of the engine.", needed="an id of the actor's own"))
    if found is None:
        found = Permission()
        reasons.append(_role_missing(definition, event, actor, fields))
    if event.decision is not None:
        reasons += _decision_faults(event, actor, found.on_behalf_of, instance=instance, subject=subject, running=running)
    return make_permission(roles=found.roles, on_behalf_of=found.on_behalf_of, reasons=tuple(reasons)) if reasons else found


def scope_of(role: Role, fields: Mapping[FieldName, object]) -> str | None:
    """Give the value for which a role must be held, None for a role without scope or an unset field."""
    if role.scope is None:
        return None
    value = fields.get(role.scope)
    return None if value is None else str(value)


def is_deputy_of(actor: ActorId, principal: ActorId, delegations: Collection[Delegation], now: datetime) -> bool:
    """Tell whether `actor` may now act for `principal` in any role."""
    return any(d.deputy == actor and d.principal == principal and d.starts_at <= now < d.ends_at for d in delegations)


def one_voice_with(actor: ActorId, delegations: Collection[Delegation], now: datetime) -> frozenset[ActorId]:
    """Name the people who have one voice with an actor: the actor, and whoever is now their deputy or principal."""
    running = [d for d in delegations if d.starts_at <= now < d.ends_at]
    deputies = (d.deputy for d in running if d.principal == actor)
    return frozenset({actor, *deputies, *(d.principal for d in running if d.deputy == actor)})


def _direct(
    definition: Definition, event: EventType, actor: Actor, fields: Mapping[FieldName, object], subject: ActorId
) -> Permission | None:
    found = []
    for name in event.by:
        role = definition.roles[name]
        if role.is_anyone or (role.is_subject and actor.id == subject):
            found.append(Grant(role=name))
        elif not role.is_subject:
            scope = scope_of(role, fields)
            if role.scope is None or scope is not None:
                found += [grant for grant in actor.grants if grant.role == name and grant.scope == scope]
    return make_permission(roles=tuple(found)) if found else None


def _as_deputy(
    definition: Definition,
    event: EventType,
    actor: Actor,
    fields: Mapping[FieldName, object],
    running: Collection[Delegation],
    holders: Holders,
) -> Permission | None:
    """Find a principal for whom the actor may act; the principal must hold the role himself now, so delegations do not chain."""
    for delegation in running:
        if delegation.deputy != actor.id:
            continue
        for name in event.by:
            role = definition.roles[name]
            scope = scope_of(role, fields)
            if role.is_anyone or role.is_subject or (role.scope is not None and scope is None):
                continue
            covers = delegation.role in (None, name) and delegation.scope in (None, scope)
            if covers and delegation.principal in holders(name, scope):
                return Permission(roles=(Grant(role=name, scope=scope),), on_behalf_of=delegation.principal)
    return None


def _role_missing(definition: Definition, event: EventType, actor: Actor, fields: Mapping[FieldName, object]) -> Reason:
    wanted = []
    for name in event.by:
        role = definition.roles[name]
        scope = scope_of(role, fields)
        if role.scope is None:
            wanted.append(str(name))
        else:
            wanted.append(f"{name} for {scope}" if scope else f"{name} for the {role.scope}, which is not chosen yet")
    needed = " or ".join(wanted) or "the engine itself"
    held = ", ".join(sorted(str(grant) for grant in actor.grants)) or "no role"
    return Reason(
        code="role_missing",
        message=f"{event.name!r} needs the role {needed}; the actor holds {held}.",
        needed=f"the role {needed}",
    )


def _decision_faults(
    event: EventType,
    actor: Actor,
    on_behalf_of: ActorId | None,
    *,
    instance: Instance | None,
    subject: ActorId,
    running: Collection[Delegation],
) -> list[Reason]:
    faults = []
    people = {actor.id} if on_behalf_of is None else {actor.id, on_behalf_of}
    if subject in people:
        faults.append(Reason(code="own_request", message="Nobody decides on their own request.", needed="another person"))
    elif any(d.deputy == actor.id and d.principal == subject for d in running):
        faults.append(
            Reason(
                code="deputy_of_subject",
                message="A deputy of the applicant does not decide on the applicant's request.",
                needed="another person",
            )
        )
    for stage, deciders in instance.deciders.items() if instance else ():
        if stage != event.decision and stage not in event.may_also_decide and not people.isdisjoint(deciders):
            faults.append(
                Reason(
                    code="two_stages",
                    message=f"Who decided in the stage {stage!r} does not decide in the stage {event.decision!r}.",
                    needed="a different person",
                )
            )
    return faults
