"""What administrators do in a run: deputies come and go, and somebody is erased."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from workflow.engine import Engine
from workflow.errors import NotFoundError, RefusedError
from workflow.states.definition import Definition
from workflow.states.instance import ActorId, Delegation, Event, InstanceId
from workflow.testing.acts import SUBJECT, AnyAct, Delegate, EndDelegation, Erase, Start
from workflow.testing.clock import VirtualClock
from workflow.testing.observed import Observed
from workflow.testing.rig import ADMIN


class Ground(Protocol):
    """Of a run, what an administrator's acts touch."""

    clock: VirtualClock
    engine: Engine
    tag: str
    instance_id: InstanceId | None
    delegations: list[Delegation]
    acts: list[AnyAct]
    started: Start | None
    keyed: tuple[Event, Observed | None] | None
    enrolled: set[str]
    issued_at: dict[str, datetime]

    @property
    def definition(self) -> Definition:
        """The definition under test."""
        ...

    @property
    def subject(self) -> ActorId:
        """The person being onboarded."""
        ...


def administered(rig: Ground, act: Delegate | EndDelegation | Erase, seen: Observed) -> Observed:
    """Do what an administrator does, and say what came of it."""
    match act:
        case Delegate():
            return _delegated(rig, act, seen)
        case EndDelegation():
            now = rig.clock.now()
            running = [one for one in rig.delegations if one.starts_at <= now < one.ends_at]
            if running:
                rig.delegations.remove(running[0])
                with suppress(NotFoundError):  # it had run out before the clock was put back
                    rig.engine.end_delegation(running[0].id, actor=ADMIN)
            return seen
        case Erase():
            return _erased(rig, seen)


def _delegated(rig: Ground, act: Delegate, seen: Observed) -> Observed:
    now = rig.clock.now()
    principal, deputy = (ActorId(one + rig.tag if one == SUBJECT else one) for one in (act.principal, act.deputy))
    made = Delegation(
        id=f"d{len(rig.acts)}{rig.tag}",
        principal=principal,
        deputy=deputy,
        role=rig.definition.roles[act.role].name if act.role else None,  # type: ignore[index]  # names of roles are text
        scope=None,
        starts_at=now,
        ends_at=now + timedelta(hours=act.hours),
    )
    try:
        rig.engine.delegate(made, actor=ADMIN)
    except RefusedError as error:  # the clock was put back so far that the delegation is over for the system's chain
        return replace(seen, answer=error)
    rig.delegations.append(made)
    return seen


def _erased(rig: Ground, seen: Observed) -> Observed:
    """Erase the subject; with the personal values go the stored answers and what makes a value unique."""
    if rig.instance_id is None:
        return seen
    rig.keyed = None
    try:
        answer: object = rig.engine.erase(rig.subject, basis="asked for", actor=ADMIN)
    except RefusedError as error:  # under way, and its definition names no event that closes it
        return replace(seen, answer=error)
    rig.started = None
    rig.enrolled.clear()
    rig.issued_at.clear()
    return replace(seen, answer=answer)
