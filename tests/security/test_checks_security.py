"""Security rules that the checks keep, each named after its number in the security rules."""

from __future__ import annotations

import base64
import hashlib
import inspect
import logging
import time
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest

from tests.support.checking import CHEAP, MONDAY, Desk, codes_of, instance, private_of, vault
from workflow.checks import SPECS, BuiltinChecks, HashCost, initialise_qr, push_text, sign_in_qr
from workflow.checks.app_protocol import device_secret
from workflow.checks.challenge import ALPHABET, CODE_CHARACTERS, new_challenge, new_code
from workflow.checks.credentials import opened
from workflow.checks.otp import SECRET_BYTES, Codes
from workflow.checks.password import Hashing
from workflow.checks.profiles import PROFILES, password_faults
from workflow.checks.vault import read_link
from workflow.errors import AuditError, ConflictError, NotFoundError, RefusedError
from workflow.states.instance import ActorId, InstanceId
from workflow.testing.phone import PhoneSimulator

NUMBER = "+32 470 12 34 56"
PASSWORD = "violet tractor sings badly"
LINK = {"purpose": "password", "since": "mailed", "ttl": "PT5M"}


def token(safe=None, **other: object) -> str:
    made = {
        "purpose": "password",
        "definition": "cpms-access",
        "instance": InstanceId("request-1"),
        "subject": ActorId("person-1"),
        "serial": 1,
    }
    return (safe or vault()).link_token(**{**made, **other})


def mailed(**more: object) -> Desk:
    return Desk(instance=instance(**{"serials": {"password": 1}, "marks": {"mailed": MONDAY}, **more}))


def with_totp() -> tuple[Desk, Codes]:
    at = Desk()
    at.run("totp_enrol")
    codes = Codes(secret=base64.b32decode(opened(at.vault, at.credentials["totp", "pending"])["secret"]))
    at.run("totp_confirm", {"code": codes.at(at.now)})
    at.wait(minutes=1)
    return at, codes


def with_phone() -> Desk:
    at = Desk()
    at.run("phone", {"phone": NUMBER})
    at.run("phone_confirm", {"code": at.text_code("pending")})
    at.run("sms_challenge")
    return at


def enrolled() -> tuple[Desk, PhoneSimulator, str]:
    at, phone = Desk(), PhoneSimulator()
    at.run("app_enrol", {"device_name": "my phone", "pin": "4711"})
    qr_text = initialise_qr(at.vault, at.credentials["app_device", "pending"])
    at.run("app_initialise", phone.initialise(qr_text, "4711"))
    return at, phone, qr_text


def with_app() -> tuple[Desk, PhoneSimulator, str]:
    at, phone, qr_text = enrolled()
    at.run("app_confirm", phone.confirm(push_text(at.vault, at.credentials["app_device", "pending"])))
    return at, phone, qr_text


def test_01_tokens_have_a_mac_of_256_bits_and_secrets_come_from_the_system():
    """A link carries a whole HMAC-SHA-256; challenges and seeds 256 random bits; no two are alike."""
    parts = read_link(token())
    assert parts is not None
    assert len(base64.urlsafe_b64decode(parts.mac + "=")) == 32
    assert len(new_challenge()) == 64
    assert len({new_code() for _ in range(1000)} | {new_challenge() for _ in range(0)}) == 1000


def test_02_a_dump_gives_nothing_usable():
    """No sealed credential contains a password, a hash, a number, a code, a PIN or a secret, in any encoding we use."""
    at, _, _ = with_app()
    at.run("password_profile", {"password": PASSWORD})
    at.run("totp_enrol")
    at.run("phone", {"phone": NUMBER})
    at.run("app_qr")
    known = [
        PASSWORD,
        "$argon2id$",
        "+32470123456",
        at.text_code("pending"),
        "4711",
        "my phone",
        '"secret"',
        sign_in_qr(at.vault, at.credentials["app_device", ""]),
    ]
    dump = b"".join(credential.sealed for credential in at.credentials.values())
    assert [word for word in known if word.encode() in dump or base64.b64encode(word.encode()) in dump] == []
    assert token(vault("k2")) != token(vault("k1"))  # without the key of the environment no link can be made


