"""A store in memory: the same protocol and the same conflicts as the real ones, for tests without a database.

Promises: atomic and thread-safe; `tests/ports` runs one suite on it and on every real store, so that it cannot lie.
"""

from __future__ import annotations

import base64
import threading
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson

from workflow.audit.entry import EntryRow
from workflow.errors import ConflictError, CursorError
from workflow.ports import (
    SYSTEM,
    Change,
    Credential,
    CredentialChange,
    Document,
    DocumentKind,
    InstanceQuery,
    Loaded,
    Message,
    MessageQuery,
    Page,
    Reads,
    SealedValue,
    StoredAnswer,
    UniqueValue,
    UnitOfWork,
    WorkQuery,
)
from workflow.states.definition import Digest, TimerKey
from workflow.states.effects import Work
from workflow.states.instance import ActorId, Delegation, Instance, InstanceId, Situation, Timer

T = TypeVar("T")
AGES_AGO = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
CredentialKey = tuple[str, str, str]


@dataclass(slots=True)
class _Tables:
    instances: dict[InstanceId, Instance] = field(default_factory=dict)
    timers: dict[InstanceId, dict[TimerKey, Timer]] = field(default_factory=dict)
    entries: dict[InstanceId, list[EntryRow]] = field(default_factory=dict)
    unsequenced: list[tuple[InstanceId, int]] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    work: dict[InstanceId, tuple[Work, ...]] = field(default_factory=dict)
    credentials: dict[CredentialKey, Credential] = field(default_factory=dict)
    subject_keys: dict[ActorId, bytes] = field(default_factory=dict)
    sealed: dict[tuple[InstanceId, int, str], SealedValue] = field(default_factory=dict)
    delegations: dict[str, Delegation] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)
    publications: int = 0
    unique: dict[UniqueValue, InstanceId] = field(default_factory=dict)
    answers: dict[str, StoredAnswer] = field(default_factory=dict)

    def situation(self, id_: InstanceId) -> Situation:
        timers = sorted(self.timers.get(id_, {}).values(), key=lambda one: (one.index, one.key))
        return Situation(instance=self.instances[id_], timers=tuple(timers))


class MemoryStore:
    """A store that forgets everything when it is dropped."""

    def __init__(self) -> None:
        """Begin empty."""
        self._tables = _Tables()
        self._lock = threading.RLock()

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """Open a unit of work; leaving it without `save` leaves nothing behind."""
        unit = MemoryUnit(self._tables, self._lock)
        try:
            yield unit
        finally:
            unit.release()

    @contextmanager
    def reads(self) -> Iterator[Reads]:
        """Open a reader."""
        yield MemoryReads(self._tables, self._lock)

    @property
    def unsequenced(self) -> Sequence[tuple[InstanceId, int]]:
        """Entries that no tree has taken in yet, as (instance, sequence)."""
        return tuple(self._tables.unsequenced)


class MemoryUnit:
    """A unit of work on the store in memory."""

    is_joined = False

    def __init__(self, tables: _Tables, lock: threading.RLock) -> None:
        """Use `MemoryStore.unit`."""
        self._tables = tables
        self._lock = lock
        self._is_holding = False

    def release(self) -> None:
        """Give back the lock that `load` may have taken."""
        if self._is_holding:
            self._is_holding = False
            self._lock.release()

    def load(self, instance_id: InstanceId | None, *, subject: ActorId | None = None, key: str | None = None, lock: bool = False) -> Loaded:
        """Read everything a decision needs; `lock` keeps everybody else out until `save` or the end of the unit."""
        if lock and not self._is_holding:
            self._lock.acquire()
            self._is_holding = True
        with self._lock:
            tables = self._tables
            instance = tables.instances.get(instance_id) if instance_id is not None else None
            known = instance or tables.instances.get(SYSTEM)
            since = known.recorded_at if known else AGES_AGO
            whose = instance.subject if instance else subject
            return Loaded(
                situation=tables.situation(instance.id) if instance else None,
                credentials=tuple(one for key_, one in sorted(tables.credentials.items()) if key_[0] == whose),
                delegations=tuple(one for _, one in sorted(tables.delegations.items()) if one.ends_at > since),
                subject_key=tables.subject_keys.get(whose) if whose else None,
                answer=tables.answers.get(key) if key is not None else None,
                publications=tables.publications,
            )

    def save(self, change: Change, /) -> None:
        """Write the change; raises `ConflictError` when somebody was faster (nothing is written then)."""
        try:
            with self._lock:
                credentials = _collapsed(change.credentials)
                _compare(self._tables, change, credentials)
                _write(self._tables, change)
                _write_people(self._tables, change, credentials)
                _write_outbox(self._tables, change)
                _write_published(self._tables, change)
                _erase(self._tables, change)
        finally:
            self.release()

    def personal(self, instance_id: InstanceId) -> Mapping[str, SealedValue]:
        """Give the newest sealed value of each slot of an instance, in the order they were written."""
        with self._lock:
            mine = sorted(
                (one for one in self._tables.sealed.values() if one.instance_id == instance_id), key=lambda s: (s.sequence, s.slot)
            )
        newest = {one.slot: one for one in mine}
        return {one.slot: one for one in mine if newest[one.slot] is one}

    def unique_holder(self, value: UniqueValue) -> InstanceId | None:
        """Say which instance has a unique value."""
        return self._tables.unique.get(value)

    def document(self, digest: Digest) -> Document | None:
        """Read a document by its digest; of several texts with the same meaning, the one published last."""
        with self._lock:
            return next((one for one in reversed(self._tables.documents) if one.digest == digest), None)

    def newest(self, kind: DocumentKind, name: str) -> Document | None:
        """Read the newest published document of a kind and name."""
        with self._lock:
            return next((one for one in reversed(self._tables.documents) if (one.kind, one.name) == (kind, name)), None)


