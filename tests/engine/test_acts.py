"""What is done to an installation is recorded: keys, tables, messages that are tried again."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from tests.engine.conftest import House
from tests.support.approvals import TEXT, VISITOR
from tests.support.commands import workflow
from workflow.audit.chain import verify
from workflow.bootstrap import dispatch, note_keys
from workflow.checks import KeyVault
from workflow.engine import Engine
from workflow.engine.acts import CHECKPOINTS, Act, record_act, retry
from workflow.engine.archive import Archive
from workflow.errors import ActionError, NotFoundError
from workflow.ports import SYSTEM, MessageQuery
from workflow.settings import new_key
from workflow.states.instance import Actor, Event
from workflow.states.verdict import Kind

OPS = Actor.of("ops", "operator")


@pytest.fixture
def house(store) -> House:
    return House(store)


def changes_of_keys(house: House) -> list[dict]:
    return [said for said in house.said(SYSTEM) if said["kind"] == "key:changed"]


def with_keys(house: House, *keys) -> Engine:
    return Engine(replace(house.parts, vault=KeyVault(keys)), house.store)


def test_keys_are_noted_when_they_change(house):
    """The keys in use are an entry with their public halves, newest first; the same keys again are none, a rotation is one."""
    old, new = new_key("k-2025"), new_key("k-2026")
    assert note_keys(with_keys(house, old)) == 1
    assert note_keys(with_keys(house, old)) is None
    assert note_keys(with_keys(house, new, old), actor=OPS) == 2
    for _ in range(600):  # further back than one page
        record_act(house.engine, Act(kind=Kind.EXPORTED, event="export", actor=OPS, payload={}))
    assert note_keys(with_keys(house, new, old)) is None
    assert note_keys(with_keys(house, new)) == 603
    said = changes_of_keys(house)
    assert [[key["kid"] for key in one["payload"]["keys"]] for one in said] == [["k-2025"], ["k-2026", "k-2025"], ["k-2026"]]
    assert (said[1]["actor"], said[1]["roles"]) == ("ops", ["operator"])
    public = KeyVault((new,)).public_key().hex()
    assert said[1]["payload"]["keys"][0]["public_key"] == public
    assert old.write().partition(":")[2] not in orjson.dumps(said).decode(), "no secret key is in the history"
    with house.store.reads() as reads:
        assert verify(reads.entries(SYSTEM, limit=1000)) == 603


def test_keys_for_checkpoints_alone_are_noted_beside(house):
    """A signing key of its own does not look like a change of the installation's keys."""
    sealing, signing = new_key("seal"), new_key("sign")
    engine = with_keys(house, sealing)
    assert note_keys(engine) == 1
    assert note_keys(engine, vault=KeyVault((signing,))) == 2
    assert (note_keys(engine), note_keys(engine, vault=KeyVault((signing,)))) == (None, None)
    assert [said["payload"]["purpose"] for said in changes_of_keys(house)] == ["installation", CHECKPOINTS]


def test_a_retry_is_an_entry_of_its_onboarding(house):
    """Who made a message due again stands in the history it belongs to, which stays legal; what was not given up is left alone."""
    house.publish(TEXT)
    event = Event.of("register", VISITOR, email="ana@example.org", network="ERKNet")
    id_ = house.engine.start("access", event, subject="ana").instance.id

    def refuse(_briefing):
        raise ActionError("nobody there", effect="mail request_received", attempts=1, will_retry=False)

    with house.engine.reads() as reads:
        message = reads.messages(MessageQuery(instance_id=id_)).rows[0].id
    assert retry(house.engine, message, actor=OPS) is False
    dispatch(house.engine, performer=refuse, base_url="https://host").run()
    assert retry(house.engine, message, actor=OPS) is True
    with house.engine.reads() as reads:
        assert reads.message(message).state == "queued"
    said = house.said(id_)[-1]
    assert (said["kind"], said["event"], said["actor"]) == ("message:retried", "retry_message", "ops")
    assert said["payload"] == {"message": message, "effect": "mail:request_received", "queued_by": 1}
    archive = Archive(house.engine)
    assert archive.conform(house.engine.get(id_), archive.delegations()).illegal is None
    with pytest.raises(NotFoundError):
        retry(house.engine, "none", actor=OPS)


def test_commands_record_what_operators_do(tmp_path):
    """Tables brought up to date, keys in use, a worker's start and a checkpoint each leave what they should, once."""
    url = f"sqlite:///{tmp_path}/new.db"
    assert workflow("db", "upgrade", "--actor", "ops", database=url).code == 0
    assert workflow("db", "upgrade", "--actor", "ops", database=url).code == 0, "nothing to do, nothing to record"
    assert workflow("worker", "--once", database=url).code == 0
    first = workflow("audit", "checkpoint", "--json", database=url)
    assert first.code == 0, first.err
    assert first.data["size"] == 2
    said = workflow("trace", "system", "--json", database=url).data["lines"]
    assert [(line["kind"], line["actor"]) for line in said] == [("store:upgraded", "ops"), ("key:changed", "system:operator")]
    other = tmp_path / "signing"
    other.write_text(new_key("signer").write())
    second = workflow("audit", "checkpoint", "--key-file", other, "--json", database=url)
    assert second.code == 0, second.err
    assert second.data["size"] == 3, "the new signing key is under its own first checkpoint"
    assert workflow("audit", "verify", "--key-file", other, database=url).code == 0
