"""Inside a host's transaction we are a guest: nothing of ours is seen, kept or lost without the host's own commit or rollback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
import workflow_store
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

import workflow
from tests.examples.conftest import count_rows
from workflow.audit.chain import verify
from workflow.ports import CheckInput, CheckResult
from workflow.settings import development_keys
from workflow.states.known import CheckSpec
from workflow.testing.clock import VirtualClock

DEFINITION = Path(__file__).resolve().parents[2] / "examples" / "visitor-badge.yaml"
PERSON = workflow.Actor.of("p-1")
VISITOR, RECEPTION = workflow.Actor.of("p-4711"), workflow.Actor.of("p-0815", "reception:north")
ASK = workflow.Event.of("ask", VISITOR, full_name="Ada Lovelace", building="north", has_escort=True)
APPROVE = workflow.Event.of("approve", RECEPTION, rationale="Expected at ten.")
BY_VISITOR = workflow.Event.of("approve", VISITOR, rationale="I know myself well.")
TABLES = ("workflow_instances", "workflow_entries", "workflow_timers", "workflow_sealed_values", "workflow_subject_keys", "notes")

NOTES = sa.Table("notes", sa.MetaData(), sa.Column("text", sa.Text, primary_key=True))


@pytest.fixture
def host(database_url: str) -> Iterator[sa.Engine]:
    """The host's own SQLAlchemy engine, with a table of its own."""
    database = sa.create_engine(database_url)
    NOTES.create(database)
    yield database
    database.dispose()


@pytest.fixture
def clock() -> VirtualClock:
    """The time that both hosts and engine go by."""
    return VirtualClock()


@pytest.fixture
def engine(database_url: str, clock: VirtualClock) -> Iterator[workflow.Engine]:
    """The process's engine, with the definition published."""
    own = workflow.open(database_url, keys=development_keys(), clock=clock)
    workflow.publish(own, DEFINITION)
    yield own
    own.close()


@contextmanager
def by_connection(database: sa.Engine) -> Iterator[sa.Connection]:
    """Join through a `Connection`."""
    with database.connect() as connection:
        yield connection


@contextmanager
def by_session(database: sa.Engine) -> Iterator[Session]:
    """Join through a `Session`."""
    with Session(database) as session:
        yield session


@pytest.fixture(params=[by_connection, by_session], ids=["connection", "session"])
def joined(request: pytest.FixtureRequest, host: sa.Engine) -> Iterator[sa.Connection | Session]:
    """The host's transaction."""
    with request.param(host) as connection:
        yield connection


def seen(url: str) -> dict[str, int]:
    """Count what another connection sees."""
    return {table: count_rows(url, table) for table in TABLES}


def note(connection: sa.Connection | Session, text: str) -> None:
    """Do some work of the host's own."""
    connection.execute(NOTES.insert().values(text=text))


def test_nothing_is_committed_before_the_host_commits(database_url: str, engine: workflow.Engine, joined: sa.Connection | Session) -> None:
    """A second connection sees nothing of what was started until the host commits, and then all of it."""
    before = seen(database_url)
    note(joined, "mine")
    accepted = engine.on(joined).start("visitor-badge", ASK)
    assert isinstance(accepted, workflow.Accepted)
    assert before == seen(database_url)
    joined.commit()
    after = seen(database_url)
    assert {"workflow_instances": 1, "workflow_entries": 1, "workflow_timers": 1, "workflow_subject_keys": 1, "notes": 1} == {
        table: after[table] - before[table] for table in TABLES if table != "workflow_sealed_values"
    }
    assert "asked" == engine.get(accepted.instance.id).state


def test_a_rollback_of_the_host_leaves_nothing_of_ours(database_url: str, engine: workflow.Engine, joined: sa.Connection | Session) -> None:
    """Start and events go with the host's rollback, as if they had never been."""
    before = seen(database_url)
    guest = engine.on(joined)
    note(joined, "mine")
    started = guest.start("visitor-badge", ASK)
    assert isinstance(started, workflow.Accepted)
    assert isinstance(guest.fire(started.instance.id, APPROVE), workflow.Accepted)
    joined.rollback()
    assert before == seen(database_url)
    with pytest.raises(workflow.NotFoundError):
        engine.get(started.instance.id)


