"""Assigning a request to a colleague at the back office."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

from tests.support.live import parts_of
from tests.support.onboarding import House
from workflow.web.site import create_site

BASE = "https://access.test"


def test_a_request_is_assigned_to_a_member_of_the_team(house: House) -> None:
    """Whoever holds the role for the network may be chosen, nobody else; the queue shows who takes care of what."""
    jane, paul = house.person().requested(), house.person().requested()
    tess = TestClient(create_site(parts_of(house, BASE)), base_url=BASE, follow_redirects=False)

    def token(path: str) -> str:
        return re.findall(r'name="form_token" value="(\w+)"', tess.get(path).text)[0]

    tess.post("/office/sign-in", data={"form_token": token("/office/sign-in"), "person": "tess"})
    path = f"/office/requests/{jane.id}"
    page = tess.get(path).text
    offered = re.findall(r'<select id="assign-assignee".*?</select>', page, re.DOTALL)[0]
    assert ["tess", "tom"] == [who for who in re.findall(r'value="(\w*)"', offered) if who]

    done = tess.post(path, data={"form_token": token(path), "do": "assign", "assignee": "tom", "version": str(jane.instance.version)})
    assert 200 == done.status_code
    assert "requested.awaiting_approval" == jane.state
    assert re.search(r'<span class="badge">tom</span>', tess.get("/office").text)
    mine = tess.get("/office?mine=yes").text
    assert jane.id not in mine
    assert paul.id not in mine
    assert ("tess", "assign") == (jane.said[-1]["actor"], jane.said[-1]["event"])
