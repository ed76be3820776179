"""The reference definition `cpms-access` says what the reference journey demands, and can be walked from end to end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from workflow.actions import SPECS as ACTIONS
from workflow.actions.registry import PACKAGE_TEMPLATES
from workflow.checks.specs import SPECS as CHECKS
from workflow.load import inspect, load, load_data, read_calendar, read_catalogue
from workflow.states.definition import ROOT, ActionUse, Definition, EventName, RoleName, StatePath, TimerKey
from workflow.states.effects import Effect
from workflow.states.graph import dot, mermaid, svg
from workflow.states.instance import Actor, Event, InstanceId, Situation
from workflow.states.known import Known
from workflow.states.machine import Table
from workflow.states.making import World
from workflow.states.step import begin, decide, permit, report, settle
from workflow.states.verdict import Refused, Step

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "definitions" / "cpms-access.yaml"
KNOWN = Known(checks=CHECKS, actions=ACTIONS)
MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)

CALENDAR = read_calendar(REPOSITORY / "definitions" / "calendars" / "ern-office.yaml")
CATALOGUE = read_catalogue(REPOSITORY / "definitions" / "catalogues" / "ern.yaml")
AREAS = CATALOGUE.sets["thematic_areas"]
SUBJECT, TEAM, OTHER_TEAM = Actor.of("subject"), Actor.of("team", "network_team:ERKNet"), Actor.of("eye", "network_team:EYE")
DESK, LEAD, PHONE = Actor.of("desk", "helpdesk"), Actor.of("lead", "centre_lead:erknet-be-sample"), Actor.of("phone")
REGISTRATION = {
    "first_name": "Ada",
    "last_name": "Sample",
    "email": "ada@hospital.example",
    "email_confirm": "ada@hospital.example",
    "language": "fr",
    "privacy_accepted": True,
    "username": "n00ccgbd",
}
ORGANISATION = {"network": "ERKNet", "country": "BE", "centre": "erknet-be-sample"}
PREFERENCES = {
    "cpms_role": next(iter(CATALOGUE.sets["cpms_roles"])),
    "thematic_area": next(key for key, area in AREAS.items() if area["network"] == "ERKNet"),
}
SECRETS = {"token": "t", "password": "p", "password_confirm": "p"}


@pytest.fixture(scope="module")
def definition() -> Definition:
    """The reference definition, without a single fault."""
    return load(SOURCE, known=KNOWN)


@pytest.fixture(scope="module")
def world(definition: Definition) -> World:
    """What deciding needs."""
    return World(table=Table(definition, KNOWN), calendar=CALENDAR, catalogue=CATALOGUE)


def test_the_reference_definition_has_no_finding() -> None:
    """The document is faultless, warnings included."""
    _, findings = inspect(SOURCE, known=KNOWN)
    assert findings == ()


def test_the_states_of_the_journey_have_their_names(definition: Definition) -> None:
    """The six states of the way and the side states stand at the top, by the names of the journey."""
    way = ["registered", "password_set", "mfa_enrolled", "requested", "approved", "preferences_set"]
    top = definition.states[ROOT].children
    assert [path for path in top if path in way] == way
    assert {"link_expired", "rejected", "withdrawn", "abandoned"} <= set(top)
    assert definition.states[ROOT].initial == "registered"
    assert definition.states[StatePath("preferences_set")].outcome == "success"


def test_the_policy_has_at_least_twenty_properties(definition: Definition) -> None:
    """The policy block names what must hold in every run, of every kind the language has."""
    assert len(definition.policy) >= 20
    assert {one.kind for one in definition.policy} == {"never", "always", "requires", "field", "cel"}


def test_the_text_is_short_enough_to_be_read() -> None:
    """The process fits on a few pages; beside it stands one line for each property, as many as mutants needed to be noticed."""
    process, policy = SOURCE.read_text(encoding="utf-8").split("\npolicy:\n")
    assert len(process.splitlines()) < 660
    assert len(policy.splitlines()) < 220


def test_the_semantic_digest_does_not_depend_on_layout(definition: Definition) -> None:
    """Comments and titles do not count; meaning does."""
    text = SOURCE.read_text(encoding="utf-8")
    commented = load("# another comment\n" + text.replace("title: Access to CPMS", "title: Another title"), known=KNOWN)
    shifted = load(text.replace("ttl: PT5M}\n  # The named", "ttl: PT4M}\n  # The named"), known=KNOWN)
    assert commented.digest == definition.digest
    assert commented.text_digest != definition.text_digest
    assert shifted.digest != definition.digest


def test_the_definition_survives_its_plain_data(definition: Definition) -> None:
    """What the store keeps parses to an equal definition."""
    again = load_data(json.loads(json.dumps(definition.data)), known=KNOWN)
    assert again.digest == definition.digest
    assert again.states == definition.states


def _actions(definition: Definition) -> Iterator[ActionUse]:
    for state in definition.states.values():
        yield from (*state.entry, *state.exit)
        yield from (use for transition in state.transitions for use in transition.actions)


def test_every_message_has_a_template_in_three_languages(definition: Definition) -> None:
    """Each mail exists as subject, text and HTML, each text message as text, in English, French and German."""
    missing = []
    for use in _actions(definition):
        for language in ("en", "fr", "de"):
            match use.kind:
                case "mail" | "alert":
                    names = [f"{language}/{use.name}{suffix}" for suffix in (".subject.txt", ".txt", ".html")]
                case "sms":
                    names = [f"sms/{language}/{use.name}.txt"]
                case _:
                    names = []
            missing += [name for name in names if not (PACKAGE_TEMPLATES / name).is_file()]
    assert sorted(set(missing)) == []


def test_everything_the_definition_chooses_from_is_published(definition: Definition) -> None:
    """The calendar and the catalogue are those that the definition names, with every set and every attribute it relies on."""
    assert (definition.calendar, definition.catalogue) == (CALENDAR.name, CATALOGUE.name)
    for field in definition.fields.values():
        if (rule := field.catalogue) is not None:
            items = CATALOGUE.sets[rule.set_name]
            assert [key for key, item in items.items() if not set(rule.matches) <= set(item)] == []
    assert len(CATALOGUE.sets["networks"]) == 24
    assert {"HP", "GUEST"} <= set(CATALOGUE.sets["profiles"])


def test_every_mail_that_the_journey_names_is_sent(definition: Definition) -> None:
    """The journey's list of mails and messages is complete."""
    sent = {(use.kind, use.name) for use in _actions(definition)}
    mails = {"password_link", "registered_again", "device_confirmed", "request_received", "approver_reminder", "escalation"}
    mails |= {"information_wanted", "rejected", "approved", "factor_removed"}
    assert {("mail", name) for name in mails} | {("sms", "challenge")} <= sent


