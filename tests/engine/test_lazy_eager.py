"""Lazy equals eager, on the real engine and SQLite: how often the deadlines are swept does not change the history."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
import workflow_store
from hypothesis import example, given, settings

from tests.support.programs import ANA, BEN, CY, TIMETABLE, Fire, Report, Until, Wait, programs
from tests.support.worlds import KNOWN
from workflow.audit.chain import verify
from workflow.bootstrap import Extensions, dispatch, open_engine, publish
from workflow.engine import Dispatch, Engine, FloodLimit
from workflow.errors import ActionError, RefusedError
from workflow.ports import Briefing, Message, Performed
from workflow.settings import development_keys
from workflow.states.instance import Event
from workflow.states.verdict import Kind
from workflow.testing.clock import VirtualClock

FRIDAY = datetime(2026, 3, 27, 14, 30, tzinfo=UTC)
FLOOD = FloodLimit(refusals=2, window=timedelta(minutes=10))
EXTENSIONS = Extensions(action_specs=KNOWN.actions)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A database in which the definition and the office's calendar are published, to be copied for each run."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "timetable.yaml").write_text(TIMETABLE)
    with open_engine(f"sqlite:///{folder}/published.db", keys=development_keys(), extensions=EXTENSIONS, upgrade=True) as engine:
        publish(engine, folder / "timetable.yaml", extensions=EXTENSIONS)
    return folder / "published.db"


@pytest.fixture(scope="module")
def compiled(published):
    """The parts of an engine, so that the definition is compiled once for all runs."""
    with open_engine(f"sqlite:///{published}", keys=development_keys(), extensions=EXTENSIONS) as engine:
        yield replace(engine.parts, flood=FLOOD)


class Mailer:
    """A mail server that was quick, slow, or did not take the mail."""

    def __init__(self) -> None:
        self.performed_at: datetime | None = None

    def __call__(self, briefing: Briefing) -> Performed:
        if self.performed_at is None:
            raise ActionError("The mail was not taken.", effect="mail", will_retry=False)
        return Performed(performed_at=self.performed_at)


@dataclass
class Play:
    """A program performed by an engine on a database of its own; `sweeps` tells whether `tick` runs during the waits."""

    engine: Engine
    clock: VirtualClock
    outbox: Dispatch
    mailer: Mailer
    sweeps: bool
    id: str = ""

    def play(self, operations) -> list[dict[str, object]]:
        self.id = self.engine.start("timetable", Event.of("begin", ANA)).instance.id
        queued: dict[tuple[str, int], Message] = {}
        for one in operations:
            self.one(one, queued)
        self.clock.advance(timedelta(days=8))
        self.engine.tick()
        return self.said()

    def one(self, operation, queued: dict[tuple[str, int], Message]) -> None:
        match operation:
            case Wait(seconds=seconds, sweeps=sweeps):
                self.pass_until(self.clock.now() + timedelta(seconds=seconds), sweeps)
            case Until(rank=rank, beside=beside, sweeps=sweeps):
                due = sorted(t.due_at for t in self.engine.situation(self.id).timers if t.due_at is not None)
                if due:
                    self.pass_until(max(self.clock.now(), due[rank % len(due)] + beside), sweeps)
            case Fire(name=name, actor=actor):
                self.fire(Event.of(name, actor))
            case Report(rank=rank, lag_seconds=lag, is_done=is_done):
                queued |= {(m.effect.name, m.effect.serial): m for m in self.outbox.claim(limit=1000) if m.effect.done}
                if queued:
                    key = sorted(queued)[rank % len(queued)]
                    self.report(queued.pop(key), lag if is_done else None)

    def fire(self, event: Event) -> None:
        try:
            self.engine.fire(self.id, event)
        except RefusedError:
            return  # its entry is compared

    def report(self, message: Message, lag_seconds: int | None) -> None:
        """Perform a message that was queued, so that the report says it was done so long ago; None: it failed."""
        now = self.clock.now()
        self.mailer.performed_at = None if lag_seconds is None else max(message.queued_at, now - timedelta(seconds=lag_seconds))
        assert self.outbox.perform(message) in {"done", "dead"}

    def pass_until(self, end: datetime, sweeps) -> None:
        begin = self.clock.now()
        for part in sweeps if self.sweeps else ():
            self.clock.set(begin + (end - begin) * part)
            assert self.engine.tick().set_aside == ()
        self.clock.set(end)

    def said(self) -> list[dict[str, object]]:
        rows = self.engine.history(self.id)
        assert verify(rows) == len(rows)
        entries = [orjson.loads(row.canonical) for row in rows]
        keys = ("kind", "event", "actor", "from", "to", "reasons", "occurred_at")
        return [{key: entry.get(key) for key in keys} for entry in entries]


@pytest.fixture(scope="module")
def played(published, compiled) -> Callable[..., list[dict[str, object]]]:
    """Play a program on a fresh copy of the database, with sweeps or without, and give what its history says."""

    def play(start: datetime, operations, *, sweeps: bool) -> list[dict[str, object]]:
        with TemporaryDirectory() as folder:
            shutil.copy(published, f"{folder}/run.db")
            store, clock, mailer = workflow_store.connect(f"sqlite:///{folder}/run.db"), VirtualClock(start), Mailer()
            engine = Engine(replace(compiled, clock=clock), store)
            outbox = dispatch(engine, performer=mailer, base_url="https://example.org", lease_seconds=10**8)
            try:
                return Play(engine, clock, outbox, mailer, sweeps).play(operations)
            finally:
                store.close()

    return play


@given(programs(max_size=18))
@settings(max_examples=25, deadline=None)
@example(
    (FRIDAY, [Fire("send", BEN), Report(0), Wait(299, (1.0,)), Until(0, timedelta(0), (1.0,)), Fire("answer", ANA), Wait(90_000, (0.5,))])
)
@example(
    (FRIDAY, [*[Fire("close", BEN)] * 4, Fire("send", BEN), Report(0), Wait(700, (0.5,)), Fire("note", ANA), Wait(700), Fire("note", ANA)])
)
@example((FRIDAY, [Fire("hold", BEN), Fire("deeper", BEN), Wait(3 * 86_400, (0.1, 0.9)), Fire("answer", ANA), Wait(3 * 86_400, (0.5,))]))
def test_lazy_equals_eager_on_the_engine(played, program):
    """Sweeping changes nothing but `recorded_at`.

    Given the same events (reports included) at the same instants, and after settling at one final instant, a run with a sweep at
    any times and a run with none have the same sequence of (kind, event, actor, from, to, reasons, occurred_at).
    """
    start, operations = program
    assert played(start, operations, sweeps=False) == played(start, operations, sweeps=True)


def test_a_summary_of_refusals_stands_where_its_window_ended(played):
    """Refusals beyond the limit are summed up at the end of their window, before the deadlines after it and behind those within it."""
    flood = [Fire("close", BEN)] * 5
    # The link is dead five minutes after it was sent, inside the window; the day's deadlines come after it.
    operations = [Fire("send", BEN), Report(0), *flood, Wait(90_000, (0.004, 0.5)), Fire("note", ANA), Fire("note", ANA)]
    lazy, eager = (played(FRIDAY, operations, sweeps=sweeps) for sweeps in (False, True))
    assert lazy == eager
    (place,) = [number for number, entry in enumerate(lazy) if entry["kind"] == Kind.REFUSALS_COUNTED.value]
    assert [lazy[number]["event"] for number in (place - 1, place + 1)] == ["link_dead", "silence"]
    assert lazy[place]["occurred_at"] == "2026-03-27T14:40:00.000000Z"


def test_a_late_report_fires_its_deadline_at_its_own_instant(played):
    """A report that comes after other deadlines starts a deadline that is older than they are; both runs say so in the same order."""
    operations = [Fire("send", BEN), Wait(4 * 86_400, (0.3, 0.6)), Report(0, lag_seconds=400_000), Wait(60, (0.5,)), Fire("reopen", CY)]
    lazy, eager = (played(FRIDAY, operations, sweeps=sweeps) for sweeps in (False, True))
    assert lazy == eager
    reported = next(number for number, entry in enumerate(lazy) if entry["kind"] == Kind.REPORTED.value)
    assert lazy[reported]["occurred_at"] == "2026-03-27T14:30:00.000000Z"
    assert lazy[reported - 1]["occurred_at"] > lazy[reported]["occurred_at"], "a deadline of a later instant was recorded before"
