"""What commands over histories say to auditors, and to their programs: also where something was forged, lost or refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.commands import typed
from tests.support.tampering import Forger
from workflow import bootstrap
from workflow.settings import development_keys
from workflow.states.instance import Actor, Event
from workflow.testing.clock import VirtualClock

LIBRARY = """\
definition: library
language: 1
subject: reader
retention: P30D
roles:
  visitor: {anyone: true, because: Whoever comes is let in.}
  clerk: {}
fields:
  email: email
  floor: integer
events:
  ask: {by: [visitor], payload: {email: {field: email, required: true}, floor: {field: floor}}}
  admit: {by: [clerk]}
  turn_away: {by: [clerk]}
  slow: {by: engine}
start: {event: ask, set: {email: event.email, floor: event.floor}}
states:
  waiting:
    timers: [{name: slow, after: P2D, event: slow}]
    transitions:
      - {event: slow}
      - {event: admit, target: inside}
      - {event: turn_away, target: outside}
  inside: {outcome: success}
  outside: {outcome: failure}
policy:
  - {name: nobody is turned away, severity: warning, never: {state: outside}}
"""
FINDINGS, NOT_FOUND = 1, 3
CLERK = Actor.of("cleo", "clerk")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of ninety days ago until now: one admitted, one turned away, two waiting; everything is in the log."""
    folder = tmp_path_factory.mktemp("library")
    path, file = folder / "library.db", folder / "library.yaml"
    file.write_text(LIBRARY, encoding="utf-8")
    clock = VirtualClock(datetime.now(UTC) - timedelta(days=90))
    with bootstrap.open_engine(f"sqlite:///{path}", keys=development_keys(), clock=clock, upgrade=True) as engine:
        bootstrap.publish(engine, file)
        ids = []
        for name in ("ana", "ben", "cid"):
            event = Event.of("ask", Actor.of("visitor"), {"email": f"{name}@example.org", "floor": 1})
            ids.append(engine.start("library", event, subject=name).instance.id)  # type: ignore[union-attr]  # accepted
        clock.advance(timedelta(days=1))
        engine.fire(ids[0], Event.of("admit", CLERK))
        engine.fire(ids[1], Event.of("turn_away", CLERK))
        clock.advance(timedelta(days=2))
        engine.tick()
    assert 0 == typed("audit", "checkpoint", database=f"sqlite:///{path}").code
    return path


