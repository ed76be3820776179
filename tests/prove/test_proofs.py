"""Proofs: good definitions are proven, seeded faults are refuted and confirmed on the engine, nothing is passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.worlds import KNOWN
from workflow.bootstrap import find_definition
from workflow.cli.app import app
from workflow.cli.prove import confirming, report_of
from workflow.load import load
from workflow.prove import Outcome, prove
from workflow.prove.proving import Prover

GOOD = Path(__file__).parents[1] / "definitions" / "good"
SMALL = """
definition: small
language: 1
subject: applicant
roles: {clerk: {}, boss: {}}
fields: {reason: text, is_safe: boolean}
checks: {code: {}}
events:
  ask: {by: [applicant]}
  sent: {by: engine}
  enrol: {by: [applicant], payload: {code: {type: secret, required: true}}, checks: [code]}
  examine: {by: [clerk], decision: examination, payload: {reason: {type: text, required: true}}}
  approve: {by: [boss], decision: approval}
  again: {by: [applicant]}
  late: {by: engine}
  over: {by: engine}
start: {event: ask}
initial: asked
states:
  asked:
    entry: [{mail: password_link, link: hello, done: sent}]
    tally: [again]
    timers:
      - {name: link, since: sent, after: PT5M, event: over}
      - {name: forgotten, after: P2D, event: late}
    transitions:
      - {event: enrol, guard: facts.code.ok, set: {is_safe: "true"}, target: enrolled}
      - {event: again, guard: count.again < 2}
      - {event: over, target: closed}
      - {event: late, target: closed}
  enrolled:
    timers: [{name: late, after: P1D, event: late}]
    transitions:
      - {event: examine, set: {reason: event.reason}, target: examined}
      - {event: late, target: closed}
  examined:
    timers: [{name: late, after: P1D, event: late}]
    transitions:
      - {event: approve, target: approved}
      - {event: late, target: closed}
  approved: {outcome: success, entry: [{mail: approved}]}
  closed: {outcome: failure, entry: [{mail: rejected}]}
policy:
  - {name: second factor, never: {state: approved, before: enrolled}}
  - {name: not the own one, never: {event: approve, actor: subject}}
  - {name: four eyes, never: {event: approve, same_actor_as: examine}}
  - {name: the link dies, never: {event: enrol, later_than: PT5M, since: sent}}
  - {name: answered, always: {state: enrolled, leads_to: [approved, examined, closed], within: P1D}}
  - {name: not too often, never: {event: again, more_than: 2}}
  - {name: an end is told, requires: {event: late, effect: mail.rejected}}
  - {name: a reason is kept, cel: {state: approved, holds: "has.reason && instance.is_safe"}}
  - {name: the code is secret, field: {name: code, is: secret}}
"""
FAULTS = {
    "second factor": ("{event: again, guard: count.again < 2}", "{event: again, guard: count.again < 2, target: approved}"),
    "not the own one": ("approve: {by: [boss], decision: approval}", "approve: {by: [boss]}"),
    "four eyes": ("approve: {by: [boss], decision: approval}", "approve: {by: [boss], decision: examination}"),
    "the link dies": ("since: sent, after: PT5M", "since: sent, after: PT6M"),
    "answered": ("timers: [{name: late, after: P1D, event: late}]", "timers: [{name: late, after: P3D, event: late}]"),
    "not too often": ("guard: count.again < 2", "guard: count.again < 3"),
    "an end is told": ("approved}]}\n  closed: {outcome: failure, entry: [{mail: rejected}]}", "rejected}]}\n  closed: {outcome: failure}"),
    "a reason is kept": ("{event: examine, set: {reason: event.reason}, target", "{event: examine, target"),
}


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "small.yaml"
        path.write_text(text.replace("checks: {code: {}}", "checks: {code: {use: totp}}"), encoding="utf-8")
        return path

    return write


def test_a_sound_definition_is_proven(written):
    """Every property holds for all runs, and the report says so."""
    report = report_of(written(SMALL))
    assert {v.rule.name: v.outcome for v in report.verdicts} == dict.fromkeys([v.rule.name for v in report.verdicts], Outcome.PROVEN)
    assert report.is_proven


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_refuted_and_confirmed(written, name):
    """The property that the fault breaks has a timeline, and the real engine's history breaks it too."""
    old, new = FAULTS[name]
    assert old in SMALL
    report = report_of(written(SMALL.replace(old, new, 1)))
    verdict = report.of(name)
    assert verdict.outcome is Outcome.REFUTED, verdict.reason
    assert verdict.timeline
    assert verdict.replayed is not None
    assert verdict.replayed.is_confirmed
    assert verdict.replayed.lines
    assert not report.is_proven


def test_a_run_that_the_engine_does_not_follow_refutes_nothing(written):
    """A counterexample that rests on what is not translated is UNKNOWN, with the expression that was left open."""
    text = SMALL.replace("guard: facts.code.ok,", "guard: [facts.code.ok, instance.label.startsWith('x')],")
    text = text.replace("{reason: text,", "{label: {type: string, personal: false, because: A test.}, reason: text,")
    text = text.replace("never: {state: approved, before: enrolled}", "never: {state: enrolled}")
    verdict = report_of(written(text)).of("second factor")
    assert verdict.outcome is Outcome.UNKNOWN
    assert "does not confirm" in verdict.reason
    assert verdict.opaque


def test_working_time_without_a_timer_that_bounds_it_is_unknown():
    """What the model cannot say is UNKNOWN with the reason, not PROVEN."""
    text = SMALL.replace("language: 1\n", "language: 1\ncalendar: office\n").replace("within: P1D", "within: 1bd")
    verdict = prove(load(text, known=KNOWN), KNOWN).of("answered")
    assert verdict.outcome is Outcome.UNKNOWN
    assert "working time" in verdict.reason


