"""The walk from an empty file to a proven policy says what really comes of each of its steps."""

from __future__ import annotations

import re
from pathlib import Path

from workflow import bootstrap
from workflow.cli.prove import report_of
from workflow.load import inspect

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy-howto.md").read_text(encoding="utf-8")
FIRST, WITH_POLICY, DECISIONS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def with_decisions() -> str:
    """Replace the three lines as the page asks for."""
    text = WITH_POLICY
    for line in DECISIONS.splitlines():
        name = line.partition(":")[0]
        text = re.sub(rf"^{name}: .*$", lambda _, line=line: line, text, flags=re.MULTILINE)
    return text


def said(text: str) -> list[str]:
    """Give the findings as the page prints them, without the source lines."""
    _, findings = inspect(text, name="permit.yaml", known=bootstrap.known())
    return [one.render().splitlines()[0] for one in findings]


def test_each_step_has_the_findings_that_the_page_prints():
    """Word for word, with line and column; the last one has none."""
    printed = re.findall(r"^permit\.yaml:.*$", PAGE, re.MULTILINE)

    assert printed == [*said(FIRST), *said(WITH_POLICY)]
    assert [] == said(with_decisions())


def test_the_policy_is_proven_and_without_decisions_refuted(tmp_path: Path):
    """The table of the page, and the timeline behind it."""
    path = tmp_path / "permit.yaml"
    path.write_text(with_decisions(), encoding="utf-8")
    rows = [(one.outcome.value, one.rule.name) for one in report_of(path).verdicts]
    path.write_text(WITH_POLICY, encoding="utf-8")
    weak = {one.rule.name: one for one in report_of(path).verdicts}

    assert rows == re.findall(r"^(PROVEN) .*? error +(.*?)  ", PAGE, re.MULTILINE)
    timeline = [happening.line() for happening in weak["nobody approves their own permit"].timeline]
    assert all(line in PAGE for line in timeline)
    assert ["REFUTED", "REFUTED"] == [one.outcome.value for one in weak.values() if one.outcome.value != "PROVEN"]
