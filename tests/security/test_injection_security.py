"""Security rules 39 to 43 as the engine keeps them; each test is named after its number."""

from __future__ import annotations

import time

import pytest

from tests.support.onboarding import BASE_URL, TESS, VISITOR, refusal
from workflow.bootstrap import known
from workflow.errors import DefinitionError
from workflow.export.tables import neutral
from workflow.load import load
from workflow.states.guards import MAX_SOURCE_CHARACTERS

SMALL = """
definition: small
language: 1
subject: applicant
events: {{begin: {{by: [applicant]}}, finish: {{by: [applicant]}}}}
start: {{event: begin}}
states:
  open:
    waits_forever: A test.
    transitions: [{{event: finish, target: done, guard: "{guard}"}}]
  done: {{outcome: success}}
"""


def codes(text: str | bytes) -> set[str]:
    """Give the codes of what is wrong with a definition."""
    with pytest.raises(DefinitionError) as caught:
        load(text, known=known())
    return {finding.code for finding in caught.value.findings}


@pytest.mark.parametrize("character", ["\r", "\n", "\r\n", "\x00", "\x0b", "\x85"])
@pytest.mark.parametrize("field", ["first_name", "last_name", "email", "username"])
def test_rule_39_line_breaks_and_nul_never_reach_a_header(jane, field, character):
    """CR, LF and NUL are refused in whatever may stand in a header."""
    value = f"jane{character}Bcc: all@example.org" if field != "email" else f"jane@clinic.example{character}Bcc: all@example.org"
    jane.form[field] = value
    if field == "email":
        jane.form["email_confirm"] = value
    assert field in {reason.field for reason in refusal(jane.register).reasons}


@pytest.mark.parametrize("name", ["{{ 7 * 7 }}", "{% for x in range(9) %}x{% endfor %}", "{{ site.__class__ }}", "${7*7}", "<b>Jane</b>"])
def test_rule_40_what_people_write_is_data(house, name):
    """A template's language in a name, a comment or a rationale is not run, and HTML is escaped."""
    jane = house.person(first_name=name, last_name="Doe").requested()
    jane.fire("reject", TESS, rationale=f"{name} <img src=x onerror=alert(1)>")
    house.drain()
    assert name in jane.mail.text
    assert "<img" not in jane.mail.html
    assert "<b>Jane</b>" not in jane.mail.html
    assert not [mail for mail in house.box.to(jane.email) if "49" in mail.subject or "xxxxxxxxx" in mail.text]


def test_rule_40_a_name_like_an_advertisement_is_left_out_of_the_greeting(house):
    """Who registers a stranger's address cannot put an address of their choice into the mail."""
    jane = house.person(first_name="Win at evil.example/now", last_name="Click http://evil.example").registered()
    assert "evil.example" not in jane.mail.text + jane.mail.html
    assert all(link.startswith(BASE_URL) for link in jane.mail.links)


def test_rule_41_guards_definitions_and_documents_are_limited():
    """Long guards, deep and large documents, aliases, tags and other languages than CEL are refused, with a place."""
    assert codes(SMALL.format(guard="true || " * (MAX_SOURCE_CHARACTERS // 8 + 1) + "true"))
    assert codes(SMALL.format(guard="__import__('os').system('true')"))
    assert codes(SMALL.format(guard="().__class__.__bases__"))
    assert "too-deep" in codes("definition: small\nroles: " + "{a: " * 200 + "1" + "}" * 200)
    assert "document-too-large" in codes("#" * 1_100_000)
    assert codes("definition: &anchor small\ntitle: *anchor\n")
    assert codes("definition: !!python/object/apply:os.system ['true']\n")
    steps = zip("abcdefg", "bcdefgh", strict=True)
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{after}: &{after} [{','.join(['*' + before] * 9)}]\n" for before, after in steps)
    assert codes(bomb)


ODD = ["a" * 64 + "@" + "a." * 90, "@" * 254, ("a" * 60 + ".") * 4 + "@", "a@" + "-" * 250, "a@" + "a-" * 100 + "!"]


@pytest.mark.parametrize("value", ODD)
def test_rule_41_no_expression_backtracks(jane, value):
    """The longest odd addresses and numbers are judged in no time."""
    jane.form["email"] = jane.form["email_confirm"] = value
    started = time.process_time()
    refusal(jane.register)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\x00=1"])
def test_rule_42_no_cell_is_a_formula(cell):
    """What a spreadsheet would take for a formula gets an apostrophe in front; everything else stays as it is."""
    assert f"'{cell}" == neutral(cell)
    assert "a=1" == neutral("a=1")


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("sign_in", {"password": "x" * 1_025}),
        ("sign_in", {"password": "x" * 5_000_000}),
        ("sign_in", {"password": {"a": {"b": {"c": "d"}}}}),
        ("sign_in", {"password": ["x"] * 1_000}),
        ("sign_in", {"password": "x", **{f"more_{n}": "x" for n in range(1_000)}}),
        ("sign_in", {"password": "\ud800"}),
        ("sign_in_two_factor", {"password": "x", "method": "sms" * 1_000, "code": "1"}),
    ],
)
def test_rule_43_payloads_are_limited(jane, event, payload):
    """Too long, too many, nested or ill-formed: refused before any work is done, and the history does not grow by it."""
    jane.with_password()
    started = time.process_time()
    found = jane.refused(event, VISITOR, **payload)
    assert {"invalid_value", "unknown_value", "value_missing"} & set(found)
    assert time.process_time() - started < 2
    assert len(jane.house.engine.history(jane.id)[-1].canonical) < 100_000


def test_rule_43_texts_and_lists_are_limited(house, jane):
    """Comments have 4,000 characters at most, lists a hundred items."""
    jane.enrolled().sign_in_freshly()
    jane.fire("begin_request")
    jane.fire("choose_application", application="CPMS")
    jane.fire("choose_organisation", network="ERKNet", country="BE", centre="erknet-be-sample")
    assert "invalid_value" in jane.refused("choose_profiles", profiles=["HP"] * 101)
    jane.fire("choose_profiles", profiles=["HP"])
    assert "invalid_value" in jane.refused("submit_request", comments="x" * 4_001)
    jane.submit("x" * 4_000)
    assert "requested.awaiting_approval" == jane.state
