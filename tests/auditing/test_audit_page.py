"""The page for auditors says what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import drop_database, new_database, plain
from tests.support.tamperings import TAMPERINGS, UNDETECTED

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_the_matrix_on_the_page_is_the_one_that_is_tested():
    """Every row of the page's matrix is a test, and every test a row."""
    expected = [[one.table, one.operation, f"`{one.found_by}`", "**yes**" if one.needs_outside else "no"] for one in TAMPERINGS]
    assert expected == table("The tamper matrix")[1:]  # the first row stands for the twelve columns


def test_what_is_undetected_is_told_with_its_reason():
    """Everything that is known to be undetected stands on the page, with the reason."""
    assert [[one.table, one.what, one.reason] for one in UNDETECTED] == table("What cannot be detected")


@pytest.fixture
def with_roles(postgres_server, postgres_template):
    """A database in which the page's own statements have made the roles."""
    url = new_database(postgres_server, template=postgres_template)
    statements = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)[0]
    with psycopg.connect(plain(url), autocommit=True) as on:
        on.execute(statements)
    yield url
    with psycopg.connect(plain(url), autocommit=True) as on:
        on.execute("DROP OWNED BY workflow_app, workflow_auditor; DROP ROLE workflow_app, workflow_auditor")
    drop_database(postgres_server, url)


def test_the_roles_on_the_page_are_enough_and_no_more(with_roles):
    """The application's role can write history and not change it; the auditor's role can read it; both by the page's own SQL."""
    insert = (
        "INSERT INTO workflow_entries VALUES ('i', 1, 'k', 'e', 'a', NULL, NULL, NULL, now(), now(), 'x', 'x'); "
        "INSERT INTO workflow_unsequenced VALUES ('i', 1); INSERT INTO workflow_leaves VALUES (0, 'i', 1, 'x'); "
        "DELETE FROM workflow_unsequenced"
    )
    with psycopg.connect(plain(with_roles), autocommit=True) as on:
        on.execute("SET ROLE workflow_app")
        on.execute(insert)
        for table_ in ("entries", "leaves", "checkpoints"):
            for statement in (f"DELETE FROM workflow_{table_}", f"TRUNCATE workflow_{table_}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    on.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            on.execute("UPDATE workflow_entries SET actor = 'b'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            on.execute("ALTER TABLE workflow_entries DISABLE TRIGGER ALL")
        on.execute("SET ROLE workflow_auditor")
        assert [(1,)] == on.execute("SELECT sequence FROM workflow_entries").fetchall()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            on.execute(insert)
