"""The shipped templates, and how they are found, filled and refused."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.briefings import JANE, LINK, briefing
from workflow.actions.registry import PACKAGE_TEMPLATES, SPECS, specs, template_names, text_message_names
from workflow.actions.render import Renderer, Site, greeting_name
from workflow.actions.wording import write_duration, write_instant
from workflow.errors import ActionError

LANGUAGES = ("en", "fr", "de")
MAILS = sorted(template_names(PACKAGE_TEMPLATES))
TEXTS = sorted(text_message_names(PACKAGE_TEMPLATES))
DUE_AT = datetime(2026, 12, 1, 15, 30, tzinfo=UTC)
SITE = Site(
    title="CPMS",
    home_url="https://access.example.org/",
    login_url="https://access.example.org/login",
    queue_url="https://access.example.org/queue",
    help="help@example.org",
)
EXPECTED = {
    "password_link",
    "registered_again",
    "device_confirmed",
    "request_received",
    "approver_reminder",
    "escalation",
    "information_wanted",
    "information_given",
    "rejected",
    "approved",
    "withdrawn",
    "factor_removed",
    "password_changed",
    "lost_phone_reported",
    "create_account",
    "account_failed",
    "no_approver",
    "mail_trouble",
    "request_abandoned",
    "guest_expiring",
}
# Basic character set of GSM 03.38 (3GPP TS 23.038 §6.2.1); one character outside it halves the length of a message.
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)  # the table's own letters


class Page(HTMLParser):
    """What matters of an HTML mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def full(name: str, language: str) -> tuple[Renderer, object, object]:
    """Give everything a template may use, documented in `workflow.actions.render`."""
    values = {"network": "ERKNet", "username": "n00ccgbd", "reason": "Not a member.", "question": "Which ward?\nSince when?"}
    told = briefing("mail", name, values=values, link=LINK, done="password_link_mailed", params={"role": "network_team"}, due_at=DUE_AT)
    return Renderer(SITE, zone="Europe/Brussels"), told, replace(JANE, language=language)


def test_the_journey_has_all_its_mails() -> None:
    """Every mail of the reference journey is shipped."""
    assert set(MAILS) == EXPECTED
    assert set(TEXTS) == {"challenge", "sign_in_code"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_template_exists_in_every_language(language: str) -> None:
    """Each mail has a subject, a text and an HTML file in each language, and nothing else lies about."""
    wanted = {f"{name}{suffix}" for name in MAILS for suffix in (".subject.txt", ".txt", ".html")}
    assert {path.name for path in (PACKAGE_TEMPLATES / language).iterdir()} == wanted | {"layout.txt", "layout.html"}
    assert {path.stem for path in (PACKAGE_TEMPLATES / "sms" / language).iterdir()} == set(TEXTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_every_mail_renders_with_everything(name: str, language: str) -> None:
    """With all documented values each template renders, in its own language, and carries its link whole in both parts."""
    renderer, told, reader = full(name, language)
    mail = renderer.mail(told, reader)  # type: ignore[arg-type]  # see full
    page = Page(mail.html)
    assert mail.language == language
    assert len(mail.subject.splitlines()) == 1
    assert LINK in mail.text.split()
    assert ("href", LINK) in page.attributes
    assert LINK in page.words
    assert "help@example.org" in mail.text
    assert "{" not in mail.text + mail.subject + page.words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_every_mail_renders_with_the_least(name: str, language: str) -> None:
    """Without any field, parameter, deadline or link each template still renders, and has no hole where one was."""
    bare = Renderer(replace(SITE, help=""))
    mail = bare.mail(briefing("mail", name, link=LINK if name == "password_link" else None), replace(JANE, name="", language=language))
    assert "None" not in mail.text + mail.subject
    assert re.search(r"https://access\.example\.org/\S*", mail.text)
    assert "()" not in mail.text
    assert not re.search(r"[ ]{2}|> *$", mail.text, re.MULTILINE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_html_mails_load_nothing_and_are_readable(name: str, language: str) -> None:
    """No remote content, no scripts, no forms; the page names its language and its title."""
    renderer, told, reader = full(name, language)
    page = Page(renderer.mail(told, reader).html)  # type: ignore[arg-type]  # see full
    assert not {"img", "script", "link", "style", "iframe", "form", "object"} & set(page.tags)
    assert not [value for key, value in page.attributes if key in {"src", "background", "srcset"} or "url(" in (value or "")]
    assert ("lang", language) in page.attributes
    assert {"title", "main", "footer"} <= set(page.tags)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_text_and_html_say_the_same(name: str, language: str) -> None:
    """Each paragraph of the plain text stands in the HTML part too."""
    renderer, told, reader = full(name, language)
    mail = renderer.mail(told, reader)  # type: ignore[arg-type]  # see full
    words = " ".join(Page(mail.html).words.split())
    for line in mail.text.splitlines():
        said = " ".join(line.removeprefix("> ").removesuffix(":").split())
        assert said == "--" or said in words


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_paragraphs_are_set_apart(name: str, language: str) -> None:
    """In plain text a blank line stands between paragraphs; only addresses and quotations follow directly."""
    renderer, told, reader = full(name, language)
    body = renderer.mail(told, reader).text.partition("\n-- \n")[0]  # type: ignore[arg-type]  # see full
    assert [line for before, line in pairwise(body.splitlines()) if before and line and not line.startswith(("http", ">"))] == []


def test_languages_are_translated() -> None:
    """No subject or text of one language is that of another."""
    for name in MAILS:
        mails = [renderer.mail(told, reader) for renderer, told, reader in (full(name, language) for language in LANGUAGES)]  # type: ignore[arg-type]  # see full
        assert len({mail.subject for mail in mails}) == len({mail.text for mail in mails}) == 3


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", ["5 minutes", "n00ccgbd", "the same link starts a new request", "complete address", "do not reply", "up to 5 minutes"]),
        ("fr", ["5 minutes", "n00ccgbd", "le même lien", "adresse complète", "ne pas y répondre", "Jusqu\u2019à 5 minutes"]),
        ("de", ["5 Minuten", "n00ccgbd", "derselbe Link", "vollständige Adresse", "antworten Sie nicht", "bis zu 5 Minuten"]),
    ],
)
def test_the_password_mail_says_all_that_the_journey_asks(language: str, says: list[str]) -> None:
    """How long from when, what the link does later, the address to copy, no reply, the second five minutes, where help is."""
    renderer, told, reader = full("password_link", language)
    text = renderer.mail(told, reader).text  # type: ignore[arg-type]  # see full
    assert [word for word in [*says, "help@example.org", LINK] if word not in text] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TEXTS)
