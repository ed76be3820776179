"""Section 3 of the journey: the second factor, its enrolment and the ways of signing in."""

from __future__ import annotations

import re

import pytest

from tests.support.onboarding import HAL, NUMBER, PHONE, VISITOR, refusal
from workflow import Definition, Extensions
from workflow.bootstrap import find_definition, known, publish
from workflow.load import load
from workflow.testing.phone import PhoneSimulator


@pytest.fixture
def anna(jane):
    """Jane, with a password, signed in with it."""
    return jane.with_password().signed_in()


# Enrolment


def test_phone_is_enrolled_by_its_challenge_code(house, anna):
    """The number is normalised; the code of the text message, typed back, finishes the enrolment and is confirmed by mail."""
    anna.fire("add_phone", phone=NUMBER)
    assert "password_set.phone_challenge" == anna.state
    house.drain()
    number, text = house.texts.sent[-1]
    assert "+32470123456" == number
    assert re.match(r"[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{3} ", text)
    anna.fire("confirm_phone", code=house.texts.newest_code().lower())
    house.drain()
    assert "mfa_enrolled.enrolled" == anna.state
    assert "A sign-in method was added to your account" == anna.subjects[-1]


@pytest.mark.parametrize("number", ["+11 111 11 11 11", "0470 12 34 56", "+32 2 123 45 67", "+32"])
def test_impossible_number_is_refused(anna, house, number):
    """The document's placeholder is no number, nor is one without its country, and a fixed line gets no text messages."""
    codes = anna.refused("add_phone", phone=number)
    assert {"phone_refused", "invalid_value"} & set(codes)
    house.drain()
    assert [] == house.texts.sent


def test_undeliverable_text_message_offers_the_other_methods(house, anna):
    """A message that is refused for good leads back to the choice, where the other methods work."""
    house.texts.is_refusing = True
    anna.fire("add_phone", phone=NUMBER)
    house.drain()
    assert "password_set.choosing_method" == anna.state
    anna.enrol_device()
    assert "mfa_enrolled.enrolled" == anna.state


def test_device_is_enrolled_by_qr_code_pin_and_confirmation(house, anna):
    """Name and PIN on the web, QR code and PIN on the phone, then the pushed confirmation: only that one enrols."""
    anna.fire("add_device", device_name="Jane's phone", pin="4711", pin_confirm="4711")
    shown = anna.phone.initialise(anna.initialise_qr, "4711")
    assert "wrong_code" in anna.refused("initialise_device", PHONE, **{**shown, "pin": "0000"})
    anna.fire("initialise_device", PHONE, **shown)
    assert "password_set.app_confirming" == anna.state
    house.drain()
    anna.fire("confirm_device", PHONE, **anna.phone.confirm(anna.newest_push))
    assert "mfa_enrolled.enrolled" == anna.state
    assert [] == [reason for reason in anna.refused("initialise_device", PHONE, **shown) if reason == "wrong_state"]


@pytest.mark.parametrize("pin", ["12", "12345", "abcd", ""])
def test_device_needs_a_name_and_four_digits(anna, pin):
    """A PIN is four digits."""
    assert anna.refused("add_device", device_name="Jane's phone", pin=pin, pin_confirm=pin)
    assert "values_differ" in anna.refused("add_device", device_name="Jane's phone", pin="4711", pin_confirm="4712")


def test_authenticator_is_enrolled_by_its_first_code(anna):
    """Any ordinary app scans a standard code of 6 digits; its first right code enrols it."""
    anna.scan_authenticator()
    assert (6, 30) == (anna.totp.digits, anna.totp.interval)
    assert "password_set.authenticator_confirming" == anna.state
    anna.fire("confirm_authenticator", code=anna.totp_code)
    assert "mfa_enrolled.enrolled" == anna.state


def test_wrong_code_enrols_nothing_and_is_counted(house, anna):
    """Wrong codes enrol nothing; each is counted, and a new message gives no new attempts."""
    anna.fire("add_phone", phone=NUMBER)
    house.drain()
    for _ in range(3):
        assert "wrong_code" in anna.refused("confirm_phone", code="AAA-AAA-AAA")
    assert 3 == anna.credential("phone", is_active=False).failure_count
    anna.fire("add_phone", phone=NUMBER)
    house.drain()
    assert 3 == anna.credential("phone", is_active=False).failure_count
    assert "password_set.phone_challenge" == anna.state
    anna.fire("confirm_phone", code=house.texts.newest_code())


