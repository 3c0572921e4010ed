"""Webhook bodies mutated from real ones: whatever comes is read, and what cannot be is set aside with a reason."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import VALUES, bodies

from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_message,
    receive,
)
from tests.webhooks.webhook_bodies import PHONE_NUMBER_ID
from webhooks.applier.json_fields import UnusableError, read_time
from webhooks.applier.parse import parse_event

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


@settings(derandomize=True, max_examples=400, deadline=None, suppress_health_check=SLOW)
@given(bodies())
def test_any_body_is_read_or_set_aside_and_costs_little_more_than_itself(body):
    event = parse_event(body)
    events = event.template_events or event.account_events
    assert event.evidence or events or event.optouts or event.replies or event.dead_letters or event.ignored
    for index, evidence in enumerate(event.evidence):
        assert parse_event(event.rewrap(index)).evidence == (evidence,)
    pieces = [*event.list_pieces(), *(aside.piece for aside in event.dead_letters)]
    # JSON of the mutations may be shorter than ours: a NaN for a number, an escape for a character.
    assert sum(map(len, pieces)) <= 10 * len(body) + 20_000
    for aside in event.dead_letters:
        assert aside.reason.encode().isascii()
        assert "\0" not in aside.reason
        assert len(aside.reason) < 300


@pytest.fixture(scope="module")
def database(shared):
    return shared


@pytest.fixture(scope="module")
def add(database):
    account_id = database.run(add_account, phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    return lambda: database.run(add_message, campaign_id, "sending", account_id=account_id)


def is_no_time(value):
    """A time such as 0 is bounded, so its status is applied."""
    try:
        read_time(value, "timestamp")
    except UnusableError:
        return True
    return False


NO_TIMES = [value for value in VALUES if is_no_time(value)]
GOOD = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["sent", "delivered", "read", "failed"])), max_size=4)


@settings(derandomize=True, max_examples=40, deadline=None, suppress_health_check=SLOW)
@given(st.lists(GOOD | bodies() | st.sampled_from(NO_TIMES).map(lambda value: {"timestamp": value}), max_size=6))
def test_good_events_among_poison_are_applied_as_if_they_were_alone(database, add, sequence):
    """A list is a body of good statuses, a dict spoils a status in the middle of the next such body."""
    ends = []
    for has_poison in (True, False):
        ids = [add() for _ in range(3)]
        spoiled, bodies_now = {}, []
        for each in sequence:
            if isinstance(each, dict):
                spoiled = each if has_poison else {}
            elif isinstance(each, bytes):
                bodies_now += [each] * has_poison
            else:
                statuses = [make_report(database, ids[person], word, id=f"w{ids[person]}") for person, word in each]
                if spoiled:
                    statuses.insert(1, make_report(database, ids[0], "read") | spoiled)
                bodies_now.append(make_reports(*statuses))
                spoiled = {}
        receive(database, *bodies_now)
        rows = [read_message(database, each) for each in ids]
        words = ("status", "sent_at", "delivered_at", "read_at", "failed_at", "error_title")
        ends.append([[row[word] for word in words] for row in rows])
    poisoned, alone = ends
    assert poisoned == alone
    left = fetch(database, "SELECT status, reason FROM webhook_events")
    assert all(status in {"set_aside", "unmatched"} and reason for status, reason in left)
    assert find_wrong_counters(database) == []


def test_every_poison_in_every_place_of_a_status_is_set_aside_or_read(database, add):
    """One body that holds them all, and one good status at its end."""
    message_id = add()
    good = make_report(database, message_id, "read")
    places = ("id", "status", "timestamp", "recipient_id", "biz_opaque_callback_data", "pricing", "errors", "type")
    poisons = [
        good | {"biz_opaque_callback_data": "none of ours", "id": "w", "status": "failed"} | {place: value}
        for place, value in itertools.product(places, VALUES)
    ]
    applied = receive(database, make_reports(*poisons, good))
    assert applied.counts["set aside"] > 50
    assert read_message(database, message_id)["status"] == "read"
