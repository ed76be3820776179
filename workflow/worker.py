"""The worker: fires what is due and performs what is queued, until it is told to stop.

Promises: nothing it does is known only to it. Deadlines, leases and answers are rows, so a worker may be killed at any point and
another one goes on; two on one database do nothing twice. It outlives a database and a mail server that go away and come back,
without spinning and without filling the log. APScheduler is the metronome: its jobs ring a bell and do nothing else.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from workflow.engine import Dispatch, Engine, Ticked
from workflow.errors import StoreError, WorkflowError
from workflow.ports import Message
from workflow.states.instance import InstanceId

_log = logging.getLogger(__name__)

MOST_DIFFERENCE_SECONDS = 2.0
MOST_JUMP_SECONDS = 3600.0
FORGET_SECONDS = 60.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 60.0
FIRST_ASIDE_SECONDS, LONGEST_ASIDE_SECONDS = 10.0, 3600.0


def steady_seconds() -> float:
    """Give seconds that only ever go forward, the machine's sleep included where the system can tell (Linux)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def host_now() -> datetime:
    """Give the machine's own time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a worker goes about it.

    Attributes:
        interval_seconds: between regular sweeps; what becomes due in between is swept on its instant.
        threads: messages performed at the same time.
        batch: instances per sweep.
        stop_seconds: how long what is being done may take after the worker was told to stop.
    """

    interval_seconds: float = 1.0
    threads: int = 4
    batch: int = 100
    stop_seconds: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a worker did: deadlines fired, and messages done, put back for later, given up and lost to another worker."""

    fired: int = 0
    done: int = 0
    put_back: int = 0
    dead: int = 0
    lost: int = 0
    set_aside: tuple[tuple[InstanceId, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class ClockWatch:
    """Tells whether time can be trusted: host and database agree to 2 s, and neither jumped by more than an hour.

    A jump is measured against the machine's steady seconds since the last time all was right, so it is over when the clock
    is right again; whoever meant the jump starts the worker anew.
    """

    engine: Engine
    host: Callable[[], datetime] = host_now
    steady: Callable[[], float] = steady_seconds
    _right_at: tuple[datetime, float] | None = None

    def fault(self) -> str | None:
        """Say what is wrong with the time, None when nothing is."""
        clock = self.engine.parts.clock
        read = clock.now if clock is not None else self.host
        before = read()
        with self.engine.store.unit() as uow:
            database = uow.load(None).database_now
        after, steady = read(), self.steady()
        if database is not None:
            apart = max((before - database).total_seconds(), (database - after).total_seconds())
            if apart > MOST_DIFFERENCE_SECONDS:
                return f"The clocks of this host and of the database differ by {apart:.1f} s: set them right (NTP)."
        now = database or after
        if self._right_at is not None:
            jump = (now - self._right_at[0]).total_seconds() - (steady - self._right_at[1])
            if abs(jump) > MOST_JUMP_SECONDS:
                return f"The clock jumped by {jump:.0f} s: set it right, or start the worker anew if the new time is meant."
        self._right_at = now, steady
        return None


@dataclass(slots=True)
class _Alarm:
    """Something that is wrong until it is right again: told once, with a growing wait before it is looked at anew."""

    name: str
    steady: Callable[[], float]
    longest_seconds: float = LONGEST_WAIT_SECONDS
    wait_seconds: float = 0.0
    ready_at: float = 0.0

    @property
    def is_on(self) -> bool:
        """Tell whether it was raised and not cleared."""
        return self.wait_seconds > 0

    def raise_(self, what: str) -> None:
        """Tell it the first time, and wait longer each time."""
        if not self.is_on:
            _log.error("%s: %s", self.name, what)
        self.wait_seconds = min(self.wait_seconds * 2 or FIRST_WAIT_SECONDS, self.longest_seconds)
        self.ready_at = self.steady() + self.wait_seconds

    def clear(self) -> None:
        """Tell that it is over, if it was on."""
        if self.is_on:
            _log.warning("%s: right again", self.name)
        self.wait_seconds = 0.0


@dataclass(slots=True)
class _Aside:
    """Instances whose deadlines cannot be settled, each with a growing wait before it is tried again."""

    steady: Callable[[], float]
    _waits: dict[InstanceId, tuple[float, float]] = field(default_factory=dict)

    def left_out(self) -> list[InstanceId]:
        """Name those that are not to be tried now."""
        now = self.steady()
        return [instance_id for instance_id, (until, _) in self._waits.items() if until > now]

    def note(self, ticked: Ticked) -> None:
        """Set aside what a sweep could not settle, and forget what it could."""
        now = self.steady()
        for instance_id, why in ticked.set_aside:
            wait = min(2 * self._waits.get(instance_id, (0.0, 0.0))[1] or FIRST_ASIDE_SECONDS, LONGEST_ASIDE_SECONDS)
            self._waits[instance_id] = (now + wait, wait)
            _log.error("Instance %s is set aside for %.0f s, the others go on: %s", instance_id, wait, why)
        # Whatever waited twice its time without failing again was settled, by us or by somebody else.
        self._waits = {i: kept for i, kept in self._waits.items() if now < kept[0] + kept[1]}


class Worker:
    """Sweeps deadlines, performs the outbox and forgets expired answers, on one engine with a store of its own."""

    def __init__(self, engine: Engine, dispatch: Dispatch, *, pace: Pace | None = None, clocks: ClockWatch | None = None) -> None:
        """Join the worker with what it drives; nothing runs before `run`, `start` or `run_until_idle`."""
        self._engine = engine
        self._dispatch = dispatch
        self._pace = pace or Pace()
        self._clocks = clocks or ClockWatch(engine=engine)
        self._steady = self._clocks.steady
        self._aside = _Aside(self._steady)
        self._store_alarm = _Alarm("The worker waits", self._steady)
        self._clock_alarm = _Alarm("The sweep stands still", self._steady, longest_seconds=5.0)
        self._kind_alarms: dict[str, _Alarm] = {}
        self._forgot_at = self._steady()
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._held: dict[str, Message] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._performing: set[threading.Thread] = set()
        self._metronome: BackgroundScheduler | None = None

    def run_until_idle(self, *, most_rounds: int = 10_000) -> Swept:
        """Sweep and dispatch in this thread until nothing is due any more; for demo, tests and ``--once``.

        Raises:
            StoreError: the database cannot be used.
            RuntimeError: it does not come to rest.
        """
        total, aside = Swept(), dict[InstanceId, str]()
        for _ in range(most_rounds):
            ticked = self._engine.tick(limit=self._pace.batch, leave_out=tuple(aside))
            came = self._dispatch.run(limit=self._pace.threads)
            aside |= dict(ticked.set_aside)
            total = Swept(
                fired=total.fired + ticked.fired,
                done=total.done + came.done,
                put_back=total.put_back + came.put_back,
                dead=total.dead + came.dead,
                lost=total.lost + came.lost,
                set_aside=tuple(aside.items()),
            )
            if not (ticked.fired or ticked.set_aside or came.total):
                return total
        raise RuntimeError(f"There was still something due after {most_rounds} rounds.")

    def run(self) -> None:
        """Work until SIGTERM or SIGINT (in the main thread) or until `stop` is called from another one."""
        with _signals() as heard:
            self.start()
            while not heard and not self._stopping.wait(0.2):
                pass
        self.stop()

    def start(self) -> None:
        """Work in threads of its own until `stop`; for hosts that run a worker beside something else."""
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._sweep_until_stopped, name="workflow-sweep", daemon=True),
            threading.Thread(target=self._renew_until_stopped, name="workflow-leases", daemon=True),
        ]
        self._metronome = _metronome()
        self._metronome.add_job(
            self._bell.set,
            IntervalTrigger(seconds=self._pace.interval_seconds, timezone=UTC),
            id="sweep",
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
            next_run_time=host_now(),
        )
        self._metronome.start()
        for thread in self._threads:
            thread.start()
        _log.info("The worker has started with %d threads", self._pace.threads)

    def request_stop(self) -> None:
        """Begin nothing new."""
        self._stopping.set()
        self._bell.set()

    def stop(self) -> bool:
        """Stop, and wait for what is being done; gives False when something was still being done after `stop_seconds`.

        What was not finished loses nothing: its lease runs out and another worker does it.
        """
        self.request_stop()
        if self._metronome is not None:
            self._metronome.shutdown(wait=False)
            self._metronome = None
        until = self._steady() + self._pace.stop_seconds
        for thread in [*self._threads, *self._performing.copy()]:
            thread.join(timeout=max(0.0, until - self._steady()))
        with self._lock:
            left = tuple(self._held)
        if left:
            _log.warning("Stopped before %d message(s) were finished; their leases run out: %s", len(left), ", ".join(left))
        _log.info("The worker has stopped")
        return not left and not any(thread.is_alive() for thread in self._threads)

    def _sweep_until_stopped(self) -> None:
        # The metronome goes by the wall clock: when that is set back the bell is silent, and the silence itself is the bell.
        silence = max(5.0, 3 * self._pace.interval_seconds)
        while not self._stopping.is_set():
            self._bell.wait(timeout=silence)
            self._bell.clear()
            if not self._stopping.is_set():
                self._sweep()

    def _sweep(self) -> None:
        """Do one round, unless database or clock are known to be wrong and it is too early to look again."""
        if any(alarm.is_on and self._steady() < alarm.ready_at for alarm in (self._store_alarm, self._clock_alarm)):
            return
        try:
            if (wrong := self._clocks.fault()) is not None:
                self._clock_alarm.raise_(wrong)
                return
            self._clock_alarm.clear()
            self._settle()
            self._forget()
            self._arm()
            self._store_alarm.clear()
        except StoreError as error:
            self._store_alarm.raise_(error.explain())
        except Exception as error:  # noqa: BLE001  # a sweep that dies would stop every deadline; the next one may find things right
            _log.exception("A sweep failed unexpectedly")
            self._store_alarm.raise_(type(error).__name__)

    def _settle(self) -> None:
        """Fire deadlines batch by batch, and hand out messages in between, so that neither waits for the other."""
        while not self._stopping.is_set():
            ticked = self._engine.tick(limit=self._pace.batch, leave_out=self._aside.left_out())
            self._aside.note(ticked)
            self._hand_out()
            if not ticked.instances:
                return

    def _hand_out(self) -> None:
        """Claim as many messages as there are free threads: whoever is claimed is performed at once."""
        with self._lock:
            free = self._pace.threads - len(self._held)
        if free <= 0:
            return
        for message in self._dispatch.claim(limit=free):
            thread = threading.Thread(target=self._perform, args=(message,), name="workflow-perform", daemon=True)
            with self._lock:
                self._held[message.id] = message
                self._performing.add(thread)
            thread.start()

    def _perform(self, message: Message) -> None:
        try:
            came = self._dispatch.perform(message)
            self._note(message.effect.kind, came)
        except StoreError as error:  # the lease runs out, and it is done again
            self._store_alarm.raise_(error.explain())
        except Exception:  # noqa: BLE001  # this thread is all that would tell
            _log.exception("Message %s could not be performed or reported; it is tried again", message.id)
        finally:
            with self._lock:
                self._held.pop(message.id, None)
                self._performing.discard(threading.current_thread())
            self._bell.set()

    def _note(self, kind: str, came: str) -> None:
        """Tell once when a kind of message begins to fail, and once when it goes out again."""
        with self._lock:
            alarm = self._kind_alarms.setdefault(kind, _Alarm(f"Messages by {kind}", self._steady))
        if came == "put_back":
            alarm.raise_("not taken by the other side; they are tried again with growing waits (`workflow outbox list`)")
        elif came == "done":
            alarm.clear()

    def _renew_until_stopped(self) -> None:
        """Prolong the leases of what is being performed, a third of their length before anybody could take it over."""
        while not self._stopping.wait(self._dispatch.lease_seconds / 3) or self._held:
            with self._lock:
                held = tuple(self._held.values())
            try:
                for message in held:
                    self._dispatch.renew(message)
            except WorkflowError as error:
                self._store_alarm.raise_(error.explain())
            if self._stopping.is_set():
                time.sleep(min(0.2, self._pace.stop_seconds))  # what is left is finishing; `stop` bounds it

    def _forget(self) -> None:
        if self._steady() - self._forgot_at < FORGET_SECONDS:
            return
        with self._engine.reads() as reads:
            reads.forget_answers(until=self._engine.now())
        self._forgot_at = self._steady()

    def _arm(self) -> None:
        """Let the metronome ring at the next due instant; what is overdue by now waits for the regular sweep."""
        with self._engine.reads() as reads:
            due_at = reads.next_due_at()
        metronome = self._metronome
        if due_at is None or metronome is None or self._stopping.is_set():
            return
        wait = due_at - self._engine.now()
        if timedelta(0) < wait < timedelta(days=1):  # a sweep before then arms it again
            trigger = DateTrigger(run_date=host_now() + wait, timezone=UTC)
            metronome.add_job(self._bell.set, trigger, id="due", replace_existing=True, coalesce=True, misfire_grace_time=None)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT; the second one of a kind has its usual effect.

    Only a list is touched: a lock taken in a signal handler may be held by the very thread that the handler interrupted.
    """
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield heard
        return

    def hear(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield heard
    finally:
        for number, was in before.items():
            signal.signal(number, was)


def _metronome() -> BackgroundScheduler:
    """Make a scheduler that rings in its own thread and says nothing of each ring."""
    quiet = logging.getLogger(f"{__name__}.metronome")
    quiet.setLevel(logging.WARNING)
    return BackgroundScheduler(timezone=UTC, daemon=True, logger=quiet, executors={"default": DebugExecutor()})
