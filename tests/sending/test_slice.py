"""Slices while all connections of the transport are taken, and after Postgres ends a connection."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from campaigns.domain.congestion import FlightWindow
from campaigns.domain.pacing import Reason, Wait
from campaigns.sending.leases import LeaseKeeper
from campaigns.sending.run import Slice, run_slice
from campaigns.sending.start import begin_slice
from campaigns.sending.template_probation import TemplateProbation
from campaigns.whatsapp.mailbox import Mailbox
from campaigns.whatsapp.transport import Transport
from tests.store.rows import Beside, add_campaign, add_crowd, await_blocked, fetch

PEOPLE = 500
CONNECTIONS = 4
MAX_IN_FLIGHT_WHEN_SATURATED = 128
MESSAGES_PER_SLICE = 100
NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
FIND_BLOCKED = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
# Each settlement waits for a lock that a test holds.
HOLD_SETTLEMENTS = """
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END';
CREATE TRIGGER holding BEFORE UPDATE ON messages FOR EACH ROW WHEN (NEW.status = 'sent') EXECUTE FUNCTION hold();
"""
# How many messages are in flight after each statement that changes some.
NOTE_SENDING = """
CREATE TABLE sending (count bigint);
CREATE FUNCTION note_sending() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO sending SELECT count(*) FROM messages WHERE status = 'sending'; RETURN NULL; END $$;
CREATE TRIGGER noting AFTER UPDATE ON messages FOR EACH STATEMENT EXECUTE FUNCTION note_sending();
"""
# The first statement after the first claim fails: it says that the campaign does not wait any more.
FAIL_AFTER_CLAIM = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
CREATE TRIGGER failing BEFORE UPDATE ON campaigns FOR EACH ROW
    WHEN (old.waiting_reason IS NOT NULL AND new.waiting_reason IS NULL AND new.cursor = old.cursor)
    EXECUTE FUNCTION fail();
"""


@pytest.fixture
def tools(make_tools, far, monkeypatch):
    """The tools of slices whose transport may open few connections."""
    monkeypatch.setattr("campaigns.whatsapp.transport._MAX_CONNECTIONS", CONNECTIONS)
    far.script(limits={"messages_per_second": 0}, latency_ms=20)
    return make_tools(f"{far.url}/v24.0", slice_seconds=600.0)


@pytest.fixture
def make_campaign(database, add_sender):
    def make(people):
        campaign_id = database.run(add_campaign, accounts=[add_sender()])
        database.run(add_crowd, campaign_id, people)
        return campaign_id

    return make


@pytest.fixture
def current(tools, make_campaign):
    return Slice(begin_slice(make_campaign(CONNECTIONS), tools), tools)


def test_a_slice_claims_no_more_messages_than_can_leave_soon(tools, database, far, make_campaign):
    """A claimed message that waits for a connection becomes uncertain if the process is killed."""
    campaign_id = make_campaign(PEOPLE)
    fetch(database, NOTE_SENDING)
    run_slice(begin_slice(campaign_id, tools), tools)

    assert CONNECTIONS < fetch(database, "SELECT max(count) FROM sending")[0] <= MAX_IN_FLIGHT_WHEN_SATURATED
    assert fetch(database, "SELECT status::text, count(*) FROM messages GROUP BY 1") == [("sent", PEOPLE)]
    assert far.stats()["max_accepted_per_recipient"] == 1


@pytest.mark.parametrize(
    ("slices", "in_flight", "capacity"),
    [(1, 0, 128), (100, 0, 128), (200, 0, 64), (400, 0, 32), (5_000, 0, 32), (400, 16, 16), (400, 17, 0)],
)
def test_the_more_slices_the_fewer_messages_each_claims(current, monkeypatch, slices, in_flight, capacity):
    """While requests wait for connections, 12,800 messages of a process, or 32 of a slice, are enough."""
    monkeypatch.setattr(LeaseKeeper, "slice_count", property(lambda _: slices))
    monkeypatch.setattr(Transport, "is_saturated", property(lambda _: True))
    monkeypatch.setattr(TemplateProbation, "limit", lambda _, room, **__: room)
    monkeypatch.setattr(FlightWindow, "room", lambda *_, **__: 512)
    current._in_flight = {(number, 1) for number in range(in_flight)}
    assert current._capacity() == capacity


def test_a_slice_ends_without_a_claim_that_finds_nothing(tools, database, make_campaign):
    """It knows the end of the list from a claim that had more tokens than there were messages."""
    campaign_id = make_campaign(CONNECTIONS)
    run_slice(begin_slice(campaign_id, tools), tools)
    assert fetch(database, "SELECT claim_count FROM leases WHERE campaign_id = %s", campaign_id) == [1]
    assert fetch(database, "SELECT status::text FROM campaigns") == ["completed"]


