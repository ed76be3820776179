"""The definition as a timed transition system: one rule for each thing that may happen in each leaf state.

Promises: every step that `states.step` can make is a step of one of these rules (a test drives both), so what holds in the model
holds in the engine. Where the model does not know, it allows: what checks find, what payloads hold, when working time is over.

The order within a step follows `states.making`: what is computed reads the situation before; counts, reports and deadlines of
entered states begin anew; then the timers that this report starts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import z3

from workflow.prove import given
from workflow.prove.alike import Alike
from workflow.prove.clocks import Clocks
from workflow.prove.leaves import Reading, Scene
from workflow.prove.people import declare_people, who_may
from workflow.prove.rules import Group, Rule, counter
from workflow.prove.terms import FALSE, TRUE, Formula
from workflow.prove.words import Mode, Words
from workflow.states.check_events import every_action
from workflow.states.definition import Definition, EventName, EventType, Quorum, StatePath, TimerType
from workflow.states.known import Known
from workflow.states.machine import Arrow, Table
from workflow.states.moves import Move

ENGINE_KINDS = frozenset({"told", "fired", "reported", "stale"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A step in the making: who, what, where, and under which condition."""

    kind: str
    type_: EventType
    leaf: StatePath | None
    base: Formula
    at: Formula | None
    scene: Scene
    promised: tuple[tuple[str, Formula], ...] = ()
    timer: TimerType | None = None
    report: str = ""
    is_done: bool = False


