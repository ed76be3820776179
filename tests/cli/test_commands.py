"""The commands, run as a program: what they print, where they print it, and with which exit code they end."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from starlette.requests import Request

from tests.support.commands import Said, program_environment, workflow
from tests.support.workers import WAITING
from workflow.settings import MasterKey
from workflow.states.instance import Actor
from workflow.web.api.clients import Clients

ROOT = Path(__file__).resolve().parents[2]
PERSON = (
    "--set",
    "first_name=Jane",
    "--set",
    "last_name=Doe",
    "--set",
    "email=jane@clinic.example",
    "--set",
    "email_confirm=jane@clinic.example",
)
REGISTER = ("start", "cpms-access", "register", "--actor", "visitor", "--subject", "p-1", *PERSON, "--set", "language=en")
REGISTERED = (*REGISTER, "--set", "privacy_accepted=true", "--set", "username=n00abcde")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the reference definition published and one person registered."""
    folder = tmp_path_factory.mktemp("commands")
    url = f"sqlite:///{folder / 'store.db'}"
    assert workflow("db", "upgrade", database=url).code == 0
    assert workflow("publish", "cpms-access", "--json", database=url).data["new"] == 3
    return url


@pytest.fixture(scope="module")
def person(database: str) -> str:
    """The id of somebody who has just registered."""
    return str(workflow(*REGISTERED, "--json", database=database).data["id"])


def is_plain(said: Said) -> bool:
    """Tell whether an answer has neither a traceback nor an escape sequence."""
    return "Traceback" not in said.out + said.err and "\x1b" not in said.out + said.err


# For authors


def test_check_finds_nothing_in_what_is_shipped() -> None:
    """Every shipped definition, calendar and catalogue is free of faults; their kind is recognised by their first key."""
    shipped = sorted((ROOT / "definitions").rglob("*.yaml"))
    said = workflow("check", *shipped, "--json")
    assert (said.code, said.data["findings"]) == (0, [])


def test_check_names_every_fault_with_its_place(tmp_path: Path) -> None:
    """The text form has file:line:column, the source line and a caret; errors end with exit code 1."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(WAITING.replace("target: overdue}", "target: overdu}"), encoding="utf-8")
    said = workflow("check", bad)
    assert said.code == 1
    line = next(number for number, text in enumerate(bad.read_text().splitlines(), start=1) if "overdu}" in text)
    assert re.search(rf"bad\.yaml:{line}:\d+: error\[unknown-state\]: .*overdue", said.out)
    assert "^" in said.out
    assert is_plain(said)


def test_check_reads_standard_input_and_writes_for_github() -> None:
    """`-` is standard input; the github form is one workflow command for each finding."""
    said = workflow("check", "-", "--format", "github", stdin="definition: x\nlanguage: 1\n")
    assert said.code == 1
    assert said.out.startswith("::error file=<stdin>,line=1,col=1,title=")


@pytest.mark.parametrize("content", ["calendar: x\nzone: Nowhere\n", "catalogue: x\nsets: [1]\n", "", "a: [", "\x00", "calendar: [\n"])
def test_check_answers_any_document_with_findings(tmp_path: Path, content: str) -> None:
    """Whatever a file holds, the answer is findings and exit code 1."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(content, encoding="utf-8")
    said = workflow("check", bad, tmp_path / "missing.yaml", "--json")
    assert said.code == 1
    assert {finding["file"] for finding in said.data["findings"]} == {str(bad), str(tmp_path / "missing.yaml")}
    assert is_plain(said)


@pytest.mark.parametrize(("form", "start"), [("mermaid", "stateDiagram-v2"), ("dot", "digraph"), ("svg", "<svg")])
def test_graph_draws_a_definition(form: str, start: str) -> None:
    """A shipped definition is drawn by its name, without a database."""
    said = workflow("graph", "cpms-access", "--format", form, WORKFLOW_ENVIRONMENT="production")
    assert said.code == 0
    assert said.out.lstrip().startswith(start)


def test_graph_marks_where_an_instance_is(database: str, person: str) -> None:
    """With an instance its present state is marked."""
    assert "class registered current" in workflow("graph", "cpms-access", "--instance", person, database=database).out


