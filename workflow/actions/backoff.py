"""When an effect that failed is tried again.

Promises: pure; the caller brings the time and the chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from workflow.states.effects import Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How patient to be: waits of `base_seconds`, each `factor` times the one before, at most `cap_seconds`.

    `attempts` counts all of them, the first included; after the last one the message is dead.
    """

    base_seconds: float
    factor: float
    cap_seconds: float
    attempts: int


STEADY = Plan(base_seconds=30, factor=2.5, cap_seconds=43_200, attempts=12)
"""Twelve attempts over about 44 hours: a mail server may be away for a weekend's maintenance and nothing is lost."""

URGENT = Plan(base_seconds=5, factor=2.5, cap_seconds=1_200, attempts=8)
"""Eight attempts over about half an hour: for what somebody sits and waits for."""

SPREAD = 0.2
"""Jitter moves a wait by up to a fifth either way, so that messages that failed together do not come back together."""


def plan_for(effect: Effect) -> Plan:
    """Choose the plan: links, text messages and pushes are waited for by a person; the rest can take its time."""
    is_waited_for = effect.link is not None or effect.kind in {"sms", "push"}
    return URGENT if is_waited_for else STEADY


def next_attempt(attempts: int, *, jitter: float, now: datetime, plan: Plan = STEADY) -> datetime | None:
    """Say when to try again, or None when the message is dead.

    Args:
        attempts: how often it was tried, at least 1.
        jitter: evenly distributed in [0, 1); 0.5 means no deviation.
        now: the present instant; the wait counts from here.
        plan: how patient to be.

    Raises:
        ValueError: `attempts` or `jitter` is out of range.
    """
    if attempts < 1 or not 0 <= jitter < 1:
        message = f"attempts must be at least 1 and jitter in [0, 1), not {attempts} and {jitter}"
        raise ValueError(message)
    if attempts >= plan.attempts:
        return None
    wait = min(plan.base_seconds * plan.factor ** (attempts - 1), plan.cap_seconds)
    return now + timedelta(seconds=wait * (1 + SPREAD * (2 * jitter - 1)))
