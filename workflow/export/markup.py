"""Text inside XML and HTML: escaped, and without the characters that XML cannot hold."""

from __future__ import annotations

import html
import re

# XML 1.0 §2.2, Char: everything but these. A replacement character says that something was there.
_FOREIGN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def text(value: object) -> str:
    """Escape a value for text and for quoted attributes; line breaks and tabs survive attribute normalisation."""
    clean = html.escape(_FOREIGN.sub("\ufffd", str(value)), quote=True)
    return clean.replace("\n", "&#10;").replace("\r", "&#13;").replace("\t", "&#9;")
