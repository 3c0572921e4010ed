"""The time zones of phones. The tests compare UTC offsets: zones with the same offsets are equivalent."""

from __future__ import annotations

import datetime as dt
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from campaigns.domain.phone.zones import find_zones

# The area codes of each state of Brazil (Anatel), by the zone of the state in the tz database.
BRAZIL = {
    "America/Sao_Paulo": {
        "SP": ("11", "12", "13", "14", "15", "16", "17", "18", "19"),
        "RJ": ("21", "22", "24"),
        "ES": ("27", "28"),
        "MG": ("31", "32", "33", "34", "35", "37", "38"),
        "PR": ("41", "42", "43", "44", "45", "46"),
        "SC": ("47", "48", "49"),
        "RS": ("51", "53", "54", "55"),
        "DF": ("61",),
        "GO": ("62", "64"),
    },
    "America/Araguaina": {"TO": ("63",)},
    "America/Cuiaba": {"MT": ("65", "66")},
    "America/Campo_Grande": {"MS": ("67",)},
    "America/Rio_Branco": {"AC": ("68",)},
    "America/Porto_Velho": {"RO": ("69",)},
    "America/Bahia": {"BA": ("71", "73", "74", "75", "77")},
    "America/Maceio": {"SE": ("79",), "AL": ("82",)},
    "America/Recife": {"PE": ("81", "87")},
    "America/Fortaleza": {"PB": ("83",), "RN": ("84",), "CE": ("85", "88"), "PI": ("86", "89"), "MA": ("98", "99")},
    "America/Belem": {"PA": ("91", "93", "94"), "AP": ("96",)},
    "America/Manaus": {"AM": ("92",)},
    "America/Boa_Vista": {"RR": ("95",)},
    "America/Eirunepe America/Manaus": {"AM": ("97",)},
}
BRAZIL_AREAS = [
    (area, tuple(zones.split())) for zones, states in BRAZIL.items() for areas in states.values() for area in areas
]


@cache
def clock(zone: str) -> tuple[dt.timedelta | None, ...]:
    """Return the UTC offsets of a zone in the coming two years."""
    start = dt.datetime.now(dt.UTC)
    return tuple((start + dt.timedelta(days=day)).astimezone(ZoneInfo(zone)).utcoffset() for day in range(730))


def clocks(zones) -> set[tuple[dt.timedelta | None, ...]]:
    return {clock(zone) for zone in zones}


def read_zones_of_countries() -> dict[str, list[str]]:
    zones: dict[str, list[str]] = {}
    for line in files("tzdata").joinpath("zoneinfo", "zone1970.tab").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            countries, _, zone, *_ = line.split("\t")
            for country in countries.split(","):
                zones.setdefault(country, []).append(zone)
    return zones


ZONES_OF_COUNTRIES = read_zones_of_countries()
# A zone for an observatory with a dozen people.
NOBODY_THERE = {"AU": {"Asia/Tokyo"}}


def example_numbers() -> list[tuple[str, str]]:
    """Example numbers, mobile and fixed, of each country whose zones the tz database lists."""
    return [
        (region, phonenumbers.format_number(number, PhoneNumberFormat.E164))
        for region in sorted(phonenumbers.SUPPORTED_REGIONS & ZONES_OF_COUNTRIES.keys())
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None
    ]


def test_brazil_has_67_area_codes():
    assert len({area for area, _ in BRAZIL_AREAS}) == len(BRAZIL_AREAS) == 67


@pytest.mark.parametrize(("area", "zones"), BRAZIL_AREAS)
def test_each_area_code_of_brazil_has_the_zone_of_its_state(area, zones):
    mobile, without_its_9, landline = f"+55{area}991234567", f"+55{area}91234567", f"+55{area}32123456"
    assert {find_zones(phone) for phone in (mobile, without_its_9, landline)} == {zones}


@pytest.mark.parametrize(("area", "zones"), BRAZIL_AREAS)
def test_the_digits_after_the_area_code_change_nothing(area, zones):
    assert {find_zones(f"+55{area}{local:04}1234") for local in range(2000, 10000, 7)} == {zones}


