"""Whole: the CPU time of each role for messages that are sent, delivered and read, and the bytes that Postgres writes.

The sizes are WHOLE_RECIPIENTS (30,000), WHOLE_BATCH (the maximum number of statuses in one post, 50) and LATENCY_MS
(150). With USER_IDS=1 the webhooks name each person by a user id too, as Meta's do since 2026. docs/scaling.md computes
with the figures of this benchmark.
"""

from __future__ import annotations

import sys
import time

from benchmarks.frame import APP_SECRET, World, read_size
from benchmarks.report import Report

RECIPIENTS = read_size("WHOLE_RECIPIENTS", 30_000)
BATCH = read_size("WHOLE_BATCH", 50)
LATENCY_MS = read_size("LATENCY_MS", 150)
USER_IDS = read_size("USER_IDS", 0)
CAMPAIGNS = ACCOUNTS = 10

_POLL_SECONDS = 0.5
_ARRIVED_SECONDS = 600.0


def main() -> int:
    report = Report(
        "whole",
        "ten campaigns, all roles",
        recipients=RECIPIENTS,
        batch=BATCH,
        user_ids=USER_IDS,
        latency_ms=LATENCY_MS,
    )
    after = [100, 1000]
    webhooks = {
        "app_secret": APP_SECRET, "batch_size": BATCH, "batch_ms": 200, "read_probability": 1,
        "user_ids": bool(USER_IDS), "sent_after_ms": after, "delivered_after_ms": after, "read_after_ms": after,
    }  # fmt: skip
    with World({"latency_ms": LATENCY_MS, "webhooks": webhooks}) as world:
        accounts = world.add_accounts(ACCOUNTS)
        share = RECIPIENTS // CAMPAIGNS
        ids = [world.add_campaign(accounts, people=range(n * share, (n + 1) * share)) for n in range(CAMPAIGNS)]
        world.start_roles("webhooks", "events", "worker")
        world.call_simulator("script", {"webhooks": {"callback_url": f"{world.stack.webhooks_url}/webhooks/whatsapp"}})
        messages = share * CAMPAIGNS
        wal, began = wal_bytes(world), time.monotonic()
        with world.measure() as usage:
            world.start_campaigns(ids)
            world.await_completed(ids)
            is_read = await_read(world, messages)
        seconds, written = time.monotonic() - began, wal_bytes(world) - wal
        stats = world.call_simulator("stats")
        statements = world.list_statements(messages)
        ((table, indexes),) = world.ask("SELECT pg_table_size('messages'), pg_indexes_size('messages')")
    cpu = usage.cpu_ms_per_1000(messages)
    all_cpu = sum(cpu.values()) - cpu["simulator_cpu"]
    report.add("a message", messages=messages, messages_per_second=messages / seconds, **cpu, all_roles_cpu=all_cpu,
               times_simulator=all_cpu / cpu["simulator_cpu"])  # fmt: skip
    report.note("all roles: with Postgres and Valkey, without the simulator.")
    report.note(
        "times simulator: the CPU of all roles, divided by that of the simulator, which takes part in each request and "
        "each post. The ratio of two versions on two machines says more than their CPU times."
    )
    report.note(
        f"Per message Postgres writes {written / messages:,.0f} bytes of WAL and keeps {table / messages:,.0f} bytes "
        f"in the table and {indexes / messages:,.0f} in its indexes."
    )
    for line in statements:
        report.note(line)
    report.check("all are read", is_read)
    report.check("nobody twice", stats["max_accepted_per_recipient"] == 1)
    return report.finish()


def wal_bytes(world: World) -> int:
    return int(world.ask("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")[0][0])


def await_read(world: World, count: int) -> bool:
    deadline = time.monotonic() + _ARRIVED_SECONDS
    while time.monotonic() < deadline:
        if world.ask("SELECT coalesce(sum(count), 0)::bigint FROM tallies WHERE status = 'read'") == [(count,)]:
            return True
        time.sleep(_POLL_SECONDS)
    return False


if __name__ == "__main__":
    sys.exit(main())
