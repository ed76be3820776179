"""A small OpenID provider for tests: discovery, keys, authorisation, tokens; strict as a real one, and wrong where a test says so."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import unquote_plus, urlencode

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID, CLIENT_SECRET = "office", "a secret: 100% +real"
SHORT_SECONDS = 300


@dataclass(kw_only=True)
class Provider:
    """The provider.

    Attributes:
        person: who is signed in there: the claims about them.
        claims: what a test changes in the next tokens; None leaves a claim out.
        header: what a test changes in their headers.
        described: what a test changes in the description.
        jwks: what it says its keys are instead of the real ones.
        answer: what the token endpoint says instead of a token.
        asked: paths in the order of being asked for.
    """

    now: Callable[[], datetime]
    base: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "tess"})
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)
    jwks: Any = None
    answer: Any = None
    key: RSAKey = field(init=False)
    known: list[RSAKey] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    wanted: dict[str, str] = field(default_factory=dict)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    rotations: int = 0

    def __post_init__(self) -> None:
        self.key = _key(0)
        self.known = [self.key]

    def rotate(self) -> None:
        """Sign with a new key from now on; the older ones are not published any more."""
        self.rotations += 1
        self.key = _key(self.rotations)
        self.known = [self.key]

    def app(self) -> Starlette:
        """Give the provider as an application."""
        routes = [
            Route("/.well-known/openid-configuration", self._describe),
            Route("/keys", self._keys),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    def _describe(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        described = {
            "issuer": self.base,
            "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token",
            "jwks_uri": f"{self.base}/keys",
        }
        return JSONResponse(described | self.described)

    def _keys(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        return JSONResponse(KeySet(list(self.known)).as_dict(private=False) if self.jwks is None else self.jwks)

    def _authorize(self, request: Request) -> Response:
        query = self.wanted = dict(request.query_params)
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return PlainTextResponse("this client is not known here", status_code=400)
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}", status_code=302)

    async def _token(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        form = {name: str(value) for name, value in (await request.form()).items()}
        asked = self._codes.pop(form.get("code", ""), None)  # a code is good once
        if asked is None or not _is_client(request) or not _is_verified(form, asked):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        if self.answer is not None:
            return JSONResponse(self.answer)
        return JSONResponse({"id_token": self._signed(asked), "access_token": "opaque", "token_type": "Bearer"})

    def _signed(self, asked: dict[str, str]) -> str:
        now = int(self.now().timestamp())
        claims = {"iss": self.base, "aud": CLIENT_ID, "iat": now, "exp": now + SHORT_SECONDS, "nonce": asked["nonce"]}
        claims = {name: value for name, value in (claims | self.person | self.claims).items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid} | self.header
        if header["alg"] == "none":
            return f"{_encoded(header)}.{_encoded(claims)}."
        return jwt.encode(header, claims, self.key)


@cache
def _key(number: int) -> RSAKey:
    """Make a key; making one takes long, and every test may have the same ones."""
    return RSAKey.generate_key(2048, {"kid": f"key-{number}", "use": "sig"})


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(JSONResponse(value).body).decode().rstrip("=")


def _is_client(request: Request) -> bool:
    """Check the client's secret as RFC 6749 §2.3.1 writes it into the header."""
    kind, _, said = request.headers.get("authorization", "").partition(" ")
    name, _, secret = base64.b64decode(said).decode().partition(":")
    return kind == "Basic" and (unquote_plus(name), unquote_plus(secret)) == (CLIENT_ID, CLIENT_SECRET)


def _is_verified(form: dict[str, str], asked: dict[str, str]) -> bool:
    """Check the verifier against the challenge (RFC 7636 §4.6), and that the browser was sent where the token is asked for."""
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return form.get("grant_type") == "authorization_code" and (challenge, form.get("redirect_uri")) == (
        asked["code_challenge"],
        asked["redirect_uri"],
    )
