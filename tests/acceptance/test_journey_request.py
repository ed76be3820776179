"""Section 4 of the journey: the four pages of the access request."""

from __future__ import annotations

import pytest

from tests.support.onboarding import ERKNET, TESS

PAGES = {
    "application": ("choose_application", {"application": "CPMS"}),
    "organisation": ("choose_organisation", ERKNET),
    "profile": ("choose_profiles", {"profiles": ["HP"]}),
    "recap": ("submit_request", {"comments": "Please."}),
}


@pytest.fixture
def anna(jane):
    """Jane, with two factors, freshly signed in."""
    return jane.enrolled().sign_in_freshly()


def turn_to(anna, page):
    """Go to a page by filling in the ones before it."""
    anna.fire("begin_request")
    for name, (event, payload) in PAGES.items():
        if name == page:
            break
        anna.fire(event, **payload)
    assert f"mfa_enrolled.{page}" == anna.state


def test_request_needs_a_fresh_two_factor_sign_in(house, anna):
    """The sign-in with two factors is a quarter of an hour old at most."""
    house.clock.advance("PT15M")
    assert ["fresh_sign_in"] == anna.refused("begin_request")
    anna.sign_in_freshly()
    house.clock.advance("PT14M59S")
    anna.fire("begin_request")


@pytest.mark.parametrize("page", PAGES)
def test_pages_cannot_be_skipped_or_forged(anna, page):
    """On each page only that page's event is taken; all others are refused, and a page takes no values of another."""
    for event, payload in PAGES.values():
        assert "wrong_state" in anna.refused(event, **payload)
    turn_to(anna, page)
    for name, (event, payload) in PAGES.items():
        if name != page:
            assert "wrong_state" in anna.refused(event, **payload)
    event, payload = PAGES[page]
    forged = {"network": "EYE"} if page != "organisation" else {"profiles": ["HP"]}
    assert "unknown_value" in anna.refused(event, **payload, **forged)
    assert "role_missing" in anna.refused(event, TESS, **payload)
    anna.fire(event, **payload)


def test_pages_are_not_repeated_out_of_order(anna):
    """A page that was sent is not taken a second time."""
    turn_to(anna, "profile")
    assert "wrong_state" in anna.refused("choose_organisation", **ERKNET)
    assert "wrong_state" in anna.refused("begin_request")


def test_going_back_asks_again_from_there(anna):
    """Going back leads to the page before; another centre clears the profiles, which must be chosen again."""
    turn_to(anna, "recap")
    anna.fire("go_back")
    anna.fire("go_back")
    assert "mfa_enrolled.organisation" == anna.state
    anna.fire("choose_organisation", network="EYE", country="FR", centre="eye-fr-sample")
    assert "profiles" not in anna.instance.fields
    assert "wrong_state" in anna.refused("submit_request")
    anna.fire("choose_profiles", profiles=["HP"])
    anna.fire("cancel_request")
    assert "mfa_enrolled.enrolled" == anna.state


@pytest.mark.parametrize("application", ["EESSI", "cpms", "", None])
def test_only_cpms_can_be_chosen(anna, application):
    """Page 1 offers CPMS and nothing else."""
    turn_to(anna, "application")
    assert {"invalid_value", "value_missing"} & set(anna.refused("choose_application", application=application))


@pytest.mark.parametrize(
    "organisation",
    [
        {"network": "EYE", "country": "BE", "centre": "erknet-be-sample"},
        {"network": "ERKNet", "country": "FR", "centre": "erknet-be-sample"},
        {"network": "EYE", "country": "DE", "centre": "erknet-de-sample"},
        {"network": "ERKNet", "country": "BE", "centre": "no-such-centre"},
        {"network": "NO-SUCH", "country": "BE", "centre": "erknet-be-sample"},
        {"network": "ERKNet", "country": "XX", "centre": "erknet-be-sample"},
    ],
)
def test_centre_of_another_network_is_refused(anna, organisation):
    """Network, country and centre are judged together: all must exist, and the centre belong to both others."""
    turn_to(anna, "organisation")
    assert anna.refused("choose_organisation", **organisation)
    assert "centre" not in anna.instance.fields


def test_profile_the_centre_does_not_offer_is_refused(anna):
    """Page 3 is judged by the centre of page 2; profiles that do not exist, or none at all, are refused too."""
    turn_to(anna, "organisation")
    anna.fire("choose_organisation", network="ERKNet", country="IT", centre="erknet-it-sample")
    for profiles in (["GUEST"], ["HP", "COORDINATOR"], ["ROOT"], [], ["HP", "HP"]):
        assert anna.refused("choose_profiles", profiles=profiles)
    anna.fire("choose_profiles", profiles=["HP", "DISPATCHER"])


@pytest.mark.parametrize("profile", ["COORDINATOR", "DISPATCHER"])
def test_coordinator_needs_hp(anna, profile):
    """Coordinator and dispatcher tick the box of the health professional too."""
    turn_to(anna, "profile")
    assert anna.refused("choose_profiles", profiles=[profile])
    anna.fire("choose_profiles", profiles=[profile, "HP"])


@pytest.mark.parametrize("comments", ["Two\nlines, and <b>no</b> formulas: =1+1", None])
def test_request_is_submitted_with_comments(anna, comments):
    """Comments are optional; the request is received, told by mail, and waits for the team of its network."""
    turn_to(anna, "recap")
    anna.submit(comments)
    assert "requested.awaiting_approval" == anna.state
    assert comments == anna.values.get("comments")
    assert "We have received your request for access" == anna.subjects[-1]
    work = anna.house.engine.work_of(TESS).rows
    assert {"approve", "reject", "ask_information", "assign"} == {row.event for _, row in work}


@pytest.mark.parametrize("missing", ["network", "country", "centre"])
def test_who_belongs_to_no_centre_cannot_ask(anna, missing):
    """Only members and guests of a centre of a network get past the second page."""
    turn_to(anna, "organisation")
    given = {name: value for name, value in ERKNET.items() if name != missing}
    assert "value_missing" in anna.refused("choose_organisation", **given)
