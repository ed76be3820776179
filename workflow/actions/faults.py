"""How performers say that they could not, and what may not stand in a header."""

from __future__ import annotations

import unicodedata

from workflow.errors import ActionError
from workflow.ports import Briefing


class GatewayError(Exception):
    """A gateway did not take a message; the text is for the operator and repeats neither number nor code."""

    def __init__(self, message: str, *, will_retry: bool) -> None:
        """Say why, and whether another attempt can help."""
        super().__init__(message)
        self.will_retry = will_retry


def fault(briefing: Briefing, message: str, /, *, will_retry: bool) -> ActionError:
    """Make the error for one message; `message` is for the operator and holds no value of the briefing."""
    effect = briefing.message.effect
    return ActionError(message, effect=f"{effect.kind}:{effect.name}", attempts=briefing.message.attempts, will_retry=will_retry)


def has_control(text: str, /) -> bool:
    """Tell whether a text contains NUL, a line break of any kind, or another control character."""
    return any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in text)
