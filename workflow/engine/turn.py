"""One event, one transaction: the turns of the engine.

Promises: the order of `design.md` 4. A turn reads once, decides without a lock, and writes once with compare-and-set. After
two conflicts it decides under the row lock, bounded by time. A refusal is written, then told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import orjson

from workflow.audit.entry import Witnessed
from workflow.engine.calls import Call, Turn
from workflow.engine.sealing import open_fields, unique_values
from workflow.engine.shelf import InForce, Shelf
from workflow.engine.writing import Draft, FloodLimit
from workflow.errors import ConflictError, NotFoundError, Reason, SettingsError
from workflow.ports import (
    CheckInput,
    CheckResult,
    Checks,
    Clock,
    CredentialChange,
    Directory,
    Loaded,
    SealedValue,
    Store,
    StoredAnswer,
    UnitOfWork,
    Vault,
)
from workflow.states.definition import Definition, EventName, FieldName
from workflow.states.instance import ENGINE_ACTOR, Actor, Event, InstanceId, Situation
from workflow.states.machine import NOT_JUDGED, Table
from workflow.states.step import World, decide, permit, recalendar, settle
from workflow.states.verdict import Accepted, Answer, Facts, Kind, Permitted, Refused, Step

T = TypeVar("T")
MAX_LOCK_SECONDS = 5.0
"""How long a turn goes on deciding under the row lock before it gives up with a `ConflictError`."""
ANSWER_KEPT = timedelta(hours=24)
FREE_ATTEMPTS = 2
"""Attempts without the row lock."""


class StaleVersionError(ConflictError):
    """The caller saw an older version of the instance; not a race of ours, so it is not tried again."""

    def __init__(self, expected: int, found: int) -> None:
        """Name both versions."""
        super().__init__(
            f"The instance is at version {found}, not {expected}: read it again.", expected_version=expected, found_version=found
        )


class TakenError(ConflictError):
    """A unique value belongs to another instance; not a race of ours, so it is not tried again."""

    def __init__(self, field_: FieldName, holder: InstanceId) -> None:
        """Name the field; the holder is for the engine, which fires the conflict event there."""
        super().__init__(f"The value of {field_!r} belongs to another onboarding.")
        self.field = field_
        self.holder = holder


class KeyReusedError(ConflictError):
    """An idempotency key was used again with other content; not a race, so it is not tried again."""

    def __init__(self, key: str) -> None:
        """Name the key."""
        super().__init__(f"The key {key!r} was used before with other content; use a new key for a new event.")


FINAL_CONFLICTS = (StaleVersionError, TakenError, KeyReusedError)
"""Conflicts that trying again cannot solve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every turn needs: the compiled documents, the vault, the checks, the host's directory, the clock."""

    shelf: Shelf
    vault: Vault
    checks: Checks
    directory: Directory
    clock: Clock | None = None
    flood: FloodLimit = field(default_factory=FloodLimit)
    join: Callable[[object], Store] | None = None
    """Makes a store of a host's connection; the composition root knows how."""

    def joined(self, connection: object) -> Store:
        """Give the store inside a host's transaction."""
        if self.join is None:
            raise SettingsError("This engine was composed without a way to join a host's connection: use `workflow.open`.")
        return self.join(connection)

    def now(self, loaded: Loaded) -> datetime:
        """Give the instant of an event: the clock's (the database's own when there is no other), never before the newest entry."""
        now = self.clock.now() if self.clock else loaded.database_now or datetime.now(UTC)
        newest = loaded.situation.instance.recorded_at if loaded.situation else now
        return max(now, newest)


@dataclass(slots=True)
class CheckCache:
    """Facts of slow checks over the attempts of one event: derived again when anything they were derived from has moved."""

    seen: tuple[object, ...] = ()
    results: dict[str, CheckResult] = field(default_factory=dict)

    def renew(self, loaded: Loaded, situation: Situation | None) -> None:
        """Forget all results unless credentials and situation are those that they were derived from."""
        instance = situation.instance if situation else None
        seen = (
            loaded.credentials,
            instance and (instance.state, dict(instance.marks), dict(instance.serials), dict(instance.fields), dict(instance.tallies)),
        )
        if seen != self.seen:
            self.seen, self.results = seen, {}


