"""The back office's own sign-in: through an OpenID provider, or by choosing a person while developing.

Promises: the roles are read anew for every request, so a role that was taken away bites at once. A sign-in without proof exists in
development only.
"""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from workflow.errors import NotFoundError
from workflow.states.instance import Actor
from workflow.web.oidc import OpenIdProvider
from workflow.web.security import is_local
from workflow.web.visit import Visit


def staff_of(visit: Visit) -> Actor | None:
    """Give who is signed in at the back office, with the roles held now; a host that signs people in has said it already."""
    if visit.actor is not None:
        return visit.actor
    if visit.session is None or visit.kept("kind") != "staff" or visit.parts.grants_of is None:
        return None
    try:
        return visit.parts.grants_of(visit.session.actor)
    except NotFoundError:  # every role was taken away
        return None


def sign_in(visit: Visit) -> Response:
    """Choose how, or who, to sign in."""
    development = visit.parts.development
    if development is None and visit.parts.oidc is None:
        raise NotFoundError("page", "sign-in")
    if visit.is_post:
        if development is None:
            raise NotFoundError("person", "")
        wanted = visit.form.text("person")
        if wanted not in {str(person.id) for person in development.people()}:
            raise NotFoundError("person", wanted)
        visit.sign_in(wanted, {"kind": "staff"})
        return RedirectResponse(_next(visit), status_code=303)
    return visit.page(
        "office/sign_in.html",
        people=development.people() if development else (),
        has_oidc=visit.parts.oidc is not None,
        next=visit.query("next"),
    )


def begin_oidc(visit: Visit) -> Response:
    """Send the browser to the OpenID provider."""
    provider = _provider(visit)
    if visit.actor is not None:  # whom another page sends here stays signed in
        return RedirectResponse(_next(visit), status_code=303)
    if visit.request.headers.get("sec-fetch-site") == "cross-site":
        return visit.go("office.sign_in")  # another site begins no sign-in here, and ends none
    begun = provider.begin()
    visit.sign_in("", {"kind": "oidc", **begun.kept, "next": visit.query("next")})
    return RedirectResponse(begun.url, status_code=303)


def finish_oidc(visit: Visit) -> Response:
    """Sign in whom the provider says; what was kept for it is good once."""
    provider = _provider(visit)
    kept = {}
    if visit.kept("kind") == "oidc":
        kept = {name: str(visit.kept(name) or "") for name in ("state", "nonce", "verifier", "next")}
        visit.sign_out()
    who = provider.finish(dict(visit.request.query_params), kept, now=visit.now)
    if visit.parts.grants_of is not None:
        try:
            visit.parts.grants_of(who)
        except NotFoundError:
            return visit.page("fault.html", code=403, title="You have no role here", what=_NO_ROLE)
    visit.sign_in(who, {"kind": "staff"})
    path = kept.get("next", "")
    return RedirectResponse(path if is_local(path) else visit.url("office.queue"), status_code=303)


_NO_ROLE = "You are signed in, but the directory of this installation gives you no role. Ask whoever looks after it."


def _provider(visit: Visit) -> OpenIdProvider:
    if visit.parts.oidc is None:
        raise NotFoundError("page", "oidc")
    return visit.parts.oidc


def sign_out(visit: Visit) -> Response:
    """End the session on the server."""
    visit.sign_out()
    return visit.go("office.sign_in")


def _next(visit: Visit) -> str:
    path = visit.query("next")
    return path if is_local(path) else visit.url("office.queue")
