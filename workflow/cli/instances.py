"""Commands for whoever runs and reads instances: start, fire, may, show, list, work, trace, delegate."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.exits import FINDINGS
from workflow.cli.options import ActorOption, After, Database, InstanceArgument, Json, Key, Limit, Roles, Secret, Set, SetJson, a_person

if TYPE_CHECKING:
    from workflow.engine import Engine
    from workflow.errors import ChainBrokenError
    from workflow.states.verdict import Accepted


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (start, fire, may, show, work, trace, delegate):
        app.command()(command)
    app.command("end-delegation")(end_delegation)
    app.command("list")(list_)


def start(
    definition: Annotated[str, typer.Argument(metavar="DEFINITION", help="Name of a published definition.")],
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The definition's start event.")],
    actor: ActorOption,
    role: Roles = None,
    set_: Set = None,
    set_json: SetJson = None,
    secret: Secret = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="ID", callback=a_person, help="The person onboarded; the actor when left out.")
    ] = None,
    key: Key = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Start an onboarding."""
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.cli.payloads import read_payload
    from workflow.states.definition import EventName
    from workflow.states.instance import Actor, Event
    from workflow.states.verdict import Accepted

    with opened(database) as engine:
        type_ = engine.newest(definition).world.definition.events.get(EventName(event))
        payload = read_payload(type_, given=set_, as_json=set_json, secret=secret)
        fired = Event(name=EventName(event), actor=Actor.of(actor, *(role or ())), payload=payload, key=key)
        answer = engine.start(definition, fired, subject=subject)
        if isinstance(answer, Accepted):
            _print_accepted(engine, answer, json=json)
            return
        if json:
            output.emit({"merged": True})
        else:
            # As on a public page, whose it is stays untold: whether somebody is registered is nobody's business.
            output.say("Taken. A value belongs to an onboarding that exists already; its owner was told.")


