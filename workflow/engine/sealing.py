"""Personal values on their way into and out of the store.

Promises: a personal value leaves the engine only sealed under its subject's key, together with the salt of its
commitment; entries get the commitment, the store gets ciphertext.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from workflow.ports import SealedValue, UniqueValue, Vault
from workflow.states.definition import Definition, FieldName
from workflow.states.instance import ActorId, Instance, InstanceId
from workflow.states.machine import Table
from workflow.states.payload import normal_for_uniqueness
from workflow.states.verdict import Step


@dataclass(slots=True)
class Sealer:
    """Seals the personal values of one event's steps; makes the subject's key when there is none yet."""

    vault: Vault
    subject: ActorId
    key: bytes | None
    is_new_key: bool = False
    sealed: list[SealedValue] = field(default_factory=list)

    def salts(self, step: Step, instance_id: InstanceId, sequence: int) -> Mapping[str, bytes]:
        """Seal a step's personal values and give the salts for its entry, by slot."""
        values = {f"field:{name}": value for name, value in step.personal.items()}
        values |= {f"payload:{name}": value for name, value in step.personal_payload.items()}
        return {slot: self._seal(slot, value, instance_id, sequence) for slot, value in values.items()}

    def _seal(self, slot: str, value: object, instance_id: InstanceId, sequence: int) -> bytes:
        if self.key is None:
            self.key, self.is_new_key = self.vault.new_subject_key(self.subject), True
        salt = self.vault.salt()
        plain = orjson.dumps({"salt": base64.b64encode(salt).decode(), "value": value})
        bound_to = bound(instance_id, sequence, slot)
        sealed = self.vault.seal_personal(plain, subject_key=self.key, bound_to=bound_to)
        self.sealed.append(SealedValue(subject=self.subject, instance_id=instance_id, sequence=sequence, slot=slot, sealed=sealed))
        return salt


def bound(instance_id: InstanceId, sequence: int, slot: str) -> str:
    """Name the place a sealed value belongs to, so that it cannot be moved to another."""
    return f"{instance_id}|{sequence}|{slot}"


def open_value(vault: Vault, sealed: SealedValue, subject_key: bytes) -> object:
    """Open one sealed value."""
    plain = vault.open_personal(sealed.sealed, subject_key=subject_key, bound_to=bound(sealed.instance_id, sealed.sequence, sealed.slot))
    return orjson.loads(plain)["value"]


def open_fields(vault: Vault, slots: Mapping[str, SealedValue], instance: Instance, subject_key: bytes | None) -> dict[str, object]:
    """Open the personal fields an instance has now; values of an erased subject are not there any more."""
    if subject_key is None:
        return {}
    named = {name: slots.get(f"field:{name}") for name in instance.personal}
    return {name: open_value(vault, sealed, subject_key) for name, sealed in named.items() if sealed is not None}


def unique_values(vault: Vault, table: Table, steps: Sequence[Step]) -> tuple[UniqueValue, ...]:
    """Give the blind indexes of unique fields that these steps wrote."""
    definition, unique = table.definition, table.unique_fields
    found: list[UniqueValue] = []
    for step in steps if unique else ():
        before = step.before.instance.fields if step.before else {}
        after = step.after.instance.fields
        if after is before and not step.personal:
            continue
        for field_ in unique:
            name = field_.name
            value = step.personal.get(name) if field_.is_personal else after.get(name)
            if value is not None and (field_.is_personal or value != before.get(name)):
                found.append(unique_value(vault, definition, name, value))
    return tuple(found)


def unique_value(vault: Vault, definition: Definition, name: FieldName, value: object) -> UniqueValue:
    """Give the blind index of one value: HMAC over definition, field and the normal form of the value."""
    normal = normal_for_uniqueness(definition.fields[name], value)
    return UniqueValue(definition=definition.name, field=name, blind=vault.blind("unique", definition.name, name, normal))
