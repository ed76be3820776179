"""What expressions read and assignments write, in the words of the model: as the engine does it."""

from __future__ import annotations

import pytest
import z3

from tests.support.worlds import KNOWN, Run, world
from workflow.cli.prove import report_of
from workflow.load import load
from workflow.prove import Outcome, Verdict, prove
from workflow.prove.leaves import Reading, Scene
from workflow.prove.terms import Number, Opaque
from workflow.prove.words import Mode, Words
from workflow.states.definition import StatePath
from workflow.states.instance import Actor

TEXT = """
definition: small
language: 1
subject: applicant
roles: {clerk: {}}
fields:
  n: integer
  label: {type: string, personal: false, because: A test.}
  secret_name: {type: string, personal: true}
  many: {type: choice, values: [a, b, c], many: true}
checks: {code: {}}
events:
  ask: {by: [applicant]}
  tell:
    by: [applicant]
    payload:
      many: {field: many}
      n: {field: n}
      level: {type: choice, values: [low, high]}
      code: {type: secret}
    checks: [code]
  go: {by: [clerk]}
  leave: {by: [applicant]}
start: {event: ask}
initial: top
states:
  top:
    initial: a
    transitions: [{event: leave, target: gone}, {event: go, guard: GO, target: done}]
    states:
      a: {waits_forever: A test., transitions: [{event: tell, guard: TELL, SET target: b}]}
      b: {waits_forever: A test.}
  done: {outcome: success}
  gone: {outcome: failure}
policy:
  - {name: rule, RULE}
"""


def _text(*, go: str = "'true'", tell: str = "'true'", set_: str = "", rule: str = "never: {state: done}") -> str:
    text = TEXT.replace("GO", go).replace("TELL", tell).replace("SET", f"set: {{{set_}}}," if set_ else "")
    return text.replace("RULE", rule)


def _verdict(**parts: str) -> Verdict:
    return prove(load(_text(**parts), known=KNOWN), KNOWN).of("rule")


def _outcome(**parts: str) -> Outcome:
    return _verdict(**parts).outcome


@pytest.mark.parametrize("written", ["instance.state", "instance . state", "instance\\n.state"])
def test_a_state_is_read_in_each_leaf_however_it_is_written(written):
    """A guard of a group reads the leaf that the onboarding is in, and what holds in one leaf is not taken for another."""
    go = f"\"{written} == 'top.b'\""
    assert _outcome(go=go) is Outcome.REFUTED
    assert _outcome(go=go, rule="cel: {event: go, holds: instance.state == 'top.b'}") is Outcome.PROVEN


def test_an_expression_that_is_left_open_is_not_taken_for_another():
    """A guard that lets through what a property forbids is not proven because both read alike without their parentheses."""
    go = "instance.n * (1 + 1) > 3"
    run = Run(world=world(_text(go=go, set_="n: event.n")))
    run.begin(Actor.of("ana"))
    run.fire("tell", Actor.of("ana"), n=2)
    assert run.fire("go", Actor.of("bo", "clerk")).to_state == "done"  # with 2, where 2 * 1 + 1 > 3 is false
    assert _outcome(go=go, rule="cel: {event: go, holds: instance.n * 1 + 1 > 3}") is Outcome.UNKNOWN
    assert _outcome(go=go, rule="cel: {event: go, holds: 'instance.n*(1+1) > 3'}") is Outcome.PROVEN


def test_an_event_is_known_by_its_name():
    """`event.name` is the event that is fired."""
    go = "\"event.name == 'go' && instance.state != 'top.a'\""
    assert _outcome(go=go) is Outcome.REFUTED
    assert _outcome(go=go, rule="cel: {event: go, holds: event.name != 'tell'}") is Outcome.PROVEN


def test_a_computed_value_without_words_may_be_any():
    """What is computed by an expression that is not read is set to something; a run that rests on it is called open, not refuted."""
    set_ = "label: \"r'y'\""
    verdict = _verdict(go="instance.label == 'x'", set_=set_)
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.timeline
    assert _verdict(go="has.label", set_=set_, rule="cel: {event: go, holds: has.label}").outcome is Outcome.PROVEN


