"""Real worker processes: killed in the middle, two at once, told to stop."""

from __future__ import annotations

import signal
from email import message_from_bytes
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import database_name, plain
from tests.support.smtp import HostileServer
from tests.support.workers import eventually, is_at_rest, killed, kinds, message_states, opened, registered_before, worker_process
from workflow.audit import chain
from workflow.engine import Engine
from workflow.ports import InstanceQuery
from workflow.states.instance import InstanceId
from workflow.testing.mailbox import Mailbox


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of each kind that has our tables."""
    return str(request.getfixturevalue(f"{request.param}_url"))


def test_a_worker_killed_while_the_mail_server_hangs_loses_nothing(url: str, tmp_path: Path) -> None:
    """A mail whose 250 never came is sent again by the next worker with the same Message-ID, and reported once."""
    hostile = HostileServer({"BODY": "hang"})
    (person,) = registered_before(url, tmp_path, 1, minutes=1)
    try:
        with worker_process(url, hostile.port) as first:
            eventually(lambda: len(hostile.bodies) == 1)
            killed(first)
    finally:
        hostile.stop()
    with Mailbox() as box, worker_process(url, box.port), opened(url) as engine:
        eventually(lambda: message_states(engine) == {"done": 1})
        assert kinds(engine, person) == [("instance:started", "register"), ("effect:reported", "received")]
        assert [str(message_from_bytes(body)["Message-ID"]).strip("<>") for body in hostile.bodies] == [m.message_id for m in box.received]


def test_a_worker_killed_in_the_middle_of_a_sweep_loses_nothing(url: str, tmp_path: Path) -> None:
    """Every deadline fires once and every mail is sent, however the sweep was cut short."""
    count = 120
    people = registered_before(url, tmp_path, count)
    with Mailbox() as box, opened(url) as engine:
        with worker_process(url, box.port, lease_seconds=3) as first:
            eventually(lambda: 0 < _fired(engine) < count)
            killed(first)
        assert _fired(engine) < count
        with worker_process(url, box.port, lease_seconds=3):
            eventually(lambda: is_at_rest(engine), seconds=60)
        assert message_states(engine) == {"done": 2 * count}
        for person in people:
            _fired_once(engine, person)
        # At least once: what the killed worker had just handed over may have come twice, but under the same Message-ID.
        assert len({mail.message_id for mail in box.received}) == 2 * count
        assert len(box.received) <= 2 * count + 4


def test_two_workers_do_nothing_twice(url: str, tmp_path: Path) -> None:
    """Two workers on one database share the work: one firing per deadline, one mail per message."""
    count = 50
    people = registered_before(url, tmp_path, count)
    with Mailbox() as box, opened(url) as engine:
        with worker_process(url, box.port, lease_seconds=60), worker_process(url, box.port, lease_seconds=60):
            eventually(lambda: is_at_rest(engine), seconds=60)
        assert message_states(engine) == {"done": 2 * count}
        for person in people:
            _fired_once(engine, person)
        ids = [mail.message_id for mail in box.received]
        assert len(ids) == len(set(ids)) == 2 * count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_stops_when_it_is_told_to(sqlite_url: str, tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and SIGINT end the worker with exit code 0, without a traceback, and with nothing left leased."""
    registered_before(sqlite_url, tmp_path, 5)
    with Mailbox() as box, opened(sqlite_url) as engine, worker_process(sqlite_url, box.port, lease_seconds=60) as process:
        eventually(lambda: message_states(engine).get("done", 0) > 0)
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in told
        assert "The worker has stopped" in told
        assert "leased" not in message_states(engine)


def test_a_worker_outlives_its_database_connections(postgres_url: str, postgres_server: str, tmp_path: Path) -> None:
    """A database that hangs up on everybody and comes back is told once, and then the work goes on."""
    registered_before(postgres_url, tmp_path, 1)
    with Mailbox() as box, worker_process(postgres_url, box.port) as process:
        with opened(postgres_url) as engine:
            eventually(lambda: message_states(engine) == {"done": 2})
        with psycopg.connect(plain(postgres_server), autocommit=True) as connection:
            name = database_name(postgres_url)
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            lines: list[str] = []
            assert process.stderr is not None
            while "The worker waits" not in "".join(lines):
                lines.append(process.stderr.readline())
            connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        (later,) = registered_before(postgres_url, tmp_path, 1)
        with opened(postgres_url) as engine:
            eventually(lambda: message_states(engine) == {"done": 4})
            _fired_once(engine, later)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
        assert process.returncode == 0
        assert ("".join(lines) + told).count("The worker waits: ") == 2, "told when it went, told when it was right again"


def _fired(engine: Engine) -> int:
    """Count those who were called late."""
    page = engine.instances(InstanceQuery(state="overdue", limit=1000))
    return len(page.rows)


def _fired_once(engine: Engine, person: InstanceId) -> None:
    entries = engine.history(person)
    chain.verify(entries)
    found = [(row.kind, row.event) for row in entries]
    assert found.count(("timer:fired", "late")) == 1
    assert found.count(("effect:reported", "received")) == 1
    assert found.count(("effect:reported", "mail_request_abandoned")) == 1
