"""Counterexamples on the real engine: it follows what it can do itself, and what it does otherwise ends the replay."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest

from workflow import bootstrap
from workflow.cli.prove import report_of
from workflow.errors import RefusedError
from workflow.prove import Happening, Outcome
from workflow.prove.replay import Everybody, Replay, ScriptedChecks, StrayedError
from workflow.settings import development_keys
from workflow.states.instance import Actor, ActorId, Event
from workflow.testing.clock import VirtualClock

TEXT = """
definition: small
language: 1
subject: applicant
roles: {clerk: {}}
fields:
  email: {type: email, unique: {on_conflict: asked_again}}
  n: integer
erasure: forget
checks: {code: {use: totp}}
events:
  forget: {by: engine}
  asked_again: {by: engine}
  ask: {by: [applicant], payload: {email: {field: email, required: true}}}
  sent: {by: engine}
  unsent: {by: engine}
  enter: {by: [applicant], payload: {code: {type: secret, required: true}}, checks: [code]}
  number: {by: [clerk], payload: {n: {type: integer, min: 1, max: 9}}}
  go: {by: [clerk]}
  leave: {by: [applicant]}
  late: {by: engine}
start: {event: ask, set: {email: event.email}}
initial: waiting
transitions:
  - {event: forget, target: gone}
  - {event: leave, target: gone}
  - {event: asked_again}
states:
  waiting:
    entry: [{mail: password_link, done: sent, failed: unsent}]
    timers: [{name: late, after: P1D, event: late}]
    transitions:
      - {event: sent}
      - {event: unsent, target: failed}
      - {event: enter, guard: facts.code.ok, target: entered}
      - {event: number, set: {n: event.n}}
      - {event: go, target: done}
      - {event: late, target: gone}
  failed:
    waits_forever: A test.
    transitions: [{event: go, target: done}]
  entered:
    waits_forever: A test.
    transitions: [{event: go, target: done}]
  done: {outcome: success}
  gone: {outcome: failure}
