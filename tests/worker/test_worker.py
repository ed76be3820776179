"""The worker in this process: rest, leases, set-aside instances, trouble that comes and goes, and clocks."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.workers import eventually, kinds, mailing, message_states, opened, performing, publish, register, registered_before
from workflow.engine import Engine
from workflow.errors import ActionError, StoreError
from workflow.ports import Briefing, MessageQuery, Performed, Reads, Store, UnitOfWork
from workflow.testing.clock import VirtualClock
from workflow.testing.mailbox import Mailbox
from workflow.worker import ClockWatch, Pace, Swept, Worker

QUICK = Pace(interval_seconds=0.05, threads=2, stop_seconds=5.0)


def now() -> Performed:
    """Say that it was performed just now."""
    return Performed(performed_at=datetime.now(UTC))


@contextmanager
def running(worker: Worker) -> Iterator[Worker]:
    """Let a worker run in its own threads."""
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def test_run_until_idle_does_what_is_due_and_nothing_twice(sqlite_url: str, tmp_path: Path) -> None:
    """Deadlines that are reached fire, messages go out, and a second run finds nothing."""
    clock = VirtualClock()
    with opened(sqlite_url, clock) as engine, Mailbox() as box:
        publish(engine, tmp_path)
        person = register(engine, "jane@example.org")
        worker = Worker(engine, mailing(engine, box.port))
        assert worker.run_until_idle() == Swept(done=1)
        clock.advance("PT5M")
        assert worker.run_until_idle() == Swept(fired=1, done=1)
        assert worker.run_until_idle() == Swept()
        assert engine.get(person).state == "overdue"
        assert len(box.received) == 2


def test_a_mail_server_that_is_away_is_waited_for(sqlite_url: str, tmp_path: Path) -> None:
    """While the mail server is away a message is put back with a wait; when it is up again, the message goes out once."""
    clock = VirtualClock()
    with Mailbox() as box:
        port = box.port
    with opened(sqlite_url, clock) as engine:
        publish(engine, tmp_path)
        person = register(engine, "jane@example.org")
        worker = Worker(engine, mailing(engine, port))
        assert worker.run_until_idle() == Swept(put_back=1)
        assert worker.run_until_idle() == Swept(), "it does not spin"
        with Mailbox(port=port) as box:
            clock.advance("PT2M")
            assert worker.run_until_idle() == Swept(done=1)
            assert len(box.received) == 1
        assert kinds(engine, person) == [("instance:started", "register"), ("effect:reported", "received")]


def test_a_mail_server_that_is_away_is_told_once(sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ten messages that cannot be sent make one line in the log, and one more when the next one goes out."""
    is_away = threading.Event()
    is_away.set()

    def performer(briefing: Briefing) -> Performed:
        if is_away.is_set():
            raise ActionError("no connection", effect="mail")
        return now()

    registered_before(sqlite_url, tmp_path, 10, minutes=1)
    at_level = caplog.at_level(logging.WARNING, "workflow.worker")
    with opened(sqlite_url) as engine, at_level, running(Worker(engine, performing(engine, performer), pace=QUICK)):
        eventually(lambda: message_states(engine) == {"queued": 10} and _least_attempts(engine) == 1)
        is_away.clear()
        register(engine, "late@example.org")
        eventually(lambda: message_states(engine).get("done") == 1)
        eventually(lambda: len(caplog.records) > 1)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_one_slow_message_holds_up_no_other(sqlite_url: str, tmp_path: Path) -> None:
    """While one message takes its time the others go out, and its lease is prolonged so that nobody else takes it."""
    is_let_go, seen = threading.Event(), []

    def performer(briefing: Briefing) -> Performed:
        seen.append(briefing.message.id)
        if briefing.recipients[0].email == "person0@example.org":
            is_let_go.wait(20)
        return now()

    slow, *_ = registered_before(sqlite_url, tmp_path, 8, minutes=1)
    with opened(sqlite_url) as engine, running(Worker(engine, performing(engine, performer, lease_seconds=1), pace=QUICK)):
        eventually(lambda: message_states(engine) == {"done": 7, "leased": 1})
        first = _lease(engine)
        eventually(lambda: _lease(engine) > first + timedelta(seconds=1))
        is_let_go.set()
        eventually(lambda: message_states(engine) == {"done": 8})
        assert len(seen) == len(set(seen)) == 8
        assert kinds(engine, slow).count(("effect:reported", "received")) == 1


