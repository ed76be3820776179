"""Event logs: XES and OCEL say what the entries say, and the definition's net allows exactly such runs."""

from __future__ import annotations

import io
from xml.etree import ElementTree as ET

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.approvals import ACTS, VISITOR, fire, opened, send, whole
from workflow.engine.archive import Archive
from workflow.export.markup import text
from workflow.export.ocel import write_ocel
from workflow.export.pnml import AFTER, BEFORE, Net, net_of, pnml
from workflow.export.population import Wanted, histories
from workflow.export.xes import write_whole_xes, write_xes
from workflow.states.instance import Event

XES = "{http://www.xes-standard.org/}"
PNML = "{http://www.pnml.org/version-2009/grammar/pnml}"


def written(house, write) -> str:
    out = io.StringIO()
    write(histories(Archive(house.engine), Wanted()), out)
    return out.getvalue()


def net_for(house, id_: str) -> Net:
    return net_of(Archive(house.engine).table(house.engine.get(id_).digest))


def steps_of(house, id_: str) -> list[str]:
    (history,) = histories(Archive(house.engine), Wanted())
    return [row.event for row, _ in history.steps]


def is_run(net: Net, events: list[str]) -> bool:
    """Play the token game: all places in which the one token can be."""
    at = {BEFORE}
    for event in events:
        at = {move.target for move in net.moves if move.source in at and move.event == event}
    return any(move.source in at and not move.event and move.target == AFTER for move in net.moves)


def events_of(log: str) -> list[dict[str, str]]:
    (trace,) = ET.fromstring(log).findall(f"{XES}trace")
    return [{one.get("key"): one.get("value") for one in event} for event in trace.findall(f"{XES}event")]


def test_the_whole_log_loses_nothing():
    """Every entry is an event, refusals with their reasons; the completed events are the log of the steps, value by value."""
    house, id_ = whole()
    house.engine.disclose(id_, actor=VISITOR)
    events, rows = events_of(written(house, write_whole_xes)), house.engine.history(id_)
    assert [(int(one["sequence"]), one["hash"]) for one in events] == [(row.sequence, row.entry_hash.hex()) for row in rows]
    refused = [one for one in events if one["lifecycle:transition"] == "ate_abort"]
    assert [int(one["sequence"]) for one in refused] == [row.sequence for row in rows if row.kind == "event:refused"]
    assert all(one["reasons"] for one in refused)
    assert [one["concept:name"] for one in events if one["lifecycle:transition"] == "unknown"] == ["read"]
    assert [one for one in events if one["lifecycle:transition"] == "complete"] == events_of(written(house, write_xes))


def test_xes_is_the_steps_in_order():
    """A trace has an event for each step, typed as the standard says, in the order of the chain."""
    house, id_ = whole()
    log = ET.fromstring(written(house, write_xes))
    order = [child.tag.removeprefix(XES) for child in log]
    assert order == sorted(order, key=["extension", "global", "classifier", "string", "trace"].index), "the schema's order of parts"
    (trace,) = log.findall(f"{XES}trace")
    events = [{one.get("key"): (one.tag.removeprefix(XES), one.get("value")) for one in event} for event in trace.findall(f"{XES}event")]
    assert [event["concept:name"][1] for event in events] == steps_of(house, id_)
    rows = {row.sequence: row for row in house.engine.history(id_)}
    for event in events:
        assert event["sequence"][0] == "int"
        assert event["automatic"] == ("boolean", "false")
        assert event["time:timestamp"][0] == "date"
        assert event["hash"][1] == rows[int(event["sequence"][1])].entry_hash.hex()
    assert "event:refused" not in {event["kind"][1] for event in events}


def test_ocel_is_complete_and_consistent():
    """Every entry is an event; every type is declared with its attributes; every object that is named is there."""
    house, id_ = whole()
    log = orjson.loads(written(house, write_ocel))
    assert [event["id"] for event in log["events"]] == [f"{id_}/{row.sequence}" for row in house.engine.history(id_)]
    objects = {one["id"]: one for one in log["objects"]}
    assert len(objects) == len(log["objects"]), "no object twice"
    declared = {one["name"]: {a["name"]: a["type"] for a in one["attributes"]} for one in (*log["eventTypes"], *log["objectTypes"])}
    for one in (*log["events"], *log["objects"]):
        assert {a["name"] for a in one["attributes"]} <= set(declared[one["type"]])
        assert {relation["objectId"] for relation in one["relationships"]} <= set(objects)
    python = {"string": str, "integer": int, "boolean": bool, "time": str}
    for event in log["events"]:
        assert all(isinstance(a["value"], python[declared[event["type"]][a["name"]]]) for a in event["attributes"])
    states = [a["value"] for a in objects[f"onboarding:{id_}"]["attributes"] if a["name"] == "state"]
    assert (states[0], states[-1]) == ("requested.open", "done")
    assert "rate (refused)" in declared


