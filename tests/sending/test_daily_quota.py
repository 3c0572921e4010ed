"""Which portfolios a slice regards as full, and which quota it returns."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest

from campaigns.domain.failures import find_failure
from campaigns.domain.message import Status
from campaigns.domain.settlement import Release, Settle
from campaigns.domain.verdict import Accepted, NotSent, Rejected, Unknown
from campaigns.sending.daily_quota import DailyQuota
from tests.store.rows import add_account, add_campaign, add_message, fetch

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)
UNDELIVERABLE = Rejected(find_failure(131026))
FAILED = Settle(Status.FAILED)


def account(portfolio_id, account_id=1):
    return SimpleNamespace(id=account_id, portfolio_id=portfolio_id)


def decide(verdict, settlement, *, message_id=1, portfolio_id=3):
    in_flight = SimpleNamespace(message=SimpleNamespace(id=message_id), account=account(portfolio_id))
    return in_flight, verdict, settlement


@pytest.fixture
def quota(database):
    return DailyQuota(database)


def test_an_account_waits_for_its_full_portfolio_and_for_no_other(quota):
    quota.note_full({3: LATER})
    assert [quota.free_at(account(portfolio_id), NOW) for portfolio_id in (None, 3, 4)] == [NOW, LATER, NOW]
    assert quota.account_ids_without_quota([account(None, 1), account(3, 2), account(4, 3)]) == [2]


def test_a_reply_to_a_message_of_a_portfolio_resets_all_full_portfolios(quota):
    quota.note_full({3: LATER, 4: LATER})
    assert quota.forget_full([decide(Accepted("wamid.1"), Settle(Status.SENT))])
    assert quota.account_ids_without_quota([account(3), account(4)]) == []


def test_replies_of_accounts_without_a_portfolio_change_nothing(quota):
    quota.note_full({3: LATER})
    assert not quota.forget_full([decide(Accepted("wamid.1"), Settle(Status.SENT), portfolio_id=None)])
    assert quota.free_at(account(3), NOW) == LATER


@pytest.mark.parametrize(
    ("verdict", "settlement", "goes_back"),
    [
        (UNDELIVERABLE, FAILED, True),
        (NotSent("no connection"), FAILED, True),
        (UNDELIVERABLE, Release(0.0, refunds=True, code=None, title=""), False),  # it is sent again
        (Unknown("timeout"), Settle(Status.UNCERTAIN), False),
        (Accepted("wamid.1"), Settle(Status.SENT), False),
    ],
)
def test_quota_goes_back_only_for_people_who_certainly_got_nothing(database, quota, verdict, settlement, goes_back):
    (portfolio_id,) = fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES ('group', 1) RETURNING id")
    account_id = database.run(add_account, portfolio_id=portfolio_id)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    message_id = database.run(add_message, campaign_id, "failed", account_id=account_id)
    fetch(
        database,
        "INSERT INTO portfolio_people (portfolio_id, recipient_key, message_id, until)"
        " SELECT %s, recipient_key, id, now() + interval '1 day' FROM messages",
        portfolio_id,
    )
    waiting = database.run(
        add_campaign, accounts=[account_id], waiting_reason="daily_limit", due_at="2999-01-01T00:00Z"
    )
    quota.return_quota([decide(verdict, settlement, message_id=message_id)])
    assert fetch(database, "SELECT count(*) FROM portfolio_people") == [0 if goes_back else 1]
    # A campaign that waits for quota is found by the next tick.
    is_due = "SELECT due_at IS NULL OR due_at <= clock_timestamp() FROM campaigns WHERE id = %s"
    assert fetch(database, is_due, waiting) == [goes_back]
