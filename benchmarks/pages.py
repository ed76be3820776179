"""What the queue of the back office costs over many requests, on SQLite.

The page is asked for through the whole application (routing, sign-in of a host, open work, verdicts, template), without a network.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.testclient import TestClient

import workflow
from benchmarks.figures import Figure
from workflow.settings import development_keys
from workflow.web import back_office

DEFINITION = Path(__file__).parent.parent / "examples" / "visitor-badge.yaml"
BASE = "http://127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Seconds (median) for the first page of the queue, the second one, and a list, over `requests` requests; bytes of the first."""

    requests: int
    first_seconds: float
    second_seconds: float
    list_seconds: float
    first_bytes: int


GOAL_SECONDS = 0.1


def figures_of_pages(requests: int) -> Iterator[Figure]:
    """Give the figures of the queue over many requests."""
    found = measure(requests)
    detail = f"{found.first_bytes / 1000:.0f} kB; a tenth of the requests are the reader's"
    for name, seconds in (("first page", found.first_seconds), ("second page", found.second_seconds), ("list of all", found.list_seconds)):
        title = f"queue of the back office over {found.requests:,} requests, {name}"
        yield Figure(title, seconds * 1000, "ms", "<= 100", seconds <= GOAL_SECONDS, detail)


def measure(requests: int, *, rounds: int = 21) -> Queue:
    """Fill a store and ask for pages."""
    with TemporaryDirectory(prefix="workflow-bench-") as folder:
        engine = workflow.open(f"sqlite:///{folder}/queue.db", keys=development_keys(), upgrade=True)
        workflow.publish(engine, DEFINITION)
        for number in range(requests):
            payload = {"full_name": "Ada", "building": "north" if number % 10 == 0 else f"house-{number % 97}", "has_escort": True}
            engine.start("visitor-badge", workflow.Event.of("ask", workflow.Actor.of(f"p-{number}"), **payload))
        tess = workflow.Actor.of("tess", "reception:north")
        client = TestClient(back_office(engine, identify=lambda _: tess, base_url=BASE), base_url=BASE)
        first = client.get("/")
        after = first.text.partition("?after=")[2].partition('"')[0].partition("&")[0]
        found = Queue(
            requests=requests,
            first_seconds=_median(client, "/", rounds),
            second_seconds=_median(client, f"/?after={after}", rounds),
            list_seconds=_median(client, "/requests?is=open", rounds),
            first_bytes=len(first.content),
        )
        engine.close()
    return found


def _median(client: TestClient, path: str, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        answer = client.get(path)
        taken.append(time.perf_counter() - began)
        if answer.status_code != 200:
            message = f"{path} answered {answer.status_code}"
            raise RuntimeError(message)
    return statistics.median(taken)
