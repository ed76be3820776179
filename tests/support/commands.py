"""Running the command line as a program, as people and scripts do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
