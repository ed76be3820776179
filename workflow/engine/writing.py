"""From what was decided to the one change that `save` takes.

Promises: every step, refusal and report gets its entry in the chain before anything is written; nothing is written beside it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from workflow.audit.entry import EntryRow, Head, Witnessed, record_step, record_witnessed
from workflow.engine.sealing import Sealer, unique_values
from workflow.engine.shelf import InForce
from workflow.ports import Change, CredentialChange, Loaded, Message, StoredAnswer, UniqueValue, Vault
from workflow.states.definition import Digest
from workflow.states.effects import Effect, Work
from workflow.states.instance import ENGINE_ACTOR, Instance, InstanceId, Situation, changed
from workflow.states.may import earliest_due_at, open_work
from workflow.states.verdict import Kind, Step


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
            return Head(sequence=self.entries[-1].sequence, hash=self.entries[-1].entry_hash)
        before = self.loaded.situation
        return Head() if before is None else Head(sequence=before.instance.head, hash=before.instance.head_hash)

    def add(self, step: Step) -> EntryRow:
        """Record a step: its entry, its messages, its sealed values."""
        # A deadline looks at its own instant, not at the sweep's: how often one sweeps must not change the history.
        self.close_refusals(reached=step.occurred_at if step.kind is Kind.FIRED else self.now)
        instance = step.after.instance
        if self.sealer is None:
            self.sealer = Sealer(self.vault, instance.subject, self.loaded.subject_key)
        head = self.head
        salts = self.sealer.salts(step, instance.id, head.sequence + 1)
        entry = record_step(step, after=head, recorded_at=self.now, digests=self._digests, salts=salts)
        self.entries.append(entry)
        self.steps.append(step)
        self.latest = self._with_refusals(step.after)
        for effect in step.effects:
            self._queue(effect, instance.id, entry.sequence)
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
        instance = changed(latest.instance, head=head.sequence, head_hash=head.hash, recorded_at=self._recorded_at(latest.instance))
        old = {t.key: t for t in before.timers} if before else {}
        new = {t.key: t for t in latest.timers}
        return Change(
            instance=instance,
            is_new=before is None,
            expected_head=before.instance.head if before else 0,
            expected_suppressed=before.instance.suppressed_count if before else 0,
            entries=tuple(self.entries),
            timers_set=tuple(t for key, t in new.items() if old.get(key) != t),
            timers_removed=tuple(key for key in old if key not in new),
            messages=tuple(m for m in self.messages if self._is_wanted(m.effect)),
            superseded=tuple(self.superseded.items()),
            settled=settled,
            credentials=credentials,
            sealed=tuple(self.sealer.sealed) if self.sealer else (),
            subject_key=self.sealer.key if self.sealer and self.sealer.is_new_key else None,
            work=self._work(before, latest),
            answer=answer,
            unique_removed=unique_removed,
            unique_added=unique_values(self.vault, self.in_force.world.table, self.steps) if self.in_force else (),
        )

    @property
    def _digests(self) -> Mapping[str, Digest]:
        return self.in_force.digests if self.in_force else {}

    def _recorded_at(self, instance: Instance) -> datetime:
        return self.now if self.entries else instance.recorded_at

    def _work(self, before: Situation | None, latest: Situation) -> tuple[Work, ...] | None:
        if not self.steps or self.in_force is None:
            return None
        if before is not None and _place(before) == _place(latest):
            return None
        return open_work(self.in_force.world, latest)

    def _queue(self, effect: Effect, instance_id: InstanceId, sequence: int) -> None:
        if effect.link is not None:
            self.superseded[effect.link] = effect.serial
        self.messages.append(
            Message(
                id=_message_id(self.now),
                instance_id=instance_id,
                sequence=sequence,
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


def _place(situation: Situation) -> tuple[object, ...]:
    """Give what open work follows from: the state, the fields that may be a scope, and the earliest deadline."""
    return situation.instance.state, situation.instance.fields, earliest_due_at(situation)


def _message_id(now: datetime) -> str:
    """Make an id that sorts by the time of queueing: 14 hexadecimal digits of microseconds, then 72 random bits."""
    return f"{int(now.timestamp() * 1_000_000):014x}{secrets.token_hex(9)}"
