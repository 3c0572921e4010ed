"""Tokens of the accounts' common limits: none lost, none made, and no account that is away is waited for."""

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
            self.ids.append(add_account(self.database, name, messages_per_second=rate, **account))
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

    def granter(self, quota: DailyQuota | None = None) -> AccountPool:
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
    database = Database(postgres.create_database("granting", template="template_revoada"), **PATIENT)
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
    assert tokens(desk.granter().grant(10)) == {first: 10}
    assert desk.left(first) == BUCKET - 10


def test_unused_tokens_go_back_at_the_end(desk):
    (first,) = desk.add(80)
    granter = desk.granter()
    granter.note_used(granter.grant(10), {first: 4})
    granter.close()
    assert desk.left(first) == BUCKET - 4


def test_unused_tokens_go_back_with_the_next_question_and_not_twice(desk):
    (first,) = desk.add(80)
    granter = desk.granter()
    granter.note_used(granter.grant(10), {first: 4})
    grants = granter.grant(BUCKET - 4)
    assert tokens(grants) == {first: BUCKET - 4}
    granter.note_used(grants, {first: BUCKET - 4})
    granter.close()
    assert desk.left(first) == 0


def test_tokens_of_an_account_that_left_go_back_too(desk):
    first, second = desk.add(80, 80)
    granter = desk.granter()
    granter.note_used(granter.grant(20), {first: 10})
    desk.update(GONE, second)
    granter.note_used(granter.grant(5), {first: 5})
    granter.close()
    assert (desk.left(first), desk.left(second)) == (BUCKET - 15, BUCKET)


def test_what_was_used_beyond_the_grant_is_paid_for(desk):
    (first,) = desk.add(80)
    granter = desk.granter()
    granter.note_used(granter.grant(5), {first: 8})
    granter.close()
    assert desk.left(first) == BUCKET - 8


def test_a_throttle_goes_with_the_next_question(desk):
    (first,) = desk.add(80)
    granter = desk.granter()
    grant = granter.grant(5)[first]
    assert grant.rate == 80
    granter.note_throttled({first: grant.granted_at})
    assert granter.grant(1)[first].rate == 40
    desk.world.sleep(2)
    assert granter.grant(1)[first].rate > 40  # told once, it climbs back


def test_a_throttle_is_told_at_the_end_at_the_latest(desk):
    (first,) = desk.add(80)
    granter = desk.granter()
    granter.note_throttled({first: granter.grant(5)[first].granted_at})
    granter.close()
    assert desk.world.grant(1, account=first).rate == 40


def test_a_throttle_wakes_an_account_that_was_to_be_left_alone(desk):
    (first,) = desk.add(80)
    granter = desk.granter()
    grant = granter.grant(100)[first]
    assert granter.seconds_to_next() > 0
    granter.note_throttled({first: grant.granted_at})
    assert granter.seconds_to_next() == 0


def test_two_accounts_carry_in_proportion_to_their_rates(desk):
    first, second = desk.add(60, 20)
    assert tokens(desk.granter().grant(12)) == {first: 9, second: 3}


def test_one_message_at_a_time_goes_round(desk):
    ids = desk.add(80, 80)
    granter = desk.granter()
    turns = [next(iter(granter.grant(1))) for _ in range(8)]
    assert [turns.count(account_id) for account_id in ids] == [4, 4]


def test_an_account_that_gave_less_is_not_asked_again_before_its_time(desk):
    (first,) = desk.add(80)
    granter = desk.granter()
    assert tokens(granter.grant(100)) == {first: BUCKET}
    desk.world.sleep(0.05)  # there are tokens again
    assert granter.seconds_to_next() > 0
    assert granter.grant(1) == {}
    desk.world.sleep(granter.seconds_to_next())
    assert granter.seconds_to_next() == 0
    assert tokens(granter.grant(1)) == {first: 1}


def test_another_account_fills_in_for_one_that_is_empty(desk):
    first, second = desk.add(80, 80)
    desk.left(first)
    granter = desk.granter()
    granter.grant(2)
    assert tokens(granter.grant(2)) == {second: 2}


