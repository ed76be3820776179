"""What commands say to people: lines that can be read, and for each mistake what to write instead."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import Said, typed
from workflow import bootstrap
from workflow.cli.performing import gateway_of
from workflow.settings import Settings, development_keys

DESK = """\
definition: desk
language: 1
subject: guest
calendar: ern-office
roles:
  visitor: {anyone: true, because: Whoever comes is let in.}
  officer: {scope: town}
  clerk: {}
fields:
  email: {type: email, unique: {on_conflict: asked_again}}
  town: {type: string, personal: false, because: It names a place.}
  floor: integer
  is_ready: boolean
  places: {type: string, many: true, personal: false, because: They name rooms.}
events:
  ask:
    by: [visitor]
    payload:
      email: {field: email, required: true}
      town: {field: town, required: true}
      floor: {field: floor}
      is_ready: {field: is_ready}
      places: {field: places}
  asked_again: {by: engine}
  admit: {by: [officer], decision: approval}
  turn_away: {by: [clerk]}
  late: {by: engine}
  mailed: {by: engine}
  not_mailed: {by: engine}
start: {event: ask, set: {email: event.email, town: event.town, floor: event.floor, is_ready: event.is_ready, places: event.places}}
initial: waiting
states:
  waiting:
    entry: [{mail: request_received, done: mailed, failed: not_mailed}]
    timers: [{name: slow, after: 2bd, event: late}]
    transitions:
      - {event: asked_again}
      - {event: admit, target: inside}
      - {event: turn_away, target: outside}
      - {event: late, target: outside}
  inside: {outcome: success}
  outside: {outcome: failure}
"""
ASK = ("start", "desk", "ask", "--actor", "visitor", "--set", "town=Rome")
MORE = ("--set", "floor=-3", "--set", "is_ready=TRUE", "--set", "places=a, b,,c")


@pytest.fixture
def database(sqlite_url: str, tmp_path: Path) -> str:
    """A database in which the desk is published."""
    path = tmp_path / "desk.yaml"
    path.write_text(DESK, encoding="utf-8")
    with bootstrap.open_engine(sqlite_url, keys=development_keys()) as engine:
        bootstrap.publish(engine, path)
    return sqlite_url


def asked(database: str, name: str = "ana", *more: str) -> str:
    """Let somebody ask, and give the id."""
    said = typed(*ASK, "--set", f"email={name}@example.org", "--subject", name, *MORE, *more, "--json", database=database)
    assert said.code == 0, said.err
    return str(said.data["id"])


def words(said: Said) -> list[list[str]]:
    """Give what was said, line by line, in words."""
    assert said.code == 0, said.err
    return [line.split() for line in said.out.splitlines()]


# For who runs instances


def test_a_start_is_told_with_its_next_deadline(database: str) -> None:
    """Who starts something is told its id, where it is, and what is due next, in the calendar's zone; a repeat says that it is one."""
    arguments = (*ASK, "--set", "email=ana@example.org", "--subject", "ana", "--key", "k1")
    first, again = (typed(*arguments, database=database) for _ in range(2))
    (id_, state), deadline = words(first)
    assert (state, deadline[:2]) == ("waiting", ["Next", "deadline:"])
    assert words(again)[0] == [id_, "waiting", "(done", "before,", "by", "the", "same", "key)"]


def test_a_value_that_is_taken_is_told_without_saying_whose(database: str) -> None:
    """Somebody who asks for a taken address hears the same words, whoever has it, and exit code 0."""
    asked(database)
    said = typed(*ASK, "--set", "email=ana@example.org", "--subject", "bob", database=database)
    assert (said.code, said.out.splitlines()) == (0, ["Taken. A value belongs to an onboarding that exists already; its owner was told."])


