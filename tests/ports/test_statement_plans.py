"""What is asked of an instance's messages is found by their ids, however many others there are."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa
import workflow_store

from tests.support import rows
from workflow.ports import MessageQuery
from workflow.states.instance import InstanceId


def _asked(connection) -> list[tuple[str, object]]:
    """Read an instance's messages, replace a link of it, erase it; gives every statement that came to the outbox."""
    seen = []

    def note(_connection, _cursor, statement, values, _context, _many):
        if "workflow_outbox" in statement and not statement.startswith("INSERT"):
            seen.append((statement, values))

    store = workflow_store.join(connection)
    with store.unit() as uow:
        uow.save(rows.first(messages=(rows.message(effect=rows.linked(1)),)))
    sa.event.listen(connection, "before_cursor_execute", note)
    with store.reads() as reads:
        assert ["i1-m1"] == [one.id for one in reads.messages(MessageQuery(instance_id=InstanceId("i1"))).rows]
    with store.unit() as uow:
        uow.save(rows.following(superseded=(("password", 2),)))
    with store.unit() as uow:
        uow.save(replace(rows.following(3), erased="instance"))
    sa.event.remove(connection, "before_cursor_execute", note)
    return seen


def test_sqlite_finds_an_instances_messages_by_their_ids(sqlite_url):
    """SQLite searches the outbox by its key and never reads it from one end to the other."""
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        asked = _asked(connection)
        plans = [" ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)) for text, values in asked]
    engine.dispose()
    assert 4 == len(plans)
    assert ["USING PRIMARY KEY (id>? AND id<?)" in plan and "SCAN" not in plan for plan in plans] == [True] * 4, plans


def test_postgresql_finds_an_instances_messages_by_their_ids(postgres_url):
    """PostgreSQL can answer all of it from the key of the outbox."""
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        asked = _asked(connection)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a table of one row is read whole, whatever its indexes
        plans = ["\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}", values)) for text, values in asked]
    engine.dispose()
    assert 3 == len(plans)
    for plan in plans:
        assert "Seq Scan on workflow_outbox" not in plan
        assert "Index Cond: ((id >= " in plan
