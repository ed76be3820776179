"""A document becomes the definition that it says."""

from __future__ import annotations

import pytest

from tests.support.known import KNOWN
from workflow.load import inspect, load
from workflow.states.definition import (
    ROOT,
    Assignment,
    CatalogueRule,
    CheckUse,
    Definition,
    FieldName,
    FieldType,
    Quorum,
    Rule,
    TimerType,
    Unit,
)
from workflow.states.durations import is_duration, read_duration
from workflow.states.findings import MAX_FINDINGS, Findings, quote
from workflow.states.parse import MAX_NAMES

TEXT = """\
definition: sample
language: 1
subject: applicant
calendar: office
catalogue: places
roles: {clerk: {scope: town}, boss: {}, office: {}}
fields:
  email: email
  town: {type: string, catalogue: towns, personal: false, because: A place.}
  house: {type: string, many: true, catalogue: houses, listed_in: {field: town, attribute: houses}, matches: {town: town}}
  floor: {type: integer, min: 1, max: 9}
  asked_at: instant
checks:
  password: {}
  first_code: {use: code, digits: 6}
events:
  ask:
    by: [applicant]
    payload:
      email: {field: true, required: true}
      address: {field: email, description: Another one.}
      again: {type: email, same_as: email}
      town: {field: town, required: true}
      password: secret
      code: {type: secret, max_length: 8}
    checks: [password, first_code]
  look: {by: [clerk, boss]}
  late: {by: engine, auto: true}
  sent: {by: engine}
start:
  event: ask
  set: {email: event.email, town: event.town, asked_at: now, floor: 1, house: null}
states:
  open:
    initial: second
    paused_in: [inner]
    timers:
      - {name: late, after: 2bd, event: late}
      - {name: very_late, after: P1DT2H, event: late, since: sent}
    transitions:
      - {event: late, target: closed}
    states:
      first:
        transitions: [{event: look, target: open.second}]
      second:
        tally: [look]
        timers: [{name: soon, after: 16bh, event: late}]
        transitions:
          - event: look
            guard: ["count.look > 1", {when: "has.email", code: no_address, message: An address is needed., needed: an address}]
            quorum: {need: 2, role: boss}
            target: outer
          - {event: look, target: first, reenter: true}
      outer:
        states:
          inner:
            waits_forever: It can.
            entry: [{mail: welcome, to: applicant, done: sent, with: {day: 1}}, {provision: room, to: office}]
            transitions: [{event: look, target: open}]
  closed: {outcome: failure}
"""


@pytest.fixture(scope="module")
def definition() -> Definition:
    """Read the sample."""
    found, findings = inspect(TEXT, known=KNOWN)
    assert [] == [finding.render() for finding in findings]
    assert found is not None
    return found


def test_states_have_paths_in_declaration_order(definition: Definition):
    """A state's id is its dotted path; the root comes first and has none."""
    assert ["", "open", "open.first", "open.second", "open.outer", "open.outer.inner", "closed"] == list(definition.states)
    assert "open.outer" == definition.states["open.outer.inner"].parent
    assert ROOT == definition.states["open"].parent
    assert definition.states[ROOT].parent is None
    assert ("open", "closed") == definition.states[ROOT].children


def test_targets_are_leaves_and_may_be_named_by_path_or_name(definition: Definition):
    """A compound target is resolved to its initial leaf; what was written is kept."""
    by_path = definition.states["open.first"].transitions[0]
    by_name = definition.states["open.second"].transitions[0]
    back = definition.states["open.outer.inner"].transitions[0]

    assert ("open.second", "open.second") == (by_path.target, by_path.declared_target)
    assert ("open.outer.inner", "open.outer") == (by_name.target, by_name.declared_target)
    assert ("open.second", "open") == (back.target, back.declared_target)
    assert definition.states["open.second"].transitions[1].is_reentering


def test_the_start_enters_the_initial_leaf(definition: Definition):
    """Without a target the start enters the first state, and in it the initial one."""
    assert ("open.second", "open") == (definition.start.target, definition.start.declared_target)
    assert "open.second" == definition.states["open"].initial
    assert "open" == definition.states[ROOT].initial
    assert "open.outer.inner" == definition.states["open.outer"].initial


