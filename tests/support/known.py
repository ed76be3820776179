"""What the definitions of the tests may name: a few kinds of checks and actions, independent of the rooms that perform them."""

from __future__ import annotations

from workflow.states.known import ActionSpec, CheckSpec, Known

KNOWN = Known(
    checks={
        "link": CheckSpec(
            use="link",
            facts={"valid": "bool", "expired": "bool"},
            params={"purpose": True, "since": True, "ttl": True},
            reads={"token": "token"},
            longest_seconds={"ttl": 86_400},
            names_events=frozenset({"since"}),
        ),
        "password": CheckSpec(use="password", facts={"ok": "bool", "failure_count": "int"}, reads={"password": "password"}),
        "code": CheckSpec(
            use="code",
            facts={"ok": "bool"},
            params={"digits": False, "ttl": False, "named_after": False, "asked_of": False},
            reads={"code": "code"},
            choices={"digits": frozenset({6, 8})},
            longest_seconds={"ttl": 600},
            names_fields=frozenset({"named_after"}),
            names_roles=frozenset({"asked_of"}),
        ),
    },
    actions={
        "mail": ActionSpec(kind="mail", names=frozenset({"welcome", "reminder", "password_link"})),
        "sms": ActionSpec(kind="sms", names=frozenset({"challenge"})),
        "provision": ActionSpec(kind="provision"),
    },
)
"""Three kinds of checks, three kinds of actions."""
