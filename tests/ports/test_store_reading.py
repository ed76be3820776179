"""What every store promises of lists, sweeps and leases: one suite on the fake and on every real store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support import rows
from workflow.errors import CursorError
from workflow.ports import SYSTEM, InstanceQuery, Message, MessageQuery, Store, WorkQuery
from workflow.states.effects import Effect
from workflow.states.instance import InstanceId


def save(store: Store, *changes) -> None:
    for change in changes:
        with store.unit() as uow:
            uow.save(change)


def all_pages(store, name, query):
    """Read a list to its end, page by page."""
    found, sizes = [], []
    with store.reads() as reads:
        while True:
            page = getattr(reads, name)(query)
            found += page.rows
            sizes.append(len(page.rows))
            if page.next is None:
                return found, sizes
            query = replace(query, after=page.next)


def test_instances_are_paged_without_gap_or_repeat(case):
    """Pages of two over five instances: every instance once, in order; the system's chain is no instance."""
    names = ["i1", "i2", "i3", "iA", "iü"]
    changes = [rows.first(name, timers_set=(rows.timer(), rows.timer("second"))) for name in reversed(names)]
    case.do(lambda store: save(store, *changes, rows.first(SYSTEM, instance=rows.instance(SYSTEM))))
    found, sizes = case.do(lambda store: all_pages(store, "instances", InstanceQuery(limit=2)))
    assert names == [one.instance.id for one in found]
    assert [2, 2, 1] == sizes
    assert {2} == {len(one.timers) for one in found}
    assert [5] == case.do(lambda store: all_pages(store, "instances", InstanceQuery(limit=5)))[1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"definition": "other"}, ["i4"]),
        ({"state": "requested"}, ["i1", "i2"]),
        ({"state": "requested.awaiting"}, ["i2"]),
        ({"state": "requested_again"}, ["i3"]),
        ({"subject": "subject-of-i3"}, ["i3"]),
        ({"is_open": True}, ["i1", "i2", "i3"]),
        ({"is_open": False}, ["i4"]),
        ({"due_before": rows.later(60)}, []),
        ({"due_before": rows.later(60.000001)}, ["i2"]),
        ({"definition": "cpms-access", "state": "requested", "is_open": True, "due_before": rows.later(61)}, ["i2"]),
    ],
)
def test_instances_are_filtered(case, query, expected):
    """Each filter alone and all together; a compound state's name finds its children and no state that only begins like it."""
    changes = [
        rows.first("i1", instance=rows.instance("i1", state="requested"), timers_set=(rows.timer(due_in=None),)),
        rows.first("i2", instance=rows.instance("i2", state="requested.awaiting"), timers_set=(rows.timer(),)),
        rows.first("i3", instance=rows.instance("i3", state="requested_again")),
        rows.first("i4", instance=rows.instance("i4", definition="other", state="done", outcome="success")),
    ]
    case.do(lambda store: save(store, *changes))
    found, _sizes = case.do(lambda store: all_pages(store, "instances", InstanceQuery(**query)))
    assert expected == [one.instance.id for one in found]


def test_work_is_paged_by_deadline_with_ties(case):
    """The earliest deadline first, equal ones by instance, event, role and scope, those without deadline last; no gap at a page's end."""
    tie = (rows.work("b"), rows.work("a"), rows.work("a", role="helpdesk", scope=None))
    changes = [
        rows.first("i1", work=(*tie, rows.work("late", due_in=None))),
        rows.first("i2", work=tie),
        rows.first("i0", work=(rows.work("soon", due_in=1), rows.work("later", due_in=60.000001))),
    ]
    case.do(lambda store: save(store, *changes))
    found, sizes = case.do(lambda store: all_pages(store, "work", WorkQuery(limit=2)))
    order = [(situation.instance.id, one.event, one.role) for situation, one in found]
    ties = [(id_, event, role) for id_ in ("i1", "i2") for event, role in (("a", "helpdesk"), ("a", "network_team"), ("b", "network_team"))]
    assert [("i0", "soon", "network_team"), *ties, ("i0", "later", "network_team"), ("i1", "late", "network_team")] == order
    assert [2, 2, 2, 2, 1] == sizes
    assert {one.due_at for _s, one in found} == {rows.later(1), rows.later(60), rows.later(60.000001), None}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"grants": (("network_team", "ERKNet"),)}, {"a", "other"}),
        ({"grants": (("network_team", None),)}, set()),
        ({"grants": (("helpdesk", None), ("network_team", "XNet"))}, {"c", "x"}),
        ({"event": "a"}, {"a"}),
        ({"definition": "other"}, {"other"}),
    ],
)
def test_work_is_filtered_by_grants(case, query, expected):
    """A queue shows what its reader's grants allow: the role for exactly that scope."""
    changes = [
        rows.first("i1", work=(rows.work("a"), rows.work("x", scope="XNet"), rows.work("c", role="helpdesk", scope=None))),
        rows.first("i2", instance=rows.instance("i2", definition="other"), work=(rows.work("other"),)),
    ]
    case.do(lambda store: save(store, *changes))
    found, _sizes = case.do(lambda store: all_pages(store, "work", WorkQuery(**query)))
    assert expected == {one.event for _situation, one in found}


