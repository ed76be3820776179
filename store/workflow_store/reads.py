"""Reading for people and sweeps, and the outbox's leases.

Promises: every call is one statement; pages are keyset pages, so the last page costs what the first one does.
"""

# ruff: noqa: S608  # statements are put together from templates of ours; what comes from data is always bound

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from workflow.audit.entry import EntryRow
from workflow.errors import CursorError
from workflow.ports import SYSTEM, DocumentKind, InstanceQuery, Message, MessageQuery, Page, WorkQuery, message_bounds
from workflow.states.effects import Work
from workflow.states.instance import InstanceId, Situation
from workflow_store import loading, mapping
from workflow_store.statements import Book, Row, Statement
from workflow_store.tables import instant, micros

Run = Callable[[Statement, Mapping[str, Any]], Sequence[Row]]


def cursor(*parts: str | int) -> str:
    """Make the opaque cursor of a row."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def read_cursor(text: str, *types: type) -> list[Any]:
    """Read a cursor's parts; anything else than what `cursor` made of such parts is a `CursorError`."""
    try:
        parts = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as error:
        raise CursorError("This page cursor is not one of ours: begin with the first page.") from error
    if not isinstance(parts, list) or [type(part) for part in parts] != list(types):
        raise CursorError("This page cursor belongs to another list: begin with the first page.")
    return parts


ENTRIES = (
    f"SELECT {loading.ENTRY} FROM {{entries}} e WHERE e.instance_id = :instance_id::text AND e.sequence > :after::bigint "
    "ORDER BY e.sequence LIMIT :limit::bigint"
)
NAMES = "SELECT DISTINCT d.name FROM {documents} d WHERE d.kind = :kind::text"
DUE = "SELECT t.instance_id FROM {timers} t WHERE t.due_at <= :until ORDER BY t.due_at, t.instance_id LIMIT :limit::bigint"
NEXT_DUE = (
    "SELECT micros(t.due_at) FROM (SELECT * FROM (SELECT due_at FROM {timers} WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1) a "
    "UNION ALL SELECT * FROM (SELECT due_at FROM {outbox} WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1) b) t ORDER BY t.due_at LIMIT 1"
)
CLAIM = {
    "postgresql": (
        "WITH due AS (SELECT id FROM {outbox} WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit::bigint FOR UPDATE SKIP LOCKED) "
        "UPDATE {outbox} o SET state = 'leased', due_at = :until, attempts = o.attempts + 1, token = o.token + 1 "
        f"FROM due WHERE o.id = due.id RETURNING {loading.MESSAGE}"
    ),
    "sqlite": (
        "UPDATE {outbox} AS o SET state = 'leased', due_at = :until, attempts = attempts + 1, token = token + 1 "
        "WHERE id IN (SELECT id FROM {outbox} WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit) "
        f"RETURNING {loading.MESSAGE.replace('o.', '')}"
    ),
}
RENEW = "UPDATE {outbox} SET due_at = :until WHERE id = :id::text AND token = :token::bigint AND state = 'leased' RETURNING 1"
PUT_BACK = (
    "UPDATE {outbox} SET state = 'queued', available_at = :available_at, due_at = :available_at, last_error = :error::text "
    "WHERE id = :id::text AND token = :token::bigint AND state = 'leased' RETURNING 1"
)
RETRY = (
    "UPDATE {outbox} SET state = 'queued', available_at = :now, due_at = :now, attempts = 0, last_error = '' "
    "WHERE id = :id::text AND state = 'dead' RETURNING 1"
)
MESSAGE = f"SELECT {loading.MESSAGE} FROM {{outbox}} o WHERE o.id = :id::text"
FORGET = "DELETE FROM {answers} WHERE expires_at <= :until RETURNING 1"


