"""The acceptance journey with an ear at every door: whatever secret is typed, mailed, texted, pushed or shown is written down.

Promises: what counts as typed is read from the definition (payload values of type `secret`), so that a new one is not forgotten.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.onboarding import HAL, PHONE, TESS, VISITOR, House, Onboarding
from tests.support.raw import Secret
from workflow.bootstrap import find_definition, known
from workflow.checks.credentials import opened
from workflow.errors import WorkflowError
from workflow.load import load
from workflow.states.definition import FieldType
from workflow.states.instance import Actor

PERSON = {"first_name": "Wilhelmina", "last_name": "Quackenbush", "email": "w.quackenbush@klinik.example", "username": "wquack77"}
NUMBER, PIN = "+32 471 88 77 66", "8306"
WORDS = ("My zibeline comment.", "Which zibeline ward?", "The northern zibeline ward.", "Because of the zibeline.")
"""What people write; personal, like the form."""


class Listener(Onboarding):
    """One person whose every secret is written down, and every error that anybody was shown."""

    def __init__(self, house: House, number: int) -> None:
        super().__init__(house, number, {**PERSON, "email_confirm": PERSON["email"]})
        definition = load(find_definition("cpms-access"), known=known())
        self.typed_secretly = {
            (event.name, name)
            for event in definition.events.values()
            for name, spec in event.payload.items()
            if spec.type is FieldType.SECRET
        }
        self.heard: dict[str, list[Secret]] = {}
        self.errors: list[str] = []

    def hear(self, kind: str, *secrets: Secret) -> None:
        """Write secrets down."""
        self.heard.setdefault(kind, []).extend(secrets)

    @property
    def secrets(self) -> list[Secret]:
        """Everything that was written down."""
        return [secret for listed in self.heard.values() for secret in listed]

    def fire(self, event: str, actor: Actor | None = None, /, **payload: object) -> Any:
        for name, value in payload.items():
            if (event, name) in self.typed_secretly:
                self.hear(f"typed {name}", str(value))
        return self.watched(lambda: super(Listener, self).fire(event, actor, **payload))

    def watched(self, call: Callable[[], object]) -> object:
        """Do something, and keep all that an error of it could show to anybody, whatever it was raised from."""
        try:
            return call()
        except WorkflowError as error:
            shown = [str(error), repr(error), error.explain(), repr(vars(error)), *traceback.format_exception(error)]
            self.errors.append("\n".join(shown))
            raise

    @property
    def initialise_qr(self) -> str:
        shown = super().initialise_qr
        self.hear("initialise code", shown, shown.rpartition(":")[2])
        return shown

    @property
    def sign_in_qr(self) -> str:
        shown = super().sign_in_qr
        self.hear("sign-in code", shown, shown.rpartition(":")[2])
        return shown

    def collect(self) -> None:
        """Write down what was sent to the person, and what checks keep of them."""
        for mail in self.house.box.received:
            for token in (link.rpartition("/links/")[2] for link in mail.links if "/links/" in link):
                self.hear("link", token, token.rpartition(".")[2])
        self.hear("text message", *(text.partition(" ")[0] for _, text in self.house.texts.sent))
        self.hear("text message", *(text.partition(" ")[0].replace("-", "") for _, text in self.house.texts.sent))
        for pushed in self.house.pushes.received(self.subject):
            self.hear("push", pushed.text, pushed.text.rpartition(":")[2])
        assert self.totp is not None
        self.hear("authenticator", self.totp.secret, self.totp.byte_secret(), self.totp.provisioning_uri().rpartition("?")[2])
        assert self.phone._secret is not None
        self.hear("device", self.phone._secret)
        for kind in ("password", "phone", "totp", "app_device"):
            kept = opened(self.house.vault, self.credential(kind))
            self.hear(f"credential {kind}", *(one for one in kept.values() if isinstance(one, str) and len(one) > 20))


def walk(house: House) -> Listener:
    """Walk the whole journey with every factor, with mistakes on the way; gives the person."""
    jane = Listener(house, 1)
    jane.register()
    house.mail_to(9)  # nobody listens there, so the first attempt fails and is tried again
    house.worker.run()
    house.mail_to(house.box.port)
    house.clock.advance("PT2M")
    house.drain()
    jane.refused("set_password", VISITOR, **jane.password_form("weak"))
    house.wait("PT6M")
    jane.refused("set_password", VISITOR, **jane.password_form("LateButGood1!x"))
    jane.fire("request_link", VISITOR, token=jane.token, username=PERSON["username"])
    house.drain()
    jane.choose_password()
    jane.refused("sign_in", VISITOR, password="Wr0ng!passw0rd")
    jane.signed_in().enrol_device(PIN)
    jane.fire("ask_push", VISITOR, password=jane.password)
    house.drain()
    jane.refused("sign_in_by_app", PHONE, **jane.phone.answer_push(jane.newest_push, "7402"))
    jane.fire("sign_in_by_app", PHONE, **jane.phone.answer_push(jane.newest_push, PIN))
    jane.enrol_phone(NUMBER)
    jane.fire("ask_text_code", VISITOR, password=jane.password)
    house.drain()
    jane.refused("sign_in_two_factor", VISITOR, password=jane.password, method="sms", code="WRNG-CODE")
    jane.two_factor("sms", house.texts.newest_code())
    jane.enrol_authenticator()
    jane.fire("ask_qr_code", VISITOR, password=jane.password)
    jane.two_factor("app_code", jane.phone.scan(jane.sign_in_qr, house.clock.now()))
    house.clock.advance("PT30S")
    jane.two_factor("totp", jane.totp_code)
    _request(house, jane)
    house.texts.is_refusing = True
    jane.fire("ask_text_code", VISITOR, password=jane.password)
    house.drain()
    house.texts.is_refusing = False
    jane.fire("ask_text_code", VISITOR, password=jane.password)  # one of each stays open
    jane.fire("ask_push", VISITOR, password=jane.password)
    house.drain()
    with pytest.raises(WorkflowError):
        jane.watched(lambda: house.engine.erase(jane.subject, basis="", actor=TESS))
    jane.collect()
    return jane


def _request(house: House, jane: Listener) -> None:
    """Request access, get it, and change the password."""
    comment, question, answer, reason = WORDS
    jane.fill_in().submit(comment)
    jane.fire("ask_information", TESS, question=question)
    jane.fire("give_information", answer=answer)
    jane.approve(rationale=reason)
    jane.create_account(HAL)
    house.drain()
    jane.save_preferences()
    changed = {"new_password": "Zw3iter!Versuch", "new_password_confirm": "Zw3iter!Versuch"}
    jane.fire("change_password", password=jane.password, **changed)
    jane.password = changed["new_password"]
