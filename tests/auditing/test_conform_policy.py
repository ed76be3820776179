"""`workflow audit conform` holds stored histories against the policy: real ones keep it, forged ones are named with the property."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import orjson
import pytest
import workflow_store

import workflow as api
from tests.engine.conftest import House as EngineHouse
from tests.support.approvals import TEXT
from tests.support.commands import workflow
from tests.support.onboarding import ADMIN, TESS, TOM, VISITOR, House
from tests.support.tampering import Forger
from workflow.audit.chain import verify
from workflow.cli.conforming import MOST_KEPT, Broken, Conformance
from workflow.engine.archive import Archive
from workflow.policy.history import Violation
from workflow.policy.stored import recheck
from workflow.settings import development_keys
from workflow.states.instance import Actor, Event

TO_THE_REQUEST = {"add_authenticator", "confirm_authenticator", "sign_in_two_factor", "begin_request"}
TO_THE_REQUEST |= {"choose_application", "choose_organisation", "choose_profiles"}


def entries_of(forger: Forger, id_: str) -> list[dict]:
    rows = forger.rows("SELECT canonical FROM {t}entries WHERE instance_id = :i ORDER BY sequence", i=id_)
    return [orjson.loads(bytes(row["canonical"])) for row in rows]


def drop(forger: Forger, id_: str, events: set[str]) -> None:
    """Take entries out of a history, close the gaps, and chain it anew, so that its chain is valid."""
    place = 0
    for said in entries_of(forger, id_):
        if said["event"] in events:
            forger.delete_entry(id_, said["sequence"])
            continue
        place += 1
        if place != said["sequence"]:
            forger.move_entry(id_, said["sequence"], place)
    forger.rechain(id_)


@pytest.fixture
def forged(database, box):
    """A store with four accesses: one as it was, and three whose entries were written past the engine, each with a valid chain."""
    with closing(House(f"sqlite:///{database}", box, definition=None)) as house:
        people = {name: house.person().approved() for name in ("clean", "by the subject", "without a second factor", "by one person")}
        ids = {name: person.id for name, person in people.items()}
        subject = people["by the subject"].subject
    with closing(Forger(f"sqlite:///{database}")) as forger:
        approved = next(said for said in entries_of(forger, ids["by the subject"]) if said["event"] == "approve")
        forger.say(ids["by the subject"], approved["sequence"], actor=subject)
        forger.edit(ids["by the subject"], approved["sequence"], actor=subject)
        forger.rechain(ids["by the subject"])
        drop(forger, ids["without a second factor"], TO_THE_REQUEST)
        created = next(said for said in entries_of(forger, ids["by one person"]) if said["event"] == "create_account")
        forger.say(ids["by one person"], created["sequence"], actor=str(TESS.id))
        forger.edit(ids["by one person"], created["sequence"], actor=str(TESS.id))
        forger.rechain(ids["by one person"])
    return f"sqlite:///{database}", ids


def test_histories_that_were_forged_with_a_valid_chain_are_named_with_the_property(forged):
    """An approval by the subject, one before the second factor and two stages by one person are each told, at their entry, with the sentence."""
    url, ids = forged
    said = workflow("audit", "conform", "--json", database=url)
    assert said.code == 1, said.err
    found = {(one["instance"], one["property"]): one for one in said.data["violations"] if one["severity"] == "error"}
    assert set(found) == {
        (ids["by the subject"], "nobody approves their own request"),
        (ids["without a second factor"], "no access without a second factor"),
        (ids["without a second factor"], "no request without a second factor"),
        (ids["by one person"], "approval and account take two people"),
    }
    own = found[ids["by the subject"], "nobody approves their own request"]
    assert own["event"] == "approve"
    assert own["sentence"].startswith("approve is never done by the person being onboarded")
    early = found[ids["without a second factor"], "no request without a second factor"]
    assert early["event"] == "submit_request"
    told = workflow("audit", "conform", database=url)
    assert told.code == 1
    assert f"{own['instance']}  entry {own['sequence']} (approve) breaks: nobody approves their own request" in told.out
    assert own["sentence"] in " ".join(told.out.split())
    assert ids["clean"] not in told.out


def test_the_chains_of_the_forged_histories_are_valid(forged):
    """The forgeries are such that following the chains alone finds nothing: it is the policy that finds them."""
    url, ids = forged
    with api.open(url, keys=development_keys()) as opened:
        for id_ in ids.values():
            assert verify(opened.history(id_)) > 10


def test_real_histories_keep_the_policy(house):
    """Whole journeys with refusals, a rejection, an erasure, deputies and lost phones break no property; a warning does not fail."""
    house.person().finished()
    left = house.person().requested()
    left.fire("reject", TOM, rationale="Not one of us.")
    gone = house.person().requested()
    house.engine.erase(gone.subject, basis="GDPR 17", actor=ADMIN)
    house.person().registered()
    house.wait("P40D")
    asked = house.person().requested()
    asked.refused("approve", VISITOR, rationale="Me.")
    found, archive = Conformance(), Archive(house.engine)
    for situation in house.engine.instances().rows:
        found.read(archive, situation.instance, archive.delegations(), now=house.clock.now())
    assert found.histories == 5
    assert (found.illegal, found.broken, found.unjudged) == ([], [], [])
    assert found.is_clean


def test_what_should_have_followed_by_now_is_missed(house):
    """A request that nobody answered in time is told once its ladder should have said so, and not before."""
    jane = house.person().requested()
    rows = [row for row in house.engine.history(jane.id) if row.event not in {"remind", "escalate"}]
    archive, definition = Archive(house.engine), house.engine.in_force(jane.id).world.definition
    due = {t.key: t.due_at for t in house.engine.situation(jane.id).timers}

    def broken(until):
        found = recheck(definition, rows, subject=jane.subject, calendars=archive.calendar, until=until)
        return {one.rule.name for one in found.violations}

    assert broken(due["requested.remind"]) == set()
    house.clock.set(due["requested.breach"])
    house.clock.advance("PT1S")
    late = broken(house.clock.now())
    assert late == {"every request is answered", "somebody is reminded after a day"}


def test_findings_are_kept_up_to_a_limit_and_counted_beyond(house):
    """Memory stays flat where everything is wrong: the first findings are kept, all are counted."""
    jane = house.person().registered()
    rule = house.engine.in_force(jane.id).world.definition.policy[0]
    found = Conformance()
    for place in range(MOST_KEPT + 5):
        found.keep_broken(Broken(instance_id=str(place), event="x", violation=Violation(rule=rule, sequence=1, detail="x")))
    assert (len(found.broken), found.error_count) == (MOST_KEPT, MOST_KEPT + 5)
    assert not found.is_clean


POLICY = """
policy:
  - {name: the level stays low, cel: {state: requested, holds: instance.level < 3}}
  - {name: nobody rates twice, cel: {event: rate, holds: instance.level < 2}, severity: warning}
  - {name: the address is there, cel: {state: requested, holds: has.email}}
  - {name: a high level is told, requires: {event: rate, when: event.level >= 3, effect: mail.escalation}, severity: warning}
  - {name: a low level stays, requires: {event: rate, when: event.level < 3, leads_to: requested}}
