"""What the demo plays on: the real engine, worker, checks and mails; a mail server, a phone, an application and a clock of ours.

Promises: nothing is told that did not happen. An attempt that should have been refused and was not, or the other way round,
stops the demo.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson

from workflow import bootstrap
from workflow.actions.mail import MailSettings
from workflow.actions.provision import SimulatedCpms
from workflow.actions.push import SimulatedPush
from workflow.actions.sms import FileGateway
from workflow.checks import initialise_qr, sign_in_qr
from workflow.cli.performing import site_of
from workflow.engine import Engine
from workflow.engine.directory import FixedDirectory
from workflow.errors import RefusedError, WorkflowError
from workflow.load import read_calendar
from workflow.ports import Credential
from workflow.settings import development_keys
from workflow.states.calendar import Calendar
from workflow.states.definition import EventName
from workflow.states.instance import Actor, Event, InstanceId
from workflow.testing.clock import VirtualClock
from workflow.testing.mailbox import Mailbox
from workflow.testing.phone import PhoneSimulator
from workflow.worker import Worker

BASE_URL = "https://access.example.org"
SUBJECT = "p-0042"
EMAIL = "jane.doe@hospital.example"
PASSWORD = "WpyqdCJfQ{"  # noqa: S105  # one of the examples of the process document, for a demo
PHONE = "+32 470 12 34 56"  # the example of a Belgian mobile number in libphonenumber
PIN = "4711"
MAY_LOOK_BACK = date(2026, 1, 5)
_NOT_YET = InstanceId("")
_CODE = re.compile(r"[2-9A-Z]{3}-[2-9A-Z]{3}-[2-9A-Z]{3}")

JANE = Actor.of(SUBJECT)
JANE_AS_APPROVER = Actor.of(SUBJECT, "network_team:ERKNet")
VISITOR = Actor.of("visitor")
LINK_HOLDER = Actor.of("mail-link")
APP = Actor.of("phone")
TOM = Actor.of("tom", "network_team:ERKNet", "helpdesk")
HANNA = Actor.of("hanna", "helpdesk")
DIRECTORY = FixedDirectory(
    roles={"network_team:ERKNet": ("tom",), "helpdesk": ("hanna", "tom")},
    people={
        "tom": {"email": "tom@erknet.example", "name": "Tom", "language": "en"},
        "hanna": {"email": "hanna@helpdesk.example", "name": "Hanna", "language": "en"},
    },
)


class DemoError(WorkflowError):
    """The engine did not do what the journey says; the demo says what and stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Something that reached a mailbox or a phone."""

    at: datetime
    text: str


class Texts:
    """Text messages: written to a file as in development, with the instant of each."""

    def __init__(self, path: Path, clock: VirtualClock) -> None:
        """Take where they go and the clock."""
        self._path = path
        self._clock = clock
        self._gateway = FileGateway(path)
        self.sent: list[tuple[datetime, str]] = []

    def send(self, number: str, text: str, *, reference: str) -> None:
        """Send one."""
        self._gateway.send(number, text, reference=reference)
        self.sent.append((self._clock.now(), number))

    def newest(self) -> str:
        """Read the newest, as its receiver does."""
        return str(orjson.loads(self._path.read_bytes().splitlines()[-1])["text"])


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything the acts use. `instance` is set by the registration, `username` is what EU Login assigned."""

    folder: Path
    engine: Engine
    clock: VirtualClock
    mailbox: Mailbox
    texts: Texts
    push: SimulatedPush
    cpms: SimulatedCpms
    worker: Worker
    calendar: Calendar
    phone: PhoneSimulator = field(default_factory=PhoneSimulator)
    instance: InstanceId = _NOT_YET
    username: str = ""
    refusals: dict[int, RefusedError] = field(default_factory=dict)
    """What was answered to each refused attempt, by the sequence of its entry."""

    def fire(self, name: str, actor: Actor, /, *, after: str = "PT1M", **payload: object) -> None:
        """Let a moment pass and fire an event that must be accepted; then the worker does what follows."""
        self.wait(after)
        self.engine.fire(self.instance, Event(name=EventName(name), actor=actor, payload=payload))
        self.worker.run_until_idle()

    def refused(self, name: str, actor: Actor, /, *, after: str = "PT1M", **payload: object) -> tuple[str, ...]:
        """Let a moment pass and fire an event that must be refused; gives the codes of all reasons.

        Raises:
            DemoError: it was accepted.
        """
        self.wait(after)
        try:
            self.engine.fire(self.instance, Event(name=EventName(name), actor=actor, payload=payload))
        except RefusedError as error:
            if error.sequence is not None:
                self.refusals[error.sequence] = error
            return tuple(reason.code for reason in error.reasons)
        raise DemoError(f"{name} by {actor.id} was accepted, but the journey says that it is refused.")

    def wait(self, duration: str) -> None:
        """Let time pass, with the worker at work at its end."""
        self.clock.advance(duration)
        self.worker.run_until_idle()

    def wait_for(self, timer: str) -> None:
        """Let time pass until a deadline is reached, the worker doing what is due on the way.

        Raises:
            DemoError: the deadline does not run.
        """
        while True:
            running = {str(t.key): t.due_at for t in self.engine.situation(self.instance).timers if t.due_at is not None}
            if timer not in running:
                raise DemoError(f"The deadline {timer} does not run; running are {', '.join(sorted(running)) or 'none'}.")
            due_at = min(running.values())
            self.clock.set(due_at)
            self.worker.run_until_idle()
            if due_at == running[timer]:
                return

    @property
    def url(self) -> str:
        """Give the address of the database."""
        return f"sqlite:///{(self.folder / 'demo.db').resolve()}"

    def arrived(self) -> tuple[Arrival, ...]:
        """Give all that reached mailboxes and phones, in order; codes are left out."""
        mails = [Arrival(at=mail.date, text=f"mail to {', '.join(mail.recipients)}: {mail.subject}") for mail in self.mailbox.received]
        pushes = [Arrival(at=one.sent_at, text=f"notification on the phone: {one.name}") for one in self.push.received(SUBJECT)]
        texts = [Arrival(at=at, text=f"text message to {number}") for at, number in self.texts.sent]
        return tuple(sorted([*mails, *pushes, *texts], key=lambda one: one.at))

    def token(self) -> str:
        """Take the token from the link in the newest mail, as the person who clicks it."""
        return self.mailbox.link(EMAIL, "/links/").rsplit("/", 1)[1]

    def texted_code(self) -> str:
        """Read the code in the newest text message."""
        found = _CODE.search(self.texts.newest())
        if found is None:
            raise DemoError("The newest text message has no code.")
        return found.group()

    def pushed(self) -> str:
        """Read the newest notification on Jane's phone."""
        return self.push.received(SUBJECT)[-1].text

    def shown_initialise_qr(self) -> str:
        """Read the QR code that the page shows for the enrolment of the app."""
        return initialise_qr(self.engine.parts.vault, self._device(is_active=False))

    def shown_sign_in_qr(self) -> str:
        """Read the QR code that the page shows for a sign-in."""
        return sign_in_qr(self.engine.parts.vault, self._device(is_active=True))

    def is_in(self, state: str) -> None:
        """Make sure of the state.

        Raises:
            DemoError: it is another one.
        """
        found = self.engine.get(self.instance).state
        if found != state and not found.startswith(f"{state}."):
            raise DemoError(f"The onboarding is in {found}, but the journey says {state}.")

    def _device(self, *, is_active: bool) -> Credential:
        with self.engine.store.unit() as uow:
            credentials = uow.load(self.instance).credentials
        return next(one for one in credentials if one.kind == "app_device" and one.is_active == is_active)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Set the stage in a folder: tables, documents, mail server, worker, and a day before a long weekend."""
    database = folder / "demo.db"
    if database.exists():
        raise DemoError(f"There is a demo in {folder} already: give another folder, or remove it.")
    calendar = read_calendar(bootstrap.definitions_folder() / "calendars" / "ern-office.yaml")
    clock = VirtualClock(morning_before_long_weekend(calendar))
    extensions = bootstrap.Extensions(directory=DIRECTORY)
    url = f"sqlite:///{database}"
    texts = Texts(folder / "text-messages.jsonl", clock)
    push, cpms = SimulatedPush(), SimulatedCpms(folder / "cpms-accounts.json")
    with (
        bootstrap.open_engine(url, keys=development_keys(), clock=clock, extensions=extensions, upgrade=True) as engine,
        Mailbox() as mailbox,
    ):
        bootstrap.publish(engine, "cpms-access")
        mail = MailSettings(
            host=mailbox.host, port=mailbox.port, sender="no-reply@access.example.org", security="none", operators="ops@access.example.org"
        )
        made = bootstrap.performers(
            engine, mail=mail, site=site_of(BASE_URL), sms=texts, push=push, targets={"cpms_account": cpms}, zone=calendar.zone
        )
        worker = Worker(engine, bootstrap.dispatch(engine, performer=made, base_url=BASE_URL))
        yield Stage(
            folder=folder, engine=engine, clock=clock, mailbox=mailbox, texts=texts, push=push, cpms=cpms, worker=worker, calendar=calendar
        )


def morning_before_long_weekend(calendar: Calendar) -> datetime:
    """Find a working day that is followed by a weekend and a public holiday, and give its 09:00.

    Raises:
        DemoError: the calendar has none.
    """
    day = max(calendar.starts, MAY_LOOK_BACK)
    while day < calendar.horizon - timedelta(days=10):
        off = []
        following = day + timedelta(days=1)
        while not _is_worked(calendar, following):
            off.append(following)
            following += timedelta(days=1)
        has_holiday = any(one in calendar.days_off and one.isoweekday() in calendar.weekdays for one in off)
        has_weekend = any(one.isoweekday() not in calendar.weekdays for one in off)
        if _is_worked(calendar, day) and has_holiday and has_weekend:
            return datetime.combine(day, time(9), ZoneInfo(calendar.zone))
        day += timedelta(days=1)
    raise DemoError(f"The calendar {calendar.name} has no long weekend.")


def assigned_username() -> str:
    """Assign a username as EU Login does, such as ``n00ccgbd``."""
    return "n00" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(5))


def _is_worked(calendar: Calendar, day: date) -> bool:
    return day.isoweekday() in calendar.weekdays and day not in calendar.days_off
