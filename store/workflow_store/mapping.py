"""Values of the ports to rows and back.

Promises: exact round trips; nothing here knows which database it is. Instants cross as microseconds since the epoch,
bytes inside JSON as hex.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import orjson

from workflow.audit.entry import EntryRow
from workflow.ports import Credential, Document, Loaded, Message, SealedValue, StoredAnswer, make_loaded
from workflow.states.definition import Digest, EventName, FieldName, RoleName
from workflow.states.effects import Effect, Work
from workflow.states.instance import (
    ActorId,
    Delegation,
    Instance,
    InstanceId,
    Plain,
    Situation,
    Tally,
    Timer,
    make_instance,
    make_remaining,
    make_situation,
    make_timer,
)
from workflow_store.statements import Row
from workflow_store.tables import EPOCH, NEVER, micros

_loads = orjson.loads
_NEVER = micros(NEVER)
_instant: Callable[[str], datetime] = datetime.fromisoformat


def _at(value: int) -> datetime:
    return EPOCH + timedelta(microseconds=value)


def _at_or_none(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + timedelta(microseconds=value)


def to_json(value: object) -> str:
    """Write JSON; dataclasses, mappings, frozensets and bytes included."""
    return orjson.dumps(value, default=_plain).decode()


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} has no JSON form"
    raise TypeError(message)


def instance_data(one: Instance) -> str:
    """Write what is never searched of an instance as canonical JSON; what is empty is left out."""
    data: dict[str, object] = {}
    if one.fields:
        data["fields"] = one.fields
    if one.personal:
        data["personal"] = sorted(one.personal)
    if one.tallies:
        data["tallies"] = one.tallies
    if one.deciders:
        data["deciders"] = one.deciders
    if one.serials:
        data["serials"] = one.serials
    if one.marks:
        data["marks"] = one.marks
    if one.calendar_digest is not None:
        data["calendar_digest"] = one.calendar_digest
    if one.refusal_count or one.refusal_window_at is not None:
        data["refusals"] = [one.refusal_window_at, one.refusal_count]
    if one.suppressed_first_at is not None or one.suppressed_last_at is not None:
        data["suppressed"] = [one.suppressed_first_at, one.suppressed_last_at]
    return orjson.dumps(data, default=_plain, option=orjson.OPT_SORT_KEYS).decode()


def _fields(found: Mapping[str, Any]) -> Mapping[FieldName, Plain]:
    return {name: tuple(value) if type(value) is list else value for name, value in found.items()}  # type: ignore[misc]  # names of fields


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)


def instance_from(row: Row) -> Instance:
    """Read an instance from the first thirteen columns of a row."""
    id_, definition, digest, state, subject, version, head, head_hash, outcome, started_at, recorded_at, suppressed_count, said = row[:13]
    data = _loads(said)
    get = data.get
    window_at, refusal_count = get("refusals", _NO_REFUSALS)
    first_at, last_at = get("suppressed", _NO_SPAN)
    tallies, marks, deciders, personal = get("tallies"), get("marks"), get("deciders"), get("personal")
    return make_instance(
        id_,
        definition,
        digest,
        state,
        subject,
        _at(started_at),
        _at(recorded_at),
        version,
        head,
        head_hash,
        _fields(get("fields", _NOTHING)),
        frozenset(personal) if personal else _NO_NAMES,
        {k: Tally(count=v["count"], actors=tuple(v["actors"])) for k, v in tallies.items()} if tallies else {},
        {k: tuple(v) for k, v in deciders.items()} if deciders else {},
        get("serials", _NOTHING),
        {k: _instant(v) for k, v in marks.items()} if marks else {},
        outcome,
        _maybe(window_at),
        refusal_count,
        suppressed_count,
        _maybe(first_at),
        _maybe(last_at),
        get("calendar_digest"),
    )


_NOTHING: Mapping[str, Any] = {}
_NO_NAMES: frozenset[FieldName] = frozenset()
_NO_REFUSALS = (None, 0)
_NO_SPAN = (None, None)


def timer_from(row: Row) -> Timer:
    """Read a timer from a row of `TIMER`."""
    key, event, state, index, armed, base, days, seconds, due = row
    armed_at = _at(armed)
    return make_timer(
        key=key,
        event=event,
        state=state,
        index=index,
        armed_at=armed_at,
        base_at=armed_at if base == armed else _at(base),
        remaining=make_remaining(days=days, seconds=seconds),
        due_at=_at_or_none(due),
    )


def situation_from(row: Row) -> Situation:
    """Read an instance and its timers from the fourteen columns of `SITUATION`."""
    return make_situation(instance=instance_from(row), timers=tuple([timer_from(one) for one in _sorted(row[13], _BY_POSITION)]))


# The database gives these rows in any order: sorting the two or three that there are costs less here.
_BY_POSITION = itemgetter(3, 0)
_BY_KIND = itemgetter(1, 2)
_BY_ID = itemgetter(0)


def _sorted(listed: str | None, order: Callable[[Row], Any]) -> list[Row]:
    if not listed or listed == "[]":  # what SQLite gives for none
        return []
    rows: list[Row] = _loads(listed)
    if len(rows) > 1:
        rows.sort(key=order)
    return rows


def loaded_from(row: Row, *, has_instance: bool) -> Loaded:
    """Read what a decision needs; the first fourteen columns are the situation when there is one."""
    credentials, delegations, subject_key, answer, now, publications = row[-6:]
    return make_loaded(
        situation=situation_from(row) if has_instance else None,
        credentials=tuple(map(_credential, _sorted(credentials, _BY_KIND))),
        delegations=tuple(map(delegation_from, _sorted(delegations, _BY_ID))),
        subject_key=subject_key,
        answer=_answer(_loads(answer)) if answer else None,
        database_now=_at_or_none(now),
        publications=publications or 0,
    )


def _credential(row: Row) -> Credential:
    return Credential(
        subject=ActorId(row[0]),
        kind=row[1],
        name=row[2],
        version=row[3],
        sealed=bytes.fromhex(row[4]),
        is_active=bool(row[5]),
        failure_count=row[6],
        last_step=row[7],
        locked_until=_at_or_none(row[8]),
        created_at=_at_or_none(row[9]),
    )


def delegation_from(row: Row) -> Delegation:
    """Read a delegation from a row of `DELEGATION`."""
    return Delegation(
        id=row[0],
        principal=ActorId(row[1]),
        deputy=ActorId(row[2]),
        role=None if row[3] is None else RoleName(row[3]),
        scope=row[4],
        starts_at=_at(row[5]),
        ends_at=_at(row[6]),
        reason=row[7],
    )


def _answer(row: Row) -> StoredAnswer:
    return StoredAnswer(
        key=row[0],
        content=row[1],
        instance_id=InstanceId(row[2]),
        sequence=row[3],
        is_accepted=bool(row[4]),
        body=bytes.fromhex(row[5]),
        expires_at=_at(row[6]),
    )


def entry_from(row: Row) -> EntryRow:
    """Read an entry from a row of `ENTRY`."""
    return EntryRow(
        instance_id=InstanceId(row[0]),
        sequence=row[1],
        kind=row[2],
        event=row[3],
        actor=row[4],
        on_behalf_of=row[5],
        from_state=row[6],
        to_state=row[7],
        occurred_at=_at(row[8]),
        recorded_at=_at(row[9]),
        canonical=row[10],
        entry_hash=row[11],
    )


def effect_json(effect: Effect) -> str:
    """Write an effect as canonical JSON; what has its default is left out."""
    data: dict[str, object] = {"kind": effect.kind, "name": effect.name, "to": effect.to}
    if effect.link is not None:
        data["link"] = effect.link
        data["serial"] = effect.serial
    elif effect.serial:
        data["serial"] = effect.serial
    if effect.done is not None:
        data["done"] = effect.done
    if effect.failed is not None:
        data["failed"] = effect.failed
    if effect.params:
        data["params"] = effect.params
    return orjson.dumps(data, default=_plain, option=orjson.OPT_SORT_KEYS).decode()


def message_from(row: Row) -> Message:
    """Read a message from a row of `MESSAGE`."""
    state = row[3]
    return Message(
        id=row[0],
        instance_id=InstanceId(row[1]),
        sequence=row[2],
        state=state,
        queued_at=_at(row[4]),
        available_at=_at(row[5]),
        leased_until=_at(row[6]) if state == "leased" else None,
        attempts=row[7],
        token=row[8],
        last_error=row[9],
        effect=Effect(**_loads(row[10])),
    )


def message_due_at(message: Message) -> datetime | None:
    """Say when somebody may take a message; None when nobody may any more."""
    return {"queued": message.available_at, "leased": message.leased_until}.get(message.state)


def work_from(row: Row) -> Work:
    """Read open work from a row of `WORK`."""
    return Work(event=EventName(row[0]), role=RoleName(row[1]), scope=row[2] or None, due_at=None if row[3] == _NEVER else _at(row[3]))


def sealed_from(row: Row) -> SealedValue:
    """Read a sealed personal value from a row of `SEALED`."""
    return SealedValue(subject=ActorId(row[0]), instance_id=InstanceId(row[1]), sequence=row[2], slot=row[3], sealed=row[4])


def document_from(row: Row) -> Document:
    """Read a document from a row of `DOCUMENT`."""
    kind, name, digest, text_digest, content, text = row
    return Document(kind=kind, name=name, digest=Digest(digest), text_digest=Digest(text_digest), content=content, text=text)
