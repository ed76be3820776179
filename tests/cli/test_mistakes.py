"""Mistakes that people make at the command line: each is told in a sentence, with the exit code of who must act, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Said, typed
from tests.support.workers import registered_before

USAGE, NOT_FOUND, OPERATOR = 2, 3, 5


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with one person and a checkpoint."""
    folder = tmp_path_factory.mktemp("mistakes")
    url = f"sqlite:///{folder}/mistakes.db"
    assert 0 == typed("db", "upgrade", database=url).code
    registered_before(url, folder, 1)
    assert 0 == typed("audit", "checkpoint", database=url).code
    return url


@pytest.fixture(scope="module")
def instance(database: str) -> str:
    """The one person's onboarding."""
    found: str = typed("list", "--json", database=database).data["instances"][0]["id"]
    return found


def sentence(said: Said) -> str:
    """Give what was told, without the frame and the lines that a terminal's width makes."""
    return " ".join(said.err.replace("│", " ").split())


@pytest.mark.parametrize("id_", ["", "a\nb", "x" * 201])
@pytest.mark.parametrize("command", ["may", "start", "erase", "delegate", "end-delegation", "publish", "retain"])
def test_what_can_be_nobodys_id_is_refused_before_anything_is_done(database: str, instance: str, command: str, id_: str) -> None:
    """An empty id, one of two lines or one that is too long is a command that was written wrongly, wherever it is given."""
    words = {
        "may": ("may", instance, "--actor", id_),
        "start": ("start", "waiting-room", "register", "--actor", "a", "--subject", id_),
        "erase": ("audit", "erase", id_, "--actor", "a", "--basis", "asked for"),
        "delegate": ("delegate", "a", id_, "--until", "2030-01-01"),
        "end-delegation": ("end-delegation", "d", "--actor", id_),
        "publish": ("publish", "cpms-access", "--actor", id_),
        "retain": ("audit", "retain", "--actor", id_),
    }
    said = typed(*words[command], database=database)
    assert (said.code, said.out) == (USAGE, "")
    assert "An actor's id is 1 to 200 printable characters" in sentence(said)


def test_a_role_without_a_name_is_refused(database: str, instance: str) -> None:
    """A role is written ROLE or ROLE:SCOPE; what has no name would be held without a word."""
    for role in ("", ":ERKNet"):
        said = typed("may", instance, "--actor", "a", "--role", role, database=database)
        assert said.code == USAGE
        assert "ROLE:SCOPE" in sentence(said)


def test_a_number_that_no_entry_has_is_refused(database: str, instance: str) -> None:
    """A number beyond all numbers of entries does not reach the database."""
    assert USAGE == typed("audit", "prove", instance, "9" * 20, database=database).code
    assert NOT_FOUND == typed("audit", "prove", instance, "999999", database=database).code


@pytest.mark.parametrize(
    "command",
    [
        ("audit", "checkpoint", "--output", "{nowhere}"),
        ("audit", "checkpoint", "--tiles", "{nowhere}"),
        ("audit", "export", "--output", "{nowhere}", "--actor", "a"),
        ("audit", "bundle", "{instance}", "--output", "{nowhere}", "--actor", "a"),
        ("trace", "{instance}", "--html", "{nowhere}"),
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_a_place_that_cannot_be_written_is_named(database: str, instance: str, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Whoever names a place below a file is told which place and why, in words and for programs."""
    below = tmp_path / "file"
    below.write_text("no folder", encoding="utf-8")
    words = [word.format(nowhere=below / "there", instance=instance) for word in command]
    said = typed(*words, "--json", database=database)
    assert said.code == OPERATOR
    assert sentence(said).startswith(str(below))
    assert sentence(said).endswith("Not a directory.")
    assert str(below) in said.data["error"]["message"]


@pytest.mark.parametrize("command", ["export", "exceptions", "conform", "retain"])
def test_a_population_of_no_definition_is_no_answer(database: str, tmp_path: Path, command: str) -> None:
    """Nothing found in a definition that never was would read as all is well; it is told, and no file is written."""
    more = ("--output", tmp_path / "x.csv", "--actor", "a") if command == "export" else ()
    said = typed("audit", command, "--definition", "nope", *more, database=database)
    assert (said.code, sentence(said)) == (NOT_FOUND, "There is no definition 'nope'.")
    assert [] == list(tmp_path.iterdir())


def test_a_field_is_opened_only_when_personal_values_are(database: str, instance: str) -> None:
    """`--field` without `--personal` would show nothing of it and say nothing."""
    said = typed("show", instance, "--field", "email", database=database)
    assert said.code == USAGE
    assert "--personal" in sentence(said)