def test_brazil_has_the_zones_of_the_tz_database_but_for_an_island_of_recife_and_one_that_is_belem_again():
    zones = {zone for _, zones in BRAZIL_AREAS for zone in zones}
    assert zones == set(ZONES_OF_COUNTRIES["BR"]) - {"America/Noronha", "America/Santarem"}
    assert clock("America/Santarem") == clock("America/Belem")


def test_an_area_code_that_brazil_has_not_tells_nothing():
    known = {area for area, _ in BRAZIL_AREAS}
    unknown = [f"{area:02}" for area in range(100) if f"{area:02}" not in known]
    assert len(unknown) == 33
    assert {find_zones(f"+55{area}91234567") for area in unknown} == {()}


@pytest.mark.parametrize(("region", "phone"), example_numbers())
def test_a_phone_is_in_every_zone_of_its_country_or_its_area_says_where(region, phone):
    found = clocks(find_zones(phone))
    if region in {"BR", "CA", "US"}:  # their area codes lie in one state
        assert found < clocks(ZONES_OF_COUNTRIES[region])
        return
    assert found >= clocks(set(ZONES_OF_COUNTRIES[region]) - NOBODY_THERE.get(region, set()))


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        ("+491701234567", ("Europe/Berlin",)),
        ("+12125550123", ("America/New_York",)),
        ("+14805550123", ("America/Phoenix",)),
        ("+14075550123", ("America/New_York",)),
        ("+16895550123", ("America/New_York",)),  # Orlando, too
        ("+525512345678", ("America/Mexico_City",)),
        ("+5215512345678", ("America/Mexico_City",)),  # as mobile numbers were written until 2019
        ("+77011234567", ("Asia/Almaty",)),
        ("+883510000000", ()),
    ],
)
def test_a_certain_code_tells_one_zone(phone, zones):
    assert find_zones(phone) == zones


@pytest.mark.parametrize(
    ("phone", "zones"),
    [
        ("+79161234567", {"Europe/Kaliningrad", "Europe/Moscow", "Asia/Kamchatka"}),
        ("+61412345678", {"Australia/Perth", "Australia/Sydney", "Australia/Brisbane"}),
        ("+526141234567", {"America/Cancun", "America/Mexico_City", "America/Tijuana"}),
        ("+5491112345678", {"America/Argentina/Buenos_Aires"}),
        ("+56912345678", {"America/Santiago", "Pacific/Easter"}),
        ("+6281212345678", {"Asia/Jakarta", "Asia/Jayapura"}),
        ("+34612345678", {"Europe/Madrid", "Atlantic/Canary"}),
        ("+351912345678", {"Europe/Lisbon", "Atlantic/Azores"}),
        ("+593991234567", {"America/Guayaquil", "Pacific/Galapagos"}),
        # Area codes of states with two zones, old ones and their overlays.
        *(
            (f"+1{area}5550123", {"America/New_York", "America/Chicago"})
            for area in ("850", "448", "812", "930", "364")
        ),
        *((f"+1{area}5550123", {"America/Chicago", "America/Denver"}) for area in ("308", "605", "701", "785")),
        *((f"+1{area}5550123", {"America/Boise", "America/Los_Angeles"}) for area in ("208", "986", "541", "458")),
        *((f"+1{area}5550123", {"America/Vancouver", "America/Edmonton"}) for area in ("250", "236", "778")),
        ("+19285550123", {"America/Denver", "America/Phoenix"}),
        ("+17095550123", {"America/St_Johns", "America/Halifax"}),
        # Codes without a place: toll-free, the code of Meta's test numbers.
        *((f"+1{area}5550123", {"America/New_York", "Pacific/Honolulu"}) for area in ("800", "888", "555")),
    ],
)
def test_other_codes_tell_all_zones_in_which_the_person_may_be(phone, zones):
    assert clocks(find_zones(phone)) >= clocks(zones)


@pytest.mark.parametrize(
    ("phone", "zone"),
    [
        ("+351912345678", "Europe/Lisbon"),
        ("+34612345678", "Europe/Madrid"),
        ("+79161234567", "Europe/Moscow"),
        ("+61412345678", "Australia/Sydney"),
        ("+526141234567", "America/Mexico_City"),
        ("+56912345678", "America/Santiago"),
        ("+593991234567", "America/Guayaquil"),
    ],
)
def test_the_zone_of_most_people_stands_first_because_texts_name_it(phone, zone):
    assert find_zones(phone)[0] == zone