def fire(
    instance: InstanceArgument,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="What happens.")],
    actor: ActorOption,
    role: Roles = None,
    set_: Set = None,
    set_json: SetJson = None,
    secret: Secret = None,
    key: Key = None,
    version: Annotated[int | None, typer.Option("--version", help="The version you have seen; another one is a conflict.")] = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Fire an event on an instance."""
    from workflow.cli.opening import opened
    from workflow.cli.payloads import read_payload
    from workflow.states.definition import EventName
    from workflow.states.instance import Actor, Event
    from workflow.states.verdict import Accepted

    with opened(database) as engine:
        type_ = engine.in_force(instance).world.definition.events.get(EventName(event))
        payload = read_payload(type_, given=set_, as_json=set_json, secret=secret)
        fired = Event(name=EventName(event), actor=Actor.of(actor, *(role or ())), payload=payload, key=key)
        answer = engine.fire(instance, fired, expected_version=version)
        if isinstance(answer, Accepted):
            _print_accepted(engine, answer, json=json)


def may(instance: InstanceArgument, actor: ActorOption, role: Roles = None, database: Database = None, json: Json = False) -> None:
    """Say what an actor may do with an instance now, and why not."""
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.states.instance import Actor
    from workflow.states.verdict import Allowed, Depends, Refused

    with opened(database) as engine:
        verdicts = engine.may(instance, Actor.of(actor, *(role or ())))
    rows: list[tuple[str, str, str]] = []
    data: dict[str, object] = {}
    for name, verdict in sorted(verdicts.items(), key=lambda one: (isinstance(one[1], Refused), one[0])):
        match verdict:
            case Allowed():
                rows.append((name, "yes", ""))
                data[name] = {"verdict": "allowed"}
            case Depends():
                rows.append((name, "depends", f"on {', '.join(verdict.on)}"))
                data[name] = {"verdict": "depends", "on": verdict.on}
            case Refused():
                rows.append((name, "no", " ".join(reason.message for reason in verdict.reasons)))
                data[name] = {"verdict": "refused", "reasons": [{"code": r.code, "message": r.message} for r in verdict.reasons]}
    if json:
        output.emit(data)
    else:
        output.columns(("event", "may", "why"), rows)


def show(
    instance: InstanceArgument,
    personal: Annotated[
        bool, typer.Option("--personal", help="Open personal values too; that they were read is recorded, so --actor is needed.")
    ] = False,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="NAME", help="Open only this field (with --personal). May be repeated.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="ID", callback=a_person, help="Opaque id of who reads personal values.")
    ] = None,
    basis: Annotated[str, typer.Option("--basis", help="Why they are read, as it stays in the history; it names no person.")] = "",
    database: Database = None,
    json: Json = False,
) -> None:
    """Show an instance as it is now, with its deadlines.

    Personal values stay sealed unless --personal opens them. Who read which of them, and why, is an entry of the instance's history.
    """
    from workflow.cli import output
    from workflow.cli.opening import opened

    if fields and not personal:
        raise typer.BadParameter("A field is opened with --personal.", param_hint="--field")
    if personal and not actor:
        raise typer.BadParameter("That personal values are read is recorded: say who reads them.", param_hint="--actor")
    with opened(database) as engine:
        read = _disclosed(engine, instance, actor, basis=basis, fields=fields) if personal and actor else None
        situation = engine.situation(instance)
        zone = _zone(engine, instance)
        values = dict(situation.instance.fields) if read is None else read
    found = situation.instance
    if json:
        output.emit(output.instance_data(found, situation) | {"fields": values})
        return
    output.pairs(
        [
            ("instance", found.id),
            ("definition", f"{found.definition} ({found.digest[:16]})"),
            ("state", found.state + (f" ({found.outcome})" if found.outcome else "")),
            ("subject", found.subject),
            ("version", f"{found.version} ({found.head} entries)"),
            ("started", output.local(found.started_at, zone)),
        ]
    )
    for title, rows in (
        ("Deadlines", [(t.key, output.local(t.due_at, zone) if t.due_at else "stands still") for t in situation.timers]),
        ("Fields", [(str(name), _written(value)) for name, value in sorted(values.items(), key=lambda one: str(one[0]))]),
        ("Personal", [] if personal or not found.personal else [("kept sealed", ", ".join(sorted(found.personal)))]),
    ):
        if rows:
            output.say(f"\n{title} ({zone})" if title == "Deadlines" else f"\n{title}", style="bold")
            output.pairs(rows, indent=2)


def _disclosed(engine: Engine, instance: str, actor: str, *, basis: str, fields: list[str] | None) -> dict[str, object]:
    from workflow.states.instance import Actor
    from workflow.states.verdict import Refused

    found = engine.disclose(instance, actor=Actor.of(actor), basis=basis, fields=fields or None)
    if isinstance(found, Refused):
        found.raise_()
    return found


def list_(
    definition: Annotated[str | None, typer.Option("--definition", metavar="NAME", help="Only of this definition.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only in this state or one inside it.")] = None,
    is_open: Annotated[bool | None, typer.Option("--open/--ended", help="Only those under way, or only those that ended.")] = None,
    due_before: Annotated[
        datetime | None,
        typer.Option("--due-before", metavar="INSTANT", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"], help="UTC."),
    ] = None,
    after: After = None,
    limit: Limit = 50,
    database: Database = None,
    json: Json = False,
) -> None:
    """List instances."""
    from datetime import UTC

    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.ports import InstanceQuery

    if due_before is not None and due_before.tzinfo is None:
        due_before = due_before.replace(tzinfo=UTC)
    query = InstanceQuery(definition=definition, state=state, is_open=is_open, due_before=due_before, after=after, limit=limit)
    with opened(database) as engine:
        page = engine.instances(query)
    if json:
        output.emit({"instances": [output.instance_data(one.instance, one) for one in page.rows], "next": page.next})
        return
    rows = [(one.instance.id, one.instance.state, one.instance.outcome or "", output.local(output.next_due(one))) for one in page.rows]
    output.columns(("instance", "state", "outcome", "next deadline (UTC)"), rows)
    _more(page.next)


def work(
    role: Roles = None,
    definition: Annotated[str | None, typer.Option("--definition", metavar="NAME", help="Only of this definition.")] = None,
    after: After = None,
    limit: Limit = 50,
    database: Database = None,
    json: Json = False,
) -> None:
    """List open work, the most urgent first; everyone's unless roles are given."""
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.ports import WorkQuery
    from workflow.states.instance import Grant

    grants = tuple((str(grant.role), grant.scope) for grant in map(Grant.read, role or ()))
    with opened(database) as engine:
        page = engine.work(WorkQuery(grants=grants, definition=definition, after=after, limit=limit))
    if json:
        rows = [
            {
                "instance": situation.instance.id,
                "state": situation.instance.state,
                "event": one.event,
                "role": one.role,
                "scope": one.scope,
                "due_at": output.instant(one.due_at),
            }
            for situation, one in page.rows
        ]
        output.emit({"work": rows, "next": page.next})
        return
    output.columns(
        ("instance", "event", "role", "due (UTC)"),
        [(s.instance.id, w.event, f"{w.role}:{w.scope}" if w.scope else w.role, output.local(w.due_at)) for s, w in page.rows],
    )
    _more(page.next)


