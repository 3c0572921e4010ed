"""How many accepted messages arrived, by account and hour: each message is counted once for each time."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.store.history import receipts
from campaigns.store.history.receipts import (
    add_receipt_positions,
    count_receipts,
    delete_old_receipts,
    list_account_receipts,
)
from tests.store.rows import add_account, add_campaign, add_messages, fetch

COUNTS = "SELECT hours, sum(accepted), sum(delivered), sum(read) FROM account_receipts GROUP BY hours ORDER BY hours"
LET_FALL_DUE = "UPDATE receipt_positions SET due_at = now() WHERE due_at IS NOT NULL"


def ago(**age):
    return dt.datetime.now(dt.UTC) - dt.timedelta(**age)


def count_all(database):
    database.run(add_receipt_positions)
    fetch(database, LET_FALL_DUE)
    while database.run(count_receipts):
        pass


@pytest.fixture
def campaign_id(database):
    database.run(add_account)
    return database.run(add_campaign, "running")


def test_messages_are_counted_by_what_became_of_them(database, campaign_id):
    for status, count in {"sent": 4, "delivered": 3, "read": 2}.items():
        database.run(add_messages, campaign_id, count, status, sent_at=ago(days=4))
    database.run(add_messages, campaign_id, 5, "failed", sent_at=ago(days=4))  # a webhook reported it later
    database.run(add_messages, campaign_id, 6, "failed")
    database.run(add_messages, campaign_id, 7, "suppressed")
    count_all(database)
    count_all(database)
    assert fetch(database, COUNTS) == [(hours, 14, 5, 2) for hours in (1, 24, 72)]


def test_each_time_waits_until_the_messages_are_so_old(database, campaign_id):
    for age in ({"days": 4}, {"days": 2}, {"hours": 2}, {"minutes": 10}):
        database.run(add_messages, campaign_id, 1, "delivered", sent_at=ago(**age))
    count_all(database)
    assert fetch(database, COUNTS) == [(1, 3, 3, 0), (24, 2, 2, 0), (72, 1, 1, 0)]


def test_a_receipt_that_comes_later_is_in_the_later_count(database, campaign_id):
    database.run(add_messages, campaign_id, 2, "sent", sent_at=ago(hours=2))
    count_all(database)
    fetch(database, "UPDATE messages SET sent_at = sent_at - interval '4 days', status = 'read'")
    count_all(database)
    assert fetch(database, COUNTS) == [(1, 2, 0, 0), (24, 2, 2, 2), (72, 2, 2, 2)]


def test_the_count_goes_on_behind_a_message_that_was_not_tried_yet(database, campaign_id):
    database.run(add_messages, campaign_id, 1, "read", sent_at=ago(days=4))
    database.run(add_messages, campaign_id, 1)
    database.run(add_messages, campaign_id, 1, "read", sent_at=ago(days=4))
    count_all(database)
    assert fetch(database, COUNTS)[0] == (1, 1, 1, 1)
    fetch(database, "UPDATE messages SET status = 'suppressed' WHERE status = 'pending'")
    count_all(database)
    assert fetch(database, COUNTS)[0] == (1, 2, 2, 2)


def test_a_large_campaign_is_counted_in_sets(database, campaign_id, monkeypatch):
    monkeypatch.setattr(receipts, "SET_SIZE", 3)
    database.run(add_messages, campaign_id, 7, "read", sent_at=ago(days=4))
    database.run(add_receipt_positions)
    assert database.run(count_receipts)
    assert fetch(database, COUNTS) == [(1, 3, 3, 3)]
    while database.run(count_receipts):
        pass
    assert fetch(database, COUNTS) == [(hours, 7, 7, 7) for hours in (1, 24, 72)]


def test_a_campaign_that_has_ended_is_looked_at_no_more(database):
    database.run(add_account)
    campaign_id = database.run(add_campaign, "completed", started_at=ago(hours=8), completed_at=ago(hours=7))
    database.run(add_messages, campaign_id, 2, "sent", sent_at=ago(hours=7))
    long_ago = database.run(add_campaign, "completed", started_at=ago(days=9), completed_at=ago(days=8))
    database.run(add_messages, long_ago, 2, "sent", sent_at=ago(days=8))
    count_all(database)
    due = "SELECT campaign_id, hours, due_at IS NULL FROM receipt_positions ORDER BY hours"
    count_all(database)
    assert fetch(database, due) == [(campaign_id, 1, True), (campaign_id, 24, False), (campaign_id, 72, False)]
    assert fetch(database, COUNTS) == [(1, 2, 0, 0)]


def test_the_numbers_of_a_time_have_the_latest_count_of_each_hour(database, campaign_id):
    def add(age, hours, *counts):
        columns = "INSERT INTO account_receipts VALUES (1, date_trunc('hour', now()) - %s::interval, %s, %s, %s, %s)"
        fetch(database, columns + " RETURNING 1", age, hours, *counts)

    add("3 hours", 1, 100, 50, 10)
    add("30 hours", 1, 100, 50, 10)
    add("30 hours", 24, 100, 90, 70)
    add("25 hours", 1, 100, 50, 10)
    add("25 hours", 24, 30, 29, 28)  # most messages of this hour are not yet so old
    found = database.run(list_account_receipts, 1, seconds=3600, count=48)
    known = [(each.accepted, each.delivered, each.read) for each in found if each.accepted]
    assert len(found) == 48
    assert known == [(100, 90, 70), (100, 50, 10), (100, 50, 10)]
    assert sum(each.accepted for each in database.run(list_account_receipts, 1, seconds=86_400, count=3)) == 300


def test_old_numbers_are_deleted(database):
    fetch(database, "INSERT INTO account_receipts VALUES (1, now() - interval '800 days', 1, 1, 1, 1) RETURNING 1")
    assert database.run(delete_old_receipts) == 1
