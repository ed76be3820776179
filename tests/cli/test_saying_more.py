"""What commands say where something is lost, forged, given up or set aside, and what stands in for the world while developing."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from types import MappingProxyType

import httpx2
import orjson
import pytest

from tests.support.commands import program_environment, typed
from tests.support.tampering import Forger
from tests.support.workers import registered_before
from workflow import bootstrap
from workflow.actions.push import Notification
from workflow.cli import output
from workflow.cli.demo_acts import register
from workflow.cli.demo_stage import DemoError, Stage, staged
from workflow.cli.serving import site_of_settings
from workflow.cli.standing_in import SAMPLE_DIRECTORY, KeptTexts, StandIns, actor_of
from workflow.engine.directory import FixedDirectory
from workflow.errors import NotFoundError
from workflow.settings import Settings, development_keys
from workflow.states.instance import Actor
from workflow.testing.mailbox import Mailbox

FINDINGS, USAGE, NOT_FOUND, SETTINGS = 1, 2, 3, 5


def words(text: str) -> str:
    """Give what was said without the lines and frames that a width makes."""
    return " ".join(text.replace("│", " ").split())


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with forty in the waiting room, under a checkpoint."""
    folder = tmp_path_factory.mktemp("rooms")
    url = f"sqlite:///{folder / 'rooms.db'}"
    assert 0 == typed("db", "upgrade", database=url).code
    registered_before(url, folder, 40)
    assert 0 == typed("audit", "checkpoint", database=url).code
    return folder / "rooms.db"


@pytest.fixture
def database(rooms: Path, tmp_path: Path) -> str:
    """A copy of one's own."""
    with closing(sqlite3.connect(rooms)) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as target:
        source.backup(target)
    return f"sqlite:///{tmp_path / 'copy.db'}"


@pytest.fixture
def forger(database: str) -> Iterator[Forger]:
    """Somebody who owns the database."""
    with closing(Forger(database)) as forger:
        yield forger


def instances(database: str) -> list[str]:
    """Give the ids of all onboardings."""
    return [one["id"] for one in typed("list", "--json", database=database).data["instances"]]


# Data for programs


@dataclass(frozen=True)
class Pair:
    """Two values."""

    one: int
    other: frozenset[str]


def test_every_value_of_ours_has_a_json_form() -> None:
    """Hashes are hexadecimal, sets are sorted, mappings and records are objects, and nothing else is guessed."""
    given = {"hash": b"\x01\xff", "set": {"b", "a"}, "map": MappingProxyType({1: 2}), "record": Pair(1, frozenset({"y", "x"}))}
    assert {"hash": "01ff", "set": ["a", "b"], "map": {"1": 2}, "record": {"one": 1, "other": ["x", "y"]}} == orjson.loads(
        output.as_json(given)
    )
    with pytest.raises(TypeError, match="not JSON serializable: object"):
        output.as_json({"what": object()})


class Terminal(StringIO):
    """Standard error as a terminal has it."""

    def isatty(self) -> bool:
        return True


def test_long_work_in_parts_is_counted_at_a_terminal_only() -> None:
    """At a terminal the part and how much of it is done are shown; into a file nothing is."""
    for shown, said in ((Terminal(), "Proving 7/9"), (StringIO(), "")):
        with redirect_stderr(shown), output.counting("Proving") as tell:
            tell(7, 9)
        assert bool(said) == ("7/9" in shown.getvalue() and "Proving" in shown.getvalue())
        assert bool(said) == bool(shown.getvalue())
    quiet = StringIO()
    with redirect_stderr(quiet), output.naming() as name:
        name("first", 1, 2)
    assert "" == quiet.getvalue()


# Histories that were forged


def test_programs_read_which_entry_is_broken(database: str, forger: Forger) -> None:
    """The entry, what was expected and what was found, and the exit code of a finding."""
    id_ = instances(database)[0]
    forger.edit(id_, 1, actor="mallory")
    said = typed("trace", id_, "--json", database=database)
    chain = said.data["chain"]
    assert (FINDINGS, False, 1) == (said.code, chain["is_verified"], chain["sequence"])
    assert chain["problem"]


def test_a_history_that_was_cut_off_is_broken(database: str, forger: Forger) -> None:
    """What is left hangs together; that something is missing at its end shows by what the instance says."""
    with bootstrap.open_engine(database, keys=development_keys()) as engine:
        engine.tick()
    id_ = instances(database)[0]
    assert 0 == typed("trace", id_, database=database).code
    forger.delete_entry(id_, 2)
    said = typed("trace", id_, database=database)
    assert FINDINGS == said.code
    assert "CHAIN BROKEN at entry 2: The history ends at entry 1, but the instance has 2." in words(said.out)


def test_only_the_first_of_many_flaws_are_printed(database: str, forger: Forger) -> None:
    """Twenty-one of forty, and how to get the others."""
    for id_ in instances(database):
        forger.edit(id_, 1, actor="mallory")
    said = typed("audit", "verify", database=database)
    assert FINDINGS == said.code
    assert 20 == said.out.count("\n- ")
    assert "more; --json lists up to 200." in said.out