def attempts(store: Store, once: Callable[[UnitOfWork, bool], Turn[T]]) -> Turn[T]:
    """Try a turn without a lock, then under the row lock, until it is answered or time is up; each try is a unit of its own.

    In a host's transaction there is one attempt: a conflict is the host's to retry, with its whole transaction.
    """
    started, attempt = time.monotonic(), 0
    while True:
        try:
            with store.unit() as uow:
                is_joined = uow.is_joined
                return (yield from once(uow, attempt >= FREE_ATTEMPTS))
        except FINAL_CONFLICTS:
            raise
        except ConflictError:
            attempt += 1
            if is_joined or time.monotonic() - started > MAX_LOCK_SECONDS:
                raise


def fetch(parts: Parts, uow: UnitOfWork, loaded: Loaded) -> Turn[InForce]:
    """Give the documents in force for a loaded instance, from the process or the store."""
    if loaded.situation is None:
        raise NotFoundError("instance", "?")
    digest = loaded.situation.instance.digest
    found = parts.shelf.at_hand(digest, loaded.publications)
    if found is None:
        found = yield Call(lambda: parts.shelf.fetch(uow, digest, loaded.publications))
    return found


def settled(draft: Draft, world: World) -> Situation:
    """Bring a draft's situation up to date: a new calendar first, then every deadline that is reached."""
    now = draft.now
    if draft.latest is None:
        raise NotFoundError("instance", "?")
    step = recalendar(world, draft.latest, now=now)
    if step is not None:
        if step.moved:
            draft.add(step)
        draft.latest = step.after
    for fired in settle(world, draft.latest, now=now):
        draft.add(fired)
    return draft.latest


def fire_once(
    parts: Parts,
    uow: UnitOfWork,
    instance_id: InstanceId,
    event: Event,
    *,
    cache: CheckCache,
    is_locked: bool,
    expected_version: int | None,
) -> Turn[Answer]:
    """Fire an event on an instance, once."""
    key = _scoped_key(parts.vault, instance_id, event)
    loaded: Loaded = yield Call(lambda: uow.load(instance_id, key=key, lock=is_locked))
    if loaded.situation is None:
        raise NotFoundError("instance", instance_id)
    in_force = yield from fetch(parts, uow, loaded)
    if loaded.answer is not None:
        return repeated(parts, in_force, loaded, event)
    draft = Draft(loaded=loaded, in_force=in_force, vault=parts.vault, now=parts.now(loaded), latest=loaded.situation, flood=parts.flood)
    situation = settled(draft, in_force.world)
    if expected_version is not None and expected_version != situation.instance.version:
        raise StaleVersionError(expected_version, situation.instance.version)
    judged = _permit(parts, in_force.world, loaded, situation, event, draft.now)
    facts: dict[str, bool | int | str] = {}
    checked: Mapping[str, CheckResult] = {}
    if isinstance(judged, Permitted) and in_force.world.definition.events[event.name].checks:
        cache.renew(loaded, situation)
        checked = yield from run_checks(parts, uow, in_force.world, judged, loaded=loaded, situation=situation, now=draft.now, cache=cache)
        facts = facts_of(checked)
    decided: Step | Refused = (
        judged
        if isinstance(judged, Refused)
        else decide(in_force.world, situation, judged, facts, delegations=loaded.delegations, now=draft.now)
    )
    if isinstance(decided, Refused):
        return (yield from _refuse(parts, uow, draft, in_force.world, event, decided, facts=facts, checked=checked, judged=judged, key=key))
    return (yield from _accept(parts, uow, draft, in_force.world, event, decided, checked=checked, key=key))


def _permit(parts: Parts, world: World, loaded: Loaded, situation: Situation | None, event: Event, now: datetime) -> Permitted | Refused:
    subject = situation.instance.subject if situation else event.actor.id
    return permit(world, situation, event, subject=subject, delegations=loaded.delegations, holders=parts.directory.holders, now=now)


