from __future__ import annotations

import datetime as dt
import itertools

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.campaign import TRANSITIONS, CampaignStatus, Command
from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Refusal
from campaigns.management import lifecycle
from campaigns.management.accounts import activate_account, add_account, add_template, deactivate_account
from campaigns.management.campaigns import CLEAR, CampaignChanges, change_campaign, create_campaign
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.recipients import Reading
from campaigns.management.reports import read_funnel
from campaigns.secrets import make_key
from campaigns.sending.schedule import reconcile
from campaigns.store.campaigns import cancel_messages, delete_recipients, list_campaigns
from campaigns.store.database import query
from campaigns.store.leases import complete_campaign
from tests.store.rows import Beside, await_blocked, hold, take
from tests.support.actors import TESTER

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
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_account(database, "support", phone_number_id="2", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)

    def create_one(recipients=3, **changes):
        file = tmp_path / "people.csv"
        file.write_text("phone,name\n" + "".join(f"+55119{number:08},Ana\n" for number in range(recipients)))
        asked = {"name": "Sale", "template": "promo:en", "accounts": ["sales"]} | changes
        return create_campaign(database, CampaignChanges(**asked), file, time_zone="UTC", actor=TESTER).id

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
        USE_CASES[command](database, [campaign_id], actor=TESTER)
        assert read(campaign_id).status in possible
    else:
        with pytest.raises(Refusal, match=rf"^Campaign {campaign_id} \(Sale\) is {status}: it cannot be "):
            USE_CASES[command](database, [campaign_id], actor=TESTER)
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


def test_many_campaigns_start_at_once_and_are_to_be_enqueued(database, create, read):
    ids = [create(), create()]
    moves = lifecycle.start_campaigns(database, ids, actor=TESTER)
    assert lifecycle.ids_to_enqueue(moves) == ids
    assert all(read(each).status == "pending" and read(each).enqueued_at for each in ids)


def test_a_start_is_all_or_nothing_and_names_every_refusal(database, create, put, read):
    good, bad = create(), create()
    put(bad, "completed")
    with pytest.raises(Refusal) as refused:
        lifecycle.start_campaigns(database, [good, bad, 99], actor=TESTER)
    text = str(refused.value)
    assert text.startswith(f"Campaign {bad} (Sale) is completed: it cannot be started. ")
    assert "Campaign 99 does not exist: " in text
    assert read(good).status == "draft"


def test_the_same_campaign_twice_is_once(database, create):
    campaign_id = create()
    assert len(lifecycle.start_campaigns(database, [campaign_id, campaign_id], actor=TESTER)) == 1


def test_a_start_for_a_later_time_is_not_enqueued(database, create, read):
    campaign_id = create(schedule="2999-01-01T09:00")
    assert lifecycle.ids_to_enqueue(lifecycle.start_campaigns(database, [campaign_id], actor=TESTER)) == []
    assert (read(campaign_id).status, read(campaign_id).enqueued_at) == ("scheduled", None)


def test_a_time_that_has_passed_is_refused_when_it_is_given(database, create, read):
    for times in ({"schedule": "2020-01-01T09:00"}, {"schedule": "yesterday 09:00"}, {"expire": "2020-01-01T09:00"}):
        with pytest.raises(Refusal, match=r"that was \d+ \w+ ago.*such as '(today|tomorrow|20)"):
            create(**times)
    campaign_id = create(schedule="tomorrow 09:00")
    scheduled_at = read(campaign_id).scheduled_at
    for times in ({"schedule": "yesterday 09:00"}, {"expire": "2020-01-01T09:00"}):
        with pytest.raises(Refusal, match="ago"):
            change_campaign(database, campaign_id, CampaignChanges(**times), actor=TESTER)
    assert (read(campaign_id).scheduled_at, read(campaign_id).expire_at) == (scheduled_at, None)


