"""What a proof says: verdicts, and counterexamples as timelines.

Promises: frozen values only; nothing here knows the solver, so programs can read a report without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from workflow.states.definition import Property

Leaf = bool | int | str


class Outcome(StrEnum):
    """What is known of a property."""

    PROVEN = "PROVEN"
    REFUTED = "REFUTED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One step of a counterexample.

    Attributes:
        kind: ``start``, ``event`` (somebody fires it), ``told`` (the engine), ``fired`` (a timer), ``reported`` or ``stale`` (an effect),
            or ``idle`` (time passes).
        seconds: since the start of the run.
        who: ``subject``, ``somebody`` (the person that the property is about) or ``another``; empty for the engine.
        for_whom: whom a deputy acts for; empty when nobody does.
        roles: the roles of which one lets the actor in.
        facts: what the checks find, by check.
        wishes: what the payload must hold: values by name, lists of what must be among them.
        timer: key of the timer that fires.
        report: the counter of the effect that is reported.
    """

    kind: str
    event: str
    source: str
    target: str
    seconds: float
    who: str = ""
    for_whom: str = ""
    roles: tuple[str, ...] = ()
    facts: Mapping[str, Mapping[str, Leaf]] = field(default_factory=dict)
    wishes: Mapping[str, Leaf | tuple[str, ...]] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    timer: str = ""
    report: str = ""

    def line(self) -> str:
        """Tell the step in one line."""
        move = f"{self.source or '(start)'} -> {self.target}" if self.source != self.target else f"in {self.target}"
        doer = f" by {self.who}" if self.who else f" (timer {self.timer})" if self.timer else " (the engine)"
        deputy = f" for {self.for_whom}" if self.for_whom else ""
        found = [f"{check}.{leaf}={str(value).lower()}" for check, leaves in self.facts.items() for leaf, value in leaves.items() if value]
        return f"{_clock(self.seconds)}  {self.event or 'time passes'}{doer}{deputy}, {move}" + (f"  [{', '.join(found)}]" if found else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the real engine said to a counterexample; `lines` is its own timeline."""

    is_confirmed: bool
    reason: str
    lines: tuple[str, ...] = ()


Confirm = Callable[[Property, tuple[Happening, ...]], Replayed]
"""Replays a counterexample on the real engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of one property.

    Attributes:
        reason: why it is proven, refuted or unknown, in a few words.
        given: what the proof takes for granted beyond the definition, such as what a check promises.
        opaque: expressions that were not translated and may have any value.
        timeline: the counterexample, empty when there is none.
        replayed: what the real engine said to it, None when it was not asked.
    """

    rule: Property
    outcome: Outcome
    reason: str
    given: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    timeline: tuple[Happening, ...] = ()
    replayed: Replayed | None = None
    seconds: float = 0.0
    is_vacuous: bool = False
    """Proven, and what it speaks of can never happen: nothing is said by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdicts on all properties of a definition, in their order."""

    definition: str
    digest: str
    verdicts: tuple[Verdict, ...]

    @property
    def is_proven(self) -> bool:
        """Tell whether every property of severity error is proven."""
        return all(v.outcome is Outcome.PROVEN for v in self.verdicts if v.rule.severity == "error")

    def of(self, name: str) -> Verdict:
        """Give the verdict on a property by its name."""
        return next(v for v in self.verdicts if v.rule.name == name)


def _clock(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86_400)
    return f"day {days} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
