from campaigns.privacy.retention import find_overdue_campaigns, retain
from campaigns.store import people
from tests.store.rows import (
    add_campaign,
    add_message,
    add_messages,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_message,
    receive,
)
from tests.support.actors import TESTER

LONG_AGO = "2025-01-01T00:00Z"


def count_phones(database, campaign_id):
    return fetch(database, "SELECT count(phone) FROM messages WHERE campaign_id = %s", campaign_id)[0]


def test_a_campaign_that_ended_long_ago_keeps_its_counters_and_loses_its_people(database):
    campaign_id = database.run(add_campaign, "completed", completed_at=LONG_AGO)
    for status in ("sent", "failed", "read", "uncertain", "suppressed"):
        database.run(add_message, campaign_id, status, variables=["Ana"], error_details="x", consent="shop")
    before = fetch(database, "SELECT status::text, count FROM tallies ORDER BY 1")
    assert [(row.id, row.message_count) for row in retain(database, days=30, actor=TESTER)] == [(campaign_id, 5)]
    rows = fetch(database, "SELECT phone, recipient_key, variables, error_details, consent FROM messages")
    assert set(map(str, rows)) == {"(None, None, [], None, None)"}
    assert fetch(database, "SELECT count(*) FROM messages WHERE wamid = 'wamid.settled'") == [0]
    assert fetch(database, "SELECT status::text, count FROM tallies ORDER BY 1") == before
    assert find_wrong_counters(database) == []
    assert retain(database, days=30, actor=TESTER) == []


def test_a_campaign_that_ended_lately_or_goes_on_is_left_alone(database):
    kept = [
        database.run(add_campaign, "completed", completed_at="2099-01-01T00:00Z"),
        *(database.run(add_campaign, status, created_at=LONG_AGO) for status in ("draft", "paused", "running")),
    ]
    for campaign_id in kept:
        database.run(add_message, campaign_id, "sent")
    assert retain(database, days=1, actor=TESTER) == []
    assert [count_phones(database, each) for each in kept] == [1] * 4


def test_a_cancelled_campaign_counts_from_when_it_was_cancelled(database):
    campaign_id = database.run(add_campaign, "cancelled", cancelled_at=LONG_AGO)
    database.run(add_message, campaign_id, "cancelled")
    retain(database, days=30, actor=TESTER)
    assert count_phones(database, campaign_id) == 0


def test_what_is_still_on_the_wire_is_erased_the_next_time(database):
    campaign_id = database.run(add_campaign, "cancelled", cancelled_at=LONG_AGO)
    message_id = database.run(add_message, campaign_id, "sending")
    database.run(add_message, campaign_id, "sent")
    retain(database, days=30, actor=TESTER)
    assert count_phones(database, campaign_id) == 1
    fetch(database, "UPDATE messages SET status = 'uncertain', error_title = 'lost' WHERE id = %s", message_id)
    retain(database, days=30, actor=TESTER)
    assert count_phones(database, campaign_id) == 0


def test_batches_end_where_the_campaign_ends(database):
    campaign_id = database.run(add_campaign, "completed", completed_at=LONG_AGO)
    other = database.run(add_campaign, "completed")
    database.run(add_messages, campaign_id, 5, "sent")
    database.run(add_messages, other, 3, "sent")
    counts, last_id = [], 0
    while batch := database.run(people.erase_batch, campaign_id, last_id=last_id, limit=2):
        counts.append(batch.count)
        last_id = batch.last_id
    assert counts == [2, 2, 1]
    assert (count_phones(database, campaign_id), count_phones(database, other)) == (0, 3)


def test_a_dry_run_only_tells(database):
    campaign_id = database.run(add_campaign, "completed", completed_at=LONG_AGO)
    database.run(add_messages, campaign_id, 2, "sent")
    assert [(row.id, row.message_count) for row in find_overdue_campaigns(database, days=30)] == [(campaign_id, 2)]
    assert count_phones(database, campaign_id) == 2


def test_a_webhook_after_that_finds_its_message_by_our_id(database):
    campaign_id = database.run(add_campaign, "completed", completed_at=LONG_AGO)
    message_id = database.run(add_message, campaign_id, "sent")
    retain(database, days=30, actor=TESTER)
    receive(database, make_reports(make_report(database, message_id, "read"), number=""))
    row = read_message(database, message_id)
    assert (row["status"], row["wamid"]) == ("read", f"erased.{message_id}")
