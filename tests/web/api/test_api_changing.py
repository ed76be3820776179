"""Starting and firing through the API, and which answer stands for what."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx2
import orjson
import pytest
from starlette.testclient import TestClient

from tests.support.web import ADMINISTRATOR, ASKING, NORTH, OTHER, SOUTH, UNLIMITED, VISITOR, codes, problem, serving
from workflow.errors import ConflictError, DeadlineError, StoreError
from workflow.settings import Limits
from workflow.states.instance import Actor
from workflow.web.api import NotAuthenticatedError, RateLimits, create_api

START = "/definitions/visitor-badge/instances"


def test_a_start_gives_the_new_instance(badges_on):
    """201 with its address, its version and what it is; the subject is who asked."""
    answer = badges_on.post(START, json=ASKING)
    said = answer.json()
    assert (201, f"/instances/{said['id']}", '"1"', "p-jane") == (
        answer.status_code,
        answer.headers["location"],
        answer.headers["etag"],
        said["subject"],
    )
    assert said == badges_on.get(answer.headers["location"]).json()


def test_an_accepted_event_gives_the_instance_after_it(badges_on):
    """200 with the new version, which the next If-Match names."""
    id_ = badges_on.ask()
    answer = badges_on.fire(id_, "approve", NORTH, {"rationale": "x"}, if_match='"1"')
    said = answer.json()
    assert (200, '"2"', "approve", 2, False) == (
        answer.status_code,
        answer.headers["etag"],
        said["event"],
        said["sequence"],
        said["is_repeat"],
    )
    assert ("badge_given", "success") == (said["instance"]["state"], said["instance"]["outcome"])


@pytest.mark.parametrize(
    ("event", "actor", "payload", "expected"),
    [
        ("approve", VISITOR, {"rationale": "x"}, (403, "forbidden", ["role_missing", "own_request"])),
        ("nobody_answered", NORTH, {}, (403, "forbidden", ["engine_only"])),
        ("nobody_answered", ADMINISTRATOR, {}, (403, "forbidden", ["engine_only"])),
        ("approve", NORTH, {}, (422, "invalid", ["value_missing"])),
        ("approve", NORTH, {"rationale": "x" * 4001, "more": 1}, (422, "invalid", ["unknown_value", "invalid_value"])),
        ("approve", NORTH, {"rationale": "x"}, (409, "refused", ["escort_missing"])),
        ("something", NORTH, {}, (404, "not-found", ["unknown_event"])),
        ("approve", SOUTH, {"rationale": "x"}, (404, "not-found", [])),
        ("approve", OTHER, {}, (404, "not-found", [])),
    ],
)
def test_a_refusal_says_by_its_code_which_stage_refused(badges_on, event, actor, payload, expected):
    """Who asks: 403. The values: 422. A guard: 409. No such event, or no such instance for this caller: 404. Each with all reasons."""
    id_ = badges_on.ask(has_escort=False)
    code, kind, reasons = expected
    said = problem(badges_on.fire(id_, event, actor, payload), code, kind)
    assert reasons == codes(said)
    assert all(set(reason) == {"code", "message", "needed", "field"} for reason in said["reasons"])
    assert "asked" == badges_on.engine.get(id_).state


def test_an_event_of_another_state_is_a_conflict_with_the_state(badges_on):
    """409, with the states in which it would be possible."""
    id_ = badges_on.ask()
    badges_on.fire(id_, "reject", NORTH, {"rationale": "x"})
    said = problem(badges_on.fire(id_, "approve", NORTH, {"rationale": "x"}), 409, "wrong-state")
    assert [("wrong_state", "one of the states asked")] == [(reason["code"], reason["needed"]) for reason in said["reasons"]]


def test_refused_attempts_are_in_the_history(badges_on):
    """Also those of callers who may not see the instance; the number of the entry is told to those who may."""
    id_ = badges_on.ask()
    assert 2 == problem(badges_on.fire(id_, "approve", NORTH, {}), 422, "invalid")["sequence"]
    assert "sequence" not in problem(badges_on.fire(id_, "approve", SOUTH, {}), 404, "not-found")
    entries = badges_on.get(f"/instances/{id_}/history", VISITOR).json()["items"]
    assert [("event:refused", "rick"), ("event:refused", "sue")] == [(e["entry"]["kind"], e["entry"]["actor"]) for e in entries[1:]]


@pytest.mark.parametrize("given", ['"2"', '"999999999999999999"', '"9999999999999999999999"', 'W/"1"', '"x"', '""'])
def test_an_outdated_version_changes_nothing(badges_on, given):
    """412, with the present version where it is known; a weak or strange one never matches (RFC 9110 §13.1.1)."""
    id_ = badges_on.ask()
    answer = badges_on.fire(id_, "approve", NORTH, {"rationale": "x"}, if_match=given)
    said = problem(answer, 412, "outdated")
    if given == '"2"':
        assert (2, 1, '"1"') == (said["expected_version"], said["found_version"], answer.headers["etag"])
    assert (1, 1) == (badges_on.engine.get(id_).version, len(badges_on.engine.history(id_)))


def test_any_present_version_matches_the_star(badges):
    """`If-Match: *` is any version; what is no entity tag is malformed."""
    id_ = badges.ask()
    problem(badges.fire(id_, "reject", NORTH, {"rationale": "x"}, if_match="1"), 400, "malformed")
    problem(badges.fire(id_, "reject", NORTH, {"rationale": "x"}, if_match='"1", "2"'), 400, "malformed")
    assert 200 == badges.fire(id_, "reject", NORTH, {"rationale": "x"}, if_match="*").status_code


def test_who_may_not_see_an_instance_does_not_learn_its_version(badges):
    """A wrong If-Match on another's instance is 404, as without it."""
    id_ = badges.ask()
    problem(badges.fire(id_, "approve", SOUTH, {"rationale": "x"}, if_match='"7"'), 404, "not-found")


