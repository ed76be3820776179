"""Sections 1 and 2 of the journey: registration and password."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest

from tests.support.onboarding import HAL, OPERATORS, PASSWORD, VISITOR, refusal
from workflow.checks import read_link
from workflow.states.verdict import Accepted, Depends, Merged


@pytest.fixture
def closed_port():
    """A port at which nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


# Registration


def test_registration_asks_for_everything_on_the_form(jane):
    """Names, address, address again, language and the privacy statement are all asked for, and all missing ones are named at once."""
    jane.form = {"username": jane.username}
    fields = {reason.field for reason in refusal(jane.register).reasons}
    assert {"first_name", "last_name", "email", "email_confirm", "language", "privacy_accepted"} == fields


def test_two_different_addresses_are_refused(jane):
    """The address is typed twice."""
    jane.form["email_confirm"] = "june@clinic.example"
    assert [("values_differ", "email_confirm")] == [(r.code, r.field) for r in refusal(jane.register).reasons]


def test_registration_needs_the_privacy_statement(jane):
    """An unticked box is a refusal; the instant of a ticked one is kept."""
    jane.form["privacy_accepted"] = False
    assert ["privacy_accepted"] == [reason.field for reason in refusal(jane.register).reasons]
    jane.form["privacy_accepted"] = True
    jane.register()
    assert "2026-11-23T09:00:00Z" == jane.instance.fields["privacy_accepted_at"]


@pytest.mark.parametrize("email", ["jane@hospital.example", "jane.doe+cpms@freemail.example", "jürgen@klinik.example"])
def test_any_address_can_register(house, email):
    """An institutional address is preferred and not required."""
    jane = house.person(email=email)
    assert isinstance(jane.register(), Accepted)


def test_username_is_assigned_and_unique(house, jane):
    """Two identifiers for one person; an assigned username that exists already alerts the operators and disturbs nobody."""
    jane.registered()
    assert (jane.username, jane.email) == (jane.values["username"], jane.values["email"])
    john = house.person(username=jane.username.upper())
    assert isinstance(john.register(), Merged)
    house.drain()
    assert 1 == len(house.box.to(OPERATORS))
    assert ["Choose your password for CPMS"] == jane.subjects
    assert [] == john.subjects


def test_second_registration_answers_alike_and_tells_the_owner(house, jane):
    """The second registration of an address is refused to nobody; the owner learns of it, at most twenty times."""
    jane.registered()
    before = jane.instance
    for number in range(21):
        again = house.person(email="JANE1@Clinic.Example" if number else jane.email)
        again.form["email"] = again.form["email_confirm"] = jane.email.replace("clinic", "CLINIC")
        assert isinstance(again.register(), Merged)
        house.drain()
    assert ["Choose your password for CPMS", *["Your address was used to register again"] * 20] == jane.subjects
    assert (before.state, before.fields) == (jane.state, jane.instance.fields)
    assert 1 == len(house.engine.instances().rows)


@pytest.mark.parametrize(
    ("language", "subject"), [("fr", "Choisissez votre mot de passe"), ("de", "Passwort"), ("en", "Choose your password")]
)
def test_password_link_comes_in_the_chosen_language(house, language, subject):
    """French, German and English have their own texts, plain and HTML."""
    mail = house.person(language=language).registered().mail
    assert subject.lower() in mail.subject.lower()
    assert language == mail.headers["Content-Language"]
    assert mail.links[0] in mail.html


@pytest.mark.parametrize("language", ["it", "pl", "nl", "es"])
def test_missing_language_falls_back_to_english(house, language):
    """A language without texts reads English."""
    jane = house.person(language=language).registered()
    assert "Choose your password for CPMS" == jane.mail.subject
    assert (language, "en") == (jane.values["language"], jane.mail.headers["Content-Language"])


def test_link_is_alive_however_late_the_mail_was_sent(house, jane, closed_port):
    """A mail that leaves twenty minutes late carries a link that works for five minutes from then."""
    house.mail_to(closed_port)
    jane.registered()
    house.mail_to(house.box.port)
    house.wait("PT20M")
    assert "2026-11-23T09:20:00Z" == jane.instance.fields["link_mailed_at"]
    house.clock.advance("PT4M59S")
    jane.choose_password()
    assert "password_set.choosing_method" == jane.state


def test_mail_that_never_goes_out_alerts_the_operators(house, jane, closed_port):
    """A mail given up, and one that has not left after an hour, are told to the operators; the help desk sends another."""
    house.mail_to(closed_port)
    jane.register()
    house.until("2026-11-23T10:50:00+01:00")
    assert "dead" == house.outbox(jane.id)[0].state
    assert "mail_undeliverable" in jane.events
    house.until("2026-11-23T11:05:00+01:00")
    assert "mail_overdue" in jane.events
    house.mail_to(house.box.port)
    house.wait("P1D")
    assert 2 == len(house.box.to(OPERATORS))
    jane.fire("resend_link", HAL)
    house.drain()
    jane.choose_password()


def test_forgotten_registration_is_abandoned_and_can_begin_again(house, jane):
    """After thirty days the onboarding is abandoned; who registers again gets a new link for the same one."""
    jane.registered()
    house.wait("P30DT5M")
    assert ("abandoned", "neutral") == (jane.state, jane.instance.outcome)
    again = house.person(email=jane.email)
    assert isinstance(again.register(), Merged)
    house.drain()
    assert ("registered", None) == (jane.state, jane.instance.outcome)
    jane.choose_password()
    assert len(jane.said) == jane.verify()


# Password


