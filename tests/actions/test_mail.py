"""Mails, on real mail servers: a well-behaved one with STARTTLS and AUTH, and hostile ones."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.briefings import JANE, LINK, NOW, SetClock, briefing
from tests.support.smtp import PASSWORD, USER, Certificate, HostileServer
from workflow.actions.mail import AlertPerformer, MailPerformer
from workflow.actions.render import Renderer, Site
from workflow.actions.smtp import MailSettings
from workflow.errors import ActionError, SettingsError
from workflow.ports import Briefing, Recipient
from workflow.settings import MasterKey, Settings, SmtpSettings
from workflow.states.instance import ActorId
from workflow.testing.mailbox import Mailbox

SITE = Site(
    title="CPMS",
    home_url="https://access.example.org/",
    login_url="https://access.example.org/login",
    queue_url="https://access.example.org/queue",
    help="help@example.org",
)
Hostile = Callable[..., HostileServer]


def settings(port: int, **changes: object) -> MailSettings:
    given = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "no-reply@access.example", "timeout_seconds": 5.0}
    return MailSettings(**{**given, **changes})  # type: ignore[arg-type]  # changes by name


def performer(port: int, clock: SetClock | None = None, **changes: object) -> MailPerformer:
    return MailPerformer(settings(port, **changes), Renderer(SITE, zone="Europe/Brussels"), clock=clock or SetClock())


def password_mail(**changes: object) -> Briefing:
    given = {"link": LINK, "done": "password_link_mailed", "values": {"username": "n00ccgbd"}}
    return briefing("mail", "password_link", **{**given, **changes})  # type: ignore[arg-type]  # changes by name


def failure(port: int, sent: Briefing | None = None, **changes: object) -> ActionError:
    with pytest.raises(ActionError) as caught:
        performer(port, **changes)(sent or password_mail())
    return caught.value


def approvers(*names: str) -> tuple[Recipient, ...]:
    return tuple(Recipient(actor=ActorId(f"actor-{name}"), email=f"{name}@erknet.example", name=name.title()) for name in names)


def test_a_mail_travels_by_starttls_and_auth(secure_mailbox: Mailbox, certificate: Certificate) -> None:
    """A mail reaches a server that wants STARTTLS with a verified certificate, then AUTH."""
    secure = {"host": "localhost", "security": "starttls", "user": USER, "password": PASSWORD, "ca_file": str(certificate.certificate)}
    done = performer(secure_mailbox.port, **secure)(password_mail())
    assert done.performed_at == NOW
    assert done.detail == "250 2.0.0"
    assert secure_mailbox.newest(JANE.email).subject == "Choose your password for CPMS"


def test_a_mail_has_text_and_html_with_the_whole_link(mailbox: Mailbox) -> None:
    """Both parts carry the complete link, and the text says how long it works."""
    performer(mailbox.port)(password_mail())
    mail = mailbox.newest(JANE.email)
    assert LINK in mail.links
    assert LINK in mail.text
    assert f'href="{LINK}"' in mail.html
    assert "5 minutes" in mail.text
    assert mail.headers.get_content_type() == "multipart/alternative"
    assert [part.get_content_charset() for part in mail.headers.iter_parts()] == ["utf-8", "utf-8"]
    assert mailbox.link(JANE.email, "/password/") == LINK


def test_the_headers_say_that_a_machine_wrote_it(mailbox: Mailbox) -> None:
    """Date is the clock's, the language is the reader's, and no out-of-office reply is provoked."""
    performer(mailbox.port, reply_to="help@example.org", sender_name="CPMS access")(
        password_mail(recipients=[replace(JANE, language="fr-BE")])
    )
    headers = mailbox.newest(JANE.email).headers
    assert mailbox.newest(JANE.email).date == NOW
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Content-Language"] == "fr"
    assert headers["Reply-To"] == "help@example.org"
    assert headers["From"] == "CPMS access <no-reply@access.example>"
    assert headers["To"] == "Jane Doe <jane@clinic.example>"


def test_accents_survive(mailbox: Mailbox) -> None:
    """Names and texts outside ASCII arrive as they are."""
    reader = replace(JANE, name="Zoë Åström-Müller", language="de")
    performer(mailbox.port)(briefing("mail", "registered_again", recipients=[reader]))
    mail = mailbox.newest(JANE.email)
    assert "Guten Tag Zoë Åström-Müller," in mail.text
    assert mail.subject == "Ihre Adresse wurde erneut zur Registrierung verwendet"


def test_the_message_id_is_the_same_in_every_attempt(mailbox: Mailbox) -> None:
    """A repeated mail is recognisable: its Message-ID derives from the message's id alone."""
    send = performer(mailbox.port)
    send(password_mail(attempts=1))
    send(password_mail(attempts=2))
    assert [mail.message_id for mail in mailbox.to(JANE.email)] == ["msg-01HV9@access.example"] * 2


