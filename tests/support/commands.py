"""Running the command line as a program, as people and scripts do, or in this process where a program of its own proves no more."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workflow.cli import main


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Give the answer as JSON."""
        return json.loads(self.out)


def program_environment(**given: str) -> dict[str, str]:
    """Give the environment of a program that is started: ours without our own variables, and with compiled modules kept.

    Some environments forbid Python to write compiled modules; compiling hundreds of them each time would be all that a test does.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WORKFLOW_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "workflow-tests-compiled"), **given}


def workflow(*arguments: str | Path, database: str | None = None, stdin: str = "", **environ: str) -> Said:
    """Run ``workflow`` with an environment that has none of our variables but those given; in development unless told otherwise."""
    given = {"WORKFLOW_ENVIRONMENT": "development", **environ}
    if database is not None:
        given["WORKFLOW_DATABASE_URL"] = database
    done = subprocess.run(
        [sys.executable, "-m", "workflow.cli", *map(str, arguments)],
        env=program_environment(**given),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Let a command set up its logging for itself alone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class _Terminal(io.StringIO):
    """Standard error as a terminal has it."""

    def isatty(self) -> bool:
        return True


def typed(*arguments: str | Path, database: str | None = None, at_terminal: bool = False, **environ: str) -> Said:
    """Run ``workflow`` in this process; a tenth of a second instead of two. Standard input cannot be given.

    With `at_terminal` standard error is a terminal, as for whoever redirects standard output to a file.
    """
    out, err, code = io.StringIO(), _Terminal() if at_terminal else io.StringIO(), 0
    given = {"WORKFLOW_ENVIRONMENT": "development", "COLUMNS": "80", **environ}
    if database is not None:
        given["WORKFLOW_DATABASE_URL"] = database
    with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err), _logging_kept():
        for name in [name for name in os.environ if name.startswith("WORKFLOW_")]:
            environment.delenv(name)
        for name, value in given.items():
            environment.setenv(name, value)
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return Said(code=code, out=out.getvalue(), err=err.getvalue())
