"""How much a slice claims while the connections of its process are all taken."""

from __future__ import annotations

import threading

import pytest
import redis

from campaigns.alerts import Alerts
from campaigns.beginning import Tools, begin_slice
from campaigns.config import Settings
from campaigns.directory import add_account
from campaigns.keeping import Keeper
from campaigns.sending import run_slice
from campaigns.throttle import Throttle
from campaigns.tokens import make_key
from campaigns.whatsapp.transport import Transport
from tests.store.rows import add_campaign, add_crowd, fetch

SECRET_KEY = make_key()
PEOPLE = 500
CONNECTIONS = 4
IN_FLIGHT_IN_A_CROWD = 128


@pytest.fixture
def tools(database, valkey, address, far, monkeypatch):
    """What slices of a process work with that may open few connections."""
    monkeypatch.setattr("campaigns.whatsapp.transport._MAX_CONNECTIONS", CONNECTIONS)
    settings = Settings(secret_key=SECRET_KEY, graph_api_url=f"{address}/v24.0", slice_seconds=60.0)
    far.script(limits={"messages_per_second": 0}, latency_ms=20)
    keeper, transport = Keeper(database, settings), Transport(connect_timeout=5, total_timeout=20)
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield Tools(settings, database, Throttle(client), transport, keeper, Alerts(None), threading.Event(), "me")
    transport.close()
    keeper.close()


def test_no_more_is_claimed_than_can_leave_soon(tools, database, far):
    """What is claimed and waits for a connection is in doubt when the process is killed."""
    token = {"waba_id": "1", "token": "EAA", "secret_key": SECRET_KEY, "messages_per_second": 1_000_000}
    account_id = add_account(database, "Vendas", phone_number_id="1", **token)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    database.run(add_crowd, campaign_id, PEOPLE)
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