# For whoever runs instances


def test_a_start_can_be_repeated_with_its_key(database: str) -> None:
    """The same start with the same key gives the same instance; other content under the key is a conflict."""
    other = [text.replace("jane@", "kay@").replace("n00abcde", "n00fghij").replace("p-1", "p-2") for text in REGISTERED]
    first, again = (workflow(*other, "--key", "k1", "--json", database=database) for _ in range(2))
    assert (first.code, again.code, again.data["id"], again.data["is_repeat"]) == (0, 0, first.data["id"], True)
    conflict = workflow(*[text.replace("Doe", "Roe") for text in other], "--key", "k1", database=database)
    assert conflict.code == 4
    assert is_plain(conflict)


def test_a_known_address_is_not_given_away(database: str, person: str) -> None:
    """A second registration of an address is taken without telling whose it is."""
    said = workflow(*[text.replace("n00abcde", "n00zzzzz") for text in REGISTERED], "--json", database=database)
    assert (said.code, said.data) == (0, {"merged": True})
    assert person not in said.out


def test_a_refusal_tells_every_reason(database: str) -> None:
    """Refused: exit code 1, every reason on standard error, and as data with --json."""
    said = workflow(*REGISTER, "--set", "privacy_accepted=false", "--set", "username=n00klmno", "--json", database=database)
    assert said.code == 1
    assert said.err.startswith("Refused:")
    assert [reason["field"] for reason in said.data["error"]["reasons"]] == ["privacy_accepted"]
    assert is_plain(said)


def test_secrets_come_from_a_file_or_standard_input(database: str, person: str, tmp_path: Path) -> None:
    """A secret is read where no history of commands keeps it; written on the command line it is refused."""
    secret = tmp_path / "secret"
    secret.write_text("not-the-password\n", encoding="utf-8")
    fire = ("fire", person, "sign_in", "--actor", "visitor")
    for said in (
        workflow(*fire, "--secret", "password=-", database=database, stdin="not-the-password\n"),
        workflow(*fire, "--secret", f"password=@{secret}", database=database),
    ):
        assert said.code == 1
        assert "not known here yet" in said.err
        assert "not-the-password" not in said.out + said.err
    for option in ("--set", "--secret"):
        said = workflow(*fire, option, "password=not-the-password", database=database)
        assert said.code == 2
        assert "--secret password" in said.err
        assert "not-the-password" not in said.err


def test_an_old_version_is_a_conflict(database: str, person: str) -> None:
    """Whoever has seen another version is told both, with exit code 4."""
    said = workflow("fire", person, "resend_link", "--actor", "h", "--role", "helpdesk", "--version", "99", "--json", database=database)
    assert said.code == 4
    assert said.data["error"]["expected_version"] == 99


def test_may_says_what_and_why_not(database: str, person: str) -> None:
    """Allowed, refused with reasons, or depending on what."""
    verdicts = workflow("may", person, "--actor", "h", "--role", "helpdesk", "--json", database=database).data
    assert verdicts["resend_link"] == {"verdict": "allowed"}
    assert verdicts["set_password"]["verdict"] == "depends"
    assert verdicts["retire_sms"]["verdict"] == "allowed"
    assert verdicts["extend_guest"]["verdict"] == "refused"


def test_show_and_list_keep_personal_values_to_themselves(database: str, person: str) -> None:
    """Personal values are shown only when asked for by name."""
    shown = workflow("show", person, database=database)
    assert "registered" in shown.out
    assert "jane@clinic.example" not in shown.out
    assert (
        "jane@clinic.example"
        in workflow("show", person, "--personal", "--actor", "hal", "--basis", "her own question", database=database).out
    )
    listed = workflow("list", "--state", "registered", "--open", "--json", database=database)
    assert person in {one["id"] for one in listed.data["instances"]}
    assert "jane@clinic.example" not in listed.out