def _key(one: Credential) -> CredentialKey:
    return (one.subject, one.kind, one.name)


def _collapsed(changes: Sequence[CredentialChange]) -> Mapping[CredentialKey, CredentialChange]:
    last: dict[CredentialKey, CredentialChange] = {}
    for item in changes:
        key = _key(item.credential)
        before = last.get(key)
        version = item.credential.version if before is None else before.credential.version
        last[key] = replace(item, credential=replace(item.credential, version=version))
    return last


def _compare(tables: _Tables, change: Change, credentials: Mapping[CredentialKey, CredentialChange]) -> None:
    """Refuse a change that any real store would refuse, before anything is written."""
    found = tables.instances.get(change.instance.id)
    if change.is_new != (found is None):
        raise ConflictError("This instance exists already, or not any more; read again.")
    if found and (found.head, found.suppressed_count) != (change.expected_head, change.expected_suppressed):
        raise ConflictError("Somebody else changed this instance meanwhile; read it again, then try again.")
    for key, item in credentials.items():
        kept = tables.credentials.get(key)
        if item.credential.version != (kept.version if kept else 0):
            raise ConflictError("Somebody else changed a credential of this person meanwhile; read again, then try again.")
    _compare_once_only(tables, change)
    if change.settled is not None:
        message = tables.messages.get(change.settled[0])
        if message is None or message.token != change.settled[1] or message.state != "leased":
            raise ConflictError("This report is late: another worker holds the message, or its report is recorded already.")


def _compare_once_only(tables: _Tables, change: Change) -> None:
    id_ = change.instance.id
    taken = any(tables.unique.get(one, id_) != id_ for one in change.unique_added)
    answer = tables.answers.get(change.answer.key) if change.answer else None
    repeated = answer is not None and answer.expires_at > change.instance.recorded_at
    known = {one.sequence for one in tables.entries.get(id_, ())}
    rewritten = any(one.sequence in known for one in change.entries)
    second_key = change.subject_key is not None and change.instance.subject in tables.subject_keys
    queued = any(one.id in tables.messages for one in change.messages)
    granted = any(one.id in tables.delegations for one in change.delegations_added)
    sealed = any((one.instance_id, one.sequence, one.slot) in tables.sealed for one in change.sealed)
    if taken or repeated or rewritten or second_key or queued or granted or sealed:
        raise ConflictError("A value that may exist only once was written by somebody else meanwhile; read again, then try again.")


def _write(tables: _Tables, change: Change) -> None:
    id_ = change.instance.id
    tables.instances[id_] = change.instance
    tables.entries.setdefault(id_, []).extend(change.entries)
    tables.unsequenced.extend((one.instance_id, one.sequence) for one in change.entries)
    timers = tables.timers.setdefault(id_, {})
    for key in change.timers_removed:
        timers.pop(TimerKey(key), None)
    timers.update({one.key: one for one in change.timers_set})
    if change.work is not None:
        tables.work[id_] = change.work
    if change.answer is not None:
        tables.answers[change.answer.key] = change.answer


def _write_people(tables: _Tables, change: Change, credentials: Mapping[CredentialKey, CredentialChange]) -> None:
    for key, item in credentials.items():
        if item.is_removed:
            tables.credentials.pop(key, None)
        else:
            tables.credentials[key] = replace(item.credential, version=item.credential.version + 1)
    if change.subject_key is not None:
        tables.subject_keys[change.instance.subject] = change.subject_key
    tables.sealed.update({(one.instance_id, one.sequence, one.slot): one for one in change.sealed})
    for value in change.unique_removed:
        if tables.unique.get(value) == change.instance.id:
            del tables.unique[value]
    tables.unique.update(dict.fromkeys(change.unique_added, change.instance.id))


