from __future__ import annotations

import datetime as dt
from functools import partial

import pytest

from campaigns.domain.message import Write
from campaigns.domain.statement import Refusal
from campaigns.domain.verdict import Retry
from campaigns.management import retries
from campaigns.management.lifecycle import ids_to_enqueue
from campaigns.management.retries import ALL, preview_retry, retry_failed
from campaigns.store.campaigns import list_campaigns
from campaigns.store.leases import complete_campaign, end_slice
from campaigns.store.messages import find_next_release_at, merge_evidence
from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    add_messages,
    allowing_only,
    claim,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_clock,
    read_message,
    read_statuses,
    receive,
    say,
    take,
)
from tests.support.actors import TESTER

FAILED_AT = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
SERVER = frozenset({Retry.SERVER})
LATER = frozenset({Retry.RECIPIENT_LATER})
NUMBER = "500600700"
UNDELIVERED = {"code": 131000, "title": "Something went wrong"}


@pytest.fixture
def account_id(database):
    return database.run(add_account, phone_number_id=NUMBER)


@pytest.fixture
def add(database, account_id):
    """Makes a campaign with failed messages of these codes; returns its id."""

    def add_one(*codes, status="completed", **columns):
        campaign_id = database.run(add_campaign, status, accounts=[account_id])
        for code in codes:
            database.run(add_failed, campaign_id, account_id, code, **columns)
        return campaign_id

    return add_one


def add_failed(connection, campaign_id, account_id, code, **columns):
    row = {"account_id": account_id, "error_code": code, "failed_at": FAILED_AT, "wamid": "wamid.old", "attempts": 1}
    return add_message(connection, campaign_id, "failed", **row | {"error_title": f"title {code}"} | columns)


def read_campaign(database, campaign_id):
    return database.run(list_campaigns, [campaign_id])[0]


def first_message(database, campaign_id):
    return fetch(database, "SELECT min(id) FROM messages WHERE campaign_id = %s", campaign_id)[0]


def counts(each):
    return [(row.error_code, row.count, row.waiting_count) for row in each]


def test_a_retry_puts_back_one_class_and_leaves_the_others(database, add):
    campaign_id = add(131000, 131026, 131056, 131049, 190, None)
    done = retry_failed(database, campaign_id, SERVER, actor=TESTER)
    assert counts(done.again) == [(131000, 1, 0)]
    assert sorted(code or 0 for code, *_ in counts(done.left)) == [0, 190, 131026, 131049, 131056]
    assert read_statuses(database, campaign_id) == ["pending", *["failed"] * 5]
    assert find_wrong_counters(database) == []


@pytest.mark.parametrize(
    ("classes", "codes"),
    [
        ({Retry.THROTTLED}, {131056}),
        ({Retry.RECIPIENT_LATER}, {131049}),
        ({Retry.REPAIRED}, {190, 132015}),
        (ALL, {131000, 131056, 131049, 190, 132015}),
    ],
)
def test_each_class_takes_its_codes(database, add, classes, codes):
    campaign_id = add(131000, 131026, 131056, 131049, 190, 132015, 999)
    assert {
        row.error_code for row in retry_failed(database, campaign_id, frozenset(classes), actor=TESTER).again
    } == codes


def test_a_completed_campaign_runs_again_and_is_enqueued(database, add):
    campaign_id = add(131000)
    done = retry_failed(database, campaign_id, SERVER, actor=TESTER)
    row = read_campaign(database, campaign_id)
    assert (row.status, row.completed_at, row.due_at) == ("running", None, None)
    assert row.enqueued_at is not None
    assert ids_to_enqueue([done.move]) == [campaign_id]


def test_a_retried_message_is_claimed_again_with_all_its_attempts_and_completes(database, add, account_id):
    campaign_id = add(131000, send_no=5, attempts=5, refused_by=[account_id], pair_refusals=3)
    database.run(add_messages, campaign_id, 3, "read")
    retry_failed(database, campaign_id, SERVER, actor=TESTER)
    lease = database.run(take, campaign_id)
    taken = database.run(claim, campaign_id, lease.epoch, accounts=[account_id] * 4, cursor=lease.cursor).messages
    assert [(each.send_no, each.attempts, each.refused_by, each.pair_refusals) for each in taken] == [(6, 1, None, 0)]
    database.run(merge_evidence, [say(taken[0].id, "sent", 6, wamid="wamid.new", sent_at=FAILED_AT)])
    assert read_message(database, taken[0].id)["error_title"] is None
    assert database.run(complete_campaign, campaign_id, lease.epoch) is not None


