"""What every store promises of `load` and `save`: one suite on the fake and on every real store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support import rows
from workflow.errors import ConflictError
from workflow.ports import SYSTEM, Change, Loaded, MessageQuery, Store, WorkQuery
from workflow.states.definition import Digest
from workflow.states.instance import ActorId, InstanceId

I1 = InstanceId("i1")
S1 = ActorId("subject-of-i1")


def save(store: Store, *changes: Change) -> None:
    for change in changes:
        with store.unit() as uow:
            uow.save(change)


def load(store: Store, id_: str | None = "i1", **given: object) -> Loaded:
    with store.unit() as uow:
        return uow.load(InstanceId(id_) if id_ else None, **given)


def test_instance_comes_back_as_it_was_saved(case):
    """An instance whose every field has a value is read back equal, with its timers by position."""
    saved = rows.full_instance()
    timers = (rows.timer("b", None, index=2), rows.timer("a", 0.000001, index=2), rows.timer("z", index=1))
    case.do(lambda store: save(store, rows.first(instance=saved, timers_set=timers)))
    situation = case.do(load).situation
    assert saved == situation.instance
    assert (timers[2], timers[1], timers[0]) == situation.timers


def test_unknown_instance_has_no_situation(case):
    """An instance that does not exist is no error of the store."""
    assert case.do(lambda store: load(store, "nobody", key="k1")).situation is None


def test_update_changes_everything_that_may_change(case):
    """A second save replaces state, counters and fields; start and subject stay."""
    case.do(lambda store: save(store, rows.first(instance=rows.full_instance())))
    after = rows.instance(head=2, version=2, state="registered", digest=Digest("e" * 64), recorded_at=rows.later(9), suppressed_count=4)
    case.do(lambda store: save(store, rows.following(instance=after)))
    assert after == case.do(load).situation.instance


def test_entries_come_back_in_order_and_unchanged(case):
    """The history is read in the order of its sequence, byte for byte, and page by page."""
    entries = tuple(rows.entry(sequence=n, on_behalf_of="boss", from_state=None, to_state=None) for n in (1, 2, 3))
    case.do(lambda store: save(store, rows.first(instance=rows.instance(head=3), entries=entries)))

    def read(store):
        with store.reads() as reads:
            return reads.entries(I1), reads.entries(I1, after=1, limit=1), reads.entries(InstanceId("other"))

    assert (entries, entries[1:2], ()) == case.do(read)


def test_of_two_units_exactly_one_wins(case):
    """Two units that read the same head cannot both save; the loser leaves nothing behind."""
    case.do(lambda store: save(store, rows.first()))

    def race(store):
        with store.unit() as winner, store.unit() as loser:
            winner.load(I1)
            loser.load(I1)
            winner.save(rows.following(timers_set=(rows.timer("won"),)))
            lost = rows.following(
                timers_set=(rows.timer("lost"),),
                messages=(rows.message("lost"),),
                work=(rows.work("lost"),),
                answer=rows.answer("lost"),
                credentials=rows.written(rows.credential("lost")),
                sealed=(rows.sealed(2),),
                unique_added=(rows.unique("lost"),),
                subject_key=b"lost",
                documents=(rows.document(),),
                delegations_added=(rows.delegation("lost"),),
            )
            with pytest.raises(ConflictError):
                loser.save(lost)

    case.do(race)
    found = case.do(lambda store: load(store, key="lost"))
    assert ["won"] == [one.key for one in found.situation.timers]
    assert (2, (), (), None, None, 0) == (
        found.situation.instance.head,
        found.credentials,
        found.delegations,
        found.subject_key,
        found.answer,
        found.publications,
    )

    def rest(store):
        with store.reads() as reads, store.unit() as uow:
            return (
                len(reads.entries(I1)),
                reads.messages(MessageQuery()).rows,
                reads.work(WorkQuery()).rows,
                uow.personal(I1),
                uow.unique_holder(rows.unique("lost")),
            )

    assert (2, (), (), {}, None) == case.do(rest)


def test_counted_refusals_are_compared_too(case):
    """A change that only counts a refusal moves no head; two of them still cannot both win."""
    case.do(lambda store: save(store, rows.first()))
    counted = Change(instance=rows.instance(suppressed_count=1), is_new=False, expected_head=1, expected_suppressed=0)
    case.do(lambda store: save(store, counted))
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, counted))


def test_instance_is_inserted_once(case):
    """A second insert of the same instance is a conflict."""
    case.do(lambda store: save(store, rows.first()))
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.first()))


def test_instance_that_is_gone_cannot_be_changed(case):
    """A change of an instance that does not exist is a conflict."""
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.following()))


def test_timers_are_set_replaced_and_removed(case):
    """Timers of a change are written, those with the same key replaced, those removed gone; the rest stays."""
    timers = (rows.timer("stays"), rows.timer("moves"), rows.timer("goes"))
    case.do(lambda store: save(store, rows.first(timers_set=timers)))
    moved = rows.timer("moves", None)
    case.do(lambda store: save(store, rows.following(timers_set=(moved, rows.timer("new")), timers_removed=("goes", "never_was"))))
    found = {one.key: one for one in case.do(load).situation.timers}
    assert {"stays", "moves", "new"} == set(found)
    assert moved == found["moves"]


def test_timer_that_is_removed_and_set_stays(case):
    """A timer that is disarmed and armed again in one change has the new deadline."""
    case.do(lambda store: save(store, rows.first(timers_set=(rows.timer("a", 1),))))
    case.do(lambda store: save(store, rows.following(timers_set=(rows.timer("a", 2),), timers_removed=("a",))))
    assert (rows.timer("a", 2),) == case.do(load).situation.timers


def test_timer_that_replaces_another_takes_its_place(case):
    """Whether a store writes one row over the other or not, what is gone is gone, and what is new has nothing of it."""
    case.do(lambda store: save(store, rows.first(timers_set=(rows.timer("old", None), rows.timer("older"), rows.timer("stays")))))
    new, more = rows.timer("new", 5), rows.timer("more", None)
    replacing = {"timers_removed": ("old", "older"), "timers_replacing": (("old", "new"),)}
    case.do(lambda store: save(store, rows.following(timers_set=(new, more), **replacing)))
    assert {"stays": rows.timer("stays"), "new": new, "more": more} == {one.key: one for one in case.do(load).situation.timers}


def test_work_is_replaced_as_a_whole(case):
    """The open work after a change is what the change says; None leaves it alone, empty closes it."""

    def queue(store):
        with store.reads() as reads:
            return [one for _situation, one in reads.work(WorkQuery()).rows]

    case.do(lambda store: save(store, rows.first(work=(rows.work("a"), rows.work("b", scope=None), rows.work("c")))))
    now_open = (rows.work("c", due_in=None), rows.work("a", due_in=30))
    case.do(lambda store: save(store, rows.following(work=now_open)))
    assert [now_open[1], now_open[0]] == case.do(queue)
    case.do(lambda store: save(store, rows.following(3)))
    assert 2 == len(case.do(queue))
    case.do(lambda store: save(store, rows.following(4, work=())))
    assert [] == case.do(queue)


def test_credentials_come_back_with_a_counted_version(case):
    """A new credential has version 1, a changed one the next; removed ones are gone."""
    full = rows.credential(
        "totp", "phone", is_active=False, failure_count=3, last_step=2**40, locked_until=rows.later(1), created_at=rows.later(2)
    )
    case.do(lambda store: save(store, rows.first(credentials=rows.written(full, rows.credential("password")))))
    found = case.do(load).credentials
    assert (replace(rows.credential("password"), version=1), replace(full, version=1)) == found
    change = rows.following(credentials=(*rows.written(replace(found[1], sealed=b"", last_step=None)), *rows.removed(found[0])))
    case.do(lambda store: save(store, change))
    assert (replace(found[1], sealed=b"", last_step=None, version=2),) == case.do(load).credentials


def test_credentials_are_found_at_a_start(case):
    """A start reads the credentials and the key of the subject it is for."""
    case.do(lambda store: save(store, rows.first(credentials=rows.written(rows.credential()), subject_key=b"\xffkey")))
    found = case.do(lambda store: load(store, None, subject=S1))
    assert (None, b"\xffkey", 1) == (found.situation, found.subject_key, len(found.credentials))


@pytest.mark.parametrize("version", [0, 2, 7])
def test_moved_credential_stops_the_whole_change(case, version):
    """A credential of another version than was read is a conflict, and nothing of the change is written."""
    case.do(lambda store: save(store, rows.first(credentials=rows.written(rows.credential()))))
    stale = replace(rows.credential(), version=version)
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.following(credentials=rows.written(stale), timers_set=(rows.timer(),))))
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.following(credentials=rows.removed(replace(stale, version=7)))))
    found = case.do(load)
    assert (1, (), 1) == (found.situation.instance.head, found.situation.timers, found.credentials[0].version)


def test_credential_enrolled_again_in_one_change_is_replaced(case):
    """Removing a device and enrolling one of the same name in one change keeps one row with the new content."""
    case.do(lambda store: save(store, rows.first(credentials=rows.written(rows.credential()))))
    old = replace(rows.credential(), version=1)
    again = (*rows.removed(old), *rows.written(rows.credential(sealed=b"new")))
    case.do(lambda store: save(store, rows.following(credentials=again)))
    assert (rows.credential(sealed=b"new", version=2),) == case.do(load).credentials


def test_personal_values_are_the_newest_of_each_slot(case):
    """Of several values of one slot the one written last counts."""
    case.do(
        lambda store: save(store, rows.first(sealed=(rows.sealed(1), rows.sealed(1, "payload:rationale"), rows.sealed(1, "field:phone"))))
    )
    newer = rows.sealed(2, content=b"newer")
    case.do(lambda store: save(store, rows.following(sealed=(newer,))))

    def read(store):
        with store.unit() as uow:
            return dict(uow.personal(I1)), dict(uow.personal(InstanceId("i2")))

    mine, other = case.do(read)
    assert {
        "field:email": newer,
        "field:phone": rows.sealed(1, "field:phone"),
        "payload:rationale": rows.sealed(1, "payload:rationale"),
    } == mine
    assert ["field:phone", "payload:rationale", "field:email"] == list(mine)
    assert {} == other


def test_subject_key_is_made_once(case):
    """Two starts of one subject cannot both make a key: values of the first would be lost."""
    case.do(lambda store: save(store, rows.first(subject_key=b"k")))
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.first("i2", instance=rows.instance("i2", subject=S1), subject_key=b"l")))
    assert b"k" == case.do(load).subject_key


def test_unique_value_has_one_holder(case):
    """A unique value belongs to one instance; another one that wants it is a conflict and writes nothing."""
    case.do(lambda store: save(store, rows.first(unique_added=(rows.unique(),))))
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.first("i2", unique_added=(rows.unique(),))))

    def read(store):
        with store.unit() as uow:
            return uow.unique_holder(rows.unique()), uow.unique_holder(rows.unique("other")), uow.load(InstanceId("i2")).situation

    assert (I1, None, None) == case.do(read)


def test_holder_may_write_its_unique_value_again(case):
    """The same value written again by its holder is no conflict, and a value that is given up is free for others."""
    case.do(lambda store: save(store, rows.first(unique_added=(rows.unique(),))))
    case.do(lambda store: save(store, rows.following(unique_added=(rows.unique(),))))
    case.do(lambda store: save(store, rows.following(3, unique_added=(rows.unique(),), unique_removed=(rows.unique(),))))
    case.do(lambda store: save(store, rows.following(4, unique_removed=(rows.unique(),))))
    case.do(lambda store: save(store, rows.first("i2", unique_added=(rows.unique(),))))


def test_answer_is_kept_under_its_key(case):
    """The first answer is found by its key, at a start too; a second one under the same key is a conflict."""
    case.do(lambda store: save(store, rows.first(answer=rows.answer())))
    assert rows.answer() == case.do(lambda store: load(store, key="k1")).answer
    assert rows.answer() == case.do(lambda store: load(store, None, subject=S1, key="k1")).answer
    assert case.do(lambda store: load(store, key="k2")).answer is None
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.following(answer=rows.answer(is_accepted=True))))
    assert 1 == case.do(load).situation.instance.head


def test_expired_answer_gives_way(case):
    """A key whose answer has expired may be used again, whether or not it was swept."""
    case.do(lambda store: save(store, rows.first(answer=rows.answer())))
    again = rows.answer(is_accepted=True, expires_at=rows.later(200_000))
    later = rows.instance(head=2, version=2, recorded_at=rows.later(86_400))
    case.do(lambda store: save(store, rows.following(instance=later, answer=again)))
    assert again == case.do(lambda store: load(store, key="k1")).answer


def test_expired_answers_are_forgotten(case):
    """Sweeping answers removes those that expired until the given instant, and only those."""
    case.do(lambda store: save(store, rows.first(answer=rows.answer()), rows.following(answer=rows.answer("k2", expires_at=rows.later(1)))))

    def sweep(store):
        with store.reads() as reads:
            return reads.forget_answers(until=rows.later(1))

    assert 1 == case.do(sweep)
    assert case.do(lambda store: load(store, key="k2")).answer is None
    assert case.do(lambda store: load(store, key="k1")).answer is not None


def test_running_delegations_are_loaded(case):
    """Delegations come with every load until the instance's own time has passed their end; ended ones end at once."""
    both = (rows.delegation(), rows.delegation("d2", role=None, scope=None, reason=""))
    system = rows.instance(SYSTEM)
    case.do(lambda store: save(store, rows.first(SYSTEM, instance=system, delegations_added=both), rows.first()))
    assert both == case.do(load).delegations
    assert both == case.do(lambda store: load(store, None, subject=S1)).delegations
    end = rows.following(2, SYSTEM, instance=replace(system, head=2, recorded_at=rows.later(5)), delegations_ended=(("d1", rows.later(5)),))
    case.do(lambda store: save(store, end))
    assert both[1:] == case.do(lambda store: load(store, SYSTEM)).delegations
    assert both[1:] == case.do(lambda store: load(store, None, subject=S1)).delegations
    assert rows.later(5) == case.do(load).delegations[0].ends_at


