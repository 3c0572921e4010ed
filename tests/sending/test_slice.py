"""How much a slice claims while all connections of its process are taken, and what it does when Postgres ends one."""

from __future__ import annotations

import psycopg
import pytest

from campaigns.sending.run import Slice, run_slice
from campaigns.sending.start import begin_slice
from tests.store.rows import Beside, add_campaign, add_crowd, await_blocked, fetch

PEOPLE = 500
CONNECTIONS = 4
IN_FLIGHT_IN_A_CROWD = 128
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


@pytest.fixture
def tools(make_tools, far, monkeypatch):
    """What slices of a process work with that may open few connections."""
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


def test_no_more_is_claimed_than_can_leave_soon(tools, database, far, make_campaign):
    """What is claimed and waits for a connection is in doubt when the process is killed."""
    campaign_id = make_campaign(PEOPLE)
    fetch(database, NOTE_SENDING)
    run_slice(begin_slice(campaign_id, tools), tools)

    assert CONNECTIONS < fetch(database, "SELECT max(count) FROM sending")[0] <= IN_FLIGHT_IN_A_CROWD
    assert fetch(database, "SELECT status::text, count(*) FROM messages GROUP BY 1") == [("sent", PEOPLE)]
    assert far.stats()["max_accepted_per_recipient"] == 1


def test_replies_are_settled_although_postgres_ends_the_connection_when_slice_and_lease_are_over(
    tools, database, database_url, far, make_campaign
):
    """A process that thaws after a long freeze meets this: Postgres has ended the transaction in which it stood."""
    campaign_id = make_campaign(2 * CONNECTIONS)
    fetch(database, HOLD_SETTLEMENTS)
    begun = begin_slice(campaign_id, tools)
    current = Slice(begun, tools)
    tools.keeper.keep(current.lease, begun.account_ids)
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        running = Beside(current.run)
        await_blocked(database)
        # As if the process had been frozen for a day.
        fetch(database, "UPDATE leases SET until = clock_timestamp()")
        current.lease.stop()
        current._ends_at -= 86_400
        assert fetch(database, f"SELECT pg_terminate_backend(pid) FROM ({FIND_BLOCKED}) blocked") == [True]
    running.result()
    tools.keeper.drop(current.lease, begun.account_ids)

    assert count(database, "sending") == 0
    assert count(database, "sent") == far.stats()["accepted"] >= CONNECTIONS


def count(database, status):
    return fetch(database, "SELECT count(*) FROM messages WHERE status = %s", status)[0]
