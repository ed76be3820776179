"""What tests of the worker share: a small process, engines on it, and real worker processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.commands import program_environment
from workflow import bootstrap
from workflow.actions.mail import MailSettings
from workflow.actions.render import Site
from workflow.actions.sms import ConsoleGateway
from workflow.engine import Dispatch, Engine
from workflow.ports import Briefing, Clock, MessageQuery, Performed
from workflow.settings import development_keys
from workflow.states.instance import Actor, Event, InstanceId
from workflow.states.verdict import Accepted
from workflow.testing.clock import VirtualClock

WAITING = """\
definition: waiting-room
language: 1
subject: applicant
roles:
  visitor: {anyone: true, because: Whoever comes is let in.}
  officer: {}
fields:
  email: email
events:
  register: {by: [visitor], payload: {email: {field: email, required: true}}}
  received: {by: engine}
  not_received: {by: engine}
  late: {by: engine}
  approve: {by: [officer]}
start: {event: register, set: {email: event.email}}
initial: waiting
states:
  waiting:
    entry: [{mail: request_received, done: received, failed: not_received}]
    timers: [{name: slow, after: PT5M, event: late}]
    transitions:
      - {event: approve, target: done}
      - {event: late, target: overdue}
  overdue:
    waits_forever: It is only a test.
    entry: [{mail: request_abandoned}]
    transitions: [{event: approve, target: done}]
  done: {outcome: success}
"""
VISITOR = Actor.of("visitor")
SITE = Site(title="Test", home_url="https://t.example", login_url="https://t.example/in", queue_url="https://t.example/queue")


@contextmanager
def opened(url: str, clock: Clock | None = None) -> Iterator[Engine]:
    """Open an engine on a database that has our tables, with the waiting room published."""
    engine = bootstrap.open_engine(url, keys=development_keys(), clock=clock)
    try:
        yield engine
    finally:
        engine.close()


def publish(engine: Engine, folder: Path) -> None:
    """Publish the waiting room."""
    path = folder / "waiting-room.yaml"
    path.write_text(WAITING, encoding="utf-8")
    bootstrap.publish(engine, path)


def register(engine: Engine, address: str) -> InstanceId:
    """Let somebody into the waiting room."""
    answer = engine.start("waiting-room", Event.of("register", VISITOR, email=address), subject=f"subject of {address}")
    assert isinstance(answer, Accepted)
    return answer.instance.id


def registered_before(url: str, folder: Path, count: int, *, minutes: int = 10) -> list[InstanceId]:
    """Let people in some minutes ago, so that their deadlines and mails are due by now."""
    past = VirtualClock(datetime.now(UTC) - timedelta(minutes=minutes))
    with opened(url, past) as engine:
        publish(engine, folder)
        return [register(engine, f"person{number}@example.org") for number in range(count)]


def mailing(engine: Engine, port: int, *, lease_seconds: int = 60) -> Dispatch:
    """Join an engine with a mail server on this machine."""
    mail = MailSettings(host="127.0.0.1", port=port, sender="no-reply@example.org", security="none", timeout_seconds=5)
    made = bootstrap.performers(engine, mail=mail, site=SITE, sms=ConsoleGateway())
    return bootstrap.dispatch(engine, performer=made, base_url="https://t.example", lease_seconds=lease_seconds)


def performing(engine: Engine, performer: Callable[[Briefing], Performed], *, lease_seconds: int = 60) -> Dispatch:
    """Join an engine with any performer."""
    return bootstrap.dispatch(engine, performer=performer, base_url="https://t.example", lease_seconds=lease_seconds)


@contextmanager
def worker_process(url: str, smtp_port: int, *, lease_seconds: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Run ``workflow worker`` as a process of its own; it is killed at the end if it still runs."""
    environ = program_environment(
        WORKFLOW_ENVIRONMENT="development",
        WORKFLOW_DATABASE_URL=url,
        WORKFLOW_SMTP_HOST="127.0.0.1",
        WORKFLOW_SMTP_PORT=str(smtp_port),
        WORKFLOW_SMTP_SECURITY="none",
        WORKFLOW_LIMIT_LEASE_SECONDS=str(lease_seconds),
    )
    command = [sys.executable, "-m", "workflow.cli", "worker", "--interval", "0.2"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def killed(process: subprocess.Popen[str]) -> None:
    """``kill -9``: no chance to tidy up."""
    process.send_signal(signal.SIGKILL)
    process.wait(10)


def eventually(is_so: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Wait for something that another process or thread does; there is no other way to hear of it."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if is_so():
            return
        pause.wait(0.02)
    raise AssertionError("It did not happen in time.")


def message_states(engine: Engine) -> dict[str, int]:
    """Count the messages of the outbox by state."""
    counts: dict[str, int] = {}
    with engine.reads() as reads:
        cursor = None
        while True:
            page = reads.messages(MessageQuery(after=cursor, limit=1000))
            for message in page.rows:
                counts[message.state] = counts.get(message.state, 0) + 1
            cursor = page.next
            if cursor is None:
                return counts


def is_at_rest(engine: Engine) -> bool:
    """Tell whether nothing is due or under way; cheap enough to be asked all the time."""
    with engine.reads() as reads:
        # In this order: what fires queues, what is queued is leased, and nothing goes the other way.
        if reads.due(until=engine.now(), limit=1):
            return False
        return not any(reads.messages(MessageQuery(state=state, limit=1)).rows for state in ("queued", "leased"))


def kinds(engine: Engine, instance_id: InstanceId) -> list[tuple[str, str]]:
    """Give kind and event of every entry."""
    return [(row.kind, row.event) for row in engine.history(instance_id)]