policy:
RULES
"""


def _written(tmp_path, *rules: str):
    path = tmp_path / "small.yaml"
    path.write_text(TEXT.replace("RULES", "\n".join(f"  - {{name: rule {i}, {rule}}}" for i, rule in enumerate(rules))), encoding="utf-8")
    return path


@contextmanager
def _replay(tmp_path):
    path, clock, known = _written(tmp_path, "never: {event: go, actor: subject}"), VirtualClock(), bootstrap.known()
    checks = ScriptedChecks(known)
    with bootstrap.open_engine(f"sqlite:///{tmp_path / 'replay.db'}", keys=development_keys(), clock=clock, upgrade=True) as opened:
        bootstrap.publish(opened, path)
        engine = type(opened)(replace(opened.parts, checks=checks, directory=Everybody()), opened.store)

        def dispatch(one, performer):
            return bootstrap.dispatch(one, performer=performer, base_url="https://replay.example")

        definition = engine.newest("small").world.definition
        yield Replay(engine=engine, clock=clock, checks=checks, definition=definition, make_dispatch=dispatch)


def _happening(kind: str, event: str, seconds: float = 0.0, **more) -> Happening:
    return Happening(kind=kind, event=event, source="", target="", seconds=seconds, **more)


ASK = _happening("start", "ask", who="subject")


def _sent(seconds: float = 0.0) -> Happening:
    return _happening("reported", "sent", seconds, report="sent")


def _unsent(seconds: float = 0.0) -> Happening:
    return _happening("reported", "unsent", seconds, report="sent")


def test_what_checks_find_is_what_the_counterexample_says(tmp_path):
    """Facts that it does not speak of are false; the engine goes through the door only when they are found."""
    entering = _happening("event", "enter", who="subject", facts={"code": {"ok": True}})
    with _replay(tmp_path) as replay:
        replay.run([ASK, entering])
        assert replay.instance.state == "entered"
    with _replay(tmp_path / "..") as replay, pytest.raises(RefusedError):
        replay.run([ASK, replace(entering, facts={})])


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        ([ASK, _sent(5)], "waiting"),
        ([ASK, _unsent(5)], "failed"),
        ([ASK, _happening("fired", "late", 10, timer="waiting.late")], "gone"),
        ([ASK, _happening("idle", "", 90_000)], "gone"),
        ([ASK, _happening("told", "forget", 5)], "gone"),
        ([ASK, _happening("event", "go", who="for-7", for_whom="somebody")], "done"),
    ],
)
def test_the_engine_does_what_the_counterexample_tells(tmp_path, timeline, expected):
    """Reports of both kinds, deadlines that it has computed itself, time that passes, erasure, and deputies."""
    with _replay(tmp_path) as replay:
        replay.run(timeline)
        assert replay.instance.state == expected
        assert len(replay.situations) == len(timeline)


def test_a_message_that_failed_for_good_may_be_sent_again(tmp_path):
    """After a failure that an operator has put right the same message reports its success."""
    with _replay(tmp_path) as replay:
        replay.run([ASK, _unsent(5), _sent(10)])
        events = [row.event for row in replay.engine.history(replay.instance_id)]
        assert events[-2:] == ["unsent", "sent"]


@pytest.mark.parametrize(
    ("timeline", "words"),
    [
        ([_happening("idle", "")], "Nothing has begun"),
        ([_happening("fired", "late", timer="waiting.late")], "Nothing has begun"),
        ([_happening("told", "forget")], "cannot make the engine do 'forget'"),
        ([ASK, _happening("told", "asked_again")], "cannot make the engine do 'asked_again'"),
        ([ASK, _happening("stale", "unsent", report="sent")], "cannot make the engine do 'unsent'"),
        ([ASK, _happening("reported", "sent", report="other")], "no message whose outcome 'sent' could report"),
        ([ASK, _sent(), _sent()], "no message whose outcome 'sent' could report"),
        ([ASK, _happening("event", "number", who="actor-1", wishes={"n": 12})], "No payload of 'number'"),
    ],
)
def test_what_the_engine_cannot_be_made_to_do_ends_the_replay(tmp_path, timeline, words):
    """A replay strays with a reason, and never goes on with another run than the one that was found."""
    with _replay(tmp_path) as replay, pytest.raises(StrayedError, match=words):
        replay.run(timeline)


def test_a_start_that_is_merged_is_none(tmp_path):
    """Where the unique value belongs to another onboarding the engine starts nothing, and that is not followed."""
    with _replay(tmp_path) as replay:
        replay.run([ASK])
        with pytest.raises(StrayedError, match="did not accept 'ask'"):
            replace(replay, instance_id=None, situations=[]).run([ASK])


def test_a_deputy_is_one_for_one_step_only(tmp_path):
    """Two deputies at the same instant are two delegations, and neither is left for the steps that follow."""
    first = _happening("event", "number", who="somebody", for_whom="subject", wishes={"n": 3})
    second = _happening("event", "number", who="actor-2", for_whom="for-2", wishes={"n": 4})
    with _replay(tmp_path) as replay:
        replay.run([ASK, first, second])
        assert replay.instance.fields["n"] == 4
        with pytest.raises(RefusedError):
            replay.engine.fire(replay.instance_id, Event.of("number", Actor.of("somebody"), {"n": 5}))


def test_everybody_holds_every_role_and_can_be_reached():
    """The people of a counterexample are the only ones there are."""
    everybody = Everybody()
    assert {"subject", "somebody", "for-0", "for-40"} <= set(everybody.holders("clerk", None))
    assert everybody.holders("clerk", "north") == everybody.holders("boss", None)
    assert everybody.address(ActorId("somebody"))["email"].startswith("somebody@")


def test_a_deputy_who_breaks_a_property_is_shown_on_the_engine(tmp_path):
    """`!actor.is_deputy` is refuted by somebody who acts for another, and the engine confirms it."""
    verdict = report_of(_written(tmp_path, 'cel: {event: go, holds: "!actor.is_deputy"}')).of("rule 0")
    assert verdict.outcome is Outcome.REFUTED, verdict.reason
    assert verdict.timeline[-1].for_whom
    assert " for " in verdict.timeline[-1].line()


def test_runs_through_failures_and_erasures_are_confirmed(tmp_path):
    """A failed message, and the end that an erasure brings, are in the engine's own history."""
    report = report_of(_written(tmp_path, "never: {state: failed}", "never: {event: forget, earlier_than: P1D, since: waiting}"))
    assert [(v.rule.name, v.outcome, v.reason) for v in report.verdicts if v.outcome is not Outcome.REFUTED] == []
    assert [v.timeline[-1].kind for v in report.verdicts] == ["reported", "told"]