def test_stopping_waits_for_what_is_being_done(sqlite_url: str, tmp_path: Path) -> None:
    """A message under way when the worker is told to stop is finished and reported."""
    is_under_way, is_let_go = threading.Event(), threading.Event()

    def performer(briefing: Briefing) -> Performed:
        is_under_way.set()
        is_let_go.wait(20)
        return now()

    registered_before(sqlite_url, tmp_path, 1, minutes=1)
    with opened(sqlite_url) as engine:
        worker = Worker(engine, performing(engine, performer), pace=QUICK)
        worker.start()
        is_under_way.wait(20)
        worker.request_stop()
        is_let_go.set()
        assert worker.stop()
        assert message_states(engine) == {"done": 1}


def test_stopping_does_not_wait_for_ever(sqlite_url: str, tmp_path: Path) -> None:
    """What does not end within the bound is left to its lease: another worker does it later, so nothing is lost."""
    is_under_way, is_let_go = threading.Event(), threading.Event()

    def performer(briefing: Briefing) -> Performed:
        is_under_way.set()
        is_let_go.wait(20)
        return now()

    registered_before(sqlite_url, tmp_path, 1, minutes=1)
    with opened(sqlite_url) as engine:
        worker = Worker(engine, performing(engine, performer), pace=Pace(interval_seconds=0.05, stop_seconds=0.2))
        worker.start()
        is_under_way.wait(20)
        assert not worker.stop()
        assert message_states(engine) == {"leased": 1}
        is_let_go.set()
        eventually(lambda: message_states(engine) == {"done": 1})


def test_a_deadline_between_two_sweeps_is_not_late(sqlite_url: str, tmp_path: Path) -> None:
    """The metronome is set to the next due instant, so that a sweep every minute is no reason to be a minute late."""
    with opened(sqlite_url) as engine:
        publish(engine, tmp_path)
    soon = VirtualClock(datetime.now(UTC) - timedelta(minutes=5) + timedelta(seconds=1.5))
    with opened(sqlite_url, soon) as engine:
        person = register(engine, "jane@example.org")
    with opened(sqlite_url) as engine, running(Worker(engine, performing(engine, lambda _: now()), pace=Pace(interval_seconds=60.0))):
        eventually(lambda: ("timer:fired", "late") in kinds(engine, person), seconds=10)
        fired = next(row for row in engine.history(person) if row.kind == "timer:fired")
        assert fired.recorded_at - fired.occurred_at < timedelta(seconds=1.5)


