"""Drawing: the next act of a run, on the way to a goal or astray.

Promises: what is drawn follows from the definition, the run so far and the draws alone, so that a seed gives the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from workflow.states.check_events import every_action, reported
from workflow.states.definition import EventName, EventType, StatePath
from workflow.states.instance import Situation
from workflow.states.machine import Arrow
from workflow.testing.acts import SUBJECT, AnyAct, Ask, Delegate, EndDelegation, Erase, Fire, Perform, Repeat, Start, Tick, Wait
from workflow.testing.aiming import Aim, Side, Wanted, offered_again
from workflow.testing.chances import (
    ACTS,
    CRASHES,
    CUTS,
    DETERMINED,
    HOUR,
    LAST_DAYS,
    MARGINS,
    MAX_DEPTH,
    NEAR_PATIENCE,
    PATIENCE,
    PAUSES,
    PURPOSEFUL,
    TRIES,
)
from workflow.testing.clock import START
from workflow.testing.planning import Planner, Wish
from workflow.testing.plausible import Facts, coherent
from workflow.testing.run import Rig
from workflow.testing.strategies import DEPUTIES, Draw, Person, Values, people_of, rightful, spoiled


class Acts:
    """Draws the next act of a run."""

    def __init__(self, rig: Rig, planner: Planner, overrides: Mapping[str, SearchStrategy[Any]], wanted: Wanted | None = None) -> None:
        """Begin a run without a goal; it will go after what is `wanted` first."""
        self.rig, self.planner, self.definition = rig, planner, rig.definition
        self.values = Values(world=rig.world, overrides=overrides)
        self.aim = Aim(rig, planner, self.values, wanted or Wanted())
        self.goal: Arrow | None = None
        self.side: Side | None = None
        self._patience = 0
        self._kinds: tuple[str, ...] = PURPOSEFUL
        self._is_after_sides = False
        self.is_purposeful = True
        self._done: list[Arrow] = []
        self._reports = reported(rig.definition)
        self._dones = {action.done for action in every_action(rig.definition)}
        self._keys = 0
        calendar = rig.world.calendar
        self._latest = datetime(calendar.horizon.year, 1, 1, tzinfo=UTC) - LAST_DAYS if calendar else START + timedelta(days=3_000)

    def next(self, draw: Draw[Any]) -> AnyAct:
        """Draw the next act."""
        situation = self.rig.present()
        if situation is None:
            return self._start(draw)
        return self._with_cut(draw, self._any(draw, situation))

    def _with_cut(self, draw: Draw[Any], act: AnyAct) -> AnyAct:
        """Now and then end the process between two statements of what the act writes."""
        if self._kinds is DETERMINED or act.crash is not None or not isinstance(act, Fire | Perform | Tick | Start | Erase):
            return act
        cut = draw(st.sampled_from(CUTS))
        return act if cut is None else replace(act, cut=cut)

    def _any(self, draw: Draw[Any], situation: Situation) -> AnyAct:
        kind = draw(st.sampled_from(self._kinds))
        crash = (
            draw(st.sampled_from(CRASHES))
            if self._kinds is not DETERMINED and kind in {"proceed", "perform", "tick", "fire", "again"}
            else None
        )
        match kind:
            case "proceed":
                return self._proceed(draw, situation, crash) or self._at_a_loss(draw, situation, crash)
            case "perform":
                outcome = draw(st.sampled_from(("done", "done", "done", "failed", "retry")))
                return Perform(index=draw(st.integers(0, 3)), outcome=outcome, ago=draw(st.sampled_from((0, 0, 30, 1_200))), crash=crash)
            case "due" | "pause":
                return self._wait(draw, situation, is_due=kind == "due")
            case "again":
                return offered_again(self.rig, draw, crash) or self._fire(draw, situation, crash)
            case "fire" | "wrong":
                return self._fire(draw, situation, crash, is_wrong=kind == "wrong")
            case _:
                return self._other(draw, situation, kind, crash)

    def _at_a_loss(self, draw: Draw[Any], situation: Situation, crash: int | None) -> AnyAct:
        """Do anything; a run that is after something rather lets a moment pass, because anything may end it."""
        return Tick() if self._kinds is DETERMINED and draw(st.booleans()) else self._fire(draw, situation, crash)

    def _other(self, draw: Draw[Any], situation: Situation, kind: str, crash: int | None) -> AnyAct:
        if kind == "ask":
            return self._ask(draw, situation)
        if kind == "delegate":
            return self._delegate(draw)
        if kind == "repeat":
            return Repeat(is_changed=draw(st.sampled_from((False, False, True))))
        return Tick(crash=crash)

    def _start(self, draw: Draw[Any]) -> Start:
        wanted = self.aim.wanted
        is_open = bool(wanted.arrows or wanted.timers or wanted.sides or wanted.refusals)
        self._kinds = draw(st.sampled_from((PURPOSEFUL, ACTS, DETERMINED if is_open else PURPOSEFUL)))
        self.is_purposeful = self._kinds is not ACTS
        self._is_after_sides = self.is_purposeful and (not wanted.goals or draw(st.sampled_from((False, False, True))))
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
        if self.is_purposeful and (aimed := self._aim(draw, situation, crash)) is not None:
            return aimed
        for _ in range(TRIES):
            if self.goal is None or not self.planner.on_the_way(leaf, self.goal):
                self.goal = self._far_goal(draw, leaf)
            ways = self.planner.on_the_way(leaf, self.goal)
            act = self._toward(draw, situation, ways[draw(st.integers(0, len(ways) - 1))], crash, depth=MAX_DEPTH) if ways else None
            if act is not None:
                return act
            self.goal = None
        return None

    def _aim(self, draw: Draw[Any], situation: Situation, crash: int | None) -> AnyAct | None:
        """Go after a side of a guard, or a refusal, that no run has shown yet; None when there is nothing of the kind to do now."""
        if draw(st.integers(0, 2)) == 0 and (refused := self.aim.refusal(draw, situation)) is not None:
            return refused
        if (waited := self._rung(draw, situation)) is not None:
            return waited
        near, sides = self.aim.sides_here(situation.instance.state), self.aim.wanted.sides
        if self.side is None and near and draw(st.integers(0, 3)) == 0:
            self.side, self._patience = near[draw(st.integers(0, len(near) - 1))], NEAR_PATIENCE
        elif self.side is None and sides and self._is_after_sides:
            self.side, self._patience = sides[draw(st.integers(0, len(sides) - 1))], PATIENCE
        if self.side is None:
            return None
        self._patience -= 1
        act = self._toward_side(draw, situation, self.side, crash) if self._patience > 0 else None
        if act is None:
            self.side = None
        return act

    def _rung(self, draw: Draw[Any], situation: Situation) -> Wait | None:
        """Wait for a deadline that was never reached, now and then."""
        due = [timer.due_at for timer in situation.timers if timer.key in self.aim.wanted.timers and timer.due_at is not None]
        return self._until(min(due)) if due and draw(st.integers(0, 2)) == 0 else None

    def _toward_side(self, draw: Draw[Any], situation: Situation, side: Side, crash: int | None) -> AnyAct | None:
        """Go to where a guard is judged, make it so that it is judged as wanted, and have it judged."""
        leaf, arrow = situation.instance.state, side.arrow
        if not self.planner.is_here(leaf, arrow):
            ways = self.planner.on_the_way(leaf, arrow)
            return self._toward(draw, situation, ways[draw(st.integers(0, len(ways) - 1))], crash, depth=MAX_DEPTH) if ways else None
        is_engines = self.definition.events[arrow.transition.event].is_engine
        if is_engines and self.aim.is_so(situation, side):
            return self._await(draw, situation, arrow, crash)
        if not is_engines and (fired := self.aim.judged(draw, situation, side)) is not None:
            self.side = None
            return fired
        if self.aim.is_timed(side) and draw(st.booleans()):
            return Wait(seconds=HOUR)
        changing = self.aim.leading_to(side)
        here = [one for one in changing if self.planner.is_here(leaf, one)] or list(changing)
        if not here:
            return None
        ways = self.planner.on_the_way(leaf, here[draw(st.integers(0, len(here) - 1))])
        return self._toward(draw, situation, ways[draw(st.integers(0, len(ways) - 1))], crash, depth=MAX_DEPTH) if ways else None

    def _far_goal(self, draw: Draw[Any], leaf: StatePath) -> Arrow:
        """Draw two goals and take the farther one; one that ends the onboarding without success is taken only now and then.

        What no run has taken yet comes first, as a rule.
        """
        wanted = self.aim.wanted.goals if draw(st.integers(0, 3)) else ()
        goals = wanted or self.planner.goals
        one, other = (goals[draw(st.integers(0, len(goals) - 1))] for _ in range(2))
        rank = [self._rank(draw, leaf, goal) for goal in (one, other)]
        chosen: Arrow = other if rank[1] > rank[0] else one
        return chosen

    def _rank(self, draw: Draw[Any], leaf: StatePath, goal: Arrow) -> tuple[bool, bool, bool, int]:
        is_new = not any(one is goal for one in self._done)
        leads_on = not self._is_end(goal) or draw(st.integers(0, 7)) == 0
        is_inner = bool(goal.transition.source) or draw(st.integers(0, 1)) == 0
        return is_new, leads_on, is_inner, self.planner.distance(leaf, goal)

    def _reach(self, goal: Arrow) -> None:
        self._done.append(goal)
        self.goal = None

    def _is_end(self, goal: Arrow) -> bool:
        """Tell whether a goal ends the onboarding without success, or is only somebody else's registration."""
        target = goal.transition.target
        is_other = any(f.unique_on_conflict == goal.transition.event for f in self.rig.world.table.unique_fields)
        return is_other or (target is not None and self.definition.states[target].outcome in {"failure", "neutral"})

    def _toward(self, draw: Draw[Any], situation: Situation, arrow: Arrow, crash: int | None, *, depth: int) -> AnyAct | None:
        type_ = self.definition.events[arrow.transition.event]
        if type_.is_engine:
            return self._await(draw, situation, arrow, crash, depth=depth)
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
        near = [one for one in enablers if self.planner.is_here(leaf, one)] or enablers
        enabler = near[draw(st.integers(0, len(near) - 1))]
        ways = self.planner.on_the_way(leaf, enabler)
        return self._toward(draw, situation, ways[draw(st.integers(0, len(ways) - 1))], crash, depth=depth - 1) if ways else None

    def _aimed(
        self, draw: Draw[Any], situation: Situation, arrow: Arrow, wish: Wish, payload: Mapping[str, object], crash: int | None
    ) -> Fire | None:
        """Fire what takes the transition; now and then with everything right but the person, or but what the checks find."""
        type_, values = self.definition.events[arrow.transition.event], {**payload, **wish.values}
        people = people_of(self.definition, type_, situation, values)
        right = rightful(self.rig, type_, people, situation, values)
        usual = 20 if self._kinds is DETERMINED else 6 if self.is_purposeful else 2
        aside = draw(st.sampled_from((None,) * usual + ("person", "facts")))
        if aside == "person" or not right:
            return self._fired(draw, type_, draw(st.sampled_from(people)), values, wish.facts, crash)
        if arrow is self.goal and aside is None:
            self._reach(arrow)
        facts = self._facts(draw, type_) if aside == "facts" else wish.facts
        return self._fired(draw, type_, draw(st.sampled_from(right)), values, facts, crash)

    def _missing_report(self, type_: EventType, situation: Situation) -> EventName | None:
        """Name the report without which a link of this event is not alive."""
        uses = (self.definition.checks[check] for check in type_.checks)
        since = (EventName(str(use.params["since"])) for use in uses if use.use == "link")
        return next((name for name in since if name not in situation.instance.marks), None)

    def _await(self, draw: Draw[Any], situation: Situation, arrow: Arrow, crash: int | None, *, depth: int = 1) -> AnyAct | None:
        name = arrow.transition.event
        if depth and (issued := self._issue(draw, situation, arrow, crash, depth=depth - 1)) is not None:
            return issued
        if name in self._reports and any("dead" in came for came in self.rig.performed.values()):
            return self._sent_again(name, crash)
        if arrow is self.goal:
            self._reach(arrow)
        return self._await_event(draw, situation, name, crash)

    def _sent_again(self, name: EventName, crash: int | None) -> Perform:
        """Do all that is left; then somebody sends again what was given up, and it has the outcome that is waited for."""
        is_left = bool(self.rig.claim())
        return Perform(outcome="done" if is_left or name in self._dones else "failed", crash=crash)

    def _issue(self, draw: Draw[Any], situation: Situation, arrow: Arrow, crash: int | None, *, depth: int) -> AnyAct | None:
        """Do what lets somebody report this event, when there is nothing under way that could."""
        name, leaf = arrow.transition.event, situation.instance.state
        if any(name in {m.effect.done, m.effect.failed} for m in self.rig.claim()) or any(
            "dead" in came for came in self.rig.performed.values()
        ):
            return None
        reporters = self.planner.reporters(leaf, arrow)
        if not reporters:
            return None
        ways = self.planner.on_the_way(leaf, reporters[draw(st.integers(0, len(reporters) - 1))])
        people = [way for way in ways if not self.definition.events[way.transition.event].is_engine]
        return self._toward(draw, situation, people[draw(st.integers(0, len(people) - 1))], crash, depth=depth) if people else None

    def _await_event(self, draw: Draw[Any], situation: Situation, name: EventName, crash: int | None) -> AnyAct | None:
        """Bring an engine's event about: let its timer come due, perform its message, or register the same value again."""
        held = self.rig.claim()
        newest = situation.instance.serials
        for index, message in enumerate(held):
            effect = message.effect
            if name in {effect.done, effect.failed} and effect.serial == newest.get(effect.link or str(effect.done), 0):
                return Perform(index=index, outcome="done" if name == effect.done else "failed", crash=crash)
        if name == self.definition.erasure:
            return Erase(crash=crash)
        due = sorted({t.due_at for t in situation.timers if t.event == name and t.due_at is not None})
        if due:
            return self._until(due[draw(st.integers(0, len(due) - 1))] + timedelta(seconds=draw(st.sampled_from(MARGINS))))
        for path in self.definition.lineage(situation.instance.state):
            for timer in self.definition.states[path].timers:
                if timer.event == name and timer.since is not None:
                    found = next((i for i, m in enumerate(held) if m.effect.done == timer.since), None)
                    if found is not None:
                        return Perform(index=found, crash=crash)
        if any(f.unique_on_conflict == name for f in self.definition.fields.values()):
            return offered_again(self.rig, draw, crash, conflict=name)
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


def _texts(methods: object) -> tuple[str, ...]:
    return (*methods, "") if isinstance(methods, tuple) else ("",)
