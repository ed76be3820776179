"""Conformance: a stored history replayed against the definition in force at each of its entries.

Promises: pure. It says whether each step is legal *given the recorded facts and roles*: that the actor held the roles, and that
the checks found these facts, is taken from the entry. Everything else is decided again, by the rules that the engine itself
uses: the transition, its guards, quorum and stages of decisions, effects, the deadlines that are armed, moved and disarmed, and
that no reached deadline was passed over. The first entry that differs is named, with what differs.

Not replayed, because no entry holds it: personal values (guards cannot read them), secrets, and who the subject is (taken from
the instance). A refusal is replayed where it was refused by guards; a refusal of the actor or the payload names values that are
not kept, so of it only its place is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from workflow.audit.canonical import read_instant
from workflow.audit.delegations import Delegations
from workflow.audit.difference import Difference, difference
from workflow.audit.entry import EntryRow
from workflow.errors import DeadlineError
from workflow.states.definition import Digest, EventName, FieldName, RoleName
from workflow.states.effects import Effect
from workflow.states.instance import ENGINE_ACTOR, Actor, ActorId, Delegation, Event, Grant, InstanceId, Situation
from workflow.states.machine import Table
from workflow.states.making import World
from workflow.states.step import EndlessTimersError, begin, decide, permit, recalendar, report, settle, tell
from workflow.states.verdict import Kind, Permitted, Refused, Step
from workflow.states.who import Permission
from workflow.states.who import permit as judge_actor

Worlds = Callable[[Mapping[str, Digest]], World]
"""Gives the compiled documents that an entry names, by kind; raises an error of its own when one is not at hand."""

_GIVEN = "given"
"""Stands for a personal value: that there was one is known, what it was is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Illegal:
    """The first entry of a history that the definition in force does not allow, and why."""

    instance_id: InstanceId
    sequence: int
    event: str
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay found: how many entries are legal, the situation they lead to, and the first that is not."""

    instance_id: InstanceId
    count: int
    situation: Situation | None
    illegal: Illegal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An entry with the situation before and after it; `illegal` is None when it is legal."""

    row: EntryRow
    said: Mapping[str, Any]
    before: Situation | None
    after: Situation | None
    illegal: Illegal | None = None


