"""``workflow demo``: the whole journey on the embedded default, told as it happens.

Promises: what is printed is read from the history, the mail server and the gateways after it happened.
"""

from __future__ import annotations

import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from workflow.cli import output
from workflow.cli.demo_acts import ACTS
from workflow.cli.demo_stage import DemoError, Stage, staged
from workflow.cli.explaining import span
from workflow.cli.timeline import Line, line_data, read_lines
from workflow.cli.tracing import Trace, read_entries, read_messages, read_trace
from workflow.engine.archive import Archive
from workflow.states.instance import ENGINE_ACTOR
from workflow.states.verdict import Kind

_PAUSE_SECONDS = 0.4


@dataclass(slots=True, kw_only=True)
class Teller:
    """Prints what is new since it was asked last."""

    stage: Stage
    is_slow: bool
    is_silent: bool
    _sequence: int = 0
    _arrived: int = 0

    def heading(self, text: str) -> None:
        """Begin an act."""
        self._say("")
        self._say(text, style="bold")

    def tell(self) -> None:
        """Print new entries, and between them what arrived with mail server, gateway and phone."""
        stage = self.stage
        entries = read_entries(stage.engine, stage.instance, after=self._sequence)
        if not entries:
            return
        self._sequence = entries[-1].sequence
        definition = stage.engine.in_force(stage.instance).world.definition
        arrived = stage.arrived()
        fresh = list(arrived[self._arrived :])
        self._arrived = len(arrived)
        for line in read_lines(entries, read_messages(stage.engine, stage.instance), definition):
            while fresh and fresh[0].at < line.row.occurred_at.replace(microsecond=0):
                self._say(f"{_INDENT}{fresh.pop(0).text}", style="green")
            self._line(line)
        for one in fresh:
            self._say(f"{_INDENT}{one.text}", style="green")

    def _line(self, line: Line) -> None:
        row, zone = line.row, self.stage.calendar.zone
        if row.kind == Kind.REPORTED and not line.deadlines and row.from_state == row.to_state:
            return  # the report of a message that no state waits for; its arrival is told
        style = "red" if line.is_refusal else "cyan" if row.actor == ENGINE_ACTOR else ""
        became = "REFUSED" if line.is_refusal else "stays" if row.from_state == row.to_state else f"-> {row.to_state}"
        self._say(f" {_short(row.occurred_at, zone)} {row.actor:<9} {row.event:<19} {became}", style=style)
        self._reasons(line)
        if row.kind == Kind.FIRED and (skipped := self._uncounted(row.sequence)):
            self._say(f"{_INDENT}did not count: {', '.join(skipped)}", style="dim")
        for timer, due_at in line.deadlines:
            self._say(f"{_INDENT}deadline {timer.rpartition('.')[2]}: {_short(due_at, zone) if due_at else 'stands still'}", style="dim")

    def _reasons(self, line: Line) -> None:
        """Print what was answered, and what the history keeps, which is more precise than the actor may know."""
        refusal = self.stage.refusals.get(line.row.sequence)
        if refusal is None:
            return
        for reason in refusal.reasons:
            self._say(f"{_INDENT}why: {reason.message}", style="red")
        codes = dict.fromkeys(code.partition(":")[0] for code, _ in line.reasons)
        self._say(f"{_INDENT}recorded: {', '.join(codes)}", style="dim")

    def _uncounted(self, sequence: int) -> tuple[str, ...]:
        """Say what did not count of the deadline that an entry fired: pauses with their length, weekends, holidays by name."""
        stage, found = self.stage, list[str]()
        ended = [one for one in Archive(stage.engine).explain(stage.instance) if one.ended_by == sequence and one.end == "fired"]
        for stretch in (stretch for one in ended for stretch in one.stretches):
            if stretch.is_paused:
                found.append(f"the pause of {span(stretch.ends_at - stretch.starts_at)}")
            found += [segment.reason for segment in stretch.segments if not segment.is_counted]
        return tuple(dict.fromkeys(found))

    def _say(self, text: str, *, style: str = "") -> None:
        if self.is_silent:
            return
        for part in textwrap.wrap(text, _WIDTH, subsequent_indent=_INDENT + "  ", replace_whitespace=False) or [""]:
            output.say(part, style=style)
        if self.is_slow:
            time.sleep(_PAUSE_SECONDS)


