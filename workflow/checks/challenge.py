"""Challenges that are sent or shown: made, limited in number, and compared.

Promises: 45 random bits in a code for people, 256 in one for machines; compared in constant time; at most ten minutes old.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from workflow.checks.credentials import Content
from workflow.checks.reading import elapsed, number
from workflow.checks.specs import OUT_OF_BAND_SECONDS
from workflow.errors import Reason
from workflow.ports import CheckInput

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters that nobody mistakes for each other: no 0, O, 1 or I."""
CODE_CHARACTERS: Final = 9
LIMITED: Final = Reason(
    code="too_many_requests",
    message="Too many were asked for in a short time.",
    needed="Use the newest one, or wait a while and ask again.",
)


def new_code() -> str:
    """Make a code for people, nine characters such as ``AB3-9KX-27P``: 45 bits."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS))
    return "-".join((drawn[:3], drawn[3:6], drawn[6:]))


def new_challenge() -> str:
    """Make a challenge for machines: 256 bits as 64 characters of hex."""
    return secrets.token_hex(32)


def is_same_code(typed: str, expected: str) -> bool:
    """Compare a typed code in constant time; case, hyphens and blanks do not count. An empty expected code never matches."""
    plain = _plain(expected)
    return hmac.compare_digest(_plain(typed).encode(), plain.encode()) and plain != ""


def _plain(code: str) -> str:
    return "".join(character for character in code.upper() if character.isalnum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How long a challenge lives, and how many may be made (`limit`) in how long (`per`)."""

    ttl: timedelta
    limit: int
    per: timedelta

    @staticmethod
    def read(seen: CheckInput, *, ttl: str) -> Window:
        """Read the parameters of a check that makes challenges; `ttl` is the default life, never more than ten minutes."""
        return Window(
            ttl=elapsed(seen, "ttl", ttl, longest_seconds=OUT_OF_BAND_SECONDS),
            limit=number(seen, "limit", 5),
            per=elapsed(seen, "per", "PT15M"),
        )

    def is_used_up(self, content: Content, now: datetime) -> bool:
        """Tell whether as many as allowed were made lately, by what the credential remembers."""
        return len(_recent(content, now, self.per)) >= self.limit

    def issued(self, content: Content, now: datetime) -> list[int]:
        """Give what the credential shall remember after one more."""
        return [*_recent(content, now, self.per), int(now.timestamp())]

    def expiry(self, now: datetime) -> str:
        """Give the instant from which a challenge made now is dead, as text."""
        return (now + self.ttl).isoformat()


def is_expired(challenge: dict[str, Any] | None, now: datetime) -> bool:
    """Tell whether a kept challenge is dead; one that is not there is not expired, it is just wrong."""
    return challenge is not None and now >= datetime.fromisoformat(challenge["expires_at"])


def _recent(content: Content, now: datetime, per: timedelta) -> list[int]:
    since = (now - per).timestamp()
    return [made_at for made_at in content.get("issued", []) if made_at > since]
