"""Programs with tokens of their own."""

from __future__ import annotations

import hashlib
import json

import pytest
from starlette.testclient import TestClient

from tests.support.web import UNLIMITED, problem
from workflow.errors import SettingsError
from workflow.web.api import Clients, create_api
from workflow.web.api.clients import new_token


@pytest.fixture
def file(tmp_path):
    """Write a file of clients; gives its path."""

    def written(clients):
        path = tmp_path / "clients.json"
        path.write_text(clients if isinstance(clients, str) else json.dumps(clients), encoding="utf-8")
        return path

    return written


def test_a_token_is_random_and_its_digest_is_kept():
    """256 bits, never twice; the file has the SHA-256 of it in hex."""
    token, digest = new_token()
    assert (43, hashlib.sha256(token.encode()).hexdigest()) == (len(token), digest)
    assert 20 == len({new_token()[0] for _ in range(20)})


def test_a_program_is_known_by_its_token(badges, file):
    """Each acts as the actor and with the roles of the file; the token stands nowhere in it."""
    (crm, crm_digest), (bot, bot_digest) = new_token(), new_token()
    path = file(
        [
            {"name": "crm", "sha256": crm_digest, "actor": "client:crm", "roles": ["reception:north"]},
            {"name": "bot", "sha256": bot_digest, "actor": "client:bot"},
        ]
    )
    assert crm not in path.read_text(encoding="utf-8")
    clients = Clients.read(path)
    assert crm not in repr(clients)
    client = TestClient(create_api(badges.engine, identify=clients, limits=UNLIMITED))
    id_ = badges.ask()
    reject = f"/instances/{id_}/events/reject"
    assert 404 == client.post(reject, json={"rationale": "x"}, headers={"Authorization": f"Bearer {bot}"}).status_code
    assert 200 == client.post(reject, json={"rationale": "x"}, headers={"Authorization": f"bearer {crm}"}).status_code
    assert "client:crm" == badges.engine.history(id_)[-1].actor


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer é"])
def test_what_is_no_token_of_ours_is_refused(badges, file, caplog, header):
    """401, the same for all of them; neither answer nor log repeats what was sent."""
    token, digest = new_token()
    clients = Clients.read(file([{"name": "crm", "sha256": digest, "actor": "client:crm", "roles": []}]))
    client = TestClient(create_api(badges.engine, identify=clients, limits=UNLIMITED))
    answer = client.get("/instances", headers={"Authorization": header.format(token=token).encode()})
    said = problem(answer, 401, "unauthenticated")
    assert "The token is not known here: send Authorization: Bearer and a token of this installation." == said["detail"]
    assert token not in answer.text + caplog.text
    problem(client.get("/instances"), 401, "unauthenticated")


DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("given", "faults"),
    [
        ("{", ["no JSON"]),
        ({}, ["JSON list"]),
        (["x"], ["client 1 is no object"]),
        ([{}], ["client 1: name is missing", "client 1: sha256 is missing", "client 1: actor is missing"]),
        ([{"name": "crm", "sha256": "t0ken-itself", "actor": "a"}], ["client 'crm': sha256 is missing or is not 64 lower-case"]),
        ([{"name": "crm", "sha256": DIGEST, "actor": "a", "roles": "helpdesk"}], ["roles is not a list"]),
        ([{"name": "crm", "sha256": DIGEST, "actor": "a", "roles": ["Help Desk"]}], ["roles is not a list"]),
        ([{"name": "crm", "sha256": DIGEST, "actor": "a\n"}], ["actor is missing"]),
        ([{"name": "crm", "sha256": DIGEST, "actor": "a", "token": "x"}], ["it knows no 'token'"]),
        (
            [{"name": "crm", "sha256": DIGEST, "actor": "a"}, {"name": "crm", "sha256": DIGEST, "actor": "b"}],
            ["two of this name", "the same token"],
        ),
    ],
)
def test_every_fault_of_the_file_is_named(file, given, faults):
    """At once, with the client; what stands where a digest belongs is not repeated, because it may be the token."""
    path = file(given)
    with pytest.raises(SettingsError) as caught:
        Clients.read(path)
    text = str(caught.value)
    assert [] == [fault for fault in faults if fault not in text]
    assert "t0ken-itself" not in text
    assert str(path) in text


def test_a_file_that_is_not_there_is_a_clear_error(tmp_path):
    """With its name and what the system says."""
    with pytest.raises(SettingsError, match=r"nothing\.json cannot be read: No such file"):
        Clients.read(tmp_path / "nothing.json")