def test_no_clock_ever_gives_access(definition: Definition) -> None:
    """No event of a timer leads to the approval or past it, and no event is decided automatically."""
    rung_events = {timer.event for state in definition.states.values() for timer in state.timers}
    ends = {t.target for state in definition.states.values() for t in state.transitions if t.event in rung_events}
    assert not ends & {"requested.awaiting_account", "approved", "preferences_set"}
    assert not [event for event in definition.events.values() if event.is_automatic]


def test_every_secret_is_a_secret_and_every_name_is_personal(definition: Definition) -> None:
    """Passwords, codes, PINs and tokens never leave the checks; names and addresses can be erased."""
    secret = {name for event in definition.events.values() for name, field in event.payload.items() if field.is_secret}
    assert {"password", "password_confirm", "new_password", "token", "code", "pin", "pin_confirm", "answer", "initialise"} <= secret
    personal = {name for name, field in definition.fields.items() if field.is_personal}
    assert personal == {"email", "username", "first_name", "last_name", "comments", "question", "answer", "reason"}


def test_pictures_of_the_reference_definition_can_be_drawn(definition: Definition) -> None:
    """All three kinds of picture name every leaf state."""
    leaf_names = [state.name for state in definition.leaves()]
    for picture in (mermaid(definition), dot(definition), svg(definition, StatePath("requested.awaiting_approval"))):
        assert [name for name in leaf_names if name not in picture] == []