def test_values_are_read_as_their_fields_say(database: str) -> None:
    """Numbers, truth values and lists are written as people write them; an empty item of a list is none."""
    shown = typed("show", asked(database), "--json", database=database).data
    assert shown["fields"] == {"town": "Rome", "floor": -3, "is_ready": True, "places": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--set", "floor"), "Write --set NAME=VALUE."),
        (("--set-json", "=3"), "Write --set-json NAME=JSON."),
        (("--set-json", "floor={"), "The value of floor is no JSON"),
        (("--secret", "pin=1234"), "Write --secret pin (asks), --secret pin=@FILE or --secret pin=-, never the secret itself."),
        (("--secret", "pin=@nowhere"), "nowhere cannot be read: No such file or directory."),
    ],
)
def test_a_value_that_is_written_wrongly_is_told_how_to_write_it(database: str, arguments: tuple[str, str], told: str) -> None:
    """A mistake in a command is exit code 2, with the right form, and nothing happens."""
    said = typed(*ASK, "--set", "email=ana@example.org", *arguments, database=database)
    assert said.code == 2
    assert told in " ".join(said.err.replace("│", " ").split())
    assert typed("list", "--json", database=database).data["instances"] == []


def test_a_value_of_the_wrong_kind_is_refused_with_its_reason(database: str) -> None:
    """What the command line cannot read as the field says goes to the engine as it is, which says what is wrong."""
    said = typed(*ASK, "--set", "email=ana@example.org", "--set", "floor=ground", "--set", "is_ready=perhaps", database=database)
    assert said.code == 1
    assert "floor" in said.err
    assert "is_ready" in said.err


def test_json_values_are_taken_as_they_are(database: str) -> None:
    """For programs every value can be given as JSON."""
    id_ = asked(database, "bob", "--set-json", 'places=["x, y"]', "--set-json", "is_ready=false")
    assert typed("show", id_, "--json", database=database).data["fields"]["places"] == ["x, y"]


def test_an_event_is_fired_and_told(database: str) -> None:
    """Who fires an event is told where the onboarding is now; one that ended has no deadline."""
    id_ = asked(database)
    said = typed("fire", id_, "admit", "--actor", "ben", "--role", "officer:Rome", database=database)
    assert words(said) == [[id_, "inside"]]
    ended = typed("fire", id_, "admit", "--actor", "ben", "--role", "officer:Rome", "--json", database=database)
    assert (ended.code, ended.data["error"]["kind"]) == (1, "RefusedError")


def test_may_is_a_table_with_reasons(database: str) -> None:
    """What may be done comes first, then what may not, each with all its reasons."""
    table = words(typed("may", asked(database), "--actor", "ben", "--role", "officer:Rome", database=database))
    assert table[0] == ["event", "may", "why"]
    assert table[1] == ["admit", "yes"]
    assert [row[:2] for row in table if len(row) > 1 and row[1] == "no"] == [["turn_away", "no"]]


def test_show_names_what_is_sealed(database: str) -> None:
    """An instance is shown with its deadlines and plain values; personal ones are named, and opened only when it is said who reads them."""
    id_ = asked(database)
    said = typed("show", id_, database=database)
    lines = said.out.splitlines()
    assert ["instance", id_] in words(said)
    assert "Deadlines (Europe/Brussels)" in lines
    assert ["places", "a,", "b,", "c"] in words(said)
    assert ["kept", "sealed", "email"] in words(said)
    assert "ana@example.org" not in said.out
    refused = typed("show", id_, "--personal", database=database)
    assert (refused.code, "--actor" in refused.err) == (2, True)
    opened = typed("show", id_, "--personal", "--actor", "ben", "--basis", "a question", database=database)
    assert ["email", "ana@example.org"] in words(opened)
    unfounded = typed("show", id_, "--personal", "--actor", "ben", "--field", "shoe", database=database)
    assert (unfounded.code, unfounded.out) == (3, "")


def test_lists_say_that_there_is_more(database: str) -> None:
    """A list shows one line for each onboarding, and how to see the rest; its filters leave out what does not fit."""
    ids = {asked(database, name) for name in ("ana", "bob", "cy")}
    first = typed("list", "--limit", "2", database=database)
    *_, more = first.out.splitlines()
    assert more.startswith("There is more: --after ")
    rest = typed("list", "--limit", "2", "--after", more.rpartition(" ")[2], database=database)
    found = [row[0] for said in (first, rest) for row in words(said)[1:] if row[0] != "There"]
    assert set(found) == ids
    assert len(found) == 3
    for nothing in (("--ended",), ("--state", "inside"), ("--due-before", "2020-01-01")):
        assert words(typed("list", *nothing, database=database)) == [["instance", "state", "outcome", "next", "deadline", "(UTC)"]]


