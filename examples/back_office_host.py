"""A FastAPI application that has the back office inside it: below a prefix, behind its own login, in its own transactions.

    python examples/back_office_host.py       then open http://127.0.0.1:8000/staff/access as tess or hal (HTTP Basic, password "demo")

The pages know nobody but whom the host says; every request runs in one transaction of the host's, in which the host keeps a record of its
own. The pages never commit: they show and fire inside that transaction, and the host commits or rolls back both.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from sqlalchemy import create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

import workflow
from workflow.settings import development_keys
from workflow.web import back_office

DEFINITION = Path(__file__).with_name("visitor-badge.yaml")
PREFIX = "/staff/access"
# A real host asks its own tables or its identity provider; a password in code is for this example only.
STAFF = {"tess": ("reception:north",), "hal": ("reception:south",)}
PASSWORD = "demo"


class Table(DeclarativeBase):
    """The host's own tables."""


class Seen(Table):
    """Which page of the back office whom the host let in asked for: written in the transaction of the page."""

    __tablename__ = "seen"
    id: Mapped[int] = mapped_column(primary_key=True)
    who: Mapped[str]
    path: Mapped[str]


def who(request: Request) -> workflow.Actor | None:
    """Say who asks: the host's own login, here HTTP Basic."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(given).decode().partition(":")
    except ValueError:
        return None
    if name not in STAFF or not hmac.compare_digest(password.encode(), PASSWORD.encode()):
        return None
    return workflow.Actor.of(name, *STAFF[name])


class Gate:
    """The host's own door in front of the mounted pages: whom it does not know is asked to log in."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the application behind it."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in whom the host knows."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX) and who(Request(scope)) is None:
            answer: Response = PlainTextResponse("Log in.", 401, {"WWW-Authenticate": 'Basic realm="staff"'})
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def application(url: str, *, base_url: str = "http://127.0.0.1:8000") -> FastAPI:
    """Make the application on a database: ``sqlite:///...`` or ``postgresql://...``."""
    is_sqlite = url.startswith("sqlite")
    database = create_engine(make_url(url).set(drivername="sqlite" if is_sqlite else "postgresql+psycopg"))
    Table.metadata.create_all(database)
    engine = workflow.open(url, keys=development_keys(), upgrade=True)
    workflow.publish(engine, DEFINITION)

    @contextmanager
    def engine_of(request: Request) -> Iterator[workflow.Engine]:
        with Session(database) as session, session.begin():
            actor = who(request)
            session.add(Seen(who=str(actor.id) if actor else "", path=request.url.path))
            session.flush()
            yield engine.on(session)

    app = FastAPI(middleware=[Middleware(Gate)])
    app.mount(PREFIX, back_office(engine, identify=who, base_url=base_url, engine_of=engine_of))
    app.state.engine, app.state.database = engine, database
    return app


if __name__ == "__main__":
    uvicorn.run(application(os.environ.get("DATABASE_URL", "sqlite:///visits.db")), port=8000)