def test_a_repeated_event_gives_the_first_answer_again(badges_on):
    """The same key and content: once accepted, once in the history; refusals are repeated likewise."""
    id_ = badges_on.ask()
    refused = [badges_on.fire(id_, "approve", NORTH, {}, idempotency_key="k-0") for _ in range(2)]
    assert refused[0].content == refused[1].content
    first, second = (badges_on.fire(id_, "approve", NORTH, {"rationale": "x"}, idempotency_key="k-1") for _ in range(2))
    assert (200, None) == (first.status_code, first.headers.get("idempotent-replayed"))
    assert (200, "true", True) == (second.status_code, second.headers["idempotent-replayed"], second.json()["is_repeat"])
    assert first.json()["instance"] == second.json()["instance"]
    assert ["instance:started", "event:refused", "event:accepted"] == [row.kind for row in badges_on.engine.history(id_)]


def test_a_key_is_for_one_content(badges_on):
    """Other content under a used key is refused (422) and says so; somebody else's key is another key."""
    id_ = badges_on.ask()
    badges_on.fire(id_, "approve", NORTH, {}, idempotency_key="k")
    problem(badges_on.fire(id_, "approve", NORTH, {"rationale": "x"}, idempotency_key="k"), 422, "key-reused")
    assert 200 == badges_on.fire(id_, "name_escort", VISITOR, {}, idempotency_key="k").status_code
    for bad in ("", "two words", "x" * 201):
        problem(badges_on.fire(id_, "approve", NORTH, {}, idempotency_key=bad), 400, "malformed")


def test_a_repeated_start_gives_the_same_instance(badges_on):
    """However often it is sent there is one; the key is the caller's own."""
    answers = [badges_on.post(START, VISITOR, ASKING, idempotency_key="s-1") for _ in range(3)]
    assert ([201] * 3, 1) == ([a.status_code for a in answers], len({a.json()["id"] for a in answers}))
    other = badges_on.post(START, OTHER, ASKING, idempotency_key="s-1")
    assert other.json()["id"] != answers[0].json()["id"]


def test_a_start_is_refused_like_an_event(badges):
    """Missing values with every reason; a definition that was never published is not there."""
    said = problem(badges.post(START, json={"building": "north"}), 422, "invalid")
    assert {"full_name", "has_escort"} == {reason["field"] for reason in said["reasons"]}
    problem(badges.post("/definitions/nothing/instances", json={}), 404, "not-found")


def test_one_starts_for_oneself(badges_with):
    """Another subject is for an administrator, or for whom the host's policy lets."""
    badges = badges_with()
    path = f"{START}?subject=p-other"
    assert ["subject_not_yours"] == codes(problem(badges.post(path, VISITOR, ASKING), 403, "forbidden"))
    badges.people["ada"] = Actor.of("ada", "administrator")
    refused = problem(badges.post(path, ADMINISTRATOR, ASKING), 403, "forbidden")
    assert "role_missing" in codes(refused), "the event of a start is for the visitor alone, whoever it is started for"
    assert 201 == badges.post(f"{START}?subject=p-jane", VISITOR, ASKING).status_code


