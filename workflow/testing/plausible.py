"""What a check could find now: scripted findings kept within what the built-in checks allow.

Promises: findings are free otherwise. Without this, a test would show that somebody with a code that was never sent gets in,
which says nothing about the definition. A host's own kinds of checks are free altogether.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from workflow.states.definition import CheckUse, EventName
from workflow.states.durations import read_duration
from workflow.states.instance import Situation
from workflow.testing.acts import Leaf
from workflow.testing.observed import factors_of
from workflow.testing.run import ENROLS, Rig

Facts = dict[str, dict[str, Leaf]]

BAD = frozenset({"locked", "expired", "limited"})
"""Leaves that are false when all is well."""
DEFAULT_TTL = "PT10M"
ISSUED_BY = {
    "phone_confirm": "phone",
    "sms_code": "sms_challenge",
    "app_initialise": "app_enrol",
    "app_confirm": "app_initialise",
    "app_pin": "app_push",
    "app_code": "app_qr",
}
"""A check that finds a code can only do so while the check that issued it says that it lives."""
NEEDS = {
    "password": "password",
    "totp": "totp",
    "sms_challenge": "phone",
    "sms_code": "phone",
    "app_push": "app_device",
    "app_qr": "app_device",
    "app_pin": "app_device",
    "app_code": "app_device",
}
"""A check that is passed only by who has enrolled this."""
METHODS = {"sms": "phone", "app_pin": "app_device", "app_code": "app_device", "totp": "totp"}
SECOND = frozenset({"totp", "phone", "app_device"})


def coherent(rig: Rig, facts: Facts) -> Facts:
    """Take back what no check could find now."""
    present = rig.present()
    now = rig.now(present)
    return {name: _possible(rig, rig.definition.checks[name], dict(leaves), present, now) for name, leaves in facts.items()}


def issuers_of(rig: Rig, use: CheckUse) -> set[str]:
    """Name the kinds of checks that must have come first for this one to be passed, as far as they have not."""
    wanted = {ISSUED_BY[use.use]} if use.use in ISSUED_BY else set()
    needed = {NEEDS[use.use]} if use.use in NEEDS else set()
    if use.use == "second_factor" and not rig.enrolled & SECOND:
        needed = set(SECOND)
    if use.use == "remove_factor" and not rig.enrolled & set(factors_of(use)):
        needed = set(factors_of(use))
    return wanted | {kind for kind, factor in ENROLS.items() if factor in needed - rig.enrolled}


def _possible(rig: Rig, use: CheckUse, leaves: dict[str, Leaf], present: Situation | None, now: datetime) -> dict[str, Leaf]:
    match use.use:
        case "link":
            _link(use, leaves, present, now)
        case "factors":
            leaves.update({name: name in rig.enrolled for name in ("password", *SECOND)}, second_count=len(rig.enrolled & SECOND))
        case "remove_factor":
            leaves.update(found=bool(rig.enrolled & set(factors_of(use))), left_count=len(rig.enrolled & SECOND - set(factors_of(use))))
        case "second_factor":
            leaves["ok"] = bool(leaves.get("ok")) and METHODS.get(str(leaves.get("method"))) in rig.enrolled
        case _:
            _code(rig, use, leaves, now)
    return leaves


def _link(use: CheckUse, leaves: dict[str, Leaf], present: Situation | None, now: datetime) -> None:
    sent_at = present.instance.marks.get(EventName(str(use.params["since"]))) if present else None
    is_over = sent_at is not None and now >= sent_at + _ttl(use)
    is_current = bool(leaves.get("current"))
    leaves["sent"], leaves["expired"] = sent_at is not None and is_current, is_over and is_current
    leaves["valid"] = bool(leaves.get("valid")) and bool(leaves["sent"]) and not is_over and bool(leaves.get("genuine"))


def _code(rig: Rig, use: CheckUse, leaves: dict[str, Leaf], now: datetime) -> None:
    issuer = ISSUED_BY.get(use.use)
    if issuer is not None and leaves.get("ok"):
        issued_at = rig.issued_at.get(issuer)
        uses = [one for one in rig.definition.checks.values() if one.use == issuer]
        leaves["ok"] = issued_at is not None and any(now < issued_at + _ttl(one) for one in uses)
    if use.use in NEEDS and NEEDS[use.use] not in rig.enrolled:
        leaves["ok"] = False


def _ttl(use: CheckUse) -> timedelta:
    unit = read_duration(str(use.params.get("ttl", DEFAULT_TTL)))
    return timedelta(seconds=unit.amount if unit else 0)
