"""`workflow policy test` and `pytest --workflow-definition`, as their users see them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.conftest import GOOD
from workflow.cli import main

LIBRARY = str(GOOD / "library-card.yaml")
FEW = ["--examples", "12", "--steps", "40"]


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_a_good_definition_passes(capsys: pytest.CaptureFixture[str]) -> None:
    """The table of coverage, a verdict, and exit code 0."""
    assert 0 == run("policy", "test", LIBRARY, *FEW)
    said = capsys.readouterr().out
    assert "library-card: passed; " in said
    assert "timer rungs" in said


def test_a_threshold_that_is_not_reached_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Coverage below the threshold is a finding, and says what is missing."""
    assert 1 == run("policy", "test", LIBRARY, "--examples", "1", "--steps", "1", "--coverage-threshold", "100", "--json")
    data = json.loads(capsys.readouterr().out)
    assert (False, None) == (data["passed"], data["failure"])
    assert "card_issued" in data["coverage"]["states"]["missing"]


def test_a_definition_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback for a wrong name."""
    assert 3 == run("policy", "test", "no-such-definition")
    assert "There is no definition 'no-such-definition'." in capsys.readouterr().err


def test_the_plugin_adds_one_test_for_each_definition(tmp_path: Path) -> None:
    """A failing policy is told without a traceback, by its name and with its history."""
    careless = (GOOD / "library-card.yaml").read_text(encoding="utf-8").replace("reader hears of a card", "reader hears")
    careless = careless.replace("target: card_issued, actions: [{mail: approved}]", "target: card_issued")
    (tmp_path / "careless.yaml").write_text(careless, encoding="utf-8")
    words = ["-q", "-p", "no:cacheprovider", "--workflow-definition", "careless.yaml", "--workflow-definition", LIBRARY]
    words += ["--workflow-examples", "10", "--workflow-steps", "20"]
    ended = subprocess.run([sys.executable, "-m", "pytest", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 1 == ended.returncode, ended.stdout + ended.stderr
    assert "1 failed, 1 passed" in ended.stdout
    assert "the reader hears\n" in ended.stdout
    assert "issue_card by " in ended.stdout
    assert "Traceback" not in ended.stdout
