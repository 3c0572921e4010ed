import dataclasses
import datetime as dt
import threading

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.sending.schedule import mark_due, reconcile
from campaigns.store.leases import mark_due_campaigns, report_uncertain, unmark_campaigns
from tests.store.rows import (
    Beside,
    add_campaign,
    add_message,
    fetch,
    find_wrong_counters,
    read_clock,
    read_statuses,
    take,
)

# A mark expires after an hour and a half, three ticks.
SETTINGS = Settings(tick_seconds=1800.0)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def now(database):
    return read_clock(database)


def tick(database):
    return mark_due(database, SETTINGS)


def test_all_eligible_campaigns_are_found_oldest_first(database, now):
    young = database.run(add_campaign, "pending", created_at=now)
    old = database.run(add_campaign, "running", created_at=now - HOUR)
    same = database.run(add_campaign, "scheduled", created_at=now, scheduled_at=now - HOUR)
    soon = database.run(add_campaign, "running", created_at=now + HOUR, due_at=now - HOUR)
    assert tick(database) == [old, young, same, soon]


@pytest.mark.parametrize(
    ("status", "column", "more"),
    [
        ("draft", None, {}),
        ("paused", None, {}),
        ("completed", None, {}),
        ("cancelled", None, {}),
        ("scheduled", "scheduled_at", {}),
        ("running", "scheduled_at", {}),
        ("running", "due_at", {"waiting_reason": "window"}),
        ("running", "enqueued_at", {}),
    ],
)
def test_no_other_campaign_is_found(database, now, status, column, more):
    in_an_hour = {column: now + HOUR} if column else {}
    database.run(add_campaign, status, **in_an_hour, **more)
    assert tick(database) == []


def test_what_falls_due_before_the_next_tick_is_found(database):
    campaign_id = database.run(add_campaign)
    fetch(database, "UPDATE campaigns SET due_at = clock_timestamp() + interval '29 min', waiting_reason = 'interval'")
    assert tick(database) == [campaign_id]


def test_a_campaign_that_somebody_runs_is_not_found(database):
    campaign_id = database.run(add_campaign)
    database.run(take, campaign_id)
    assert tick(database) == []
    fetch(database, "UPDATE leases SET until = clock_timestamp()")
    assert tick(database) == [campaign_id]


def test_the_tick_returns_how_many_slices_run(database):
    database.run(take, database.run(add_campaign))
    campaign_id = database.run(add_campaign)
    assert database.run(mark_due_campaigns, tick_seconds=10, expiry_seconds=3600) == ([campaign_id], 1)


def test_a_second_tick_finds_none(database):
    for _ in range(3):
        database.run(add_campaign)
    assert len(tick(database)) == 3
    assert tick(database) == []


def test_a_lost_task_is_enqueued_again_after_its_expiry(database):
    campaign_id = database.run(add_campaign)
    tick(database)
    fetch(database, "UPDATE campaigns SET enqueued_at = enqueued_at - interval '80 min'")
    assert tick(database) == []
    fetch(database, "UPDATE campaigns SET enqueued_at = enqueued_at - interval '10 min'")
    assert tick(database) == [campaign_id]


def test_nothing_is_enqueued_again_while_as_many_tasks_wait_as_campaigns_are_marked(database):
    ids = age_marks(database, "2 h", "2 days", "91 min")
    assert mark_due(database, SETTINGS, waiting_count=3) == []
    assert mark_due(database, SETTINGS, waiting_count=100) == []
    new = database.run(add_campaign)
    assert mark_due(database, SETTINGS, waiting_count=3) == [new], "a new campaign waits for no queue"
    assert sorted(mark_due(database, SETTINGS, waiting_count=0)) == ids, "the broker lost them all"


def test_as_many_are_enqueued_again_as_tasks_are_missing_the_oldest_marks_first(database):
    ids = age_marks(database, "91 min", "2 days", "2 h", "5 s")
    assert mark_due(database, SETTINGS, waiting_count=3) == [ids[1]]
    assert mark_due(database, SETTINGS, waiting_count=3) == [ids[2]]
    assert mark_due(database, SETTINGS, waiting_count=0) == [ids[0]], "the others were marked a moment ago"


