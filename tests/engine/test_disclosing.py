"""Reads of personal values by persons: each is an entry, on the fake and on every real store."""

from __future__ import annotations

import orjson
import pytest
import workflow_store

from tests.engine.conftest import ADMIN, House
from tests.support.approvals import TEXT, VISITOR, fire
from workflow.audit.chain import verify
from workflow.engine.archive import Archive
from workflow.errors import NotFoundError, RefusedError
from workflow.states.instance import Actor, Event
from workflow.states.verdict import Refused

HAL = Actor.of("hal", "helpdesk")
ADDRESS = "ana@example.org"


def begun(house: House) -> str:
    house.publish(TEXT)
    event = Event.of("register", VISITOR, email=ADDRESS, network="ERKNet")
    return house.engine.start("access", event, subject="ana").instance.id


@pytest.fixture
def house(store) -> House:
    return House(store)


def test_a_read_is_an_entry_of_whom_it_is_about(house):
    """Who read which fields and why stands in the instance's own chain, without a value; the history stays legal and verifies."""
    id_ = begun(house)
    before = house.engine.get(id_)
    assert house.engine.disclose(id_, actor=HAL, basis="she asked", fields=["email", "level"]) == {"email": ADDRESS, "level": 0}
    said = house.said(id_)[-1]
    assert (said["kind"], said["event"], said["actor"], said["roles"]) == ("data:read", "read", "hal", ["helpdesk"])
    assert said["payload"] == {"fields": ["email"], "basis": "she asked"}
    assert ADDRESS not in orjson.dumps(house.said(id_)).decode()
    after = house.engine.get(id_)
    assert (after.version, after.state) == (before.version, before.state), "a read is no step"
    assert verify(house.engine.history(id_)) == after.head == before.head + 1
    fire(house, id_, "rate 3")
    fire(house, id_, "approve")
    assert house.engine.get(id_).state == "requested.voted"
    archive = Archive(house.engine)
    assert archive.conform(house.engine.get(id_), archive.delegations()).illegal is None


def test_all_fields_are_read_when_none_is_named(house):
    """Without names every field is given, and the entry names the personal ones that had a value."""
    id_ = begun(house)
    fire(house, id_, "rate 3")
    fire(house, id_, "approve")
    found = house.engine.disclose(id_, actor=HAL)
    assert found == house.engine.values(id_)
    assert house.said(id_)[-1]["payload"] == {"fields": ["email", "reason"]}


def test_what_is_not_personal_leaves_no_entry(house):
    """Plain fields, and an instance whose values are erased, give nothing that would have to be recorded."""
    id_ = begun(house)
    assert house.engine.disclose(id_, actor=HAL, fields=["network"]) == {"network": "ERKNet"}
    assert [said["kind"] for said in house.said(id_)] == ["instance:started"]
    house.engine.erase("ana", basis="GDPR 17", actor=ADMIN)
    head = house.engine.get(id_).head
    assert "email" not in house.engine.disclose(id_, actor=HAL)
    assert house.engine.get(id_).head == head


def test_a_reached_deadline_is_written_before_the_read(house):
    """A read after a deadline does not stand before it in the history."""
    id_ = begun(house)
    house.clock.wait(days=1, hours=1)
    house.engine.disclose(id_, actor=HAL)
    assert [said["event"] for said in house.said(id_)] == ["register", "remind", "read"]


def test_a_read_by_nobody_or_for_a_ground_that_cannot_be_kept_is_refused(house):
    """The engine's name is nobody's, and the ground is one short line; an unknown instance or field is not found."""
    id_ = begun(house)
    for actor, basis, code in (
        (Actor.of("engine"), "", "engine_name"),
        (HAL, "a\nb", "basis_unreadable"),
        (HAL, "x" * 201, "basis_unreadable"),
    ):
        with pytest.raises(RefusedError) as refused:
            house.engine.disclose(id_, actor=actor, basis=basis)
        assert [reason.code for reason in refused.value.reasons] == [code]
    with pytest.raises(NotFoundError):
        house.engine.disclose("nobody", actor=HAL)
    with pytest.raises(NotFoundError):
        house.engine.disclose(id_, actor=HAL, fields=["shoe_size"])
    assert house.engine.get(id_).head == 1


def test_a_program_opening_values_is_no_read(house):
    """What the program itself opens, as for a mail, is no read by a person."""
    id_ = begun(house)
    assert house.engine.values(id_)["email"] == ADDRESS
    assert house.engine.get(id_).head == 1


def test_a_read_in_a_hosts_transaction_is_the_hosts(tmp_path):
    """Joined, the entry is written in the host's transaction, and a refusal is given back instead of raised."""
    store = workflow_store.connect(f"sqlite:///{tmp_path}/host.db")
    store.upgrade()
    house = House(store)
    id_ = begun(house)
    with store.engine.connect() as connection:
        guest = house.engine.on(connection)
        assert isinstance(guest.disclose(id_, actor=HAL, basis="\n"), Refused)
        assert guest.disclose(id_, actor=HAL)["email"] == ADDRESS
        assert guest.get(id_).head == 2
        connection.exec_driver_sql("ROLLBACK")
    assert house.engine.get(id_).head == 1
    with store.engine.connect() as connection:
        house.engine.on(connection).disclose(id_, actor=HAL)
        connection.exec_driver_sql("COMMIT")
    assert (house.engine.get(id_).head, verify(house.engine.history(id_))) == (2, 2)
    store.close()
