"""The API inside a host: under a prefix, with the host's sign-in, in the host's transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import get_ident

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.testclient import TestClient

import workflow
from tests.support.web import ASKING, BADGE, NORTH, OTHER, PEOPLE, UNLIMITED, VISITOR, by_token, codes, problem
from workflow.errors import NotFoundError
from workflow.settings import development_keys
from workflow.web.api import create_api

PREFIX = "/intranet/onboarding"


class Host:
    """An application with a table of its own, in which every call to the API is noted, in the same transaction."""

    def __init__(self, url: str) -> None:
        self.database = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        self.own = workflow.open(url, keys=development_keys())
        workflow.publish(self.own, BADGE)
        with self.database.begin() as connection:
            connection.execute(sa.text("CREATE TABLE host_calls (actor TEXT)"))
        self.threads: list[tuple[int, int]] = []
        self.app = FastAPI()
        self.api = create_api(self.engine_of, identify=by_token(PEOPLE), limits=UNLIMITED)
        self.app.mount(PREFIX, self.api)
        self.client = TestClient(self.app, raise_server_exceptions=False)

    @contextmanager
    def engine_of(self, request: Request) -> Iterator[workflow.Engine]:
        begun = get_ident()
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()  # the engine is called in a thread of its own, never on the loop
        with Session(self.database) as session, session.begin():
            session.execute(sa.text("INSERT INTO host_calls VALUES (:actor)"), {"actor": request.headers["authorization"]})
            yield self.own.on(session)
        self.threads.append((begun, get_ident()))

    def calls(self) -> int:
        with self.database.connect() as connection:
            return connection.execute(sa.text("SELECT count(*) FROM host_calls")).scalar_one()

    def post(self, path, actor, json, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"{PREFIX}{path}", json=json, headers={"Authorization": f"Bearer {actor.id}", **named})

    def get(self, path, actor=VISITOR):
        return self.client.get(f"{PREFIX}{path}", headers={"Authorization": f"Bearer {actor.id}"})

    def ask(self):
        return self.post("/definitions/visitor-badge/instances", VISITOR, ASKING).json()["id"]

    def close(self) -> None:
        self.client.close()
        with self.database.begin() as connection:
            connection.execute(sa.text("DROP TABLE host_calls"))
        self.database.dispose()
        self.own.close()


@pytest.fixture(params=["sqlite", "postgres"])
def host(request):
    """A host on every real store."""
    with closing(Host(request.getfixturevalue(f"{request.param}_url"))) as opened:
        yield opened


def test_what_is_started_and_fired_is_committed_with_the_host(host):
    """One transaction for the host's row and the onboarding; addresses carry the prefix."""
    answer = host.post("/definitions/visitor-badge/instances", VISITOR, ASKING)
    id_ = answer.json()["id"]
    assert (201, f"{PREFIX}/instances/{id_}") == (answer.status_code, answer.headers["location"])
    assert 200 == host.post(f"/instances/{id_}/events/approve", NORTH, {"rationale": "x"}, if_match='"1"').status_code
    assert ("badge_given", 2) == (host.own.get(id_).state, host.calls())
    assert all(begun == ended for begun, ended in host.threads), "a host's session stays in the thread that opened it"


def test_a_refusal_leaves_the_hosts_transaction_alive(host):
    """Refused, in conflict, not found, outdated: the host's row and the refusal's entry are there all the same."""
    id_ = host.ask()
    said = problem(host.post(f"/instances/{id_}/events/approve", VISITOR, {"rationale": "x"}), 403, "forbidden")
    assert ["role_missing", "own_request"] == codes(said)
    problem(host.post(f"/instances/{id_}/events/approve", NORTH, {}), 422, "invalid")
    problem(host.post(f"/instances/{id_}/events/approve", NORTH, {"rationale": "x"}, if_match='"9"'), 412, "outdated")
    problem(host.post(f"/instances/{id_}/events/approve", OTHER, {"rationale": "x"}), 404, "not-found")
    problem(host.get("/instances/nothing"), 404, "not-found")
    problem(host.post("/definitions/visitor-badge/instances", VISITOR, {}), 422, "invalid")
    assert 7 == host.calls()
    assert ["event:refused"] * 3 == [row.kind for row in host.own.history(id_)][1:]


def test_repeats_are_known_in_the_hosts_transaction(host):
    """A start and an event under their keys happen once; each request is a transaction of the host all the same."""
    starts = [host.post("/definitions/visitor-badge/instances", VISITOR, ASKING, idempotency_key="s").json()["id"] for _ in range(2)]
    assert starts[0] == starts[1]
    fired = [host.post(f"/instances/{starts[0]}/events/approve", NORTH, {"rationale": "x"}, idempotency_key="a") for _ in range(2)]
    assert [(200, False), (200, True)] == [(answer.status_code, answer.json()["is_repeat"]) for answer in fired]
    problem(host.post(f"/instances/{starts[0]}/events/approve", NORTH, {"rationale": "y"}, idempotency_key="a"), 422, "key-reused")
    assert (5, 2) == (host.calls(), len(host.own.history(starts[0])))


def test_a_fault_takes_the_hosts_transaction_back(host):
    """What is nobody's refusal but a fault of ours undoes everything of its request."""

    @contextmanager
    def broken(request: Request) -> Iterator[workflow.Engine]:
        with host.engine_of(request) as engine:
            yield engine
            raise ZeroDivisionError

    app = FastAPI()
    app.mount("/x", create_api(broken, identify=by_token(PEOPLE), limits=UNLIMITED))
    headers = {"Authorization": "Bearer p-jane"}
    with TestClient(app, raise_server_exceptions=False, headers=headers) as client:
        problem(client.post("/x/definitions/visitor-badge/instances", json=ASKING), 500, "failed")
    assert (0, ()) == (host.calls(), host.own.instances().rows)


def test_lists_are_linked_below_the_prefix(host):
    """The link of a page leads back into the mounted application."""
    wanted = {host.ask() for _ in range(3)}
    found, url = [], f"{PREFIX}/instances?limit=2"
    while url:
        page = host.client.get(url, headers={"Authorization": "Bearer p-jane"})
        found += [one["id"] for one in page.json()["items"]]
        url = page.links.get("next", {}).get("url")
    assert (3, wanted) == (len(found), set(found))


def test_of_many_at_once_one_wins_in_the_hosts_transactions_too(host):
    """The others are refused or told to try again; every transaction of the host is alive."""
    id_ = host.ask()
    with ThreadPoolExecutor(8) as pool, TestClient(host.app, headers={"Authorization": "Bearer rick"}) as client:
        answers = list(pool.map(lambda n: client.post(f"{PREFIX}/instances/{id_}/events/reject", json={"rationale": f"{n}"}), range(16)))
    assert {200: 1, 409: 15} == {code: sum(a.status_code == code for a in answers) for code in {a.status_code for a in answers}}
    assert 1 == sum(row.kind == "event:accepted" for row in host.own.history(id_))


def test_the_document_is_served_below_the_prefix(host):
    """With the server's relative address; it needs no name."""
    answer = host.client.get(f"{PREFIX}/openapi.json")
    assert (200, "3.1.0") == (answer.status_code, answer.json()["openapi"])


def test_a_host_may_refuse_in_its_own_words(host):
    """An error of ours that the host's own code raises is answered like ours."""

    def nothing(_request):
        raise NotFoundError("tenant", "x")

    api = create_api(nothing, identify=by_token(PEOPLE), limits=UNLIMITED)
    problem(TestClient(api).get("/instances", headers={"Authorization": "Bearer p-jane"}), 404, "not-found")
