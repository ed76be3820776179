"""A FastAPI application that embeds the engine in its own transactions.

    python examples/fastapi_host.py       SQLite through aiosqlite; with DATABASE_URL=postgresql://... PostgreSQL through asyncpg

Its rows and the onboarding are written in one transaction of the host's: both, or neither. The engine never commits here,
and a refusal is returned, not raised, so that the host's other work stays.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import workflow
from workflow.settings import development_keys

DEFINITION = Path(__file__).with_name("visitor-badge.yaml")


class Table(DeclarativeBase):
    """The host's own tables."""


class Visit(Table):
    """A visit: the host's own reference, given once, and the onboarding's id."""

    __tablename__ = "visits"
    reference: Mapped[str] = mapped_column(primary_key=True)
    badge_id: Mapped[str]


class Call(Table):
    """Who called what: the host's own audit, kept whether the engine accepted the event or not."""

    __tablename__ = "calls"
    id: Mapped[int] = mapped_column(primary_key=True)
    actor: Mapped[str]
    event: Mapped[str]


class Asking(BaseModel):
    """What a visitor sends."""

    reference: str
    full_name: str
    building: str
    has_escort: bool = False


InHeader = Annotated[str, Header()]


def application(url: str) -> FastAPI:
    """Make the application on a database: ``sqlite:///...`` or ``postgresql://...``."""
    is_sqlite = url.startswith("sqlite")
    database = create_async_engine(make_url(url).set(drivername="sqlite+aiosqlite" if is_sqlite else "postgresql+asyncpg"))
    sessions = async_sessionmaker(database, expire_on_commit=False)
    # One engine per process: it keeps compiled definitions; `on(session)` enters the host's transaction and is cheap.
    own = workflow.open(url, keys=development_keys(), upgrade=True)
    workflow.publish(own, DEFINITION)
    engine = workflow.AsyncEngine(own)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with database.begin() as connection:
            await connection.run_sync(Table.metadata.create_all)
        yield
        await database.dispose()
        await engine.close()

    app = FastAPI(lifespan=lifespan)

    # A real host takes actor and roles from its own sign-in, never from a header that anybody can write.
    @app.post("/visits", status_code=201)
    async def ask(asking: Asking, x_actor: InHeader) -> JSONResponse:
        values = asking.model_dump(exclude={"reference"})
        try:
            async with sessions.begin() as session:
                answer = await engine.on(session).start("visitor-badge", workflow.Event.of("ask", workflow.Actor.of(x_actor), **values))
                if isinstance(answer, workflow.Accepted):
                    session.add(Visit(reference=asking.reference, badge_id=answer.instance.id))
        except IntegrityError:  # this reference exists: the whole transaction is gone, the new onboarding with it
            return JSONResponse({"title": "There is such a visit already."}, 409, media_type="application/problem+json")
        return _response(answer, created=True)

    @app.post("/visits/{reference}/{event}")
    async def fire(reference: str, event: str, payload: dict[str, Any], x_actor: InHeader, x_roles: InHeader = "") -> JSONResponse:
        async with sessions.begin() as session:
            visit = await session.get_one(Visit, reference)
            session.add(Call(actor=x_actor, event=event))
            actor = workflow.Actor.of(x_actor, *x_roles.split())
            answer = await engine.on(session).fire(visit.badge_id, workflow.Event.of(event, actor, **payload))
        return _response(answer)

    return app


def _response(answer: workflow.Accepted | workflow.Merged | workflow.Refused, *, created: bool = False) -> JSONResponse:
    """Say what came of an event; a refusal is a problem (RFC 9457) with every reason."""
    if isinstance(answer, workflow.Refused):
        reasons = [{"code": r.code, "message": r.message, "needed": r.needed, "field": r.field} for r in answer.reasons]
        return JSONResponse({"title": "Refused", "reasons": reasons}, 409, media_type="application/problem+json")
    return JSONResponse({"state": answer.instance.state if isinstance(answer, workflow.Accepted) else None}, 201 if created else 200)


if __name__ == "__main__":
    uvicorn.run(application(os.environ.get("DATABASE_URL", "sqlite:///visits.db")), port=8000)
