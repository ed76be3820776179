"""The machine: which transition an event takes, and which states that leaves and enters."""

from __future__ import annotations

import pytest

from tests.support.worlds import KNOWN, MONDAY, Run, world
from workflow.states.definition import ActionUse, EventName, StatePath
from workflow.states.instance import Actor
from workflow.states.machine import Choice, Unmet
from workflow.states.moves import move_of
from workflow.states.verdict import Refused, Step
from workflow.states.view import View

ANA, BEN, CY, DEE = Actor.of("ana"), Actor.of("ben", "boss"), Actor.of("cy", "clerk"), Actor.of("dee", "boss", "clerk")
TEXT = """
definition: machine
language: 1
subject: applicant
roles: {boss: {}, clerk: {}, visitor: {anyone: true, because: It shows a code.}}
fields: {level: integer, seen_at: instant}
checks: {code: {}}
events:
  begin: {by: [applicant], payload: {level: {field: level}}}
  go: {by: [boss]}
  open: {by: [visitor], checks: [code], payload: {code: secret}}
  vote: {by: [boss, clerk]}
  twice: {by: [boss]}
  once: {by: [boss]}
  only: {by: [boss, clerk]}
  named: {by: [boss]}
  stop: {by: [applicant]}
  odd: {by: [boss]}
  ring: {by: engine}
start: {event: begin, set: {level: event.level}}
transitions:
  - {event: stop, target: ended}
  - {event: go, target: ended}
states:
  outer:
    initial: inner
    waits_forever: a test
    entry: [{mail: outer_in}]
    exit: [{mail: outer_out}]
    transitions:
      - {event: go, guard: instance.level > 100, target: ended}
      - {event: open, guard: facts.code.ok, target: ended}
      - {event: vote, quorum: {need: 2}, target: ended, actions: [{mail: voted}]}
      - {event: twice, quorum: {need: 2, distinct: false}, guard: instance.level > 0, target: ended}
      - {event: once, quorum: {need: 1}, target: ended}
      - {event: only, quorum: {need: 2, role: boss}, target: ended}
      - {event: named, guard: "event.name == 'named'", target: other}
      - event: odd
        guard: [{when: "now - instance.seen_at < duration('1h')", code: not_seen, needed: a look}, instance.level > 7]
        target: ended
    states:
      inner:
        waits_forever: a test
        transitions:
          - {event: go, guard: instance.level == 1, target: inner_two}
          - {event: go, guard: instance.level >= 1, target: other, actions: [{mail: gone}]}
      inner_two: {waits_forever: a test}
  other:
    timers: [{name: bell, after: P1D, event: ring}]
    entry: [{mail: other_in}]
    transitions: [{event: go, target: inner_two}, {event: ring, target: outer}]
  ended: {outcome: success}
"""
WORLD = world(TEXT)
TABLE = WORLD.table


def run_at(level=2) -> Run:
    run = Run(WORLD)
    assert isinstance(run.begin(ANA, level=level), Step)
    return run


def leaf(name) -> StatePath:
    return WORLD.definition.resolve(name)


def test_the_inner_state_handles_the_event():
    """The innermost state that mentions an event handles it, with its transitions only, in their order."""
    arrows = TABLE.arrows(leaf("inner"), EventName("go"))
    assert [(a.transition.source, a.transition.index) for a in arrows] == [("outer.inner", 0), ("outer.inner", 1)]
    assert [a.transition.source for a in TABLE.arrows(leaf("inner_two"), EventName("go"))] == ["outer"]
    assert [a.transition.source for a in TABLE.arrows(leaf("ended"), EventName("go"))] == [""]


def test_the_first_transition_whose_guards_hold_is_taken():
    """Both guards hold for the level 1; the one that is declared first wins."""
    assert run_at(1).fire("go", BEN).to_state == "outer.inner_two"
    assert run_at(2).fire("go", BEN).to_state == "other"


def test_an_inner_guard_has_no_way_around():
    """An event refused by the inner state does not bubble to the outer one, which would take it."""
    answer = run_at(0).fire("go", BEN)
    assert [reason.message for reason in answer.reasons] == [
        "The guard 'instance.level == 1' does not hold.",
        "The guard 'instance.level >= 1' does not hold.",
    ]


def test_the_events_of_a_state_are_its_own_and_inherited_ones():
    """What a state handles includes what its ancestors handle."""
    assert set(TABLE.events_in(leaf("inner_two"))) == {"go", "open", "vote", "twice", "once", "only", "named", "odd", "stop"}
    assert set(TABLE.events_in(leaf("ended"))) == {"stop", "go"}


def test_work_is_what_somebody_must_do():
    """Events of the root hold everywhere and are nobody's work; neither is what anyone may do."""
    work = {(event, role.name) for event, role in TABLE.work_in(leaf("inner"))}
    assert ("go", "boss") in work
    assert not {event for event, _ in work} & {"open", "stop"}
    assert TABLE.work_in(leaf("ended")) == ()
    assert TABLE.work_in(StatePath("nowhere")) == ()


def test_an_event_that_a_state_does_not_handle_says_where_it_is_possible():
    """The refusal names the states, so that a person knows what has to happen first."""
    run = run_at()
    run.fire("go", BEN)
    reason = run.fire("vote", BEN).reasons[0]
    assert (reason.code, reason.needed) == ("wrong_state", "one of the states outer.inner, outer.inner_two")
    assert TABLE.wrong_state(EventName("begin"), leaf("other")).needed == ""


