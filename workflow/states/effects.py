"""Effects: things to be done, as values, and the work that is open for people.

Promises: effects hold references (template, role, serial), never personal values and never secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from workflow.states.definition import EventName, RoleName
from workflow.states.quick import maker, quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A thing to be done after the step is committed; becomes a message in the outbox.

    Attributes:
        kind: ``mail``, ``sms``, ``push``, ``provision``, ``alert`` or one that the host registered.
        name: template or target.
        to: ``subject`` or a role name.
        link: purpose of the link it carries, None for none.
        serial: serial of that link; 0 without link.
        done, failed: engine events that report the outcome, None when nobody wants to know.
        params: plain values from the definition and from the event's non-personal payload.
    """

    kind: str
    name: str
    to: str = "subject"
    link: str | None = None
    serial: int = 0
    done: EventName | None = None
    failed: EventName | None = None
    params: Mapping[str, str | int | bool] = field(default_factory=dict)

    @property
    def is_notice(self) -> bool:
        """Tell whether the effect only tells somebody something (overtaken rungs of a ladder do not notify)."""
        return self.kind in {"mail", "sms", "push", "alert"}

    @property
    def ends_with_subject(self) -> bool:
        """Tell whether an erasure drops the effect: nobody is there to be told, and no onboarding waits for the outcome any more.

        What stays is an order that nobody waits for, such as closing an account elsewhere.
        """
        return self.is_notice or self.done is not None


make_effect = maker(Effect)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something a role may do with an instance now: a row of the queue."""

    event: EventName
    role: RoleName
    scope: str | None
    due_at: datetime | None
    """The earliest running deadline over the state, None when none runs."""


make_work = maker(Work)
