"""Erasure of a person who is on the way: closed first, then nothing of them is left, and the history still proves itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

import orjson
import pytest

from tests.support.onboarding import ADMIN, HAL, PHONE, TESS, VISITOR, House, Onboarding
from tests.support.raw import Haystack, files_of, heaps_of, tables_of, wal_place
from workflow.audit.commitment import TAG
from workflow.engine.erasing import Erased
from workflow.ports import Compacting
from workflow.states.instance import InstanceId

BASIS = "GDPR 17(1)(b)"
ADDRESS = "w.quackenbush@klinik.example"
FORM = {"first_name": "Wilhelmina", "last_name": "Quackenbush", "email": ADDRESS, "email_confirm": ADDRESS, "username": "wquack77"}
PASSWORD, NUMBER = "Xq7$zanzib4R", "+32 471 88 77 66"
COMMENTS, RATIONALE = "A comment that names the zibeline.", "Known to the zeppelin team."
PRIVATE: list[str] = [FORM["first_name"], FORM["last_name"], ADDRESS, FORM["username"], PASSWORD, "+32471887766", "zibeline", "zeppelin"]


def erased(house: House, person: Onboarding) -> Erased:
    """Erase, and give the room back, as `workflow audit erase` does."""
    done = house.engine.erase(person.subject, basis=BASIS, actor=ADMIN)
    assert isinstance(done, Erased)
    store = house.engine.store
    assert isinstance(store, Compacting)
    store.compact()
    return done


def orders(house: House, person: Onboarding) -> list[tuple[str, str]]:
    """Give (operation, what became of it) of every order to CPMS."""
    messages = [m for m in house.outbox(person.id) if m.effect.kind == "provision"]
    return [(str(m.effect.params.get("operation", "create")), m.state) for m in sorted(messages, key=lambda m: m.sequence)]


def mina_of(house: House) -> Onboarding:
    """Somebody whose name stands nowhere else, with a request that waits for its decision and a phone."""
    mina = house.person(**FORM)
    mina.password = PASSWORD
    mina.enrolled().sign_in_freshly().enrol_phone(NUMBER)
    mina.fill_in().submit(COMMENTS)
    return mina


def attacked(raw: bytes, value: str) -> set[str]:
    """Give every commitment that a value has with any 32 bytes of a file as its salt."""
    ending = orjson.dumps(value)
    return {hashlib.sha256(TAG + raw[at : at + 32] + ending).hexdigest() for at in range(len(raw) - 31)}


def test_erasure_under_way_leaves_no_byte(house_on: House, tmp_path: Path):
    """A live request with an account is closed, the account too; no byte is left, the true value opens nothing, the chain verifies."""
    engine = house_on.engine
    url = engine.store.engine.url.render_as_string(hide_password=False)
    is_sqlite = url.startswith("sqlite")
    began = "" if is_sqlite else wal_place(url)
    mina, john = mina_of(house_on), house_on.person().registered()
    mina.approve(rationale=RATIONALE)
    mina.create_account()
    house_on.drain()
    assert ("approved", None, False) == (mina.state, mina.instance.outcome, house_on.cpms.account(mina.subject).is_closed)
    with engine.store.unit() as uow:
        loaded, slots = uow.load(InstanceId(mina.id)), dict(uow.personal(InstanceId(mina.id)))
    assert loaded.subject_key is not None
    kept = {"key": loaded.subject_key} | {f"value of {name}": slot.sealed for name, slot in slots.items()}
    kept |= {f"credential {one.kind}": one.sealed for one in loaded.credentials}
    before, committed = [row.canonical for row in engine.history(mina.id)], mina.said[0]["personal"]["field:email"]

    def alive() -> dict[str, bytes]:
        return files_of(tmp_path) if is_sqlite else tables_of(url)

    def holds(part: bytes, data: bytes) -> bool:
        return (data if is_sqlite else data.hex().encode()) in part

    def in_clear() -> list[tuple[str, str]]:
        """Files of the whole server: PostgreSQL's log holds ciphertext of everything that ever was, and never a value."""
        on_disk = alive().items() if is_sqlite else heaps_of(url, since=began)
        return [(name, value) for name, data in on_disk for value in PRIVATE if value.encode() in data]

    assert [] == sorted(name for name, data in kept.items() if not any(holds(part, data) for part in alive().values()))
    assert ([], []) == (in_clear(), Haystack(alive()).found(PRIVATE)), "values never stand there in clear, not even before"

    done = erased(house_on, mina)
    assert ((mina.id,), (mina.id,), True) == (done.instances, done.closed, done.is_whole)
    house_on.drain()
    assert ("erased", "neutral", set()) == (mina.state, mina.instance.outcome, set(map(str, mina.values.values())) & set(PRIVATE))
    assert house_on.cpms.account(mina.subject).is_closed
    assert [] == sorted(name for name, data in kept.items() if any(holds(part, data) for part in alive().values()))
    assert ([], []) == (in_clear(), Haystack(alive()).found(PRIVATE))
    if is_sqlite:
        assert committed not in attacked(b"".join(alive().values()), ADDRESS), "no 32 bytes that are left are the salt"
    assert before == [row.canonical for row in engine.history(mina.id)][: len(before)], "not one byte of the history has changed"
    assert len(mina.said) == mina.verify()
    assert john.email == john.values["email"], "nobody else is touched"