def test_fifty_at_once_have_one_winner(badges_on):
    """Of fifty parallel requests over real connections one is accepted; the others learn that they came too late."""
    id_ = badges_on.ask()
    with (
        serving(badges_on.app) as url,
        ThreadPoolExecutor(50) as pool,
        httpx2.Client(
            base_url=url, headers={"Authorization": "Bearer rick"}, timeout=60, limits=httpx2.Limits(max_connections=50)
        ) as client,
    ):

        def fire(number: int) -> int:
            return client.post(f"/instances/{id_}/events/reject", json={"rationale": f"{number}"}).status_code

        answers = sorted(pool.map(fire, range(50)))
    assert [200, *[409] * 49] == answers
    assert 1 == sum(row.kind == "event:accepted" for row in badges_on.engine.history(id_))


def test_fifty_repeats_at_once_are_one_event(badges_on):
    """Under one idempotency key fifty parallel requests all get the answer of the one that was accepted."""
    id_ = badges_on.ask()
    headers = {"Authorization": "Bearer p-jane", "Idempotency-Key": "one"}
    with serving(badges_on.app) as url, ThreadPoolExecutor(50) as pool, httpx2.Client(base_url=url, headers=headers, timeout=60) as client:
        answers = list(pool.map(lambda _: client.post(f"/instances/{id_}/events/name_escort", json={}), range(50)))
    assert [200] * 50 == [answer.status_code for answer in answers]
    assert 1 == sum(not answer.json()["is_repeat"] for answer in answers)
    assert ["instance:started", "event:accepted"] == [row.kind for row in badges_on.engine.history(id_)]


# The request itself


@pytest.mark.parametrize(
    ("body", "code", "kind"),
    [
        (b"{", 400, "malformed"),
        (b'{"rationale": NaN}', 400, "malformed"),
        (b'{"rationale": "\xff"}', 400, "malformed"),
        (b'{"rationale": "\\ud800"}', 400, "malformed"),
        (b"[" * 9 + b"]" * 9, 400, "malformed"),
        (b'{"a":' * 100_0 + b"1" + b"}" * 100_0, 400, "malformed"),
        (b"[" * 60_000, 400, "malformed"),
        (b'"x"', 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b'{"rationale": "[[[[[[[[[[[[\\"{{{{{{{{{{{{"}', 200, ""),
        (b'{"rationale": "' + b"x" * 66_000 + b'"}', 413, "too-large"),
    ],
)
def test_a_body_that_is_no_payload_is_refused(badges, body, code, kind):
    """Malformed or deep: 400. Not an object: 422. Too large: 413. Brackets inside texts are no depth."""
    id_ = badges.ask()
    answer = badges.client.post(
        f"/instances/{id_}/events/reject",
        content=body,
        headers={"Authorization": "Bearer rick", "Content-Type": "application/json; charset=utf-8"},
    )
    if code == 200:
        assert 200 == answer.status_code
        return
    problem(answer, code, kind)
    assert 1 == len(badges.engine.history(id_))


def test_a_body_whose_size_is_not_said_is_read_no_further_than_allowed(badges_with):
    """A body in chunks that does not end is cut off at the limit."""
    badges = badges_with(payload=Limits(payload_bytes=100))
    id_ = badges.ask()
    sent = []

    def chunks():
        for number in range(1000):
            sent.append(number)
            yield b" " * 50

    headers = {"Authorization": "Bearer rick", "Content-Type": "application/json"}
    problem(badges.client.post(f"/instances/{id_}/events/reject", content=chunks(), headers=headers), 413, "too-large")
    with serving(badges.app) as url, httpx2.Client(base_url=url, headers=headers) as client:
        answer = client.post(f"/instances/{id_}/events/reject", content=b"x" * 101)
        problem(answer, 413, "too-large")


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml"]
)
def test_what_is_not_json_is_refused(badges, media_type):
    """415, whatever the body holds: so no form of another site can be a payload."""
    id_ = badges.ask()
    headers = {"Authorization": "Bearer rick", "Content-Type": media_type}
    answer = badges.client.post(f"/instances/{id_}/events/reject", content=b'{"rationale": "x"}', headers=headers)
    problem(answer, 415, "media-type")
    assert "application/json" == answer.headers["accept-post"]


def test_an_event_without_values_needs_no_body(badges):
    """No body at all is an empty payload."""
    id_ = badges.ask()
    assert 200 == badges.client.post(f"/instances/{id_}/events/name_escort", headers={"Authorization": "Bearer p-jane"}).status_code
    headers = {"Authorization": "Bearer p-jane", "Content-Type": "application/json"}
    assert 200 == badges.client.post(f"/instances/{id_}/events/name_escort", headers=headers).status_code