def test_03_of_parallel_submissions_exactly_one_is_saved():
    """Fifty uses of one code, judged on the same reading: all look right, one is saved, and a fresh look says it is used."""
    at, codes = with_totp()
    phone = with_phone()
    for desk, use, code in ((at, "totp", codes.at(at.now)), (phone, "sms_code", phone.text_code())):
        results = [desk.judge(use, {"code": code}) for _ in range(50)]
        saved = 0
        for result in results:
            try:
                desk.save(result.on_accept)
                saved += 1
            except ConflictError:
                assert not desk.judge(use, {"code": code}).facts["ok"]
        assert saved == 1


@pytest.mark.parametrize(("seconds", "expected"), [(299, (True, False)), (300, (False, True)), (301, (False, True))])
def test_04_a_link_is_dead_at_its_ttl_from_sending(seconds, expected):
    """Valid while now < sent + ttl."""
    at = mailed()
    at.now = MONDAY + timedelta(seconds=seconds)
    facts = at.judge("link", {"token": token()}, **LINK).facts
    assert expected == (facts["valid"], facts["expired"])


def test_04_the_longest_lives_are_part_of_the_specs():
    """24 hours for a mailed link, ten minutes for everything out of band; the loader refuses more, and the checks never grant it."""
    assert SPECS["link"].longest_seconds["ttl"] == 24 * 3600
    assert {600} == {spec.longest_seconds["ttl"] for use, spec in SPECS.items() if "ttl" in spec.params and use != "link"}
    at = mailed()
    at.wait(hours=24)
    assert at.judge("link", {"token": token()}, **{**LINK, "ttl": "P2D"}).facts["expired"]
    late = Desk()
    late.run("phone", {"phone": NUMBER}, ttl="PT2H")
    late.wait(minutes=10)
    assert late.judge("phone_confirm", {"code": late.text_code("pending")}).facts["expired"]


def test_07_a_newer_link_kills_the_older():
    """Only the newest serial is valid."""
    at = mailed(serials={"password": 2})
    assert not at.judge("link", {"token": token(serial=1)}, **LINK).facts["valid"]
    assert at.judge("link", {"token": token(serial=2)}, **LINK).facts["valid"]


def test_08_a_token_is_bound_to_purpose_subject_instance_and_definition():
    """A token made for another of the four, or whose visible part was exchanged, is not genuine."""
    others = {"purpose": "reset", "subject": ActorId("person-2"), "instance": InstanceId("request-2"), "definition": "other"}
    for name, value in others.items():
        assert not mailed().judge("link", {"token": token(**{name: value})}, **LINK).facts["genuine"], name
    kid, purpose, _, serial, mac = token(instance=InstanceId("request-2")).split(".")
    assert not mailed().judge("link", {"token": f"{kid}.{purpose}.request-1.{serial}.{mac}"}, **LINK).facts["genuine"]


def test_08_initialise_and_sign_in_codes_are_not_interchangeable():
    """Each QR code is refused at the other's place, by the phone and by us."""
    at, phone, initialise = with_app()
    at.run("app_qr")
    sign_in = sign_in_qr(at.vault, at.credentials["app_device", ""])
    with pytest.raises(RefusedError):
        phone.scan(initialise, at.now)
    with pytest.raises(RefusedError):
        phone.initialise(sign_in, "4711")
    with pytest.raises(RefusedError):
        phone.answer_push(sign_in, "4711")
    # A phone that ignores the purpose and computes with the other code's value gets nothing accepted either.
    forged = PhoneSimulator()
    forged.initialise("workflow-app:1:initialise:" + sign_in.rpartition(":")[2], "4711")
    assert not at.run("app_code", {"code": forged.scan(sign_in, at.now)}).facts["ok"]
    assert not at.run("app_initialise", phone.initialise(initialise, "4711")).facts["ok"]


def test_08_an_answer_to_the_confirmation_is_none_to_a_sign_in():
    """Confirming a device and approving a sign-in are different answers, even to the same challenge."""
    at, phone, _ = with_app()
    at.run("app_push")
    pushed = push_text(at.vault, at.credentials["app_device", ""])
    as_confirmation = phone.confirm(pushed.replace(":push:", ":confirm:"))
    assert not at.run("app_pin", {**as_confirmation, "pin": "4711"}).facts["ok"]


