"""A target that has been dead for days leaves many bodies: the statements of each round stay index scans."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.store.database import query
from campaigns.store.forwards.forwards import insert_forward, list_forwards
from tests.store.rows import fetch

VALUES = {"forward_id": 1, "limit": 100, "max_bytes": 4_000_000, "lease_seconds": 60, "days": 4}


@pytest.fixture
def backlog(database):
    database.run(insert_forward, "https://crm.example.com/", fields=[], phone_number_ids=[], secret=None)
    fetch(
        database,
        "INSERT INTO forward_bodies (forward_id, inbox_id, received_at, phone_number_ids, next_try_at, body)"
        " SELECT 1, n, '2026-10-01T12:00Z'::timestamptz + n * interval '1 s', '{1065}',"
        " now() + (mod(n, 3) - 1) * interval '1 h', repeat('x', 500)::bytea FROM generate_series(1, 50000) n",
    )
    with database._pool.connection() as connection:
        connection.set_autocommit(True)
        connection.execute("VACUUM ANALYZE forward_bodies")
        connection.set_autocommit(False)


def test_the_list_of_forwards_reads_no_body_but_the_oldest(database, backlog):
    def explain(connection):
        rows = connection.execute(b"EXPLAIN (COSTS OFF) " + query("list_forwards"), {"forward_id": None})
        return [row[0].strip(" ->") for row in rows if " on forward_bodies" in row[0]]

    assert sorted(each.split(" using ")[0] for each in database.run(explain)) == ["Index Only Scan", "Index Scan"]
    (row,) = database.run(list_forwards)
    assert (row.waiting_count, row.waits_since) == (50_000, dt.datetime(2026, 10, 1, 12, 0, 1, tzinfo=dt.UTC))


@pytest.mark.parametrize("name", ["list_due_bodies", "has_forward_work", "lease_forwards", "expire_forward_bodies"])
def test_a_backlog_is_read_by_an_index(database, name):
    database.run(insert_forward, "https://crm.example.com/", fields=[], phone_number_ids=[], secret=None)
    fetch(
        database,
        "INSERT INTO forward_bodies (forward_id, inbox_id, received_at, phone_number_ids, next_try_at, body)"
        " SELECT 1, n, now() - interval '1 h', '{1065}', now() + (mod(n, 3) - 1) * interval '1 h', '{}'"
        " FROM generate_series(1, 50000) n",
    )
    fetch(database, "ANALYZE forward_bodies")

    def explain(connection):
        return "\n".join(row[0] for row in connection.execute(b"EXPLAIN (COSTS OFF) " + query(name), VALUES))

    plan = database.run(explain)
    assert "Seq Scan on forward_bodies" not in plan, plan
    assert "Sort Key" not in plan, plan
    assert "forward_bodies_" in plan, plan
