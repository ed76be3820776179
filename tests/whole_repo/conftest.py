"""What the tests of the whole repository share: where things are, and which files count."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def committed(root: Path) -> tuple[Path, ...]:
    """Every file that is committed or would be by `git add .`; where there is no git, every file outside hidden folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        hidden = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return tuple(root / path for path in hidden if not any(part.startswith(".") or part == "__pycache__" for part in path.parts))
    return tuple(sorted({root / name for name in listed.stdout.splitlines() if (root / name).is_file()}))


@pytest.fixture(scope="session")
def modules(committed: tuple[Path, ...], root: Path) -> tuple[Path, ...]:
    """The modules of the two packages and of the examples, without migrations (each is written once and never edited)."""
    rooms = ("workflow", "store", "examples")
    python = (path for path in committed if path.suffix == ".py" and path.relative_to(root).parts[0] in rooms)
    return tuple(path for path in python if "versions" not in path.parts)