@dataclass(slots=True)
class Walk:
    """One onboarding, decided purely: what happened, and what would be sent."""

    world: World
    now: datetime
    situation: Situation
    effects: list[Effect]
    told_count: int = 0

    @classmethod
    def start(cls, world: World, *, at: datetime = MONDAY) -> Walk:
        """Register."""
        nobody = Actor.of("browser")
        event = Event(name=EventName("register"), actor=nobody, payload=REGISTRATION)
        permitted = permit(world, None, event, subject=SUBJECT.id, delegations=(), holders=lambda *_: (), now=at)
        assert not isinstance(permitted, Refused), permitted
        step = begin(world, permitted, {}, instance_id=InstanceId("i1"), subject=SUBJECT.id, now=at)
        assert isinstance(step, Step)
        return cls(world, at, step.after, list(step.effects))

    @property
    def state(self) -> str:
        """Where it is."""
        return self.situation.instance.state

    def wait(self, **duration: float) -> Walk:
        """Let time pass; deadlines fire."""
        self.now += timedelta(**duration)
        for step in settle(self.world, self.situation, now=self.now):
            self.situation = step.after
            self.effects += step.effects
        return self

    def report(self, kind: str, *, ok: bool = True) -> Walk:
        """Perform the newest effect of a kind and report it."""
        effect = next(one for one in reversed(self.effects) if one.kind == kind and one.done)
        name = effect.done if ok else effect.failed
        step = report(self.world, self.situation, effect, EventName(str(name)), performed_at=self.now, now=self.now)
        self.situation = step.after
        self.effects += step.effects
        return self

    def refusal(
        self, event: str, actor: Actor = SUBJECT, /, *, facts: Mapping[str, object] = MappingProxyType({}), **payload: object
    ) -> set[str]:
        """Give the codes by which an event is refused, nothing when it is accepted (and it is then done)."""
        made = Event(name=EventName(event), actor=actor, payload=payload)
        subject = self.situation.instance.subject
        permitted = permit(self.world, self.situation, made, subject=subject, delegations=(), holders=lambda *_: (), now=self.now)
        if isinstance(permitted, Refused):
            return {reason.code for reason in permitted.reasons}
        found = {**self._good_facts(event), **facts}
        step = decide(self.world, self.situation, permitted, found, delegations=(), now=self.now)
        if isinstance(step, Refused):
            return {reason.code for reason in step.reasons}
        self.situation = step.after
        self.effects += step.effects
        return set()

    def do(self, event: str, actor: Actor = SUBJECT, /, **given: object) -> Walk:
        """Fire an event that must be accepted."""
        assert self.refusal(event, actor, **given) == set()
        return self

    def sent(self, kind: str = "mail") -> list[tuple[str, str]]:
        """Give (name, reader) of what was sent since the last question."""
        found = [(one.name, one.to) for one in self.effects[self.told_count :] if one.kind == kind]
        self.told_count = len(self.effects)
        return found

    def _good_facts(self, event: str) -> dict[str, object]:
        definition = self.world.definition
        uses = [definition.checks[name] for name in definition.events[EventName(event)].checks]
        good = {"bool": True, "int": 1, "string": ""}
        bad_leaves = {"locked", "limited", "expired"}
        facts = {
            f"{use.name}.{leaf}": False if leaf in bad_leaves else good[type_]
            for use in uses
            for leaf, type_ in CHECKS[use.use].facts.items()
        }
        return {**facts, **({"centre_leads.found": False} if "centre_leads.found" in facts else {})}


@pytest.fixture
def walk(world: World) -> Walk:
    """Somebody has registered."""
    return Walk.start(world)


@pytest.fixture
def enrolled(walk: Walk) -> Walk:
    """Somebody has set a password, enrolled an authenticator app, and signed in with both."""
    walk.report("mail").do("set_password", Actor.of("browser"), **SECRETS).do("sign_in", Actor.of("browser"), password="p")
    walk.do("add_authenticator").do("confirm_authenticator", code="1")
    return walk.do("sign_in_two_factor", Actor.of("browser"), password="p", method="totp", code="1")


@pytest.fixture
def submitted(enrolled: Walk) -> Walk:
    """Somebody has submitted a request."""
    return _submit(enrolled)


def _submit(walk: Walk, *, facts: Mapping[str, object] = MappingProxyType({}), profile: str = "HP") -> Walk:
    walk.do("begin_request").do("choose_application", application="CPMS")
    walk.do("choose_organisation", **ORGANISATION).do("choose_profiles", profiles=[profile])
    return walk.do("submit_request", comments="please", facts=facts)


