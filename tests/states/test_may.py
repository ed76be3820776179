"""What may be done: verdicts without a payload, and open work."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.worlds import MONDAY, Run, world
from workflow.states.catalogue import Catalogue
from workflow.states.definition import Digest, EventName
from workflow.states.instance import Actor, ActorId, Delegation, Event
from workflow.states.may import earliest_due_at, events_of_interest, is_hopeless, open_work
from workflow.states.step import permit
from workflow.states.verdict import Allowed, Depends, Refused, Step

ANA, BEN, CY = Actor.of("ana"), Actor.of("ben", "boss:north"), Actor.of("cy", "clerk")
TEXT = """
definition: may
language: 1
subject: applicant
catalogue: sample
roles: {boss: {scope: network}, clerk: {}, visitor: {anyone: true, because: It shows a code.}}
fields:
  level: integer
  network: {type: string, personal: false, because: It names an office.}
  centre: {type: string, catalogue: centres, personal: false, because: It names an office.}
  seen_at: instant
checks: {code: {}, other: {use: code}}
events:
  begin: {by: [applicant], payload: {level: {field: level}, network: {field: network}}}
  plain: {by: [boss, clerk]}
  needs: {by: [clerk], payload: {note: {type: text, required: true}, agreed: {type: boolean, must_be: true}, more: text}}
  reads: {by: [clerk], payload: {by: integer, more: text}}
  falls: {by: [clerk], payload: {centre: {field: centre, default: gone}}}
  shown: {by: [visitor], checks: [code, other], payload: {code: secret}}
  lent: {by: [visitor], checks: [code], payload: {code: secret}}
  choice: {by: [clerk], payload: {level: integer}}
  divide: {by: [clerk]}
  vote: {by: [clerk, boss]}
  closed: {by: [clerk]}
  tick: {by: engine}
start: {event: begin, set: {level: event.level, network: event.network}}
transitions: [{event: tick, target: ended}]
states:
  open:
    timers: [{name: late, after: P9D, event: tick}, {name: soon, after: P1D, event: tick}]
    transitions:
      - {event: plain, target: open, reenter: true}
      - {event: needs}
      - {event: reads, set: {level: 10 / event.by}}
      - {event: falls, set: {centre: event.centre}}
      - {event: shown, guard: ["instance.level > 0", "facts.code.ok && facts.other.ok"], target: ended}
      - {event: lent, guard: actor.is_deputy && facts.code.ok, target: ended}
      - {event: choice, guard: instance.level > 5, target: ended}
      - {event: choice, guard: event.level > 1, target: ended}
      - {event: choice, guard: instance.level < 0}
      - {event: divide, set: {level: 10 / instance.level}}
      - {event: vote, quorum: {need: 2}, set: {level: 10 / instance.level}, target: ended}
      - {event: closed, guard: [instance.level > 5, has.seen_at]}
      - {event: closed, guard: instance.level > 5}
  ended: {outcome: success}
"""
CATALOGUE = Catalogue(name="sample", title="", sets={"centres": {"berlin": {}}}, digest=Digest("0" * 64), data={})
WORLD = world(TEXT, catalogue=CATALOGUE)


def run_at(level=2) -> Run:
    run = Run(WORLD, holders={"boss:north": ("ben",)})
    assert isinstance(run.begin(ANA, level=level, network="north"), Step)
    return run


@pytest.mark.parametrize(
    ("name", "level", "verdict"),
    [
        ("plain", 2, Allowed()),
        ("needs", 2, Depends(on=("note", "agreed"))),
        ("reads", 2, Depends(on=("by",))),
        ("shown", 2, Depends(on=("code", "other"))),
        ("choice", 2, Depends(on=("level",))),
        ("choice", 6, Allowed()),
        ("divide", 2, Allowed()),
        ("vote", 2, Allowed()),
    ],
)
def test_a_verdict_says_what_is_open(name, level, verdict):
    """`Depends` names required values, those that guards or assignments read, and the event's checks; otherwise it is decided."""
    assert run_at(level).may(name, CY) == verdict


def test_a_value_that_cannot_be_computed_refuses_beforehand():
    """What `decide` would refuse is no `Allowed`; a voice that is only counted writes nothing, and so cannot fail."""
    run = run_at(0)
    assert [reason.code for reason in run.may("divide", CY).reasons] == ["set_error"]
    assert run.may("vote", CY) == Allowed()
    run.fire("vote", CY)
    assert [reason.code for reason in run.may("vote", BEN).reasons] == ["set_error"]
    assert isinstance(run.fire("vote", BEN), Refused)