@pytest.fixture
def copy(library: Path, tmp_path: Path) -> str:
    """A store of one's own, to be spoilt."""
    path = tmp_path / "copy.db"
    with closing(sqlite3.connect(library)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return f"sqlite:///{path}"


@pytest.fixture
def forger(copy: str) -> Iterator[Forger]:
    """Somebody who owns the database of the copy."""
    with closing(Forger(copy)) as forger:
        yield forger


@pytest.fixture
def database(library: Path) -> str:
    """The store that nobody spoils."""
    return f"sqlite:///{library}"


def of(database: str, state: str) -> str:
    """Give the first onboarding in a state."""
    found: str = typed("list", "--state", state, "--json", database=database).data["instances"][0]["id"]
    return found


def words(text: str) -> str:
    """Give what was said without the lines that its width makes."""
    return " ".join(text.split())


def test_a_deadline_that_does_not_follow_from_the_history_is_a_finding(copy: str, forger: Forger) -> None:
    """An entry that says another instant than the rules give is told by `explain`, with the exit code of a finding."""
    waiting = of(copy, "waiting")
    assert 0 == typed("explain", waiting, database=copy).code
    (armed,) = orjson.loads(bytes(forger.entry(waiting, 1)["canonical"]))["armed"]
    forger.say(waiting, 1, armed=[{**armed, "due_at": "2031-01-01T00:00:00.000000Z"}])
    forger.rechain(waiting)
    said = typed("explain", waiting, "--json", database=copy)
    assert FINDINGS == said.code
    assert [False] == [one["agrees"] for one in said.data["deadlines"]]
    told = typed("explain", waiting, database=copy)
    assert (FINDINGS, True) == (told.code, "BUT the history does not lead to that: computed again it is" in words(told.out))


def test_who_waits_still_is_not_erased_where_nothing_closes_it(copy: str) -> None:
    """Without an event that closes it an onboarding under way cannot be erased; that is a refusal with its reason."""
    said = typed("audit", "erase", "cid", "--basis", "GDPR 17", "--actor", "dpo", database=copy)
    assert FINDINGS == said.code
    assert said.err.startswith("Refused:")


def test_what_is_past_its_period_is_named_and_then_erased(copy: str) -> None:
    """A dry run names it and leaves it; the next one erases it; after that nothing is past its period."""
    outside = of(copy, "outside")
    dry, done, after = (typed("audit", "retain", *more, database=copy) for more in (("--dry-run",), (), ()))
    assert f"{outside}" in dry.out
    assert "1 past their period, not erased (--dry-run)." in dry.out
    assert "1 past their period, erased." in done.out
    assert after.out.endswith("0 past their period.\n")
    (erasure,) = typed("audit", "exceptions", "--json", database=copy).data["erasures"]
    assert (outside, "system:retention") == (erasure["instance_id"], erasure["actor"])


def test_exceptions_are_told_in_sections(copy: str) -> None:
    """Each kind of exception has a heading with its number; those that happened have a table."""
    typed("audit", "erase", "ben", "--basis", "GDPR 17", "--actor", "dpo", database=copy)
    said = typed("audit", "exceptions", database=copy)
    assert 0 == said.code
    for line in ("3 histories, ", "overrides: the engine knows none", "erasures: 1", "deputies: 0", "refusals by reason: 0"):
        assert line in said.out
    assert "dpo" in said.out


def test_programs_get_what_a_bundle_is(database: str, tmp_path: Path) -> None:
    """The file with its digest, and the entry that records that it was made."""
    file = tmp_path / "ana.zip"
    said = typed("audit", "bundle", of(database, "inside"), "-o", file, "--actor", "aud", "--json", database=database)
    assert 0 == said.code, said.err
    assert {"file", "sha256", "system_entry"} == set(said.data)
    assert file.is_file()


def test_a_proven_export_is_verified_by_programs_too(copy: str, tmp_path: Path) -> None:
    """The proof is named with its place in the log; verified it tells what was shown, and without it nothing is said to be shown."""
    file = tmp_path / "all.csv"
    made = typed("audit", "export", "-o", file, "--actor", "aud", "--proven", "--json", database=copy)
    assert 0 == made.code, made.err
    proof = made.data["proof"]
    assert (1, made.data["entries"]) == (proof["outside"]["histories"], proof["size"] - proof["outside"]["entries"])
    keys = typed("audit", "keys", database=copy).out.split()
    key = next(word for word in keys if "+" in word)
    verified = typed("audit", "verify-export", file, "--key", key, "--json")
    assert 0 == verified.code, verified.err
    assert (True, 3, proof["root"]) == (verified.data["is_complete"], verified.data["histories"], verified.data["root"])
    Path(proof["file"]).unlink()
    missing = typed("audit", "verify-export", file, "--key", key)
    assert NOT_FOUND == missing.code
    assert "all.csv.proof.zip" in words(missing.err)


def conformed(database: str) -> tuple[Any, str]:
    """Judge all histories: for programs and for people, who are told the same."""
    data, told = typed("audit", "conform", "--json", database=database), typed("audit", "conform", database=database)
    assert data.code == told.code
    return data.data | {"code": data.code}, words(told.out)


def test_a_warning_is_told_and_no_finding(database: str) -> None:
    """A property that only warns does not make a history bad."""
    data, told = conformed(database)
    assert (0, True, 0, 1) == (data["code"], data["is_clean"], data["error_count"], data["warning_count"])
    assert "warning, against: nobody is turned away" in told


def test_a_history_without_its_definition_is_not_judged(copy: str, forger: Forger) -> None:
    """Where the version is lost, nothing is legal and nothing is kept: each such history is named, and that is a finding."""
    forger.run("DELETE FROM {t}documents WHERE kind = 'definition'")
    data, told = conformed(copy)
    assert (FINDINGS, False, 3) == (data["code"], data["is_clean"], len(data["unjudged"]))
    assert 3 == told.count("the policy could not be judged")
    assert "3 histories not judged" in told


def test_an_entry_that_is_not_made_as_entries_are_is_not_judged(copy: str, forger: Forger) -> None:
    """Something else in the place of a value is told with what it is, and not as a traceback."""
    inside = of(copy, "inside")
    forger.say(inside, 2, effects=7)
    forger.rechain(inside)
    data, told = conformed(copy)
    assert FINDINGS == data["code"]
    assert [inside] == [one["instance"] for one in data["unjudged"]]
    assert "An entry is not made as entries are made (TypeError" in told


def test_only_some_of_many_findings_are_printed(copy: str, forger: Forger) -> None:
    """People are told how many more there are, and how to get them."""
    with bootstrap.open_engine(copy, keys=development_keys()) as engine:
        for number in range(60):
            event = Event.of("ask", Actor.of("visitor"), {"email": f"n{number}@example.org"})
            made = engine.start("library", event, subject=f"n{number}")
            engine.fire(made.instance.id, Event.of("turn_away", CLERK))  # type: ignore[union-attr]  # accepted
    _, told = conformed(copy)
    assert "... and " in told
    assert "--json lists up to" in told
    forger.run("DELETE FROM {t}documents WHERE kind = 'definition'")
    data, told = conformed(copy)
    assert 63 == len(data["unjudged"])
    assert f"... and {2 * 63 - told.count('is illegal') - told.count('could not be judged')} more" in told
