"""What every answer of the pages carries, and what every change must show.

Promises: no page runs or loads anything that is not a file of ours, is framed, cached, or tells another site where its reader came
from; nothing is changed by a request that another site made the browser send.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workflow.ports import Vault

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that do not know frame-ancestors
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
VISIT_COOKIE = "visit"
"""A random value that a browser keeps for as long as it is open; the anti-forgery token is derived from it."""
LONGEST_COOKIE = 200


class SecureHeaders:
    """Middleware that puts the headers above on every answer; what has no rule of its own is not cached."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        """Take the application; `is_https` tells whether it is reached by TLS only."""
        self._app = app
        self._is_https = is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            """Put the headers on the answer's beginning."""
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if self._is_https:
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def cookie_name(name: str, *, is_https: bool) -> str:
    """Give the name of a cookie; with TLS it begins with ``__Host-``, so that no other site of the domain can set it."""
    return f"__Host-{name}" if is_https else name


def new_visit() -> str:
    """Make the value of a visit's cookie."""
    return secrets.token_urlsafe(24)


def form_token(vault: Vault, visit: str, session_digest: str) -> str:
    """Give the anti-forgery token of a visit; it changes with every sign-in and is worth nothing without the cookie."""
    return vault.blind("form", visit, session_digest)


def is_own(headers: Headers, *, token: str, expected: str, base_url: str) -> bool:
    """Tell whether a change was sent from a page of ours: by the token, and by what the browser says of the page it came from."""
    if not hmac.compare_digest(token.encode(), expected.encode()):
        return False
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    # A browser under `Referrer-Policy: no-referrer` sends `Origin: null` with forms.
    return origin in {None, "null"} or _same(origin, base_url) or headers.get("sec-fetch-site") == "same-origin"


def _same(origin: str | None, base_url: str) -> bool:
    given, ours = urlsplit(origin or ""), urlsplit(base_url)
    return (given.scheme, given.netloc) == (ours.scheme, ours.netloc)


def is_local(path: str) -> bool:
    """Tell whether a path stays on this site: it is followed only then."""
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
