"""The number of round trips to Postgres and Valkey that a set of messages or statuses takes.

A statement per message, or one more per set, raises a number below and fails a test. An improvement lowers it.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.sending.run import Slice
from campaigns.sending.start import begin_slice
from campaigns.store.continuity import load_identity
from campaigns.store.database import Database
from campaigns.store.events import insert_events
from devstack.proxy import Proxy
from tests.simulator.far_end import PATIENCE_SECONDS
from tests.store import rows
from tests.store.rows import PATIENT, add_campaign, add_crowd, fetch, find_wrong_counters
from tests.webhooks.webhook_bodies import PHONE_NUMBER_ID, make_body, make_status, make_value
from webhooks.applier.apply import apply_events

PEOPLE = 1_000
# Postgres. A claim: BEGIN, the claim, COMMIT. A settlement: BEGIN, the evidence, the accounts' streaks, COMMIT.
PER_CLAIM, PER_SETTLEMENT = 3, 4
# Once per slice: psycopg prepares repeated statements, and the end of the list takes a check for retries.
OF_A_SLICE = 7
# Valkey. One call for all accounts. The first call also connects and sends the script.
PER_GRANT, OF_THE_FIRST_GRANT = 1, 6
# Taking bodies, applying them, and the query that finds no more.
PER_SET_OF_WEBHOOKS = 14
# The query for stored pairs of a user id and a number. New pairs take more: the lock, the check for forgotten people,
# the pairs, the people of the ids, their opt-outs, and answers that wait for a number.
OF_KNOWN_PAIRS, OF_NEW_PAIRS = 1, 6

# Records the status that each UPDATE of messages sets. A claim that finds nothing is recorded too.
NOTE_UPDATES = """
CREATE TABLE updates (status text);
CREATE FUNCTION note_update() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO updates SELECT min(status::text) FROM changed; RETURN NULL; END';
CREATE TRIGGER noting AFTER UPDATE ON messages REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION note_update();
"""


@pytest.fixture
def postgres_proxy(postgres):
    with Proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture(params=[False, True], ids=["direct", "pooled"])
def counted(request, postgres, postgres_proxy, database_url):
    """The test's database through a proxy that counts; a pooler in between may take no round trip more."""
    url = database_url.replace(f":{postgres.port}/", f":{postgres_proxy.port}/")
    database = Database(url, is_pooled=request.param, **PATIENT)
    database.open()
    database._pool.wait(PATIENCE_SECONDS)  # else the round trips that open the connection are counted
    yield database
    database.close()


@contextmanager
def counting(proxy):
    """Yields a list that gets the number of round trips."""
    before, found = proxy.round_trip_count, []
    yield found
    found.append(proxy.round_trip_count - before)


# sending


@pytest.fixture
def valkey_proxy(valkey):
    with Proxy(valkey.port) as proxy:
        yield proxy


@pytest.fixture
def tools(make_tools, counted, valkey_proxy, far):
    """What a slice works with; the keeper's own statements, of which there are a few a second, are not counted."""
    far.script(limits={"messages_per_second": 0}, latency_ms=20)
    # Replies are settled in whole sets, also on a machine that takes its time.
    pace = {"window_limit": 50, "settle_count": 50, "settle_seconds": 60.0, "slice_seconds": 600.0}
    valkey_url = f"redis://127.0.0.1:{valkey_proxy.port}/0"
    return make_tools(f"{far.url}/v24.0", used=counted, valkey_url=valkey_url, **pace)


