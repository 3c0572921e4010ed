"""Replies whose settlement failed once: none counts twice, none is forgotten."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.failures import find_failure
from campaigns.domain.verdict import Accepted, Rejected
from campaigns.sending.settlement import InFlight, Settler
from campaigns.sending.template_probation import TemplateProbation
from campaigns.store.accounts import load_accounts
from campaigns.store.database import DatabaseError
from tests.simulator.far_end import wait_for
from tests.store.rows import add_account, add_campaign, add_messages, claim, fetch, take

EXPIRED_TOKEN = Rejected(find_failure(190))
REFUSE_UPDATES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
CREATE TRIGGER refusing BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def sent(database):
    """Two claimed messages of one account, and the settler of their slice."""
    account_id = database.run(add_account)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    database.run(add_messages, campaign_id, 2)
    row = database.run(take, campaign_id)
    claimed = database.run(claim, campaign_id, row.epoch, accounts=[account_id] * 2).messages
    (account,) = database.run(load_accounts, [account_id])

    def now():
        return dt.datetime.now(dt.UTC)

    probation = TemplateProbation(row, retry_seconds=300.0, now=now)
    settler = Settler(database, Settings(), Alerts(None), probation, campaign_id=campaign_id, now=now)
    return settler, [InFlight(message, account, "MARKETING", 0.0) for message in claimed], account_id


def test_a_success_that_joins_replies_after_a_failed_try_ends_the_streak_of_the_account(database, sent):
    settler, (first, second), account_id = sent
    fetch(database, REFUSE_UPDATES)
    settler.add(first, EXPIRED_TOKEN)
    with pytest.raises(DatabaseError):
        settler.settle(usable={account_id})
    assert fetch(database, "SELECT consecutive_failures FROM accounts") == [1], "failures count first, by themselves"
    fetch(database, "DROP TRIGGER refusing ON messages")
    settler.add(second, Accepted("wamid.2"))
    settler.settle(usable={account_id})
    assert fetch(database, "SELECT consecutive_failures FROM accounts") == [0]
    assert not settler.has_replies


def test_a_failed_try_counts_no_failure_twice(database, sent):
    settler, (first, second), account_id = sent
    fetch(database, REFUSE_UPDATES)
    settler.add(first, EXPIRED_TOKEN)
    settler.add(second, EXPIRED_TOKEN)
    for _ in range(3):
        with pytest.raises(DatabaseError):
            settler.settle(usable={account_id})
    fetch(database, "DROP TRIGGER refusing ON messages")
    settler.settle(usable={account_id})
    assert fetch(database, "SELECT consecutive_failures FROM accounts") == [2]


SPAM_LIMIT = Rejected(find_failure(131048))  # a cooldown of the account
CALL_LIMIT = Rejected(find_failure(80007))  # a cooldown of all accounts of the WABA
WAITS_FOR_A_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("refusal", [SPAM_LIMIT, CALL_LIMIT], ids=["account", "waba"])
def test_a_cooldown_locks_its_account_before_a_streak_of_a_category(database, database_url, sent, refusal):
    """Else it would deadlock with a count of failures, which locks the account first and then its categories."""
    settler, (first, second), account_id = sent
    fetch(
        database,
        "INSERT INTO account_categories (account_id, category, activated_at, failures)"
        """ SELECT id, 'MARKETING', activated_at, '[{"code": 131063}]' FROM accounts""",
    )
    settler.add(first, Accepted("wamid.1"))
    settler.add(second, refusal)
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database_url) as other:
        other.execute("SELECT FROM accounts FOR UPDATE")
        settled = threads.submit(settler.settle, usable={account_id})
        wait_for(lambda: fetch(database, WAITS_FOR_A_LOCK) == [1])
        other.execute("SELECT FROM account_categories FOR UPDATE NOWAIT")
        other.commit()
        settled.result()
    assert fetch(database, "SELECT blocked_until > now() FROM accounts") == [True]
    assert fetch(database, "SELECT failures FROM account_categories") == [[]]


def test_a_freeze_after_the_first_failed_try_does_not_end_the_tries(database, sent):
    """Time passes in a freeze, so time alone does not tell that Postgres is away."""
    settler, (first, _), account_id = sent
    fetch(database, REFUSE_UPDATES)
    settler.add(first, Accepted("wamid.1"))
    tries = 0
    while not settler.has_failed_for(0.0):
        with pytest.raises(DatabaseError):
            settler.settle(usable={account_id})
        tries += 1
    assert tries == 5
