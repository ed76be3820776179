"""Mutation: faults are small, real and placed; what survives is explained, and the explanation was tried."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from workflow.bootstrap import find_definition, known
from workflow.cli.app import app
from workflow.load import compose, load
from workflow.policy.faults import conjuncts, limits, negated, shifted
from workflow.policy.mutants import mutants
from workflow.policy.mutating import Plan, Score, inspect_tree, mutate

KNOWN = known()
CARD = """
definition: card
language: 1
subject: reader
roles: {librarian: {}, guard: {}}
fields: {full_name: text}
events:
  apply: {by: [reader], payload: {full_name: {field: true, required: true}}}
  issue_card: {by: [librarian], decision: issue}
  again: {by: [reader]}
  lapse: {by: engine}
start: {event: apply, set: {full_name: event.full_name}}
states:
  applied:
    entry: [{mail: request_received}]
    tally: [again]
    timers: [{name: forgotten, after: P60D, event: lapse}]
    transitions:
      - {event: issue_card, target: issued, actions: [{mail: approved}]}
      - {event: again, guard: count.again < 2}
      - {event: lapse, target: lapsed}
  issued: {outcome: success}
  lapsed: {outcome: neutral}
policy:
  - {name: nobody issues their own card, never: {event: issue_card, actor: subject}}
"""


@cache
def _score(text: str = CARD) -> Score:
    return mutate(text.encode(), file="card.yaml", known=KNOWN, plan=Plan())


def test_every_fault_of_the_issue_is_made():
    """The reference definition has mutants of every kind, each at a place of its own document, no two of them alike."""
    path = find_definition("cpms-access")
    root, definition = compose(path.read_bytes(), file=path.name), load(path, known=KNOWN)
    found = list(mutants(root, definition))
    kinds = (
        "drop guard, negate guard, drop conjunct, shift limit, widen role, swap role, shift deadline, swap target, drop timer, drop action"
    )
    others = "drop check, drop four eyes, drop mark, drop pause, drop unique, drop must_be, drop reenter, drop required, drop same_as"
    assert {one.kind for one in found} == {*kinds.split(", "), *others.split(", ")}
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert all(1 <= one.place[0] <= lines and one.place[1] >= 1 for one in found)
    texts = [json.dumps(one.root.plain(), sort_keys=False) for one in found]
    assert len(set(texts)) == len(texts)
    assert json.dumps(root.plain(), sort_keys=False) not in texts


def test_a_role_is_widened_to_one_that_could_use_it():
    """What the subject may not do is given to the subject; a decision, which no subject takes for themselves, to another office."""
    path = find_definition("cpms-access")
    root, definition = compose(path.read_bytes(), file=path.name), load(path, known=KNOWN)
    said = {one.sentence for one in mutants(root, definition) if one.kind in {"widen role", "swap role"}}
    assert "applicant may resend_link too" in said
    assert "applicant may resend_link, and helpdesk may not" in said
    assert "helpdesk may approve too" in said
    assert "helpdesk may approve, and network_team may not" in said
    assert not any(one.startswith("applicant may approve") for one in said)


def test_what_is_said_again_by_another_part_is_no_fault():
    """An unset instant is an error where it is read, which refuses; so ``has.x`` beside its reading can go without any difference."""
    instants = CARD.replace("full_name: text}", "full_name: text, asked_at: instant, pages: integer}")
    text = instants.replace("guard: count.again < 2}", "guard: has.asked_at && has.pages && now > instance.asked_at && instance.pages < 9}")
    definition = load(text.encode(), name="card.yaml", known=KNOWN)
    found = [one.sentence for one in mutants(compose(text.encode(), file="card.yaml"), definition) if one.kind == "drop conjunct"]
    assert [one.rpartition(": ")[2] for one in found] == ["has.pages", "now > instance.asked_at", "instance.pages < 9"]


def test_a_longer_life_of_a_check_is_seen_to_by_its_timer():
    """A link that its check would let live longer is dead all the same: the property that says so is proven of the mutant as well."""
    path = find_definition("cpms-access")
    root, definition = compose(path.read_bytes(), file=path.name), load(path, known=KNOWN)
    longer = next(one for one in mutants(root, definition) if one.sentence.startswith("password_link lives a minute longer"))
    text = longer.proposals[-1]
    assert text.endswith("never: {event: set_password, later_than: PT5M, since: password_link_mailed}}")


def test_a_document_without_a_fault_passes_the_check_that_mutants_go_through():
    """Mutants are judged by the loader's own checks, so the original has no error there."""
    path = find_definition("cpms-access")
    definition, faults = inspect_tree(compose(path.read_bytes(), file=path.name), file=path.name, known=KNOWN)
    assert faults == ()
    assert definition is not None
    assert definition.digest == load(path, known=KNOWN).digest


def test_what_is_proposed_notices_the_survivors():
    """Pasting the missing properties leaves no survivor that had one; what is left has a reason."""
    first = _score()
    missing = list(dict.fromkeys(one.proposal for one in first.survivors if one.proposal))
    assert missing
    second = _score(CARD + "".join(f"  {text}\n" for text in missing))
    assert second.unproven == ()
    noticed = {(one.kind, one.sentence) for one in second.judged if one.noticed_by}
    assert all((one.kind, one.sentence) in noticed for one in first.survivors if one.proposal)
    assert second.percent > first.percent
    assert all(one.is_explained for one in second.judged)


