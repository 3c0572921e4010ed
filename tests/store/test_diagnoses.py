"""Counters are repaired beside those who change them; and what else only Postgres can tell."""

import pytest

from campaigns.domain.message import Status
from campaigns.store import installation
from campaigns.store.campaigns import load_counters
from campaigns.store.database import query
from campaigns.store.leases import mark_due_campaigns
from tests.store.rows import (
    Beside,
    add_campaign,
    add_message,
    add_messages,
    await_blocked,
    fetch,
    find_wrong_counters,
    hold,
    read_clock,
)


@pytest.fixture
def campaign_id(database):
    """A campaign of four messages, of which the counters say nine, and two that are not there."""
    campaign_id = database.run(add_campaign)
    database.run(add_messages, campaign_id, 4)
    fetch(database, "UPDATE tallies SET count = 9")
    fetch(database, "INSERT INTO tallies VALUES (%s, 'read', 2)", campaign_id)
    return campaign_id


def repair(database, *campaign_ids):
    return database.run(installation.repair_counters, campaign_ids)


def test_counters_become_what_a_recount_says(database, campaign_id):
    other = database.run(add_campaign)
    database.run(add_message, other)
    fetch(database, "DELETE FROM tallies WHERE campaign_id = %s", other)
    assert repair(database, campaign_id) == {campaign_id: {Status.PENDING: -5, Status.READ: -2}}
    assert database.run(load_counters, campaign_id) == {Status.PENDING: 4}
    assert repair(database, campaign_id) == {}
    assert repair(database, campaign_id, other) == {other: {Status.PENDING: 1}}
    assert find_wrong_counters(database) == []


def test_a_wrong_counter_of_replies_is_repaired(database):
    campaign_id = database.run(add_campaign)
    database.run(add_message, campaign_id, "read", replied_at=read_clock(database))
    fetch(database, "UPDATE tallies SET replied_count = 4")
    assert repair(database, campaign_id) == {campaign_id: {"read with a reply": -3}}
    assert find_wrong_counters(database) == []


def test_what_commits_during_a_repair_is_counted(database, campaign_id):
    def add_some(connection):
        add_messages(connection, campaign_id, 3)
        connection.execute("UPDATE messages SET status = 'cancelled' WHERE id = 1")

    adding, may_commit = hold(database, add_some)
    repairing = Beside(repair, database, campaign_id)
    await_blocked(database)
    may_commit.set()
    adding.result()
    # As of when it began, when nothing of that was there.
    assert repairing.result() == {campaign_id: {Status.PENDING: -5, Status.READ: -2}}
    assert database.run(load_counters, campaign_id) == {Status.PENDING: 6, Status.CANCELLED: 1}
    assert find_wrong_counters(database) == []


def test_two_who_repair_at_once_repair_once(database, campaign_id):
    second = []

    def repair_slowly(connection):
        done = installation.repair_counters(connection, [campaign_id])
        second.append(Beside(repair, database, campaign_id))
        await_blocked(database)
        return done

    assert database.run(repair_slowly) == {campaign_id: {Status.PENDING: -5, Status.READ: -2}}
    assert second[0].result() == {}
    assert find_wrong_counters(database) == []


def test_a_session_that_others_wait_for_is_found(database, campaign_id):
    def block(connection):
        who = connection.info.backend_pid, connection.info.parameter_status("application_name")
        connection.execute("SELECT FROM campaigns FOR UPDATE")
        waiting = Beside(fetch, database, "SELECT FROM campaigns WHERE id = %s FOR UPDATE", campaign_id)
        await_blocked(database)
        rows = database.run(
            lambda other: other.execute(query("find_blockers"), {"lock_seconds": 0.0}).fetchall(),
        )
        return who, waiting, rows

    before = read_clock(database)
    who, waiting, ((pid, program, seconds, count),) = database.run(block)
    after = read_clock(database)
    waiting.result()
    assert ((pid, program), count) == (who, 1)
    assert 0 <= seconds <= (after - before).total_seconds()


def test_a_tick_leaves_its_time(database):
    fetch(database, "UPDATE installation SET ticked_at = NULL")
    assert database.run(installation.load_tick_age) is None
    before = read_clock(database)
    database.run(mark_due_campaigns, tick_seconds=10, expiry_seconds=3600)
    age, after = database.run(installation.load_tick_age), read_clock(database)
    assert 0 <= age <= (after - before).total_seconds()


def test_drafts_and_campaigns_that_ended_a_week_ago_are_not_checked(database):
    looked_at = [database.run(add_campaign, status) for status in ("pending", "scheduled", "running", "paused")] + [
        database.run(add_campaign, "completed", completed_at="now"),
        database.run(add_campaign, "cancelled", cancelled_at="now"),
    ]
    database.run(add_campaign, "draft")
    database.run(add_campaign, "completed", completed_at="2026-10-01T12:00Z")
    assert database.run(installation.find_unfinished_campaigns) == looked_at
