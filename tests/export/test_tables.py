"""Tables: no cell is a formula, and every JSON line proves itself."""

from __future__ import annotations

import csv
import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.approvals import opened, whole
from workflow.audit.chain import entry_hash
from workflow.engine.archive import Archive
from workflow.errors import RefusedError
from workflow.export.population import Wanted, histories
from workflow.export.tables import COLUMNS, FORMULA, neutral, write_csv, write_jsonl
from workflow.states.instance import Actor, Event


def table_of(house) -> list[dict[str, str]]:
    out = io.StringIO()
    write_csv(histories(Archive(house.engine), Wanted()), out)
    return list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))


def test_a_row_per_entry():
    """Each entry is a row in the order of its chain, with what it says, under a title row."""
    house, id_ = whole()
    rows, history = table_of(house), house.engine.history(id_)
    assert [(row["sequence"], row["hash"]) for row in rows] == [(str(one.sequence), one.entry_hash.hex()) for one in history]
    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["event"], rows[0]["from"], rows[0]["to"]) == ("register", "", "requested.open")
    assert {row["reasons"] for row in rows if row["kind"] == "event:refused"} >= {"unknown_event", "range"}
    assert {row["on_behalf_of"] for row in rows} == {"", "ben"}


def test_no_personal_value_is_exported():
    """Only names of personal fields are in a table, and only commitments in a line."""
    house, _ = whole()
    out = io.StringIO()
    write_jsonl(histories(Archive(house.engine), Wanted()), out)
    for exported in (out.getvalue(), str(table_of(house))):
        assert "ana@example.org" not in exported
        assert "Known to them" not in exported
    assert "field:email" in str(table_of(house)[0]["personal"])


@pytest.mark.parametrize("actor", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_an_actor_cannot_plant_a_formula(actor):
    """Whoever names themselves like a formula is shown with an apostrophe in front."""
    house, id_ = opened()
    with pytest.raises(RefusedError):
        house.engine.fire(id_, Event.of("create", Actor.of(actor)))
    assert table_of(house)[-1]["actor"] == f"'{actor}"


@given(st.text())
def test_no_cell_is_a_formula(cell):
    """Whatever a cell holds, what is written begins with nothing that a spreadsheet computes; other cells stay as they are."""
    written = neutral(cell)
    assert not written.startswith(FORMULA)
    assert written.removeprefix("'") == cell.removeprefix("'")


def test_a_json_line_proves_itself():
    """A line has the canonical bytes: hashing them gives the hash beside them."""
    house, id_ = whole()
    out = io.StringIO()
    write_jsonl(histories(Archive(house.engine), Wanted()), out)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(house.engine.history(id_))
    for line in lines:
        said = orjson.loads(line)
        assert entry_hash(orjson.dumps(said["entry"], option=orjson.OPT_SORT_KEYS)).hex() == said["hash"]
