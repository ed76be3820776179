"""Publishing refuses documents that are not what their digests say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.conftest import ADMIN, House
from tests.support.approvals import TEXT
from workflow.bootstrap import documents_of
from workflow.errors import DefinitionError
from workflow.states.semantics import digest_of
from workflow.testing.store import MemoryStore

FOREIGN = "f" * 64


@pytest.fixture
def house() -> House:
    return House(MemoryStore())


def shipped(kind: str):
    return next(document for document in documents_of("cpms-access") if document.kind == kind)


def codes_of(house: House, *documents) -> list[str]:
    """Publish what must be refused, and give the codes of all findings; nothing may have been published."""
    with pytest.raises(DefinitionError) as refused:
        house.engine.publish(*documents, actor=ADMIN)
    assert house.engine.history("system") == ()
    with house.store.unit() as uow:
        assert [uow.newest(document.kind, document.name) for document in documents] == [None] * len(documents)
    return [finding.code for finding in refused.value.findings]


@pytest.mark.parametrize("kind", ["definition", "calendar", "catalogue"])
def test_digests_are_computed_again(house, kind):
    """A document of any kind under another digest of its text or of its meaning is refused, with all differences at once."""
    document = shipped(kind)
    assert codes_of(house, replace(document, text_digest=FOREIGN)) == ["wrong-text-digest"]
    assert codes_of(house, replace(document, digest=FOREIGN)) == ["wrong-digest"]
    assert codes_of(house, replace(document, digest=FOREIGN, text_digest=FOREIGN)) == ["wrong-text-digest", "wrong-digest"]
    blanks = replace(document, content=document.content + b" ", text=document.text + b" ")
    both = ["wrong-text-digest", "wrong-digest"]  # blanks do not change what a definition means
    assert codes_of(house, blanks) == (both[:1] if kind == "definition" else both)


def test_one_bad_document_stops_all(house):
    """Documents are published together or not at all."""
    good, bad = shipped("definition"), replace(shipped("calendar"), digest=FOREIGN)
    assert codes_of(house, good, bad) == ["wrong-digest"]


def test_a_text_that_means_something_else_is_refused(house):
    """The text that auditors are given means what the content says by which the engine decides."""
    document = shipped("definition")
    other = TEXT.encode()
    assert codes_of(house, replace(document, text=other, text_digest=digest_of(other))) == ["other-text"]


def test_genuine_documents_are_published(house):
    """The shipped documents are what they say."""
    assert house.engine.publish(*documents_of("cpms-access"), actor=ADMIN) == 3
