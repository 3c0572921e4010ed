from dataclasses import dataclass

import pytest
from psycopg import errors

from campaigns.domain.account import CooldownReason
from campaigns.store.accounts import StreakOutcomes, activate_account, block_accounts, count_outcomes, count_reported
from tests.store.rows import activated_at, add_account, add_campaign, add_template, fetch, read_clock

REPLIES, WEBHOOKS = "replies", "webhooks"
COLUMNS = {REPLIES: ("consecutive_failures", "failures"), WEBHOOKS: ("consecutive_reported", "reported")}
OK = None


def failure(number):
    return {"code": 190, "title": f"error {number}", "details": "", "fbtrace_id": "", "message_id": number}


def count(database, source, account_id, *outcomes, since=None, category=None):
    if source == WEBHOOKS:
        return database.run(count_reported, [StreakOutcomes(account_id, category, None, outcomes)])
    since = since or database.run(activated_at, account_id)
    return database.run(count_outcomes, [StreakOutcomes(account_id, category, since, outcomes)])


def read_streak(database, source, account_id):
    length, errors = COLUMNS[source]
    row = fetch(database, f"SELECT {length}, {errors}, active, inactive_reason FROM accounts WHERE id = %s", account_id)
    return row[0][0], [each["message_id"] for each in row[0][1]], *row[0][2:]


def read_category(database, source, account_id, category="MARKETING"):
    """Return the ids of the consecutive failures, and whether the account sends the category."""
    statement = (
        f"SELECT {COLUMNS[source][1]}, inactive_since IS NULL FROM account_categories"
        " WHERE account_id = %s AND category = %s"
    )
    for failures, is_sent in fetch(database, statement, account_id, category):
        return [each["message_id"] for each in failures], is_sent
    return [], True


def read_events(database, account_id):
    return fetch(database, "SELECT kind, details FROM account_events WHERE account_id = %s ORDER BY id", account_id)


both = pytest.mark.parametrize("source", [REPLIES, WEBHOOKS])


@both
def test_failures_are_counted_in_the_order_in_which_they_came(database, source):
    account_id = database.run(add_account)
    (counted,) = count(database, source, account_id, failure(1), OK, failure(2), failure(3))
    assert counted.tripped_by is None
    assert read_streak(database, source, account_id) == (2, [2, 3], True, None)


@both
def test_a_streak_goes_on_over_sets(database, source):
    account_id = database.run(add_account)
    for number in (1, 2):
        count(database, source, account_id, failure(number))
    assert read_streak(database, source, account_id)[:2] == (2, [1, 2])


@both
def test_one_success_resets(database, source):
    account_id = database.run(add_account)
    count(database, source, account_id, failure(1), failure(2))
    assert count(database, source, account_id, OK) == []
    assert read_streak(database, source, account_id) == (0, [], True, None)


@both
def test_the_limit_deactivates_once_with_its_errors(database, source):
    account_id = database.run(add_account, failure_limit=3)
    (counted,) = count(database, source, account_id, *map(failure, range(1, 6)))
    assert [each["message_id"] for each in counted.tripped_by] == [1, 2, 3]
    assert read_streak(database, source, account_id) == (
        3, [1, 2, 3], False, "3 consecutive send failures: 190 error 3"
    )  # fmt: skip
    ((kind, details),) = read_events(database, account_id)
    assert (kind, details["source"]) == ("deactivated", source)
    assert [each["title"] for each in details["errors"]] == ["error 1", "error 2", "error 3"]


@both
def test_an_inactive_account_is_left_as_it_is(database, source):
    account_id = database.run(add_account, active=False, inactive_reason="a person")
    before = fetch(database, "SELECT * FROM accounts WHERE id = %s", account_id)
    assert count(database, source, account_id, *map(failure, range(9))) == []
    assert count(database, source, account_id, OK) == []
    assert fetch(database, "SELECT * FROM accounts WHERE id = %s", account_id) == before
    assert read_events(database, account_id) == []


