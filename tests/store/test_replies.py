"""Replies as evidence about messages, including a reply with a wamid that another message has."""

import pytest

from campaigns.store.database import query
from campaigns.store.messages import merge_evidence, merge_replies
from tests.store.rows import add_account, add_campaign, add_message, fetch, find_wrong_counters, say

AT = "2026-10-01T12:00Z"
STRAY = {"stray_code": -3, "stray_title": "the reply brings the wamid of another message"}


@pytest.fixture
def out(database):
    """A campaign with two messages in flight."""
    campaign_id = database.run(add_campaign, accounts=[database.run(add_account)])
    return [database.run(add_message, campaign_id, "sending") for _ in range(2)]


def tell(database, *rows):
    return database.run(merge_replies, rows, **STRAY)


def sent(message_id, wamid, status="sent"):
    return say(message_id, status, wamid=wamid, sent_at=AT if status == "sent" else None)


def load(database):
    return fetch(database, "SELECT status::text, wamid, error_code, error_title, sent_at FROM messages ORDER BY id")


@pytest.mark.parametrize("status", ["sent", "held"])
def test_a_wamid_that_another_message_has_leaves_the_message_uncertain(database, out, status):
    first, second = out
    assert tell(database, sent(first, "wamid.a")) == {}
    assert tell(database, sent(second, "wamid.a", status)) == {second: first}
    assert load(database)[1] == ("uncertain", None, STRAY["stray_code"], STRAY["stray_title"], None)
    assert find_wrong_counters(database) == []


def test_a_wamid_of_another_campaign_is_noticed_too(database, out):
    other = database.run(add_message, database.run(add_campaign), "delivered", wamid="wamid.old")
    assert tell(database, sent(out[0], "wamid.new"), sent(out[1], "wamid.old")) == {out[1]: other}
    assert [row[0] for row in load(database)] == ["sent", "uncertain", "delivered"]


def test_a_wamid_that_comes_twice_in_one_set_is_noticed_too(database, out):
    assert tell(database, *(sent(each, "wamid.a") for each in out)) == {out[1]: out[0]}
    assert [row[0] for row in load(database)] == ["sent", "uncertain"]


def test_the_same_reply_may_be_settled_twice(database, out):
    rows = [sent(out[0], "wamid.a"), sent(out[1], "wamid.b")]
    assert tell(database, *rows) == {}
    before = load(database)
    assert tell(database, *rows) == {}
    assert load(database) == before


def test_a_stray_reply_takes_nothing_from_a_message_that_its_webhook_has_settled(database, out):
    first, second = out
    fetch(
        database,
        "UPDATE messages SET status = 'delivered', wamid = 'wamid.b', sent_at = %s, delivered_at = %s WHERE id = %s",
        *(AT, AT, second),
    )
    tell(database, sent(first, "wamid.a"))
    assert tell(database, sent(second, "wamid.a")) == {second: first}
    assert load(database)[1][:3] == ("delivered", "wamid.b", None)


def test_a_webhook_settles_what_a_stray_reply_left_uncertain(database, out):
    first, second = out
    tell(database, sent(first, "wamid.a"))
    tell(database, sent(second, "wamid.a"))
    database.run(merge_evidence, [sent(second, "wamid.b")])
    assert load(database)[1][:4] == ("sent", "wamid.b", None, None)


def test_replies_are_merged_by_the_same_update_as_all_other_evidence():
    def update(name, end):
        text = query(name).decode()
        return text[text.index("UPDATE messages m") : text.index(end)], text[text.index("WHERE m.id = e.id") :]

    (ours, our_guard), (others, other_guard) = (
        update("merge_replies", "FROM e\n"),
        update("merge_evidence", "FROM unnest("),
    )
    assert ours == others
    assert our_guard.replace("RETURNING m.id, e.owner_id", "RETURNING m.id").strip() == other_guard.strip()
