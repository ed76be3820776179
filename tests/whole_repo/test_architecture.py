"""The architecture checks itself: imports, sizes, names."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 60

# What is longer than the house allows, and why that is accepted. Whoever shortens one of them deletes its line here.
LONG_MODULES = {
    "workflow/ports.py": "one page with every door; splitting it would hide which doors there are",
    "workflow/testing/store.py": "the fake of every Protocol in ports.py, method by method",
}
LONG_FUNCTIONS: dict[str, str] = {}

FORBIDDEN_WORDS = {"status", "trigger", "context", "job", "handler", "manager", "service", "utils", "util", "helpers", "helper"}
FORBIDDEN_WORDS |= {"common", "base", "misc"}


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [(node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in found]


def test_every_import_contract_is_kept(root: Path) -> None:
    """The rooms import downwards only, and every library has one door (contracts in pyproject.toml)."""
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([program, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    assert (0, True) == (run.returncode, " 0 broken" in run.stdout), run.stdout + run.stderr


def test_the_contracts_name_every_room(root: Path) -> None:
    """A folder or module that appears below `workflow` has its place among the layers on its first day."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    rooms = next(contract for contract in contracts if contract["id"] == "rooms")
    named = {room.strip(" ()") for layer in rooms["layers"] for room in layer.split("|")}
    present = {p.stem for p in (root / "workflow").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()} - {"__init__"}
    assert rooms["exhaustive"]
    assert set() == present - named


def test_modules_are_short(modules: tuple[Path, ...], root: Path) -> None:
    """A module has fewer than 400 lines, or stands in the list above with its reason; the list is never out of date."""
    long = {str(path.relative_to(root)) for path in modules if _lines(path) >= MODULE_LINES}
    assert set(LONG_MODULES) == long


def test_functions_are_short(modules: tuple[Path, ...], root: Path) -> None:
    """A function has fewer than 60 lines, or stands in the list above with its reason; the list is never out of date."""
    found = {f"{path.relative_to(root)}:{name}" for path in modules for name, lines in _functions(path) if lines >= FUNCTION_LINES}
    assert set(LONG_FUNCTIONS) == found


def test_nine_functions_in_ten_have_fewer_than_thirty_lines(modules: tuple[Path, ...]) -> None:
    """Long functions stay the exception."""
    lines = [count for path in modules for _, count in _functions(path)]
    assert sum(count < 30 for count in lines) / len(lines) >= 0.9


def test_every_module_says_what_it_is_for(committed: tuple[Path, ...], root: Path) -> None:
    """Every Python file begins with a docstring."""
    silent = [
        str(path.relative_to(root))
        for path in committed
        if path.suffix == ".py" and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert [] == silent


def test_module_names_are_nouns_of_the_field(modules: tuple[Path, ...], root: Path) -> None:
    """No module is named with a word that says nothing (helpers, manager, ...)."""
    names = {path: set(path.with_suffix("").relative_to(root).parts[-1].split("_")) for path in modules}
    folders = {path.parent: set(path.parent.name.split("_")) for path in modules}
    empty = [str(path.relative_to(root)) for path, words in (names | folders).items() if words & FORBIDDEN_WORDS]
    assert [] == empty
