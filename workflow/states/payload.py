"""Payloads: an event's values against the schema of the definition.

Promises: values come out in their normal form, or every fault is named; nothing else of a payload is ever used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from itertools import islice

from workflow.errors import Reason
from workflow.states import catalogue as catalogues
from workflow.states.catalogue import Catalogue
from workflow.states.definition import EventType, Field, FieldType

MAX_SECRET_CHARACTERS = 1_024
MAX_LENGTHS = {FieldType.STRING: 254, FieldType.TEXT: 4_000, FieldType.EMAIL: 254, FieldType.PHONE: 40}  # 254: RFC 5321 §4.5.3.1.3
MAX_ITEMS = 100
MAX_UNKNOWN = 20
"""So many values that the event does not take are named; a payload of millions of them is no work of ours."""
MAX_INTEGER = 2**53 - 1  # RFC 8785: larger integers have no canonical form

# RFC 5321 §4.1.2 without quoted local parts and address literals, which no mail of an onboarding goes to.
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]{1,64}@(?:[A-Za-z0-9\u0080-\U0010ffff-]{1,63}\.)+[A-Za-z\u0080-\U0010ffff-]{2,63}"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # Unicode category Cc, and what breaks a line beside it
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_PHONE = re.compile(r"\+?[0-9 ()./-]{4,40}")
_MIN_DIGITS = 3  # service numbers; whether a number exists is for a check to say


class _Fault(Exception):  # noqa: N818  # becomes a Reason, never leaves this module
    pass


def validate(
    event: EventType, payload: Mapping[str, object], *, instance_fields: Mapping[str, object], catalogue: Catalogue | None
) -> tuple[dict[str, object], tuple[Reason, ...]]:
    """Bring a payload into its normal form, with all faults.

    Args:
        event: whose schema is meant.
        payload: as given.
        instance_fields: the instance's plain fields, for catalogue rules that refer to earlier answers.
        catalogue: the catalogue in force.

    Returns:
        The normal values by name (only those that were given or have a default), and the reasons (empty when all is well).
    """
    if not payload and not event.payload:
        return {}, ()
    normal: dict[str, object] = {}
    reasons = [_unknown(name, event) for name in islice((n for n in payload if n not in event.payload), MAX_UNKNOWN)]
    for name, field in event.payload.items():
        given = payload.get(name)
        if given is None or given in ("", (), []):
            reasons += _when_missing(field, given, normal)
            continue
        try:
            normal[name] = _many(field, given) if field.is_many else _NORMAL[field.type](field, given)
        except _Fault as fault:
            reasons.append(Reason(code="invalid_value", message=f"{name}: {fault}", field=name))
    reasons += _together(event, normal, instance_fields, catalogue)
    return normal, tuple(reasons)


def _unknown(name: str, event: EventType) -> Reason:
    # The name comes from anybody: it is shown escaped, and is no `field`, which goes into the history as it is.
    close = get_close_matches(name[:64], event.payload, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return Reason(code="unknown_value", message=f"The event {event.name!r} takes no value {name[:64]!a}.{hint}")


def _when_missing(field: Field, given: object, normal: dict[str, object]) -> list[Reason]:
    if field.default is not None:
        normal[field.name] = field.default
    elif field.is_required or field.must_be is not None:
        return [Reason(code="value_missing", message=f"{field.name} is required.", needed=f"a value for {field.name}", field=field.name)]
    elif given is not None and field.type is FieldType.TEXT and not field.is_many:
        normal[field.name] = ""
    return []


def _together(
    event: EventType, normal: Mapping[str, object], instance_fields: Mapping[str, object], catalogue: Catalogue | None
) -> list[Reason]:
    """Judge values that must fit one another: typed twice, or related by the catalogue."""
    reasons: list[Reason] = []
    for name, field in event.payload.items():
        if name not in normal:
            continue
        if field.same_as is not None and normal.get(field.same_as) != normal[name]:
            reasons.append(Reason(code="values_differ", message=f"{name} and {field.same_as} are not the same.", field=name))
        if field.catalogue is not None:
            reasons += catalogues.faults(field, normal[name], normal, instance_fields, catalogue)
    return reasons


def _many(field: Field, given: object) -> tuple[object, ...]:
    if not isinstance(given, list | tuple):
        raise _Fault("a list is needed.")
    if len(given) > MAX_ITEMS:
        raise _Fault(f"at most {MAX_ITEMS} values are allowed.")
    values = tuple(_NORMAL[field.type](field, item) for item in given)
    if len(set(values)) != len(values):
        raise _Fault("no value may be given twice.")
    return values


def _text(field: Field, given: object) -> str:
    limit = field.max_length or MAX_LENGTHS.get(field.type, 254)
    text = _encodable(given, limit)
    value = text if text.isascii() else _within(unicodedata.normalize("NFC", text), limit)  # some characters are longer in NFC
    forbidden = _CONTROL_IN_TEXT if field.type is FieldType.TEXT else _CONTROL
    if forbidden.search(value):
        raise _Fault("control characters and line breaks are not allowed here.")
    return value if field.type is FieldType.TEXT else value.strip()


def _encodable(given: object, limit: int) -> str:
    if not isinstance(given, str):
        raise _Fault("text is needed.")
    if given.isascii():
        return _within(given, limit)
    try:
        _within(given, limit).encode()
    except UnicodeEncodeError:
        raise _Fault("it holds a half of a character (a lone surrogate).") from None
    return given


def _within(value: str, limit: int) -> str:
    if len(value) > limit:
        raise _Fault(f"at most {limit} characters are allowed, these are {len(value)}.")
    return value


def _string(field: Field, given: object) -> str:
    value = _text(field, given)
    if not value:
        raise _Fault("it is blank.")
    return value


def _email(field: Field, given: object) -> str:
    local, _, domain = _string(field, given).rpartition("@")
    # Lower case first: the rules must hold for what is kept, and a letter may have a longer lower case.
    value = _within(unicodedata.normalize("NFC", f"{local}@{domain.lower()}"), field.max_length or MAX_LENGTHS[FieldType.EMAIL])
    is_odd = ".." in value or value.startswith(".") or ".@" in value or not value.isprintable()
    if is_odd or _EMAIL.fullmatch(value) is None:
        raise _Fault("that is no e-mail address; it looks like name@example.org.")
    return value


def _phone(field: Field, given: object) -> str:
    value = _string(field, given)
    if _PHONE.fullmatch(value) is None or sum(map(str.isdigit, value)) < _MIN_DIGITS:
        raise _Fault("that is no telephone number; it looks like +32 470 12 34 56.")
    return value


def _integer(field: Field, given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise _Fault("a whole number is needed.")
    low, high = (-MAX_INTEGER if field.min is None else field.min), (MAX_INTEGER if field.max is None else field.max)
    if not low <= given <= high:
        raise _Fault(f"a whole number from {low} to {high} is needed.")
    return given


def _boolean(field: Field, given: object) -> bool:
    if not isinstance(given, bool):
        raise _Fault("true or false is needed.")
    if field.must_be is not None and given is not field.must_be:
        raise _Fault("it must be accepted." if field.must_be else "it must not be set.")
    return given


def _date(field: Field, given: object) -> str:
    if isinstance(given, date) and not isinstance(given, datetime):
        return given.isoformat()
    try:
        return date.fromisoformat(_string(field, given)).isoformat()
    except ValueError:
        raise _Fault("a date is needed, like 2026-11-23.") from None


def _instant(field: Field, given: object) -> str:
    try:
        value = given if isinstance(given, datetime) else datetime.fromisoformat(_string(field, given))
    except ValueError:
        raise _Fault("an instant is needed, like 2026-11-23T09:30:00+01:00.") from None
    if value.utcoffset() is None:
        raise _Fault("the instant says no zone; add Z or +01:00.")
    try:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise _Fault("that instant lies outside the years 1 to 9999.") from None


def _choice(field: Field, given: object) -> str:
    if given not in field.values:
        raise _Fault(f"one of {', '.join(field.values)} is needed.")
    return str(given)


def _secret(field: Field, given: object) -> str:
    secret = _encodable(given, min(field.max_length or MAX_SECRET_CHARACTERS, MAX_SECRET_CHARACTERS))
    if "\x00" in secret:
        raise _Fault("it holds a NUL character.")
    return secret


_NORMAL: dict[FieldType, Callable[[Field, object], str | int | bool]] = {
    FieldType.STRING: _string,
    FieldType.TEXT: _text,
    FieldType.EMAIL: _email,
    FieldType.PHONE: _phone,
    FieldType.INTEGER: _integer,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATE: _date,
    FieldType.INSTANT: _instant,
    FieldType.CHOICE: _choice,
    FieldType.SECRET: _secret,
}


def normal_for_uniqueness(field: Field, value: object) -> str:
    """Give the form under which a unique value is compared: NFC and case-folded."""
    return unicodedata.normalize("NFC", str(value)).casefold() if field.type.is_text_like else str(value)
