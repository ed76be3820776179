"""The commands for auditors over histories, run as a program on one store."""

from __future__ import annotations

import pytest
import workflow_store

from tests.support.approvals import whole
from tests.support.commands import workflow


@pytest.fixture
def kept(tmp_path):
    """A database with one whole history; gives its URL and the instance's id."""
    url = f"sqlite:///{tmp_path}/kept.db"
    store = workflow_store.connect(url)
    store.upgrade()
    _, id_ = whole(store)
    store.close()
    return url, id_


def test_explain(kept):
    """Every deadline is explained, for people and for programs."""
    url, id_ = kept
    said = workflow("explain", id_, "--json", database=url)
    assert said.code == 0, said.err
    assert {one["timer"] for one in said.data["deadlines"]} >= {"requested.remind", "requested.stale", "approved.forgotten"}
    assert all(one["agrees"] for one in said.data["deadlines"])
    told = workflow("explain", id_, database=url)
    assert "requested.remind" in told.out
    assert "paused by entry" in told.out


def test_trace_as_a_page(kept, tmp_path):
    """The page has the timeline and the deadlines; the command says nothing else."""
    url, id_ = kept
    said = workflow("trace", id_, "--html", tmp_path / "trace.html", database=url)
    assert (said.code, said.out) == (0, "")
    page = (tmp_path / "trace.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "was verified" in page
    assert "requested.remind" in page
    assert "ana@example.org" not in page
    assert workflow("trace", "system", "--html", tmp_path / "system.html", database=url).code == 0


def test_conform_export_and_exceptions(kept, tmp_path):
    """Histories are replayed, exported and reported on; the export is recorded."""
    url, id_ = kept
    said = workflow("audit", "conform", "--json", database=url)
    assert (said.code, said.data["histories"], said.data["illegal"]) == (0, 1, [])
    out = tmp_path / "out.xes"
    told = workflow("audit", "export", "-o", out, "--format", "xes", "--actor", "aud", "--outcome", "success", "--json", database=url)
    assert told.code == 0, told.err
    assert out.stat().st_size > 0
    assert len(told.data["nets"]) == 1
    assert workflow("audit", "export", "-o", out, "--actor", "aud", "--outcome", "great", database=url).code == 2
    found = workflow("audit", "exceptions", "--json", database=url)
    assert [one["actor"] for one in found.data["exports"]] == ["aud"]
    assert found.data["deputies"][0]["instance_id"] == id_


def test_erase_and_retain(kept):
    """Erasing says what it did; nothing is past its period afterwards; a stranger is not found."""
    url, id_ = kept
    said = workflow("audit", "erase", "ana", "--basis", "GDPR 17", "--actor", "dpo", "--json", database=url)
    assert (said.code, said.data["erased"]) == (0, [id_]), said.err
    again = workflow("audit", "erase", "ana", "--basis", "GDPR 17", "--actor", "dpo", database=url)
    assert f"erased before: {id_}" in again.out
    assert workflow("audit", "erase", "zoe", "--basis", "GDPR 17", "--actor", "dpo", database=url).code == 3
    assert workflow("audit", "retain", "--dry-run", "--json", database=url).data == {"expired": [], "is_erased": False}
    assert workflow("audit", "conform", database=url).code == 0
