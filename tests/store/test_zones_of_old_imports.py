"""After an upgrade, a campaign that was imported with the phone library's zones sends only within the window."""

from __future__ import annotations

import datetime as dt
from importlib.resources import files
from zoneinfo import ZoneInfo

import phonenumbers
import psycopg
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from phonenumbers.tzdata import TIMEZONE_DATA

from campaigns.domain.phone.area_codes import BRAZIL, NORTH_AMERICA
from campaigns.domain.phone.zones import find_zones
from campaigns.store.migrate import list_migrations, migrate
from campaigns.store.recipients import load_zones

HEALED_BY = "0005_zones_of_old_imports"
MOBILE = [
    phonenumbers.format_number(number, PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    if (number := phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)) is not None
]
PHONES = [
    *(f"+55{area}991234567" for area in BRAZIL),
    *(f"+1{area}5550123" for area in NORTH_AMERICA if f"1{area}" in TIMEZONE_DATA),
    *(f"+52{area}1234567" for area in ("614", "868", "662", "998", "664")),
    *MOBILE,
]


def old_names(phone):
    """Return the zones that an old import stored: those of the longest code in the library's table."""
    codes = (phone[1 : 1 + length] for length in range(8, 0, -1))
    return ",".join(next((TIMEZONE_DATA[code] for code in codes if code in TIMEZONE_DATA), ()))


def utc_offsets(zones):
    """Return (smallest, largest) UTC offset of the zones, every few days of the coming two years."""
    start = dt.datetime.now(dt.UTC)
    days = (start + dt.timedelta(days=day) for day in range(0, 730, 3))
    each = ([day.astimezone(ZoneInfo(zone)).utcoffset() for zone in zones] for day in days)
    return [(min(offsets), max(offsets)) for offsets in each]


@pytest.fixture(scope="module")
def zones(postgres):
    """The new zones by the old ones, after the upgrade of a database that has all old ones."""
    url = postgres.create_database("zones_of_old_imports")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE schema_migrations (name text PRIMARY KEY, applied_at timestamptz)")
        for name in [name for name in list_migrations() if name < HEALED_BY]:
            connection.execute(files("campaigns.store").joinpath("migrations", f"{name}.sql").read_bytes())
            connection.execute("INSERT INTO schema_migrations VALUES (%s, now())", (name,))
        connection.execute("INSERT INTO templates (name, language, components) VALUES ('promo', 'pt_BR', '[]')")
        connection.execute("INSERT INTO campaigns (name, template_id, time_zone) VALUES ('Sale', 1, 'UTC')")
        before = dict(enumerate(sorted({old_names(phone) for phone in PHONES} - {""}), 1))
        for zone_id, names in before.items():
            connection.execute("INSERT INTO campaign_zones VALUES (1, %s, %s)", (zone_id, names))
        assert HEALED_BY in migrate(url)
        after = load_zones(connection, 1)
    return {names: after[zone_id] for zone_id, names in before.items()}


def test_the_zones_of_each_phone_are_between_those_of_its_old_row(zones):
    outside = [phone for phone in PHONES if old_names(phone) and not is_between(phone, zones[old_names(phone)])]
    assert outside == [], outside
    assert {find_zones(phone) for phone in PHONES if not old_names(phone)} <= {()}


def is_between(phone, old):
    both = zip(utc_offsets(find_zones(phone)), utc_offsets(old), strict=True)
    return all(old_first <= first and last <= old_last for (first, last), (old_first, old_last) in both)


def test_zones_that_were_right_stay_as_they_are(zones):
    assert zones["America/Sao_Paulo"] == ("America/Sao_Paulo",)
    assert zones["Europe/Berlin"] == ("Europe/Berlin",)
