"""Calendars and catalogues: from what a person wrote to a value, or to every fault at once."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import orjson
import pytest

from workflow.errors import DefinitionError
from workflow.load.calendars import calendar_from_data, catalogue_from_data, read_calendar, read_catalogue, zones
from workflow.load.catalogues import country_codes

DEFINITIONS = Path(__file__).parents[2] / "definitions"
CALENDARS = sorted(DEFINITIONS.glob("calendars/*.yaml"))
CATALOGUES = sorted(DEFINITIONS.glob("catalogues/*.yaml"))
OFFICE = """\
calendar: office
zone: Europe/Brussels
working_days: [monday, tuesday, wednesday, thursday, friday]
hours: {from: 09:00, to: 17:00}
holidays: {country: BE}
days_off:
  2026-12-24/2027-01-02: Year-end closing
  2026-05-15: Bridge
from: 2026-01-01
horizon: 2027-12-31
"""
SETS = """\
catalogue: small
title: Small
relations: {centres: {network: networks, country: countries, profiles: profiles}}
sets:
  networks: {ERKNet: Kidney diseases, EYE: Eye diseases}
  countries: {BE: Belgium, NO: Norway}
  profiles: {HP: {title: Professional}, COORDINATOR: {title: Coordinator, needs: [HP]}}
  centres:
    oudenveld: {title: Oudenveld, network: ERKNet, country: BE, profiles: [HP, COORDINATOR], sample: true, beds: 12}
"""


def found(read, text: str) -> list[tuple[int, int, str]]:
    """Give line, column and code of every finding."""
    with pytest.raises(DefinitionError) as raised:
        read(text, name="test.yaml")
    assert all(finding.file == "test.yaml" for finding in raised.value.findings)
    return [(finding.line, finding.column, finding.code) for finding in raised.value.findings]


def marked(text: str) -> tuple[str, tuple[int, int]]:
    """Take the mark » out of a text; gives its line and column too."""
    before, _, after = text.partition("»")
    return before + after, (before.count("\n") + 1, len(before) - before.rfind("\n"))


def codes(read, text: str) -> list[str]:
    return [code for _, _, code in found(read, text)]


def test_a_calendar_has_every_day_off_as_a_date():
    """Public holidays and the author's own days are dates with names; a range does not rename the holidays in it."""
    calendar = read_calendar(OFFICE)
    assert calendar.days_off[date(2026, 4, 6)] == "Easter Monday"
    assert date(2026, 4, 3) not in calendar.days_off, "Good Friday is no Belgian public holiday"
    assert calendar.days_off[date(2026, 5, 15)] == "Bridge"
    assert [calendar.days_off[date(2026, 12, day)] for day in (24, 25, 26)] == ["Year-end closing", "Christmas Day", "Year-end closing"]
    assert calendar.days_off[date(2027, 1, 2)] == "Year-end closing"
    assert (calendar.opens, calendar.closes, calendar.weekdays) == (time(9), time(17), frozenset({1, 2, 3, 4, 5}))
    assert (calendar.starts, calendar.horizon) == (date(2026, 1, 1), date(2027, 12, 31))
    assert all(calendar.starts <= day <= calendar.horizon for day in calendar.days_off)


def test_the_stored_form_needs_no_holiday_rules():
    """What is published names its sources and has dates in place of rules."""
    data = read_calendar(OFFICE).data
    assert "holidays" not in data
    assert str(data["made_with"]["package"]).startswith("holidays ")
    assert data["tzdata"].startswith("20")
    assert data["days_off"]["2026-04-06"] == "Easter Monday"


@pytest.mark.parametrize("path", CALENDARS, ids=lambda path: path.stem)
def test_a_stored_calendar_is_read_as_the_value_that_was_published(path):
    """Canonical JSON and back gives an equal calendar with the same digest, and its name is that of the file."""
    calendar = read_calendar(path)
    again = calendar_from_data(orjson.loads(orjson.dumps(calendar.data, option=orjson.OPT_SORT_KEYS)))
    assert again == calendar
    assert again.data == calendar.data
    assert calendar.name == path.stem


def test_the_digest_covers_what_the_calendar_says_and_not_how():
    """Comments and the order of keys and days do not count; a day off more does."""
    digest = read_calendar(OFFICE).digest
    assert read_calendar(OFFICE.encode() + b"# the end\n").digest == digest
    assert read_calendar(OFFICE.replace("[monday, tuesday", "[tuesday, monday")).digest == digest
    assert read_calendar(OFFICE.replace("2026-05-15: Bridge", "2026-05-15: Bridge\n  2026-05-22: Party")).digest != digest
    assert len(digest) == 64