def test_a_refusal_is_returned_and_the_hosts_work_stays(
    database_url: str, engine: workflow.Engine, joined: sa.Connection | Session
) -> None:
    """In a host's transaction a refusal does not raise; its entry and the host's row are committed together, and may be raised after."""
    started = engine.start("visitor-badge", ASK)
    assert isinstance(started, workflow.Accepted)
    note(joined, "somebody tried")
    refused = engine.on(joined).fire(started.instance.id, BY_VISITOR)
    assert isinstance(refused, workflow.Refused)
    assert {"role_missing", "own_request"} == {reason.code for reason in refused.reasons}
    assert (0, 1) == (count_rows(database_url, "notes"), len(engine.history(started.instance.id)))
    joined.commit()
    assert (1, 2) == (count_rows(database_url, "notes"), len(engine.history(started.instance.id)))
    with pytest.raises(workflow.RefusedError, match="Nobody decides on their own request"):
        refused.raise_()


def test_a_refusal_goes_with_the_hosts_rollback(engine: workflow.Engine, joined: sa.Connection | Session) -> None:
    """The entry of a refusal lives and dies with the host's transaction."""
    started = engine.start("visitor-badge", ASK)
    assert isinstance(started, workflow.Accepted)
    assert isinstance(engine.on(joined).fire(started.instance.id, BY_VISITOR), workflow.Refused)
    joined.rollback()
    assert 1 == len(engine.history(started.instance.id))


def test_a_conflict_leaves_the_hosts_work_alive(database_url: str, engine: workflow.Engine, joined: sa.Connection | Session) -> None:
    """A conflict undoes our savepoint only: the host's transaction goes on and can be committed."""
    started = engine.start("visitor-badge", ASK)
    assert isinstance(started, workflow.Accepted)
    note(joined, "mine")
    with pytest.raises(workflow.ConflictError):
        engine.on(joined).fire(started.instance.id, APPROVE, expected_version=started.instance.version + 1)
    joined.commit()
    assert (1, 1) == (count_rows(database_url, "notes"), len(engine.history(started.instance.id)))


def test_a_deadline_holds_inside_a_hosts_transaction_too(
    engine: workflow.Engine, joined: sa.Connection | Session, clock: VirtualClock
) -> None:
    """A late click is refused although no worker ever ran: reached deadlines are settled first, in the host's transaction."""
    started = engine.start("visitor-badge", ASK)
    assert isinstance(started, workflow.Accepted)
    clock.advance("PT2H")
    refused = engine.on(joined).fire(started.instance.id, APPROVE)
    assert isinstance(refused, workflow.Refused)
    joined.commit()
    history = engine.history(started.instance.id)
    assert ["instance:started", "timer:fired", "event:refused"] == [entry.kind for entry in history]
    assert 3 == verify(history)


def test_several_events_share_one_transaction(engine: workflow.Engine, joined: sa.Connection | Session) -> None:
    """What was fired a moment ago is what the next event in the same transaction starts from."""
    guest = engine.on(joined)
    started = guest.start("visitor-badge", ASK)
    assert isinstance(started, workflow.Accepted)
    assert isinstance(guest.may(started.instance.id, RECEPTION)["approve"], workflow.Allowed | workflow.Depends)
    assert isinstance(guest.fire(started.instance.id, APPROVE), workflow.Accepted)
    assert isinstance(guest.fire(started.instance.id, APPROVE), workflow.Refused)
    joined.commit()
    assert 3 == verify(engine.history(started.instance.id))


RACE = """
definition: race
language: 1
subject: person
roles: {}
checks: {meanwhile: {}}
events:
  begin: {by: [person]}
  go: {by: [person], checks: [meanwhile]}
  overtake: {by: [person]}
start: {event: begin}
states:
  waiting:
    waits_forever: a test
    transitions:
      - {event: go, target: done, guard: facts.meanwhile.ok}
      - {event: overtake}
  done: {outcome: success}
"""


