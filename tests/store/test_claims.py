import itertools
import threading
from collections import Counter

import pytest

from campaigns.domain.message import Write
from campaigns.domain.phone.person import recipient_key
from campaigns.store.messages import find_next_release_at
from tests.store.rows import (
    Beside,
    add_campaign,
    add_message,
    add_messages,
    allowing_only,
    claim,
    fetch,
    find_wrong_counters,
    read_message,
    read_statuses,
    take,
)

A, B, C = 1, 2, 3
DUE, LATER = "2020-01-01T00:00Z", "2099-01-01T00:00Z"


@pytest.fixture
def campaign_id(database):
    """A campaign whose lease of epoch 1 is ours."""
    campaign_id = database.run(add_campaign)
    database.run(take, campaign_id)
    return campaign_id


def test_a_claim_returns_all_that_is_needed_to_send(database, campaign_id):
    message_id = database.run(add_message, campaign_id, variables=["Ana", "10 %"], phone="+5511900000001")
    with allowing_only(database, Write.RUNNER):
        claimed = database.run(claim, campaign_id, 1, accounts=[A])
    (message,) = claimed.messages
    assert (message.id, message.account_id, message.send_no, message.attempts) == (message_id, A, 1, 1)
    assert (message.phone, message.variables, message.refused_by) == ("+5511900000001", ["Ana", "10 %"], None)
    assert (claimed.cursor, claimed.suppressed_count, claimed.is_held) == (message_id, 0, True)
    row = read_message(database, message_id)
    assert (row["status"], row["account_id"], row["send_no"], row["attempts"]) == ("sending", A, 1, 1)
    assert row["claimed_at"] is not None


def test_the_next_messages_come_after_the_cursor_in_their_order(database, campaign_id):
    ids = database.run(add_messages, campaign_id, 6)
    taken = database.run(claim, campaign_id, 1, accounts=[A, A], cursor=ids[1])
    assert (sorted(message.id for message in taken.messages), taken.cursor) == (ids[2:4], ids[3])
    rest = database.run(claim, campaign_id, 1, accounts=[A] * 9, cursor=taken.cursor)
    assert sorted(message.id for message in rest.messages) == ids[4:]
    assert [read_message(database, each)["status"] for each in ids[:2]] == ["pending", "pending"]


def test_released_messages_that_are_due_come_first_the_oldest_before(database, campaign_id):
    second = database.run(add_message, campaign_id, not_before=DUE)
    first = database.run(add_message, campaign_id, not_before="2019-01-01T00:00Z")
    later = database.run(add_message, campaign_id, not_before=LATER)
    fresh = database.run(add_message, campaign_id)
    taken = [database.run(claim, campaign_id, 1, accounts=[A]).messages[0].id for _ in range(3)]
    assert taken == [first, second, fresh]
    assert database.run(claim, campaign_id, 1, accounts=[A]).messages == []
    assert read_message(database, later)["status"] == "pending"
    assert read_message(database, first)["not_before"] is None


def test_the_next_release_is_that_of_the_first_message_that_waits(database, campaign_id):
    assert database.run(find_next_release_at, campaign_id) is None
    database.run(add_message, campaign_id, not_before=LATER)
    database.run(add_message, campaign_id, not_before=DUE)
    assert database.run(find_next_release_at, campaign_id).year == 2020


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE leases SET epoch = 2 WHERE campaign_id = %s",
        "UPDATE leases SET until = clock_timestamp() WHERE campaign_id = %s",
        "UPDATE campaigns SET status = 'paused' WHERE id = %s",
        "UPDATE campaigns SET status = 'cancelled' WHERE id = %s",
    ],
)
def test_who_may_not_run_the_campaign_claims_nothing(database, campaign_id, spoil):
    database.run(add_message, campaign_id)
    database.run(add_message, campaign_id, not_before=DUE)
    fetch(database, spoil, campaign_id)
    claimed = database.run(claim, campaign_id, 1, accounts=[A, B])
    assert (claimed.messages, claimed.is_held) == ([], False)
    assert read_statuses(database, campaign_id) == ["pending", "pending"]


def test_an_empty_campaign_is_told_from_a_lost_one(database, campaign_id):
    assert database.run(claim, campaign_id, 1, accounts=[A]).is_held


def test_only_pending_messages_of_the_own_campaign_are_claimed(database, campaign_id):
    for status in ("sending", "uncertain", "sent", "failed", "cancelled", "suppressed"):
        database.run(add_message, campaign_id, status)
    other = database.run(add_campaign)
    database.run(add_message, other)
    assert database.run(claim, campaign_id, 1, accounts=[A] * 9).messages == []
    assert read_statuses(database, other) == ["pending"]


def test_no_message_is_claimed_twice_by_two_that_think_they_are_the_runner(database, campaign_id):
    ids = database.run(add_messages, campaign_id, 60)
    start, taken = threading.Barrier(2), []

    def race():
        start.wait()
        for _ in range(20):
            taken.extend(message.id for message in database.run(claim, campaign_id, 1, accounts=[A] * 3).messages)

    for runner in [Beside(race), Beside(race)]:
        runner.result()
    assert Counter(taken) == dict.fromkeys(ids, 1)
    sends = fetch(database, "SELECT DISTINCT send_no, attempts FROM messages WHERE campaign_id = %s", campaign_id)
    assert sends == [(1, 1)]


