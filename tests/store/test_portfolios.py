import datetime as dt
import threading

import pytest

from campaigns.domain.message import Write
from campaigns.management.accounts import activate_account, change_account, change_portfolio, deactivate_account
from campaigns.store.leases import end_slice, lock_campaign
from campaigns.store.messages import claim_messages, has_claimable
from campaigns.store.portfolios import (
    PortfolioLimits,
    claim_within_limits,
    has_free_quota,
    insert_portfolio,
    list_portfolios,
    lock_quota,
    return_quota,
)
from tests.store.rows import (
    Beside,
    add_account,
    add_campaign,
    add_message,
    add_messages,
    allowing_only,
    await_blocked,
    count_claims,
    fetch,
    find_wrong_counters,
    read_statuses,
    take,
)
from tests.support.actors import TESTER

DAY = dt.timedelta(hours=24)
LATER = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def house(database):
    """A portfolio of three people a day with one account."""
    return House(database)


class House:
    def __init__(self, database, limit=3):
        self.database = database
        self.portfolio_id = database.run(insert_portfolio, "acme", daily_limit=limit)
        self.account_id = self.add_account()

    def add_account(self):
        return self.database.run(add_account, portfolio_id=self.portfolio_id)

    def add_campaign(self, phones, **columns):
        """A campaign whose lease of epoch 1 is ours."""
        campaign_id = self.database.run(add_campaign, accounts=[self.account_id], **columns)
        for phone in phones:
            self.database.run(add_message, campaign_id, phone=f"+55119000000{phone:02}")
        self.database.run(take, campaign_id)
        return campaign_id

    def claim(self, campaign_id, count=10, *, account_id=None, limits=None, others=(), **more):
        account_id = account_id or self.account_id
        tokens = {account_id: count} | dict.fromkeys(others, count)
        limits = limits or PortfolioLimits({account_id: self.portfolio_id})
        named = {"cursor": 0, "tokens": tokens, "active": [account_id], "limits": limits} | more
        return self.database.run(self._claim, campaign_id, **named)

    def _claim(self, connection, campaign_id, **named):
        return claim_within_limits(connection, count_claims(connection, campaign_id, 1), **named)

    def people(self):
        rows = fetch(self.database, "SELECT recipient_key FROM portfolio_people ORDER BY 1")
        (count,) = fetch(self.database, "SELECT people_count FROM portfolios WHERE id = %s", self.portfolio_id)
        assert count == len(rows)
        return [int(phone[-2:]) for phone in rows]

    def age(self, hours):
        fetch(self.database, "UPDATE portfolio_people SET until = until - make_interval(hours => %s)", hours)


def phones(claim):
    return sorted(int(message.phone[-2:]) for message in claim.messages)


def test_a_claim_stops_at_the_limit(house):
    campaign_id = house.add_campaign(range(5))
    with allowing_only(house.database, Write.RUNNER):
        assert phones(house.claim(campaign_id)) == [0, 1, 2]
    full = house.claim(campaign_id)
    assert (full.messages, full.is_held, list(full.full)) == ([], True, [house.portfolio_id])
    assert house.people() == [0, 1, 2]
    assert find_wrong_counters(house.database) == []


def test_a_full_portfolio_returns_when_its_first_quota_becomes_free(house):
    campaign_id = house.add_campaign(range(5))
    house.claim(campaign_id, 1)
    house.age(2)
    house.claim(campaign_id)
    (first,) = fetch(house.database, "SELECT min(until) FROM portfolio_people")
    assert house.claim(campaign_id).full == {house.portfolio_id: first}


def test_a_lowered_limit_waits_until_enough_have_left(house):
    campaign_id = house.add_campaign(range(5))
    house.claim(campaign_id)
    change_portfolio(house.database, "acme", daily_limit=1, actor=TESTER)
    last = fetch(house.database, "SELECT max(until) FROM portfolio_people")[0]
    assert house.claim(campaign_id).full == {house.portfolio_id: last}
    assert house.database.run(list_portfolios)[0].next_slot_at == last


def test_a_person_frees_quota_after_24_hours(house):
    campaign_id = house.add_campaign(range(5))
    house.claim(campaign_id)
    house.age(23)
    assert phones(house.claim(campaign_id)) == []
    house.age(1)
    assert phones(house.claim(campaign_id)) == [3, 4]
    assert house.people() == [3, 4]


def test_a_counted_person_uses_no_quota_in_another_campaign(house):
    house.claim(house.add_campaign(range(3)))
    campaign_id = house.add_campaign([7, 8, 2, 1, 9, 0])
    assert phones(house.claim(campaign_id)) == [0, 1, 2]
    assert house.claim(campaign_id).messages == []
    assert house.people() == [0, 1, 2]


