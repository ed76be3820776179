"""Process mining by others: pm4py (AGPL, tests only) reads our logs and nets without loss, and agrees with them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.approvals import whole
from workflow.engine.archive import Archive
from workflow.export.files import export
from workflow.export.population import Wanted
from workflow.states.instance import Actor

# In a process of its own: it prints, warns and imports half of scientific Python.
SCRIPT = """
import json, sys
import pm4py
folder, net_file = sys.argv[1:]
log = pm4py.read_xes(f"{folder}/out.xes")
net, start, end = pm4py.read_pnml(net_file)
whole = pm4py.read_xes(f"{folder}/whole.xes")
ocel = pm4py.read_ocel2_json(f"{folder}/out.ocel")
def fitness(some):
    return pm4py.fitness_alignments(some, net, start, end)["average_trace_fitness"]
said = {
    "completed": fitness(whole[whole["lifecycle:transition"] == "complete"]),
    "with_refusals": fitness(whole),
    "whole": [[str(name), str(became), str(value)] for name, became, value in zip(whole["concept:name"], whole["lifecycle:transition"], whole["hash"])],
    "events": [str(name) for name in log["concept:name"]],
    "hashes": [str(value) for value in log["hash"]],
    "clean": fitness(log),
    "unapproved": fitness(log[log["concept:name"] != "approve"]),
    "ocel_events": int(len(ocel.events)),
    "ocel_relations": int(len(ocel.relations)),
    "ocel_objects": {str(name): int(count) for name, count in ocel.objects["ocel:type"].value_counts().items()},
}
print("\\nSAID " + json.dumps(said))
"""


@pytest.mark.slow
def test_pm4py_reads_what_we_write(tmp_path: Path):
    """XES and OCEL are read without loss; a clean history fits the definition's net, one without its approval does not."""
    house, id_ = whole()
    archive, auditor = Archive(house.engine), Actor.of("aud")
    (net,) = export(archive, Wanted(), tmp_path / "out.xes", form="xes", actor=auditor).nets
    export(archive, Wanted(), tmp_path / "whole.xes", form="xes-all", actor=auditor)
    export(archive, Wanted(), tmp_path / "out.ocel", form="ocel", actor=auditor)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), str(net)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.partition("SAID ")[2])
    rows = house.engine.history(id_)
    steps = [row for row in rows if row.kind != "event:refused" and b'"effects":' in row.canonical]
    assert said["events"] == [row.event for row in steps]
    assert said["hashes"] == [row.entry_hash.hex() for row in steps]
    assert said["clean"] == said["completed"] == 1.0
    assert said["with_refusals"] < 1.0, "a net has no place for refused attempts: they are told apart by their lifecycle"
    became = {True: "ate_abort", False: "complete"}
    assert said["whole"] == [[row.event, became[row.kind == "event:refused"], row.entry_hash.hex()] for row in rows]
    assert said["unapproved"] < 1.0
    assert said["ocel_events"] == len(rows)
    assert said["ocel_relations"] == 3 * len(rows) + sum(row.on_behalf_of is not None for row in rows)
    assert (said["ocel_objects"]["onboarding"], said["ocel_objects"]["subject"]) == (1, 1)
