"""Turns secrets into facts.

Promises: checks are called outside any transaction; they see passwords and codes and give back booleans, counts and reasons.
No check logs, and none raises or answers with a secret in it. Changes of credentials are answers too: the engine saves them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workflow.checks.app import AppChallenge, AppCode, AppConfirm, AppEnrol, AppInitialise, AppPin, initialise_qr, push_text, sign_in_qr
from workflow.checks.factors import SecondFactor, factors, remove_factor
from workflow.checks.holders import RoleHolders
from workflow.checks.links import Link
from workflow.checks.matching import matches_field
from workflow.checks.otp import Totp, TotpConfirm, TotpEnrol, provisioning_uri
from workflow.checks.password import HashCost, Hashing, Password, PasswordProfile
from workflow.checks.phone import OpenChallenge, Phone, PhoneConfirm, SmsChallenge, SmsCode, open_text_challenge
from workflow.checks.specs import SPECS
from workflow.checks.vault import KeyVault, LinkParts, is_signed, read_link
from workflow.errors import SettingsError
from workflow.ports import Check, CheckInput, CheckResult, Directory

__all__ = [
    "SPECS",
    "BuiltinChecks",
    "HashCost",
    "KeyVault",
    "LinkParts",
    "OpenChallenge",
    "initialise_qr",
    "is_signed",
    "open_text_challenge",
    "provisioning_uri",
    "push_text",
    "read_link",
    "sign_in_qr",
]


class BuiltinChecks:
    """`ports.Checks`: every kind in `SPECS`, and the host's own."""

    def __init__(
        self,
        vault: KeyVault,
        directory: Directory,
        extra: Mapping[str, Check] = MappingProxyType({}),
        *,
        cost: HashCost = HashCost(),  # noqa: B008  # frozen
    ) -> None:
        """Join the built-in checks and the host's.

        Args:
            vault: opens and seals credentials, and knows links.
            directory: who holds which role.
            extra: the host's own checks by kind; none may have the name of a built-in one.
            cost: of one password hash.
        """
        if taken := sorted(SPECS.keys() & extra.keys()):
            raise SettingsError(f"The kinds of check {', '.join(taken)} are built in: give the host's own another name.")
        hashing = Hashing(cost)
        self._checks = {**_factor_checks(vault, hashing), **_other_checks(vault, hashing, directory), **extra}

    def run(self, seen: CheckInput, /) -> CheckResult:
        """Run the check named by `seen.use.use`; raises `SettingsError` for a kind that was not registered here."""
        check = self._checks.get(seen.use.use)
        if check is None:
            raise SettingsError(f"The kind of check {seen.use.use!r} is not registered here: give it to BuiltinChecks as `extra`.")
        return check(seen)


def _factor_checks(vault: KeyVault, hashing: Hashing) -> dict[str, Check]:
    verifiers: dict[str, Check] = {
        "totp": Totp(vault),
        "sms_code": SmsCode(vault),
        "app_pin": AppPin(vault, hashing),
        "app_code": AppCode(vault),
    }
    return {
        **verifiers,
        "second_factor": SecondFactor(verifiers),
        "totp_enrol": TotpEnrol(vault),
        "totp_confirm": TotpConfirm(vault),
        "phone": Phone(vault),
        "phone_confirm": PhoneConfirm(vault),
        "sms_challenge": SmsChallenge(vault),
        "app_enrol": AppEnrol(vault, hashing),
        "app_initialise": AppInitialise(vault, hashing),
        "app_confirm": AppConfirm(vault),
        "app_push": AppChallenge(vault, "push"),
        "app_qr": AppChallenge(vault, "qr"),
    }


def _other_checks(vault: KeyVault, hashing: Hashing, directory: Directory) -> dict[str, Check]:
    return {
        "link": Link(vault),
        "password_profile": PasswordProfile(vault, hashing),
        "password": Password(vault, hashing),
        "factors": factors,
        "remove_factor": remove_factor,
        "role_holders": RoleHolders(directory),
        "matches_field": matches_field,
    }
