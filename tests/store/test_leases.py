import datetime as dt
import threading
from collections import Counter

import pytest

from campaigns.domain.message import Write
from campaigns.store.leases import (
    LEFT_BEHIND,
    complete_campaign,
    end_slice,
    find_running_leases,
    has_campaign_waiting_for_slot,
    load_lease_epochs,
    mark_due_campaigns,
    renew_leases,
    take_abandoned_leases,
)
from tests.store.rows import (
    Beside,
    add_campaign,
    add_message,
    add_messages,
    allowing_only,
    await_blocked,
    fetch,
    find_wrong_counters,
    read_clock,
    read_message,
    read_statuses,
    take,
)

PAST, LATER = dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def read_campaign(database, campaign_id):
    columns = "status::text, waiting_reason, due_at, enqueued_at, cursor"
    return fetch(database, f"SELECT {columns} FROM campaigns WHERE id = %s", campaign_id)[0]


@pytest.mark.parametrize("status", ["pending", "scheduled", "running"])
def test_an_eligible_campaign_is_taken_and_runs(database, status):
    campaign_id = database.run(add_campaign, status, scheduled_at=PAST, due_at=PAST, enqueued_at=PAST)
    lease = database.run(take, campaign_id)
    assert (lease.epoch, lease.is_first_slice) == (1, status != "running")
    assert read_campaign(database, campaign_id)[::3] == ("running", None)


@pytest.mark.parametrize("status", ["draft", "paused", "completed", "cancelled"])
def test_no_other_status_is_taken(database, status):
    campaign_id = database.run(add_campaign, status)
    assert database.run(take, campaign_id) is None
    assert read_campaign(database, campaign_id)[0] == status


@pytest.mark.parametrize("column", ["scheduled_at", "due_at"])
def test_a_campaign_is_not_taken_before_its_time(database, column):
    campaign_id = database.run(add_campaign, **{column: read_clock(database) + HOUR})
    assert database.run(take, campaign_id, horizon_seconds=1_800) is None


def test_a_campaign_that_is_due_within_the_horizon_is_taken(database):
    campaign_id = database.run(add_campaign, due_at=read_clock(database) + HOUR)
    assert database.run(take, campaign_id, horizon_seconds=3_601)


def test_a_live_lease_is_not_taken_and_an_expired_one_is(database):
    campaign_id = database.run(add_campaign)
    assert database.run(take, campaign_id).epoch == 1
    assert database.run(take, campaign_id) is None
    fetch(database, "UPDATE leases SET until = clock_timestamp() WHERE campaign_id = %s", campaign_id)
    assert database.run(take, campaign_id).epoch == 2


def test_a_task_that_finds_the_lease_taken_does_not_remove_the_mark_of_the_next_slice(database):
    campaign_id = database.run(add_campaign)
    database.run(take, campaign_id)
    fetch(database, "UPDATE campaigns SET enqueued_at = now()")
    assert database.run(take, campaign_id) is None
    assert fetch(database, "SELECT enqueued_at IS NOT NULL FROM campaigns") == [True]


def test_of_many_racing_runners_one_takes_each_campaign(database):
    def add(connection):
        return [add_campaign(connection, "pending") for _ in range(50)]

    ids = database.run(add)
    start, taken = threading.Barrier(8), []

    def race():
        start.wait()
        taken.extend(campaign_id for campaign_id in ids if database.run(take, campaign_id) is not None)

    runners = [Beside(race) for _ in range(8)]
    for runner in runners:
        runner.result()
    assert Counter(taken) == dict.fromkeys(ids, 1)
    assert set(fetch(database, "SELECT epoch FROM leases WHERE campaign_id = ANY (%s)", ids)) == {1}


def test_what_a_predecessor_left_on_the_wire_becomes_uncertain(database):
    campaign_id = database.run(add_campaign)
    other = database.run(add_campaign)
    for status in ("sending", "sent", "pending", "sending", "failed"):
        database.run(add_message, campaign_id, status)
    database.run(add_message, other, "sending")
    with allowing_only(database, Write.RUNNER):
        database.run(take, campaign_id)
    assert read_statuses(database, campaign_id) == ["uncertain", "sent", "pending", "uncertain", "failed"]
    assert read_statuses(database, other) == ["sending"]
    titles = fetch(database, "SELECT error_title FROM messages WHERE status = 'uncertain'")
    assert titles == [LEFT_BEHIND, LEFT_BEHIND]
    assert find_wrong_counters(database) == []


