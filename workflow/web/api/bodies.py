"""The documents of the API, as they are written and as OpenAPI describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Body(BaseModel):
    """What all documents have in common: they are values, and say nothing that is not described."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reason(Body):
    """One reason why something is refused."""

    code: str = Field(description="Stable name of the reason, for programs.", examples=["role_missing"])
    message: str = Field(description="What is wrong, for people.")
    needed: str = Field(description="What would be needed; empty when nothing can help.")
    field: str = Field(description="The value of the payload, or the parameter, that it is about; empty for the whole request.")


class Problem(Body):
    """A problem document (RFC 9457). `type` is stable; `title` and `detail` are for people."""

    type: str = Field(description="Kind of problem: a URN that ends in its name.", examples=["urn:problem-type:workflow:refused"])
    title: str
    status: int = Field(ge=400, le=599, description="The HTTP code, once more.")
    detail: str
    reasons: list[Reason] = Field(description="Every reason, not the first; empty where there is nothing to add.")
    sequence: int | None = Field(default=None, description="Number of the refusal's own entry in the history, where one was written.")
    expected_version: int | None = Field(default=None, description="The version that If-Match named (412).")
    found_version: int | None = Field(default=None, description="The version that the instance has (412).")


class Role(Body):
    """A role of a definition."""

    name: str
    scope: str | None = Field(description="The field for whose value the role is held; null for a role that is held for everything.")
    is_anyone: bool = Field(description="Needs no identity: its events are protected by what is sent along.")
    is_subject: bool = Field(description="The role of the person being onboarded.")
    description: str


class State(Body):
    """A state of a definition."""

    path: str = Field(
        description="Dotted path; what a compound state holds begins with its path.", examples=["requested.awaiting_approval"]
    )
    title: str
    description: str
    is_leaf: bool = Field(description="An instance can rest in it.")
    outcome: str | None = Field(description="Set when the onboarding has ended in this state.")
    events: list[str] = Field(description="Events that people may fire in it; empty for a compound state.")


class Transition(Body):
    """What an event does in a state, and in the states inside it that do not say something else."""

    source: str = Field(description="Path of the state; empty for the whole process.")
    event: str
    target: str | None = Field(description="Null when no state is left.")


class EventType(Body):
    """An event of a definition."""

    name: str
    title: str
    description: str
    by: list[str] = Field(description="Roles that may fire it; empty for events of the engine itself.")
    is_engine: bool = Field(description="Fired by the engine alone, never through this API.")
    decision: str | None = Field(description="The stage that it decides: the subject never does, and nobody decides in two stages.")
    payload: dict[str, Any] = Field(
        description="JSON Schema (2020-12) of the payload. What values must have in common is beside it: x-same-as."
    )


class DefinitionSummary(Body):
    """A definition in a list."""

    name: str
    title: str
    description: str
    digest: str = Field(description="SHA-256 over its meaning, in hex.")


class Definition(DefinitionSummary):
    """A published definition."""

    language: int
    calendar: str | None
    catalogue: str | None
    start: str = Field(description="The event that starts an instance.")
    roles: list[Role]
    states: list[State]
    events: list[EventType]
    transitions: list[Transition]


class Deadline(Body):
    """An armed deadline."""

    timer: str = Field(examples=["requested.remind"])
    event: str = Field(description="What the engine fires when it is reached.")
    due_at: datetime | None = Field(description="Null while it is paused.")


class Instance(Body):
    """An onboarding, as it is now."""

    id: str
    definition: str
    digest: str = Field(description="The definition it is pinned to.")
    state: str
    title: str = Field(description="The state in words.")
    outcome: str | None
    is_open: bool
    subject: str = Field(description="Opaque id of the person being onboarded.")
    version: int = Field(ge=0, description="Counts accepted steps; the ETag.")
    started_at: datetime
    recorded_at: datetime = Field(description="When the newest entry was written.")
    deadlines: list[Deadline]
    fields: dict[str, Any] = Field(description="Values that are not personal.")
    personal_fields: list[str] = Field(description="Names of the personal fields that have a value.")
    personal: dict[str, Any] | None = Field(description="Their values, where they were asked for and may be read; otherwise null.")


class InstancePage(Body):
    """A page of instances."""

    items: list[Instance]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class DefinitionPage(Body):
    """A page of definitions."""

    items: list[DefinitionSummary]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class Verdict(Body):
    """What would come of an event."""

    event: str
    title: str
    verdict: Literal["allowed", "refused", "depends"]
    reasons: list[Reason] = Field(description="Why it is refused.")
    depends_on: list[str] = Field(description="Values of the payload and checks that decide.")


class Verdicts(Body):
    """What the caller may do with an instance now."""

    instance: str
    version: int
    state: str
    events: list[Verdict]


class Accepted(Body):
    """An event that was accepted."""

    event: str
    sequence: int = Field(description="Number of its entry in the history.")
    is_repeat: bool = Field(description="The first answer to this Idempotency-Key, given again.")
    instance: Instance | None = Field(description="The instance now; null for those who may not see it.")


class Receipt(Body):
    """A start by those who need no identity: whether it led to a new onboarding is not told, because that would tell who is registered."""

    receipt: str = Field(description="Opaque; equal for the same Idempotency-Key.")


class Entry(Body):
    """An entry of the history."""

    sequence: int
    is_whole: bool = Field(
        description="`entry` is what was hashed: its RFC 8785 form has the SHA-256 `hash` (after one byte 00). Only for auditors and"
        " administrators; for others the facts, the precise codes of refusals and the links of the chain are left out."
    )
    hash: str | None = Field(description="In hex; null unless the entry is whole.")
    entry: dict[str, Any] = Field(description="Personal values are commitments here, secrets nowhere.")


class EntryPage(Body):
    """A page of a history, oldest first."""

    items: list[Entry]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class Work(Body):
    """Something the caller may do."""

    event: str
    title: str
    role: str
    scope: str | None
    due_at: datetime | None = Field(description="The earliest deadline that runs over the instance.")
    verdict: Literal["allowed", "depends"]
    instance: Instance


class WorkPage(Body):
    """A page of open work, by deadline."""

    items: list[Work]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")