def trace(
    instance: InstanceArgument,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page to print, with every deadline.")] = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Print the whole history of an instance, and verify its chain.

    Every attempt is there: who, what, from where to where, why refused, which deadlines began to run, and what was sent.
    ``system`` names the chain of publications and delegations. The exit code is 1 when the chain is broken.
    """
    from workflow.cli.opening import opened
    from workflow.cli.printing import write_page
    from workflow.cli.tracing import print_trace, read_trace

    with opened(database) as engine:
        found = read_trace(engine, instance)
        if html is not None:
            write_page(engine, found, html)
    if html is None or json:
        print_trace(found, is_json=json)
    broken: ChainBrokenError | None = found.broken
    if broken is not None:
        raise typer.Exit(FINDINGS)


def delegate(
    principal: Annotated[str, typer.Argument(metavar="PRINCIPAL", callback=a_person, help="Who is represented.")],
    deputy: Annotated[str, typer.Argument(metavar="DEPUTY", callback=a_person, help="Who may act.")],
    until: Annotated[datetime, typer.Option("--until", metavar="INSTANT", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC.")],
    since: Annotated[
        datetime | None,
        typer.Option("--from", metavar="INSTANT", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="UTC; now when left out."),
    ] = None,
    role: Annotated[str | None, typer.Option("--role", metavar="ROLE[:SCOPE]", help="Only this role; all when left out.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="ID", callback=a_person, help="Who grants it; the principal when left out.")
    ] = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Let a deputy act for a principal for a while; recorded in the system's chain."""
    import secrets
    from datetime import UTC

    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.states.instance import Actor, ActorId, Delegation, Grant

    grant = Grant.read(role) if role else None
    with opened(database) as engine:
        made = Delegation(
            id=secrets.token_hex(12),
            principal=ActorId(principal),
            deputy=ActorId(deputy),
            role=grant.role if grant else None,
            scope=grant.scope if grant else None,
            starts_at=since.replace(tzinfo=UTC) if since else engine.now(),
            ends_at=until.replace(tzinfo=UTC),
            reason=reason,
        )
        engine.delegate(made, actor=Actor.of(actor, "administrator") if actor else Actor.of(principal))
    if json:
        output.emit({"delegation": made.id})
    else:
        output.say(f"{deputy} may act for {principal} until {output.local(made.ends_at)} (delegation {made.id}).")


def end_delegation(
    delegation: Annotated[str, typer.Argument(metavar="DELEGATION", help="Its id, as `workflow delegate` printed it.")],
    actor: ActorOption,
    role: Roles = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """End a delegation now: the principal, the deputy or an administrator may."""
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.states.instance import Actor

    with opened(database) as engine:
        engine.end_delegation(delegation, actor=Actor.of(actor, *(role or ())))
    if json:
        output.emit({"delegation": delegation, "ended": True})
    else:
        output.say(f"The delegation {delegation} has ended.")


def _print_accepted(engine: Engine, answer: Accepted, *, json: bool) -> None:
    from workflow.cli import output

    situation = engine.situation(answer.instance.id)
    if json:
        said = output.instance_data(answer.instance, situation)
        output.emit(said | {"sequence": answer.sequence, "is_repeat": answer.is_repeat})
        return
    output.say(f"{answer.instance.id}  {answer.instance.state}" + ("  (done before, by the same key)" if answer.is_repeat else ""))
    if (due_at := output.next_due(situation)) is not None:
        output.say(f"Next deadline: {output.local(due_at, _zone(engine, answer.instance.id))}")


def _zone(engine: Engine, instance_id: str) -> str:
    calendar = engine.in_force(instance_id).world.calendar
    return calendar.zone if calendar else "UTC"


def _written(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _more(cursor: str | None) -> None:
    from workflow.cli import output

    if cursor:
        output.say(f"There is more: --after {cursor}")