def test_each_holder_of_a_role_gets_a_mail_of_their_own(mailbox: Mailbox) -> None:
    """Nobody sees another reader's address, and each mail has a stable Message-ID of its own."""
    sent = briefing("mail", "approver_reminder", recipients=approvers("ann", "ben"), to="network_team")
    performer(mailbox.port)(sent)
    first = [mail.message_id for mail in mailbox.received]
    assert [mail.recipients for mail in mailbox.received] == [("ann@erknet.example",), ("ben@erknet.example",)]
    assert len(set(first)) == 2
    assert "ben" not in str(mailbox.received[0].headers)
    mailbox.clear()
    performer(mailbox.port)(replace(sent, recipients=tuple(reversed(sent.recipients))))
    assert [mail.message_id for mail in mailbox.received] == first[::-1]


def test_performed_at_is_the_instant_of_the_250(hostile: Hostile) -> None:
    """The clock is read after the server's answer, not when the mail was written."""

    class Ticking(SetClock):
        def now(self) -> object:  # type: ignore[override]  # a clock that goes on
            self.instant += timedelta(seconds=1)
            return self.instant

    server = hostile()
    clock = Ticking()
    done = performer(server.port, clock)(password_mail())
    assert done.performed_at == NOW + timedelta(seconds=2)
    assert b"Mon, 23 Nov 2026 15:30:01 +0000" in server.bodies[0]


def test_it_can_be_called_on_a_thread_with_a_running_loop(mailbox: Mailbox) -> None:
    """An async host may call it directly, or from a worker thread."""
    send = performer(mailbox.port)

    async def host() -> None:
        send(password_mail())
        await asyncio.to_thread(send, password_mail())

    asyncio.run(host())
    assert len(mailbox.received) == 2


def test_a_host_with_a_loop_on_another_thread_can_send(mailbox: Mailbox) -> None:
    """An asynchronous host whose loop runs on a thread of its own may send from there."""

    async def host() -> None:
        performer(mailbox.port)(password_mail())

    thread = threading.Thread(target=lambda: asyncio.run(host()))
    thread.start()
    thread.join()
    assert len(mailbox.received) == 1


def test_alerts_go_to_the_operators(mailbox: Mailbox) -> None:
    """An alert is a mail to the configured address, whoever the briefing names."""
    known = settings(mailbox.port, operators="ops@access.example", operators_language="de")
    mail = MailPerformer(known, Renderer(SITE), clock=SetClock())
    AlertPerformer(mail, known)(briefing("alert", "mail_trouble", params={"reason": "the mail server is down"}))
    assert [mail.recipients for mail in mailbox.received] == [("ops@access.example",)]
    assert "> the mail server is down" in mailbox.received[0].text
    assert mailbox.received[0].subject == "Eine Mail ist nicht hinausgegangen"


