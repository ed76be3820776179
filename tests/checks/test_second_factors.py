"""Authenticator app, text messages and the mobile app, from enrolment to sign-in."""

from __future__ import annotations

import pytest

from tests.support.checking import Desk, codes_of, private_of
from workflow.checks import initialise_qr, open_text_challenge, provisioning_uri, push_text, qr, sign_in_qr
from workflow.checks.otp import Codes, _codes
from workflow.checks.phone import normalised_number
from workflow.errors import NotFoundError, RefusedError
from workflow.testing.phone import PhoneSimulator

NUMBER = "+32 470 12 34 56"


def authenticator(at: Desk, name: str = "pending") -> Codes:
    """Give what an authenticator app knows after its scan."""
    return _codes(at.vault, at.credentials["totp", name])


def with_phone() -> Desk:
    at = Desk()
    at.run("phone", {"phone": NUMBER})
    at.run("phone_confirm", {"code": at.text_code("pending")})
    return at


def with_app() -> tuple[Desk, PhoneSimulator]:
    at, phone = Desk(), PhoneSimulator()
    at.run("app_enrol", {"device_name": "my phone", "pin": "4711"})
    at.run("app_initialise", phone.initialise(initialise_qr(at.vault, at.credentials["app_device", "pending"]), "4711"))
    at.run("app_confirm", phone.confirm(push_text(at.vault, at.credentials["app_device", "pending"])))
    return at, phone


@pytest.mark.parametrize("digits", [6, 8])
def test_totp(digits):
    """Scan, confirm with one code, sign in with the next."""
    at = Desk()
    at.run("totp_enrol", digits=digits)
    uri = provisioning_uri(at.vault, at.credentials["totp", "pending"], account="ada@clinic.example", issuer="EU Login")
    assert uri.startswith("otpauth://totp/EU%20Login:ada%40clinic.example?secret=")
    codes = authenticator(at)
    assert at.run("totp_confirm", {"code": codes.at(at.now)}).facts["ok"]
    at.wait(seconds=30)
    typed = codes.at(at.now)
    assert digits == len(typed)
    assert at.run("totp", {"code": f"{typed[:3]} {typed[3:]}"}).facts["ok"]
    with pytest.raises(NotFoundError):
        provisioning_uri(at.vault, at.credentials["totp", ""], account="a", issuer="b")


def test_a_new_authenticator_replaces_the_old_one_only_when_confirmed():
    """Until the new device has shown one right code, the old one signs in."""
    at = Desk()
    at.run("totp_enrol")
    old = authenticator(at)
    at.run("totp_confirm", {"code": old.at(at.now)})
    at.run("totp_enrol")
    new = authenticator(at)
    at.wait(seconds=30)
    assert at.run("totp", {"code": old.at(at.now)}).facts["ok"]
    assert at.run("totp_confirm", {"code": new.at(at.now)}).facts["ok"]
    at.wait(seconds=30)
    assert not at.run("totp", {"code": old.at(at.now)}).facts["ok"]
    assert at.run("totp", {"code": new.at(at.now)}).facts["ok"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("+32 470 12 34 56", ("+32470123456", True)),
        ("+32470123456", ("+32470123456", True)),
        (" +49 1512 3456789 ", ("+4915123456789", True)),
        ("+1 202 555 0143", ("+12025550143", True)),
        ("+32 2 299 11 11", ("+3222991111", False)),
        ("+11 111 11 11 11", (None, False)),
        ("0470 12 34 56", (None, False)),
        ("+32 470", (None, False)),
        ("+", (None, False)),
        ("+32 470 12 34 56 ext. 7", (None, False)),
        ("+" + "1" * 300, (None, False)),
        ("tel:+32470123456", (None, False)),
    ],
)
def test_numbers(written, expected):
    """Blanks are accepted; the document's placeholder is no number; a fixed line gets no text messages."""
    assert expected == normalised_number(written)