def test_the_whole_way_can_be_walked(submitted: Walk) -> None:
    """From the registration to the saved preferences."""
    walk = submitted
    walk.do("approve", TEAM, rationale="known").do("create_account", DESK, rationale="done")
    assert walk.state == "requested.creating_account"
    walk.report("provision")
    assert walk.state == "approved"
    assert ("approved", "subject") in walk.sent()
    walk.do("update_preferences", **PREFERENCES)
    assert (walk.state, walk.situation.instance.outcome) == ("preferences_set", "success")


def test_the_link_lives_five_minutes_from_the_sending(walk: Walk) -> None:
    """However late the mail was sent, it is alive until just before five minutes later, and dead at that instant."""
    walk.wait(minutes=20).report("mail").wait(minutes=5, seconds=-1)
    assert walk.state == "registered"
    assert walk.wait(seconds=1).state == "link_expired"
    walk.do("request_link", Actor.of("browser"), token="t", username="n00ccgbd")
    assert walk.state == "registered"
    assert walk.wait(minutes=6).state == "registered"


def test_a_mail_that_is_never_sent_is_noticed(walk: Walk) -> None:
    """After an hour without a sent mail the operators are told, once; a mail that was sent alarms nobody."""
    assert walk.wait(hours=1).sent("alert") == [("mail_trouble", "subject")]
    assert walk.wait(hours=10).sent("alert") == []


def test_sign_in_before_the_password_is_not_known_yet(walk: Walk) -> None:
    """The answer is "not known yet", never "unknown user"."""
    assert "not_known_yet" in walk.refusal("sign_in", Actor.of("browser"), password="p", facts={"password.ok": False})


def test_a_forgotten_registration_can_begin_again(walk: Walk) -> None:
    """The address is not lost for ever: registering once more sends a new link for the same onboarding."""
    walk.wait(days=31)
    assert walk.state == "abandoned"
    event = Event(name=EventName("registered_again"), actor=SUBJECT)
    assert walk.world.table.arrows(StatePath("abandoned"), event.name)[0].transition.target == "registered"


def test_each_way_to_a_second_factor_ends_enrolled(walk: Walk) -> None:
    """Phone, app and authenticator each count after one right answer, and only then."""
    walk.report("mail").do("set_password", Actor.of("browser"), **SECRETS)
    assert walk.refusal("add_phone", phone="+32 470 12 34 56") == {"sign_in_first"}
    walk.do("sign_in", Actor.of("browser"), password="p").do("add_phone", phone="+32 470 12 34 56")
    assert walk.refusal("confirm_phone", code="x", facts={"phone_confirm.ok": False}) == {"wrong_code"}
    assert walk.state == "password_set.phone_challenge"
    walk.do("add_device", device_name="mine", pin="1234", pin_confirm="1234")
    assert walk.state == "password_set.app_initialising"
    walk.do("initialise_device", PHONE, initialise="q", pin="1234").do("confirm_device", PHONE, answer="a")
    assert walk.state == "mfa_enrolled.enrolled"


def test_pages_can_only_be_taken_in_order(enrolled: Walk) -> None:
    """No page is skipped; going back asks again from there on."""
    enrolled.do("begin_request")
    assert enrolled.refusal("choose_profiles", profiles=["HP"]) >= {"wrong_state"}
    assert enrolled.refusal("submit_request") == {"wrong_state"}
    enrolled.do("choose_application", application="CPMS").do("go_back")
    assert enrolled.state == "mfa_enrolled.application"


def test_organisation_and_profiles_must_fit(enrolled: Walk) -> None:
    """Network, country and centre belong together; the centre offers the profile; a coordinator is a professional too."""
    enrolled.do("begin_request").do("choose_application", application="CPMS")
    assert enrolled.refusal("choose_organisation", **{**ORGANISATION, "centre": "eye-de-sample"}) == {"does_not_belong"}
    enrolled.do("choose_organisation", **{**ORGANISATION, "country": "DE", "centre": "erknet-de-sample"})
    assert enrolled.refusal("choose_profiles", profiles=["COORDINATOR"]) == {"needs_more"}
    assert enrolled.refusal("choose_profiles", profiles=["HP", "DISPATCHER"]) == {"not_offered"}


def test_a_request_needs_a_fresh_sign_in_with_two_factors(enrolled: Walk) -> None:
    """A quarter of an hour later it has to be repeated."""
    enrolled.wait(minutes=15)
    assert enrolled.refusal("begin_request") == {"fresh_sign_in"}