def test_the_last_message_to_a_person_counts(house):
    house.claim(house.add_campaign([0]))
    house.age(20)
    house.claim(house.add_campaign([0]))
    house.age(10)
    house.claim(house.add_campaign([]))
    assert house.people() == [0]


def test_two_slices_never_use_the_last_quota_both(database):
    house = House(database, limit=50)
    campaigns = [house.add_campaign(range(start, start + 25)) for start in (0, 25, 50, 75)]
    start, taken = threading.Barrier(4), []

    def race(campaign_id):
        start.wait()
        for _ in range(12):
            taken.extend(phones(house.claim(campaign_id, 3)))

    for runner in [Beside(race, each) for each in campaigns]:
        runner.result()
    assert len(taken) == len(set(taken)) == 50
    assert sorted(taken) == house.people()


def test_a_runner_waits_for_the_claim_of_another(house):
    first, second = house.add_campaign(range(3)), house.add_campaign(range(10, 13))

    def hold(connection):
        claimed = claim_within_limits(
            connection, count_claims(connection, first, 1), cursor=0, tokens={house.account_id: 2},
            active=[house.account_id], limits=PortfolioLimits({house.account_id: house.portfolio_id}),
        )  # fmt: skip
        other = Beside(house.claim, second)
        await_blocked(house.database)
        return claimed, other

    claimed, other = house.database.run(hold)
    assert (len(claimed.messages), len(other.result().messages)) == (2, 1)


def test_a_released_message_keeps_its_quota(house):
    campaign_id = house.add_campaign(range(4))
    house.claim(campaign_id)
    fetch(house.database, "UPDATE messages SET status = 'pending', not_before = now() WHERE phone LIKE '%%01'")
    assert phones(house.claim(campaign_id)) == [1]
    assert house.people() == [0, 1, 2]


def test_a_final_refusal_returns_the_quota(house):
    campaign_id = house.add_campaign(range(5))
    claimed = house.claim(campaign_id).messages
    assert house.database.run(return_quota, [claimed[0].id]) == [house.account_id]
    assert len(house.claim(campaign_id).messages) == 1
    assert len(house.people()) == 3


def test_quota_that_another_message_uses_too_is_not_returned(house):
    (first,) = house.claim(house.add_campaign([0])).messages
    (second,) = house.claim(house.add_campaign([0])).messages
    assert house.database.run(return_quota, [first.id, second.id]) == []
    assert house.people() == [0]


def test_returned_quota_wakes_a_campaign_whose_wait_is_just_starting(house):
    waiting = house.add_campaign([5])

    def start_to_wait(connection):
        lock_campaign(connection, waiting)
        assert not has_free_quota(connection, [house.account_id])
        change = Beside(change_portfolio, house.database, "acme", actor=TESTER, daily_limit=4)
        await_blocked(house.database)
        end_slice(connection, waiting, 1, cursor=0, waiting_reason="daily_limit", due_at=LATER)
        return change

    house.claim(house.add_campaign(range(3)))
    assert house.database.run(start_to_wait).result()[1] == [waiting]
    assert fetch(house.database, "SELECT due_at FROM campaigns WHERE id = %s", waiting) == [None]
    assert house.database.run(has_free_quota, [house.account_id])


def test_an_account_that_left_a_full_portfolio_has_quota(house):
    house.claim(house.add_campaign(range(3)))
    assert not house.database.run(has_free_quota, [house.account_id])
    change_account(house.database, str(house.account_id), {}, is_moved=True, actor=TESTER)
    assert house.database.run(has_free_quota, [house.account_id])


def test_a_suppressed_person_uses_no_quota(house):
    campaign_id = house.add_campaign(range(2))
    fetch(house.database, "DELETE FROM suppressions")
    fetch(house.database, "INSERT INTO suppressions VALUES ('+5511900000000', 'manual', true, now())")
    claim = house.claim(campaign_id)
    assert (phones(claim), claim.suppressed_count, house.people()) == ([1], 1, [1])
    fetch(house.database, "DELETE FROM suppressions")


def test_accounts_share_the_limit(house):
    campaign_id, other = house.add_campaign(range(5)), house.add_account()
    house.claim(campaign_id, 2)
    assert len(house.claim(campaign_id, account_id=other).messages) == 1


def test_an_account_without_portfolio_goes_on_when_another_is_full(house):
    campaign_id, free = house.add_campaign(range(8)), house.database.run(add_account)
    house.claim(campaign_id)
    claim = house.claim(campaign_id, 4, others=[free])
    assert {message.account_id for message in claim.messages} == {free}
    assert (len(claim.messages), list(claim.full), len(house.people())) == (4, [house.portfolio_id], 3)


