"""The whole way, once, on every real store."""

from __future__ import annotations

from tests.support.onboarding import BASE_URL, PHONE, VISITOR

STATES = ["registered", "password_set", "mfa_enrolled", "requested", "approved", "preferences_set"]


def test_the_whole_journey(house_on):
    """From the form to the saved preferences: one person, four systems, every state in its order, one chain that verifies."""
    jane = house_on.person(language="fr").registered()
    assert jane.mail.headers["Content-Language"] == "fr"
    assert jane.house.box.link(jane.email, "/links/").startswith(f"{BASE_URL}/links/")
    jane.choose_password()
    jane.signed_in().enrol_device()
    jane.fire("ask_push", VISITOR, password=jane.password)
    house_on.drain()
    jane.fire("sign_in_by_app", PHONE, **jane.phone.answer_push(jane.newest_push, "4711"))
    jane.fill_in().submit()
    assert "requested.awaiting_approval" == jane.state
    jane.approve()
    house_on.drain()
    jane.create_account()
    house_on.drain()
    assert house_on.cpms.account(jane.subject) is not None
    assert f"{BASE_URL}/login" in jane.mail.links
    jane.save_preferences()
    house_on.drain()
    assert "success" == jane.instance.outcome
    visited = list(dict.fromkeys(said["to"].partition(".")[0] for said in jane.said if said.get("to")))
    assert STATES == visited
    assert len(jane.said) == jane.verify()
