"""Whether a password is one that others guess first.

Promises: offline and deterministic; the list is a file beside this module. The rules, on the case-folded password:
it is on the list, or its letters without a short or patterned head and tail are; it repeats one short piece; or it runs
along the alphabet, the digits or a row of the keyboard.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "0123456789012345678901234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)
_LEET: Final = str.maketrans("@430!15$7", "aaeoiisst")
_SHORT_PIECE: Final = 4
_SHORT_PART: Final = 4
_PARTS: Final = re.compile(r"\d+|\D+")


@cache
def common_passwords() -> frozenset[str]:
    """Give the list, case-folded."""
    lines = files(__package__).joinpath("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.casefold() for line in lines if line and not line.startswith("#"))


def folded(text: str) -> str:
    """Give the form in which texts are compared: case and compatibility forms do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFC", text).casefold())


def is_common(password: str) -> bool:
    """Tell whether a password is too common to be accepted."""
    plain = folded(password)
    squeezed = "".join(plain.split())
    forms = {plain, squeezed, squeezed.translate(_LEET)}
    return any(form in common_passwords() or is_pattern(form) or _has_common_core(form) for form in forms)


def is_pattern(text: str) -> bool:
    """Tell whether a text repeats one short or common piece, or runs along a row."""
    piece = _repeated_piece(text)
    if len(piece) < len(text) and (len(piece) <= _SHORT_PIECE or piece in common_passwords() or _is_run(piece)):
        return True
    return len(text) > _SHORT_PIECE and _is_run(text)


def _repeated_piece(text: str) -> str:
    """Give the shortest piece of which the text is a whole number of repetitions."""
    start = (text + text).find(text, 1) if text else 0
    return text[:start]


def _is_run(text: str) -> bool:
    return any(text in row or text[::-1] in row for row in _ROWS)


def _has_common_core(text: str) -> bool:
    letters = [index for index, character in enumerate(text) if character.isalpha()]
    if not letters:
        return False
    head, core, tail = text[: letters[0]], text[letters[0] : letters[-1] + 1], text[letters[-1] + 1 :]
    is_weak_around = all(len(part) <= _SHORT_PART or is_pattern(part) for affix in (head, tail) for part in _PARTS.findall(affix))
    return is_weak_around and (core in common_passwords() or (len(core) > _SHORT_PIECE and is_pattern(core)))
