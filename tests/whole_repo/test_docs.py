"""What is written about the code is true of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.generate import generated

MARKDOWN = re.compile(r"\[[^\]]*\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)")


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_everything_generated_is_current() -> None:
    """Schema, picture and command reference are what `make docs` would write now."""
    stale = [path.name for path, text in generated().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    assert [] == stale, "run `make docs`"


def test_the_start_of_the_readme_runs(root: Path, tmp_path: Path) -> None:
    """The first Python of the README runs as printed, in twelve lines and an import, and prints what its comments say."""
    (tmp_path / "examples").symlink_to(root / "examples")
    code = _blocks((root / "README.md").read_text(encoding="utf-8"), "python")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (0, "") == (run.returncode, run.stderr)
    verdict, outcome, history = run.stdout.splitlines()
    assert ("role_missing" in verdict, "own_request" in verdict) == (True, True)
    assert "badge_given success" == outcome
    assert "[('ask', 'p-4711'), ('approve', 'p-0815')]" == history


def test_commands_in_documents_are_in_the_makefile(committed: tuple[Path, ...], root: Path) -> None:
    """Whoever types a `make` command from a document gets what it says."""
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = {
        word
        for path in committed
        if path.suffix == ".md"
        for word in re.findall(r"(?:^|`)make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"demo", "test"} <= used
    assert set() == used - targets


def test_commands_of_the_program_exist(committed: tuple[Path, ...], root: Path) -> None:
    """Whoever types a `workflow` command from a document gets what it says."""
    reference = (root / "docs" / "cli.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^## `workflow ([a-z-]+(?: [a-z-]+)?)`", reference, re.MULTILINE))
    used = {
        (path.name, words)
        for path in committed
        if path.suffix == ".md"
        for words in re.findall(r"`workflow ([a-z][a-z-]+(?: [a-z][a-z-]+)?)", path.read_text(encoding="utf-8"))
    }
    assert used
    assert set() == {(name, words) for name, words in used if words not in known and words.split()[0] not in known}


def test_links_lead_somewhere(committed: tuple[Path, ...], root: Path) -> None:
    """A relative link in a document names a file that is there."""
    broken = [
        f"{path.relative_to(root)}: {target}"
        for path in committed
        if path.suffix == ".md"
        for target in MARKDOWN.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert [] == broken


def test_every_setting_is_documented(root: Path) -> None:
    """`docs/settings.md` has a row for each variable that is read, and for no other."""
    code = (root / "workflow" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'self\._(?:text|one_of|number|name|address)\("([A-Z_]+)"|PREFIX \+ "([A-Z_]+)"', code))
    page = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    assert {a or b for a, b in read} == set(re.findall(r"^\| `WORKFLOW_([A-Z_]+)`", page, re.MULTILINE))


def test_every_kind_of_check_is_documented(root: Path) -> None:
    """`docs/checks.md` has a row for each built-in kind of check, and for no other."""
    from workflow.checks import SPECS  # noqa: PLC0415  # loads what checking needs; no other test here wants it

    table = (root / "docs" / "checks.md").read_text(encoding="utf-8").partition("\n## ")[0]
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))
    assert set(SPECS) == rows


@pytest.mark.parametrize("name", ["README.md", "docs/embedding.md", "docs/http-api.md", "docs/language.md"])
def test_python_in_documents_compiles(root: Path, name: str) -> None:
    """What looks like Python is Python."""
    for block in _blocks((root / name).read_text(encoding="utf-8"), "python"):
        compile(f"def f():\n{re.sub('^', '    ', block, flags=re.MULTILINE)}", name, "exec")


def test_the_accepted_exceptions_are_told_to_contributors(root: Path) -> None:
    """CONTRIBUTING.md ends with our own violations, and names every module that is longer than the house allows."""
    from tests.whole_repo.test_architecture import LONG_MODULES  # noqa: PLC0415  # a test's own table

    end = (root / "CONTRIBUTING.md").read_text(encoding="utf-8").rpartition("## ")[2]
    assert end.startswith("Where we break our own rules")
    assert [] == [name for name in LONG_MODULES if f"`{name}`" not in end]


def test_every_decision_is_one_page_and_has_its_parts(root: Path) -> None:
    """A decision record is numbered without gaps, says what was decided and what follows, and fits on a page."""
    pages = sorted((root / "docs" / "adr").glob("*.md"))
    assert [f"{number:04}" for number in range(1, len(pages) + 1)] == [page.name[:4] for page in pages]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        parts = ("- Status: ", "## Context and problem", "## Options", "## Decision", "## Consequences")
        assert [part for part in parts if part not in text] == [], page.name
        assert len(text.splitlines()) <= 60, page.name
