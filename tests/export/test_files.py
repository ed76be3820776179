"""Exports as files: recorded, filtered, whole or not there at all, on the fake and on every real store."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from tests.support.approvals import VISITOR, whole
from workflow.engine.archive import Archive
from workflow.errors import NotFoundError
from workflow.export.files import FORMATS, export
from workflow.export.population import Wanted, instances
from workflow.states.instance import Actor, Event
from workflow.testing.store import MemoryStore

AUDITOR = Actor.of("aud", "auditor")


@pytest.mark.parametrize("form", FORMATS)
def test_an_export_is_an_entry(tmp_path, form):
    """Who exported what, how much and with which digest is recorded in the system's chain; the file is that file."""
    house, _ = whole()
    path = tmp_path / f"out.{form}"
    told = []
    wanted = Wanted(definition="access", outcome="success")
    done = export(Archive(house.engine), wanted, path, form=form, actor=AUDITOR, progress=lambda *count: told.append(count))
    entry = house.said("system")[-1]
    assert (entry["kind"], entry["actor"], entry["sequence"], entry["roles"]) == ("data:exported", "aud", done.sequence, ["auditor"])
    assert entry["payload"] == {
        "format": form,
        "filter": {"definition": "access", "outcome": "success"},
        "histories": 1,
        "entries": done.entries,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    assert told == [(1, done.entries)]
    assert sorted(tmp_path.iterdir()) == sorted([path, *done.nets])
    assert len(done.nets) == (form in {"xes", "xes-all", "ocel"})


def test_what_cannot_be_recorded_is_not_exported(tmp_path):
    """Without its entry no file appears, and nothing half written is left."""

    class Deaf(MemoryStore):
        """A store that takes nothing any more."""

        is_deaf = False

        def unit(self):
            if self.is_deaf:
                raise NotFoundError("store", "deaf")
            return super().unit()

    store = Deaf()
    house, _ = whole(store)
    store.is_deaf = True
    with pytest.raises(NotFoundError):
        export(Archive(house.engine), Wanted(), tmp_path / "out.csv", form="csv", actor=AUDITOR)
    assert list(tmp_path.iterdir()) == []


def test_populations(tmp_path):
    """By state, outcome and the period in which it started; a compound state includes its children."""
    house, id_ = whole()
    began = house.engine.get(id_).started_at
    event = Event.of("register", VISITOR, email="bo@example.org", network="ERKNet")
    other = house.engine.start("access", event, subject="bo").instance.id
    archive = Archive(house.engine)

    def ids(**more) -> set[str]:
        return {str(one.id) for one in instances(archive, Wanted(**more))}

    assert ids() == {id_, other}
    assert ids(state="requested") == ids(outcome="open") == ids(since=began + timedelta(seconds=1)) == {other}
    assert ids(outcome="success") == ids(until=began + timedelta(seconds=1)) == ids(state="done") == {id_}
    assert ids(until=began) == ids(definition="other") == ids(outcome="failure") == set()
