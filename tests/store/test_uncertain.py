"""Uncertain messages: settled whenever their webhook comes, and sent again by a person only."""

from __future__ import annotations

import datetime as dt
from functools import partial

import pytest

from campaigns.domain.message import Write
from campaigns.domain.settlement import Release
from campaigns.domain.statement import Refusal
from campaigns.management import retries
from campaigns.management.lifecycle import cancel_campaigns, ids_to_enqueue
from campaigns.management.retries import preview_uncertain, retry_uncertain_messages
from campaigns.store.campaigns import list_campaigns
from campaigns.store.events import insert_events
from campaigns.store.leases import complete_campaign, expire_messages
from campaigns.store.messages import ReleaseRow, merge_evidence, release_messages
from campaigns.store.people import erase_batch
from tests.store.rows import (
    Beside,
    add_account,
    add_campaign,
    add_message,
    add_messages,
    allowing_only,
    await_blocked,
    claim,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_message,
    read_statuses,
    receive,
    say,
    take,
)
from tests.support.actors import TESTER

SENT_AT = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
NUMBER = "500600700"
UNDELIVERED = {"errors": [{"code": 131026, "title": "Undeliverable"}]}


@pytest.fixture
def account_id(database):
    return database.run(add_account, phone_number_id=NUMBER)


@pytest.fixture
def add(database, account_id):
    """Makes a campaign with so many uncertain messages; returns its id."""

    def add_one(count=1, status="completed", **columns):
        campaign_id = database.run(add_campaign, status, accounts=[account_id])
        database.run(add_messages, campaign_id, count, "uncertain", account_id=account_id, **columns)
        return campaign_id

    return add_one


def only_message(database, campaign_id):
    return fetch(database, "SELECT id FROM messages WHERE campaign_id = %s", campaign_id)[0]


def tell(database, message_id, status, send_no=1, **changes):
    return receive(database, make_reports(make_report(database, message_id, status, send_no, **changes), number=NUMBER))


def claim_again(database, campaign_id, account_id):
    lease = database.run(take, campaign_id)
    return database.run(claim, campaign_id, lease.epoch, accounts=[account_id] * 5, cursor=lease.cursor).messages


# What webhooks settle


@pytest.mark.parametrize("status", ["sent", "delivered", "read", "failed"])
@pytest.mark.parametrize("campaign", ["running", "completed", "cancelled"])
def test_a_webhook_settles_an_uncertain_message_at_any_time(database, add, status, campaign):
    campaign_id = add(status=campaign)
    message_id = only_message(database, campaign_id)
    with allowing_only(database, Write.EVIDENCE):
        tell(database, message_id, status, **(UNDELIVERED if status == "failed" else {}))
    row = read_message(database, message_id)
    assert row["status"] == status
    assert row["error_title"] == ("Undeliverable" if status == "failed" else None)
    assert database.run(list_campaigns, [campaign_id])[0].status == campaign


@pytest.mark.parametrize("status", ["sent", "delivered", "failed"])
def test_an_erased_uncertain_message_is_settled_too(database, add, status):
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    report = make_report(database, message_id, status, **(UNDELIVERED if status == "failed" else {}))
    database.run(erase_batch, campaign_id, last_id=0, limit=9)
    receive(database, make_reports(report, number=NUMBER))
    row = read_message(database, message_id)
    assert (row["status"], row["phone"], row["wamid"]) == (status, None, f"erased.{message_id}")


def test_a_late_sent_after_a_delivery_changes_nothing(database, add):
    message_id = only_message(database, add())
    tell(database, message_id, "delivered")
    tell(database, message_id, "sent", seconds=9)
    assert read_message(database, message_id)["status"] == "delivered"


# What a person sends again


def test_what_is_uncertain_goes_again_and_nothing_else(database, add, account_id):
    campaign_id, other_id = add(2), add()
    for status in ("suppressed", "cancelled", "expired", "held", "sent", "failed", "delivered", "read"):
        database.run(add_message, campaign_id, status)
    with allowing_only(database, Write.OPERATOR):
        done = retry_uncertain_messages(database, campaign_id, actor=TESTER)
    assert (done.count, ids_to_enqueue([done.move])) == (2, [campaign_id])
    assert read_statuses(database, campaign_id)[:2] == ["pending"] * 2
    assert read_statuses(database, campaign_id).count("pending") == 2
    assert read_statuses(database, other_id) == ["uncertain"]
    assert database.run(list_campaigns, [campaign_id])[0].status == "running"
    taken = claim_again(database, campaign_id, account_id)
    assert [(each.send_no, each.attempts) for each in taken] == [(2, 1), (2, 1)]
    assert find_wrong_counters(database) == []


def test_a_dry_run_says_the_same_and_changes_nothing(database, add):
    campaign_id = add(3)
    database.run(add_message, campaign_id, "uncertain", error_code=131000, error_title="Something went wrong")
    seen = preview_uncertain(database, campaign_id)
    assert (seen.count, seen.move) == (4, None)
    assert [(each.error_code, each.title, each.count) for each in seen.reasons] == [
        (None, "the reply was lost", 3),
        (131000, "Something went wrong", 1),
    ]
    assert set(read_statuses(database, campaign_id)) == {"uncertain"}


