"""A Flask application that embeds the engine in its own transactions.

    python examples/flask_host.py [database URL]

The same host as `fastapi_host.py`, with SQLAlchemy's ordinary `Session`: its rows and the onboarding are written together or
not at all, the engine never commits here, and a refusal is returned so that the host's other work stays.
"""

from __future__ import annotations

import sys
from pathlib import Path

from flask import Flask, Response, jsonify, request
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

import workflow
from workflow.settings import development_keys

DEFINITION = Path(__file__).with_name("visitor-badge.yaml")


class Table(DeclarativeBase):
    """The host's own tables."""


class Visit(Table):
    """A visit; `badge_id` is the onboarding's id, `reference` the host's own, given once."""

    __tablename__ = "visits"
    reference: Mapped[str] = mapped_column(primary_key=True)
    badge_id: Mapped[str]


class Call(Table):
    """Who called what: the host's own audit, kept whether the engine accepted the event or not."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str]
    event: Mapped[str]


def application(url: str) -> Flask:
    """Make the application on a database: ``sqlite:///...`` or ``postgresql://...``."""
    is_sqlite = url.startswith("sqlite")
    database = create_engine(make_url(url).set(drivername="sqlite" if is_sqlite else "postgresql+psycopg"))
    sessions = sessionmaker(database, expire_on_commit=False)
    Table.metadata.create_all(database)
    # One engine per process: it keeps compiled definitions; `on(session)` enters the host's transaction and is cheap.
    engine = workflow.open(url, keys=development_keys(), upgrade=True)
    workflow.publish(engine, DEFINITION)

    app = Flask(__name__)

    # A real host takes actor and roles from its own sign-in, never from a header that anybody can write.
    def actor() -> workflow.Actor:
        return workflow.Actor.of(request.headers["X-Actor"], *request.headers.get("X-Roles", "").split())

    @app.post("/visits")
    def ask() -> Response:
        values = dict(request.get_json())
        reference = values.pop("reference")
        try:
            with sessions.begin() as session:
                answer = engine.on(session).start("visitor-badge", workflow.Event.of("ask", actor(), **values))
                if isinstance(answer, workflow.Accepted):
                    session.add(Visit(reference=reference, badge_id=answer.instance.id))
        except IntegrityError:  # this reference exists: the whole transaction is gone, the new onboarding with it
            return _problem({"title": "There is such a visit already."})
        return _response(answer, code=201)

    @app.post("/visits/<reference>/<event>")
    def fire(reference: str, event: str) -> Response:
        with sessions.begin() as session:
            visit = session.get_one(Visit, reference)
            session.add(Call(actor=actor().id, event=event))
            answer = engine.on(session).fire(visit.badge_id, workflow.Event.of(event, actor(), **request.get_json()))
        return _response(answer)

    def close() -> None:
        database.dispose()
        engine.close()

    app.extensions["close"] = close
    return app


def _response(answer: workflow.Accepted | workflow.Merged | workflow.Refused, *, code: int = 200) -> Response:
    """Say what came of an event; a refusal is a problem (RFC 9457) with every reason."""
    if isinstance(answer, workflow.Refused):
        reasons = [{"code": r.code, "message": r.message, "needed": r.needed, "field": r.field} for r in answer.reasons]
        return _problem({"title": "Refused", "reasons": reasons})
    found = jsonify(state=answer.instance.state if isinstance(answer, workflow.Accepted) else None)
    found.status_code = code
    return found


def _problem(body: dict[str, object]) -> Response:
    found = jsonify(body)
    found.status_code, found.mimetype = 409, "application/problem+json"
    return found


if __name__ == "__main__":
    application(sys.argv[1] if len(sys.argv) > 1 else "sqlite:///visits.db").run(port=8001)
