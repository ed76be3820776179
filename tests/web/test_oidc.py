"""Signing in at the back office through an OpenID provider: a real one, in a server of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.support.live import HouseStandIns, parts_of
from tests.support.onboarding import House
from tests.support.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.support.web import serving
from workflow.settings import OidcSettings
from workflow.web.oidc import OpenIdProvider
from workflow.web.site import create_site

BASE = "https://access.test"
BACK = f"{BASE}/office/oidc/back"


@dataclass
class Entrance:
    """The site with a provider; nobody can be chosen without one, as in production."""

    house: House
    provider: Provider
    claim: str = "sub"
    secret: str = CLIENT_SECRET
    stand_ins: HouseStandIns = field(init=False)

    def __post_init__(self) -> None:
        self.stand_ins = HouseStandIns(self.house)
        settings = OidcSettings(issuer=self.provider.base.rstrip("/"), client_id=CLIENT_ID, client_secret=self.secret, claim=self.claim)
        parts = replace(parts_of(self.house, BASE), development=None, grants_of=self.stand_ins.grants_of)
        self.site = create_site(replace(parts, oidc=OpenIdProvider(settings, redirect_uri=BACK)))
        self.client = self.browser()

    def browser(self) -> TestClient:
        return TestClient(self.site, base_url=BASE, follow_redirects=False)

    def leave(self, path: str = "/office/oidc", *, client: TestClient | None = None) -> str:
        """Follow the way out to the provider and back; gives where the browser is sent back to."""
        out = (client or self.client).get(path)
        assert 303 == out.status_code, out.text
        there = httpx2.get(out.headers["location"])
        assert 302 == there.status_code, there.text
        assert there.headers["location"].startswith(BACK)
        return there.headers["location"].removeprefix(BASE)

    def enter(self, path: str = "/office/oidc", *, client: TestClient | None = None) -> Any:
        return (client or self.client).get(self.leave(path, client=client))

    def is_in(self, client: TestClient | None = None) -> bool:
        return (client or self.client).get("/office").status_code == 200

    def refused(self, answer: Any, *words: str) -> None:
        """The answer is a page that says what happened; nobody is signed in."""
        assert (400, True) == (answer.status_code, "<h1" in answer.text), answer.text
        assert all(word in answer.text for word in words), answer.text
        assert "Traceback" not in answer.text
        assert not self.is_in()


@pytest.fixture
def provider(house: House) -> Iterator[Provider]:
    """A provider that knows Tess."""
    made = Provider(now=house.clock.now)
    with serving(made.app()) as base:
        made.base = base
        yield made


@pytest.fixture
def door(house: House, provider: Provider) -> Entrance:
    """The site that trusts it."""
    return Entrance(house, provider)


def test_whoever_the_provider_knows_is_signed_in_where_they_wanted_to_go(door):
    """The page that asked for a sign-in is reached after it, and the session is a new one."""
    asked = door.client.get("/office/board")
    assert "/office/sign-in?next=/office/board" == asked.headers["location"]
    page = door.client.get(asked.headers["location"]).text
    assert 'href="/office/oidc?next=/office/board"' in page
    assert "choose who you are" not in page
    back = door.leave("/office/oidc?next=/office/board")
    under_way = door.client.cookies["__Host-session"]
    assert not door.is_in()
    assert "/office/board" == door.client.get(back).headers["location"]
    assert under_way != door.client.cookies["__Host-session"]
    assert "tess" in door.client.get("/office").text


def test_the_question_to_the_provider_is_a_strict_one(door):
    """State, nonce and challenge are long, differ every time, and no secret goes through the browser."""
    asked = []
    for _ in range(2):
        door.leave(client=door.browser())
        asked.append(door.provider.wanted)
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name]) >= 43
    fixed = {"response_type": "code", "scope": "openid", "redirect_uri": BACK, "code_challenge_method": "S256", "client_id": CLIENT_ID}
    assert fixed == {name: value for name, value in asked[0].items() if name in fixed}
    assert {"state", "nonce", "code_challenge", *fixed} == set(asked[0])


def test_a_sign_in_begun_in_another_browser_is_not_finished_here(door):
    """An answer that somebody else's browser got signs nobody in, neither with another state nor without any."""
    foreign = door.leave(client=door.browser())
    door.refused(door.client.get(foreign), "Begin again")
    door.leave()
    door.refused(door.client.get(foreign), "Begin again")
    for query in ("", "?code=x", "?state=&code=x", "?state=x&code=x", "?state=%C3%A9&code=x"):
        door.refused(door.client.get(f"/office/oidc/back{query}"), "Begin again")