def test_erasure_of_somebody_whose_mail_waits(house):
    """A mail that waits is never sent, and there is nothing in it; no link of the person works any more."""
    mina = house.person(**FORM)
    mina.register()
    assert ["queued"] == [m.state for m in house.outbox(mina.id)]
    done = erased(house, mina)
    assert (mina.id,) == done.closed
    house.drain()
    house.wait("P40D")
    assert [] == mina.subjects
    assert ["superseded"] == [m.state for m in house.outbox(mina.id)]
    assert ("erased", ()) == (mina.state, house.engine.situation(mina.id).timers), "no deadline runs on"


def test_erasure_takes_a_message_out_of_a_workers_hands(house, jane):
    """What a worker has taken and not yet begun is dropped too, a mail and an order alike; the closing order is done."""
    jane.requested().approve()
    house.drain()
    sent = len(house.box.received)
    jane.create_account()
    mail = house.person()
    mail.register()
    taken = house.worker.claim(limit=10)
    assert {"mail", "provision"} == {one.effect.kind for one in taken}
    erased(house, jane)
    erased(house, mail)
    assert {"lost"} == {house.worker.perform(one) for one in taken}
    house.drain()
    assert (sent, None) == (len(house.box.received), house.cpms.account(jane.subject))
    assert [("create", "superseded"), ("close", "done")] == orders(house, jane)


@pytest.mark.parametrize("is_given_up", [False, True], ids=["the order waits", "the order was given up"])
def test_erasure_while_the_account_is_created(house, jane, is_given_up):
    """An order whose outcome nobody waits for any more is not given, nor given again; what may have been made by it is closed."""
    jane.requested().approve()
    jane.create_account()
    if is_given_up:
        house.cpms.refuse_all()
        house.drain()
        assert "requested.account_trouble" == jane.state
        house.cpms.refuse_all(is_refusing=False)
    erased(house, jane)
    house.wait("P2D")
    assert [("create", "superseded"), ("close", "done")] == orders(house, jane)
    assert house.cpms.account(jane.subject) is None


def test_erasure_after_the_end_closes_the_account(house, jane):
    """A success leaves an account, so it is closed too; a guest's deadlines find nothing to do any more and tell nobody."""
    jane.finished(profiles=("GUEST",))
    done = erased(house, jane)
    assert ((jane.id,), "erased") == (done.closed, jane.state)
    house.drain()
    assert house.cpms.account(jane.subject).is_closed
    told = len(house.box.received)
    house.wait("P100D")
    assert ("erased", told) == (jane.state, len(house.box.received))
    assert ((), (jane.id,), ()) == ((again := erased(house, jane)).instances, again.before, again.closed)


def test_erasure_after_a_rejection_keeps_the_outcome(house, jane):
    """What ended without an account stays as it was: that it was rejected stays true, and there is no way back."""
    jane.requested().fire("reject", TESS, rationale="Not a member.")
    house.drain()
    done = erased(house, jane)
    assert ((jane.id,), "rejected", "failure") == (done.closed, jane.state, jane.instance.outcome)
    assert "fresh_sign_in" in jane.refused("request_again"), "the sign-in of a minute ago is forgotten"


def test_erased_person_does_not_go_on_from_where_they_gave_up(house, jane):
    """Without a name nobody goes on: neither resuming nor enrolling works within the minutes after a sign-in."""
    jane.enrolled().sign_in_freshly()
    house.wait("P30D")
    assert "abandoned" == jane.state
    jane.sign_in_freshly()
    erased(house, jane)
    assert ("abandoned", "neutral") == (jane.state, jane.instance.outcome)
    assert "sign_in_first" in jane.refused("resume")
    assert "fresh_sign_in" in jane.refused("add_phone", phone=NUMBER)
    assert "fresh_sign_in" in jane.refused("request_again")


def test_erased_person_cannot_come_back_by_an_old_door(house, jane):
    """Neither password nor phone opens anything after the erasure; the address may register anew, as somebody whom nobody knows."""
    jane.enrolled().sign_in_freshly().enrol_device()
    erased(house, jane)
    assert "sign_in_refused" in jane.refused("sign_in", VISITOR, password=jane.password)
    assert jane.refused("request_again")
    assert jane.refused("create_account", HAL, rationale="Why not.")
    assert jane.refused("sign_in_by_app", PHONE, answer="x" * 43, pin="4711")
    again = house.person(email=jane.email, email_confirm=jane.email)
    again.registered()
    assert again.id != jane.id
    assert "password_set.choosing_method" == again.choose_password().instance.state
