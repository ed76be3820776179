"""Signing in through an OpenID provider (OpenID Connect Core 1.0, authorization code flow with PKCE, RFC 7636).

Promises: the provider says who somebody is and nothing else; which roles they hold is the directory's to say, for every page anew. State,
nonce and verifier are kept in the browser's session on the server, and are good once.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any
from urllib.parse import quote_plus

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from workflow.errors import WorkflowError
from workflow.settings import OidcSettings

ALGORITHMS = ["RS256", "PS256", "ES256"]
LEEWAY_SECONDS = 60
TIMEOUT_SECONDS = 10.0
SCOPES = {"email": "openid email", "preferred_username": "openid profile"}
"""What is asked for, by the claim that says who somebody is; for any other one ``openid`` (OpenID Connect Core 1.0 §5.4)."""
_NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
_NOT_RIGHT = "The sign-in provider does not answer as it should. Try again in a moment."


class OidcError(WorkflowError):
    """A sign-in through the provider did not work; the reader begins again, and tells the operator when it happens again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that was begun: where to send the browser, and what is needed when it comes back."""

    url: str
    kept: Mapping[str, str] = field(repr=False)


class OpenIdProvider:
    """One provider; its description is read when it is first needed, its keys whenever a token is signed by one that is not known."""

    def __init__(self, settings: OidcSettings, *, redirect_uri: str) -> None:
        """Take the provider and the address of ours that it sends the browser back to."""
        self._settings = settings
        self._redirect_uri = redirect_uri
        self._described: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._lock = Lock()

    def begin(self) -> Begun:
        """Begin a sign-in.

        Raises:
            OidcError: the provider cannot be reached, or is not the one that it should be.
        """
        kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        url = prepare_grant_uri(
            self._description()["authorization_endpoint"],
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope=SCOPES.get(self._settings.claim, "openid"),
            state=kept["state"],
            nonce=kept["nonce"],
            code_challenge=create_s256_code_challenge(kept["verifier"]),
            code_challenge_method="S256",
        )
        return Begun(url=url, kept=kept)

    def finish(self, query: Mapping[str, str], kept: Mapping[str, str], *, now: datetime) -> str:
        """Give the id of who signed in, from what the provider sent along with the browser.

        Raises:
            OidcError: the answer is none to this browser's question, or the provider or its token is not right.
        """
        if not hmac.compare_digest(query.get("state", "").encode(), kept.get("state", "").encode()) or not kept.get("state"):
            raise OidcError("This answer belongs to no sign-in that was begun in this browser. Begin again.")
        if "code" not in query:
            raise OidcError("The provider did not sign you in. Begin again, or ask your administrator.")
        token = self._exchange(query["code"], kept["verifier"])
        claims = self._claims(str(token.get("id_token", "")), str(token.get("access_token", "")), kept["nonce"], now=now)
        who = claims.get(self._settings.claim)
        if not isinstance(who, str) or not who:
            raise OidcError(f"The provider does not say your {self._settings.claim!r}, so it is not known who you are.")
        if self._settings.claim == "email" and claims.get("email_verified") is False:
            # Anybody can enter a colleague's address where it is not verified (OpenID Connect Core 1.0 §5.7).
            raise OidcError("The provider has not verified your address, so it does not say who you are.")
        return who

    def _exchange(self, code: str, verifier: str) -> Mapping[str, Any]:
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": self._redirect_uri, "code_verifier": verifier}
        # RFC 6749 §2.3.1: both are encoded as in a form before they go into the header.
        auth = (quote_plus(self._settings.client_id), quote_plus(self._settings.client_secret))
        return self._asked("POST", self._description()["token_endpoint"], data=data, auth=auth)

    def _claims(self, id_token: str, access_token: str, nonce: str, *, now: datetime) -> Mapping[str, Any]:
        options = {
            "iss": {"essential": True, "value": self._description()["issuer"]},
            "aud": {"essential": True, "value": self._settings.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        params = {"nonce": nonce, "client_id": self._settings.client_id, "access_token": access_token}
        try:
            read = self._read(id_token)
            claims = CodeIDToken(read.claims, read.header, options, params)
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError) as error:
            raise OidcError(f"The provider's token is not right ({type(error).__name__}). Begin again.") from error
        return dict(claims)

    def _read(self, id_token: str) -> jwt.Token:
        try:
            return jwt.decode(id_token, self._keyset(), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # Signed by a key that is newer than ours: read them again, once.
            return jwt.decode(id_token, self._keyset(is_fresh=True), algorithms=ALGORITHMS)

    def _keyset(self, *, is_fresh: bool = False) -> KeySet:
        with self._lock:
            if self._keys is None or is_fresh:
                found = self._asked("GET", self._description()["jwks_uri"])
                if not isinstance(found.get("keys"), list) or not all(isinstance(key, dict) for key in found["keys"]):
                    raise OidcError(_NOT_RIGHT)
                self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # a JWK Set
            return self._keys

    def _description(self) -> Mapping[str, Any]:
        if self._described is None:
            found = self._asked("GET", f"{self._settings.issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self._settings.issuer:
                raise OidcError("The provider names another issuer than the settings do.")
            if not all(isinstance(found.get(name), str) for name in _NEEDED):
                raise OidcError(_NOT_RIGHT)
            self._described = found
        return self._described

    def _asked(self, method: str, url: str, **how: Any) -> Mapping[str, Any]:  # noqa: ANN401  # handed on to the client
        try:
            answer = httpx2.request(method, url, timeout=TIMEOUT_SECONDS, follow_redirects=False, **how)
            answer.raise_for_status()
            found = answer.json()
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise OidcError(
                f"The sign-in provider does not answer as it should ({type(error).__name__}). Try again in a moment."
            ) from error
        if not isinstance(found, dict):
            raise OidcError(_NOT_RIGHT)
        return found