def test_a_full_claim_goes_through_the_people_from_place_to_place(house):
    house.claim(house.add_campaign(range(3)))
    campaign_id, limits = house.add_campaign(range(3)), PortfolioLimits({house.account_id: house.portfolio_id})
    assert [phones(house.claim(campaign_id, 1, limits=limits)) for _ in range(4)] == [[0], [1], [2], []]
    fetch(
        house.database, "UPDATE messages SET status = 'pending', not_before = now() WHERE campaign_id = %s", campaign_id
    )
    assert phones(house.claim(campaign_id, limits=limits)) == [0, 1, 2]


def test_who_lost_the_lease_claims_nothing_and_counts_nobody(house):
    campaign_id = house.add_campaign(range(2))
    fetch(house.database, "UPDATE leases SET epoch = 9")
    claim = house.claim(campaign_id)
    assert (claim.messages, claim.is_held, house.people()) == ([], False, [])


def test_who_lost_the_lease_claims_nobody_who_is_counted_in_a_full_portfolio(house):
    house.claim(house.add_campaign(range(3)))
    campaign_id = house.add_campaign(range(3))
    fetch(house.database, "UPDATE leases SET epoch = 9 WHERE campaign_id = %s", campaign_id)
    claim = house.claim(campaign_id)
    assert (claim.messages, claim.is_held) == ([], False)


def test_only_messages_that_wait_for_quota_alone_are_claimable(house):
    campaign_id = house.add_campaign(range(4))
    house.claim(campaign_id)
    assert house.database.run(has_claimable, campaign_id, cursor=0)
    fetch(house.database, "UPDATE messages SET not_before = now() + interval '1 h' WHERE status = 'pending'")
    assert not house.database.run(has_claimable, campaign_id, cursor=0)


# what people change


def test_an_account_that_joins_brings_whom_it_messaged_in_the_last_day(database):
    house = House(database)
    account_id = database.run(add_account, name="late")
    campaign_id = database.run(add_campaign, accounts=[account_id])
    recent, old = dt.datetime.now(dt.UTC), dt.datetime.now(dt.UTC) - DAY
    for status in ("sent", "failed", "uncertain"):
        database.run(add_message, campaign_id, status, account_id=account_id, claimed_at=recent)
    database.run(add_message, campaign_id, "sent", account_id=account_id, claimed_at=old)
    database.run(add_message, campaign_id, "sent", account_id=house.account_id, claimed_at=recent)
    database.run(add_message, campaign_id, "pending")
    change_account(database, "late", {}, is_moved=True, portfolio="acme", actor=TESTER)
    assert len(house.people()) == 3
    change_account(database, "late", {}, is_moved=True, actor=TESTER)
    assert fetch(database, "SELECT portfolio_id FROM accounts WHERE name = 'late'") == [None]


def test_a_raised_limit_enqueues_the_campaigns_that_wait_for_it(house):
    waiting = house.add_campaign([0], waiting_reason="daily_limit")
    house.add_campaign([1], waiting_reason="window")
    fetch(house.database, "UPDATE campaigns SET due_at = now() + interval '5 h'")
    assert change_portfolio(house.database, "acme", daily_limit=2, actor=TESTER)[1] == []
    row, to_enqueue = change_portfolio(house.database, "acme", daily_limit=4, actor=TESTER)
    assert (row.daily_limit, to_enqueue) == (4, [waiting])
    assert fetch(house.database, "SELECT due_at IS NULL FROM campaigns ORDER BY id") == [True, False]


def test_an_account_that_leaves_its_portfolio_or_comes_back_ends_the_wait(house):
    waiting = house.add_campaign([0], waiting_reason="daily_limit")
    assert change_account(house.database, str(house.account_id), {}, is_moved=True, actor=TESTER)[1] == [waiting]
    deactivate_account(house.database, str(house.account_id), actor=TESTER)
    assert activate_account(house.database, str(house.account_id), actor=TESTER)[1] == [waiting]


def test_a_list_shows_who_is_counted_now(house):
    campaign_id = house.add_campaign(range(5))
    house.claim(campaign_id, 2)
    house.age(24)
    house.claim(campaign_id, 0)
    (row,) = house.database.run(list_portfolios)
    assert (row.people_count, row.next_slot_at) == (0, None)


def test_claims_without_a_limit_ask_nothing_of_portfolios(database):
    account_id = database.run(add_account)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    database.run(add_messages, campaign_id, 2)
    database.run(take, campaign_id)

    def claim(connection):
        connection.execute("LOCK TABLE portfolios, portfolio_people IN ACCESS EXCLUSIVE MODE")
        claims = count_claims(connection, campaign_id, 1)
        return Beside(
            database.run, claim_messages, claims, cursor=0, tokens={account_id: 2}, active=[account_id]
        ).result()

    assert len(database.run(claim).messages) == 2
    assert read_statuses(database, campaign_id) == ["sending", "sending"]
    assert database.run(lock_quota, set()) == {}