def test_the_check_comes_before_the_proof():
    """A mutant that the loader refuses is noticed by the check, one that it lets pass by the property that it breaks."""
    by = {one.kind: one for one in _score().judged if one.noticed_by == "check"}
    assert "drop timer" in by
    four = next(one for one in _score().judged if one.kind == "drop four eyes")
    assert four.noticed_by == "prove"
    assert "nobody issues their own card" in four.how
    assert four.run == ("apply", "issue_card")


def test_what_cannot_be_told_apart_is_said_to_be_equivalent():
    """A guard that says the same twice can lose one half unnoticed, and the report says why."""
    text = CARD.replace("guard: count.again < 2}", "guard: count.again < 2 && count.again < 3}")
    score = mutate(text.encode(), file="card.yaml", known=KNOWN, plan=Plan())
    dropped = next(one for one in score.judged if one.kind == "drop conjunct" and one.sentence.endswith("count.again < 3"))
    assert not dropped.noticed_by
    assert dropped.reason.startswith("equivalent")
    assert dropped.proposal == ""


def test_a_sample_is_drawn_by_its_seed():
    """The same seed draws the same mutants, in the order of the document."""
    plan = Plan(tools=("check",), sample=5, seed=3)
    first, second = (mutate(CARD.encode(), file="card.yaml", known=KNOWN, plan=plan) for _ in range(2))
    assert [one.sentence for one in first.judged] == [one.sentence for one in second.judged]
    assert len(first.judged) == 5
    assert [(one.line, one.column) for one in first.judged] == sorted((one.line, one.column) for one in first.judged)


def test_the_command_prints_a_table_and_the_missing_properties(tmp_path):
    """People read counts, survivors and YAML; the exit code says whether the threshold was reached."""
    place = tmp_path / "card.yaml"
    place.write_text(CARD, encoding="utf-8")
    result = CliRunner().invoke(app, ["policy", "mutate", str(place), "--jobs", "1", "--threshold", "99"])
    assert result.exit_code == 1
    assert "survived[" in result.stdout
    assert "Missing in `policy:`" in result.stdout
    assert "mutants noticed" in result.stdout


def test_the_command_gives_data_and_refuses_an_unknown_tool(tmp_path):
    """Programs read JSON; a tool that does not exist is a usage error."""
    place = tmp_path / "card.yaml"
    place.write_text(CARD, encoding="utf-8")
    said = CliRunner().invoke(app, ["policy", "mutate", str(place), "--with", "check", "--json"])
    data = json.loads(said.stdout)
    assert data["mutants"] == len(data["judged"])
    assert {one["noticed_by"] for one in data["judged"]} <= {"check", ""}
    assert CliRunner().invoke(app, ["policy", "mutate", str(place), "--with", "magic"]).exit_code == 2


def test_the_random_onboardings_notice_a_mutant(tmp_path):
    """With the tool `test` a fault is found by running it."""
    place = tmp_path / "card.yaml"
    place.write_text(CARD, encoding="utf-8")
    said = CliRunner().invoke(
        app, ["policy", "mutate", str(place), "--with", "test", "--sample", "2", "--seed", "15", "--jobs", "1", "--json"]
    )
    found = {one["kind"]: one["noticed_by"] for one in json.loads(said.stdout)["judged"]}
    assert found == {"drop mark": "", "drop four eyes": "test"}


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("a && b", ("a", "b")),
        ("a && (b && c) && d", ("a", "(b && c)", "d")),
        ("a || b && c", ("a || b && c",)),
        ("x == '&&' && y", ("x == '&&'", "y")),
        ("a ? b : c && d", ("a ? b : c && d",)),
    ],
)
def test_an_expression_is_parted_at_its_outermost_conjunction(source, parts):
    """Texts, parentheses and weaker operators are left whole."""
    assert conjuncts(source) == parts


def test_small_faults_are_small():
    """A contrary, a deadline by one unit off, a limit by one more."""
    assert negated("a && b") == "!(a && b)"
    assert negated("!a.b") == "a.b"
    assert negated("!a && b") == "!(!a && b)"
    assert [changed for changed, _ in shifted("2bd")] == ["3bd", "1bd"]
    assert [changed for changed, _ in shifted("1bd")] == ["2bd"]
    assert [changed for changed, _ in shifted("PT5M")] == ["PT360S", "PT240S"]
    assert [changed for changed, _ in limits("count.x < 10 && now - y < duration('15m')")] == [
        "count.x < 10 && now - y < duration('16m')",
        "count.x < 11 && now - y < duration('15m')",
    ]


def test_a_mutant_of_a_file_has_its_place(tmp_path):
    """File, line and column lead to what was changed."""
    place = Path(tmp_path / "card.yaml")
    place.write_text(CARD, encoding="utf-8")
    lines = CARD.splitlines()
    for one in _score().judged:
        assert lines[one.line - 1][one.column - 1] not in {" ", ""}