def test_09_nothing_replayable_leaves_a_check(caplog):
    """Facts, reasons, reprs and logs of every check hold nothing of what was typed, right or wrong."""
    caplog.set_level(logging.DEBUG)
    at, phone, _ = with_app()
    at.run("password_profile", {"password": PASSWORD})
    at.run("app_push")
    device = at.credentials["app_device", ""]
    typed = {
        "password": PASSWORD,
        "pin": "4711",
        **phone.answer_push(push_text(at.vault, device), "4711"),
        "code": "QQ7-QQ7-QQ7",
        "token": token(),
    }
    params = {"link": LINK, "role_holders": {"role": "x"}, "remove_factor": {"factors": ("totp",)}, "matches_field": {"field": "username"}}
    for use in SPECS:
        result = at.judge(use, {**typed, "method": "app_pin"}, **params.get(use, {}))
        told = repr((result.facts, result.reasons)) + caplog.text
        assert [value for value in typed.values() if value in told and value != ""] == [], use


def test_11_setting_a_password_changes_no_other_factor():
    """A new password is one new credential: no second factor is touched, and nothing is signed in."""
    at, _ = with_totp()
    before = at.credentials["totp", ""]
    changes = at.judge("password_profile", {"password": PASSWORD}).on_accept
    assert [(change.credential.kind, change.is_removed) for change in changes] == [("password", False)]
    assert before == at.credentials["totp", ""]
    assert {"ok", "reason_count"} == set(SPECS["password_profile"].facts)


@pytest.mark.parametrize(("profile", "least"), [("nist-800-63b-4", 15), ("nist-800-63b-4-with-second-factor", 8), ("eu-login-2023", 10)])
def test_13_lengths_of_the_profiles(profile, least):
    """15 alone, 8 with a second factor, 10 in the legacy profile; one less is refused with the figure."""
    password = "Zq7vkXw3mJt9bRd2"[:least]
    assert password_faults(password, PROFILES[profile]) == ()
    reason = next(reason for reason in password_faults(password[:-1], PROFILES[profile]) if reason.code == "too_short")
    assert str(least) in reason.needed


def test_13_the_default_has_no_composition_rule_and_legacy_profiles_list_their_deviations():
    """The default asks for length only and refuses what is common; what falls short says so."""
    assert next(iter(PROFILES)) == "nist-800-63b-4"
    assert password_faults("kqvzj wpxlm trbn", PROFILES["nist-800-63b-4"]) == ()
    assert "common_password" in [r.code for r in password_faults("passwordpassword", PROFILES["nist-800-63b-4"])]
    assert [profile.name for profile in PROFILES.values() if profile.deviations] == ["eu-login-2023"]
    assert (
        password_faults("kqvzj wpxlm trbn", PROFILES[str(Desk().seen("password_profile").use.params.get("profile", "nist-800-63b-4"))])
        == ()
    )


def test_14_length_in_code_points_after_nfc_and_nothing_cut():
    """Decomposed letters count once; spaces are kept; 64 to 1,024 are accepted; the last character counts."""
    profile = PROFILES["nist-800-63b-4"]
    assert "too_short" in [r.code for r in password_faults("a\u0308" * 14, profile)]
    assert "too_short" not in [r.code for r in password_faults("\U0001f512" * 15, profile)]
    long = "".join(chr(0x4E00 + n * 7) for n in range(1024))
    assert password_faults(long[:64], profile) == ()
    assert password_faults(long, profile) == ()
    assert [r.code for r in password_faults(long + "x", profile)] == ["too_long"]
    at = Desk()
    at.run("password_profile", {"password": long})
    assert not at.judge("password", {"password": long[:-1]}).facts["ok"]
    assert not at.judge("password", {"password": f" {PASSWORD}"}).facts["ok"]
    assert at.judge("password", {"password": long}).facts["ok"]


def test_14_too_long_is_refused_before_any_work():
    """A megabyte is refused at once, new or tried."""
    at = Desk(cost=HashCost())
    began = time.process_time()
    assert codes_of(at.judge("password_profile", {"password": "x" * 1_000_000})) == ["too_long"]
    assert not at.judge("password", {"password": "x" * 1_000_000}).facts["ok"]
    assert time.process_time() - began < 1


