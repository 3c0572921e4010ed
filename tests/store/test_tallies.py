import random

import pytest

from campaigns.domain.message import Status
from campaigns.store.campaigns import cancel_messages, load_tally
from campaigns.store.messages import ReleaseRow, merge_evidence, release_messages
from tests.store.rows import (
    Beside,
    add_campaign,
    add_message,
    add_messages,
    claim,
    fetch,
    find_false_tallies,
    say,
    shared_database,
    take,
)

BY_HAND = (
    "DELETE FROM messages WHERE id % 7 = {0}",
    "UPDATE messages SET status = 'held', wamid = 'w', not_before = NULL WHERE send_no > {0}",
    "UPDATE messages SET variables = '{{x}}' WHERE id % 3 = {0}",
    "UPDATE messages SET campaign_id = campaign_id + 1000000 WHERE id % 11 = {0}",
    "UPDATE messages SET status = 'pending', not_before = NULL WHERE id % 13 = {0}",
    "INSERT INTO messages (campaign_id, phone, recipient_key) VALUES (1, '+55211000{0}', '{0}') ON CONFLICT DO NOTHING",
    "WITH gone AS (DELETE FROM messages WHERE id % 17 = {0} RETURNING campaign_id) SELECT count(*) FROM gone",
)


@pytest.fixture(scope="module")
def database(postgres):
    with shared_database(postgres, "tallies") as database:
        yield database


def test_the_tally_of_a_campaign_leaves_zeros_out(database):
    campaign_id = database.run(add_campaign)
    message_id = database.run(add_message, campaign_id, "pending")
    database.run(add_message, campaign_id, "sent")
    fetch(database, "UPDATE messages SET status = 'cancelled' WHERE id = %s", message_id)
    assert database.run(load_tally, campaign_id) == {Status.CANCELLED: 1, Status.SENT: 1}


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
            releases = [ReleaseRow(each, 1, 0.0, False, None, "again", "") for each in some]
            release_messages(connection, releases, campaign_ids=[campaign_id])
        case 4:
            cancel_messages(connection, [campaign_id])
        case _:
            connection.execute(chance.choice(BY_HAND).format(chance.randrange(5)))


@pytest.mark.parametrize("seed", range(3))
def test_tallies_are_a_recount_whatever_was_done(database, seed):
    chance = random.Random(seed)
    campaign_id = database.run(add_campaign)
    database.run(take, campaign_id)
    database.run(add_messages, campaign_id, 20)
    for _ in range(60):
        database.run(do_something, campaign_id, chance)
        assert find_false_tallies(database) == []


def test_tallies_are_a_recount_after_many_at_once(database):
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
    assert find_false_tallies(database) == []


def test_what_is_rolled_back_is_not_counted(database):
    campaign_id = database.run(add_campaign)

    def fail(connection):
        add_messages(connection, campaign_id, 3)
        raise KeyError

    with pytest.raises(KeyError):
        database.run(fail)
    assert database.run(load_tally, campaign_id) == {}


def test_emptying_the_table_empties_the_tallies(database):
    campaign_id = database.run(add_campaign)
    database.run(add_messages, campaign_id, 3)
    fetch(database, "TRUNCATE messages")
    assert find_false_tallies(database) == []