def test_documents_are_found_by_digest_and_by_name(case):
    """A document is read by its digest, the newest of a name by order of publication; publishing again makes it newest."""
    one, two = rows.document("1"), rows.document("2")
    system = rows.instance(SYSTEM)
    case.do(lambda store: save(store, rows.first(SYSTEM, instance=system, documents=(one, two, rows.document("3", name="other")))))

    def read(store):
        with store.unit() as uow:
            return (
                uow.document(one.digest),
                uow.document(Digest("0" * 64)),
                uow.newest("definition", "cpms-access"),
                uow.newest("calendar", "x"),
            )

    assert (one, None, two, None) == case.do(read)
    assert 3 == case.do(lambda store: load(store, None, subject=S1)).publications
    case.do(lambda store: save(store, rows.following(2, SYSTEM, instance=replace(system, head=2), documents=(one,))))
    assert (one, None, one, None) == case.do(read)
    assert 4 == case.do(lambda store: load(store, SYSTEM)).publications


def test_published_documents_are_named_by_kind(case):
    """Each name once, in order, however often it was published; another kind has its own names."""
    documents = (
        rows.document("1", name="b"),
        rows.document("2", name="b"),
        rows.document("3", name="a"),
        rows.document("4", kind="calendar"),
    )
    case.do(lambda store: save(store, rows.first(SYSTEM, instance=rows.instance(SYSTEM), documents=documents)))

    def names(store):
        with store.reads() as reads:
            return [list(reads.names(kind)) for kind in ("definition", "calendar", "catalogue")]

    assert [["a", "b"], ["cpms-access"], []] == case.do(names)


