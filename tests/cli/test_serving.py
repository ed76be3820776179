"""`workflow serve` as a program: what a new user sees, and what is told when it cannot be."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.support.commands import program_environment, typed
from workflow.bootstrap import find_definition, known
from workflow.cli.seeding import SAMPLES
from workflow.load import load

SETTINGS = 5
"""The documented exit code for settings that are missing or wrong."""
PASSING = {"requested.creating_account"}
"""States that nobody stays in: CPMS answers at once."""


@dataclass
class Program:
    """The running program: what it printed until it was ready, and what it said at the end."""

    process: subprocess.Popen[str]
    said: str
    code: int | None = None
    log: str = field(default="")

    @property
    def base(self) -> str:
        """The address that it says to open."""
        return re.findall(r"^Open (http://127\.0\.0\.1:\d+)$", self.said, re.MULTILINE)[0]

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return httpx2.get(self.base + path, headers=headers, timeout=30)

    def stop(self, how: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(how)
        out, self.log = self.process.communicate(timeout=30)
        self.said, self.code = self.said + out, self.process.returncode


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Program]:
    """Start the program in a folder without any setting, and wait until it says how to stop it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "workflow.cli", "serve", "--port", "0", *arguments],
        cwd=folder,
        env=program_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.split()[:1] == ["stop"]:
                break
        yield Program(process, "".join(lines))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder."""
    return tmp_path_factory.mktemp("trial")


def test_without_any_setting_everything_is_there_and_stops_cleanly(folder):
    """In an empty folder: pages, API, phone and mailbox answer, samples are in every state, SIGTERM ends it with code 0."""
    with started(folder) as program:
        named = re.findall(r"http://\S+", program.said)
        assert {"/register", "/phone", "/mailbox", "/office", "/api/openapi.json"} <= {url.removeprefix(program.base) for url in named}
        for path in ("/", "/sign-in", "/cpms", "/office/sign-in", "/phone", "/mailbox", "/api/openapi.json"):
            assert 200 == program.get(path).status_code, path
        listed = program.get("/api/instances?limit=100", Authorization="Bearer development-ada").json()["items"]
        assert 401 == program.get("/api/instances").status_code
        program.stop(signal.SIGTERM)
    definition = load(find_definition("cpms-access").read_text(encoding="utf-8"), known=known())
    leaves = {str(path) for path, state in definition.states.items() if path and not state.children}
    assert leaves - PASSING == {one["state"] for one in listed}
    assert len(SAMPLES) == len(listed)
    assert 0 == program.code
    assert "The worker has stopped" in program.log
    assert "Traceback" not in program.log
    assert "ERROR" not in program.log
    assert ["workflow.db"] == [path.name for path in folder.iterdir()]


def test_the_second_start_keeps_what_was_there_and_ctrl_c_ends_it(folder):
    """Samples are made once; a person signs in with the password that is printed; Ctrl+C leaves no traceback."""
    with started(folder) as program:
        listed = program.get("/api/instances?limit=100", Authorization="Bearer development-ada").json()["items"]
        email, password = re.findall(r"sign in as (\S+)\s+with (\S+) and", program.said)[0]
        with httpx2.Client(base_url=program.base, timeout=30) as browser:
            token = re.findall(r'name="form_token" value="(\w+)"', browser.get("/sign-in").text)[0]
            answer = browser.post("/sign-in", data={"form_token": token, "name": email, "password": password, "method": "sms"})
            assert (303, "/sign-in/code") == (answer.status_code, answer.headers["location"])
        program.stop(signal.SIGINT)
    assert len(SAMPLES) == len(listed)
    assert (0, True, False) == (program.code, "The worker has stopped" in program.log, "Traceback" in program.log)


def test_without_samples_and_without_a_worker(tmp_path):
    """`--empty` begins with nothing, `--without-worker` starts none."""
    with started(tmp_path, "--empty", "--without-worker") as program:
        assert [] == program.get("/api/instances", Authorization="Bearer development-ada").json()["items"]
        program.stop(signal.SIGTERM)
    assert (0, "") == (program.code, program.log)


def test_a_trial_is_for_this_machine_only():
    """Development is not served to others, and the refusal says what to do."""
    said = typed("serve", "--host", "0.0.0.0", WORKFLOW_BASE_URL="http://127.0.0.1:8080")  # that it is refused is the test
    assert SETTINGS == said.code
    assert "not served at 0.0.0.0" in " ".join(said.err.split())


def test_production_says_at_once_everything_that_is_missing():
    """Nothing is started, and each missing setting is named in one answer."""
    said = typed("serve", WORKFLOW_ENVIRONMENT="production")
    assert SETTINGS == said.code
    for name in ("DATABASE_URL", "KEYS", "BASE_URL", "SMTP_HOST"):
        assert f"WORKFLOW_{name}" in said.err
    assert "Traceback" not in said.err


def test_a_missing_extra_is_told_with_what_to_install():
    """Whoever installed the package without `web` reads which one to install."""
    without = "import sys; sys.modules['uvicorn'] = sys.modules['authlib'] = None; from workflow.cli import main; main(['serve'])"
    said = subprocess.run([sys.executable, "-c", without], env=program_environment(), capture_output=True, text=True, check=False)
    assert (SETTINGS, "") == (said.returncode, said.stdout)
    assert "need authlib, uvicorn" in " ".join(said.stderr.split())
    assert "onboarding-workflow[web]" in "".join(said.stderr.split())


def test_a_port_in_use_is_told_before_anything_is_made(tmp_path):
    """Somebody else has the port: a sentence, no traceback, and no database is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        url = f"http://127.0.0.1:{port}"
        said = typed("serve", "--port", port, database=f"sqlite:///{tmp_path / 'trial.db'}", WORKFLOW_BASE_URL=url)
    assert SETTINGS == said.code
    assert "Address already in use" in " ".join(said.err.split())
    assert "--port" in said.err
    assert [] == list(tmp_path.iterdir())


def test_the_help_names_the_page_about_settings():
    """`--help` says what happens without settings and where the others are described."""
    said = typed("serve", "--help")
    assert 0 == said.code
    assert all(words in " ".join(said.out.split()) for words in ("--empty", "--without-worker", "docs/serving.md"))
    assert said.err == ""