LATE = """
definition: late
language: 1
subject: applicant
roles: {}
fields: {at: instant}
events: {ask: {by: [applicant]}, leave: {by: [applicant]}, late: {by: engine}}
start: {event: ask}
initial: waiting
states:
  waiting:
    timers: [{name: late, after: P1D, event: late}]
    transitions: [{event: late, set: {at: COMPUTED}, target: gone}, {event: leave, target: left}]
  gone: {outcome: failure}
  left: {outcome: success}
policy:
  - {name: rule, requires: {event: late, leads_to: gone}}
"""


@pytest.mark.parametrize(
    ("computed", "expected"),
    [("now", Outcome.PROVEN), ("now + duration('1h')", Outcome.PROVEN), ("now + duration('1H')", Outcome.UNKNOWN)],
)
def test_an_assignment_that_may_fail_is_not_taken_for_one_that_does_not(computed, expected):
    """What the engine cannot compute when a deadline is reached leaves the onboarding where it is, so no proof may rest on it."""
    text = LATE.replace("COMPUTED", f'"{computed}"')
    run = Run(world=world(text))
    run.begin(Actor.of("ana"))
    run.wait(days=2).sweep()
    assert (run.instance.state == "gone") == (expected is Outcome.PROVEN)
    assert prove(load(text, known=KNOWN), KNOWN).of("rule").outcome is expected


def test_what_is_among_a_list_is_followed(tmp_path):
    """A list of a payload is kept item by item, and the counterexample says which items it needs."""
    parts = {"go": "\"'a' in instance.many && 'c' in instance.many\"", "tell": "\"!('b' in event.many)\"", "set_": "many: event.many"}
    assert _outcome(**parts, rule="cel: {event: go, holds: \"!('b' in instance.many)\"}") is Outcome.PROVEN
    path = tmp_path / "small.yaml"
    path.write_text(_text(**parts).replace("checks: {code: {}}", "checks: {code: {use: totp}}"), encoding="utf-8")
    verdict = report_of(path).of("rule")
    assert verdict.outcome is Outcome.REFUTED, verdict.reason
    assert set(verdict.timeline[1].wishes["many"]) == {"a", "c"}
    assert verdict.replayed.is_confirmed


def _reading() -> tuple[Reading, Words]:
    words = Words()
    return Reading(load(_text(), known=KNOWN), KNOWN, words, Mode()), words


@pytest.mark.parametrize("path", ["event.n", "facts.code.ok", "instance.secret_name", "instance.nothing", "other.thing", "now"])
def test_what_cannot_be_seen_there_is_open(path):
    """Outside of an event nothing is known of one; of a personal value, and without instants of the time, nothing ever is."""
    reading, _ = _reading()
    assert reading.leaf(path, Scene(leaf=StatePath("top.a"), event=None, now=None)) == Opaque()


@pytest.mark.parametrize("path", ["event.code", "event.nothing", "facts.nothing.ok", "facts.code.nothing"])
def test_what_an_event_does_not_show_is_open(path):
    """A secret, and what nobody has declared, is not read by any expression of the model."""
    reading, _ = _reading()
    tell = reading.definition.events["tell"]
    assert reading.leaf(path, Scene(leaf=StatePath("top.a"), event=tell, now=None)) == Opaque()
    assert isinstance(reading.leaf("event.n", Scene(leaf=StatePath("top.a"), event=tell, now=None)), Number)


def test_a_choice_that_was_not_made_is_empty():
    """An optional choice is one of its values or the empty text, nothing else."""
    reading, words = _reading()
    solver = z3.Solver()
    solver.add(*reading.payload_rules(reading.definition.events["tell"]))
    level = words.input("event.level", int)
    allowed = [reading.codes.of(text) for text in ("low", "high", "")]
    assert solver.check(level != allowed[0], level != allowed[1], level != allowed[2]) == z3.unsat
    assert all(solver.check(level == one) == z3.sat for one in allowed)
