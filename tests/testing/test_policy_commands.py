"""`workflow policy test` and `pytest --workflow-definition`, as their users see them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.testing.conftest import GOOD

LIBRARY = str(GOOD / "library-card.yaml")
FEW = ["--examples", "12", "--steps", "40"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "workflow.cli", "policy", "test", *words], capture_output=True, text=True, check=False)


def test_a_good_definition_passes() -> None:
    """The table of coverage, a verdict, and exit code 0."""
    ended = run(LIBRARY, *FEW)
    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "library-card: passed; " in ended.stdout
    assert "timer rungs" in ended.stdout


def test_a_threshold_that_is_not_reached_fails() -> None:
    """Coverage below the threshold is a finding, and says what is missing."""
    ended = run(LIBRARY, "--examples", "1", "--steps", "1", "--coverage-threshold", "100", "--json")
    data = json.loads(ended.stdout)
    assert (1, False, None) == (ended.returncode, data["passed"], data["failure"])
    assert "card_issued" in data["coverage"]["states"]["missing"]


def test_a_definition_that_is_not_there_is_told() -> None:
    """No traceback for a wrong name."""
    ended = run("no-such-definition")
    assert (3, "There is no definition 'no-such-definition'.\n") == (ended.returncode, ended.stderr)


def test_the_plugin_adds_one_test_for_each_definition(tmp_path: Path) -> None:
    """A failing policy is told without a traceback, by its name and with its history."""
    careless = (GOOD / "library-card.yaml").read_text(encoding="utf-8")
    careless = careless.replace("{by: [librarian], decision: issue}", "{by: [librarian, reader]}")
    (tmp_path / "careless.yaml").write_text(careless, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    words = ["-c", "pytest.ini", "-q", "-p", "no:cacheprovider", "-p", "workflow.testing.plugin", "--workflow-examples", "10"]
    words += ["--workflow-definition", "careless.yaml", "--workflow-definition", LIBRARY]
    # Without the entry point: whether this checkout is installed with it says nothing about the plugin.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    program = [sys.executable, "-m", "pytest", *words]
    ended = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert 1 == ended.returncode, ended.stdout + ended.stderr
    assert "1 failed, 1 passed" in ended.stdout
    assert "nobody issues their own card\n" in ended.stdout
    assert "issue_card by subject -> card_issued" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_the_plugin_is_installed_with_the_package() -> None:
    """Pytest finds the plugin by its entry point."""
    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert {"workflow": "workflow.testing.plugin"} == project["project"]["entry-points"]["pytest11"]