def _write_outbox(tables: _Tables, change: Change) -> None:
    for link, serial in change.superseded:
        for one in list(tables.messages.values()):
            is_older = one.effect.link == link and one.effect.serial < serial
            if one.instance_id == change.instance.id and one.state == "queued" and is_older:
                tables.messages[one.id] = replace(one, state="superseded")
    if change.settled is not None:
        id_, _token, state = change.settled
        tables.messages[id_] = replace(tables.messages[id_], state=state, leased_until=None)
    tables.messages.update({one.id: one for one in change.messages})


def _write_published(tables: _Tables, change: Change) -> None:
    tables.delegations.update({one.id: one for one in change.delegations_added})
    for id_, ends_at in change.delegations_ended:
        if id_ in tables.delegations:
            tables.delegations[id_] = replace(tables.delegations[id_], ends_at=ends_at)
    for document in change.documents:
        tables.documents[:] = [one for one in tables.documents if (one.digest, one.text_digest) != (document.digest, document.text_digest)]
        tables.documents.append(document)
    tables.publications += len(change.documents)


def _erase(tables: _Tables, change: Change) -> None:
    if change.erased is None:
        return
    id_, subject = change.instance.id, change.instance.subject if change.erased == "subject" else None
    tables.sealed = {key: one for key, one in tables.sealed.items() if one.instance_id != id_ and one.subject != subject}
    tables.unique = {value: holder for value, holder in tables.unique.items() if holder != id_}
    tables.answers = {key: one for key, one in tables.answers.items() if one.instance_id != id_}
    for one in [message for message in tables.messages.values() if message.instance_id == id_]:
        is_waiting = one.effect.ends_with_subject and one.state in {"queued", "leased", "dead"}
        erased = replace(one, last_error="")
        tables.messages[one.id] = replace(erased, state="superseded", leased_until=None) if is_waiting else erased
    if subject is None:
        return
    tables.subject_keys.pop(subject, None)
    tables.credentials = {key: one for key, one in tables.credentials.items() if one.subject != subject}
    for grant in [one for one in tables.delegations.values() if subject in {one.principal, one.deputy}]:
        tables.delegations[grant.id] = replace(grant, reason="")


def _due_at(message: Message) -> datetime | None:
    return {"queued": message.available_at, "leased": message.leased_until}.get(message.state)


