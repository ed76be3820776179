"""Whatever is given to the loader, it answers with a definition or with findings, and never with another exception."""

from __future__ import annotations

import copy
from pathlib import Path

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.known import KNOWN
from workflow.actions.registry import SPECS as ACTIONS
from workflow.checks.specs import SPECS as CHECKS
from workflow.errors import DefinitionError
from workflow.load import inspect, load, load_data
from workflow.states.known import Known

ROOT = Path(__file__).parents[2]
RICH = (ROOT / "tests" / "definitions" / "good" / "every_key.yaml").read_text(encoding="utf-8")
EVERYTHING = Known(checks=CHECKS, actions=ACTIONS)
RICH_DATA = load(RICH, known=EVERYTHING).data
LINES = RICH.split("\n")

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-10, 2**60)
    | st.floats(allow_nan=True)
    | st.text(max_size=12)
    | st.sampled_from(
        ["engine", "applicant", "deciding", "deciding.papers", "event.email", "2bd", "PT5M", "instance.floor", "name", "nobody", "subject"]
    )
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["event", "target", "states", "type", "field", "by", "use", "when", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def places(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Give the paths of every value in plain data."""
    found = [path] if path else []
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


PLACES = places(RICH_DATA)


def is_answered(text: str | bytes, known: Known = KNOWN) -> None:
    """Load something; any other exception than a DefinitionError fails the test."""
    definition, findings = inspect(text, known=known)
    assert (definition is None) is any(finding.severity == "error" for finding in findings)
    for finding in findings:
        assert finding.line >= 1
        assert finding.column >= 1
        assert finding.render()


@given(st.text())
@example("a: 08")
@example("a: -.Inf")
@example("? ")
@example("- - - ? a : b\n")
def test_any_text_is_answered(text: str):
    """No text raises anything but a DefinitionError."""
    is_answered(text)


@given(st.binary())
def test_any_bytes_are_answered(data: bytes):
    """No bytes do either."""
    is_answered(data)


@given(st.lists(st.sampled_from(list("{}[]:,-?|>'\"#&*!%@ \n\tab1")), max_size=40).map("".join))
def test_any_punctuation_is_answered(text: str):
    """Nor does anything made of YAML's own marks."""
    is_answered(text)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_document_is_answered(data: st.DataObject):
    """Lines lost, doubled, exchanged or cut in two leave a document that is answered."""
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        match data.draw(st.sampled_from(["lose", "double", "exchange", "cut", "indent"])):
            case "lose":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "exchange":
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
            case _:
                lines[at] = " " * data.draw(st.integers(1, 3)) + lines[at]
    is_answered("\n".join(lines), EVERYTHING)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PLACES), values), min_size=1, max_size=3), st.booleans())
def test_a_wrong_value_anywhere_is_answered(changes: list[tuple[tuple[str | int, ...], object]], is_left_out: bool):
    """Any value of a definition may be replaced by any other, or left out; the answer is a definition or findings."""
    damaged = copy.deepcopy(RICH_DATA)
    for path, value in changes:
        holder: object = damaged
        for key in path[:-1]:
            holder = (
                holder[key]
                if (isinstance(holder, dict) and key in holder) or (isinstance(holder, list) and isinstance(key, int) and key < len(holder))
                else None
            )
        if isinstance(holder, dict) and path[-1] in holder:
            if is_left_out:
                del holder[path[-1]]
            else:
                holder[path[-1]] = value
        elif isinstance(holder, list) and isinstance(path[-1], int) and path[-1] < len(holder):
            holder[path[-1]] = value
    try:
        found = load_data(damaged, known=EVERYTHING)
    except DefinitionError as error:
        findings = error.findings
    else:
        findings = ()
        assert found == load_data(orjson.loads(orjson.dumps(found.data, option=orjson.OPT_SORT_KEYS)), known=EVERYTHING)
    for finding in findings:
        assert finding.render()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(LINES)), st.sampled_from(["", "# a comment", "    # indented", "#"])), max_size=6))
def test_comments_and_blank_lines_mean_nothing(additions: list[tuple[int, str]]):
    """The semantic digest is the same, and so is the definition apart from the digest of its text."""
    lines = list(LINES)
    for at, line in sorted(additions, reverse=True):
        lines.insert(at, line)
    changed, original = load("\n".join(lines), known=EVERYTHING), load(RICH, known=EVERYTHING)

    assert original.digest == changed.digest
    assert original.states == changed.states
    assert original.data == changed.data
