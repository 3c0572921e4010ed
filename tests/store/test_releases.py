import datetime as dt

import pytest

from campaigns.domain.failures import NEVER_LEFT
from campaigns.domain.message import Status, Write
from campaigns.domain.settlement import Release
from campaigns.store.leases import complete_campaign
from campaigns.store.messages import ACCEPTED_OR_IN_FLIGHT, IN_FLIGHT, ReleaseRow, release_messages, retry_messages
from tests.store.rows import (
    Beside,
    add_campaign,
    add_message,
    allowing_only,
    await_blocked,
    claim,
    fetch,
    find_wrong_counters,
    read_clock,
    read_message,
    read_statuses,
    take,
)


@pytest.fixture
def campaign_id(database):
    return database.run(add_campaign)


def refuse(message_id, send_no=1, *, wait_seconds=0.0, refunds=True, refusing=None, forgets=False):
    decided = Release(wait_seconds, refunds, 190, "Token expired", "details", refusing, forgets)
    return ReleaseRow(message_id, send_no, decided)


def release(database, campaign_id, *rows, from_statuses=IN_FLIGHT):
    return database.run(release_messages, rows, campaign_ids=[campaign_id], from_statuses=from_statuses)


@pytest.mark.parametrize("status", ["sending", "uncertain"])
def test_a_released_message_is_pending_with_its_reason_and_its_wait(database, campaign_id, status):
    message_id = database.run(add_message, campaign_id, status)
    before = read_clock(database)
    with allowing_only(database, Write.RUNNER):
        assert release(database, campaign_id, refuse(message_id, wait_seconds=60)) == {message_id}
    after = read_clock(database)
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_title"]) == ("pending", 190, "Token expired")
    assert before <= row["not_before"] - dt.timedelta(seconds=60) <= after


def test_an_attempt_is_given_back_where_none_was_used_and_the_number_of_the_send_stays(database, campaign_id):
    refunded, used = (database.run(add_message, campaign_id, "sending", send_no=3, attempts=2) for _ in range(2))
    release(database, campaign_id, refuse(refunded, 3), refuse(used, 3, refunds=False))
    assert [read_message(database, each)["attempts"] for each in (refunded, used)] == [1, 2]
    assert [read_message(database, each)["send_no"] for each in (refunded, used)] == [3, 3]


def test_a_reply_to_an_earlier_send_releases_nothing(database, campaign_id):
    message_id = database.run(add_message, campaign_id, "sending", send_no=2, attempts=2)
    assert release(database, campaign_id, refuse(message_id, 1)) == set()
    assert read_message(database, message_id)["status"] == "sending"


@pytest.mark.parametrize("status", sorted(set(Status) - set(IN_FLIGHT)))
def test_a_reply_releases_only_what_is_out(database, campaign_id, status):
    message_id = database.run(add_message, campaign_id, status, send_no=1, attempts=1)
    before = read_message(database, message_id)
    assert release(database, campaign_id, refuse(message_id)) == set()
    assert read_message(database, message_id) == before


@pytest.mark.parametrize("status", sorted(Status))
def test_a_refusal_by_webhook_also_brings_back_what_was_accepted(database, campaign_id, status):
    message_id = database.run(add_message, campaign_id, status, send_no=1, attempts=1)
    released = release(database, campaign_id, refuse(message_id), from_statuses=ACCEPTED_OR_IN_FLIGHT)
    assert (released == {message_id}) == (status in ACCEPTED_OR_IN_FLIGHT)


def test_accounts_that_refused_are_remembered_until_all_have(database, campaign_id):
    message_id = database.run(add_message, campaign_id, "sending")
    release(database, campaign_id, refuse(message_id, refusing=7))
    text = "UPDATE messages SET status = 'sending', not_before = NULL, send_no = 2, attempts = 1 WHERE id = %s"
    fetch(database, text, message_id)
    release(database, campaign_id, refuse(message_id, 2, refusing=8))
    assert read_message(database, message_id)["refused_by"] == [7, 8]
    fetch(database, text.replace("2", "3"), message_id)
    release(database, campaign_id, refuse(message_id, 3))
    assert read_message(database, message_id)["refused_by"] == [7, 8]
    fetch(database, text.replace("2", "4"), message_id)
    release(database, campaign_id, refuse(message_id, 4, refusing=9, forgets=True))
    assert read_message(database, message_id)["refused_by"] == [9]