@dataclass
class Meanwhile:
    """A check during which, once, somebody else fires an event and commits it."""

    overtake: Callable[[], object] | None = None

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Let the other go first."""
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()
        return CheckResult(facts={"ok": True})


@pytest.fixture
def overtaken(database_url: str, tmp_path: Path) -> Iterator[tuple[workflow.Engine, str]]:
    """An engine with an instance on which the next `go` will be overtaken, once, between its read and its write."""
    path = tmp_path / "race.yaml"
    path.write_text(RACE, encoding="utf-8")
    check = Meanwhile()
    specs = {"meanwhile": CheckSpec(use="meanwhile", facts={"ok": "bool"})}
    extensions = workflow.Extensions(checks={"meanwhile": check}, check_specs=specs)
    with workflow.open(database_url, keys=development_keys(), extensions=extensions) as own:
        workflow.publish(own, path, extensions=extensions)
        started = own.start("race", workflow.Event.of("begin", PERSON))
        assert isinstance(started, workflow.Accepted)
        check.overtake = lambda: own.fire(started.instance.id, workflow.Event.of("overtake", PERSON))
        yield own, started.instance.id


def test_who_was_overtaken_is_told_and_does_it_again(database_url: str, host: sa.Engine, overtaken: tuple[workflow.Engine, str]) -> None:
    """When somebody commits between our read and our write, the host gets `ConflictError`, and does its whole transaction again."""
    own, instance_id = overtaken
    with by_session(host) as session:
        with pytest.raises(workflow.ConflictError):
            own.on(session).fire(instance_id, workflow.Event.of("go", PERSON))
        session.rollback()
        note(session, "again")
        assert isinstance(own.on(session).fire(instance_id, workflow.Event.of("go", PERSON)), workflow.Accepted)
        session.commit()
    assert (1, 3) == (count_rows(database_url, "notes"), verify(own.history(instance_id)))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_who_was_overtaken_keeps_what_was_done_before(
    database_url: str, host: sa.Engine, overtaken: tuple[workflow.Engine, str], joined: sa.Connection | Session
) -> None:
    """A lost race undoes our savepoint only: the host's earlier work can still be committed (SQLite has one writer, and no such race)."""
    own, instance_id = overtaken
    note(joined, "mine")
    with pytest.raises(workflow.ConflictError):
        own.on(joined).fire(instance_id, workflow.Event.of("go", PERSON))
    joined.commit()
    assert (1, 2) == (count_rows(database_url, "notes"), verify(own.history(instance_id)))


def test_the_tables_come_with_the_hosts_own_migration(empty_url: str) -> None:
    """`workflow_store.upgrade` works on a host's connection and ends nothing: the host's rollback takes the tables away again."""
    database = sa.create_engine(empty_url)
    with database.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN")  # Python's sqlite3 opens no transaction before CREATE TABLE
        workflow_store.upgrade(connection)
        connection.rollback()
        assert [] == sa.inspect(connection).get_table_names()
        connection.rollback()
        workflow_store.upgrade(connection)
        connection.commit()
    engine = workflow.open(empty_url, keys=development_keys())
    workflow.publish(engine, DEFINITION)
    assert isinstance(engine.start("visitor-badge", ASK), workflow.Accepted)
    engine.close()
    database.dispose()


def test_a_host_without_an_engine_of_its_own_opens_one_on_its_session(database_url: str, host: sa.Engine) -> None:
    """`workflow.open(session)` publishes, starts and fires inside the host's transaction."""
    with by_session(host) as session:
        guest = workflow.open(session, keys=development_keys())
        workflow.publish(guest, DEFINITION)
        started = guest.start("visitor-badge", ASK)
        assert isinstance(started, workflow.Accepted)
        assert 0 == count_rows(database_url, "workflow_documents")
        session.commit()
    assert (1, 1) == (count_rows(database_url, "workflow_documents"), count_rows(database_url, "workflow_timers"))


# Asynchronous hosts

DRIVERS = [
    pytest.param(("sqlite", "sqlite+aiosqlite"), id="aiosqlite"),
    pytest.param(("postgres", "postgresql+psycopg"), id="psycopg"),
    pytest.param(("postgres", "postgresql+asyncpg"), id="asyncpg"),
]