def test_a_message_that_somebody_holds_is_passed_over(database, campaign_id):
    held, free = database.run(add_messages, campaign_id, 2)

    def hold(connection):
        connection.execute("SELECT FROM messages WHERE id = %s FOR UPDATE", (held,))
        return Beside(database.run, claim, campaign_id, 1, accounts=[A]).result()

    assert [message.id for message in database.run(hold).messages] == [free]


def test_suppressed_people_are_skipped_at_the_last_moment(database, campaign_id):
    fresh = database.run(add_message, campaign_id)
    tried = database.run(add_message, campaign_id, not_before=DUE, send_no=1, attempts=1, account_id=A)
    free = database.run(add_message, campaign_id)
    text = "INSERT INTO suppressions SELECT recipient_key, 'manual', true, now() FROM messages WHERE id = ANY (%s)"
    fetch(database, text, [fresh, tried])
    with allowing_only(database, Write.RUNNER):
        claimed = database.run(claim, campaign_id, 1, accounts=[A] * 3)
    assert [message.id for message in claimed.messages] == [free]
    assert (claimed.suppressed_count, claimed.cursor) == (2, free)
    row = read_message(database, tried)
    assert (row["status"], row["send_no"], row["attempts"], row["not_before"]) == ("suppressed", 1, 1, None)
    assert read_message(database, fresh)["send_no"] == 0
    assert find_wrong_counters(database) == []


def test_who_opted_out_is_skipped_under_the_other_form_of_the_number_too(database, campaign_id):
    message_id = database.run(add_message, campaign_id, phone="+551187654321")
    fetch(database, "INSERT INTO suppressions VALUES (%s, 'word', true, now())", recipient_key("5511987654321"))
    assert database.run(claim, campaign_id, 1, accounts=[A]).suppressed_count == 1
    assert read_message(database, message_id)["status"] == "suppressed"


def test_accounts_are_used_as_given(database, campaign_id):
    """By turns, so that a claim which finds too few messages does not empty one account's tokens only."""
    database.run(add_messages, campaign_id, 5)
    claimed = database.run(claim, campaign_id, 1, accounts=[A, B, B, A, C])
    by_id = sorted(claimed.messages, key=lambda message: message.id)
    assert [message.account_id for message in by_id] == [A, B, C, A, B]


def refused(database, campaign_id, *accounts):
    return database.run(add_message, campaign_id, not_before=DUE, send_no=1, attempts=1, refused_by=list(accounts))


def test_a_message_goes_to_an_account_that_has_not_refused_it(database, campaign_id):
    message_id = refused(database, campaign_id, A)
    claimed = database.run(claim, campaign_id, 1, accounts=[A, A, B])
    assert [(message.id, message.account_id) for message in claimed.messages] == [(message_id, B)]
    assert claimed.messages[0].send_no == 2


def test_a_refused_message_waits_while_another_active_account_has_no_token(database, campaign_id):
    refused(database, campaign_id, A)
    fresh = database.run(add_message, campaign_id)
    claimed = database.run(claim, campaign_id, 1, accounts=[A], active=[A, B])
    assert [message.id for message in claimed.messages] == [fresh]


def test_a_message_that_all_active_accounts_have_refused_may_go_to_any(database, campaign_id):
    message_id = refused(database, campaign_id, A, B)
    claimed = database.run(claim, campaign_id, 1, accounts=[B], active=[A, B])
    assert [(message.id, message.account_id) for message in claimed.messages] == [(message_id, B)]


def test_a_message_refused_by_an_account_that_is_gone_goes_by_the_others(database, campaign_id):
    message_id = refused(database, campaign_id, C)
    claimed = database.run(claim, campaign_id, 1, accounts=[A], active=[A, B])
    assert [(message.id, message.account_id) for message in claimed.messages] == [(message_id, A)]


@pytest.mark.parametrize(("tokens", "has_found_end"), [(2, False), (3, True)])
def test_a_claim_with_more_tokens_than_messages_has_found_the_end(database, campaign_id, tokens, has_found_end):
    database.run(add_messages, campaign_id, 2)
    assert database.run(claim, campaign_id, 1, accounts=[A] * tokens).has_found_end == has_found_end


def test_a_claim_of_refused_messages_has_not_found_the_end(database, campaign_id):
    """The account that has refused them keeps its tokens, although more of them are due."""
    for _ in range(3):
        refused(database, campaign_id, A)
    claimed = database.run(claim, campaign_id, 1, accounts=[A, A, B])
    assert (len(claimed.messages), claimed.has_found_end) == (1, False)


def test_no_account_gets_more_messages_than_it_has_tokens(database, campaign_id):
    for _ in range(4):
        refused(database, campaign_id, A)
    claimed = database.run(claim, campaign_id, 1, accounts=[A, A, A, B])
    assert Counter(message.account_id for message in claimed.messages)[B] <= 1


