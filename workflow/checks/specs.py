"""What the built-in checks are called, take, read and find: read by the loader, the documents and the checks' own tests.

Promises: one `CheckSpec` per kind; a check's facts have exactly the leaves that are listed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workflow.states.known import CheckSpec, FactType

MAIL_LINK_SECONDS: Final = 24 * 3600
"""The longest life of a link sent by mail (NIST SP 800-63B-4 §4.2.1.2)."""
OUT_OF_BAND_SECONDS: Final = 600
"""The longest life of a code or challenge sent by text message, push or QR code (NIST SP 800-63B-4 §3.1.3.2)."""
METHODS: Final = ("totp", "sms", "app_pin", "app_code")
"""The second factors that can be used at sign-in."""
FACTORS: Final = ("totp", "phone", "app_device")
"""The kinds of credential that are second factors; e-mail is never one."""
PROFILE_NAMES: Final = ("nist-800-63b-4", "nist-800-63b-4-with-second-factor", "eu-login-2023")

_VERIFIED: Final[Mapping[str, FactType]] = {"ok": "bool", "locked": "bool"}
_TIMED: Final[Mapping[str, FactType]] = {"ok": "bool", "expired": "bool", "locked": "bool"}
_ISSUED: Final[Mapping[str, FactType]] = {"ok": "bool", "limited": "bool"}
_ISSUING: Final = {"ttl": False, "limit": False, "per": False}
_OUT_OF_BAND: Final = {"ttl": OUT_OF_BAND_SECONDS}

_ALL: Final = (
    CheckSpec(
        use="link",
        facts={"valid": "bool", "genuine": "bool", "current": "bool", "sent": "bool", "expired": "bool"},
        params={"purpose": True, "since": True, "ttl": True},
        reads={"token": "token"},
        longest_seconds={"ttl": MAIL_LINK_SECONDS},
        names_events=frozenset({"since"}),
        description="The token of a mailed link: ours, the newest, sent, and younger than `ttl` since the report `since`.",
    ),
    CheckSpec(
        use="password_profile",
        facts={"ok": "bool", "reason_count": "int"},
        params={"profile": False, "username": False, "words": False, "word_fields": False, "store": False},
        reads={"password": "password"},
        choices={"profile": frozenset(PROFILE_NAMES)},
        names_fields=frozenset({"username", "word_fields"}),
        description="A new password follows the named profile; it is stored when the event is accepted, unless `store: false`.",
    ),
    CheckSpec(
        use="password",
        facts=_VERIFIED,
        reads={"password": "password"},
        description="The password is the subject's.",
    ),
    CheckSpec(
        use="totp_enrol",
        facts={"ok": "bool"},
        params={"digits": False},
        choices={"digits": frozenset({6, 8})},
        description="Makes the secret of an authenticator app; inactive until `totp_confirm`.",
    ),
    CheckSpec(use="totp_confirm", facts=_VERIFIED, reads={"code": "code"}, description="One right code activates the authenticator app."),
    CheckSpec(use="totp", facts=_VERIFIED, reads={"code": "code"}, description="A code of the authenticator app, each step once."),
    CheckSpec(
        use="phone",
        facts={"valid": "bool", "mobile": "bool", "limited": "bool"},
        params=_ISSUING,
        reads={"phone": "phone"},
        longest_seconds=_OUT_OF_BAND,
        description="A mobile number with `+` and country code; makes the challenge code that the text message carries.",
    ),
    CheckSpec(use="phone_confirm", facts=_TIMED, reads={"code": "code"}, description="The challenge code activates the phone number."),
    CheckSpec(
        use="sms_challenge",
        facts=_ISSUED,
        params=_ISSUING,
        longest_seconds=_OUT_OF_BAND,
        description="Makes a challenge code for a sign-in by text message; an older one dies.",
    ),
    CheckSpec(use="sms_code", facts=_TIMED, reads={"code": "code"}, description="The challenge code of a sign-in by text message, once."),
    CheckSpec(
        use="app_enrol",
        facts={"ok": "bool"},
        params={"ttl": False},
        reads={"device_name": "device_name", "pin": "pin"},
        longest_seconds=_OUT_OF_BAND,
        description="Device name and 4-digit PIN; makes what the initialise QR code carries.",
    ),
    CheckSpec(
        use="app_initialise",
        facts=_TIMED,
        params={"ttl": False},
        reads={"initialise": "initialise", "pin": "pin"},
        longest_seconds=_OUT_OF_BAND,
        description="The phone has scanned the initialise QR code and the PIN was typed on it; makes the confirmation to push.",
    ),
    CheckSpec(use="app_confirm", facts=_TIMED, reads={"answer": "answer"}, description="The pushed confirmation activates the device."),
    CheckSpec(
        use="app_push",
        facts=_ISSUED,
        params=_ISSUING,
        longest_seconds=_OUT_OF_BAND,
        description="Makes a sign-in challenge that is pushed to the device; limited in number.",
    ),
    CheckSpec(
        use="app_pin",
        facts=_TIMED,
        reads={"answer": "answer", "pin": "pin"},
        description="The device answered the pushed challenge and the PIN is right, once.",
    ),
    CheckSpec(
        use="app_qr",
        facts=_ISSUED,
        params=_ISSUING,
        longest_seconds=_OUT_OF_BAND,
        description="Makes a sign-in challenge that is shown as a QR code.",
    ),
    CheckSpec(
        use="app_code",
        facts=_TIMED,
        reads={"code": "code"},
        description="The 8-digit code that the device computed from the sign-in QR code, once.",
    ),
    CheckSpec(
        use="second_factor",
        facts={**_TIMED, "method": "string"},
        params={"methods": False},
        reads={"method": "method", "code": "code"},
        choices={"methods": frozenset(METHODS)},
        description="Whichever second factor the payload names, among `methods`.",
    ),
    CheckSpec(
        use="factors",
        facts={"password": "bool", "totp": "bool", "phone": "bool", "app_device": "bool", "second_count": "int"},
        description="Which factors are enrolled and active.",
    ),
    CheckSpec(
        use="remove_factor",
        facts={"found": "bool", "left_count": "int"},
        params={"factors": True},
        choices={"factors": frozenset({*FACTORS, "password"})},
        description="Removes these factors when the event is accepted; `left_count` second factors stay.",
    ),
    CheckSpec(
        use="role_holders",
        facts={"found": "bool", "count": "int"},
        params={"role": True, "scope_field": False},
        names_fields=frozenset({"scope_field"}),
        names_roles=frozenset({"role"}),
        description="How many others than the subject hold the role (for the value of `scope_field`).",
    ),
    CheckSpec(
        use="matches_field",
        facts={"ok": "bool"},
        params={"field": True, "reads_as": False},
        reads={"value": "username"},
        choices={"reads_as": frozenset({"unknown_link"})},
        names_fields=frozenset({"field"}),
        description="The typed value is the subject's `field`; `reads_as: unknown_link` answers like a link that is not ours.",
    ),
)

SPECS: Final[Mapping[str, CheckSpec]] = {spec.use: spec for spec in _ALL}
"""Kind of check -> what it takes and finds."""