def test_renewal_holds_a_lease_and_brings_no_lost_or_expired_one_back(database):
    kept, lost, expired = (database.run(add_campaign) for _ in range(3))
    leases = [(each, database.run(take, each).epoch) for each in (kept, lost, expired)]
    fetch(database, "UPDATE leases SET until = clock_timestamp() WHERE campaign_id = ANY (%s)", [lost, expired])
    database.run(take, lost)
    before = fetch(database, "SELECT until FROM leases WHERE campaign_id = ANY (%s) ORDER BY 1", [lost, expired])
    assert database.run(renew_leases, leases, lease_seconds=500) == {kept}
    after = fetch(database, "SELECT until FROM leases WHERE campaign_id = ANY (%s) ORDER BY 1", [lost, expired])
    assert after == before


def test_a_watch_shows_what_is_ours_and_still_running(database):
    running, paused, lost = (database.run(add_campaign) for _ in range(3))
    leases = [(each, database.run(take, each).epoch) for each in (running, paused)]
    fetch(database, "UPDATE campaigns SET status = 'paused' WHERE id = %s", paused)
    assert database.run(find_running_leases, [*leases, (lost, 1)]) == {running}


def test_the_end_of_a_slice_gives_the_lease_back_with_reason_and_time(database):
    campaign_id = database.run(add_campaign)
    epoch = database.run(take, campaign_id).epoch
    ended = database.run(end_slice, campaign_id, epoch, cursor=7, waiting_reason="window", due_at=LATER)
    assert ended == ("running", False)
    assert read_campaign(database, campaign_id) == ("running", "window", LATER, None, 7)
    assert database.run(take, campaign_id, horizon_seconds=10.0**10).epoch == epoch + 1


def test_a_slice_that_is_due_now_is_marked_as_enqueued(database):
    campaign_id = database.run(add_campaign)
    epoch = database.run(take, campaign_id).epoch
    assert database.run(end_slice, campaign_id, epoch, cursor=0, is_due_now=True) == ("running", True)
    assert read_campaign(database, campaign_id)[3] is not None


def test_who_lost_the_lease_ends_no_slice(database):
    campaign_id = database.run(add_campaign)
    old = database.run(take, campaign_id, lease_seconds=0).epoch
    database.run(take, campaign_id)
    before = read_campaign(database, campaign_id)
    ended = database.run(end_slice, campaign_id, old, cursor=9, waiting_reason="window", due_at=LATER, is_due_now=True)
    assert (ended, read_campaign(database, campaign_id)) == ((None, False), before)
    assert fetch(database, "SELECT until > clock_timestamp() FROM leases WHERE campaign_id = %s", campaign_id) == [True]


def test_who_loses_the_lease_while_ending_its_slice_changes_nothing(database):
    campaign_id = database.run(add_campaign)
    old = database.run(take, campaign_id, lease_seconds=0).epoch

    def take_slowly(connection):
        take(connection, campaign_id)
        late = Beside(database.run, end_slice, campaign_id, old, cursor=9, waiting_reason="window", due_at=LATER)
        await_blocked(database)
        return late

    late = database.run(take_slowly)
    assert late.result() == (None, False)
    assert read_campaign(database, campaign_id) == ("running", None, None, None, 0)


@pytest.mark.parametrize("status", ["paused", "cancelled"])
def test_the_slice_of_a_stopped_campaign_writes_no_wait(database, status):
    campaign_id = database.run(add_campaign)
    epoch = database.run(take, campaign_id).epoch
    fetch(database, "UPDATE campaigns SET status = %s WHERE id = %s", status, campaign_id)
    ended = database.run(end_slice, campaign_id, epoch, cursor=3, waiting_reason="pause", due_at=LATER, is_due_now=True)
    assert ended == (status, False)
    assert read_campaign(database, campaign_id) == (status, None, None, None, 3)


def test_an_enqueued_campaign_without_a_slice_wants_a_slot(database):
    campaign_id = database.run(add_campaign)

    def is_wanted():
        return database.run(has_campaign_waiting_for_slot, patience_seconds=600)

    for age, wanted in (("0 s", False), ("11 min", True), ("1 day", True)):
        text = "UPDATE campaigns SET enqueued_at = clock_timestamp() - %s::interval WHERE id = %s"
        fetch(database, text, age, campaign_id)
        assert is_wanted() is wanted
    fetch(database, "UPDATE campaigns SET enqueued_at = clock_timestamp() - interval '11 min'")
    database.run(take, campaign_id)
    assert not is_wanted()
    fetch(database, "UPDATE campaigns SET enqueued_at = clock_timestamp() - interval '11 min'")
    assert not is_wanted(), "it was enqueued during its own slice"


