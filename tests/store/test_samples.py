"""Numbers over time: one row for each minute, however often the task runs, and old rows put together."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from campaigns.sending.samples import condense_samples
from campaigns.store.history.samples import (
    add_replies,
    condense_day,
    delete_old_samples,
    sample_accounts,
    sample_campaigns,
)
from tests.store.rows import Beside, add_account, add_campaign, add_messages, await_blocked, fetch, hold

# As if the rows of this test had been written that much earlier.
AGE = "UPDATE campaign_samples SET at = at - %s::interval, read_at = read_at - %s::interval"
SAMPLES = "SELECT counts, done_count FROM campaign_samples ORDER BY campaign_id, at"


def age(database, interval):
    fetch(database, AGE, interval, interval)


def settle(database, campaign_id, count, status="sent"):
    fetch(
        database,
        "UPDATE messages SET status = %s, claimed_at = now(), send_no = 1, account_id = 1, attempts = 1,"
        " sent_at = now(), wamid = 'w' || id WHERE id IN"
        " (SELECT id FROM messages WHERE campaign_id = %s AND status = 'pending' LIMIT %s)",
        status,
        campaign_id,
        count,
    )


@pytest.fixture
def campaign_id(database):
    campaign_id = database.run(add_campaign, "running", started_at="2026-10-01T12:00Z")
    database.run(add_messages, campaign_id, 100)
    return campaign_id


def test_a_minute_has_one_row_however_often_the_task_runs(database, campaign_id):
    for _ in range(3):
        database.run(sample_campaigns)
    minutes = fetch(database, "SELECT count(*) FROM campaign_samples GROUP BY at, step")
    assert minutes in ([1], [1, 1])  # the minute may end in the middle of this test
    assert fetch(database, SAMPLES)[0] == ({"pending": 100}, 0)


def test_the_rate_is_that_since_the_minute_before(database, campaign_id):
    database.run(sample_campaigns)
    age(database, "1 minute")
    settle(database, campaign_id, 30)
    database.run(sample_campaigns)
    first, second = fetch(database, "SELECT rate FROM campaign_samples ORDER BY at")
    assert first is None  # it started long before
    assert 0 < second <= 0.5
    assert fetch(database, SAMPLES)[1] == ({"pending": 70, "sent": 30}, 30)


def test_the_first_rate_counts_from_the_start(database):
    campaign_id = database.run(add_campaign, "running")
    fetch(database, "UPDATE campaigns SET started_at = now() - interval '10 s' WHERE id = %s", campaign_id)
    database.run(add_messages, campaign_id, 20, "sent")
    database.run(sample_campaigns)
    assert fetch(database, "SELECT rate BETWEEN 0.5 AND 2 FROM campaign_samples") == [True]


def test_after_a_gap_the_rate_is_not_known(database, campaign_id):
    database.run(sample_campaigns)
    age(database, "10 minutes")
    settle(database, campaign_id, 30)
    database.run(sample_campaigns)
    assert fetch(database, "SELECT rate FROM campaign_samples ORDER BY at") == [None, None]


def test_messages_that_a_retry_takes_back_make_no_negative_rate(database, campaign_id):
    settle(database, campaign_id, 50)
    database.run(sample_campaigns)
    age(database, "1 minute")
    fetch(database, "UPDATE messages SET status = 'pending', wamid = NULL, sent_at = NULL WHERE status = 'sent'")
    database.run(sample_campaigns)
    assert fetch(database, "SELECT rate FROM campaign_samples ORDER BY at")[1] == 0.0


def test_a_campaign_that_has_just_ended_gets_its_last_numbers_and_then_no_more(database, campaign_id):
    database.run(sample_campaigns)
    age(database, "1 minute")
    settle(database, campaign_id, 100)
    fetch(database, "UPDATE campaigns SET status = 'completed', completed_at = now()")
    for _ in range(3):
        database.run(sample_campaigns)
        age(database, "1 minute")
    assert fetch(database, SAMPLES) == [({"pending": 100}, 0), ({"sent": 100}, 100)]


@pytest.mark.parametrize("status", ["draft", "scheduled", "paused", "completed", "cancelled"])
def test_a_campaign_that_does_not_run_gets_no_row(database, status):
    campaign_id = database.run(add_campaign, status)
    database.run(add_messages, campaign_id, 5)
    database.run(sample_campaigns)
    assert fetch(database, SAMPLES) == []


def test_a_test_of_a_campaign_gets_no_row(database, campaign_id):
    database.run(add_campaign, "running", test_of=campaign_id)
    database.run(sample_campaigns)
    assert fetch(database, "SELECT campaign_id FROM campaign_samples") == [campaign_id]


def test_replies_of_two_workers_are_added_to_the_row_of_the_minute(database):
    account_id = database.run(add_account)
    database.run(add_replies, {(account_id, "accepted"): 5, (account_id, "throttle"): 2, (account_id, "account"): 1})
    database.run(sample_accounts, {account_id: 40.0})
    database.run(add_replies, {(account_id, "accepted"): 1, (account_id, "uncertain"): 3})
    columns = "sum(accepted), sum(throttled), sum(failed_account), sum(uncertain), max(rate)"
    assert fetch(database, f"SELECT {columns} FROM account_samples") == [(6, 2, 1, 3, 40.0)]


def test_the_quality_is_that_of_the_last_check_and_a_rate_may_be_unknown(database):
    healthy, unknown = (database.run(add_account, phone_number_id=number, name=number) for number in ("1", "2"))
    fetch(database, "UPDATE accounts SET health = %s WHERE id = %s", Jsonb({"quality": "GREEN"}), healthy)
    database.run(sample_accounts, {healthy: 80.0, unknown: None})
    found = fetch(database, "SELECT rate, quality FROM account_samples ORDER BY account_id")
    assert found == [(80.0, "GREEN"), (None, None)]


FILL = """
INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT 7, %(step)s, at, at, jsonb_build_object('sent', n), n, n
FROM generate_series(1, %(count)s) n
CROSS JOIN LATERAL (SELECT date_trunc(%(unit)s, now() - %(age)s::interval) + n * %(every)s::interval AS at) g
"""


def fill(database, step, *, unit, count, age, every):
    parameters = {"step": step, "unit": unit, "count": count, "age": age, "every": every}
    database.run(lambda connection: connection.execute(FILL, parameters))


def test_minutes_become_hours_after_two_days_and_no_hour_is_split(database):
    fill(database, "minute", unit="hour", count=59, age="50 hours", every="1 minute")
    fill(database, "minute", unit="hour", count=59, age="47 hours", every="1 minute")
    assert database.run(condense_day) == 1
    rows = fetch(database, "SELECT step, count(*), max(counts::text), max(rate) FROM campaign_samples GROUP BY step")
    assert sorted(rows) == [("hour", 1, '{"sent": 59}', 30.0), ("minute", 59, '{"sent": 9}', 59.0)]
    assert database.run(condense_day) == 0


def test_hours_become_days_after_ninety_days_and_days_go_after_two_years(database):
    fill(database, "hour", unit="day", count=23, age="95 days", every="1 hour")
    fill(database, "day", unit="day", count=1, age="800 days", every="1 day")
    assert (database.run(condense_day), database.run(delete_old_samples)) == (1, 1)
    assert fetch(database, "SELECT step, done_count, rate FROM campaign_samples") == [("day", 23, 12.0)]


def test_old_minutes_are_put_together_day_by_day(database):
    fill(database, "minute", unit="day", count=5 * 24, age="12 days", every="1 hour")
    counted = "SELECT count(DISTINCT date_trunc('day', at)) FROM campaign_samples WHERE step = 'minute'"
    (before,) = fetch(database, counted)
    database.run(condense_day)
    assert fetch(database, counted) == [before - 1], "one statement has the rows of one day"
    condense_samples(database)
    assert fetch(database, "SELECT step, count(*) FROM campaign_samples GROUP BY 1") == [("hour", 5 * 24)]


def test_replies_of_an_account_are_summed_up(database):
    account_id = database.run(add_account)
    insert = (
        "INSERT INTO account_samples (account_id, step, at, accepted, failed_server, rate, quality) SELECT %s,"
        " 'minute', date_trunc('hour', now() - interval '50 hours') + n * interval '1 minute', n, 1, 10 * n,"
        " CASE n WHEN 1 THEN 'GREEN' WHEN 2 THEN 'RED' END FROM generate_series(1, 3) n"
    )
    fetch(database, insert, account_id)
    database.run(condense_day)
    columns = "step, accepted, failed_server, rate, quality"
    assert fetch(database, f"SELECT {columns} FROM account_samples") == [("hour", 6, 3, 10.0, "RED")]


def test_two_that_condense_at_once_lose_nothing_and_count_nothing_twice(database):
    fill(database, "minute", unit="hour", count=59, age="50 hours", every="1 minute")
    first, may_commit = hold(database, condense_day)
    second = Beside(database.run, condense_day)
    await_blocked(database)
    may_commit.set()
    assert [first.result(), second.result()] == [1, 0]
    assert fetch(database, "SELECT step, done_count FROM campaign_samples") == [("hour", 59)]
