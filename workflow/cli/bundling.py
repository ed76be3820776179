"""Putting a case bundle together: history, proofs, page and log."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workflow.auditing import prove
from workflow.bootstrap import open_tree
from workflow.cli.opening import opened_by
from workflow.cli.printing import page_of
from workflow.cli.tracing import read_trace
from workflow.engine.archive import Archive
from workflow.engine.disclosing import Disclosure, disclose, open_slots
from workflow.errors import AuditError
from workflow.export.bundle import Case, write_bundle
from workflow.export.population import history_of
from workflow.export.xes import write_xes
from workflow.states.instance import Actor, InstanceId

if TYPE_CHECKING:
    from workflow.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A bundle that was written and recorded."""

    sha256: str
    sequence: int


def make_bundle(settings: Settings, instance: str, path: Path, *, actor: Actor, reveal: tuple[str, ...]) -> Made:
    """Write a bundle and record that it was made; nothing is left when either fails.

    Raises:
        NotFoundError: there is no such instance, an entry is not in the tree yet, or a value to open is not there.
        AuditError: there is no checkpoint, or it is older than an entry.
    """
    with opened_by(settings) as engine, open_tree(settings) as tree, tree.snapshot() as snapshot:
        archive = Archive(engine)
        kept = snapshot.checkpoints()
        if not kept:
            raise AuditError("There is no checkpoint to prove anything under: run `workflow audit checkpoint` first.")
        note = kept[-1].note
        trace, log = read_trace(engine, instance), io.StringIO()
        write_xes([history_of(archive, engine.get(instance))], log)
        opened = open_slots(engine, InstanceId(instance), reveal)
        case = Case(
            instance_id=instance,
            note=note,
            prove=lambda of, sequence: prove(snapshot, of, sequence, note=note).write(),
            opened=opened,
            timeline=page_of(trace, archive.explain(instance)),
            log=log.getvalue(),
        )
        sha256 = write_bundle(archive, case, path)
        said = {"format": "bundle", "instance": instance, "histories": 1, "entries": trace.count, "sha256": sha256, "opened": list(reveal)}
        try:
            return Made(sha256=sha256, sequence=disclose(engine, Disclosure(actor=actor, payload=said)))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
