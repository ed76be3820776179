"""Reading and printing the history of one instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflow.audit import chain
from workflow.cli import output
from workflow.cli.timeline import Line, details, line_data, read_lines
from workflow.errors import ChainBrokenError, NotFoundError
from workflow.ports import SYSTEM, MessageQuery
from workflow.states.instance import InstanceId

if TYPE_CHECKING:
    from workflow.audit.entry import EntryRow
    from workflow.engine import Engine
    from workflow.ports import Message

_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A whole history: `count` entries whose chain was verified, or where it is `broken`."""

    instance: str
    title: str
    zone: str
    lines: tuple[Line, ...]
    count: int
    head: str
    broken: ChainBrokenError | None


def read_trace(engine: Engine, instance_id: str) -> Trace:
    """Read and verify a history.

    Raises:
        NotFoundError: there is no such instance.
    """
    entries = read_entries(engine, instance_id)
    if not entries:
        raise NotFoundError("instance", instance_id)
    is_system = instance_id == SYSTEM
    world = None if is_system else engine.in_force(instance_id).world
    definition = world.definition if world else None
    broken, count = None, 0
    try:
        count = chain.verify(entries)
        if not is_system:
            _compare_head(engine, instance_id, entries[-1])
    except ChainBrokenError as error:
        broken = error
    return Trace(
        instance=instance_id,
        title=definition.title if definition else "Publications and delegations",
        zone=world.calendar.zone if world and world.calendar else "UTC",
        lines=tuple(read_lines(entries, read_messages(engine, instance_id), definition)),
        count=count,
        head=entries[-1].entry_hash.hex(),
        broken=broken,
    )


def read_entries(engine: Engine, instance_id: str, *, after: int = 0) -> list[EntryRow]:
    """Read a history to its end, page by page."""
    entries: list[EntryRow] = []
    while page := engine.history(instance_id, after=entries[-1].sequence if entries else after, limit=_PAGE):
        entries += page
        if len(page) < _PAGE:
            break
    return entries


def read_messages(engine: Engine, instance_id: str) -> list[Message]:
    """Read everything an instance has sent or will send."""
    messages: list[Message] = []
    cursor: str | None = None
    with engine.reads() as reads:
        while True:
            page = reads.messages(MessageQuery(instance_id=InstanceId(instance_id), after=cursor, limit=_PAGE))
            messages += page.rows
            cursor = page.next
            if cursor is None:
                return messages


def print_trace(trace: Trace, *, is_json: bool) -> None:
    """Print a history, and what became of its verification."""
    broken = trace.broken
    if is_json:
        said = {"is_verified": broken is None, "entries": trace.count, "head": trace.head}
        if broken is not None:
            said |= {"problem": str(broken), "sequence": broken.sequence, "expected": broken.expected, "found": broken.found}
        output.emit({"instance": trace.instance, "zone": trace.zone, "lines": [line_data(line) for line in trace.lines], "chain": said})
        return
    output.say(f"{trace.title}: {trace.instance} (times in {trace.zone})", style="bold")
    for line in trace.lines:
        print_line(line, trace.zone)
    if broken is None:
        output.say(f"\nChain verified: {trace.count} entries, head {trace.head[:16]}.", style="green")
    else:
        output.say(f"\nCHAIN BROKEN at entry {broken.sequence}: {broken.explain()}", style="bold red")
        output.pairs([("expected", broken.expected), ("found", broken.found)], indent=2)


def print_line(line: Line, zone: str) -> None:
    """Print one entry: its own line, and what belongs to it below."""
    row = line.row
    style = "red" if line.is_refusal else "cyan" if row.kind.startswith(("timer", "effect")) else ""
    refused = "  refused" if line.is_refusal else ""
    output.say(f"\n{row.sequence:>3}  {output.local(row.occurred_at, zone)}  {row.event}{refused}", style=style)
    output.pairs(details(line, zone), indent=5)


def _compare_head(engine: Engine, instance_id: str, newest: EntryRow) -> None:
    """Compare the chain's end with what the instance says it is, so that cutting off the newest entries shows."""
    instance = engine.get(instance_id)
    if (instance.head, instance.head_hash) != (newest.sequence, newest.entry_hash) and instance.head > newest.sequence:
        raise ChainBrokenError(
            f"The history ends at entry {newest.sequence}, but the instance has {instance.head}.",
            sequence=newest.sequence + 1,
            expected=instance.head_hash.hex(),
            found="nothing",
        )
