"""Commands for auditors over histories: explain, and audit conform, export, exceptions, bundle, erase, retain."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.audit import audit
from workflow.cli.exits import FINDINGS
from workflow.cli.options import ActorOption, Database, InstanceArgument, Json, a_person

if TYPE_CHECKING:
    from workflow.engine import Engine
    from workflow.export.population import Wanted


_INSTANTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Definition = Annotated[str | None, typer.Option("--definition", metavar="NAME", help="Only of this definition.")]
State = Annotated[str | None, typer.Option("--state", help="Only in this state now, or one inside it.")]
Outcome = Annotated[str | None, typer.Option("--outcome", help="Only with this outcome: success, failure, neutral, or open.")]
Since = Annotated[
    datetime | None, typer.Option("--from", metavar="INSTANT", formats=_INSTANTS, help="Only started at or after this (UTC).")
]
Until = Annotated[datetime | None, typer.Option("--to", metavar="INSTANT", formats=_INSTANTS, help="Only started before this (UTC).")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(explain)
    audit.command("conform")(conform)
    audit.command("erase")(erase)
    audit.command("retain")(retain)
    audit.command("exceptions")(exceptions)
    audit.command("bundle")(bundle)


def wanted_of(definition: str | None, state: str | None, outcome: str | None, *, since: datetime | None, until: datetime | None) -> Wanted:
    """Give the population that the options name."""
    from workflow.export.population import OUTCOMES, Wanted

    if outcome is not None and outcome not in OUTCOMES:
        raise typer.BadParameter(f"The outcome is one of {', '.join(OUTCOMES)}.")
    return Wanted(definition=definition, state=state, outcome=outcome, since=_aware(since), until=_aware(until))


def require_published(engine: Engine, definition: str | None) -> None:
    """Refuse a filter by a definition that was never published: that nothing is found would read as an answer.

    Raises:
        NotFoundError: there is no such definition.
    """
    from workflow.errors import NotFoundError

    if definition is None:
        return
    with engine.store.reads() as reads:
        if definition not in reads.names("definition"):
            raise NotFoundError("definition", definition)


def explain(instance: InstanceArgument, database: Database = None, json: Json = False) -> None:
    """Explain every deadline of an instance: what counted, what did not, and why.

    Weekends, holidays, nights, pauses (with the entry that paused) and clock changes are named, and the counted stretches sum
    to the second to the engine's own figure. The exit code is 1 when a recorded deadline does not follow from the history.
    """
    from workflow.cli import output
    from workflow.cli.explaining import as_data, print_deadlines
    from workflow.cli.opening import opened
    from workflow.engine.archive import Archive

    with opened(database) as engine:
        found = Archive(engine).explain(instance)
        calendar = engine.in_force(instance).world.calendar
    zone = calendar.zone if calendar else "UTC"
    if json:
        output.emit({"instance": instance, "zone": zone, "deadlines": [as_data(one) for one in found]})
    else:
        output.say(f"Deadlines of {instance} (times in {zone})", style="bold")
        print_deadlines(found, zone)
    if not all(one.agrees for one in found):
        raise typer.Exit(FINDINGS)


def conform(
    definition: Definition = None,
    state: State = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Judge every history again: replay it against the definition in force at its entries, and hold it against the policy.

    Legal means: given the recorded facts and roles. Transitions, guards, quorums, stages of decisions, delegations, effects and
    deadlines are decided again, and the first illegal entry of each bad history is named; so is the first entry that breaks a
    property of the policy, with the property's sentence. The exit code is 1 when a history is illegal or breaks a property; a
    property whose severity is a warning is told only.
    """
    from workflow.cli.conforming import Conformance, print_conformance
    from workflow.cli.counting import counting
    from workflow.cli.opening import opened
    from workflow.engine.archive import Archive
    from workflow.export.population import instances

    wanted = wanted_of(definition, state, outcome, since=since, until=until)
    found = Conformance()
    with opened(database) as engine, counting("judging", is_wanted=not json) as tell:
        require_published(engine, definition)
        archive = Archive(engine)
        delegations, now = archive.delegations(), engine.now()
        for instance in instances(archive, wanted):
            found.read(archive, instance, delegations, now=now)
            tell(found.histories, found.entries)
    print_conformance(found, is_json=json)
    if not found.is_clean:
        raise typer.Exit(FINDINGS)


def erase(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", callback=a_person, help="Opaque id of the person.")],
    basis: Annotated[str, typer.Option("--basis", help="The ground, as it stays in the history; it names no person.")],
    actor: ActorOption,
    database: Database = None,
    json: Json = False,
) -> None:
    """Erase a person: close what is under way, then destroy their values, salts, key and credentials.

    The history stays and proves itself as before, with an entry that says who erased what, on which basis. The database's files
    are written anew, so that no byte stays in them; backups keep what they have.
    """
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.states.instance import Actor
    from workflow.states.verdict import Refused

    with opened(database) as engine:
        done = engine.erase(subject, basis=basis, actor=Actor.of(actor, "administrator"))
        if isinstance(done, Refused):
            done.raise_()
        compact(engine)
    if json:
        output.emit({"subject": subject, "erased": done.instances, "erased_before": done.before, "closed": done.closed})
        return
    for title, ids in (("closed first", done.closed), ("erased", done.instances), ("erased before", done.before)):
        for instance_id in ids:
            output.say(f"{title}: {instance_id}")
    output.say("What was deleted is out of the database's files. Backups that were made before still have it.")