def test_a_default_that_does_not_fit_is_open():
    """A default that the catalogue does not know makes the event depend on a value."""
    assert run_at().may("falls", CY) == Depends(on=("centre",))
    fits = Catalogue(name="sample", title="", sets={"centres": {"gone": {}}}, digest=Digest("1" * 64), data={})
    run = run_at()
    run.world = replace(WORLD, catalogue=fits)
    assert run.may("falls", CY) == Allowed()
    assert isinstance(run.fire("falls", CY), Step)
    assert run.instance.fields["centre"] == "gone"


def test_a_refusal_has_the_reasons_of_every_transition():
    """All closed guards of all transitions, each once."""
    answer = run_at().may("closed", CY)
    assert [reason.message for reason in answer.reasons] == [
        "The guard 'instance.level > 5' does not hold.",
        "The guard 'has.seen_at' does not hold.",
    ]


def test_a_role_is_judged_before_anything_is_open():
    """Who lacks the role is refused, whatever the payload."""
    assert [reason.code for reason in run_at().may("needs", BEN).reasons] == ["role_missing"]
    assert [reason.code for reason in run_at().may("tick", BEN).reasons] == ["engine_only"]


def test_one_voice_is_enough():
    """Who was counted may not vote again."""
    run = run_at()
    run.fire("vote", CY)
    assert [reason.code for reason in run.may("vote", CY).reasons] == ["counted_already"]
    assert run.may("vote", BEN) == Allowed()


def judged(run, name, actor, **payload):
    return permit(
        run.world,
        run.situation,
        Event.of(name, actor, **payload),
        subject=run.instance.subject,
        delegations=run.delegations,
        holders=run.who,
        now=run.now,
    )


@pytest.mark.parametrize(
    ("level", "facts", "expected"),
    [
        (2, {}, False),
        (0, {}, True),
        (2, {"code.ok": False}, True),
        (2, {"code.ok": True}, False),
        (2, {"code.ok": True, "other.ok": False}, True),
        (2, {"code.ok": True, "other.ok": True}, False),
    ],
)
def test_checks_end_when_the_refusal_is_certain(level, facts, expected):
    """False and unknown is false: no second check is run once nothing can help any more."""
    run = run_at(level)
    permitted = judged(run, "shown", ANA, code="1")
    assert is_hopeless(run.world, run.situation, permitted, facts, delegations=(), now=run.now) is expected


def test_a_deputy_of_the_subject_is_known_to_be_one():
    """Whether it is hopeless is judged with the same delegations as the decision."""
    run = run_at()
    lent = Delegation(
        id="1", principal=ActorId("ana"), deputy=ActorId("dee"), role=None, scope=None, starts_at=MONDAY, ends_at=MONDAY + timedelta(days=1)
    )
    permitted = judged(run, "lent", Actor.of("dee"), code="1")
    assert not is_hopeless(run.world, run.situation, permitted, {}, delegations=(lent,), now=run.now)
    assert is_hopeless(run.world, run.situation, permitted, {}, delegations=(), now=run.now)
    run.delegations = (lent,)
    assert isinstance(run.fire("lent", Actor.of("dee"), code="1", facts={"code.ok": True}), Step)


def test_people_are_offered_what_people_may_do():
    """Events of the engine are nobody's choice; the order is that of the definition."""
    run = run_at()
    names = events_of_interest(run.world, run.instance.state)
    assert names == ("plain", "needs", "reads", "falls", "shown", "lent", "choice", "divide", "vote", "closed")
    assert events_of_interest(run.world, WORLD.definition.resolve("ended")) == ()


def test_open_work_is_a_row_for_each_role():
    """With the scope for which the role must be held, and the earliest running deadline."""
    run = run_at()
    work = open_work(run.world, run.situation)
    assert {(w.event, w.role, w.scope) for w in work if w.event == "plain"} == {("plain", "boss", "north"), ("plain", "clerk", None)}
    assert {w.due_at for w in work} == {MONDAY + timedelta(days=1)}
    assert not {w.role for w in work} & {"visitor"}


def test_without_a_running_deadline_work_has_none():
    """An ended onboarding has neither."""
    run = run_at()
    run.wait(days=2).sweep()
    assert run.instance.outcome == "success"
    assert open_work(run.world, run.situation) == ()
    assert earliest_due_at(run.situation) is None


def test_the_subjects_work_is_scoped_to_the_subject():
    """A queue shows the subject what is theirs and nobody else's."""
    run = Run(world(TEXT.replace("plain: {by: [boss, clerk]}", "plain: {by: [applicant]}"), catalogue=CATALOGUE))
    run.begin(ANA, level=1, network="north")
    assert [(w.role, w.scope) for w in open_work(run.world, run.situation) if w.event == EventName("plain")] == [("applicant", "ana")]
