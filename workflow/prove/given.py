"""What checks promise, so far as a proof may need it: the facts a check can find in a state of the onboarding.

Promises: every rule here is something the built-in checks keep (their own tests hold them to it). A proof that uses one of them
says so; the proof is tried without them first. Host checks promise nothing: what they find is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import z3

from workflow.prove.terms import TRUE, Formula
from workflow.prove.words import Mode, Sort, Words
from workflow.states.definition import CheckUse, Definition, EventType
from workflow.states.durations import read_duration

_ISSUED_BY: Mapping[str, str] = {
    "phone_confirm": "phone",
    "sms_code": "sms_challenge",
    "app_initialise": "app_enrol",
    "app_confirm": "app_initialise",
    "app_pin": "app_push",
    "app_code": "app_qr",
    "totp_confirm": "totp_enrol",
}
"""Kind of check -> the kind that makes the code or challenge which it verifies."""
_LONGEST = "PT10M"
_ENROLS = frozenset({"phone_confirm", "app_confirm", "totp_confirm"})
_NEEDS_SECOND = frozenset({"second_factor", "totp", "sms_challenge", "sms_code", "app_push", "app_pin", "app_qr", "app_code"})
_ENDLESS = frozenset({"totp_confirm"})


def promises(definition: Definition, type_: EventType, words: Words, mode: Mode, now: Formula) -> Iterator[tuple[str, Formula]]:
    """Give what the checks of an event promise about their facts, each with the words in which a proof names it."""
    for name in type_.checks:
        use = definition.checks[name]
        yield from _link(name, use, words, mode, now)
        yield from _credential(definition, name, use, words)
        yield from _code(definition, name, use, words, mode, now)


def after(definition: Definition, type_: EventType, now: Formula, mode: Mode) -> dict[str, Formula]:
    """Say what an accepted event leaves behind of credentials, codes and challenges."""
    uses = [definition.checks[name] for name in type_.checks]
    kinds = {use.use for use in uses}
    updates: dict[str, Formula] = {}
    if any(use.use == "password_profile" and use.params.get("store") is not False for use in uses):
        updates["cred.password"] = TRUE
    if kinds & _ENROLS:
        updates["cred.second"] = TRUE
    for kind in sorted(kinds & set(_ISSUED_BY.values())):
        updates[f"issued.{kind}"] = TRUE
        if mode.has_instants:
            updates[f"issued_at.{kind}"] = now
    return updates


def variables() -> dict[str, Sort]:
    """Name the variables that these promises speak of."""
    kinds = sorted(set(_ISSUED_BY.values()))
    flags: dict[str, Sort] = {"cred.password": bool, "cred.second": bool}
    return flags | {f"issued.{kind}": bool for kind in kinds} | {f"issued_at.{kind}": float for kind in kinds}


def _link(name: str, use: CheckUse, words: Words, mode: Mode, now: Formula) -> Iterator[tuple[str, Formula]]:
    if use.use != "link":
        return
    since, ttl = str(use.params.get("since")), read_duration(str(use.params.get("ttl")))
    valid, sent, current, genuine = (words.input(f"facts.{name}.{leaf}", bool) for leaf in ("valid", "sent", "current", "genuine"))
    marked = words.var(f"marked.{since}")
    is_alive = now < words.var(f"mark.{since}") + ttl.amount if mode.has_instants and ttl is not None else TRUE
    said = f"the link of {name} is valid only from the report {since} until before {use.params.get('ttl')} have passed"
    yield (
        said,
        z3.And(
            z3.Implies(valid, z3.And(sent, is_alive)),
            z3.Implies(sent, z3.And(current, marked)),
            z3.Implies(current, genuine),
        ),
    )


def _credential(definition: Definition, name: str, use: CheckUse, words: Words) -> Iterator[tuple[str, Formula]]:
    """What is not enrolled by this definition at all comes from elsewhere, and nothing is known of it."""
    kinds = {one.use for one in definition.checks.values()}
    if "password_profile" not in kinds or not kinds & _ENROLS:
        return
    if use.use == "password":
        said = f"{name} is right only after a password was set in this onboarding"
        yield said, z3.Implies(words.input(f"facts.{name}.ok", bool), words.var("cred.password"))
    if use.use in _NEEDS_SECOND:
        said = f"{name} is right only after a second factor was confirmed in this onboarding"
        yield said, z3.Implies(words.input(f"facts.{name}.ok", bool), words.var("cred.second"))
    if use.use == "factors":
        said = f"{name} finds only what was enrolled in this onboarding"
        has_second = words.input(f"facts.{name}.second_count", int) > 0
        found = [words.input(f"facts.{name}.{leaf}", bool) for leaf in ("totp", "phone", "app_device")]
        second = z3.Implies(z3.Or(has_second, *found), words.var("cred.second"))
        yield said, z3.And(second, z3.Implies(words.input(f"facts.{name}.password", bool), words.var("cred.password")))


def _code(definition: Definition, name: str, use: CheckUse, words: Words, mode: Mode, now: Formula) -> Iterator[tuple[str, Formula]]:
    kind = _ISSUED_BY.get(use.use)
    if kind is None or not any(one.use == kind for one in definition.checks.values()):
        return
    lives = [read_duration(str(one.params.get("ttl", _LONGEST))) for one in definition.checks.values() if one.use == kind]
    longest = max((unit.amount for unit in lives if unit is not None), default=0)
    is_alive = TRUE
    if mode.has_instants and longest and use.use not in _ENDLESS:
        is_alive = now < words.var(f"issued_at.{kind}") + longest
    said = f"{name} is right only for a code that {kind} has made, and while it lives"
    yield said, z3.Implies(words.input(f"facts.{name}.ok", bool), z3.And(words.var(f"issued.{kind}"), is_alive))