def test_an_alert_without_operators_is_a_fault_of_the_settings(mailbox: Mailbox) -> None:
    """Without an address there is nobody to tell: not tried again, and the operator reads why."""
    known = settings(mailbox.port)
    with pytest.raises(ActionError, match="operators' address") as caught:
        AlertPerformer(MailPerformer(known, Renderer(SITE), clock=SetClock()), known)(briefing("alert", "no_approver"))
    assert not caught.value.will_retry


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["GREETING", "MAIL", "RCPT", "DATA", "BODY"])
def test_4xx_may_pass(hostile: Hostile, stage: str) -> None:
    """A temporary refusal, such as greylisting, is tried again wherever it comes (RFC 5321 §4.2.1)."""
    server = hostile(**{stage: "450 4.7.1 greylisted, come back later"})
    error = failure(server.port)
    assert error.will_retry
    assert "450 4.7.1" in str(error)
    assert error.attempts == 1


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "BODY"])
def test_5xx_is_final(hostile: Hostile, stage: str) -> None:
    """A permanent refusal of reader or content is not tried again."""
    server = hostile(**{stage: "550 5.1.1 <jane@clinic.example>: no such user jane"})
    error = failure(server.port)
    assert not error.will_retry
    assert "550 5.1.1" in str(error)


def test_a_mail_accepted_after_greylisting_is_one_mail(hostile: Hostile) -> None:
    """The second attempt succeeds on the same server, with the same Message-ID."""
    server = hostile(RCPT=["451 4.7.1 greylisted", "250 OK"])
    send = performer(server.port)
    with pytest.raises(ActionError):
        send(password_mail())
    assert send(password_mail(attempts=2)).detail == "250 2.0.0"
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("stage", "reply"), [("MAIL", "553 5.7.1 sender not allowed"), ("RCPT", "530 5.7.0 sign in first"), ("GREETING", "554 5.7.1 no")]
)
def test_5xx_about_us_is_tried_again(hostile: Hostile, stage: str, reply: str) -> None:
    """What an operator can put right does not cost the reader the mail."""
    error = failure(hostile(**{stage: reply}).port)
    assert error.will_retry
    assert reply[:9] in str(error)


def test_a_refused_sign_in_is_tried_again(secure_mailbox: Mailbox, certificate: Certificate) -> None:
    """A wrong password of ours is the operator's to correct; the error says where to look."""
    secure = {"host": "localhost", "security": "starttls", "user": USER, "password": "wrong", "ca_file": str(certificate.certificate)}
    error = failure(secure_mailbox.port, **secure)
    assert error.will_retry
    assert "535" in str(error)
    assert "user and password" in str(error)
    assert secure_mailbox.received == ()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_untrusted_certificate_is_refused(secure_mailbox: Mailbox, host: str) -> None:
    """Without the right ca_file nothing is sent, neither password nor mail; it may be put right."""
    error = failure(secure_mailbox.port, host=host, security="starttls", user=USER, password=PASSWORD)
    assert error.will_retry
    assert "certificate" in str(error)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_another_host_is_refused(wrong_certificate: Certificate, security: str) -> None:
    """A trusted certificate for another name does not do."""
    tls = wrong_certificate.server()
    server = {"tls_context": tls, "require_starttls": True} if security == "starttls" else {"ssl_context": tls}
    with Mailbox(**server) as box:
        error = failure(box.port, host="localhost", security=security, ca_file=str(wrong_certificate.certificate))
    assert error.will_retry
    assert "certificate" in str(error)
    assert box.received == ()


def test_tls_from_the_first_byte(certificate: Certificate) -> None:
    """Security ``tls`` is TLS before the greeting."""
    with Mailbox(ssl_context=certificate.server()) as box:
        performer(box.port, host="localhost", security="tls", ca_file=str(certificate.certificate))(password_mail())
    assert len(box.received) == 1


def test_a_server_without_starttls_gets_nothing(hostile: Hostile) -> None:
    """A stripped STARTTLS never leads to a mail in the clear."""
    server = hostile()
    error = failure(server.port, security="starttls")
    assert error.will_retry
    assert server.bodies == []
    assert "mail security" in str(error)


