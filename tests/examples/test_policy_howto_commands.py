"""The later steps of the walk to a proven policy, typed as the page prints them."""

from __future__ import annotations

import re
from contextlib import chdir
from pathlib import Path

from tests.examples.test_policy_howto import PAGE, with_decisions
from tests.support.commands import typed
from workflow import bootstrap
from workflow.settings import development_keys
from workflow.states.instance import Actor, Event
from workflow.states.verdict import Accepted


def permit(folder: Path) -> Path:
    path = folder / "permit.yaml"
    path.write_text(with_decisions(), encoding="utf-8")
    return path


def test_the_engine_keeps_the_policy_and_everything_is_covered(tmp_path: Path) -> None:
    """The table of the page, line by line."""
    said = typed("policy", "test", permit(tmp_path), "--examples", "30", "--coverage-threshold", "100")
    assert 0 == said.code, said.out
    rows = re.findall(r"^(?:states|transitions|timer rungs|role refusals) .*$", PAGE, re.MULTILINE)
    assert 4 == len(rows)
    assert [] == [row for row in rows if row not in said.out]
    assert "parking-permit: passed; 30 onboardings, 3000 steps" in said.out


def test_what_the_policy_does_not_notice_is_named_with_the_missing_property(tmp_path: Path) -> None:
    """The survivor of the page survives, and its property is the one that is printed."""
    said = typed("policy", "mutate", permit(tmp_path), "--jobs", "1")
    (missing,) = re.findall(r"^  missing: .*$", PAGE, re.MULTILINE)
    assert missing in said.out


def test_a_new_version_means_what_the_page_says(tmp_path: Path) -> None:
    """Two requests, one of them approved: the comparison and its meaning, word for word, without examples and long lines."""
    old, new = permit(tmp_path), tmp_path / "new.yaml"
    text = with_decisions().replace("name: reminder, after: P3D", "name: reminder, after: P5D")
    new.write_text(text.replace("approve: {by: [manager],", "approve: {by: [gate],"), encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'permits.db'}"
    with bootstrap.open_engine(url, keys=development_keys(), upgrade=True) as engine:
        bootstrap.publish(engine, old)
        for name in ("ann", "bob"):
            started = engine.start("parking-permit", Event.of("ask", Actor.of(name), plate="1-ABC-234"), subject=name)
            assert isinstance(started, Accepted)
            if name == "ann":
                engine.fire(started.instance.id, Event.of("approve", Actor.of("max", "manager")))
    with chdir(tmp_path):
        said = typed("policy", "diff", "permit.yaml", "new.yaml", "--impact", url)
    assert 6 == said.code, said.err
    printed = PAGE.partition("--impact sqlite:///permits.db\n")[2].partition("```")[0]
    shown = re.sub(r"^ {13}e\.g\..*\n(?: {19}.*\n)*", "", said.out, flags=re.MULTILINE)
    assert printed == shown
