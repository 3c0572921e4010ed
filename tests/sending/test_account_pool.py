"""Tokens of accounts: none is lost, none is created, and no slice waits for an account that cannot send."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field

import pytest

from campaigns.config import Settings
from campaigns.domain.pacing import Reason, Wait
from campaigns.management.accounts import add_account, add_portfolio, change_account
from campaigns.secrets import make_key
from campaigns.sending.accounts import AccountPool
from campaigns.sending.daily_quota import DailyQuota
from campaigns.sending.leases import LeaseKeeper
from campaigns.store.database import Database
from tests.store.rows import PATIENT, deactivate_category
from tests.support.actors import TESTER
from tests.throttle.throttle_worlds import World, fake_world

BUCKET = 20  # a quarter of a second at 80/s
NOW = dt.datetime(2026, 11, 27, 9, tzinfo=dt.UTC)
SECRET_KEY = make_key()
NUMBERS = itertools.count()
GONE = "active = false, inactive_reason = '190 expired'"


@dataclass
class Desk:
    """A campaign's accounts in Postgres, their common limits in a Valkey whose clock a test turns."""

    database: Database
    world: World
    keeper: LeaseKeeper
    ids: list[int] = field(default_factory=list)

    def add(self, *rates: int) -> list[int]:
        """Add active accounts with a full bucket each."""
        for rate in rates:
            number = next(NUMBERS)
            name = f"account {number}"
            account = {"phone_number_id": str(number), "waba_id": "1", "token": "EAA", "secret_key": SECRET_KEY}
            self.ids.append(add_account(self.database, name, messages_per_second=rate, **account, actor=TESTER))
            self.world.grant(0, rate=rate, account=self.ids[-1])
        self.world.sleep(0.3)
        return self.ids

    def update(self, text: str, account_id: int) -> None:
        statement = f"UPDATE accounts SET {text} WHERE id = {account_id}"
        self.database.run(lambda connection: connection.execute(statement))
        self.keeper.refresh([account_id])

    def deactivate(self, category: str, account_id: int) -> None:
        self.database.run(deactivate_category, account_id, category)
        self.keeper.refresh([account_id])

    def make_pool(self, quota: DailyQuota | None = None) -> AccountPool:
        settings = Settings(secret_key=SECRET_KEY)
        categories = dict.fromkeys(self.ids, "MARKETING")
        return AccountPool(
            self.world.throttle,
            self.keeper,
            quota or DailyQuota(self.database),
            settings,
            campaign_id=1,
            categories=categories,
            now=lambda: NOW,
        )

    def left(self, account_id: int) -> int:
        """Return what another campaign gets now."""
        return self.world.grant(1000, rate=80, account=account_id, campaign=99).tokens


@pytest.fixture(scope="module")
def keeper(postgres):
    """One for all tests, which add accounts of their own: a clone costs more than all of them."""
    database = Database(postgres.create_database("account_pool", template="template_revoada"), **PATIENT)
    database.open()
    keeper = LeaseKeeper(database, Settings())
    yield keeper
    keeper.close()
    database.close()


@pytest.fixture
def desk(keeper, monkeypatch):
    with fake_world() as world:
        monkeypatch.setattr("campaigns.sending.accounts.clock", world.now)
        yield Desk(keeper._database, world, keeper)


def tokens(grants):
    return {account_id: grant.tokens for account_id, grant in grants.items()}


def test_a_grant_gives_what_is_wanted(desk):
    (first,) = desk.add(80)
    assert tokens(desk.make_pool().grant(10)) == {first: 10}
    assert desk.left(first) == BUCKET - 10


def test_unused_tokens_go_back_at_the_end(desk):
    (first,) = desk.add(80)
    pool = desk.make_pool()
    pool.note_used(pool.grant(10), {first: 4})
    pool.close()
    assert desk.left(first) == BUCKET - 4


