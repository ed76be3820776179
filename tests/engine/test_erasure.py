"""Erasure on the fake and on every real store: what was personal is gone, and every proof still holds."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
import workflow_store

from tests.engine.conftest import ADMIN, House
from workflow.audit.chain import verify
from workflow.audit.commitment import TAG, opens
from workflow.engine.retaining import Retention
from workflow.errors import NotFoundError, RefusedError
from workflow.ports import Change, Compacting, Credential, CredentialChange, MessageQuery
from workflow.states.definition import FieldName
from workflow.states.instance import Actor, Event, InstanceId

TEXT = """
definition: access
language: 1
subject: applicant
retention: {failure: P90D, neutral: P30D}
erasure: forget
roles: {visitor: {anyone: true, because: Registration is open.}, team: {}}
fields:
  email: {type: email, unique: {on_conflict: registered_again}}
  note: {type: text}
events:
  register: {by: [visitor], payload: {email: {field: email, required: true}}}
  registered_again: {by: engine}
  forget: {by: engine}
  write: {by: [applicant], payload: {note: {field: note}}}
  approve: {by: [team]}
  reject: {by: [team], payload: {rationale: {type: text}}}
start: {event: register, set: {email: event.email}}
transitions: [{event: registered_again, actions: [{mail: registered_again}]}]
states:
  requested:
    waits_forever: a test
    entry: [{mail: request_received}]
    transitions:
      - {event: write, set: {note: event.note}}
      - {event: approve, target: approved}
      - {event: reject, target: rejected}
      - {event: forget, target: erased, actions: [{provision: cpms_account, with: {operation: close}}]}
  approved: {outcome: success}
  rejected: {outcome: failure}
  erased: {outcome: neutral}
"""
VISITOR, TEAM = Actor.of("visitor"), Actor.of("ben", "team")
ADDRESS, NOTE = "ana.petrova@example.org", "Only for the eyes of the team."
BASIS = "GDPR 17(1)(b)"


def begun(house: House, subject: str = "ana", email: str = ADDRESS) -> str:
    house.publish(TEXT)
    event = Event.of("register", VISITOR, key=f"key of {email}", email=email)
    id_ = house.engine.start("access", event, subject=subject).instance.id
    house.engine.fire(id_, Event.of("write", Actor.of(subject), note=NOTE))
    return id_


def give_password(house: House, id_: str, subject: str) -> None:
    """Give the subject a credential, as a check would."""
    with house.store.unit() as uow:
        loaded = uow.load(InstanceId(id_))
        one = Credential(subject=loaded.situation.instance.subject, kind="password", sealed=b"sealed password")
        instance = loaded.situation.instance
        uow.save(Change(instance=instance, is_new=False, expected_head=instance.head, credentials=(CredentialChange(credential=one),)))


def test_what_is_personal_is_gone_and_the_chain_verifies(house):
    """Values, salts, key, credentials, blind indexes and answers are destroyed; the entry says who, why and what."""
    id_ = begun(house)
    give_password(house, id_, "ana")
    before = [row.canonical for row in house.engine.history(id_)]
    house.engine.fire(id_, Event.of("reject", TEAM, rationale="A private reason."))
    done = house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    assert (done.instances, done.closed, done.is_whole) == ((id_,), (), True)
    assert house.engine.values(id_) == {}
    with house.store.unit() as uow:
        loaded = uow.load(InstanceId(id_))
        assert (loaded.subject_key, loaded.credentials, dict(uow.personal(InstanceId(id_)))) == (None, (), {})
    entry = house.said(id_)[-1]
    assert (entry["kind"], entry["actor"], entry["roles"]) == ("data:erased", "admin", ["administrator"])
    slots = ["field:email", "field:note", "payload:rationale"]
    assert entry["payload"] == {"basis": BASIS, "scope": "subject", "slots": slots, "credentials": 1}
    assert verify(house.engine.history(id_)) == 4
    assert [row.canonical for row in house.engine.history(id_)][:2] == before, "not one byte of the history has changed"


def test_the_address_is_free_again(house):
    """The blind index is gone, so the same person may register anew, as somebody whom nobody knows."""
    id_ = begun(house)
    house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    again = house.engine.start("access", Event.of("register", VISITOR, key=f"key of {ADDRESS}", email=ADDRESS), subject="ana")
    assert (again.instance.id != id_, again.is_repeat) == (True, False)
    assert house.engine.values(again.instance.id)["email"] == ADDRESS, "a new key is made for new values"
    assert house.engine.values(id_) == {}


def test_a_request_under_way_is_closed_first(house):
    """The definition's closing event comes before the erasure, with its own effects; notices to nobody are not sent."""
    id_ = begun(house)
    done = house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    assert done.closed == (id_,)
    assert [(said["event"], said["to"]) for said in house.said(id_)][2:] == [("forget", "erased"), ("erase", "erased")]
    with house.engine.reads() as reads:
        messages = {m.effect.name: m.state for m in reads.messages(MessageQuery(instance_id=InstanceId(id_))).rows}
    assert messages == {"request_received": "superseded", "cpms_account": "queued"}