def test_who_wants_no_messages_or_was_erased_stays_uncertain(database, add):
    campaign_id = add(3)
    fetch(
        database,
        "INSERT INTO suppressions (recipient_key, source, at) SELECT recipient_key, unnest(ARRAY['word', 'manual']),"
        " now() FROM messages ORDER BY id LIMIT 2",
    )
    erased_id = max(fetch(database, "SELECT id FROM messages"))
    fetch(database, "UPDATE messages SET phone = NULL, recipient_key = NULL WHERE id = %s", erased_id)
    done = retry_uncertain_messages(database, campaign_id, actor=TESTER)
    assert (done.count, done.suppressed_count, done.erased_count) == (1, 1, 1)
    assert read_statuses(database, campaign_id) == ["uncertain", "pending", "uncertain"]


def test_no_more_go_than_a_person_has_agreed_to(database, add, monkeypatch):
    monkeypatch.setattr(retries, "_MOST_AT_ONCE", 2)
    campaign_id = add(7)
    assert retry_uncertain_messages(database, campaign_id, at_most=5, actor=TESTER).count == 5
    assert read_statuses(database, campaign_id) == ["pending"] * 5 + ["uncertain"] * 2
    assert retry_uncertain_messages(database, campaign_id, actor=TESTER).count == 2


def test_a_paused_campaign_stays_paused(database, add):
    done = retry_uncertain_messages(database, add(status="paused"), actor=TESTER)
    assert (done.move.new, ids_to_enqueue([done.move])) == ("paused", [])


@pytest.mark.parametrize("status", ["draft", "pending", "scheduled", "cancelled"])
@pytest.mark.parametrize("run", [preview_uncertain, partial(retry_uncertain_messages, actor=TESTER)])
def test_other_campaigns_are_refused(database, add, status, run):
    campaign_id = add(status=status)
    with pytest.raises(Refusal, match="it cannot be retried"):
        run(database, campaign_id)
    assert read_statuses(database, campaign_id) == ["uncertain"]


def test_a_campaign_that_has_expired_is_refused(database, add):
    campaign_id = add()
    fetch(database, "UPDATE campaigns SET expire_at = now()")
    with pytest.raises(Refusal, match="has expired"):
        retry_uncertain_messages(database, campaign_id, actor=TESTER)


def test_stored_webhooks_are_applied_before_anything_goes_again(database, add):
    campaign_id = add(2)
    ids = fetch(database, "SELECT id FROM messages ORDER BY id")
    database.run(insert_events, [make_reports(make_report(database, ids[0]), number=NUMBER)])
    waiting = Beside(retry_uncertain_messages, database, campaign_id, actor=TESTER)
    receive(database)
    assert waiting.result().count == 1
    assert read_statuses(database, campaign_id) == ["delivered", "pending"]


def test_without_anybody_who_applies_webhooks_nothing_goes_again(database, add):
    campaign_id = add()
    database.run(insert_events, [b"{}"])
    with pytest.raises(Refusal, match=r"Stored webhooks are not applied yet \(1 webhook event\)"):
        retry_uncertain_messages(database, campaign_id, wait_seconds=0, actor=TESTER)
    assert read_statuses(database, campaign_id) == ["uncertain"]


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
def test_evidence_that_comes_at_the_same_moment_wins(database, add, status):
    """Whoever locks the message first: it is settled, and not sent again."""
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    at = {"sent_at": SENT_AT} | ({} if status == "sent" else {f"{status}_at": SENT_AT})

    def merge_slowly(connection):
        merge_evidence(connection, [say(message_id, status, wamid="wamid.old", **at)])
        return Beside(retry_uncertain_messages, database, campaign_id, actor=TESTER), await_blocked(database)

    retry, _ = database.run(merge_slowly)
    assert retry.result().count == 0
    assert read_statuses(database, campaign_id) == [status]
    assert database.run(list_campaigns, [campaign_id])[0].status == "completed"


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
def test_proof_of_the_uncertain_send_stops_the_second_one(database, add, account_id, status):
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    tell(database, message_id, status)
    row = read_message(database, message_id)
    assert (row["status"], row["not_before"], row["wamid"], row["error_title"]) == (
        status,
        None,
        f"wamid.{message_id}.1",
        None,
    )
    assert row["sent_at"] is not None
    assert claim_again(database, campaign_id, account_id) == []


def test_a_failure_of_the_uncertain_send_leaves_the_message_pending(database, add, account_id):
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    tell(database, message_id, "failed", **UNDELIVERED)
    assert read_message(database, message_id)["status"] == "pending"
    assert [each.id for each in claim_again(database, campaign_id, account_id)] == [message_id]


@pytest.mark.parametrize("status", ["sent", "failed"])
def test_once_it_is_claimed_again_the_old_send_counts_no_more(database, add, account_id, status):
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    claim_again(database, campaign_id, account_id)
    tell(database, message_id, status, **(UNDELIVERED if status == "failed" else {}))
    row = read_message(database, message_id)
    assert (row["status"], row["send_no"], row["failed_at"]) == ("sending", 2, None)
    tell(database, message_id, "failed", 2, **UNDELIVERED)
    assert read_message(database, message_id)["status"] == "failed"
    tell(database, message_id, "delivered")
    assert read_message(database, message_id)["status"] == "delivered"


