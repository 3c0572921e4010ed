"""The estimated end of a campaign, which lies at a time at which a message may leave."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.pacing import Window
from campaigns.domain.schedule import read_holidays
from campaigns.management.hours.window import read_window_of
from campaigns.management.preview import estimate_end, estimate_seconds, preview_campaign
from tests.store.rows import add_account, add_campaign, add_messages, fetch

MONDAY = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def always(at):
    return at, None


def office(at):
    """09:00 to 18:00 every day."""
    opens = at.replace(hour=9, minute=0, second=0, microsecond=0)
    closes = opens + 9 * HOUR
    if at >= closes:
        opens, closes = opens + 24 * HOUR, closes + 24 * HOUR
    return max(at, opens), closes


@pytest.mark.parametrize(
    ("count", "plan", "seconds"),
    [
        (0, {"rate": 80}, 0),
        (1, {"rate": 80}, 0),
        (8_001, {"rate": 80}, 100),
        (101, {"rate": 80, "interval_seconds": 2}, 200),
        (101, {"rate": 0.1, "interval_seconds": 2}, 1000),  # the accounts are slower than the interval
        (6, {"rate": 1, "pause_after": 2, "pause_seconds": 60}, 3 + 120),
        (7, {"rate": 1, "pause_after": 2, "pause_seconds": 60}, 3 + 180),
        (3, {"rate": 1, "interval_seconds": 5, "pause_after": 1, "pause_seconds": 2}, 10),
    ],
)
def test_messages_take_their_steps_and_pauses(count, plan, seconds):
    assert estimate_seconds(count, **plan) == pytest.approx(seconds)


def test_without_a_window_it_ends_after_its_seconds():
    assert estimate_end(MONDAY, 3600, always) == MONDAY + HOUR


def test_a_window_is_waited_for_and_carries_the_rest_to_the_next_day():
    assert estimate_end(MONDAY, 8 * 3600, office) == MONDAY + 17 * HOUR
    assert estimate_end(MONDAY, 10 * 3600, office) == MONDAY + (24 + 10) * HOUR
    assert estimate_end(MONDAY + 20 * HOUR, 60, office) == MONDAY + 33 * HOUR + dt.timedelta(minutes=1)


def test_what_would_never_end_has_no_end():
    assert estimate_end(MONDAY, 9 * 3600 * 4000, office) is None


@given(st.integers(0, 47), st.integers(1, 9 * 3600 * 30))
def test_between_start_and_end_the_window_was_open_for_just_that_long(hours, seconds):
    at = MONDAY + hours * HOUR
    end = estimate_end(at, seconds, office)
    open_seconds = 0
    while at < end:
        begins, closes = office(at)
        open_seconds += (min(closes, end) - begins).total_seconds()
        at = closes
    assert open_seconds == seconds


SAO_PAULO = "America/Sao_Paulo"


def add_plan(connection, *, count=25, limit=None, **plan):
    """A draft for people whose phones are in São Paulo."""
    account = add_account(connection, messages_per_second=1)
    if limit:
        text = "INSERT INTO portfolios (name, daily_limit) VALUES ('Loja', %s) RETURNING id"
        connection.execute("UPDATE accounts SET portfolio_id = %s", connection.execute(text, (limit,)).fetchone())
    given = {"time_zone": SAO_PAULO, "columns": [], "recipient_count": count} | plan
    campaign_id = add_campaign(connection, "draft", accounts=[account], **given)
    add_messages(connection, campaign_id, count)
    return campaign_id


@pytest.mark.parametrize("limit", [None, 10, 1])
@pytest.mark.parametrize("gap", [0, 1, 7, 13, 22])
@pytest.mark.parametrize("days", [[1, 2, 3, 4, 5, 6, 7], [6, 7], [3]])
def test_the_end_is_within_the_hours_and_days_whatever_the_hour(database, limit, gap, days):
    now = dt.datetime.now(dt.UTC).astimezone(dt.timezone(dt.timedelta(hours=-3)))
    opens = (now + dt.timedelta(hours=gap)).time().replace(second=0, microsecond=0)
    closes = (now + dt.timedelta(hours=gap + 1)).time().replace(second=0, microsecond=0)
    hours = {"window_from": opens, "window_to": closes, "weekdays": days}
    campaign_id = database.run(add_plan, limit=limit, interval_seconds=200, **hours)
    found = preview_campaign(database, campaign_id, rows=0)
    window = read_window_of(found.campaign)
    assert window.wait(found.ends_at - dt.timedelta(seconds=1)) is None or window.wait(found.ends_at) is None
    assert found.ends_at > found.departure.at
    assert found.seconds == 24 * 200
    if limit != 10:  # with 10 people a day, either the hours or the limit decide
        assert found.limited_by == (["Loja"] if limit else [])


def test_the_end_is_on_no_holiday(database):
    christmas = dt.datetime(dt.datetime.now(dt.UTC).year + 1, 12, 25, 3, tzinfo=dt.UTC)
    plan = {"holidays": "BR", "scheduled_at": christmas - dt.timedelta(minutes=30), "interval_seconds": 200}
    found = preview_campaign(database, database.run(add_plan, **plan), rows=0)
    assert found.ends_at > christmas + dt.timedelta(days=1)
    assert Window(SAO_PAULO, holidays=read_holidays("BR")).wait(found.ends_at) is None


def test_the_end_waits_for_the_last_zone_of_the_people(database):
    def add(connection):
        hours = {"window_from": dt.time(9), "window_to": dt.time(18), "uses_recipient_zones": True}
        campaign_id = add_plan(connection, **hours)
        text = "INSERT INTO campaign_zones (campaign_id, id, names) VALUES (%s, 1, 'Asia/Tokyo')"
        connection.execute(text, (campaign_id,))
        connection.execute("UPDATE messages SET zone_id = 1 WHERE id % 2 = 0")
        return campaign_id

    found = preview_campaign(database, database.run(add), rows=0)
    openings = {zone: Window(zone, dt.time(9), dt.time(18)) for zone in (SAO_PAULO, "Asia/Tokyo")}
    last = max(
        found.campaign.server_now if (wait := window.wait(found.campaign.server_now)) is None else wait.until
        for window in openings.values()
    )
    assert found.ends_at > last
    assert any(window.wait(found.ends_at) is None for window in openings.values())


def test_hours_that_never_open_have_no_end(database):
    holidays = {"holidays": "BR", "weekdays": [1], "window_from": dt.time(9), "window_to": dt.time(10)}
    campaign_id = database.run(add_plan, **holidays)
    assert preview_campaign(database, campaign_id, rows=0).ends_at is not None
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand' RETURNING 1")
    assert preview_campaign(database, campaign_id, rows=0).ends_at is None