def test_the_two_streaks_are_counted_apart(database):
    account_id = database.run(add_account, failure_limit=2)
    count(database, REPLIES, account_id, failure(1))
    count(database, WEBHOOKS, account_id, failure(2))
    count(database, WEBHOOKS, account_id, OK)
    assert read_streak(database, REPLIES, account_id) == (1, [1], True, None)
    count(database, REPLIES, account_id, OK)
    assert read_streak(database, WEBHOOKS, account_id) == (0, [], True, None)


def test_replies_to_sends_before_the_last_activation_change_nothing(database):
    account_id = database.run(add_account, failure_limit=2)
    before = database.run(activated_at, account_id)
    database.run(activate_account, account_id)
    count(database, REPLIES, account_id, failure(1))
    assert count(database, REPLIES, account_id, failure(2), failure(3), since=before) == []
    count(database, REPLIES, account_id, OK, since=before)
    assert read_streak(database, REPLIES, account_id) == (1, [1], True, None)


@pytest.mark.parametrize("is_old_first", [True, False])
def test_replies_of_before_and_after_an_activation_in_one_set_are_told_apart(database, is_old_first):
    account_id = database.run(add_account)
    before = database.run(activated_at, account_id)
    database.run(activate_account, account_id)
    old = StreakOutcomes(account_id, None, before, (failure(1),))
    new = StreakOutcomes(account_id, None, database.run(activated_at, account_id), (failure(2),))
    database.run(count_outcomes, [old, new] if is_old_first else [new, old])
    assert read_streak(database, REPLIES, account_id)[:2] == (1, [2])


def test_accounts_of_one_set_are_counted_each_for_itself(database):
    good, bad = database.run(add_account), database.run(add_account)
    count(database, REPLIES, good, failure(1))
    since = database.run(activated_at, good), database.run(activated_at, bad)
    of_bad, of_good = StreakOutcomes(bad, None, since[1], (failure(2),)), StreakOutcomes(good, None, since[0], (OK, OK))
    database.run(count_outcomes, [of_bad, of_good])
    assert read_streak(database, REPLIES, good)[0] == 0
    assert read_streak(database, REPLIES, bad)[0] == 1


def test_activation_deletes_both_streaks_and_the_cooldown(database):
    account_id = database.run(add_account, failure_limit=2, blocked_until="2099-01-01T00:00Z", blocked_reason="x")
    count(database, WEBHOOKS, account_id, failure(1))
    count(database, REPLIES, account_id, failure(2), failure(3))
    database.run(activate_account, account_id)
    assert read_streak(database, REPLIES, account_id) == (0, [], True, None)
    assert read_streak(database, WEBHOOKS, account_id) == (0, [], True, None)
    assert fetch(database, "SELECT blocked_until, block_count FROM accounts WHERE id = %s", account_id) == [(None, 0)]


# streaks of one category


@both
def test_a_failure_of_a_category_is_not_counted_against_the_account(database, source):
    account_id = database.run(add_account)
    (counted,) = count(database, source, account_id, failure(1), failure(2), category="MARKETING")
    assert (counted.category, counted.tripped_by, counted.is_inactive) == ("MARKETING", None, False)
    assert read_category(database, source, account_id) == ([1, 2], True)
    assert read_streak(database, source, account_id) == (0, [], True, None)


@both
def test_the_limit_ends_the_category_and_not_the_account(database, source):
    account_id = database.run(add_account, failure_limit=3)
    (counted,) = count(database, source, account_id, *map(failure, range(1, 6)), category="MARKETING")
    assert ([each["message_id"] for each in counted.tripped_by], counted.is_inactive) == ([1, 2, 3], True)
    assert read_category(database, source, account_id) == ([1, 2, 3], False)
    assert read_streak(database, source, account_id) == (0, [], True, None)
    assert fetch(
        database, "SELECT inactive_reason, inactive_code FROM account_categories WHERE account_id = %s", account_id
    ) == [("3 consecutive send failures: 190 error 3", 190)]
    ((kind, details),) = read_events(database, account_id)
    assert (kind, details["category"], details["source"]) == ("category_deactivated", "MARKETING", source)
    assert len(details["errors"]) == 3


