"""The reference journey as people walk it, on the real engine: real database, real mail server, simulated phone and CPMS.

Click, drain the outbox, read the mail trap, verify the chain.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
import pyotp
import pytest

import workflow
from workflow.actions.provision import SimulatedCpms
from workflow.actions.push import SimulatedPush
from workflow.actions.render import Site
from workflow.actions.smtp import MailSettings
from workflow.audit.chain import verify
from workflow.bootstrap import Extensions, dispatch, performers, publish
from workflow.checks import HashCost, initialise_qr, provisioning_uri, sign_in_qr
from workflow.engine import Engine
from workflow.engine.directory import FixedDirectory
from workflow.errors import RefusedError
from workflow.ports import Credential, Message, MessageQuery
from workflow.settings import development_keys
from workflow.states.instance import Actor, Delegation, Event, Instance
from workflow.states.verdict import Accepted, Merged
from workflow.testing.clock import VirtualClock
from workflow.testing.mailbox import Mailbox, Received
from workflow.testing.phone import PhoneSimulator

CHEAP = HashCost(passes=1, memory_kib=64, lanes=1)
BASE_URL = "https://access.example.org"
OPERATORS = "operators@example.org"
PASSWORD = "WuWWBzzJp$"
NUMBER = "+32 470 12 34 56"
ERKNET = {"network": "ERKNet", "country": "BE", "centre": "erknet-be-sample"}
VISITOR = Actor.of("visitor")
PHONE = Actor.of("app")
TESS, TOM = Actor.of("tess", "network_team:ERKNet"), Actor.of("tom", "network_team:ERKNet")
EVE = Actor.of("eve", "network_team:EYE")
LEA = Actor.of("lea", "centre_lead:erknet-de-sample")
HAL = Actor.of("hal", "helpdesk")
ADMIN = Actor.of("ada", "administrator")
PEOPLE = {
    "tess": {"email": "tess@erknet.example", "name": "Tess", "language": "en"},
    "tom": {"email": "tom@erknet.example", "name": "Tom", "language": "fr"},
    "eve": {"email": "eve@eye.example", "name": "Eve", "language": "en"},
    "lea": {"email": "lea@lindenau.example", "name": "Lea", "language": "de"},
    "hal": {"email": "hal@helpdesk.example", "name": "Hal", "language": "en"},
}
ROLES = {
    "network_team:ERKNet": ["tess", "tom"],
    "network_team:EYE": ["eve"],
    "centre_lead:erknet-de-sample": ["lea"],
    "helpdesk": ["hal"],
}


@dataclass
class TextMessages:
    """A gateway for text messages that keeps them; `is_refusing` makes it refuse every number for good."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    references: set[str] = field(default_factory=set)
    is_refusing: bool = False

    def send(self, number: str, text: str, *, reference: str) -> None:
        if self.is_refusing:
            from workflow.actions.faults import GatewayError  # noqa: PLC0415  # only here

            raise GatewayError("the number takes no text messages", will_retry=False)
        if reference not in self.references:
            self.references.add(reference)
            self.sent.append((number, text))

    def newest_code(self) -> str:
        return self.sent[-1][1].partition(" ")[0]


class House:
    """The engine with everything around it: clock, mail trap, text messages, pushes, CPMS, directory, worker."""

    def __init__(self, url: str, box: Mailbox, *, definition: str | None = "cpms-access") -> None:
        self.clock, self.box, self.texts, self.pushes, self.cpms = VirtualClock(), box, TextMessages(), SimulatedPush(), SimulatedCpms()
        self.roles = {role: list(people) for role, people in ROLES.items()}
        extensions = Extensions(directory=FixedDirectory(roles=self.roles, people=PEOPLE), password_cost=CHEAP)
        self.engine: Engine = workflow.open(url, keys=development_keys(), clock=self.clock, extensions=extensions)
        if definition:
            publish(self.engine, definition)
        self.vault = self.engine.parts.vault
        self.mail_to(box.port)
        self._people = itertools.count(1)

    def mail_to(self, port: int) -> None:
        """Hand mails to the server at a port from now on."""
        mail = MailSettings(host="127.0.0.1", port=port, sender="no-reply@example.org", security="none", operators=OPERATORS)
        site = Site(
            title="CPMS",
            home_url=BASE_URL,
            login_url=f"{BASE_URL}/login",
            queue_url=f"{BASE_URL}/queue",
            help="help@example.org",
        )
        made = performers(
            self.engine, mail=mail, site=site, sms=self.texts, push=self.pushes, targets={"cpms_account": self.cpms}, zone="Europe/Brussels"
        )
        self.worker = dispatch(self.engine, performer=made, base_url=BASE_URL)

    def close(self) -> None:
        self.engine.store.close()  # type: ignore[attr-defined]  # a store of our own has it

    def drain(self) -> None:
        """Let the worker fire what is due and perform what waits, until it has nothing to do."""
        for _ in range(50):
            ticked, done = self.engine.tick(), self.worker.run(limit=50)
            assert ticked.set_aside == ()
            if ticked.fired + done.total == 0:
                return
        pytest.fail("the worker never comes to rest")

    def wait(self, by: str | timedelta) -> None:
        """Let time pass; the worker runs before and after."""
        self.drain()
        self.clock.advance(by)
        self.drain()

    def until(self, instant: str) -> None:
        """Let time pass until an instant (local time of Brussels in ISO form with its offset); the worker runs all the hours between."""
        self.drain()
        target = datetime.fromisoformat(instant)
        while self.clock.now() < target:
            with self.engine.reads() as reads:
                due = reads.next_due_at()
            self.clock.set(min(max(due, self.clock.now()), target) if due and due > self.clock.now() else target)
            self.drain()

    def outbox(self, instance_id: str) -> tuple[Message, ...]:
        with self.engine.reads() as reads:
            return reads.messages(MessageQuery(instance_id=instance_id, limit=200)).rows

    def subjects_to(self, address: str) -> list[str]:
        """Give the subject lines of the mails that an address got."""
        return [mail.subject for mail in self.box.to(address)]

    def person(self, **changes: object) -> Onboarding:
        """A person who has filled in the registration form and has not sent it yet."""
        return Onboarding(self, next(self._people), changes)


