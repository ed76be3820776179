"""The pure core under random programs: what holds for every definition, whoever does what and whenever one looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.states.test_step import NESTED, QUORUM
from tests.support.programs import ANA, BEN, CY, NAMES, TIMETABLE, Fire, Report, Until, Wait, programs
from tests.support.worlds import KNOWN, MONDAY, Run, calendar, world
from workflow.bootstrap import documents_of, known, readers
from workflow.load import load
from workflow.states import deadlines
from workflow.states.definition import EventName
from workflow.states.instance import ENGINE_ACTOR, Actor, ActorId, Delegation, Event
from workflow.states.machine import Table
from workflow.states.making import World
from workflow.states.step import decide, permit, recalendar, settle
from workflow.states.verdict import Allowed, Kind, Permitted, Refused, Step

DAYS_OFF = {"d2026_04_06": "Easter Monday", "d2026_12_25": "Christmas", "d2026_12_28": "Closing", "d2026_12_29": "Closing"}
OFFICE = calendar(**DAYS_OFF)
EVE = Actor.of("eve", "boss", "clerk", "engine", "applicant")
PEOPLE = (ANA, BEN, CY, EVE, Actor.of("nobody"))


def _shipped() -> World:
    """Compile the reference definition with its calendar and catalogue."""
    read = readers(known())
    found = {document.kind: document for document in documents_of("cpms-access")}
    return World(
        table=Table(load(found["definition"].text, known=known()), known()),
        calendar=read.calendar(found["calendar"]),
        catalogue=read.catalogue(found["catalogue"]),
    )


WORLDS = {
    "nested": world(NESTED, calendar=OFFICE),
    "quorum": world(QUORUM),
    "timetable": world(TIMETABLE, calendar=OFFICE),
    "cpms-access": _shipped(),
}


class Play:
    """A program performed by the pure core; `sweeps` tells whether deadlines are settled during waits too."""

    def __init__(self, start, *, sweeps: bool) -> None:
        self.run = Run(WORLDS["timetable"], now=start)
        self.sweeps = sweeps
        self.history: list[tuple] = []
        self.run.begin(ANA)

    def play(self, operations) -> list[tuple]:
        for one in operations:
            self.one(one)
        self.run.wait(days=8).sweep()
        return self.history + [said(step) for step in self.new()]

    def one(self, operation) -> None:
        run = self.run
        match operation:
            case Wait(seconds=seconds, sweeps=sweeps):
                self.pass_until(run.now + timedelta(seconds=seconds), sweeps)
            case Until(rank=rank, beside=beside, sweeps=sweeps):
                due = sorted(t.due_at for t in self.looked_at().timers if t.due_at is not None)
                if due:
                    self.pass_until(max(run.now, due[rank % len(due)] + beside), sweeps)
            case Fire(name=name, actor=actor):
                answer = run.fire(name, actor)
                self.history += [said(step) for step in self.new()]
                if isinstance(answer, Refused):
                    self.history.append((Kind.REFUSED, name, actor.id, run.instance.state, tuple(r.code for r in answer.reasons), run.now))
            case Report(rank=rank, lag_seconds=lag, is_done=is_done):
                run.sweep()
                queued = [(step.occurred_at, effect) for step in run.steps for effect in step.effects if effect.done]
                if queued:
                    at, effect = queued[rank % len(queued)]
                    performed_at = max(at, run.now - timedelta(seconds=lag)) if is_done else run.now
                    run.report(effect, effect.done if is_done else effect.failed, at=performed_at)

    def pass_until(self, end, sweeps) -> None:
        begin = self.run.now
        for part in sweeps if self.sweeps else ():
            self.run.now = begin + (end - begin) * part
            self.run.sweep()
        self.run.now = end

    def looked_at(self):
        fired = settle(self.run.world, self.run.situation, now=self.run.now)
        return fired[-1].after if fired else self.run.situation

    def new(self) -> list[Step]:
        known_steps = sum(entry[0] is not Kind.REFUSED for entry in self.history)
        return self.run.steps[known_steps:]


def said(step: Step) -> tuple:
    return (step.kind, step.event.name, step.event.actor.id, step.from_state, step.to_state, (), step.occurred_at)


@given(programs())
@settings(max_examples=300, deadline=None)
def test_lazy_equals_eager(program):
    """Sweeping changes nothing.

    Given the same events (reports included) at the same instants, and after settling at one final instant, a run with a sweep at
    any times and a run with none have the same sequence of (kind, event, actor, from, to, reasons, occurred_at).
    """
    start, operations = program
    lazy, eager = Play(start, sweeps=False), Play(start, sweeps=True)
    assert lazy.play(operations) == eager.play(operations)
    assert lazy.run.situation == eager.run.situation


# Random walks over several definitions: an event of the definition by anybody with some payload, or a wait.

_PAYLOADS = st.dictionaries(
    st.sampled_from(["level", "note", "rationale", "by", "tags", "email", "language", "question", "odd"]),
    st.sampled_from([0, 1, 5, True, "en", "text", "ana@example.org", ["a"], ["a", "b"], None, "\x00"]),
    max_size=3,
)
_FACTS = st.booleans()
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.integers(0, 10**6), st.sampled_from(PEOPLE), _PAYLOADS, _FACTS),
        st.tuples(st.just("wait"), st.sampled_from([0, 1, 300, 3600, 86_400, 86_400 * 3, 86_400 * 20])),
        st.tuples(st.just("report"), st.integers(0, 5)),
    ),
    max_size=20,
)
_WALKS = st.tuples(st.sampled_from(["nested", "quorum", "timetable"]), _STEPS)


class Facts(dict):
    """Every fact of a definition's checks, all true or all false."""

    def __init__(self, world_, *, value: bool) -> None:
        specs = {**known().checks, **KNOWN.checks}
        zero = {"bool": value, "int": int(value), "string": "app"}
        super().__init__(
            {
                f"{name}.{leaf}": zero[type_]
                for name, use in world_.definition.checks.items()
                for leaf, type_ in specs[use.use].facts.items()
            }
        )


