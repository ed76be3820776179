"""Reading through the API: definitions, instances, verdicts, histories, work."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import jsonschema
import pytest
from starlette.testclient import TestClient

import workflow
from tests.support.web import ADMINISTRATOR, AUDITOR, BADGE, NORTH, OTHER, SOUTH, UNLIMITED, VISITOR, by_token, codes, problem
from workflow.audit.canonical import canonical
from workflow.bootstrap import Extensions
from workflow.engine.directory import FixedDirectory
from workflow.settings import development_keys
from workflow.states.instance import Delegation
from workflow.web.api import create_api

EVERYWHERE = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def test_definitions_are_listed_and_read(badges):
    """A list by name; each definition with its states, roles and events, and the JSON Schema of each payload."""
    listed = badges.get("/definitions")
    assert [("visitor-badge", "A badge for a visitor")] == [(one["name"], one["title"]) for one in listed.json()["items"]]
    assert listed.json()["next"] is None
    read = badges.get("/definitions/visitor-badge").json()
    assert ("ask", ["asked", "badge_given", "refused", "expired"]) == (read["start"], [state["path"] for state in read["states"]])
    assert ["approve", "name_escort", "reject"] == read["states"][0]["events"]
    assert {"name": "reception", "scope": "building", "is_anyone": False, "is_subject": False, "description": ""} in read["roles"]
    events = {event["name"]: event for event in read["events"]}
    assert (True, []) == (events["nobody_answered"]["is_engine"], events["nobody_answered"]["by"])
    assert {"source": "asked", "event": "approve", "target": "badge_given"} in read["transitions"]
    assert {"source": "asked", "event": "name_escort", "target": None} in read["transitions"]
    schema = events["approve"]["payload"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate({"rationale": "x"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"rationale": ""}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"rationale": "x", "other": 1}, schema)


def test_a_definition_is_sent_once(badges):
    """Its ETag is the digest of all that it is made of; who has it already gets 304 without a body."""
    first = badges.get("/definitions/visitor-badge")
    again = badges.client.get(
        "/definitions/visitor-badge", headers={"Authorization": "Bearer p-jane", "If-None-Match": f"W/{first.headers['etag']}"}
    )
    assert (304, b"", first.headers["etag"]) == (again.status_code, again.content, again.headers["etag"])
    other = badges.client.get("/definitions/visitor-badge", headers={"Authorization": "Bearer p-jane", "If-None-Match": '"other"'})
    assert 200 == other.status_code


def test_a_definition_is_read_as_an_instance_is_pinned_to_it(badges, tmp_path):
    """By its digest, also when a newer one was published; a digest of another name, or of nothing, is not there."""
    id_ = badges.ask()
    newer = tmp_path / "newer.yaml"
    newer.write_text(BADGE.read_text(encoding="utf-8").replace("after: PT2H", "after: PT3H"), encoding="utf-8")
    other = tmp_path / "other.yaml"
    other.write_text(BADGE.read_text(encoding="utf-8").replace("definition: visitor-badge", "definition: other"), encoding="utf-8")
    workflow.publish(badges.engine, newer, other)
    digest = badges.get(f"/instances/{id_}").json()["digest"]
    newest, pinned = badges.get("/definitions/visitor-badge").json(), badges.get("/definitions/visitor-badge", digest=digest).json()
    assert (True, digest) == (newest["digest"] != digest, pinned["digest"])
    for wrong in ("0" * 64, badges.get("/definitions/other").json()["digest"]):
        problem(badges.get("/definitions/visitor-badge", digest=wrong), 404, "not-found")


def test_definitions_are_paged(house):
    """One definition a page, in order, linked; without gap or repeat."""
    workflow.publish(house.engine, BADGE)
    client = TestClient(
        create_api(house.engine, identify=by_token({"x": VISITOR}), limits=UNLIMITED), headers={"Authorization": "Bearer x"}
    )
    first = client.get("/definitions", params={"limit": 1})
    second = client.get(first.links["next"]["url"])
    assert [["cpms-access"], ["visitor-badge"]] == [[one["name"] for one in page.json()["items"]] for page in (first, second)]
    assert "next" not in second.links
    whole = client.get("/definitions/cpms-access").json()
    for event in whole["events"]:
        jsonschema.Draft202012Validator.check_schema(event["payload"])
    with house.engine.store.unit() as uow:
        calendar = uow.newest("calendar", "ern-office")
    problem(client.get("/definitions/cpms-access", params={"digest": calendar.digest}), 404, "not-found")
    choose = next(event for event in whole["events"] if event["name"] == "choose_organisation")["payload"]
    assert "ERKNet" in choose["properties"]["network"]["enum"]


def test_an_instance_is_read_as_it_is_now(badges_on):
    """State, version, deadlines and plain fields; a deadline that is reached counts although nobody has swept."""
    id_ = badges_on.ask()
    answer = badges_on.get(f"/instances/{id_}")
    said = answer.json()
    assert (200, '"1"', 1, "asked", "Waiting for the reception") == (
        answer.status_code,
        answer.headers["etag"],
        said["version"],
        said["state"],
        said["title"],
    )
    assert [{"timer": "asked.answer", "event": "nobody_answered", "due_at": "2026-11-23T11:00:00Z"}] == said["deadlines"]
    assert ({"building": "north", "has_escort": True}, ["full_name"], None) == (said["fields"], said["personal_fields"], said["personal"])
    badges_on.clock.advance("PT2H")
    late = badges_on.get(f"/instances/{id_}").json()
    assert ("expired", "neutral", False, [], 2) == (late["state"], late["outcome"], late["is_open"], late["deadlines"], late["version"])


def test_every_answer_has_the_headers_of_the_house(badges):
    """Nothing is cached or sniffed, and no address is told to other sites; good answers, problems and the document alike."""
    answers = [badges.get("/definitions"), badges.get("/definitions", None), badges.get("/nowhere"), badges.get("/openapi.json", None)]
    assert [200, 401, 404, 200] == [answer.status_code for answer in answers]
    for answer in answers:
        assert EVERYWHERE == {name: answer.headers[name] for name in EVERYWHERE}


def test_personal_values_are_given_to_the_subject_alone(badges):
    """Asked for by `personal=true`; others are refused, whoever they are, and nothing is recorded of the person's own reading."""
    id_ = badges.ask()
    assert {"full_name": "Jane Doe"} == badges.get(f"/instances/{id_}", personal="true").json()["personal"]
    for actor in (NORTH, ADMINISTRATOR, AUDITOR):
        said = problem(badges.get(f"/instances/{id_}", actor, personal="true"), 403, "forbidden")
        assert ["personal_withheld"] == codes(said)
        assert "Jane" not in badges.get(f"/instances/{id_}", actor).text
    assert 1 == len(badges.engine.history(id_))