def test_who_is_not_known_gets_no_further(badges):
    """401 with a challenge, for every address, before anything of the request is read; wrong credentials read the same."""
    id_ = badges.ask()
    for answer in (
        badges.get("/instances", None),
        badges.get(f"/instances/{id_}", None),
        badges.get("/instances", Actor.of("nobody")),
        badges.client.post(f"/instances/{id_}/events/approve", content=b"{" * 100_000),
        badges.post(START, None, ASKING),
    ):
        problem(answer, 401, "unauthenticated")
        assert 'Bearer realm="workflow"' == answer.headers["www-authenticate"]


def test_a_host_may_know_people_asynchronously(badges_with):
    """`identify` may be a coroutine, or give one."""

    async def identify(request):
        return VISITOR if request.headers.get("x-me") else None

    for given in (identify, partial(identify), lambda request: identify(request)):  # noqa: PLW0108  # a plain function that gives one
        badges = badges_with(identify=given)
        assert 200 == badges.client.get("/instances", headers={"X-Me": "1"}).status_code
        assert 401 == badges.client.get("/instances").status_code


# Limits


def test_an_actor_is_limited(badges_with):
    """429 with Retry-After; another actor, and reading beside changing, have their own budget."""
    badges = badges_with(limits=RateLimits(read="3/minute", change="2/minute"))
    id_ = badges.ask()
    assert [200] * 3 == [badges.get("/instances").status_code for _ in range(3)]
    answer = badges.get("/instances")
    problem(answer, 429, "too-many-requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert 200 == badges.get("/instances", NORTH).status_code
    assert 200 == badges.fire(id_, "name_escort", VISITOR).status_code
    problem(badges.fire(id_, "name_escort", VISITOR), 429, "too-many-requests")


def test_an_address_is_limited(badges_with):
    """Whoever asks; and sooner when the credentials are wrong, so that nobody tries them out."""
    badges = badges_with(limits=RateLimits(address="5/minute"))
    assert [200] * 5 == [badges.get("/instances", actor).status_code for actor in (VISITOR, OTHER, NORTH, SOUTH, VISITOR)]
    problem(badges.get("/instances", NORTH), 429, "too-many-requests")
    badges = badges_with(limits=RateLimits(unknown="2/minute"))
    assert [401, 401, 429] == [badges.get("/instances", Actor.of("nobody")).status_code for _ in range(3)]
    assert 200 == badges.get("/instances").status_code


def test_addresses_of_one_customer_count_together(badges_with):
    """By default it is the client's address, of IPv6 the /64; behind a proxy the host says which it is."""
    badges = badges_with(limits=RateLimits(address="1/minute"))

    def asks(host: str) -> int:
        with TestClient(badges.app, client=(host, 1)) as client:
            return client.get("/instances", headers={"Authorization": "Bearer p-jane"}).status_code

    assert [200, 429, 200, 429] == [asks(host) for host in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1", "2001:db8:0:1::2")]
    assert [200, 200, 429] == [asks(host) for host in ("192.0.2.1", "192.0.2.2", "192.0.2.1")]
    behind = badges_with(limits=RateLimits(address="1/minute"), client_address=lambda request: request.headers["x-real-ip"])
    headers = {"Authorization": "Bearer p-jane"}
    assert [200, 200, 429] == [behind.client.get("/instances", headers={**headers, "X-Real-IP": ip}).status_code for ip in ("a", "b", "a")]


# Faults of ours


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (StoreError("The connection to db.internal was lost; password=hunter2"), 503, "unavailable"),
        (DeadlineError("hunter2", calendar="x"), 500, "failed"),
        (ZeroDivisionError("hunter2"), 500, "failed"),
    ],
)
def test_a_fault_of_ours_tells_nothing(badges_with, error, code, kind):
    """500, or 503 with Retry-After when the database is away: without a traceback, a name or a value; the log has it."""

    def broken(_request):
        raise error

    answer = badges_with(engine=broken).get("/instances")
    problem(answer, code, kind)
    assert (code == 503) == ("retry-after" in answer.headers)
    assert not [word for word in ("hunter2", "Traceback", "ZeroDivision", "db.internal", ".py") if word in answer.text]
    assert "no-store" == answer.headers["cache-control"]


def test_a_conflict_may_be_tried_again(badges_with):
    """Somebody was faster than five seconds of trying: 409 with Retry-After."""

    def late(_request):
        raise ConflictError("Somebody was faster.")

    answer = badges_with(engine=late).get("/instances")
    problem(answer, 409, "conflict")
    assert "1" == answer.headers["retry-after"]


