"""The back office's own sign-in: through an OpenID provider, or by choosing a person while developing.

Promises: the roles are read anew for every request, so a role that was taken away bites at once. A sign-in without proof exists in
development only.
"""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from workflow.errors import NotFoundError
from workflow.states.instance import Actor
from workflow.web.visit import Visit


def staff_of(visit: Visit) -> Actor | None:
    """Give who is signed in at the back office, with the roles held now; a host that signs people in has said it already."""
    if visit.actor is not None:
        return visit.actor
    if visit.session is None or visit.kept("kind") != "staff" or visit.parts.grants_of is None:
        return None
    return visit.parts.grants_of(visit.session.actor)


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


def sign_out(visit: Visit) -> Response:
    """End the session on the server."""
    visit.sign_out()
    return visit.go("office.sign_in")


def _next(visit: Visit) -> str:
    path = visit.query("next")
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_local else visit.url("office.queue")