def test_who_else_reads_personal_values_is_for_the_host_to_say(badges_with):
    """With the host's policy the reception reads them, and the reading is an entry in the person's history."""
    badges = badges_with(may_see_personal=lambda actor, _: actor.id == "rick")
    id_ = badges.ask()
    assert {"full_name": "Jane Doe"} == badges.get(f"/instances/{id_}", NORTH, personal="true").json()["personal"]
    entry = badges.get(f"/instances/{id_}/history", AUDITOR).json()["items"][-1]["entry"]
    assert ("data:read", "rick", ["full_name"]) == (entry["kind"], entry["actor"], entry["payload"]["fields"])
    problem(badges.get(f"/instances/{id_}", VISITOR, personal="true"), 403, "forbidden")


def test_a_person_without_personal_values_has_none_to_show(badges_with):
    """After an erasure nothing is left; the answer says so."""
    badges = badges_with(may_see_personal=lambda *_: True)
    id_ = badges.ask()
    badges.fire(id_, "reject", NORTH, {"rationale": "x"})
    badges.engine.erase("p-jane", basis="asked for", actor=ADMINISTRATOR)
    said = badges.get(f"/instances/{id_}", NORTH, personal="true").json()
    assert ([], {}) == (said["personal_fields"], said["personal"])


def test_what_one_may_not_see_is_not_there(badges_on):
    """Another applicant and another reception get, byte for byte, what an id gives that was never made; whoever is concerned reads."""
    id_ = badges_on.ask()
    for path in ("", "/may", "/history"):
        for actor in (VISITOR, NORTH, ADMINISTRATOR, AUDITOR):
            assert 200 == badges_on.get(f"/instances/{id_}{path}", actor).status_code
        nothing = badges_on.get(f"/instances/{'x' * 22}{path}", OTHER)
        problem(nothing, 404, "not-found")
        for actor in (OTHER, SOUTH):
            answer = badges_on.get(f"/instances/{id_}{path}", actor)
            assert (nothing.status_code, nothing.content) == (answer.status_code, answer.content)
        assert 404 == badges_on.get(f"/instances/system{path}", ADMINISTRATOR).status_code