_INDENT = " " * 18
_WIDTH = 80


def run(*, folder: Path | None, is_slow: bool, is_json: bool) -> None:
    """Run the demo and print it; with a folder everything is kept there.

    Raises:
        DemoError: something did not happen as the journey says.
    """
    with _place(folder) as place, staged(place) as stage:
        teller = Teller(stage=stage, is_slow=is_slow, is_silent=is_json)
        for number, (heading, act) in enumerate(ACTS, start=1):
            teller.heading(f"{number}. {heading}")
            act(stage)
            teller.tell()
        trace = read_trace(stage.engine, stage.instance)
        if trace.broken is not None:
            raise trace.broken
        if is_json:
            output.emit(_data(stage, trace, is_kept=folder is not None))
        else:
            _summary(stage, trace, is_kept=folder is not None)


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="workflow-demo-") as made:
            yield Path(made)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    yield folder


_PAGES = """\
To go on with the pages, as applicant, approver and help desk: make serve
(or `workflow serve`, with the extra `web`)"""


def _summary(stage: Stage, trace: Trace, *, is_kept: bool) -> None:
    refused = sum(line.is_refusal for line in trace.lines)
    instance = stage.engine.get(stage.instance)
    output.say("\nIn the end", style="bold")
    output.pairs(
        [
            ("state", f"{instance.state} ({instance.outcome})"),
            ("history", f"{trace.count} entries, {refused} of them refusals"),
            ("chain", f"verified, head {trace.head[:16]}"),
            ("mails", f"{len(stage.mailbox.received)} taken by the mail server"),
            ("account", f"{account.id} in CPMS" if (account := stage.cpms.account(instance.subject)) else "none"),
        ],
        indent=2,
    )
    if not is_kept:
        output.say("\nTo look at all of it afterwards: workflow demo --keep DIR")
        output.say(_PAGES)
        return
    output.say("\nGo on from here", style="bold")
    for command in (
        "export WORKFLOW_ENVIRONMENT=development",
        f"export WORKFLOW_DATABASE_URL={stage.url}",
        f"workflow trace {stage.instance}",
        f"workflow show {stage.instance} --personal --actor me",
        f"workflow graph cpms-access --instance {stage.instance}",
    ):
        output.say(f"  {command}")
    output.say(_PAGES)


def _data(stage: Stage, trace: Trace, *, is_kept: bool) -> dict[str, object]:
    instance = stage.engine.get(stage.instance)
    return {
        "instance": stage.instance,
        "database": stage.url if is_kept else None,
        "state": instance.state,
        "outcome": instance.outcome,
        "zone": trace.zone,
        "username": stage.username,
        "lines": [line_data(line) for line in trace.lines],
        "answers": {
            sequence: [{"code": reason.code, "message": reason.message} for reason in error.reasons]
            for sequence, error in stage.refusals.items()
        },
        "mails": [
            {"to": mail.recipients, "subject": mail.subject, "message_id": mail.message_id, "date": output.instant(mail.date)}
            for mail in stage.mailbox.received
        ],
        "account": account.id if (account := stage.cpms.account(instance.subject)) else None,
        "chain": {"is_verified": trace.broken is None, "entries": trace.count, "head": trace.head},
    }


def _short(at: datetime, zone: str) -> str:
    """Write an instant in a zone with its weekday and without its year."""
    return at.astimezone(ZoneInfo(zone)).strftime("%a %d %b %H:%M")
