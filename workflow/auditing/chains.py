"""All chains of a store, entry by entry, with everything that must agree with them.

Promises: reads four ordered streams side by side, so that memory does not grow with the store; goes on after a flaw, and says no more
about a history than its first flaw allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, Generic, TypeVar

from workflow.audit.chain import GENESIS, follow
from workflow.auditing.plans import Library
from workflow.auditing.replay import Replay
from workflow.auditing.report import Found, Progress, What
from workflow.errors import ChainBrokenError
from workflow.ports import SYSTEM, Message, SequencedEntry, Snapshot, instance_of
from workflow.states.instance import Situation

T = TypeVar("T")
EACH = 5_000
"""Entries between two calls of the progress."""


@dataclass(slots=True)
class Counted:
    """What was seen: entries, histories, leaves that an entry has, entries outside the tree and outside the covered part of it."""

    entries: int = 0
    histories: int = 0
    leaves: int = 0
    waiting: int = 0
    uncovered: int = 0
    oldest_at: datetime | None = None


class _Beside(Generic[T]):
    """A stream ordered by instance, read in step with another."""

    def __init__(self, items: Iterable[T], id_of: Callable[[T], str]) -> None:
        self._groups: Iterator[tuple[str, Iterator[T]]] = groupby(items, key=id_of)
        self._next: tuple[str, list[T]] | None = None
        self._advance()

    def _advance(self) -> None:
        group = next(self._groups, None)
        self._next = None if group is None else (group[0], list(group[1]))

    def before(self, id_: str | None) -> Iterator[tuple[str, list[T]]]:
        """Give everything of instances that come before this one; all that is left for None."""
        while self._next is not None and (id_ is None or self._next[0] < id_):
            yield self._next
            self._advance()

    def at(self, id_: str) -> list[T]:
        """Give everything of this instance."""
        if self._next is None or self._next[0] != id_:
            return []
        found = self._next[1]
        self._advance()
        return found


@dataclass(slots=True, kw_only=True)
class Chains:
    """One pass over all histories; `covered` is the size of the tree under the checkpoint that counts."""

    snapshot: Snapshot
    found: Found
    covered: int
    on_progress: Progress
    library: Library = field(default_factory=Library)
    counted: Counted = field(default_factory=Counted)
    unknown: set[str | None] = field(default_factory=set)
    """Digests of definitions that are not published, each told once."""
    has_system: bool = False

    def verify(self) -> None:
        """Verify every history, and that no row stands beside one; what was seen is in `counted`."""
        total = self.snapshot.entry_count()
        situations = _Beside(self.snapshot.situations(), lambda one: one.instance.id)
        messages = _Beside(self.snapshot.messages(), lambda one: instance_of(one.id))
        for id_, entries in groupby(self.snapshot.entries(), key=lambda one: one.row.instance_id):
            self._alone(situations.before(id_), messages.before(id_))
            self._history(id_, entries, situations.at(id_), messages.at(id_), total)
        self._alone(situations.before(None), messages.before(None))
        if not self.has_system:
            self._compare_system(Replay())
        self.on_progress(self.counted.entries, total)
        self._without_entry()

    def _history(
        self, id_: str, entries: Iterable[SequencedEntry], situations: list[Situation], messages: list[Message], total: int
    ) -> None:
        """Verify one history.

        (1) each entry follows its predecessor; (2) each is in the tree as itself, or waits to be; (3) what the entries say, replayed, is
        what instance, timers and outbox are. After a break (1) and (3) have no ground to stand on any more.
        """
        counted, replay, previous, position, is_whole = self.counted, Replay(), GENESIS, -1, True
        counted.histories += 1
        for number, one in enumerate(entries, start=1):
            counted.entries += 1
            if counted.entries % EACH == 0:
                self.on_progress(counted.entries, total)
            # (1)
            if is_whole:
                is_whole = self._follows(id_, one, number, previous, replay)
                previous = one.row.entry_hash.hex()
            # (2)
            position = self._in_tree(id_, one, position)
        # (3)
        if not situations:
            self.found.add(What.INSTANCE_DELETED, "The instance has a history but no row of its own.", instance=id_, expected="a row")
        elif is_whole:
            self._compare(id_, replay, situations[0], messages)
        if id_ == SYSTEM:
            self.has_system = True
            if is_whole:
                self._compare_system(replay)

    def _follows(self, id_: str, one: SequencedEntry, number: int, previous: str, replay: Replay) -> bool:
        row = one.row
        try:
            said: Mapping[str, Any] = follow(row, sequence=number, previous=previous)
            replay.add(row, said)
        except ChainBrokenError as broken:
            self.found.add(
                What.ENTRY_CHANGED,
                str(broken),
                instance=id_,
                sequence=broken.sequence,
                position=one.position,
                expected=broken.expected,
                found=broken.found,
            )
            return False
        except (KeyError, TypeError, AttributeError, ValueError):
            message = f"Entry {number} is not made as entries are made."
            self.found.add(What.ENTRY_CHANGED, message, instance=id_, sequence=number, position=one.position)
            return False
        return True

    def _in_tree(self, id_: str, one: SequencedEntry, before: int) -> int:
        """Compare an entry with its leaf; gives the position, of the entry before it when it has none."""
        row, position, counted = one.row, one.position, self.counted
        where = {"instance": id_, "sequence": row.sequence}
        if position is None or position >= self.covered:
            counted.uncovered += 1
            if counted.oldest_at is None or row.recorded_at < counted.oldest_at:
                counted.oldest_at = row.recorded_at
        if position is None:
            counted.waiting += 1
            if not one.is_waiting:
                message = f"Entry {row.sequence} is neither in the tree nor waiting to be: it was inserted, or its leaf was deleted."
                self.found.add(What.ENTRY_NOT_IN_TREE, message, **where)  # type: ignore[arg-type]  # instance and sequence
            return before
        counted.leaves += 1
        if one.leaf_hash != row.entry_hash:
            message = f"Entry {row.sequence} is not the one that was taken into the tree."
            self.found.add(
                What.ENTRY_OTHER_IN_TREE,
                message,
                instance=id_,
                sequence=row.sequence,
                position=position,
                expected=one.leaf_hash,
                found=row.entry_hash,
            )
        if position <= before:
            message = f"Entry {row.sequence} stands before its predecessor in the tree."
            self.found.add(
                What.ENTRY_OUT_OF_ORDER,
                message,
                instance=id_,
                sequence=row.sequence,
                position=position,
                expected=f"behind {before}",
                found=position,
            )
        if one.is_waiting:
            message = f"Entry {row.sequence} is in the tree and waits to be taken into it again."
            self.found.add(What.ENTRY_OUT_OF_ORDER, message, instance=id_, sequence=row.sequence, position=position)
        return position

    def _compare(self, id_: str, replay: Replay, situation: Situation, messages: list[Message]) -> None:
        plan = self.library.plans.get(replay.definition or "")
        if plan is None and id_ != SYSTEM and replay.definition not in self.unknown:
            self.unknown.add(replay.definition)
            message = f"The definition that the history follows is not among the published documents: {replay.definition}."
            self.found.add(What.DOCUMENT_CHANGED, message, instance=id_, expected=replay.definition)
        for name, expected, got in replay.instance_differences(situation.instance, plan):
            message = f"The instance's {name} is not what its history says."
            self.found.add(What.INSTANCE_DIFFERS, message, instance=id_, expected=expected, found=got)
        for name, expected, got in replay.timer_differences(situation, plan):
            message = f"The {name} is not what the history says."
            self.found.add(What.TIMER_DIFFERS, message, instance=id_, expected=expected, found=got)
        for sequence, (name, expected, got) in replay.message_differences(messages):
            message = f"The {name} is not what the history says."
            self.found.add(What.MESSAGE_DIFFERS, message, instance=id_, sequence=sequence, expected=expected, found=got)

    def _compare_system(self, replay: Replay) -> None:
        """Compare what was published and delegated."""
        self.library.compare(replay.published, self.found)
        rows = {one.id: (one.principal, one.deputy, one.role, one.scope, one.starts_at, one.ends_at) for one in self.snapshot.delegations()}
        for id_ in sorted(rows.keys() | replay.delegations.keys()):
            expected, got = replay.delegations.get(id_), rows.get(id_)
            if expected != got:
                message = f"The delegation {id_} is not what the history says."
                self.found.add(What.DELEGATION_DIFFERS, message, instance=SYSTEM, expected=expected or "none", found=got or "none")

    def _alone(self, situations: Iterable[tuple[str, list[Situation]]], messages: Iterable[tuple[str, list[Message]]]) -> None:
        """Note instances and messages that have no history at all."""
        for id_, _ in situations:
            self.found.add(What.INSTANCE_WITHOUT_HISTORY, "The instance has a row but no entries: its history was deleted.", instance=id_)
        for id_, waiting in messages:
            message = f"{len(waiting)} message(s) belong to no history."
            self.found.add(What.MESSAGE_DIFFERS, message, instance=id_)

    def _without_entry(self) -> None:
        """Name entries that the tree or the sequencer still knows, but that are gone."""
        if self.counted.leaves != self.snapshot.leaf_count():
            for leaf in self.snapshot.leaves_without_entry(limit=100):
                self.found.add(
                    What.ENTRY_DELETED,
                    f"Entry {leaf.sequence} is in the tree but no longer in the history: it was deleted.",
                    instance=leaf.instance_id,
                    sequence=leaf.sequence,
                    position=leaf.position,
                    expected=leaf.leaf_hash,
                )
        for id_, sequence in self.snapshot.waiting_without_entry(limit=100):
            message = f"Entry {sequence} waits to be taken into the tree but is no longer in the history: it was deleted."
            self.found.add(What.ENTRY_DELETED, message, instance=id_, sequence=sequence)
