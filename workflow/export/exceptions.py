"""The exceptions report: what an auditor looks at first.

Promises: every count comes from entries and names its instances; nothing personal is in it. There is no way around a guard in
this engine, so there are no overrides to report; what comes closest is named here: what the engine decided by itself, who acted
for somebody else, what took too long, what was refused and why, what was erased, counted or exported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflow.audit.entry import EntryRow
from workflow.engine.archive import Archive
from workflow.export.population import History, Wanted, histories
from workflow.ports import SYSTEM
from workflow.states.definition import Definition
from workflow.states.verdict import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One exception: where and when, by whom, and what."""

    instance_id: str
    sequence: int
    occurred_at: datetime
    event: str
    actor: str
    detail: str


@dataclass(slots=True, kw_only=True)
class Exceptions:
    """All exceptions of a population.

    Attributes:
        automatic: decisions that the engine took because the definition says ``auto: true``.
        breaches: deadlines in working time that were reached.
        deputies: what somebody did on behalf of somebody else.
        erasures: what was erased, on which basis.
        given_up: messages that were not delivered.
        refusals: refused attempts by reason; counted ones of a flood under ``not recorded one by one``.
        reads: personal values that somebody has read.
        retried: messages that an operator made due again.
        exports: what left the store, from the system's chain; `administration` the keys, tables and documents that were changed.
    """

    histories: int = 0
    entries: int = 0
    automatic: list[Finding] = field(default_factory=list)
    breaches: list[Finding] = field(default_factory=list)
    deputies: list[Finding] = field(default_factory=list)
    erasures: list[Finding] = field(default_factory=list)
    given_up: list[Finding] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    exports: list[Finding] = field(default_factory=list)
    reads: list[Finding] = field(default_factory=list)
    retried: list[Finding] = field(default_factory=list)
    administration: list[Finding] = field(default_factory=list)

    def read(self, history: History, definition: Definition) -> None:
        """Take a history in."""
        self.histories += 1
        working = {(t.event) for s in definition.states.values() for t in s.timers if t.after.kind != "elapsed"}
        for row, said in zip(history.rows, history.said, strict=True):
            self.entries += 1
            self._read(row, said, working)

    def _read(self, row: EntryRow, said: dict[str, Any], working: set[Any]) -> None:
        if said.get("automatic"):
            self.automatic.append(_finding(row, f"{row.from_state} -> {row.to_state}"))
        if row.on_behalf_of is not None:
            self.deputies.append(_finding(row, f"for {row.on_behalf_of}"))
        reasons = [reason["code"] for reason in said.get("reasons", ())]
        match row.kind:
            case Kind.FIRED if row.event in working:
                self.breaches.append(_finding(row, f"in {row.from_state}"))
            case Kind.REFUSED:
                self.refusals.update(reasons)
            case Kind.REFUSALS_COUNTED:
                self.refusals["not recorded one by one"] += int(said["payload"]["count"])
            case Kind.ERASED:
                self.erasures.append(_finding(row, str(said["payload"]["basis"])))
            case Kind.READ:
                basis = said["payload"].get("basis")
                self.reads.append(_finding(row, " ".join(said["payload"]["fields"]) + (f" ({basis})" if basis else "")))
            case Kind.RETRIED:
                self.retried.append(_finding(row, f"{said['payload']['effect']}, queued by entry {said['payload']['queued_by']}"))
            case Kind.REPORTED if reasons and "effects" not in said:
                self.given_up.append(_finding(row, " ".join(reasons)))
            case _:
                pass

    def read_system(self, rows: Iterable[tuple[EntryRow, dict[str, Any]]]) -> None:
        """Take the system's chain in."""
        for row, said in rows:
            payload = said["payload"]
            match row.kind:
                case Kind.EXPORTED:
                    detail = f"{payload['format']}, {payload['histories']} histories, {payload['entries']} entries"
                    self.exports.append(_finding(row, detail))
                case Kind.REFUSED:
                    self.refusals.update(reason["code"] for reason in said["reasons"])
                case Kind.KEY_CHANGED:
                    kids = " ".join(key["kid"] for key in payload["keys"])
                    self.administration.append(_finding(row, f"{payload['purpose']}: {kids}"))
                case Kind.UPGRADED:
                    self.administration.append(_finding(row, f"to release {payload['release']}"))
                case Kind.PUBLISHED:
                    self.administration.append(_finding(row, f"{payload['document']} {payload['name']} {payload['digest'][:12]}"))
                case _:
                    pass


def report(archive: Archive, wanted: Wanted) -> Exceptions:
    """Give the exceptions of a population, and of the system's chain."""
    found = Exceptions()
    for history in histories(archive, wanted):
        found.read(history, archive.table(history.digest).definition)
    found.read_system(archive.said(SYSTEM))
    return found


def _finding(row: EntryRow, detail: str) -> Finding:
    return Finding(
        instance_id=row.instance_id, sequence=row.sequence, occurred_at=row.occurred_at, event=row.event, actor=row.actor, detail=detail
    )