@pytest.mark.parametrize("queued", [0, 7])
def test_link_works_until_just_before_five_minutes(house, jane, queued):
    """Valid at 4:59 from the sending, however long the mail was queued."""
    jane.register()
    house.clock.advance(timedelta(minutes=queued))
    house.drain()
    house.clock.advance("PT4M59S")
    jane.choose_password()
    assert "password_set.choosing_method" == jane.state


@pytest.mark.parametrize("seconds", [300, 301])
@pytest.mark.parametrize("is_swept", [True, False])
def test_link_is_dead_at_five_minutes(house, jane, seconds, is_swept):
    """Dead at 5:00 and at 5:01, with a worker that swept and with one that did not."""
    jane.registered()
    house.clock.advance(timedelta(seconds=seconds))
    if is_swept:
        house.drain()
    reasons = refusal(jane.choose_password).reasons
    assert ["wrong_state"] == [reason.code for reason in reasons]
    assert "link_expired" == jane.state
    assert "2026-11-23T09:05:00.000000Z" == jane.entry("link_expired")["occurred_at"]
    assert not any(c.kind == "password" for c in _credentials(house, jane))


def test_link_says_one_moment_before_the_mail_was_sent(house, jane):
    """Until the report of the sending is recorded the link is not alive yet, and nothing is consumed."""
    jane.register()
    token = house.vault.link_token(purpose="password", definition="cpms-access", instance=jane.id, subject=jane.subject, serial=1)
    codes = jane.refused("set_password", VISITOR, **jane.password_form(token=token))
    assert "one_moment" in codes
    house.drain()
    assert token == jane.token
    jane.choose_password(token=token)


def test_expired_link_starts_a_new_request(house, jane):
    """The same link and the username, typed again, send another mail whose link works."""
    jane.registered()
    old = jane.token
    house.wait("PT5M")
    codes = jane.refused("request_link", VISITOR, token=old, username="n00other")
    foreign = jane.refused("request_link", VISITOR, token=old[:-2] + "AA", username=jane.username)
    assert foreign == codes
    jane.fire("request_link", VISITOR, token=old, username=f" {jane.username.upper()} ")
    house.drain()
    assert ["Choose your password for CPMS"] * 2 == jane.subjects
    assert "link_superseded" in jane.refused("set_password", VISITOR, **jane.password_form(token=old))
    jane.choose_password()
    assert "password_set.choosing_method" == jane.state


def test_expired_link_still_knows_its_purpose(house, jane):
    """An expired link says what it was for and which onboarding it belongs to, and a new one may be asked for with it."""
    jane.registered()
    house.wait("P10D")
    parts = read_link(jane.token)
    assert parts is not None
    assert ("password", jane.id) == (parts.purpose, parts.instance)
    assert isinstance(house.engine.may(jane.id, VISITOR)["request_link"], Depends)


def test_newer_mail_kills_the_older_link(house, jane):
    """Only the link of the newest mail works, also while the newer mail is not sent yet."""
    jane.registered()
    old = jane.token
    jane.fire("resend_link", HAL)
    assert "link_superseded" in jane.refused("set_password", VISITOR, **jane.password_form(token=old))
    house.drain()
    assert "link_superseded" in jane.refused("set_password", VISITOR, **jane.password_form(token=old))
    jane.choose_password()


def test_links_are_limited_in_number(house, jane):
    """The eleventh link is refused and the help desk named."""
    jane.registered()
    for _ in range(10):
        house.wait("PT5M")
        jane.fire("request_link", VISITOR, token=jane.token, username=jane.username)
        house.drain()
    house.wait("PT5M")
    codes = jane.refused("request_link", VISITOR, token=jane.token, username=jane.username)
    assert "too_many_links" == codes[0]


@pytest.mark.parametrize("password", ["WuWWBzzJp$", "hBJhGXJwf.", "WpyqdCJfQ{"])
def test_the_three_examples_of_the_document_are_accepted(jane, password):
    """All three printed examples are good passwords."""
    jane.registered().choose_password(password)
    jane.fire("sign_in", VISITOR, password=password)


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("aB3$5678x", {"too_short"}),
        ("alllowercase", {"groups_missing"}),
        ("short", {"too_short", "groups_missing"}),
        ("lower and blanks", {"groups_missing"}),
        ("xN00CCGB1xx$", {"contains_username"}),
        ("n00ccgb1", {"too_short", "groups_missing", "contains_username"}),
    ],
)
def test_weak_passwords_are_refused_with_all_reasons(jane, password, expected):
    """Every reason is given at once, the username inside counts whatever its case, and the link stays usable."""
    codes = set(jane.registered().refused("set_password", VISITOR, **jane.password_form(password)))
    assert {"password_refused"} | expected == codes
    jane.choose_password()


def test_password_is_typed_twice(jane):
    """Two different passwords are refused."""
    jane.registered()
    assert ["values_differ"] == jane.refused("set_password", VISITOR, **jane.password_form(password_confirm=PASSWORD + "x"))


def test_sign_in_before_the_password_is_not_known_yet(house, jane):
    """Before the password is set the first answer is "not known yet", never that the user is unknown."""
    jane.registered()
    assert "not_known_yet" == jane.refused("sign_in", VISITOR, password=PASSWORD)[0]
    house.wait("PT5M")
    assert "not_known_yet" == jane.refused("sign_in", VISITOR, password=PASSWORD)[0]


def test_setting_a_password_does_not_sign_in(jane):
    """The link sets a password and nothing else: whoever goes on signs in first."""
    jane.with_password()
    assert "sign_in_first" in jane.refused("add_phone", phone="+32470123456")
    assert "sign_in_first" in jane.refused("add_authenticator")
    assert "last_sign_in_at" not in jane.instance.fields
    jane.signed_in().enrol_authenticator()


def _credentials(house, jane):
    with house.engine.store.unit() as uow:
        return uow.load(jane.id).credentials