def test_open_work_is_listed_by_role(database: str) -> None:
    """Whoever holds a role sees what waits for it, with its scope and when it is due; others see nothing."""
    id_ = asked(database)
    everything = words(typed("work", database=database))
    assert [id_, "admit", "officer:Rome"] in [row[:3] for row in everything]
    assert [id_, "turn_away", "clerk"] in [row[:3] for row in everything]
    mine = typed("work", "--role", "clerk", "--json", database=database).data["work"]
    assert [(one["event"], one["role"], one["scope"]) for one in mine] == [("turn_away", "clerk", None)]
    assert len(words(typed("work", "--role", "officer:Oslo", database=database))) == 1


def test_a_deputy_is_named_and_dismissed(database: str) -> None:
    """A delegation is told with its end and its id; who it is for may end it, and an end of what is not there is exit code 3."""
    said = typed("delegate", "ben", "dee", "--until", "2099-01-01", "--from", "2026-01-01", "--role", "officer:Rome", database=database)
    *_, id_ = said.out.strip(".)\n").split()
    assert said.out.startswith("dee may act for ben until Thu 2099-01-01 00:00Z (delegation")
    ended = typed("end-delegation", id_, "--actor", "ben", database=database)
    assert (ended.code, ended.out.strip()) == (0, f"The delegation {id_} has ended.")
    assert typed("end-delegation", "nothing", "--actor", "ben", database=database).code == 3
    again = typed("delegate", "ben", "dee", "--until", "2099-01-01", "--actor", "ann", "--json", database=database).data["delegation"]
    assert typed("end-delegation", again, "--actor", "dee", "--json", database=database).data == {"delegation": again, "ended": True}


def test_a_history_is_printed_and_written_as_a_page(database: str, tmp_path: Path) -> None:
    """A history is lines for people and a page to print, with who, what and which deadlines; a chain that was broken is told first of all."""
    id_ = asked(database)
    typed("fire", id_, "turn_away", "--actor", "ben", "--role", "officer:Rome", database=database)
    said = typed("trace", id_, database=database)
    assert said.code == 0
    assert "turn_away  refused" in said.out
    assert f"Chain verified: {said.out.rpartition('verified: ')[2].partition(' ')[0]} entries" in said.out
    page = tmp_path / "trace.html"
    assert (typed("trace", id_, "--html", page, database=database).out, page.read_text(encoding="utf-8")[:15]) == ("", "<!doctype html>")
    assert "turn_away" in page.read_text(encoding="utf-8")
    assert typed("trace", "nobody", database=database).code == 3
    path = database.partition("///")[2]
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER workflow_entries_no_update")
        raw.execute("UPDATE workflow_entries SET actor = 'somebody else' WHERE instance_id = ? AND sequence = 1", (id_,))
        raw.commit()
    broken = typed("trace", id_, "--html", page, database=database)
    assert broken.code == 1
    assert "The chain is broken at entry 1" in page.read_text(encoding="utf-8")
    assert "CHAIN BROKEN at entry 1" in typed("trace", id_, database=database).out


# For operators


def test_the_outbox_is_listed_shown_and_retried(database: str) -> None:
    """What waits is listed and shown without what it says; what was not given up is not retried, and that is exit code 1."""
    id_ = asked(database)
    ((message, *what), *_) = words(typed("outbox", "list", "--instance", id_, "--state", "queued", database=database))[1:]
    assert what[:5] == ["mail", "request_received", "queued,", "0", "tries,"]
    shown = dict(row[:2] for row in words(typed("outbox", "show", message, database=database)))
    assert (shown["id"], shown["instance"], shown["kind"], shown["state"]) == (message, id_, "mail", "queued")
    assert typed("outbox", "show", message, "--json", database=database).data["name"] == "request_received"
    assert typed("outbox", "show", "nothing", database=database).code == 3
    retried = typed("outbox", "retry", message, "--actor", "operator", database=database)
    assert (retried.code, retried.out.splitlines()[1].split()) == (1, [message, "was", "not", "given", "up"])
    asked(database, "bob")
    assert "There is more: --after " in typed("outbox", "list", "--limit", "1", database=database).out