@pytest.mark.parametrize("password", ["N00CCGBD tractor sings", "my n00ccgbd tractor sings", "x" + "\uff4e" + "00ccgbd tractor Xy1"])
def test_15_the_username_test_ignores_case(password):
    """Whatever the case, the username is not part of the password; a look-alike of another script is another text."""
    found = Desk().judge("password_profile", {"password": password}, username="username", word_fields=())
    assert ("contains_username" in codes_of(found)) == ("\uff4e" not in password)


def test_15_the_username_test_is_made_after_nfc():
    """Composed and decomposed forms of a name are the same name."""
    faults = password_faults("la gare de be\u0301atrice", PROFILES["nist-800-63b-4"], username="B\u00c9ATRICE")
    assert [reason.code for reason in faults] == ["contains_username"]


def test_16_argon2id_with_its_parameters_and_rehash():
    """The hash names algorithm and parameters, the default is RFC 9106's; another cost is noticed."""
    assert Hashing(CHEAP).hash("x").startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert (HashCost().passes, HashCost().memory_kib, HashCost().lanes) == (3, 65_536, 4)
    assert Hashing(HashCost(passes=2, memory_kib=8, lanes=1)).is_outdated(Hashing(CHEAP).hash("x"))


def test_16_unknown_and_locked_cost_the_same_work():
    """Without the credential, and while it is locked, one hash is computed as for a known one."""
    cost = HashCost(passes=2, memory_kib=16_384, lanes=1)
    known = Desk(cost=cost)
    known.run("password_profile", {"password": PASSWORD})
    locked = Desk(cost=cost, credentials=dict(known.credentials))
    held = locked.credentials["password", ""]
    locked.credentials["password", ""] = replace(held, failure_count=9, locked_until=MONDAY + timedelta(hours=1))
    times = []
    for desk in (known, locked, Desk(cost=cost)):
        runs = []
        for _ in range(5):
            began = time.process_time()
            desk.judge("password", {"password": "wrong"})
            runs.append(time.process_time() - began)
        times.append(min(runs))
    assert max(times) < 3 * min(times)


@pytest.mark.parametrize(
    ("counter", "expected"),
    list(enumerate(["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"])),
)
def test_17_rfc_4226_vectors(counter, expected):
    """RFC 4226, appendix D."""
    assert expected == Codes(secret=b"12345678901234567890").at_step(counter)


@pytest.mark.parametrize(
    ("seconds", "sha1", "sha256", "sha512"),
    [
        (59, "94287082", "46119246", "90693936"),
        (1111111109, "07081804", "68084774", "25091201"),
        (1111111111, "14050471", "67062674", "99943326"),
        (1234567890, "89005924", "91819424", "93441116"),
        (2000000000, "69279037", "90698825", "38618901"),
        (20000000000, "65353130", "77737706", "47863826"),
    ],
)
def test_17_rfc_6238_vectors(seconds, sha1, sha256, sha512):
    """RFC 6238, appendix B."""
    now, digits = datetime.fromtimestamp(seconds, UTC), b"1234567890"
    assert sha1 == Codes(secret=digits * 2, digits=8).at(now)
    assert sha256 == Codes(secret=(digits * 4)[:32], digits=8, digest=hashlib.sha256).at(now)
    assert sha512 == Codes(secret=(digits * 7)[:64], digits=8, digest=hashlib.sha512).at(now)


def test_18_secrets_have_160_bits_and_are_shown_once():
    """Secrets are long enough, sealed, and not to be had again after the confirmation or the initialisation."""
    assert SECRET_BYTES * 8 >= 160
    assert len(device_secret("seed", "nonce")) == 32
    at, _, _ = with_app()
    with pytest.raises(NotFoundError):
        initialise_qr(at.vault, at.credentials["app_device", ""])
    pending, _, _ = enrolled()
    with pytest.raises(NotFoundError):
        initialise_qr(pending.vault, pending.credentials["app_device", "pending"])
    assert "seed" not in opened(pending.vault, pending.credentials["app_device", "pending"])