def test_the_queue_is_compared_with_campaigns_that_may_run_and_do_not(database):
    paused, running, lost = age_marks(database, "2 h", "2 h", "2 h")
    fetch(database, "UPDATE campaigns SET status = 'paused' WHERE id = %s", paused)
    fetch(database, "UPDATE leases SET until = clock_timestamp() + interval '1 h' WHERE campaign_id = %s", running)
    assert mark_due(database, SETTINGS, waiting_count=1) == []
    assert mark_due(database, SETTINGS, waiting_count=0) == [lost]


def test_however_many_ticks_pass_without_a_worker_the_queue_holds_one_task_for_each_campaign(database):
    ids = [database.run(add_campaign) for _ in range(5)]
    waiting = 0
    for _ in range(20):
        waiting += len(mark_due(database, SETTINGS, waiting_count=waiting))
        fetch(database, "UPDATE campaigns SET enqueued_at = enqueued_at - interval '2 h'")
    assert waiting == len(ids)


def test_a_campaign_that_the_broker_did_not_take_is_enqueued_by_the_next_tick(database):
    ids = [database.run(add_campaign) for _ in range(2)]
    tick(database)
    database.run(unmark_campaigns, ids[:1])
    assert tick(database) == ids[:1]


def test_two_ticks_at_once_find_each_campaign_once(database):
    def add(connection):
        return [add_campaign(connection, "pending") for _ in range(30)]

    ids = database.run(add)
    start, found = threading.Barrier(4), []

    def race():
        start.wait()
        found.extend(tick(database))

    for ticker in [Beside(race) for _ in range(4)]:
        ticker.result()
    assert sorted(found) == ids


def test_a_tick_ends_while_another_one_runs(database):
    database.run(add_campaign)

    def mark_slowly(connection):
        mark_due_campaigns(connection, tick_seconds=10, expiry_seconds=3600)
        return Beside(tick, database).result()

    assert database.run(mark_slowly) == []


def test_a_campaign_that_a_person_holds_stops_no_other(database):
    held, free = database.run(add_campaign), database.run(add_campaign)

    def hold(connection):
        connection.execute("SELECT FROM campaigns WHERE id = %s FOR UPDATE", (held,))
        return Beside(tick, database).result()

    assert database.run(hold) == [free]
    assert tick(database) == [held]


def test_two_thousand_campaigns_are_one_tick(database):
    database.run(add_campaign)
    fetch(
        database,
        "INSERT INTO campaigns (name, status, template_id, time_zone, created_at)"
        " SELECT 'c' || n, 'pending', 1, 'UTC', now() - n * interval '1 s' FROM generate_series(1, 1999) n",
    )
    fetch(database, "INSERT INTO leases (campaign_id) SELECT id FROM campaigns WHERE id > 1")
    assert tick(database) == [*range(2000, 0, -1)]
    assert tick(database) == []


@pytest.mark.parametrize("status", ["running", "paused", "cancelled"])
def test_reconcile_makes_what_a_dead_runner_left_uncertain(database, status, caplog):
    campaign_id = database.run(add_campaign, status)
    database.run(add_message, campaign_id, "sending")
    database.run(add_message, campaign_id, "pending")
    reconcile(database, SETTINGS, Alerts(None))
    # A cancel stops after its status is committed if the process dies, and the reconciliation finishes it.
    rest = "cancelled" if status == "cancelled" else "pending"
    assert read_statuses(database, campaign_id) == ["uncertain", rest]
    assert find_wrong_counters(database) == []
    assert f"Campaign {campaign_id}: 1 messages are uncertain" in caplog.text


