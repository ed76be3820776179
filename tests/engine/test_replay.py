"""Conformance: every history the engine writes is legal, and a forged one is not, at its first illegal entry."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.conftest import ADMIN, House
from tests.support.approvals import ACTS, fire, opened, send, whole
from workflow.audit.delegations import Delegations
from workflow.audit.replay import replay
from workflow.engine.archive import Archive
from workflow.states.instance import ActorId

pytestmark = pytest.mark.measured  # what `workflow.audit.replay` is tested by


def replayed(house: House, id_: str, rows=None):
    archive = Archive(house.engine)
    rows = archive.entries(id_) if rows is None else rows
    return replay(rows, subject=house.engine.get(id_).subject, worlds=archive.world, delegations=archive.delegations())


def forged(rows, sequence: int, **changes):
    """Change what one entry says and chain everything after it anew, as a forger with the database would."""
    made, previous = [], ""
    for row in rows:
        said = orjson.loads(row.canonical) | {"previous": previous, "sequence": len(made) + 1}
        if row.sequence == sequence:
            said |= {key: change(said[key]) if callable(change) else change for key, change in changes.items()}
        canonical = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(b"\x00" + canonical).digest()
        previous = digest.hex()
        made.append(
            replace(
                row,
                sequence=said["sequence"],
                actor=said["actor"],
                event=said["event"],
                canonical=canonical,
                entry_hash=digest,
                kind=said["kind"],
                from_state=said["from"],
                to_state=said["to"],
            )
        )
    return made


def without(rows, event: str):
    """Leave the first accepted entry of an event out, with everything chained anew and nothing else changed."""
    gone = next(row for row in rows if row.event == event and row.kind == "event:accepted")
    return forged([row for row in rows if row is not gone], 0)


def place(rows, event: str, kind: str = "event:accepted") -> int:
    return next(row.sequence for row in rows if row.event == event and row.kind == kind)


def test_a_whole_history_is_legal():
    """Reports, deadlines, pauses, refusals, a deputy's decision and a quorum follow from the definition, entry by entry."""
    house, id_ = whole()
    found = replayed(house, id_)
    assert found.illegal is None, found.illegal
    assert (found.count, found.situation.instance.state) == (len(house.engine.history(id_)), "done")
    kinds = {row.kind for row in house.engine.history(id_)}
    assert kinds == {"instance:started", "event:accepted", "event:refused", "timer:fired", "effect:reported"}
    assert "dee" in {row.actor for row in house.engine.history(id_) if row.on_behalf_of == "ben"}


def test_the_situation_it_leads_to_is_the_stored_one():
    """A replay gives the same instance, as far as entries say, and the same deadlines."""
    house, id_ = opened()
    fire(house, id_, "rate 3")
    send(house)
    stored, found = house.engine.situation(id_), replayed(house, id_).situation
    assert {t.key: t for t in found.timers} == {t.key: t for t in stored.timers}
    for name in ("state", "fields", "personal", "version", "tallies", "deciders", "serials", "marks"):
        assert getattr(found.instance, name) == getattr(stored.instance, name), name


def test_an_erased_onboarding_is_legal_too():
    """The closing event and the erasure are entries like others."""
    house, id_ = opened()
    fire(house, id_, "rate 3")
    house.engine.erase("ana", basis="asked for", actor=ADMIN)
    found = replayed(house, id_)
    assert (found.illegal, found.count) == (None, 4)


def test_a_missing_approval_is_found():
    """A history without its approval does not become legal by chaining it anew."""
    house, id_ = whole()
    rows = house.engine.history(id_)
    found = replayed(house, id_, without(rows, "approve"))
    assert found.illegal is not None
    assert found.illegal.sequence == place(rows, "approve")
    assert found.count == found.illegal.sequence - 1