def test_unused_tokens_go_back_with_the_next_request_and_not_twice(desk):
    (first,) = desk.add(80)
    pool = desk.make_pool()
    pool.note_used(pool.grant(10), {first: 4})
    grants = pool.grant(BUCKET - 4)
    assert tokens(grants) == {first: BUCKET - 4}
    pool.note_used(grants, {first: BUCKET - 4})
    pool.close()
    assert desk.left(first) == 0


def test_tokens_of_an_account_that_left_go_back_too(desk):
    first, second = desk.add(80, 80)
    pool = desk.make_pool()
    pool.note_used(pool.grant(20), {first: 10})
    desk.update(GONE, second)
    pool.note_used(pool.grant(5), {first: 5})
    pool.close()
    assert (desk.left(first), desk.left(second)) == (BUCKET - 15, BUCKET)


def test_messages_beyond_the_grant_are_charged(desk):
    (first,) = desk.add(80)
    pool = desk.make_pool()
    pool.note_used(pool.grant(5), {first: 8})
    pool.close()
    assert desk.left(first) == BUCKET - 8


def test_throttling_is_reported_with_the_next_request(desk):
    (first,) = desk.add(80)
    pool = desk.make_pool()
    grant = pool.grant(5)[first]
    assert grant.rate == 80
    pool.note_throttled({first: grant.granted_at})
    assert pool.grant(1)[first].rate == 40
    desk.world.sleep(2)
    assert pool.grant(1)[first].rate > 40  # reported once, so the rate climbs back


def test_throttling_is_reported_at_the_end_at_the_latest(desk):
    (first,) = desk.add(80)
    pool = desk.make_pool()
    pool.note_throttled({first: pool.grant(5)[first].granted_at})
    pool.close()
    assert desk.world.grant(1, account=first).rate == 40


def test_after_throttling_an_account_is_asked_at_once(desk):
    (first,) = desk.add(80)
    pool = desk.make_pool()
    grant = pool.grant(100)[first]
    assert pool.seconds_until_tokens() > 0
    pool.note_throttled({first: grant.granted_at})
    assert pool.seconds_until_tokens() == 0


def test_two_accounts_carry_in_proportion_to_their_rates(desk):
    first, second = desk.add(60, 20)
    assert tokens(desk.make_pool().grant(12)) == {first: 9, second: 3}


def test_single_messages_alternate_between_accounts(desk):
    ids = desk.add(80, 80)
    pool = desk.make_pool()
    turns = [next(iter(pool.grant(1))) for _ in range(8)]
    assert [turns.count(account_id) for account_id in ids] == [4, 4]


def test_an_account_that_gave_less_is_not_asked_again_before_its_time(desk):
    (first,) = desk.add(80)
    pool = desk.make_pool()
    assert tokens(pool.grant(100)) == {first: BUCKET}
    desk.world.sleep(0.05)  # there are tokens again
    assert pool.seconds_until_tokens() > 0
    assert pool.grant(1) == {}
    desk.world.sleep(pool.seconds_until_tokens())
    assert pool.seconds_until_tokens() == 0
    assert tokens(pool.grant(1)) == {first: 1}


def test_another_account_fills_in_for_one_that_is_empty(desk):
    first, second = desk.add(80, 80)
    desk.left(first)
    pool = desk.make_pool()
    pool.grant(2)
    assert tokens(pool.grant(2)) == {second: 2}


def test_an_account_that_was_not_asked_yet_is_not_waited_for(desk):
    first, _ = desk.add(80, 80)
    desk.left(first)
    pool = desk.make_pool()
    assert pool.grant(1) == {}  # the turn of the first, which has none
    assert pool.seconds_until_tokens() == 0


def test_an_account_that_left_does_not_keep_the_slice_asking(desk):
    first, second = desk.add(80, 80)
    pool = desk.make_pool()
    pool.grant(2)  # both give all, and may be asked again at once
    desk.update(GONE, first)
    assert tokens(pool.grant(100)) == {second: BUCKET - 1}
    assert pool.grant(1) == {}
    assert pool.seconds_until_tokens() > 0


