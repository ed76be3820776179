"""Whoever reads a history reads words, not codes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.approvals import whole
from workflow.bootstrap import known
from workflow.export.lines import read_lines
from workflow.export.reasons import WORDS, words_of
from workflow.load import load

WORKFLOW = Path(__file__).parents[2] / "workflow"
ONLY_TOLD = {"not_judged"}
"""Codes that the engine takes out again before anything is recorded."""


def given_codes() -> set[str]:
    """Collect the codes that the engine and its checks give: literal ones, and those that a small function puts together."""
    found = {"guard_false", "guard_error", "locked", "disabled", "code_replayed", "code_wrong", "pin_wrong", "given_up"}
    found |= {f"{name}_{end}" for name in ("initialise", "confirmation", "push") for end in ("used", "not_genuine")}
    for room in ("states", "engine", "checks"):
        for path in (WORKFLOW / room).glob("*.py"):
            text = path.read_text(encoding="utf-8")
            if room == "states" and path.name.startswith(("parse", "check")):
                continue  # findings of definitions have codes too
            found |= set(re.findall(r"(?:Reason\(\s*|[( ])(?:code|private)=\"([a-z_]+)\"", text))
            found |= set(re.findall(r"_reason\(\s*\"([a-z_]+)\"", text))
    return found


def test_every_code_of_the_engine_and_its_checks_has_words() -> None:
    """A code that is new in the source needs a sentence here, and a sentence here stands for a code of the source."""
    assert set() == given_codes() - WORDS.keys() - ONLY_TOLD
    assert set() == WORDS.keys() - given_codes()


def test_words_are_sentences() -> None:
    """Each is one sentence with a capital and a full stop, without names of the source."""
    for code, words in WORDS.items():
        assert re.fullmatch(r"[A-Z][^.]+\.", words), code
        assert "_" not in words, code


def test_the_definition_speaks_first() -> None:
    """A guard's own words win; then those of the code; a detail after a colon does not hide them; a field is named."""
    guards = {"fresh_sign_in": "Sign in first.", "wrong_state": "Not here."}
    assert "Sign in first." == words_of({"code": "fresh_sign_in"}, guards)
    assert "Not here." == words_of({"code": "wrong_state"}, guards)
    assert WORDS["guard_error"] == words_of({"code": "guard_error: division by zero", "public": "x"}, guards)
    assert "Sign in first." == words_of({"code": "of_a_host", "public": "fresh_sign_in"}, guards)
    assert "" == words_of({"code": "of_a_host", "public": "of_a_host"}, guards)
    assert "A required value was not given: rationale." == words_of({"code": "value_missing", "field": "rationale"}, guards)


def test_every_refusal_of_a_history_is_told_in_words() -> None:
    """In a whole history no reason of a refusal is a bare code."""
    house, id_ = whole()
    definition = load((WORKFLOW.parent / "definitions" / "cpms-access.yaml").read_text(encoding="utf-8"), known=known())
    lines = list(read_lines(house.engine.history(id_), (), definition))
    refused = [reason for line in lines if line.is_refusal for reason in line.reasons]
    assert refused
    assert [WORDS["own_request"]] == [words for code, words in refused if code == "own_request"]
