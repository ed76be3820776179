"""The API on a small process, as other programs use it; and any application on a real port."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.testclient import TestClient

import workflow
from workflow.engine import Engine
from workflow.settings import development_keys
from workflow.states.instance import Actor
from workflow.testing.clock import VirtualClock
from workflow.web.api import NotAuthenticatedError, RateLimits, create_api

BADGE = Path(__file__).parents[2] / "examples" / "visitor-badge.yaml"
VISITOR, OTHER = Actor.of("p-jane"), Actor.of("p-john")
NORTH, SOUTH = Actor.of("rick", "reception:north"), Actor.of("sue", "reception:south")
ADMINISTRATOR, AUDITOR = Actor.of("ada", "administrator"), Actor.of("otto", "auditor")
PEOPLE = {str(actor.id): actor for actor in (VISITOR, OTHER, NORTH, SOUTH, ADMINISTRATOR, AUDITOR)}
ASKING = {"full_name": "Jane Doe", "building": "north", "has_escort": True}
WHATEVER = "1000000/minute"
UNLIMITED = RateLimits(address=WHATEVER, read=WHATEVER, change=WHATEVER, anonymous=WHATEVER, unknown=WHATEVER)


def by_token(people: Mapping[str, Actor]) -> Callable[[Request], Actor | None]:
    """Know people by a token that is their id."""

    def identify(request: Request) -> Actor | None:
        header = request.headers.get("authorization")
        if header is None:
            return None
        actor = people.get(header.removeprefix("Bearer "))
        if actor is None:
            raise NotAuthenticatedError("This token is nobody's.")
        return actor

    return identify


@dataclass
class Badges:
    """An engine with the badge process, and its API."""

    url: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    clock: VirtualClock = field(default_factory=VirtualClock)
    people: dict[str, Actor] = field(default_factory=lambda: dict(PEOPLE))
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = workflow.open(self.url, keys=development_keys(), clock=self.clock)
        workflow.publish(self.engine, BADGE)
        self.app = create_api(
            **{"engine": self.engine, "identify": by_token(self.people), "limits": UNLIMITED, "answer_floor_seconds": 0.0, **self.changes}
        )
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def close(self) -> None:
        self.client.close()
        self.engine.close()

    def get(self, path: str, actor: Actor | None = VISITOR, **params: Any) -> Any:
        return self.client.get(path, params=params, headers=_token(actor))

    def post(self, path: str, actor: Actor | None = VISITOR, json: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, json={} if json is None else json, headers={**_token(actor), **named})

    def ask(self, actor: Actor = VISITOR, **changes: Any) -> str:
        """Ask for a badge; gives the instance's id."""
        answer = self.post("/definitions/visitor-badge/instances", actor, {**ASKING, **changes})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def fire(self, id_: str, event: str, actor: Actor | None = NORTH, json: Any = None, **headers: str) -> Any:
        return self.post(f"/instances/{id_}/events/{event}", actor, json, **headers)


def _token(actor: Actor | None) -> dict[str, str]:
    return {} if actor is None else {"Authorization": f"Bearer {actor.id}"}


def problem(answer: Any, code: int, kind: str) -> dict[str, Any]:
    """Give the problem that an answer must be."""
    assert (code, "application/problem+json") == (answer.status_code, answer.headers["content-type"]), answer.text
    said = answer.json()
    assert (f"urn:problem-type:workflow:{kind}", code) == (said["type"], said["status"])
    return said


def codes(said: Mapping[str, Any]) -> list[str]:
    """Give the codes of a problem's reasons."""
    return [reason["code"] for reason in said["reasons"]]


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an application on a port of the loopback; gives its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        server = uvicorn.Server(uvicorn.Config(app, ws="none", log_level="error"))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
