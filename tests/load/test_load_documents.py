"""A definition comes from a file, a text, bytes or stored data, and is the same whichever it was."""

from __future__ import annotations

import hashlib
import time
from dataclasses import fields
from pathlib import Path

import orjson
import pytest

from tests.support.known import KNOWN
from workflow.actions.registry import SPECS as ACTIONS
from workflow.checks.specs import SPECS as CHECKS
from workflow.errors import DefinitionError
from workflow.load import inspect, load, load_data
from workflow.states.definition import Definition
from workflow.states.known import Known

ROOT = Path(__file__).parents[2]
GOOD = [*sorted((ROOT / "definitions").glob("*.yaml")), *sorted((ROOT / "tests" / "definitions" / "good").glob("*.yaml"))]
EVERYTHING = Known(checks=CHECKS, actions=ACTIONS)
SMALL = """\
definition: small
language: 1
title: Small
subject: applicant
roles: {clerk: {description: Works here.}}
fields: {floor: integer}
events:
  begin: {by: [applicant], payload: {second: integer, first: integer}}
  finish: {by: [clerk]}
start: {event: begin, set: {floor: event.first}}
states:
  open:
    waits_forever: A clerk will come.
    transitions:
      - {event: finish, target: done}
  done: {outcome: success}
"""


def stored(definition: Definition) -> dict[str, object]:
    """Write a definition's data as the store does, with sorted keys, and read it back."""
    data: dict[str, object] = orjson.loads(orjson.dumps(definition.data, option=orjson.OPT_SORT_KEYS))
    return data