def test_an_answer_is_good_once(door):
    """The same answer again signs nobody in, in this browser or in another, after signing out and before."""
    back = door.leave()
    assert 303 == door.client.get(back).status_code
    assert 400 == door.client.get(back).status_code
    assert door.is_in(), "a replayed answer signs nobody out either"
    assert 400 == door.browser().get(back).status_code
    door.client.cookies.clear()
    door.refused(door.client.get(back), "Begin again")
    assert 1 == door.provider.asked.count("/token")


def test_a_denied_sign_in_says_so(door):
    """Whoever is turned away by the provider comes back without a code and reads so."""
    out = parse_qs(urlsplit(door.client.get("/office/oidc").headers["location"]).query)
    door.refused(door.client.get(f"/office/oidc/back?error=access_denied&state={out['state'][0]}"), "did not sign you in")


WRONG: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "another-client"},
    "audiences without a party": {"aud": [CLIENT_ID, "another-client"]},
    "party": {"azp": "another-client"},
    "issuer": {"iss": "https://evil.example"},
    "no expiry": {"exp": None},
    "expired": {"exp": 1_000_000},
    "expiry that is no number": {"exp": "tomorrow"},
    "issued in the future": {"iat": 99_999_999_999},
    "access token": {"at_hash": "AAAA"},
    "nobody": {"sub": None},
    "somebody without a name": {"sub": ""},
    "a number": {"sub": 7},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG)
def test_a_token_that_says_the_wrong_thing_signs_nobody_in(door, claims):
    """Every claim is checked: for whom, by whom, for which sign-in, until when, about whom."""
    door.provider.claims = claims
    door.refused(door.enter())


def test_a_token_is_dead_a_minute_after_its_end(door):
    """Clocks may differ by a minute and no more."""
    now = int(door.house.clock.now().timestamp())
    door.provider.claims = {"exp": now - 61, "iat": now - 300}
    door.refused(door.enter(), "token is not right")
    door.provider.claims = {"exp": now - 30, "iat": now - 300}
    assert 303 == door.enter().status_code


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "none", "kid": None}, {"kid": "unknown"}], ids=repr)
def test_an_unsigned_token_or_an_unknown_key_is_refused(door, header):
    """`alg: none` and a key that the provider does not publish are worth nothing; keys are read again once and no more."""
    door.provider.header = header
    door.refused(door.enter(), "token is not right")
    assert 2 == door.provider.asked.count("/keys")


def test_a_new_key_is_taken_after_one_look(door):
    """A provider that changes its key needs nobody to restart anything; an old key that it withdrew counts no more."""
    assert 303 == door.enter().status_code
    old = door.provider.key
    door.provider.rotate()
    assert 303 == door.enter(client=door.browser()).status_code
    assert 2 == door.provider.asked.count("/keys")
    door.provider.key = old
    assert 400 == door.enter(client=door.browser()).status_code
    assert 1 == door.provider.asked.count("/.well-known/openid-configuration")


