"""Strategies: payloads, people, findings of checks, waits, and whole acts, drawn from a definition.

Promises: what is drawn follows from the definition, the run so far and the draws alone, so that a seed gives the same run.
Personal and secret values carry a mark by which an oracle finds them where they must not be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from workflow.states.calendar import Calendar
from workflow.states.catalogue import choices
from workflow.states.definition import Definition, EventName, EventType, Field, FieldName, FieldType, StatePath
from workflow.states.instance import Situation
from workflow.states.machine import Arrow
from workflow.states.step import World
from workflow.states.who import scope_of
from workflow.testing.acts import STRANGER, SUBJECT, AnyAct, Ask, Delegate, EndDelegation, Fire, Perform, Repeat, Start, Tick, Wait
from workflow.testing.clock import START
from workflow.testing.oracles import MARK, may_fire
from workflow.testing.planning import Planner, Wish
from workflow.testing.plausible import Facts, coherent
from workflow.testing.rig import EVERYBODY
from workflow.testing.run import Rig

T = TypeVar("T")
Draw = Callable[[SearchStrategy[T]], T]
Person = tuple[str, tuple[str, ...]]
"""An actor's id and roles."""

WORDS = ("", " O'Brien", " Zoë", " 王", " <b>", " 'x'; --")
ELSEWHERE = "elsewhere"
DEPUTIES = ("deputy-1", "deputy-2")
MARGINS = (0, 1, -1, 3_600)
"""Seconds beside a deadline at which a wait ends: at it, just after, just before, an hour later."""
PAUSES = (1, 61, 300, 3_600, 86_400, 3 * 86_400, -60, -3_600, -2 * 86_400)
TRIES = 3
"""So many goals are tried before a step is left to chance."""
LAST_DAYS = timedelta(days=500)
"""A run ends so long before the calendar does, so that its horizon is met by nobody by accident."""
ACTS = (
    *("proceed",) * 9,
    *("perform",) * 3,
    *("due",) * 2,
    *("fire",) * 3,
    "pause",
    "tick",
    "wrong",
    "repeat",
    *("ask",) * 2,
    "delegate",
    "again",
)
PURPOSEFUL = (*("proceed",) * 28, "perform", "perform", *ACTS[9:])
"""A run either goes after its goals or strays; which one is drawn at its beginning."""
CRASHES = (*(None,) * 16, 0, 1, 2, 3, 4, 5)


def start_instants(calendar: Calendar | None) -> SearchStrategy[datetime]:
    """Draw when a run begins: a Monday morning, a Friday afternoon, before a holiday, before the clocks change."""
    return st.sampled_from(tuple(_interesting(calendar)))


