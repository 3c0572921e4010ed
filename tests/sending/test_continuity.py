"""Nothing is claimed from a database that lacks claims whose messages were sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis

from campaigns.alerts import Alerts
from campaigns.domain.continuity import ClaimCount
from campaigns.sending.continuity import Continuity
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.continuity import load_claim_counts, load_identity
from campaigns.throttle.ledger import KEYS, Ledger
from tests.store.rows import add_campaign, add_crowd, fetch

PEOPLE = 40


class Recorder(Alerts):
    """Keeps the alerts that would be posted."""

    def __init__(self):
        super().__init__(None)
        self.kinds = []

    def send(self, kind, text, **bound):
        self.kinds.append(kind)


@pytest.fixture
def tools(make_tools, far):
    far.script(limits={"messages_per_second": 0})
    return make_tools(f"{far.url}/v24.0")


@pytest.fixture
def client(valkey):
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def campaign_id(database, add_sender):
    campaign_id = database.run(add_campaign, accounts=[add_sender()])
    database.run(add_crowd, campaign_id, PEOPLE)
    fetch(database, "UPDATE campaigns SET enqueued_at = now()")
    return campaign_id


def send_before(database, client, campaign_id):
    """Let another process have sent claims of the campaign that this database lacks."""
    ledger = Ledger(client)
    identity, counts = database.run(load_claim_counts)
    ledger.compare(identity, counts, before=ledger.read())
    assert ledger.check(identity, ClaimCount(campaign_id, 0, 3))


def check(continuity, database, claims=None, *, identity=None):
    """Check a database. `identity`: what was read from it some time ago."""
    return database.run(lambda connection: continuity.check(connection, identity or load_identity(connection), claims))


def test_a_slice_takes_no_lease_from_a_database_that_lacks_claims(tools, database, client, far, campaign_id):
    send_before(database, client, campaign_id)
    assert begin_slice(campaign_id, tools) is None
    assert fetch(database, "SELECT epoch, enqueued_at FROM leases JOIN campaigns ON id = campaign_id") == [(0, None)]
    assert far.stats()["accepted"] == 0


def test_after_a_while_the_database_itself_says_that_it_is_older(tools, database, client, campaign_id):
    send_before(database, client, campaign_id)
    alerts = Recorder()
    continuity = Continuity(database, Ledger(client), tools.settings, alerts)
    claims = ClaimCount(campaign_id, 0, 0)
    assert not check(continuity, database, claims)
    assert not continuity.check_now()
    assert (alerts.kinds, fetch(database, "SELECT found_older_at FROM installation")) == ([], [None])
    client.hset(KEYS[0], "changed_at", 1)
    assert not continuity.check_now()
    assert not continuity.check_now()
    assert alerts.kinds == ["database_older"]
    client.flushall()
    assert not continuity.check_now()
    fetch(database, "UPDATE installation SET found_older_at = NULL, recovered_at = now()")
    assert continuity.check_now()


def test_a_database_with_every_claim_is_sent_from(tools, far, campaign_id):
    run_slice(begin_slice(campaign_id, tools), tools)
    assert far.stats()["accepted"] == PEOPLE


def test_a_slice_whose_database_goes_back_claims_nothing_more(tools, database, client, far, campaign_id):
    context = begin_slice(campaign_id, tools)
    fetch(database, "UPDATE leases SET claim_count = 7 WHERE campaign_id = %s", campaign_id)
    run_slice(context, tools)
    assert far.stats()["accepted"] == 0


def test_without_valkey_a_process_goes_on_with_the_database_that_it_knows(tools, database):
    identity = database.run(load_identity)
    assert tools.continuity.check_now()
    away = Continuity(database, Ledger(redis.Redis(port=1, socket_timeout=1)), tools.settings, tools.alerts)
    assert away.check_now()
    assert not check(away, database, identity=replace(identity, incarnation="another"))
    assert away.check_now()


def test_a_role_without_privileges_reads_the_identity(database, postgres):
    fetch(database, "CREATE ROLE plain")
    try:
        fetch(database, "GRANT SELECT ON installation TO plain")

        def read(connection):
            connection.execute("SET LOCAL ROLE plain")
            return load_identity(connection)

        assert database.run(read).incarnation == database.run(load_identity).incarnation
    finally:
        fetch(database, "DROP OWNED BY plain")
        fetch(database, "DROP ROLE plain")


def test_slices_that_begin_at_the_same_time_are_no_sign_of_an_older_database(tools, database, client):
    """Each slice reads the position of the log, then checks it: others may have checked a later one by then."""
    old = database.run(load_identity)
    assert check(tools.continuity, database, identity=old)
    fetch(database, "UPDATE installation SET recovered_at = recovered_at")
    assert tools.continuity.check_now()  # the ledger has a later position now
    ledger = Ledger(client)
    assert int(ledger.read_position()) > old.position
    compared = []
    continuity = Continuity(database, ledger, tools.settings, tools.alerts)
    ledger.compare = lambda *_given, **_named: compared.append(1)
    assert check(continuity, database, identity=old)
    assert compared == []


def test_a_database_is_not_accepted_because_another_connection_leads_to_the_known_one(
    tools, database, shared, client, campaign_id
):
    """During a failover, old connections lead to the old primary, and new ones to the promoted replica: `shared`."""
    send_before(database, client, campaign_id)
    fetch(database, "UPDATE leases SET claim_count = 3 WHERE campaign_id = %s", campaign_id)
    assert tools.continuity.check_now()
    client.hset(KEYS[1], campaign_id, "0 3 0")  # the old primary committed this claim, and the replica lacks it
    assert not check(tools.continuity, shared, ClaimCount(campaign_id, 1, 2))
    assert client.hget(KEYS[1], campaign_id) == b"0 3 0"


def test_the_known_database_is_not_recorded_as_older_in_place_of_another_one(
    tools, database, shared, client, campaign_id
):
    send_before(database, client, campaign_id)
    alerts = Recorder()
    continuity = Continuity(database, Ledger(client), tools.settings, alerts)
    client.hset(KEYS[0], "changed_at", 1)
    assert not check(continuity, shared)
    assert (alerts.kinds, fetch(database, "SELECT found_older_at FROM installation")) == ([], [None])


def test_slices_that_hold_all_connections_do_not_wait_for_one_more(tools, database, client, open_database):
    pool = open_database(max_connections=1, wait_seconds=20)
    assert check(Continuity(pool, Ledger(client), tools.settings, tools.alerts), pool)