def test_tables_are_brought_up_to_date_once(tmp_path: Path) -> None:
    """`db check` says whether `db upgrade` is needed, by words and by its exit code; `--sql` prints the statements and runs none."""
    url = f"sqlite:///{tmp_path / 'new.db'}"
    missing = typed("db", "check", database=url)
    assert (missing.code, missing.out.strip()) == (1, "The tables are missing or old: run `workflow db upgrade`.")
    assert "CREATE TABLE workflow_entries" in typed("db", "upgrade", "--sql", database=url).out
    assert typed("db", "check", "--json", database=url).data == {"is_current": False}
    for _ in range(2):
        assert typed("db", "upgrade", database=url).out.strip() == "The tables are up to date."
    assert typed("db", "check", database=url).out.strip() == "The tables are up to date."
    assert typed("db", "upgrade", "--json", database=url).data == {"is_current": True}
    lines = typed("trace", "system", "--json", database=url).data["lines"]
    assert [one["event"] for one in lines].count("upgrade") == 1


def test_a_key_has_a_name_that_can_be_written(tmp_path: Path) -> None:
    """The name of a key is chosen, or made; one with blanks or capitals is told."""
    assert typed("keys", "new", "--kid", "k2026").out.startswith("k2026:")
    assert typed("keys", "new", "--kid", "k2026", "--json").data["kid"] == "k2026"
    wrong = typed("keys", "new", "--kid", "My Key")
    assert (wrong.code, "lower-case letters, digits and hyphens" in " ".join(wrong.err.split())) == (2, True)


def test_a_sweep_tells_what_it_did(database: str) -> None:
    """`worker --once` says how many deadlines fired and what became of the messages; without a mail server they wait."""
    asked(database)
    said = typed("worker", "--once", "--threads", "1", database=database, WORKFLOW_SMTP_HOST="127.0.0.1", WORKFLOW_SMTP_PORT="9")
    assert (said.code, said.out.strip()) == (0, "0 deadline(s) fired; 0 message(s) done, 1 put back for later, 0 given up.")
    _, listed, *_ = words(typed("outbox", "list", database=database))
    assert listed[3:6] == ["queued,", "1", "try,"]


def test_the_version_is_told() -> None:
    """Whoever reports a fault can say which release it is."""
    said = typed("--version")
    assert (said.code, said.out.strip()[:1].isdecimal()) == (0, True)


def test_what_an_installation_lacks_is_told(database: str, tmp_path: Path) -> None:
    """Outside development there is no key and no database by itself: what is missing is named, with a way to try things out."""
    bare = typed("list", WORKFLOW_ENVIRONMENT="production")
    assert bare.code == 5
    assert "WORKFLOW_DATABASE_URL" in bare.err
    assert "set WORKFLOW_ENVIRONMENT=development" in bare.err
    wrong = typed("list", "--database", "mysql://db/name")
    assert (wrong.code, "must begin with postgresql:// or sqlite://" in wrong.err) == (5, True)
    no_form = typed("list", WORKFLOW_PREFIX="x; drop", database=database)
    assert (no_form.code, "WORKFLOW_PREFIX" in no_form.err, "To try things out" in no_form.err) == (5, True, False)


def test_secrets_are_read_from_a_file(database: str, tmp_path: Path) -> None:
    """A secret is the first line of a file, without its end; it reaches the engine as if it had been asked for, and stands nowhere."""
    path = tmp_path / "secret.txt"
    path.write_text("Rome\nsecond line\n", encoding="utf-8")
    id_ = typed(
        "start",
        "desk",
        "ask",
        "--actor",
        "visitor",
        "--set",
        "email=eve@example.org",
        "--secret",
        f"town=@{path}",
        "--json",
        database=database,
    )
    assert typed("show", id_.data["id"], "--json", database=database).data["fields"]["town"] == "Rome"


# For authors


def test_what_is_published_is_listed_with_its_digests(database: str, tmp_path: Path) -> None:
    """Publishing tells every document with its digest and whether anything was new; the same again is nothing new."""
    path = tmp_path / "desk.yaml"
    again = words(typed("publish", path, database=database))
    assert [row[:2] for row in again[1:3]] == [["definition", "desk"], ["calendar", "ern-office"]]
    assert again[-1] == ["Nothing", "new:", "all", "of", "it", "was", "published", "before."]
    path.write_text(path.read_text(encoding="utf-8").replace("after: 2bd", "after: 3bd"), encoding="utf-8")
    assert typed("publish", path, database=database).out.splitlines()[-1] == "1 new document(s) published."
    path.write_text(path.read_text(encoding="utf-8").replace("target: inside", "target: insight"), encoding="utf-8")
    faulty = typed("publish", path, "--json", database=database)
    (finding,) = faulty.data["error"]["findings"]
    assert (faulty.code, faulty.data["error"]["kind"], finding["code"]) == (1, "DefinitionError", "unknown-state")