@pytest.fixture(params=DRIVERS)
def urls(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The database for the engine, and the same one for the host's asynchronous driver."""
    database, driver = request.param
    own: str = request.getfixturevalue(f"{database}_url")
    return own, sa.make_url(own).set(drivername=driver).render_as_string(hide_password=False)


@pytest.fixture
def process_engine(urls: tuple[str, str]) -> Iterator[workflow.AsyncEngine]:
    """The process's engine for asynchronous hosts."""
    own = workflow.open(urls[0], keys=development_keys())
    workflow.publish(own, DEFINITION)
    yield workflow.AsyncEngine(own)
    own.close()


@asynccontextmanager
async def async_connection(database: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Join through an `AsyncConnection`."""
    async with database.connect() as connection:
        yield connection


@asynccontextmanager
async def async_session(database: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """Join through an `AsyncSession`."""
    async with AsyncSession(database) as session:
        yield session


@pytest.fixture(params=[async_connection, async_session], ids=["connection", "session"])
def entering(request: pytest.FixtureRequest, urls: tuple[str, str]) -> Callable[[], object]:
    """Opens the asynchronous host's transaction, with a table of the host's own."""

    @asynccontextmanager
    async def enter() -> AsyncIterator[AsyncConnection | AsyncSession]:
        database = create_async_engine(urls[1], poolclass=sa.NullPool)
        async with database.begin() as connection:
            await connection.run_sync(NOTES.metadata.create_all)
        async with request.param(database) as joined:
            yield joined
        await database.dispose()

    return enter


def test_an_async_host_commits_for_both(
    urls: tuple[str, str], process_engine: workflow.AsyncEngine, entering: Callable[[], object]
) -> None:
    """On every asynchronous driver: nothing is seen before the host's commit, everything after it."""

    async def visit() -> str:
        async with entering() as joined:  # type: ignore[attr-defined]  # an asynchronous context manager
            await joined.execute(NOTES.insert().values(text="mine"))
            before = seen(urls[0])
            guest = process_engine.on(joined)
            started = await guest.start("visitor-badge", ASK)
            assert isinstance(started, workflow.Accepted)
            assert isinstance(await guest.fire(started.instance.id, APPROVE), workflow.Accepted)
            assert "badge_given" == (await guest.get(started.instance.id)).state
            assert "Ada Lovelace" == (await guest.values(started.instance.id))["full_name"]
            assert before == seen(urls[0])
            await joined.commit()
            return started.instance.id

    badge_id = asyncio.run(visit())
    assert (1, 2) == (count_rows(urls[0], "notes"), verify(process_engine.engine.history(badge_id)))


def test_an_async_host_rolls_back_for_both(
    urls: tuple[str, str], process_engine: workflow.AsyncEngine, entering: Callable[[], object]
) -> None:
    """On every asynchronous driver: the host's rollback leaves nothing of ours."""

    async def visit() -> dict[str, int]:
        async with entering() as joined:  # type: ignore[attr-defined]  # an asynchronous context manager
            before = seen(urls[0])
            await joined.execute(NOTES.insert().values(text="mine"))
            await process_engine.on(joined).start("visitor-badge", ASK)
            await joined.rollback()
            return before

    assert asyncio.run(visit()) == seen(urls[0])


def test_an_async_host_keeps_its_work_when_an_event_is_refused(
    urls: tuple[str, str], process_engine: workflow.AsyncEngine, entering: Callable[[], object]
) -> None:
    """On every asynchronous driver: a refusal is returned, and commits with the host's work."""

    async def visit() -> str:
        own = await process_engine.start("visitor-badge", ASK)
        assert isinstance(own, workflow.Accepted)
        async with entering() as joined:  # type: ignore[attr-defined]  # an asynchronous context manager
            await joined.execute(NOTES.insert().values(text="somebody tried"))
            assert isinstance(await process_engine.on(joined).fire(own.instance.id, BY_VISITOR), workflow.Refused)
            await joined.commit()
        return own.instance.id

    badge_id = asyncio.run(visit())
    assert (1, 2) == (count_rows(urls[0], "notes"), len(process_engine.engine.history(badge_id)))


def test_an_async_engine_of_its_own_raises_refusals(process_engine: workflow.AsyncEngine) -> None:
    """Without a host's transaction the asynchronous engine commits the refusal's entry and raises, as the synchronous one does."""

    async def visit() -> None:
        started = await process_engine.start("visitor-badge", ASK)
        assert isinstance(started, workflow.Accepted)
        await process_engine.fire(started.instance.id, BY_VISITOR)

    with pytest.raises(workflow.RefusedError):
        asyncio.run(visit())