class _Wrong(Exception):  # noqa: N818  # an answer while replaying, never seen outside
    """An entry is not legal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def replay(
    entries: Iterable[EntryRow],
    *,
    subject: ActorId,
    worlds: Worlds,
    delegations: Delegations,
    on_stage: Callable[[Stage], None] = lambda _stage: None,
) -> Replayed:
    """Replay a history.

    Args:
        entries: of one instance, first to last; their chain is verified elsewhere.
        subject: who is being onboarded.
        worlds: the documents that the entries name.
        delegations: who could act for whom and when, from the system's chain.
        on_stage: is told every legal entry with the situations before and after it.

    Returns:
        What was found; `illegal` is None when every entry is legal.
    """
    last = None
    for last in walk(entries, subject=subject, worlds=worlds, delegations=delegations):
        if last.illegal is not None:
            return Replayed(instance_id=last.row.instance_id, count=last.row.sequence - 1, situation=last.before, illegal=last.illegal)
        on_stage(last)
    if last is None:
        return Replayed(instance_id=InstanceId(""), count=0, situation=None)
    return Replayed(instance_id=last.row.instance_id, count=last.row.sequence, situation=last.after)


def walk(entries: Iterable[EntryRow], *, subject: ActorId, worlds: Worlds, delegations: Delegations) -> Iterator[Stage]:
    """Replay a history entry by entry; see `replay`. The first illegal entry is the last one given."""
    player = _Player(subject=subject, worlds=worlds, delegations=delegations)
    for row in entries:
        said, before = orjson.loads(row.canonical), player.situation
        illegal: Illegal | None = None
        try:
            player.play(row, said)
        except _Wrong as wrong:
            illegal = Illegal(instance_id=row.instance_id, sequence=row.sequence, event=row.event, code=wrong.code, message=wrong.message)
        except (DeadlineError, EndlessTimersError) as error:
            code = "deadline_unknown"
            illegal = Illegal(instance_id=row.instance_id, sequence=row.sequence, event=row.event, code=code, message=str(error))
        yield Stage(row=row, said=said, before=before, after=player.situation, illegal=illegal)
        if illegal is not None:
            return


@dataclass(slots=True, kw_only=True)
class _Player:
    """Replays one history, entry by entry."""

    subject: ActorId
    worlds: Worlds
    delegations: Delegations
    situation: Situation | None = None
    pending: list[Step] = field(default_factory=list)

    def play(self, row: EntryRow, said: Mapping[str, Any]) -> None:
        """Replay one entry, or raise what is wrong with it."""
        now, kind = row.recorded_at, row.kind
        world = self.worlds(said["documents"])
        if kind == Kind.STARTED:
            self._expect(self.situation is None, "started_twice", "The onboarding had started already.")
            self._accept(row, said, self._start(world, said, now))
            return
        situation = self._known(world)
        if kind == Kind.REFUSALS_COUNTED:  # counted refusals are summed up before anything else of their moment
            self._compare_place(said, situation)
            return
        situation = self._with_calendar(row, said, world, situation, now)
        if kind == Kind.CALENDAR_CHANGED:
            return
        if not self.pending:
            self.pending = list(settle(world, situation, now=now))
        if kind == Kind.FIRED:
            self._expect(bool(self.pending), "not_due", "No deadline was reached.")
            self._accept(row, said, self.pending.pop(0))
            return
        if self.pending:
            reached = self.pending[0]
            message = f"A deadline was reached at {reached.occurred_at.isoformat()} ({reached.event.name}) and should have fired before."
            raise _Wrong("deadline_passed_over", message)
        if "effects" in said:
            self._step(row, said, world, situation, now)
        else:
            self._witnessed(said, world, situation, now)

    def _step(self, row: EntryRow, said: Mapping[str, Any], world: World, situation: Situation, now: datetime) -> None:
        if row.kind == Kind.REPORTED:
            candidates: Iterable[Step] = _reports(world, situation, said, now)
            self._accept_any(row, said, candidates)
        elif row.actor == ENGINE_ACTOR:
            event = Event(name=EventName(row.event), actor=Actor(id=ENGINE_ACTOR))
            self._expect(self._is_engines(world, row.event), "not_the_engines", f"{row.event!r} is not the engine's to fire.")
            self._accept(row, said, tell(world, situation, event, now=now))
        else:
            made = self._decided(said, world, situation, now)
            if isinstance(made, Refused):
                raise _Wrong(made.reasons[0].code, "; ".join(reason.message for reason in made.reasons))
            self._accept(row, said, made)

    def _witnessed(self, said: Mapping[str, Any], world: World, situation: Situation, now: datetime) -> None:
        """Replay an entry that changed no state."""
        self._compare_place(said, situation)
        if said["kind"] == Kind.ERASED:
            self.situation = replace(situation, instance=replace(situation.instance, personal=frozenset()))
        elif said["kind"] == Kind.REFUSED and said["roles"]:
            made = self._decided(said, world, situation, now)
            if isinstance(made, Step):
                raise _Wrong("refused_wrongly", f"{said['event']!r} was refused, but with these facts the definition allows it.")

    def _start(self, world: World, said: Mapping[str, Any], now: datetime) -> Step:
        start = world.definition.start
        self._expect(said["event"] == start.event, "wrong_start", f"An onboarding starts with {start.event!r}.")
        permitted = permitted_by_record(world.table, said)
        copied = ((a.field, a.copy_of) for a in start.assignments if a.copy_of is not None)
        copies = {name: permitted.payload[value] for name, value in copied if value in permitted.payload}
        self._judge_actor(world, said, None, now, starting_with=copies)
        made = begin(world, permitted, said["facts"], instance_id=InstanceId(said["instance"]), subject=self.subject, now=now)
        if isinstance(made, Refused):
            raise _Wrong(made.reasons[0].code, "; ".join(reason.message for reason in made.reasons))
        return made

    def _decided(self, said: Mapping[str, Any], world: World, situation: Situation, now: datetime) -> Step | Refused:
        """Decide an event again, by the recorded facts and roles."""
        name = EventName(said["event"])
        self._expect(name in world.definition.events, "unknown_event", f"The definition has no event {name!r}.")
        self._expect(not world.definition.events[name].is_engine, "engine_only", f"{name!r} is fired by the engine alone.")
        self._judge_actor(world, said, situation, now)
        permitted = permitted_by_record(world.table, said)
        return decide(world, situation, permitted, said["facts"], delegations=self.delegations.at(now), now=now)

    def _judge_actor(
        self,
        world: World,
        said: Mapping[str, Any],
        situation: Situation | None,
        now: datetime,
        *,
        starting_with: Mapping[FieldName, object] | None = None,
    ) -> None:
        """Judge role, scope, deputies and stages by the recorded roles; at the instant of a grant both sides of it are possible."""
        roles, behalf = tuple(map(Grant.read, said["roles"])), said["on_behalf_of"]
        actor = Actor(id=said["actor"], grants=frozenset() if behalf else frozenset(roles))
        found: Permission | Permitted | Refused = Permission()
        for delegations in self.delegations.possible_at(now):
            found = self._permitted_by(
                world, said, situation, now, actor=actor, delegations=_preferred(delegations, behalf, roles), starting_with=starting_with
            )
            if not isinstance(found, Refused) and (found.roles, found.on_behalf_of) == (roles, behalf):
                return
        if isinstance(found, Refused):
            raise _Wrong(found.reasons[0].code, "; ".join(reason.message for reason in found.reasons))
        raise _Wrong("roles", f"The recorded roles {said['roles']} are not those by which {said['event']!r} was allowed.")

    def _permitted_by(
        self,
        world: World,
        said: Mapping[str, Any],
        situation: Situation | None,
        now: datetime,
        *,
        actor: Actor,
        delegations: Sequence[Delegation],
        starting_with: Mapping[FieldName, object] | None,
    ) -> Permission | Permitted | Refused:
        """Ask the engine's own rules; a principal is taken to have held the role, because the entry says so."""
        name, behalf = EventName(said["event"]), said["on_behalf_of"]

        def holders(_role: RoleName, _scope: str | None) -> tuple[ActorId, ...]:
            return (ActorId(behalf),) if behalf else ()

        if situation is not None:
            event = Event(name=name, actor=actor)
            return permit(
                world, situation, event, subject=self.subject, delegations=delegations, holders=holders, now=now, is_payload_known=False
            )
        found = judge_actor(
            world.definition,
            world.definition.events[name],
            actor,
            instance=None,
            subject=self.subject,
            delegations=delegations,
            holders=holders,
            now=now,
            starting_with=starting_with or {},
        )
        return Refused(reasons=found.reasons) if found.reasons else found

    def _with_calendar(self, row: EntryRow, said: Mapping[str, Any], world: World, situation: Situation, now: datetime) -> Situation:
        """Apply the calendar that the entry names; deadlines that it moves must be this entry."""
        step = recalendar(world, situation, now=now)
        is_change = row.kind == Kind.CALENDAR_CHANGED
        if step is None or not step.moved:
            self._expect(not is_change, "nothing_moved", "The calendar moves no deadline.")
            self.situation = situation if step is None else step.after
            return self.situation
        self._expect(is_change, "calendar_not_applied", "The calendar moves deadlines, and the history does not say so.")
        self._accept(row, said, step)
        return step.after

    def _accept(self, row: EntryRow, said: Mapping[str, Any], step: Step) -> None:
        """Compare a step with the entry, and go on from it."""
        if (wrong := difference(row, said, step)) is not None:
            raise _Wrong(wrong.code, wrong.message)
        self.situation = step.after

    def _accept_any(self, row: EntryRow, said: Mapping[str, Any], steps: Iterable[Step]) -> None:
        """Go on from the first of several possible steps that is what the entry says."""
        wrong = Difference(code="unknown_report", message=f"No action of the definition reports {row.event!r}.")
        for step in steps:
            found = difference(row, said, step)
            if found is None:
                self.situation = step.after
                return
            wrong = found
        raise _Wrong(wrong.code, wrong.message)

    def _known(self, world: World) -> Situation:
        if self.situation is None:
            raise _Wrong("not_started", "The history does not begin with a start.")
        digest = self.situation.instance.digest
        self._expect(world.definition.digest == digest, "other_definition", "The entry names another definition than the start.")
        return self.situation

    @staticmethod
    def _is_engines(world: World, event: str) -> bool:
        type_ = world.definition.events.get(EventName(event))
        return type_ is not None and type_.is_engine

    @staticmethod
    def _expect(is_so: bool, code: str, message: str) -> None:  # noqa: FBT001  # reads as a sentence
        if not is_so:
            raise _Wrong(code, message)

    @staticmethod
    def _compare_place(said: Mapping[str, Any], situation: Situation) -> None:
        state = situation.instance.state
        if said["to"] != state:
            raise _Wrong("to", f"The entry says the state was {said['to']!r}; the history leads to {state!r}.")


