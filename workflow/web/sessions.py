"""Who is signed in at the pages.

Promises: the browser holds a random token of 256 bits, the server its digest (OWASP ASVS 5.0, 7.2). Signing in and every step up make
a new one; signing out ends it on the server, for whoever else holds the cookie. What a session says is sealed and bound to the digest.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

from workflow.errors import AuditError, SettingsError
from workflow.ports import SessionStore, StoredSession, Vault

TOKEN_BYTES = 32
SEEN_AGAIN = timedelta(minutes=1)
"""A session that was seen less than this ago is not written again, so that reading a page seldom writes."""

UNTIL = "until"
"""What a session says under this name is the instant, in ISO form, at which it is over, however often it is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A sign-in. `token` is what the browser holds and is never written anywhere else.

    Attributes:
        actor: opaque id of who is signed in; ``""`` while a sign-in is under way.
        data: what pages keep with it, plain JSON values; sealed at rest.
    """

    token: str = field(repr=False)
    actor: str
    created_at: datetime
    seen_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def digest(self) -> str:
        """Give what the server knows the session by."""
        return digest_of(self.token)


def digest_of(token: str) -> str:
    """Give the digest of a token."""
    return sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Opens, keeps and ends sign-ins.

    Attributes:
        idle: how long a sign-in lasts without a page being asked for.
        longest: how long it lasts at all.
    """

    store: SessionStore
    vault: Vault
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=12)

    def open(self, actor: str, data: Mapping[str, Any], *, now: datetime) -> Session:
        """Begin a sign-in under a new token; those that are over are forgotten on the way."""
        self.store.forget(until=now)
        session = Session(token=secrets.token_urlsafe(TOKEN_BYTES), actor=actor, created_at=now, seen_at=now, data=dict(data))
        self.store.write(self._stored(session))
        return session

    def read(self, token: str, *, now: datetime) -> Session | None:
        """Give the session of a token; None when there is none (any more). Asking for a page prolongs it."""
        digest = digest_of(token)
        stored = self.store.read(digest)
        if stored is None:
            return None
        if now >= stored.expires_at:
            self.store.remove(digest)
            return None
        try:
            data = orjson.loads(self.vault.open(stored.sealed, bound_to=_bound_to(digest)))
        except (AuditError, SettingsError):  # sealed under a key that is gone, or not by us: nobody is signed in
            self.store.remove(digest)
            return None
        session = Session(token=token, actor=stored.actor, created_at=stored.created_at, seen_at=stored.seen_at, data=data)
        if now - stored.seen_at >= SEEN_AGAIN:
            session = replace(session, seen_at=now)
            if not self.store.renew(self._stored(session)):
                return None
        return session

    def keep(self, session: Session, data: Mapping[str, Any]) -> Session:
        """Write what a session says from now on; one that was ended meanwhile stays ended."""
        changed = replace(session, data=dict(data))
        self.store.renew(self._stored(changed))
        return changed

    def end(self, session: Session) -> None:
        """End a session."""
        self.store.remove(session.digest)

    def end_all(self, actor: str) -> int:
        """End every session of an actor; gives how many."""
        return self.store.remove_all_of(actor)

    def _stored(self, session: Session) -> StoredSession:
        ends = [session.seen_at + self.idle, session.created_at + self.longest]
        if UNTIL in session.data:
            ends.append(datetime.fromisoformat(session.data[UNTIL]))
        return StoredSession(
            digest=session.digest,
            actor=session.actor,
            sealed=self.vault.seal(orjson.dumps(session.data), bound_to=_bound_to(session.digest)),
            created_at=session.created_at,
            seen_at=session.seen_at,
            expires_at=min(ends),
        )


def _bound_to(digest: str) -> str:
    return f"session|{digest}"


@dataclass(slots=True)
class MemorySessions:
    """`ports.SessionStore` of one process, for tests and for hosts that have one process."""

    _kept: dict[str, StoredSession] = field(default_factory=dict)

    def read(self, digest: str, /) -> StoredSession | None:
        """Read a session by the digest of its token."""
        return self._kept.get(digest)

    def write(self, session: StoredSession, /) -> None:
        """Write a session, new or changed."""
        self._kept[session.digest] = session

    def renew(self, session: StoredSession, /) -> bool:
        """Write a session that is there; False when it was ended meanwhile."""
        if session.digest not in self._kept:
            return False
        self._kept[session.digest] = session
        return True

    def remove(self, digest: str, /) -> None:
        """End a session."""
        self._kept.pop(digest, None)

    def remove_all_of(self, actor: str, /) -> int:
        """End every session of an actor; gives how many."""
        gone = [digest for digest, session in self._kept.items() if session.actor == actor]
        for digest in gone:
            del self._kept[digest]
        return len(gone)

    def forget(self, *, until: datetime) -> int:
        """Delete sessions that have expired; gives how many."""
        gone = [digest for digest, session in self._kept.items() if session.expires_at <= until]
        for digest in gone:
            del self._kept[digest]
        return len(gone)