@both
def test_a_category_that_is_not_sent_stays_as_it_is_and_says_so(database, source):
    account_id = database.run(add_account, failure_limit=2)
    count(database, source, account_id, failure(1), failure(2), category="MARKETING")
    (counted,) = count(database, source, account_id, failure(3), category="MARKETING")
    assert (counted.tripped_by, counted.is_inactive) == (None, True)
    count(database, REPLIES, account_id, OK, category="MARKETING")
    assert read_category(database, source, account_id) == ([1, 2], False)
    assert len(read_events(database, account_id)) == 1


@both
def test_categories_are_counted_each_for_itself(database, source):
    account_id = database.run(add_account, failure_limit=2)
    count(database, source, account_id, failure(1), category="MARKETING")
    count(database, source, account_id, failure(2), category="UTILITY")
    assert read_category(database, source, account_id) == ([1], True)
    count(database, source, account_id, failure(3), category="UTILITY")
    assert read_category(database, source, account_id) == ([1], True)
    assert read_category(database, source, account_id, "UTILITY") == ([2, 3], False)


def test_a_success_ends_the_streak_of_its_category_only(database):
    account_id = database.run(add_account)
    for category in (None, "MARKETING", "UTILITY"):
        count(database, REPLIES, account_id, failure(1), category=category)
    count(database, REPLIES, account_id, OK, category="UTILITY")
    assert read_category(database, REPLIES, account_id, "UTILITY") == ([], True)
    assert read_category(database, REPLIES, account_id, "MARKETING") == ([1], True)
    assert read_streak(database, REPLIES, account_id)[:2] == (1, [1])


def test_a_success_between_failures_of_a_category_starts_its_streak_again(database):
    account_id = database.run(add_account, failure_limit=3)
    count(database, REPLIES, account_id, failure(1), failure(2), category="MARKETING")
    count(database, REPLIES, account_id, OK, failure(3), category="MARKETING")
    assert read_category(database, REPLIES, account_id) == ([3], True)


def test_good_news_by_webhook_ends_the_streak_of_the_category_in_which_the_campaign_sends(database):
    account_id = database.run(add_account)
    campaigns = {
        category: database.run(
            lambda connection, category: add_campaign(
                connection, accounts=[account_id], template_id=add_template(connection, category=category)
            ),
            category,
        )
        for category in ("MARKETING", "UTILITY", "")
    }
    for category in ("MARKETING", "UTILITY"):
        count(database, WEBHOOKS, account_id, failure(1), category=category)
    database.run(count_reported, [], good=[(campaigns["UTILITY"], account_id)])
    assert read_category(database, WEBHOOKS, account_id, "UTILITY") == ([], True)
    assert read_category(database, WEBHOOKS, account_id, "MARKETING") == ([1], True)
    database.run(count_reported, [], good=[(campaigns[""], account_id)])  # unknown counts as MARKETING
    assert read_category(database, WEBHOOKS, account_id, "MARKETING") == ([], True)


def test_the_two_streaks_of_a_category_are_counted_apart(database):
    account_id = database.run(add_account, failure_limit=2)
    count(database, REPLIES, account_id, failure(1), category="MARKETING")
    count(database, WEBHOOKS, account_id, failure(2), category="MARKETING")
    assert read_category(database, REPLIES, account_id) == ([1], True)
    assert read_category(database, WEBHOOKS, account_id) == ([2], True)


def test_replies_of_a_category_to_sends_before_the_last_activation_change_nothing(database):
    account_id = database.run(add_account, failure_limit=2)
    before = database.run(activated_at, account_id)
    count(database, REPLIES, account_id, failure(1), failure(2), category="MARKETING")
    database.run(activate_account, account_id)
    count(database, REPLIES, account_id, failure(3), category="MARKETING")
    assert count(database, REPLIES, account_id, failure(4), failure(5), since=before, category="MARKETING") == []
    count(database, REPLIES, account_id, OK, since=before, category="MARKETING")
    assert read_category(database, REPLIES, account_id) == ([3], True)


