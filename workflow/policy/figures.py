"""What a new version would mean for a store, counted: groups with a few examples each.

Promises: values only; their size depends on the definition and not on the store, so a million histories fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

EXAMPLES = 3
"""So many examples of each group are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One entry, or one live onboarding (`sequence` is that of its newest entry), and what there is to say of it."""

    instance_id: str
    sequence: int
    at: datetime
    actor: str = ""
    state: str = ""
    said: str = ""


@dataclass(slots=True)
class Group:
    """Cases of one kind."""

    count: int = 0
    examples: list[Case] = field(default_factory=list)

    def add(self, case: Case) -> None:
        """Count a case, and keep it as an example while there are few."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(case)


@dataclass(slots=True)
class Shift:
    """How far one deadline moves; positive is later."""

    count: int = 0
    least: timedelta | None = None
    most: timedelta | None = None
    reached: int = 0
    """Live ones: reached at once under the new version."""
    overtaken: int = 0
    """Past ones: something was done before the instant to which they move."""
    examples: list[Case] = field(default_factory=list)

    def add(self, by: timedelta, case: Case) -> None:
        """Count a deadline that moves."""
        self.count += 1
        self.least = by if self.least is None else min(self.least, by)
        self.most = by if self.most is None else max(self.most, by)
        if len(self.examples) < EXAMPLES:
            self.examples.append(case)


Groups = dict[str, Group]


@dataclass(slots=True)
class Impact:
    """What a new version would mean.

    Attributes:
        live, histories, entries, decisions: how many were looked at.
        stuck: live onboardings that could not go on, by why.
        renamed: live onboardings in a state that is called otherwise now, by old and new name.
        refused: decisions that were accepted and would be refused, by event and reason.
        allowed: decisions that were refused and would be accepted, by event.
        perhaps: refusals that would come further; whether to the end, the history does not say; by event and why.
        elsewhere: decisions that would lead to another state, by event and states.
        late: what was done after a deadline as it is now, by deadline and event.
        live_deadlines, past_deadlines: which deadlines move, by key: those that run, and those that were reached.
        gone, new: deadlines of live onboardings that there would not be any more, and that would begin to run; by key.
        unjudged: what cannot be said, by why.
    """

    live: int = 0
    histories: int = 0
    entries: int = 0
    decisions: int = 0
    stuck: Groups = field(default_factory=dict)
    renamed: Groups = field(default_factory=dict)
    refused: Groups = field(default_factory=dict)
    allowed: Groups = field(default_factory=dict)
    perhaps: Groups = field(default_factory=dict)
    elsewhere: Groups = field(default_factory=dict)
    late: Groups = field(default_factory=dict)
    live_deadlines: dict[str, Shift] = field(default_factory=dict)
    past_deadlines: dict[str, Shift] = field(default_factory=dict)
    gone: Groups = field(default_factory=dict)
    new: Groups = field(default_factory=dict)
    unjudged: Groups = field(default_factory=dict)


def note(groups: Groups, label: str, case: Case) -> None:
    """Count a case in the group of that label."""
    groups.setdefault(label, Group()).add(case)