def test_a_request_that_cannot_be_closed_is_refused_and_untouched(house):
    """Without a closing event nothing is destroyed, the refusal says what would be needed, and it is recorded."""
    text = "\n".join(line for line in TEXT.split("\n") if "forget" not in line and "erased: {" not in line)
    house.publish(text)
    id_ = house.engine.start("access", Event.of("register", VISITOR, email=ADDRESS), subject="ana").instance.id
    with pytest.raises(RefusedError) as refused:
        house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    assert [reason.code for reason in refused.value.reasons] == ["under_way"]
    assert house.said("system")[-1]["payload"] == {"subject": "ana"}
    assert house.engine.values(id_) == {"email": ADDRESS}


@pytest.mark.parametrize(("actor", "basis", "code"), [(TEAM, BASIS, "role_missing"), (ADMIN, " ", "basis_missing")])
def test_only_an_administrator_with_a_ground_erases(house, actor, basis, code):
    """Who may, and why, comes first; a refused attempt is an entry too."""
    id_ = begun(house)
    with pytest.raises(RefusedError) as refused:
        house.engine.erase("ana", basis=basis, actor=actor)
    assert [reason.code for reason in refused.value.reasons] == [code]
    assert house.said("system")[-1]["kind"] == "event:refused"
    assert house.engine.values(id_)["email"] == ADDRESS


def test_erasing_twice_says_so_once(house):
    """Doing it again finishes what was interrupted and otherwise changes nothing; a stranger is not found."""
    id_ = begun(house)
    house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    again = house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    assert (again.instances, again.before) == ((), (id_,))
    assert sum(said["kind"] == "data:erased" for said in house.said(id_)) == 1
    with pytest.raises(NotFoundError):
        house.engine.erase("nobody", basis=BASIS, actor=ADMIN)


def test_nobody_else_is_touched(house):
    """Another subject's values, key and address stay as they are."""
    begun(house)
    other = begun(house, "bo", "bo@example.org")
    house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    assert house.engine.values(other) == {"email": "bo@example.org", "note": NOTE}
    assert house.engine.start("access", Event.of("register", VISITOR, email="bo@example.org"), subject="x").instance_id == other


def test_retention_erases_what_is_past_its_period(house):
    """From the outcome on the period runs; a success that is not named keeps its values."""
    one = begun(house)
    house.engine.fire(one, Event.of("reject", TEAM, rationale="x"))
    house.clock.wait(days=60)
    late, good = begun(house, "bo", "bo@example.org"), begun(house, "cy", "cy@example.org")
    house.engine.fire(late, Event.of("reject", TEAM, rationale="x"))
    house.engine.fire(good, Event.of("approve", TEAM))
    retention = Retention(house.engine)
    assert retention.expired() == ()
    house.clock.wait(days=30)
    (found,) = retention.expired()
    assert (found.instance_id, found.outcome, found.kept_until - found.reached_at) == (one, "failure", timedelta(days=90))
    (done,) = retention.erase((found,), actor=ADMIN)
    assert (done.instances, done.is_whole) == ((one,), True)
    assert house.said(one)[-1]["payload"]["basis"] == "retention"
    assert retention.expired() == ()
    house.clock.wait(days=400)
    assert [expired.instance_id for expired in retention.expired()] == [late]
    assert house.engine.values(good)["email"] == "cy@example.org"
    with pytest.raises(RefusedError):
        retention.erase(retention.expired(), actor=TEAM)


