"""The examples run as they are printed, and keep what they say about transactions."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import httpx2
import pytest
import uvicorn

from examples import fastapi_host, flask_host

ROOT = Path(__file__).resolve().parents[2]
VISITOR, RECEPTION = {"X-Actor": "p-4711"}, {"X-Actor": "p-0815", "X-Roles": "reception:north"}
ASKING = {"reference": "V-1", "full_name": "Ada Lovelace", "building": "north"}

Count = Callable[[str], int]


class Post(Protocol):
    """Sends a request and gives status code, media type and body."""

    def __call__(self, path: str, headers: dict[str, str], /, **body: object) -> tuple[int, str, dict[str, Any]]: ...


@contextmanager
def served_by_uvicorn(url: str) -> Iterator[Post]:
    """Run the FastAPI host in a real server on the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(fastapi_host.application(url), ws="none", log_level="error"))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            # The socket listens already, so the first request waits in its queue until the application has started.
            with httpx2.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=20) as client:

                def post(path: str, headers: dict[str, str], /, **body: object) -> tuple[int, str, dict[str, Any]]:
                    found = client.post(path, headers=headers, json=body)
                    return found.status_code, found.headers["content-type"], found.json()

                yield post
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def served_by_flask(url: str) -> Iterator[Post]:
    """Run the Flask host in its test client."""
    app = flask_host.application(url)
    client = app.test_client()

    def post(path: str, headers: dict[str, str], /, **body: object) -> tuple[int, str, dict[str, Any]]:
        found = client.post(path, headers=headers, json=body)
        return found.status_code, found.content_type, found.get_json()

    yield post
    app.extensions["close"]()


@pytest.fixture(params=[served_by_uvicorn, served_by_flask], ids=["fastapi", "flask"])
def post(request: pytest.FixtureRequest, database_url: str) -> Iterator[Post]:
    """The running host."""
    with request.param(database_url) as running:
        yield running


def test_a_visit_and_its_onboarding_are_written_together(post: Post, count: Count) -> None:
    """The host's row and our instance come with the same commit."""
    before = count("workflow_instances")
    assert (201, "application/json", {"state": "asked"}) == post("/visits", VISITOR, **ASKING, has_escort=True)
    assert (1, before + 1) == (count("visits"), count("workflow_instances"))


def test_a_failing_commit_of_the_host_takes_our_work_with_it(post: Post, count: Count) -> None:
    """When the host's own row cannot be written, nothing of the onboarding that was started with it is left."""
    post("/visits", VISITOR, **ASKING, has_escort=True)
    tables = ("visits", "workflow_instances", "workflow_entries", "workflow_timers", "workflow_sealed_values")
    before = [count(table) for table in tables]
    code, media, _ = post("/visits", {"X-Actor": "p-9999"}, **ASKING, has_escort=True)
    assert (409, "application/problem+json") == (code, media)
    assert before == [count(table) for table in tables]


def test_a_refusal_is_a_problem_with_every_reason_and_the_hosts_row_is_kept(post: Post, count: Count) -> None:
    """A refusal does not raise: the host commits its own audit row and the refusal's entry, and answers 409 with all reasons."""
    post("/visits", VISITOR, **ASKING, has_escort=True)
    entries = count("workflow_entries")
    code, media, body = post("/visits/V-1/approve", VISITOR, rationale="I know myself well.")
    assert (409, "application/problem+json") == (code, media)
    assert ["role_missing", "own_request"] == [reason["code"] for reason in body["reasons"]]
    assert all(reason["message"] and reason["needed"] for reason in body["reasons"])
    assert (1, entries + 1) == (count("calls"), count("workflow_entries"))


def test_a_guard_says_what_would_help_and_then_the_event_is_accepted(post: Post, count: Count) -> None:
    """The definition's own reason reaches the caller, and doing what it says is enough."""
    post("/visits", VISITOR, **ASKING, has_escort=False)
    code, _, body = post("/visits/V-1/approve", RECEPTION, rationale="Expected at ten.")
    assert (409, ["Name an escort first."]) == (code, [reason["needed"] for reason in body["reasons"]])
    assert 200 == post("/visits/V-1/name_escort", VISITOR)[0]
    assert (200, {"state": "badge_given"}) == post("/visits/V-1/approve", RECEPTION, rationale="Expected at ten.")[::2]
    assert 3 == count("calls")


def test_the_plain_script_runs_as_it_is_printed(database_url: str) -> None:
    """`python examples/plain_script.py` goes from the start to the outcome and proves its own history."""
    command = [sys.executable, "examples/plain_script.py", database_url]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (0, "") == (run.returncode, run.stderr)
    for line in (
        "Asked once, answered twice: True",
        "Nobody decides on their own request.",
        "A visitor may not walk alone in this building. Needed: Name an escort first.",
        "p-0815 approve: accepted, now badge_given",
        "6 entries, each holding the hash of the one before: nothing was changed.",
        "The entries hold none: True",
    ):
        assert line in run.stdout


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_an_example_fits_on_two_screens(name: str) -> None:
    """An example that is longer than 120 lines teaches something else."""
    assert len((ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()) < 120


def test_the_examples_type_check_strictly() -> None:
    """A host that checks its types as strictly as we do finds no fault in the use of our public names."""
    run = subprocess.run([sys.executable, "-m", "mypy", "--strict", "examples"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == run.returncode, run.stdout
