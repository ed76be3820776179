"""What one act did, and how the history is read.

Promises: values only; nothing here changes a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from workflow.audit.entry import EntryRow
from workflow.errors import ConflictError, RefusedError
from workflow.ports import Message
from workflow.states.definition import CheckUse
from workflow.states.effects import Effect, Work
from workflow.states.instance import Delegation, Event, InstanceId, Situation
from workflow.states.verdict import Accepted, Merged, Refused, Verdict
from workflow.testing.acts import AnyAct

RETRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What one act did.

    Attributes:
        before, after: the instance with its timers as stored; None when there is none.
        settled: what `before` becomes by the deadlines that were reached, worked out by the pure core.
        now: the instant of the act for this instance: the clock's, never before its newest entry.
        event, actor: who fired what, None when the act was no event.
        answer: what the engine said; None for acts without an answer, and after a crash.
        entries: what was added to the history; `said` is what they say.
        messages: what was added to the outbox.
    """

    act: AnyAct
    before: Situation | None
    settled: Situation | None
    after: Situation | None
    now: datetime
    event: Event | None = None
    answer: object = None
    entries: tuple[EntryRow, ...] = ()
    said: tuple[Mapping[str, object], ...] = ()
    messages: tuple[Message, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    verdict: Verdict | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    work: tuple[Work, ...] | None = None
    is_crashed: bool = False
    first: Observed | None = None
    """For a repetition: what the first delivery did."""


def answered(call: Callable[[], Accepted | Refused | Merged]) -> object:
    """Give the answer; a refusal and a conflict are answers too."""
    try:
        return call()
    except RefusedError as error:
        return Refused(reasons=error.reasons, instance_id=InstanceId(error.instance_id or ""), sequence=error.sequence)
    except ConflictError as error:
        return error


def again(effect: Effect, attempts: int, chance: float, now: datetime) -> datetime | None:
    """Try again after half a minute, three times, without the jitter of production, so that a run can be done again."""
    del effect, chance
    return now + timedelta(seconds=30) if attempts < RETRIES else None


def facts_of(said: Mapping[str, object]) -> Mapping[str, bool | int | str]:
    """Give what the checks found, by an entry."""
    found = said.get("facts")
    return found if isinstance(found, Mapping) else {}


def factors_of(use: CheckUse) -> tuple[str, ...]:
    """Name the factors that a check speaks of."""
    found = use.params.get("factors", ())
    return found if isinstance(found, tuple) else (str(found),)


def apply_timers(running: dict[str, datetime | None], said: Mapping[str, Any]) -> None:
    """Let an entry disarm, move and arm timers."""
    for key in said.get("disarmed", ()):
        running.pop(key, None)
    for one in said.get("moved", ()):
        running[one["timer"]] = instant_of(one["after"])
    for one in said.get("armed", ()):
        running[one["timer"]] = instant_of(one["due_at"])


def instant_of(text: str | None) -> datetime | None:
    """Read an instant of an entry."""
    return None if text is None else datetime.fromisoformat(text)