def test_replayed_code_reads_as_a_wrong_one(house, anna):
    """A code that was used is answered like a wrong one; the history knows better."""
    anna.enrol_phone()
    anna.fire("ask_text_code", VISITOR, password=anna.password)
    house.drain()
    code = house.texts.newest_code()
    anna.two_factor("sms", code)
    replayed = anna.refused("sign_in_two_factor", VISITOR, password=anna.password, method="sms", code=code)
    precise = {reason["code"] for reason in anna.said[-1]["reasons"]}
    wrong = anna.refused("sign_in_two_factor", VISITOR, password=anna.password, method="sms", code="AAA-AAA-AAA")
    assert wrong == replayed
    assert "code_used" in precise


def test_enrolment_that_takes_too_long_starts_over(house, anna):
    """Ten minutes are the most for each way of enrolling; then the choice is open again and the old code is dead."""
    anna.fire("add_phone", phone=NUMBER)
    house.wait("PT10M")
    assert "password_set.choosing_method" == anna.state
    anna.refused("confirm_phone", code=house.texts.newest_code())
    anna.fire("add_device", device_name="Jane's phone", pin="4711", pin_confirm="4711")
    house.wait("PT10M")
    assert "password_set.choosing_method" == anna.state
    anna.scan_authenticator()
    house.wait("PT10M")
    assert "password_set.choosing_method" == anna.state
    anna.refused("confirm_authenticator", code=anna.totp_code)


def test_text_messages_are_limited_in_number(house, anna):
    """Five messages in a quarter of an hour, for enrolment as for sign-in; then one has to wait."""
    for _ in range(5):
        anna.fire("add_phone", phone=NUMBER)
    assert "too_many_requests" in anna.refused("add_phone", phone=NUMBER)
    house.wait("PT15M")
    anna.enrol_phone()
    for _ in range(4):
        anna.fire("ask_text_code", VISITOR, password=anna.password)
    assert "too_many_requests" in anna.refused("ask_text_code", VISITOR, password=anna.password)


# Signing in


def test_password_alone_is_no_fresh_two_factor_sign_in(jane):
    """With the password alone no request can be begun."""
    jane.enrolled().signed_in()
    assert "fresh_sign_in" in jane.refused("begin_request")


def test_sign_in_by_text_message(house, anna):
    """Password, then the code that was sent; an older code is dead as soon as a newer one is asked for."""
    anna.enrol_phone()
    anna.fire("ask_text_code", VISITOR, password=anna.password)
    house.drain()
    older = house.texts.newest_code()
    anna.fire("ask_text_code", VISITOR, password=anna.password)
    house.drain()
    anna.refused("sign_in_two_factor", VISITOR, password=anna.password, method="sms", code=older)
    anna.two_factor("sms", house.texts.newest_code())
    anna.fire("begin_request")


def test_sign_in_by_app_and_pin(house, anna):
    """Password; the notification arrives on the phone; the PIN there signs in, and a wrong one does not."""
    anna.enrol_device()
    anna.fire("ask_push", VISITOR, password=anna.password)
    house.drain()
    push = anna.newest_push
    anna.refused("sign_in_by_app", PHONE, **anna.phone.answer_push(push, "0000"))
    anna.fire("sign_in_by_app", PHONE, **anna.phone.answer_push(push, "4711"))
    assert "last_two_factor_at" in anna.instance.fields
    assert "sign_in_refused" in anna.refused("sign_in_by_app", PHONE, **anna.phone.answer_push(push, "4711"))


def test_sign_in_by_app_and_qr_code(house, anna):
    """Password; the app scans the code, offline, and shows eight digits that hold for this one challenge."""
    anna.enrol_device()
    anna.fire("ask_qr_code", VISITOR, password=anna.password)
    older = anna.phone.scan(anna.sign_in_qr, house.clock.now())
    assert re.fullmatch(r"[0-9]{8}", older)
    anna.fire("ask_qr_code", VISITOR, password=anna.password)
    anna.refused("sign_in_two_factor", VISITOR, password=anna.password, method="app_code", code=older)
    code = anna.phone.scan(anna.sign_in_qr, house.clock.now())
    anna.two_factor("app_code", code)
    anna.refused("sign_in_two_factor", VISITOR, password=anna.password, method="app_code", code=code)


