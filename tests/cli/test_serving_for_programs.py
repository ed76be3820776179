"""`workflow serve --json`: a program that starts it learns where it is."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx2

from tests.support.commands import program_environment


def test_a_program_is_told_the_address_before_it_asks(tmp_path: Path) -> None:
    """One JSON document on standard output, as soon as the port is taken and although it is a pipe; then the pages answer there."""
    environment = program_environment()
    environment.pop("PYTHONUNBUFFERED", None)
    command = [sys.executable, "-m", "workflow.cli", "serve", "--port", "0", "--empty", "--without-worker", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line == "}\n":
                break
        told = json.loads("".join(lines))
        answer = httpx2.get(f"{told['url']}/sign-in", timeout=30)
        process.send_signal(signal.SIGTERM)
        rest, log = process.communicate(timeout=30)
    assert (200, 0, "", "") == (answer.status_code, process.returncode, rest, log)
    assert (True, []) == (told["is_trial"], told["lacking"])