def test_messages_come_back_whole_and_paged(case):
    """Messages are listed by instance, then by the rest of their ids, with every value as it was saved."""
    full = rows.message("m2", effect=rows.linked(3), attempts=2, token=5, state="leased", leased_until=rows.later(60), last_error="ü")
    dead = rows.message("m0", queued_at=rows.later(1), available_at=rows.later(2), state="dead")
    tie = rows.message("m3")
    plain = rows.message("m1", "i2", effect=Effect(kind="sms", name="code", serial=4, to="helpdesk"))
    near = rows.message("m1", "i20")
    case.do(
        lambda store: save(
            store, rows.first(messages=(dead, tie, full)), rows.first("i2", messages=(plain,)), rows.first("i20", messages=(near,))
        )
    )
    found, sizes = case.do(lambda store: all_pages(store, "messages", MessageQuery(limit=1)))
    assert [dead, full, tie, plain, near] == found
    assert [1, 1, 1, 1, 1] == sizes
    for query, expected in (({"state": "dead"}, [dead]), ({"instance_id": InstanceId("i2")}, [plain])):
        found, _sizes = case.do(lambda store, query=query: all_pages(store, "messages", MessageQuery(**query)))
        assert expected == found


@pytest.mark.parametrize("after", ["", "x", "!!!", "bm9uc2Vuc2U=", "W10", "WzFd", "WyJhIiwiYiIsImMiXQ"])
def test_forged_cursor_is_refused_clearly(case, after):
    """A cursor that no list has given is told as such, whatever it holds; it never reaches the database."""

    def read(store, name, query):
        with store.reads() as reads:
            getattr(reads, name)(query)

    for name, query in (("work", WorkQuery(after=after)), ("messages", MessageQuery(after=after))):
        with pytest.raises(CursorError):
            case.do(lambda store, name=name, query=query: read(store, name, query))


def test_due_instances_are_named_earliest_first(case):
    """A deadline is reached at its instant; paused timers are never due; an instance is named once."""
    changes = [
        rows.first("i1", timers_set=(rows.timer("a", 60), rows.timer("b", 61))),
        rows.first("i2", timers_set=(rows.timer("a", 30), rows.timer("b", None))),
        rows.first("i3", timers_set=(rows.timer("a", 60.000001),)),
        rows.first("i4", timers_set=(rows.timer("a", None),)),
    ]
    case.do(lambda store: save(store, *changes))

    def due(store, until, limit=10):
        with store.reads() as reads:
            return reads.due(until=rows.later(until), limit=limit)

    assert () == case.do(lambda store: due(store, 29.999999))
    assert ("i2", "i1") == case.do(lambda store: due(store, 60))
    assert ("i2", "i1", "i3") == case.do(lambda store: due(store, 1000))
    assert ("i2",) == case.do(lambda store: due(store, 1000, 1))