def test_reconcile_reports_messages_that_stay_uncertain(database, now):
    campaign_id = database.run(add_campaign)
    long_ago = now - HOUR
    database.run(add_message, campaign_id, "uncertain", claimed_at=long_ago)
    database.run(add_message, campaign_id, "uncertain", claimed_at=now)
    database.run(add_message, campaign_id, "sent", claimed_at=long_ago)
    assert database.run(report_uncertain, grace_seconds=7_200) == []
    forget_reports(database)
    assert database.run(report_uncertain, grace_seconds=600) == [(campaign_id, 1, long_ago)]


def test_an_uncertain_message_is_reported_once_and_a_new_one_again(database, now):
    campaign_id = database.run(add_campaign, "completed", completed_at=now)
    first, second = (now - dt.timedelta(seconds=seconds) for seconds in (9_000, 8_000))
    database.run(add_message, campaign_id, "uncertain", claimed_at=first)
    database.run(add_message, campaign_id, "uncertain", claimed_at=second)
    # At the last check only the first was older than the grace.
    forget_reports(database, seconds=2_500)
    assert database.run(report_uncertain, grace_seconds=6_000) == [(campaign_id, 2, first)]
    assert database.run(report_uncertain, grace_seconds=6_000) == []
    forget_reports(database, seconds=1_600)
    assert database.run(report_uncertain, grace_seconds=6_000) == []


@pytest.mark.parametrize(
    ("ended", "recovered", "is_read"), [(8_000, None, False), (4_000, None, True), (8_000, 0, True)]
)
def test_uncertain_messages_of_an_ended_campaign_are_read_until_all_have_been_reported(
    database, now, ended, recovered, is_read
):
    """The last check came 3,000 s ago; a message is reported if it is older than 3,600 s."""
    campaign_id = database.run(add_campaign, "completed")
    database.run(add_message, campaign_id, "uncertain", claimed_at=now - dt.timedelta(seconds=9_000))
    fetch(
        database,
        "UPDATE campaigns SET completed_at = clock_timestamp() - make_interval(secs => %s),"
        " recovered_at = clock_timestamp() - make_interval(secs => %s)",
        ended,
        recovered,
    )
    forget_reports(database, seconds=3_000)
    scans = "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'messages'"

    def work(connection):
        before = connection.execute(scans).fetchone()
        report_uncertain(connection, grace_seconds=3_600)
        return connection.execute(scans).fetchone() != before

    assert database.run(work) == is_read


def test_messages_that_stay_uncertain_raise_an_alert(database, now, caplog):
    sent_alerts = []

    class RecordedAlerts(Alerts):
        def send(self, kind, text, **bound):
            sent_alerts.append((kind, text, bound))

    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "uncertain", claimed_at=now - HOUR)
    for _ in range(2):
        reconcile(database, dataclasses.replace(SETTINGS, uncertain_grace_seconds=60.0), RecordedAlerts(None))
    ((kind, text, bound),) = sent_alerts
    assert (kind, bound) == ("uncertain", {"campaign_id": campaign_id})
    assert text.startswith(f"Campaign {campaign_id}: 1 message is uncertain since ")
    assert text in caplog.text


def age_marks(database, *ages):
    """Add a campaign for each age of its enqueued mark; return their ids."""
    ids = [database.run(add_campaign) for _ in ages]
    for campaign_id, age in zip(ids, ages, strict=True):
        text = "UPDATE campaigns SET enqueued_at = clock_timestamp() - %s::interval WHERE id = %s"
        fetch(database, text, age, campaign_id)
    return ids


def forget_reports(database, *, seconds=0):
    """As if the last report were so long ago; 0: as if there were none."""
    fetch(
        database,
        "UPDATE campaigns SET uncertain_told_at = CASE WHEN %s > 0 THEN clock_timestamp() - make_interval(secs => %s)"
        " END",
        seconds,
        seconds,
    )


def test_a_longer_tick_has_a_further_horizon(database):
    campaign_id = database.run(add_campaign)
    fetch(database, "UPDATE campaigns SET due_at = clock_timestamp() + interval '1 h', waiting_reason = 'interval'")
    assert tick(database) == []
    assert mark_due(database, dataclasses.replace(SETTINGS, tick_seconds=3600.0)) == [campaign_id]