def test_a_published_definition_is_drawn(database: str, tmp_path: Path) -> None:
    """A definition is drawn from a file, by its name, or as an onboarding has it, with the state marked; another one's is not there."""
    drawn = {name: typed("graph", name, database=database).out for name in (str(tmp_path / "desk.yaml"), "desk")}
    assert len(set(drawn.values())) == 1
    id_ = asked(database)
    marked = typed("graph", "desk", "--instance", id_, "--json", database=database).data
    assert (marked["definition"], marked["state"], marked["format"]) == ("desk", "waiting", "mermaid")
    assert typed("graph", "cpms-access", "--instance", id_, database=database).code == 3
    assert typed("graph", tmp_path / "nowhere.yaml", database=database).code == 3
    assert typed("graph", "nothing-like-that", database=database).code == 3


def test_every_document_is_checked_for_what_it_is(tmp_path: Path) -> None:
    """Calendars and catalogues are known by their first key, and their faults are told like those of a definition."""
    shipped = bootstrap.definitions_folder()
    for kind, field, wrong in (("calendar", "zone", "zone: Europe/Atlantis"), ("catalogue", "sets", "sets: 3")):
        good = min((shipped / f"{kind}s").glob("*.yaml"))
        assert typed("check", good).out == "1 document(s) checked: 0 error(s), 0 warning(s).\n"
        bad = tmp_path / f"{kind}.yaml"
        lines = good.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(f"{field}:")] if kind == "calendar" else lines[:1]
        bad.write_text("\n".join([*kept, wrong]) + "\n", encoding="utf-8")
        said = typed("check", bad, "--json")
        assert (said.code, said.data["findings"] != []) == (1, True)
        assert {finding["file"] for finding in said.data["findings"]} == {str(bad)}


def test_deadlines_are_explained(database: str) -> None:
    """Each deadline is told with what counted and what did not; for programs the same as JSON."""
    id_ = asked(database)
    said = typed("explain", id_, database=database)
    assert (said.code, said.out.splitlines()[0]) == (0, f"Deadlines of {id_} (times in Europe/Brussels)")
    assert "waiting.slow  2bd -> late, armed by entry 1, still running" in said.out
    assert [one["timer"] for one in typed("explain", id_, "--json", database=database).data["deadlines"]] == ["waiting.slow"]


# For programs


def test_errors_are_told_to_programs_too(database: str) -> None:
    """With --json standard output has the error as data, so that a program need not read sentences; the exit code is the same."""
    id_ = asked(database)
    conflict = typed("fire", id_, "admit", "--actor", "ben", "--role", "officer:Rome", "--version", "9", "--json", database=database)
    said = conflict.data["error"]
    assert (conflict.code, said["kind"], said["expected_version"]) == (4, "StaleVersionError", 9)
    missing = typed("show", "nobody", "--json", database=database)
    assert (missing.code, missing.data["error"]["kind"]) == (3, "NotFoundError")
    refused = typed("fire", id_, "admit", "--actor", "ben", "--json", database=database)
    assert (refused.code, [reason["code"] for reason in refused.data["error"]["reasons"]]) == (1, ["role_missing"])
    assert refused.data["error"]["instance"] == id_


@pytest.mark.parametrize(("gateway", "kind"), [("console", "ConsoleGateway"), ("file", "FileGateway"), ("http", "HttpGateway")])
def test_text_messages_go_where_the_settings_say(tmp_path: Path, gateway: str, kind: str) -> None:
    """A worker has the gateway of its settings."""
    url = {"console": "", "file": str(tmp_path / "sms.txt"), "http": "https://sms.example.org/send"}[gateway]
    environ = {
        "WORKFLOW_ENVIRONMENT": "development",
        "WORKFLOW_SMS_GATEWAY": gateway,
        "WORKFLOW_SMS_URL": url,
        "WORKFLOW_SMS_TOKEN": "secret",
    }
    assert type(gateway_of(Settings.read(environ))).__name__ == kind
