"""The acts of the demo, in the order of the journey."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from workflow.cli.demo_stage import (
    APP,
    EMAIL,
    HANNA,
    JANE,
    JANE_AS_APPROVER,
    LINK_HOLDER,
    PASSWORD,
    PHONE,
    PIN,
    SUBJECT,
    TOM,
    VISITOR,
    DemoError,
    Stage,
    assigned_username,
)
from workflow.states.instance import Event
from workflow.states.verdict import Accepted

Act = Callable[[Stage], None]


def register(stage: Stage) -> None:
    """Registration; the mail goes out when the worker runs."""
    stage.username = assigned_username()
    answer = stage.engine.start(
        "cpms-access",
        Event.of(
            "register",
            VISITOR,
            first_name="Jane",
            last_name="Doe",
            email=EMAIL,
            email_confirm=EMAIL,
            language="en",
            privacy_accepted=True,
            username=stage.username,
        ),
        subject=SUBJECT,
    )
    if not isinstance(answer, Accepted):
        raise DemoError("The registration was not accepted.")
    stage.instance = answer.instance.id
    stage.worker.run_until_idle()
    stage.refused("sign_in", VISITOR, password=PASSWORD)


def password(stage: Stage) -> None:
    """The link dies after five minutes; the same link asks for a new one; a bad password hears every reason."""
    dead = stage.token()
    stage.wait_for("registered.password_link")
    stage.is_in("link_expired")
    stage.refused("set_password", LINK_HOLDER, token=dead, password=PASSWORD, password_confirm=PASSWORD)
    stage.fire("request_link", LINK_HOLDER, token=dead, username=stage.username)
    alive = stage.token()
    stage.refused("set_password", LINK_HOLDER, token=dead, password=PASSWORD, password_confirm=PASSWORD)
    stage.refused("set_password", LINK_HOLDER, token=alive, password=stage.username, password_confirm=stage.username)
    stage.fire("set_password", LINK_HOLDER, token=alive, password=PASSWORD, password_confirm=PASSWORD)
    stage.is_in("password_set")
    stage.fire("sign_in", VISITOR, password=PASSWORD)


def text_messages(stage: Stage) -> None:
    """A phone number is enrolled; a code that was used once is worth nothing."""
    stage.fire("add_phone", JANE, phone=PHONE)
    stage.refused("confirm_phone", JANE, code=_wrong(stage.texted_code()))
    stage.fire("confirm_phone", JANE, code=stage.texted_code())
    stage.is_in("mfa_enrolled")
    stage.fire("ask_text_code", VISITOR, password=PASSWORD)
    code = stage.texted_code()
    stage.fire("sign_in_two_factor", VISITOR, password=PASSWORD, method="sms", code=code)
    stage.refused("sign_in_two_factor", VISITOR, password=PASSWORD, method="sms", code=code)


def app(stage: Stage) -> None:
    """The mobile app is enrolled by QR code and PIN, and signs in by QR code and by notification."""
    stage.fire("add_device", JANE, device_name="Jane's phone", pin=PIN, pin_confirm=PIN)
    stage.fire("initialise_device", APP, **stage.phone.initialise(stage.shown_initialise_qr(), PIN))
    stage.fire("confirm_device", APP, **stage.phone.confirm(stage.pushed()))
    stage.fire("ask_push", VISITOR, password=PASSWORD)
    stage.fire("sign_in_by_app", APP, **stage.phone.answer_push(stage.pushed(), PIN))
    sign_in_by_qr_code(stage, with_mistakes=True)


def request(stage: Stage) -> None:
    """Four pages; none can be skipped. The applicant is a member of the network's team and must not decide."""
    stage.fire("begin_request", JANE)
    stage.refused("submit_request", JANE)
    stage.fire("choose_application", JANE, application="CPMS")
    stage.fire("choose_organisation", JANE, network="ERKNet", country="BE", centre="erknet-be-sample")
    stage.fire("choose_profiles", JANE, profiles=["HP"])
    stage.fire("submit_request", JANE, comments="Paediatric nephrology.")
    stage.is_in("requested.awaiting_approval")
    stage.refused("approve", JANE_AS_APPROVER, rationale="I know myself well.")


def question(stage: Stage) -> None:
    """A question stops the clock of two working days until it is answered."""
    stage.fire("ask_information", TOM, after="PT30M", question="Which ward do you work on?")
    stage.fire("give_information", JANE, after="PT4H", answer="Ward 4.")
    stage.is_in("requested.awaiting_approval")


def long_weekend(stage: Stage) -> None:
    """Nobody decides: reminded after one working day, escalated after two; weekend and public holiday do not count."""
    stage.wait_for("requested.remind")
    stage.wait_for("requested.breach")
    stage.is_in("requested.awaiting_approval")


def approval(stage: Stage) -> None:
    """The network's team approves, another person creates the account, and the application has it."""
    stage.fire("approve", TOM, after="PT20M", rationale="Known member of the centre.")
    stage.refused("create_account", TOM, rationale="While I am at it.")
    stage.fire("create_account", HANNA, after="PT45M", rationale="Approved by the network.")
    stage.is_in("approved")
    if stage.cpms.account(SUBJECT) is None:
        raise DemoError("CPMS has no account for the applicant.")


def preferences(stage: Stage) -> None:
    """The first login asks for the preferences; it needs a fresh sign-in with two factors."""
    chosen = {"cpms_role": "clinician", "thematic_area": "erknet-glomerular-diseases"}
    stage.refused("update_preferences", JANE, after="PT10M", **chosen)
    sign_in_by_qr_code(stage)
    stage.fire("update_preferences", JANE, **chosen)
    stage.is_in("preferences_set")


def sign_in_by_qr_code(stage: Stage, *, with_mistakes: bool = False) -> None:
    """Sign in by the code that the phone shows for the page's QR code."""
    stage.fire("ask_qr_code", VISITOR, password=PASSWORD)
    code = stage.phone.scan(stage.shown_sign_in_qr(), stage.clock.now())
    if with_mistakes:
        stage.refused("sign_in_two_factor", VISITOR, after="PT1S", password=PASSWORD, method="app_code", code=_wrong(code))
    stage.fire("sign_in_two_factor", VISITOR, after="PT1S", password=PASSWORD, method="app_code", code=code)
    if with_mistakes:
        stage.refused("sign_in_two_factor", VISITOR, after="PT1S", password=PASSWORD, method="app_code", code=code)


def _wrong(code: str) -> str:
    """Change the last character of a code."""
    return code[:-1] + ("2" if code[-1] != "2" else "3")


ACTS: Final[tuple[tuple[str, Act], ...]] = (
    ("EU Login: registration", register),
    ("EU Login: password", password),
    ("EU Login: second factor by text message", text_messages),
    ("EU Login: second factor by the mobile app", app),
    ("SAAS: the request, page by page", request),
    ("SAAS: a question to the applicant stops the clock", question),
    ("SAAS: a long weekend, and nobody decides", long_weekend),
    ("SAAS and CPMS: approval and account, by two people", approval),
    ("CPMS: first login", preferences),
)
"""Heading and act."""