def test_texts_with_the_same_meaning_are_both_kept(case):
    """Two texts of one meaning share a digest; the text published last is read."""
    one = rows.document("1")
    other = rows.document("1", b"other layout", text_digest=Digest("9" * 64))
    case.do(lambda store: save(store, rows.first(SYSTEM, instance=rows.instance(SYSTEM), documents=(one, other))))

    def read(store):
        with store.unit() as uow:
            return uow.document(one.digest)

    assert other == case.do(read)


def test_newer_link_supersedes_queued_older_ones(case):
    """Queued messages with a lower serial of the same purpose and instance are superseded; no others."""
    messages = (
        rows.message("old", effect=rows.linked(1)),
        rows.message("other_purpose", effect=rows.linked(1, "device")),
        rows.message("plain"),
    )
    case.do(
        lambda store: save(
            store, rows.first(messages=messages), rows.first("i2", messages=(rows.message("theirs", "i2", effect=rows.linked(1)),))
        )
    )
    new = rows.message("new", effect=rows.linked(2))
    case.do(lambda store: save(store, rows.following(messages=(new,), superseded=(("password", 2),))))

    def states(store):
        with store.reads() as reads:
            return {one.id: one.state for one in reads.messages(MessageQuery()).rows}

    queued = dict.fromkeys(("i1-other_purpose", "i1-plain", "i1-new", "i2-theirs"), "queued")
    assert {"i1-old": "superseded"} | queued == case.do(states)


