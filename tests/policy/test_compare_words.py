"""What a comparison says of roles, values, checks, deadlines, effects and properties: each in its sentence, with the way it goes."""

from __future__ import annotations

import pytest

from workflow import load
from workflow.bootstrap import known
from workflow.policy.changes import Side
from workflow.policy.compare import compare
from workflow.states.findings import Findings
from workflow.states.parse import parse

VISAS = """\
definition: visas
language: 1
calendar: ern-office
catalogue: ern
subject: traveller
retention: {failure: P90D}
roles:
  officer: {scope: office}
  consul: {}
  passer_by: {anyone: true, because: They come from the street.}
fields:
  office: {type: choice, values: [paris, rome]}
  days: {type: integer, min: 1, max: 90}
  note: {type: text}
  email: {type: email, unique: {on_conflict: known_already}}
  country: {type: string, personal: false, because: Names nobody., catalogue: networks}
  mark: {type: string, personal: false, because: Names nobody., default: none}
  seen_at: instant
checks:
  proof: {use: link, purpose: visa, since: mailed, ttl: PT5M}
  phone: {}
events:
  ask:
    by: [traveller]
    payload:
      days: {field: true, required: true}
      note: {type: text}
      pin: {type: secret}
      again: {type: string, same_as: note}
      agreed: {type: boolean, must_be: true}
      towns: {type: string, many: true, personal: false, because: Names nobody.}
      old: {type: date}
  look: {by: [officer]}
  grant: {by: [consul], decision: granting}
  deny: {by: [consul], decision: denying, may_also_decide: [granting]}
  prove: {by: [passer_by], checks: [proof, phone]}
  mailed: {by: engine}
  missed: {by: engine}
  known_already: {by: engine}
  lapse: {by: engine, auto: true}
start: {event: ask, set: {days: event.days}}
states:
  asked:
    entry: [{mail: request_received, link: visa, done: mailed, failed: missed}, {push: told}]
    exit: [{mail: bye}]
    tally: [look]
    timers:
      - {name: late, after: 2bd, event: lapse}
      - {name: lost, after: P30D, event: lapse, since: mailed}
    transitions:
      - {event: lapse, target: denied}
      - {event: known_already}
      - {event: look, guard: [{when: count.look < 5, code: enough, message: No more.}, has.note], actions: [{alert: looked}]}
      - {event: prove, guard: facts.proof.valid, set: {seen_at: now}, reenter: true, target: asked}
      - {event: grant, quorum: {need: 2, role: consul}, target: granted}
      - {event: deny, target: denied}
      - {event: mailed}
  granted: {outcome: success}
  denied: {outcome: failure, entry: [{mail: rejected, with: {tone: cold}}]}
policy:
  - {name: looks are few, never: {event: look, more_than: 5}}
  - {name: an answer in time, always: {state: asked, leads_to: [granted, denied], within: 2bd, clock: asked.late}}
  - {name: a link dies, never: {event: prove, later_than: PT5M, since: mailed}}
"""


def side(text: str, name: str) -> Side:
    """A version as it is read, without the judgement that would refuse some of these."""
    findings = Findings(file=name)
    parsed = parse(load.compose(text.encode(), file=name), known=known(), findings=findings)
    assert parsed is not None
    assert not findings.has_errors, [finding.render() for finding in findings.in_order()]
    return Side(file=name, parsed=parsed)


OLD = side(VISAS, "old.yaml")


def edited(*changes: tuple[str, str]) -> Side:
    """The second version, which is the first with some text changed."""
    text = VISAS
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return side(text, "new.yaml")


def sentences(*changes: tuple[str, str]) -> dict[str, str]:
    """Every sentence of an edit, with the way it goes."""
    return {change.sentence: change.way.value for change in compare(OLD, edited(*changes), known()).changes}


