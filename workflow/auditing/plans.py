"""What published documents say, as far as rows are compared with it.

Promises: reads stored documents and compiles nothing; verifies that their bytes are those that were published.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from workflow.audit.plans import Plan, read_plan
from workflow.auditing.report import Found, What
from workflow.engine.genuine import digest_of_content, digest_of_text
from workflow.ports import SYSTEM, Snapshot


@dataclass(slots=True)
class Library:
    """The published documents as they are stored: definitions by digest, and what identifies each document."""

    plans: dict[str, Plan] = field(default_factory=dict)
    stored: set[tuple[str, str, str, str]] = field(default_factory=set)

    def read(self, snapshot: Snapshot, found: Found) -> None:
        """Read them, and note every one whose bytes do not have its digests."""
        for document in snapshot.documents():
            self.stored.add((document.kind, document.name, document.digest, document.text_digest))
            plan = read_plan(document.name, document.content) if document.kind == "definition" else None
            for part, expected, got in (
                ("text", document.text_digest, digest_of_text(document)),
                ("content", document.digest, digest_of_content(document)),
            ):
                if expected != got:
                    message = f"The {part} of the {document.kind} {document.name!r} was changed after it was published."
                    found.add(What.DOCUMENT_CHANGED, message, expected=expected, found=got)
                    plan = None
            if plan is not None:
                self.plans[str(document.digest)] = plan

    def compare(self, published: set[tuple[str, str, str, str]], found: Found) -> None:
        """Compare what is stored with what the history says was published."""
        for kind, name, digest, _ in sorted(self.stored - published):
            message = f"The {kind} {name!r} was never published: no entry says so."
            found.add(What.DOCUMENT_CHANGED, message, instance=SYSTEM, found=digest)
        for kind, name, digest, _ in sorted(published - self.stored):
            message = f"The {kind} {name!r} was published, but is no longer there."
            found.add(What.DOCUMENT_CHANGED, message, instance=SYSTEM, expected=digest)