def _interesting(calendar: Calendar | None) -> Iterator[datetime]:
    yield START
    zone = ZoneInfo(calendar.zone) if calendar else UTC
    friday = datetime(2026, 11, 27, 16, 30, tzinfo=zone)
    yield from (friday.astimezone(UTC), (friday + timedelta(days=1, hours=3)).astimezone(UTC))
    # Clocks: forward on 28 March 2027, back on 31 October 2027 in Europe; America changes on 14 March and 7 November.
    for day in (datetime(2027, 3, 26), datetime(2027, 3, 12), datetime(2027, 10, 29), datetime(2027, 11, 5)):  # noqa: DTZ001  # a local date
        yield day.replace(hour=2, minute=30, tzinfo=zone).astimezone(UTC)
    first = START.date()
    for off in sorted(day for day in (calendar.days_off if calendar else ()) if first < day < first.replace(year=first.year + 1))[:4]:
        yield datetime(off.year, off.month, off.day, 15, 0, tzinfo=zone).astimezone(UTC) - timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Draws payloads; `overrides` are the host's strategies by ``event.value`` or ``value``."""

    world: World
    overrides: Mapping[str, SearchStrategy[Any]] = field(default_factory=dict)

    def payload(
        self, draw: Draw[Any], type_: EventType, situation: Situation | None, *, taken: Mapping[str, object] | None = None
    ) -> dict[str, object]:
        """Draw a valid payload; `taken` are values that it must have."""
        fields: dict[str, object] = dict(situation.instance.fields) if situation else {}  # type: ignore[arg-type]  # names of fields are text
        made: dict[str, object] = {}
        order = sorted(type_.payload.values(), key=lambda f: (f.same_as is not None, f.catalogue is not None, _depends(f)))
        for spec in order:
            if spec.name in made:
                continue
            if not spec.is_required and spec.must_be is None and spec.same_as is None and not draw(st.booleans()):
                continue
            if taken and spec.name in taken:
                made[spec.name] = taken[spec.name]
            else:
                self._value(draw, type_, spec, made, fields)
        for spec in type_.payload.values():
            if spec.same_as is not None and spec.same_as in made:
                made[spec.name] = made[spec.same_as]
        return {str(name): made[name] for name in type_.payload if name in made}

    def _value(self, draw: Draw[Any], type_: EventType, spec: Field, made: dict[str, object], fields: dict[str, object]) -> None:
        override = self.overrides.get(f"{type_.name}.{spec.name}") or self.overrides.get(spec.name)
        if override is not None:
            made[spec.name] = draw(override)
        elif spec.catalogue is not None and self.world.catalogue is not None:
            self._chosen(draw, type_, spec, made, fields)
        elif spec.is_many:
            made[spec.name] = [draw(value_of(spec))]
        else:
            made[spec.name] = draw(value_of(spec))

    def _chosen(self, draw: Draw[Any], type_: EventType, spec: Field, made: dict[str, object], fields: dict[str, object]) -> None:
        """Choose from the catalogue; what must match the choice is chosen with it when it is of the same payload."""
        rule, catalogue = spec.catalogue, self.world.catalogue
        if rule is None or catalogue is None:
            return
        fixed = {name: value for name, value in fields.items() if name not in type_.payload}
        listed = {str(rule.listed_in[0]): made[rule.listed_in[0]]} if rule.listed_in and rule.listed_in[0] in made else {}
        items = choices(spec, {**fixed, **listed}, catalogue)
        if not items:
            return
        key = draw(st.sampled_from(sorted(items)))
        chosen = [key]
        needs = items[key].get("needs", ())
        chosen += [one for one in (needs if isinstance(needs, tuple) else ()) if one not in chosen]
        made[spec.name] = chosen if spec.is_many else key
        for attribute, other in rule.matches.items():
            if other in type_.payload:
                made[other] = items[key].get(attribute)


def _depends(spec: Field) -> int:
    """Put what decides before what follows from it: a choice with `matches` fixes the others, one with `listed_in` comes after."""
    rule = spec.catalogue
    if rule is None:
        return 0
    return 2 if rule.listed_in else (0 if rule.matches else 1)