def run_checks(
    parts: Parts,
    uow: UnitOfWork,
    world: World,
    permitted: Permitted,
    *,
    loaded: Loaded,
    situation: Situation | None,
    now: datetime,
    cache: CheckCache,
) -> Turn[dict[str, CheckResult]]:
    """Run the event's checks; slow, and so outside any transaction of ours unless the row lock is held."""
    definition = world.definition
    type_ = definition.events[permitted.event.name]
    instance = situation.instance if situation else None
    values: dict[FieldName, object] = {}
    if instance is not None and instance.personal:
        slots: Mapping[str, SealedValue] = yield Call(lambda: uow.personal(instance.id))
        values.update(open_fields(parts.vault, slots, instance, loaded.subject_key))  # type: ignore[arg-type]  # names of fields
    # Where no identity is needed, the first check that fails ends the matter: whoever cannot show the password must not
    # learn from a second check whether a telephone is enrolled.
    is_public = any(definition.roles[role].is_anyone for role in type_.by)
    found: dict[str, CheckResult] = {}
    for name in type_.checks:
        seen = CheckInput(
            use=definition.checks[name],
            payload=permitted.payload,
            situation=situation,
            definition=definition,
            subject=instance.subject if instance else permitted.event.actor.id,
            actor=permitted.event.actor.id,
            credentials=loaded.credentials,
            personal=values.get,
            now=now,
            catalogue=world.catalogue,
        )
        if name not in cache.results:
            cache.results[name] = yield Call(lambda seen=seen: parts.checks.run(seen), is_slow=True)  # type: ignore[misc]  # bound now
        found[name] = cache.results[name]
        if found[name].reasons and is_public:
            break
    return found


def facts_of(checked: Mapping[str, CheckResult]) -> dict[str, bool | int | str]:
    """Give the facts of all checks under their full names."""
    return {f"{name}.{leaf}": value for name, result in checked.items() for leaf, value in result.facts.items()}


def with_check_reasons(refused: Refused, checked: Mapping[str, CheckResult]) -> Refused:
    """Put what the checks found in place of the bare guards that read them: people need "too short", not "the guard is false"."""
    found = tuple(dict.fromkeys(reason for result in checked.values() for reason in result.reasons))
    if not found:
        return refused
    kept = tuple(r for r in refused.reasons if r.private != NOT_JUDGED and (r.code != "guard_false" or "facts." not in r.message))
    return replace(refused, reasons=(*kept, *found))


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
) -> Turn[Answer]:
    entry = draft.add(step)
    settled(draft, world)
    credentials = tuple(c for result in checked.values() for c in result.on_accept)
    yield from refuse_taken_values(parts, uow, world.table, step)
    answer = stored_answer(parts.vault, draft, world.definition, event, key=key, sequence=entry.sequence, reasons=None)
    change = draft.change(credentials=credentials, answer=answer)
    yield Call(lambda: uow.save(change))
    return Accepted(instance=change.instance, sequence=entry.sequence)


def refuse_taken_values(parts: Parts, uow: UnitOfWork, table: Table, step: Step) -> Turn[None]:
    """Raise a clear conflict when an event writes a unique value that another instance has."""
    for wanted in unique_values(parts.vault, table, (step,)):
        holder = yield Call(lambda wanted=wanted: uow.unique_holder(wanted))  # type: ignore[misc]  # bound now
        if holder is not None and holder != step.after.instance.id:
            raise TakenError(wanted.field, holder)


def _refuse(
    parts: Parts,
    uow: UnitOfWork,
    draft: Draft,
    world: World,
    event: Event,
    refused: Refused,
    *,
    facts: Facts,
    checked: Mapping[str, CheckResult],
    judged: Permitted | Refused,
    key: str | None,
) -> Turn[Answer]:
    refused = with_check_reasons(refused, checked)
    seen = seen_refusal(draft, world.definition, event, refused, facts=facts, judged=judged)
    entry = draft.refuse(seen)
    credentials: tuple[CredentialChange, ...] = tuple(c for result in checked.values() for c in result.on_refuse)
    sequence = entry.sequence if entry else None
    answer = stored_answer(parts.vault, draft, world.definition, event, key=key, sequence=sequence or 0, reasons=refused.reasons)
    change = draft.change(credentials=credentials, answer=answer)
    yield Call(lambda: uow.save(change))
    return replace(refused, instance_id=change.instance.id, sequence=sequence)


