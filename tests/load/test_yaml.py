"""YAML is read by the rules of YAML 1.2, and nothing of it but data; hostile input gives one finding, quickly."""

from __future__ import annotations

import sys
import time

import pytest

from workflow.errors import DefinitionError
from workflow.load.yaml import MAX_BYTES, MAX_VALUES, compose, compose_leniently
from workflow.states.node import MAX_DEPTH


def value_of(text: str) -> object:
    """Compose a document with one value."""
    node = compose(f"value: {text}\n".encode(), file="x").get("value")
    assert node is not None
    return node.plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("5:00", "5:00"),
        ("2026-11-23", "2026-11-23"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("nUll", "nUll"),
        ("12", 12),
        ("-12", -12),
        ("+12", 12),
        ("012", 12),
        ("0o14", 12),
        ("0xC", 12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".", "."),
        ("e3", "e3"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("'~'", "~"),
        ("2bd", "2bd"),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object):
    """Only null, true, false, whole numbers and floats are no text (YAML 1.2.2, 10.3.2)."""
    found = value_of(text)

    assert value == found
    assert type(value) is type(found)


def test_infinity_and_no_number_are_floats():
    """The core schema has them; no place of the language takes them."""
    assert float("inf") == value_of(".inf")
    assert float("-inf") == value_of("-.Inf")
    assert str(value_of(".NaN")) == "nan"


def test_keys_are_text_as_written():
    """A key is a name, whatever it would be as a value."""
    node = compose(b"on: 1\nNO: 2\n5: 3\ntrue: 4\n", file="x")

    assert {"on": 1, "NO": 2, "5": 3, "true": 4} == node.plain()


def test_values_and_keys_know_their_places():
    """Lines and columns are 1-based and count characters, not bytes."""
    node = compose("a: 1\né: {bö: [x, y]}\n".encode(), file="x")
    inner = node.entries["é"]

    assert (2, 1) == node.key_places["é"]
    assert (2, 4) == inner.place
    assert (2, 5) == inner.key_places["bö"]
    assert (2, 13) == inner.entries["bö"].items[1].place


def test_a_byte_order_mark_and_windows_line_ends_are_harmless():
    """What common editors add changes neither values nor places."""
    node = compose(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n  y\r\n", file="x")

    assert {"a": 1, "b": "x\ny\n"} == node.plain()
    assert (1, 1) == node.key_places["a"]
    assert (2, 1) == node.key_places["b"]


def test_every_duplicate_key_is_noted_and_the_first_counts():
    """Keys that stand twice are all reported, and reading goes on."""
    node, findings = compose_leniently(b"a: 1\nb: {c: 1, c: 2}\na: 3\n", file="x")

    assert node is not None
    assert [(2, 11, "duplicate-key"), (3, 1, "duplicate-key")] == [(one.line, one.column, one.code) for one in findings]
    assert {"a": 1, "b": {"c": 1}} == node.plain()


def bomb() -> bytes:
    """Write a billion laughs."""
    lines = ["a: &a [lol]"] + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    return "\n".join(lines).encode()


HOSTILE = {
    "ten_megabytes": (b"a: " + b"x" * 10_000_000, "document-too-large"),
    "one_byte_too_many": (b"#" * (MAX_BYTES + 1), "document-too-large"),
    "deep_lists": (b"[" * 1_000_000, "too-deep"),
    "deep_mappings": (b"{a: " * 200_000, "too-deep"),
    "deep_blocks": (b"- " * 500_000, "too-deep"),
    "deep_indentation": (b"\n".join(b" " * n + b"a:" for n in range(1_000)), "too-deep"),
    "keys_in_keys": (b"? " * 500_000, "key-not-text"),
    "braces": (b"{" * 1_000_000, "key-not-text"),
    "alias_bomb": (bomb(), "anchor"),
    "alias_to_itself": (b"a: *a", "alias"),
    "binary": (bytes(range(256)), "not-utf-8"),
    "elf": (b"\x7fELF\x02\x01\x01\x00", "control-character"),
    "nul": (b"a: b\x00c", "control-character"),
    "nul_escaped": (b'a: "b\\0c"', "control-character"),
    "nul_in_key": (b'"b\\0c": 1', "control-character"),
    "utf16": ("a: b".encode("utf-16"), "not-utf-8"),
    "utf16_without_mark": ("a: b".encode("utf-16-le"), "control-character"),
    "utf32": ("a: b".encode("utf-32"), "not-utf-8"),
    "latin1": ("a: é".encode("latin-1"), "not-utf-8"),
    "half_a_character": ("a: \ud800".encode("utf-8", "surrogatepass"), "not-utf-8"),
    "escape_sequence": (b"a: \x1b[2J", "control-character"),
    "direction_override": ("a: \u202eb".encode(), "control-character"),
    "line_separator": ("a: b\u2028c: d".encode(), "control-character"),
    "nothing": (b"", "empty-document"),
    "only_a_comment": (b"# nothing\n", "empty-document"),
    "two_documents": (b"a: 1\n---\nb: 2\n", "several-documents"),
    "python_object": (b"a: !!python/object/apply:os.system [id]\n", "tag"),
    "own_tag": (b"a: !mine b\n", "tag"),
    "tag_directive": (b"%TAG ! tag:example.com,2000:\n---\na: 1\n", "directive"),
    "merge": (b"a: {<<: {b: 1}}\n", "merge-key"),
    "tab_indentation": (b"a:\n\tb: 1\n", "yaml-syntax"),
    "unclosed": (b"a: [1, 2\n", "yaml-syntax"),
    "unclosed_quote": (b'a: "' + b"x" * 500_000, "yaml-syntax"),
    "huge_number": (b"a: " + b"9" * 1_000_000, "number-too-large"),
    "huge_hexadecimal": (b"a: 0x" + b"f" * 1_000_000, "number-too-large"),
    "many_values": (b"- a\n" * (MAX_BYTES // 4), "too-many-values"),
    "many_keys": (b"".join(b"%d: a\n" % number for number in range(MAX_VALUES + 1)), "too-many-values"),
    "many_anchors": (b"&" * 1_000_000, "yaml-syntax"),
    "many_percents": (b"%" * 1_000_000, "yaml-syntax"),
    "many_tags": (b"!" * 1_000_000, "tag"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_input_gives_one_finding_within_a_second(name: str):
    """Whatever comes in as bytes, the answer is one finding, quickly, and never another exception."""
    data, code = HOSTILE[name]
    started = time.process_time()
    node, findings = compose_leniently(data, file="hostile")
    elapsed = time.process_time() - started

    assert node is None
    assert [code] == [finding.code for finding in findings]
    assert elapsed < (1 if sys.gettrace() is None else 4), "measuring coverage costs a multiple"
    assert len(findings[0].message) < 300
    assert len(findings[0].source) <= 200
    assert findings[0].source.isprintable()


def test_the_depth_that_is_allowed_is_read():
    """The limit itself is inside."""
    node = compose(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, file="x")

    assert isinstance(node.value, tuple)


def test_the_place_of_a_wrong_byte_is_named():
    """A byte that is no UTF-8 is found in its line and column."""
    with pytest.raises(DefinitionError) as caught:
        compose("a: 1\nbö: x".encode() + b"\xff", file="f.yaml")

    assert (2, 6) == (caught.value.findings[0].line, caught.value.findings[0].column)