def test_phone():
    """The number counts after its code was typed back, in whatever case and with or without hyphens."""
    at = Desk()
    assert at.run("phone", {"phone": NUMBER}).facts == {"valid": True, "mobile": True, "limited": False}
    assert not at.judge("sms_challenge").facts["ok"]
    code = at.text_code("pending")
    assert at.run("phone_confirm", {"code": code.replace("-", " ").lower()}).facts["ok"]
    assert {("phone", "")} == set(at.credentials)
    assert at.run("sms_challenge").facts["ok"]
    assert at.run("sms_code", {"code": at.text_code()}).facts["ok"]


def test_the_newest_open_challenge_is_the_one_to_send():
    """Whoever sends a text message gets number and code of the newest challenge, and nothing when none waits."""
    at = with_phone()
    assert open_text_challenge(at.vault, at.credentials.values()) is None
    at.run("sms_challenge")
    at.wait(seconds=1)
    at.run("phone", {"phone": "+49 1512 3456789"})
    found = open_text_challenge(at.vault, at.credentials.values())
    assert found is not None
    assert (found.number, found.code) == ("+4915123456789", at.text_code("pending"))
    assert found.code not in repr(found)


def test_phone_faults():
    """A number that is none, or no mobile one, is not kept; the reason belongs to its field."""
    assert codes_of(Desk().judge("phone", {"phone": "+11 111 11 11 11"})) == ["phone_invalid"]
    fixed = Desk().judge("phone", {"phone": "+32 2 299 11 11"})
    assert (codes_of(fixed), fixed.facts["valid"], fixed.on_accept) == (["phone_not_mobile"], True, ())


def test_text_messages_are_limited():
    """After `limit` messages in the window no further one is made; later there is."""
    at = with_phone()
    made = [at.run("sms_challenge", limit=3).facts["limited"] for _ in range(3)]
    assert made == [False, False, True]
    at.wait(minutes=16)
    assert at.run("sms_challenge", limit=3).facts["ok"]
    fresh = Desk()
    assert [fresh.run("phone", {"phone": NUMBER}, limit=2).facts["limited"] for _ in range(3)] == [False, False, True]


def test_app_enrolment():
    """Name and PIN on the web, QR code and PIN on the phone, confirmation pushed and confirmed."""
    at, _ = with_app()
    assert {("app_device", "")} == set(at.credentials)
    assert at.credentials["app_device", ""].is_active


@pytest.mark.parametrize("pin", ["", "123", "12345", "12a4", "\u0661\u0662\u0663\u0664"])
def test_pins_have_four_digits(pin):
    """A PIN is four ASCII digits."""
    assert codes_of(Desk().judge("app_enrol", {"device_name": "my phone", "pin": pin})) == ["pin_format"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "two\nlines"])
def test_device_names(name):
    """A device has a name of one line."""
    assert codes_of(Desk().judge("app_enrol", {"device_name": name, "pin": "4711"})) == ["device_name_format"]


def test_wrong_pin_at_the_initialisation():
    """The PIN typed on the phone must be the one of the page; a failure is counted."""
    at, phone = Desk(), PhoneSimulator()
    at.run("app_enrol", {"device_name": "my phone", "pin": "4711"})
    qr_text = initialise_qr(at.vault, at.credentials["app_device", "pending"])
    assert private_of(at.run("app_initialise", phone.initialise(qr_text, "4712"))) == ["pin_wrong"]
    assert at.credentials["app_device", "pending"].failure_count == 1
    assert at.run("app_initialise", phone.initialise(qr_text, "4711")).facts["ok"]


def test_sign_in_by_push():
    """The notification arrives, the PIN is typed on the phone; a second use of the answer is a wrong code."""
    at, phone = with_app()
    at.run("app_push")
    answer = phone.answer_push(push_text(at.vault, at.credentials["app_device", ""]), "4711")
    assert at.run("app_pin", answer).facts["ok"]
    assert private_of(at.run("app_pin", answer)) == ["push_used"]
    with pytest.raises(NotFoundError):
        push_text(at.vault, at.credentials["app_device", ""])


