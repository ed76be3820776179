"""Profiles, the blocklist, and verifying."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.checking import Desk, codes_of, private_of
from workflow.checks import HashCost
from workflow.checks.blocklist import common_passwords, is_common
from workflow.checks.profiles import PROFILES, password_faults

LEGACY, ALONE, SECOND = PROFILES["eu-login-2023"], PROFILES["nist-800-63b-4"], PROFILES["nist-800-63b-4-with-second-factor"]
GOOD = "violet tractor sings badly"


def faults(password: str, profile=LEGACY, **more) -> list[str]:
    return [reason.code for reason in password_faults(password, profile, **more)]


@pytest.mark.parametrize("password", ["WuWWBzzJp$", "hBJhGXJwf.", "WpyqdCJfQ{"])
def test_the_documents_examples_pass(password):
    """The three examples of the process document follow its profile."""
    assert faults(password, username="n00ccgbd") == []


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("aB3aB3aB3", ["too_short"]),
        ("abcdefghij", ["groups_missing"]),
        ("abcdefgh12", ["groups_missing"]),
        ("abcdefghi A", ["groups_missing"]),
        ("abcdefg A1", []),
        ("xN00CCGBD-1", ["contains_username"]),
        ("n00ccgbd", ["too_short", "groups_missing", "contains_username"]),
        ("", ["too_short", "groups_missing"]),
        ("ÄÖÜäöü1234", ["groups_missing"]),
        ("aB3" * 400, ["too_long"]),
        ("aB3" * 4000, ["too_long"]),
    ],
)
def test_the_legacy_profile(password, expected):
    """Ten characters, three of four groups, no username; blanks are allowed but are no group; all reasons at once."""
    assert expected == faults(password, username="n00ccgbd")


@pytest.mark.parametrize("special", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
def test_every_special_character_counts(special):
    """Each character of the printed list is one of the group, and so is the dollar sign."""
    assert faults("abcdefghA" + special) == []


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=64, max_size=64))
def test_sixty_four_characters_are_never_too_many(password):
    """No profile calls 64 characters too long or too short, whatever they are."""
    for profile in PROFILES.values():
        assert "too_long" not in faults(password, profile)


@pytest.mark.parametrize(
    "password",
    [
        "Password1234567!!",
        "passwordpassword",
        "P@ssw0rdP@ssw0rd",
        "qwertyuiopasdfghjkl",
        "1234567890123456",
        "aaaaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "zyxwvutsrqponmlkjih",
        "correct horse battery staple",
        "CorrectHorseBatteryStaple1",
    ],
)
def test_common_passwords_are_refused(password):
    """Long ones that are guessed first are refused: words with tails, repetitions, runs."""
    assert "common_password" in faults(password, ALONE)


@pytest.mark.parametrize("password", [GOOD, "WuWWBzzJp$", "kdjs8Fq2mmz;x", "ein ganz anderer Satz hier"])
def test_uncommon_ones_are_not(password):
    """The blocklist lets others through."""
    assert not is_common(password)


def test_the_list_has_thousands_and_no_blank():
    """The file is read without its comments."""
    assert len(common_passwords()) > 5000
    assert not [word for word in common_passwords() if word.startswith("# ") or " " in word or word != word.casefold()]


def test_context_words():
    """Names, the address before the @ and words of the service are refused; short words are not looked for."""
    assert faults("my gabardini tractors", ALONE, words=["Gabardini"]) == ["contains_context_word"]
    assert faults("my CGabard tractors", ALONE, words=["cgabard@clinic.example"]) == ["contains_context_word"]
    assert faults("my uncle li sings badly", ALONE, words=["Li", ""]) == []
    assert faults("Gabardini-1", LEGACY, words=["Gabardini"]) == []


def test_the_check_finds_the_words_itself():
    """By default every one-line personal field of the person, the definition's name and `words` are looked for."""
    at = Desk()
    for password in (
        "my gabardini tractors",
        "a cgabard in the fields",
        "so cpms-access it is now",
        "n00ccgbd drives a tractor",
        "tractors of cpmsland",
    ):
        result = at.judge("password_profile", {"password": password}, username="username", words=("cpmsland",))
        assert (result.facts["reason_count"], result.facts["ok"]) == (1, False), password


def test_the_profile_check_stores_on_accept():
    """An accepted password is kept as a new credential, over an older one with its version; `store: false` keeps none."""
    at = Desk()
    assert not at.judge("password_profile", {"password": GOOD}, store=False).on_accept
    at.run("password_profile", {"password": GOOD})
    at.run("password_profile", {"password": GOOD + "!"})
    assert at.credentials["password", ""].version == 2
    assert at.judge("password", {"password": GOOD + "!"}).facts["ok"]
    assert not at.judge("password", {"password": GOOD}).facts["ok"]


def test_reasons_name_the_payloads_field():
    """A reason belongs to the payload value as the definition calls it."""
    result = Desk().judge("password_profile", {"secret": "x"}, password="secret")
    assert {"secret"} == {reason.field for reason in result.reasons}


@given(st.text(max_size=30))
def test_reasons_never_repeat_what_was_typed(password):
    """No reason depends on the password but through its code: what is said is said of the profile."""
    for profile in PROFILES.values():
        for reason in password_faults(password, profile, username="n00ccgbd", words=["Gabardini"]):
            assert reason in password_faults("n00ccgbd", profile, username="n00ccgbd", words=["n00ccgbd"]) or reason.code in {
                "too_short",
                "groups_missing",
                "contains_username",
                "common_password",
                "contains_context_word",
            }


def test_a_lone_surrogate_is_no_crash():
    """Text that no encoding can carry reads as empty: a reason, never a codec error with the text in it."""
    at = Desk()
    assert "too_short" in codes_of(at.judge("password_profile", {"password": "\ud800" * 20}))
    at.run("password_profile", {"password": GOOD})
    assert private_of(at.judge("password", {"password": "\ud800"})) == ["password_wrong"]
    assert private_of(at.judge("password", {"password": 7})) == ["password_wrong"]


def test_verify():
    """The right password is right, in any of its Unicode forms; with failures before it, the count goes to zero."""
    at = Desk()
    at.run("password_profile", {"password": "Bäcker fährt Straßenbahn"})
    assert at.judge("password", {"password": "Bäcker fährt Straßenbahn"}).facts == {"ok": True, "locked": False}
    assert not at.judge("password", {"password": "Bäcker fährt Straßenbahn"}).on_accept
    at.run("password", {"password": "wrong"})
    assert at.credentials["password", ""].failure_count == 1
    at.run("password", {"password": "Bäcker fährt Straßenbahn"})
    assert at.credentials["password", ""].failure_count == 0


def test_rehash_when_the_cost_changes():
    """A hash of another cost is made again when its password was right, and only then."""
    at = Desk()
    at.run("password_profile", {"password": GOOD})
    at.cost = HashCost(passes=2, memory_kib=16, lanes=1)
    at.run("password", {"password": "wrong"})
    assert at.run("password", {"password": GOOD}).on_accept
    assert not at.run("password", {"password": GOOD}).on_accept
