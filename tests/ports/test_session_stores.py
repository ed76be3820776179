"""Sign-ins at the pages: one suite on the fake and on every real store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import workflow_store

from workflow.ports import StoredSession
from workflow.web.sessions import MemorySessions

NOW = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)
JANE = StoredSession(digest="a" * 64, actor="jane", sealed=b"\x00\xff", created_at=NOW, seen_at=NOW, expires_at=NOW + timedelta(minutes=30))


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def sessions(request):
    """An empty store of sessions."""
    if request.param == "fake":
        yield MemorySessions()
        return
    store = workflow_store.connect(request.getfixturevalue(f"{request.param}_url"))
    yield store.sessions()
    store.close()


def test_what_was_written_is_read(sessions):
    """Every value comes back as it was, to the microsecond."""
    sessions.write(JANE)
    assert JANE == sessions.read(JANE.digest)
    assert sessions.read("b" * 64) is None


def test_writing_again_changes(sessions):
    """A session is there once, with what was written last."""
    changed = replace(JANE, sealed=b"new", seen_at=NOW + timedelta(minutes=5))
    sessions.write(JANE)
    sessions.write(changed)
    assert changed == sessions.read(JANE.digest)


def test_a_session_ends_alone_or_with_all_of_its_actor(sessions):
    """Ending one leaves the others; ending all of an actor leaves those of other people."""
    others = [replace(JANE, digest=letter * 64, actor=who) for letter, who in (("b", "jane"), ("c", "tess"))]
    for one in (JANE, *others):
        sessions.write(one)
    sessions.remove(JANE.digest)
    assert sessions.read(JANE.digest) is None
    assert 1 == sessions.remove_all_of("jane")
    assert [None, others[1]] == [sessions.read(one.digest) for one in others]


def test_what_has_expired_is_forgotten(sessions):
    """A session is over at its instant, and not a microsecond before."""
    sessions.write(JANE)
    assert 0 == sessions.forget(until=JANE.expires_at - timedelta(microseconds=1))
    assert 1 == sessions.forget(until=JANE.expires_at)
    assert sessions.read(JANE.digest) is None