def test_lists_show_what_one_may_see(badges_on):
    """Applicants see their own, the reception its building's, administrators and auditors everything."""
    mine, theirs = badges_on.ask(), badges_on.ask(OTHER, building="south")
    expected = {
        VISITOR.id: {mine},
        OTHER.id: {theirs},
        NORTH.id: {mine},
        SOUTH.id: {theirs},
        AUDITOR.id: {mine, theirs},
        ADMINISTRATOR.id: {mine, theirs},
    }
    found = {id_: {one["id"] for one in badges_on.get("/instances", badges_on.people[id_]).json()["items"]} for id_ in expected}
    assert expected == found


def test_lists_are_filtered(badges_on):
    """By definition, state, openness and deadline; filters that match nothing give an empty page."""
    first, second = badges_on.ask(), badges_on.ask()
    badges_on.fire(second, "reject", NORTH, {"rationale": "x"})

    def ids(**filters):
        return [one["id"] for one in badges_on.get("/instances", NORTH, **filters).json()["items"]]

    assert [first] == ids(is_open="true") == ids(state="asked") == ids(due_before="2026-11-23T12:00:00.5+01:00")
    assert [second] == ids(is_open="false") == ids(state="refused")
    assert {first, second} == set(ids(definition="visitor-badge"))
    assert [] == ids(definition="cpms-access") == ids(due_before="2026-11-23T11:00:00Z")


def test_lists_are_paged_without_gap_or_repeat(badges_on):
    """Following `Link: rel=next` gives every instance that one may see once; the links keep the filters and name no host."""
    wanted = {badges_on.ask(building="north" if number % 2 else "south") for number in range(9)}
    seen, url, sizes = [], "/instances?limit=2&is_open=true", []
    while url:
        answer = badges_on.client.get(url, headers={"Authorization": "Bearer rick"})
        seen += [one["id"] for one in answer.json()["items"]]
        sizes.append(len(answer.json()["items"]))
        url = answer.links.get("next", {}).get("url")
        assert url is None or url.startswith("/instances?limit=2&is_open=true&after=")
    assert [2, 2] == sizes[:2]
    assert (len(seen), set(seen)) == (len(set(seen)), {id_ for id_ in wanted if badges_on.engine.get(id_).fields["building"] == "north"})


@pytest.mark.parametrize("path", ["/instances", "/work", "/definitions", "/instances/{id}/history"])
def test_a_cursor_goes_with_its_list_and_its_filters(badges, path):
    """A cursor that was made up, changed, or belongs to another list or filter is refused, not guessed at."""
    id_ = badges.ask()
    badges.ask()
    cursor = badges.get("/instances", limit=1).json()["next"]
    made_up = "0123456789abcdef.WyJhIl0"
    for after in (made_up, cursor[:-1] + ("A" if cursor[-1] != "A" else "B"), *([] if path == "/instances" else [cursor])):
        problem(badges.get(path.format(id=id_), after=after), 400, "malformed")
    problem(badges.get("/instances", after=cursor, state="asked"), 400, "malformed")
    problem(badges.get(path.format(id=id_), after="x"), 422, "invalid")