def test_a_server_that_is_down_is_tried_again() -> None:
    """Connection refused: nothing happened, and it may pass."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = failure(port)
    assert error.will_retry
    assert f"no connection to the mail server 127.0.0.1:{port}" in str(error)


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "BODY"])
def test_a_server_that_hangs_is_given_up(hostile: Hostile, stage: str) -> None:
    """Every command has its time limit."""
    error = failure(hostile(**{stage: "hang"}).port, timeout_seconds=0.2)
    assert error.will_retry
    assert "answer" in str(error)


@pytest.mark.parametrize("stage", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_server_that_hangs_up_is_tried_again(hostile: Hostile, stage: str) -> None:
    """A lost connection may pass."""
    assert failure(hostile(**{stage: "drop"}).port).will_retry


def test_a_connection_lost_after_data_is_an_unknown_outcome(hostile: Hostile) -> None:
    """The server may have taken the mail: it goes out again with the same Message-ID, and the error says so."""
    server = hostile(BODY=["drop", "250 OK"])
    send = performer(server.port)
    with pytest.raises(ActionError, match="may have taken the mail") as caught:
        send(password_mail())
    assert caught.value.will_retry
    send(password_mail(attempts=2))
    assert [b"Message-ID: <msg-01HV9@access.example>" in body for body in server.bodies] == [True, True]


def test_a_goodbye_that_hangs_does_not_undo_a_mail(hostile: Hostile) -> None:
    """After the 250 nothing can fail the mail any more."""
    assert performer(hostile(QUIT="drop").port)(password_mail()).detail == "250 2.0.0"


# Several readers ------------------------------------------------------------------------------------------------------


def test_readers_who_were_served_are_not_served_again(hostile: Hostile) -> None:
    """When one of two is put off, the next attempt sends to that one only."""
    server = hostile(RCPT=["250 OK", "450 4.2.0 later", "250 OK"])
    send = performer(server.port)
    sent = briefing("mail", "approver_reminder", recipients=approvers("ann", "ben"), to="network_team")
    with pytest.raises(ActionError, match="1 of 2 accepted") as caught:
        send(sent)
    assert caught.value.will_retry
    assert send(sent).detail == "2 of 2 accepted; 250 2.0.0"
    assert [b"To: Ann" in body for body in server.bodies] == [True, False]


def test_one_dead_address_does_not_fail_the_others(hostile: Hostile) -> None:
    """A mail to a role is done when somebody got it; the detail names the refusal."""
    server = hostile(RCPT=["550 5.1.1 unknown", "250 OK"])
    done = performer(server.port)(briefing("mail", "approver_reminder", recipients=approvers("ann", "ben"), to="network_team"))
    assert done.detail == "1 of 2 accepted; 250 2.0.0; the mail server refused it for good at RCPT: 550 5.1.1"


def test_a_server_that_hangs_up_over_one_reader_still_serves_the_next(hostile: Hostile) -> None:
    """A lost connection is made again for the next mail."""
    server = hostile(RCPT=["drop", "250 OK"])
    with pytest.raises(ActionError, match="1 of 2 accepted"):
        performer(server.port)(briefing("mail", "approver_reminder", recipients=approvers("ann", "ben"), to="network_team"))
    assert len(server.bodies) == 1
    assert server.connections == 2


def test_a_mail_to_nobody_waits_for_somebody(mailbox: Mailbox) -> None:
    """A role without holders is tried again; a subject without an address is not."""
    nobody = failure(mailbox.port, briefing("mail", "approver_reminder", recipients=(), to="network_team"))
    assert nobody.will_retry
    assert "network_team" in str(nobody)
    erased = failure(mailbox.port, password_mail(recipients=[replace(JANE, email="")]))
    assert not erased.will_retry


# Injection (security rule 39) and silence -----------------------------------------------------------------------------


@pytest.mark.parametrize("poison", ["\r", "\n", "\0", "\r\nBcc: all@example.org", "\u2028", "\x85", "\x1f"])
@pytest.mark.parametrize("place", ["name", "email"])
def test_control_characters_in_a_header_are_refused(mailbox: Mailbox, poison: str, place: str) -> None:
    """CR, LF, NUL and their like in a name or an address are refused for good."""
    reader = replace(JANE, **{place: f"jane{poison}@x.example"})
    error = failure(mailbox.port, password_mail(recipients=[reader]))
    assert not error.will_retry
    assert mailbox.received == ()


@pytest.mark.parametrize(
    "address",
    [
        "a@x.example> SIZE=1",
        "a@b@x.example, c@y.example",
        "jane",
        "@x.example",
        "a b@x.example",
        "a..b@x.example",
        '"a b"@x.example',
        "a@" + "x" * 64 + "é.example",
    ],
)
def test_what_is_no_address_is_refused(mailbox: Mailbox, address: str) -> None:
    """An address cannot smuggle parameters or further readers."""
    error = failure(mailbox.port, password_mail(recipients=[replace(JANE, email=address)]))
    assert not error.will_retry
    assert address not in str(error)


def test_an_international_address_needs_a_server_that_knows_them(hostile: Hostile, mailbox: Mailbox) -> None:
    """A local part outside ASCII goes out with SMTPUTF8 or not at all; a domain is put into ASCII."""
    performer(mailbox.port)(password_mail(recipients=[replace(JANE, email="jörg@büro.example")]))
    assert mailbox.received[0].recipients == ("jörg@xn--bro-hoa.example",)
    assert not failure(hostile().port, password_mail(recipients=[replace(JANE, email="jörg@büro.example")])).will_retry


def test_nothing_personal_is_logged_or_said(hostile: Hostile, caplog: pytest.LogCaptureFixture) -> None:
    """Neither logs nor errors hold an address or a link, even when the server repeats them."""
    caplog.set_level(logging.DEBUG)
    server = hostile(RCPT=["550 5.1.1 <jane@clinic.example> unknown", "250 OK"], BODY="250 2.0.0 OK for jane@clinic.example " + LINK)
    said = str(failure(server.port)) + performer(server.port)(password_mail()).detail + caplog.text
    assert "jane" not in said
    assert LINK[:30] not in said


def test_a_bad_template_value_is_no_half_mail(mailbox: Mailbox) -> None:
    """A template that does not exist is refused for good, before anything is sent."""
    error = failure(mailbox.port, briefing("mail", "no_such_template"))
    assert not error.will_retry
    assert mailbox.received == ()


# Settings -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": "nobody"},
        {"sender": "a\r\nb@x.example"},
        {"sender": "no-reply@büro.example"},
        {"host": ""},
        {"host": "mail.example.org", "user": "u", "password": "p", "security": "none"},
        {"sender_name": "x\nBcc: y"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    """Faults of the settings show at the start, not with the first mail; the password is never shown."""
    with pytest.raises(SettingsError):
        settings(25, **wrong)
    assert "secret" not in repr(settings(25, password="secret"))


def test_settings_come_from_the_installation() -> None:
    """The sender may be written with a name; alerts go to the alert address."""
    smtp = SmtpSettings(host="mail.example.org", port=587, sender="CPMS access <no-reply@access.example>", user="u", password="p")
    read = MailSettings.of(
        Settings(
            database_url="sqlite://", keys=(MasterKey(kid="k", secret=b"0" * 32),), smtp=smtp, alert_address="Ops <ops@access.example>"
        )
    )
    assert (read.sender_name, read.sender, read.operators, read.security) == (
        "CPMS access",
        "no-reply@access.example",
        "ops@access.example",
        "starttls",
    )


def test_a_ca_file_that_is_none_is_a_fault_of_the_settings() -> None:
    """A missing certificate file is named as such, before the first mail."""
    with pytest.raises(SettingsError, match="ca_file"):
        performer(25, security="starttls", ca_file="/nowhere/ca.pem")


def test_no_thread_is_left_behind(mailbox: Mailbox) -> None:
    """A performance leaves no loop and no thread."""
    before = threading.active_count()
    performer(mailbox.port)(password_mail())
    assert threading.active_count() == before
