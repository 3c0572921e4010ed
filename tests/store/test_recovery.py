"""A database that is older than what was sent: nothing goes twice, and what still comes is understood."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.doctor.recover import Fate, preview_recovery, recover
from campaigns.domain.message import Write
from campaigns.domain.statement import Refusal
from campaigns.management.lifecycle import ids_to_enqueue, resume_campaigns
from campaigns.management.retries import retry_uncertain_messages
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import PROCESS, Database
from campaigns.store.messages import merge_evidence
from campaigns.store.recovery import FORGOTTEN
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

SENT_AT, LATER = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
NUMBER, OTHER_NUMBER = "500600700", "500600701"
ACCOUNT_FAULT = {"errors": [{"code": 131042, "title": "Payment"}]}


@pytest.fixture
def account_id(database):
    return database.run(add_account, phone_number_id=NUMBER)


@pytest.fixture
def add(database, account_id):
    """Makes a campaign with one message of each status; returns its id."""

    def add_one(status="running", messages=("sent", "pending", "sending"), **columns):
        campaign_id = database.run(add_campaign, status, accounts=[account_id], **columns)
        for each in messages:
            database.run(add_message, campaign_id, each)
        return campaign_id

    return add_one


@pytest.fixture
def since(database):
    return read_clock(database) - dt.timedelta(hours=6)


@pytest.fixture
def run(database, since):
    return lambda *spared, since=since: recover(database, since=since, spared=spared, actor=TESTER)


def read_campaign(database, campaign_id):
    return database.run(list_campaigns, [campaign_id])[0]


def message_of(database, campaign_id, status):
    return fetch(database, "SELECT id FROM messages WHERE campaign_id = %s AND status = %s", campaign_id, status)[0]


def tell(database, message_id, status, send_no, *, number=NUMBER, **changes):
    return receive(database, make_reports(make_report(database, message_id, status, send_no, **changes), number=number))


# What becomes of campaigns


@pytest.mark.parametrize("status", ["draft", "pending", "scheduled", "running", "paused"])
def test_what_may_have_been_sent_is_uncertain_and_its_campaign_paused(database, add, run, status):
    campaign_id = add(status)
    with allowing_only(database, Write.OPERATOR):
        done = run()
    assert (done.count, [each.fate for each in done.campaigns]) == (2, [Fate.UNCERTAIN])
    assert read_statuses(database, campaign_id) == ["sent", "uncertain", "uncertain"]
    row = read_campaign(database, campaign_id)
    assert (row.status, row.waiting_reason, row.due_at) == ("paused", None, None)
    assert row.started_at is not None
    assert find_wrong_counters(database) == []


def test_what_is_known_stays_as_it_is(database, add, run):
    known = ["suppressed", "cancelled", "expired", "uncertain", "held", "sent", "failed", "delivered", "read"]
    campaign_id = add(messages=[*known, "pending"])
    assert run().failed_count == 1
    assert read_statuses(database, campaign_id) == [*known, "uncertain"]
    reasons = fetch(database, "SELECT error_title FROM messages WHERE status = 'uncertain' ORDER BY id")
    assert reasons == ["the reply was lost", FORGOTTEN]


def test_a_campaign_whose_time_is_to_come_is_only_paused_and_goes_on_by_a_person(database, add, run):
    campaign_id = add("scheduled", ["pending"], scheduled_at=LATER)
    assert [each.fate for each in run().campaigns] == [Fate.PAUSE]
    assert read_statuses(database, campaign_id) == ["pending"]
    (move,) = resume_campaigns(database, [campaign_id], actor=TESTER)
    assert (move.old, move.new) == ("paused", "scheduled")


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_campaign_that_has_ended_keeps_its_status(database, add, run, status):
    campaign_id = add(status, ["sending", "read"])
    assert [each.fate for each in run().campaigns] == [Fate.UNCERTAIN_ONLY]
    assert read_statuses(database, campaign_id) == ["uncertain", "read"]
    assert read_campaign(database, campaign_id).status == status


def test_a_campaign_that_a_person_vouches_for_is_left_alone(database, add, run):
    campaign_id, other_id = add(), add()
    done = run(campaign_id)
    assert [each.fate for each in done.campaigns] == [Fate.EXCEPT, Fate.UNCERTAIN]
    assert read_statuses(database, campaign_id) == ["sent", "pending", "sending"]
    assert read_campaign(database, campaign_id).status == "running"
    assert "pending" not in read_statuses(database, other_id)


def test_only_campaigns_with_possibly_sent_messages_can_be_excepted(database, add, run):
    campaign_id = add("completed", ["read"])
    with pytest.raises(Refusal, match=rf"^There is no campaign {campaign_id} with messages that may have been sent"):
        run(campaign_id)


def test_a_preview_changes_nothing(database, add, since):
    campaign_id = add()
    seen = preview_recovery(database, since=since, spared=())
    assert (seen.count, seen.is_first, seen.has_work) == (2, True, True)
    assert read_statuses(database, campaign_id) == ["sent", "pending", "sending"]
    assert preview_recovery(database, since=since, spared=()).is_first


def test_nothing_of_it_is_sent_when_the_campaign_goes_on(database, add, run, account_id):
    campaign_id = add()
    run()
    (move,) = resume_campaigns(database, [campaign_id], actor=TESTER)
    assert ids_to_enqueue([move]) == [campaign_id]
    lease = database.run(take, campaign_id)
    assert database.run(claim, campaign_id, lease.epoch, accounts=[account_id] * 3).messages == []


# Twice, and not beside anybody


def test_the_second_time_nothing_is_left_to_do(database, add, run):
    campaign_id = add(messages=["pending", "pending"])
    ahead_id = add("scheduled", ["pending"], scheduled_at=LATER)
    run()
    retry_uncertain_messages(database, campaign_id, at_most=1, actor=TESTER)
    made_since = add("draft", ["pending"])
    again = run()
    assert (again.count, again.has_work, again.is_first) == (0, False, False)
    assert {each.fate for each in again.campaigns} == {Fate.DONE}
    assert sorted(read_statuses(database, campaign_id)) == ["pending", "uncertain"]
    assert read_statuses(database, ahead_id) == read_statuses(database, made_since) == ["pending"]
    assert read_campaign(database, made_since).status == "draft"


def test_what_was_excepted_first_can_be_recovered_later(database, add, run):
    campaign_id = add()
    run(campaign_id)
    assert run().count == 2
    assert read_statuses(database, campaign_id) == ["sent", "uncertain", "uncertain"]


def test_after_another_restore_it_is_done_again(database, add, run):
    campaign_id = add(messages=["pending"])
    run()
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    done = run(since=read_clock(database))
    assert (done.count, done.is_first) == (1, True)
    assert read_statuses(database, campaign_id) == ["uncertain"]


def test_beside_a_living_lease_it_is_refused(database, add, run, account_id):
    campaign_id = add(messages=["pending"])
    database.run(take, campaign_id)
    with pytest.raises(Refusal, match=rf"^A worker may be sending campaign {campaign_id}: stop all roles"):
        run()
    assert read_statuses(database, campaign_id) == ["pending"]


def test_beside_a_process_it_is_refused(database, database_url, add, since):
    campaign_id = add(messages=["pending"])
    url = fetch(database, "SELECT current_database()")[0]
    process = Database(database_url.rsplit("/", 1)[0] + f"/{url}", name=PROCESS)
    process.open()
    assert process.is_ready()
    with pytest.raises(Refusal, match="stop all roles first"):
        preview_recovery(database, since=since, spared=())
    process.close()
    assert read_statuses(database, campaign_id) == ["pending"]


def test_a_time_to_come_is_refused(run):
    with pytest.raises(Refusal, match="cannot be in the future"):
        run(since=LATER)


# What the forgotten time sends after us


@pytest.mark.parametrize(("status", "send_no"), [("sent", 1), ("delivered", 3), ("read", 2), ("failed", 4)])
def test_a_webhook_of_a_forgotten_send_waits_for_the_recovery_and_settles_the_message(
    database, add, run, status, send_no
):
    campaign_id = add(messages=["pending"])
    message_id = message_of(database, campaign_id, "pending")
    tell(database, message_id, status, send_no, number=OTHER_NUMBER, **(ACCOUNT_FAULT if status == "failed" else {}))
    assert fetch(database, "SELECT reason FROM webhook_events") == ["the message has no such send yet"]
    run()
    receive(database)
    assert read_message(database, message_id)["status"] == status
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]


def test_a_failure_after_a_forgotten_sent_counts(database, add, run):
    message_id = message_of(database, add(messages=["pending"]), "pending")
    run()
    tell(database, message_id, "sent", 2)
    tell(database, message_id, "failed", 2, errors=[{"code": 131026, "title": "Undeliverable"}])
    assert read_message(database, message_id)["status"] == "failed"


def test_what_was_on_the_wire_is_settled_by_its_own_send_too(database, add, run):
    message_id = message_of(database, add(messages=["sending"]), "sending")
    run()
    tell(database, message_id, "sent", 1)
    assert read_message(database, message_id)["status"] == "sent"


def test_after_a_retry_the_forgotten_sends_count_until_the_claim(database, add, run, account_id):
    campaign_id = add(messages=["pending", "pending"])
    first, second = fetch(database, "SELECT id FROM messages ORDER BY id")
    run()
    retry_uncertain_messages(database, campaign_id, actor=TESTER)
    tell(database, first, "sent", 1)
    resume_campaigns(database, [campaign_id], actor=TESTER)
    lease = database.run(take, campaign_id)
    (taken,) = database.run(claim, campaign_id, lease.epoch, accounts=[account_id] * 2).messages
    assert taken.id == second
    tell(database, second, "sent", 1)
    assert read_message(database, second)["status"] == "sending"
    tell(database, second, "delivered", 1)
    assert read_message(database, second)["status"] == "delivered"


@pytest.mark.parametrize("message_status", ["sent", "uncertain"])
def test_a_refusal_of_what_was_sent_before_the_restore_moves_nothing(database, add, run, account_id, message_status):
    """Another account may have sent it in the time that is forgotten."""
    campaign_id = add(messages=["pending"])
    message_id = database.run(add_message, campaign_id, message_status, account_id=account_id)
    run()
    resume_campaigns(database, [campaign_id], actor=TESTER)
    tell(database, message_id, "failed", 1, **ACCOUNT_FAULT)
    assert read_message(database, message_id)["status"] == "failed"


def test_that_holds_for_a_campaign_in_which_nothing_was_left_to_send(database, add, run, account_id):
    campaign_id = add("running", [])
    message_id = database.run(add_message, campaign_id, "sent", account_id=account_id)
    run()
    tell(database, message_id, "failed", 1, **ACCOUNT_FAULT)
    assert read_message(database, message_id)["status"] == "failed"


def test_a_refusal_in_a_campaign_that_a_person_vouches_for_moves_the_message(database, add, run, account_id):
    campaign_id = add("running", ["pending"])
    message_id = database.run(add_message, campaign_id, "sent", account_id=account_id)
    run(campaign_id)
    tell(database, message_id, "failed", 1, **ACCOUNT_FAULT)
    assert read_message(database, message_id)["status"] == "pending"


def test_a_runner_that_thaws_claims_nothing_and_its_late_reply_counts(database, add, run, account_id):
    campaign_id = add(messages=["pending", "pending"])
    lease = database.run(take, campaign_id)
    fetch(database, "UPDATE leases SET until = clock_timestamp()")
    run()
    resume_campaigns(database, [campaign_id], actor=TESTER)
    database.run(add_message, campaign_id)
    newer = database.run(take, campaign_id)
    # Epochs of the forgotten time: whichever the frozen one holds, it is not that of a runner of today.
    for epoch in range(lease.epoch, lease.epoch + 50):
        assert not database.run(claim, campaign_id, epoch, accounts=[account_id]).is_held
    assert newer.epoch > lease.epoch + 1_000
    message_id = min(fetch(database, "SELECT id FROM messages"))
    database.run(merge_evidence, [say(message_id, "sent", 2, wamid="wamid.late", sent_at=SENT_AT)])
    assert read_message(database, message_id)["status"] == "sent"


def test_new_messages_and_campaigns_get_no_forgotten_id(database, add, run):
    campaign_id = add(messages=["pending"])
    message_id = message_of(database, campaign_id, "pending")
    run()
    run()
    new_campaign = database.run(add_campaign, "draft")
    new_message = database.run(add_message, new_campaign)
    assert 1_000_000_000 < new_message - message_id < 1_000_000_010
    assert 1_000 < new_campaign - campaign_id < 1_010


def test_a_webhook_of_another_person_settles_nothing_though_the_id_is_the_same(database, add, account_id):
    """A message that was made after a restore, without a recovery, has the id of a forgotten one."""
    campaign_id = add(messages=[])
    message_id = database.run(add_message, campaign_id, "sending", account_id=account_id)
    tell(database, message_id, "delivered", 1, recipient_id="5511912345678")
    assert fetch(database, "SELECT reason FROM webhook_events") == ["the message went to another person"]
    assert read_message(database, message_id)["status"] == "sending"
    tell(database, message_id, "delivered", 1)
    assert read_message(database, message_id)["status"] == "delivered"


@pytest.mark.parametrize(
    ("phone", "wa_id"),
    [("+5511987654321", "551187654321"), ("+525512345678", "5215512345678"), ("+2250701234567", "22501234567")],
)
def test_other_forms_of_a_number_are_the_same_person(database, add, account_id, phone, wa_id):
    message_id = database.run(add_message, add(messages=[]), "uncertain", account_id=account_id, phone=phone)
    tell(database, message_id, "delivered", 1, recipient_id=wa_id)
    assert read_message(database, message_id)["status"] == "delivered"


def test_what_has_the_wamid_of_the_message_needs_no_other_proof(database, add, account_id):
    message_id = database.run(add_message, add(messages=[]), "sent", account_id=account_id)
    tell(database, message_id, "delivered", 1, id="wamid.settled", recipient_id="5511912345678")
    assert read_message(database, message_id)["status"] == "delivered"


def test_a_confirmation_that_may_have_left_leaves_no_more(database, run):
    fetch(database, "INSERT INTO stop_replies (phone_number_id, phone, received_at) VALUES ('1', '+55119', now())")
    run()
    assert fetch(database, "SELECT count(*) FROM stop_replies") == [0]


# Limits of people


def test_people_of_uncertain_messages_fill_the_daily_limit_and_no_more(database, add, run, account_id):
    portfolio_id = fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES ('p', 3) RETURNING id")[0]
    fetch(database, "UPDATE accounts SET portfolio_id = %s", portfolio_id)
    campaign_id = add(messages=["pending"] * 5)
    counted = fetch(database, "SELECT recipient_key FROM messages ORDER BY id LIMIT 1")[0]
    fetch(
        database,
        "INSERT INTO portfolio_people VALUES (%s, %s, now() + interval '1 h', 1), (%s, '+1', now(), 2)",
        portfolio_id,
        counted,
        portfolio_id,
    )
    run()
    assert read_statuses(database, campaign_id) == ["uncertain"] * 5
    assert fetch(database, "SELECT people_count FROM portfolios") == [3]
    ends = dict(fetch(database, "SELECT recipient_key, until > now() + interval '23 h' FROM portfolio_people"))
    assert ends[counted]
    assert len(ends) == 3


def test_people_of_uncertain_messages_count_for_the_cap_of_another_campaign(database, add, run, account_id):
    add("draft", ["pending"])
    phone = fetch(database, "SELECT phone FROM messages")[0]
    run()
    capped_id = add(messages=[], max_per_person=1, within_days=7)
    database.run(add_message, capped_id, phone=phone)
    lease = database.run(take, capped_id)
    assert database.run(claim, capped_id, lease.epoch, accounts=[account_id]).suppressed_count == 1


def test_many_campaigns_and_messages_are_one_step(database, add, run):
    ids = [add(messages=[]) for _ in range(20)]
    for campaign_id in ids:
        database.run(add_messages, campaign_id, 20)
    assert run().count == 400
    assert fetch(database, "SELECT DISTINCT status::text FROM messages") == ["uncertain"]
    assert find_wrong_counters(database) == []
