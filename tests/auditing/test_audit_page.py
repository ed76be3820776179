"""The page for auditors says what is tested."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import workflow_store

import workflow as workflow_api
from tests.support.commands import typed, workflow
from tests.support.edits import EDITS
from tests.support.onboarding import ADMIN, HAL, TESS, House, deputy_of
from tests.support.postgres import drop_database, new_database, plain
from tests.support.sound import KEY, ORIGIN, VAULT
from tests.support.tamperings import TAMPERINGS, UNDETECTED
from workflow.auditing import Given, make_checkpoint, prove, signers_of, verify
from workflow.settings import development_keys
from workflow.states.verdict import Kind

APP, SIGNER, AUDITOR = (f"workflow_{name}_{os.getpid()}" for name in ("app", "signer", "auditor"))
"""The page's roles under names of this process: roles belong to the whole server, which several processes of a run share."""
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_the_matrix_on_the_page_is_the_one_that_is_tested():
    """Every row of the page's matrix is a test, and every test a row."""
    rows = [("entries", f"edit any column: {edit.name}", sorted(edit.found_by), edit.needs_outside) for edit in EDITS]
    rows += [(one.table, one.operation, [one.found_by], one.needs_outside) for one in TAMPERINGS]
    expected = [
        [table_, what, " or ".join(f"`{by}`" for by in found), "**yes**" if outside else "no"] for table_, what, found, outside in rows
    ]
    assert expected == table("The tamper matrix")


def test_what_is_undetected_is_told_with_its_reason():
    """Everything that is known to be undetected stands on the page, with the reason."""
    assert [[one.table, one.what, one.reason] for one in UNDETECTED] == table("What cannot be detected")


def test_everything_that_is_recorded_is_told():
    """Every kind of entry stands on the page, once."""
    told = [cells[0].strip("`") for cells in table("What is recorded")]
    assert sorted(told) == sorted(kind.value for kind in Kind)


def test_every_command_on_the_page_works(sound_sqlite, tmp_path, monkeypatch):
    """Whoever types the page's commands, one after the other, gets what the page says; nothing is made up."""
    url = f"sqlite:///{tmp_path}/store.db"
    shutil.copyfile(sound_sqlite.place, tmp_path / "store.db")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    ready = {"/mnt/elsewhere": f"{tmp_path}/elsewhere", "URL": url, "INSTANCE": sound_sqlite.ids["ann"], "SEQUENCE": "2", "ID": "auditor"}
    ready |= {"FILE": f"{tmp_path}/elsewhere/checkpoint", "2026-01-01": "2020-01-01"}
    lines = [
        line.strip().partition("  #")[0].partition(" | ")[0]
        for line in PAGE.splitlines()
        if line.startswith(("    workflow ", "    python "))
    ]
    assert len(lines) > 10
    for line in lines:
        words = [ready.get(word, word.replace("/mnt/elsewhere", ready["/mnt/elsewhere"])) for word in line.split()]
        if words[0] == "python":
            command = [sys.executable, str(ROOT / words[1]), *words[2:]]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (0, "") == (done.returncode, done.stderr), (line, done.stdout)
            assert "that you have kept" in done.stdout
            continue
        said = typed(*words[1:], database=url, WORKFLOW_BASE_URL="https://access.example.org")
        assert 0 == said.code, (line, said.out, said.err)
        if words[1:] == ["audit", "keys"]:
            ready["KEY"] = said.out.split()[0]


@pytest.fixture
def with_roles(postgres_server, postgres_template):
    """A database in which the page's own statements have made the roles."""
    url = new_database(postgres_server, template=postgres_template)
    statements = "".join(re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL))
    statements = re.sub(r"\bworkflow_(app|signer|auditor)\b", rf"\g<0>_{os.getpid()}", statements)
    with psycopg.connect(plain(url), autocommit=True) as on:
        on.execute(statements)
    yield url
    with psycopg.connect(plain(url), autocommit=True) as on:
        on.execute(f"DROP OWNED BY {APP}, {SIGNER}, {AUDITOR}; DROP ROLE {APP}, {SIGNER}, {AUDITOR}")
    drop_database(postgres_server, url)


