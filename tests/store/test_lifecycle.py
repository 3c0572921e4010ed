from __future__ import annotations

import datetime as dt
import itertools

import pytest

from campaigns.domain.campaign import TRANSITIONS, CampaignError, CampaignStatus, Command, TransitionError
from campaigns.management import lifecycle
from campaigns.management.accounts import activate_account, add_account, add_template, deactivate_account
from campaigns.management.campaigns import (
    NO_SCHEDULE,
    NO_WINDOW,
    Wishes,
    add_recipients,
    change_campaign,
    create_campaign,
)
from campaigns.management.recipients import Reading
from campaigns.secrets import make_key
from campaigns.store.campaigns import list_campaigns
from campaigns.store.leases import complete_campaign
from tests.store.rows import Beside, await_blocked, hold, take

USE_CASES = {
    Command.START: lifecycle.start_campaigns,
    Command.PAUSE: lifecycle.pause_campaigns,
    Command.RESUME: lifecycle.resume_campaigns,
    Command.CANCEL: lifecycle.cancel_campaigns,
}
EVERY_COMMAND = list(itertools.product(USE_CASES, CampaignStatus))


@pytest.fixture
def create(database, tmp_path):
    """Makes drafts with so many recipients."""
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key())
    add_account(database, "support", phone_number_id="2", waba_id="1", token="t", secret_key=make_key())
    add_template(database, "promo", language="en", body="Hi {{1}}!")

    def create_one(recipients=3, **wishes):
        file = tmp_path / "people.csv"
        file.write_text("phone,name\n" + "".join(f"+55119{number:08},Ana\n" for number in range(recipients)))
        asked = {"name": "Sale", "template": "promo:en", "accounts": ["sales"], "recipients": file} | wishes
        return create_campaign(database, Wishes(**asked), time_zone="UTC").id

    return create_one


@pytest.fixture
def sql(database):
    def run(text, *parameters):
        def work(connection):
            cursor = connection.execute(text, parameters)
            return cursor.fetchall() if cursor.description else cursor.rowcount

        return database.run(work)

    return run


@pytest.fixture
def put(sql):
    """Puts a campaign into a status, as if it had come there."""

    def put_one(campaign_id, status, **columns):
        columns = {
            "status": status,
            "started_at": dt.datetime.now(dt.UTC) if status in {"running", "completed"} else None,
            "completed_at": dt.datetime.now(dt.UTC) if status == "completed" else None,
        } | columns
        assignments = ", ".join(f"{column} = %s" for column in columns)
        sql(f"UPDATE campaigns SET {assignments} WHERE id = %s", *columns.values(), campaign_id)

    return put_one


@pytest.fixture
def read(database):
    def read_one(campaign_id):
        return database.run(list_campaigns, [campaign_id])[0]

    return read_one


@pytest.mark.parametrize(("command", "status"), EVERY_COMMAND)
def test_a_command_moves_a_stored_campaign_only_as_the_table_says(database, create, put, read, command, status):  # noqa: PLR0917
    campaign_id = create()
    put(campaign_id, status)
    before = read(campaign_id)
    possible = TRANSITIONS[command].get(status)
    if possible:
        USE_CASES[command](database, [campaign_id])
        assert read(campaign_id).status in possible
    else:
        with pytest.raises(TransitionError, match=rf"^Campaign {campaign_id} \(Sale\) is {status}: it cannot be "):
            USE_CASES[command](database, [campaign_id])
        assert (read(campaign_id).status, read(campaign_id).counts) == (before.status, before.counts)


@pytest.mark.parametrize("status", CampaignStatus)
def test_a_runner_takes_and_completes_only_as_the_table_says(database, create, put, read, sql, status):  # noqa: PLR0917
    campaign_id = create()
    put(campaign_id, status)
    sql("DELETE FROM messages WHERE campaign_id = %s", campaign_id)
    lease = database.run(take, campaign_id)
    assert (lease is not None) == (status in TRANSITIONS[Command.RUN])
    epoch = lease.epoch if lease else 0
    put(campaign_id, status)
    is_completed = database.run(complete_campaign, campaign_id, epoch) is not None
    assert is_completed == (status in TRANSITIONS[Command.COMPLETE])