def test_two_histories_are_two_traces_and_two_onboardings():
    """A population is written one history after the other, with its people named once."""
    house, _ = whole()
    event = Event.of("register", VISITOR, email="two@example.org", network="ERKNet")
    other = house.engine.start("access", event, subject="ana").instance.id
    log = ET.fromstring(written(house, write_xes))
    assert len(log.findall(f"{XES}trace")) == 2
    ocel = orjson.loads(written(house, write_ocel))
    assert sum(one["type"] == "onboarding" for one in ocel["objects"]) == 2
    assert sum(one["id"] == "subject:ana" for one in ocel["objects"]) == 1
    assert f"onboarding:{other}" in {one["id"] for one in ocel["objects"]}


def test_an_empty_population_is_a_valid_log():
    """Nothing is a log, too."""
    house, _ = opened()
    out = io.StringIO()
    write_ocel(histories(Archive(house.engine), Wanted(definition="other")), out)
    assert orjson.loads(out.getvalue()) == {"events": [], "objects": [], "eventTypes": [], "objectTypes": _object_types()}


def _object_types():
    plain = ("definition", "digest", "state", "outcome")
    onboarding = {"name": "onboarding", "attributes": [{"name": name, "type": "string"} for name in plain]}
    return [onboarding, {"name": "subject", "attributes": []}, {"name": "actor", "attributes": []}]


def test_the_net_is_well_formed():
    """PNML has the places of all leaf states, one token at the start, one final marking, and arcs between what there is."""
    house, id_ = opened()
    net = net_for(house, id_)
    page = ET.fromstring(pnml(net, digest="d")).find(f"{PNML}net/{PNML}page")
    places = {one.get("id"): one.findtext(f"{PNML}name/{PNML}text") for one in page.findall(f"{PNML}place")}
    definition = Archive(house.engine).table(house.engine.get(id_).digest).definition
    assert set(places.values()) == {"start", "end", *(leaf.path for leaf in definition.leaves())}
    known = {*places, *(one.get("id") for one in page.findall(f"{PNML}transition"))}
    arcs = [(one.get("source"), one.get("target")) for one in page.findall(f"{PNML}arc")]
    assert {end for arc in arcs for end in arc} <= known
    assert len(arcs) == 2 * len(net.moves)
    marked = [one.get("id") for one in page.findall(f"{PNML}place") if one.find(f"{PNML}initialMarking") is not None]
    assert [places[id_] for id_ in marked] == ["start"]


def test_a_history_is_a_run_of_its_net_and_one_without_approval_is_not():
    """Resends, deadlines, pauses and quorums are in the net; leaving the approval out is seen."""
    house, id_ = whole()
    net, events = net_for(house, id_), steps_of(house, id_)
    assert is_run(net, events)
    for missing in ("approve", "vote"):
        assert not is_run(net, [event for event in events if event != missing])
    assert not is_run(net, events[1:])


@settings(max_examples=30, deadline=None)
@given(acts=st.lists(st.one_of(st.sampled_from([*ACTS, "send", "tick"]), st.integers(min_value=1, max_value=60)), max_size=20))
def test_every_history_is_a_run_of_its_net(acts):
    """Whatever the engine accepts, the definition's net allows."""
    house, id_ = opened()
    for act in acts:
        if isinstance(act, int):
            house.clock.wait(hours=act)
        elif act == "send":
            send(house)
        elif act == "tick":
            house.engine.tick()
        else:
            fire(house, id_, act)
    assert is_run(net_for(house, id_), steps_of(house, id_))


@pytest.mark.parametrize("hostile", ["<a>&\"'", "]]>", "a\x00b\x0b", "a\nb\tc\r", "\ud800", "😀"])
def test_nothing_breaks_out_of_the_markup(hostile):
    """Whatever a value holds, the document stays well formed, and what XML can hold comes back as it was."""
    parsed = ET.fromstring(f'<a value="{text(hostile)}">{text(hostile)}</a>')
    assert parsed.get("value") == parsed.text
    if hostile.isprintable() or "\n" in hostile:
        assert parsed.get("value") == hostile


@given(st.text())
def test_any_text_survives(value):
    """Every text is well-formed markup."""
    assert ET.fromstring(f'<a value="{text(value)}"/>').get("value") is not None