def test_parameters_are_judged_with_every_fault(badges):
    """A page of nothing, an instant that is none: 422 with the parameter's name; an address that cannot be one is not there."""
    said = problem(badges.get("/instances", limit="0", due_before="soon"), 422, "invalid")
    assert {"limit", "due_before"} == {reason["field"] for reason in said["reasons"]}
    said = problem(badges.get("/instances", due_before="2026-02-31T00:00:00Z"), 422, "invalid")
    assert ["due_before"] == [reason["field"] for reason in said["reasons"]]
    for path in ("/instances/a%00b", "/instances/" + "x" * 65, "/definitions/UPPER", "/definitions/nothing"):
        problem(badges.get(path), 404, "not-found")


def test_may_gives_a_verdict_for_each_event(badges_on):
    """With all reasons of a refusal, and what it depends on; for one event, or for all that people may fire now."""
    id_ = badges_on.ask(has_escort=False)
    said = badges_on.get(f"/instances/{id_}/may", NORTH).json()
    assert (id_, 1, "asked") == (said["instance"], said["version"], said["state"])
    verdicts = {one["event"]: one for one in said["events"]}
    assert {"approve": "refused", "name_escort": "refused", "reject": "depends"} == {name: one["verdict"] for name, one in verdicts.items()}
    assert ["rationale"] == verdicts["reject"]["depends_on"]
    assert ["role_missing"] == codes(verdicts["name_escort"])
    assert [("escort_missing", "Name an escort first.")] == [(one["code"], one["needed"]) for one in verdicts["approve"]["reasons"]]
    own = badges_on.get(f"/instances/{id_}/may", VISITOR, event="approve").json()["events"]
    assert [["role_missing", "own_request"]] == [codes(one) for one in own]
    assert "allowed" == badges_on.get(f"/instances/{id_}/may", VISITOR, event="name_escort").json()["events"][0]["verdict"]
    problem(badges_on.get(f"/instances/{id_}/may", VISITOR, event="nothing"), 404, "not-found")


def test_the_history_is_whole_for_auditors(badges_on):
    """What an auditor reads is what was hashed: its canonical form has the entry's hash, and each names the one before."""
    id_ = badges_on.ask()
    badges_on.fire(id_, "approve", VISITOR, {"rationale": "x"})
    badges_on.fire(id_, "approve", NORTH, {"rationale": "for a meeting with Dr No"})
    items, previous = badges_on.get(f"/instances/{id_}/history", AUDITOR).json()["items"], ""
    for item in items:
        assert item["is_whole"]
        assert item["hash"] == hashlib.sha256(b"\x00" + canonical(item["entry"])).hexdigest()
        assert previous == item["entry"]["previous"]
        previous = item["hash"]
    assert ["instance:started", "event:refused", "event:accepted"] == [item["entry"]["kind"] for item in items]
    assert "Jane Doe" not in str(items)
    assert "Dr No" not in str(items)