def test_activation_sends_every_category_again(database):
    account_id = database.run(add_account, failure_limit=1)
    for category in ("MARKETING", "UTILITY"):
        count(database, REPLIES, account_id, failure(1), category=category)
    database.run(activate_account, account_id)
    assert fetch(database, "SELECT * FROM account_categories WHERE account_id = %s", account_id) == []


def test_an_inactive_account_counts_no_failure_of_a_category(database):
    account_id = database.run(add_account, active=False, inactive_reason="a person")
    assert count(database, REPLIES, account_id, failure(1), category="MARKETING") == []
    assert read_category(database, REPLIES, account_id) == ([], True)


def test_a_category_says_why_it_is_not_sent_or_is_sent(database):
    account_id = database.run(add_account)
    statement = (
        "INSERT INTO account_categories (account_id, category, activated_at, inactive_since)"
        " VALUES (%s, 'MARKETING', now(), now())"
    )
    with pytest.raises(errors.CheckViolation):
        fetch(database, statement, account_id)


# cooldowns


@dataclass(frozen=True)
class Cooldown:
    """The shortest and the longest possible cooldown in seconds: it started between two reads of the clock."""

    least: float
    most: float


def block(database, account_id, *, is_for_waba=False, cooldown_seconds=1_000.0, most_seconds=1_000_000.0):
    before = read_clock(database)
    blocked = database.run(
        block_accounts,
        account_id,
        is_for_waba=is_for_waba,
        reason=CooldownReason.THROTTLED,
        details="4",
        cooldown_seconds=cooldown_seconds,
        most_seconds=most_seconds,
    )
    after = read_clock(database)
    return {
        blocked_id: Cooldown((until - after).total_seconds(), (until - before).total_seconds())
        for blocked_id, until in blocked
    }


def end_cooldown(database, account_id):
    fetch(database, "UPDATE accounts SET blocked_until = clock_timestamp() WHERE id = %s", account_id)


def test_each_further_cooldown_is_twice_as_long_up_to_the_maximum(database):
    account_id = database.run(add_account)
    for seconds in (1_000, 2_000, 4_000, 5_000, 5_000):
        cooldown = block(database, account_id, most_seconds=5_000)[account_id]
        assert seconds * 0.85 <= cooldown.most
        assert cooldown.least <= seconds * 1.15
        end_cooldown(database, account_id)
    assert [kind for kind, _ in read_events(database, account_id)] == ["blocked"] * 5


def test_a_running_cooldown_is_not_extended(database):
    account_id = database.run(add_account)
    block(database, account_id)
    before = fetch(database, "SELECT blocked_until, block_count FROM accounts WHERE id = %s", account_id)
    assert block(database, account_id, cooldown_seconds=2_000) == {}
    assert fetch(database, "SELECT blocked_until, block_count FROM accounts WHERE id = %s", account_id) == before
    assert len(read_events(database, account_id)) == 1


@pytest.mark.parametrize("outcomes", [(OK,), (failure(1), OK), (OK, failure(1))])
def test_a_success_resets_the_length_of_cooldowns(database, outcomes):
    account_id = database.run(add_account)
    block(database, account_id)
    count(database, REPLIES, account_id, *outcomes)
    end_cooldown(database, account_id)
    assert block(database, account_id)[account_id].least < 1_400


def test_a_cooldown_of_a_waba_is_for_all_its_numbers_and_no_other(database):
    first, second = (database.run(add_account, waba_id="777") for _ in range(2))
    database.run(add_account, waba_id="778")
    assert block(database, first, is_for_waba=True).keys() == {first, second}
    end_cooldown(database, first)
    assert block(database, first, is_for_waba=True).keys() == {first}


def test_a_cooldown_of_an_account_is_for_this_account_only(database):
    first, _ = (database.run(add_account, waba_id="779") for _ in range(2))
    assert block(database, first).keys() == {first}
