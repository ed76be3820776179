"""Every oracle objects to an engine that is broken in its respect; one that never objects says nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support import broken
from tests.testing.conftest import GOOD, RunPolicy
from workflow.engine import Engine, Parts, Shelf
from workflow.ports import Store
from workflow.states.definition import Definition
from workflow.testing import Erase, Fire, Perform, PolicyViolationError, Repeat, Start, Tick, Wait, replay
from workflow.testing.clock import START
from workflow.testing.oracles import ORACLES
from workflow.testing.rig import House
from workflow.testing.shortening import run_acts

MakeEngine = Callable[[Parts, Store], Engine]


def reading(change: Callable[[Definition], Definition]) -> MakeEngine:
    """An engine that reads another definition than the one that was published."""

    def make(parts: Parts, store: Store) -> Engine:
        readers = replace(parts.shelf.readers, definition=lambda document: change(parts.shelf.readers.definition(document)))
        return Engine(replace(parts, shelf=Shelf(readers, parts.shelf.known)), store)

    return make


def without_decisions(definition: Definition) -> Definition:
    return replace(definition, events={name: replace(type_, decision=None) for name, type_ in definition.events.items()})


def with_late_timers(definition: Definition) -> Definition:
    states = definition.states
    later = {
        path: replace(s, timers=tuple(replace(t, after=replace(t.after, amount=t.after.amount + 1)) for t in s.timers))
        for path, s in states.items()
    }
    return replace(definition, states=later)


def without_timers(definition: Definition) -> Definition:
    return replace(definition, states={path: replace(state, timers=()) for path, state in definition.states.items()})


def without_personal_marks(definition: Definition) -> Definition:
    events = {
        name: replace(type_, payload={n: replace(f, is_personal=False) for n, f in type_.payload.items()})
        for name, type_ in definition.events.items()
    }
    fields = {name: replace(field, is_personal=False) for name, field in definition.fields.items()}
    return replace(definition, events=events, fields=fields)


CASES: list[tuple[str, str, MakeEngine]] = [
    ("no unauthorised move", "library-card", broken.NoRoles),
    ("no unauthorised move", "library-card", broken.Impostor),
    ("no unjust refusal", "library-card", broken.HalfRoles),
    ("four eyes", "bank-kyc", reading(without_decisions)),
    ("deadline honoured", "library-card", broken.Late),
    ("deadline honoured", "library-card", broken.tampered(broken.with_early_firing)),
    ("armed rightly", "library-card", reading(with_late_timers)),
    ("armed rightly", "library-card", reading(without_timers)),
    ("no timer outlives its state", "library-card", broken.tampered(broken.with_old_timers)),
    ("once per rung", "library-card", broken.tampered(broken.with_messages_twice)),
    ("once per rung", "library-card", broken.tampered(broken.without_messages)),
    ("the log replays", "library-card", broken.tampered(broken.with_another_version)),
    ("the log replays", "library-card", broken.tampered(broken.without_timers)),
    ("the chain verifies", "library-card", broken.tampered(broken.with_broken_chain)),
    ("a refusal changes nothing", "library-card", broken.tampered(broken.with_changed_refusals)),
    ("idempotent", "library-card", broken.Forgetful),
    ("may tells the truth", "library-card", broken.Generous),
    ("may tells the truth", "library-card", broken.Stingy),
    ("open work matches may", "library-card", broken.tampered(broken.without_work)),
    ("one holder", "every_key", broken.tampered(broken.without_unique_values)),
    ("nothing leaks", "library-card", reading(without_personal_marks)),
    ("lazy is eager", "library-card", broken.Late),
]


@pytest.mark.parametrize(("oracle", "definition", "engine"), CASES, ids=[f"{name}-{index}" for index, (name, _, _) in enumerate(CASES)])
def test_an_oracle_objects_to_an_engine_that_is_broken(run_policy: RunPolicy, oracle: str, definition: str, engine: MakeEngine) -> None:
    """Each oracle, asked alone, finds the fault that was made for it."""
    outcome = run_policy(GOOD / f"{definition}.yaml", examples=60, only=[oracle], engine=engine)
    assert outcome.failure is not None
    assert oracle == outcome.failure.name


def test_no_oracle_is_without_such_a_proof() -> None:
    """The list above and the tests below name every oracle."""
    assert {oracle.name for oracle in ORACLES} == {name for name, _, _ in CASES} | {"at most once", "all or nothing"}


APPLY = Start(payload={"full_name": "Ada", "email": "ada@clinic.example"})


REGISTER = {
    "first_name": "Ada",
    "last_name": "Byron",
    "email": "ada@clinic.example",
    "email_confirm": "ada@clinic.example",
    "language": "en",
    "privacy_accepted": True,
    "username": "n00ada",
}


def test_an_event_that_is_repeated_after_a_crash_happens_once() -> None:
    """Wherever the process dies, the repeated event is the only one; an engine without keys does it twice."""
    found = 0
    for crash in range(6):
        acts = [
            Start(actor="stranger", payload=REGISTER),
            Fire(event="retire_sms", actor="helpdesk-1", roles=("helpdesk",), key="k", crash=crash),
            Repeat(),
            Repeat(),
        ]
        replay("cpms-access", acts)
        try:
            replay("cpms-access", acts, engine=broken.Forgetful, oracles=[o for o in ORACLES if o.name == "at most once"])
        except PolicyViolationError as error:
            found += error.name == "at most once"
    assert found > 0


def test_a_message_is_reported_once() -> None:
    """A message that is done is not done again; a store that forgets so is found out."""
    acts = [APPLY, Perform(), Wait(seconds=61), Perform(), Tick()]
    replay(GOOD / "library-card.yaml", acts)
    with pytest.raises(PolicyViolationError, match="reported 2 times"):
        replay(
            GOOD / "library-card.yaml",
            acts,
            engine=broken.tampered(broken.without_settling_messages),
            oracles=[o for o in ORACLES if o.name == "at most once"],
        )


def test_a_process_may_end_between_any_two_statements() -> None:
    """Wherever the process dies within a transaction, the next one finds a whole step or no trace of it, and goes on."""
    house = House(GOOD / "library-card.yaml")
    cuts = 0
    try:
        for cut in range(16):
            acts = [
                replace(APPLY, cut=cut),
                APPLY,
                Fire(event="issue_card", actor="librarian-1", roles=("librarian",), key="k", cut=cut),
                Repeat(),
                Perform(cut=cut),
                Wait(seconds=61),
                Perform(),
                Erase(),
            ]
            rig = run_acts(house, acts, start_at=START)
            cuts += rig.cut_count
            assert 1 == [said["event"] for said in rig.history].count("apply")
    finally:
        house.close()
    assert cuts > 20


def test_a_write_outside_the_transaction_is_found_out() -> None:
    """An engine that leases messages in another transaction before it saves is not all or nothing."""
    acts = [APPLY, Fire(event="issue_card", actor="librarian-1", roles=("librarian",), cut=3)]
    replay(GOOD / "library-card.yaml", acts)
    with pytest.raises(PolicyViolationError, match=r"the table .*outbox has changed"):
        replay(GOOD / "library-card.yaml", acts, engine=broken.Hasty, oracles=[o for o in ORACLES if o.name == "all or nothing"])
