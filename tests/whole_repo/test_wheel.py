"""What is installed: two import names, everything the demo needs, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel


@pytest.fixture(scope="session")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout by the build backend itself."""
    folder = tmp_path_factory.mktemp("wheel")
    before = Path.cwd()
    os.chdir(root)  # PEP 517: a backend works in the source tree
    try:
        return folder / build_wheel(str(folder))
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def names(wheel: Path) -> frozenset[str]:
    """Every file in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def test_the_wheel_has_two_import_names(names: frozenset[str]) -> None:
    """`workflow` and `workflow_store` are all that an installation adds to the top level."""
    assert {"workflow", "workflow_store"} == {name.split("/")[0] for name in names if ".dist-info/" not in name}


def test_the_wheel_has_the_definitions(names: frozenset[str], root: Path) -> None:
    """Definitions, calendars, catalogues and the schema are package data below `workflow`."""
    wanted = {f"workflow/{path.relative_to(root)}" for path in (root / "definitions").rglob("*") if path.is_file()}
    assert set() == wanted - names


DATA = (
    "workflow/actions/templates",
    "workflow/checks",
    "workflow/web/templates",
    "workflow/web/static",
    "workflow/web/locale",
    "store/workflow_store/migrations",
)


@pytest.mark.parametrize("room", DATA)
def test_the_wheel_has_data_that_is_no_python(names: frozenset[str], root: Path, room: str) -> None:
    """Templates of mails and pages, styles and scripts, translations, the blocklist and migrations come along."""
    data = {path.relative_to(root) for path in (root / room).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert data
    assert set() == {str(path).removeprefix("store/") for path in data} - names


def test_the_wheel_is_typed_and_licensed(names: frozenset[str]) -> None:
    """A host's type checker reads our types, and the licence is part of what is given away."""
    assert {"workflow/py.typed", "workflow_store/py.typed"} <= names
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_the_wheel_has_nothing_of_ours_only(names: frozenset[str]) -> None:
    """No tests, no caches, no databases."""
    assert [] == [name for name in names if "__pycache__" in name or name.endswith((".db", ".pyc")) or "/tests/" in name]


@pytest.mark.slow
def test_the_wheel_alone_runs_the_demo(wheel: Path, root: Path, tmp_path: Path) -> None:
    """In an empty environment, with nothing but the wheel and what it asks for, `workflow demo` goes to its end."""
    environment = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    installed = subprocess.run([*install, "-c", root / "constraints.txt", wheel], capture_output=True, text=True, check=False)
    assert 0 == installed.returncode, installed.stderr
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WORKFLOW_", "VIRTUAL_ENV"))}
    command = [environment / "bin" / "workflow", "demo"]
    run = subprocess.run(command, cwd=tmp_path, env=outside, capture_output=True, text=True, check=False, timeout=60)
    assert 0 == run.returncode, run.stdout[-2000:] + run.stderr[-2000:]
    assert "preferences_set" in run.stdout