def test_retention_spares_what_the_subject_still_needs(house):
    """A subject with another onboarding keeps key and credentials; only the old values go."""
    old = begun(house)
    house.engine.fire(old, Event.of("reject", TEAM, rationale="x"))
    house.clock.wait(days=91)
    new = begun(house, "ana", "ana2@example.org")
    retention = Retention(house.engine)
    (done,) = retention.erase(retention.expired(), actor=ADMIN)
    assert (done.instances, done.is_whole) == ((old,), False)
    assert house.engine.values(old) == {}
    assert house.engine.values(new) == {"email": "ana2@example.org", "note": NOTE}


def test_an_erasure_in_a_hosts_transaction_is_the_hosts(tmp_path):
    """Joined, the erasure lives and dies with the host's transaction, and a refusal is given back instead of raised."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/host.db")
    store.upgrade()
    house = House(store)
    id_ = begun(house)
    with store.engine.connect() as connection:
        refused = house.engine.on(connection).erase("ana", basis="", actor=ADMIN)
        assert [reason.code for reason in refused.reasons] == ["basis_missing"]
        done = house.engine.on(connection).erase("ana", basis=BASIS, actor=ADMIN)
        assert done.instances == (id_,)
        assert house.engine.on(connection).values(id_) == {}
        connection.exec_driver_sql("ROLLBACK")
    assert house.engine.values(id_)["email"] == ADDRESS, "what the host undoes was never erased"
    assert verify(house.engine.history(id_)) == 2
    store.close()


def raw_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def test_no_byte_stays_in_the_files(tmp_path):
    """After the erasure, raw files hold neither value nor ciphertext nor key, and the true value opens no commitment."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/raw.db")
    store.upgrade()
    house = House(store)
    id_ = begun(house)
    give_password(house, id_, "ana")
    with store.unit() as uow:
        loaded = uow.load(InstanceId(id_))
        slots = uow.personal(InstanceId(id_))
    opened = orjson.loads(
        house.vault.open_personal(slots["field:email"].sealed, subject_key=loaded.subject_key, bound_to=f"{id_}|1|field:email")
    )
    committed = house.said(id_)[0]["personal"]["field:email"]
    salt = base64.b64decode(opened["salt"])
    assert opens(committed, ADDRESS, salt), "before the erasure one field can be opened with its salt"
    blind = house.vault.blind("unique", "access", FieldName("email"), ADDRESS)
    lost = [loaded.subject_key, *(slot.sealed for slot in slots.values()), blind.encode(), b"sealed password"]
    assert all(piece in raw_of(tmp_path) for piece in lost)
    house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    assert isinstance(store, Compacting)
    store.compact()
    raw = raw_of(tmp_path)
    for piece in (*lost, salt, ADDRESS.encode(), NOTE.encode(), base64.b64encode(salt)):
        assert piece not in raw
    store.close()
    value = orjson.dumps(ADDRESS)
    found = {hashlib.sha256(TAG + raw[at : at + 32] + value).hexdigest() for at in range(len(raw) - 31)}
    assert committed not in found, "no 32 bytes that are left are the salt"


def test_a_postgres_database_keeps_nothing_that_is_alive(postgres_url):
    """On PostgreSQL the rows are gone and the tables vacuumed; what its log has is ciphertext under a destroyed key."""
    store = workflow_store.connect(postgres_url)
    store.upgrade()
    house = House(store)
    id_ = begun(house)
    house.engine.erase("ana", basis=BASIS, actor=ADMIN)
    store.compact()
    with store.engine.connect() as connection:
        for table in ("sealed_values", "subject_keys", "unique_values", "answers"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM workflow_{table}").scalar() == 0
    assert verify(house.engine.history(id_)) == 4
    store.close()
