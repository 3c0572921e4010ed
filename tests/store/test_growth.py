"""A set of messages costs as much at the end of a large campaign as at its start: pages of Postgres are counted."""

from __future__ import annotations

import datetime as dt

from campaigns.domain.continuity import ClaimCount
from campaigns.domain.message import Status
from campaigns.store.database import query
from campaigns.store.messages import EvidenceRow, claim_messages, merge_evidence
from tests.store.rows import add_account, add_campaign, add_crowd, fetch, take

PEOPLE = 20_000
SET = 500
CLAIM = 50
NOW = dt.datetime(2026, 11, 27, 9, tzinfo=dt.UTC)


def test_a_claim_reads_no_more_pages_when_nearly_all_were_sent_and_nothing_was_vacuumed(database):
    fetch(database, "ALTER TABLE messages SET (autovacuum_enabled = off)")
    account_id = database.run(add_account)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    database.run(add_crowd, campaign_id, PEOPLE)
    fetch(database, "ANALYZE messages")
    epoch = database.run(take, campaign_id).epoch
    where = {"campaign_id": campaign_id, "epoch": epoch, "account_id": account_id}

    at_the_start = count_pages_of_a_claim(database, **where, cursor=0)
    cursor = send_all_but(database, SET, **where)
    at_the_end = count_pages_of_a_claim(database, **where, cursor=cursor)

    assert at_the_start > CLAIM
    assert at_the_end <= 1.1 * at_the_start


def send_all_but(database, rest, *, campaign_id, epoch, account_id):
    """Claim and settle in sets; return the cursor."""
    cursor = 0
    for number in range((PEOPLE - rest) // SET):
        claims = ClaimCount(campaign_id, epoch, number)
        claim = database.run(claim_messages, claims, cursor=cursor, tokens={account_id: SET}, active=[account_id])
        assert len(claim.messages) == SET
        cursor = claim.cursor
        sent = [
            EvidenceRow(each.id, each.send_no, Status.SENT, wamid=f"wamid.{each.id}", sent_at=NOW)
            for each in claim.messages
        ]
        database.run(merge_evidence, sent)
    return cursor


def count_pages_of_a_claim(database, *, campaign_id, epoch, account_id, cursor):
    """Return the number of pages that a claim reads; the claim is rolled back."""
    (claims,) = fetch(database, "SELECT claim_count FROM leases WHERE campaign_id = %s", campaign_id)
    parameters = {
        "campaign_id": campaign_id, "epoch": epoch, "claim_count": claims, "cursor": cursor,
        "accounts": [account_id], "counts": [CLAIM],
        "active": [account_id], "open_zones": None,
    }  # fmt: skip
    explain = b"EXPLAIN (ANALYZE, COSTS off, TIMING off, BUFFERS, FORMAT JSON) " + query("claim_messages")

    def work(connection):
        connection.execute("SAVEPOINT before")
        ((plan,),) = connection.execute(explain, parameters).fetchall()
        connection.execute("ROLLBACK TO before")
        return plan[0]["Plan"]

    plan = database.run(work)
    assert plan["Actual Rows"] == CLAIM
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