class MemoryReads:
    """Reads of the store in memory."""

    def __init__(self, tables: _Tables, lock: threading.RLock) -> None:
        """Use `MemoryStore.reads`."""
        self._tables = tables
        self._lock = lock

    def instances(self, query: InstanceQuery) -> Page[Situation]:
        """List instances by id; the system's own chain is none of them."""
        with self._lock:
            found = [self._tables.situation(id_) for id_ in sorted(self._tables.instances) if id_ != SYSTEM]
        wanted = [one for one in found if _is_wanted(query, one)]
        return _page(wanted, query.limit, query.after, lambda one: (str(one.instance.id),))

    def work(self, query: WorkQuery) -> Page[tuple[Situation, Work]]:
        """List open work by deadline, then instance; what has no deadline comes last."""
        rows: list[tuple[tuple[Any, ...], Situation, Work]] = []
        with self._lock:
            for id_, open_ in self._tables.work.items():
                for one in open_:
                    situation = self._tables.situation(id_)
                    if not _is_for(query, situation, one):
                        continue
                    order = ((one.due_at or NEVER).isoformat(), str(id_), str(one.event), str(one.role), one.scope or "")
                    insort(rows, (order, situation, one), key=lambda row: row[0])
        page = _page(rows, query.limit, query.after, lambda row: row[0])
        return Page(rows=tuple((situation, one) for _order, situation, one in page.rows), next=page.next)

    def entries(self, instance_id: InstanceId, *, after: int = 0, limit: int = 1000) -> Sequence[EntryRow]:
        """Read the history in order."""
        with self._lock:
            return tuple(one for one in self._tables.entries.get(instance_id, ()) if one.sequence > after)[:limit]

    def names(self, kind: DocumentKind) -> Sequence[str]:
        """Name the documents of a kind that were ever published, in order."""
        with self._lock:
            return sorted({one.name for one in self._tables.documents if one.kind == kind})

    def due(self, *, until: datetime, limit: int) -> Sequence[InstanceId]:
        """Name instances with a timer due at or before `until`, earliest first: those of the first `limit` timers."""
        with self._lock:
            pairs = [(one.due_at, id_) for id_, timers in self._tables.timers.items() for one in timers.values() if one.due_at]
        found = sorted((due_at, id_) for due_at, id_ in pairs if due_at <= until)[:limit]
        return tuple(dict.fromkeys(id_ for _due_at, id_ in found))

    def next_due_at(self) -> datetime | None:
        """Give the earliest due instant of all timers, queued messages and leases."""
        with self._lock:
            found = [one.due_at for timers in self._tables.timers.values() for one in timers.values()]
            found += [_due_at(one) for one in self._tables.messages.values()]
        return min((one for one in found if one is not None), default=None)

    def claim(self, *, now: datetime, limit: int, lease_seconds: int) -> Sequence[Message]:
        """Lease due messages (queued, or leased with an expired lease): attempts and token are counted up."""
        until = now + timedelta(seconds=lease_seconds)
        with self._lock:
            due = sorted((at, one.id) for one in self._tables.messages.values() if (at := _due_at(one)) is not None and at <= now)
            claimed = [self._tables.messages[id_] for _at, id_ in due[:limit]]
            leased = [replace(one, state="leased", leased_until=until, attempts=one.attempts + 1, token=one.token + 1) for one in claimed]
            self._tables.messages.update({one.id: one for one in leased})
        return tuple(sorted(leased, key=lambda one: (one.available_at, one.id)))

    def renew(self, message: Message, *, now: datetime, lease_seconds: int) -> bool:
        """Prolong a lease; False when it was lost."""
        return self._set_leased(message, leased_until=now + timedelta(seconds=lease_seconds))

    def put_back(self, message: Message, *, available_at: datetime, error: str) -> bool:
        """Give a leased message back for a later attempt; False when the lease was lost."""
        return self._set_leased(message, state="queued", available_at=available_at, leased_until=None, last_error=error)

    def _set_leased(self, message: Message, **values: Any) -> bool:  # noqa: ANN401  # fields of Message
        with self._lock:
            found = self._tables.messages.get(message.id)
            if found is None or found.state != "leased" or found.token != message.token:
                return False
            self._tables.messages[message.id] = replace(found, **values)
            return True

    def messages(self, query: MessageQuery) -> Page[Message]:
        """List the outbox by id: by instance, then in the order of queueing."""
        with self._lock:
            found = sorted(self._tables.messages.values(), key=lambda one: one.id)
        wanted = [one for one in found if query.state in {None, one.state} and query.instance_id in {None, one.instance_id}]
        return _page(wanted, query.limit, query.after, lambda one: (one.id,))

    def retry(self, message_id: str, *, now: datetime) -> bool:
        """Make a dead message due again with a fresh budget of attempts; False when it is not dead."""
        with self._lock:
            found = self._tables.messages.get(message_id)
            if found is None or found.state != "dead":
                return False
            self._tables.messages[message_id] = replace(found, state="queued", available_at=now, attempts=0, last_error="")
            return True

    def message(self, message_id: str) -> Message | None:
        """Read one message."""
        return self._tables.messages.get(message_id)

    def forget_answers(self, *, until: datetime) -> int:
        """Delete idempotency answers that expired at or before `until`; gives how many."""
        with self._lock:
            gone = [key for key, one in self._tables.answers.items() if one.expires_at <= until]
            for key in gone:
                del self._tables.answers[key]
        return len(gone)


def _is_wanted(query: InstanceQuery, one: Situation) -> bool:
    instance = one.instance
    is_there = query.state is None or instance.state == query.state or instance.state.startswith(f"{query.state}.")
    is_due = query.due_before is None or any(t.due_at is not None and t.due_at < query.due_before for t in one.timers)
    return (
        is_there
        and is_due
        and query.definition in {None, instance.definition}
        and query.subject in {None, instance.subject}
        and query.is_open in {None, instance.outcome is None}
    )


def _is_for(query: WorkQuery, situation: Situation, one: Work) -> bool:
    is_granted = not query.grants or (one.role, one.scope) in query.grants
    return is_granted and query.definition in {None, situation.instance.definition} and query.event in {None, one.event}


def _page(rows: Sequence[T], limit: int, after: str | None, order: Callable[[T], tuple[Any, ...]]) -> Page[T]:
    """Cut a page out of sorted rows; the cursor is the order of the last row."""
    if after is not None:
        seen = _read_cursor(after)
        rows = [row for row in rows if order(row) > seen]
    kept = tuple(rows[:limit])
    has_more = len(rows) > limit and bool(kept)
    return Page(rows=kept, next=base64.urlsafe_b64encode(orjson.dumps(order(kept[-1]))).decode() if has_more else None)


def _read_cursor(text: str) -> tuple[str, ...]:
    try:
        parts = orjson.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except ValueError as error:
        raise CursorError("This page cursor is not one of ours: begin with the first page.") from error
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
        raise CursorError("This page cursor belongs to another list: begin with the first page.")
    return tuple(parts)