def test_many_campaigns_start_at_once_and_are_to_be_rung(database, create, read):
    ids = [create(), create()]
    moves = lifecycle.start_campaigns(database, ids)
    assert lifecycle.rung_ids(moves) == ids
    assert all(read(each).status == "pending" and read(each).enqueued_at for each in ids)


def test_a_start_is_all_or_nothing_and_names_every_refusal(database, create, put, read):
    good, bad = create(), create()
    put(bad, "completed")
    with pytest.raises(TransitionError) as refused:
        lifecycle.start_campaigns(database, [good, bad, 99])
    assert str(refused.value) == (
        f"Campaign {bad} (Sale) is completed: it cannot be started. Campaign 99 does not exist."
    )
    assert read(good).status == "draft"


def test_the_same_campaign_twice_is_once(database, create):
    campaign_id = create()
    assert len(lifecycle.start_campaigns(database, [campaign_id, campaign_id])) == 1


def test_a_start_with_a_time_to_come_waits_for_it_without_a_ring(database, create, read):
    campaign_id = create(schedule="2999-01-01T09:00")
    assert lifecycle.rung_ids(lifecycle.start_campaigns(database, [campaign_id])) == []
    assert (read(campaign_id).status, read(campaign_id).enqueued_at) == ("scheduled", None)


def test_a_start_with_a_time_that_is_past_may_run_at_once(database, create):
    campaign_id = create(schedule="2020-01-01T09:00")
    assert lifecycle.rung_ids(lifecycle.start_campaigns(database, [campaign_id])) == [campaign_id]
    assert database.run(take, campaign_id)


def test_a_pause_ends_the_wait_and_forgets_the_ring(database, create, put, read):
    campaign_id = create()
    now = dt.datetime.now(dt.UTC)
    put(campaign_id, "running", waiting_reason="window", due_at=now, enqueued_at=now)
    lifecycle.pause_campaigns(database, [campaign_id])
    row = read(campaign_id)
    assert (row.status, row.waiting_reason, row.due_at, row.enqueued_at) == ("paused", None, None, None)


def test_a_resumed_campaign_is_due_now(database, create, put, read):
    campaign_id = create()
    put(campaign_id, "paused", started_at=dt.datetime.now(dt.UTC))
    assert lifecycle.rung_ids(lifecycle.resume_campaigns(database, [campaign_id])) == [campaign_id]
    assert (read(campaign_id).status, read(campaign_id).due_at) == ("running", None)


def test_cancel_moves_pending_messages_only(database, create, put, sql, read):
    campaign_id = create(recipients=4)
    put(campaign_id, "running")
    sql(
        "UPDATE messages SET status = 'sending', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1"
        " WHERE id = (SELECT min(id) FROM messages)"
    )
    sql("UPDATE messages SET not_before = now() WHERE id = (SELECT max(id) FROM messages)")
    lifecycle.cancel_campaigns(database, [campaign_id])
    row = read(campaign_id)
    assert (row.status, row.counts) == ("cancelled", {"cancelled": 3, "sending": 1})
    assert sql("SELECT status::text, count(*) FROM messages GROUP BY 1 ORDER BY 1") == [
        ("cancelled", 3),
        ("sending", 1),
    ]


def test_a_release_beside_a_cancel_leaves_nothing_pending(database, create, put, sql, read):
    campaign_id = create(recipients=4)
    put(campaign_id, "running")
    sql(
        "UPDATE messages SET status = 'sending', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1"
        " WHERE id = (SELECT min(id) FROM messages)"
    )

    def release(connection):
        connection.execute("SELECT FROM campaigns WHERE id = %s FOR SHARE", (campaign_id,))
        connection.execute("UPDATE messages SET status = 'pending', attempts = 0 WHERE status = 'sending'")

    releasing, may_commit = hold(database, release)
    cancelling = Beside(lifecycle.cancel_campaigns, database, [campaign_id])
    await_blocked(database)
    may_commit.set()
    releasing.result()
    cancelling.result()
    assert read(campaign_id).counts == {"cancelled": 4}


