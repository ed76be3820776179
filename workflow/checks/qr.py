"""QR codes as pictures; the only importer of `segno`."""

from __future__ import annotations

from io import BytesIO, StringIO

import segno


def svg(text: str) -> str:
    """Give an SVG element for a page: no XML declaration, no script, no style, and nothing that loads from elsewhere."""
    out = BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", scale=4, border=4, xmldecl=False, svgns=True, light="#fff")
    return out.getvalue().decode()


def terminal(text: str) -> str:
    """Give the code as lines of block characters for a terminal."""
    out = StringIO()
    segno.make(text, error="l", micro=False).terminal(out=out, compact=True)
    return out.getvalue()