def test_keys_of_the_log_are_data_too(database: str) -> None:
    """Programs get the name of the log and its keys, people the keys alone."""
    said = typed("audit", "keys", "--json", database=database).data
    assert typed("audit", "keys", database=database).out.split("\n")[:-1] == said["keys"]
    assert all(key.startswith(f"{said['origin']}+") for key in said["keys"])


# Messages that were given up, and onboardings that were set aside


def test_what_was_given_up_is_said_and_made_due_again(database: str, forger: Forger) -> None:
    """Why it was given up stands in the list; tried again it is queued, and that is no finding."""
    ids = [one["id"] for one in typed("outbox", "list", "--json", database=database).data["messages"]]
    forger.run("UPDATE {t}outbox SET state = 'dead', attempts = 9, last_error = 'no such mailbox' WHERE id IN (:a, :b)", a=ids[0], b=ids[1])
    listed = typed("outbox", "list", "--state", "dead", database=database)
    assert 2 == words(listed.out).count("dead, 9 tries: no such mailbox")
    assert {ids[0]: True} == typed("outbox", "retry", ids[0], "--actor", "ops", "--json", database=database).data
    said = typed("outbox", "retry", ids[1], "--actor", "ops", database=database)
    assert (0, True) == (said.code, f"{ids[1]}  is due again" in said.out)
    assert typed("outbox", "list", "--state", "dead", "--json", database=database).data["messages"] == []


def test_what_a_sweep_set_aside_is_a_finding(database: str, forger: Forger) -> None:
    """An onboarding that cannot be settled does not stop the others; it is named with why."""
    bad = instances(database)[0]
    forger.run("UPDATE {t}instances SET digest = 'nowhere' WHERE id = :i", i=bad)
    server = {"WORKFLOW_SMTP_HOST": "127.0.0.1", "WORKFLOW_SMTP_PORT": "9"}
    said = typed("worker", "--once", database=database, **server)
    assert FINDINGS == said.code
    assert f"set aside: {bad}: " in said.out
    assert said.out.startswith("39 deadline(s) fired")


# Mistakes


def test_a_version_that_cannot_be_read_is_told_with_its_finding(tmp_path: Path) -> None:
    """`policy diff` compares what can be read only."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("definition: bad\nlanguage: 1\n", encoding="utf-8")
    said = typed("policy", "diff", "cpms-access", bad)
    assert FINDINGS == said.code
    assert "bad.yaml:1" in said.err + said.out


def test_a_value_of_no_field_is_left_to_the_engine(database: str) -> None:
    """A name that the event does not have is sent as it was written, and refused with its reason."""
    said = typed("start", "waiting-room", "register", "--actor", "v", "--set", "email=z@example.org", "--set", "shoe=42", database=database)
    assert FINDINGS == said.code
    assert "shoe" in said.err


@pytest.mark.parametrize(
    ("lacking", "command", "extra"),
    [("z3", ["policy", "prove", "cpms-access"], "prove"), ("hypothesis", ["policy", "test", "cpms-access"], "testing")],
)
def test_an_extra_that_is_missing_is_named(lacking: str, command: list[str], extra: str) -> None:
    """Whoever installed the package alone reads which extra to add, and no traceback."""
    without = f"import sys; sys.modules[{lacking!r}] = None; from workflow.cli import main; main({command!r})"
    said = subprocess.run([sys.executable, "-c", without], env=program_environment(), capture_output=True, text=True, check=False)
    assert SETTINGS == said.returncode
    assert f"extra `{extra}`" in words(said.stdout + said.stderr)
    assert "Traceback" not in said.stderr


# What stands in for the world while developing


def test_what_stands_in_keeps_everything_and_sends_nothing(database: str) -> None:
    """A text message arrives once, a notification at its person's phone, and a phone is the same each time it is asked for."""
    with bootstrap.open_engine(database, keys=development_keys()) as engine, Mailbox() as mailbox:
        stand_ins = StandIns(mailbox, SAMPLE_DIRECTORY, KeptTexts(engine))
        for reference in ("r1", "r1", "r2"):
            stand_ins.kept_texts.send("+32 470 12 34 56", f"code {reference}", reference=reference)
        stand_ins.push.send(Notification(subject="ana", name="sign_in", text="Is it you?", reference="n1", sent_at=datetime.now(UTC)))
        assert [("text", "code r1", "+32 470 12 34 56"), ("text", "code r2", "+32 470 12 34 56")] == [
            (one.kind, one.text, one.to) for one in stand_ins.texts()
        ]
        assert (["Is it you?"], ()) == ([one.text for one in stand_ins.pushes("ana")], stand_ins.pushes("ben"))
        assert stand_ins.phone("a") is stand_ins.phone("a") is not stand_ins.phone("b")
        assert () == stand_ins.mails()