FORGERIES = {
    "another target": ("create", {"to": "gone"}, "to"),
    "another origin": ("create", {"from": "requested.open"}, "from"),
    "no role": ("create", {"roles": []}, "role_missing"),
    "another role": ("create", {"roles": ["team:ERKNet"]}, "role_missing"),
    "another network": ("approve", {"roles": ["team:VASCERN"]}, "roles"),
    "the subject decides": ("create", {"actor": "ana"}, "own_request"),
    "one person in two stages": ("create", {"actor": "dee"}, "two_stages"),
    "a deputy of nobody": ("approve", {"on_behalf_of": "cy"}, "role_missing"),
    "an event nobody knows": ("create", {"event": "dance"}, "unknown_event"),
    "an engine's event": ("create", {"event": "forget"}, "engine_only"),
    "a value that the guard refuses": ("rate", {"payload": {"level": 7}}, "range"),
    "an effect more": ("create", {"effects": [{"kind": "mail", "name": "approved", "to": "subject"}]}, "effects"),
    "an earlier instant": ("create", {"occurred_at": "2026-11-23T09:00:00.000000Z"}, "occurred_at"),
    "a personal field more": ("create", {"personal": {"field:email": "0" * 64}}, "personal"),
    "the engine did it": ("create", {"actor": "engine"}, "not_the_engines"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_entry_is_named(name):
    """Whatever an entry claims that the definition does not allow: it is named, with the reason."""
    event, changes, code = FORGERIES[name]
    house, id_ = whole()
    rows = house.engine.history(id_)
    sequence = [row.sequence for row in rows if row.event == event and row.kind == "event:accepted"][-1]
    found = replayed(house, id_, forged(rows, sequence, **changes)).illegal
    assert (found.sequence, found.code) == (sequence, code), found


def test_forged_deadlines_are_named():
    """A due instant that does not follow, a deadline that fires too early, one that is passed over."""
    house, id_ = whole()
    rows = house.engine.history(id_)

    def later(armed):
        return [one | {"due_at": "2030-01-01T00:00:00.000000Z"} for one in armed]

    assert replayed(house, id_, forged(rows, 1, armed=later)).illegal.code == "armed"
    fired = next(row.sequence for row in rows if row.kind == "timer:fired")
    assert replayed(house, id_, [*rows[: fired - 1], *rows[fired:]]).illegal.code in {"deadline_passed_over", "occurred_at"}
    early = forged(rows, fired, occurred_at="2026-11-23T09:10:00.000000Z")
    assert replayed(house, id_, early).illegal.code == "occurred_at"
    asked = place(rows, "ask")
    assert replayed(house, id_, forged(rows, asked, moved=[])).illegal.code == "moved"


def test_a_wrong_refusal_is_named():
    """A refusal by guards that hold is no refusal of this definition."""
    house, id_ = whole()
    rows = house.engine.history(id_)
    refused = next(row.sequence for row in rows if row.kind == "event:refused" and row.event == "rate")
    found = replayed(house, id_, forged(rows, refused, payload={"level": 3})).illegal
    assert (found.sequence, found.code) == (refused, "refused_wrongly")
    assert replayed(house, id_, forged(rows, refused, to="done")).illegal.code == "to"


def test_a_history_without_a_beginning_is_named():
    """The first entry is the start, and there is one."""
    house, id_ = whole()
    rows = house.engine.history(id_)
    assert replayed(house, id_, rows[1:]).illegal.code == "not_started"
    assert replayed(house, id_, [rows[0], rows[0]]).illegal.code == "started_twice"
    assert replayed(house, id_, forged(rows, 1, event="rate")).illegal.code == "wrong_start"


def test_a_deputy_without_a_delegation_is_named():
    """What the system's chain does not grant, nobody had."""
    house, id_ = whole()
    archive = Archive(house.engine)
    found = replay(archive.entries(id_), subject=ActorId("ana"), worlds=archive.world, delegations=Delegations()).illegal
    assert (found.event, found.code) == ("approve", "role_missing")


@settings(max_examples=40, deadline=None)
@given(acts=st.lists(st.one_of(st.sampled_from([*ACTS, "send", "tick"]), st.integers(min_value=1, max_value=60)), max_size=25))
def test_whatever_the_engine_writes_is_legal(acts):
    """For any sequence of attempts, sweeps, mails and waits, on time or late, the history conforms."""
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
    found = replayed(house, id_)
    assert found.illegal is None, found.illegal
    assert found.count == len(house.engine.history(id_))