def test_timers_are_numbered_over_the_whole_document(definition: Definition):
    """Ties on equal instants are broken by declaration order; a timer's key is its state and its name."""
    timers = [timer for state in definition.states.values() for timer in state.timers]

    assert [("open.late", 0), ("open.very_late", 1), ("open.second.soon", 2)] == [(timer.key, timer.index) for timer in timers]
    assert (
        TimerType(
            key="open.very_late",
            name="very_late",
            state="open",
            after=Unit(kind="elapsed", amount=93_600, text="P1DT2H"),
            event="late",
            since="sent",
            index=1,
        )
        == timers[1]
    )
    assert frozenset({"open.outer.inner"}) == definition.states["open"].paused_in


def test_guards_are_expressions_with_reasons(definition: Definition):
    """A guard is CEL, alone or with what to say when it is false."""
    transition = definition.states["open.second"].transitions[0]

    assert (
        Rule(source="count.look > 1"),
        Rule(source="has.email", code="no_address", message="An address is needed.", needed="an address"),
    ) == transition.guards
    assert Quorum(need=2, is_distinct=True, role="boss") == transition.quorum


def test_assignments_copy_compute_or_clear(definition: Definition):
    """`event.NAME` copies, null clears, everything else is CEL; a mapping has no order."""
    assert (
        Assignment(field="asked_at", source="now"),
        Assignment(field="email", copy_of="email"),
        Assignment(field="floor", source="1"),
        Assignment(field="house", is_cleared=True),
        Assignment(field="town", copy_of="town"),
    ) == definition.start.assignments


def test_text_is_personal_unless_it_says_why_not(definition: Definition):
    """Text-like types are personal by default, others are not."""
    assert ["email", "house"] == [name for name, field in definition.fields.items() if field.is_personal]
    assert "A place." == definition.fields[FieldName("town")].because


def test_a_payload_value_takes_the_specification_of_a_field(definition: Definition):
    """`field: true` takes the field of the same name, `field: NAME` that one; the entry adds what is its own."""
    payload = definition.events["ask"].payload

    assert (FieldType.EMAIL, True, True) == (payload["email"].type, payload["email"].is_personal, payload["email"].is_required)
    assert ("address", FieldType.EMAIL, False, "Another one.") == (
        payload["address"].name,
        payload["address"].type,
        payload["address"].is_required,
        payload["address"].description,
    )
    assert definition.fields["town"].catalogue == payload["town"].catalogue
    assert "email" == payload["again"].same_as
    assert payload["password"].is_secret
    assert not payload["password"].is_personal


def test_catalogue_rules_know_the_sets_of_the_fields_they_name(definition: Definition):
    """A `listed_in` rule carries the set from which the other field chooses."""
    assert (
        CatalogueRule(set_name="houses", field_sets={"town": "towns"}, matches={"town": "town"}, listed_in=("town", "houses"))
        == definition.fields["house"].catalogue
    )


def test_a_check_is_named_after_its_kind_unless_it_says_otherwise(definition: Definition):
    """The short form `phone: {}` means `use: phone`."""
    assert CheckUse(name="password", use="password") == definition.checks["password"]
    assert CheckUse(name="first_code", use="code", params={"digits": 6}) == definition.checks["first_code"]


def test_the_subject_has_a_role_of_its_own(definition: Definition):
    """It is declared implicitly, and an action to it is an action to the subject."""
    mail, room = definition.states["open.outer.inner"].entry

    assert definition.roles["applicant"].is_subject
    assert "town" == definition.roles["clerk"].scope
    assert ("subject", "sent", {"day": 1}) == (mail.to, mail.done, mail.params)
    assert ("provision", "room", "office") == (room.kind, room.name, room.to)


def test_engine_events_are_marked(definition: Definition):
    """`by: engine` is nobody's role; `auto: true` allows the engine to decide."""
    assert ((), True, True) == (definition.events["late"].by, definition.events["late"].is_engine, definition.events["late"].is_automatic)
    assert not definition.events["look"].is_engine


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("PT1S", "elapsed", 1),
        ("PT5M", "elapsed", 300),
        ("PT90M", "elapsed", 5_400),
        ("P1D", "elapsed", 86_400),
        ("P2W", "elapsed", 1_209_600),
        ("P1DT2H3M4S", "elapsed", 93_784),
        ("2bd", "working_days", 2),
        ("16bh", "working_time", 57_600),
    ],
)
def test_durations_say_what_they_are(text: str, kind: str, amount: int):
    """Elapsed time in ISO 8601, working days, working time."""
    assert Unit(kind=kind, amount=amount, text=text) == read_duration(text)  # type: ignore[arg-type]  # one of three literals


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "5M", "PT5", "P1M", "P1Y", "PT1.5H", "-PT5M", "2 bd", "bd", "2BD", "P٣D"])
def test_what_is_no_duration_is_none(text: str):
    """Months, years, fractions and signs have no meaning here."""
    assert read_duration(text) is None
    assert not is_duration(text) or text == "P٣D"


