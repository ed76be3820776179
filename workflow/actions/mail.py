"""Mails: one for each reader, as text and HTML.

Promises: a mail's Message-ID derives from the message's id and is the same in every attempt; a value that would break a
header is refused; an alert is a mail to the operators. Addresses and links are never logged and never part of an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from threading import Lock

from workflow.actions.faults import fault, has_control
from workflow.actions.render import RenderedMail, Renderer, greeting_name
from workflow.actions.smtp import Courier, MailSettings, Parcel, Receipt
from workflow.ports import Briefing, Clock, Performed, Recipient
from workflow.states.instance import ActorId

__all__ = ["AlertPerformer", "MailPerformer", "MailSettings", "message_id"]

_ATOM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")  # the part of RFC 5322 §3.2.3 that our ids need
# RFC 5322 §3.4.1 dot-atoms, and RFC 6531 letters; quoted local parts are refused: they exist in attacks more than in life.
_LOCAL = re.compile(r"(?!\.)(?!.*\.\.)[^\s()<>\[\]:;@\\,\"]{1,64}(?<!\.)")
_DOMAIN = re.compile(r"[^\W_]([\w-]*[^\W_])?(\.[^\W_]([\w-]*[^\W_])?)*")
_REMEMBERED = 1_000


def message_id(briefing: Briefing, recipient: Recipient, *, domain: str) -> str:
    """Give the Message-ID, without brackets: the message's id, and who of several readers it is for.

    A mail to a role always says whom it is for, also when one person holds it: the next attempt may find two.
    """
    message = briefing.message
    local = message.id if _ATOM.fullmatch(message.id) else hashlib.sha256(message.id.encode()).hexdigest()
    if message.effect.to != "subject" or len(briefing.recipients) > 1:
        local = f"{local}.{hashlib.sha256(recipient.actor.encode()).hexdigest()[:16]}"
    return f"{local}@{domain}"


class MailPerformer:
    """Performs ``mail``."""

    def __init__(self, settings: MailSettings, renderer: Renderer, *, clock: Clock) -> None:
        """Take where mails go, what writes them, and the clock that says when the server took one."""
        self._settings = settings
        self._renderer = renderer
        self._clock = clock
        self._courier = Courier(settings, clock)
        # Readers served by an attempt that has to be repeated for others; a loss of it costs a duplicate, no mail.
        self._served: dict[str, Receipt] = {}
        self._lock = Lock()

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Send to every recipient; `performed_at` is the instant of the last acceptance."""
        parcels = [self._pack(briefing, recipient) for recipient in _readers(briefing)]
        receipts = [self._served.get(parcel.key) for parcel in parcels]
        missing = [parcel for parcel, receipt in zip(parcels, receipts, strict=True) if receipt is None]
        fresh = self._courier.deliver(missing) if missing else []
        return self._judge(briefing, [*(r for r in receipts if r is not None), *fresh])

    def _judge(self, briefing: Briefing, receipts: Sequence[Receipt]) -> Performed:
        accepted = [receipt for receipt in receipts if receipt.accepted_at is not None]
        failed = [receipt for receipt in receipts if receipt.accepted_at is None]
        put_off = [receipt for receipt in failed if receipt.may_retry]
        count = f"{len(accepted)} of {len(receipts)} accepted; " if len(receipts) > 1 else ""
        if put_off:
            self._remember(accepted)
            raise fault(briefing, count + put_off[0].detail, will_retry=True)
        with self._lock:
            for receipt in receipts:
                self._served.pop(receipt.key, None)
        if not accepted:
            raise fault(briefing, count + failed[0].detail, will_retry=False)
        refusal = f"; {failed[0].detail}" if failed else ""
        performed_at = max(receipt.accepted_at for receipt in accepted if receipt.accepted_at is not None)
        return Performed(performed_at=performed_at, detail=f"{count}{accepted[-1].detail}{refusal}")

    def _remember(self, accepted: Sequence[Receipt]) -> None:
        with self._lock:
            self._served.update((receipt.key, receipt) for receipt in accepted)
            while len(self._served) > _REMEMBERED:
                del self._served[next(iter(self._served))]

    def _pack(self, briefing: Briefing, recipient: Recipient) -> Parcel:
        rendered = self._renderer.mail(briefing, recipient)
        key = message_id(briefing, recipient, domain=self._settings.domain)
        address = _safe_address(briefing, recipient)
        try:
            content = self._compose(rendered, recipient=recipient, address=address, key=key)
        except (ValueError, IndexError, MessageError) as error:
            # The e-mail package's own words may quote the value; its type is enough to look for it.
            raise fault(briefing, f"A header cannot be written ({type(error).__name__}).", will_retry=False) from None
        return Parcel(key=key, address=address, content=content)

    def _compose(self, rendered: RenderedMail, *, recipient: Recipient, address: str, key: str) -> bytes:
        settings = self._settings
        mail = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
        mail["From"] = Address(display_name=settings.sender_name, addr_spec=settings.sender)
        local, _, domain = address.rpartition("@")  # addr_spec would refuse international local parts (RFC 6531)
        mail["To"] = Address(display_name=greeting_name(recipient.name), username=local, domain=domain)
        if settings.reply_to:
            mail["Reply-To"] = Address(addr_spec=settings.reply_to)
        mail["Subject"] = rendered.subject
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = f"<{key}>"
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: no out-of-office replies
        mail.set_content(rendered.text, cte="quoted-printable")
        mail.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
        mail["Content-Language"] = rendered.language  # after the parts, or it would move into the first of them
        return mail.as_bytes()


class AlertPerformer:
    """Performs ``alert``: the same as a mail, to the operators' address."""

    def __init__(self, mail: MailPerformer, settings: MailSettings) -> None:
        """Take what sends, and where the operators are."""
        self._mail = mail
        self._settings = settings

    def __call__(self, briefing: Briefing, /) -> Performed:
        """Send to the operators, whoever the briefing names."""
        if not self._settings.operators:
            raise fault(briefing, "No operators' address is configured; set it, then retry the message.", will_retry=False)
        operators = Recipient(actor=ActorId("operators"), email=self._settings.operators, language=self._settings.operators_language)
        return self._mail(replace(briefing, recipients=(operators,)))


def _readers(briefing: Briefing) -> list[Recipient]:
    """Everyone with an address, each address once."""
    effect = briefing.message.effect
    found = list({recipient.email: recipient for recipient in briefing.recipients if recipient.email}.values())
    if found:
        return found
    if effect.to == "subject":
        raise fault(briefing, "The subject has no e-mail address (any more).", will_retry=False)
    message = f"Nobody with an e-mail address holds the role {effect.to!r}; enter somebody in the directory and the mail goes out."
    raise fault(briefing, message, will_retry=True)


def _safe_address(briefing: Briefing, recipient: Recipient) -> str:
    """Refuse whatever would break a header or a command line (rule 39); put the domain into ASCII."""
    for what, value in (("name", recipient.name), ("address", recipient.email)):
        if has_control(value):
            raise fault(briefing, f"The {what} of a recipient contains a line break or another control character.", will_retry=False)
    local, _, domain = recipient.email.rpartition("@")
    if not (_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise fault(briefing, "The address of a recipient is no e-mail address.", will_retry=False)
    try:
        return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        raise fault(briefing, "The domain of a recipient's address does not exist in the domain name system.", will_retry=False) from None