def test_nobody_acts_as_the_engine(badges):
    """A host's actor of that name is refused like anybody else (403), and not let through for its name."""
    badges.people["engine"] = Actor.of("engine", "reception:north")
    id_ = badges.ask()
    said = problem(badges.fire(id_, "reject", Actor.of("engine"), {"rationale": "x"}), 403, "forbidden")
    assert ["engine_name"] == codes(said)


# Without a name


def test_nobody_unknown_changes_anything_unless_the_host_says_so(house):
    """By default even what anyone may do wants a caller who is known."""
    jane = house.person().registered()
    payload = {"token": jane.token, "password": jane.password, "password_confirm": jane.password}
    for is_open, expected in ((False, 401), (True, 200)):
        api = create_api(house.engine, identify=lambda _: None, limits=UNLIMITED, allow_anonymous=is_open)
        assert expected == TestClient(api).post(f"/instances/{jane.id}/events/set_password", json=payload).status_code
    assert "password_set.choosing_method" == jane.state


def test_the_unknown_do_only_what_anyone_may(house):
    """Reading wants a name; events of roles and unknown instances read alike; a refusal of what anyone may do is told with its reasons."""
    jane = house.person().registered()
    client = TestClient(create_api(house.engine, identify=lambda _: None, limits=UNLIMITED, allow_anonymous=True))
    for path in (
        "/instances",
        "/work",
        "/definitions",
        f"/instances/{jane.id}",
        f"/instances/{jane.id}/history",
        f"/instances/{jane.id}/may",
    ):
        problem(client.get(path), 401, "unauthenticated")
    nothing = client.post(f"/instances/{'x' * 22}/events/approve", json={})
    for event in ("approve", "begin_request", "sign_in_two_factor_", "mail_overdue"):
        assert nothing.content == client.post(f"/instances/{jane.id}/events/{event}", json={}).content
    refused = problem(
        client.post(f"/instances/{jane.id}/events/set_password", json={"token": jane.token, "password": "x", "password_confirm": "x"}),
        422,
        "invalid",
    )
    assert {"password", "password_confirm", ""} >= {reason["field"] for reason in refused["reasons"]}
    assert refused["reasons"]
    problem(client.post(f"/instances/{jane.id}/events/request_link", json={"token": "x", "username": "y"}), 404, "not-found")
    said = client.post(
        f"/instances/{jane.id}/events/set_password",
        json={"token": jane.token, "password": jane.password, "password_confirm": jane.password},
    ).json()
    assert ("set_password", None) == (said["event"], said["instance"])
    assert "anonymous" == jane.entry("set_password")["actor"]


def test_a_public_start_tells_nobody_who_is_registered(house):
    """The same receipt, code and headers for a new address and for a known one; each onboarding gets a subject of its own."""
    client = TestClient(create_api(house.engine, identify=lambda _: None, limits=UNLIMITED, allow_anonymous=True, answer_floor_seconds=0.2))
    jane, john = house.person(), house.person()
    path = "/definitions/cpms-access/instances"
    answers = [client.post(path, json=form) for form in (jane.form, john.form, {**jane.form, "username": "n00another"})]
    assert [202] * 3 == [answer.status_code for answer in answers]
    assert 1 == len({tuple((name, value) for name, value in answer.headers.items() if name != "etag") for answer in answers})
    assert [["receipt"]] * 3 == [list(answer.json()) for answer in answers]
    assert 1 == len({len(answer.content) for answer in answers})
    assert all(answer.elapsed.total_seconds() >= 0.2 for answer in answers)
    found = house.engine.instances().rows
    assert (2, 2) == (len(found), len({one.instance.subject for one in found}))
    house.drain()
    assert 2 == len(house.subjects_to(jane.email)), "the owner of the address is told, and nobody else"
    keyed = [
        client.post(path, json=house.person(email="once@clinic.example").form | {"username": "n00once"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert keyed[0].json() == keyed[1].json()
    problem(client.post(f"{path}?subject=p-1", json=john.form), 403, "forbidden")
    problem(client.post(path, json={}), 422, "invalid")


def test_what_one_host_names_an_actor_is_never_in_an_answer_to_another(badges):
    """A problem for a stranger repeats neither id nor state: it is the same document for all of them."""
    id_ = badges.ask()
    assert id_ not in badges.fire(id_, "approve", SOUTH, {}).text
    assert orjson.loads(badges.fire(id_, "approve", SOUTH, {}).content)["reasons"] == []


def test_wrong_credentials_are_not_taken_for_none(badges_with):
    """Where unknown callers are let in, a wrong token is still refused."""

    def identify(_request):
        raise NotAuthenticatedError("This token is nobody's.")

    problem(badges_with(identify=identify, allow_anonymous=True).post(START, None, ASKING), 401, "unauthenticated")