class Onboarding:
    """One person on the way; the methods are the steps of the journey."""

    def __init__(self, house: House, number: int, changes: dict[str, object]) -> None:
        self.house = house
        self.subject = f"person-{number}"
        self.actor = Actor.of(self.subject)
        self.email = str(changes.get("email", f"jane{number}@clinic.example"))
        self.username = f"n00ccgb{number}"
        self.form: dict[str, object] = {
            "first_name": "Jane",
            "last_name": "Doe",
            "email": self.email,
            "email_confirm": self.email,
            "language": "en",
            "privacy_accepted": True,
            "username": self.username,
        } | changes
        self.id = ""
        self.password = PASSWORD
        self.totp: pyotp.TOTP | None = None
        self.phone = PhoneSimulator()

    # Looking

    @property
    def instance(self) -> Instance:
        return self.house.engine.get(self.id)

    @property
    def state(self) -> str:
        return self.instance.state

    @property
    def values(self) -> dict[str, object]:
        return self.house.engine.values(self.id)

    @property
    def subjects(self) -> list[str]:
        """The subject lines of this person's mails, oldest first."""
        return self.house.subjects_to(self.email)

    @property
    def mail(self) -> Received:
        """This person's newest mail."""
        return self.house.box.newest(self.email)

    @property
    def said(self) -> list[dict]:
        """What the entries of the history say."""
        return [orjson.loads(row.canonical) for row in self.house.engine.history(self.id)]

    @property
    def events(self) -> list[str]:
        """The names of the events of the history that were not refused."""
        return [said["event"] for said in self.said if said["kind"] != "event:refused"]

    def entry(self, event: str) -> dict:
        """The newest entry of an event."""
        return [said for said in self.said if said["event"] == event][-1]

    def credential(self, kind: str, *, is_active: bool = True) -> Credential:
        with self.house.engine.store.unit() as uow:
            found = uow.load(self.id).credentials
        return next(c for c in found if c.kind == kind and c.is_active == is_active)

    def verify(self) -> int:
        """Verify the chain of the whole history."""
        return verify(self.house.engine.history(self.id))

    # Acting

    def fire(self, event: str, actor: Actor | None = None, /, **payload: object) -> Accepted:
        answer = self.house.engine.fire(self.id, Event.of(event, actor or self.actor, **payload))
        assert isinstance(answer, Accepted)
        return answer

    def refused(self, event: str, actor: Actor | None = None, /, **payload: object) -> list[str]:
        """Fire an event that must be refused; gives the codes of all reasons. The state must not have changed."""
        self.house.engine.tick()
        before = self.state
        error = refusal(lambda: self.fire(event, actor, **payload))
        assert before == self.state
        return [reason.code for reason in error.reasons]

    # 1 and 2: registration and password

    def register(self) -> Accepted | Merged:
        answer = self.house.engine.start("cpms-access", Event.of("register", VISITOR, **self.form), subject=self.subject)
        self.id = answer.instance.id if isinstance(answer, Accepted) else answer.instance_id
        return answer

    def registered(self) -> Onboarding:
        self.register()
        self.house.drain()
        return self

    @property
    def token(self) -> str:
        """The token of the link in the newest mail."""
        return self.house.box.link(self.email, "/links/").rpartition("/links/")[2]

    def choose_password(self, password: str | None = None, **changes: object) -> Accepted:
        return self.fire("set_password", VISITOR, **self.password_form(password, **changes))

    def password_form(self, password: str | None = None, **changes: object) -> dict[str, object]:
        typed = password or self.password
        token = {} if "token" in changes else {"token": self.token}
        return {**token, "password": typed, "password_confirm": typed, **changes}

    def with_password(self) -> Onboarding:
        self.registered().choose_password()
        return self

    def signed_in(self) -> Onboarding:
        """Sign in with the password alone, just after it was set."""
        self.fire("sign_in", VISITOR, password=self.password)
        return self

    # 3: second factors

    def enrol_phone(self, number: str = NUMBER) -> None:
        self.fire("add_phone", phone=number)
        self.house.drain()
        self.fire("confirm_phone", code=self.house.texts.newest_code())

    def enrol_device(self, pin: str = "4711") -> None:
        self.phone = PhoneSimulator()
        self.fire("add_device", device_name="Jane's phone", pin=pin, pin_confirm=pin)
        self.fire("initialise_device", PHONE, **self.phone.initialise(self.initialise_qr, pin))
        self.house.drain()
        self.fire("confirm_device", PHONE, **self.phone.confirm(self.newest_push))

    def enrol_authenticator(self) -> None:
        self.scan_authenticator()
        self.fire("confirm_authenticator", code=self.totp_code)

    def scan_authenticator(self) -> None:
        self.fire("add_authenticator")
        uri = provisioning_uri(self.house.vault, self.credential("totp", is_active=False), account=self.email, issuer="EU Login")
        parsed = pyotp.parse_uri(uri)
        assert isinstance(parsed, pyotp.TOTP)
        self.totp = parsed

    @property
    def totp_code(self) -> str:
        assert self.totp is not None
        return self.totp.at(self.house.clock.now())

    @property
    def initialise_qr(self) -> str:
        return initialise_qr(self.house.vault, self.credential("app_device", is_active=False))

    @property
    def sign_in_qr(self) -> str:
        return sign_in_qr(self.house.vault, self.credential("app_device"))

    @property
    def newest_push(self) -> str:
        return self.house.pushes.received(self.subject)[-1].text

    def enrolled(self) -> Onboarding:
        """With a password and an authenticator app."""
        self.with_password().signed_in().enrol_authenticator()
        return self

    def two_factor(self, method: str, code: str, *, password: str | None = None) -> Accepted:
        return self.fire("sign_in_two_factor", VISITOR, password=password or self.password, method=method, code=code)

    def sign_in_freshly(self) -> Onboarding:
        """Sign in by password and authenticator app, with a code that was not used yet."""
        self.house.clock.advance("PT30S")
        self.two_factor("totp", self.totp_code)
        return self

    # 4: the request

    def fill_in(self, *, organisation: dict[str, str] | None = None, profiles: tuple[str, ...] = ("HP",)) -> Onboarding:
        """Fill in the pages up to the recap; must be signed in freshly."""
        self.fire("begin_request")
        return self.fill_pages(organisation=organisation, profiles=profiles)

    def fill_pages(self, *, organisation: dict[str, str] | None = None, profiles: tuple[str, ...] = ("HP",)) -> Onboarding:
        self.fire("choose_application", application="CPMS")
        self.fire("choose_organisation", **(organisation or ERKNET))
        self.fire("choose_profiles", profiles=list(profiles))
        return self

    def submit(self, comments: str = "For the new clinic.") -> Onboarding:
        self.fire("submit_request", comments=comments)
        self.house.drain()
        return self

    def requested(self, **pages: object) -> Onboarding:
        """With a request that waits for its decision."""
        self.enrolled().sign_in_freshly().fill_in(**pages).submit()  # type: ignore[arg-type]  # passed on
        return self

    # 5 and 6: decisions and the account

    def approve(self, actor: Actor = TESS, rationale: str = "A member of the network.") -> Accepted:
        return self.fire("approve", actor, rationale=rationale)

    def create_account(self, actor: Actor = HAL, rationale: str = "Approved by the network.") -> Accepted:
        return self.fire("create_account", actor, rationale=rationale)

    def approved(self, **pages: object) -> Onboarding:
        """With an account in CPMS."""
        self.requested(**pages).approve()
        self.create_account()
        self.house.drain()
        return self

    def save_preferences(self, area: str = "erknet-glomerular-diseases", role: str = "clinician") -> Accepted:
        return self.fire("update_preferences", cpms_role=role, thematic_area=area)

    def finished(self, **pages: object) -> Onboarding:
        """At the end: preferences saved."""
        self.approved(**pages).sign_in_freshly().save_preferences()
        self.house.drain()
        return self


def refusal(call: Callable[[], object]) -> RefusedError:
    """Give the refusal that a call must end in."""
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value


def deputy_of(principal: str, deputy: str, *, now: datetime, role: str | None = None, days: int = 7) -> Delegation:
    """A delegation from now on."""
    return Delegation(
        id=f"{principal}-{deputy}",
        principal=principal,
        deputy=deputy,
        role=role,
        scope=None,
        starts_at=now,
        ends_at=now + timedelta(days=days),
        reason="on leave",
    )  # type: ignore[arg-type]  # ids are plain text


__all__ = [
    "ADMIN",
    "BASE_URL",
    "CHEAP",
    "ERKNET",
    "EVE",
    "HAL",
    "LEA",
    "NUMBER",
    "OPERATORS",
    "PASSWORD",
    "PHONE",
    "TESS",
    "TOM",
    "VISITOR",
    "House",
    "Onboarding",
    "TextMessages",
    "deputy_of",
    "refusal",
]
