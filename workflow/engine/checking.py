"""The checks of one event: what they find, and which of their reasons the actor hears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from workflow.engine.calls import Call, Turn
from workflow.engine.parts import Parts
from workflow.engine.sealing import open_fields
from workflow.ports import (
    CheckInput,
    CheckResult,
    Loaded,
    SealedValue,
    UnitOfWork,
)
from workflow.states.definition import FieldName
from workflow.states.instance import Situation
from workflow.states.machine import NOT_JUDGED
from workflow.states.making import World
from workflow.states.may import is_hopeless
from workflow.states.verdict import Permitted, Refused


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
    # Where no identity is needed, the checks end as soon as the refusal is certain: whoever cannot show the password must
    # not learn from a second check whether a telephone is enrolled, nor spend its attempts.
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
        if not is_public or situation is None:
            continue
        if is_hopeless(world, situation, permitted, facts_of(found), delegations=loaded.delegations, now=now):
            break
    return found


def facts_of(checked: Mapping[str, CheckResult]) -> dict[str, bool | int | str]:
    """Give the facts of all checks under their full names."""
    return {f"{name}.{leaf}": value for name, result in checked.items() for leaf, value in result.facts.items()}


def with_check_reasons(refused: Refused, checked: Mapping[str, CheckResult]) -> Refused:
    """Put what the checks found in place of the bare guards that read them: people need "too short", not "the guard is false"."""
    found = tuple(dict.fromkeys(reason for name, result in checked.items() if name in refused.checks for reason in result.reasons))
    kept = tuple(r for r in refused.reasons if r.private != NOT_JUDGED and (r.code != "guard_false" or "facts." not in r.message))
    return replace(refused, reasons=(*kept, *found) or refused.reasons)