def test_text_messages_fit_into_one(name: str, language: str) -> None:
    """A text message has its code in front, 160 characters of the GSM set at most, and says how long the code works."""
    told = briefing("sms", name, params={"lifetime_seconds": 600})
    text = Renderer(SITE).text_message(told, replace(JANE, language=language), code="AB3-9KX-27P")
    assert text.startswith("AB3-9KX-27P")
    assert "10 minutes" in text.lower() or "10 Minuten" in text
    assert len(text) <= 160
    assert set(text) <= GSM


# Finding and filling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "found"),
    [("fr-BE", "fr"), ("FR", "fr"), ("it", "en"), ("", "en"), ("../../etc", "en"), ("de-AT-1996", "de"), ("en\r\nX: y", "en")],
)
def test_a_language_falls_back(asked: str, found: str) -> None:
    """A variant falls back to its language, everything else to English."""
    assert Renderer(SITE).mail(briefing("mail", "approved"), replace(JANE, language=asked)).language == found


@pytest.mark.parametrize("name", ["../en/approved", "layout", "Approved", "", "approved.html", "no_such"])
def test_only_names_of_templates_are_found(name: str) -> None:
    """A name is no path, and what has no subject is no mail."""
    with pytest.raises(ActionError) as caught:
        Renderer(SITE).mail(briefing("mail", name), JANE)
    assert not caught.value.will_retry


def test_user_text_is_data() -> None:
    """What people wrote is neither run nor taken for markup (security rule 40)."""
    evil = "{{ 7 * 7 }} <script>alert(1)</script> {% include 'layout.html' %}"
    mail = Renderer(SITE).mail(briefing("mail", "rejected", values={"reason": evil}), JANE)
    assert evil in mail.text
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert "49" not in mail.text + mail.html


@pytest.mark.parametrize(
    "name",
    [
        "Win money: http://evil.example/x",
        "call www.evil.example",
        "x@y.example",
        "<b>Jane</b>",
        "J" * 61,
        "Jane\u202eeoD",
        "see evil.com now",
    ],
)
def test_a_name_cannot_advertise(name: str) -> None:
    """Who registers a stranger's address cannot put an advertisement into the greeting."""
    assert greeting_name(name) == ""
    text = Renderer(SITE).mail(briefing("mail", "password_link", link=LINK), replace(JANE, name=name)).text
    assert text.startswith("Hello,\n")


@pytest.mark.parametrize("name", ["Jane Doe", "Zoë Åström-Müller", "Dr. med. J. O'Neill", "Nguyễn Thị\u00a0Minh", "Ξένια"])
def test_ordinary_names_greet(name: str) -> None:
    """Names of people are left as they are."""
    assert greeting_name(name) == " ".join(name.split())


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://x.example/a b", "https://x.example/\nb", "/password/x"])
def test_a_link_is_a_full_address(link: str) -> None:
    """A link that is no full http(s) address is a fault of the installation, found before the mail goes out."""
    with pytest.raises(ActionError, match="base address"):
        Renderer(SITE).mail(briefing("mail", "password_link", link=link), JANE)


def test_a_parameter_can_name_the_field() -> None:
    """``with: {reason_field: note}`` takes the reason from another field."""
    told = briefing("mail", "rejected", values={"note": "Wrong centre.", "reason": "not this"}, params={"reason_field": "note"})
    assert "> Wrong centre." in Renderer(SITE).mail(told, JANE).text


