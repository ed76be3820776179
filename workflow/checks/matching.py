"""The check that somebody knows a value of the onboarding, such as the username that has to be typed again."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Final

from workflow.checks.links import NOT_GENUINE
from workflow.checks.reading import payload_text, text
from workflow.errors import Reason
from workflow.ports import CheckInput, CheckResult
from workflow.states.definition import FieldName
from workflow.states.payload import normal_for_uniqueness

_DIFFERS: Final = Reason(code="value_wrong", message="That is not what is known here.", private="value_differs")


def matches_field(seen: CheckInput, /) -> CheckResult:
    """Kind ``matches_field``: compare the typed value with the subject's field, both in normal form, in constant time.

    An unset field matches nothing. With ``reads_as: unknown_link`` the public reason is that of a link that is not ours,
    so that the holder of a link cannot try out whose it is.
    """
    field = seen.definition.fields[FieldName(text(seen, "field"))]
    plain = seen.situation.instance.fields.get(field.name) if seen.situation else None
    kept = plain if plain is not None else seen.personal(field.name)
    typed = payload_text(seen, "value", default="username")
    known = normal_for_uniqueness(field, kept).encode() if kept is not None else b""
    is_same = hmac.compare_digest(normal_for_uniqueness(field, typed).encode(), known)
    is_ok = is_same and bool(known)
    reason = replace(NOT_GENUINE, private=_DIFFERS.private) if text(seen, "reads_as") == "unknown_link" else _DIFFERS
    return CheckResult(facts={"ok": is_ok}, reasons=() if is_ok else (reason,))
