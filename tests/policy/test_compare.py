"""What a comparison of two versions shows: every difference in meaning, in words, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest

from workflow import load
from workflow.bootstrap import find_definition, known
from workflow.policy.changes import Comparison, Side, Way, lasting, spoken
from workflow.policy.compare import compare
from workflow.states.definition import EventType, Field, Quorum, Role, State, TimerType, Transition
from workflow.states.durations import read_duration
from workflow.states.findings import Findings
from workflow.states.parse import parse

PERMITS = """\
definition: permits
language: 1
calendar: ern-office
subject: applicant
retention: P90D
roles:
  clerk: {}
  boss: {}
  visitor: {anyone: true, because: They come from the street.}
fields:
  size: {type: choice, values: [small, large]}
  label: {type: string, max_length: 50}
  place: {type: string, personal: false, because: It is an office.}
  asked_at: instant
  email: {type: email, unique: {on_conflict: asked_again}}
checks:
  proof: {use: link, purpose: permit, since: mailed, ttl: PT5M}
events:
  ask: {by: [applicant], payload: {size: {field: true, required: true}, label: {field: true}, email: {field: true}}}
  look: {by: [clerk]}
  approve: {by: [boss], decision: approval, payload: {note: {type: text, max_length: 200}}}
  refuse: {by: [boss], decision: approval}
  use_link: {by: [visitor], checks: [proof], payload: {token: {type: secret, required: true}}}
  mailed: {by: engine}
  asked_again: {by: engine}
  remind: {by: engine}
start: {event: ask, set: {size: event.size, label: event.label, email: event.email}}
states:
  asked:
    initial: open
    entry: [{mail: request_received, link: permit, done: mailed}]
    paused_in: [waiting]
    tally: [look]
    timers:
      - {name: late, after: 2bd, event: remind}
      - {name: lost, after: P30D, event: remind}
    transitions:
      - {event: remind, actions: [{mail: approver_reminder, to: clerk}]}
      - {event: asked_again}
      - {event: look, guard: count.look < 5}
      - {event: refuse, target: refused}
      - {event: use_link, guard: {when: facts.proof.valid, code: link_dead, message: This link is dead.}}
    states:
      open:
        transitions:
          - {event: approve, guard: "instance.size == 'small'", quorum: {need: 2, role: boss}, target: done, actions: [{mail: approved}]}
          - {event: approve, target: waiting}
      waiting:
        waits_forever: Somebody asks by telephone.
        transitions:
          - {event: approve, set: {asked_at: now}, target: done}
  done: {outcome: success}
  refused: {outcome: failure, entry: [{mail: rejected}]}
policy:
  - {name: nobody approves their own, never: {event: approve, actor: subject}}
  - {name: looks are few, never: {event: look, more_than: 5}}
  - {name: a refusal is told, requires: {event: refuse, effect: mail.rejected}, severity: warning}
