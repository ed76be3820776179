"""The printable page: self-contained, without a script, and nothing that a value holds becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from workflow.export.html import Page, Row, Table, page

VOID = {"meta"}


class Reader(HTMLParser):
    """Collects elements and text, and refuses what is not closed in order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.words.append(data)


def made(value: str, **more) -> str:
    row = Row(number=1, at=value, at_utc=value, what=value, tone="refused", place=value, details=((value, value),))
    table = Table(title=value, facts=((value, value),), columns=(value,), rows=((value,),))
    return page(
        Page(title=value, instance=value, facts=((value, value),), is_verified=True, verification=value, rows=[row], tables=[table], **more)
    )


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


PLAIN, EMPTY = read(made("x")).seen, read(made("")).seen


@given(st.text())
def test_a_value_never_becomes_markup(value):
    """Whatever the values are, the page has the same elements."""
    assert read(made(value)).seen == (PLAIN if value else EMPTY)


def test_the_page_needs_nothing_else():
    """No script, no link, no image, no address: it can be kept, mailed and printed, and asks nobody for anything."""
    text = made('<script src="https://evil.example/x.js"></script>')
    found = read(text)
    assert not {"script", "link", "img", "iframe", "a", "form"} & set(found.seen)
    assert not {"src", "href", "srcset", "action"} & {name for name, _ in found.attributes}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.findall(r"url\(|@import", text)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in found.attributes


def test_a_broken_chain_is_said_first():
    """Whether the history can be believed stands above it."""
    content = Page(title="t", instance="i", facts=(), is_verified=False, verification="BROKEN at entry 3", rows=[])
    text = page(content)
    assert 'class="broken"' in text
    assert text.index("BROKEN at entry 3") < text.index("What happened")
    assert "Deadlines" not in text
