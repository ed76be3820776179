"""The mail trap of demo and tests."""

from __future__ import annotations

import smtplib

import pytest

from workflow.testing.mailbox import Mailbox


def send(box: Mailbox, to: str, text: str) -> None:
    with smtplib.SMTP(box.host, box.port) as client:
        client.sendmail("a@x.example", [to], f"Subject: hello\r\nMessage-ID: <1@x.example>\r\n\r\n{text}".encode())


def test_it_finds_the_link_of_the_newest_mail(mailbox: Mailbox) -> None:
    """The newest mail to an address counts, whatever the case of the address."""
    send(mailbox, "jane@y.example", "see https://a.example/password/old now")
    send(mailbox, "jane@y.example", "see https://a.example/help and https://a.example/password/new")
    send(mailbox, "ben@y.example", "https://a.example/password/other")
    assert mailbox.link("JANE@y.example", "/password/") == "https://a.example/password/new"
    assert mailbox.newest("jane@y.example").links == ("https://a.example/help", "https://a.example/password/new")
    assert len(mailbox.to("jane@y.example")) == 2


def test_it_says_what_is_missing(mailbox: Mailbox) -> None:
    """No mail and no link are different findings."""
    with pytest.raises(LookupError, match="no mail for"):
        mailbox.newest("jane@y.example")
    send(mailbox, "jane@y.example", "nothing here")
    with pytest.raises(LookupError, match="no link with"):
        mailbox.link("jane@y.example", "/password/")
    mailbox.clear()
    assert mailbox.received == ()


def test_mails_outlive_the_server() -> None:
    """What arrived can be read after the end, and the server can be started again."""
    box = Mailbox()
    with box:
        send(box, "jane@y.example", "one")
    with box:
        send(box, "jane@y.example", "two")
    box.stop()
    assert [mail.text.strip() for mail in box.received] == ["one", "two"]
    assert box.newest("jane@y.example").message_id == "1@x.example"