def retain(
    definition: Definition = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only name what is past its period.")] = False,
    actor: Annotated[str, typer.Option("--actor", metavar="ID", callback=a_person, help="Opaque id of who acts.")] = "system:retention",
    database: Database = None,
    json: Json = False,
) -> None:
    """Erase what is past the retention of its definition: ended onboardings, counted from their outcome.

    After a success the account lives on, so its values stay unless the definition names a period for a success.
    """
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.engine.retaining import Retention
    from workflow.states.instance import Actor

    with opened(database) as engine:
        require_published(engine, definition)
        retention = Retention(engine)
        found = retention.expired(definition)
        if found and not dry_run:
            retention.erase(found, actor=Actor.of(actor, "administrator"))
            compact(engine)
    if json:
        rows = [{"instance": one.instance_id, "outcome": one.outcome, "kept_until": output.instant(one.kept_until)} for one in found]
        output.emit({"expired": rows, "is_erased": bool(found) and not dry_run})
        return
    output.columns(
        ("instance", "outcome", "reached", "kept until"),
        [(one.instance_id, one.outcome, output.local(one.reached_at), output.local(one.kept_until)) for one in found],
    )
    output.say(f"{len(found)} past their period" + (", not erased (--dry-run)." if dry_run else ", erased." if found else "."))


def exceptions(
    definition: Definition = None,
    state: State = None,
    outcome: Outcome = None,
    since: Since = None,
    until: Until = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Report what an auditor looks at first: automatic decisions, late answers, deputies, refusals, erasures, reads, exports.

    There is no way around a guard, so there are no overrides to report.
    """
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.engine.archive import Archive
    from workflow.export.exceptions import report

    wanted = wanted_of(definition, state, outcome, since=since, until=until)
    with opened(database) as engine:
        require_published(engine, definition)
        found = report(Archive(engine), wanted)
    sections = {
        "automatic decisions": found.automatic,
        "deadlines in working time that were reached": found.breaches,
        "deputies": found.deputies,
        "messages given up": found.given_up,
        "erasures": found.erasures,
        "personal values read": found.reads,
        "messages tried again": found.retried,
        "exports": found.exports,
        "keys, tables and documents": found.administration,
    }
    if json:
        said = {name.replace(" ", "_"): [asdict(one) for one in listed] for name, listed in sections.items()}
        output.emit({"histories": found.histories, "entries": found.entries, "refusals": dict(found.refusals.most_common())} | said)
        return
    output.say(f"{found.histories} histories, {found.entries} entries")
    output.say("\noverrides: the engine knows none", style="bold")
    output.say("  There is no way around a guard, a role or a deadline; `workflow audit conform` judges every entry again.")
    for name, listed in sections.items():
        output.say(f"\n{name}: {len(listed)}", style="bold")
        rows = [(one.instance_id, str(one.sequence), output.local(one.occurred_at), one.event, one.actor, one.detail) for one in listed]
        if rows:
            output.columns(("instance", "entry", "when (UTC)", "event", "who", "what"), rows)
    output.say(f"\nrefusals by reason: {found.refusals.total()}", style="bold")
    output.pairs([(code, str(count)) for code, count in found.refusals.most_common()], indent=2)


def bundle(
    instance: InstanceArgument,
    file: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The zip to write; one that exists is replaced.")],
    actor: ActorOption,
    reveal: Annotated[
        list[str] | None,
        typer.Option("--open", metavar="SLOT", help="Open a personal value, e.g. field:email; all are withheld else. May be repeated."),
    ] = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Write one onboarding with all proofs to a zip, which verify_bundle.py verifies without this package.

    Everything is proven under the newest checkpoint: make one first (`workflow audit checkpoint`). What was opened for the bundle,
    and that it was made, is recorded in the system's chain.
    """
    from workflow.cli import output
    from workflow.cli.bundling import make_bundle
    from workflow.cli.opening import read_settings
    from workflow.states.instance import Actor

    made = make_bundle(read_settings(database), instance, file, actor=Actor.of(actor), reveal=tuple(reveal or ()))
    if json:
        output.emit({"file": str(file), "sha256": made.sha256, "system_entry": made.sequence})
    else:
        output.say(f"{file}: SHA-256 {made.sha256}")
        output.say(f"Recorded as entry {made.sequence} of the system's chain. Verify it with: python verify_bundle.py {file} --key KEY")


def compact(engine: Engine) -> None:
    """Give back the room of what was deleted, where the store can."""
    from workflow.ports import Compacting

    if isinstance(engine.store, Compacting):
        engine.store.compact()


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
