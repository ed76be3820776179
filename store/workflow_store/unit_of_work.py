"""One transaction's view of the store, the same for every database.

Promises: `load` is one statement; `save` writes everything or nothing; what is not ours is never committed or rolled back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self, TypeVar

from workflow.ports import Change, Document, DocumentKind, Loaded, SealedValue, UniqueValue
from workflow.states.definition import Digest
from workflow.states.instance import ActorId, InstanceId
from workflow_store import loading, mapping
from workflow_store.statements import Book, Row, Statement

T = TypeVar("T")


class Unit(ABC):
    """What own and joined units of work have in common: reading."""

    is_joined: bool = False

    @property
    @abstractmethod
    def _book(self) -> Book:
        """Give the statements of the store."""

    @abstractmethod
    def _rows(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """Run a statement that gives rows."""

    @abstractmethod
    def _lock(self, instance_id: InstanceId | None) -> None:
        """Take the row lock, and keep the transaction until `save` or the end of the unit."""

    @abstractmethod
    def save(self, change: Change, /) -> None:
        """Write the change; raises `ConflictError` when somebody was faster (nothing is written then)."""

    def load(self, instance_id: InstanceId | None, *, subject: ActorId | None = None, key: str | None = None, lock: bool = False) -> Loaded:
        """Read everything a decision needs, in one statement (two with `lock`: the read must see what the lock waited for)."""
        if lock:
            self._lock(instance_id)
        database, has_key = self._book.database, key is not None
        if instance_id is not None:
            statement = self._book[loading.existing(database, has_key=has_key)]
            rows = self._loaded(statement, {"instance_id": instance_id, "key": key})
            if rows:
                return mapping.loaded_from(rows[0], has_instance=True)
        statement = self._book[loading.starting(database, has_key=has_key)]
        return mapping.loaded_from(self._loaded(statement, {"subject": subject, "key": key})[0], has_instance=False)

    def _loaded(self, statement: Statement, values: Mapping[str, str | None]) -> Sequence[Row]:
        """Run the statement of `load`, which every step does."""
        return self._rows(statement, values)

    def personal(self, instance_id: InstanceId) -> Mapping[str, SealedValue]:
        """Give the newest sealed value of each slot of an instance, in the order they were written."""
        rows = self._rows(self._book[loading.PERSONAL], {"instance_id": instance_id})
        return {one.slot: one for one in map(mapping.sealed_from, rows)}

    def unique_holder(self, value: UniqueValue) -> InstanceId | None:
        """Say which instance has a unique value."""
        values = {"definition": value.definition, "field": value.field, "blind": value.blind}
        rows = self._rows(self._book[loading.HOLDER], values)
        return InstanceId(rows[0][0]) if rows else None

    def document(self, digest: Digest) -> Document | None:
        """Read a document by its digest; of several texts with the same meaning, the one published last."""
        return self._document(loading.BY_DIGEST, {"digest": digest})

    def newest(self, kind: DocumentKind, name: str) -> Document | None:
        """Read the newest published document of a kind and name."""
        return self._document(loading.NEWEST, {"kind": kind, "name": name})

    def _document(self, template: str, values: Mapping[str, str]) -> Document | None:
        rows = self._rows(self._book[template], values)
        return mapping.document_from(rows[0]) if rows else None


class OwnUnit(Unit):
    """A unit of work on a connection of our own: a context manager, at whose end a lock that is still held is given up."""

    def __init__(self) -> None:
        """Begin with nothing held."""
        self._ending: ExitStack | None = None

    def __enter__(self) -> Self:
        """Give the unit."""
        return self

    def __exit__(self, *given: object) -> None:
        """Roll back what was neither saved nor given up."""
        if self._ending is not None:
            self._ending.__exit__(*given)  # type: ignore[arg-type]  # the three that every exit is given

    def _hold(self, transaction: AbstractContextManager[T]) -> T:
        """Enter a transaction that lasts until `save` or the end of the unit."""
        self._ending = ExitStack()
        return self._ending.enter_context(transaction)

    def _release(self) -> ExitStack:
        """Give what ends the transaction that is held."""
        return ExitStack() if self._ending is None else self._ending.pop_all()
