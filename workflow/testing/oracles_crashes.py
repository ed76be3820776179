"""Oracle about a process that ended between two statements of one transaction: all of it is there, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from workflow.auditing import verify
from workflow.testing.acts import Fire, Start, Tick
from workflow.testing.observed import Observed
from workflow.testing.run import Rig

if TYPE_CHECKING:
    from workflow.ports import TreeStore


def all_or_nothing(rig: Rig, seen: Observed) -> Iterator[str]:
    """What the next process finds is a whole step or no trace of one, in every table; and the store verifies as a whole."""
    if seen.act.cut is None or not seen.is_crashed or rig.contents is None:
        return
    heads = [one.instance.head if one else 0 for one in (seen.before, seen.after)]
    if heads[0] == heads[1] and isinstance(seen.act, Fire | Start | Tick):
        now = rig.opened.contents()
        for table in sorted(now.keys() | rig.contents.keys()):
            if now.get(table) != rig.contents.get(table):
                yield f"The process ended before its step was committed, and the table {table} has changed."
    report = verify(cast("TreeStore", rig.opened.store.inner), keys=None)
    yield from (f"After the process had ended: {flaw.message}" for flaw in report.flaws)
