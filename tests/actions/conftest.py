"""Fixtures of the tests of actions."""

from tests.support.smtp import certificate, hostile, mailbox, secure_mailbox, wrong_certificate

__all__ = ["certificate", "hostile", "mailbox", "secure_mailbox", "wrong_certificate"]