@pytest.mark.parametrize(("steps", "expected"), [(-3, False), (-2, False), (-1, True), (0, True), (1, False)])
def test_19_one_step_back_at_most(steps, expected):
    """The present code and the one before it count; no other, and none of the future."""
    at, codes = with_totp()
    at.wait(minutes=5)
    assert expected == at.judge("totp", {"code": codes.at(at.now + timedelta(seconds=30 * steps))}).facts["ok"]


def test_20_a_step_is_accepted_once_and_a_used_code_reads_as_wrong():
    """Only a greater step is accepted; also not the older one after the newer; publicly a used code is a wrong one."""
    at, codes = with_totp()
    newer, older = codes.at(at.now), codes.at(at.now - timedelta(seconds=30))
    assert at.run("totp", {"code": newer}).facts["ok"]
    replayed, wrong = at.judge("totp", {"code": newer}), at.judge("totp", {"code": "abcdef"})
    assert (private_of(replayed), private_of(wrong)) == (["code_replayed"], ["code_wrong"])
    assert replace(replayed.reasons[0], private="") == replace(wrong.reasons[0], private="")
    assert not at.judge("totp", {"code": older}).facts["ok"]


def test_20_the_code_of_the_confirmation_is_used_up():
    """The code that activated the device does not sign in as well."""
    at = Desk()
    at.run("totp_enrol")
    codes = Codes(secret=base64.b32decode(opened(at.vault, at.credentials["totp", "pending"])["secret"]))
    at.run("totp_confirm", {"code": codes.at(at.now)})
    assert private_of(at.judge("totp", {"code": codes.at(at.now)})) == ["code_replayed"]


def test_21_out_of_band_codes():
    """More than six digits' worth of chance, ten minutes at most, bound to the newest challenge, once."""
    assert len(ALPHABET) ** CODE_CHARACTERS > 10**6
    assert not set(ALPHABET) & set("01IO")
    at = with_phone()
    older = at.text_code()
    at.run("sms_challenge")
    newer = at.text_code()
    assert not at.judge("sms_code", {"code": older}).facts["ok"]
    assert at.run("sms_code", {"code": newer}).facts["ok"]
    assert private_of(at.judge("sms_code", {"code": newer})) == ["code_used"]
    assert not at.judge("sms_code", {"code": ""}).facts["ok"]


@pytest.mark.parametrize(("seconds", "expected"), [(599, (True, False)), (600, (False, True)), (601, (False, True))])
def test_21_a_code_is_dead_after_ten_minutes(seconds, expected):
    """A text-message code is valid while now < made + ttl."""
    at = with_phone()
    at.wait(seconds=seconds)
    facts = at.judge("sms_code", {"code": at.text_code()}).facts
    assert expected == (facts["ok"], facts["expired"])


@pytest.mark.parametrize(("failures", "seconds"), [(4, 0), (5, 30), (6, 60), (7, 120), (11, 1920), (12, 3600), (60, 3600)])
def test_22_waits_follow_the_formula(failures, seconds):
    """From the fifth failure min(2^(n-5) x 30 s, 1 h); the right code counts again exactly at the end of the wait."""
    at, codes = with_totp()
    at.credentials["totp", ""] = replace(at.credentials["totp", ""], failure_count=failures - 1)
    at.run("totp", {"code": "wrong"})
    assert failures == at.credentials["totp", ""].failure_count
    if seconds:
        at.wait(seconds=seconds - 1)
        assert not at.judge("totp", {"code": codes.at(at.now)}).facts["ok"]
        at.wait(seconds=1)
    assert at.run("totp", {"code": codes.at(at.now)}).facts["ok"]
    assert at.credentials["totp", ""].failure_count == 0


def test_22_locked_looks_like_wrong_and_is_not_counted():
    """The right code during a wait reads exactly as a wrong one, and costs no attempt."""
    at, codes = with_totp()
    wrong = next(iter([at.run("totp", {"code": "wrong"}) for _ in range(5)]))
    locked = at.run("totp", {"code": codes.at(at.now)})
    assert (locked.facts["ok"], locked.facts["locked"]) == (False, True)
    assert private_of(locked) == ["locked"]
    assert replace(wrong.reasons[0], private="") == replace(locked.reasons[0], private="")
    assert at.credentials["totp", ""].failure_count == 5
    assert not locked.on_refuse


