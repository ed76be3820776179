"""Which kinds of actions there are, what they may be named, and who performs them.

Promises: light to import (no mail, template or HTTP library), so that a definition can be checked without performing anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from workflow.errors import ActionError
from workflow.ports import Briefing, Performed, Performer
from workflow.states.known import ActionSpec

PACKAGE_TEMPLATES = Path(__file__).parent / "templates"
"""Where the shipped templates are, as package data."""

MAIL_SUFFIX = ".subject.txt"


def template_names(*roots: Path) -> frozenset[str]:
    """Name every mail that has a subject in any language below the roots."""
    return frozenset(path.name.removesuffix(MAIL_SUFFIX) for root in roots for path in root.glob(f"*/*{MAIL_SUFFIX}"))


def text_message_names(*roots: Path) -> frozenset[str]:
    """Name every text message that exists in any language below the roots."""
    return frozenset(path.stem for root in roots for path in root.glob("sms/*/*.txt"))


def specs(templates: Path | None = None, *, targets: frozenset[str] = frozenset()) -> Mapping[str, ActionSpec]:
    """Describe the kinds of actions for the loader.

    Args:
        templates: the host's own directory of templates, beside the shipped ones; laid out like them.
        targets: provisioning targets of the host beside ``cpms_account``.
    """
    roots = (PACKAGE_TEMPLATES,) if templates is None else (PACKAGE_TEMPLATES, templates)
    mails = template_names(*roots)
    kinds = (
        ActionSpec(kind="mail", names=mails, description="A mail to the subject or to each holder of a role, in the reader's language."),
        ActionSpec(kind="sms", names=text_message_names(*roots), description="A text message with a code to the subject's phone."),
        ActionSpec(kind="push", description="A notification to the subject's app; the app has its own text for the name."),
        ActionSpec(kind="provision", names=targets | {"cpms_account"}, description="An account created in another system."),
        ActionSpec(kind="alert", names=mails, description="A mail to the operators' address."),
    )
    return MappingProxyType({spec.kind: spec for spec in kinds})


SPECS: Mapping[str, ActionSpec] = specs()
"""What a definition may name when the host adds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performers:
    """Who performs each kind of effect; itself a `Performer`."""

    by_kind: Mapping[str, Performer]

    @classmethod
    def build(
        cls,
        *,
        mail: Performer | None = None,
        sms: Performer | None = None,
        push: Performer | None = None,
        provision: Performer | None = None,
        alert: Performer | None = None,
        others: Mapping[str, Performer] | None = None,
    ) -> Performers:
        """Join the performers that this installation has; `others` are the host's own kinds and win over ours."""
        ours = {"mail": mail, "sms": sms, "push": push, "provision": provision, "alert": alert}
        present = {kind: performer for kind, performer in ours.items() if performer is not None}
        return cls(by_kind=MappingProxyType({**present, **(others or {})}))

    def perform(self, briefing: Briefing, /) -> Performed:
        """Perform one message; an unknown kind is an `ActionError` that is not tried again."""
        effect = briefing.message.effect
        performer = self.by_kind.get(effect.kind)
        if performer is None:
            known = ", ".join(sorted(self.by_kind)) or "none"
            raise ActionError(
                f"Nothing here performs {effect.kind!r}; known kinds: {known}. Add a performer of that kind and retry the message.",
                effect=f"{effect.kind}:{effect.name}",
                attempts=briefing.message.attempts,
                will_retry=False,
            )
        return performer(briefing)

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Perform one message, as `perform` does."""
        return self.perform(briefing)
