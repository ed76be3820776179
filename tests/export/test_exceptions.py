"""The exceptions report: what an auditor looks at first, with the entries that say it."""

from __future__ import annotations

from tests.engine.conftest import ADMIN, House
from tests.support.approvals import whole
from workflow.bootstrap import note_keys
from workflow.engine.acts import Act, record_act
from workflow.engine.archive import Archive
from workflow.export.exceptions import report
from workflow.export.files import export
from workflow.export.population import Wanted
from workflow.states.instance import Actor, Event
from workflow.states.verdict import Kind
from workflow.testing.store import MemoryStore

AUTOMATIC = """
definition: auto
language: 1
subject: person
calendar: ern-office
roles: {clerk: {}}
events:
  ask: {by: [person]}
  approve: {by: [clerk], decision: approval}
  late: {by: engine}
  lapse: {by: engine, auto: true}
start: {event: ask}
states:
  open:
    timers: [{name: late, after: 1bd, event: late}, {name: lapse, after: P9D, event: lapse}]
    transitions:
      - {event: approve, target: done}
      - {event: late, actions: [{mail: approver_reminder, to: clerk}]}
      - {event: lapse, target: done}
  done: {outcome: success}
"""


def test_refusals_deputies_erasures_and_exports(tmp_path):
    """Each is counted and named where it happened."""
    house, id_ = whole()
    archive = Archive(house.engine)
    export(archive, Wanted(), tmp_path / "x.csv", form="csv", actor=Actor.of("aud"))
    house.engine.disclose(id_, actor=Actor.of("hal"), basis="she asked", fields=["email"])
    record_act(house.engine, Act(kind=Kind.UPGRADED, event="upgrade", actor=Actor.of("ops"), payload={"release": "1.2"}))
    note_keys(house.engine)
    house.engine.erase("ana", basis="asked for", actor=ADMIN)
    found = report(archive, Wanted())
    assert found.histories == 1
    assert found.entries == len(house.engine.history(id_))
    assert found.refusals["range"] == 1
    assert found.refusals["own_request"] == 1
    assert [(one.actor, one.event, one.detail) for one in found.deputies] == [("dee", "approve", "for ben")]
    assert [(one.instance_id, one.actor, one.detail) for one in found.erasures] == [(id_, "admin", "asked for")]
    assert [(one.actor, one.detail.partition(",")[0]) for one in found.exports] == [("aud", "csv")]
    assert [(one.instance_id, one.actor, one.detail) for one in found.reads] == [(id_, "hal", "email (she asked)")]
    told = [(one.event, one.detail) for one in found.administration]
    assert told[0][1].startswith("definition access ")
    assert told[1:] == [("upgrade", "to release 1.2"), ("change_keys", f"installation: {house.vault.kids[0]}")]
    assert found.breaches == [], "elapsed deadlines are no breach of an office's time"


def test_automatic_decisions_and_late_answers():
    """What the engine decided by itself, and deadlines in working time that were reached."""
    house = House(MemoryStore())
    house.publish_shipped("cpms-access")
    house.publish(AUTOMATIC)
    id_ = house.engine.start("auto", Event.of("ask", Actor.of("ana"))).instance.id
    house.clock.wait(days=10)
    house.engine.tick()
    found = report(Archive(house.engine), Wanted(definition="auto"))
    assert [(one.instance_id, one.event, one.detail) for one in found.automatic] == [(id_, "lapse", "open -> done")]
    assert [one.event for one in found.breaches] == ["late"]
    assert report(Archive(house.engine), Wanted(definition="other")).histories == 0
