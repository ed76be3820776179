"""What may happen in the model, one thing after the other: a rule, and the place where rules of one cause stand together.

Promises: values only; how they are worked out of a definition is the model's matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from workflow.prove.terms import Formula
from workflow.states.definition import ActionUse, EventName, StatePath, TimerKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that may happen.

    Attributes:
        kind: see `verdicts.Happening`.
        source: the leaf before; None for the start.
        guard: over variables and inputs; `promised` is what checks promise besides, each with its words.
        updates: variable -> its value afterwards; the others stay.
        uses: the actions of the step.
        armed: the timers that start with it.
        at: the instant at which it happens, None without instants.
        is_heard: whether it is more than a note in the history.
    """

    kind: str
    event: EventName
    source: StatePath | None
    target: StatePath
    guard: Formula
    updates: dict[str, Formula]
    promised: tuple[tuple[str, Formula], ...] = ()
    uses: tuple[ActionUse, ...] = ()
    armed: frozenset[TimerKey] = frozenset()
    at: Formula | None = None
    is_heard: bool = True
    timer: TimerKey | None = None
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What may happen in one leaf by one event, timer or report; `leaf` None at the start."""

    kind: str
    leaf: StatePath | None
    name: str


def counter(use: ActionUse) -> str:
    """Name the counter by which an effect's messages are told apart."""
    return use.link or str(use.done)
