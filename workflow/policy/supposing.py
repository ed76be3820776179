"""One stored history, supposed that another definition had been in force.

Promises: pure, and reads what was recorded only. The onboarding is led through the other definition beside the recorded one:
deadlines are settled by the engine's own steps, and every decision is taken again given the recorded facts and roles. Where the
two part (a decision would be refused, or leads elsewhere), that is noted once, and both go on from where the record goes on;
so one difference does not bring a hundred others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from workflow.audit.replay import Stage
from workflow.errors import DeadlineError
from workflow.policy.deciding import Deciding, Unknown
from workflow.policy.figures import Case, Impact, Shift, note
from workflow.policy.retime import Track, retimed
from workflow.policy.translating import Words
from workflow.states.check_events import every_action
from workflow.states.definition import Digest, EventName, StatePath, TimerKey, TimerType
from workflow.states.effects import Effect
from workflow.states.instance import ENGINE_ACTOR, Actor, Event, Situation, Timer
from workflow.states.making import World
from workflow.states.step import EndlessTimersError, recalendar, report, settle, tell
from workflow.states.verdict import Kind, Refused, Step

_SKIPPED = frozenset({Kind.REFUSALS_COUNTED, Kind.ERASED, Kind.MIGRATED})
_NO_STATE = "after a state that there is not any more"
_NO_DEADLINE = "after deadlines that cannot be worked out"


@dataclass(slots=True, kw_only=True)
class Supposing:
    """One history."""

    deciding: Deciding
    worlds: Callable[[Mapping[str, Digest]], World]
    """The other definition with the documents that an entry names."""
    words: Words
    impact: Impact
    track: Track = field(default_factory=Track)
    shadow: Situation | None = None
    last: Stage | None = None
    _documents: Mapping[str, Digest] = field(default_factory=dict)
    _apart: dict[str, None] = field(default_factory=dict)
    """Deadlines that only one of the two has reached since they were last together."""
    _lost: str = _NO_STATE
    """Why there is no situation to go on from, when there is none."""
    _moved: dict[TimerKey, datetime] = field(default_factory=dict)
    """Deadlines that were reached and would be reached later: until when."""

    @property
    def world(self) -> World:
        """The other definition, with the documents in force."""
        return self.deciding.world

    def see(self, stage: Stage) -> None:
        """Take the next entry of the history, a legal one."""
        now, kind = stage.row.recorded_at, stage.row.kind
        self.impact.entries += 1
        if stage.said["documents"] != self._documents:
            self._documents = stage.said["documents"]
            self.deciding = replace(self.deciding, world=self.worlds(self._documents))
        if kind == Kind.STARTED:
            self._start(stage, now)
        elif kind == Kind.FIRED:
            self._fired(stage)
        elif kind not in _SKIPPED and stage.before is not None:
            self._settle(now)
            if kind == Kind.CALENDAR_CHANGED:
                self._recalendar(now)
            elif kind == Kind.REPORTED or stage.row.actor == ENGINE_ACTOR:
                self._told(stage, now)
            else:
                self._decision(stage, now)
        self.track.see(stage, self.deciding.old)
        if kind not in {Kind.FIRED, Kind.REFUSED, *_SKIPPED}:
            self._join(stage)
        self.last = stage

    # Deadlines

    def _settle(self, now: datetime) -> None:
        """Fire what the other definition would have fired by now."""
        if self.shadow is None:
            return
        try:
            steps = settle(self.world, self.shadow, now=now)
        except (DeadlineError, EndlessTimersError):
            self.shadow, self._lost = None, _NO_DEADLINE
            return
        for step in steps:
            # The step itself begins without the timer that it spent.
            if (timer := _spent(self.shadow, step.event.name, step.occurred_at)) is not None:
                self._reached(timer.key)
            self.shadow = step.after

    def _reached(self, key: str) -> None:
        if key in self._apart:
            del self._apart[key]
        else:
            self._apart[key] = None

    def _fired(self, stage: Stage) -> None:
        """Note how far a deadline that was reached would move."""
        if stage.before is None:
            return
        timer = _spent(stage.before, EventName(stage.row.event), stage.row.occurred_at)
        if timer is None:
            return
        new = self._retimed(timer)
        self._reached(new.key if new else timer.key)
        if new is None or new.due_at is None or timer.due_at is None or new.due_at == timer.due_at:
            return
        self.impact.past_deadlines.setdefault(timer.key, Shift()).add(
            new.due_at - timer.due_at, _case(stage, f"due {new.due_at:%a %d %b %H:%M}Z")
        )
        if new.due_at > timer.due_at:
            self._moved[timer.key] = new.due_at

    def _retimed(self, timer: Timer) -> Timer | None:
        """Give a recorded timer as the other definition has it; None when it has none, or where the calendar does not know it."""
        type_ = self._counterpart(timer)
        if type_ is None:
            return None
        visits = ((at, self.words.state(leaf)) for at, leaf in self.track.since(timer.armed_at))
        try:
            return retimed(type_, armed_at=timer.armed_at, visits=visits, by=self.words.new, calendar=self.world.calendar)
        except DeadlineError:
            return None

    def _counterpart(self, timer: Timer) -> TimerType | None:
        """Find the same deadline in the other definition; None when it has none, or counts from something else."""
        type_, was = self.words.timer(timer.key), self.deciding.old.timer(timer.key)
        if type_ is None or (was is not None and self.words.name("events", was.since or "") != (type_.since or "")):
            return None
        return type_

    # Events

    def _start(self, stage: Stage, now: datetime) -> None:
        made = self._judge(stage, None, now)
        if isinstance(made, Step):
            self.shadow = made.after

    def _decision(self, stage: Stage, now: datetime) -> None:
        """Take a person's decision again, in the situation to which the other definition would have led."""
        self._overtake(now)
        if self.shadow is None:
            note(self.impact.unjudged, self._lost, _case(stage))
        elif stage.row.kind == Kind.REFUSED:
            self._refusal(stage, self.shadow, now)
        else:
            made = self._judge(stage, self.shadow, now)
            self._late(stage, now)
            if isinstance(made, Step):
                self.shadow = made.after

    def _judge(self, stage: Stage, situation: Situation | None, now: datetime) -> Step | Refused | Unknown:
        """Take what was accepted again, and note when it would not be, or would lead elsewhere."""
        self.impact.decisions += 1
        said = self.words.said(stage.said)
        made = self.deciding.decided(said, situation, now)
        event = said["event"]
        if isinstance(made, Unknown):
            note(self.impact.unjudged, made.why, _case(stage))
        elif isinstance(made, Refused):
            reasons = ", ".join(dict.fromkeys(reason.code for reason in made.reasons))
            message = "; ".join(dict.fromkeys(reason.message for reason in made.reasons))
            note(self.impact.refused, f"{event}: {reasons}{self._cause(stage, situation, now)}", _case(stage, message))
        elif stage.after is not None and made.to_state != self.words.state(stage.after.instance.state) and not self._apart:
            was, now_to = stage.after.instance.state, made.to_state
            note(self.impact.elsewhere, f"{event}: to {now_to} instead of {was}", _case(stage))
        return made

    def _cause(self, stage: Stage, situation: Situation | None, now: datetime) -> str:
        """Say when only a deadline is the reason: in the recorded situation the decision would be accepted."""
        if not self._apart or situation is None or stage.before is None:
            return ""
        recorded = self._adopted(stage.before)
        if recorded is None or not isinstance(self.deciding.decided(self.words.said(stage.said), recorded, now), Step):
            return ""
        return f" (only because the deadline {', '.join(self._apart)} moves)"

    def _refusal(self, stage: Stage, situation: Situation, now: datetime) -> None:
        """Take a refusal again; one that never came to the guards keeps neither roles nor findings, so it can only be asked further."""
        said = self.words.said(stage.said)
        self.impact.decisions += 1
        if said["roles"]:
            made = self.deciding.decided(said, situation, now)
            if isinstance(made, Step):
                note(self.impact.allowed, f"{said['event']}: to {made.to_state}", _case(stage, _codes(stage.said)))
            elif isinstance(made, Unknown):
                note(self.impact.unjudged, made.why, _case(stage))
        elif (why := self._further(said, situation)) is not None:
            note(self.impact.perhaps, f"{said['event']}: {why}", _case(stage, _codes(stage.said)))

    def _further(self, said: Mapping[str, Any], situation: Situation) -> str | None:
        """Say why a refusal of the place or the actor would not be one any more; None when it still would."""
        name = EventName(said["event"])
        new, old = self.world.definition.events.get(name), self.deciding.old.events.get(name)
        if new is None or new.is_engine:
            return None
        left, why = {str(reason["public"]) for reason in said["reasons"]}, []
        if "wrong_state" in left and self.world.table.arrows(situation.instance.state, name):
            left.discard("wrong_state")
            why.append(f"it is possible in {situation.instance.state}")
        roles = sorted({*new.by} - {*(old.by if old else ())})
        if "role_missing" in left and roles:
            left.discard("role_missing")
            why.append(f"{', '.join(roles)} may do it")
        if new.decision is None and left & {"own_request", "deputy_of_subject", "two_stages"}:
            left -= {"own_request", "deputy_of_subject", "two_stages"}
            why.append("it is no decision")
        return " and ".join(why) if why and not left else None

    def _told(self, stage: Stage, now: datetime) -> None:
        """Let the other definition hear a report, or an event of the engine."""
        self._overtake(now)
        name = EventName(self.words.name("events", stage.row.event))
        type_ = self.world.definition.events.get(name)
        if self.shadow is None or stage.before is None or type_ is None or not type_.is_engine:
            return
        try:
            if stage.row.kind == Kind.REPORTED:
                self._report(stage, stage.before, name, now)
            else:
                self.shadow = tell(self.world, self.shadow, Event(name=name, actor=Actor(id=ENGINE_ACTOR)), now=now).after
        except DeadlineError:
            self.shadow, self._lost = None, _NO_DEADLINE
        self._late(stage, now)

    def _report(self, stage: Stage, before: Situation, name: EventName, now: datetime) -> None:
        use = next((use for use in every_action(self.world.definition) if name in (use.done, use.failed)), None)
        if use is None or self.shadow is None:
            return
        counted = use.link or str(use.done)
        serial = int(stage.said["payload"].get("serial", 0))
        is_current = serial == before.instance.serials.get(counted, 0)
        own = self.shadow.instance.serials.get(counted, 0) if is_current else -1
        marks = stage.after.instance.marks if stage.after else {}
        effect = Effect(kind=use.kind, name=use.name, link=use.link, serial=own, done=use.done, failed=use.failed)
        performed_at = marks.get(EventName(stage.row.event), stage.row.occurred_at) if is_current else stage.row.occurred_at
        self.shadow = report(self.world, self.shadow, effect, name, performed_at=performed_at, now=now).after

    def _recalendar(self, now: datetime) -> None:
        if self.shadow is not None and (step := recalendar(self.world, self.shadow, now=now)) is not None:
            self.shadow = step.after

    def _overtake(self, now: datetime) -> None:
        """Count the deadlines that were reached before something was done that would now come before them."""
        for key, until in self._moved.items():
            self.impact.past_deadlines[key].overtaken += now < until
        self._moved.clear()

    def _late(self, stage: Stage, now: datetime) -> None:
        """Note what came in time and would now come after its deadline: a decision, or whatever ended the waiting."""
        if stage.before is None or stage.after is None:
            return
        kept = {timer.key for timer in stage.after.timers}
        type_ = self.deciding.old.events.get(EventName(stage.row.event))
        for timer in stage.before.timers:
            if timer.due_at is None or timer.due_at <= now or (timer.key in kept and not (type_ and type_.decision)):
                continue
            new = self._retimed(timer)
            if new is not None and new.due_at is not None and new.due_at <= now:
                note(self.impact.late, f"{new.key}: {stage.row.event}", _case(stage, f"due {new.due_at:%a %d %b %Y %H:%M}Z"))

    # Going on from the record

    def _join(self, stage: Stage) -> None:
        """Go on from the recorded situation when the two have parted; keep the other one's own values while they have not."""
        if stage.after is None:
            return
        state = self.words.state(stage.after.instance.state)
        if self.shadow is None or state is None or self.shadow.instance.state != state:
            own = dict(self.shadow.instance.fields) if self.shadow else {}
            self.shadow, self._lost = self._adopted(stage.after), _NO_STATE
            if self.shadow is not None:
                more = {name: value for name, value in own.items() if name not in self.deciding.old.fields}
                fields = {**self.shadow.instance.fields, **more}
                self.shadow = replace(self.shadow, instance=replace(self.shadow.instance, fields=fields))
        self._apart.clear()

    def _adopted(self, recorded: Situation) -> Situation | None:
        """Give a recorded situation as the other definition has it; None when it has no such state."""
        state = self.words.state(recorded.instance.state)
        if state is None:
            return None
        timers = [new for timer in recorded.timers if (new := self._retimed(timer)) is not None]
        timers += self._new_timers(state)
        return Situation(instance=self.words.instance(recorded.instance, state), timers=tuple(timers))

    def _new_timers(self, state: StatePath) -> list[Timer]:
        """Arm the deadlines that only the other definition has, from when their state was entered."""
        old = {new.key for s in self.deciding.old.states.values() for t in s.timers if (new := self.words.timer(t.key)) is not None}
        entered = {
            self.words.new.resolve(self.words.name("states", path.rpartition(".")[2])): at for path, at in self.track.entered.items()
        }
        found = []
        for path in self.words.new.lineage(state):
            for type_ in self.words.new.states[path].timers:
                if type_.key in old or type_.since is not None or path not in entered:
                    continue
                visits = ((at, self.words.state(leaf)) for at, leaf in self.track.since(entered[path]))
                try:
                    found.append(retimed(type_, armed_at=entered[path], visits=visits, by=self.words.new, calendar=self.world.calendar))
                except DeadlineError:
                    continue
        return found

    # Those under way

    def live(self, now: datetime, ends: Callable[[StatePath], bool]) -> None:
        """Say what would become of an onboarding that is under way; `ends` tells whether a leaf still leads to an outcome."""
        stage = self.last
        if stage is None or stage.after is None or stage.after.instance.outcome is not None:
            return
        self.impact.live += 1
        recorded = stage.after
        state = self.words.state(recorded.instance.state)
        if state is None:
            note(self.impact.stuck, f"there is no state {recorded.instance.state} any more", _case(stage))
            return
        if not ends(state):
            note(self.impact.stuck, f"no way leads from {state} to an outcome", _case(stage))
        if state != recorded.instance.state:
            note(self.impact.renamed, f"{recorded.instance.state} is {state} now", _case(stage))
        for timer in recorded.timers:
            self._shift(stage, timer, now)
        for timer in self._new_timers(state):
            if timer.due_at is not None:
                note(self.impact.new, timer.key, _case(stage, f"due {timer.due_at:%a %d %b %Y %H:%M}Z"))

    def _shift(self, stage: Stage, timer: Timer, now: datetime) -> None:
        new = self._retimed(timer)
        if new is None and self._counterpart(timer) is not None:
            note(self.impact.unjudged, f"the deadline {timer.key} would lie where no calendar is known", _case(stage))
        elif new is None:
            why = "counts from another event" if self.words.timer(timer.key) else "is gone"
            note(self.impact.gone, f"{timer.key} {why}", _case(stage))
        elif timer.due_at is not None and new.due_at is not None and new.due_at != timer.due_at:
            shift = self.impact.live_deadlines.setdefault(new.key, Shift())
            said = f"{timer.due_at:%a %d %b %Y %H:%M}Z becomes {new.due_at:%a %d %b %Y %H:%M}Z"
            shift.add(new.due_at - timer.due_at, _case(stage, said))
            shift.reached += new.due_at <= now


def _spent(situation: Situation, event: EventName, at: datetime) -> Timer | None:
    """Give the timer that fired: of those due then, the one declared first."""
    due = [timer for timer in situation.timers if timer.due_at == at and timer.event == event]
    return min(due, key=lambda timer: timer.index, default=None)


def _case(stage: Stage, said: str = "") -> Case:
    row = stage.row
    state = stage.before.instance.state if stage.before else ""
    return Case(instance_id=row.instance_id, sequence=row.sequence, at=row.occurred_at, actor=row.actor, state=state, said=said)


def _codes(said: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(str(reason["public"]) for reason in said.get("reasons", ())))
