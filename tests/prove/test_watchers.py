"""What a property means to a proof, kind by kind: the sound definition is proven, the smallest fault is not, and limits are said."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pytest

from tests.support.worlds import KNOWN
from workflow.load import load
from workflow.prove import Outcome, Verdict
from workflow.prove.model import Model
from workflow.prove.monitors import Monitor, UnencodedError
from workflow.prove.premises import is_possible, reachable
from workflow.prove.proving import COARSE, Prover
from workflow.prove.responses import monitor_of
from workflow.prove.solve import Budget, decide
from workflow.prove.spread import LostError, spread
from workflow.prove.system import Mentions, plain_arcs, system_of
from workflow.states.definition import Property
from workflow.states.machine import Table

TEXT = """
definition: small
language: 1
calendar: office
subject: applicant
roles: {clerk: {}, boss: {}}
fields: {is_safe: boolean, note: text}
checks: {code: {}}
events:
  ask: {by: [applicant]}
  sent: {by: engine}
  enter: {by: [applicant], payload: {code: {type: secret, required: true}}, checks: [code]}
  look: {by: [clerk], payload: {note: {field: note}}}
  pause: {by: [clerk]}
  resume: {by: [applicant]}
  approve: {by: [boss]}
  leave: {by: [applicant]}
  late: {by: engine}
start: {event: ask}
initial: waiting
states:
  waiting:
    entry: [{mail: password_link, done: sent}]
    timers: [{name: late, after: P2D, event: late}]
    transitions:
      - {event: sent}
      - {event: enter, guard: facts.code.ok, set: {is_safe: "true"}, target: deciding}
      - {event: late, target: closed, actions: [{mail: rejected}]}
  deciding:
    initial: looking
    paused_in: [paused]
    timers: [{name: slow, after: P3D, event: late}]
    transitions: [{event: late, target: closed, actions: [{mail: rejected}]}]
    states:
      looking:
        transitions: [{event: look}, {event: pause, target: paused}, {event: approve, target: done}]
      paused:
        waits_forever: A test.
        transitions: [{event: resume, target: looking}]
  done: {outcome: success}
  closed: {outcome: failure}
policy:
  - {name: rule, RULE}
