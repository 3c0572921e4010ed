"""Slices of a standing campaign: posted messages leave at once, the campaign never completes, and the lists wait."""

from __future__ import annotations

import threading

import pytest

from campaigns.management.standing.posts import Destination, Post, post_message
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.leases import mark_due_campaigns
from campaigns.store.standing.posts import note_post
from tests.simulator.far_end import wait_for
from tests.store.rows import Beside, add_campaign, add_crowd, fetch
from tests.support.actors import TESTER

ANA = "+5511999990001"


@pytest.fixture
def tools(make_tools, far):
    far.script(limits={"messages_per_second": 0}, latency_ms=20)
    return make_tools(f"{far.url}/v24.0", slice_seconds=600.0)


@pytest.fixture
def standing(database, add_sender):
    return database.run(add_campaign, accounts=[add_sender()], is_standing=True)


@pytest.fixture
def post(database, tools, standing):
    """Posts a message to a person; returns whether the campaign must be enqueued."""

    def post(key, phone=ANA, campaign_id=standing):
        sent = Post(Destination(campaign_id=campaign_id), key, phone, {})
        return post_message(database, sent, actor=TESTER, settings=tools.settings).should_enqueue

    return post


def count(database, status):
    return fetch(database, "SELECT count(*) FROM messages WHERE status = %s", status)[0]


def read_state(database, campaign_id):
    statement = "SELECT status::text, waiting_reason, due_at > now(), enqueued_at IS NULL FROM campaigns WHERE id = %s"
    return fetch(database, statement, campaign_id)[0]


def test_a_slice_sends_what_was_posted_and_the_campaign_waits_for_the_next_message(
    tools, database, far, standing, post
):
    assert post("one")
    assert not post("two"), "one task is enough"
    assert run_slice(begin_slice(standing, tools), tools) is False
    assert count(database, "sent") == far.stats()["accepted"] == 2  # both to one person
    assert read_state(database, standing) == ("running", "idle", True, True)
    assert begin_slice(standing, tools) is None, "nothing is due"

    assert post("three")
    assert run_slice(begin_slice(standing, tools), tools) is False
    assert count(database, "sent") == far.stats()["accepted"] == 3


def test_messages_committed_in_another_order_than_their_ids_are_all_sent(tools, database, far, standing, post):
    """The cursor of a claim would pass a lower id that is committed later."""
    fetch(database, "SELECT setval(pg_get_serial_sequence('messages', 'id'), 1000)")
    post("second")
    run_slice(begin_slice(standing, tools), tools)
    fetch(database, "SELECT setval(pg_get_serial_sequence('messages', 'id'), 1)")
    post("first")
    run_slice(begin_slice(standing, tools), tools)
    assert count(database, "sent") == far.stats()["accepted"] == 2


def test_a_message_leaves_while_the_reply_of_another_is_missing(tools, database, far, standing, post):
    far.script(latency_ms=5_000, limits={"messages_per_second": 0})
    post("slow")
    context = begin_slice(standing, tools)
    running = Beside(run_slice, context, tools)
    wait_for(lambda: count(database, "sending") == 1)
    post("next", phone="+5511999990002")
    wait_for(lambda: count(database, "sending") == 2)
    tools.stop.set()
    running.result()
    assert count(database, "sent") == 2


def test_a_message_that_is_posted_when_a_slice_ends_gets_the_next_slice_at_once(tools, database, far, standing, post):
    """The post comes after the last look of the slice, and before the slice gives its lease back."""
    post("one")
    context = begin_slice(standing, tools)
    original, posted = tools.lease_keeper.remove, threading.Event()

    def post_late(*arguments):
        if not posted.is_set():
            posted.set()
            post("late")
        original(*arguments)

    tools.lease_keeper.remove = post_late
    assert run_slice(context, tools) is True, "the caller enqueues the next slice"
    assert count(database, "pending") == 1
    assert run_slice(begin_slice(standing, tools, epoch=context.row.epoch), tools) is False
    assert count(database, "sent") == far.stats()["accepted"] == 2


def test_a_slice_that_looks_takes_no_tokens_in_vain(tools, standing, post):
    granted = []
    original = tools.throttle.grant

    def grant(campaign_id, asks, **more):
        granted.extend(ask.want for ask in asks)
        return original(campaign_id, asks, **more)

    tools.throttle.grant = grant
    post("one")
    run_slice(begin_slice(standing, tools), tools)
    assert set(granted) == {1}


def test_a_standing_campaign_that_has_expired_completes(tools, database, standing, post):
    post("one")
    fetch(database, "UPDATE campaigns SET expire_at = now() - interval '1 second'")
    run_slice(begin_slice(standing, tools), tools)
    assert fetch(database, "SELECT status::text FROM campaigns") == ["completed"]
    assert count(database, "expired") == 1


def test_a_tick_finds_a_message_whose_task_was_lost(tools, database, standing, post):
    run_slice(begin_slice(standing, tools), tools)
    post("one")
    fetch(database, "UPDATE campaigns SET enqueued_at = now() - interval '1 day'")
    due, _ = database.run(mark_due_campaigns, tick_seconds=10.0, expiry_seconds=30.0, waiting_count=0)
    assert due == [standing]


def test_several_messages_to_a_person_count_once_towards_a_daily_limit(tools, database, far, standing, post):
    fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES ('group', 1)")
    fetch(database, "UPDATE accounts SET portfolio_id = (SELECT id FROM portfolios)")
    for key in ("one", "two", "three"):
        post(key)
    run_slice(begin_slice(standing, tools), tools)
    assert count(database, "sent") == far.stats()["accepted"] == 3
    assert fetch(database, "SELECT count(*) FROM portfolio_people") == [1]


def test_a_campaign_that_waits_for_something_else_is_not_woken(database, standing):
    for reason, is_woken in (("window", False), ("no_active_account", False), ("idle", True), ("retry", True)):
        fetch(
            database,
            "UPDATE campaigns SET waiting_reason = %s, due_at = now() + interval '1 hour', enqueued_at = NULL",
            reason,
        )
        assert database.run(note_post, standing) is is_woken


def test_a_list_waits_for_the_messages_of_a_standing_campaign(tools, database, standing, post):
    """Both use one number, of which the list takes all that it can."""
    fetch(database, "UPDATE accounts SET messages_per_second = 20")
    account_id = fetch(database, "SELECT id FROM accounts")[0]
    listed = database.run(add_campaign, accounts=[account_id])
    database.run(add_crowd, listed, 5_000)
    running = Beside(run_slice, begin_slice(listed, tools), tools)
    wait_for(lambda: count(database, "sent") > 10)
    for number in range(20):
        before = fetch(
            database, "SELECT count(*) FROM messages WHERE campaign_id = %s AND claimed_at IS NOT NULL", listed
        )
        if post(f"key {number}"):
            run_slice(begin_slice(standing, tools), tools)
        after = fetch(
            database, "SELECT count(*) FROM messages WHERE campaign_id = %s AND claimed_at IS NOT NULL", listed
        )
        # The bucket of a number holds the tokens of a quarter of a second.
        assert after[0] - before[0] < 200
    assert fetch(database, "SELECT count(*) FROM messages WHERE campaign_id = %s AND status = 'sent'", standing) == [20]
    tools.stop.set()
    running.result()
