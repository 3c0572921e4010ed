"""The state of an installation as Prometheus reads it from the console."""

from types import SimpleNamespace

import pytest

from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings
from campaigns.doctor.state import StateReader
from campaigns.metrics.exposition import write_text
from campaigns.sending.samples import sample
from campaigns.store.database import Database
from campaigns.store.events import insert_events
from campaigns.store.history.samples import add_replies
from campaigns.store.metrics.state import load_state, load_uncertain_ages
from devstack.ports import free_port
from tests.metrics.reading import find, read_samples
from tests.store.rows import add_account, add_campaign, add_messages, fetch
from tests.store.test_workers import report

SETTINGS = Settings()


def read(database, broker=None, settings=SETTINGS):
    reader = StateReader(database, settings, lambda: broker or BrokerFacts(waiting={"campaigns": 2}))
    return read_samples(write_text(reader.read()).decode())


def test_the_state_says_what_moves_and_what_waits(database):
    account = database.run(add_account)
    for status, columns in (
        ("draft", {}),
        ("running", {"waiting_reason": "window"}),
        ("running", {"enqueued_at": "now"}),
    ):
        campaign = database.run(add_campaign, status, accounts=[account], **columns)
        database.run(add_messages, campaign, 2)
    database.run(insert_events, [b"{}", b"{}"])
    report(database)
    samples = read(database)
    assert find(samples, "revoada_campaigns", status="running") == 2
    assert find(samples, "revoada_campaigns", status="draft") == 1
    assert find(samples, "revoada_campaigns_waiting", reason="window") == 1
    assert find(samples, "revoada_campaigns_untaken") == 1
    assert find(samples, "revoada_campaigns_untaken_age_seconds") >= 0
    assert find(samples, "revoada_messages", status="pending") == 6
    assert find(samples, "revoada_inbox_events", status="stored") == 2
    assert find(samples, "revoada_inbox_age_seconds") >= 0
    assert find(samples, "revoada_queue_tasks", queue="campaigns") == 2
    assert find(samples, "revoada_workers", process="worker", state="ok") == 1
    assert find(samples, "revoada_slots", process="worker") == 512
    assert find(samples, "revoada_slots_used", process="worker") == 3
    assert find(samples, "revoada_account_active", account=str(account)) == 1
    assert find(samples, "revoada_account_quality", account=str(account), quality="UNKNOWN") == 1


def test_a_silent_worker_gives_no_slots(database):
    report(database)
    fetch(database, "UPDATE workers SET seen_at = seen_at - interval '1 hour' RETURNING 1")
    samples = read(database)
    assert find(samples, "revoada_workers", process="worker", state="silent") == 1
    assert find(samples, "revoada_slots", process="worker") == 0


def test_a_thousand_campaigns_add_no_series(database):
    account = database.run(add_account)
    database.run(add_campaign, "running", accounts=[account])
    few = set(read(database))
    add = """
        INSERT INTO campaigns (name, status, template_id, time_zone, started_at)
        SELECT 'c' || n, 'running', template_id, time_zone, started_at FROM campaigns, generate_series(1, 1000) n
        RETURNING 1"""
    assert len(fetch(database, add)) == 1000
    samples = read(database)
    assert set(samples) == few
    assert find(samples, "revoada_campaigns", status="running") == 1001


def test_accounts_have_a_bounded_number_of_series(database):
    for _ in range(201):
        database.run(add_account)
    samples = read(database)
    assert sum(name == "revoada_account_active" for name, _ in samples) == 200
    assert find(samples, "revoada_accounts_unlisted") == 1


def test_no_message_is_read(database):
    """The state is read every few seconds, and a campaign may have millions of messages."""
    campaign = database.run(add_campaign, "running")
    database.run(add_messages, campaign, 2)
    scans = (
        "SELECT coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables WHERE relname = 'messages'"
    )

    def work(connection):
        # The view also counts scans of earlier transactions of this connection until they are written.
        before = connection.execute(scans).fetchone()
        load_state(connection, most=10)
        return before, connection.execute(scans).fetchone()

    before, after = database.run(work)
    assert after == before


def make_uncertain(database, campaign_id, *, seconds):
    """Make the next pending message of a campaign uncertain, as if it had been claimed this many seconds ago."""
    sql = """
        UPDATE messages SET status = 'uncertain', error_title = 'no reply', send_no = 1, account_id = 1,
            claimed_at = now() - make_interval(secs => %s)
        WHERE id = (SELECT min(id) FROM messages WHERE campaign_id = %s AND status = 'pending') RETURNING id"""
    return fetch(database, sql, seconds, campaign_id)[0]


def settle(database, message_id):
    sql = "UPDATE messages SET status = 'failed', failed_at = now(), error_title = '?' WHERE id = %s RETURNING 1"
    fetch(database, sql, message_id)


@pytest.fixture
def now(monkeypatch):
    """The clock of this process, which stands still unless the test moves it."""
    now = SimpleNamespace(seconds=1_000_000.0)
    monkeypatch.setattr("campaigns.doctor.state.clock", lambda: now.seconds)
    return now