def test_a_campaign_that_cannot_be_cancelled_is_not_paused_either(database, create, put, read):
    running, done = create(), create()
    put(running, "running")
    put(done, "completed")
    with pytest.raises(TransitionError):
        lifecycle.cancel_campaigns(database, [running, done])
    assert read(running).status == "running"


def test_set_changes_what_is_given_and_nothing_else(database, create, read):
    campaign_id = create(interval_seconds=5, window=(dt.time(9), dt.time(18)))
    change_campaign(database, campaign_id, Wishes(pause_after=10, pause_seconds=60))
    row = read(campaign_id)
    assert (row.interval_seconds, row.window_from, row.pause_after, row.pause_seconds) == (5, dt.time(9), 10, 60)
    change_campaign(database, campaign_id, Wishes(interval_seconds=0, window=NO_WINDOW, has_no_pause=True))
    row = read(campaign_id)
    assert (row.interval_seconds, row.window_from, row.pause_after, row.pause_seconds) == (0, None, None, None)


def test_half_a_pause_is_completed_by_what_the_campaign_has(database, create, read):
    campaign_id = create(pause_after=10, pause_seconds=60)
    change_campaign(database, campaign_id, Wishes(pause_seconds=5))
    assert (read(campaign_id).pause_after, read(campaign_id).pause_seconds) == (10, 5)


@pytest.mark.parametrize("reason", ["interval", "pause", "window", "no_active_account"])
def test_set_ends_a_wait_that_the_plan_made(database, create, put, read, reason):
    campaign_id = create(interval_seconds=3600)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    put(campaign_id, "running", waiting_reason=reason, due_at=later)
    assert change_campaign(database, campaign_id, Wishes(interval_seconds=0)).rings
    assert read(campaign_id).due_at is None
    assert read(campaign_id).enqueued_at


@pytest.mark.parametrize("reason", ["throttled", "unreachable", "template"])
def test_set_leaves_a_wait_that_meta_made(database, create, put, read, reason):
    campaign_id = create()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    put(campaign_id, "running", waiting_reason=reason, due_at=later)
    assert not change_campaign(database, campaign_id, Wishes(interval_seconds=1)).rings
    assert read(campaign_id).due_at == later


def test_a_shorter_interval_counts_from_now(database, create, put, sql):
    campaign_id = create(interval_seconds=3600)
    put(campaign_id, "running", waiting_reason="interval")
    sql("UPDATE leases SET next_message_at = now() + interval '1 hour', burst_count = 1")
    change_campaign(database, campaign_id, Wishes(interval_seconds=10))
    assert sql("SELECT next_message_at <= now() + interval '10 s' FROM leases") == [(True,)]


def test_a_longer_interval_does_not_move_the_next_message(database, create, put, sql):
    campaign_id = create(interval_seconds=10)
    put(campaign_id, "running", waiting_reason="interval")
    sql("UPDATE leases SET next_message_at = '2020-01-01', burst_count = 1")
    change_campaign(database, campaign_id, Wishes(interval_seconds=3600))
    assert sql("SELECT next_message_at = '2020-01-01' FROM leases") == [(True,)]


def test_a_changed_schedule_moves_a_started_campaign(database, create, read):
    campaign_id = create()
    lifecycle.start_campaigns(database, [campaign_id])
    assert change_campaign(database, campaign_id, Wishes(schedule="2999-01-01T09:00")).status == "scheduled"
    assert read(campaign_id).enqueued_at is None
    changed = change_campaign(database, campaign_id, Wishes(schedule=NO_SCHEDULE))
    assert (changed.status, changed.rings) == ("pending", True)


def test_a_running_campaign_can_be_put_off(database, create, put):
    campaign_id = create()
    put(campaign_id, "running")
    assert change_campaign(database, campaign_id, Wishes(schedule="2999-01-01T09:00")).status == "running"
    assert database.run(take, campaign_id) is None
    assert change_campaign(database, campaign_id, Wishes(schedule=NO_SCHEDULE)).rings


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_what_has_ended_cannot_be_changed(database, create, put, status):
    campaign_id = create()
    put(campaign_id, status)
    with pytest.raises(TransitionError, match=rf"^Campaign {campaign_id} \(Sale\) is {status}: it cannot be changed.$"):
        change_campaign(database, campaign_id, Wishes(interval_seconds=1))


