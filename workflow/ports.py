"""The small doors between the engine and everything that does I/O.

Promises: Protocols and the values that pass through them, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from workflow.audit.entry import EntryRow
from workflow.errors import Reason
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import CheckUse, Definition, Digest, FieldName, RoleName
from workflow.states.effects import Effect, Work
from workflow.states.instance import ActorId, Delegation, Instance, InstanceId, Situation, Timer
from workflow.states.quick import maker, quick

DocumentKind = Literal["definition", "calendar", "catalogue"]

T = TypeVar("T")

SYSTEM = InstanceId("system")
"""The chain of entries that belong to no instance: publications, delegations, key changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A published document: content-addressed, never changed.

    `content` is the canonical JSON of its plain data; `text` the bytes as written (equal to content when made in code).
    `digest` is the document's semantic digest, `text_digest` SHA-256 of `text`.
    """

    kind: DocumentKind
    name: str
    digest: Digest
    text_digest: Digest
    content: bytes
    text: bytes


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Something the subject knows or has, sealed.

    Attributes:
        subject: whom it belongs to.
        kind: ``password``, ``phone``, ``app_device``, ``totp``, ``challenge``, ...
        name: distinguishes several of one kind (a device name's id); ``""`` when there is one.
        version: counts changes; compared when it is saved again; 0 for a new one.
        sealed: ciphertext, opened only by checks and performers through the vault, bound to (subject, kind, name).
        is_active: enrolled and confirmed.
        failure_count: consecutive failures.
        last_step: last accepted time step of a one-time code, None when none.
        locked_until: no attempt is judged before, None when not locked.
    """

    subject: ActorId
    kind: str
    name: str = ""
    version: int = 0
    sealed: bytes = b""
    is_active: bool = True
    failure_count: int = 0
    last_step: int | None = None
    locked_until: datetime | None = None
    created_at: datetime | None = None

    @property
    def bound_to(self) -> str:
        """What `sealed` is bound to: subject, kind and name, each with its length in front, so that no two credentials share it."""
        return "credential" + "".join(f"|{len(part)}:{part}" for part in (self.subject, self.kind, self.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialChange:
    """Write (`is_removed` False) or remove a credential. `credential.version` is the version that was read (0: insert)."""

    credential: Credential
    is_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInput:
    """What a check may see.

    `payload` is the whole validated payload, secrets included. `personal` opens a personal field of the instance on demand.
    """

    use: CheckUse
    payload: Mapping[str, object]
    situation: Situation | None
    definition: Definition
    subject: ActorId
    actor: ActorId
    credentials: Sequence[Credential]
    personal: Callable[[FieldName], object | None]
    now: datetime
    catalogue: Catalogue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What a check found.

    Attributes:
        facts: leaf -> value, all leaves of its spec (without the check's name in front).
        reasons: why a fact is not as wished, for people; added to a refusal when a guard that reads this check fails.
        on_accept: credential changes when the event is accepted.
        on_refuse: credential changes when it is refused (failure counts).
    """

    facts: Mapping[str, bool | int | str]
    reasons: tuple[Reason, ...] = ()
    on_accept: tuple[CredentialChange, ...] = ()
    on_refuse: tuple[CredentialChange, ...] = ()


class Check(Protocol):
    """Turns secrets into facts. May be slow (hashing); is called outside any transaction of ours."""

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Judge one event's payload."""
        ...


class Checks(Protocol):
    """All checks by kind."""

    def run(self, seen: CheckInput, /) -> CheckResult:
        """Run the check named by `seen.use.use`; an unknown kind is a `DefinitionError` at load, never here."""
        ...


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """Give the present instant, aware, in UTC."""
        ...


class Directory(Protocol):
    """The host's knowledge of who holds which role."""

    def holders(self, role: RoleName, scope: str | None) -> Sequence[ActorId]:
        """Name everyone who holds the role for the scope now."""
        ...

    def address(self, actor: ActorId) -> Mapping[str, str]:
        """Give ``email``, ``name``, ``language`` of a holder, as far as known; empty when unknown."""
        ...


class Vault(Protocol):
    """Seals, opens, and makes keyed digests; the keys never leave it."""

    def seal(self, plain: bytes, /, *, bound_to: str) -> bytes:
        """Encrypt under the newest environment key; `bound_to` is authenticated with it."""
        ...

    def open(self, sealed: bytes, /, *, bound_to: str) -> bytes:
        """Decrypt; raises `SettingsError` when the key is missing, `AuditError` when the bytes were changed."""
        ...

    def new_subject_key(self, subject: ActorId, /) -> bytes:
        """Make a random per-subject key, itself sealed under the environment key."""
        ...

    def seal_personal(self, plain: bytes, /, *, subject_key: bytes, bound_to: str) -> bytes:
        """Encrypt a personal value under a (sealed) per-subject key."""
        ...

    def open_personal(self, sealed: bytes, /, *, subject_key: bytes, bound_to: str) -> bytes:
        """Decrypt a personal value."""
        ...

    def forget(self, subject_key: bytes | None = None, /) -> None:
        """Drop an unwrapped subject key from memory (all of them for None); an erasure calls it after its commit."""
        ...

    def blind(self, purpose: str, *parts: str) -> str:
        """Give a keyed digest (hex) over the length-prefixed parts: blind indexes, idempotency contents."""
        ...

    def link_token(self, *, purpose: str, definition: str, instance: InstanceId, subject: ActorId, serial: int) -> str:
        """Give ``kid.purpose.instance.serial.mac``."""
        ...

    def salt(self) -> bytes:
        """Give 32 random bytes for a commitment."""
        ...


class Performer(Protocol):
    """Does one kind of effect. Raises `ActionError` (`will_retry` says whether it may be tried again)."""

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Perform and say when."""
        ...


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A row of the outbox.

    `id` (`message_id`) is stable over all attempts; a mail's Message-ID derives from it. `token` is the fencing token of the present
    lease: a report with an older token is refused.
    """

    id: str
    instance_id: InstanceId
    sequence: int
    effect: Effect
    queued_at: datetime
    available_at: datetime
    attempts: int = 0
    token: int = 0
    leased_until: datetime | None = None
    state: Literal["queued", "leased", "done", "dead", "superseded"] = "queued"
    last_error: str = ""


make_message = maker(Message)


def message_id(instance_id: InstanceId, sequence: int, entry_hash: bytes, place: int) -> str:
    """Make the id of an entry's message: instance, sequence, 32 bits of the entry's hash, place among the entry's messages.

    An instance's messages are found by it, in the order of queueing. The hash keeps a database that was put back to an earlier state
    from using an id again under which a mail server or a register has seen something else.
    """
    return f"{instance_id}-{sequence:06}-{entry_hash[:4].hex()}{place:02x}"


def message_bounds(instance_id: InstanceId) -> tuple[str, str]:
    """Give the bounds between which an instance's messages have their ids: "." follows "-" in ASCII."""
    return f"{instance_id}-", f"{instance_id}."


def instance_of(message_id: str) -> str:
    """Give the instance that a message's id names."""
    return message_id.partition("-")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who gets a message; values opened for this one performance and never kept."""

    actor: ActorId
    email: str = ""
    name: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Briefing:
    """Everything a performer needs for one message, opened for this one performance.

    `values` are the instance's plain and personal fields by name; `link` the full URL when the effect carries a link.
    `credentials` are the subject's, for text-message codes and device pushes (opened through the vault).
    """

    message: Message
    definition: Definition
    instance: Instance
    recipients: tuple[Recipient, ...]
    values: Mapping[str, object]
    link: str | None
    credentials: Sequence[Credential] = ()
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """The instant the other side accepted it (the mail server's 250), aware UTC, and its answer without personal values."""

    performed_at: datetime
    detail: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class SealedValue:
    """A personal value of one entry, sealed with its salt under the subject's key.

    `slot` is ``field:<name>`` for a field's value, ``payload:<name>`` for a payload value that is kept only in the entry.
    """

    subject: ActorId
    instance_id: InstanceId
    sequence: int
    slot: str
    sealed: bytes


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The first answer to an idempotency key: `content` is the keyed digest of what was asked."""

    key: str
    content: str
    instance_id: InstanceId
    sequence: int
    is_accepted: bool
    body: bytes
    """Canonical JSON of the answer (reasons of a refusal included)."""
    expires_at: datetime


make_answer = maker(StoredAnswer)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What one read gives. `situation` is None when the instance does not exist (a start, or not found)."""

    situation: Situation | None
    credentials: tuple[Credential, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    """Every delegation to or from an actor that is still running; few."""
    subject_key: bytes | None = None
    answer: StoredAnswer | None = None
    database_now: datetime | None = None
    """None when the store has no clock of its own (SQLite, the fake)."""
    publications: int = 0
    """Counts publications; when it differs from the engine's cache, documents are read again."""


make_loaded = maker(Loaded)


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueValue:
    """A value that only one instance of a definition may have, as a blind index."""

    definition: str
    field: FieldName
    blind: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """All that one `save` writes, in one write.

    `expected_head` and `expected_suppressed` are compared with the stored instance (both 0 and `is_new` for an insert):
    a difference is a `ConflictError` and nothing is written. Credential versions are compared too.
    `settled` is (message id, token, new state) of the message whose report this is; a wrong token is a `ConflictError`.
    """

    instance: Instance
    is_new: bool
    expected_head: int
    expected_suppressed: int = 0
    entries: tuple[EntryRow, ...] = ()
    timers_set: tuple[Timer, ...] = ()
    timers_removed: tuple[str, ...] = ()
    timers_replacing: tuple[tuple[str, str], ...] = ()
    """(removed, set): keys of which the second was not there before, so that a store may write the one row over the other."""
    messages: tuple[Message, ...] = ()
    superseded: tuple[tuple[str, int], ...] = ()
    """(link purpose, newest serial): queued messages of this instance with that purpose and a lower serial are superseded."""
    settled: tuple[str, int, Literal["done", "dead"]] | None = None
    credentials: tuple[CredentialChange, ...] = ()
    sealed: tuple[SealedValue, ...] = ()
    subject_key: bytes | None = None
    """Set when the subject's (sealed) key is new."""
    work: tuple[Work, ...] | None = None
    """The whole open work of the instance after the change; None when it did not change."""
    answer: StoredAnswer | None = None
    unique_added: tuple[UniqueValue, ...] = ()
    unique_removed: tuple[UniqueValue, ...] = ()
    delegations_added: tuple[Delegation, ...] = ()
    delegations_ended: tuple[tuple[str, datetime], ...] = ()
    documents: tuple[Document, ...] = ()
    erased: Literal["instance", "subject"] | None = None
    """What is destroyed beside the entry that says so. ``instance``: its sealed values with their salts, its blind indexes and
    stored answers, what its messages met, and notices that were not sent. ``subject``: all that, the subject's key and
    credentials, whatever else is sealed for the subject, and the reasons of the subject's delegations."""


make_change = maker(Change)


class UnitOfWork(Protocol):
    """One transaction's view of the store.

    On an engine-owned connection `save` commits. In a host's transaction nothing is ever committed or rolled back, and
    `save` runs in a savepoint of its own, so that a conflict leaves the host's work alive.
    """

    is_joined: bool
    """True inside a host's transaction."""

    def load(self, instance_id: InstanceId | None, *, subject: ActorId | None = None, key: str | None = None, lock: bool = False) -> Loaded:
        """Read everything a decision needs, in one statement.

        Args:
            instance_id: None for a start (then only `subject`'s credentials and the answer are read).
            subject: whose credentials to read at a start.
            key: idempotency key (already scoped) whose stored answer is wanted.
            lock: take the row lock and keep the transaction open until `save` or the end of the unit.
        """
        ...

    def save(self, change: Change, /) -> None:
        """Write the change; raises `ConflictError` when somebody was faster (nothing is written then)."""
        ...

    def personal(self, instance_id: InstanceId) -> Mapping[str, SealedValue]:
        """Give the newest sealed value of each slot of an instance, by slot, sequence of writing."""
        ...

    def unique_holder(self, value: UniqueValue) -> InstanceId | None:
        """Say which instance has a unique value."""
        ...

    def document(self, digest: Digest) -> Document | None:
        """Read a document by its digest."""
        ...

    def newest(self, kind: DocumentKind, name: str) -> Document | None:
        """Read the newest published document of a kind and name."""
        ...


class Reads(Protocol):
    """Reading for people and sweeps. Pages are keyset pages: `after` is the cursor of the last row seen."""

    def instances(self, query: InstanceQuery) -> Page[Situation]:
        """List instances."""
        ...

    def work(self, query: WorkQuery) -> Page[tuple[Situation, Work]]:
        """List open work by deadline, then instance."""
        ...

    def entries(self, instance_id: InstanceId, *, after: int = 0, limit: int = 1000) -> Sequence[EntryRow]:
        """Read the history in order."""
        ...

    def names(self, kind: DocumentKind) -> Sequence[str]:
        """Name the documents of a kind that were ever published, in order."""
        ...

    def due(self, *, until: datetime, limit: int) -> Sequence[InstanceId]:
        """Name instances with a timer due at or before `until`, earliest first."""
        ...

    def next_due_at(self) -> datetime | None:
        """Give the earliest due instant of all timers and queued messages."""
        ...

    def claim(self, *, now: datetime, limit: int, lease_seconds: int) -> Sequence[Message]:
        """Lease due messages (queued, or leased with an expired lease): attempts and token are counted up."""
        ...

    def renew(self, message: Message, *, now: datetime, lease_seconds: int) -> bool:
        """Prolong a lease; False when it was lost."""
        ...

    def put_back(self, message: Message, *, available_at: datetime, error: str) -> bool:
        """Give a leased message back for a later attempt; False when the lease was lost."""
        ...

    def messages(self, query: MessageQuery) -> Page[Message]:
        """List the outbox."""
        ...

    def retry(self, message_id: str, *, now: datetime) -> bool:
        """Make a dead message due again with a fresh budget of attempts; False when it is not dead."""
        ...

    def message(self, message_id: str) -> Message | None:
        """Read one message."""
        ...

    def forget_answers(self, *, until: datetime) -> int:
        """Delete idempotency answers that expired; gives how many."""
        ...


@runtime_checkable
class Watched(Protocol):
    """A store that says what it is about to do, for tests that end the process between two statements of one change."""

    def watch(self, before: Callable[[str], None], /) -> None:
        """Call `before` with the text of each statement before it runs."""
        ...


@runtime_checkable
class Compacting(Protocol):
    """A store that can give back the room of what was deleted, so that no byte of it stays in its files."""

    def compact(self) -> None:
        """Rewrite what is kept. Slow on a large store, and not possible inside a transaction."""
        ...


class Batch(Protocol):
    """A transaction in which many instances are settled, each by a unit of its own."""

    ids: Sequence[InstanceId]
    """Those of the instances asked for that nobody else is writing to; they stay locked until the end."""

    def unit(self) -> UnitOfWork:
        """Give a unit whose `save` writes into the transaction, all of its change or nothing of it."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A store of our own that writes the changes of many instances in one transaction."""

    def batch(self, instance_ids: Sequence[InstanceId], /) -> AbstractContextManager[Batch]:
        """Open a batch; it is committed at the end, and rolled back when an exception leaves it."""
        ...


class Store(Protocol):
    """A database, or a host's connection to one."""

    def unit(self) -> AbstractContextManager[UnitOfWork]:
        """Open a unit of work; leaving it without `save` leaves nothing behind."""
        ...

    def reads(self) -> AbstractContextManager[Reads]:
        """Open a reader."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Entries that are not yet in the tree: how many, and `recorded_at` of the oldest one."""

    count: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCheckpoint:
    """A checkpoint as the store keeps it: its number from 1, the signed note, and when it was made."""

    number: int
    size: int
    note: str
    recorded_at: datetime


class SequencedEntry(NamedTuple):
    """An entry with its place in the tree. A tuple and no dataclass: verifying a store makes one for each entry there is."""

    row: EntryRow
    position: int | None
    leaf_hash: bytes | None
    """Of the leaf that names this entry; None, like `position`, when there is none."""
    is_waiting: bool
    """It is still to be sequenced."""


class Leaf(NamedTuple):
    """A leaf of the tree: which entry it stands for, and that entry's hash."""

    position: int
    instance_id: InstanceId
    sequence: int
    leaf_hash: bytes


class Snapshot(Protocol):
    """The whole store at one moment, for whoever verifies or exports it: all calls see the same rows, however long it takes.

    Iterators read page by page, in memory that does not grow with the store. Ids are ordered by code point.
    """

    def entry_count(self) -> int:
        """Count all entries."""
        ...

    def entries(self) -> Iterator[SequencedEntry]:
        """Give every entry by instance and sequence, the system's own chain included."""
        ...

    def situations(self) -> Iterator[Situation]:
        """Give every instance with its timers by id, the system's own included."""
        ...

    def messages(self) -> Iterator[Message]:
        """Give the whole outbox by id: by instance, then in the order of queueing."""
        ...

    def leaf_count(self) -> int:
        """Give the size of the tree."""
        ...

    def leaves(self) -> Iterator[Leaf]:
        """Give every leaf by position."""
        ...

    def leaf_of(self, instance_id: InstanceId, sequence: int) -> Leaf | None:
        """Give the leaf of an entry, None when it is not yet in the tree."""
        ...

    def leaves_without_entry(self, *, limit: int) -> Sequence[Leaf]:
        """Give leaves whose entry is not there, by position."""
        ...

    def waiting_without_entry(self, *, limit: int) -> Sequence[tuple[InstanceId, int]]:
        """Name entries that wait to be sequenced but are not there."""
        ...

    def tile(self, level: int, number: int) -> bytes | None:
        """Give the hashes of a tile, None when there is none."""
        ...

    def checkpoints(self) -> Sequence[KeptCheckpoint]:
        """Give every checkpoint that was kept, oldest first."""
        ...

    def delegations(self) -> Iterator[Delegation]:
        """Give every delegation by id."""
        ...

    def documents(self) -> Iterator[Document]:
        """Give every published document."""
        ...


class Sequencing(Protocol):
    """Takes entries into the tree, one process at a time."""

    def run(self, limit: int = 1000) -> int:
        """Take at most `limit` waiting entries into the tree, in one transaction; gives how many were taken."""
        ...

    def backlog(self) -> Backlog:
        """Say what is not yet in the tree."""
        ...

    def keep(self, note: str, *, size: int, recorded_at: datetime) -> None:
        """Keep a signed checkpoint."""
        ...


class TreeStore(Protocol):
    """A store of our own that keeps the tree."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Open a reader that sees one moment."""
        ...

    def sequencer(self) -> Sequencing:
        """Give what takes entries into the tree."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSession:
    """A sign-in at the pages, as the store keeps it.

    Attributes:
        digest: SHA-256 (hex) of the token in the browser's cookie, which is kept nowhere else.
        actor: opaque id of who is signed in, ``""`` while nobody is yet; all sessions of one actor can be ended at once.
        sealed: what the pages keep with it, sealed under the environment key and bound to `digest`.
        expires_at: it is not read any more from this instant on.
    """

    digest: str
    actor: str
    sealed: bytes = field(repr=False)
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class SessionStore(Protocol):
    """Keeps who is signed in at the pages, so that signing out ends it for whoever holds the cookie."""

    def read(self, digest: str, /) -> StoredSession | None:
        """Read a session by the digest of its token."""
        ...

    def write(self, session: StoredSession, /) -> None:
        """Write a session, new or changed."""
        ...

    def renew(self, session: StoredSession, /) -> bool:
        """Write a session that is there; False when it was ended meanwhile, and then it stays ended."""
        ...

    def remove(self, digest: str, /) -> None:
        """End a session."""
        ...

    def remove_all_of(self, actor: str, /) -> int:
        """End every session of an actor; gives how many."""
        ...

    def forget(self, *, until: datetime) -> int:
        """Delete sessions that have expired; gives how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Rows and the cursor of the next page, None on the last one."""

    rows: tuple[T, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceQuery:
    """Filter for instances; `state` matches a compound state's children too."""

    definition: str | None = None
    state: str | None = None
    subject: ActorId | None = None
    is_open: bool | None = None
    due_before: datetime | None = None
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkQuery:
    """Filter for open work; empty `grants` means everyone's. A grant is (role, scope or None)."""

    grants: tuple[tuple[str, str | None], ...] = ()
    definition: str | None = None
    event: str | None = None
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuery:
    """Filter for the outbox."""

    state: str | None = None
    instance_id: InstanceId | None = None
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The three documents in force for one decision."""

    definition: Definition
    calendar: Calendar | None
    catalogue: Catalogue | None = None
    digests: Mapping[str, Digest] = field(default_factory=dict)