def seen_refusal(
    draft: Draft, definition: Definition, event: Event, refused: Refused, *, facts: Facts, judged: Permitted | Refused
) -> Witnessed:
    """Give what is recorded of a refusal."""
    plain, withheld = told(definition, event, judged)
    return Witnessed(
        kind=Kind.REFUSED,
        event=event.name if event.name in definition.events else ascii(event.name)[:64],
        actor=event.actor.id,
        occurred_at=draft.now,
        state=draft.latest.instance.state if draft.latest else None,
        on_behalf_of=judged.on_behalf_of if isinstance(judged, Permitted) else None,
        roles=judged.roles if isinstance(judged, Permitted) else (),
        facts=facts,
        reasons=refused.reasons,
        payload=plain,
        withheld=withheld,
    )


def told(definition: Definition, event: Event, judged: Permitted | Refused) -> tuple[dict[str, object], tuple[str, ...]]:
    """Say what a refusal's entry keeps of the payload: plain values that were valid; of all others only the known names."""
    type_ = definition.events.get(event.name)
    if type_ is None:
        return {}, ()
    if isinstance(judged, Refused):
        return {}, tuple(sorted(name for name in event.payload if name in type_.payload))
    plain = {n: v for n, v in judged.payload.items() if not type_.payload[n].is_secret and not type_.payload[n].is_personal}  # type: ignore[index]  # names of fields
    return plain, tuple(sorted(name for name in judged.payload if name not in plain))


def _scoped_key(vault: Vault, instance_id: str, event: Event) -> str | None:
    """Scope an idempotency key by instance and actor; the stored key is a keyed digest, so it tells nothing."""
    return None if event.key is None else vault.blind("answer-key", instance_id, event.actor.id, event.key)


def scoped_start_key(vault: Vault, definition: str, event: Event) -> str | None:
    """Scope a start's idempotency key by definition and actor."""
    return None if event.key is None else vault.blind("start-key", definition, event.actor.id, event.key)


def content_of(vault: Vault, definition: Definition, event: Event) -> str:
    """Give the keyed digest of what was asked, without secret values."""
    type_ = definition.events.get(event.name)
    secret = {name for name, f in type_.payload.items() if f.is_secret} if type_ else set()
    shown = {str(n): v for n, v in event.payload.items() if n not in secret}
    try:
        plain = orjson.dumps(shown, option=orjson.OPT_SORT_KEYS, default=repr).decode()
    except orjson.JSONEncodeError:  # half characters, very deep nesting: the payload will be refused, but its digest is needed
        plain = ascii(sorted(shown.items()))
    return vault.blind("answer-content", ascii(event.name), plain)


def stored_answer(
    vault: Vault, draft: Draft, definition: Definition, event: Event, *, key: str | None, sequence: int, reasons: tuple[Reason, ...] | None
) -> StoredAnswer | None:
    """Give the answer to be kept under the event's idempotency key, None when it has none."""
    if key is None or draft.latest is None:
        return None
    body = [{"code": r.code, "message": r.message, "needed": r.needed, "field": r.field} for r in reasons or ()]
    return StoredAnswer(
        key=key,
        content=content_of(vault, definition, event),
        instance_id=draft.latest.instance.id,
        sequence=sequence,
        is_accepted=reasons is None,
        body=orjson.dumps(body),
        expires_at=draft.now + ANSWER_KEPT,
    )


def repeated(parts: Parts, in_force: InForce, loaded: Loaded, event: Event) -> Answer:
    """Give the first answer again, to an actor who may still have it.

    Raises:
        KeyReusedError: the key was used for other content.
    """
    answer, situation = loaded.answer, loaded.situation
    if answer is None or situation is None:
        raise NotFoundError("answer", event.key or "")
    if answer.content != content_of(parts.vault, in_force.world.definition, event):
        raise KeyReusedError(event.key or "")
    judged = _permit(parts, in_force.world, loaded, situation, event, parts.now(loaded))
    if isinstance(judged, Refused) and (lost := tuple(r for r in judged.reasons if r.code in {"role_missing", "engine_only"})):
        return Refused(reasons=lost)
    if answer.is_accepted:
        return Accepted(instance=situation.instance, sequence=answer.sequence, is_repeat=True)
    reasons = tuple(Reason(**reason) for reason in orjson.loads(answer.body))
    return Refused(reasons=reasons, instance_id=answer.instance_id, sequence=answer.sequence or None)


def engine_event(name: EventName) -> Event:
    """Give an event fired by the engine itself."""
    return Event(name=name, actor=Actor(id=ENGINE_ACTOR))
