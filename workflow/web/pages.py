"""How a function becomes a page.

Promises: the form is read with limits and only from our own pages; the engine is opened for the request and closed after it; an error
that a reader can act on becomes a page that says what to do, any other one a page without a traceback.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from inspect import isawaitable
from ipaddress import ip_address, ip_network
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.status import HTTP_303_SEE_OTHER, HTTP_500_INTERNAL_SERVER_ERROR

from workflow.errors import ConflictError, CursorError, NotFoundError, RefusedError, StoreError, WorkflowError
from workflow.states.instance import Actor
from workflow.web.forms import EMPTY_FORM, LONGEST_FORM_BYTES, MOST_FIELDS, TOKEN_FIELD, Form
from workflow.web.language import LANGUAGES, Reader, negotiate, zones
from workflow.web.parts import NotSignedInError, SiteParts
from workflow.web.security import LONGEST_COOKIE, VISIT_COOKIE, cookie_name, is_local, is_own, new_visit
from workflow.web.visit import Visit

_log = logging.getLogger(__name__)

SESSION_COOKIE = "session"
IPV6_BITS = 64
NUL = "\x00"
"""A character that nobody types and that PostgreSQL takes in no text."""
PREFERENCE_SECONDS = 365 * 86_400
LONGEST_LENGTH = 10
"""Digits of a length; more are no length."""
Page = Callable[[Visit], Response]


class PageFailedError(WorkflowError):
    """A page met an error that nobody expected; its answer is made already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Pages that belong together: one system of the journey, or the back office.

    Attributes:
        system: name for heading and colour.
        sign_in: name of the page where whoever is not signed in is sent; None where a host signs people in.
        who: makes the actor of a visit from its session.
    """

    parts: SiteParts
    system: str
    sign_in: str | None = None
    who: Callable[[Visit], Actor | None] | None = None

    def page(self, path: str, function: Page, *, name: str, posts: bool = False) -> Route:
        """Give the route of a page; `posts` lets it take forms as well as be asked for."""

        async def endpoint(request: Request) -> Response:
            """Read the form, then serve the page in a thread of its own."""
            began = time.monotonic()
            form, refused = await _read_form(request)
            if refused is not None:
                return refused
            actor = None
            if self.parts.identify is not None:
                found = self.parts.identify(request)
                actor = await found if isawaitable(found) else found
            return await run_in_threadpool(self._serve, request, function, form, actor, began)

        return Route(path, endpoint, methods=["GET", "POST"] if posts else ["GET"], name=name)

    def _serve(self, request: Request, function: Page, form: Form, actor: Actor | None, began: float) -> Response:
        parts, is_https = self.parts, self.parts.is_https
        request.state.began = began
        token = request.cookies.get(cookie_name(VISIT_COOKIE, is_https=is_https), "")
        visit_value = token if 0 < len(token) <= LONGEST_COOKIE else new_visit()
        response: Response | None = None
        try:
            with suppress(PageFailedError), parts.engine_of(request) as engine:
                visit = Visit(
                    request=request,
                    parts=parts,
                    engine=engine,
                    reader=reader_of(request, parts),
                    visit=visit_value,
                    now=engine.now(),
                    form=form,
                    actor=actor,
                    system=self.system,
                    name=f"{function.__module__}.{function.__name__}",
                )
                cookie = request.cookies.get(cookie_name(SESSION_COOKIE, is_https=is_https), "")
                if parts.sessions is not None and 0 < len(cookie) <= LONGEST_COOKIE:
                    visit.session = parts.sessions.read(cookie, now=visit.now)
                if self.who is not None:
                    visit.actor = self.who(visit)
                response = for_scripts(request, self._answer(visit, function))
                _set_cookies(response, visit, before=cookie, is_new_visit=visit_value != token)
                if response.status_code == HTTP_500_INTERNAL_SERVER_ERROR:
                    # Through the block, so that a host rolls its transaction back; a refusal is no error and is kept.
                    raise PageFailedError("The page failed; the log says why.")
        except StoreError as error:
            _log.error("The database cannot be used: %s", error)
            words = reader_of(request, parts).say("The database cannot be reached. Nothing was changed; try again in a moment.")
            return _plain(words, 503)
        assert response is not None  # noqa: S101  # made before anything is raised that is not raised on
        return response

    def _answer(self, visit: Visit, function: Page) -> Response:
        try:
            if visit.is_post and not is_own(
                visit.request.headers, token=visit.form.raw(TOKEN_FIELD), expected=visit.token, base_url=visit.parts.base_url
            ):
                return visit.page("fault.html", code=403, title="This form is too old", what=_STALE)
            if NUL in visit.path or any(NUL in value for value in visit.request.query_params.values()):
                return self._fault_page(visit, NotFoundError("page", ""))
            rate = "form" if visit.is_post else "page"
            if not visit.parts.limiter.may(rate, address_of(visit.request)):
                return _too_many(visit)
            return function(visit)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, a reader gets a page and not a traceback
            return self._fault_page(visit, error)

    def _fault_page(self, visit: Visit, error: Exception) -> Response:
        """Give the page for an error: where to sign in, or what happened and what to do."""
        match error:
            case NotSignedInError() if self.sign_in is not None:
                # The way back is a path of our own, never an address.
                return RedirectResponse(f"{visit.url(self.sign_in)}?next={quote(visit.path)}", status_code=303)
            case RefusedError():
                return visit.page("fault.html", problems=visit.problems(error.reasons), title="This is not possible now", what="")
        for kind, (code, title, what) in FAULTS.items():
            if isinstance(error, kind):
                return visit.page("fault.html", code=code, title=title, what=what or error.explain())  # type: ignore[attr-defined]  # WorkflowErrors only
        number = secrets.token_hex(4)
        # Not the address: that of a link is a secret.
        _log.error("The page %s failed, number %s", visit.name, number, exc_info=error)
        return visit.page("fault.html", code=500, title="Something went wrong on our side", what=_OURS, number=number)


_STALE = "You signed in or out in another window, or the page was open for very long. Open it again and submit it once more."
_NOT_FOUND = "The address is not complete, or what it showed is not there (any more), or it is not for you to see."
_OURS = "Nothing was half done. Try again; if it happens again, tell the help desk the number below."
FAULTS: dict[type[Exception], tuple[int, str, str]] = {
    NotSignedInError: (401, "You are not signed in", "Sign in and open this page again."),
    NotFoundError: (404, "There is no such page", _NOT_FOUND),
    HTTPException: (404, "There is no such page", _NOT_FOUND),
    CursorError: (400, "This list has changed", "Begin again with its first page."),
    ConflictError: (409, "Somebody was faster", "What you opened has changed meanwhile. Open it again and look before you go on."),
    WorkflowError: (400, "This did not work", ""),
}
"""Errors that a reader can act on: code, title, and what to do (the error's own words when empty). The first that fits holds."""


def for_scripts(request: Request, response: Response) -> Response:
    """Let a page that asks by itself go to another page as a whole: a piece of that page would be no use to it."""
    if response.status_code != HTTP_303_SEE_OTHER or "hx-request" not in request.headers:
        return response
    return Response(status_code=200, headers={"HX-Redirect": response.headers["location"]})


def reader_of(request: Request, parts: SiteParts) -> Reader:
    """Tell the reader's language and zone: as chosen, else as the browser says."""
    chosen, zone = request.cookies.get("language", ""), request.cookies.get("zone", "").replace("%2F", "/")
    language = chosen if chosen in LANGUAGES else negotiate(request.headers.get("accept-language", ""))
    return Reader(language=language, zone=zone if zone in zones() else parts.zone)


def address_of(request: Request) -> str:
    """Give the address a request came from, as the server saw it; no header of a stranger can change it.

    Of an IPv6 address the network of 64 bits: whoever has one address there has all of them.
    """
    host = request.client.host if request.client else ""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:  # a socket of this machine has no address
        return host
    if found.version == 4:  # noqa: PLR2004  # its addresses are handed out one by one
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, IPV6_BITS), strict=False))


