"""The journey map names tests and places; what it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from workflow.bootstrap import find_definition, known
from workflow.load import load

ROOT = Path(__file__).parents[2]
MAP = (ROOT / "docs" / "journey-map.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in MAP.splitlines() if line.startswith("| ") and "|---" not in line
]
TESTED = [row[2] for row in ROWS if len(row) == 3 and row[0] != "fact"]


def functions_in(folder: Path) -> set[str]:
    """Name every test function below a folder."""
    found: set[str] = set()
    for path in folder.rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    return found


def named() -> list[tuple[str, str]]:
    """Give what the column of tests names, as (folder, test); the test is empty when a folder or module is named."""
    found: list[tuple[str, str]] = []
    for text in (text for cell in TESTED for text in re.findall(r"`([^`]+)`", cell)):
        folder, _, test = text.rpartition(": ")
        is_place = "/" in text and not test.startswith("test_")
        found.append((text, "") if is_place else (folder or "tests/acceptance", test))
    return found


def test_every_test_that_the_map_names_exists():
    """No name in the map is a promise: each is a test in the folder it says (the acceptance tests when it says none)."""
    known_tests = {folder: functions_in(ROOT / folder) for folder in {folder for folder, test in named() if test}}
    assert [] == sorted(f"{folder}: {test}" for folder, test in named() if test and test not in known_tests[folder])


def test_every_place_that_the_map_names_exists():
    """Folders and modules are there; those of the pages as soon as there are pages."""
    absent = {place for place, test in named() if not test and not (ROOT / place).exists()}
    if not (ROOT / "workflow" / "web").exists():
        absent.discard("tests/web")
    assert set() == absent


def test_every_test_of_the_journey_is_in_the_map():
    """The other way round: what proves a fact of the journey is named beside the fact."""
    folder, itself = ROOT / "tests" / "acceptance", Path(__file__)
    about_itself = set(re.findall(r"^def (test_\w+)", itself.read_text(encoding="utf-8"), re.MULTILINE))
    assert [] == sorted(functions_in(folder) - about_itself - {test for _, test in named()})


@pytest.mark.parametrize("row", [row for row in ROWS if len(row) == 3 and row[0] != "fact"], ids=lambda row: row[0][:60])
def test_every_fact_has_a_test_or_is_a_non_goal(row):
    """A fact without a test says that it is left out on purpose."""
    assert row[2] or "**non-goal**" in row[1].lower()


def test_states_events_and_checks_of_the_map_exist_in_the_definition():
    """A place written as `state.timer` is one of the definition's."""
    definition = load(find_definition("cpms-access").read_text(encoding="utf-8"), known=known())
    timers = {f"{state.path.rpartition('.')[2]}.{timer.name}" for state in definition.states.values() for timer in state.timers}
    written = {text for row in ROWS if len(row) == 3 for text in re.findall(r"`(registered\.\w+|requested\.\w+|approved\.\w+)`", row[1])}
    states = {str(path) for path in definition.states}
    assert [] == sorted(written - timers - states)