def test_lists_come_in_pages(database: str, person: str) -> None:
    """`--limit` and `--after` walk through everything once."""
    seen, cursor = [], None
    while True:
        page = workflow("list", "--limit", "1", *(("--after", cursor) if cursor else ()), "--json", database=database).data
        seen += [one["id"] for one in page["instances"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) >= 1
    assert person in seen


def test_a_delegation_is_recorded(database: str) -> None:
    """A delegation is in the system's chain, with who granted it."""
    said = workflow("delegate", "tom", "eva", "--until", "2099-01-01", "--role", "network_team:ERKNet", "--json", database=database)
    assert said.code == 0
    trace = workflow("trace", "system", "--json", database=database)
    assert trace.data["lines"][-1]["kind"] == "delegation:granted"
    assert trace.data["chain"]["is_verified"]
    assert workflow("end-delegation", said.data["delegation"], "--actor", "nobody", database=database).code == 1
    assert workflow("end-delegation", said.data["delegation"], "--actor", "tom", database=database).code == 0


def test_trace_finds_a_changed_entry(person: str, database: str, tmp_path: Path) -> None:
    """A history that somebody changed in the database is named broken, with exit code 1."""
    copy = tmp_path / "copy.db"
    with sqlite3.connect(database.removeprefix("sqlite:///")) as source, sqlite3.connect(copy) as target:
        source.backup(target)
        for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            target.execute(f'DROP TRIGGER "{name}"')
        target.execute("UPDATE workflow_entries SET actor = 'somebody else' WHERE instance_id = ? AND sequence = 1", (person,))
    source.close()
    target.close()
    said = workflow("trace", person, database=f"sqlite:///{copy}")
    assert said.code == 1
    assert "CHAIN BROKEN at entry 1" in said.out
    assert workflow("trace", person, database=database).code == 0


# For operators


def test_the_worker_once_does_what_is_due(database: str, person: str, tmp_path: Path) -> None:
    """`worker --once` performs what is due and says what it did; what cannot be sent waits, and shows in the outbox."""
    with_nobody = {"WORKFLOW_SMTP_HOST": "127.0.0.1", "WORKFLOW_SMTP_PORT": "9", "WORKFLOW_SMTP_SECURITY": "none"}
    said = workflow("worker", "--once", "--json", database=database, **with_nobody)
    assert said.code == 0
    assert said.data["done"] == 0
    assert said.data["put_back"] >= 1
    messages = workflow("outbox", "list", "--instance", person, "--json", database=database).data["messages"]
    assert messages[0]["state"] == "queued"
    assert messages[0]["last_error"]
    assert workflow("outbox", "show", messages[0]["id"], "--json", database=database).data["name"] == "password_link"
    assert workflow("outbox", "retry", messages[0]["id"], "--actor", "ops", database=database).code == 1, "it was not given up"


def test_tables_that_are_missing_are_told(tmp_path: Path) -> None:
    """Without tables: `db check` ends with 1, other commands with 5 and what to do."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert workflow("db", "check", database=url).code == 1
    said = workflow("list", database=url)
    assert said.code == 5
    assert "workflow db upgrade" in said.err
    assert workflow("db", "upgrade", database=url).code == 0
    assert workflow("db", "check", database=url).code == 0


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "sqlite:////nowhere/at/all.db", "postgresql://127.0.0.1:9/x"])
def test_a_database_that_cannot_be_used_is_told(url: str) -> None:
    """A wrong address, and one where nobody answers: exit code 5, no traceback."""
    said = workflow("list", database=url)
    assert said.code == 5
    assert is_plain(said)


def test_without_keys_nothing_opens() -> None:
    """In production without keys: what to set, and how to try things out."""
    said = workflow("list", "--database", "sqlite:///x.db", WORKFLOW_ENVIRONMENT="production")
    assert said.code == 5
    for hint in ("WORKFLOW_KEYS", "workflow keys new", "WORKFLOW_ENVIRONMENT=development"):
        assert hint in said.err


def test_a_new_key_is_a_key() -> None:
    """`keys new` prints what WORKFLOW_KEYS wants, and another one each time."""
    made = [workflow("keys", "new", WORKFLOW_ENVIRONMENT="production").out.strip() for _ in range(2)]
    assert MasterKey.read(made[0]) != MasterKey.read(made[1])
    assert workflow("keys", "new", "--kid", "k2", "--json").data["kid"] == "k2"
    assert workflow("keys", "new", "--kid", "K 2").code == 2


def test_a_new_client_is_one_that_the_file_takes(tmp_path: Path) -> None:
    """`keys client` prints a token and what the file of clients wants of it, without the token."""
    command = ("keys", "client", "crm", "--actor", "client:crm", "--role", "reception:north")
    said = workflow(*command, "--json").data
    assert said["token"] not in str(said["client"])
    (tmp_path / "clients.json").write_bytes(orjson.dumps([said["client"]]))
    request = Request({"type": "http", "headers": [(b"authorization", f"Bearer {said['token']}".encode())]})
    assert Actor.of("client:crm", "reception:north") == Clients.read(tmp_path / "clients.json")(request)
    token, client = workflow(*command).out.splitlines()
    assert token.split()[1] != said["token"]
    assert sha256(token.split()[1].encode()).hexdigest() == orjson.loads(client.split(maxsplit=1)[1])["sha256"]
    wrong = workflow("keys", "client", "x!", "--actor", "client:x")
    assert (5, True) == (wrong.code, is_plain(wrong))
    assert "name is missing or is not 1 to 64" in wrong.err


# Everywhere


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "nobody"), 3),
        (("trace", "nobody"), 3),
        (("start", "no-such", "register", "--actor", "x"), 3),
        (("publish", "no-such"), 3),
        (("graph", "no-such.yaml"), 3),
        (("outbox", "show", "no-such"), 3),
        (("no-such-command",), 2),
        (("fire", "x"), 2),
        (("list", "--limit", "0"), 2),
        (("list", "--after", "rubbish"), 2),
        (("start", "cpms-access", "register", "--actor", "x", "--set", "rubbish"), 2),
        (("start", "cpms-access", "register", "--actor", "x", "--set-json", "a={"), 2),
    ],
)
def test_exit_codes(database: str, arguments: tuple[str, ...], code: int) -> None:
    """Each kind of mistake has its exit code, something on standard error, and no traceback."""
    said = workflow(*arguments, database=database)
    assert said.code == code
    assert said.err
    assert is_plain(said)


def test_an_interrupt_is_no_fault(tmp_path: Path) -> None:
    """Ctrl-C ends a command with 130 and without a traceback."""
    # Whoever runs the tests in the background of a script lets their programs ignore Ctrl-C.
    start = "import signal; from workflow.cli import main; signal.signal(signal.SIGINT, signal.default_int_handler); main()"
    command = [sys.executable, "-c", start, "demo", "--slow", "--keep", str(tmp_path / "demo")]
    with subprocess.Popen(
        command, env=program_environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in told


def _worked_by_programs() -> float:
    """Give the seconds of work of all programs that were started; a busy machine makes them wait, and not work more."""
    times = os.times()
    return times.children_user + times.children_system


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    """`workflow --help` takes half a second of work at most, because it loads neither SQLAlchemy nor CEL nor cryptography."""
    took = []
    for _ in range(3):
        began = _worked_by_programs()
        said = workflow("--help", COVERAGE_PROCESS_CONFIG="")  # measuring its coverage would be what takes the time
        took.append(_worked_by_programs() - began)
        assert said.code == 0
        assert "Exit codes: 0 done" in " ".join(said.out.split())
    assert min(took) <= 0.5
    code = (
        "import sys; from workflow.cli.app import app; "
        "print(sorted({'sqlalchemy', 'cel_expr_python', 'cryptography', 'jinja2', 'rich', 'argon2', 'orjson'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_every_command_explains_itself_and_answers_in_json() -> None:
    """Each command has a help text, and each that answers has `--json`."""
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"## `(workflow[^`]*)`\n\n```text\n(.*?)```", reference, re.DOTALL))
    groups = {name for name in sections if any(other.startswith(f"{name} ") for other in sections)}
    assert {"workflow demo", "workflow check", "workflow outbox retry", "workflow db upgrade", "workflow keys new"} <= set(sections)
    for name, text in sections.items():
        if name not in groups:
            assert "--json" in text, name
