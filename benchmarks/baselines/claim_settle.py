"""A lower bound for the database: claims and settles messages with the product's statements, and sends nothing.

`python -m benchmarks.baselines.claim_settle DATABASE_URL BATCH CAMPAIGN_ID…` prints the seconds and CPU seconds that it
took. Each campaign has a thread and a connection. As in the product, each claim and each settlement is a transaction.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from campaigns.domain.continuity import ClaimCount
from campaigns.domain.message import Status
from campaigns.store.accounts import load_campaign_accounts
from campaigns.store.database import Connection, Database
from campaigns.store.leases import take_lease
from campaigns.store.messages import ClaimedMessage, EvidenceRow, claim_messages, merge_evidence


def run_campaign(database: Database, campaign_id: int, batch: int) -> None:
    account_ids = list(database.run(load_campaign_accounts, [campaign_id])[campaign_id])
    lease = database.run(take_lease, campaign_id, owner="floor", lease_seconds=3600.0, horizon_seconds=0.0)
    assert lease is not None
    tokens = {account_id: batch // len(account_ids) for account_id in account_ids}
    cursor, claims = 0, ClaimCount(campaign_id, lease.epoch, lease.claim_count)
    while True:
        claim = database.run(claim_messages, claims, cursor=cursor, tokens=tokens, active=account_ids)
        if not claim.messages:
            return
        cursor, claims = claim.cursor, replace(claims, count=claim.lease.claim_count)
        database.run(settle, claim.messages)


def settle(connection: Connection, claimed: list[ClaimedMessage]) -> None:
    now = dt.datetime.now(dt.UTC)
    rows = [
        EvidenceRow(each.id, each.send_no, Status.SENT, wamid=f"wamid.HBgNNTUxMTkxMDAwMDAwMB{each.id:020}", sent_at=now)
        for each in claimed
    ]
    merge_evidence(connection, rows)


def main(url: str, batch: int, *ids: int) -> None:
    database = Database(url, max_connections=len(ids), statement_seconds=600, name="benchmark")
    database.open()
    began, cpu_began = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(len(ids)) as threads:
        list(threads.map(lambda campaign_id: run_campaign(database, campaign_id, batch), ids))
    print(time.monotonic() - began, time.process_time() - cpu_began)
    database.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