BROKEN: dict[str, Callable[[Provider], None]] = {
    "no token": lambda one: setattr(one, "answer", {"token_type": "Bearer"}),
    "a token that is none": lambda one: setattr(one, "answer", {"id_token": "a.b.c"}),
    "no object": lambda one: setattr(one, "answer", ["id_token"]),
    "keys of no kind": lambda one: setattr(one, "jwks", {"keys": [{"kty": "new"}]}),
    "keys that are none": lambda one: setattr(one, "jwks", {"keys": "none"}),
    "no keys": lambda one: setattr(one, "jwks", {}),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_provider_that_answers_nonsense_is_a_page_and_no_fault_of_ours(door, broken):
    """Whatever the provider says, the reader gets a page that says what to do."""
    broken(door.provider)
    door.refused(door.enter())


@pytest.mark.parametrize("described", [{"issuer": "https://evil.example"}, {"token_endpoint": None}, {"jwks_uri": 7}], ids=repr)
def test_a_description_that_does_not_fit_is_not_believed(door, described):
    """Another issuer than the settings name, or a description without what is needed, begins no sign-in; a better one later does."""
    door.provider.described = described
    door.refused(door.client.get("/office/oidc"))
    door.provider.described = {}
    assert 303 == door.enter().status_code


def test_an_address_that_is_none_is_told_like_any_other_fault(door):
    """A description with an address that nobody can ask is a page, not a fault of ours."""
    door.provider.described = {"token_endpoint": "https://[broken/token"}
    door.refused(door.enter(), "does not answer as it should")


def test_an_issuer_with_a_slash_at_its_end_is_the_same_one(house, provider):
    """Some providers write their name with a slash and say it so in every token."""
    provider.described, provider.claims = {"issuer": f"{provider.base}/"}, {"iss": f"{provider.base}/"}
    assert 303 == Entrance(house, provider).enter().status_code


def test_a_provider_that_is_down_is_told_and_tried_again(house):
    """While nobody answers there the page says so, without a traceback; when it is back the sign-in works without a restart."""
    provider = Provider(now=house.clock.now)
    with serving(provider.app()) as base:
        provider.base = base
        door = Entrance(house, provider)
    door.refused(door.client.get("/office/oidc"), "Try again in a moment")


def test_a_wrong_client_secret_signs_nobody_in(house, provider):
    """The provider refuses to hand out a token, and the page says that it does not answer as it should."""
    door = Entrance(house, provider, secret="guessed")
    door.refused(door.enter(), "does not answer as it should")


def test_somebody_without_a_role_is_told_so(door):
    """The provider knows them and the directory does not: a page says whom to ask, and nobody is signed in."""
    door.provider.person = {"sub": "stranger"}
    answer = door.enter()
    assert (403, True) == (answer.status_code, "gives you no role" in answer.text)
    assert not door.is_in()


def test_a_role_that_is_taken_away_bites_at_the_next_page(door):
    """The provider says who somebody is; what they may is looked up for every page."""
    door.enter()
    assert door.is_in()
    del door.stand_ins.staff["tess"]
    assert not door.is_in()
    door.stand_ins.staff["tess"] = ("network_team:EYE",)
    assert "network_team:EYE" in door.client.get("/office/delegations").text


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""])
def test_the_way_on_never_leaves_the_site(door, path):
    """Whatever a link says, one goes on to a page of ours."""
    assert "/office" == door.enter(f"/office/oidc?next={path}").headers["location"]


def test_whoever_is_signed_in_stays_so(door):
    """Another site that sends a browser to the beginning of a sign-in, or to its end, signs nobody out."""
    door.enter()
    held = door.client.cookies["__Host-session"]
    assert "/office" == door.client.get("/office/oidc").headers["location"]
    assert 400 == door.client.get("/office/oidc/back?state=x&code=y").status_code
    assert held == door.client.cookies["__Host-session"]
    assert door.is_in()


def test_an_address_counts_only_when_the_provider_has_verified_it(house, provider):
    """Where the e-mail says who somebody is, it is asked for, and one that anybody could have typed is not believed."""
    door = Entrance(house, provider, claim="email")
    door.stand_ins.staff["tess@erknet.example"] = ("network_team:ERKNet",)
    provider.person = {"sub": "1", "email": "tess@erknet.example", "email_verified": False}
    door.refused(door.enter(), "not verified")
    provider.person["email_verified"] = True
    assert 303 == door.enter().status_code
    assert "openid email" == provider.wanted["scope"]
    assert "tess@erknet.example" in door.client.get("/office").text


def test_without_a_provider_there_are_no_such_pages(house):
    """A site that trusts no provider has neither the beginning nor the end of such a sign-in."""
    client = TestClient(create_site(replace(parts_of(house, BASE), development=None)), base_url=BASE, follow_redirects=False)
    assert [404] * 3 == [client.get(path).status_code for path in ("/office/oidc", "/office/oidc/back", "/office/sign-in")]
