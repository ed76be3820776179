"""The languages of the pages: complete catalogues, the reader's language, and the engine's own sentences in it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from babel.messages.pofile import read_po

from tests.support import messages
from workflow.errors import Reason
from workflow.web.language import FOLDER, LANGUAGES, LONGEST_ACCEPTED, Reader, collated, negotiate, patterns_of
from workflow.web.words import recorded_in, reworded, said_in, title_in

OTHERS = tuple(code for code in LANGUAGES if code != "en")
PLACE = re.compile(r"\{\w+\}")


def catalogue(language: str) -> dict[str, str]:
    """English text -> translation, as the file has it."""
    with (FOLDER / f"{language}.po").open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale=language) if one.id}


@pytest.mark.parametrize("language", OTHERS)
def test_every_text_is_translated(language: str) -> None:
    """A catalogue has every text that pages look up and nothing else, each with a translation."""
    texts = catalogue(language)
    assert set(messages.wanted()) == set(texts)
    assert [] == [text for text, said in texts.items() if not said.strip()]


@pytest.mark.parametrize("language", OTHERS)
def test_values_keep_their_places(language: str) -> None:
    """A translation has the same places for values as the English text, whatever their order."""
    texts = catalogue(language)
    assert {text: sorted(PLACE.findall(text)) for text in texts} == {text: sorted(PLACE.findall(said)) for text, said in texts.items()}


@pytest.mark.parametrize("language", OTHERS)
def test_a_title_does_not_end_like_a_sentence(language: str) -> None:
    """A translation ends as its English text does: a title stays one, and so does a question."""
    ends = re.compile(r"[.?:!]$")
    texts = catalogue(language)
    assert {t: ends.findall(t) for t in texts} == {t: ends.findall(said) for t, said in texts.items()}


def test_committed_catalogues_are_current() -> None:
    """The files are what `python -m tests.support.messages` writes."""
    for path, text in messages.generated().items():
        assert text == path.read_text(encoding="utf-8"), f"{path.name} is not current: run python -m tests.support.messages"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("fr-BE,fr;q=0.9,en;q=0.8", "fr"),
        ("de-AT;q=0.8", "de"),
        ("de-AT; q=0.8, fr ; Q=0.9", "fr"),
        ("nl-BE,nl;q=0.9,de;q=0.5,en;q=0.3", "de"),
        ("FR", "fr"),
        ("en-GB,fr;q=0.9", "en"),
        ("pl,cs;q=0.7", "en"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("*;q=0.5, de;q=0.1", "de"),
        ("", "en"),
        ("de;q=nan, fr;q=inf", "en"),
        ("de;q=1e9, fr;q=-1", "en"),
        ("../../etc/passwd, {0}, \x00, fr;q=0.1.1", "en"),
        ("de_AT", "en"),
        ("fr" * 5_000, "en"),
        ("x," * 5_000 + "fr", "en"),
        ("fr," + "x" * 10_000, "fr"),
    ],
)
def test_the_browser_says_the_language(accepted: str, language: str) -> None:
    """The best wanted language of ours is taken, whatever a browser sends; what is refused or unreadable does not count."""
    assert language == negotiate(accepted)


def test_long_headers_are_read_in_part() -> None:
    """No more of a header is read than any browser needs."""
    assert "en" == negotiate("x," * LONGEST_ACCEPTED + "de")


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("At least 12 characters.", "Mindestens 12 Zeichen."),
        ("Characters of 2 more groups are needed.", "Es fehlen Zeichen aus 2 weiteren Gruppen."),
        ("'approve' is not possible in the state 'approved'.", "'approve' ist im Zustand 'approved' nicht möglich."),
        ("Coordinator can only be chosen together with Observer.", "„Koordination“ kann nur zusammen mit „Beobachtung“ gewählt werden."),
        ("Sample Clinic does not belong to the network EYE.", "„Sample Clinic“ gehört nicht zu EYE (Netzwerk)."),
        ("centre depends on country, which is not chosen.", "„Zentrum“ hängt von „Land“ ab; das ist noch nicht gewählt."),
        ("'XY' is not among the networks. Did you mean 'EYE'?", "'XY' steht nicht in der Liste „networks“. Meinten Sie 'EYE'?"),
        ("'XY' is not among the networks.", "'XY' steht nicht in der Liste „networks“."),
        (
            "'approve' needs the role network_team for EYE or helpdesk; the actor holds no role.",
            "Für 'approve' ist die Rolle Team des Netzwerks für EYE oder Helpdesk nötig; vorhanden: keine Rolle.",
        ),
        ("That code is not right.", "Dieser Code stimmt nicht."),
        ("Nobody has ever translated {this}.", "Nobody has ever translated {this}."),
        ("", ""),
    ],
)
def test_sentences_with_values(english: str, german: str) -> None:
    """What the engine says is said in the reader's language, with its values; what nobody translated stays English."""
    assert german == said_in(Reader(language="de"), english)
    assert english == said_in(Reader(), english)