def value_of(spec: Field) -> SearchStrategy[Any]:
    """Draw a valid value of a type."""
    mark = MARK if spec.is_personal or spec.is_secret else "v"
    length = spec.max_length or 100
    match spec.type:
        case FieldType.STRING | FieldType.TEXT:
            return st.sampled_from(WORDS).map(lambda word: (mark + word)[:length])
        case FieldType.SECRET:
            return st.sampled_from((f"{mark}-Secret-1", f"{mark}-Secret-2"))
        case FieldType.EMAIL:
            return st.sampled_from((f"{mark}.a@clinic.example", f"{mark}.b@clinic.example"))
        case FieldType.PHONE:
            return st.sampled_from(("+32470123456", "+49 170 1234567"))
        case FieldType.INTEGER:
            low = spec.min if spec.min is not None else 0
            high = spec.max if spec.max is not None else max(low, 10)
            return st.sampled_from(sorted({low, (low + high) // 2, high}))
        case FieldType.BOOLEAN:
            return st.booleans() if spec.must_be is None else st.just(spec.must_be)
        case FieldType.DATE:
            return st.sampled_from(("1980-02-29", "2026-11-23", "2030-01-01"))
        case FieldType.INSTANT:
            return st.sampled_from(("2026-11-23T09:00:00Z", "2027-03-28T02:30:00+01:00"))
        case FieldType.CHOICE:
            return st.sampled_from(spec.values)


def spoiled(draw: Draw[Any], type_: EventType, payload: Mapping[str, object]) -> dict[str, object]:
    """Make one fault in a payload."""
    names = sorted(map(str, type_.payload))
    if not names or draw(st.sampled_from((False, False, False, True))):
        return {**payload, "no_such_value": "x"}
    name = draw(st.sampled_from(names))
    bad = draw(st.sampled_from((None, "", 7, True, [], {"a": 1}, "x" * 5_000, "\x00", "no such key", -(10**9), 1.5)))
    return {**payload, name: bad}


# People


def people_of(definition: Definition, type_: EventType, situation: Situation | None, payload: Mapping[str, object]) -> list[Person]:
    """Name who may try: two holders, one with every role, the subject with and without roles, a wrong scope, deputies, nobody."""
    fields: Mapping[Any, object] = situation.instance.fields if situation else _starting(definition, payload)
    everything = tuple(
        sorted(
            f"{r.name}:{v}" if (v := scope_of(r, fields)) else str(r.name)
            for r in definition.roles.values()
            if not r.is_anyone and not r.is_subject
        )
    )
    found: list[Person] = []
    for name in type_.by:
        role = definition.roles[name]
        if role.is_anyone or role.is_subject:
            continue
        value = scope_of(role, fields)
        own = f"{name}:{value}" if value else str(name)
        found += [(f"{name}-1", (own,)), (f"{name}-2", (own,))]
        if role.scope:
            found.append((f"{name}-{ELSEWHERE}", (f"{name}:{ELSEWHERE}",)))
    found += [
        (EVERYBODY, everything),
        (SUBJECT, ()),
        (SUBJECT, everything),
        *((one, ()) for one in DEPUTIES),
        (DEPUTIES[0], everything),
        (STRANGER, ()),
    ]
    return found


def _starting(definition: Definition, payload: Mapping[str, object]) -> dict[FieldName, object]:
    return {a.field: payload[a.copy_of] for a in definition.start.assignments if a.copy_of is not None and a.copy_of in payload}


def rightful(
    rig: Rig, type_: EventType, people: Sequence[Person], situation: Situation | None, payload: Mapping[str, object]
) -> list[Person]:
    """Keep those who may, by role and by who decided before."""
    definition = rig.definition
    fields: Mapping[Any, object] = situation.instance.fields if situation else _starting(definition, payload)
    running = rig.running()
    kept = []
    for id_, roles in people:
        who = rig.person(id_, roles)
        if not may_fire(definition, type_, who, fields, subject=rig.subject, running=running):
            continue
        if type_.decision is not None and (who.id == rig.subject or id_ in DEPUTIES):
            continue
        if situation is not None and type_.decision is not None:
            others = {
                one
                for stage, ones in situation.instance.deciders.items()
                if stage not in {type_.decision, *type_.may_also_decide}
                for one in ones
            }
            if who.id in others:
                continue
        tally = situation.instance.tallies.get(type_.name) if situation else None
        if tally is not None and who.id in tally.actors and len(people) > 1 and _wants_others(rig, situation, type_):
            continue
        kept.append((id_, roles))
    return kept


def _wants_others(rig: Rig, situation: Situation | None, type_: EventType) -> bool:
    arrows = rig.world.table.arrows(situation.instance.state, type_.name) if situation else ()
    return any(a.transition.quorum is not None for a in arrows)


# Acts


class Acts:
    """Draws the next act of a run."""

    def __init__(self, rig: Rig, planner: Planner, overrides: Mapping[str, SearchStrategy[Any]]) -> None:
        """Begin a run without a goal."""
        self.rig, self.planner, self.definition = rig, planner, rig.definition
        self.values = Values(world=rig.world, overrides=overrides)
        self.goal: Arrow | None = None
        self.is_purposeful = True
        self._keys = 0
        calendar = rig.world.calendar
        self._latest = datetime(calendar.horizon.year, 1, 1, tzinfo=UTC) - LAST_DAYS if calendar else START + timedelta(days=3_000)

    def next(self, draw: Draw[Any]) -> AnyAct:
        """Draw the next act."""
        situation = self.rig.present()
        if situation is None:
            return self._start(draw)
        kind = draw(st.sampled_from(PURPOSEFUL if self.is_purposeful else ACTS))
        crash = draw(st.sampled_from(CRASHES)) if kind in {"proceed", "perform", "tick", "fire", "again"} else None
        match kind:
            case "proceed":
                return self._proceed(draw, situation, crash) or self._fire(draw, situation, crash)
            case "perform":
                outcome = draw(st.sampled_from(("done", "done", "done", "failed", "retry")))
                return Perform(index=draw(st.integers(0, 3)), outcome=outcome, ago=draw(st.sampled_from((0, 0, 30, 1_200))), crash=crash)
            case "due" | "pause":
                return self._wait(draw, situation, is_due=kind == "due")
            case "tick":
                return Tick(crash=crash)
            case "repeat":
                return Repeat(is_changed=draw(st.sampled_from((False, False, True))))
            case "ask":
                return self._ask(draw, situation)
            case "delegate":
                return self._delegate(draw)
            case "again":
                return self._again(draw, crash) or self._fire(draw, situation, crash)
            case _:
                return self._fire(draw, situation, crash, is_wrong=kind == "wrong")

    def _start(self, draw: Draw[Any]) -> Start:
        self.is_purposeful = draw(st.sampled_from((True, True, False)))
        type_ = self.definition.events[self.definition.start.event]
        payload = self.values.payload(draw, type_, None)
        wish = self.planner.start(self.rig, payload)
        if wish is not None:
            payload.update(wish.values)
        people = people_of(self.definition, type_, None, payload)
        right = rightful(self.rig, type_, people, None, payload) or people
        is_wrong = draw(st.sampled_from((False,) * 9 + (True,)))
        if is_wrong:
            payload = spoiled(draw, type_, payload)
        id_, roles = draw(st.sampled_from(right))
        return Start(payload=payload, facts=wish.facts if wish else {}, actor=id_, roles=roles)

    def _proceed(self, draw: Draw[Any], situation: Situation, crash: int | None) -> AnyAct | None:
        """Go one step towards the goal, or choose a goal nearby when there is no way."""
        leaf = situation.instance.state
        here = self.planner.here(leaf)
        if not here:
            return None
        for _ in range(TRIES):
            if self.goal is None or not self.planner.on_the_way(leaf, self.goal):
                self.goal = self._far_goal(draw, leaf)
            ways = self.planner.on_the_way(leaf, self.goal)
            act = self._toward(draw, situation, ways[draw(st.integers(0, len(ways) - 1))], crash, depth=3) if ways else None
            if act is not None:
                return act
            self.goal = None
        return None

    def _far_goal(self, draw: Draw[Any], leaf: StatePath) -> Arrow:
        """Draw two goals and take the farther one; one that ends the onboarding without success is taken only now and then."""
        goals = self.planner.goals
        one, other = (goals[draw(st.integers(0, len(goals) - 1))] for _ in range(2))
        rank = [(not self._is_end(goal) or draw(st.integers(0, 3)) == 0, self.planner.distance(leaf, goal)) for goal in (one, other)]
        return other if rank[1] > rank[0] else one

    def _is_end(self, goal: Arrow) -> bool:
        target = goal.transition.target
        return target is not None and self.definition.states[target].outcome in {"failure", "neutral"}

    def _toward(self, draw: Draw[Any], situation: Situation, arrow: Arrow, crash: int | None, *, depth: int) -> AnyAct | None:
        type_ = self.definition.events[arrow.transition.event]
        if type_.is_engine:
            return self._await(draw, situation, arrow, crash)
        payload = self.values.payload(draw, type_, situation)
        wish = self.planner.wish(self.rig, arrow, payload)
        if wish is not None:
            return self._aimed(draw, situation, arrow, wish, payload, crash)
        if (report := self._missing_report(type_, situation)) is not None:
            return self._await_event(draw, situation, report, crash)
        enablers = self.planner.enablers(self.rig, arrow, payload) if depth else ()
        if not enablers:
            return None
        leaf = situation.instance.state
        near = [one for one in enablers if one in self.planner.here(leaf)] or enablers
        enabler = near[draw(st.integers(0, len(near) - 1))]
        ways = self.planner.on_the_way(leaf, enabler)
        return self._toward(draw, situation, ways[draw(st.integers(0, len(ways) - 1))], crash, depth=depth - 1) if ways else None

    def _aimed(self, draw: Draw[Any], situation: Situation, arrow: Arrow, wish: Wish, payload: Mapping[str, object], crash: int | None) -> Fire | None:
        """Fire what takes the transition; now and then with everything right but the person, or but what the checks find."""
        type_, values = self.definition.events[arrow.transition.event], {**payload, **wish.values}
        people = people_of(self.definition, type_, situation, values)
        right = rightful(self.rig, type_, people, situation, values)
        aside = draw(st.sampled_from((None,) * 6 + ("person", "facts")))
        if aside == "person" or not right:
            return self._fired(draw, type_, draw(st.sampled_from(people)), values, wish.facts, crash)
        if arrow is self.goal and aside is None:
            self.goal = None
        facts = self._facts(draw, type_) if aside == "facts" else wish.facts
        return self._fired(draw, type_, draw(st.sampled_from(right)), values, facts, crash)

    def _missing_report(self, type_: EventType, situation: Situation) -> EventName | None:
        """Name the report without which a link of this event is not alive."""
        uses = (self.definition.checks[check] for check in type_.checks)
        since = (EventName(str(use.params["since"])) for use in uses if use.use == "link")
        return next((name for name in since if name not in situation.instance.marks), None)

    def _await(self, draw: Draw[Any], situation: Situation, arrow: Arrow, crash: int | None) -> AnyAct | None:
        if arrow is self.goal:
            self.goal = None
        return self._await_event(draw, situation, arrow.transition.event, crash)

    def _await_event(self, draw: Draw[Any], situation: Situation, name: EventName, crash: int | None) -> AnyAct | None:
        """Bring an engine's event about: let its timer come due, perform its message, or register the same value again."""
        held = self.rig.claim()
        newest = situation.instance.serials
        for index, message in enumerate(held):
            effect = message.effect
            if name in {effect.done, effect.failed} and effect.serial == newest.get(effect.link or str(effect.done), 0):
                return Perform(index=index, outcome="done" if name == effect.done else "failed", crash=crash)
        due = [t for t in situation.timers if t.event == name and t.due_at is not None]
        if due:
            return self._until(min(t.due_at for t in due if t.due_at is not None) + timedelta(seconds=draw(st.sampled_from(MARGINS))))
        for path in self.definition.lineage(situation.instance.state):
            for timer in self.definition.states[path].timers:
                if timer.event == name and timer.since is not None:
                    found = next((i for i, m in enumerate(held) if m.effect.done == timer.since), None)
                    if found is not None:
                        return Perform(index=found, crash=crash)
        if any(f.unique_on_conflict == name for f in self.definition.fields.values()):
            return self._again(draw, crash, conflict=name)
        held_up = any(timer.event == name for state in self.definition.states.values() for timer in state.timers)
        # A message that another worker holds is free again when its lease is over.
        return None if held_up else Wait(seconds=61)

    def _fire(self, draw: Draw[Any], situation: Situation, crash: int | None, *, is_wrong: bool = False) -> Fire:
        """Fire any event, by anybody, with any findings; with a faulty payload when it `is_wrong`."""
        leaf = situation.instance.state
        nearby = [a.transition.event for a in self.planner.here(leaf) if not self.definition.events[a.transition.event].is_engine]
        names = (
            list(dict.fromkeys(nearby)) if nearby and draw(st.sampled_from((True, True, True, False))) else sorted(self.definition.events)
        )
        type_ = self.definition.events[draw(st.sampled_from(names))]
        payload = self.values.payload(draw, type_, situation)
        person = draw(st.sampled_from(people_of(self.definition, type_, situation, payload)))
        return self._fired(draw, type_, person, spoiled(draw, type_, payload) if is_wrong else payload, self._facts(draw, type_), crash)

    def _fired(
        self, draw: Draw[Any], type_: EventType, person: Person, payload: Mapping[str, object], facts: Facts, crash: int | None
    ) -> Fire:
        key = None
        if draw(st.sampled_from((False, False, True))):
            self._keys += 1
            key = f"k{self._keys}"
        return Fire(event=str(type_.name), actor=person[0], roles=person[1], payload=payload, facts=facts, crash=crash, key=key)

    def _facts(self, draw: Draw[Any], type_: EventType) -> Facts:
        """Draw what checks find: anything that they could find now."""
        known = self.planner.known.checks
        made: Facts = {}
        for check in type_.checks:
            use = self.definition.checks[check]
            made[check] = {
                leaf: draw(
                    st.booleans() if kind == "bool" else st.sampled_from((0, 1, 5) if kind == "int" else _texts(use.params.get("methods")))
                )
                for leaf, kind in known[use.use].facts.items()
            }
        return coherent(self.rig, made)

    def _wait(self, draw: Draw[Any], situation: Situation, *, is_due: bool) -> Wait:
        due = sorted({t.due_at for t in situation.timers if t.due_at is not None})
        if is_due and due:
            # Rarely past the second deadline, or an onboarding would be over before it began.
            at = due[min(len(due) - 1, draw(st.sampled_from((0,) if self.is_purposeful else (0, 0, 0, 1, 2))))]
            return self._until(at + timedelta(seconds=draw(st.sampled_from(MARGINS))))
        seconds = draw(st.sampled_from(PAUSES))
        return Wait(seconds=seconds if self.rig.clock.now() + timedelta(seconds=seconds) < self._latest else 1)

    def _until(self, at: datetime) -> Wait:
        seconds = int((min(at, self._latest) - self.rig.clock.now()).total_seconds())
        return Wait(seconds=seconds)

    def _ask(self, draw: Draw[Any], situation: Situation) -> Ask:
        nearby = [a.transition.event for a in self.planner.inner(situation.instance.state)] or [self.definition.start.event]
        type_ = self.definition.events[draw(st.sampled_from(list(dict.fromkeys(nearby))))]
        id_, roles = draw(st.sampled_from(people_of(self.definition, type_, situation, {})))
        return Ask(actor=id_, roles=roles)

    def _delegate(self, draw: Draw[Any]) -> Delegate | EndDelegation:
        if draw(st.sampled_from((False, False, True))):
            return EndDelegation()
        roles = [str(r.name) for r in self.definition.roles.values() if not r.is_anyone and not r.is_subject]
        role = draw(st.sampled_from(roles)) if roles else None
        principal = draw(st.sampled_from((f"{role}-1", SUBJECT) if role else (SUBJECT,)))
        return Delegate(principal=principal, deputy=draw(st.sampled_from(DEPUTIES)), role=draw(st.sampled_from((None, role))))

    def _again(self, draw: Draw[Any], crash: int | None, conflict: str | None = None) -> Start | None:
        """Let somebody else offer a unique value that this onboarding holds."""
        first = self.rig.started
        unique = [f for f in self.rig.world.table.unique_fields if conflict is None or f.unique_on_conflict == conflict]
        copies = {a.field: str(a.copy_of) for a in self.definition.start.assignments if a.copy_of is not None}
        taken = [f for f in unique if f.name in copies and first is not None and copies[f.name] in first.payload]
        if first is None or not taken:
            return None
        one = draw(st.sampled_from(taken))
        payload = dict(first.payload)
        for other in self.rig.world.table.unique_fields:
            if other.name != one.name and copies.get(other.name) in payload:
                text = str(payload[copies[other.name]])
                payload[copies[other.name]] = text.replace("@", ".x@") if "@" in text else f"{text}x"[: other.max_length or 100]
        for spec in self.definition.events[self.definition.start.event].payload.values():
            if spec.same_as is not None and spec.same_as in payload:
                payload[spec.name] = payload[spec.same_as]
        return Start(
            payload=payload, facts=first.facts, actor=first.actor if first.actor != SUBJECT else "second", roles=first.roles, crash=crash
        )


def _texts(methods: object) -> tuple[str, ...]:
    return (*methods, "") if isinstance(methods, tuple) else ("",)
