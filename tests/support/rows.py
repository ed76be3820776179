"""Small hand-made values of the ports, for tests of stores: nothing here obeys the rules of chains or definitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from workflow.audit.entry import EntryRow
from workflow.ports import Change, Credential, CredentialChange, Document, Message, SealedValue, StoredAnswer, UniqueValue
from workflow.states.definition import Digest, EventName, FieldName, RoleName, StatePath, TimerKey
from workflow.states.effects import Effect, Work
from workflow.states.instance import ActorId, Delegation, Instance, InstanceId, Remaining, Tally, Timer

NOW = datetime(2026, 11, 23, 10, 0, 0, 123457, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Give an instant after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def instance(id_: str = "i1", **values: Any) -> Instance:
    """Give an instance at its first entry."""
    given: dict[str, Any] = {
        "id": InstanceId(id_),
        "definition": "cpms-access",
        "digest": Digest("d" * 64),
        "state": StatePath("requested.awaiting_approval"),
        "subject": ActorId(f"subject-of-{id_}"),
        "version": 1,
        "head": 1,
        "head_hash": b"\x00\xffhash",
        "started_at": NOW,
        "recorded_at": NOW,
    }
    return Instance(**(given | values))


def full_instance(id_: str = "i1") -> Instance:
    """Give an instance in which no field has its default."""
    return instance(
        id_,
        fields={FieldName("network"): "ERKNet", FieldName("count"): 3, FieldName("agreed"): True, FieldName("sites"): ("a", "ü")},
        personal=frozenset({FieldName("email"), FieldName("phone")}),
        tallies={EventName("approve"): Tally(count=2, actors=(ActorId("a"), ActorId("b")))},
        deciders={"approval": (ActorId("a"),)},
        serials={"password": 7},
        marks={EventName("mailed"): later(0.000001)},
        outcome="rejected",
        refusal_window_at=later(1),
        refusal_count=3,
        suppressed_count=0,
        suppressed_first_at=later(2),
        suppressed_last_at=later(3),
        calendar_digest=Digest("c" * 64),
    )


def entry(id_: str = "i1", sequence: int = 1, **values: Any) -> EntryRow:
    """Give an entry."""
    given: dict[str, Any] = {
        "instance_id": InstanceId(id_),
        "sequence": sequence,
        "kind": "event:accepted",
        "event": "approve",
        "actor": "actor-1",
        "on_behalf_of": None,
        "from_state": "a",
        "to_state": "b",
        "occurred_at": NOW,
        "recorded_at": NOW,
        "canonical": b'{"x":"\xc3\xbc\\u0000"}',
        "entry_hash": bytes(range(32)),
    }
    return EntryRow(**(given | values))


def timer(key: str = "requested.remind", due_in: float | None = 60.0, **values: Any) -> Timer:
    """Give a timer, paused when `due_in` is None."""
    given: dict[str, Any] = {
        "key": TimerKey(key),
        "event": EventName("remind_approver"),
        "state": StatePath("requested"),
        "index": 1,
        "armed_at": NOW,
        "base_at": later(0.000001),
        "remaining": Remaining(days=1, seconds=59),
        "due_at": None if due_in is None else later(due_in),
    }
    return Timer(**(given | values))


def message(name: str = "m1", instance_id: str = "i1", **values: Any) -> Message:
    """Give a queued message that is due at once; its id is its instance's, and `name`."""
    given: dict[str, Any] = {
        "id": f"{instance_id}-{name}",
        "instance_id": InstanceId(instance_id),
        "sequence": 1,
        "effect": Effect(kind="mail", name="welcome"),
        "queued_at": NOW,
        "available_at": NOW,
    }
    return Message(**(given | values))


def linked(serial: int, purpose: str = "password") -> Effect:
    """Give an effect that carries a link, with nothing left at its default."""
    return Effect(
        kind="mail",
        name="password_link",
        to="network_team",
        link=purpose,
        serial=serial,
        done=EventName("mailed"),
        failed=EventName("mail_failed"),
        params={"a": 1, "b": "ü", "c": True},
    )


def work(event: str = "approve", role: str = "network_team", scope: str | None = "ERKNet", due_in: float | None = 60.0) -> Work:
    """Give open work."""
    return Work(event=EventName(event), role=RoleName(role), scope=scope, due_at=None if due_in is None else later(due_in))


def credential(kind: str = "totp", name: str = "", **values: Any) -> Credential:
    """Give a credential of the subject of ``i1``, not yet stored."""
    given: dict[str, Any] = {"subject": ActorId("subject-of-i1"), "kind": kind, "name": name, "sealed": b"\x00\x01sealed"}
    return Credential(**(given | values))


def written(*credentials: Credential) -> tuple[CredentialChange, ...]:
    """Give the changes that write credentials."""
    return tuple(CredentialChange(credential=one) for one in credentials)


def removed(*credentials: Credential) -> tuple[CredentialChange, ...]:
    """Give the changes that remove credentials."""
    return tuple(CredentialChange(credential=one, is_removed=True) for one in credentials)


def sealed(sequence: int = 1, slot: str = "field:email", content: bytes = b"\xffsealed") -> SealedValue:
    """Give a sealed value of ``i1``."""
    return SealedValue(subject=ActorId("subject-of-i1"), instance_id=InstanceId("i1"), sequence=sequence, slot=slot, sealed=content)


def answer(key: str = "k1", **values: Any) -> StoredAnswer:
    """Give a stored answer."""
    given: dict[str, Any] = {
        "key": key,
        "content": "content",
        "instance_id": InstanceId("i1"),
        "sequence": 1,
        "is_accepted": False,
        "body": b'[{"code":"x"}]',
        "expires_at": later(86_400),
    }
    return StoredAnswer(**(given | values))


def unique(blind: str = "b1") -> UniqueValue:
    """Give a unique value."""
    return UniqueValue(definition="cpms-access", field=FieldName("email"), blind=blind)


def delegation(id_: str = "d1", **values: Any) -> Delegation:
    """Give a delegation that runs for an hour."""
    given: dict[str, Any] = {
        "id": id_,
        "principal": ActorId("boss"),
        "deputy": ActorId("deputy"),
        "role": RoleName("network_team"),
        "scope": "ERKNet",
        "starts_at": NOW,
        "ends_at": later(3600),
        "reason": "holiday",
    }
    return Delegation(**(given | values))


def document(digest: str = "1", text: bytes = b"text\xff", **values: Any) -> Document:
    """Give a document."""
    given: dict[str, Any] = {
        "kind": "definition",
        "name": "cpms-access",
        "digest": Digest(digest * 64),
        "text_digest": Digest(digest * 64),
        "content": b'{"a":1}',
        "text": text,
    }
    return Document(**(given | values))


def first(id_: str = "i1", **values: Any) -> Change:
    """Give the change that inserts an instance with its first entry."""
    given: dict[str, Any] = {"instance": instance(id_), "is_new": True, "expected_head": 0, "entries": (entry(id_),)}
    return Change(**(given | values))


def following(sequence: int = 2, id_: str = "i1", **values: Any) -> Change:
    """Give the change that adds one entry to an instance."""
    given: dict[str, Any] = {
        "instance": instance(id_, head=sequence, version=sequence),
        "is_new": False,
        "expected_head": sequence - 1,
        "entries": (entry(id_, sequence),),
    }
    return Change(**(given | values))
