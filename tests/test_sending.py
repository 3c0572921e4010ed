"""How much a slice claims while all connections of its process are taken, and what it does when Postgres ends one."""

from __future__ import annotations

import threading
from dataclasses import replace

import psycopg
import pytest
import redis

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.management.accounts import add_account
from campaigns.secrets import make_key
from campaigns.sending.leases import LeaseKeeper
from campaigns.sending.run import run_slice
from campaigns.sending.start import Tools, begin_slice
from campaigns.throttle.bucket import Throttle
from campaigns.whatsapp.transport import Transport
from tests.simulator.far_end import wait_for
from tests.store.rows import add_campaign, add_crowd, fetch

SECRET_KEY = make_key()
PEOPLE = 500
CONNECTIONS = 4
IN_FLIGHT_IN_A_CROWD = 128
FIND_BLOCKED = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND state_change < clock_timestamp() - interval '1 s'"
)


@pytest.fixture
def tools(database, valkey, address, far, monkeypatch):
    """What slices of a process work with that may open few connections."""
    monkeypatch.setattr("campaigns.whatsapp.transport._MAX_CONNECTIONS", CONNECTIONS)
    settings = Settings(secret_key=SECRET_KEY, graph_api_url=f"{address}/v24.0", slice_seconds=60.0)
    far.script(limits={"messages_per_second": 0}, latency_ms=20)
    keeper, transport = LeaseKeeper(database, settings), Transport(connect_timeout=5, total_timeout=20)
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield Tools(settings, database, Throttle(client), transport, keeper, Alerts(None), threading.Event(), "me")
    transport.close()
    keeper.close()


def test_no_more_is_claimed_than_can_leave_soon(tools, database, far):
    """What is claimed and waits for a connection is in doubt when the process is killed."""
    campaign_id = make_campaign(database, people=PEOPLE)
    begun = begin_slice(campaign_id, tools)
    slice_ = threading.Thread(target=run_slice, args=(begun, tools))
    slice_.start()
    claimed = [0]
    while slice_.is_alive():
        claimed += fetch(database, "SELECT count(*) FROM messages WHERE status = 'sending'")
        slice_.join(0.01)

    assert CONNECTIONS < max(claimed) <= IN_FLIGHT_IN_A_CROWD
    assert fetch(database, "SELECT status::text, count(*) FROM messages GROUP BY 1") == [("sent", PEOPLE)]
    assert far.stats()["max_accepted_per_recipient"] == 1


def test_replies_are_settled_although_postgres_ends_the_connection_when_slice_and_lease_are_over(
    tools, database, database_url, far
):
    """A process that thaws after a long freeze meets this: Postgres has ended the transaction in which it stood."""
    far.script(latency_ms=1500)
    tools = replace(tools, settings=replace(tools.settings, slice_seconds=1.0, lease_seconds=1.0))
    campaign_id = make_campaign(database, people=2 * CONNECTIONS)
    begun = begin_slice(campaign_id, tools)
    slice_ = threading.Thread(target=run_slice, args=(begun, tools))
    slice_.start()
    wait_for(lambda: count(database, "sending") == 2 * CONNECTIONS)
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM tallies WHERE campaign_id = %s FOR UPDATE", (campaign_id,))
        wait_for(lambda: fetch(database, FIND_BLOCKED))
        assert fetch(database, f"SELECT pg_terminate_backend(pid) FROM ({FIND_BLOCKED}) blocked") == [True]
    slice_.join()

    assert count(database, "sending") == 0
    assert count(database, "sent") == far.stats()["accepted"] >= CONNECTIONS


def make_campaign(database, *, people):
    token = {"waba_id": "1", "token": "EAA", "secret_key": SECRET_KEY, "messages_per_second": 1_000_000}
    account_id = add_account(database, "Vendas", phone_number_id="1", **token)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    database.run(add_crowd, campaign_id, people)
    return campaign_id


def count(database, status):
    return fetch(database, "SELECT count(*) FROM messages WHERE status = %s", status)[0]
