"""Each fact writes its event in its own transaction, once, and nothing else writes one."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.domain.hooks.events import EventType
from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.store import leases
from campaigns.store.accounts import add_account_event
from campaigns.store.hooks import hooks, outbox
from campaigns.store.optouts.suppressions import SuppressionEvent, lift_suppressions, write_suppressions
from tests.store.rows import add_account, add_campaign, add_message, add_messages, add_template, fetch, take

ANA = "+5511987650001"


def read_events(database):
    return fetch(database, "SELECT type, data FROM hook_events ORDER BY id")


def clear(database):
    fetch(database, "DELETE FROM hook_events RETURNING id")


def set_status(database, campaign_id, status, **columns):
    more = "".join(f", {name} = {value}" for name, value in columns.items())
    fetch(database, f"UPDATE campaigns SET status = %s{more} WHERE id = %s RETURNING id", status, campaign_id)


def add_hook(connection, *types):
    return hooks.insert_hook(connection, "https://example.com/", types=types, secret=b"sealed")


def opt_out(source=Source.WORD, key=ANA, **changes):
    return SuppressionEvent(key, source, **{"is_active": True, "at": dt.datetime.now(dt.UTC), **changes})


def test_the_life_of_a_campaign_is_a_list_of_events(database):
    campaign_id = database.run(add_campaign, "draft")
    database.run(add_messages, campaign_id, 3)
    set_status(database, campaign_id, "pending")
    assert read_events(database) == []
    database.run(take, campaign_id)
    set_status(database, campaign_id, "paused")
    set_status(database, campaign_id, "running")
    fetch(database, "UPDATE messages SET status = 'cancelled' RETURNING id")
    set_status(database, campaign_id, "completed", completed_at="now()")
    set_status(database, campaign_id, "pending", completed_at="NULL")
    set_status(database, campaign_id, "cancelled", cancelled_at="now()")
    base, done = {"campaign_id": str(campaign_id), "counts": {"pending": 3}}, {"counts": {"cancelled": 3}}
    assert read_events(database) == [
        ("campaign.started", base),
        ("campaign.paused", base),
        ("campaign.resumed", base),
        ("campaign.completed", base | done),
        ("campaign.resumed", base | done),
        ("campaign.cancelled", base | done),
    ]


def test_a_further_slice_is_no_event(database):
    campaign_id = database.run(add_campaign, "pending")
    database.run(take, campaign_id, lease_seconds=0.0)
    clear(database)
    assert database.run(take, campaign_id) is not None
    assert read_events(database) == []


def test_a_fact_that_is_rolled_back_has_no_event(database):
    campaign_id = database.run(add_campaign)

    def work(connection):
        connection.execute("UPDATE campaigns SET status = 'paused' WHERE id = %s", (campaign_id,))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.run(work)
    assert read_events(database) == []


def test_a_wait_is_an_event_once_and_only_if_it_may_last(database):
    campaign_id = database.run(add_campaign)
    for reason in ("interval", "daily_limit", "daily_limit", None, "template"):
        fetch(database, "UPDATE campaigns SET waiting_reason = %s WHERE id = %s RETURNING id", reason, campaign_id)
    data = {"campaign_id": str(campaign_id), "counts": {}}
    assert read_events(database) == [
        ("campaign.waiting", data | {"reason": "daily_limit"}),
        ("campaign.waiting", data | {"reason": "template"}),
    ]


def test_a_test_send_is_no_event(database):
    tested = database.run(add_campaign, "draft")
    campaign_id = database.run(add_campaign, "pending", test_of=tested)
    database.run(take, campaign_id)
    set_status(database, campaign_id, "completed", completed_at="now()")
    assert read_events(database) == []


def test_messages_that_expire_are_an_event(database):
    past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=9)
    paused = database.run(add_campaign, "paused", expire_at=past)
    running = database.run(add_campaign, expire_at=past)
    for campaign_id in (paused, running):
        database.run(add_messages, campaign_id, 2)
    database.run(leases.expire_paused)
    row = database.run(take, running)
    database.run(leases.expire_messages, running, row.epoch)
    assert read_events(database) == [
        ("campaign.expired", {"campaign_id": str(each), "count": 2}) for each in (paused, running)
    ]


def test_uncertain_messages_that_stay_are_an_event(database):
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "uncertain")
    database.run(leases.report_uncertain, grace_seconds=60.0)
    assert read_events(database) == [("messages.uncertain_overdue", {"campaign_id": str(campaign_id), "count": 1})]


@pytest.mark.parametrize(
    ("kind", "event_type"),
    [
        ("created", None),
        ("blocked", None),
        ("activated", "account.activated"),
        ("deactivated", "account.deactivated"),
        ("category_deactivated", "account.deactivated"),
        ("reported", "account.reported"),
        ("health_worse", "account.health_changed"),
        ("health_better", "account.health_changed"),
        ("health_failed", "account.health_changed"),
    ],
)
def test_events_of_accounts_have_ids_only(database, kind, event_type):
    account_id = database.run(add_account)
    event_id = database.run(add_account_event, account_id, kind, {"said": ANA})
    data = {"account_id": str(account_id), "account_event_id": str(event_id), "kind": kind}
    assert read_events(database) == ([(event_type, data)] if event_type else [])


def test_a_changed_status_of_a_template_is_an_event(database):
    template_id = database.run(add_template, name="promo", language="pt_BR")
    for status in ("approved", "paused", "paused"):
        fetch(database, "UPDATE templates SET status = %s WHERE id = %s RETURNING id", status, template_id)
    data = {"template_id": str(template_id), "name": "promo", "language": "pt_BR"}
    expected = data | {"status": "paused", "old_status": "approved"}
    assert read_events(database) == [("template.status_changed", expected)]


@pytest.mark.parametrize(
    ("kind", "status", "event_type"),
    [
        ("add", "done", "import.finished"),
        ("replace", "refused", "import.finished"),
        ("add", "failed", "import.finished"),
        ("export", "done", "export.ready"),
        ("export", "failed", None),
        ("copy", "done", None),
        ("look", "done", None),
    ],
)
def test_finished_work_with_files_is_an_event(database, kind, status, event_type):
    campaign_id = database.run(add_campaign, "draft")
    (upload_id,) = fetch(database, "INSERT INTO uploads (name, created_by) VALUES ('x.csv', 'ana') RETURNING id")
    reads = kind in {"add", "replace", "look"}
    (job_id,) = fetch(
        database,
        "INSERT INTO file_jobs (kind, campaign_id, upload_id, request, actor) VALUES (%s, %s, %s, '{}', '{}')"
        " RETURNING id",
        kind,
        campaign_id,
        upload_id if reads else None,
    )
    fetch(database, "UPDATE file_jobs SET status = %s, result = '{}', ended_at = now() RETURNING id", status)
    data = {"job_id": str(job_id), "kind": kind, "campaign_id": str(campaign_id), "status": status}
    assert read_events(database) == ([(event_type, data)] if event_type else [])


def test_a_worker_that_begins_to_stall_is_an_event(database):
    fetch(
        database,
        "INSERT INTO workers (owner, name, queues, slots, running_count, started_at, seen_at, consumed_at,"
        " skew_seconds) VALUES ('a:1', 'worker@a', '{}', 1, 0, now(), now(), now(), 0) RETURNING owner",
    )
    for seconds in (None, 30.0, 60.0, None):
        fetch(database, "UPDATE workers SET stalled_seconds = %s RETURNING owner", seconds)
    assert read_events(database) == [("worker.stalled", {"worker": "worker@a"})]


def test_an_opt_out_is_an_event_only_if_a_hook_wants_phones(database):
    database.run(add_hook, EventType.CAMPAIGN_STARTED)
    database.run(write_suppressions, [opt_out()])
    assert read_events(database) == []
    database.run(add_hook, EventType.PERSON_OPTED_OUT)
    database.run(write_suppressions, [opt_out(Source.BUTTON), opt_out(key="BR.1234")])
    database.run(write_suppressions, [opt_out(Source.IMPORT, key=recipient_key("+5511987650002"))])
    assert read_events(database) == [("person.opted_out", {"phone": ANA, "source": "button"})]


def test_an_opt_out_that_holds_already_is_no_event_and_one_that_begins_anew_is(database):
    database.run(add_hook, EventType.PERSON_OPTED_OUT)
    database.run(write_suppressions, [opt_out()])
    database.run(write_suppressions, [opt_out()])
    assert len(read_events(database)) == 1
    database.run(lift_suppressions, [ANA])
    database.run(write_suppressions, [opt_out(at=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=9))])
    assert len(read_events(database)) == 2


def test_a_forgotten_phone_is_taken_out_of_events_and_answers(database):
    hook_id = database.run(add_hook, EventType.PERSON_OPTED_OUT)
    database.run(write_suppressions, [opt_out(), opt_out(key="+5511987650002")])
    database.run(outbox.plan_deliveries, limit=9)
    fetch(database, "UPDATE hook_deliveries SET answer = %s RETURNING hook_id", f"stored {ANA}")
    assert database.run(outbox.erase_phones, [ANA]) == 1
    assert [data["phone"] for _, data in read_events(database)] == [None, "+5511987650002"]
    answers = [each.answer for each in database.run(outbox.list_deliveries, hook_id, limit=9)]
    assert answers == [f"stored {ANA}", None]


def test_old_events_are_deleted_with_their_deliveries(database):
    hook_id = database.run(add_hook, EventType.ACCOUNT_REPORTED)
    for _ in range(2):
        database.run(outbox.write_event, EventType.ACCOUNT_REPORTED, {})
    database.run(outbox.plan_deliveries, limit=9)
    fetch(database, "UPDATE hook_events SET at = now() - interval '31 days' WHERE id = 1 RETURNING id")
    assert database.run(outbox.erase_old_events) == 1
    assert database.run(outbox.erase_old_events) == 0
    assert [each.event_id for each in database.run(outbox.list_deliveries, hook_id, limit=9)] == [2]


def test_no_trigger_of_the_outbox_belongs_to_the_messages(database):
    names = fetch(database, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'messages'::regclass AND NOT tgisinternal")
    assert {name.split("_")[0] for name in names} == {"tally"}