def test_of_two_tasks_for_one_slice_the_second_finds_nothing(database):
    campaign_id = database.run(add_campaign)
    epoch = database.run(load_lease_epochs, [campaign_id])[campaign_id]
    taken = database.run(take, campaign_id, epoch=epoch)
    assert taken.epoch == epoch + 1
    database.run(end_slice, campaign_id, taken.epoch, cursor=0, is_due_now=True)
    assert database.run(take, campaign_id, epoch=epoch) is None
    assert fetch(database, "SELECT enqueued_at IS NOT NULL FROM campaigns WHERE id = %s", campaign_id) == [True]
    assert database.run(take, campaign_id, epoch=taken.epoch).epoch == taken.epoch + 1


def test_a_task_that_names_no_epoch_is_taken(database):
    campaign_id = database.run(add_campaign)
    assert database.run(take, campaign_id, epoch=None)


def test_a_campaign_that_reconcile_takes_is_enqueued_again(database):
    """The task that waits for a worker names the earlier epoch."""
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "sending")
    assert database.run(mark_due_campaigns, tick_seconds=10, expiry_seconds=3600) == ([campaign_id], 0)
    assert database.run(take_abandoned_leases) == {campaign_id: 1}
    marked = database.run(mark_due_campaigns, tick_seconds=10, expiry_seconds=3600, waiting_count=1)
    assert marked == ([campaign_id], 0)


def test_reconcile_waits_for_nobody_who_holds_a_campaign(database):
    held, free = (database.run(add_campaign) for _ in range(2))
    for campaign_id in (held, free):
        database.run(add_message, campaign_id, "sending")

    def hold(connection):
        connection.execute("SELECT FROM campaigns WHERE id = %s FOR UPDATE", (held,))
        return Beside(database.run, take_abandoned_leases).result()

    assert database.run(hold) == {free: 1}
    assert database.run(take_abandoned_leases) == {held: 1}


@pytest.mark.parametrize("status", ["pending", "sending"])
def test_a_campaign_with_open_messages_is_not_completed(database, status):
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "sent")
    message_id = database.run(add_message, campaign_id, status)
    epoch = database.run(take, campaign_id).epoch
    if status == "sending":
        fetch(database, "UPDATE messages SET status = 'sending' WHERE id = %s", message_id)
    assert database.run(complete_campaign, campaign_id, epoch) is None
    assert read_campaign(database, campaign_id)[0] == "running"


def test_a_campaign_is_completed_by_its_runner_only_and_with_uncertain_messages_too(database):
    campaign_id = database.run(add_campaign)
    for status in ("suppressed", "cancelled", "uncertain", "held", "sent", "failed", "delivered", "read"):
        database.run(add_message, campaign_id, status)
    epoch = database.run(take, campaign_id).epoch
    assert database.run(complete_campaign, campaign_id, epoch - 1) is None
    assert database.run(complete_campaign, campaign_id, epoch) > 0
    assert database.run(end_slice, campaign_id, epoch, cursor=0) == ("completed", False)


@pytest.mark.parametrize("status", ["running", "paused", "cancelled", "completed"])
def test_reconcile_makes_abandoned_messages_uncertain_whatever_the_campaign_does(database, status):
    campaign_id = database.run(add_campaign, status)
    message_ids = database.run(add_messages, campaign_id, 3, "sending")
    with allowing_only(database, Write.RUNNER):
        assert database.run(take_abandoned_leases) == {campaign_id: 3}
    assert database.run(take_abandoned_leases) == {}
    assert read_message(database, message_ids[0])["error_title"] == LEFT_BEHIND
    assert fetch(database, "SELECT epoch, until <= clock_timestamp() FROM leases") == [(1, True)]


def test_reconcile_leaves_a_live_runner_alone(database):
    campaign_id = database.run(add_campaign)
    database.run(take, campaign_id)
    database.run(add_message, campaign_id, "sending")
    assert database.run(take_abandoned_leases) == {}
    assert read_statuses(database, campaign_id) == ["sending"]
