"""OCEL 2.0 (JSON): histories as an object-centric event log.

Promises: every entry is an event, refusals included (their type says so), related to the onboarding, its subject, the actor and
the principal. The state of an onboarding is an attribute that changes over time. People appear by their opaque ids only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import IO, Any

import orjson

from workflow.audit.canonical import instant
from workflow.audit.entry import EntryRow
from workflow.export.once import Once
from workflow.export.population import History

_EVENT_ATTRIBUTES = {
    "kind": "string",
    "sequence": "integer",
    "from": "string",
    "to": "string",
    "roles": "string",
    "reasons": "string",
    "facts": "string",
    "payload": "string",
    "effects": "string",
    "automatic": "boolean",
    "recorded_at": "time",
    "hash": "string",
}
_OBJECT_ATTRIBUTES = {
    "onboarding": {"definition": "string", "digest": "string", "state": "string", "outcome": "string"},
    "subject": {},
    "actor": {},
}


def write_ocel(histories: Iterable[History], to: IO[str]) -> None:
    """Write a log; objects are set aside in temporary files while events are written, so memory stays flat."""
    types: dict[str, None] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as aside, closing(Once()) as people:
        to.write('{"events":[')
        is_first = True
        for history in histories:
            aside.writelines(f"{_json(one)}\n" for one in _objects(history))
            people.add(_subject(history))
            for row, said in zip(history.rows, history.said, strict=True):
                people.add(*(_actor(name) for name in (row.actor, row.on_behalf_of) if name))
                event = _event(history, row, said)
                types[str(event["type"])] = None
                to.write(("" if is_first else ",") + "\n" + _json(event))
                is_first = False
        to.write('\n],\n"objects":[')
        aside.seek(0)
        for place, line in enumerate(chain(aside, map(_person, people))):
            to.write(("," if place else "") + "\n" + line.rstrip("\n"))
    to.write("\n],\n" + _types(types) + "}\n")


def _types(types: Iterable[str]) -> str:
    events = [{"name": name, "attributes": _named(_EVENT_ATTRIBUTES)} for name in sorted(types)]
    objects = [{"name": name, "attributes": _named(attributes)} for name, attributes in _OBJECT_ATTRIBUTES.items()]
    return f'"eventTypes":{_json(events)},\n"objectTypes":{_json(objects)}'


def _named(attributes: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": type_} for name, type_ in attributes.items()]


def _objects(history: History) -> Iterator[dict[str, object]]:
    instance = history.instance
    started = instant(instance.started_at)
    values: list[dict[str, object]] = [
        {"name": "definition", "time": started, "value": instance.definition},
        {"name": "digest", "time": started, "value": instance.digest},
    ]
    values += [
        {"name": "state", "time": instant(row.occurred_at), "value": row.to_state}
        for row, _ in history.steps
        if row.to_state != row.from_state
    ]
    if instance.outcome is not None and history.rows:
        values.append({"name": "outcome", "time": instant(history.rows[-1].occurred_at), "value": instance.outcome})
    related = [{"objectId": _subject(history), "qualifier": "of"}]
    yield {"id": _onboarding(history), "type": "onboarding", "attributes": values, "relationships": related}


def _event(history: History, row: EntryRow, said: dict[str, Any]) -> dict[str, object]:
    values: dict[str, object] = {
        "kind": row.kind,
        "sequence": row.sequence,
        "from": row.from_state,
        "to": row.to_state,
        "roles": " ".join(said["roles"]),
        "reasons": " ".join(reason["code"] for reason in said.get("reasons", ())),
        "facts": _json(said["facts"]) if said["facts"] else "",
        "payload": _json(said["payload"]) if said["payload"] else "",
        "effects": " ".join(f"{one['kind']}:{one['name']}" for one in said.get("effects", ())),
        "automatic": bool(said.get("automatic")),
        "recorded_at": instant(row.recorded_at),
        "hash": row.entry_hash.hex(),
    }
    related = [
        {"objectId": _onboarding(history), "qualifier": "onboarding"},
        {"objectId": _subject(history), "qualifier": "subject"},
        {"objectId": _actor(row.actor), "qualifier": "actor"},
    ]
    if row.on_behalf_of:
        related.append({"objectId": _actor(row.on_behalf_of), "qualifier": "on behalf of"})
    return {
        "id": f"{row.instance_id}/{row.sequence}",
        "type": f"{row.event} (refused)" if row.kind == "event:refused" else row.event,
        "time": instant(row.occurred_at),
        "attributes": [{"name": name, "value": value} for name, value in values.items() if value not in ("", None)],
        "relationships": related,
    }


def _person(id_: str) -> str:
    return _json({"id": id_, "type": id_.partition(":")[0], "attributes": [], "relationships": []})


def _onboarding(history: History) -> str:
    return f"onboarding:{history.instance.id}"


def _subject(history: History) -> str:
    return f"subject:{history.instance.subject}"


def _actor(id_: str) -> str:
    return f"actor:{id_}"


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