@pytest.mark.parametrize("language", OTHERS)
def test_every_pattern_is_found_again(language: str) -> None:
    """A sentence with any values in it finds its own translation, values with braces and signs of regular expressions too."""
    reader, values = Reader(language=language), ("'{a}'", "(b)*", "'\\c'")
    for pattern, translation in patterns_of(language):
        english = next(
            text for text in catalogue(language) if pattern.fullmatch(text) and "{0}" in text and catalogue(language)[text] == translation
        )
        assert translation.format(*values) == said_in(reader, english.format(*values)), english


def test_long_sentences_are_not_searched() -> None:
    """A text as long as what people type is given as it is, and at once."""
    typed = "the the " * 5_000
    assert typed == said_in(Reader(language="fr"), typed)


def test_recorded_reasons() -> None:
    """What a history keeps of a refusal is said in the reader's language, with the name of the value where there is one."""
    german = Reader(language="de")
    assert "Ein Pflichtwert wurde nicht angegeben: Zentrum." == recorded_in(german, "A required value was not given: centre.")
    assert "Ein Pflichtwert wurde nicht angegeben." == recorded_in(german, "A required value was not given.")
    assert "A required value was not given: centre." == recorded_in(Reader(), "A required value was not given: centre.")
    assert "Nobody knows: this." == recorded_in(german, "Nobody knows: this.")


def test_reasons_of_a_value() -> None:
    """A reason about a value names it as the page does, and not as the definition does."""
    reason = Reason(code="invalid_value", message="email: that is no e-mail address; it looks like name@example.org.", field="email")
    said = reworded(reason, Reader(language="de"), {"email": "E-Mail-Adresse"})
    assert "E-Mail-Adresse: Das ist keine E-Mail-Adresse; sie sieht aus wie name@example.org." == said.message
    assert (
        "Füllen Sie dieses Feld aus." == reworded(Reason(code="value_missing", message="x is required."), Reader(language="de"), {}).message
    )


def test_titles_of_documents() -> None:
    """Countries are called as their neighbours call them, centres what they are, everything else by the catalogue."""
    german = Reader(language="de")
    assert "Griechenland" == title_in(german, "countries", "GR", {"title": "Greece"})
    assert "Nowhere" == title_in(german, "countries", "QQ", {"title": "Nowhere"})
    assert "Nurse" == title_in(german, "centres", "x", {"title": "Nurse"})
    assert "Pflege" == title_in(german, "cpms_roles", "nurse", {"title": "Nurse"})
    assert "nurse" == title_in(german, "cpms_roles", "nurse", {})
    assert ["Dänemark", "Österreich", "Polen"] == sorted(["Polen", "Österreich", "Dänemark"], key=collated)


def test_instants_name_their_zone() -> None:
    """An instant is written as the reader's language does, in the reader's zone, which is named."""
    at = datetime(2026, 11, 24, 15, 30, tzinfo=UTC)
    written = {code: Reader(language=code).instant(at) for code in LANGUAGES}
    assert {
        "en": "24 Nov 2026, 16:30 (Europe/Brussels)",
        "fr": "24 nov. 2026, 16:30 (Europe/Brussels)",
        "de": "24. Nov. 2026, 16:30 (Europe/Brussels)",
    } == written