@pytest.mark.parametrize("path", [p for p in sorted(GOOD.glob("*.yaml")) if p.stem != "every_key"], ids=lambda path: path.stem)
def test_the_good_definitions_are_proven(path):
    """No false alarm."""
    report = report_of(path)
    assert [(v.rule.name, v.reason) for v in report.verdicts if v.outcome is not Outcome.PROVEN] == []


@pytest.mark.parametrize(
    "name",
    [
        "no access without a second factor",
        "nobody creates their own account",
        "an approval keeps its reason",
        "the link dies after five minutes",
    ],
)
def test_the_reference_definition_holds(reference, name):
    """A sample of the reference definition's properties; `workflow policy prove cpms-access` proves them all."""
    assert _verdict(reference, name).outcome is Outcome.PROVEN


def test_a_way_around_the_second_factor_is_found(tmp_path):
    """Removing the second factor from one transition of the reference definition is refuted on the engine."""
    text = find_definition("cpms-access").read_text(encoding="utf-8")
    before, mark, after = text.partition("      - event: resume\n")
    path = tmp_path / "cpms-access.yaml"
    path.write_text(before + mark + after.replace("target: password_set", "target: approved", 1), encoding="utf-8")
    prover = Prover(load(path, known=_known()), _known(), confirm=confirming(path), seconds=120)  # also on a busy machine
    verdict = _verdict(prover, "no access without a second factor")
    assert verdict.outcome is Outcome.REFUTED, verdict.reason
    assert verdict.timeline[-1].event == "resume"


@pytest.fixture(scope="module")
def reference():
    return Prover(load(find_definition("cpms-access"), known=_known()), _known(), seconds=120)


def _known():
    from workflow.bootstrap import known  # noqa: PLC0415  # the shipped kinds, named apart from those of small definitions

    return known()


def _verdict(prover: Prover, name: str):
    return prover.prove(next(rule for rule in prover.definition.policy if rule.name == name))


def test_the_command_prints_a_table_and_its_exit_code_tells(written):
    """0 when all is proven, 1 when not; the counterexample and the engine's own timeline are printed."""
    path = written(SMALL)
    good = CliRunner().invoke(app, ["policy", "prove", str(path)])
    assert good.exit_code == 0, good.output
    assert "9 PROVEN, 0 REFUTED, 0 UNKNOWN" in good.output
    old, new = FAULTS["four eyes"]
    bad = CliRunner().invoke(app, ["policy", "prove", str(written(SMALL.replace(old, new)))])
    assert bad.exit_code == 1
    assert "REFUTED: four eyes" in bad.output
    assert "The engine:" in bad.output


def test_the_command_answers_programs(written):
    """`--json` gives every verdict as data."""
    answer = CliRunner().invoke(app, ["policy", "prove", str(written(SMALL)), "--json"])
    said = json.loads(answer.output)
    assert said["is_proven"]
    assert {one["verdict"] for one in said["properties"]} == {"PROVEN"}


FURTHER = {
    "from whom": ("requires: {event: examine, actor: clerk}", ("examine: {by: [clerk]", "examine: {by: [clerk, boss]")),
    "where to": (
        "requires: {event: late, leads_to: closed}",
        ("- {event: late, target: closed}\n  enrolled", "- {event: late, target: enrolled}\n  enrolled"),
    ),
    "what with": ("requires: {state: approved, effect: [mail.approved]}", ("{mail: approved}", "{mail: rejected}, {alert: escalation}")),
    "what before": ("cel: {event: enrol, holds: facts.code.ok}", ("guard: facts.code.ok, ", "")),
    "not too soon": ("never: {event: over, earlier_than: PT5M, since: sent}", ("since: sent, after: PT5M", "since: sent, after: PT4M")),
}


@pytest.mark.parametrize("name", FURTHER)
def test_the_further_properties_are_proven_and_refuted(written, name):
    """What an event needs, brings and leads to, from whom it comes, and that it does not come too soon: each holds, and fails with its fault."""
    body, (old, new) = FURTHER[name]
    text = SMALL[: SMALL.index("policy:")] + f"policy:\n  - {{name: {name}, {body}}}\n"
    assert report_of(written(text)).of(name).outcome is Outcome.PROVEN
    broken = text.replace(old, new, 1)
    if name == "what with":
        broken = broken.replace("policy:", "  never: {outcome: neutral, entry: [{mail: approved}]}\npolicy:")
        broken = broken.replace("- {event: over, target: closed}", "- {event: over, target: never}")
    verdict = report_of(written(broken)).of(name)
    assert verdict.outcome is Outcome.REFUTED, verdict.reason
    assert verdict.replayed is not None


def test_what_never_happens_proves_nothing(written):
    """A property about an event that no run can bring is proven and called vacuous; one about what happens is not."""
    rule = "  - {name: idle talk, requires: {event: again, state: closed, effect: mail.rejected}}\n"
    report = report_of(written(SMALL + rule))
    assert report.of("idle talk").outcome is Outcome.PROVEN
    assert report.of("idle talk").is_vacuous
    assert [v.rule.name for v in report.verdicts if v.is_vacuous] == ["idle talk"]


def test_several_processes_say_the_same(written):
    """Verdicts come in the order of the policy, whoever has worked them out."""
    alone, together = report_of(written(SMALL)), report_of(written(SMALL), jobs=2)
    assert [(v.rule.name, v.outcome, v.reason) for v in alone.verdicts] == [(v.rule.name, v.outcome, v.reason) for v in together.verdicts]