def test_22_disabled_at_one_hundred_failures():
    """After 100 consecutive failures not even the right code counts, however long one waits."""
    at, codes = with_totp()
    for _ in range(100):
        at.run("totp", {"code": "wrong"})
        at.wait(hours=1)
    assert at.credentials["totp", ""].failure_count == 100
    at.wait(days=365)
    assert private_of(at.judge("totp", {"code": codes.at(at.now)})) == ["disabled"]


def test_22_failures_count_overall():
    """Failures of all of a subject's credentials together disable every one of them."""
    at, codes = with_totp()
    at.run("password_profile", {"password": PASSWORD})
    at.credentials["password", ""] = replace(at.credentials["password", ""], failure_count=99)
    assert at.judge("totp", {"code": codes.at(at.now)}).facts["ok"]
    at.run("totp", {"code": "wrong"})
    assert private_of(at.judge("totp", {"code": codes.at(at.now)})) == ["disabled"]


def test_22_a_new_challenge_gives_no_new_attempts():
    """Neither another text message nor another enrolment of the number sets the count back."""
    at = with_phone()
    for _ in range(4):
        at.run("sms_code", {"code": "wrong"})
    at.run("sms_challenge")
    assert at.credentials["phone", ""].failure_count == 4
    fresh = Desk()
    fresh.run("phone", {"phone": NUMBER})
    for _ in range(4):
        fresh.run("phone_confirm", {"code": "wrong"})
    fresh.run("phone", {"phone": "+32 470 12 34 57"})
    assert fresh.credentials["phone", "pending"].failure_count == 4
    app, phone = Desk(), PhoneSimulator()
    app.run("app_enrol", {"device_name": "my phone", "pin": "4711"})
    seed = initialise_qr(app.vault, app.credentials["app_device", "pending"])
    app.run("app_initialise", phone.initialise(seed, "0000"))
    app.run("app_enrol", {"device_name": "my phone", "pin": "4711"})
    assert app.credentials["app_device", "pending"].failure_count == 1


def test_22_only_the_device_can_spend_attempts_at_its_pin():
    """A forged answer is refused without being counted: nobody can lock another person's device from outside."""
    at, phone, _ = with_app()
    at.run("app_push")
    pushed = push_text(at.vault, at.credentials["app_device", ""])
    assert private_of(at.run("app_pin", {"answer": "x", "pin": "0000"})) == ["push_not_genuine"]
    assert at.credentials["app_device", ""].failure_count == 0
    assert private_of(at.run("app_pin", phone.answer_push(pushed, "0000"))) == ["pin_wrong"]
    assert at.credentials["app_device", ""].failure_count == 1


def test_23_nothing_counts_before_it_is_confirmed():
    """A number, an authenticator app or a device under enrolment signs nobody in and is no factor."""
    at, phone, _ = enrolled()
    at.run("totp_enrol")
    at.run("phone", {"phone": NUMBER})
    codes = Codes(secret=base64.b32decode(opened(at.vault, at.credentials["totp", "pending"])["secret"]))
    assert at.judge("factors").facts["second_count"] == 0
    assert not at.judge("totp", {"code": codes.at(at.now)}).facts["ok"]
    assert not at.judge("sms_code", {"code": at.text_code("pending")}).facts["ok"]
    assert not any(at.judge(use).facts["ok"] for use in ("sms_challenge", "app_push", "app_qr"))
    pushed = push_text(at.vault, at.credentials["app_device", "pending"])
    assert not at.run("app_confirm", {"answer": "x"}).facts["ok"]
    assert at.run("app_confirm", phone.confirm(pushed)).facts["ok"]
    assert at.judge("factors").facts["app_device"]


