"""No secret, token, code or key is ever kept: not in the database, not in a log, not in an export, not in an error."""

from __future__ import annotations

import base64
import hashlib
import logging
import zipfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.onboarding import VISITOR, House
from tests.support.raw import Haystack, files_of, heaps_of, tables_of, wal_place
from tests.support.secrets import NUMBER, PERSON, WORDS, Listener, walk
from workflow.cli.app import app
from workflow.errors import StoreError

PERSONAL = [*PERSON.values(), NUMBER, NUMBER.replace(" ", ""), *WORDS]
TRAP = "mail.log"
"""The mail trap's own log: it stands for somebody else's mail server, which sees the mail as a matter of course."""
STOP = {
    "sqlite": (
        "CREATE TRIGGER stop BEFORE INSERT ON workflow_entries BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        "DROP TRIGGER stop",
    ),
    "postgresql": (
        "ALTER TABLE workflow_entries ADD CONSTRAINT stop CHECK (event <> 'sign_in') NOT VALID",
        "ALTER TABLE workflow_entries DROP CONSTRAINT stop",
    ),
}
KINDS = {
    "typed password", "typed new_password", "typed token", "typed code", "typed pin", "typed answer", "typed initialise", "link", "push",
    "text message", "initialise code", "sign-in code", "authenticator", "device", "credential password", "credential phone",
}  # fmt: skip


@contextmanager
def full(house: House):
    """Make the database refuse entries for a while, so that its own errors are seen, with what was being written."""
    engine = house.engine.store.engine
    stop, go_on = STOP[engine.dialect.name]
    with engine.begin() as on:
        on.exec_driver_sql(stop)
    yield
    with engine.begin() as on:
        on.exec_driver_sql(go_on)


def exported(url: str, jane: Listener, folder: Path) -> Haystack:
    """Let every command that gives a history away do so; gives what it wrote and said."""
    asked = [
        ("trace", jane.id),
        ("trace", jane.id, "--json"),
        ("trace", jane.id, "--html", folder / "trace.html"),
        ("trace", "system", "--json"),
        ("explain", jane.id),
        ("explain", jane.id, "--json"),
        ("show", jane.id),
        ("outbox", "list", "--json"),
        ("audit", "checkpoint"),
        ("audit", "exceptions", "--json"),
        ("audit", "verify", "--json"),
        ("audit", "bundle", jane.id, "-o", folder / "case.zip", "--actor", "aud"),
        *(
            ("audit", "export", "-o", folder / f"all.{form}", "--format", form, "--actor", "aud")
            for form in ("csv", "jsonl", "xes", "ocel")
        ),
    ]
    said = []
    for command in asked:
        done = CliRunner().invoke(app, [*map(str, command)], env={"WORKFLOW_DATABASE_URL": url, "WORKFLOW_ENVIRONMENT": "development"})
        assert 0 == done.exit_code, (command, done.output)
        said.append(done.output.encode())
    with zipfile.ZipFile(folder / "case.zip") as bundle:
        inside = [bundle.read(name) for name in bundle.namelist()]
    assert len(inside) > 40
    return Haystack({"what was said": b"\n".join(said), "the bundle": b"\n".join(inside), **files_of(folder)})


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_secret_is_kept_or_told(request, kind, box, tmp_path, caplog):
    """After the whole journey with every factor and many mistakes nothing that was typed, mailed, texted, pushed or shown is anywhere."""
    caplog.set_level(logging.DEBUG)  # before the store is opened, so that SQLAlchemy would log what it is asked
    url = request.getfixturevalue(f"{kind}_url")
    began = "" if kind == "sqlite" else wal_place(url)
    with closing(House(url, box)) as house:
        jane = walk(house)
        with full(house), pytest.raises(StoreError):
            jane.fire("sign_in", VISITOR, password=jane.password)
        database = Haystack(files_of(tmp_path) if kind == "sqlite" else tables_of(url))
    assert KINDS <= set(jane.heard), "every kind of secret was in use"
    assert len(jane.secrets) > 60
    salts = [jane.subject, jane.id, PERSON["email"]]
    assert [] == database.found(jane.secrets, salts=salts)
    assert [] == database.found(PERSONAL)
    if kind == "postgres":
        long = [one.encode() if isinstance(one, str) else one for one in [*jane.secrets, *PERSONAL] if len(one) > 8]
        assert [] == [(name, one) for name, data in heaps_of(url, since=began) for one in long if one in data]
    logged = "\n".join(logging.Formatter().format(record) for record in caplog.records if record.name != TRAP).encode()
    assert b"is given up: " in logged
    assert [] == Haystack({"log": logged}).found([*jane.secrets, *PERSONAL], salts=salts)
    errors = "\n".join(jane.errors).encode()
    assert b"StoreError" in errors
    assert [] == Haystack({"errors": errors}).found(jane.secrets, salts=salts)
    if kind == "postgres":
        return  # what is given away is read by the same code whatever the database is
    (tmp_path / "given").mkdir()
    given = exported(url, jane, tmp_path / "given")
    assert [] == given.found(jane.secrets, salts=salts)
    assert [] == given.found(PERSONAL), "and no export has a personal value that nobody opened"


@pytest.mark.parametrize(
    "written",
    [
        b"...hunter2!Secret...",
        b"68756e746572322153656372657\x34",
        b"".join(base64.b64encode(b"xy" + b"hunter2!Secret" + b"z").split()),
        base64.urlsafe_b64encode(b"hunter2!Secret"),
        "hunter2!Secret".encode("utf-16-le"),
        b"hunter2%21Secret",
        hashlib.sha256(b"hunter2!Secret").digest(),
        b'{"hash":"' + hashlib.sha1(b"hunter2!Secret").hexdigest().encode() + b'"}',
        base64.b64encode(b"a" + hashlib.sha256(b"jane:hunter2!Secret").digest()),
    ],
    ids=["clear", "hex", "base64", "base64url", "UTF-16", "URL", "SHA-256", "SHA-1", "salted"],
)
def test_the_search_finds_what_is_there(written):
    """However a secret was written down, plain, encoded or hashed, the search finds it; what is not there is not found."""
    hay = Haystack({"file": bytes(range(256)) + written + bytes(range(256))})
    assert [("hunter2!Secret", "file")] == list(
        {(secret, place) for secret, _, place in hay.found(["hunter2!Secret", "other!Secret"], salts=["jane"])}
    )


def test_the_search_finds_a_short_code():
    """A code of six digits is found as a word and by its unsalted hash, and not in the middle of a longer number."""
    assert [] == Haystack({"file": b"20261234560 a123456b 123456.7890"[:19]}).found(["123456"])
    assert Haystack({"file": b'"code":"123456"'}).found(["123456"])
    assert Haystack({"file": hashlib.md5(b"123456").hexdigest().encode()}).found(["123456"])
    assert Haystack({"file": hashlib.sha256(b"i1|123456").digest()}).found(["123456"], salts=["i1"])
