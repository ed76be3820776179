"""Password profiles: which new passwords are accepted, by named sets of rules.

Promises: all reasons at once; lengths count Unicode code points after NFC; white space is kept; nothing is cut off.
A reason names what is needed and never what was typed.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from workflow.checks.blocklist import folded, is_common
from workflow.errors import Reason

LONGEST: Final = 1024
"""Code points; more are refused before anything else is done with them."""
SPECIAL: Final = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""The special characters of `eu-login-2023`: the printed list and ``$``, which its first example needs."""
_GROUPS: Final = (string.ascii_uppercase, string.ascii_lowercase, string.digits, SPECIAL)
_SHORTEST_WORD: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named set of rules.

    Attributes:
        least: code points needed at least.
        groups: how many of the four groups (A-Z, a-z, 0-9, special) are needed.
        has_blocklist: whether common passwords and words of the person or the service are refused.
        deviations: in what a legacy profile falls short of NIST SP 800-63B-4; empty for one that follows it.
    """

    name: str
    least: int
    groups: int = 0
    has_blocklist: bool = True
    deviations: tuple[str, ...] = ()


PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile(name="nist-800-63b-4", least=15),
        Profile(name="nist-800-63b-4-with-second-factor", least=8),
        Profile(
            name="eu-login-2023",
            least=10,
            groups=3,
            has_blocklist=False,
            deviations=(
                "10 characters are enough where 15 are needed for a password that is used alone (§3.1.1.2)",
                "characters of three groups are required, a composition rule (§3.1.1.2 forbids them)",
                "passwords are not compared with a blocklist of common and context words (§3.1.1.2 requires it)",
            ),
        ),
    )
}
"""Profile name -> rules; the first is the default."""
DEFAULT: Final = "nist-800-63b-4"


def normalised(password: str) -> str:
    """Give the form in which passwords are counted, hashed and compared: NFC."""
    return unicodedata.normalize("NFC", password)


def is_too_long(password: str) -> bool:
    """Tell whether a password is refused before any work is done with it (NFC makes none longer than three times)."""
    return len(password) > 4 * LONGEST or len(normalised(password)) > LONGEST


def password_faults(password: str, profile: Profile, *, username: str = "", words: Iterable[str] = ()) -> tuple[Reason, ...]:
    """Give every reason why a new password does not follow the profile; empty when it does.

    Args:
        password: as typed.
        profile: the rules.
        username: must not be contained, whatever the case; empty when there is none.
        words: of the person and the service; those of four characters and more must not be contained.
    """
    if is_too_long(password):
        return (_reason("too_long", "The password is too long.", f"At most {LONGEST} characters."),)
    return tuple(_faults(normalised(password), profile, username, words))


def _faults(password: str, profile: Profile, username: str, words: Iterable[str]) -> Iterator[Reason]:
    if len(password) < profile.least:
        yield _reason("too_short", "The password is too short.", f"At least {profile.least} characters.")
    missing = profile.groups - sum(any(character in group for character in password) for group in _GROUPS)
    if missing > 0:
        yield _groups_missing(profile, missing)
    if username and _caseless(username) in _caseless(password):
        yield _reason("contains_username", "The password contains the username.", "A password without the username.")
    if not profile.has_blocklist:
        return
    if is_common(password):
        yield _reason("common_password", "The password is one of those that are guessed first.", "A less common password.")
    if any(word in folded(password) for word in _long_words(words)):
        yield _reason(
            "contains_context_word",
            "The password contains a name or word that belongs to you or to this service.",
            "A password without your names, your address and the name of the service.",
        )


def _groups_missing(profile: Profile, missing: int) -> Reason:
    return _reason(
        "groups_missing",
        f"Characters of {missing} more {'group' if missing == 1 else 'groups'} are needed.",
        f"Characters of at least {profile.groups} of the four groups A-Z, a-z, 0-9 and special characters {SPECIAL}",
    )


def _reason(code: str, message: str, needed: str) -> Reason:
    return Reason(code=code, message=message, needed=needed, field="password")


def _caseless(text: str) -> str:
    return normalised(normalised(text).casefold())


def _long_words(words: Iterable[str]) -> Iterator[str]:
    """Give the words to look for: the part of an address before the @, and what stands between blanks."""
    for word in words:
        for piece in folded(word.partition("@")[0]).split():
            if len(piece) >= _SHORTEST_WORD:
                yield piece
