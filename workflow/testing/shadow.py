"""The shadow: the same run without a worker, decided by the pure core alone.

Promises: it never sweeps; deadlines are settled only when an event arrives (lazily), and what comes out must be what the
real engine wrote with sweeps at any times (eagerly). On its way it notes what was covered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from workflow.audit.canonical import instant
from workflow.states.definition import EventName
from workflow.states.effects import Effect
from workflow.states.instance import ENGINE_ACTOR, Actor, ActorId, Delegation, Event, InstanceId, Situation
from workflow.states.machine import Choice
from workflow.states.making import World
from workflow.states.step import begin, decide, permit, report, settle, tell
from workflow.states.verdict import Facts, Permitted, Refused, Step
from workflow.states.view import View
from workflow.states.who import Holders, is_deputy_of
from workflow.testing.coverage import Coverage

Note = tuple[str, str, str, str | None, str | None, tuple[str, ...], str]
"""(kind, event, actor, from, to, codes of the reasons, occurred_at): what lazy and eager must agree on."""


def noted(said: Mapping[str, object], *, has_codes: bool) -> Note:
    """Give of an entry what lazy and eager must agree on."""
    reasons = said.get("reasons") or ()
    codes = tuple(sorted(str(r["public"]) for r in reasons)) if has_codes and isinstance(reasons, Sequence) else ()
    return (
        str(said["kind"]),
        str(said["event"]),
        str(said["actor"]),
        _text(said["from"]),
        _text(said["to"]),
        codes,
        str(said["occurred_at"]),
    )


@dataclass(slots=True, kw_only=True)
class Shadow:
    """One instance, as the pure core sees it."""

    world: World
    holders: Holders
    coverage: Coverage
    situation: Situation | None = None
    notes: list[Note] = field(default_factory=list)

    def settle(self, now: datetime) -> None:
        """Fire what was reached until `now`."""
        if self.situation is None:
            return
        for step in settle(self.world, self.situation, now=now):
            before = step.before
            if before is not None:
                self.coverage.fire(self._due(step))
                self._look(
                    View(definition=self.world.definition, instance=before.instance, event=step.event.name, now=step.occurred_at),
                    ENGINE_ACTOR,
                )
            self._keep(step)

    def start(self, event: Event, facts: Facts, *, subject: ActorId, instance_id: InstanceId, now: datetime) -> bool:
        """Start, with the facts that the checks found; tell whether it was accepted."""
        judged = permit(self.world, None, event, subject=subject, delegations=(), holders=self.holders, now=now)
        if isinstance(judged, Refused):
            self.coverage.refuse(event.name, [r.code for r in judged.reasons])
            return False
        made = begin(self.world, judged, facts, instance_id=instance_id, subject=subject, now=now)
        if isinstance(made, Refused):
            self.coverage.refuse(event.name, [r.code for r in made.reasons])
            return False
        self.coverage.take(self.world.table.start)
        self._keep(made)
        self.settle(now)
        return True

    def fire(self, event: Event, facts: Facts, *, delegations: Collection[Delegation], now: datetime, is_unscoped: bool = False) -> None:
        """Fire an event, with the facts that the checks found; note the step or the refusal."""
        self.settle(now)
        situation = self.situation
        if situation is None:
            return
        subject = situation.instance.subject
        judged = permit(self.world, situation, event, subject=subject, delegations=delegations, holders=self.holders, now=now)
        if isinstance(judged, Permitted):
            view = self._view(judged, facts, delegations, now)
            self._look(view, event.actor.id)
            decided = decide(self.world, situation, judged, facts, delegations=delegations, now=now)
        else:
            decided = judged
        if isinstance(decided, Step):
            self._keep(decided)
            self.settle(now)
            return
        codes = [r.code for r in decided.reasons]
        self.coverage.refuse(event.name, codes)
        if is_unscoped and "role_missing" in codes:
            self.coverage.refuse(event.name, ["wrong_scope"])
        type_ = self.world.definition.events.get(event.name)
        shown = tuple(sorted(codes)) if type_ is None or not type_.checks else ()
        name = event.name if type_ is not None else ascii(event.name)[:64]
        state = situation.instance.state
        self.notes.append(("event:refused", name, event.actor.id, state, state, shown, instant(now)))

    def report(self, effect: Effect, name: str, *, performed_at: datetime, now: datetime) -> None:
        """Take note of what became of a message."""
        self.settle(now)
        if self.situation is None:
            return
        step = report(self.world, self.situation, effect, EventName(name), performed_at=performed_at, now=now)
        if effect.serial == self.situation.instance.serials.get(effect.link or str(effect.done), 0):
            self._look(
                View(definition=self.world.definition, instance=self.situation.instance, event=EventName(name), now=now), ENGINE_ACTOR
            )
        self._keep(step)
        self.settle(now)

    def tell(self, name: EventName, *, now: datetime) -> None:
        """Take an engine event that is neither timer nor report."""
        self.settle(now)
        if self.situation is None:
            return
        self._look(View(definition=self.world.definition, instance=self.situation.instance, event=name, now=now), ENGINE_ACTOR)
        self._keep(tell(self.world, self.situation, Event(name=name, actor=Actor(id=ENGINE_ACTOR)), now=now))
        self.settle(now)

    def erase(self, now: datetime) -> None:
        """Forget the personal values, as an erasure does."""
        self.settle(now)
        if self.situation is not None:
            instance = replace(self.situation.instance, personal=frozenset())
            self.situation = replace(self.situation, instance=instance)

    def _view(self, judged: Permitted, facts: Facts, delegations: Collection[Delegation], now: datetime) -> View:
        situation, event = self.situation, judged.event
        if situation is None:
            raise ValueError("There is no instance yet.")
        subject = situation.instance.subject
        return View(
            definition=self.world.definition,
            instance=situation.instance,
            event=event.name,
            now=now,
            payload=judged.payload,
            facts=facts,
            is_subject=event.actor.id == subject,
            is_deputy=judged.on_behalf_of is not None or is_deputy_of(event.actor.id, subject, delegations, now),
        )

    def _look(self, view: View, actor: str) -> None:
        """Note which guards were true and false, and which transition is taken."""
        table = self.world.table
        arrows = table.arrows(view.instance.state, view.event)
        for arrow in arrows:
            for index, rule in enumerate(arrow.rules):
                self.coverage.judge(arrow, index, holds=not arrow.failures_of(rule, view))
        choice = table.choose(view.event, view, actor) if arrows else None
        if isinstance(choice, Choice) and not choice.is_counted_only:
            self.coverage.take(choice.arrow)

    def _due(self, step: Step) -> str:
        """Name the timer that a step spends."""
        timers = {
            t.key: t
            for t in (self.situation.timers if self.situation else ())
            if t.due_at == step.occurred_at and t.event == step.event.name
        }
        return min(timers.values(), key=lambda t: t.index).key if timers else ""

    def _keep(self, step: Step) -> None:
        self.situation = step.after
        self.coverage.rest(step.to_state)
        self.notes.append(
            (step.kind.value, step.event.name, step.event.actor.id, step.from_state, step.to_state, (), instant(step.occurred_at))
        )


def _text(value: object) -> str | None:
    return None if value is None else str(value)
