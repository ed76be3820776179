"""The start of an onboarding: event number 1."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from workflow.engine import system
from workflow.engine.answers import content_of, scoped_start_key, stored_answer
from workflow.engine.calls import Call, Turn
from workflow.engine.checking import CheckCache, facts_of, run_checks, with_check_reasons
from workflow.engine.conflicts import KeyReusedError
from workflow.engine.parts import Parts
from workflow.engine.shelf import InForce
from workflow.engine.turn import refuse_taken_values, seen_refusal, settled
from workflow.engine.writing import Draft
from workflow.ports import CheckResult, Loaded, UnitOfWork
from workflow.states.instance import ActorId, Event, InstanceId
from workflow.states.making import World
from workflow.states.step import begin, permit
from workflow.states.verdict import Accepted, Merged, Permitted, Refused, Step


def start_once(
    parts: Parts, uow: UnitOfWork, definition: str, event: Event, *, subject: ActorId, instance_id: InstanceId, cache: CheckCache
) -> Turn[Accepted | Merged | Refused]:
    """Start an instance, once."""
    key = scoped_start_key(parts.vault, definition, event)
    loaded: Loaded = yield Call(lambda: uow.load(None, subject=subject, key=key))
    in_force = parts.shelf.newest_at_hand(definition, loaded.publications)
    if in_force is None:
        in_force = yield Call(lambda: parts.shelf.fetch_newest(uow, definition, loaded.publications))
    if loaded.answer is not None and loaded.answer.expires_at > parts.now(loaded):
        return (yield from _repeated(parts, uow, in_force, loaded, event))
    now = parts.now(loaded)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=now, latest=None, flood=parts.flood)
    judged = permit(in_force.world, None, event, subject=subject, delegations=loaded.delegations, holders=parts.directory.holders, now=now)
    checked: Mapping[str, CheckResult] = {}
    decided: Step | Refused | Permitted = judged
    if isinstance(judged, Permitted):
        checked = yield from run_checks(parts, uow, in_force.world, judged, loaded=loaded, situation=None, now=now, cache=cache)
        decided = begin(in_force.world, judged, facts_of(checked), instance_id=instance_id, subject=subject, now=now)
    if isinstance(decided, Step):
        return (yield from _accept(parts, uow, draft, in_force.world, event, decided, checked=checked, key=key))
    refused = with_check_reasons(decided, checked) if isinstance(decided, Refused) else Refused(reasons=())
    seen = seen_refusal(draft, in_force.world.definition, event, refused, facts=facts_of(checked), judged=judged)
    yield from system.refuse(parts, uow, seen, in_force)
    return refused


def _accept(
    parts: Parts,
    uow: UnitOfWork,
    draft: Draft,
    world: World,
    event: Event,
    step: Step,
    *,
    checked: Mapping[str, CheckResult],
    key: str | None,
) -> Turn[Accepted]:
    yield from refuse_taken_values(parts, uow, world.table, step)
    entry = draft.add(step)
    settled(draft, world)
    credentials = tuple(c for result in checked.values() for c in result.on_accept)
    answer = stored_answer(parts.vault, draft, world.definition, event, key=key, sequence=entry.sequence, reasons=None)
    change = draft.change(credentials=credentials, answer=answer)
    yield Call(lambda: uow.save(change))
    return Accepted(instance=change.instance, sequence=entry.sequence)


def _repeated(parts: Parts, uow: UnitOfWork, in_force: InForce, loaded: Loaded, event: Event) -> Turn[Accepted]:
    """Give the first answer to a start again."""
    answer = loaded.answer
    if answer is None or answer.content != content_of(parts.vault, in_force.world.definition, event):
        raise KeyReusedError(event.key or "")
    started: Loaded = yield Call(lambda: uow.load(answer.instance_id))
    if started.situation is None:
        raise KeyReusedError(event.key or "")
    return Accepted(instance=started.situation.instance, sequence=answer.sequence, is_repeat=True)


def new_instance_id() -> InstanceId:
    """Make an id that nobody can guess: 22 letters and digits from 128 random bits; it never looks like an option of a command."""
    return InstanceId(secrets.token_urlsafe(16).translate(_LETTERS_FOR_SIGNS))


_LETTERS_FOR_SIGNS = str.maketrans("-_", "xX")
