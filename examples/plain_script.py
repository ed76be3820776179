"""The engine in a plain script: no framework, a database file, one onboarding from its start to its outcome.

    python examples/plain_script.py [database URL]

Shows how an event is fired, what a refusal says, what somebody may do, and how the history proves itself.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import workflow
from workflow.audit.chain import verify
from workflow.settings import development_keys

DEFINITION = Path(__file__).with_name("visitor-badge.yaml")

VISITOR = workflow.Actor.of("p-4711")
RECEPTION = workflow.Actor.of("p-0815", "reception:north")
ELSEWHERE = workflow.Actor.of("p-0007", "reception:south")


def run(database_url: str) -> None:
    """Give one visitor a badge."""
    # A real installation has keys of its own: `workflow keys new` prints one for WORKFLOW_KEYS.
    with workflow.open(database_url, keys=development_keys(), upgrade=True) as engine:
        workflow.publish(engine, DEFINITION)
        badge_id = ask(engine)
        print("The reception may:", names(engine.may(badge_id, RECEPTION)))

        # Three who may not, each told why and what would be needed.
        attempt(engine, badge_id, "approve", VISITOR, rationale="I know myself well.")
        attempt(engine, badge_id, "approve", ELSEWHERE, rationale="Looks honest.")
        attempt(engine, badge_id, "approve", RECEPTION, rationale="Expected at ten.")

        attempt(engine, badge_id, "name_escort", VISITOR)
        attempt(engine, badge_id, "approve", RECEPTION, rationale="Expected at ten, with Mr Babbage.")
        tell(engine, badge_id)


def ask(engine: workflow.Engine) -> str:
    """Start an onboarding. The key makes it safe to repeat: the same key gets the same answer, and only one badge is asked for."""
    event = workflow.Event.of("ask", VISITOR, key="form-1", full_name="Ada Lovelace", building="north", has_escort=False)
    match engine.start("visitor-badge", event), engine.start("visitor-badge", event):
        case workflow.Accepted() as first, workflow.Accepted() as second:
            print("Asked once, answered twice:", first.instance.id == second.instance.id)
            return first.instance.id
        case answers:  # not with this definition: it has no unique field to be merged by
            raise SystemExit(f"Unexpected: {answers}")


def attempt(engine: workflow.Engine, badge_id: str, event: str, actor: workflow.Actor, **payload: str) -> None:
    """Fire an event and print what came of it."""
    try:
        engine.fire(badge_id, workflow.Event.of(event, actor, **payload))
    except workflow.RefusedError as refusal:
        print(f"{actor.id} {event}: {refusal.explain()}")
    else:
        print(f"{actor.id} {event}: accepted, now {engine.get(badge_id).state}")


def names(verdicts: Mapping[str, object]) -> str:
    """Name the events that are not refused."""
    return ", ".join(sorted(name for name, verdict in verdicts.items() if not isinstance(verdict, workflow.Refused)))


def tell(engine: workflow.Engine, badge_id: str) -> None:
    """Print the history, and prove that nothing in it was changed."""
    history = engine.history(badge_id)
    for entry in history:
        print(f"{entry.sequence:3} {entry.kind:16} {entry.event:12} {entry.actor:8} {entry.from_state or '-'} -> {entry.to_state or '-'}")
    print(f"{verify(history)} entries, each holding the hash of the one before: nothing was changed.")
    print("Only the engine opens personal values:", engine.values(badge_id)["full_name"])
    print("The entries hold none:", not any(b"Lovelace" in entry.canonical for entry in history))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(f"sqlite:///{folder}/badges.db")
