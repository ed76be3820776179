"""`workflow check` on files that nobody wrote in good faith: one finding, little output, at once."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.support.commands import typed

TEN_MEGABYTES = 10_000_000
BOMB = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (at, at, at - 1, at - 1) for at in range(ord("b"), ord("z")))
HOSTILE = {
    "ten_megabytes": (b"definition: a\nx: '" + b"a" * TEN_MEGABYTES + b"'\n", "document-too-large"),
    "ten_megabytes_of_lines": (b"- a\n" * (TEN_MEGABYTES // 4), "document-too-large"),
    "deep_nesting": (b"definition: " + b"[" * 100_000, "too-deep"),
    "deep_blocks": (b"".join(b" " * depth + b"a:\n" for depth in range(1_400)), "too-deep"),
    "alias_bomb": (BOMB, "anchor"),
    "binary": (random.Random(4711).randbytes(100_000), "not-utf-8"),
    "nul": (b"definition: a\x00b\n", "control-character"),
    "utf_16": ("definition: a\n".encode("utf-16"), "not-utf-8"),
    "utf_16_without_mark": ("definition: a\n".encode("utf-16-be"), "control-character"),
    "latin_1": ("title: Zürich\n".encode("latin-1"), "not-utf-8"),
    "fault_far_to_the_right": (b"definition: {a: '" + b"x" * 500_000 + b"', b: !mine c}\n", "tag"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_give_one_finding_within_a_second(tmp_path: Path, name: str) -> None:
    """Exit code 1, the one fault with its place, less than a screen of output, and less than a second of work."""
    content, code = HOSTILE[name]
    path = tmp_path / "hostile.yaml"
    path.write_bytes(content)
    typed("check", tmp_path / "missing.yaml")  # what is loaded once is not what is measured
    began = time.process_time()
    said = typed("check", path)
    took = time.process_time() - began
    assert (said.code, said.err) == (1, "")
    assert f"error[{code}]: " in said.out
    assert "1 document(s) checked: 1 error(s)" in said.out
    assert len(said.out) < 1_500
    assert took < 1


def test_a_file_without_an_end_is_read_as_far_as_it_may_be_long() -> None:
    """A device that never ends is too large, and nothing more."""
    said = typed("check", "/dev/zero")
    assert said.code == 1
    assert "/dev/zero:1:1: error[document-too-large]: The document has more than 1048576 bytes" in said.out