# which accounts may send


def test_with_no_active_account_there_is_a_reason_to_wait(desk):
    (first,) = desk.add(80)
    desk.update(GONE, first)
    wait = desk.make_pool().grant(5)
    assert wait == Wait(Reason.NO_ACTIVE_ACCOUNT, NOW + dt.timedelta(seconds=Settings().recheck_seconds))


def test_an_account_that_does_not_send_the_category_of_the_template_leaves_all_to_the_other(desk):
    first, second = desk.add(80, 80)
    desk.deactivate("MARKETING", first)
    pool = desk.make_pool()
    assert pool.usable_ids() == {second}
    assert tokens(pool.grant(6)) == {second: 6}


def test_an_account_that_does_not_send_another_category_sends(desk):
    (first,) = desk.add(80)
    desk.deactivate("UTILITY", first)
    assert tokens(desk.make_pool().grant(6)) == {first: 6}


def test_without_an_account_that_sends_the_category_there_is_a_reason_to_wait(desk):
    for account_id in desk.add(80, 80):
        desk.deactivate("MARKETING", account_id)
    wait = desk.make_pool().grant(5)
    assert wait == Wait(Reason.NO_ACTIVE_ACCOUNT, NOW + dt.timedelta(seconds=Settings().recheck_seconds))


def test_another_category_of_the_template_counts_from_the_moment_in_which_meta_names_it(desk):
    (first,) = desk.add(80)
    desk.deactivate("UTILITY", first)
    pool = desk.make_pool()
    pool.note_categories({first: "UTILITY"})
    assert pool.usable_ids() == set()


def test_a_full_portfolio_of_an_account_that_does_not_send_the_category_is_not_waited_for(desk):
    first, second = desk.add(80, 80)
    portfolios = [
        add_portfolio(desk.database, f"portfolio {each}", daily_limit=1, actor=TESTER) for each in (first, second)
    ]
    for portfolio_id, account_id in zip(portfolios, (first, second), strict=True):
        desk.update(f"portfolio_id = {portfolio_id}", account_id)
    desk.deactivate("MARKETING", first)
    quota = DailyQuota(desk.database)
    pool = desk.make_pool(quota)
    quota.note_full(dict.fromkeys(portfolios, NOW + dt.timedelta(hours=1)))
    assert pool.account_ids_without_quota() == [second]


@pytest.mark.parametrize(
    ("reason", "expected"), [("throttled: 4", Reason.THROTTLED), ("unreachable: timeout", Reason.UNREACHABLE)]
)
def test_with_all_accounts_in_cooldown_the_slice_waits_for_the_first(desk, reason, expected):
    for account_id, seconds in zip(desk.add(80, 80), (900, 300), strict=True):
        until = f"clock_timestamp() + interval '{seconds} s'"
        desk.update(f"blocked_until = {until}, blocked_reason = '{reason}'", account_id)
    wait = desk.make_pool().grant(5)
    assert wait.reason is expected
    assert 295 < (wait.until - NOW).total_seconds() <= 300


def test_an_account_in_cooldown_leaves_all_messages_to_the_other(desk):
    first, second = desk.add(80, 80)
    desk.update("blocked_until = clock_timestamp() + interval '300 s'", first)
    assert tokens(desk.make_pool().grant(6)) == {second: 6}


def test_an_account_whose_token_cannot_be_read_does_not_send_and_is_named_once(desk, caplog):
    first, second = desk.add(80, 80)
    change_account(desk.database, str(first), {"token": "EAA"}, secret_key=make_key(), actor=TESTER)
    pool = desk.make_pool()
    assert [tokens(pool.grant(1)) for _ in range(3)] == [{second: 1}] * 3
    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "token_unreadable"]
    assert record.account_id == first
    assert "EAA" not in caplog.text