def test_a_bad_instance_is_set_aside(sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An instance that cannot be settled is named in the log and left alone for a while; all others go on."""
    bad, *good = registered_before(sqlite_url, tmp_path, 5)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE workflow_instances SET digest = ? WHERE id = ?", ("0" * 64, bad))
    connection.close()
    at_level = caplog.at_level(logging.ERROR, "workflow.worker")
    with opened(sqlite_url) as engine, at_level, running(Worker(engine, performing(engine, lambda _: now()), pace=QUICK)):
        eventually(lambda: all(("timer:fired", "late") in kinds(engine, person) for person in good))
        eventually(lambda: any(bad in record.getMessage() for record in caplog.records))
        register(engine, "late@example.org")  # some more sweeps
        eventually(lambda: message_states(engine).get("done", 0) >= 9)
    aside = [record.getMessage() for record in caplog.records if "set aside" in record.getMessage() and record.name == "workflow.worker"]
    assert len(aside) == 1
    assert bad in aside[0]
    assert "10 s" in aside[0]


def test_run_until_idle_names_what_it_set_aside(sqlite_url: str, tmp_path: Path) -> None:
    """Without a metronome a bad instance is tried once and named in the answer."""
    bad, good = registered_before(sqlite_url, tmp_path, 2)
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE workflow_instances SET digest = ? WHERE id = ?", ("0" * 64, bad))
    connection.close()
    with opened(sqlite_url) as engine:
        swept = Worker(engine, performing(engine, lambda _: now())).run_until_idle()
        assert [instance_id for instance_id, _ in swept.set_aside] == [bad]
        assert engine.get(good).state == "overdue"


class FragileStore:
    """A store whose database goes away and comes back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_away = threading.Event()
        self.asked = 0

    def unit(self) -> object:
        self._answer()
        return self._store.unit()

    def reads(self) -> object:
        self._answer()
        return self._store.reads()

    def _answer(self) -> None:
        if self.is_away.is_set():
            self.asked += 1
            raise StoreError("The database is away.")


def test_a_database_that_goes_away_is_waited_for(sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the database is away the worker asks rarely and says so once; when it is back, everything due is done."""
    (person,) = registered_before(sqlite_url, tmp_path, 1)
    with opened(sqlite_url) as engine, caplog.at_level(logging.WARNING, "workflow.worker"):
        store = FragileStore(engine.store)
        store.is_away.set()
        fragile = Engine(engine.parts, store)  # type: ignore[arg-type]  # a stand-in
        with running(Worker(fragile, performing(fragile, lambda _: now()), pace=QUICK)):
            eventually(lambda: store.asked == 2)
            store.is_away.clear()
            eventually(lambda: ("timer:fired", "late") in kinds(engine, person))
            eventually(lambda: len(caplog.records) > 1)
    assert [record.getMessage() for record in caplog.records] == [
        "The worker waits: The database is away.",
        "The worker waits: right again",
    ]


class BrokenStore:
    """A store that fails in a way nobody has foreseen, as often as it is told to."""

    def __init__(self, store: Store, *, reads: int = 0, units: int = 0) -> None:
        self._store = store
        self.left = {"reads": reads, "units": units}

    def unit(self) -> object:
        self._break("units")
        return self._store.unit()

    def reads(self) -> object:
        self._break("reads")
        return self._store.reads()

    def _break(self, what: str) -> None:
        if self.left[what]:
            self.left[what] -= 1
            raise ZeroDivisionError


def test_a_sweep_that_fails_unexpectedly_is_not_the_last(sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody has foreseen is told with its place, and the next sweep does what is due all the same."""
    (person,) = registered_before(sqlite_url, tmp_path, 1)
    with opened(sqlite_url) as engine, caplog.at_level(logging.WARNING, "workflow.worker"):
        broken = Engine(engine.parts, BrokenStore(engine.store, reads=1))  # type: ignore[arg-type]  # a stand-in
        with running(Worker(broken, performing(broken, lambda _: now()), pace=QUICK)):
            eventually(lambda: ("timer:fired", "late") in kinds(engine, person))
    told = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert (told.getMessage(), told.exc_info and told.exc_info[0]) == ("A sweep failed unexpectedly", ZeroDivisionError)


def test_a_message_that_cannot_be_reported_is_done_again(sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A report that fails unexpectedly is told by the message's id; the lease runs out, and the message is done once more."""
    tried: list[str] = []

    def performer(briefing: Briefing) -> Performed:
        tried.append(briefing.message.id)
        store.left["units"] = len(tried) == 1
        return now()

    registered_before(sqlite_url, tmp_path, 1, minutes=1)
    with opened(sqlite_url) as engine:
        store = BrokenStore(engine.store)
        broken = Engine(engine.parts, store)  # type: ignore[arg-type]  # a stand-in
        with running(Worker(broken, performing(broken, performer, lease_seconds=1), pace=QUICK)):
            eventually(lambda: message_states(engine) == {"done": 1})
    assert tried == [tried[0]] * 2
    assert f"Message {tried[0]} could not be performed or reported" in caplog.text


def test_a_lease_that_cannot_be_prolonged_is_told(sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the database is away a lease cannot be prolonged: that is said once, and the message is finished nonetheless."""
    is_let_go = threading.Event()

    def performer(briefing: Briefing) -> Performed:
        store.is_away.set()
        is_let_go.wait(20)
        return now()

    registered_before(sqlite_url, tmp_path, 1, minutes=1)
    with opened(sqlite_url) as engine, caplog.at_level(logging.WARNING, "workflow.worker"):
        store = FragileStore(engine.store)
        fragile = Engine(engine.parts, store)  # type: ignore[arg-type]  # a stand-in
        with running(Worker(fragile, performing(fragile, performer, lease_seconds=1), pace=QUICK)):
            eventually(lambda: "The worker waits: The database is away." in caplog.text)
            store.is_away.clear()
            is_let_go.set()
            eventually(lambda: message_states(engine) == {"done": 1})


def test_a_worker_serves_a_host_s_thread(sqlite_url: str, tmp_path: Path) -> None:
    """`run` in another thread than the main one hears no signals, and ends when it is told to."""
    registered_before(sqlite_url, tmp_path, 1, minutes=1)
    with opened(sqlite_url) as engine:
        worker = Worker(engine, performing(engine, lambda _: now()), pace=QUICK)
        thread = threading.Thread(target=worker.run)
        thread.start()
        eventually(lambda: message_states(engine) == {"done": 1})
        worker.request_stop()
        thread.join(10)
        assert not thread.is_alive()


def test_what_never_ends_is_no_idleness(sqlite_url: str, tmp_path: Path) -> None:
    """`run_until_idle` gives up with an error where there is always something due, and does not turn for ever."""
    registered_before(sqlite_url, tmp_path, 3, minutes=1)
    with opened(sqlite_url) as engine, pytest.raises(RuntimeError, match="still something due after 1 rounds"):
        Worker(engine, performing(engine, lambda _: now()), pace=QUICK).run_until_idle(most_rounds=1)


class Clocks:
    """What the watch looks at, as values."""

    def __init__(self) -> None:
        self.host = datetime(2026, 11, 23, 9, tzinfo=UTC)
        self.database: datetime | None = self.host
        self.seconds = 1000.0

    def pass_(self, seconds: float) -> None:
        """Let time pass everywhere."""
        self.host += timedelta(seconds=seconds)
        self.database = self.database and self.database + timedelta(seconds=seconds)
        self.seconds += seconds


class ClockedStore:
    """A store whose database has a clock of its own."""

    def __init__(self, store: Store, clocks: Clocks) -> None:
        self._store = store
        self._clocks = clocks

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        with self._store.unit() as uow:
            yield ClockedUnit(uow, self._clocks)  # type: ignore[misc]  # only what the watch asks for

    def reads(self) -> object:
        return self._store.reads()


class ClockedUnit:
    def __init__(self, uow: UnitOfWork, clocks: Clocks) -> None:
        self._uow = uow
        self._clocks = clocks

    def load(self, instance_id: None) -> object:
        return replace(self._uow.load(instance_id), database_now=self._clocks.database)


@pytest.fixture
def clocks() -> Clocks:
    """Clocks that agree."""
    return Clocks()


@pytest.fixture
def watch(sqlite_url: str, clocks: Clocks) -> Iterator[ClockWatch]:
    """A watch on these clocks."""
    with opened(sqlite_url) as engine:
        clocked = Engine(engine.parts, ClockedStore(engine.store, clocks))  # type: ignore[arg-type]  # a stand-in
        yield ClockWatch(engine=clocked, host=lambda: clocks.host, steady=lambda: clocks.seconds)


def test_clocks_that_agree_are_fine(watch: ClockWatch, clocks: Clocks) -> None:
    """Two seconds apart are allowed, and a day that passes is no jump."""
    assert watch.fault() is None
    clocks.pass_(86_400)
    clocks.host += timedelta(seconds=2)
    assert watch.fault() is None


@pytest.mark.parametrize("apart", [2.1, -2.1, 90])
def test_a_host_that_differs_from_its_database_is_a_fault(watch: ClockWatch, clocks: Clocks, apart: float) -> None:
    """More than two seconds apart, either way, and the sweep must not go on; when they agree again, it may."""
    clocks.host += timedelta(seconds=apart)
    assert "differ" in str(watch.fault())
    clocks.host -= timedelta(seconds=apart)
    assert watch.fault() is None


@pytest.mark.parametrize("jump", [3601, -3601, 86_400])
def test_a_clock_that_jumps_by_an_hour_is_a_fault(watch: ClockWatch, clocks: Clocks, jump: float) -> None:
    """A jump is a fault for as long as the clock is wrong, also when host and database jump together."""
    assert watch.fault() is None
    clocks.host += timedelta(seconds=jump)
    clocks.database = clocks.host
    for _ in range(3):
        clocks.pass_(10)
        assert "jumped" in str(watch.fault())
    clocks.host -= timedelta(seconds=jump)
    clocks.database = clocks.host
    assert watch.fault() is None


def test_a_database_without_a_clock_is_watched_by_the_hosts(watch: ClockWatch, clocks: Clocks) -> None:
    """SQLite has no clock of its own: a jump of the host is seen all the same."""
    clocks.database = None
    assert watch.fault() is None
    clocks.host += timedelta(hours=2)
    assert "jumped" in str(watch.fault())


def test_nothing_fires_while_the_clock_is_wrong(sqlite_url: str, tmp_path: Path, clocks: Clocks, caplog: pytest.LogCaptureFixture) -> None:
    """A clock that jumped ahead makes no deadline fire: the sweep stands still with an alert until the clock is right."""
    (person,) = registered_before(sqlite_url, tmp_path, 1)
    with opened(sqlite_url) as engine, caplog.at_level(logging.WARNING, "workflow.worker"):
        watch = ClockWatch(engine=engine, host=lambda: clocks.host, steady=lambda: clocks.seconds)
        assert watch.fault() is None
        clocks.host += timedelta(hours=2)
        with running(Worker(engine, performing(engine, lambda _: now()), pace=QUICK, clocks=watch)):
            eventually(lambda: len(caplog.records) == 1)
            clocks.seconds += 10  # past the wait before it looks again
            assert kinds(engine, person) == [("instance:started", "register")]
            clocks.host += timedelta(seconds=10) - timedelta(hours=2)
            clocks.seconds += 10
            clocks.host += timedelta(seconds=10)
            eventually(lambda: ("timer:fired", "late") in kinds(engine, person))
    assert "The sweep stands still: The clock jumped by 7200 s" in caplog.records[0].getMessage()


def test_expired_answers_are_forgotten(sqlite_url: str, tmp_path: Path) -> None:
    """Idempotency answers are deleted after their day, without anybody asking."""
    forgotten: list[datetime] = []

    class Forgetful:
        def __init__(self, store: Store) -> None:
            self.unit = store.unit
            self._store = store

        @contextmanager
        def reads(self) -> Iterator[Reads]:
            with self._store.reads() as reads:
                yield Noting(reads)  # type: ignore[misc]  # everything else is the real one's

    class Noting:
        def __init__(self, reads: Reads) -> None:
            self._reads = reads

        def __getattr__(self, name: str) -> object:
            return getattr(self._reads, name)

        def forget_answers(self, *, until: datetime) -> int:
            forgotten.append(until)
            return self._reads.forget_answers(until=until)

    clocks = Clocks()
    with opened(sqlite_url) as engine:
        noted = Engine(engine.parts, Forgetful(engine.store))  # type: ignore[arg-type]  # a stand-in
        watch = ClockWatch(engine=noted, host=lambda: clocks.host, steady=lambda: clocks.seconds)
        with running(Worker(noted, performing(noted, lambda _: now()), pace=QUICK, clocks=watch)):
            clocks.pass_(61)
            eventually(lambda: len(forgotten) == 1)


def _least_attempts(engine: Engine) -> int:
    with engine.reads() as reads:
        return min(message.attempts for message in reads.messages(MessageQuery(limit=100)).rows)


def _lease(engine: Engine) -> datetime:
    with engine.reads() as reads:
        (message,) = reads.messages(MessageQuery(state="leased")).rows
    assert message.leased_until is not None
    return message.leased_until
