"""Every known fault of a definition is found at its place, and nothing else is.

Each file in `tests/definitions/bad` says in its first lines what must be found: `# expect: <line>:<column> <code>`, and asks for notes
by `# with notes`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.known import KNOWN
from workflow.errors import DefinitionError, Finding
from workflow.load import inspect, load
from workflow.states.definition import Definition

FOLDER = Path(__file__).parents[1] / "definitions" / "bad"
FILES = sorted(FOLDER.glob("*.yaml"))
EXPECTED = re.compile(r"# expect: (\d+):(\d+) ([a-z0-9-]+)")


def expected_of(path: Path) -> list[tuple[int, int, str]]:
    """Read the first lines of a file."""
    return [(int(line), int(column), code) for line, column, code in EXPECTED.findall(path.read_text(encoding="utf-8"))]


def found_in(path: Path) -> tuple[Definition | None, tuple[Finding, ...]]:
    """Check a file, with notes when it asks for them."""
    return inspect(path, known=KNOWN, with_notes="# with notes\n" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_fault_is_found_at_its_place(path: Path):
    """All findings of a faulty file are those it announces, no more and no fewer, in the order of the lines."""
    _, findings = found_in(path)

    assert expected_of(path) == [(one.line, one.column, one.code) for one in findings]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_finding_can_be_shown(path: Path):
    """A finding names its file, its place, a sentence and the line as written with a caret."""
    _, findings = found_in(path)

    lines = path.read_text(encoding="utf-8").split("\n")
    for finding in findings:
        head, source, caret = finding.render().split("\n")
        assert head.startswith(f"{path}:{finding.line}:{finding.column}: {finding.severity}[{finding.code}]: ")
        assert " " in finding.message
        assert finding.message[-1] in ".?"
        assert len(source.strip()) > 0
        assert len(caret) == 4 + finding.column
        assert finding.column <= len(lines[finding.line - 1]) + 1


def test_there_are_many_different_faults():
    """The collection covers at least a hundred files and sixty kinds of faults."""
    codes = {code for path in FILES for _, _, code in expected_of(path)}

    assert len(FILES) >= 100
    assert len(codes) >= 60


def test_an_error_refuses_the_definition_and_a_warning_does_not():
    """What has an error gives no definition; what has only warnings does."""
    for path in FILES:
        definition, findings = found_in(path)
        has_errors = any(finding.severity == "error" for finding in findings)

        assert has_errors is (definition is None)
        if has_errors:
            with pytest.raises(DefinitionError) as caught:
                load(path, known=KNOWN)
            assert findings == caught.value.findings


def test_every_code_of_the_source_is_covered():
    """Each code that the loader can give stands in one of these files, except the ones that need huge or unreadable input."""
    root = Path(__file__).parents[2] / "workflow"
    sources = [root / "load" / name for name in ("yaml.py", "documents.py")]
    sources += [path for pattern in ("parse*.py", "check*.py", "shapes.py") for path in (root / "states").glob(pattern)]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    found = set(re.findall(r"\"([a-z0-9]+(?:-[a-z0-9]+)+)\"", text)) | {"alias", "anchor", "tag", "directive"}
    elsewhere = {"cannot-read", "document-too-large", "not-utf-8", "too-many-values", "no-plain-data", "too-many", "utf-8"}

    covered = {code for path in FILES for _, _, code in expected_of(path)}
    assert found - elsewhere <= covered