def test_text_bytes_and_file_give_the_same_definition(tmp_path: Path):
    """Where a definition comes from means nothing."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")

    from_text = load(SMALL, known=KNOWN)

    assert from_text == load(SMALL.encode(), known=KNOWN)
    assert from_text == load(path, known=KNOWN)
    assert hashlib.sha256(SMALL.encode()).hexdigest() == from_text.text_digest


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_stored_data_gives_an_equal_definition(path: Path):
    """Parsing the canonical data again gives the same value, digests, and orders of states, timers and payloads."""
    definition = load(path, known=EVERYTHING)
    again = load_data(stored(definition), text=path.read_bytes(), known=EVERYTHING)

    for one in fields(Definition):
        assert getattr(definition, one.name) == getattr(again, one.name), one.name
    assert list(definition.states) == list(again.states)
    assert {name: list(event.payload) for name, event in definition.events.items()} == {
        name: list(event.payload) for name, event in again.events.items()
    }
    assert [state.children for state in definition.states.values()] == [state.children for state in again.states.values()]
    assert stored(definition) == stored(again)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_definitions_have_no_findings_and_load_quickly(path: Path):
    """What is shipped is without errors and warnings."""
    started = time.process_time()
    definition, findings = inspect(path, known=EVERYTHING)

    assert [] == [finding.render() for finding in findings]
    assert definition is not None
    assert time.process_time() - started < 1


def test_without_the_text_the_canonical_data_stands_for_it():
    """A definition made in code has the digest of its data as text digest."""
    definition = load(SMALL, known=KNOWN)
    again = load_data(stored(definition), known=KNOWN)

    assert hashlib.sha256(orjson.dumps(stored(definition), option=orjson.OPT_SORT_KEYS)).hexdigest() == again.text_digest
    assert definition.digest == again.digest


def test_what_means_nothing_does_not_change_the_digest():
    """Comments, blank lines, quotes, titles, descriptions and the order of keys are outside the semantic digest."""
    digest = load(SMALL, known=KNOWN).digest
    head, tail = SMALL.split("roles:", 1)
    changed = [
        f"# a comment\n\n{SMALL}\n\n",
        SMALL.replace("title: Small", "title: Smaller"),
        SMALL.replace("title: Small\n", ""),
        SMALL.replace(" {description: Works here.}", " {}"),
        SMALL.replace("floor: integer}", 'floor: "integer"}'),
        SMALL.replace("language: 1", "language: 0x1"),
        f"roles:{tail}{head}",
        SMALL.replace("\n", "\r\n"),
    ]

    for text in changed:
        again = load(text, known=KNOWN)
        assert digest == again.digest, text
        assert load(SMALL, known=KNOWN).text_digest != again.text_digest


def test_what_means_something_changes_the_digest():
    """Every other change gives another digest; so does another order of states and payload values."""
    changed = [
        SMALL.replace("floor: integer}", "floor: {type: integer, max: 9}}"),
        SMALL.replace("second: integer, first: integer", "first: integer, second: integer"),
        SMALL.replace("A clerk will come.", "Somebody will come."),
        SMALL.replace("floor: event.first", "floor: event.second"),
        SMALL.replace("  done: {outcome: success}", "").replace("states:\n", "initial: open\nstates:\n  done: {outcome: success}\n"),
        SMALL.replace("fields: {floor: integer}", "fields: {floor: integer, title: integer}"),
    ]

    digests = {load(text, known=KNOWN).digest for text in [SMALL, *changed]}
    assert len(changed) + 1 == len(digests)


def test_a_name_that_is_also_prose_is_kept():
    """Prose is left out of the digest where the language defines it, not where an author chose such a name."""
    with_field = SMALL.replace("fields: {floor: integer}", "fields: {floor: integer, description: {type: integer, title: A}}")

    assert load(with_field, known=KNOWN).digest == load(with_field.replace("title: A", "title: B"), known=KNOWN).digest
    assert load(with_field, known=KNOWN).digest != load(SMALL, known=KNOWN).digest


@pytest.mark.parametrize("name", ["nowhere.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path, name: str):
    """A missing file and a directory are told like any other fault."""
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path / name, known=KNOWN)

    assert ["cannot-read"] == [finding.code for finding in caught.value.findings]
    assert str(tmp_path / name) in caught.value.explain()


def test_only_a_bounded_part_of_a_file_is_read(tmp_path: Path):
    """A file of many megabytes is refused without being taken into memory."""
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * 5_000_000)

    assert ["document-too-large"] == [finding.code for finding in inspect(path, known=KNOWN)[1]]


def test_text_that_is_no_unicode_is_a_finding():
    """Half a character in a text is told like a wrong byte in a file."""
    assert ["not-utf-8"] == [finding.code for finding in inspect("title: \ud800", known=KNOWN)[1]]


def test_the_error_lists_every_finding():
    """All findings come at once, by line and column, each with its place."""
    text = SMALL.replace("event: finish, target: done", "event: finsh, target: dune").replace("floor: integer", "floor: number")
    with pytest.raises(DefinitionError) as caught:
        load(text, name="small.yaml", known=KNOWN)

    places = [(finding.line, finding.column) for finding in caught.value.findings]
    assert ["invalid-value", "unknown-event", "unknown-state"] == [finding.code for finding in caught.value.findings]
    assert sorted(places) == places
    assert "small.yaml:15:17: error[unknown-event]: There is no event 'finsh'. Did you mean 'finish'?" in caught.value.explain()


@pytest.mark.parametrize(
    "data", [{}, {"definition": 3}, {"definition": "x", "states": object()}, {"a": float("nan")}, {"states": {"a": "\ud800"}}]
)
def test_stored_data_that_is_no_definition_is_refused(data: dict[str, object]):
    """Data from elsewhere gives findings and nothing else."""
    with pytest.raises(DefinitionError):
        load_data(data, known=KNOWN)


def test_stored_data_that_contains_itself_is_refused():
    """Data without an end is found to be too deep."""
    endless: dict[str, object] = {}
    endless["states"] = endless

    with pytest.raises(DefinitionError) as caught:
        load_data(endless, known=KNOWN)
    assert ["no-plain-data"] == [finding.code for finding in caught.value.findings]


HUGE = {
    "states": ("states:\n" + "".join(f"  s{number}: {{outcome: success}}\n" for number in range(501)), "too-many"),
    "transitions": (f"transitions: [{'{event: finish}, ' * 2_001}]\n", "too-many"),
    "events": ("events: {" + "".join(f"e{number}: {{by: engine}}, " for number in range(2_001)) + "}\n", "too-many"),
    "unknown_names": (f"transitions: [{'{event: finsh, target: dune}, ' * 1_900}]\n", "too-many-findings"),
    "unknown_keys": ("".join(f"unknown_{number}: 1\n" for number in range(20_000)), "too-many-findings"),
    "masked": (f"transitions: [{'{event: finish}, ' * 1_900}]\n", "too-many-findings"),
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_definition_is_refused_quickly(name: str):
    """A document of nothing but mistakes, or larger than anybody needs, costs little and gives a bounded answer."""
    addition, code = HUGE[name]
    key = addition.partition(":")[0]
    kept = "\n".join(part for part in SMALL.split("\n") if part) + "\n"
    if key in {"states", "events"}:
        head, _, rest = kept.partition(f"{key}:\n")
        kept = head + "".join(line for line in rest.splitlines(keepends=True) if not line.startswith("  "))
    started = time.process_time()
    definition, findings = inspect(kept + addition, known=KNOWN)

    assert definition is None
    assert code in {finding.code for finding in findings}
    assert len(findings) <= 201
    assert time.process_time() - started < 3


def test_the_largest_definition_loads_in_seconds():
    """Five hundred states and two thousand guarded transitions are read in a bearable time."""
    events = "".join(f"  e{number}: {{by: [clerk]}}\n" for number in range(100))
    states = "".join(
        f"  s{number}:\n    waits_forever: Yes indeed.\n    transitions:\n"
        + "".join(
            f"      - {{event: e{(number + k) % 100}, target: s{(number + k) % 499}, guard: instance.floor > {k}}}\n" for k in range(1, 5)
        )
        for number in range(499)
    )
    head = "definition: big\nlanguage: 1\nsubject: applicant\nroles: {clerk: {}}\nfields: {floor: integer}\nstart: {event: begin}\n"
    text = f"{head}events:\n  begin: {{by: [applicant]}}\n{events}states:\n{states}  done: {{outcome: success}}\n"
    started = time.process_time()
    _, findings = inspect(text, known=KNOWN)

    assert {"unreachable-state", "no-way-to-an-outcome"} >= {finding.code for finding in findings} - {"too-many-findings"}
    assert time.process_time() - started < 10