def permitted_by_record(table: Table, said: Mapping[str, Any]) -> Permitted:
    """Give what the decision saw: the recorded plain values; personal ones as given, because nothing may read them."""
    name = EventName(said["event"])
    payload: dict[str, object] = {key: tuple(value) if isinstance(value, list) else value for key, value in said["payload"].items()}
    committed = said.get("personal", {})
    transitions = [t for state in table.definition.states.values() for t in state.transitions if t.event == name]
    if table.definition.start.event == name:
        transitions.append(table.definition.start)
    for assignment in (a for t in transitions for a in t.assignments):
        if assignment.copy_of is not None and f"field:{assignment.field}" in committed:
            payload[assignment.copy_of] = _GIVEN
    payload |= {slot.partition(":")[2]: _GIVEN for slot in committed if slot.startswith("payload:")}
    payload |= dict.fromkeys(said.get("withheld", ()), _GIVEN)
    event = Event(name=name, actor=Actor(id=said["actor"]), payload=payload)
    roles = tuple(map(Grant.read, said["roles"]))
    return Permitted(event=event, payload=payload, roles=roles, on_behalf_of=said["on_behalf_of"])


def _preferred(delegations: Sequence[Delegation], behalf: str | None, roles: Sequence[Grant]) -> Sequence[Delegation]:
    """Put the delegation first by which the deputy acted, because the first that fits is the one that is recorded."""
    held = {grant.role for grant in roles}
    return sorted(delegations, key=lambda one: (one.principal != behalf, one.role is not None and one.role not in held))


def _reports(world: World, situation: Situation, said: Mapping[str, Any], now: datetime) -> Iterator[Step]:
    """Give every step that a report could be: an entry names neither the action nor a performance that lies ahead of our clock."""
    name, serial = EventName(said["event"]), int(said["payload"].get("serial", 0))
    definition, occurred_at = world.definition, read_instant(said["occurred_at"])
    uses = [use for state in definition.states.values() for use in (*state.entry, *state.exit)]
    uses += [use for state in definition.states.values() for t in state.transitions for use in t.actions]
    uses += definition.start.actions
    counted = dict.fromkeys((use.link, use.done, use.failed) for use in uses if name in (use.done, use.failed))
    instants = [occurred_at]
    for armed in said["armed"]:
        type_ = definition.timer(armed["timer"])
        if type_ is not None and type_.since == name and type_.after.kind == "elapsed" and armed["due_at"] is not None:
            instants.append(read_instant(armed["due_at"]) - timedelta(seconds=type_.after.amount))
    for link, done, failed in counted:
        effect = Effect(kind="", name="", link=link, serial=serial, done=done, failed=failed)
        for performed_at in dict.fromkeys(instants):
            yield report(world, situation, effect, name, performed_at=performed_at, now=now)
