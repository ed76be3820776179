"""Commands for operators: worker, outbox, db, keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workflow.cli.exits import FINDINGS
from workflow.cli.options import ActorOption, After, Database, Json, Limit, Roles, a_person

if TYPE_CHECKING:
    from workflow.ports import Message
    from workflow.settings import Settings

outbox = typer.Typer(help="Messages that were sent, wait, or were given up.", no_args_is_help=True, rich_markup_mode=None)
db = typer.Typer(help="The tables of the database.", no_args_is_help=True, rich_markup_mode=None)
keys = typer.Typer(help="Keys of an installation.", no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(worker)
    outbox.command("list")(outbox_list)
    outbox.command("show")(outbox_show)
    outbox.command("retry")(outbox_retry)
    db.command("upgrade")(db_upgrade)
    db.command("check")(db_check)
    keys.command("new")(keys_new)
    keys.command("client")(keys_client)
    app.add_typer(outbox, name="outbox")
    app.add_typer(db, name="db")
    app.add_typer(keys, name="keys")


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end.")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="Messages sent at the same time.")] = 4,
    interval: Annotated[float, typer.Option("--interval", min=0.1, max=60.0, help="Seconds between regular sweeps.")] = 1.0,
    database: Database = None,
    json: Json = False,
) -> None:
    """Fire deadlines and send messages until SIGTERM or SIGINT; any number of workers may run on one database.

    Mail goes to WORKFLOW_SMTP_HOST, text messages to WORKFLOW_SMS_URL. An installation that creates accounts elsewhere runs a
    worker of its own with its own performers; with WORKFLOW_ENVIRONMENT=development accounts and the app are simulated.
    """
    from workflow.auditing import drain, sequencing
    from workflow.bootstrap import note_keys, tree_of
    from workflow.cli import output
    from workflow.cli.opening import opened_by, read_settings
    from workflow.cli.performing import dispatch_of, log_to_stderr
    from workflow.worker import Pace, Worker

    settings = read_settings(database)
    log_to_stderr()
    with opened_by(settings) as engine:
        note_keys(engine)  # and a database that cannot be used at all is told at once, by the exit code
        pace = Pace(interval_seconds=interval, threads=threads, batch=settings.limits.batch)
        working = Worker(engine, dispatch_of(settings, engine), pace=pace)
        if not once:
            with sequencing(tree_of(engine), interval_seconds=interval):
                working.run()
            return
        with output.waiting("Firing deadlines and sending messages"):
            swept = working.run_until_idle()
            drain(tree_of(engine))
    said = {name: getattr(swept, name) for name in ("fired", "done", "put_back", "dead", "lost")}
    if json:
        output.emit(said | {"set_aside": [{"instance": i, "why": why} for i, why in swept.set_aside]})
    else:
        output.say(
            f"{swept.fired} deadline(s) fired; {swept.done} message(s) done, {swept.put_back} put back for later, {swept.dead} given up."
        )
        for instance_id, why in swept.set_aside:
            output.say(f"set aside: {instance_id}: {why}")
    if swept.set_aside:
        raise typer.Exit(FINDINGS)


def outbox_list(
    state: Annotated[str | None, typer.Option("--state", help="queued, leased, done, dead or superseded.")] = None,
    instance: Annotated[str | None, typer.Option("--instance", metavar="ID", help="Only of this instance.")] = None,
    after: After = None,
    limit: Limit = 50,
    database: Database = None,
    json: Json = False,
) -> None:
    """List messages by instance, and its own in the order in which they were queued."""
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.ports import MessageQuery
    from workflow.states.instance import InstanceId

    query = MessageQuery(state=state, instance_id=InstanceId(instance) if instance else None, after=after, limit=limit)
    with opened(database) as engine, engine.reads() as reads:
        page = reads.messages(query)
    if json:
        output.emit({"messages": [_message(one) for one in page.rows], "next": page.next})
        return
    output.columns(("message", "what", "became"), [(m.id, f"{m.effect.kind} {m.effect.name}", _became(m)) for m in page.rows])
    if page.next:
        output.say(f"There is more: --after {page.next}")


def outbox_show(
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="Id of the message.")], database: Database = None, json: Json = False
) -> None:
    """Show one message. What it says is nowhere kept, so it is not shown."""
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.errors import NotFoundError

    with opened(database) as engine, engine.reads() as reads:
        found = reads.message(message)
    if found is None:
        raise NotFoundError("message", message)
    if json:
        output.emit(_message(found))
    else:
        output.pairs([(name, str(value)) for name, value in _message(found).items() if value not in ("", None)])


def outbox_retry(
    messages: Annotated[list[str], typer.Argument(metavar="MESSAGE...", help="Ids of messages that were given up.")],
    actor: ActorOption,
    database: Database = None,
    json: Json = False,
) -> None:
    """Make messages that were given up due again, with all their attempts; put right first what made them fail.

    Who did so is an entry of the onboarding's history.
    """
    from workflow.cli import output
    from workflow.cli.opening import opened
    from workflow.engine.acts import retry
    from workflow.states.instance import Actor

    with opened(database) as engine:
        done = {one: retry(engine, one, actor=Actor.of(actor)) for one in output.tracked(messages, "Retrying")}
    if json:
        output.emit(done)
    else:
        output.columns(("message", ""), [(one, "is due again" if is_due else "was not given up") for one, is_due in done.items()])
    if not all(done.values()):
        raise typer.Exit(FINDINGS)


def db_upgrade(
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements instead of running them (postgresql, sqlite by the URL).")
    ] = False,
    actor: Annotated[str, typer.Option("--actor", metavar="ID", callback=a_person, help="Opaque id of who acts.")] = "system:operator",
    database: Database = None,
    json: Json = False,
) -> None:
    """Bring the tables up to date; safe to run at any time and by several processes at once.

    That they were changed, by which release, is an entry of the system's chain.
    """
    import sys

    from workflow import bootstrap
    from workflow.cli import output
    from workflow.cli.opening import read_settings

    settings = read_settings(database)
    if sql:
        sys.stdout.write(bootstrap.upgrade_sql(settings))
        return
    was_current = bootstrap.is_current(settings)
    bootstrap.upgrade(settings)
    if not was_current:
        _record_upgrade(settings, actor)
    if json:
        output.emit({"is_current": True})
    else:
        output.say("The tables are up to date.")


def _record_upgrade(settings: Settings, actor: str) -> None:
    from workflow.cli.opening import opened_by
    from workflow.cli.options import release
    from workflow.engine.acts import Act, record_act
    from workflow.states.instance import Actor
    from workflow.states.verdict import Kind

    with opened_by(settings) as engine:
        record_act(engine, Act(kind=Kind.UPGRADED, event="upgrade", actor=Actor.of(actor), payload={"release": release()}))


def db_check(database: Database = None, json: Json = False) -> None:
    """Tell whether the tables are there and up to date; the exit code is 1 when they are not."""
    from workflow import bootstrap
    from workflow.cli import output
    from workflow.cli.opening import read_settings

    is_current = bootstrap.is_current(read_settings(database))
    if json:
        output.emit({"is_current": is_current})
    else:
        output.say("The tables are up to date." if is_current else "The tables are missing or old: run `workflow db upgrade`.")
    if not is_current:
        raise typer.Exit(FINDINGS)


def keys_new(
    kid: Annotated[str | None, typer.Option("--kid", help="Name of the key; random when left out.")] = None, json: Json = False
) -> None:
    """Print a new key for WORKFLOW_KEYS. Whoever has it can open what is sealed: keep it where secrets are kept.

    To rotate, write the new one in front of the old ones, with a blank between.
    """
    import re
    import sys

    from workflow.cli import output
    from workflow.settings import new_key

    if kid is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", kid):
        raise typer.BadParameter("A kid has lower-case letters, digits and hyphens, at most 32.")
    made = new_key(kid)
    if json:
        output.emit({"kid": made.kid, "key": made.write()})
    else:
        sys.stdout.write(f"{made.write()}\n")


def keys_client(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the program is called.")],
    actor: ActorOption,
    role: Roles = None,
    json: Json = False,
) -> None:
    """Print a new token for a program that uses the HTTP API, and its line for the file of WORKFLOW_API_CLIENTS.

    The token is shown this once; the file has only its digest.
    """
    import sys

    import orjson

    from workflow.cli import output
    from workflow.cli.serving import require_extra

    require_extra()
    from workflow.web.api.clients import new_client

    token, client = new_client(name, actor=actor, roles=role or ())
    if json:
        output.emit({"token": token, "client": client})
    else:
        sys.stdout.write(f"token   {token}\nclient  {orjson.dumps(client).decode()}\n")  # whole lines, to be copied


def _became(message: Message) -> str:
    from workflow.cli import output

    tries = f"{message.attempts} {'try' if message.attempts == 1 else 'tries'}"
    if message.state == "queued":
        return f"queued, {tries}, next {output.local(message.available_at)}" + (f": {message.last_error}" if message.last_error else "")
    return f"{message.state}, {tries}" + (f": {message.last_error}" if message.last_error and message.state == "dead" else "")


def _message(message: Message) -> dict[str, object]:
    from workflow.cli import output

    effect = message.effect
    return {
        "id": message.id,
        "instance": message.instance_id,
        "sequence": message.sequence,
        "kind": effect.kind,
        "name": effect.name,
        "to": effect.to,
        "serial": effect.serial,
        "state": message.state,
        "attempts": message.attempts,
        "queued_at": output.instant(message.queued_at),
        "available_at": output.instant(message.available_at),
        "leased_until": output.instant(message.leased_until),
        "last_error": message.last_error,
    }
