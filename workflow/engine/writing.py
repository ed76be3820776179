"""From what was decided to the one change that `save` takes.

Promises: every step, refusal and report gets its entry in the chain before anything is written; nothing is written beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from workflow.audit.entry import EntryRow, Head, Witnessed, record_step, record_witnessed
from workflow.engine.sealing import Sealer, unique_values
from workflow.engine.shelf import InForce
from workflow.ports import (
    Change,
    CredentialChange,
    Loaded,
    Message,
    StoredAnswer,
    UniqueValue,
    Vault,
    make_change,
    make_message,
    message_id,
)
from workflow.states.definition import Digest, TimerKey
from workflow.states.effects import Effect, Work
from workflow.states.instance import ENGINE_ACTOR, ActorId, Instance, InstanceId, Situation, Timer, headed
from workflow.states.may import earliest_due_at, open_work
from workflow.states.verdict import Kind, Step

NO_SALTS: Mapping[str, bytes] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimit:
    """How many refusals of one instance are recorded one by one within a window; the rest is counted and summarised."""

    refusals: int = 100
    window: timedelta = timedelta(minutes=10)


@dataclass(slots=True, kw_only=True)
class Draft:
    """One change in the making: entries are chained in the order in which they are added.

    `loaded.situation` is what the store had (None for a new instance); `latest` what it will have. `in_force` is None for
    the system's own chain, which follows no definition.
    """

    loaded: Loaded
    in_force: InForce | None
    vault: Vault
    now: datetime
    latest: Situation | None
    flood: FloodLimit = field(default_factory=FloodLimit)
    entries: list[EntryRow] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    sealer: Sealer | None = None
    superseded: dict[str, int] = field(default_factory=dict)

    @property
    def head(self) -> Head:
        """The end of the chain as this draft has it."""
        if self.entries:
            return Head(self.entries[-1].sequence, self.entries[-1].entry_hash)
        before = self.loaded.situation
        return Head() if before is None else Head(before.instance.head, before.instance.head_hash)

    def add(self, step: Step) -> EntryRow:
        """Record a step: its entry, its messages, its sealed values."""
        if self.latest is not None and self.latest.instance.suppressed_count:
            # A deadline looks at its own instant, not at the sweep's: how often one sweeps must not change the history.
            self.close_refusals(reached=step.occurred_at if step.kind is Kind.FIRED else self.now)
        instance, head = step.after.instance, self.head
        salts = self._sealer(instance.subject).salts(step, instance.id, head.sequence + 1) if step.is_personal else NO_SALTS
        entry = record_step(step, after=head, recorded_at=self.now, digests=self._digests, salts=salts)
        self.entries.append(entry)
        self.steps.append(step)
        self.latest = self._with_refusals(step.after)
        for place, effect in enumerate(step.effects):
            self._queue(effect, entry, place)
        return entry

    def witness(self, seen: Witnessed, instance_id: InstanceId) -> EntryRow:
        """Record something that changes no state."""
        entry = record_witnessed(seen, instance_id, after=self.head, recorded_at=self.now, digests=self._digests)
        self.entries.append(entry)
        return entry

    def refuse(self, seen: Witnessed) -> EntryRow | None:
        """Record a refusal; None when the flood limit is reached and it is only counted."""
        if self.latest is None:
            raise ValueError("A refusal needs an instance to be recorded on.")
        instance = self.latest.instance
        window_at = instance.refusal_window_at
        if window_at is None or self.now >= window_at + self.flood.window:
            self.close_refusals(reached=self.now)
            instance = self.latest.instance
            self._keep(replace(instance, refusal_window_at=self.now, refusal_count=1))
            return self.witness(seen, instance.id)
        if instance.refusal_count < self.flood.refusals:
            self._keep(replace(instance, refusal_count=instance.refusal_count + 1))
            return self.witness(seen, instance.id)
        first = instance.suppressed_first_at or self.now
        self._keep(
            replace(instance, suppressed_count=instance.suppressed_count + 1, suppressed_first_at=first, suppressed_last_at=self.now)
        )
        return None

    def close_refusals(self, *, reached: datetime) -> None:
        """Summarise refusals that were only counted, when their window is over at the instant that is reached."""
        instance = self.latest.instance if self.latest else None
        if instance is None or instance.refusal_window_at is None or not instance.suppressed_count:
            return
        ended_at = instance.refusal_window_at + self.flood.window
        if reached < ended_at:
            return
        first, last = instance.suppressed_first_at or ended_at, instance.suppressed_last_at or ended_at
        payload = {"count": instance.suppressed_count, "first_at": first.isoformat(), "last_at": last.isoformat()}
        seen = Witnessed(
            kind=Kind.REFUSALS_COUNTED,
            event="refusals_counted",
            actor=ENGINE_ACTOR,
            occurred_at=ended_at,
            state=instance.state,
            payload=payload,
        )
        self.witness(seen, instance.id)
        self._keep(replace(instance, suppressed_count=0, suppressed_first_at=None, suppressed_last_at=None))

    def change(
        self,
        *,
        credentials: tuple[CredentialChange, ...] = (),
        answer: StoredAnswer | None = None,
        settled: tuple[str, int, Literal["done", "dead"]] | None = None,
        unique_removed: tuple[UniqueValue, ...] = (),
    ) -> Change:
        """Give the change: the instance at the new head, and the difference of timers and open work."""
        if self.latest is None:
            raise ValueError("There is nothing to save.")
        before, latest = self.loaded.situation, self.latest
        head = self.head
        instance = headed(latest.instance, head=head.sequence, head_hash=head.hash, recorded_at=self._recorded_at(latest.instance))
        timers_set, timers_removed, timers_replacing = _difference(before.timers if before else (), latest.timers)
        sealer = self.sealer
        return make_change(
            instance=instance,
            is_new=before is None,
            expected_head=before.instance.head if before else 0,
            expected_suppressed=before.instance.suppressed_count if before else 0,
            entries=tuple(self.entries),
            timers_set=timers_set,
            timers_removed=timers_removed,
            timers_replacing=timers_replacing,
            messages=tuple([m for m in self.messages if self._is_wanted(m.effect)] if self.superseded else self.messages),
            superseded=tuple(self.superseded.items()),
            settled=settled,
            credentials=credentials,
            sealed=tuple(sealer.sealed) if sealer else (),
            subject_key=sealer.key if sealer and sealer.is_new_key else None,
            work=self._work(before, latest),
            answer=answer,
            unique_removed=unique_removed,
            unique_added=unique_values(self.vault, self.in_force.world.table, self.steps) if self.in_force else (),
        )

    def _sealer(self, subject: ActorId) -> Sealer:
        if self.sealer is None:
            self.sealer = Sealer(self.vault, subject, self.loaded.subject_key)
        return self.sealer

    @property
    def _digests(self) -> Mapping[str, Digest]:
        return self.in_force.digests if self.in_force else {}

    def _recorded_at(self, instance: Instance) -> datetime:
        return self.now if self.entries else instance.recorded_at

    def _work(self, before: Situation | None, latest: Situation) -> tuple[Work, ...] | None:
        if not self.steps or self.in_force is None:
            return None
        table = self.in_force.world.table
        if not table.work_in(latest.instance.state) and (before is None or not table.work_in(before.instance.state)):
            return None  # there was none, and there is none
        if before is not None and _is_same_place(before, latest):
            return None
        return open_work(self.in_force.world, latest)

    def _queue(self, effect: Effect, entry: EntryRow, place: int) -> None:
        if effect.link is not None:
            self.superseded[effect.link] = effect.serial
        self.messages.append(
            make_message(
                id=message_id(entry.instance_id, entry.sequence, entry.entry_hash, place),
                instance_id=entry.instance_id,
                sequence=entry.sequence,
                effect=effect,
                queued_at=self.now,
                available_at=self.now,
            )
        )

    def _is_wanted(self, effect: Effect) -> bool:
        """Leave out a link that a later step of the same change has already replaced."""
        return effect.link is None or effect.serial >= self.superseded.get(effect.link, 0)

    def _with_refusals(self, after: Situation) -> Situation:
        """Give a step's situation with the refusals as this draft has counted them: the step was made before they were summarised."""
        counted = self.latest.instance if self.latest else after.instance
        if counted.suppressed_count == after.instance.suppressed_count:
            return after
        instance = replace(
            after.instance,
            suppressed_count=counted.suppressed_count,
            suppressed_first_at=counted.suppressed_first_at,
            suppressed_last_at=counted.suppressed_last_at,
        )
        return Situation(instance=instance, timers=after.timers)

    def _keep(self, instance: Instance) -> None:
        if self.latest is not None:
            self.latest = Situation(instance=instance, timers=self.latest.timers)


def _difference(
    before: tuple[Timer, ...], after: tuple[Timer, ...]
) -> tuple[tuple[Timer, ...], tuple[TimerKey, ...], tuple[tuple[TimerKey, TimerKey], ...]]:
    """Give the timers that are new or another, the keys of those that are gone, and which of these the new ones may replace."""
    if after is before:
        return (), (), ()
    old = {timer.key: timer for timer in before}
    written, fresh = [], []
    for timer in after:
        was = old.pop(timer.key, None)  # what is left in the end is gone
        if was != timer:
            written.append(timer)
            if was is None:
                fresh.append(timer.key)
    return tuple(written), tuple(old), tuple(zip(old, fresh, strict=False))


def _is_same_place(before: Situation, after: Situation) -> bool:
    """Tell whether open work stays as it is: it follows from the state, the fields that may be a scope, and the earliest deadline."""
    was, is_ = before.instance, after.instance
    return was.state == is_.state and was.fields == is_.fields and earliest_due_at(before) == earliest_due_at(after)
