"""The definition as a value: what a YAML document says, parsed and named.

Promises: frozen values only; every name in them has been resolved by `parse`, and the graph has been judged by `check`.
State ids are dotted paths (``requested.awaiting_approval``); the root of the tree is the empty path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NewType

StatePath = NewType("StatePath", str)
EventName = NewType("EventName", str)
RoleName = NewType("RoleName", str)
FieldName = NewType("FieldName", str)
TimerKey = NewType("TimerKey", str)
"""``<state path>.<timer name>``; the timer name alone for the root."""
Digest = NewType("Digest", str)
"""SHA-256 in lower-case hex, 64 characters."""

ROOT = StatePath("")
ENGINE = RoleName("engine")
"""The only actor of timers and reports; no person can hold this role."""


class FieldType(StrEnum):
    """What a field or a payload value may be."""

    STRING = "string"  # one line, at most 254 characters unless max_length says otherwise
    TEXT = "text"  # several lines, at most 4,000 characters unless max_length says otherwise
    EMAIL = "email"
    PHONE = "phone"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATE = "date"  # 2026-11-23
    INSTANT = "instant"  # RFC 3339, always stored in UTC
    CHOICE = "choice"
    SECRET = "secret"  # noqa: S105  # a type's name, no secret; only in payloads

    @property
    def is_text_like(self) -> bool:
        """Tell whether the type holds free text, which is personal unless the definition says why not."""
        return self in {FieldType.STRING, FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A duration that says what it is: elapsed seconds, working days, or working seconds."""

    kind: Literal["elapsed", "working_days", "working_time"]
    amount: int
    """Seconds for ``elapsed`` and ``working_time``; days for ``working_days``. Never negative, at least 1."""
    text: str
    """As written: ``PT5M``, ``2bd``, ``16bh``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """Who may fire events.

    `scope` names the field of the instance for whose value an actor must hold the role. `is_anyone` marks a role that
    needs no identity (its events are protected by checks); `is_subject` the role of the person being onboarded.
    """

    name: RoleName
    scope: FieldName | None = None
    is_anyone: bool = False
    is_subject: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueRule:
    """A value must be a key of a catalogue set, and fit other values of the same payload or instance.

    `matches` maps an attribute of the catalogue item to the field that must have the same value.
    `listed_in` is (field, attribute): the value must be in that list attribute of the item chosen by `field`.
    An item's own ``needs`` attribute lists keys that must be chosen too (only for `many`).
    """

    set_name: str
    field_sets: Mapping[FieldName, str] = field(default_factory=dict)
    """Catalogue set of each field named in `listed_in` (resolved by parse)."""
    matches: Mapping[str, FieldName] = field(default_factory=dict)
    listed_in: tuple[FieldName, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of the instance or a value of an event's payload.

    `is_personal` values are kept sealed and appear in the history as commitments; `is_secret` values never leave the check.
    """

    name: FieldName
    type: FieldType
    is_many: bool = False
    is_required: bool = False
    is_personal: bool = False
    because: str = ""
    values: tuple[str, ...] = ()
    min: int | None = None
    max: int | None = None
    max_length: int | None = None
    must_be: bool | None = None
    """For a boolean payload value that must be true, such as an accepted privacy statement."""
    same_as: FieldName | None = None
    """Another value of the same payload that must be equal (typed twice)."""
    default: str | int | bool | None = None
    catalogue: CatalogueRule | None = None
    unique_on_conflict: EventName | None = None
    """Set for a unique field: the event fired on the instance that already has the value."""
    description: str = ""

    @property
    def is_secret(self) -> bool:
        """Tell whether the value may only be seen by a check."""
        return self.type is FieldType.SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckUse:
    """A named use of a check: `use` is the kind known to the registry, `params` what the definition sets for it."""

    name: str
    use: str
    params: Mapping[str, str | int | bool | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """An event that may be fired, by whom, with what, and what is checked.

    `decision` names the stage that the event decides (``approval``): the subject and their deputies are refused, and an
    actor who decided in one stage is refused in every other stage unless it is listed in `may_also_decide`.
    """

    name: EventName
    by: tuple[RoleName, ...]
    """Empty only for engine events."""
    is_engine: bool = False
    payload: Mapping[FieldName, Field] = field(default_factory=dict)
    checks: tuple[str, ...] = ()
    decision: str | None = None
    may_also_decide: tuple[str, ...] = ()
    is_automatic: bool = False
    """``auto: true``: the definition allows the engine to decide; entries are marked automatic."""
    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One guard of a transition: a CEL expression of type bool, with what to say when it is false."""

    source: str
    code: str = "guard_false"
    message: str = ""
    needed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """The transition is taken when `need` accepted events have been counted, the present one included.

    Until then the event is accepted and only counted. `is_distinct` wants different actors.
    """

    need: int
    is_distinct: bool = True
    role: RoleName | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a transition writes into a field: a plain copy of a payload value, or a CEL expression."""

    field: FieldName
    copy_of: FieldName | None = None
    """Payload value copied as it is; the only way personal values move."""
    source: str | None = None
    """CEL over event, facts, instance, now."""
    is_cleared: bool = False
    """``null`` in YAML: the field is unset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionUse:
    """Something to be done when a state is entered or left or a transition is taken; becomes an effect.

    `kind` is one known to the registry (``mail``, ``sms``, ``push``, ``provision``, ``alert``); `name` is its template or target.
    `done` and `failed` name engine events that report the outcome. `link` names a link purpose: each queueing of the
    action takes the next serial of that purpose and so kills older links.
    """

    kind: str
    name: str
    to: str = "subject"
    """``subject``, or the name of a role: everyone holding it for this instance."""
    done: EventName | None = None
    failed: EventName | None = None
    link: str | None = None
    params: Mapping[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What an event does in a state. Without `target` it is internal: nothing is left, nothing disarmed."""

    event: EventName
    source: StatePath
    index: int
    """Position in the declaration order of its state."""
    target: StatePath | None = None
    """A leaf: compound targets are resolved to their initial leaf by parse; `declared_target` keeps what was written."""
    declared_target: StatePath | None = None
    guards: tuple[Rule, ...] = ()
    quorum: Quorum | None = None
    assignments: tuple[Assignment, ...] = ()
    actions: tuple[ActionUse, ...] = ()
    is_reentering: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerType:
    """A deadline that runs while its state is active.

    `since` is None (it runs from the entry of the state) or the name of an engine event whose report starts it.
    """

    key: TimerKey
    name: str
    state: StatePath
    after: Unit
    event: EventName
    since: EventName | None = None
    index: int = 0
    """Position in the declaration order of the whole definition; breaks ties on equal due_at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One state; compound when it has children."""

    path: StatePath
    name: str
    parent: StatePath | None
    """None only for the root."""
    children: tuple[StatePath, ...] = ()
    initial: StatePath | None = None
    """The child entered first; None for a leaf."""
    transitions: tuple[Transition, ...] = ()
    timers: tuple[TimerType, ...] = ()
    entry: tuple[ActionUse, ...] = ()
    exit: tuple[ActionUse, ...] = ()
    paused_in: frozenset[StatePath] = frozenset()
    """Descendants in which this state's own timers stand still."""
    tally: frozenset[EventName] = frozenset()
    """Events counted while this state is active; the count starts again when it is entered."""
    outcome: str | None = None
    waits_forever: str | None = None
    """The reason why this waiting state needs no timer."""
    title: str = ""
    description: str = ""

    @property
    def is_leaf(self) -> bool:
        """Tell whether an instance can rest in this state."""
        return not self.children


def listed(value: object) -> tuple[str, ...]:
    """Give the names of a part of a property that may be one name or a list of them."""
    return (value,) if isinstance(value, str) else tuple(map(str, value)) if isinstance(value, Iterable) else ()


OF_PAYLOADS = frozenset({"required", "repeated"})
"""Marks that only a payload value can have."""


def has_mark(value: Field, mark: str) -> bool:
    """Tell whether a field or payload value has a mark; what is secret is personal too, and what is ``repeated`` is typed twice."""
    if mark in OF_PAYLOADS:
        return value.is_required if mark == "required" else value.same_as is not None
    if mark == "unique":
        return value.unique_on_conflict is not None
    return value.is_secret if mark == "secret" else value.is_personal or value.is_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One rule of the policy block, kept as written; `workflow.policy` puts it to work."""

    name: str
    kind: Literal["never", "always", "requires", "field", "cel"]
    body: Mapping[str, object]
    severity: Literal["error", "warning"] = "error"
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole process, immutable and content-addressed.

    `digest` covers the meaning (titles, descriptions and layout do not count); `text_digest` the bytes as written.
    `data` is the plain data the definition was parsed from; parsing it again gives an equal definition.
    """

    name: str
    language: int
    title: str
    description: str
    calendar: str | None
    catalogue: str | None
    subject: RoleName
    roles: Mapping[RoleName, Role]
    fields: Mapping[FieldName, Field]
    checks: Mapping[str, CheckUse]
    events: Mapping[EventName, EventType]
    start: Transition
    states: Mapping[StatePath, State]
    """All states in declaration order, the root (``""``) first."""
    policy: tuple[Property, ...]
    digest: Digest
    text_digest: Digest
    data: Mapping[str, object] = field(repr=False, compare=False)
    retention: Mapping[str, Unit] = field(default_factory=dict)
    """Outcome -> how long an instance that reached it keeps its personal values; an outcome that is not named keeps them."""
    erasure: EventName | None = None
    """Engine event that closes an onboarding under way when its subject is erased; None when it cannot be closed so."""
    _lineages: dict[StatePath, tuple[StatePath, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def lineage(self, path: StatePath) -> tuple[StatePath, ...]:
        """Give the state itself and its ancestors, innermost first, the root last."""
        if path not in self._lineages:
            parent = self.states[path].parent
            self._lineages[path] = (path,) if parent is None else (path, *self.lineage(parent))
        return self._lineages[path]

    def leaves(self) -> Iterator[State]:
        """Give the states in which an instance can rest, in declaration order."""
        return (state for state in self.states.values() if state.is_leaf)

    def is_within(self, path: StatePath, ancestor: StatePath) -> bool:
        """Tell whether `path` is `ancestor` or lies below it."""
        return ancestor in (ROOT, path) or path.startswith(ancestor + ".")

    def resolve(self, name: str) -> StatePath | None:
        """Find a state by its path or by its name, which is unique in a definition; None when there is none."""
        if name in self.states:
            return StatePath(name)
        return next((path for path, state in self.states.items() if state.name == name), None)

    def timer(self, key: TimerKey) -> TimerType | None:
        """Find a timer by its key."""
        return next((t for state in self.states.values() for t in state.timers if t.key == key), None)


def values_named(definition: Definition, name: str, mark: str = "") -> Iterator[Field]:
    """Give the field and the payload values of a name; only fields can be ``unique``, only payload values ``required``."""
    yield from (one for one in definition.fields.values() if one.name == name and mark not in OF_PAYLOADS)
    if mark == "unique":
        return
    yield from (one for type_ in definition.events.values() for one in type_.payload.values() if one.name == name)