def test_choosing_in_the_wrong_state_is_told_by_the_machine_too():
    """Who asks the machine directly gets the same answer."""
    run = run_at()
    view = View(definition=WORLD.definition, instance=run.instance, event=EventName("ring"), now=MONDAY)
    choice = TABLE.choose(EventName("ring"), view, "engine")
    assert isinstance(choice, Unmet)
    assert [reason.code for reason in choice.reasons] == ["wrong_state"]
    assert isinstance(TABLE.choose(EventName("named"), view, "ben"), Unmet | Choice)


def test_a_guard_may_ask_for_the_name_of_the_event():
    """`event.name` is always known, so `may` needs no payload for it."""
    run = run_at()
    assert type(run.may("named", BEN)).__name__ == "Allowed"
    assert run.fire("named", BEN).to_state == "other"


def test_a_failing_guard_uses_the_definitions_words():
    """A rule's own code, message and need; the precise fault is for the history only."""
    answer = run_at(3).fire("odd", BEN)
    first, second = answer.reasons
    assert (first.code, first.needed) == ("not_seen", "a look")
    assert first.private.startswith("guard_error: ")
    assert len(first.private) <= 200
    assert (second.code, second.private) == ("guard_false", "")


def test_a_guard_whose_check_was_not_run_was_not_judged():
    """A missing fact is no false one: the reason says so to the history, and the refusal names the check."""
    run = run_at()
    answer = run.fire("open", ANA)
    assert isinstance(answer, Refused)
    assert ([reason.private for reason in answer.reasons], answer.checks) == (["not_judged"], {"code"})


def test_a_quorum_of_different_people():
    """Each voice of another person counts; the last one takes the transition and its actions."""
    run = run_at()
    first = run.fire("vote", BEN)
    assert (first.to_state, first.effects, run.instance.tallies["vote"].count) == ("outer.inner", (), 1)
    assert [reason.code for reason in run.fire("vote", BEN).reasons] == ["counted_already"]
    last = run.fire("vote", CY)
    assert (last.to_state, [effect.name for effect in last.effects]) == ("ended", ["outer_out", "voted"])


def test_a_quorum_may_count_one_person_twice():
    """With `distinct: false` voices are counted, not people."""
    run = run_at()
    assert run.fire("twice", BEN).to_state == "outer.inner"
    assert run.fire("twice", BEN).to_state == "ended"


def test_a_voice_needs_its_guards():
    """A voice that the guards refuse is not counted."""
    run = run_at(0)
    assert isinstance(run.fire("twice", BEN), Refused)
    assert run.instance.tallies == {}


def test_a_quorum_of_one_is_reached_at_once():
    """The present voice is counted."""
    assert run_at().fire("once", BEN).to_state == "ended"


def test_a_quorum_counts_its_role_only():
    """Who may fire the event in another role has no voice, and is told so."""
    run = run_at()
    answer = run.fire("only", CY)
    assert [(reason.code, reason.needed) for reason in answer.reasons] == [("role_missing", "the role boss")]
    assert run.instance.tallies == {}
    run.fire("only", DEE)
    assert run.fire("only", BEN).to_state == "ended"
    assert [reason.code for reason in run_at().fire("only", ANA).reasons] == ["role_missing"], "told once"


def uses(move):
    return [use.name for use in move.uses]


def test_a_move_is_worked_out_once():
    """The same transition in the same leaf is the same move."""
    arrow = TABLE.arrows(leaf("inner"), EventName("go"))[1]
    assert TABLE.move(arrow.transition, leaf("inner")) is TABLE.move(arrow.transition, leaf("inner"))
    assert uses(TABLE.move(arrow.transition, leaf("inner"))) == ["outer_out", "gone", "other_in"]
    assert TABLE.move(None, leaf("inner")).leaf == leaf("inner")
    assert TABLE.move(WORLD.definition.start, None).entered == ("", "outer", "outer.inner")


def test_a_target_inside_another_compound_enters_all_of_it():
    """From outside, the compound is entered on the way to its child."""
    arrow = TABLE.arrows(leaf("other"), EventName("go"))[0]
    move = TABLE.move(arrow.transition, leaf("other"))
    assert (move.left, move.entered, uses(move)) == (("other",), ("outer", "outer.inner_two"), ["outer_in"])


def test_a_compound_target_is_entered_down_to_its_first_leaf():
    """A target that has children means the child that is entered first."""
    arrow = TABLE.arrows(leaf("other"), EventName("ring"))[0]
    assert (arrow.transition.declared_target, arrow.transition.target) == ("outer", "outer.inner")


def test_a_start_goes_somewhere():
    """A start without a target cannot be worked out; the loader always gives it one."""
    with pytest.raises(ValueError, match="needs a target"):
        move_of(WORLD.definition, None, None)


def test_a_table_needs_no_second_compilation():
    """Building it again gives the same answers: nothing of an onboarding is kept in it."""
    again = type(TABLE)(WORLD.definition, KNOWN)
    run = run_at(1)
    run.fire("go", BEN)
    assert again.events_in(leaf("inner")) == TABLE.events_in(leaf("inner"))
    assert again.tallied_in(leaf("inner")) == {"vote", "twice", "once", "only"}
    assert isinstance(WORLD.definition.states[leaf("outer")].entry[0], ActionUse)
