"""The checks of passwords: a new one by its profile, a known one by its hash.

Promises: Argon2id with its parameters beside the hash (security rule 16); the same work for a known, an unknown and a locked
name; the whole password counts. Passwords and hashes leave here only sealed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from workflow.checks.credentials import Attempt, cleared, find, judged, opened, resealed, version_of
from workflow.checks.profiles import DEFAULT, PROFILES, is_too_long, normalised, password_faults
from workflow.checks.reading import field_text, payload_text, text, texts
from workflow.errors import Reason, SettingsError
from workflow.ports import CheckInput, CheckResult, Credential, CredentialChange, Vault
from workflow.states.definition import FieldType

_WRONG: Final = Reason(
    code="wrong_password",
    message="The name or the password is not right.",
    needed="The right password; after several wrong ones, wait a while before the next.",
    field="password",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HashCost:
    """What one Argon2id hash costs; the default is RFC 9106 §4's second recommendation. Tests take less."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


class Hashing:
    """Argon2id at one cost. Made once: all its methods may be called from several threads."""

    def __init__(self, cost: HashCost = HashCost()) -> None:  # frozen
        """Keep the cost at which new hashes are made."""
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)

    def hash(self, secret: str) -> str:
        """Give the hash with its parameters and a random salt, in the PHC form."""
        return self._hasher.hash(normalised(secret))

    def is_right(self, secret: str, hash_: str | None) -> bool:
        """Tell whether a secret has this hash; for None the same work is done, and the answer is no."""
        if hash_ is None:
            self._hasher.hash(normalised(secret))
            return False
        try:
            return self._hasher.verify(hash_, normalised(secret))
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, hash_: str) -> bool:
        """Tell whether a hash was made at another cost than new ones are."""
        return self._hasher.check_needs_rehash(hash_)


@dataclass(frozen=True, slots=True)
class PasswordProfile:
    """Kind ``password_profile``: judges a new password and keeps it when the event is accepted."""

    vault: Vault
    hashing: Hashing

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Give all reasons at once; hash only what follows the profile."""
        password = payload_text(seen, "password")
        profile = PROFILES.get(text(seen, "profile", DEFAULT))
        if profile is None:
            raise SettingsError(f"The check {seen.use.name!r} names no known password profile; known are {', '.join(PROFILES)}.")
        reasons = password_faults(password, profile, username=_username(seen), words=_words(seen))
        named = tuple(replace(reason, field=text(seen, "password", "password")) for reason in reasons)
        is_kept = not reasons and seen.use.params.get("store", True) is True
        return CheckResult(
            facts={"ok": not reasons, "reason_count": len(reasons)},
            reasons=named,
            on_accept=(self._new(seen, password),) if is_kept else (),
        )

    def _new(self, seen: CheckInput, password: str) -> CredentialChange:
        credential = Credential(subject=seen.subject, kind="password", version=version_of(seen, "password"), created_at=seen.now)
        return CredentialChange(credential=resealed(self.vault, credential, {"hash": self.hashing.hash(password)}))


@dataclass(frozen=True, slots=True)
class Password:
    """Kind ``password``: verifies the subject's password."""

    vault: Vault
    hashing: Hashing

    def __call__(self, seen: CheckInput, /) -> CheckResult:
        """Verify, whoever asks, with one hashing; then apply the failure policy."""
        password, credential = payload_text(seen, "password"), find(seen, "password")
        hash_ = None if credential is None else str(opened(self.vault, credential)["hash"])
        is_right = not is_too_long(password) and self.hashing.is_right(password, hash_)
        accepted = self._accepted(credential, password, hash_) if is_right else ()
        attempt = Attempt(is_right=is_right, accepted=accepted, private="password_wrong")
        return judged(seen, credential, attempt, wrong=replace(_WRONG, field=text(seen, "password", "password")))

    def _accepted(self, credential: Credential | None, password: str, hash_: str | None) -> tuple[CredentialChange, ...]:
        if credential is None or hash_ is None:
            return ()
        if self.hashing.is_outdated(hash_):
            fresh = resealed(self.vault, cleared(credential), {"hash": self.hashing.hash(password)})
            return (CredentialChange(credential=fresh),)
        return (CredentialChange(credential=cleared(credential)),) if credential.failure_count else ()


def _username(seen: CheckInput) -> str:
    name = text(seen, "username")
    return field_text(seen, name) if name else ""


def _words(seen: CheckInput) -> tuple[str, ...]:
    """Give the words of the service and of the person: the named fields, by default every one-line personal field."""
    by_default = tuple(
        field.name
        for field in seen.definition.fields.values()
        if field.is_personal and not field.is_many and field.type in {FieldType.STRING, FieldType.EMAIL}
    )
    names = texts(seen, "word_fields", by_default)
    return (*texts(seen, "words"), seen.definition.name, *(field_text(seen, name) for name in names))