def started(name: str) -> Run:
    run = Run(WORLDS[name], holders={"boss": ("ben",), "clerk": ("cy",)})
    run.delegations = (
        Delegation(
            id="d",
            principal=ActorId("ben"),
            deputy=ActorId("nobody"),
            role=None,
            scope=None,
            starts_at=MONDAY,
            ends_at=MONDAY + timedelta(days=2),
        ),
    )
    payload = {
        "quorum": {"level": 3},
        "cpms-access": {
            "first_name": "Ana",
            "last_name": "Sample",
            "email": "ana@example.org",
            "email_confirm": "ana@example.org",
            "language": "en",
            "privacy_accepted": True,
            "username": "n00ana",
        },
    }.get(name, {})
    assert isinstance(run.begin(ANA, **payload), Step)
    return run


def walk(name: str, moves, visit) -> Run:
    """Walk, and let `visit(run, before, answer)` see every attempt; `before` is the settled situation."""
    run = started(name)
    names = list(run.world.definition.events)
    for move in moves:
        if move[0] == "wait":
            run.wait(seconds=move[1])
            run.sweep()
        elif move[0] == "report":
            queued = [effect for step in run.steps for effect in step.effects if effect.done]
            if queued:
                effect = queued[move[1] % len(queued)]
                run.report(effect, effect.done)
        else:
            _, rank, actor, payload, value = move
            run.sweep()
            before = run.situation
            name_ = names[rank % len(names)]
            answer = run.fire(name_, actor, facts=Facts(run.world, value=value), **payload)
            visit(run, before, name_, actor, answer)
    return run


def _nothing(*_):
    """Look at nothing."""


@given(_WALKS)
@settings(max_examples=150, deadline=None)
def test_a_refusal_changes_nothing(walked):
    """Whatever is refused leaves the situation as it was, and gives at least one reason."""

    def visit(run, before, name, actor, answer):
        if isinstance(answer, Refused):
            assert run.situation == before
            assert answer.reasons
        else:
            assert answer.before == before

    walk(*walked, visit)


def whole(run: Run) -> None:
    """Judge what holds in every situation."""
    definition, instance = run.world.definition, run.instance
    assert instance.version == len(run.steps), "version counts accepted steps"
    assert definition.states[instance.state].is_leaf
    active = set(definition.lineage(instance.state))
    for timer in run.situation.timers:
        state = definition.states[timer.state]
        is_paused = any(definition.is_within(instance.state, child) for child in state.paused_in)
        assert timer.state in active, "a timer of a state that was left"
        assert (timer.due_at is None) == is_paused
    assert len({t.key for t in run.situation.timers}) == len(run.situation.timers)
    assert instance.outcome == next((o for path in definition.lineage(instance.state) if (o := definition.states[path].outcome)), None)
    assert instance.personal.isdisjoint(instance.fields)


@given(_WALKS)
@settings(max_examples=150, deadline=None)
def test_every_situation_is_whole(walked):
    """The state is a leaf; timers belong to active states; a paused timer has no due instant and a running one has; version counts."""
    run = walk(*walked, lambda run, *_: whole(run))
    whole(run)


@given(_STEPS)
@settings(max_examples=25, deadline=None)
def test_the_reference_definition_stays_whole(moves):
    """The same holds for `cpms-access`, whatever its checks find."""
    whole(walk("cpms-access", moves, lambda run, *_: whole(run)))


