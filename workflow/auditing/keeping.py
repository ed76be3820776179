"""Keeping the tree up to date beside a worker.

Promises: in a thread of its own, so that a tree that was tampered with stops neither deadlines nor mails; says once what is wrong, and
that it is right again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from workflow.auditing.heads import BATCH
from workflow.errors import ConflictError, WorkflowError
from workflow.ports import TreeStore

_log = logging.getLogger(__name__)
LONGEST_WAIT_SECONDS = 60.0


@contextmanager
def sequencing(tree: TreeStore, *, interval_seconds: float = 1.0) -> Iterator[None]:
    """Take what waits into the tree, again and again, until the end of the block; any number of processes may do so at once."""
    stopping = threading.Event()
    thread = threading.Thread(target=_keep, args=(tree, interval_seconds, stopping), name="workflow-sequencer", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(timeout=10.0)


def _keep(tree: TreeStore, interval_seconds: float, stopping: threading.Event) -> None:
    sequencer, wait, wrong = tree.sequencer(), interval_seconds, ""
    while True:
        try:
            taken = sequencer.run(BATCH)
        except ConflictError:  # another process has the lock, and does what we would do
            taken = 0
        except WorkflowError as error:
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            if str(error) != wrong:
                wrong = str(error)
                _log.error("The sequencer waits: %s", error.explain())
            taken = 0
        else:
            if wrong:
                _log.warning("The sequencer: right again")
            wait, wrong = interval_seconds, ""
        if taken < BATCH and stopping.wait(wait):
            return
        if stopping.is_set():
            return