def test_sign_in_by_authenticator(house, jane):
    """Password, then the code of the app; each code once, and one step late at most."""
    jane.enrolled()
    jane.refused("sign_in_two_factor", VISITOR, password=jane.password, method="totp", code=jane.totp_code)
    house.clock.advance("PT30S")
    code = jane.totp_code
    house.clock.advance("PT30S")
    jane.two_factor("totp", code)
    jane.refused("sign_in_two_factor", VISITOR, password=jane.password, method="totp", code=code)


def test_qr_codes_are_not_interchangeable(house, anna):
    """The app refuses to initialise by a sign-in code and to sign in by an initialise code, and the server refuses what comes of it."""
    anna.fire("add_device", device_name="Jane's phone", pin="4711", pin_confirm="4711")
    initialise = anna.initialise_qr
    anna.fire("initialise_device", PHONE, **anna.phone.initialise(initialise, "4711"))
    house.drain()
    anna.fire("confirm_device", PHONE, **anna.phone.confirm(anna.newest_push))
    assert "wrong_app_code" == refusal(lambda: anna.phone.scan(initialise, house.clock.now())).reasons[0].code
    anna.fire("ask_qr_code", VISITOR, password=anna.password)
    sign_in = anna.sign_in_qr
    assert "wrong_app_code" == refusal(lambda: PhoneSimulator().initialise(sign_in, "4711")).reasons[0].code
    anna.refused("sign_in_two_factor", VISITOR, password=anna.password, method="app_code", code=initialise)
    anna.refused("initialise_device", PHONE, initialise=sign_in, pin="4711")


def test_wrong_password_does_not_tell_which_factors_exist(house, jane):
    """With a wrong password the answers are the same whether a phone, a device or nothing is enrolled."""
    jane.with_password().signed_in().enrol_phone()
    john = house.person().with_password()
    for event in ("ask_text_code", "ask_push", "ask_qr_code"):
        with_phone = jane.refused(event, VISITOR, password="WpyqdCJfQ{")
        assert john.refused(event, VISITOR, password="WpyqdCJfQ{") == with_phone
    for method in ("sms", "totp", "app_code"):
        with_phone = jane.refused("sign_in_two_factor", VISITOR, password="WpyqdCJfQ{", method=method, code="000000")
        assert john.refused("sign_in_two_factor", VISITOR, password="WpyqdCJfQ{", method=method, code="000000") == with_phone


def test_new_phone_replaces_the_old_one(house, anna):
    """For a new phone the old link is removed first, in a fresh sign-in; both are told by mail, and the old phone is dead."""
    anna.enrol_device()
    old = anna.phone
    assert "fresh_sign_in" in anna.refused("remove_device")
    anna.fire("ask_push", VISITOR, password=anna.password)
    house.drain()
    anna.fire("sign_in_by_app", PHONE, **old.answer_push(anna.newest_push, "4711"))
    anna.fire("remove_device")
    anna.enrol_device(pin="0815")
    house.drain()
    assert ["A sign-in method was removed from your account", "A sign-in method was added to your account"] == anna.subjects[-2:]
    anna.fire("ask_push", VISITOR, password=anna.password)
    house.drain()
    anna.refused("sign_in_by_app", PHONE, **old.answer_push(anna.newest_push, "0815"))
    anna.fire("sign_in_by_app", PHONE, **anna.phone.answer_push(anna.newest_push, "0815"))


def test_second_device_needs_a_fresh_two_factor_sign_in(house, jane):
    """Once a factor exists, another one is enrolled only after a sign-in with an existing factor of the last quarter of an hour."""
    jane.enrolled().signed_in()
    assert "fresh_sign_in" in jane.refused("add_phone", phone=NUMBER)
    jane.sign_in_freshly()
    house.clock.advance("PT15M")
    assert "fresh_sign_in" in jane.refused("add_phone", phone=NUMBER)
    jane.sign_in_freshly().enrol_phone()
    assert "fresh_sign_in" in jane.refused("add_authenticator")