def test_a_failure_after_proof_of_the_uncertain_send_counts(database, add):
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    tell(database, message_id, "sent")
    tell(database, message_id, "failed", **UNDELIVERED)
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"]) == ("failed", 131026)


def test_a_refused_second_send_is_not_settled_by_a_late_sent_of_it(database, add, account_id):
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    claim_again(database, campaign_id, account_id)
    database.run(release, campaign_id, message_id, 2)
    tell(database, message_id, "sent", 2)
    assert read_message(database, message_id)["status"] == "pending"


def release(connection, campaign_id, message_id, send_no):
    row = ReleaseRow(message_id, send_no, Release(0.0, refunds=True, code=130429, title="too many"))
    assert release_messages(connection, [row], campaign_ids=[campaign_id]) == {message_id}


# What is not sent again after all: nobody may say that it never left


def test_a_cancelled_campaign_keeps_uncertain_messages_uncertain(database, add):
    campaign_id = add()
    database.run(add_message, campaign_id, "pending")
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    cancel_campaigns(database, [campaign_id], actor=TESTER)
    assert read_statuses(database, campaign_id) == ["uncertain", "cancelled"]


def test_an_expired_campaign_keeps_uncertain_messages_uncertain(database, add):
    campaign_id = add()
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    lease = database.run(take, campaign_id)
    fetch(database, "UPDATE campaigns SET expire_at = clock_timestamp()")
    database.run(expire_messages, campaign_id, lease.epoch)
    assert read_statuses(database, campaign_id) == ["uncertain"]


def test_an_opt_out_before_the_second_send_keeps_the_message_uncertain(database, add, account_id):
    campaign_id = add()
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    fetch(
        database,
        "INSERT INTO suppressions (recipient_key, source, at) SELECT recipient_key, 'word', now() FROM messages",
    )
    with allowing_only(database, Write.RUNNER):
        assert claim_again(database, campaign_id, account_id) == []
    (message_id,) = fetch(database, "SELECT id FROM messages")
    row = read_message(database, message_id)
    assert (row["status"], row["error_title"], row["send_no"]) == ("uncertain", "the reply was lost", 1)
    assert find_wrong_counters(database) == []


@pytest.mark.parametrize(("status", "end"), [("cancelled", "uncertain"), ("completed", "uncertain")])
def test_a_refused_second_send_in_an_ended_campaign_stays_uncertain(database, add, account_id, status, end):
    campaign_id = add()
    message_id = only_message(database, campaign_id)
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    claim_again(database, campaign_id, account_id)
    fetch(
        database,
        "UPDATE campaigns SET status = %s, completed_at = CASE WHEN %s = 'completed' THEN now() END",
        status,
        status,
    )
    database.run(release, campaign_id, message_id, 2)
    row = read_message(database, message_id)
    assert (row["status"], row["failed_at"]) == (end, None)


def test_a_campaign_of_uncertain_messages_completes_again(database, add, account_id):
    campaign_id = add()
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    lease = database.run(take, campaign_id)
    (taken,) = database.run(claim, campaign_id, lease.epoch, accounts=[account_id]).messages
    database.run(merge_evidence, [say(taken.id, "uncertain", 2, error_title="lost again")])
    assert database.run(complete_campaign, campaign_id, lease.epoch) is not None
    assert retry_uncertain_messages(database, campaign_id, actor=TESTER).count == 1
    tell(database, taken.id, "sent", 2)
    assert read_message(database, taken.id)["status"] == "sent"


def test_evidence_retry_and_claims_at_once_send_nobody_twice_whose_proof_came_first(database, add, account_id):
    campaign_id = add(300, status="running")
    ids = fetch(database, "SELECT id FROM messages ORDER BY id")
    lease = database.run(take, campaign_id)
    claimed, settled = set(), set()

    def tell_all():
        for first in range(0, 300, 20):
            rows = [say(each, "sent", wamid=f"w{each}", sent_at=SENT_AT) for each in ids[first : first + 20]]
            # What counts is written; what comes after the claim of the second send changes nothing.
            settled.update(database.run(merge_evidence, rows))

    def claim_all():
        for _ in range(40):
            taken = database.run(claim, campaign_id, lease.epoch, accounts=[account_id] * 10).messages
            claimed.update(each.id for each in taken)

    retry = Beside(retry_uncertain_messages, database, campaign_id, actor=TESTER)
    others = [Beside(tell_all), Beside(claim_all)]
    retry.result()
    for other in others:
        other.result()
    claim_all()
    assert claimed | settled == set(ids)
    assert claimed & settled == set()
    assert set(fetch(database, "SELECT id FROM messages WHERE send_no = 2")) == claimed
    assert set(fetch(database, "SELECT id FROM messages WHERE status = 'sent'")) == settled
    assert find_wrong_counters(database) == []
