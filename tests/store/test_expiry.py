import datetime as dt

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.message import Write
from campaigns.sending.schedule import reconcile
from campaigns.store.leases import expire_messages, mark_due_campaigns
from tests.store.rows import (
    add_campaign,
    add_message,
    allowing_only,
    claim,
    fetch,
    find_wrong_counters,
    read_statuses,
    take,
)

PAST, LATER = dt.datetime(2026, 10, 1, tzinfo=dt.UTC), dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


def add(database, status="running", **columns):
    """A campaign with a message on the wire and two that wait."""
    campaign_id = database.run(add_campaign, status, **columns)
    for message in ({"status": "sending"}, {}, {"not_before": PAST}):
        database.run(add_message, campaign_id, **message)
    return campaign_id


def test_nothing_is_claimed_after_the_end(database):
    campaign_id = add(database, expire_at=PAST)
    database.run(take, campaign_id)
    claimed = database.run(claim, campaign_id, 1, accounts=[1] * 5)
    assert (claimed.messages, claimed.is_held) == ([], True)
    fetch(database, "UPDATE campaigns SET expire_at = %s", LATER)
    assert len(database.run(claim, campaign_id, 1, accounts=[1] * 5).messages) == 2


def test_what_was_not_sent_at_the_end_is_expired_and_what_is_on_the_wire_stays(database):
    campaign_id = add(database, expire_at=PAST)
    fetch(database, "UPDATE leases SET epoch = 1, until = clock_timestamp() + interval '1 h'")
    with allowing_only(database, Write.RUNNER):
        assert database.run(expire_messages, campaign_id, 1) == 2
    assert read_statuses(database, campaign_id) == ["sending", "expired", "expired"]
    assert fetch(database, "SELECT count(*) FROM messages WHERE not_before IS NOT NULL") == [0]
    assert find_wrong_counters(database) == []


@pytest.mark.parametrize(
    "spoil", ["UPDATE leases SET epoch = 7", "UPDATE campaigns SET expire_at = '2099-01-01Z'",
              "UPDATE campaigns SET expire_at = NULL", "UPDATE campaigns SET status = 'paused'"],
)  # fmt: skip
def test_only_the_holder_of_the_lease_expires_and_only_what_has_expired(database, spoil):
    campaign_id = add(database, expire_at=PAST)
    fetch(database, "UPDATE leases SET epoch = 1")
    fetch(database, spoil)
    assert database.run(expire_messages, campaign_id, 1) == 0


def test_the_tick_finds_a_campaign_that_expires_while_it_waits(database):
    wait = {"due_at": LATER, "waiting_reason": "window"}
    expired = add(database, expire_at=PAST, **wait)
    add(database, expire_at=LATER, **wait)
    add(database, "paused", expire_at=PAST)
    assert database.run(mark_due_campaigns, tick_seconds=10, expiry_seconds=3600) == ([expired], 0)
    assert database.run(take, expired) is not None


def test_what_a_paused_campaign_has_not_sent_expires_and_it_stays_paused(database, caplog):
    caplog.set_level("INFO")
    paused = add(database, "paused", expire_at=PAST)
    other, running = add(database, "paused", expire_at=LATER), add(database, expire_at=PAST)
    reconcile(database, Settings(), Alerts(None))
    assert read_statuses(database, paused)[1:] == ["expired", "expired"]
    assert fetch(database, "SELECT status::text FROM campaigns ORDER BY id") == ["paused", "paused", "running"]
    for campaign_id in (other, running):
        assert read_statuses(database, campaign_id)[1:] == ["pending", "pending"]
    assert f"Campaign {paused} is paused and has expired: 2 messages were not sent" in caplog.text
    assert find_wrong_counters(database) == []


@pytest.mark.parametrize(("within", "is_late"), [(60.0, True), (10.0**8, False), (None, False)])
def test_a_campaign_that_begins_too_late_expires_at_once(database, within, is_late):
    campaign_id = add(database, "scheduled", scheduled_at=PAST, start_within_seconds=within)
    lease = database.run(take, campaign_id)
    assert (lease.expire_at is not None and lease.expire_at <= lease.server_now) == is_late


def test_a_campaign_that_has_begun_is_never_too_late(database):
    campaign_id = add(database, "running", scheduled_at=PAST, start_within_seconds=60.0, expire_at=LATER)
    assert database.run(take, campaign_id).expire_at == LATER


def test_evidence_of_a_delivery_raises_what_had_expired(database):
    from campaigns.store.messages import merge_evidence  # noqa: PLC0415
    from tests.store.rows import say  # noqa: PLC0415

    campaign_id = database.run(add_campaign)
    out = {"account_id": 1, "claimed_at": PAST, "send_no": 1, "attempts": 1}
    message_id = database.run(add_message, campaign_id, "expired", **out)
    database.run(merge_evidence, [say(message_id, "sent", wamid="wamid.a", sent_at=PAST)])
    assert read_statuses(database, campaign_id) == ["expired"]
    database.run(merge_evidence, [say(message_id, "delivered", wamid="wamid.a", delivered_at=PAST)])
    assert read_statuses(database, campaign_id) == ["delivered"]