def test_a_message_that_a_reply_makes_pending_is_claimed_again(tools, database, far, make_campaign):
    """Also after a claim has found the end of the list."""
    campaign_id = make_campaign(CONNECTIONS)
    far.script(suffixes={"0000001": ["failed:131000*1"]})
    run_slice(begin_slice(campaign_id, tools), tools)
    assert fetch(database, "SELECT status::text, count(*) FROM messages GROUP BY 1") == [("sent", CONNECTIONS)]


@pytest.mark.parametrize(
    ("seconds", "slices", "state"),
    [
        (0.1, 10, {}),
        (0.5, 100, {}),
        (1.0, 512, {}),
        (0.1, 100, {"_is_standing": True}),
        (0.1, 100, {"_wait": Wait(Reason.INTERVAL, NOON)}),
        (0.1, 100, {"_is_short_of_tokens": True, "users": 7}),  # the tokens of the accounts would be lost
        (0.5, 100, {"_is_short_of_tokens": True, "users": 8}),
    ],
)
def test_replies_wait_longer_for_each_other_the_more_slices_run(current, monkeypatch, seconds, slices, state):
    """Else each of many slices would settle only a few replies at a time."""
    keeper = LeaseKeeper
    monkeypatch.setattr(keeper, "slice_count", property(lambda _: slices))
    monkeypatch.setattr(keeper, "count_users", lambda *_: state.get("users", 1))
    for name in state.keys() - {"users"}:
        monkeypatch.setattr(current, name, state[name])
    asked = []
    monkeypatch.setattr(Mailbox, "collect", lambda _, **given: asked.append(given["linger_seconds"]) or [])
    current._collect()
    assert asked == [seconds]


def test_a_slice_that_has_claimed_a_hundred_messages_may_find_the_end_of_its_list(current, tools, monkeypatch):
    """Else a campaign of exactly a hundred messages needs a second slice, which finds nothing."""
    monkeypatch.setattr(type(tools.settings), "min_slice_seconds", property(lambda _: 0.0))
    current._claimer.claimed_count = MESSAGES_PER_SLICE
    assert not current._can_yield()
    current._claimer.claimed_count += 1
    assert current._can_yield()


def test_replies_are_settled_although_postgres_ends_the_connection_when_slice_and_lease_are_over(
    tools, database, database_url, far, make_campaign
):
    """This happens when a process thaws after a long freeze: Postgres has ended its open transaction."""
    campaign_id = make_campaign(2 * CONNECTIONS)
    fetch(database, HOLD_SETTLEMENTS)
    context = begin_slice(campaign_id, tools)
    current = Slice(context, tools)
    tools.lease_keeper.add(current.lease, context.account_ids)
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        running = Beside(current.run)
        await_blocked(database)
        # As if the process had been frozen for a day.
        fetch(database, "UPDATE leases SET until = clock_timestamp()")
        current.lease.stop()
        current._started_at -= 86_400
        assert fetch(database, f"SELECT pg_terminate_backend(pid) FROM ({FIND_BLOCKED}) blocked") == [True]
    running.result()
    tools.lease_keeper.remove(current.lease, context.account_ids)

    assert count(database, "sending") == 0
    assert count(database, "sent") == far.stats()["accepted"] >= CONNECTIONS


def test_what_is_claimed_leaves_although_the_next_statement_fails(tools, database, far, make_campaign, caplog):
    """Postgres fails between the commit of a claim and the departure of the messages that it claimed."""
    campaign_id = make_campaign(PEOPLE)
    fetch(database, "UPDATE campaigns SET waiting_reason = 'retry'")
    fetch(database, FAIL_AFTER_CLAIM)
    run_slice(begin_slice(campaign_id, tools), tools)
    assert [each for each in caplog.records if getattr(each, "event", "") == "slice_failed"]
    assert count(database, "sending") == 0
    assert 0 < count(database, "sent") == far.stats()["accepted"] < PEOPLE

    fetch(database, "DROP TRIGGER failing ON campaigns")
    while run_slice(begin_slice(campaign_id, tools), tools):
        pass
    assert fetch(database, "SELECT status::text FROM campaigns") == ["completed"]
    assert count(database, "sent") == far.stats()["accepted"] == PEOPLE
    assert far.stats()["max_accepted_per_recipient"] == 1


def count(database, status):
    return fetch(database, "SELECT count(*) FROM messages WHERE status = %s", status)[0]