def test_a_second_request_is_refused(submitted: Walk) -> None:
    """While a request is under way, another is refused with a word that points to it."""
    assert submitted.refusal("begin_request") == {"request_under_way"}


def test_decisions_take_the_right_people(submitted: Walk) -> None:
    """The subject, another network's team, and whoever approved are refused."""
    selfish = Actor.of("subject", "network_team:ERKNet")
    assert submitted.refusal("approve", selfish, rationale="me") == {"own_request"}
    assert submitted.refusal("approve", OTHER_TEAM, rationale="ours") == {"role_missing"}
    assert submitted.refusal("reject", TEAM) == {"value_missing"}
    both = Actor.of("both", "network_team:ERKNet", "helpdesk")
    submitted.do("approve", both, rationale="known")
    assert submitted.refusal("create_account", both, rationale="me too") == {"two_stages"}


def test_the_ladder_reminds_whose_turn_it_is_and_runs_over_both_steps(submitted: Walk) -> None:
    """One working day reminds the team; approving re-arms nothing, so the breach comes two working days after the request."""
    submitted.sent()
    assert submitted.wait(days=1).sent() == [("approver_reminder", "network_team")]
    submitted.do("approve", TEAM, rationale="known")
    assert submitted.sent() == [("create_account", "helpdesk")]
    assert submitted.wait(days=1).sent() == [("escalation", "helpdesk")]
    assert submitted.state == "requested.awaiting_account"
    assert submitted.situation.instance.fields["is_escalated"] is True


def test_the_reminder_goes_to_the_help_desk_after_the_approval(submitted: Walk) -> None:
    """Whose turn it is, is reminded."""
    submitted.do("approve", TEAM, rationale="known").sent()
    assert submitted.wait(days=1).sent() == [("approver_reminder", "helpdesk")]


def test_the_clock_stands_still_while_information_is_wanted(submitted: Walk) -> None:
    """Waiting for the applicant costs the office nothing."""
    submitted.do("ask_information", TEAM, question="Which ward?").sent()
    breach = TimerKey("requested.breach")
    assert next(timer for timer in submitted.situation.timers if timer.key == breach).due_at is None
    assert submitted.wait(days=10).sent() == []
    submitted.do("give_information", answer="Ward 3")
    assert submitted.state == "requested.awaiting_approval"
    assert submitted.wait(days=1).sent() == [("information_given", "network_team"), ("approver_reminder", "network_team")]


def test_no_approver_holds_the_request(enrolled: Walk) -> None:
    """It is held and the operators are told; it goes on when somebody is found."""
    _submit(enrolled, facts={"approvers.found": False})
    assert enrolled.state == "requested.held"
    assert enrolled.sent("alert") == [("no_approver", "subject")]
    assert enrolled.refusal("resume_held", DESK, facts={"approvers.found": False}) == {"no_approver"}
    assert enrolled.do("resume_held", DESK).state == "requested.awaiting_approval"


def test_a_centre_with_a_lead_is_asked_first(enrolled: Walk) -> None:
    """The chain of approvers is data; one person does not fill two places in it."""
    _submit(enrolled, facts={"centre_leads.found": True})
    enrolled.do("endorse", LEAD, rationale="works here")
    lead_and_team = Actor.of("lead", "network_team:ERKNet")
    assert enrolled.refusal("approve", lead_and_team, rationale="again") == {"two_stages"}
    assert enrolled.do("approve", TEAM, rationale="known").state == "requested.awaiting_account"


def test_a_failed_account_is_retried(submitted: Walk) -> None:
    """The operators are told; an hour later, or when the help desk says so, it is tried again."""
    submitted.do("approve", TEAM, rationale="known").do("create_account", DESK, rationale="done").report("provision", ok=False)
    assert submitted.state == "requested.account_trouble"
    assert submitted.sent("alert") == [("account_failed", "subject")]
    assert submitted.wait(hours=1).state == "requested.creating_account"
    submitted.report("provision", ok=False).do("retry_account", DESK).report("provision")
    assert submitted.state == "approved"


def test_a_request_can_be_made_again(submitted: Walk) -> None:
    """After a rejection or a withdrawal the four pages are filled in once more."""
    submitted.do("reject", TEAM, rationale="unknown")
    assert (submitted.state, submitted.situation.instance.outcome) == ("rejected", "failure")
    submitted.do("request_again")
    assert (submitted.state, submitted.situation.instance.outcome) == ("mfa_enrolled.application", None)