def test_a_draft_whose_time_has_passed_starts_after_its_schedule_is_removed(database, create, put, read):
    campaign_id = create(schedule="tomorrow 09:00")
    put(campaign_id, "draft", scheduled_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(Refusal, match="was scheduled for 2020-01-01 00:00:00 UTC"):
        lifecycle.start_campaigns(database, [campaign_id], actor=TESTER)
    assert read(campaign_id).status == "draft"
    change_campaign(database, campaign_id, CampaignChanges(schedule=CLEAR), actor=TESTER)
    assert lifecycle.ids_to_enqueue(lifecycle.start_campaigns(database, [campaign_id], actor=TESTER)) == [campaign_id]
    assert database.run(take, campaign_id)


def test_a_pause_ends_the_wait_and_deletes_the_enqueued_mark(database, create, put, read):
    campaign_id = create()
    now = dt.datetime.now(dt.UTC)
    put(campaign_id, "running", waiting_reason="window", due_at=now, enqueued_at=now)
    lifecycle.pause_campaigns(database, [campaign_id], actor=TESTER)
    row = read(campaign_id)
    assert (row.status, row.waiting_reason, row.due_at, row.enqueued_at) == ("paused", None, None, None)


def test_a_resumed_campaign_is_due_now(database, create, put, read):
    campaign_id = create()
    put(campaign_id, "paused", started_at=dt.datetime.now(dt.UTC))
    assert lifecycle.ids_to_enqueue(lifecycle.resume_campaigns(database, [campaign_id], actor=TESTER)) == [campaign_id]
    assert (read(campaign_id).status, read(campaign_id).due_at) == ("running", None)


def test_cancel_moves_pending_messages_only(database, create, put, sql, read):
    campaign_id = create(recipients=4)
    put(campaign_id, "running")
    sql(
        "UPDATE messages SET status = 'sending', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1"
        " WHERE id = (SELECT min(id) FROM messages)"
    )
    sql("UPDATE messages SET not_before = now() WHERE id = (SELECT max(id) FROM messages)")
    lifecycle.cancel_campaigns(database, [campaign_id], actor=TESTER)
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
    cancelling = Beside(lifecycle.cancel_campaigns, database, [campaign_id], actor=TESTER)
    await_blocked(database)
    may_commit.set()
    releasing.result()
    cancelling.result()
    assert read(campaign_id).counts == {"cancelled": 4}


@pytest.mark.parametrize("status", ["pending", "scheduled", "running"])
def test_no_worker_takes_a_campaign_while_its_messages_are_cancelled(database, create, put, read, status):
    campaign_id = create()
    put(campaign_id, status)
    holding, may_commit = hold(database, lambda connection: connection.execute("SELECT FROM messages FOR UPDATE"))
    cancelling = Beside(lifecycle.cancel_campaigns, database, [campaign_id], actor=TESTER)
    await_blocked(database)
    assert read(campaign_id).status == "cancelled"
    may_commit.set()
    holding.result()
    (move,) = cancelling.result()
    assert (move.old, read(campaign_id).status, read(campaign_id).counts) == (status, "cancelled", {"cancelled": 3})


def test_a_cancel_that_ends_in_between_is_finished_by_a_task(database, create, put, read, monkeypatch):
    """A person's request, or its process, may end before a million messages are cancelled."""
    monkeypatch.setattr("campaigns.store.campaigns._CANCELLED_AT_ONCE", 2)
    campaign_id = create(recipients=7)
    put(campaign_id, "running")
    (move,) = lifecycle.cancel_campaigns(database, [campaign_id], actor=TESTER, seconds=0)
    assert (move.old, move.new) == ("running", "cancelled")
    assert read(campaign_id).counts == {"cancelled": 2, "pending": 5}
    funnel = read_funnel(read(campaign_id))
    assert (funnel.to_send, funnel.cancelled) == (0, 7), "nobody waits for a message that never leaves"
    reconcile(database, Settings(), Alerts(None))
    assert read(campaign_id).counts == {"cancelled": 7}


def test_a_cancel_stands_although_postgres_fails_before_the_messages_are_cancelled(database, create, put, sql, read):
    campaign_id = create()
    put(campaign_id, "running")
    sql("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'")
    sql("CREATE TRIGGER refusing BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION refuse()")
    lifecycle.cancel_campaigns(database, [campaign_id], actor=TESTER)
    assert (read(campaign_id).status, read(campaign_id).counts) == ("cancelled", {"pending": 3})
    sql("DROP TRIGGER refusing ON messages")
    reconcile(database, Settings(), Alerts(None))
    assert read(campaign_id).counts == {"cancelled": 3}


def test_a_cancelled_message_that_may_have_been_sent_stays_uncertain(database, create, put, sql, read):
    campaign_id = create(recipients=2)
    put(campaign_id, "running")
    sql(
        "UPDATE messages SET doubted = '{[1,1]}', send_no = 1, claimed_at = now(), error_title = 'lost'"
        " WHERE id = (SELECT min(id) FROM messages)"
    )
    lifecycle.cancel_campaigns(database, [campaign_id], actor=TESTER)
    assert read(campaign_id).counts == {"uncertain": 1, "cancelled": 1}


@pytest.mark.parametrize("status", ["pending", "scheduled", "running", "completed"])
def test_messages_of_a_campaign_that_may_send_are_not_cancelled(database, create, put, read, status):
    campaign_id = create()
    put(campaign_id, status)
    assert cancel_messages(database, campaign_id)
    assert read(campaign_id).counts == {"pending": 3}


def test_the_people_are_counted_before_the_campaign_is_locked(database, create, sql, read):
    campaign_id = create(window=(dt.time(0), dt.time(23)), uses_recipient_zones=True)
    reading, may_commit = hold(database, lambda connection: connection.execute("LOCK TABLE messages"))
    starting = Beside(lifecycle.start_campaigns, database, [campaign_id], actor=TESTER)
    await_blocked(database)
    assert sql("SELECT id FROM campaigns FOR NO KEY UPDATE NOWAIT") == [(campaign_id,)]
    may_commit.set()
    reading.result()
    starting.result()
    assert read(campaign_id).status == "pending"


def test_a_campaign_that_cannot_be_cancelled_is_not_paused_either(database, create, put, read):
    running, done = create(), create()
    put(running, "running")
    put(done, "completed")
    with pytest.raises(Refusal):
        lifecycle.cancel_campaigns(database, [running, done], actor=TESTER)
    assert read(running).status == "running"


def test_set_changes_what_is_given_and_nothing_else(database, create, read):
    campaign_id = create(interval_seconds=5, window=(dt.time(9), dt.time(18)))
    change_campaign(database, campaign_id, CampaignChanges(pause_after=10, pause_seconds=60), actor=TESTER)
    row = read(campaign_id)
    assert (row.interval_seconds, row.window_from, row.pause_after, row.pause_seconds) == (5, dt.time(9), 10, 60)
    change_campaign(
        database,
        campaign_id,
        CampaignChanges(interval_seconds=0, window=CLEAR, pause_after=CLEAR, pause_seconds=CLEAR),
        actor=TESTER,
    )
    row = read(campaign_id)
    assert (row.interval_seconds, row.window_from, row.pause_after, row.pause_seconds) == (0, None, None, None)


def test_half_a_pause_is_completed_by_what_the_campaign_has(database, create, read):
    campaign_id = create(pause_after=10, pause_seconds=60)
    change_campaign(database, campaign_id, CampaignChanges(pause_seconds=5), actor=TESTER)
    assert (read(campaign_id).pause_after, read(campaign_id).pause_seconds) == (10, 5)


@pytest.mark.parametrize("reason", ["interval", "pause", "window", "no_active_account"])
def test_set_ends_a_wait_that_the_plan_made(database, create, put, read, reason):
    campaign_id = create(interval_seconds=3600)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    put(campaign_id, "running", waiting_reason=reason, due_at=later)
    assert change_campaign(database, campaign_id, CampaignChanges(interval_seconds=0), actor=TESTER).should_enqueue
    assert read(campaign_id).due_at is None
    assert read(campaign_id).enqueued_at


@pytest.mark.parametrize("reason", ["throttled", "unreachable", "template"])
def test_set_leaves_a_wait_that_meta_made(database, create, put, read, reason):
    campaign_id = create()
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    put(campaign_id, "running", waiting_reason=reason, due_at=later)
    assert not change_campaign(database, campaign_id, CampaignChanges(interval_seconds=1), actor=TESTER).should_enqueue
    assert read(campaign_id).due_at == later


def test_a_shorter_interval_counts_from_now(database, create, put, sql):
    campaign_id = create(interval_seconds=3600)
    put(campaign_id, "running", waiting_reason="interval")
    sql("UPDATE leases SET next_message_at = now() + interval '1 hour', burst_count = 1")
    change_campaign(database, campaign_id, CampaignChanges(interval_seconds=10), actor=TESTER)
    assert sql("SELECT next_message_at <= now() + interval '10 s' FROM leases") == [(True,)]


def test_a_longer_interval_does_not_move_the_next_message(database, create, put, sql):
    campaign_id = create(interval_seconds=10)
    put(campaign_id, "running", waiting_reason="interval")
    sql("UPDATE leases SET next_message_at = '2020-01-01', burst_count = 1")
    change_campaign(database, campaign_id, CampaignChanges(interval_seconds=3600), actor=TESTER)
    assert sql("SELECT next_message_at = '2020-01-01' FROM leases") == [(True,)]


def test_a_changed_schedule_moves_a_started_campaign(database, create, read):
    campaign_id = create()
    lifecycle.start_campaigns(database, [campaign_id], actor=TESTER)
    assert (
        change_campaign(database, campaign_id, CampaignChanges(schedule="2999-01-01T09:00"), actor=TESTER).status
        == "scheduled"
    )
    assert read(campaign_id).enqueued_at is None
    changed = change_campaign(database, campaign_id, CampaignChanges(schedule=CLEAR), actor=TESTER)
    assert (changed.status, changed.should_enqueue) == ("pending", True)


START_CHANGES = (
    {"schedule": "2999-01-01T09:00"},
    {"schedule": CLEAR},
    {"start_within_seconds": 60.0},
    {"start_within_seconds": CLEAR},
)


@pytest.mark.parametrize("status", ["running", "paused"])
def test_a_started_campaign_takes_no_change_of_its_start(database, create, put, read, status):
    campaign_id = create()
    put(campaign_id, status, started_at=dt.datetime.now(dt.UTC))
    for changes in START_CHANGES:
        with pytest.raises(Refusal, match=r"has started already, so .* has no effect"):
            change_campaign(database, campaign_id, CampaignChanges(**changes), actor=TESTER)
    assert (read(campaign_id).scheduled_at, read(campaign_id).start_within_seconds) == (None, None)


def test_a_schedule_that_an_old_version_gave_to_a_running_campaign_can_be_removed(database, create, put):
    campaign_id = create()
    put(campaign_id, "running", scheduled_at=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    assert database.run(take, campaign_id) is None
    assert change_campaign(database, campaign_id, CampaignChanges(schedule=CLEAR), actor=TESTER).should_enqueue


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_what_has_ended_cannot_be_changed(database, create, put, status):
    campaign_id = create()
    put(campaign_id, status)
    with pytest.raises(Refusal, match=rf"^Campaign {campaign_id} \(Sale\) is {status}: it cannot be changed. "):
        change_campaign(database, campaign_id, CampaignChanges(interval_seconds=1), actor=TESTER)


def test_set_replaces_the_accounts(database, create, sql):
    campaign_id = create()
    change_campaign(database, campaign_id, CampaignChanges(accounts=["support", "2"]), actor=TESTER)
    assert sql("SELECT account_id FROM campaign_accounts WHERE campaign_id = %s", campaign_id) == [(2,)]


def test_set_takes_another_template_only_with_as_many_variables(database, create, read):
    campaign_id = create()
    add_template(database, "other", language="en", body="Bye {{1}}!", actor=TESTER)
    add_template(database, "none", language="en", body="Bye!", actor=TESTER)
    change_campaign(database, campaign_id, CampaignChanges(template="other:en"), actor=TESTER)
    assert read(campaign_id).template_name == "other"
    with pytest.raises(Refusal, match=r"have 1 value .1., but the template none:en needs no values"):
        change_campaign(database, campaign_id, CampaignChanges(template="none:en"), actor=TESTER)


def test_people_are_added_to_a_paused_campaign_but_not_to_a_running_one(database, create, put, read, tmp_path):
    campaign_id = create(recipients=3)
    more = tmp_path / "more.csv"
    more.write_text("phone,name\n+5511900000000,Ana\n+5511900000099,Bia\n")
    put(campaign_id, "running")
    with pytest.raises(Refusal, match="is running: pause it to add recipients"):
        add_recipients(database, campaign_id, more, Reading(choice=Choice(mapping={"1": "name"})), actor=TESTER)
    put(campaign_id, "paused")
    add_recipients(database, campaign_id, more, Reading(choice=Choice(mapping={"1": "name"})), actor=TESTER)
    row = read(campaign_id)
    assert (row.recipient_count, row.duplicate_count, row.counts) == (4, 1, {"pending": 4})


@pytest.fixture
def add_while(database, create, put, tmp_path):
    """Adds a person to a paused campaign; `act` gets its id while the file is read. Returns the id and the result."""

    def add(act):
        campaign_id = create(recipients=1)
        put(campaign_id, "paused")
        more = tmp_path / "more.csv"
        more.write_text("phone,name\n+5511900000099,Bia\n")
        begun = []

        def report(_part):
            if not begun:
                begun.append(campaign_id)
                act(campaign_id)

        reading = Reading(choice=Choice(mapping={"1": "name"}), report=report)
        result = add_recipients(database, campaign_id, more, reading, actor=TESTER)
        assert begun == [campaign_id]
        return campaign_id, result

    return add


def test_a_campaign_is_not_locked_while_its_file_is_read(database, add_while, read):
    def rename(campaign_id):
        change_campaign(database, campaign_id, CampaignChanges(name="New"), actor=TESTER)

    campaign_id, result = add_while(rename)
    assert (read(campaign_id).name, read(campaign_id).recipient_count, result.name) == ("New", 2, "New")


def test_a_campaign_that_is_resumed_while_its_file_is_read_takes_nobody(add_while, put, sql):
    with pytest.raises(Refusal, match="is running: pause it to add recipients"):
        add_while(lambda campaign_id: put(campaign_id, "running"))
    assert sql("SELECT count(*) FROM messages") == [(1,)]


def test_a_template_that_is_replaced_while_the_file_is_read_refuses_the_import(database, add_while, sql):
    add_template(database, "other", language="en", body="Bye {{1}}!", actor=TESTER)

    def change(campaign_id):
        change_campaign(database, campaign_id, CampaignChanges(template="other:en"), actor=TESTER)

    with pytest.raises(Refusal, match="was changed while the file was read"):
        add_while(change)
    assert sql("SELECT count(*) FROM messages") == [(1,)]


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
    with pytest.raises(Refusal, match=reason):
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
    row, to_enqueue = activate_account(database, "sales", actor=TESTER)
    assert to_enqueue == [waiting]
    assert (read(waiting).due_at, read(other).due_at) == (None, later)
    assert row.active
    assert (row.consecutive_failures, row.failures, row.consecutive_reported, row.reported) == (0, [], 0, [])
    assert row.blocked_until is None
    assert row.activated_at > before[0][0]
    assert sql("SELECT kind, details->>'was' FROM account_events WHERE account_id = 1 ORDER BY id DESC LIMIT 1") == [
        ("activated", "5 failures")
    ]


def test_deactivating_keeps_the_first_reason(database, create, sql):
    assert deactivate_account(database, "sales", actor=TESTER)[1]
    sql("UPDATE accounts SET inactive_reason = '5 failures' WHERE name = 'sales'")
    row, was_active = deactivate_account(database, "sales", actor=TESTER)
    assert (was_active, row.inactive_reason) == (False, "5 failures")


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("set_window", {"window_from": dt.time(9), "window_to": dt.time(18), "uses_recipient_zones": True}),
        ("count_recipients", {"recipient_count": 1, "duplicate_count": 1, "rejected_count": 1}),
        ("rebase_pace", {}),
    ],
)
def test_a_campaign_that_has_ended_stays_as_it_is(database, create, put, sql, name, given):  # noqa: PLR0917
    campaign_id = create()
    sql("UPDATE leases SET next_message_at = now() + interval '1 day'")
    for status, count in (("completed", 0), ("cancelled", 0), ("draft", 1)):
        put(campaign_id, status)
        work = database.run(lambda connection: connection.execute(query(name), {"campaign_id": campaign_id} | given))
        assert work.rowcount == count, status


def test_the_recipients_and_their_files_are_deleted_of_a_draft_only(database, create, put, sql):
    campaign_id = create()
    rows = (
        "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM imports), (SELECT count(*) FROM campaign_zones)"
    )
    put(campaign_id, "running")
    database.run(delete_recipients, campaign_id)
    assert sql(rows) == [(3, 1, 1)]
    put(campaign_id, "draft")
    database.run(delete_recipients, campaign_id)
    assert sql(rows) == [(0, 0, 0)]
