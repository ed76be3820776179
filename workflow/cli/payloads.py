"""From options to an event's payload. Secrets are asked for or read, never taken from the command line."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from workflow.states.definition import EventType, Field, FieldName, FieldType


def read_payload(
    type_: EventType | None, *, given: Sequence[str] | None, as_json: Sequence[str] | None, secret: Sequence[str] | None
) -> dict[str, object]:
    """Read ``--set``, ``--set-json`` and ``--secret`` into a payload.

    Texts become what the event's payload says: booleans, integers, lists. An unknown event or name is left to the engine,
    which knows what to say about it.
    """
    fields = type_.payload if type_ else {}
    payload: dict[str, object] = {}
    for text in given or ():
        name, value = _pair(text, "--set NAME=VALUE")
        field = fields.get(FieldName(name))
        if field is not None and field.is_secret:
            raise typer.BadParameter(f"{name} is a secret: give it with --secret {name}, so that it is in no history of commands.")
        payload[name] = _typed(field, value)
    for text in as_json or ():
        name, value = _pair(text, "--set-json NAME=JSON")
        try:
            payload[name] = json.loads(value)
        except json.JSONDecodeError as error:
            raise typer.BadParameter(f"The value of {name} is no JSON: {error}.") from error
    for text in secret or ():
        name, _, source = text.partition("=")
        payload[name] = _secret(name, source)
    return payload


def _pair(text: str, form: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not (found and name):
        raise typer.BadParameter(f"Write {form}.")
    return name, value


def _typed(field: Field | None, text: str) -> object:
    if field is None:
        return text
    if field.is_many:
        return [part.strip() for part in text.split(",") if part.strip()]
    if field.type is FieldType.BOOLEAN and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if field.type is FieldType.INTEGER and text.lstrip("-").isdecimal():
        return int(text)
    return text


def _secret(name: str, source: str) -> str:
    if source == "":
        return getpass.getpass(f"{name}: ")
    if source == "-":
        return sys.stdin.readline().rstrip("\r\n")
    if not source.startswith("@"):
        raise typer.BadParameter(f"Write --secret {name} (asks), --secret {name}=@FILE or --secret {name}=-, never the secret itself.")
    try:
        with Path(source[1:]).open(encoding="utf-8") as file:
            return file.readline().rstrip("\r\n")
    except OSError as error:
        raise typer.BadParameter(f"{source[1:]} cannot be read: {error.strerror}.") from error