def test_a_guest_account_closes_after_ninety_days_unless_extended(enrolled: Walk) -> None:
    """The ninety days run from the account, also after the outcome; an extension starts them anew; a member has no end."""
    _submit(enrolled, profile="GUEST").do("approve", TEAM, rationale="known").do("create_account", DESK, rationale="done")
    enrolled.report("provision").do("update_preferences", **PREFERENCES).sent()
    assert enrolled.wait(days=76).sent() == [("guest_expiring", "subject")]
    enrolled.do("extend_guest", TEAM, rationale="stays").report("provision")
    assert enrolled.wait(days=89).state == "preferences_set"
    assert enrolled.wait(days=1).state == "closed"


def test_a_member_account_does_not_close(submitted: Walk) -> None:
    """Only guests have an end."""
    submitted.do("approve", TEAM, rationale="known").do("create_account", DESK, rationale="done").report("provision")
    foreign = next(key for key, area in AREAS.items() if area["network"] != "ERKNet")
    assert submitted.refusal("update_preferences", **{**PREFERENCES, "thematic_area": foreign}) == {"does_not_belong"}
    submitted.do("update_preferences", **PREFERENCES)
    assert submitted.wait(days=200).state == "preferences_set"


def test_retired_text_messages_lock_nobody_out(walk: Walk) -> None:
    """Who has only text messages can still sign in, for nothing but enrolling another factor."""
    walk.report("mail").do("set_password", Actor.of("browser"), **SECRETS).do("sign_in", Actor.of("browser"), password="p")
    walk.do("add_phone", phone="+32 470 12 34 56").do("confirm_phone", code="1").do("retire_sms", DESK)
    walk.do("sign_in_two_factor", Actor.of("browser"), password="p", method="sms", code="1")
    assert walk.refusal("begin_request") == {"fresh_sign_in"}
    walk.do("add_authenticator").do("confirm_authenticator", code="1")
    walk.do("sign_in_two_factor", Actor.of("browser"), password="p", method="totp", code="2").do("begin_request")
    assert walk.state == "mfa_enrolled.application"


def test_retiring_text_messages_moves_people_under_way(walk: Walk) -> None:
    """Who is just typing a challenge code is brought back to the choice, and offered the other methods."""
    walk.report("mail").do("set_password", Actor.of("browser"), **SECRETS).do("sign_in", Actor.of("browser"), password="p")
    walk.do("add_phone", phone="+32 470 12 34 56").do("retire_sms", DESK)
    assert walk.state == "password_set.choosing_method"
    assert walk.refusal("add_phone", phone="+32 470 12 34 56") == {"sms_retired"}


def test_the_lost_phone_reset_is_off(enrolled: Walk) -> None:
    """Nothing switches it on; both of its events are refused."""
    assert enrolled.refusal("report_lost_phone", DESK, rationale="lost") == {"lost_phone_reset_off"}
    assert "lost_phone_reset_off" in enrolled.refusal("reset_lost_phone", DESK, rationale="lost")


def test_a_factor_is_changed_only_after_a_fresh_sign_in_with_one(enrolled: Walk) -> None:
    """Removing and adding need a sign-in of the last quarter of an hour; the owner is told by mail."""
    enrolled.wait(minutes=15).sent()
    assert enrolled.refusal("remove_device") == {"fresh_sign_in"}
    assert enrolled.refusal("add_device", device_name="new", pin="1234", pin_confirm="1234") == {"fresh_sign_in"}
    enrolled.do("sign_in_two_factor", Actor.of("browser"), password="p", method="totp", code="3").do("remove_device")
    assert enrolled.sent() == [("factor_removed", "subject")]
    assert enrolled.do("add_device", device_name="new", pin="1234", pin_confirm="1234").state == "mfa_enrolled.enrolled"


def test_roles_with_a_scope_are_held_for_the_network_or_the_centre(definition: Definition) -> None:
    """A team decides for its own network only, a lead for the own centre only."""
    scopes = {name: role.scope for name, role in definition.roles.items() if role.scope}
    assert scopes == {RoleName("network_team"): "network", RoleName("centre_lead"): "centre"}
