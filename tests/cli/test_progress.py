"""Long work at a terminal: standard error shows how far it is, standard output is what it is without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import typed
from tests.support.workers import registered_before
from workflow import bootstrap

DEFINITIONS = sorted(bootstrap.definitions_folder().glob("**/*.yaml"))


@pytest.fixture
def waiting(sqlite_url: str, tmp_path: Path) -> str:
    """A database with a few people in the waiting room, whose deadlines were reached."""
    registered_before(sqlite_url, tmp_path, 3)
    return sqlite_url


def both(*arguments: str | Path, database: str | None = None) -> tuple[str, str, str]:
    """Give standard output without a terminal, and both outputs at one; neither is a failure."""
    plain = typed(*arguments, database=database)
    shown = typed(*arguments, database=database, at_terminal=True)
    assert (plain.code, plain.err, shown.code) == (0, "", 0), plain.err + shown.err
    return plain.out, shown.out, shown.err


def test_checking_many_files_shows_a_bar():
    """Few files are checked at once, many with a bar; what is found is the same."""
    plain, shown, bar = both("check", *DEFINITIONS, *DEFINITIONS, *DEFINITIONS)
    assert plain == shown
    assert "Checking" in bar
    assert "100%" in bar
    assert typed("check", DEFINITIONS[0], at_terminal=True).err == ""


def test_a_sweep_says_what_it_does(waiting: str):
    """Sending takes as long as the mail server takes, so that a sweep says what it waits for."""
    said = typed("worker", "--once", database=waiting, at_terminal=True, WORKFLOW_SMTP_HOST="127.0.0.1", WORKFLOW_SMTP_PORT="9")
    assert said.code == 0
    assert said.out.startswith("3 deadline(s) fired")
    assert "Firing deadlines and sending messages" in said.err


def test_verifying_shows_how_fast_it_goes(waiting: str):
    """An auditor sees how many of how many entries are verified."""
    typed("audit", "checkpoint", database=waiting)
    plain, shown, bar = both("audit", "verify", database=waiting)
    assert "Nothing is wrong." in plain
    assert "Nothing is wrong." in shown
    assert "verifying" in bar


def test_exporting_counts_histories_and_entries(waiting: str, tmp_path: Path):
    """An export counts on standard error what it has written, because nobody knows beforehand how much that is."""
    typed("audit", "checkpoint", database=waiting)
    said = typed("audit", "export", "-o", tmp_path / "log.csv", "--actor", "auditor", database=waiting, at_terminal=True)
    assert said.code == 0, said.err
    assert "3 histories" in said.out
    assert "exporting" in said.err
    assert "histories," in said.err