def test_a_reopened_campaign_searches_nothing_before_its_end(database, add):
    campaign_id = add(131000)
    last = database.run(add_messages, campaign_id, 5, "read")[-1]
    retry_failed(database, campaign_id, SERVER, actor=TESTER)
    assert database.run(take, campaign_id).cursor == last


def test_what_is_withheld_waits_for_a_day_after_its_failure(database, add, account_id):
    now = read_clock(database)
    campaign_id = add(131049, failed_at=now - dt.timedelta(hours=1))
    due_id = database.run(add_failed, campaign_id, account_id, 130472, failed_at=now - dt.timedelta(hours=25))
    done = retry_failed(database, campaign_id, LATER, actor=TESTER)
    assert (done.count, done.waiting_count, done.waits_until) == (2, 1, now + dt.timedelta(hours=23))
    lease = database.run(take, campaign_id)
    taken = database.run(claim, campaign_id, lease.epoch, accounts=[account_id] * 2).messages
    assert [each.id for each in taken] == [due_id]
    assert database.run(find_next_release_at, campaign_id) == now + dt.timedelta(hours=23)
    assert database.run(complete_campaign, campaign_id, lease.epoch) is None


def test_a_dry_run_says_the_same_and_changes_nothing(database, add):
    campaign_id = add(131049, 131026, 131000, failed_at=read_clock(database) - dt.timedelta(hours=1))
    preview = preview_retry(database, campaign_id, ALL)
    assert (read_campaign(database, campaign_id).status, preview.move) == ("completed", None)
    assert read_statuses(database, campaign_id) == ["failed"] * 3
    done = retry_failed(database, campaign_id, ALL, actor=TESTER)
    assert sorted(counts(preview.again)) == sorted(counts(done.again)) == [(131000, 1, 0), (131049, 1, 1)]
    assert preview.waits_until == done.waits_until
    assert counts(preview.left) == counts(done.left) == [(131026, 1, 0)]


def test_nothing_of_the_class_leaves_a_completed_campaign_completed(database, add):
    campaign_id = add(131026)
    done = retry_failed(database, campaign_id, ALL, actor=TESTER)
    assert (done.count, done.move, read_campaign(database, campaign_id).status) == (0, None, "completed")


def test_what_is_uncertain_is_never_retried(database, add):
    campaign_id = add()
    database.run(add_message, campaign_id, "uncertain", error_code=131000)
    assert retry_failed(database, campaign_id, ALL, actor=TESTER).count == 0
    assert read_statuses(database, campaign_id) == ["uncertain"]


def test_only_failed_messages_of_this_campaign_are_touched(database, add):
    campaign_id, other_id = add(131000), add(131000)
    for status in ("suppressed", "cancelled", "sending", "held", "sent", "delivered", "read"):
        database.run(add_message, campaign_id, status, error_code=131000)
    with allowing_only(database, Write.OPERATOR):
        assert retry_failed(database, campaign_id, ALL, actor=TESTER).count == 1
    assert read_statuses(database, other_id) == ["failed"]


def test_a_paused_campaign_stays_paused(database, add):
    campaign_id = add(131000, status="paused")
    done = retry_failed(database, campaign_id, SERVER, actor=TESTER)
    assert (read_campaign(database, campaign_id).status, ids_to_enqueue([done.move])) == ("paused", [])
    assert read_statuses(database, campaign_id) == ["pending"]


@pytest.mark.parametrize("status", ["draft", "pending", "scheduled", "cancelled"])
@pytest.mark.parametrize("run", [partial(retry_failed, actor=TESTER), preview_retry])
def test_other_campaigns_are_refused_with_a_sentence(database, add, status, run):
    campaign_id = add(131000, status=status)
    with pytest.raises(Refusal, match=rf"^Campaign {campaign_id} \(Sale\) is {status}: it cannot be retried. "):
        run(database, campaign_id, ALL)
    assert read_statuses(database, campaign_id) == ["failed"]


def test_a_campaign_that_is_not_there_is_refused(database):
    with pytest.raises(Refusal, match=r"^Campaign 99 does not exist: "):
        retry_failed(database, 99, ALL, actor=TESTER)