# Every edit is read both ways: forth with the first way and sentence, back with the second; what opens one way shuts the other.
FORTH_AND_BACK = [
    (("consul: {}", "consul: {anyone: true, because: x}"), ("loosened", "consul needs no identity any more."), ("tightened", "consul needs an identity now.")),
    (("consul: {}", "consul: {scope: office}"), ("tightened", "is held for one office, it was for everything."), ("loosened", "is held for everything, it was for one office.")),
    (("{scope: office}", "{scope: country}"), ("other", "is held for one country, it was for one office."), ("other", "is held for one office, it was for one country.")),
    (("pin: {type: secret}", "pin: {type: text}"), ("loosened", "pin of ask is of type text, it was secret."), ("tightened", "pin of ask is of type secret, it was text.")),
    (("old: {type: date}", "old: {type: instant}"), ("other", "old of ask is of type instant, it was date."), ("other", "old of ask is of type date, it was instant.")),
    (("days: {type: integer, min: 1,", "days: {type: integer, min: 2,"), ("tightened", "The field days has the `min` 2, it was 1."), ("loosened", "The field days has the `min` 1, it was 2.")),
    (("max: 90}", "max: 91}"), ("loosened", "The field days has the `max` 91, it was 90."), ("tightened", "The field days has the `max` 90, it was 91.")),
    ((", max: 90}", "}"), ("loosened", "The field days has the `max` none, it was 90."), ("tightened", "The field days has the `max` 90, it was none.")),
    ((", same_as: note", ""), ("loosened", "again of ask has another `same_as`: none, it was note."), ("tightened", "`same_as`: note, it was none.")),
    ((", must_be: true", ""), ("loosened", "agreed of ask has another `must_be`: none, it was true."), ("tightened", "`must_be`: true, it was none.")),
    (("catalogue: networks", "catalogue: centres"), ("other", "The field country has another `catalogue`."), ("other", "another `catalogue`.")),
    (("default: none", "default: some"), ("other", "The field mark has another `default`: some, it was none."), ("other", "`default`: none, it was some.")),
    (("many: true, personal", "personal"), ("other", "towns of ask has another `many`: false, it was true."), ("other", "`many`: true, it was false.")),
    (("type: email, unique: {on_conflict: known_already}", "type: email, unique: {on_conflict: missed}"), ("other", "is unique: a second one fires missed."), ("other", "a second one fires known_already.")),
    (("use: link, purpose: visa", "use: link, purpose: permit"), ("other", "The check proof has `purpose` permit, it was visa."), ("other", "`purpose` visa, it was permit.")),
    (("ttl: PT5M", "ttl: PT4M"), ("tightened", "lives 4 minutes (`ttl`), it was 5 minutes."), ("loosened", "lives 5 minutes (`ttl`), it was 4 minutes.")),
    (("  lapse: {by: engine, auto: true}", "  lapse: {by: engine}"), ("tightened", "lapse is no decision of the engine any more."), ("loosened", "lapse is decided by the engine.")),
    (("look: {by: [officer]}", "look: {by: engine}"), ("tightened", "look is fired by the engine alone now."), ("loosened", "look is fired by officer now.")),
    ((", may_also_decide: [granting]", ""), ("tightened", "Who did granting may no longer also do deny."), ("loosened", "Who did granting may also do deny.")),
    (("      old: {type: date}\n", ""), ("other", "ask takes no old any more."), ("other", "ask takes old now.")),
    (("      agreed: {type: boolean, must_be: true}\n", ""), ("other", "ask takes no agreed any more."), ("tightened", "ask takes agreed now.")),
    (("old: {type: date}", "old: {type: date}\n      town: {type: string, required: true}"), ("tightened", "ask needs town now."), ("other", "ask takes no town any more.")),
    (("checks: [proof, phone]", "checks: [proof]"), ("other", "prove is no longer checked by phone."), ("other", "prove is checked by phone now.")),
    (("checks: [proof, phone]", "checks: [phone, proof]"), ("other", "prove is checked in another order (phone, proof)"), ("other", "another order (proof, phone)")),
    (("retention: {failure: P90D}", "retention: {failure: P90D, success: P1D}"), ("other", "the outcome success personal values are kept 1 day, it was for ever."), ("other", "success personal values are kept for ever, it was 1 day.")),
    (("      - {name: late, after: 2bd, event: lapse}\n", ""), ("loosened", "The deadline asked.late (2 working days, then lapse) is gone."), ("tightened", "The deadline asked.late is new: lapse after 2 working days.")),
    (("after: 2bd, event: lapse", "after: 2bd, event: known_already"), ("other", "The deadline asked.late fires known_already, it fired lapse."), ("other", "asked.late fires lapse, it fired known_already.")),
    (("    tally: [look]\n", ""), ("other", "In asked, look is no longer counted."), ("other", "In asked, look is counted.")),
    ((", quorum: {need: 2, role: consul}", ""), ("loosened", "grant needs no second voice any more."), ("tightened", "grant must happen 2 times.")),
    (("need: 2, role: consul", "need: 2, distinct: false, role: consul"), ("loosened", "need not come from different people."), ("tightened", "grant must come from different people.")),
    (("need: 2, role: consul", "need: 2"), ("other", "counts voices of every role, it counted consul."), ("other", "counts voices of consul, it counted every role.")),
    (("reenter: true, target: asked", "target: asked"), ("other", "prove no longer begins its state anew."), ("other", "prove begins its state anew: deadlines and counts start again.")),
    (("set: {seen_at: now}, ", ""), ("other", "prove no longer sets seen_at."), ("other", "prove sets seen_at to `now`.")),
    (("set: {days: event.days}", "set: {days: event.days, note: event.note}"), ("other", "At the start, ask sets note to the value note."), ("other", "ask no longer sets note.")),
    (("with: {tone: cold}", "with: {tone: warm}"), ("other", "(tone=warm); it was mail rejected to subject (tone=cold)."), ("other", "(tone=cold); it was mail rejected to subject (tone=warm).")),
    ((", failed: missed}", "}"), ("other", "(link visa, done mailed); it was"), ("other", "(link visa, done mailed, failed missed); it was")),
    ((", {push: told}]", "]"), ("other", "When asked is entered, there is no push told to subject any more."), ("other", "When asked is entered, there is push told to subject now.")),
    (("    exit: [{mail: bye}]\n", ""), ("other", "When asked is left, there is no mail bye to subject any more."), ("other", "When asked is left, there is mail bye to subject now.")),
    (("target: granted}", "target: granted}\n      - {event: grant, target: denied}"), ("loosened", "In asked, grant leads to denied now."), ("other", "In asked, grant no longer leads to denied.")),
    (("      - {event: deny, target: denied}\n", ""), ("tightened", "In asked, deny no longer leads to denied."), ("loosened", "In asked, deny leads to denied now.")),
    (("      - {event: mailed}\n", ""), ("other", "In asked, mailed no longer is accepted and stays."), ("other", "In asked, mailed is accepted and stays now.")),
    (("code: enough, message", "code: too_many, message"), ("other", "does not hold: the code too_many, it was enough."), ("other", "the code enough, it was too_many.")),
    (("within: 2bd", "within: 3bd"), ("loosened", "“an answer in time” says now"), ("tightened", "“an answer in time” says now")),
    (("within: 2bd", "within: P3D"), ("other", "“an answer in time” says now"), ("other", "“an answer in time” says now")),
    (("later_than: PT5M", "later_than: PT9M"), ("loosened", "“a link dies” says now"), ("tightened", "“a link dies” says now")),
    (("later_than: PT5M, since: mailed", "later_than: PT9M, since: missed"), ("other", "“a link dies” says now"), ("other", "“a link dies” says now")),
    (("more_than: 5}}", "more_than: 5}, severity: warning}"), ("loosened", "A violation of “looks are few” is a warning only now."), ("tightened", "is an error now.")),
    (("  - {name: looks are few, never: {event: look, more_than: 5}}\n", ""), ("loosened", "The policy no longer demands “looks are few”"), ("tightened", "The policy demands “looks are few”")),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "forth", "back"), FORTH_AND_BACK, ids=[forth[1] for _, forth, _ in FORTH_AND_BACK])
