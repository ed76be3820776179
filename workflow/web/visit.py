"""One request to a page, as the page sees it: who asks, what was typed, in which language to answer.

Promises: pages are plain functions from a `Visit` to a response and run in a thread of their own, never on the event loop. They change
nothing but by firing events.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from workflow.engine import Engine
from workflow.errors import Reason, RefusedError
from workflow.states.definition import EventName
from workflow.states.instance import Actor, Event
from workflow.states.verdict import Accepted, Merged, Refused
from workflow.web.forms import EMPTY_FORM, NO_PROBLEMS, TOKEN_FIELD, Form, Problems
from workflow.web.language import Reader, zones
from workflow.web.parts import NotSignedInError, SiteParts
from workflow.web.security import form_token
from workflow.web.sessions import Session
from workflow.web.templates import render
from workflow.web.words import problems_of

LONGEST_FLASH = 20
NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(slots=True, kw_only=True)
class Visit:
    """One request.

    Attributes:
        engine: for this request; inside the host's transaction where a host gives it so.
        visit: the random value of the browser's visit, from its cookie.
        session: who is signed in here; None for nobody, or where a host signs people in.
        actor: who asks, with the roles held now; None for nobody.
        system: which of the systems the page belongs to, for its heading and colour.
        name: of the page, for the log.
    """

    request: Request
    parts: SiteParts
    engine: Engine
    reader: Reader
    visit: str
    now: datetime
    form: Form = EMPTY_FORM
    session: Session | None = None
    actor: Actor | None = None
    system: str = "eulogin"
    name: str = ""
    _session_before: Session | None = field(default=None, repr=False)

    # Asking

    @property
    def is_post(self) -> bool:
        """Tell whether a form was submitted."""
        return self.request.method == "POST"

    @property
    def path(self) -> str:
        """Give the path that was asked for; unlike the whole address it has nothing of the header `Host`."""
        return str(self.request.scope["path"])

    def say(self, text: str, /, **values: object) -> str:
        """Give a text in the reader's language."""
        return self.reader.say(text, **values)

    def url(self, name: str, /, **values: object) -> str:
        """Give the path of a page by its route's name, below whatever prefix the site is mounted at."""
        return str(self.request.scope.get("root_path", "")) + str(self.request.app.url_path_for(name, **values))

    def query(self, name: str) -> str:
        """Give a value of the address's query, at most 500 characters of it."""
        return self.request.query_params.get(name, "")[:500]

    @property
    def zones(self) -> tuple[str, ...]:
        """Name the zones to choose from: Europe's, UTC and the reader's own."""
        european = {zone for zone in zones() if zone.startswith("Europe/")}
        return tuple(sorted(european | {"UTC", self.reader.zone}))

    @property
    def is_hosted(self) -> bool:
        """Tell whether a host signs people in, so that there is no signing out here."""
        return self.parts.identify is not None

    @property
    def is_operator(self) -> bool:
        """Tell whether the reader looks after messages or audits, for what the back office offers."""
        return self.is_auditor or self._holds("helpdesk")

    @property
    def is_auditor(self) -> bool:
        """Tell whether the reader sees everything."""
        return self._holds("administrator", "auditor")

    def _holds(self, *roles: str) -> bool:
        return self.actor is not None and any(str(grant.role) in roles and grant.scope is None for grant in self.actor.grants)

    @property
    def token(self) -> str:
        """Give the anti-forgery token for the forms of this page."""
        return form_token(self.parts.engine.parts.vault, self.visit, self.session.digest if self.session else "")

    def signed_in(self) -> Actor:
        """Give who asks.

        Raises:
            NotSignedInError: nobody is signed in.
        """
        if self.actor is None:
            raise NotSignedInError("Sign in first.")
        return self.actor

    # Signing in and out

    def sign_in(self, actor: str, data: Mapping[str, Any]) -> None:
        """Sign somebody in under a new token; the session before, if any, ends on the server."""
        assert self.parts.sessions is not None  # noqa: S101  # only pages of a site with sign-ins call this
        if self.session is not None:
            self.parts.sessions.end(self.session)
        self.session = self.parts.sessions.open(actor, data, now=self.now)

    def keep(self, **changes: object) -> None:
        """Keep values with the session; None removes one."""
        assert self.parts.sessions is not None  # noqa: S101  # as above
        before = dict(self.session.data) if self.session else {}
        data = {name: value for name, value in {**before, **changes}.items() if value is not None}
        if self.session is None:
            self.session = self.parts.sessions.open("", data, now=self.now)
        else:
            self.session = self.parts.sessions.keep(self.session, data)

    def kept(self, name: str) -> Any:  # noqa: ANN401  # plain JSON values
        """Give what was kept with the session under a name; None when there is nothing."""
        return self.session.data.get(name) if self.session else None

    def sign_out(self) -> None:
        """End the session on the server."""
        if self.session is not None and self.parts.sessions is not None:
            self.parts.sessions.end(self.session)
        self.session = None

    def flash(self, text: str) -> None:
        """Say something once, on the next page that is shown to a signed-in reader."""
        said = [*(self.kept("flashes") or []), text]
        self.keep(flashes=said[-LONGEST_FLASH:])

    # Acting

    def fire(
        self,
        instance_id: str,
        event: str,
        given: Mapping[str, object] = NOTHING,
        /,
        *,
        actor: Actor,
        seen_version: int | None = None,
        **payload: object,
    ) -> Accepted | Refused:
        """Fire an event; a refusal is given back with every reason and is recorded by then.

        Raises:
            ConflictError: the reader has seen another version than the present one.
        """
        happening = Event(name=EventName(event), actor=actor, payload={**given, **payload})
        try:
            return self.engine.fire(instance_id, happening, expected_version=seen_version)
        except RefusedError as error:
            return Refused(reasons=error.reasons, sequence=error.sequence)

    def start(self, event: str, /, *, actor: Actor, subject: str, **payload: object) -> Accepted | Merged | Refused:
        """Start an onboarding."""
        happening = Event(name=EventName(event), actor=actor, payload=payload)
        try:
            return self.engine.start(self.parts.definition, happening, subject=subject)
        except RefusedError as error:
            return Refused(reasons=error.reasons, sequence=error.sequence)

    def level(self, began: float) -> None:
        """Wait until an answer that must not tell whether an account exists has taken as long as the slowest of its kind.

        Args:
            began: what `time.monotonic` said when the request was read.
        """
        # A little chance on top, so that the end of the wait does not show how the answer was found either.
        floor = self.parts.answer_floor_seconds * (1 + secrets.randbelow(100) / 1000)
        time.sleep(max(0.0, began + floor - time.monotonic()))

    def problems(self, reasons: Iterable[Reason], labels: Mapping[str, str] | None = None) -> Problems:
        """Give the reasons of a refusal in the reader's words; `labels` are the fields' names on this page, in that language."""
        return problems_of(reasons, self.reader, labels)

    # Answering

    def page(self, template: str, /, *, problems: Problems = NO_PROBLEMS, code: int | None = None, **values: object) -> HTMLResponse:
        """Give a page; with problems its code is 422 unless said otherwise."""
        flashes = self.kept("flashes") or ()
        if flashes:
            self.keep(flashes=None)
        shown = {
            "visit": self,
            "system": self.system,
            "url": self.url,
            "form": self.form,
            "problems": problems,
            "form_token": self.token,
            "token_field": TOKEN_FIELD,
            "actor": self.actor,
            "flashes": flashes,
            "is_development": self.parts.development is not None,
            "root": self.request.scope.get("root_path", ""),
            **values,
        }
        text = render(template, reader=self.reader, now=self.now, values=shown)
        return HTMLResponse(text, status_code=code or (422 if problems else 200))

    def go(self, name: str, /, **values: object) -> Response:
        """Send the browser to another page (303), so that reloading it submits nothing again."""
        return RedirectResponse(self.url(name, **values), status_code=303)