@dataclass
class Model:
    """The rules of one definition at one level of detail."""

    table: Table
    known: Known
    mode: Mode
    words: Words = field(default_factory=Words)
    pattern: Model | None = None
    """A model of nearly the same definition: where both are alike its rules are taken over."""
    alike: Alike | None = None
    """What the definition has in common with the pattern's."""
    _made: dict[Group, tuple[Rule, ...]] = field(default_factory=dict)
    _asked: dict[tuple[EventName, bool], Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Declare the variables; rules are worked out when they are asked for."""
        self.definition: Definition = self.table.definition
        self.reading = Reading(self.definition, self.known, self.words, self.mode)
        self.clocks = Clocks(self.definition, self.words, self.mode)
        self._declare()
        if self.pattern is not None:
            # Rules that are taken over speak of these; one constant of a name is as good as another of the same solver.
            self.words.inputs |= self.pattern.words.inputs
            self.words.input_sorts |= self.pattern.words.input_sorts
            self.reading.codes.numbers |= self.pattern.reading.codes.numbers

    def of_pattern(self, group: Group) -> Model | None:
        """Give the model whose rules of a group are this one's too, None when they may differ."""
        if self.pattern is None or self.alike is None or not self._is_comparable or not self.alike.at(group.leaf, self._heard_in(group)):
            return None
        return self.pattern

    @cached_property
    def _is_comparable(self) -> bool:
        """Tell whether the variables are the pattern's; those of timers are a matter of the states that have them."""
        if self.pattern is None or self.alike is None or not self.alike.is_comparable or self.mode != self.pattern.mode:
            return False
        return self._vocabulary == self.pattern._vocabulary  # noqa: SLF001  # another of its kind

    @cached_property
    def _vocabulary(self) -> tuple[object, ...]:
        return (self.reading.texts, self.reports, self.tallied, self.told, self._marked())

    def _heard_in(self, group: Group) -> tuple[EventName, ...]:
        """Name the events that the rules of a group may be."""
        if group.kind in {"start", "event", "told"}:
            return (EventName(group.name),)
        if group.kind == "fired":
            return tuple(timer.event for state in self.definition.states.values() for timer in state.timers if timer.key == group.name)
        done, failed = self.reports.get(group.name, (frozenset(), frozenset())) if group.kind == "reported" else (frozenset(), frozenset())
        return tuple(sorted(done | failed))

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, the start's first."""
        return tuple(rule for group in self.groups() for rule in self.of(group))

    def groups(self) -> Iterator[Group]:
        """Name what may happen, by where and what, the start first."""
        yield Group(kind="start", leaf=None, name=self.definition.start.event)
        for leaf in self.definition.leaves():
            yield from self._in_leaf(leaf.path)

    def of(self, group: Group) -> tuple[Rule, ...]:
        """Give the rules of one group; they are worked out once."""
        if group not in self._made:
            pattern = self.of_pattern(group)
            self._made[group] = tuple(self._of_group(group)) if pattern is None else pattern.of(group)
        return self._made[group]

    def codes_text(self, number: int) -> str | None:
        """Give the text that a code stands for."""
        return self.reading.codes.text(number)

    @cached_property
    def tallied(self) -> frozenset[EventName]:
        """Name the events that are counted somewhere."""
        return frozenset(name for leaf in self.definition.leaves() for name in self.table.tallied_in(leaf.path))

    @cached_property
    def reports(self) -> dict[str, tuple[frozenset[EventName], frozenset[EventName]]]:
        """Give the events that report done and failed, by the counter of their effects."""
        found: dict[str, tuple[frozenset[EventName], frozenset[EventName]]] = {}
        for use in every_action(self.definition):
            if use.done or use.failed:
                done, failed = found.get(counter(use), (frozenset(), frozenset()))
                found[counter(use)] = (done | ({use.done} if use.done else set()), failed | ({use.failed} if use.failed else set()))
        return found

    @cached_property
    def told(self) -> frozenset[EventName]:
        """Name the events that the engine is told by others than timers and reports."""
        named = [one.unique_on_conflict for one in self.definition.fields.values()]
        return frozenset(name for name in (*named, self.definition.erasure) if name is not None)

    def _declare(self) -> None:
        declare_people(self.definition, self.words)
        for name in sorted(self.tallied):
            self.words.declare(f"count.{name}", int)
            self.words.declare(f"distinct_actors.{name}", int)
        for key in self.reports:
            self.words.declare(f"pending.{key}", bool)
            if self.mode.has_instants:
                self.words.declare(f"queued.{key}", float)
        for name in sorted(self._marked()):
            self.words.declare(f"marked.{name}", bool)
            self.words.declare(f"mark.{name}", float)
        for promised, sort in given.variables().items():
            self.words.declare(promised, sort)

    def _marked(self) -> set[EventName]:
        reported = {name for done, failed in self.reports.values() for name in (*done, *failed)}
        sinces = {EventName(str(use.params["since"])) for use in self.definition.checks.values() if "since" in use.params}
        return reported | sinces

    # What may happen

    def _in_leaf(self, leaf: StatePath) -> Iterator[Group]:
        people = (name for name in self.table.events_in(leaf) if not self.definition.events[name].is_engine)
        yield from (Group(kind="event", leaf=leaf, name=name) for name in people)
        yield from (Group(kind="told", leaf=leaf, name=name) for name in sorted(self.told))
        yield from (Group(kind="fired", leaf=leaf, name=timer.key) for timer in self.clocks.running(leaf))
        yield from (Group(kind="reported", leaf=leaf, name=key) for key in self.reports)
        if self.mode.has_instants:
            yield Group(kind="idle", leaf=leaf, name="")

    def _of_group(self, group: Group) -> Iterator[Rule]:
        leaf, name = group.leaf, EventName(group.name)
        if leaf is None:
            yield from self._people_rules(None, self.definition.events[name], (self.table.start,))
        elif group.kind == "event":
            yield from self._people_rules(leaf, self.definition.events[name], self.table.arrows(leaf, name))
        elif group.kind == "told":
            now = self.clocks.now
            draft = self._engine_draft("told", name, leaf, base=self.clocks.settled(leaf), at=now, now=now)
            yield from self._choices(draft, self.table.arrows(leaf, name))
        elif group.kind == "fired":
            timer = next(one for one in self.clocks.running(leaf) if one.key == group.name)
            base, at = self.clocks.fires(leaf, timer)
            draft = self._engine_draft("fired", timer.event, leaf, base=base, at=at, now=at, timer=timer)
            yield from self._choices(draft, self.table.arrows(leaf, timer.event))
        elif group.kind == "reported":
            yield from self._report_rules(leaf, group.name)
        else:
            yield self._idle(leaf)

    def _people_rules(self, leaf: StatePath | None, type_: EventType, arrows: tuple[Arrow, ...]) -> Iterator[Rule]:
        now = self.clocks.now
        scene = Scene(leaf=leaf or StatePath(""), event=type_, now=now)
        base = z3.And(
            self._permitted(type_, is_start=leaf is None), self.clocks.settled(leaf) if leaf is not None else self.clocks.begins()
        )
        promised = tuple(given.promises(self.definition, type_, self.words, self.mode, now))
        draft = _Draft(kind="start" if leaf is None else "event", type_=type_, leaf=leaf, base=base, at=now, scene=scene, promised=promised)
        yield from self._choices(draft, arrows)

    def _permitted(self, type_: EventType, *, is_start: bool) -> Formula:
        """Say what holds of an event wherever it is fired: its payload, and who may."""
        key = (type_.name, is_start)
        if key not in self._asked:
            rules = self.reading.payload_rules(type_)
            self._asked[key] = z3.And(*rules, who_may(self.definition, type_, self.words, is_start=is_start))
        return self._asked[key]

    def _report_rules(self, leaf: StatePath, key: str) -> Iterator[Rule]:
        done, failed = self.reports[key]
        now, at = self.clocks.now, self.clocks.performed_at
        base = z3.And(self.words.var(f"pending.{key}"), self.clocks.settled(leaf), self.clocks.is_performed(key))
        for name in sorted(done | failed):
            is_done = name in done
            draft = self._engine_draft("reported", name, leaf, base=base, at=at, now=now, report=key, is_done=is_done)
            yield from self._choices(draft, self.table.arrows(leaf, name))
        # Of an older message: it changes nothing, but a failure of one is in the history like any other.
        for name in sorted(done | failed):
            draft = self._engine_draft(
                "stale", name, leaf, base=self.clocks.settled(leaf), at=at, now=now, report=key, is_done=name not in failed
            )
            yield self._step(draft, None, draft.base, {}, is_counted=False)

    def _engine_draft(
        self,
        kind: str,
        name: EventName,
        leaf: StatePath,
        *,
        base: Formula,
        at: Formula | None,
        now: Formula | None,
        timer: TimerType | None = None,
        report: str = "",
        is_done: bool = False,
    ) -> _Draft:
        type_ = self.definition.events[name]
        scene = Scene(leaf=leaf, event=type_, now=now, is_engine=True)
        return _Draft(kind=kind, type_=type_, leaf=leaf, base=base, at=at, scene=scene, timer=timer, report=report, is_done=is_done)

    def _idle(self, leaf: StatePath) -> Rule:
        now = self.clocks.now
        return Rule(
            kind="idle",
            event=EventName(""),
            source=leaf,
            target=leaf,
            guard=self.clocks.settled(leaf),
            updates={"now": now},
            at=now,
            is_heard=False,
        )

    # Which transition is taken

    def _choices(self, draft: _Draft, arrows: tuple[Arrow, ...]) -> Iterator[Rule]:
        """Try the transitions in their order; an engine's event that none takes is recorded all the same."""
        rest, is_engine = draft.base, draft.kind in ENGINE_KINDS
        for arrow in arrows:
            holds = z3.And([self.reading.truth(rule.rule.source, draft.scene).yes for rule in arrow.rules])
            taken = z3.And(rest, holds)
            rest = z3.And(rest, z3.Not(holds))
            if arrow.transition.quorum is not None and draft.leaf is not None:
                reached = self._is_reached(arrow.transition.quorum, arrow.transition.event)
                yield self._step(draft, None, z3.And(taken, z3.Not(reached)), {}, is_counted=True)
                taken = z3.And(taken, reached)
            written, can = self._assigned(arrow, draft)
            yield self._step(draft, arrow, z3.And(taken, can), written, is_counted=True)
            if is_engine and not z3.is_true(can):
                yield self._step(draft, None, z3.And(taken, z3.Not(can)), {}, is_counted=False)
        if is_engine:
            yield self._step(draft, None, rest, {}, is_counted=False)

    def _is_reached(self, quorum: Quorum, name: EventName) -> Formula:
        if quorum.is_distinct:
            return self.words.var(f"distinct_actors.{name}") + 1 >= quorum.need
        return self.words.var(f"count.{name}") + 1 >= quorum.need

    def _assigned(self, arrow: Arrow, draft: _Draft) -> tuple[dict[str, Formula], Formula]:
        written: dict[str, Formula] = {}
        can: list[Formula] = []
        for assignment in arrow.transition.assignments:
            values, ok = self.reading.assigned(assignment, draft.scene)
            written |= values
            can += [] if ok is TRUE else [ok]
        return written, z3.And(can) if can else TRUE

    # What follows

    def _step(self, draft: _Draft, arrow: Arrow | None, guard: Formula, written: dict[str, Formula], *, is_counted: bool) -> Rule:
        leaf = draft.leaf
        move = self.table.move(arrow.transition if arrow else None, leaf)
        updates = dict(written)
        timed, armed = self.clocks.moved(move, leaf, at=draft.at, spent=draft.timer, report=draft.type_.name if draft.report else None)
        if draft.kind == "stale":
            timed, armed = {}, frozenset()
        updates |= timed | self._counts(draft, move, is_counted=is_counted)
        updates |= self._marks(draft, move) | self._pending(draft, move)
        if draft.kind in {"start", "event"}:
            updates |= self._decided(draft) | given.after(self.definition, draft.type_, self.clocks.now, self.mode)
        updates |= self.clocks.passed()
        return Rule(
            kind=draft.kind,
            event=draft.type_.name,
            source=leaf,
            target=move.leaf,
            guard=guard,
            updates=updates,
            promised=draft.promised,
            uses=move.uses,
            armed=armed,
            at=draft.at,
            is_heard=self._is_heard(draft),
            timer=draft.timer.key if draft.timer else None,
            report=draft.report,
        )

    def _is_heard(self, draft: _Draft) -> bool:
        """Tell whether the history takes the step for more than a note (`policy.history` says what that means)."""
        if draft.kind not in {"fired", "reported", "stale"} or draft.leaf is None:
            return True
        if draft.kind == "stale" and draft.is_done:
            return False
        states = [self.definition.states[path] for path in self.definition.lineage(draft.leaf)]
        name = draft.type_.name
        return any(t.event == name for s in states for t in s.transitions) or any(t.since == name for s in states for t in s.timers)

    def _counts(self, draft: _Draft, move: Move, *, is_counted: bool) -> dict[str, Formula]:
        updates: dict[str, Formula] = {}
        name = draft.type_.name
        if is_counted and draft.leaf is not None and name in self.table.tallied_in(draft.leaf):
            count, actors = self.words.var(f"count.{name}"), self.words.var(f"distinct_actors.{name}")
            is_new = z3.Or(count == 0, self.words.input("is_new_actor", bool), z3.BoolVal(self._wants_distinct(draft)))
            updates = {f"count.{name}": count + 1, f"distinct_actors.{name}": z3.If(is_new, actors + 1, actors)}
        for fresh in sorted(move.fresh & self.tallied):
            updates |= {f"count.{fresh}": z3.IntVal(0), f"distinct_actors.{fresh}": z3.IntVal(0)}
        return updates

    def _wants_distinct(self, draft: _Draft) -> bool:
        """Tell whether a second voice of the same actor is refused here."""
        arrows = self.table.arrows(draft.leaf, draft.type_.name) if draft.leaf is not None else ()
        return any(a.transition.quorum is not None and a.transition.quorum.is_distinct for a in arrows)

    def _marks(self, draft: _Draft, move: Move) -> dict[str, Formula]:
        updates = {f"marked.{name}": FALSE for name in sorted(move.stale) if self.words.has(f"marked.{name}")}
        if draft.kind == "reported":
            updates[f"marked.{draft.type_.name}"] = TRUE
            if draft.at is not None:
                updates[f"mark.{draft.type_.name}"] = draft.at
        return updates

    def _pending(self, draft: _Draft, move: Move) -> dict[str, Formula]:
        """A message reports its success once; one that failed for good may be sent again by hand."""
        updates = {f"pending.{draft.report}": FALSE} if draft.kind == "reported" and draft.is_done and draft.report else {}
        for use in move.uses:
            key = counter(use)
            if key in self.reports and (use.done or use.failed):
                updates[f"pending.{key}"] = TRUE
                updates |= self.clocks.queued(key, draft.at)
        return updates

    def _decided(self, draft: _Draft) -> dict[str, Formula]:
        stage = draft.type_.decision
        if stage is None:
            return {}
        took_part = z3.Or(self.words.input("actor.is_p", bool), self.words.input("for.is_p", bool))
        return {f"decided.{stage}": z3.Or(self.words.var(f"decided.{stage}"), took_part)}