"""


def test_expressions_are_judged_where_a_history_rests_and_what_it_accepted(tmp_path):
    """A property written as an expression is judged of each state in which the history rested, and of what was accepted, at its entry."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/expressed.db")
    store.upgrade()
    with closing(store):
        house = EngineHouse(store)
        house.publish(TEXT + POLICY)
        event = Event.of("register", Actor.of("visitor"), email="ana@example.org", network="ERKNet")
        id_ = house.engine.start("access", event, subject="ana").instance.id
        clean = house.engine.start("access", event, subject="bea").instance.id
        for level in (2, 3, 4):
            house.clock.wait(minutes=1)
            house.engine.fire(id_, Event.of("rate", Actor.of("ana"), level=level))
        house.engine.fire(clean, Event.of("rate", Actor.of("bea"), level=1))
        house.engine.erase("bea", basis="GDPR 17", actor=ADMIN)
        found, archive = Conformance(), Archive(house.engine)
        for one in (id_, clean):
            found.read(archive, house.engine.get(one), archive.delegations(), now=house.clock.now())
    told = [(one.instance_id, one.violation.rule.name, one.violation.sequence) for one in found.broken]
    assert told == [(id_, "a high level is told", 3), (id_, "nobody rates twice", 3), (id_, "the level stays low", 3)]
    assert (found.illegal_count, found.error_count, found.warning_count) == (0, 1, 2)
    assert next(iter(found.beyond.values())) == ()


def test_a_warning_does_not_fail(house):
    """What breaks properties whose severity is a warning only is told, and the population is clean."""
    jane = house.person().registered()
    rule = replace(house.engine.in_force(jane.id).world.definition.policy[0], severity="warning")
    found = Conformance()
    found.keep_broken(Broken(instance_id=jane.id, event="x", violation=Violation(rule=rule, sequence=1, detail="x")))
    assert (found.is_clean, found.warning_count, len(found.broken)) == (True, 1, 1)