@pytest.mark.parametrize("name", ["account_failed", "mail_trouble"])
def test_trouble_does_not_repeat_a_decision(name: str) -> None:
    """What failed says why by its parameter; the field ``reason`` holds an approver's words and is not for operators."""
    told = briefing("alert", name, values={"reason": "She heads the unit."})
    assert "heads" not in Renderer(SITE).mail(told, JANE).text
    told = briefing("alert", name, values={"reason": "She heads the unit."}, params={"reason": "The system said no."})
    assert "> The system said no." in Renderer(SITE).mail(told, JANE).text


def test_the_lifetime_comes_from_the_definition() -> None:
    """The mail says what the timer says: no report to start it, no promise."""
    with_report = Renderer(SITE).mail(briefing("mail", "password_link", link=LINK, done="password_link_mailed"), JANE).text
    without = Renderer(SITE).mail(briefing("mail", "password_link", link=LINK), JANE).text
    assert "works for 5 minutes" in with_report
    assert "works for" not in without


def test_a_host_has_its_own_templates(tmp_path: Path) -> None:
    """A host's directory wins for a language and name, adds names, and may use the shipped layouts and any field."""
    folder = tmp_path / "en"
    folder.mkdir()
    for name in ("approved", "welcome_pack"):
        (folder / f"{name}.subject.txt").write_text("Welcome to {{ values.ward }}\n")
        (folder / f"{name}.txt").write_text('{% extends "en/layout.txt" %}{% block body %}Ward {{ values.ward }}{% endblock %}')
        (folder / f"{name}.html").write_text('{% extends "en/layout.html" %}{% block body %}<p>{{ values.ward }}</p>{% endblock %}')
    renderer = Renderer(SITE, directory=tmp_path)
    assert renderer.mail(briefing("mail", "approved", values={"ward": "A<3"}), JANE).subject == "Welcome to A<3"
    assert "<p>A&lt;3</p>" in renderer.mail(briefing("mail", "welcome_pack", values={"ward": "A<3"}), JANE).html
    assert renderer.mail(briefing("mail", "approved"), replace(JANE, language="fr")).language == "fr"
    assert specs(tmp_path)["mail"].names == SPECS["mail"].names | {"welcome_pack"}  # type: ignore[operator]  # names are known here


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("{{ values.missing }}", "missing"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("one\ntwo", "one line"),
        ("{{ values.name }}", "one line"),
        ("{% for %}", "TemplateSyntaxError"),
        ("", "one line"),
    ],
)
def test_a_faulty_template_is_refused_for_good(tmp_path: Path, subject: str, why: str) -> None:
    """Missing values, attempts to leave the sandbox, and subjects of two lines stop the message; the operator reads which."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "odd.subject.txt").write_text(subject)
    for suffix in ("txt", "html"):
        (tmp_path / "en" / f"odd.{suffix}").write_text("hello")
    with pytest.raises(ActionError, match=why) as caught:
        Renderer(SITE, directory=tmp_path).mail(briefing("mail", "odd", values={"name": "a\r\nBcc: x"}), JANE)
    assert not caught.value.will_retry


# Words for time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "Tuesday 1 December 2026, 16:30 (Europe/Brussels, UTC+01:00)"),
        ("fr", "mardi 1er décembre 2026 à 16 h 30 (Europe/Brussels, UTC+01:00)"),
        ("de", "Dienstag, 1. Dezember 2026, 16:30 Uhr (Europe/Brussels, UTC+01:00)"),
        ("it", "Tuesday 1 December 2026, 16:30 (Europe/Brussels, UTC+01:00)"),
    ],
)
def test_an_instant_names_its_zone(language: str, written: str) -> None:
    """A deadline is written in the reader's language, in the office's zone, with its name and offset."""
    assert write_instant(DUE_AT, language=language, zone="Europe/Brussels") == written


def test_summer_time_has_its_own_offset() -> None:
    """The offset is that of the day, and UTC is called UTC."""
    summer = datetime(2026, 7, 1, 9, 5, tzinfo=UTC)
    assert write_instant(summer, language="de-AT", zone="Europe/Vienna") == "Mittwoch, 1. Juli 2026, 11:05 Uhr (Europe/Vienna, UTC+02:00)"
    assert write_instant(summer, language="en", zone="UTC") == "Wednesday 1 July 2026, 09:05 (UTC)"


@pytest.mark.parametrize(
    ("seconds", "language", "written"),
    [
        (300, "en", "5 minutes"),
        (60, "fr", "1 minute"),
        (5_400, "de", "90 Minuten"),
        (3_600, "en", "1 hour"),
        (172_800, "de", "2 Tage"),
        (45, "fr", "45 secondes"),
    ],
)
def test_a_duration_is_written_in_its_largest_whole_unit(seconds: int, language: str, written: str) -> None:
    """Five minutes are five minutes, and ninety stay ninety."""
    assert write_duration(seconds, language=language) == written