def test_set_replaces_the_accounts(database, create, sql):
    campaign_id = create()
    change_campaign(database, campaign_id, Wishes(accounts=["support", "2"]))
    assert sql("SELECT account_id FROM campaign_accounts WHERE campaign_id = %s", campaign_id) == [(2,)]


def test_set_takes_another_template_only_with_as_many_variables(database, create, read):
    campaign_id = create()
    add_template(database, "other", language="en", body="Bye {{1}}!")
    add_template(database, "none", language="en", body="Bye!")
    change_campaign(database, campaign_id, Wishes(template="other:en"))
    assert read(campaign_id).template_name == "other"
    with pytest.raises(CampaignError, match=r"bring 1 value .1., the template none:en would take no values"):
        change_campaign(database, campaign_id, Wishes(template="none:en"))


def test_people_are_added_to_a_paused_campaign_but_not_to_a_running_one(database, create, put, read, tmp_path):
    campaign_id = create(recipients=3)
    more = tmp_path / "more.csv"
    more.write_text("phone,name\n+5511900000000,Ana\n+5511900000099,Bia\n")
    put(campaign_id, "running")
    with pytest.raises(TransitionError, match="is running: pause it to add recipients"):
        add_recipients(database, campaign_id, more, Reading())
    put(campaign_id, "paused")
    add_recipients(database, campaign_id, more, Reading())
    row = read(campaign_id)
    assert (row.recipient_count, row.duplicate_count, row.counts) == (4, 1, {"pending": 4})


def test_a_new_campaign_has_a_lease_row_and_its_accounts(database, create, sql):
    campaign_id = create(accounts=["support", "sales"])
    assert sql("SELECT epoch FROM leases WHERE campaign_id = %s", campaign_id) == [(0,)]
    assert sql("SELECT account_id FROM campaign_accounts ORDER BY 1") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"template": "promo"}, "'promo' is not NAME:LANGUAGE"),
        ({"template": "promo:pt_BR"}, "There is no template promo:pt_BR"),
        ({"accounts": ["sales", "nobody"]}, "There is no account nobody"),
        ({"accounts": []}, "needs at least one account"),
        ({"name": ""}, "one line of text"),
        ({"pause_after": 5}, "needs both"),
    ],
)
def test_a_campaign_that_cannot_be_is_not_made(create, sql, wish, reason):
    with pytest.raises(CampaignError, match=reason):
        create(**wish)
    assert sql("SELECT count(*) FROM campaigns") == [(0,)]


def test_activating_an_account_forgets_and_wakes_who_waited_for_it(database, create, put, read, sql):
    waiting, other = create(), create(accounts=["support"])
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    for campaign_id in (waiting, other):
        put(campaign_id, "running", waiting_reason="no_active_account", due_at=later)
    sql(
        "UPDATE accounts SET active = false, inactive_reason = '5 failures', consecutive_failures = 1,"
        " failures = '[{}]', consecutive_reported = 1, reported = '[{}]', blocked_until = %s, block_count = 3",
        later,
    )
    before = sql("SELECT activated_at FROM accounts WHERE name = 'sales'")
    row, rung = activate_account(database, "sales")
    assert rung == [waiting]
    assert (read(waiting).due_at, read(other).due_at) == (None, later)
    assert row.active
    assert (row.consecutive_failures, row.failures, row.consecutive_reported, row.reported) == (0, [], 0, [])
    assert row.blocked_until is None
    assert row.activated_at > before[0][0]
    assert sql("SELECT kind, details->>'was' FROM account_events WHERE account_id = 1 ORDER BY id DESC LIMIT 1") == [
        ("activated", "5 failures")
    ]


def test_deactivating_keeps_the_first_reason(database, create, sql):
    assert deactivate_account(database, "sales")[1]
    sql("UPDATE accounts SET inactive_reason = '5 failures' WHERE name = 'sales'")
    row, was_active = deactivate_account(database, "sales")
    assert (was_active, row.inactive_reason) == (False, "5 failures")
