"""The replies that a process counts for the charts: a failed write loses none, and each outcome has its name."""

from __future__ import annotations

import datetime as dt

import psycopg
import redis

from campaigns.config import Settings
from campaigns.domain.failures import find_failure
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown
from campaigns.sending.run import run_slice
from campaigns.sending.samples import ReplyCounts, condense_samples, sample
from campaigns.sending.start import begin_slice
from campaigns.throttle.bucket import KEY
from tests.store.rows import add_account, add_campaign, add_messages, fetch

COUNTS = "SELECT accepted, throttled, uncertain, failed_account, failed_recipient FROM account_samples"


class Gone:
    def run(self, *_):
        raise psycopg.OperationalError("gone")


def test_each_outcome_is_counted_once_and_a_failed_write_keeps_the_counts(database):
    account_id = database.run(add_account)
    counts = ReplyCounts()
    verdicts = (
        Accepted("wamid.1"),
        Accepted("wamid.2"),
        Rejected(find_failure(130429)),
        Rejected(find_failure(190)),
        Rejected(find_failure(131026)),
        Unknown("lost"),
        NotSent("never left"),
    )
    counts.add((account_id, verdict) for verdict in verdicts)
    counts.store(Gone())
    counts.store(database)
    counts.store(database)
    assert fetch(database, COUNTS) == [(2, 1, 1, 1, 1)]


def test_the_replies_of_a_slice_are_counted(make_tools, far, database, add_sender):
    tools = make_tools(f"{far.url}/v24.0")
    campaign_id = database.run(add_campaign, accounts=[add_sender()])
    database.run(add_messages, campaign_id, 12)
    run_slice(begin_slice(campaign_id, tools), tools)
    tools.reply_counts.store(database)
    assert fetch(database, "SELECT sum(accepted) FROM account_samples") == [12]


def test_the_rate_of_an_account_is_that_of_the_throttle(database, valkey):
    halved, idle = (database.run(add_account, name=name, phone_number_id=name[-1]) for name in ("a1", "a2"))
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        seconds, _ = client.time()
        client.hset(KEY.format(halved), mapping={"factor": 0.5, "at": seconds + 60})
    sample(database, Settings(redis_url=valkey.url))
    assert fetch(database, "SELECT account_id, rate FROM account_samples ORDER BY 1") == [(halved, 40.0), (idle, None)]


def test_while_valkey_is_away_the_rate_is_not_known_and_all_else_is_kept(database):
    database.run(add_account)
    campaign_id = database.run(add_campaign, "running")
    sample(database, Settings(redis_url="redis://127.0.0.1:1/0"))
    assert fetch(database, "SELECT rate FROM account_samples") == [None]
    assert fetch(database, "SELECT campaign_id FROM campaign_samples") == [campaign_id]


def test_the_task_counts_which_messages_arrived_in_a_bounded_number_of_sets(database, monkeypatch):
    monkeypatch.setattr("campaigns.sending.samples._MAX_SETS", 2)
    monkeypatch.setattr("campaigns.store.history.receipts.SET_SIZE", 4)
    campaign_id = database.run(add_campaign, "running", accounts=[database.run(add_account)])
    sent_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=2)
    database.run(add_messages, campaign_id, 9, "delivered", sent_at=sent_at)
    counts = "SELECT sum(accepted), sum(delivered) FROM account_receipts WHERE hours = 1"
    while fetch(database, counts) != [(9, 9)]:
        before = fetch(database, counts)[0][0] or 0
        sample(database, Settings())
        assert (fetch(database, counts)[0][0] or 0) - before <= 8


def test_old_counts_are_deleted_with_the_samples(database):
    fetch(database, "INSERT INTO account_receipts VALUES (1, now() - interval '800 days', 1, 1, 1, 1) RETURNING 1")
    condense_samples(database)
    assert fetch(database, "SELECT count(*) FROM account_receipts") == [0]
