"""The back office inside a host: below its prefix, behind its login, in its transactions."""

from __future__ import annotations

import base64
import re

import pytest
from starlette.testclient import TestClient

import workflow
from examples import back_office_host

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def app(empty_url):
    """The host on a fresh database."""
    made = back_office_host.application(empty_url, base_url=BASE)
    yield made
    made.state.engine.close()
    made.state.database.dispose()


def client_of(app, who):
    """The browser of somebody who logged in at the host."""
    token = base64.b64encode(f"{who}:demo".encode()).decode()
    return TestClient(app, base_url=BASE, headers={"Authorization": f"Basic {token}"}, follow_redirects=False)


def ask(app, *, has_escort):
    """Let a visitor ask for a badge; gives the onboarding's id."""
    payload = {"full_name": "Ada Lovelace", "building": "north", "has_escort": has_escort}
    answer = app.state.engine.start("visitor-badge", workflow.Event.of("ask", workflow.Actor.of("p-1"), **payload))
    return answer.instance.id


def approve(browser, instance):
    """Open a request and approve it on its page."""
    path = f"/staff/access/requests/{instance}"
    page = browser.get(path).text
    values = {name: re.findall(rf'name="{name}" value="(\w+)"', page)[0] for name in ("form_token", "version")}
    return browser.post(path, data={**values, "do": "approve", "rationale": "Known here."})


def seen(app):
    """What the host's own record says."""
    with app.state.database.connect() as connection:
        return connection.exec_driver_sql("SELECT who, path FROM seen ORDER BY id").fetchall()


def test_pages_stand_below_the_hosts_prefix_and_behind_its_login(app):
    """Without the host's login there is nothing to see; with it every link and file stays below the prefix."""
    instance = ask(app, has_escort=True)
    assert 401 == TestClient(app, base_url=BASE).get("/staff/access/").status_code
    page = client_of(app, "tess").get("/staff/access/")
    assert 200 == page.status_code
    assert f"/staff/access/requests/{instance}" in page.text
    assert {
        address for address in re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text) if not address.startswith("/staff/access")
    } == set()
    assert instance not in client_of(app, "hal").get("/staff/access/").text


def test_a_decision_and_the_hosts_record_are_one_transaction(app):
    """The approval is written with the host's own row, and the onboarding has moved on."""
    instance = ask(app, has_escort=True)
    answer = approve(client_of(app, "tess"), instance)
    assert 200 == answer.status_code
    assert "badge_given" == app.state.engine.get(instance).state
    assert ("tess", f"/staff/access/requests/{instance}") in [tuple(row) for row in seen(app)]


def test_a_refusal_is_shown_and_leaves_the_hosts_transaction_alive(app):
    """A refused approval shows its reason, is an entry of the history, and the host's row is kept."""
    instance = ask(app, has_escort=False)
    answer = approve(client_of(app, "tess"), instance)
    assert 422 == answer.status_code
    assert "A visitor may not walk alone in this building." in answer.text
    assert "asked" == app.state.engine.get(instance).state
    assert "event:refused" == app.state.engine.history(instance)[-1].kind
    assert 2 == len(seen(app))