def test_an_edit_and_its_undoing_are_both_said(edit: tuple[str, str], forth: tuple[str, str], back: tuple[str, str]) -> None:
    """One edit gives one sentence; undone it gives the opposite one, and what had loosened tightens."""
    new = edited(edit)
    for before, after, (way, sentence) in ((OLD, new, forth), (new, OLD, back)):
        changes = compare(before, after, known()).changes
        found = [change.way.value for change in changes if sentence in change.sentence]
        assert [way] == found, [change.sentence for change in changes]


def test_who_is_onboarded_may_become_another() -> None:
    """Another subject is told for both roles, and of the definition as a whole."""
    found = sentences(
        ("  officer: {scope: office}", "  traveller: {}"),
        ("subject: traveller", "subject: officer"),
    )
    assert {
        "Subject: officer, it was traveller.",
        "The role officer is that of the person being onboarded.",
        "The role traveller is no longer that of the person being onboarded.",
    } <= found.keys()


def test_a_duration_written_otherwise_is_the_same() -> None:
    """Five minutes are three hundred seconds; who reads the change of a check is not told of what is none."""
    assert {} == sentences(("ttl: PT5M", "ttl: PT300S"))


def test_another_kind_of_check_is_said_with_both() -> None:
    """A check that is of another kind has other parameters too; each of them is named."""
    found = sentences(("phone: {}", "phone: {use: password}"))
    assert "other" == found["The check phone is of the kind password, it was phone."]


def test_another_start_is_said() -> None:
    """The event with which an onboarding begins is a change of the start."""
    found = sentences(
        ("start: {event: ask, set: {days: event.days}}", "start: {event: look}"),
    )
    assert "other" == found["An onboarding starts with look, it started with ask."]


