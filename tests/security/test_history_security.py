"""Security rules 44 to 46: the history; each test is named after its number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import orjson
import pytest
import sqlalchemy as sa

from tests.support.onboarding import HAL, TESS, VISITOR, House, refusal
from workflow.audit.chain import verify
from workflow.errors import ChainBrokenError, StoreError
from workflow.states.instance import Actor

STOP = {
    "sqlite": (
        "CREATE TRIGGER stop_entries BEFORE INSERT ON workflow_entries BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        "DROP TRIGGER stop_entries",
    ),
    "postgresql": (
        "ALTER TABLE workflow_entries ADD CONSTRAINT stop_entries CHECK (event <> 'approve') NOT VALID",
        "ALTER TABLE workflow_entries DROP CONSTRAINT stop_entries",
    ),
}


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    """A database of each kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def here(url, box) -> Iterator[House]:
    """The house on that database."""
    opened = House(url, box)
    yield opened
    opened.close()


@contextmanager
def without_entries(url: str) -> Iterator[None]:
    """Make the database refuse entries for a while."""
    stop, go_on = STOP["sqlite" if url.startswith("sqlite") else "postgresql"]
    with connected(url) as connection:
        connection.execute(sa.text(stop))
    try:
        yield
    finally:
        with connected(url) as connection:
            connection.execute(sa.text(go_on))


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """Somebody with the application's own rights at the database."""
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def test_rule_44_every_decision_is_an_entry(here):
    """Accepted and refused, by people, deadlines and reports: who, what, when in UTC, by which role, outcome and reasons."""
    jane = here.person().requested()
    jane.refused("approve", jane.actor, rationale="Me.")
    jane.refused("sign_in", VISITOR, password="wrong")
    jane.approve()
    jane.create_account()
    here.drain()
    for said in jane.said:
        assert said["actor"]
        assert said["event"]
        assert said["kind"] in {"instance:started", "event:accepted", "event:refused", "timer:fired", "effect:reported"}
        assert "Z" == said["recorded_at"][-1]
        assert datetime.fromisoformat(said["recorded_at"]).tzinfo is not None
        assert (said["kind"] == "event:refused") == bool(said.get("reasons", ()))
    assert [["helpdesk"], ["network_team:ERKNet"]] == [jane.entry(event)["roles"] for event in ("create_account", "approve")]
    refused = [said["event"] for said in jane.said if said["kind"] == "event:refused"]
    assert ["approve", "sign_in"] == refused
    assert len(jane.said) == jane.verify()


def test_rule_44_a_refused_start_is_recorded_without_what_was_typed(here):
    """A registration that is refused belongs to nobody yet: it stands in the system's chain, by names and reasons only."""
    jane = here.person(first_name="Wilhelmina\r\nBcc: all@example.org")
    refusal(jane.register)
    entry = orjson.loads(here.engine.history("system")[-1].canonical)
    assert ("event:refused", "register", "visitor") == (entry["kind"], entry["event"], entry["actor"])
    assert "first_name" in entry["withheld"]
    assert b"Wilhelmina" not in here.engine.history("system")[-1].canonical
    assert verify(here.engine.history("system"))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE workflow_entries SET actor = 'nobody'",
        "UPDATE workflow_entries SET canonical = canonical WHERE sequence = 1",
        "DELETE FROM workflow_entries",
        "DELETE FROM workflow_entries WHERE sequence = 2",
    ],
)
def test_rule_45_entries_cannot_be_changed_or_deleted(here, url, change):
    """The database itself refuses to change or delete an entry, for the application as for anybody with its rights."""
    jane = here.person().with_password()
    before = jane.said
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), connected(url) as connection:
        connection.execute(sa.text(change))
    assert before == jane.said


def test_rule_45_an_entry_cannot_be_replaced(here, url):
    """Inserting an entry again under its number is refused too."""
    jane = here.person().with_password()
    verb = "INSERT OR REPLACE" if url.startswith("sqlite") else "INSERT"
    with pytest.raises(sa.exc.DBAPIError), connected(url) as connection:
        connection.execute(sa.text(f"{verb} INTO workflow_entries SELECT * FROM workflow_entries WHERE sequence = 1"))
    assert len(jane.said) == jane.verify()


def test_rule_45_a_change_behind_the_database_is_found(here, url):
    """Who takes the triggers away and changes an entry is found out by the chain."""
    jane = here.person().with_password()
    is_sqlite = url.startswith("sqlite")
    with connected(url) as connection:
        for drop in _without_triggers(connection, is_sqlite=is_sqlite):
            connection.execute(sa.text(drop))
        connection.execute(sa.text("UPDATE workflow_entries SET actor = 'nobody' WHERE sequence = 2"))
        if not is_sqlite:  # such a database serves another test
            connection.execute(sa.text("ALTER TABLE workflow_entries ENABLE TRIGGER USER"))
    with pytest.raises(ChainBrokenError) as caught:
        jane.verify()
    assert 2 == caught.value.sequence


def _without_triggers(connection: sa.Connection, *, is_sqlite: bool) -> list[str]:
    if not is_sqlite:
        return ["ALTER TABLE workflow_entries DISABLE TRIGGER USER"]
    names = connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'workflow_entries'")).scalars()
    return [f'DROP TRIGGER "{name}"' for name in names]


def test_rule_46_without_its_entry_no_transition_happens(here, url):
    """When the entry cannot be written nothing is: no state, no message, no credential, no count; afterwards all is as before."""
    jane = here.person().requested()
    version, messages = jane.instance, here.outbox(jane.id)
    with without_entries(url):
        with pytest.raises(StoreError):
            jane.approve(TESS)
        assert (version, messages) == (jane.instance, here.outbox(jane.id))
    jane.approve(TESS)
    here.drain()
    jane.create_account(HAL)
    assert len(jane.said) == jane.verify()


def test_rule_46_a_refusal_that_cannot_be_recorded_is_no_answer(here, url):
    """A refusal whose entry cannot be written is not given as a refusal, and no failure of a factor goes uncounted."""
    jane = here.person().requested()
    with without_entries(url), pytest.raises(StoreError):
        jane.fire("approve", Actor.of(jane.subject), rationale="Me.")
    assert "requested.awaiting_approval" == jane.state