@pytest.mark.parametrize("text", ["PT0S", "0bd", "0bh", "P3661D", "3661bd", "99999999999999999999bd", "PT" + "9" * 5_000 + "S"])
def test_a_wait_is_at_least_a_second_and_at_most_ten_years(text: str):
    """Nothing and eternity cannot be waited for."""
    assert is_duration(text)
    assert read_duration(text) is None


def test_findings_are_bounded_and_keep_their_errors():
    """After two hundred the rest is counted; errors are kept before warnings."""
    findings = Findings(file="f")
    for line in range(MAX_FINDINGS):
        findings.warn((line + 1, 1), "a-warning", "Something.")
    findings.note((999, 1), "an-error", "Something worse.")

    found = findings.in_order()
    assert MAX_FINDINGS + 1 == len(found)
    assert "too-many-findings" == found[0].code
    assert "an-error" in {finding.code for finding in found}
    assert findings.has_errors
    assert frozenset({"an-error"}) == findings.codes


def test_hints_are_bounded():
    """Comparing names costs time: after fifty mistakes no more names are proposed, and the mistakes are told all the same."""
    findings = Findings(file="f")
    assert [" Did you mean 'clerk'?"] * 50 == [findings.hint("clrek", ["clerk"]) for _ in range(50)]
    assert "" == findings.hint("clrek", ["clerk"])


def test_the_same_finding_counts_once():
    """Two rules that notice one thing say it once."""
    findings = Findings(file="f")
    findings.note((1, 1), "code", "Message.")
    findings.note((1, 1), "code", "Message.")

    assert 1 == len(findings.in_order())


def test_absurd_names_are_shortened():
    """A name of a megabyte does not fill the terminal."""
    assert len(quote("x" * 1_000_000)) < 80
    with pytest.raises(Exception, match="finding") as caught:
        load(TEXT.replace("event: look, target: first", f"event: {'x' * 100_000}"), known=KNOWN)
    assert all(len(finding.message) < 400 for finding in caught.value.findings)  # type: ignore[attr-defined]  # a DefinitionError


def test_a_document_without_a_subject_is_told_so_and_read_on():
    """Who is onboarded must be said; the roles that are declared are known all the same, and only what is missing is told."""
    _, findings = inspect(TEXT.replace("subject: applicant\n", ""), known=KNOWN)
    assert ["A definition needs the key 'subject'"] == [one.message.partition(":")[0] for one in findings if one.code == "missing-key"]
    strangers = {one.message for one in findings if one.code == "unknown-role"}
    assert {"There is no role 'applicant'"} == {message.partition(".")[0] for message in strangers}


@pytest.mark.parametrize(
    ("retention", "code"),
    [("PT0S", "invalid-duration"), ("P9999D", "invalid-duration"), ("{failure: P1D, neutral: PT0S}", "invalid-duration"), ("P30D", None)],
)
def test_a_retention_lasts_a_second_to_ten_years(retention: str, code: str | None):
    """What is kept for no time, or longer than anybody may promise, is a mistake; for each outcome as for all of them."""
    _, findings = inspect(f"{TEXT}retention: {retention}\n", known=KNOWN)
    assert ([code] if code else []) == [one.code for one in findings if "retention" in one.message]


@pytest.mark.parametrize("section", ["roles", "fields", "checks", "events"])
def test_more_names_than_anybody_needs_are_refused_before_they_are_compared(section: str):
    """A section of thousands of names is refused by its count, and nothing else is said about it."""
    names = "".join(f"  x{number}: {{}}\n" for number in range(MAX_NAMES + 1))
    definition, findings = inspect(f"definition: d\nlanguage: 1\nsubject: s\nstates: {{a: {{}}}}\n{section}:\n{names}", known=KNOWN)
    assert definition is None
    assert [f"There are {MAX_NAMES + 1} {section}; at most {MAX_NAMES} are allowed."] == [
        one.message for one in findings if one.code == "too-many"
    ]