def _too_many(visit: Visit) -> Response:
    response = visit.page("fault.html", code=429, title="Too many requests", what="Wait a minute, then go on.")
    response.headers["Retry-After"] = "60"
    return response


async def _read_form(request: Request) -> tuple[Form, Response | None]:
    """Read a form within limits; a faulty one is answered at once."""
    if request.method != "POST":
        return EMPTY_FORM, None
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) <= LONGEST_LENGTH):
        return EMPTY_FORM, _plain("A form says how long it is.", 411)
    if int(length) > LONGEST_FORM_BYTES:
        return EMPTY_FORM, _plain("This form is too long.", 413)
    # No other kind: a multipart form names the encoding of its texts itself, and reading some encodings takes seconds.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return EMPTY_FORM, _plain("A form is sent as a form.", 415)
    try:
        async with request.form(max_fields=MOST_FIELDS) as data:
            form = Form.read(data)
    except HTTPException:
        return EMPTY_FORM, _plain("This form cannot be read.", 400)
    if any(NUL in value for values in form.values.values() for value in values):
        return EMPTY_FORM, _plain("This form cannot be read.", 400)
    return form, None


def _plain(text: str, code: int) -> Response:
    return PlainTextResponse(text, status_code=code)


def _set_cookies(response: Response, visit: Visit, *, before: str, is_new_visit: bool) -> None:
    is_https = visit.parts.is_https
    if is_new_visit:
        name = cookie_name(VISIT_COOKIE, is_https=is_https)
        response.set_cookie(name, visit.visit, httponly=True, secure=is_https, samesite="lax", path="/")
    name, held = cookie_name(SESSION_COOKIE, is_https=is_https), visit.session.token if visit.session else ""
    if held and held != before:
        response.set_cookie(name, held, httponly=True, secure=is_https, samesite="lax", path="/")
    elif before and not held and visit.parts.sessions is not None:
        response.delete_cookie(name, httponly=True, secure=is_https, samesite="lax", path="/")


def preferences(visit: Visit) -> Response:
    """Take the reader's language and zone, and go back to where the reader was."""
    here = visit.form.text("here")
    response = RedirectResponse(here if is_local(here) else visit.url("home"), status_code=303)
    for name, allowed in (("language", LANGUAGES), ("zone", zones())):
        if (value := visit.form.text(name)) in allowed:
            response.set_cookie(
                name, value, max_age=PREFERENCE_SECONDS, httponly=name != "zone", secure=visit.parts.is_https, samesite="lax", path="/"
            )
    return response
