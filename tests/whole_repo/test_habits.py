"""Habits of this house that no ruff rule knows."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

# Waiting for another process that has no other way to say that it is ready. Nothing else may sleep.
MAY_SLEEP = {"tests/support/postgres.py"}

# Written in pieces, so that this file does not find itself.
REGISTRIES = [
    "".join(parts)
    for parts in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("gh", "cr.io"),
        ("docker", ".io"),
        ("index", "-url"),
        ("index", "_url"),
        ("conda", ".anaconda"),
        ("proxy.", "golang"),
    )
]
MACHINE_PATHS = ["/" + "home/", "/" + "root/", "/" + "Users/", "/" + "work/", "C:" + "\\Users"]


def _calls(path: Path) -> Iterator[tuple[int, str]]:
    """Give every dotted name that is called, imported or read in a file, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def _tests(committed: tuple[Path, ...], root: Path) -> list[Path]:
    return [path for path in committed if path.suffix == ".py" and path.relative_to(root).parts[0] in {"tests", "benchmarks"}]


def _comments(path: Path) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_no_test_replaces_what_it_tests(committed: tuple[Path, ...], root: Path) -> None:
    """No `mock.patch` and no `monkeypatch.setattr`: needing one is a finding about the design."""
    patch = re.compile(r"(^|\.)(mock\.patch\b.*|mock|MagicMock|pytest_mock.*)$|^monkeypatch\.(setattr|setitem|delattr)$")
    found = [f"{p.relative_to(root)}:{line}: {name}" for p in _tests(committed, root) for line, name in _calls(p) if patch.search(name)]
    assert [] == found, "\n".join(found)


def test_no_test_sleeps(committed: tuple[Path, ...], root: Path) -> None:
    """The clock is a value; who waits for the real one makes the suite slow and fragile."""
    found = [
        f"{path.relative_to(root)}:{line}"
        for path in _tests(committed, root)
        for line, name in _calls(path)
        if name == "time.sleep" and str(path.relative_to(root)) not in MAY_SLEEP
    ]
    assert [] == found, "\n".join(found)


def test_every_exception_from_a_rule_has_a_code_and_a_reason(committed: tuple[Path, ...], root: Path) -> None:
    """`noqa`, `type: ignore` and `pragma` name the rule and then say why."""
    wanted = re.compile(
        r"#\s*(noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)*|type: ignore\[[a-z-]+(, ?[a-z-]+)*\]|pragma: no (cover|branch))\s+\S.{7,}"
    )
    found = [
        f"{path.relative_to(root)}:{line}: {text}"
        for path in committed
        if path.suffix == ".py"
        for line, text in _comments(path)
        if re.search(r"#\s*(noqa|type:\s*ignore|pragma)\b", text) and not wanted.search(text)
    ]
    assert [] == found, "\n".join(found)


def test_nothing_is_left_to_be_done_in_the_code(modules: tuple[Path, ...], root: Path) -> None:
    """Open points live in issues: no TODO, no `NotImplementedError`."""
    undone = re.compile(r"\b(TODO|FIXME|raise NotImplementedError)\b")
    found = [
        f"{path.relative_to(root)}:{number}"
        for path in modules
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if undone.search(line)
    ]
    assert [] == found, "\n".join(found)


def _configured_registries() -> list[str]:
    """Give the hosts this machine's pip is told to use, whatever they are."""
    run = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    return re.findall(r"https?://(?:[^/@'\s]*@)?([^/:'\s]+)", run.stdout)


def test_nothing_names_a_registry_or_a_path_of_this_machine(committed: tuple[Path, ...], root: Path) -> None:
    """What is committed works anywhere: no package registry's host and no folder of somebody's machine."""
    words = [*REGISTRIES, *MACHINE_PATHS, *_configured_registries()]
    if len(root.parts) > 3:
        words.append(str(root))
    found = []
    for path in committed:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(root)}: {word}" for word in words if word in text]
    assert [] == found, "\n".join(found)


def test_no_test_module_shadows_another(committed: tuple[Path, ...], root: Path) -> None:
    """Base names of test modules are unique in the tree, so that a failure names one file."""
    names = [path.name for path in _tests(committed, root) if path.name.startswith("test_")]
    assert [] == sorted({name for name in names if names.count(name) > 1})