def test_the_history_is_paged(badges):
    """Entry by entry, in order, without gap or repeat."""
    id_ = badges.ask()
    for _ in range(4):
        badges.fire(id_, "approve", NORTH, {})
    found, after = [], {}
    while True:
        page = badges.get(f"/instances/{id_}/history", limit=2, **after).json()
        found += [item["sequence"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [1, 2, 3, 4, 5] == found


def test_work_is_what_one_may_do_by_deadline(badges_on):
    """The reception's queue, soonest first, without what it may not decide; the applicant's own turn; nobody else's."""
    first = badges_on.ask()
    badges_on.clock.advance("PT1H")
    second = badges_on.ask(OTHER)
    badges_on.people["rick"] = NORTH
    own = badges_on.ask(NORTH)
    rows = badges_on.get("/work", NORTH, event="reject").json()["items"]
    assert [(first, "reject", "reception", "north", "depends"), (second, "reject", "reception", "north", "depends")] == [
        (row["instance"]["id"], row["event"], row["role"], row["scope"], row["verdict"]) for row in rows
    ]
    assert ["2026-11-23T11:00:00Z", "2026-11-23T12:00:00Z"] == [row["due_at"] for row in rows]
    assert own not in {row["instance"]["id"] for row in rows}
    mine = badges_on.get("/work", VISITOR).json()["items"]
    assert [(first, "name_escort", "allowed")] == [(row["instance"]["id"], row["event"], row["verdict"]) for row in mine]
    assert [] == badges_on.get("/work", SOUTH).json()["items"]
    assert [] == badges_on.get("/work", NORTH, definition="cpms-access").json()["items"]


def test_work_is_paged_without_gap_or_repeat(badges_on):
    """Page by page, with rows left out in between that one may not do."""
    for number in range(7):
        badges_on.ask(NORTH if number % 3 == 0 else VISITOR)
    found, after = [], {}
    while True:
        page = badges_on.get("/work", NORTH, limit=3, event="approve", **after).json()
        found += [row["instance"]["id"] for row in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert (4, 4) == (len(found), len(set(found)))


def test_a_deputy_sees_and_does_what_the_principal_may(sqlite_url, badges_with):
    """While the delegation runs: the queue, the list and the instance; before and after there is nothing."""
    badges = badges_with()
    directory = FixedDirectory(roles={"reception:north": ["rick"]})
    engine = workflow.open(sqlite_url, keys=development_keys(), clock=badges.clock, extensions=Extensions(directory=directory))
    deputy = badges_with(engine=engine)
    id_ = badges.ask()
    now = badges.clock.now()

    engine.delegate(
        Delegation(id="d", principal=NORTH.id, deputy=OTHER.id, role=None, scope="north", starts_at=now, ends_at=now + timedelta(hours=1)),
        actor=NORTH,
    )
    assert 200 == deputy.get(f"/instances/{id_}", OTHER).status_code
    assert [id_] == [one["id"] for one in deputy.get("/instances", OTHER).json()["items"]]
    assert {"approve", "reject"} == {row["event"] for row in deputy.get("/work", OTHER).json()["items"]}
    badges.clock.advance("PT1H")
    problem(deputy.get(f"/instances/{id_}", OTHER), 404, "not-found")
    assert ([], []) == (deputy.get("/instances", OTHER).json()["items"], deputy.get("/work", OTHER).json()["items"])
    engine.close()


def test_head_is_get_without_its_body(badges):
    """The same code and headers for every address that is read, problems included; a HEAD changes nothing."""
    id_ = badges.ask()
    for path in (
        "/definitions",
        "/definitions/visitor-badge",
        f"/instances/{id_}",
        "/instances",
        "/work",
        f"/instances/{id_}/history",
        "/nowhere",
    ):
        got, head = badges.get(path), badges.client.head(path, headers={"Authorization": "Bearer p-jane"})
        assert (got.status_code, dict(got.headers), b"") == (head.status_code, dict(head.headers), head.content)
    assert 405 == badges.client.head(f"/instances/{id_}/events/reject", headers={"Authorization": "Bearer rick"}).status_code


def test_another_method_is_told_which_ones_there_are(badges):
    """405 with `Allow`, as a problem."""
    id_ = badges.ask()
    for path, allowed in ((f"/instances/{id_}", "GET, HEAD"), ("/instances", "GET, HEAD"), (f"/instances/{id_}/events/reject", "POST")):
        answer = badges.client.delete(path, headers={"Authorization": "Bearer rick"})
        problem(answer, 405, "method-not-allowed")
        assert allowed == answer.headers["allow"]
