"""How checks read what they are given: payload values, parameters, fields, durations.

Promises: a value of the wrong kind reads as absent; nothing here raises with a value in it.
"""

from __future__ import annotations

from datetime import timedelta

from workflow.errors import SettingsError
from workflow.ports import CheckInput
from workflow.states.definition import FieldName
from workflow.states.durations import read_duration


def payload_text(seen: CheckInput, name: str, default: str = "") -> str:
    """Give the text that the payload has under the name that parameter `name` says (by default `default`, else `name` itself).

    Text that no UTF-8 can carry (a lone surrogate) reads as empty, so that no codec error ever shows a secret.
    """
    value = seen.payload.get(text(seen, name, default or name), "")
    if not isinstance(value, str):
        return ""
    return value if value.encode(errors="replace").decode() == value else ""


def text(seen: CheckInput, name: str, default: str = "") -> str:
    """Give a parameter as text."""
    return str(seen.use.params.get(name, default))


def texts(seen: CheckInput, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Give a parameter as a list of texts; one value is a list of one."""
    value = seen.use.params.get(name, default)
    return value if isinstance(value, tuple) else (str(value),)


def number(seen: CheckInput, name: str, default: int) -> int:
    """Give a parameter as an integer."""
    value = seen.use.params.get(name, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def elapsed(seen: CheckInput, name: str, default: str, *, longest_seconds: int | None = None) -> timedelta:
    """Give a parameter as an elapsed duration (``PT5M``), cut to what its kind of check may have at most."""
    unit = read_duration(text(seen, name, default))
    if unit is None or unit.kind != "elapsed":
        raise SettingsError(f"The check {seen.use.name!r} has a {name} that is no duration such as {default or 'PT5M'}.")
    return timedelta(seconds=unit.amount if longest_seconds is None else min(unit.amount, longest_seconds))


def field_text(seen: CheckInput, name: str) -> str:
    """Give a field's value: from this payload, else from the instance, personal or not; empty when it has none."""
    for value in (seen.payload.get(name), _plain(seen, name), seen.personal(FieldName(name))):
        if isinstance(value, str) and value:
            return value
    return ""


def _plain(seen: CheckInput, name: str) -> object:
    return None if seen.situation is None else seen.situation.instance.fields.get(FieldName(name))
