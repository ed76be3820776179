"""Properties that ask for the situation which an event found: `cel` of an event, and `requires` with a condition.

Promises: pure; judged by the engine's own expressions over what was recorded, with the instance as it was before the entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import orjson

from workflow.policy.once import Required
from workflow.policy.said import STEPS, Facts, Said
from workflow.states.definition import Definition, EventName, Property, listed
from workflow.states.guards import GuardError, GuardFault, compile_guard, leaves_of
from workflow.states.instance import ActorId, Instance
from workflow.states.known import Known
from workflow.states.view import View


def broken_moments(
    rule: Property, definition: Definition, known: Known, entries: Sequence[bytes], before: Mapping[int, Instance]
) -> Iterator[str]:
    """Say how entries break a property.

    Args:
        rule: a property of an event that has an expression.
        definition: its definition.
        known: kinds of checks and actions.
        entries: a history, in canonical bytes.
        before: the instance before each entry, by the entry's sequence; entries without one are left out.
    """
    facts = Facts(definition, ActorId("subject"), None)
    source = str(rule.body["holds"] if rule.kind == "cel" else rule.body["when"])
    for canonical in entries:
        said, instance = Said.read(canonical), before.get(orjson.loads(canonical)["sequence"])
        if said.kind not in STEPS or said.event not in listed(rule.body["event"]) or instance is None:
            continue
        if "state" in rule.body and not facts.within(said.source, str(rule.body["state"])):
            continue
        holds = _holds(source, definition, known, said, canonical, instance)
        if rule.kind == "cel" and not holds:
            yield f"{said.event} was accepted in {said.source}, where this does not hold: {source}"
        if rule.kind == "requires" and holds:
            yield from Required({key: value for key, value in rule.body.items() if key != "when"}, facts).see(said)


def _holds(source: str, definition: Definition, known: Known, said: Said, canonical: bytes, instance: Instance) -> bool:
    """Evaluate an expression as a guard of the event would have been; an error is no."""
    body = orjson.loads(canonical)
    view = View(
        definition=definition,
        instance=instance,
        event=EventName(said.event),
        now=said.occurred_at,
        payload=body.get("payload", {}),
        facts=body.get("facts", {}),
        is_subject=said.actor == instance.subject,
        is_deputy=body.get("on_behalf_of") is not None,
    )
    try:
        return compile_guard(source, leaves_of(definition, known, definition.events[said.event])).holds(view.look_up)
    except (GuardError, GuardFault):
        return False