def as_role(url: str, role: str) -> str:
    """Give the URL by which a role logs in."""
    return url.replace("postgres@/", f"{role}@/", 1)


def run_everything(url: str, box) -> tuple[str, str]:
    """Do all that an installation does, as one role: publish, the journey, deadlines, mails, the tree, a checkpoint, an erasure."""
    with closing(House(url, box)) as house:
        ann, bob = house.person().finished(), house.person().registered()
        ann.refused("approve", HAL, rationale="Long over.")
        house.engine.delegate(deputy_of("tess", "tom", now=house.clock.now()), actor=TESS)
        house.wait("PT6M")
        assert "link_expired" == bob.state
        store = house.engine.store
        signed = make_checkpoint(store, origin=ORIGIN, signers=signers_of(VAULT, ORIGIN), now=house.clock.now())
        house.engine.erase(bob.subject, basis="GDPR 17(1)(b)", actor=ADMIN)
        store.compact()
        make_checkpoint(store, origin=ORIGIN, signers=signers_of(VAULT, ORIGIN), now=house.clock.now())
        return ann.id, signed.note


def test_the_whole_engine_runs_without_a_right_to_change_history(with_roles, box):
    """With the application's role, by the page's own SQL, everything works; the auditor's role verifies and proves what came of it."""
    id_, note = run_everything(as_role(with_roles, APP), box)
    with closing(workflow_store.connect(as_role(with_roles, AUDITOR))) as auditor:
        report = verify(auditor, keys=lambda _origin: [KEY], given=[Given(source="kept", note=note)])
        assert (True, 1, 2) == (report.is_sound, report.given, report.checkpoints)
        with auditor.snapshot() as snapshot:
            assert prove(snapshot, id_, 1).index >= 0


def test_the_roles_on_the_page_are_enough_and_no_more(with_roles):
    """The application's role can write history and not change it; the auditor's role can read it; both by the page's own SQL."""
    insert = (
        "INSERT INTO workflow_entries VALUES ('i', 1, 'k', 'e', 'a', NULL, NULL, NULL, now(), now(), 'x', 'x'); "
        "INSERT INTO workflow_unsequenced VALUES ('i', 1); INSERT INTO workflow_leaves VALUES (0, 'i', 1, 'x'); "
        "DELETE FROM workflow_unsequenced"
    )
    with psycopg.connect(plain(with_roles), autocommit=True) as on:
        on.execute(f"SET ROLE {APP}")
        on.execute(insert)
        for table_ in ("entries", "leaves", "checkpoints"):
            for statement in (f"DELETE FROM workflow_{table_}", f"TRUNCATE workflow_{table_}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    on.execute(statement)
        for change in ("entries SET actor = 'b'", "leaves SET sequence = 9", "checkpoints SET size = 0"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                on.execute(f"UPDATE workflow_{change}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            on.execute("ALTER TABLE workflow_entries DISABLE TRIGGER ALL")
        on.execute(f"SET ROLE {AUDITOR}")
        assert [(1,)] == on.execute("SELECT sequence FROM workflow_entries").fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            on.execute(insert)


def test_a_signer_needs_the_tree_and_no_right_to_write_history(with_roles):
    """The signer's role signs what the application wrote; that its keys cannot be noted in the history is said, and stops nothing."""
    with workflow_api.open(with_roles, keys=development_keys()) as engine:
        workflow_api.publish(engine, "cpms-access")
    as_signer = f"{with_roles}{'&' if '?' in with_roles else '?'}options=-crole%3D{SIGNER}"
    said = workflow("audit", "checkpoint", "--json", database=as_signer)
    assert said.code == 0, said.err
    assert said.data["size"] > 0
    assert "could not be noted" in said.err
    assert workflow("audit", "verify", database=with_roles).code == 0