@pytest.mark.parametrize("account_count", [1, 10])
def test_a_slice_goes_to_postgres_and_valkey_once_per_set_not_once_per_message(  # noqa: PLR0917
    tools, database, add_sender, postgres_proxy, valkey_proxy, far, account_count
):
    accounts = [add_sender(str(number)) for number in range(account_count)]
    campaign_id = database.run(add_campaign, accounts=accounts)
    database.run(add_crowd, campaign_id, PEOPLE)
    fetch(database, NOTE_UPDATES)
    context = begin_slice(campaign_id, tools)
    current = Slice(context, tools)
    tools.lease_keeper.add(current.lease, context.account_ids)
    with counting(postgres_proxy) as to_postgres, counting(valkey_proxy) as to_valkey:
        current.run()
        current.result()
    tools.lease_keeper.remove(current.lease, context.account_ids)

    assert fetch(database, "SELECT status::text, count(*) FROM messages GROUP BY 1") == [("sent", PEOPLE)]
    assert far.stats()["max_accepted_per_recipient"] == 1
    updates = fetch(database, "SELECT coalesce(status, 'sending') FROM updates")
    claims, settlements = updates.count("sending"), updates.count("sent")
    assert max(claims, settlements) < PEOPLE / 10
    assert to_postgres[0] <= PER_CLAIM * claims + PER_SETTLEMENT * settlements + OF_A_SLICE
    assert to_valkey[0] <= PER_GRANT * claims + OF_THE_FIRST_GRANT


# webhooks


def report(installation, message_id, status):
    ours = {"id": f"wamid.{message_id}", "biz_opaque_callback_data": f"r1.{installation}.{message_id}.1"}
    return make_status(status=status, recipient_id=None, **ours)


@pytest.mark.parametrize(("body_count", "statuses_each"), [(1, 1), (1, 1_000), (100, 10), (300, 1)])
def test_a_set_of_webhooks_takes_as_many_round_trips_as_one_status(
    counted, database, postgres_proxy, body_count, statuses_each
):
    account_id = database.run(rows.add_account, phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    count = body_count * statuses_each
    ids = fetch(
        database,
        "INSERT INTO messages (campaign_id, phone, recipient_key, status, account_id, claimed_at, send_no, attempts,"
        " wamid, sent_at) SELECT %s, '+55119' || 10000000 + n, n::text, 'sent', %s, now(), 1, 1, 'wamid.' || n, now()"
        " FROM generate_series(1, %s) n RETURNING id",
        campaign_id,
        account_id,
        count,
    )
    installation = database.run(load_identity).installation
    reports = [report(installation, ids[n // 3 * 3], ("sent", "delivered", "read")[n % 3]) for n in range(count)]
    bodies = [
        make_body(make_value(*reports[first : first + statuses_each])) for first in range(0, count, statuses_each)
    ]
    database.run(insert_events, bodies)
    with counting(postgres_proxy) as trips:
        applied = apply_events(counted, Settings(), Alerts(None))

    assert applied.event_count == body_count
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]
    assert fetch(database, "SELECT count(*) FROM messages WHERE status = 'read'") == [count // 3]
    assert find_wrong_counters(database) == []
    assert trips[0] <= PER_SET_OF_WEBHOOKS


def test_user_ids_cost_one_round_trip_for_a_set_and_a_few_when_they_are_new(counted, database, postgres_proxy):
    statuses = [
        make_status(
            recipient_id=f"55119{80_000_000 + n}", recipient_user_id=f"BR.{n}", biz_opaque_callback_data="other"
        )
        for n in range(1_000)
    ]
    body = make_body({"calls": statuses}, field="calls")
    database.run(insert_events, [make_body({}, field="calls")])
    with counting(postgres_proxy) as without:
        apply_events(counted, Settings(), Alerts(None))
    found = []
    for _ in range(4):
        database.run(insert_events, [body])
        with counting(postgres_proxy) as trips:
            apply_events(counted, Settings(), Alerts(None))
        found.append(trips[0] - without[0])
    assert fetch(database, "SELECT count(*) FROM user_ids") == [1_000]
    assert found[0] <= OF_KNOWN_PAIRS + OF_NEW_PAIRS + 1
    assert min(found[1:]) <= OF_KNOWN_PAIRS  # one extra trip prepares a repeated statement