@given(_WALKS)
@settings(max_examples=100, deadline=None)
def test_settling_twice_is_settling_once(walked):
    """After settling nothing is due at the same instant, and settling in between gives the same situation."""
    run = walk(*walked, _nothing)
    middle, end = run.now + timedelta(days=1), run.now + timedelta(days=4)

    def after(situation, now):
        fired = settle(run.world, situation, now=now)
        return fired[-1].after if fired else situation

    once = after(run.situation, end)
    assert settle(run.world, once, now=end) == ()
    assert after(after(run.situation, middle), end) == once


@given(
    st.one_of(
        _WALKS, st.tuples(st.just("cpms-access"), st.lists(_STEPS.map(lambda steps: steps[0] if steps else ("wait", 0)), max_size=12))
    )
)
@settings(max_examples=100, deadline=None)
def test_allowed_is_kept(walked):
    """Where `may` says `Allowed`, the event without payload is accepted at the same instant; where it says `Refused`, it is refused."""
    run = walk(*walked, _nothing)
    run.sweep()
    for name in run.world.definition.events:
        for actor in PEOPLE:
            verdict, answer = run.may(name, actor), _tried(run, name, actor)
            if isinstance(verdict, Allowed):
                assert isinstance(answer, Step)
            elif isinstance(verdict, Refused):
                assert isinstance(answer, Refused)


def _tried(run: Run, name: str, actor: Actor) -> Step | Refused:
    """Give what would become of an event, without doing it."""
    judged = permit(
        run.world,
        run.situation,
        Event(name=EventName(name), actor=actor),
        subject=run.instance.subject,
        delegations=run.delegations,
        holders=run.who,
        now=run.now,
    )
    if not isinstance(judged, Permitted):
        return judged
    facts = Facts(run.world, value=False)
    return decide(run.world, run.situation, judged, facts, delegations=run.delegations, now=run.now)


@given(_WALKS, st.sampled_from([*PEOPLE, Actor.of("engine", "engine", "boss"), Actor.of(ENGINE_ACTOR)]))
@settings(max_examples=60, deadline=None)
def test_nobody_fires_an_engine_event_in_any_state(walked, actor):
    """Wherever an onboarding stands, an event of the engine is refused to everybody, whatever they call themselves."""
    run = walk(*walked, _nothing)
    for name, type_ in run.world.definition.events.items():
        if type_.is_engine:
            answer = _tried(run, name, actor)
            assert isinstance(answer, Refused)
            assert "engine_only" in {reason.code for reason in answer.reasons}


@given(_WALKS)
@settings(max_examples=60, deadline=None)
def test_a_new_calendar_only_moves_deadlines(walked):
    """A new calendar moves nothing but running working-time deadlines; applied twice it is applied once; paused ones keep their rest."""
    run = walk(*walked, _nothing)
    assume(run.world.calendar is not None)
    newer = replace(
        run.world, calendar=replace(OFFICE, digest="d" * 64, days_off={**OFFICE.days_off, **dict.fromkeys(_week_of(run), "Strike")})
    )
    step = recalendar(newer, run.situation, now=run.now)
    assert recalendar(newer, step.after, now=run.now) is None
    assert replace(step.after.instance, calendar_digest=run.instance.calendar_digest) == run.instance
    before = {t.key: t for t in run.situation.timers}
    for timer in step.after.timers:
        old = before[timer.key]
        assert replace(timer, due_at=old.due_at) == old
        assert timer.due_at is None or timer.due_at >= old.due_at, "a day off more never brings a deadline forward"
    assert {old.key for old, _ in step.moved} == {t.key for t in step.after.timers if t != before[t.key]}


def _week_of(run: Run) -> list[date]:
    return [run.now.date() + timedelta(days=number) for number in range(1, 6)]


def test_the_names_of_the_programs_are_events():
    """The programs fire events that the definition has, so that they are not all refused."""
    assert set(NAMES) <= set(WORLDS["timetable"].definition.events)


@pytest.mark.parametrize("name", list(WORLDS))
def test_the_definitions_of_the_walks_start(name):
    """Each definition of these properties begins, so that a walk is one."""
    assert started(name).instance.version == 1


@given(programs())
@settings(max_examples=150, deadline=None)
def test_no_deadline_gets_more_than_its_budget(program):
    """Whatever was paused, resumed and reported late: what is left of a deadline is never more than it began with."""
    start, operations = program
    play = Play(start, sweeps=True)
    play.play(operations)
    definition = play.run.world.definition
    for timer in {timer for step in play.run.steps for timer in step.after.timers}:
        whole_budget = deadlines.budget(definition.timer(timer.key).after)
        assert (timer.remaining.days, timer.remaining.seconds) <= (whole_budget.days, whole_budget.seconds)
        assert timer.due_at is None or timer.due_at >= timer.base_at