def test_report_proves_itself_by_its_token(case):
    """A report settles the message it leased; with another token, or twice, it is a conflict that writes nothing."""
    case.do(lambda store: save(store, rows.first(messages=(rows.message(),))))

    def lease(store):
        with store.reads() as reads:
            return reads.claim(now=rows.NOW, limit=10, lease_seconds=60)

    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.following(settled=("i1-m1", 0, "done"))))
    (leased,) = case.do(lease)
    for token in (leased.token - 1, leased.token + 1):
        with pytest.raises(ConflictError):
            case.do(lambda store, token=token: save(store, rows.following(settled=("i1-m1", token, "done"), timers_set=(rows.timer(),))))
    assert (1, ()) == (case.do(load).situation.instance.head, case.do(load).situation.timers)
    case.do(lambda store: save(store, rows.following(settled=("i1-m1", leased.token, "done"))))

    def read(store):
        with store.reads() as reads:
            return reads.message("i1-m1")

    assert replace(leased, state="done", leased_until=None) == case.do(read)
    with pytest.raises(ConflictError):
        case.do(lambda store: save(store, rows.following(3, settled=("i1-m1", leased.token, "done"))))


def test_unit_without_save_leaves_nothing(case):
    """A unit that only reads, with or without the lock, changes nothing and blocks nobody afterwards."""
    case.do(lambda store: save(store, rows.first()))
    case.do(lambda store: load(store, lock=True))
    case.do(lambda store: load(store, "nobody", lock=True))
    case.do(lambda store: save(store, rows.following()))
    assert 2 == case.do(load).situation.instance.head


def test_save_under_the_lock_is_kept(case):
    """A unit that took the lock saves as any other; a conflict under it is told too."""

    def locked(store, change):
        with store.unit() as uow:
            uow.load(I1, lock=True)
            uow.save(change)

    case.do(lambda store: save(store, rows.first()))
    case.do(lambda store: locked(store, rows.following()))
    assert 2 == case.do(load).situation.instance.head
    with pytest.raises(ConflictError):
        case.do(lambda store: locked(store, rows.following()))
    case.do(lambda store: save(store, rows.following(3)))


def test_unit_says_whose_transaction_it_is(case):
    """`is_joined` is true exactly in a host's transaction."""

    def ask(store):
        with store.unit() as uow:
            return uow.is_joined

    assert case.is_joined == case.do(ask)
