"""Faults that were put into good definitions on purpose: each is the text that is exchanged, and which tool must find it by what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeededFault:
    """One edit of a definition; `found_by` is a code of a finding (check), or the name of a property (prove, test)."""

    base: str
    tool: str
    found_by: str
    old: str
    new: str

    def __str__(self) -> str:
        """Name it for a test's id."""
        return f"{self.base}-{self.tool}-{self.found_by}"


def _of(base: str, *faults: tuple[str, str, str, str]) -> list[SeededFault]:
    return [SeededFault(base, *fault) for fault in faults]


FAULTS = [
    *_of(
        "bank-kyc",
        (
            "prove",
            "an account has a risk",
            "set: {risk: event.risk, reason: event.rationale}, target: account_open",
            "set: {reason: event.rationale}, target: account_open",
        ),
        (
            "prove",
            "nobody examines their own documents",
            "accept_documents: {by: [kyc_officer], decision: examination, ",
            "accept_documents: {by: [kyc_officer], ",
        ),
        (
            "prove",
            "high risk takes two people",
            "accept_risk: {by: [money_laundering_officer], decision: risk,",
            "accept_risk: {by: [money_laundering_officer], decision: examination,",
        ),
        ("prove", "three objections end it", "guard: count.object < 2", "guard: count.object < 3"),
        (
            "prove",
            "a refusal is told",
            "{event: refuse, set: {reason: event.rationale}, target: refused, actions: [{mail: rejected}]}",
            "{event: refuse, set: {reason: event.rationale}, target: refused}",
        ),
        ("check", "unknown-state", "target: high_risk}", "target: highrisk}"),
        ("check", "unknown-name", "guard: count.object < 2", "guard: count.objections < 2"),
        ("check", "unhandled-timer", "      - {event: overdue, actions: [{alert: escalation}]}\n", ""),
        (
            "check",
            "decision-by-timeout",
            "{event: remind_customer, actions: [{mail: information_wanted}]}",
            "{event: remind_customer, target: account_open}",
        ),
        (
            "test",
            "nobody examines their own documents",
            "accept_documents: {by: [kyc_officer], decision: examination, ",
            "accept_documents: {by: [kyc_officer, customer], ",
        ),
    ),
    *_of(
        "vendor-onboarding",
        (
            "prove",
            "no vendor without a verified account",
            "bank_account: null}, target: account_wanted}",
            "bank_account: null}, target: deliberating}",
        ),
        (
            "prove",
            "who verifies does not approve",
            "approve: {by: [board], decision: approval,",
            "approve: {by: [board], decision: verification,",
        ),
        ("prove", "a vendor never approves itself", "approve: {by: [board], decision: approval,", "approve: {by: [board],"),
        (
            "prove",
            "the board answers in time",
            "{name: breach, after: 5bd, event: escalate}",
            "{name: breach, after: 6bd, event: escalate}",
        ),
        (
            "prove",
            "a question reaches the vendor",
            "        entry: [{mail: information_wanted}]\n        timers: [{name: silence, after: P14D",
            "        timers: [{name: silence, after: P14D",
        ),
        (
            "prove",
            "an approved vendor has an account",
            "{event: verify_account, target: deliberating}",
            "{event: verify_account, set: {bank_account: null}, target: deliberating}",
        ),
        ("check", "nobody-can", "quorum: {need: 2, distinct: true, role: board}", "quorum: {need: 2, distinct: true, role: finance}"),
        ("check", "not-inside", "paused_in: [clarifying]", "paused_in: [verifying]"),
        (
            "check",
            "unreachable-state",
            "{event: give_bank_account, set: {bank_account: event.bank_account}, target: verifying}",
            "{event: give_bank_account, set: {bank_account: event.bank_account}, target: deliberating}",
        ),
    ),
    *_of(
        "volunteer",
        ("prove", "nobody meets children unvetted", "certificate: null}, target: turned_down}", "certificate: null}, target: admission}"),
        ("prove", "nobody vets themselves", "clear: {by: [vetting_officer], decision: vetting}", "clear: {by: [vetting_officer]}"),
        ("prove", "nobody welcomes themselves", "welcome: {by: [coordinator], decision: admission,", "welcome: {by: [coordinator],"),
        (
            "prove",
            "vetting and admission take two people",
            "welcome: {by: [coordinator], decision: admission,",
            "welcome: {by: [coordinator], decision: vetting,",
        ),
        (
            "prove",
            "certificates are not kept",
            "{event: clear, set: {certificate: null}, target: admission}",
            "{event: clear, target: admission}",
        ),
        ("prove", "vetting is watched", "{name: late, after: 10bd, event: escalate}", "{name: late, after: 11bd, event: escalate}"),
        ("check", "unknown-role", "record_reference: {by: [coordinator]", "record_reference: {by: [co_ordinator]"),
        (
            "check",
            "not-an-engine-event",
            "{name: too_long, after: P180D, event: give_up}",
            "{name: too_long, after: P180D, event: withdraw}",
        ),
    ),
    *_of(
        "organisation-invitation",
        (
            "prove",
            "an invitation dies after seven days",
            "{name: expiry, after: P7D, event: expire}",
            "{name: expiry, after: P8D, event: expire}",
        ),
        ("prove", "an invitation gets an end", "{name: expiry, after: P7D, event: expire}", "{name: expiry, after: P7DT1M, event: expire}"),
        ("prove", "nobody is pestered", "count.invite_again < 3", "count.invite_again < 4"),
        ("check", "ill-typed-guard", "facts.factors.second_count > 0", "facts.factors.second_count > 'none'"),
        ("check", "unknown-name", "accept: {by: [invitee], checks: [factors]}", "accept: {by: [invitee]}"),
        ("check", "unreachable-state", "- {event: expire, target: expired}", "- {event: expire}"),
        (
            "check",
            "unknown-template",
            "member: {outcome: success, entry: [{mail: approved}]}",
            "member: {outcome: success, entry: [{mail: aproved}]}",
        ),
    ),
    *_of(
        "tenant-signup",
        (
            "prove",
            "no trial without a password",
            "facts.sign_up_link.genuine && count.send_link_again < 5\n            target: link_sent",
            "facts.sign_up_link.genuine && count.send_link_again < 5\n            target: trying",
        ),
        (
            "prove",
            "nobody uses it for ever without paying",
            "{name: over, after: P7D, event: grace_over}",
            "{name: over, after: P8D, event: grace_over}",
        ),
        (
            "prove",
            "a tenant has a plan",
            "{event: subscribe, set: {plan: event.plan}, target: subscribed}",
            "{event: subscribe, target: subscribed}",
        ),
        (
            "check",
            "anyone-without-check",
            "payload: {token: {type: secret, required: true}}, checks: [sign_up_link]}",
            "payload: {token: {type: secret, required: true}}}",
        ),
        ("check", "never-fired", "link: sign_up, done: link_mailed, failed: mail_failed", "link: sign_up, done: link_mailed"),
    ),
    *_of(
        "employee-onboarding",
        (
            "prove",
            "nobody starts without a laptop",
            "guard: instance.laptop_ready && instance.badge_ready,",
            "guard: instance.badge_ready,",
        ),
        (
            "prove",
            "nobody starts without a badge",
            "guard: instance.badge_ready && instance.training_done,",
            "guard: instance.training_done,",
        ),
        ("prove", "nobody starts untrained", "guard: instance.laptop_ready && instance.training_done,", "guard: instance.laptop_ready,"),
        ("prove", "no preparation without a contract", "{event: no_answer, target: withdrawn}", "{event: no_answer, target: preparing}"),
        ("prove", "nobody signs off their own start", "sign_off: {by: [manager], decision: sign_off,", "sign_off: {by: [manager],"),
        ("prove", "preparation is watched", "{name: late, after: 5bd, event: escalate}", "{name: late, after: 6bd, event: escalate}"),
        ("check", "unhandled-timer", "      - {event: no_answer, target: withdrawn}\n", ""),
        ("test", "nobody starts without a laptop", "guard: instance.laptop_ready && instance.badge_ready,", "guard: instance.badge_ready,"),
    ),
    *_of(
        "library-card",
        ("prove", "nobody issues their own card", "issue_card: {by: [librarian], decision: issue}", "issue_card: {by: [librarian]}"),
        ("check", "unknown-effect", "target: card_issued, actions: [{mail: approved}]}", "target: card_issued}"),
        (
            "check",
            "never-fired",
            "      - {name: forgotten, after: P60D, event: lapse}      # elapsed time: holidays or not\n",
            "",
        ),
        (
            "test",
            "nobody issues their own card",
            "issue_card: {by: [librarian], decision: issue}",
            "issue_card: {by: [librarian, reader]}",
        ),
    ),
    *_of(
        "trial-site-activation",
        (
            "prove",
            "no patient without ethics",
            "guard: instance.ethics_approved && instance.contract_signed,",
            "guard: instance.contract_signed,",
        ),
        (
            "prove",
            "no patient without the authority",
            "guard: instance.authority_approved && instance.contract_signed,",
            "guard: instance.contract_signed,",
        ),
        (
            "prove",
            "no visit without a contract",
            "guard: instance.authority_approved && instance.contract_signed,",
            "guard: instance.authority_approved,",
        ),
        (
            "prove",
            "no activation without training",
            "objection: null}\n            target: approvals",
            "objection: null}\n            target: activated",
        ),
        (
            "check",
            "unknown-stage",
            "activate: {by: [monitor], decision: activation, may_also_decide: [visit],",
            "activate: {by: [monitor],",
        ),
        (
            "prove",
            "two bodies decide",
            "authority_approve: {by: [authority], decision: authorisation}",
            "authority_approve: {by: [authority], decision: ethics}",
        ),
        ("check", "unknown-effect", "    entry: [{alert: escalation}]\n", ""),
        ("check", "unknown-stage", "may_also_decide: [activation]", "may_also_decide: [activated]"),
    ),
    *_of(
        "cpms-access",
        (
            "check",
            "unreachable-state",
            "{event: ask_information, set: {question: event.question}, target: information_wanted}",
            "{event: ask_information, set: {question: event.question}, target: held}",
        ),
        ("check", "lives-too-long", "phone: {ttl: PT10M}", "phone: {ttl: PT11M}"),
        ("check", "unknown-name", "checks: [password, second_factor]", "checks: [password]"),
        (
            "check",
            "decision-by-timeout",
            "{event: remind, actions: [{mail: approver_reminder, to: network_team}]}",
            "{event: remind, target: awaiting_account}",
        ),
    ),
]