"""


def _prover(rule: str, *edits: tuple[str, str], **more: object) -> Prover:
    text = TEXT.replace("RULE", rule)
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return Prover(load(text, known=KNOWN), KNOWN, **more)


def _verdict(rule: str, *edits: tuple[str, str], **more: object) -> Verdict:
    prover = _prover(rule, *edits, **more)
    return prover.prove(prover.definition.policy[0])


@pytest.mark.parametrize(
    ("rule", "edit"),
    [
        ("never: {event: look, actor: boss}", ("look: {by: [clerk]", "look: {by: [clerk, boss]")),
        (
            "always: {event: enter, leads_to: [done, late]}",
            ("{event: resume, target: looking}", "{event: resume, target: closed}"),
        ),
        ("always: {state: deciding, leads_to: [done, late]}", ("{event: resume, target: looking}", "{event: resume, target: closed}")),
        (
            "requires: {event: late, effect: mail.rejected, when: instance.is_safe}",
            (
                "slow, after: P3D, event: late}]\n    transitions: [{event: late, target: closed, actions: [{mail: rejected}]}]",
                "slow, after: P3D, event: late}]\n    transitions: [{event: late, target: closed}]",
            ),
        ),
        ("never: {event: late, earlier_than: P2D, since: ask}", ("late, after: P2D", "late, after: P1D")),
    ],
)
def test_the_sound_definition_is_proven_and_the_fault_is_not(rule, edit):
    """Each kind of property holds for all runs, and no longer does with the fault that it is about."""
    assert _verdict(rule).outcome is Outcome.PROVEN
    assert _verdict(rule, edit).outcome is not Outcome.PROVEN


@pytest.mark.parametrize("distinct", ["", ", distinct: true"])
def test_a_quorum_is_as_many_voices_as_it_needs(distinct):
    """With two voices needed a third is never heard, with three it is: of anybody, or of different people."""
    rule, plain = "cel: {event: approve, holds: count.approve < 2}", "{event: approve, target: done}"
    tallied = ("paused_in: [paused]", "paused_in: [paused]\n    tally: [approve]")
    for need, expected in ((2, Outcome.PROVEN), (3, Outcome.REFUTED)):
        voices = (plain, f"{{event: approve, quorum: {{need: {need}{distinct}}}, target: done}}")
        verdict = _verdict(rule, tallied, voices)
        assert verdict.outcome is expected
        assert [one.event for one in verdict.timeline].count("approve") == (0 if need == 2 else 3)


def test_a_requirement_is_asked_only_when_its_condition_holds():
    """`when` is judged by what the event finds: without a way to a safe instance the effect may be missing."""
    rule = "requires: {event: late, effect: mail.rejected, when: instance.is_safe}"
    without = ("- {event: late, target: closed, actions: [{mail: rejected}]}\n  deciding", "- {event: late, target: closed}\n  deciding")
    assert _verdict(rule, without).outcome is Outcome.PROVEN


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("always: {state: deciding, leads_to: [done, late], within: P1D, clock: deciding.slow}", "Its clock pauses"),
        ("never: {event: approve, later_than: 2bd, since: enter}", "does not compute working time"),
        ("always: {state: deciding, leads_to: [done, late], within: 1bd}", "working time"),
    ],
)
def test_what_the_model_has_no_words_for_is_unknown(rule, words):
    """A limit of the model is said, never passed over."""
    verdict = _verdict(rule)
    assert verdict.outcome is Outcome.UNKNOWN
    assert words in verdict.reason


@pytest.mark.parametrize(
    ("rule", "expected", "words"),
    [
        ("field: {name: [note, code], is: personal}", Outcome.PROVEN, "by inspection"),
        ("field: {name: note, is: secret}", Outcome.REFUTED, "does not mark note as secret"),
        ("field: {name: code, is: unique}", Outcome.UNKNOWN, "There is no value 'code'"),
        ("never: {event: late, same_actor_as: sent}", Outcome.UNKNOWN, "The engine itself is the only actor"),
        ("never: {event: look, actor: boss}", Outcome.PROVEN, "by inspection"),
    ],
)
def test_what_needs_no_run_is_answered_from_the_definition(rule, expected, words):
    """Marks, and who may at all, are written down; what no value can have, and what only the engine does, is not called proven."""
    verdict = _verdict(rule)
    assert verdict.outcome is expected
    assert words in verdict.reason


def _model(rule: str = "never: {event: look, actor: boss}") -> Model:
    definition = load(TEXT.replace("RULE", rule), known=KNOWN)
    return Model(Table(definition, KNOWN), KNOWN, COARSE)


@pytest.mark.parametrize(
    ("kind", "body"), [("field", {"name": "note", "is": "personal"}), ("never", {}), ("never", {"event": "late", "same_actor_as": "sent"})]
)
def test_a_property_that_is_not_about_runs_has_no_watcher(kind, body):
    """A mark of a field, a form that nobody wrote, and an event that only the engine brings: there is nothing to watch."""
    with pytest.raises(UnencodedError):
        monitor_of(_model(), Property(name="p", kind=kind, body=body))


def test_what_is_no_duration_is_not_measured():
    """A watcher says which word it could not read."""
    with pytest.raises(UnencodedError, match="'soon' is no duration"):
        Monitor(_model(), Property(name="p", kind="always", body={"within": "soon"})).unit("within")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("field: {name: note, is: personal}", True),
        ("cel: {state: done, holds: instance.is_safe}", True),
        ("requires: {event: resume, state: waiting, leads_to: done}", False),
        ("never: {event: approve, actor: clerk}", True),
    ],
)
def test_what_can_never_happen_is_told_from_what_can(rule, expected):
    """A premise is possible unless no step that can be taken is what the property speaks of."""
    model = _model(rule)
    assert is_possible(model, model.definition.policy[0], reachable(model)) is expected


def test_without_time_nothing_is_said():
    """A proof that may cost nothing answers UNKNOWN with the reason, whichever limit it meets."""
    rule = "always: {event: enter, leads_to: [done, late]}"
    assert _verdict(rule, seconds=-1.0).reason == "time was over"
    meager = _verdict("cel: {state: done, holds: instance.is_safe}", work=1)
    assert meager.outcome is Outcome.UNKNOWN
    assert "did not decide" in meager.reason


def test_a_question_without_time_is_not_answered():
    """Neither safe nor broken is guessed once the time is over."""
    model, mentions = _model("cel: {state: done, holds: instance.is_safe}"), Mentions()
    system = system_of(monitor_of(model, model.definition.policy[0]), mentions, tuple(plain_arcs(model.rules, mentions)))
    assert decide(system, budget=Budget(work=1_000_000, until=time.monotonic() - 1)).is_safe is None
    assert decide(system, budget=Budget(work=40_000_000, until=time.monotonic() + 60)).is_safe is True


def _shared(thing: int) -> int:
    if thing == 3:
        raise ValueError("three")
    if thing == 5:
        os._exit(1)
    return thing * thing


def test_work_in_several_processes_gives_the_same_answers():
    """Every thing has its answer, whichever process gave it."""
    assert dict(spread(_shared, [1, 2, 4, 6], jobs=2)) == dict(spread(_shared, [1, 2, 4, 6], jobs=1)) == {0: 1, 1: 4, 2: 16, 3: 36}


def test_what_goes_wrong_in_a_process_is_raised_here():
    """An error of the work is the caller's to see; a process that ends without its answers is an error too."""
    with pytest.raises(ValueError, match="three"):
        dict(spread(_shared, [1, 3, 2], jobs=2))
    with pytest.raises(LostError):
        dict(spread(_shared, [1, 5, 2], jobs=2))


def _held(thing: int) -> int:
    if thing:
        signal.pause()
    return thing


def test_who_stops_listening_leaves_no_process_behind():
    """The processes of work that nobody waits for any more are ended."""
    answers = spread(_held, [0, 1, 2], jobs=3)
    assert next(answers) == (0, 0)
    held = multiprocessing.active_children()
    assert len(held) >= 2
    answers.close()
    assert not any(one.is_alive() for one in held)