def test_an_account_that_was_not_asked_yet_is_not_waited_for(desk):
    first, _ = desk.add(80, 80)
    desk.left(first)
    granter = desk.granter()
    assert granter.grant(1) == {}  # the turn of the first, which has none
    assert granter.seconds_to_next() == 0


def test_an_account_that_left_does_not_keep_the_slice_asking(desk):
    first, second = desk.add(80, 80)
    granter = desk.granter()
    granter.grant(2)  # both give all, and may be asked again at once
    desk.update(GONE, first)
    assert tokens(granter.grant(100)) == {second: BUCKET - 1}
    assert granter.grant(1) == {}
    assert granter.seconds_to_next() > 0


# who may send


def test_with_no_active_account_there_is_a_reason_to_wait(desk):
    (first,) = desk.add(80)
    desk.update(GONE, first)
    wait = desk.granter().grant(5)
    assert wait == Wait(Reason.NO_ACTIVE_ACCOUNT, NOW + dt.timedelta(seconds=Settings().recheck_seconds))


def test_an_account_that_does_not_send_the_category_of_the_template_leaves_all_to_the_other(desk):
    first, second = desk.add(80, 80)
    desk.deactivate("MARKETING", first)
    granter = desk.granter()
    assert granter.usable_ids() == {second}
    assert tokens(granter.grant(6)) == {second: 6}


def test_an_account_that_does_not_send_another_category_sends(desk):
    (first,) = desk.add(80)
    desk.deactivate("UTILITY", first)
    assert tokens(desk.granter().grant(6)) == {first: 6}


def test_without_an_account_that_sends_the_category_there_is_a_reason_to_wait(desk):
    for account_id in desk.add(80, 80):
        desk.deactivate("MARKETING", account_id)
    wait = desk.granter().grant(5)
    assert wait == Wait(Reason.NO_ACTIVE_ACCOUNT, NOW + dt.timedelta(seconds=Settings().recheck_seconds))


def test_another_category_of_the_template_counts_from_the_moment_in_which_meta_names_it(desk):
    (first,) = desk.add(80)
    desk.deactivate("UTILITY", first)
    granter = desk.granter()
    granter.note_categories({first: "UTILITY"})
    assert granter.usable_ids() == set()


def test_a_full_portfolio_of_an_account_that_does_not_send_the_category_is_not_waited_for(desk):
    first, second = desk.add(80, 80)
    portfolios = [add_portfolio(desk.database, f"portfolio {each}", daily_limit=1) for each in (first, second)]
    for portfolio_id, account_id in zip(portfolios, (first, second), strict=True):
        desk.update(f"portfolio_id = {portfolio_id}", account_id)
    desk.deactivate("MARKETING", first)
    quota = DailyQuota(desk.database)
    granter = desk.granter(quota)
    quota.note_full(dict.fromkeys(portfolios, NOW + dt.timedelta(hours=1)))
    assert granter.full_ids() == [second]


@pytest.mark.parametrize(
    ("reason", "expected"), [("throttled: 4", Reason.THROTTLED), ("unreachable: timeout", Reason.UNREACHABLE)]
)
def test_with_all_accounts_at_rest_it_waits_for_the_first(desk, reason, expected):
    for account_id, seconds in zip(desk.add(80, 80), (900, 300), strict=True):
        until = f"clock_timestamp() + interval '{seconds} s'"
        desk.update(f"blocked_until = {until}, blocked_reason = '{reason}'", account_id)
    wait = desk.granter().grant(5)
    assert wait.reason is expected
    assert 295 < (wait.until - NOW).total_seconds() <= 300


def test_an_account_at_rest_leaves_all_to_the_other(desk):
    first, second = desk.add(80, 80)
    desk.update("blocked_until = clock_timestamp() + interval '300 s'", first)
    assert tokens(desk.granter().grant(6)) == {second: 6}


def test_an_account_whose_token_cannot_be_read_does_not_send_and_is_named_once(desk, caplog):
    first, second = desk.add(80, 80)
    change_account(desk.database, str(first), {"token": "EAA"}, secret_key=make_key())
    granter = desk.granter()
    assert [tokens(granter.grant(1)) for _ in range(3)] == [{second: 1}] * 3
    (record,) = [record for record in caplog.records if getattr(record, "event", "") == "token_unreadable"]
    assert record.account_id == first
    assert "EAA" not in caplog.text