def test_23_an_enrolment_cannot_be_confirmed_before_the_phone_saw_its_code():
    """The confirmation cannot be reached without the initialisation, and the initialise code is good once, for one phone."""
    at, first, second = Desk(), PhoneSimulator(), PhoneSimulator()
    at.run("app_enrol", {"device_name": "my phone", "pin": "4711"})
    assert not at.run("app_confirm", {"answer": "x"}).facts["ok"]
    qr_text = initialise_qr(at.vault, at.credentials["app_device", "pending"])
    late = second.initialise(qr_text, "4711")
    assert at.run("app_initialise", first.initialise(qr_text, "4711")).facts["ok"]
    assert private_of(at.run("app_initialise", late)) == ["initialise_used"]
    pushed = push_text(at.vault, at.credentials["app_device", "pending"])
    assert not at.run("app_confirm", second.confirm(pushed)).facts["ok"]
    assert at.run("app_confirm", first.confirm(pushed)).facts["ok"]


def test_23_an_initialise_code_dies():
    """Ten minutes after it was made, the initialise code counts no more."""
    at, phone = Desk(), PhoneSimulator()
    at.run("app_enrol", {"device_name": "my phone", "pin": "4711"})
    payload = phone.initialise(initialise_qr(at.vault, at.credentials["app_device", "pending"]), "4711")
    at.wait(minutes=10)
    assert at.run("app_initialise", payload).facts["expired"]


def test_24_factors_are_separate():
    """Two second factors can be active, and each can be taken away without the other."""
    at, _ = with_totp()
    at.run("phone", {"phone": NUMBER})
    at.run("phone_confirm", {"code": at.text_code("pending")})
    assert at.judge("factors").facts["second_count"] == 2
    at.run("remove_factor", factors=("phone",))
    assert {("totp", "")} == set(at.credentials)


def test_25_text_messages_can_be_retired_and_mail_is_no_factor():
    """A definition that lists no `sms` accepts none, whatever is enrolled; no method goes by mail."""
    at = with_phone()
    typed = {"method": "sms", "code": at.text_code()}
    assert at.judge("second_factor", typed).facts["ok"]
    assert codes_of(at.judge("second_factor", typed, methods=("totp", "app_pin", "app_code"))) == ["method_not_offered"]
    assert "email" not in SPECS["second_factor"].choices["methods"]


def test_26_pushes_are_limited():
    """No more than `limit` pushes in the window, whoever asks."""
    at, _, _ = with_app()
    assert [at.run("app_push").facts["ok"] for _ in range(6)] == [True] * 5 + [False]
    assert at.judge("app_push").facts["limited"]


def test_credentials_of_others_never_count():
    """A credential of another subject is not looked at, even when it is handed over."""
    at, codes = with_totp()
    at.credentials["totp", ""] = replace(at.credentials["totp", ""], subject=ActorId("person-2"))
    assert private_of(at.judge("totp", {"code": codes.at(at.now)})) == ["unknown_credential"]


def test_a_sealed_credential_cannot_be_moved():
    """What is sealed for one subject, kind and name opens nowhere else: every two bindings differ."""
    at = with_phone()
    held = at.credentials["phone", ""]
    places = [
        held,
        replace(held, subject=ActorId("person-2")),
        replace(held, kind="totp"),
        replace(held, name="pending"),
        replace(held, kind="phone|0", name=""),
    ]
    assert all(one.bound_to != other.bound_to for one, other in combinations(places, 2))


def test_exceptions_of_checks_hold_no_secret():
    """Whatever type of value arrives, nothing is raised; what the vault raises names no value."""
    at, _ = with_totp()
    at.run("password_profile", {"password": PASSWORD})
    for value in (None, 7, b"bytes", ["list"], "\ud800secret", "\x00", "9" * 100_000):
        for use in ("password", "totp", "sms_code", "app_pin", "app_code", "second_factor", "phone", "app_enrol"):
            at.judge(use, dict.fromkeys(("password", "code", "pin", "answer", "method", "phone", "device_name", "initialise"), value))
    broken = Desk(vault=vault("k1"), credentials={slot: replace(c, sealed=c.sealed[:-1] + b"x") for slot, c in at.credentials.items()})
    with pytest.raises(AuditError) as caught:
        broken.judge("password", {"password": PASSWORD})
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_no_check_imports_a_log():
    """No module of the checks can log: none imports logging or prints."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in Path(inspect.getfile(BuiltinChecks)).parent.glob("*.py")}
    assert "vault.py" in sources
    assert [name for name, source in sources.items() if "logging" in source or "print(" in source] == []