def test_sign_in_by_qr_code():
    """The phone shows eight digits, offline; typed a step later they still count, once."""
    at, phone = with_app()
    at.run("app_qr")
    code = phone.scan(sign_in_qr(at.vault, at.credentials["app_device", ""]), at.now)
    assert (len(code), code.isdigit()) == (8, True)
    at.wait(seconds=30)
    assert at.run("app_code", {"code": code}).facts["ok"]
    assert private_of(at.run("app_code", {"code": code})) == ["code_used"]
    with pytest.raises(NotFoundError):
        sign_in_qr(at.vault, at.credentials["app_device", ""])


def test_a_code_for_another_challenge_is_wrong():
    """The key of the codes comes from the challenge too."""
    at, phone = with_app()
    at.run("app_qr")
    code = phone.scan(sign_in_qr(at.vault, at.credentials["app_device", ""]), at.now)
    at.run("app_qr")
    assert private_of(at.run("app_code", {"code": code})) == ["code_wrong"]


def test_a_phone_installed_again_must_be_enrolled_again():
    """Another installation knows no secret; a device enrolled anew takes the place of the old one."""
    at, old = with_app()
    with pytest.raises(RefusedError):
        PhoneSimulator().scan("workflow-app:1:sign-in:" + "a" * 64, at.now)
    new = PhoneSimulator()
    at.run("app_enrol", {"device_name": "new phone", "pin": "0815"})
    at.run("app_initialise", new.initialise(initialise_qr(at.vault, at.credentials["app_device", "pending"]), "0815"))
    at.run("app_confirm", new.confirm(push_text(at.vault, at.credentials["app_device", "pending"])))
    at.run("app_push")
    pushed = push_text(at.vault, at.credentials["app_device", ""])
    assert not at.run("app_pin", old.answer_push(pushed, "4711")).facts["ok"]
    assert at.run("app_pin", new.answer_push(pushed, "0815")).facts["ok"]


def test_whichever_factor():
    """One event verifies any method that the definition offers; the fact says which one it was."""
    at, phone = with_app()
    at.run("phone", {"phone": NUMBER})
    at.run("phone_confirm", {"code": at.text_code("pending")})
    at.run("totp_enrol")
    codes = authenticator(at)
    at.run("totp_confirm", {"code": codes.at(at.now)})
    at.wait(seconds=30)
    for issue in ("sms_challenge", "app_push", "app_qr"):
        at.run(issue)
    device = at.credentials["app_device", ""]
    typed = {
        "totp": codes.at(at.now),
        "sms": at.text_code(),
        "app_pin": phone.answer_push_as_code(push_text(at.vault, device), "4711"),
        "app_code": phone.scan(sign_in_qr(at.vault, device), at.now),
    }
    for method, code in typed.items():
        assert {"ok": True, "locked": False, "expired": False, "method": method} == at.run(
            "second_factor", {"method": method, "code": code}
        ).facts
    assert at.judge("factors").facts == {"password": False, "totp": True, "phone": True, "app_device": True, "second_count": 3}


@pytest.mark.parametrize("method", ["", "email", "sms", "passwort-12345"])
def test_methods_that_are_not_offered(method):
    """A method that the definition does not list is refused, and what was typed is no fact."""
    result = with_phone().judge("second_factor", {"method": method, "code": "1"}, methods=("totp", "app_code"))
    assert (codes_of(result), result.facts["method"]) == (["method_not_offered"], "")


def test_removing_a_factor():
    """Each factor can be taken away alone; how many are left is a fact."""
    at, _ = with_app()
    at.run("phone", {"phone": NUMBER})
    at.run("phone_confirm", {"code": at.text_code("pending")})
    assert at.run("remove_factor", factors=("phone",)).facts == {"found": True, "left_count": 1}
    assert {("app_device", "")} == set(at.credentials)
    assert at.judge("remove_factor", factors=("phone",)).facts == {"found": False, "left_count": 1}


def test_qr_pictures():
    """A QR code is an SVG without script or anything loaded, or lines for a terminal."""
    drawn = qr.svg("workflow-app:1:sign-in:x")
    assert drawn.startswith("<svg")
    assert [word for word in ("<script", "style", "href", "<?xml") if word in drawn] == []
    assert qr.terminal("workflow-app:1:sign-in:x").count("\n") > 10