def test_next_due_instant_is_the_earliest_of_all(case):
    """Timers, queued messages and running leases count; dead and done messages do not."""

    def ask(store):
        with store.reads() as reads:
            return reads.next_due_at()

    assert case.do(ask) is None
    case.do(
        lambda store: save(
            store, rows.first(timers_set=(rows.timer("a", 60), rows.timer("b", None)), messages=(rows.message(state="dead"),))
        )
    )
    assert rows.later(60) == case.do(ask)
    case.do(lambda store: save(store, rows.following(messages=(rows.message("m2", available_at=rows.later(5)),))))
    assert rows.later(5) == case.do(ask)


def claim(store, at=0.0, limit=10):
    with store.reads() as reads:
        return reads.claim(now=rows.later(at), limit=limit, lease_seconds=60)


def test_claim_leases_due_messages_in_order(case):
    """Due messages are leased, oldest first, at most so many; attempts and token count up; others are left alone."""
    messages = (
        rows.message("late", available_at=rows.later(2)),
        rows.message("second", available_at=rows.later(1)),
        rows.message("first", effect=rows.linked(1)),
        rows.message("dead", state="dead"),
        rows.message("superseded", state="superseded"),
    )
    case.do(lambda store: save(store, rows.first(messages=messages)))
    leased: Message = replace(messages[2], state="leased", attempts=1, token=1, leased_until=rows.later(61))
    assert (leased,) == tuple(case.do(lambda store: claim(store, 1, limit=1)))
    assert ["i1-second"] == [one.id for one in case.do(lambda store: claim(store, 1))]
    assert [] == list(case.do(lambda store: claim(store, 1)))


def test_expired_lease_is_taken_over(case):
    """A message whose lease ran out is claimed again with a newer token; the first worker has lost it."""
    case.do(lambda store: save(store, rows.first(messages=(rows.message(),))))
    (old,) = case.do(claim)
    assert [] == list(case.do(lambda store: claim(store, 59.999999)))
    (new,) = case.do(lambda store: claim(store, 60))
    assert (2, 2, rows.later(120)) == (new.token, new.attempts, new.leased_until)

    def late(store):
        with store.reads() as reads:
            return (
                reads.renew(old, now=rows.later(61), lease_seconds=60),
                reads.put_back(old, available_at=rows.later(61), error="x"),
                reads.renew(new, now=rows.later(61), lease_seconds=60),
            )

    assert (False, False, True) == case.do(late)


def test_lease_can_be_prolonged(case):
    """A renewed lease runs from now; the message is not claimed before it ends."""
    case.do(lambda store: save(store, rows.first(messages=(rows.message(),))))
    (mine,) = case.do(claim)

    def renew(store):
        with store.reads() as reads:
            return reads.renew(mine, now=rows.later(50), lease_seconds=60), reads.next_due_at()

    assert (True, rows.later(110)) == case.do(renew)
    assert [] == list(case.do(lambda store: claim(store, 109)))
    assert 1 == len(case.do(lambda store: claim(store, 110)))


def test_message_is_put_back_for_later(case):
    """A message given back is queued with its error, and due again at the given instant; giving it back twice is refused."""
    case.do(lambda store: save(store, rows.first(messages=(rows.message(),))))
    (mine,) = case.do(claim)

    def put_back(store):
        with store.reads() as reads:
            done = reads.put_back(mine, available_at=rows.later(10), error="no route")
            return done, reads.put_back(mine, available_at=rows.later(10), error="again"), reads.message("i1-m1")

    expected = replace(mine, state="queued", leased_until=None, available_at=rows.later(10), last_error="no route")
    assert (True, False, expected) == case.do(put_back)
    assert [2] == [one.attempts for one in case.do(lambda store: claim(store, 10))]


def test_dead_message_can_be_retried(case):
    """An operator makes a dead message due again with a fresh budget; no other message."""
    messages = (rows.message("dead", state="dead", attempts=9, token=9, last_error="x"), rows.message("alive"))
    case.do(lambda store: save(store, rows.first(messages=messages)))

    def retry(store):
        with store.reads() as reads:
            results = [reads.retry(id_, now=rows.later(7)) for id_ in ("i1-dead", "i1-alive", "i1-nobody", "i1-dead")]
            return results, reads.message("i1-dead"), reads.message("i1-nobody")

    expected = replace(messages[0], state="queued", attempts=0, last_error="", available_at=rows.later(7))
    assert ([True, False, False, False], expected, None) == case.do(retry)