@pytest.mark.parametrize(("status", "becomes"), [("cancelled", "cancelled"), ("completed", "failed")])
def test_in_a_campaign_that_is_over_nothing_becomes_pending(database, status, becomes):
    campaign_id = database.run(add_campaign, status)
    ids = [database.run(add_message, campaign_id, each) for each in ("sending", "uncertain")]
    with allowing_only(database, Write.RUNNER):
        assert release(database, campaign_id, *map(refuse, ids)) == set(ids)
    assert read_statuses(database, campaign_id) == [becomes, becomes]
    row = read_message(database, ids[0])
    assert (row["not_before"], row["failed_at"] is not None) == (None, becomes == "failed")
    assert find_wrong_counters(database) == []


def test_what_never_left_a_campaign_that_is_completed_meanwhile_may_be_retried(database):
    campaign_id = database.run(add_campaign, "completed")
    message_id = database.run(add_message, campaign_id, "uncertain")
    held_back = ReleaseRow(message_id, 1, Release(0.0, True, None, "kept back: the right to send had ended"))
    assert release(database, campaign_id, held_back) == {message_id}
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["attempts"]) == ("failed", NEVER_LEFT.code, 0)
    assert database.run(retry_messages, campaign_id, {NEVER_LEFT.code: 0.0}, after=0, limit=10)
    assert read_statuses(database, campaign_id) == ["pending"]


def test_a_paused_campaign_takes_its_messages_back(database):
    campaign_id = database.run(add_campaign, "paused")
    message_id = database.run(add_message, campaign_id, "sending")
    release(database, campaign_id, refuse(message_id))
    assert read_statuses(database, campaign_id) == ["pending"]


def test_only_messages_of_the_named_campaigns_are_released(database, campaign_id):
    other = database.run(add_campaign)
    message_id = database.run(add_message, other, "sending")
    assert release(database, campaign_id, refuse(message_id)) == set()


def test_a_released_message_is_claimed_again_by_the_next_claim(database, campaign_id):
    database.run(take, campaign_id)
    message_id = database.run(add_message, campaign_id)
    database.run(claim, campaign_id, 1, accounts=[1])
    release(database, campaign_id, refuse(message_id))
    again = database.run(claim, campaign_id, 1, accounts=[1], cursor=message_id)
    assert [(message.id, message.send_no, message.attempts) for message in again.messages] == [(message_id, 2, 1)]


@pytest.mark.parametrize(
    ("status", "from_statuses"), [("sending", IN_FLIGHT), ("uncertain", IN_FLIGHT), ("sent", ACCEPTED_OR_IN_FLIGHT)]
)
def test_a_campaign_is_not_completed_beside_a_release(database, campaign_id, status, from_statuses):
    epoch = database.run(take, campaign_id).epoch
    message_id = database.run(add_message, campaign_id, status)

    def release_slowly(connection):
        release_messages(connection, [refuse(message_id)], campaign_ids=[campaign_id], from_statuses=from_statuses)
        runner = Beside(database.run, complete_campaign, campaign_id, epoch)
        await_blocked(database)
        return runner

    runner = database.run(release_slowly)
    assert runner.result() is None
    assert fetch(database, "SELECT status::text FROM campaigns WHERE id = %s", campaign_id) == ["running"]
    assert read_statuses(database, campaign_id) == ["pending"]


def test_a_release_behind_a_completion_leaves_nothing_pending(database, campaign_id):
    epoch = database.run(take, campaign_id).epoch
    message_id = database.run(add_message, campaign_id, "uncertain")

    def complete_slowly(connection):
        assert complete_campaign(connection, campaign_id, epoch) is not None
        late = Beside(release, database, campaign_id, refuse(message_id))
        await_blocked(database)
        return late

    assert database.run(complete_slowly).result() == {message_id}
    assert read_statuses(database, campaign_id) == ["failed"]
