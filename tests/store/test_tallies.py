import random

import pytest

from campaigns.domain.message import Status
from campaigns.domain.settlement import Release
from campaigns.store.campaigns import load_counters
from campaigns.store.database import query
from campaigns.store.messages import ReleaseRow, merge_evidence, release_messages
from tests.store.rows import (
    Beside,
    add_campaign,
    add_message,
    add_messages,
    claim,
    fetch,
    find_wrong_counters,
    say,
    take,
)

BY_HAND = (
    "DELETE FROM messages WHERE id % 7 = {0}",
    "UPDATE messages SET status = 'held', wamid = 'w', not_before = NULL WHERE send_no > {0}",
    "UPDATE messages SET variables = '{{x}}' WHERE id % 3 = {0}",
    "UPDATE messages SET campaign_id = campaign_id + 1000000 WHERE id % 11 = {0}",
    "UPDATE messages SET status = 'pending', not_before = NULL WHERE id % 13 = {0}",
    "INSERT INTO messages (campaign_id, phone, recipient_key) VALUES (1, '+55211000{0}', '{0}') ON CONFLICT DO NOTHING",
    "UPDATE messages SET replied_at = CASE WHEN id % 2 = 0 THEN now() END WHERE id % 5 = {0}",
    "WITH gone AS (DELETE FROM messages WHERE id % 17 = {0} RETURNING campaign_id) SELECT count(*) FROM gone",
)


def test_the_counters_of_a_campaign_omit_zeros(database):
    campaign_id = database.run(add_campaign)
    message_id = database.run(add_message, campaign_id, "pending")
    database.run(add_message, campaign_id, "sent")
    fetch(database, "UPDATE messages SET status = 'cancelled' WHERE id = %s", message_id)
    assert database.run(load_counters, campaign_id) == {Status.CANCELLED: 1, Status.SENT: 1}


def do_something(connection, campaign_id, chance, *, kinds=6):
    ids = [row[0] for row in connection.execute("SELECT id FROM messages WHERE campaign_id = %s", (campaign_id,))]
    some = sorted(chance.sample(ids, min(len(ids), 4)))
    match chance.randrange(kinds):
        case 0:
            add_messages(connection, campaign_id, chance.randrange(1, 5))
        case 1:
            claim(connection, campaign_id, 1, accounts=[1] * chance.randrange(1, 6))
        case 2:
            status = chance.choice(["sent", "failed", "delivered", "read"])
            now = "2026-10-01T12:00Z"
            times = {"failed": "failed_at", "delivered": "delivered_at", "read": "read_at"}
            proof = {"wamid": "w", times.get(status, "sent_at"): now}
            merge_evidence(connection, [say(each, status, error_title="no", **proof) for each in some])
        case 3:
            releases = [ReleaseRow(each, 1, Release(0.0, refunds=False, code=None, title="again")) for each in some]
            release_messages(connection, releases, campaign_ids=[campaign_id])
        case 4:
            connection.execute("UPDATE campaigns SET status = 'cancelled'")
            connection.execute(query("cancel_messages"), {"campaign_id": campaign_id, "after": 0, "limit": 10})
            connection.execute("UPDATE campaigns SET status = 'running'")
        case _:
            connection.execute(chance.choice(BY_HAND).format(chance.randrange(5)))


@pytest.mark.parametrize("seed", range(3))
def test_counters_equal_a_recount_whatever_was_done(database, seed):
    chance = random.Random(seed)
    campaign_id = database.run(add_campaign)
    database.run(take, campaign_id)
    database.run(add_messages, campaign_id, 20)
    for _ in range(60):
        database.run(do_something, campaign_id, chance)
        assert find_wrong_counters(database) == []


def test_counters_equal_a_recount_after_many_at_once(database):
    ids = [database.run(add_campaign) for _ in range(2)]
    for campaign_id in ids:
        database.run(take, campaign_id)
        database.run(add_messages, campaign_id, 20)

    def work(seed):
        chance = random.Random(seed)
        for _ in range(30):
            database.run(do_something, ids[seed % 2], chance, kinds=5)

    for worker in [Beside(work, seed) for seed in range(4)]:
        worker.result()
    assert find_wrong_counters(database) == []


def test_what_is_rolled_back_is_not_counted(database):
    campaign_id = database.run(add_campaign)

    def fail(connection):
        add_messages(connection, campaign_id, 3)
        raise KeyError

    with pytest.raises(KeyError):
        database.run(fail)
    assert database.run(load_counters, campaign_id) == {}


def test_truncating_the_messages_empties_the_counters(database):
    campaign_id = database.run(add_campaign)
    database.run(add_messages, campaign_id, 3)
    fetch(database, "TRUNCATE messages")
    assert find_wrong_counters(database) == []
