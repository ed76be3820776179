"""Sample requests in every state, for whoever looks at the pages for the first time.

Promises: they came about as all others do: by events at the engine, mails through a mail server, codes that were sent; only the clock
was moved, so that some have waited for days.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from workflow import bootstrap
from workflow.actions.provision import SimulatedCpms
from workflow.actions.push import SimulatedPush
from workflow.actions.smtp import MailSettings
from workflow.checks import HashCost, initialise_qr
from workflow.cli.performing import site_of
from workflow.engine import Dispatch, Engine
from workflow.engine.directory import FixedDirectory
from workflow.settings import MasterKey
from workflow.states.definition import EventName
from workflow.states.instance import Actor, Event, InstanceId
from workflow.states.verdict import Accepted
from workflow.testing.clock import VirtualClock
from workflow.testing.mailbox import Mailbox
from workflow.testing.phone import PhoneSimulator

PASSWORD: Final = "WpyqdCJfQ{"  # noqa: S105  # one of the examples of the process document, for samples that anybody may use
CHEAP: Final = HashCost(passes=1, memory_kib=64, lanes=1)
"""For the samples only; the hash is made anew, at full cost, when somebody signs in."""
_CODE: Final = re.compile(r"[2-9A-Z]{3}-[2-9A-Z]{3}-[2-9A-Z]{3}")
NUMBER: Final = "+32 470 12 34 56"
PIN: Final = "4711"
VISITOR, LINK_HOLDER, APP = Actor.of("visitor"), Actor.of("mail-link"), Actor.of("app")
ADA = Actor.of("ada", "administrator")
TESS, LEA, HAL = Actor.of("tess", "network_team:ERKNet"), Actor.of("lea", "centre_lead:erknet-de-sample"), Actor.of("hal", "helpdesk")
BELGIUM = {"network": "ERKNet", "country": "BE", "centre": "erknet-be-sample"}
GERMANY = {"network": "ERKNet", "country": "DE", "centre": "erknet-de-sample"}
NOBODYS = {"network": "VASCERN", "country": "BE", "centre": "vascern-be-sample"}


@dataclass(slots=True)
class _Texts:
    """The newest text message."""

    newest: str = ""

    def send(self, _number: str, text: str, *, reference: str) -> None:
        """Keep it."""
        self.newest = text if reference else ""


@dataclass(slots=True, kw_only=True)
class Sower:
    """Walks sample people as far as their sample says."""

    engine: Engine
    worker: Dispatch
    clock: VirtualClock
    mailbox: Mailbox
    texts: _Texts
    cpms: SimulatedCpms
    count: int = 0

    def work(self) -> None:
        """Let everything happen that is due."""
        while self.engine.tick().fired + self.worker.run(limit=50).total:
            pass


@dataclass(slots=True)
class Sample:
    """One sample person."""

    sower: Sower
    first_name: str
    last_name: str
    language: str = "en"
    id: str = ""

    @property
    def email(self) -> str:
        """Give the address."""
        return f"{self.first_name}.{self.last_name}@clinic.example".lower()

    @property
    def actor(self) -> Actor:
        """Give the person."""
        return Actor.of(f"sample-{self.first_name.lower()}")

    def does(self, event: str, actor: Actor | None = None, /, **payload: object) -> Sample:
        """Fire an event a moment later, and let happen what follows."""
        self.sower.clock.advance(timedelta(seconds=10))
        self.sower.engine.fire(self.id, Event(name=EventName(event), actor=actor or self.actor, payload=payload))
        self.sower.work()
        return self

    def registered(self) -> Sample:
        """Register."""
        self.sower.count += 1
        payload = {
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "email_confirm": self.email,
            "language": self.language,
            "privacy_accepted": True,
            "username": f"n00sample{self.sower.count:02}",
        }
        answer = self.sower.engine.start(
            "cpms-access", Event(name=EventName("register"), actor=VISITOR, payload=payload), subject=self.actor.id
        )
        assert isinstance(answer, Accepted)  # noqa: S101  # a new store has nobody of this address
        self.id = answer.instance.id
        self.sower.work()
        return self

    def with_password(self) -> Sample:
        """Choose the password."""
        self.registered()
        token = self.sower.mailbox.link(self.email, "/links/").rpartition("/links/")[2]
        return self.does("set_password", LINK_HOLDER, token=token, password=PASSWORD, password_confirm=PASSWORD)

    def enrolled(self) -> Sample:
        """Enrol a phone number."""
        return self.choosing().does("add_phone", phone=NUMBER).does("confirm_phone", code=self._code()).strong()

    def choosing(self) -> Sample:
        """Sign in for the first time, to enrol a second factor."""
        return self.with_password().does("sign_in", VISITOR, password=PASSWORD)

    def initialising(self) -> Sample:
        """Name a phone with the app."""
        return self.choosing().does("add_device", device_name="Phone", pin=PIN, pin_confirm=PIN)

    def confirming(self) -> Sample:
        """Scan the code with it."""
        self.initialising()
        with self.sower.engine.store.unit() as uow:
            pending = next(one for one in uow.load(InstanceId(self.id)).credentials if one.kind == "app_device")
        scanned = initialise_qr(self.sower.engine.parts.vault, pending)
        return self.does("initialise_device", APP, **PhoneSimulator().initialise(scanned, PIN))

    def erased(self) -> Sample:
        """Ask for a request, and to be erased."""
        self.requested()
        self.sower.engine.erase(str(self.actor.id), basis="asked for it", actor=ADA)
        self.sower.work()
        return self

    def strong(self) -> Sample:
        """Sign in with two factors."""
        self.does("ask_text_code", VISITOR, password=PASSWORD)
        return self.does("sign_in_two_factor", VISITOR, password=PASSWORD, method="sms", code=self._code())

    def page(self, number: int, organisation: dict[str, str] = BELGIUM, profiles: tuple[str, ...] = ("HP",)) -> Sample:
        """Fill in the request as far as a page is shown, from 1."""
        self.does("begin_request")
        if number > 1:
            self.does("choose_application", application="CPMS")
        if number > 2:  # noqa: PLR2004  # the second page is answered
            self.does("choose_organisation", **organisation)
        if number > 3:  # noqa: PLR2004  # the third one
            self.does("choose_profiles", profiles=list(profiles))
        return self

    def requested(self, organisation: dict[str, str] = BELGIUM, profiles: tuple[str, ...] = ("HP",)) -> Sample:
        """Submit a request."""
        return self.enrolled().page(4, organisation, profiles).does("submit_request", comments="For the outpatients' clinic.")

    def approved(self, profiles: tuple[str, ...] = ("HP",)) -> Sample:
        """Get an account."""
        self.requested(profiles=profiles).does("approve", TESS, rationale="A member of the network.")
        return self.does("create_account", HAL, rationale="Approved by the network.")

    def ready(self, profiles: tuple[str, ...] = ("HP",)) -> Sample:
        """Save the preferences."""
        return self.approved(profiles).strong().does("update_preferences", cpms_role="clinician", thematic_area="erknet-tubular-diseases")

    def in_trouble(self) -> Sample:
        """Meet CPMS when it is out of order."""
        self.requested().does("approve", TESS, rationale="A member of the network.")
        self.sower.cpms.refuse_all()
        self.does("create_account", HAL, rationale="Approved by the network.")
        self.sower.cpms.refuse_all(is_refusing=False)
        return self

    def _code(self) -> str:
        found = _CODE.search(self.sower.texts.newest)
        return found.group() if found else ""


# How long ago, who, how far.
SAMPLES: Final[tuple[tuple[timedelta, str, str, str, Callable[[Sample], object]], ...]] = (
    (timedelta(days=95), "Greta", "Gast", "de", lambda one: one.ready(("GUEST",))),
    (timedelta(days=33), "Alma", "Away", "en", Sample.registered),
    (timedelta(days=9), "Rita", "Rejected", "en", lambda one: one.requested().does("reject", TESS, rationale="Not known at this centre.")),
    (timedelta(days=8), "Willem", "Withdrawn", "en", lambda one: one.requested().does("withdraw")),
    (timedelta(days=7), "Paula", "Ready", "fr", Sample.ready),
    (timedelta(days=6), "Otto", "Overdue", "de", Sample.requested),
    (timedelta(days=1, hours=2), "Berta", "Waiting", "en", Sample.requested),
    (
        timedelta(hours=20),
        "Quentin",
        "Question",
        "fr",
        lambda one: one.requested().does("ask_information", TESS, question="At which ward?"),
    ),
    (timedelta(hours=9), "Hilda", "Held", "en", lambda one: one.requested(NOBODYS)),
    (timedelta(hours=8), "Emil", "Endorsed", "de", lambda one: one.requested(GERMANY)),
    (timedelta(hours=6), "Ada", "Account", "en", lambda one: one.requested().does("approve", TESS, rationale="A member of the network.")),
    (timedelta(hours=5), "Nora", "New", "en", Sample.approved),
    (timedelta(minutes=50), "Theo", "Trouble", "en", Sample.in_trouble),
    (timedelta(hours=4), "Fritz", "First", "de", Sample.requested),
    (timedelta(hours=3), "Lea", "Late", "en", Sample.registered),
    (timedelta(hours=2), "Pia", "Password", "fr", Sample.with_password),
    (timedelta(hours=1), "Enzo", "Enrolled", "en", Sample.enrolled),
    (timedelta(minutes=40), "Ines", "Application", "en", lambda one: one.enrolled().page(1)),
    (timedelta(minutes=35), "Otis", "Organisation", "en", lambda one: one.enrolled().page(2)),
    (timedelta(minutes=30), "Petra", "Profile", "en", lambda one: one.enrolled().page(3)),
    (timedelta(minutes=25), "Ravi", "Recap", "en", lambda one: one.enrolled().page(4)),
    (timedelta(days=5), "Erik", "Erased", "en", Sample.erased),
    (timedelta(minutes=5), "Phil", "Phone", "en", lambda one: one.choosing().does("add_phone", phone=NUMBER)),
    (timedelta(minutes=4), "Ivo", "Initialise", "en", Sample.initialising),
    (timedelta(minutes=3), "Cora", "Confirm", "en", Sample.confirming),
    (timedelta(minutes=2), "Aron", "Authenticator", "en", lambda one: one.choosing().does("add_authenticator")),
    (timedelta(minutes=1), "Rosa", "Registered", "en", Sample.registered),
)
"""Those of the last ten minutes stay where they are for some minutes only, as their deadlines say."""


def sow(
    url: str,
    *,
    keys: tuple[MasterKey, ...],
    directory: FixedDirectory,
    mailbox: Mailbox,
    base_url: str,
    now: datetime,
    done: Callable[[], None] = lambda: None,
) -> int:
    """Publish the reference definition and walk the sample people; gives how many. `done` is called after each."""
    oldest = max(ago for ago, *_ in SAMPLES)
    clock = VirtualClock(now - oldest - timedelta(hours=1))
    extensions = bootstrap.Extensions(directory=directory, password_cost=CHEAP)
    texts, cpms = _Texts(), SimulatedCpms()
    with bootstrap.open_engine(url, keys=keys, clock=clock, extensions=extensions, upgrade=True) as engine:
        bootstrap.publish(engine, "cpms-access")
        mail = MailSettings(
            host=mailbox.host, port=mailbox.port, sender="no-reply@access.example", security="none", operators="ops@access.example"
        )
        made = bootstrap.performers(
            engine,
            mail=mail,
            site=site_of(base_url),
            sms=texts,
            push=SimulatedPush(),
            targets={"cpms_account": cpms},
            zone="Europe/Brussels",
        )
        worker = bootstrap.dispatch(engine, performer=made, base_url=base_url)
        sower = Sower(engine=engine, worker=worker, clock=clock, mailbox=mailbox, texts=texts, cpms=cpms)
        for ago, first_name, last_name, language, walk in sorted(SAMPLES, key=lambda sample: -sample[0]):
            clock.set(max(clock.now(), now - ago))
            sower.work()
            walk(Sample(sower, first_name, last_name, language))
            done()
        clock.set(max(clock.now(), now))
        sower.work()
    return len(SAMPLES)