def test_a_state_that_moved_into_another_must_be_left_by_hand() -> None:
    """A state has its name still and another path: whoever rests there must be moved, and its deadlines have another owner."""
    found = sentences(("  granted: {outcome: success}\n", "  over:\n    states:\n      granted: {outcome: success}\n"))
    assert "other" == found["The state granted is over.granted now: an onboarding that rests there must be moved."]
    assert "other" == found["The state over is new."]


def test_effects_that_change_places_are_said_as_an_order() -> None:
    """The same effects one after the other otherwise are told once, and not as two that went and two that came."""
    first, second = "{mail: request_received, link: visa, done: mailed, failed: missed}", "{push: told}"
    assert {"When asked is entered, the effects come in another order.": "other"} == sentences(
        (f"[{first}, {second}]", f"[{second}, {first}]")
    )


def test_guards_that_change_places_give_their_reasons_otherwise() -> None:
    """The first guard that does not hold speaks first."""
    first, second = "{when: count.look < 5, code: enough, message: No more.}", "has.note"
    assert {"In asked, look gives its reasons in another order.": "other"} == sentences((f"[{first}, {second}]", f"[{second}, {first}]"))


def test_a_version_that_says_no_policy_is_placed_at_its_key() -> None:
    """Where a version has no list of properties, what is gone is placed in the old one and what is new in the new one."""
    without = side(VISAS[: VISAS.index("policy:")], "new.yaml")
    gone, back = (compare(*both, known()).changes for both in ((OLD, without), (without, OLD)))
    assert {"loosened": 3} == {way: [one.way.value for one in gone].count(way) for way in {one.way.value for one in gone}}
    assert [None] * 3 == [one.new for one in gone] == [one.old for one in back]
    lines = [VISAS[: VISAS.index(f"name: {name}")].count("\n") + 1 for name in ("looks are few", "an answer in time", "a link dies")]
    assert [f"old.yaml:{line}" for line in lines] == [one.old for one in gone] == [one.new for one in back]


def test_what_is_declared_no_more_and_what_is_new_has_one_place() -> None:
    """A role, a field and an event that go, and others that come: each is said once, with a place in its own version only."""
    new = edited(
        ("  consul: {}", "  consul: {}\n  guard: {}\n  porter: {}"),
        ("  seen_at: instant", "  seen_at: instant\n  rank: {type: integer}"),
    )
    come = {change.sentence: (change.old, change.new) for change in compare(OLD, new, known()).changes}
    gone = {change.sentence: (change.old, change.new) for change in compare(new, OLD, known()).changes}
    assert {f"The {what} is new." for what in ("role guard", "role porter", "field rank")} == come.keys()
    assert {f"There is no {what} any more." for what in ("role guard", "role porter", "field rank")} == gone.keys()
    assert all(old is None and str(at).startswith("new.yaml:") for old, at in come.values())
    assert all(at is None and str(old).startswith("new.yaml:") for old, at in gone.values())


def test_the_only_transition_of_an_event_is_compared_with_the_only_one() -> None:
    """One that leads elsewhere and asks for something else is still the same transition: both are said, and nothing came or went."""
    found = sentences(("{event: deny, target: denied}", "{event: deny, guard: has.note, target: granted}"))
    assert {"In asked, deny leads to granted, it led to denied.": "other", "In asked, deny asks for `has.note` too.": "tightened"} == found


@pytest.mark.parametrize(
    ("was", "now", "way"),
    [
        ("count.look < 5", "count.look < 4", "tightened"),
        ("count.look > 5", "count.look > 4", "loosened"),
        ("count.look < 5", "count.look <= 5", "other"),
        ("count.look < 5 && count.look > 1", "count.look < 6 && count.look > 2", "other"),
        ("now - instance.seen_at < duration('15m')", "now - instance.seen_at < duration('900s')", "other"),
        ("now - instance.seen_at < duration('15m')", "now - instance.seen_at < duration('1h')", "loosened"),
        ("'!(count.look < 5)'", "'!(count.look < 6)'", "other"),
    ],
)
def test_a_guard_is_looser_only_where_that_is_certain(was: str, now: str, way: str) -> None:
    """One limit that moved has a way; another sign, two limits, the same length or a negation has none."""
    one, other = (edited(("count.look < 5", text)) for text in (was, now))
    assert [way] == [change.way.value for change in compare(one, other, known()).changes if change.part == "guard"]


def test_a_list_is_shown_as_a_list() -> None:
    """A parameter of several values is written as people write it."""
    one, other = (edited(("phone: {}", f"phone: {{use: password, word_fields: [{names}]}}")) for names in ("note", "note, country"))
    assert ["The check phone has `word_fields` note, country, it was note."] == [c.sentence for c in compare(one, other, known()).changes]