def test_refused_and_fresh_messages_share_the_tokens_as_given(database, campaign_id):
    refused(database, campaign_id, A)
    database.run(add_message, campaign_id)
    claimed = database.run(claim, campaign_id, 1, accounts=[A, B])
    assert sorted(message.account_id for message in claimed.messages) == [A, B]


def test_a_claim_changes_no_indexed_column(database, campaign_id):
    """So it is a HOT update wherever the page has room: the fill factor leaves a fifth of it."""
    ids = database.run(add_messages, campaign_id, 300)

    def count(connection):
        counts = "pg_stat_get_xact_tuples_updated(t), pg_stat_get_xact_tuples_hot_updated(t)"
        statement = f"SELECT {counts} FROM (SELECT 'messages'::regclass::oid AS t) x"
        before = connection.execute(statement).fetchone()
        claim(connection, campaign_id, 1, accounts=[A] * 8, cursor=ids[100])
        after = connection.execute(statement).fetchone()
        return [new - old for old, new in zip(before, after, strict=True)]

    assert database.run(count) == [8, 8]


CAP = {"max_per_person": 2, "within_days": 7}
_people = itertools.count(77_000_001)


@pytest.fixture
def capped_id(database):
    campaign_id = database.run(add_campaign, **CAP)
    database.run(take, campaign_id)
    return campaign_id


@pytest.fixture
def person():
    """A phone of nobody else: the tests share their database."""
    return f"+55119{next(_people)}"


def had(database, phone, status="delivered", *, when="now()"):
    """Another campaign whose message to the person is in this status."""
    other = database.run(add_campaign)
    message_id = database.run(add_message, other, status, phone=phone)
    fetch(database, f"UPDATE messages SET claimed_at = {when} WHERE id = %s AND claimed_at IS NOT NULL", message_id)


def test_who_had_as_many_as_the_campaign_allows_is_skipped_and_it_says_why(database, capped_id, person):
    had(database, person)
    had(database, f"+5511{person[-8:]}", "sent")
    message_id = database.run(add_message, capped_id, phone=person)
    free_id = database.run(add_message, capped_id)
    with allowing_only(database, Write.RUNNER):
        claimed = database.run(claim, capped_id, 1, accounts=[A, A])
    assert ([message.id for message in claimed.messages], claimed.suppressed_count) == ([free_id], 1)
    row = read_message(database, message_id)
    assert (row["status"], row["send_no"]) == ("suppressed", 0)
    assert row["error_title"] == "the person had as many messages as the campaign allows"


def test_who_is_skipped_by_the_cap_after_a_try_keeps_no_code_of_it(database, capped_id, person):
    earlier = {"error_code": 130429, "error_title": "Rate limit hit", "error_details": "slow down"}
    message_id = database.run(add_message, capped_id, phone=person, **earlier)
    had(database, person)
    had(database, person)
    assert database.run(claim, capped_id, 1, accounts=[A]).messages == []
    row = read_message(database, message_id)
    assert (row["status"], row["error_code"], row["error_details"]) == ("suppressed", None, None)


@pytest.mark.parametrize("status", ["failed", "pending", "suppressed", "cancelled"])
def test_what_nobody_got_does_not_count(database, capped_id, status, person):
    had(database, person)
    had(database, person, status)
    database.run(add_message, capped_id, phone=person)
    assert len(database.run(claim, capped_id, 1, accounts=[A]).messages) == 1


@pytest.mark.parametrize("status", ["sending", "uncertain", "held", "read"])
def test_what_somebody_may_have_got_counts(database, capped_id, status, person):
    had(database, person)
    had(database, person, status)
    database.run(add_message, capped_id, phone=person)
    assert database.run(claim, capped_id, 1, accounts=[A]).suppressed_count == 1


def test_what_is_longer_ago_does_not_count(database, capped_id, person):
    had(database, person)
    had(database, person, when="now() - interval '8 days'")
    database.run(add_message, capped_id, phone=person)
    assert len(database.run(claim, capped_id, 1, accounts=[A]).messages) == 1


def test_a_campaign_without_a_cap_skips_nobody(database, campaign_id, person):
    for _ in range(3):
        had(database, person)
    database.run(add_message, campaign_id, phone=person)
    assert len(database.run(claim, campaign_id, 1, accounts=[A]).messages) == 1


def test_two_capped_campaigns_at_once_stay_below_the_cap(database):
    ids = [database.run(add_campaign, max_per_person=1, within_days=7) for _ in range(2)]
    for campaign_id in ids:
        database.run(take, campaign_id)
        for number in range(40):
            database.run(add_message, campaign_id, phone=f"+55119666{number:05}")
    start, sent = threading.Barrier(2), []

    def race(campaign_id):
        start.wait()
        for _ in range(20):
            sent.extend(message.phone for message in database.run(claim, campaign_id, 1, accounts=[A] * 4).messages)

    for runner in [Beside(race, campaign_id) for campaign_id in ids]:
        runner.result()
    assert Counter(sent) == {f"+55119666{number:05}": 1 for number in range(40)}