def test_retired_text_messages_lock_nobody_out(house, jane):
    """Who has only text messages signs in once more, to another factor and to nothing else; then the way is open."""
    jane.with_password().signed_in().enrol_phone()
    jane.fire("retire_sms", HAL)
    jane.fire("ask_text_code", VISITOR, password=jane.password)
    house.drain()
    jane.two_factor("sms", house.texts.newest_code())
    assert "fresh_sign_in" in jane.refused("begin_request")
    assert "sms_retired" in jane.refused("add_phone", phone=NUMBER)
    jane.enrol_authenticator()
    jane.sign_in_freshly().fill_in()


def test_people_under_way_are_moved_from_text_messages(house, anna):
    """Who is typing the challenge code when text messages are retired chooses another method."""
    anna.fire("add_phone", phone=NUMBER)
    anna.fire("retire_sms", HAL)
    assert "password_set.choosing_method" == anna.state
    assert "sms_retired" in anna.refused("add_phone", phone=NUMBER)
    anna.enrol_authenticator()


def test_lost_phone_reset_is_off(jane):
    """Without the switch neither the report nor the reset of a lost phone is possible, and the attempts are recorded."""
    jane.enrolled()
    assert "lost_phone_reset_off" in jane.refused("report_lost_phone", HAL, rationale="She called.")
    assert "lost_phone_reset_off" in jane.refused("reset_lost_phone", HAL, rationale="She called.")
    assert ["report_lost_phone", "reset_lost_phone"] == [said["event"] for said in jane.said if said["kind"] == "event:refused"]


def test_lost_phone_reset_waits_a_day_when_it_is_on(house, jane, tmp_path):
    """Switched on, it is told at once, works a day later, is told again, and leaves a password that leads to a new factor."""
    publish(house.engine, _switched_on(tmp_path))
    jane.enrolled()
    jane.fire("report_lost_phone", HAL, rationale="She called.")
    house.drain()
    told = len(jane.subjects)
    house.wait("PT23H59M")
    assert "too_early" in jane.refused("reset_lost_phone", HAL, rationale="She called again.")
    house.wait("PT1M")
    jane.fire("reset_lost_phone", HAL, rationale="She called again.")
    house.drain()
    assert told + 1 == len(jane.subjects)
    assert "A sign-in method was removed from your account" == jane.subjects[-1]
    jane.refused("sign_in_two_factor", VISITOR, password=jane.password, method="totp", code=jane.totp_code)
    assert "fresh_sign_in" in jane.refused("add_authenticator")
    jane.signed_in().enrol_authenticator()
    jane.sign_in_freshly().fill_in()
    assert len(jane.said) == jane.verify()


def _switched_on(tmp_path):
    """A version of the definition with the one line that switches the reset on."""
    source = find_definition("cpms-access")
    text = source.read_text(encoding="utf-8").replace(
        "privacy_accepted_at: now}", "privacy_accepted_at: now, lost_phone_reset_enabled: true}"
    )
    changed = tmp_path / "cpms-access.yaml"
    changed.write_text(text, encoding="utf-8")
    assert isinstance(load(text, known=known(Extensions())), Definition)
    return changed


def test_nobody_is_locked_out_without_a_factor(house, jane):
    """Who removed the only factor and took too long enrols the next one with the password, as at the beginning."""
    jane.enrolled().sign_in_freshly().fire("remove_authenticator")
    house.wait("PT20M")
    assert "fresh_sign_in" in jane.refused("add_authenticator")
    jane.signed_in().enrol_authenticator()
    jane.signed_in()
    assert "fresh_sign_in" in jane.refused("add_phone", phone=NUMBER)
    jane.sign_in_freshly().fill_in()


def test_factor_that_ran_out_is_not_confirmed_elsewhere(house, anna):
    """A code that is typed after the time of its enrolment, or after another one was begun, enrols nothing."""
    anna.fire("add_phone", phone=NUMBER)
    house.drain()
    anna.fire("add_device", device_name="Jane's phone", pin="4711", pin_confirm="4711")
    assert "wrong_code" in anna.refused("confirm_phone", code=house.texts.newest_code())
    anna.scan_authenticator()
    house.wait("PT10M")
    anna.signed_in()
    assert "wrong_code" in anna.refused("confirm_authenticator", code=anna.totp_code)
    with house.engine.store.unit() as uow:
        active = {c.kind for c in uow.load(anna.id).credentials if c.is_active}
    assert {"password"} == active
