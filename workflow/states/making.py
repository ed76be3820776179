"""One step in the making: what follows from the transition that was chosen.

Promises: pure; the only place where an instance changes. `step` decides which transition it is, `moves` which states it leaves
and enters; here fields, counts, deadlines and effects follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from workflow.states import timers as timing
from workflow.states.calendar import Calendar
from workflow.states.catalogue import Catalogue
from workflow.states.definition import ActionUse, Definition, EventName, FieldName, TimerKey
from workflow.states.effects import Effect, make_effect
from workflow.states.guards import GuardFault
from workflow.states.instance import ActorId, Event, Plain, Situation, Tally, Timer, make_situation, stepped
from workflow.states.machine import Arrow, Choice, Table
from workflow.states.moves import Move
from workflow.states.verdict import Kind, Permitted, Step, make_step
from workflow.states.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What deciding needs beside the situation: the compiled definition and the documents in force."""

    table: Table
    calendar: Calendar | None = None
    catalogue: Catalogue | None = None

    @property
    def definition(self) -> Definition:
        """The definition the instance is pinned to."""
        return self.table.definition


class Making:
    """One step in the making: collects what follows from the chosen transition, then gives the step."""

    def __init__(
        self, world: World, situation: Situation, event: Event, view: View, *, at: datetime, kind: Kind, permitted: Permitted | None = None
    ) -> None:
        """Begin a step of `event` on `situation`, which happens `at` this instant."""
        self.world, self.situation, self.event, self.view = world, situation, event, view
        self.definition = world.definition
        self.at, self.kind, self.permitted = at, kind, permitted
        self.mark: datetime | None = None
        self.spent: Timer | None = None
        self.kept: set[FieldName | None] = set()
        self.serials: Mapping[str, int] = situation.instance.serials

    def step_or_nothing(self, choice: Choice | None) -> Step:
        """Make the step of a timer or report; what it would write but cannot compute leaves everything as it was."""
        try:
            return self.step(choice)
        except GuardFault:
            return self.step(None)

    def step(self, choice: Choice | None) -> Step:
        """Make the step for the chosen transition; None when no transition takes the event."""
        before = self.situation.instance
        arrow = choice.arrow if choice and not choice.is_counted_only else None
        current = None if self.kind is Kind.STARTED else before.state
        move = self.world.table.move(arrow.transition if arrow else None, current)
        fields, personal_set, personal = self._assign(arrow)  # first: what cannot be computed must not have taken a serial
        effects = tuple([self._effect(use) for use in move.uses])
        timers, armed, disarmed, moved = self._timers(move)
        after = stepped(
            before,
            state=move.leaf,
            version=before.version + 1,
            fields=fields,
            personal=personal_set,
            tallies=self._tallies(choice, move),
            deciders=self._deciders(),
            serials=self.serials,
            marks=self._marks(move),
            outcome=move.outcome if move.entered else before.outcome,
        )
        plain, withheld = self._payload()
        permitted = self.permitted
        return make_step(
            kind=self.kind,
            before=None if self.kind is Kind.STARTED else self.situation,
            after=make_situation(instance=after, timers=timers),
            event=self.event,
            occurred_at=self.at,
            facts=self.view.facts,
            effects=effects,
            personal=personal,
            payload=plain,
            personal_payload=withheld,
            armed=armed,
            disarmed=disarmed,
            moved=moved,
            roles=permitted.roles if permitted else (),
            on_behalf_of=permitted.on_behalf_of if permitted else None,
            is_automatic=self.definition.events[self.event.name].is_automatic,
        )

    def _effect(self, use: ActionUse) -> Effect:
        """Make the effect; one whose outcome is reported takes the next serial, so that an older report is known as such."""
        serial, counted = 0, use.link or use.done
        if counted is not None:
            serial = self.serials.get(counted, 0) + 1
            self.serials = {**self.serials, counted: serial}
        return make_effect(
            kind=use.kind,
            name=use.name,
            to=use.to,
            link=use.link,
            serial=serial,
            done=use.done,
            failed=use.failed,
            params=use.params,
        )

    def _assign(self, arrow: Arrow | None) -> tuple[Mapping[FieldName, Plain], frozenset[FieldName], dict[FieldName, object]]:
        """Write the transition's assignments: plain values into the fields, personal ones aside."""
        before = self.situation.instance
        if arrow is None or not arrow.transition.assignments:
            return before.fields, before.personal, {}
        fields, names, personal = dict(before.fields), set(before.personal), {}
        kept = self.kept
        payload = self.permitted.payload if self.permitted else {}
        for assignment in arrow.transition.assignments:
            name, field = assignment.field, self.definition.fields[assignment.field]
            if assignment.copy_of is not None:
                value = payload.get(assignment.copy_of)
            else:
                value = None if assignment.is_cleared else arrow.values[assignment].evaluate(self.view.look_up)
            if value is None:
                fields.pop(name, None)
                names.discard(name)
            elif field.is_personal:
                personal[name] = list(value) if isinstance(value, tuple) else value
                names.add(name)
                kept.add(assignment.copy_of)
            else:
                fields[name] = _plain(value)
        return fields, frozenset(names), personal

    def _timers(self, move: Move) -> tuple[tuple[Timer, ...], tuple[Timer, ...], tuple[TimerKey, ...], tuple[tuple[Timer, Timer], ...]]:
        """Give the timers afterwards, and what was armed, disarmed and moved."""
        calendar, timers = self.world.calendar, self.situation.timers
        gone = [t for t in timers if t.state in move.left] if move.left else []
        kept = [t for t in timers if t.state not in move.left] if gone else list(timers)
        moved = timing.pause_or_resume(self.definition, kept, paused=move.paused, at=self.at, calendar=calendar) if move.entered else []
        armed = [timing.arm(t, at=self.at, is_paused=t.state in move.paused, calendar=calendar) for t in move.arming]
        if self.mark is not None:
            armed += self._armed_by_report(move, self.mark)
        now_on = {t.key: t for t in (*kept, *[new for _, new in moved], *armed)}
        disarmed = tuple([t.key for t in gone if t.key not in now_on])
        if self.spent is not None and self.spent.key not in now_on:
            disarmed = (self.spent.key, *disarmed)
        return tuple(now_on.values()), tuple(armed), disarmed, tuple(moved)

    def _armed_by_report(self, move: Move, performed_at: datetime) -> list[Timer]:
        """Start the timers of active states that run since this report."""
        states, calendar = self.definition.states, self.world.calendar
        waiting = [t for path in self.definition.lineage(move.leaf) for t in states[path].timers if t.since == self.event.name]
        return [timing.arm(t, at=performed_at, is_paused=t.state in move.paused, calendar=calendar) for t in waiting]

    def _tallies(self, choice: Choice | None, move: Move) -> Mapping[EventName, Tally]:
        """Count an accepted event where a state wants it counted; a state that is entered starts its counts again."""
        before, name = self.situation.instance, self.event.name
        tallies = before.tallies
        if choice is not None and self.kind is not Kind.STARTED and name in self.world.table.tallied_in(before.state):
            tally, actor = tallies.get(name, Tally()), self.event.actor.id
            actors = tally.actors if actor in tally.actors else (*tally.actors, actor)
            tallies = {**tallies, name: Tally(count=tally.count + 1, actors=actors)}
        return {n: t for n, t in tallies.items() if n not in move.fresh} if move.fresh and tallies else tallies

    def _deciders(self) -> Mapping[str, tuple[ActorId, ...]]:
        deciders, permitted = self.situation.instance.deciders, self.permitted
        stage = self.definition.events[self.event.name].decision
        if stage is None or permitted is None:
            return deciders
        people = (self.event.actor.id,) if permitted.on_behalf_of is None else (self.event.actor.id, permitted.on_behalf_of)
        return {**deciders, stage: tuple(dict.fromkeys((*deciders.get(stage, ()), *people)))}

    def _marks(self, move: Move) -> Mapping[EventName, datetime]:
        """Note a report that counts; forget one when its action was queued again or its waiting state is entered again."""
        marks = self.situation.instance.marks
        if marks and move.stale:
            marks = {name: at for name, at in marks.items() if name not in move.stale}
        return marks if self.mark is None else {**marks, self.event.name: self.mark}

    def _payload(self) -> tuple[dict[str, Plain], dict[str, object]]:
        """Part the payload into plain values, and personal ones that no field keeps; secrets are in neither."""
        if self.permitted is None:
            return ({"serial": int(str(self.event.payload["serial"]))}, {}) if self.event.payload else ({}, {})
        types = self.definition.events[self.event.name].payload
        plain: dict[str, Plain] = {}
        aside: dict[str, object] = {}
        for name, value in self.permitted.payload.items():
            field = types[FieldName(name)]
            if field.is_secret:
                continue
            if not field.is_personal:
                plain[name] = _plain(value)
            elif name not in self.kept:
                aside[name] = list(value) if isinstance(value, tuple) else value
        return plain, aside


def _plain(value: object) -> Plain:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    return value  # type: ignore[return-value]  # validated: str, int, bool or tuple of str
