"""Acts: what may befall an onboarding in a test, as plain values that can be printed, pasted and done again.

Promises: no act holds a value that its `repr` does not show; doing the same acts again gives the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

Leaf = bool | int | str
Script = Mapping[str, Mapping[str, Leaf]]
"""What each check finds: check -> leaf -> value."""

SUBJECT = "subject"
STRANGER = "stranger"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Act:
    """Something that befalls an onboarding.

    `crash` ends the process before the n-th call to the store (None: it lives); `cut` before the n-th statement within a
    transaction, its COMMIT included, and another process goes on with what the files hold then (SQLite).
    """

    crash: int | None = None
    cut: int | None = None

    def __repr__(self) -> str:
        """Show what differs from the default, so that a printed run stays short."""
        shown = [f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if not _is_default(self, one.name)]
        return f"{type(self).__name__}({', '.join(sorted(shown, key=_order))})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Start(Act):
    """The subject's onboarding begins; in a later place, somebody else offers the same unique values."""

    payload: Mapping[str, object] = field(default_factory=dict)
    facts: Script = field(default_factory=dict)
    actor: str = SUBJECT
    roles: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Fire(Act):
    """Somebody fires an event; `key` makes it repeatable."""

    event: str
    actor: str = SUBJECT
    roles: Sequence[str] = ()
    payload: Mapping[str, object] = field(default_factory=dict)
    facts: Script = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Repeat(Act):
    """The last event with a key is delivered once more, with the same content or (`is_changed`) with other content."""

    is_changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Wait(Act):
    """Time passes; negative: the clock is put back."""

    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Tick(Act):
    """A worker fires the deadlines that are reached."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Perform(Act):
    """A worker performs one of the messages it has claimed; `ago` seconds lie between the performance and its report."""

    index: int = 0
    outcome: Literal["done", "failed", "retry"] = "done"
    ago: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Delegate(Act):
    """A deputy may act for somebody from now on."""

    principal: str
    deputy: str
    role: str | None = None
    hours: int = 48


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EndDelegation(Act):
    """The oldest running delegation ends."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Ask(Act):
    """Somebody looks at what they may do, and at their open work."""

    actor: str = SUBJECT
    roles: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Erase(Act):
    """The subject is erased: closed first where the definition says how, then without personal values."""


AnyAct = Start | Fire | Repeat | Wait | Tick | Perform | Delegate | EndDelegation | Ask | Erase


_USUAL = (("actor", SUBJECT), ("outcome", "done"), ("hours", 48))


def _is_default(act: Act, name: str) -> bool:
    value = getattr(act, name)
    if name in {"event", "seconds", "principal", "deputy"}:
        return False
    if name in {"crash", "cut"}:
        return value is None
    return value in (None, (), {}, False, 0) or any(name == one and value == usual for one, usual in _USUAL)


def _order(text: str) -> tuple[bool, bool, bool]:
    return text.startswith(("crash=", "cut=")), text.startswith("facts="), text.startswith(("payload=", "key="))