def test_the_shipped_office_knows_the_closing_between_the_years():
    """The reference calendar is Brussels', with the days on which nobody approves."""
    calendar = read_calendar(DEFINITIONS / "calendars" / "ern-office.yaml")
    assert calendar.zone == "Europe/Brussels"
    assert calendar.days_off[date(2026, 12, 30)] == "Year-end closing"
    assert calendar.days_off[date(2029, 5, 10)] == "Ascension Day"
    assert calendar.horizon >= date(2029, 12, 31)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        pytest.param("zone: Europe/Brussels", "zone: »Europe/Brusels", "unknown-zone", id="a zone that is none"),
        pytest.param("zone: Europe/Brussels", "zone: »../Brussels", "unknown-zone", id="a path for a zone"),
        pytest.param("zone:", "»Zone:", "unknown-key", id="a key that is none"),
        pytest.param("[monday,", "[»mon,", "invalid-value", id="a weekday that is none"),
        pytest.param("[monday, tuesday", "[monday, »monday", "duplicate-value", id="a weekday twice"),
        pytest.param("to: 17:00", "to: »24:00", "invalid-value", id="an hour that is none"),
        pytest.param("hours: {from: 09:00", "hours: »{from: 18:00", "hours-out-of-order", id="an office that closes before it opens"),
        pytest.param("country: BE", "country: »ZZ", "unknown-country", id="a country without holidays"),
        pytest.param("country: BE", "country: BE, subdivision: »X", "unknown-subdivision", id="a subdivision that is none"),
        pytest.param("country: BE", "country: BE, language: »xx", "unknown-language", id="a language that is none"),
        pytest.param("2026-12-24/2027-01-02", "»2027-01-02/2026-12-24", "dates-out-of-order", id="a range that ends first"),
        pytest.param("2026-12-24/2027-01-02", "»2026-12-24/", "invalid-date", id="a range without end"),
        pytest.param("2026-05-15", "»2026-02-29", "invalid-date", id="a date that is none"),
        pytest.param("2026-05-15", "»20260515", "invalid-date", id="a date in another form"),
        pytest.param("2026-05-15", "»2026-12-31", "duplicate-value", id="a day in two ranges"),
        pytest.param("2026-05-15", "»2025-05-15", "outside-horizon", id="a day before the first date"),
        pytest.param("horizon: 2027-12-31", "horizon: »2027-02-31", "invalid-date", id="a horizon that is no date"),
        pytest.param("horizon: 2027-12-31", "horizon: »2025-12-31", "dates-out-of-order", id="a horizon before the first date"),
        pytest.param("horizon: 2027-12-31", "horizon: »2127-12-31", "period-too-long", id="more than anybody knows"),
        pytest.param("calendar: office", "calendar: »Our Office", "invalid-value", id="a name with blanks"),
        pytest.param("calendar: office", "calendar: office\n»calendar: b", "duplicate-key", id="a key twice"),
        pytest.param("calendar: office", "»title: office", "missing-key", id="no name"),
        pytest.param("2026-05-15: Bridge", "2026-05-15: »7", "wrong-type", id="a number for a name"),
    ],
)
def test_a_fault_of_a_calendar_is_named_where_it_stands(before, after, code):
    """Every fault has its line and column."""
    assert before in OFFICE
    text, place = marked(OFFICE.replace(before, after, 1))
    assert (*place, code) in found(read_calendar, text)


def test_all_faults_of_a_calendar_come_at_once():
    """An author mends a calendar in one go, and is told what was probably meant."""
    text = OFFICE.replace("Brussels", "Brusels").replace("[monday", "[mon").replace("2026-05-15", "2026-02-30")
    assert codes(read_calendar, text) == ["unknown-zone", "invalid-value", "invalid-date"]
    with pytest.raises(DefinitionError) as raised:
        read_calendar(text)
    assert "Did you mean 'Europe/Brussels'?" in raised.value.explain()


def test_holidays_nobody_knows_are_refused():
    """Past the years that the holiday rules cover, nothing is guessed."""
    assert codes(read_calendar, OFFICE.replace("horizon: 2027", "horizon: 2101").replace("from: 2026", "from: 2090")) == [
        "outside-horizon",
        "outside-horizon",
        "outside-horizon",
    ]


def test_an_office_that_never_opens_is_refused():
    """A calendar without one working day has no deadlines."""
    text = OFFICE.replace("2026-12-24/2027-01-02", "2026-01-01/2027-12-31").replace("  2026-05-15: Bridge\n", "")
    assert codes(read_calendar, text) == ["no-working-day"]


@pytest.mark.parametrize("read", [read_calendar, read_catalogue])
@pytest.mark.parametrize("text", ["", "- a", "a: *b", "7", "\x00", "sets: [1]\nhours: 5\nworking_days: 3\ndays_off: x\nrelations: 1"])
def test_whatever_is_given_the_answer_is_findings(read, text):
    """No faulty document raises anything else."""
    assert found(read, text)


@pytest.mark.parametrize("read", [calendar_from_data, catalogue_from_data])
@pytest.mark.parametrize("data", [{}, {"calendar": object()}, {"catalogue": {"a": 1}, "sets": {"a": {"b": 2}}, "hours": {"from": []}}])
def test_stored_data_that_is_wrong_is_findings_too(read, data):
    """A damaged stored document is named as such."""
    with pytest.raises(DefinitionError):
        read(data)