def test_text_messages_of_no_engine_are_kept_nowhere() -> None:
    """Before there is an engine there is no clock to say when one arrived."""
    texts = KeptTexts()
    texts.send("+32 470 12 34 56", "code", reference="r1")
    assert [] == texts.sent


def test_whoever_holds_no_role_is_nobody() -> None:
    """Who may be chosen at the back office holds a role; nobody else is made up."""
    directory = FixedDirectory(roles={"helpdesk": ("hal",), "administrator": ("ada", "hal")})
    assert Actor.of("hal", "helpdesk", "administrator") == actor_of(directory, "hal")
    with pytest.raises(NotFoundError, match="eve"):
        actor_of(directory, "eve")


def _production(database: str, folder: Path) -> dict[str, str]:
    """Write the file of an installation's directory, and give the installation's settings."""
    (folder / "directory.json").write_text('{"roles": {"helpdesk": ["hal"]}}', encoding="utf-8")
    return {
        "WORKFLOW_ENVIRONMENT": "production",
        "WORKFLOW_DATABASE_URL": database,
        "WORKFLOW_KEYS": typed("keys", "new").out.strip(),
        "WORKFLOW_BASE_URL": "https://access.example",
        "WORKFLOW_SMTP_HOST": "127.0.0.1",
        "WORKFLOW_SMTP_FROM": "no-reply@access.example",
        "WORKFLOW_DIRECTORY": str(folder / "directory.json"),
    }


def test_an_installation_puts_its_site_together_without_stand_ins(database: str, tmp_path: Path) -> None:
    """In production nothing is simulated: the directory and the programs are those of the settings, and nobody else may come in."""
    (tmp_path / "clients.json").write_text("[]", encoding="utf-8")
    settings = Settings.read(_production(database, tmp_path) | {"WORKFLOW_API_CLIENTS": str(tmp_path / "clients.json")})
    with site_of_settings(settings, has_worker=False) as site:
        assert (None, None) == (site.development, site.oidc)
        assert Actor.of("hal", "helpdesk") == site.grants_of("hal")
        with pytest.raises(NotFoundError):
            site.grants_of("tess")


# The demo


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The demo's stage after its first act."""
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        register(stage)
        yield stage


def test_the_demo_stops_where_the_journey_goes_otherwise(stage: Stage) -> None:
    """Nothing is told that did not happen: each expectation of an act that fails ends the demo with what was there instead."""
    with pytest.raises(DemoError, match="registered, but the journey says approved"):
        stage.is_in("approved")
    with pytest.raises(DemoError, match=r"The deadline approved\.never does not run; running are registered"):
        stage.wait_for("approved.never")
    with pytest.raises(DemoError, match="was accepted, but the journey says that it is refused"):
        stage.refused("resend_link", Actor.of("hal", "helpdesk"))
    with pytest.raises(DemoError, match="The registration was not accepted"):
        register(stage)


def test_a_demo_that_is_kept_says_how_to_go_on(tmp_path: Path) -> None:
    """The commands that are printed work on what was kept; a folder that cannot be made is told before anything begins."""
    said = typed("demo", "--keep", tmp_path / "kept")
    assert 0 == said.code, said.err
    go_on = [line.strip().split() for line in said.out.splitlines() if line.startswith("  workflow ")]
    url = f"sqlite:///{tmp_path / 'kept' / 'demo.db'}"
    assert f"  export WORKFLOW_DATABASE_URL={url}" in said.out.splitlines()
    assert ["trace", "show", "graph"] == [command[1] for command in go_on]
    assert [0, 0, 0] == [typed(*command[1:], database=url).code for command in go_on]
    (tmp_path / "file").write_text("", encoding="utf-8")
    below = typed("demo", "--keep", tmp_path / "file" / "kept")
    assert (True, "") == (below.code > 0, below.out)
    assert "cannot be made: Not a directory." in words(below.err)


# An installation


def test_an_installation_says_what_its_pages_cannot_do_and_stops_when_told(database: str, tmp_path: Path) -> None:
    """In production each setting without which something cannot be done is named; the server starts all the same, and ends with 0."""
    environ = _production(database, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "workflow.cli", "serve", "--port", port, "--without-worker"]
    with subprocess.Popen(
        command, env=program_environment(PYTHONUNBUFFERED="1", **environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while "WORKFLOW_TRUSTED_PROXIES" not in said:  # the last sentence
            line = process.stdout.readline()
            assert line, process.communicate()
            said += line
        assert httpx2.get(f"http://127.0.0.1:{port}/mailbox", timeout=30).status_code in {400, 404}  # answered: the server is at work
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert (0, "Open https://access.example") == (process.returncode, said.splitlines()[0])
    assert [True, True, False] == [name in said for name in ("WORKFLOW_OIDC_ISSUER", "WORKFLOW_API_CLIENTS", "WORKFLOW_DIRECTORY")]