class StoreReads:
    """Reads of one store; `run` runs one statement."""

    def __init__(self, book: Callable[[], Book], run: Run) -> None:
        """Keep the statements, looked up when they are needed, and what runs them."""
        self._find = book
        self._run = run

    @property
    def _book(self) -> Book:
        return self._find()

    def _rows(self, template: str, values: Mapping[str, Any]) -> Sequence[Row]:
        return self._run(self._book[template], values)

    def _at(self, value: datetime) -> datetime | int:
        return micros(value) if self._book.database == "sqlite" else value

    def instances(self, query: InstanceQuery) -> Page[Situation]:
        """List instances by id; the system's own chain is none of them."""
        values: dict[str, Any] = {"system": SYSTEM, "limit": query.limit + 1}
        where = ["i.id <> :system::text"]
        for name in ("definition", "subject"):
            if (wanted := getattr(query, name)) is not None:
                where.append(f"i.{name} = :{name}::text")
                values[name] = wanted
        if query.state is not None:
            # "/" follows "." in ASCII: everything from "state." to before "state/" is a child.
            where.append("(i.state = :state::text OR (i.state >= :first::text AND i.state < :last::text))")
            values |= {"state": query.state, "first": f"{query.state}.", "last": f"{query.state}/"}
        if query.is_open is not None:
            where.append("i.outcome IS NULL" if query.is_open else "i.outcome IS NOT NULL")
        if query.due_before is not None:
            where.append("EXISTS (SELECT 1 FROM {timers} b WHERE b.instance_id = i.id AND b.due_at < :due_before)")
            values["due_before"] = self._at(query.due_before)
        if query.after is not None:
            where.append("i.id > :after::text")
            (values["after"],) = read_cursor(query.after, str)
        columns = loading.situation(self._book.database)
        rows = self._rows(_listing(columns, "{instances} i", where, "i.id"), values)
        situations = [mapping.situation_from(row) for row in rows]
        return _page(situations, query.limit, lambda one: cursor(one.instance.id))

    def work(self, query: WorkQuery) -> Page[tuple[Situation, Work]]:
        """List open work by deadline, then instance; what has no deadline comes last."""
        values: dict[str, Any] = {"limit": query.limit + 1}
        where = ["i.id = w.instance_id"]
        if query.grants:
            pairs = []
            for place, (role, scope) in enumerate(query.grants):
                pairs.append(f"(w.role = :role{place}::text AND w.scope = :scope{place}::text)")
                values |= {f"role{place}": role, f"scope{place}": scope or ""}
            where.append(f"({' OR '.join(pairs)})")
        if query.definition is not None:
            where.append("i.definition = :definition::text")
            values["definition"] = query.definition
        if query.event is not None:
            where.append("w.event = :event::text")
            values["event"] = query.event
        if query.after is not None:
            where.append(
                "(w.due_at, w.instance_id, w.event, w.role, w.scope) > "
                "(:after_due, :after_id::text, :after_event::text, :after_role::text, :after_scope::text)"
            )
            due, *rest = read_cursor(query.after, int, str, str, str, str)
            values["after_due"] = self._at(_instant_of(due))
            values |= dict(zip(("after_id", "after_event", "after_role", "after_scope"), rest, strict=True))
        columns = f"{loading.situation(self._book.database)}, {loading.WORK}"
        rows = self._rows(_listing(columns, "{work} w, {instances} i", where, loading.WORK_ORDER), values)
        found = [(row, (mapping.situation_from(row), mapping.work_from(row[14:]))) for row in rows]
        page = _page(found, query.limit, lambda one: cursor(one[0][17], one[0][0], *one[0][14:17]))
        return Page(rows=tuple(one for _row, one in page.rows), next=page.next)

    def entries(self, instance_id: InstanceId, *, after: int = 0, limit: int = 1000) -> Sequence[EntryRow]:
        """Read the history in order."""
        rows = self._rows(ENTRIES, {"instance_id": instance_id, "after": after, "limit": limit})
        return tuple(map(mapping.entry_from, rows))

    def names(self, kind: DocumentKind) -> Sequence[str]:
        """Name the documents of a kind that were ever published, in order."""
        return tuple(sorted(row[0] for row in self._rows(NAMES, {"kind": kind})))

    def due(self, *, until: datetime, limit: int) -> Sequence[InstanceId]:
        """Name instances with a timer due at or before `until`, earliest first: those of the first `limit` timers."""
        rows = self._rows(DUE, {"until": self._at(until), "limit": limit})
        return tuple(dict.fromkeys(InstanceId(row[0]) for row in rows))

    def next_due_at(self) -> datetime | None:
        """Give the earliest due instant of all timers, queued messages and leases."""
        rows = self._rows(NEXT_DUE, {})
        return instant(rows[0][0]) if rows else None

    def claim(self, *, now: datetime, limit: int, lease_seconds: int) -> Sequence[Message]:
        """Lease due messages (queued, or leased with an expired lease): attempts and token are counted up."""
        until = now + timedelta(seconds=lease_seconds)
        rows = self._rows(CLAIM[self._book.database], {"now": self._at(now), "until": self._at(until), "limit": limit})
        return tuple(sorted(map(mapping.message_from, rows), key=lambda one: (one.available_at, one.id)))

    def renew(self, message: Message, *, now: datetime, lease_seconds: int) -> bool:
        """Prolong a lease; False when it was lost."""
        until = self._at(now + timedelta(seconds=lease_seconds))
        return bool(self._rows(RENEW, {"until": until, "id": message.id, "token": message.token}))

    def put_back(self, message: Message, *, available_at: datetime, error: str) -> bool:
        """Give a leased message back for a later attempt; False when the lease was lost."""
        values = {"available_at": self._at(available_at), "error": error, "id": message.id, "token": message.token}
        return bool(self._rows(PUT_BACK, values))

    def messages(self, query: MessageQuery) -> Page[Message]:
        """List the outbox by id: by instance, then in the order of queueing."""
        values: dict[str, Any] = {"limit": query.limit + 1}
        where = []
        if query.state is not None:
            where.append("o.state = :state::text")
            values["state"] = query.state
        if query.instance_id is not None:
            where.append("o.id BETWEEN :first_id::text AND :last_id::text")
            values["first_id"], values["last_id"] = message_bounds(query.instance_id)
        if query.after is not None:
            where.append("o.id > :after_id::text")
            (values["after_id"],) = read_cursor(query.after, str)
        rows = self._rows(_listing(loading.MESSAGE, "{outbox} o", where, "o.id"), values)
        return _page([mapping.message_from(row) for row in rows], query.limit, lambda one: cursor(one.id))

    def retry(self, message_id: str, *, now: datetime) -> bool:
        """Make a dead message due again with a fresh budget of attempts; False when it is not dead."""
        return bool(self._rows(RETRY, {"now": self._at(now), "id": message_id}))

    def message(self, message_id: str) -> Message | None:
        """Read one message."""
        rows = self._rows(MESSAGE, {"id": message_id})
        return mapping.message_from(rows[0]) if rows else None

    def forget_answers(self, *, until: datetime) -> int:
        """Delete idempotency answers that expired at or before `until`; gives how many."""
        return len(self._rows(FORGET, {"until": self._at(until)}))


def _instant_of(value: int) -> datetime:
    try:
        return instant(value)
    except OverflowError as error:
        raise CursorError("This page cursor is not one of ours: begin with the first page.") from error


def _listing(columns: str, source: str, where: Sequence[str], order: str) -> str:
    conditions = f" WHERE {' AND '.join(where)}" if where else ""
    return f"SELECT {columns} FROM {source}{conditions} ORDER BY {order} LIMIT :limit::bigint"


def _page(rows: Sequence[Any], limit: int, cursor_of: Callable[[Any], str]) -> Page[Any]:
    """Make a page of one row more than its limit: the row too many says that there is a next one."""
    kept = tuple(rows[:limit])
    return Page(rows=kept, next=cursor_of(kept[-1]) if len(rows) > limit and kept else None)