"""


def side(text: str, name: str = "permits.yaml") -> Side:
    """A version as it is read, without the judgement that would refuse some of these."""
    findings = Findings(file=name)
    parsed = parse(load.compose(text.encode(), file=name), known=known(), findings=findings)
    assert parsed is not None
    assert not findings.has_errors, [finding.render() for finding in findings.in_order()]
    return Side(file=name, parsed=parsed)


OLD = side(PERMITS, "old.yaml")


def compared(*changes: tuple[str, str]) -> Comparison:
    text = PERMITS
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return compare(OLD, side(text, "new.yaml"), known())


@pytest.mark.parametrize(
    ("before", "after", "way", "sentence"),
    [
        ("look: {by: [clerk]}", "look: {by: [clerk, boss]}", "loosened", "look may be done by boss now."),
        ("refuse: {by: [boss], decision", "refuse: {by: [clerk], decision", "tightened", "refuse may no longer be done by boss."),
        ("refuse: {by: [boss], decision: approval}", "refuse: {by: [boss]}", "loosened", "refuse is no decision any more"),
        ("look: {by: [clerk]}", "look: {by: [clerk], decision: looking}", "tightened", "look decides the stage looking"),
        ("refuse: {by: [boss], decision: approval}", "refuse: {by: [boss], decision: refusal}", "other", "refuse decides the stage refusal"),
        ("clerk: {}", "clerk: {scope: size}", "tightened", "The role clerk is held for one size, it was for everything."),
        ("after: 2bd", "after: 1bd", "tightened", "The deadline asked.late is 1 working day, it was 2 working days."),
        ("after: 2bd", "after: 16bh", "other", "The deadline asked.late is 16 working hours, it was 2 working days."),
        ("after: P30D", "after: P60D", "loosened", "The deadline asked.lost is 60 days, it was 30 days."),
        ("      - {name: lost, after: P30D, event: remind}\n", "", "loosened", "The deadline asked.lost (30 days, then remind) is gone."),
        ("after: 2bd, event: remind}", "after: 2bd, event: remind, since: mailed}", "other", "runs since mailed, it ran since its state"),
        ("    paused_in: [waiting]\n", "", "tightened", "The deadlines of asked no longer stand still in asked.waiting."),
        ("count.look < 5", "count.look < 9", "loosened", "asks for `count.look < 9`, it asked for `count.look < 5`."),
        ("guard: count.look < 5", "guard: [count.look < 5, has.size]", "tightened", "asks for `has.size` too."),
        ("guard: count.look < 5", "guard: '!(count.look < 9)'", "other", "asks for `!(count.look < 9)`"),
        (", guard: count.look < 5", "", "loosened", "no longer asks for `count.look < 5`."),
        ("message: This link is dead.", "message: Too late.", "other", "refused with other words where `facts.proof.valid`"),
        ("target: refused}", "target: waiting}", "other", "refuse leads to asked.waiting, it led to refused."),
        ("      - {event: refuse, target: refused}\n", "", "tightened", "In asked, refuse no longer leads to refused."),
        ("need: 2, role", "need: 3, role", "tightened", "approve must happen 3 times, it was 2."),
        ("need: 2, role", "need: 2, distinct: false, role", "loosened", "need not come from different people."),
        ("set: {asked_at: now}", "set: {asked_at: null}", "other", "sets asked_at to nothing, it was `now`."),
        ("actions: [{mail: approved}]", "actions: [{mail: rejected}]", "other", "there is no mail approved to subject any more."),
        ("entry: [{mail: rejected}]", "entry: [{mail: rejected, to: boss}]", "other", "mail rejected to boss; it was mail rejected to subject."),
        ("tally: [look]", "tally: [look, refuse]", "other", "In asked, refuse is counted."),
        ("{outcome: failure, ", "{outcome: neutral, ", "other", "refused has `outcome` neutral, it had failure."),
        ("ttl: PT5M", "ttl: PT90M", "loosened", "What the check proof judges lives 90 minutes (`ttl`), it was 5 minutes."),
        ("label: {type: string, max_length: 50}", "label: {type: string, personal: false, because: x, max_length: 50}", "loosened", "no longer personal"),
        ("label: {field: true}", "label: {field: true, required: true}", "tightened", "label of ask must be given."),
        ("values: [small, large]", "values: [small, large, huge]", "loosened", "The field size may be huge too."),
        ("max_length: 200", "max_length: 100", "tightened", "note of approve has the `max_length` 100, it was 200."),
        ("email, unique: {on_conflict: asked_again}}", "email}", "loosened", "The field email need not be unique any more."),
        ("more_than: 5", "more_than: 6", "loosened", "“looks are few” says now: look is never accepted more than 6 times."),
        (", severity: warning", "", "tightened", "A violation of “a refusal is told” is an error now."),
        ("retention: P90D", "retention: P30D", "other", "After the outcome failure personal values are kept 30 days, it was 90 days."),
        ("calendar: ern-office", "calendar: counter-service", "other", "Calendar: counter-service, it was ern-office."),
        ("initial: open", "initial: waiting", "other", "asked has `initial` asked.waiting, it had asked.open."),
    ],
)  # fmt: skip
def test_a_change_is_said_in_one_sentence(before: str, after: str, way: str, sentence: str) -> None:
    """One edit gives a sentence that says it, with the way it goes and the places of both versions."""
    found = [change for change in compared((before, after)).changes if sentence in change.sentence]
    assert [way] == [change.way.value for change in found[:1]]
    assert all(place is None or place.startswith(("old.yaml:", "new.yaml:")) for change in found for place in (change.old, change.new))


def test_a_place_is_the_line_where_it_is_written() -> None:
    """Both versions are named by file and line."""
    (change,) = compared(("after: 2bd", "after: 1bd"), ("retention: P90D\n", "retention: P90D\n# a line more\n")).changes
    line = PERMITS[: PERMITS.index("name: late")].count("\n") + 1
    assert (f"old.yaml:{line}", f"new.yaml:{line + 1}") == (change.old, change.new)


REORDERED = (
    ("  clerk: {}\n  boss: {}\n", "  boss: {}  # first\n  clerk: {}\n"),
    ("      - {event: asked_again}\n      - {event: look, guard: count.look < 5}\n", "      - {event: look, guard: count.look < 5}\n      - {event: asked_again}\n"),
    ("      - {name: late, after: 2bd, event: remind}\n      - {name: lost, after: P30D, event: remind}\n", "      - {name: lost, after: P30D, event: remind, title: At last}\n      - {name: late, after: 2bd, event: remind}\n"),
    ("  done: {outcome: success}\n  refused: {outcome: failure, entry: [{mail: rejected}]}\n", "  refused:\n    outcome: failure\n    description: No.\n    entry: [{mail: rejected}]\n  done: {outcome: success}\n"),
)  # fmt: skip


@pytest.mark.parametrize("edit", REORDERED, ids=["roles", "transitions", "timers", "states"])
def test_order_titles_comments_and_layout_do_not_show(edit: tuple[str, str]) -> None:
    """What is written otherwise and means the same is no change."""
    assert () == compared(edit).changes


def test_the_order_of_one_event_shows() -> None:
    """Transitions of one event are tried in their order, so that order means something."""
    first, second = [line for line in PERMITS.splitlines(keepends=True) if line.startswith("          - {event: approve")][:2]
    found = compared((first + second, second.replace("target: waiting", "guard: has.label, target: waiting") + first))
    assert any("tried in another order" in change.sentence for change in found.changes)


def test_a_transition_written_in_the_parent_is_the_same() -> None:
    """Written once in a parent or in each of its children: what happens is the same, so nothing shows."""
    line = "      - {event: look, guard: count.look < 5}\n"
    in_children = PERMITS.replace(line, "").replace("        transitions:\n", "        transitions:\n    " + line)
    assert PERMITS != in_children
    assert [] == [change.sentence for change in compare(OLD, side(in_children), known()).changes]


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [("states", "waiting", "on_hold"), ("events", "look", "inspect"), ("roles", "boss", "head"), ("fields", "place", "office"), ("checks", "proof", "letter")],
)  # fmt: skip
def test_a_certain_rename_is_one_change(kind: str, old: str, new: str) -> None:
    """A thing that is the same under another name, everywhere, is renamed and nothing else."""
    text = PERMITS.replace(f"  {old}:", f"  {new}:").replace(f"[{old}]", f"[{new}]")
    for place in (f"target: {old}", f"event: {old}", f"role: {old}", f"count.{old}", f"facts.{old}."):
        text = text.replace(place, place.replace(old, new))
    found = compare(OLD, side(text), known())
    assert {kind: {new: old}} == found.renamed
    assert [f"The {kind[:-1]} {old} is called {new} now."] == [change.sentence for change in found.changes]


def test_a_doubtful_rename_is_one_thing_less_and_one_more() -> None:
    """Two things that could be the renamed one, or one that changed beside: nothing is guessed."""
    found = compared(("done: {outcome: success}", "ended: {outcome: neutral}"), ("target: done", "target: ended"))
    assert {} == found.renamed
    assert {"There is no state done any more.", "The state ended is new."} <= {change.sentence for change in found.changes}


def test_every_good_definition_is_its_own_equal() -> None:
    """A definition compared with itself gives nothing, whatever the language allows."""
    for path in sorted((Path(__file__).parents[1] / "definitions" / "good").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        one, other = side(text), side(f"# the same\n{text}")
        assert () == compare(one, other, known()).changes, path.name


def test_no_attribute_of_a_definition_is_forgotten() -> None:
    """Whoever adds an attribute to the language decides here whether a change of it is one in meaning."""
    seen = {
        Role: {"name", "scope", "is_anyone", "is_subject"},
        Field: {"name", "type", "is_many", "is_required", "is_personal", "values", "min", "max", "max_length", "must_be", "same_as", "default", "catalogue", "unique_on_conflict"},
        EventType: {"name", "by", "is_engine", "payload", "checks", "decision", "may_also_decide", "is_automatic"},
        Transition: {"event", "source", "index", "target", "declared_target", "guards", "quorum", "assignments", "actions", "is_reentering"},
        TimerType: {"key", "name", "state", "after", "event", "since", "index"},
        Quorum: {"need", "is_distinct", "role"},
        State: {"path", "name", "parent", "children", "initial", "transitions", "timers", "entry", "exit", "paused_in", "tally", "outcome", "waits_forever"},
    }  # fmt: skip
    prose = {"title", "description", "because"}
    assert {} == {kind.__name__: left for kind, names in seen.items() if (left := {f.name for f in fields(kind)} - names - prose)}


def test_the_reference_definition_compares_by_its_name() -> None:
    """Two edits of the reference definition are two changes, with their lines."""
    text = find_definition("cpms-access").read_text(encoding="utf-8")
    new = text.replace("{name: breach, after: 2bd", "{name: breach, after: 1bd").replace(
        "by: [helpdesk], decision: provisioning}", "by: [helpdesk, network_team], decision: provisioning}"
    )
    found = compare(side(text), side(new), known())
    assert Counter({Way.LOOSENED: 1, Way.TIGHTENED: 1}) == Counter(change.way for change in found.changes)


def test_durations_are_said_as_people_say_them() -> None:
    """Units stay what they are; long stretches are said in two sizes."""
    assert ["90 minutes", "1 day", "2 working days", "16 working hours"] == [
        spoken(unit) for text in ("PT90M", "P1D", "2bd", "16bh") if (unit := read_duration(text))
    ]
    assert ("1 hour 25 minutes", "0 seconds") == (lasting(-5_100), lasting(0))