def test_many_messages_go_back_in_several_sets_each_once(database, add, monkeypatch):
    monkeypatch.setattr(retries, "_MOST_AT_ONCE", 2)
    campaign_id = add(131000, 131026, 131000, 131016, 131000, 131000, failed_at=read_clock(database))
    done = retry_failed(database, campaign_id, SERVER, actor=TESTER)
    assert counts(done.again) == [(131000, 4, 0), (131016, 1, 0)]
    assert (done.move.old, done.move.new) == ("completed", "running")
    assert read_statuses(database, campaign_id).count("pending") == 5


def test_a_late_copy_of_the_old_failure_does_not_fail_the_new_try(database, add, account_id):
    campaign_id = add(131000)
    message_id = first_message(database, campaign_id)
    body = make_reports(make_report(database, message_id, "failed", errors=[UNDELIVERED]), number=NUMBER)
    retry_failed(database, campaign_id, SERVER, actor=TESTER)
    receive(database, body)
    assert read_message(database, message_id)["status"] == "pending"
    lease = database.run(take, campaign_id)
    database.run(claim, campaign_id, lease.epoch, accounts=[account_id])
    receive(database, body)
    row = read_message(database, message_id)
    assert (row["status"], row["send_no"], row["failed_at"]) == ("sending", 2, None)


def test_a_failure_of_the_new_try_fails_it(database, add, account_id):
    campaign_id = add(131000)
    message_id = first_message(database, campaign_id)
    retry_failed(database, campaign_id, SERVER, actor=TESTER)
    lease = database.run(take, campaign_id)
    database.run(claim, campaign_id, lease.epoch, accounts=[account_id])
    report = make_report(database, message_id, "failed", 2, errors=[UNDELIVERED | {"code": 131026}])
    receive(database, make_reports(report, number=NUMBER))
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"]) == ("failed", 131026)


@pytest.mark.parametrize("status", ["delivered", "read"])
def test_a_late_delivery_of_the_old_send_settles_the_message_and_stops_the_retry(database, add, account_id, status):
    campaign_id = add(131000)
    message_id = first_message(database, campaign_id)
    retry_failed(database, campaign_id, SERVER, actor=TESTER)
    receive(database, make_reports(make_report(database, message_id, status), number=NUMBER))
    row = read_message(database, message_id)
    assert (row["status"], row["not_before"], row["wamid"]) == (status, None, f"wamid.{message_id}.1")
    lease = database.run(take, campaign_id)
    assert database.run(claim, campaign_id, lease.epoch, accounts=[account_id]).messages == []


def test_a_late_sent_of_the_old_send_changes_nothing(database, add):
    campaign_id = add(131000)
    message_id = first_message(database, campaign_id)
    retry_failed(database, campaign_id, SERVER, actor=TESTER)
    receive(database, make_reports(make_report(database, message_id, "sent"), number=NUMBER))
    row = read_message(database, message_id)
    assert (row["status"], row["wamid"], row["sent_at"]) == ("pending", None, None)


def test_a_retry_is_not_forgotten_by_the_slice_that_ends_beside_it(database, add, account_id):
    campaign_id = add(131000, status="running")
    lease = database.run(take, campaign_id)
    retry_failed(database, campaign_id, SERVER, actor=TESTER)
    tomorrow = read_clock(database) + dt.timedelta(days=1)
    database.run(
        end_slice, campaign_id, lease.epoch, cursor=0, waiting_reason="retry", due_at=tomorrow, is_due_now=False
    )
    row = read_campaign(database, campaign_id)
    assert (row.waiting_reason, row.due_at) == (None, None)
    again = database.run(take, campaign_id)
    assert database.run(claim, campaign_id, again.epoch, accounts=[account_id]).messages


def test_a_slice_that_was_not_enqueued_meanwhile_keeps_its_wait(database, add):
    campaign_id = add(status="running")
    lease = database.run(take, campaign_id)
    tomorrow = read_clock(database) + dt.timedelta(days=1)
    database.run(
        end_slice, campaign_id, lease.epoch, cursor=0, waiting_reason="retry", due_at=tomorrow, is_due_now=False
    )
    row = read_campaign(database, campaign_id)
    assert (row.waiting_reason, row.due_at) == ("retry", tomorrow)