def test_a_file_that_is_not_there_is_a_finding(tmp_path):
    """The author is told which file cannot be read."""
    with pytest.raises(DefinitionError, match="cannot be read"):
        read_calendar(tmp_path / "none.yaml")


def test_a_catalogue_is_its_sets():
    """A bare text is an item's title; lists become tuples; NO is Norway."""
    catalogue = read_catalogue(SETS)
    assert catalogue.sets["networks"]["ERKNet"] == {"title": "Kidney diseases"}
    assert catalogue.sets["countries"]["NO"] == {"title": "Norway"}
    assert catalogue.sets["centres"]["oudenveld"]["profiles"] == ("HP", "COORDINATOR")
    assert catalogue.sets["centres"]["oudenveld"]["sample"] is True
    assert (catalogue.name, catalogue.title) == ("small", "Small")


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_stored_catalogue_is_read_as_the_value_that_was_published(path):
    """Canonical JSON and back gives an equal catalogue with the same digest, and its name is that of the file."""
    catalogue = read_catalogue(path)
    again = catalogue_from_data(orjson.loads(orjson.dumps(catalogue.data, option=orjson.OPT_SORT_KEYS)))
    assert again == catalogue
    assert catalogue.name == path.stem


def test_the_shipped_catalogue_has_the_networks_and_marks_what_is_invented():
    """24 networks, the countries of EU and EEA, and every centre and area a sample that leads somewhere."""
    sets = read_catalogue(DEFINITIONS / "catalogues" / "ern.yaml").sets
    assert len(sets["networks"]) == 24
    assert len(sets["countries"]) == 30
    assert sets["profiles"]["COORDINATOR"]["needs"] == sets["profiles"]["DISPATCHER"]["needs"] == ("HP",)
    for name in ("centres", "thematic_areas", "cpms_roles"):
        assert all(item["sample"] is True for item in sets[name].values()), name
    countries: dict[str, set[str]] = {}
    for centre in sets["centres"].values():
        countries.setdefault(str(centre["network"]), set()).add(str(centre["country"]))
    assert len([network for network, places in countries.items() if len(places) >= 3]) >= 6
    assert {str(area["network"]) for area in sets["thematic_areas"].values()} >= set(countries)


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        pytest.param("title: Small", "»titel: Small", "unknown-key", id="a key that is none"),
        pytest.param("{centres:", "{»centers:", "unknown-set", id="a relation of no set"),
        pytest.param("country: countries", "country: »lands", "unknown-set", id="a relation to no set"),
        pytest.param("EYE:", "»The EYE:", "invalid-key", id="a key with a blank"),
        pytest.param("EYE:", "»ERKNet:", "duplicate-key", id="a key twice"),
        pytest.param("NO: Norway", "»EL: Greece", "unknown-country", id="a country code of the institutions"),
        pytest.param("needs: [HP]", "needs: [»PH]", "unknown-item", id="a need that is not there"),
        pytest.param("network: ERKNet", "network: »ERKnet", "unknown-item", id="a network that is not there"),
        pytest.param("[HP, COORDINATOR]", "[HP, »BOSS]", "unknown-item", id="a profile that is not there"),
        pytest.param("[HP, COORDINATOR]", "[HP, »HP]", "duplicate-value", id="a profile twice"),
        pytest.param(
            "oudenveld: {title: Oudenveld, network: ERKNet",
            "»oudenveld: {title: Oudenveld",
            "missing-attribute",
            id="a centre of no network",
        ),
        pytest.param("beds: 12", "beds: »1.5", "wrong-type", id="a fraction"),
        pytest.param("beds: 12", "»Beds: 12", "invalid-name", id="an attribute in capitals"),
    ],
)
def test_a_fault_of_a_catalogue_is_named_where_it_stands(before, after, code):
    """Every fault has its line and column; relations hold for every item."""
    assert before in SETS
    text, place = marked(SETS.replace(before, after, 1))
    assert (*place, code) in found(read_catalogue, text)


def test_a_wrong_country_code_says_the_right_one():
    """Institutions write EL and UK, ISO 3166 writes GR and GB, in capitals."""
    with pytest.raises(DefinitionError) as raised:
        read_catalogue(SETS.replace("BE: Belgium, NO: Norway", "EL: Greece, UK: Britain, be: Belgium, XX: Nowhere"))
    messages = [finding.message for finding in raised.value.findings if finding.code == "unknown-country"]
    assert [message.partition("3166.")[2] for message in messages] == [
        " Did you mean 'GR'?",
        " Did you mean 'GB'?",
        " Did you mean 'BE'?",
        "",
    ]


def test_zones_and_countries_come_from_the_zone_data():
    """Neither list is ours to keep."""
    assert {"Europe/Brussels", "UTC", "Asia/Kolkata"} <= zones()
    assert len(country_codes()) > 240