def test_the_age_of_the_oldest_uncertain_message(database, now):
    running = database.run(add_campaign, "running")
    database.run(add_messages, running, 3)
    reader = StateReader(database, SETTINGS, BrokerFacts)
    name = ("revoada_uncertain_oldest_age_seconds", ())
    assert reader.read()[name] == 0
    make_uncertain(database, running, seconds=100)
    older = make_uncertain(database, running, seconds=7200)
    now.seconds += 10
    assert 7200 <= reader.read()[name] < 7300
    settle(database, older)
    now.seconds += 301
    assert 100 <= reader.read()[name] < 7200


def test_campaigns_that_ended_long_ago_have_no_age(database, now):
    ended = database.run(add_campaign, "running")
    database.run(add_messages, ended, 1)
    make_uncertain(database, ended, seconds=10 * 86400)
    end = "UPDATE campaigns SET status = 'completed', completed_at = now() - %s::interval WHERE id = %s RETURNING 1"
    reader = StateReader(database, SETTINGS, BrokerFacts)
    for interval, is_old in (("6 days", True), ("8 days", False)):
        fetch(database, end, interval, ended)
        now.seconds += 10
        assert (reader.read()["revoada_uncertain_oldest_age_seconds", ()] > 0) == is_old


def test_messages_are_read_for_the_age_only_if_their_number_has_changed(database, now, monkeypatch):
    asked = []

    def load(connection, campaign_ids):
        asked.append(campaign_ids)
        return load_uncertain_ages(connection, campaign_ids)

    monkeypatch.setattr("campaigns.doctor.state.load_uncertain_ages", load)
    campaigns = [database.run(add_campaign, "running") for _ in range(2)]
    messages = []
    for campaign_id in campaigns:
        database.run(add_messages, campaign_id, 2)
        messages += [make_uncertain(database, campaign_id, seconds=60) for _ in range(2)]
    ended, _running = campaigns
    fetch(database, "UPDATE campaigns SET status = 'cancelled', cancelled_at = now() WHERE id = %s RETURNING 1", ended)
    reader = StateReader(database, SETTINGS, BrokerFacts)
    for seconds in (0, 10, 280, 20, 20, 290):  # in the sum 0, 10, 290, 310, 330, 620
        now.seconds += seconds
        assert reader.read()["revoada_uncertain_oldest_age_seconds", ()] >= 60
    assert [sorted(each) for each in asked] == [campaigns, [_running], [_running]]
    settle(database, messages[0])
    now.seconds += 310
    reader.read()
    assert sorted(asked[-1]) == campaigns


def test_a_slow_search_for_the_age_hides_no_other_number(database, now, monkeypatch):
    campaign_id = database.run(add_campaign, "running")
    database.run(add_messages, campaign_id, 1)
    make_uncertain(database, campaign_id, seconds=60)

    def wait(connection, _ids):
        connection.execute("SET LOCAL statement_timeout = '10ms'")
        connection.execute("SELECT pg_sleep(60)")

    monkeypatch.setattr("campaigns.doctor.state.load_uncertain_ages", wait)
    numbers = StateReader(database, SETTINGS, BrokerFacts).read()
    assert numbers["revoada_database_up", ()] == 1
    assert numbers["revoada_messages", ("uncertain",)] == 1
    assert ("revoada_uncertain_oldest_age_seconds", ()) not in numbers


def test_the_time_of_the_last_sample(database, valkey):
    account = database.run(add_account)
    campaign = database.run(add_campaign, "running", accounts=[account])
    database.run(add_messages, campaign, 1)
    settings = Settings(redis_url=valkey.url)
    name = ("revoada_last_sample_timestamp_seconds", ())
    database.run(add_replies, {(account, "accepted"): 3})  # a worker writes, and there is no sample
    assert name not in StateReader(database, settings, BrokerFacts).read()
    before = fetch(database, "SELECT extract(epoch FROM now())::float8")[0]
    sample(database, settings)
    assert StateReader(database, settings, BrokerFacts).read()[name] >= before
    delete = "DELETE FROM campaign_samples RETURNING 1"
    fetch(database, delete)
    fetch(database, "UPDATE account_samples SET rate = 80 RETURNING 1")
    assert before - 60 <= StateReader(database, settings, BrokerFacts).read()[name] <= before + 60


def test_the_throttle_is_up_only_while_its_valkey_answers(database, valkey):
    def is_up(url):
        return StateReader(database, Settings(redis_url=url), BrokerFacts).read()["revoada_throttle_up", ()]

    assert is_up(valkey.url) == 1
    assert is_up(f"redis://127.0.0.1:{free_port()}/0") == 0


def test_without_postgres_and_broker_the_metrics_say_so():
    away = Database("postgresql://nobody@127.0.0.1:9/none", max_connections=1, wait_seconds=0.5)
    try:
        samples = read(away, BrokerFacts(away="refused"))
    finally:
        away.close()
    assert find(samples, "revoada_database_up") == 0
    assert find(samples, "revoada_broker_up") == 0
    assert not any(name == "revoada_campaigns" for name, _ in samples)


def test_many_readers_ask_postgres_once(database):
    asked = []
    reader = StateReader(database, SETTINGS, lambda: asked.append(1) or BrokerFacts())
    assert reader.read() is reader.read()
    assert len(asked) == 1
