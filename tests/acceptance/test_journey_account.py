"""Section 6 of the journey: the first login, and the account that lives on."""

from __future__ import annotations

import pytest

from tests.support.onboarding import BASE_URL, HAL, TESS, VISITOR
from workflow.states.instance import Actor

READY = {"en": "Your access to CPMS is ready", "fr": "Votre accès à CPMS", "de": "CPMS"}
NEW = "hBJhGXJwf."


@pytest.mark.parametrize(("chosen", "written"), [("en", "en"), ("fr", "fr"), ("de", "de"), ("it", "en"), ("pl", "en")])
def test_approval_mail_comes_after_the_account_exists(house, chosen, written):
    """Sent when the account exists and not before, in the applicant's language (else English), with the login's address."""
    jane = house.person(language=chosen).requested()
    before = len(jane.subjects)
    jane.approve()
    house.drain()
    assert before == len(jane.subjects)
    jane.create_account()
    house.drain()
    assert before + 1 == len(jane.subjects)
    assert READY[written] in jane.mail.subject
    assert written == jane.mail.headers["Content-Language"]
    assert f"{BASE_URL}/login" in jane.mail.links
    assert f'href="{BASE_URL}/login"' in jane.mail.html


def test_first_login_needs_two_factors(house, jane):
    """The password alone does not open the preferences."""
    jane.approved()
    house.clock.advance("PT15M")
    jane.signed_in()
    given = {"cpms_role": "clinician", "thematic_area": "erknet-glomerular-diseases"}
    assert ["fresh_sign_in"] == jane.refused("update_preferences", **given)
    jane.sign_in_freshly().save_preferences()


def test_first_login_asks_for_preferences(house, jane):
    """Before anything else: the only step of the journey that is open is to save the preferences, and both are needed."""
    jane.approved().sign_in_freshly()
    open_steps = set(house.engine.may(jane.id, jane.actor))
    assert "update_preferences" in open_steps
    assert {"begin_request", "request_again", "withdraw", "submit_request", "resume"}.isdisjoint(open_steps)
    assert ["value_missing"] == jane.refused("update_preferences", cpms_role="clinician")
    jane.save_preferences()
    assert ("preferences_set", "success") == (jane.state, jane.instance.outcome)


@pytest.mark.parametrize("area", ["eye-retinal-diseases", "no-such-area"])
def test_thematic_area_of_another_network_is_refused(jane, area):
    """The area belongs to the network of the request."""
    jane.approved().sign_in_freshly()
    assert jane.refused("update_preferences", cpms_role="clinician", thematic_area=area)


def test_account_lives_on_after_the_outcome(house, jane):
    """Sign-in, change of password, another factor and new preferences work after the end, and the end stays the end."""
    jane.finished()
    house.wait("P100D")
    assert ["fresh_sign_in"] == _change_refused(jane)
    jane.sign_in_freshly().fire("change_password", password=jane.password, new_password=NEW, new_password_confirm=NEW)
    house.drain()
    assert "Your password was changed" in jane.mail.subject
    assert "sign_in_refused" in jane.refused("sign_in", VISITOR, password=jane.password)
    jane.password = NEW
    jane.sign_in_freshly().enrol_device()
    jane.sign_in_freshly().fire("remove_device")
    house.drain()
    assert "A sign-in method was removed from your account" == jane.subjects[-1]
    jane.save_preferences("erknet-tubular-diseases", "nurse")
    assert ("preferences_set", "success", "nurse") == (jane.state, jane.instance.outcome, jane.instance.fields["cpms_role"])
    assert len(jane.said) == jane.verify()


def _change_refused(jane):
    return jane.refused("change_password", password=jane.password, new_password=NEW, new_password_confirm=NEW)


def test_change_of_password_asks_for_the_present_one(jane):
    """A wrong present password or a weak new one is refused; nothing changes."""
    jane.finished().sign_in_freshly()
    assert "sign_in_refused" in jane.refused("change_password", password=NEW, new_password=NEW, new_password_confirm=NEW)
    assert "password_refused" in jane.refused("change_password", password=jane.password, new_password="weak", new_password_confirm="weak")
    jane.sign_in_freshly()


def test_unused_account_is_closed(house, jane):
    """Who does not log in for ninety days loses the account, and is told."""
    jane.approved()
    house.wait("P89D")
    assert "approved" == jane.state
    house.wait("P1D")
    assert "abandoned" == jane.state
    assert house.cpms.account(jane.subject).is_closed
    assert len(jane.said) == jane.verify()


def test_guest_account_closes_after_ninety_days(house, jane):
    """A guest is warned two weeks before and the account closed after ninety days; a member's account has no end."""
    jane.finished(profiles=("GUEST",))
    john = house.person().finished(profiles=("HP",))
    house.wait("P76D")
    assert 1 == sum("expire" in s.lower() or "guest" in s.lower() or "close" in s.lower() for s in jane.subjects)
    house.wait("P13DT23H")
    assert "preferences_set" == jane.state
    house.wait("PT1H")
    assert ("closed", True) == (jane.state, house.cpms.account(jane.subject).is_closed)
    assert ("preferences_set", False) == (john.state, house.cpms.account(john.subject).is_closed)
    jane.sign_in_freshly().fire("request_again")
    jane.fill_pages(profiles=("GUEST",)).submit().approve()
    jane.create_account()
    house.drain()
    assert ("approved", False) == (jane.state, house.cpms.account(jane.subject).is_closed)


def test_extension_starts_the_ninety_days_anew(house, jane):
    """The network's team extends a guest's account, with a reason and not its own; ninety days run from then."""
    jane.finished(profiles=("GUEST",))
    house.wait("P80D")
    assert ["value_missing"] == jane.refused("extend_guest", TESS)
    as_team = Actor.of(jane.subject, "network_team:ERKNet")
    assert "own_request" in jane.refused("extend_guest", as_team, rationale="Me.")
    assert "role_missing" in jane.refused("extend_guest", HAL, rationale="Not mine.")
    jane.fire("extend_guest", TESS, rationale="The study goes on.")
    house.drain()
    assert 1 == house.cpms.account(jane.subject).extended_count
    house.wait("P89D")
    assert "preferences_set" == jane.state
    house.wait("P1D")
    assert "closed" == jane.state


def test_member_account_cannot_be_extended(jane):
    """Only a guest's account ends, so only that can be extended."""
    jane.finished()
    assert ["no_guest_account"] == jane.refused("extend_guest", TESS, rationale="Why not.")
