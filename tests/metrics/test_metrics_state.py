"""The state of an installation as Prometheus reads it from the console."""

from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings
from campaigns.doctor.state import StateReader
from campaigns.metrics.exposition import write_text
from campaigns.store.database import Database
from campaigns.store.events import insert_events
from campaigns.store.metrics.state import load_state
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
