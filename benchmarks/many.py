"""Many: many campaigns at the same time: one tick for all, small ones, slow ones, and new ones beside a huge one.

The sizes are MANY_ELIGIBLE (10,000 campaigns in a tick), MANY_SMALL (1,000 campaigns of 100 recipients; the same number
of messages is also sent by 1, 10 and 100 campaigns), MANY_SLOW (500 campaigns with a message every 5 s),
MANY_SLOW_SECONDS (40), MANY_HUGE (200,000 recipients), MANY_NEW (20 new campaigns beside the huge one) and LATENCY_MS
(150). The yardstick of a tick is bare: one UPDATE of all campaigns, and one LPUSH for each.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from functools import partial
from itertools import pairwise
from typing import Any

import redis

from benchmarks.frame import Usage, World, measure_elapsed, percentile, read_size
from benchmarks.report import Report
from campaigns.store.recipients import analyze_messages
from devstack.server import wait_until

ELIGIBLE = read_size("MANY_ELIGIBLE", 10_000)
SMALL = read_size("MANY_SMALL", 1_000)
SMALL_RECIPIENTS = 100
SLOW = read_size("MANY_SLOW", 500)
SLOW_SECONDS = read_size("MANY_SLOW_SECONDS", 40)
SLOW_INTERVAL = 5.0
HUGE = read_size("MANY_HUGE", 200_000)
NEW = read_size("MANY_NEW", 20)
LATENCY_MS = read_size("LATENCY_MS", 150)

ACCOUNTS = 10
TICK_SECONDS = 10.0
_IDLE_TICKS = 10
_SETTLE_IN_SECONDS = 10.0
_TASK_BYTES = 700
_MOST_CPU_TIMES = 3.0
_MOST_SLOW_TIMES = 30.0


def main() -> int:
    report = Report(
        "many", "many campaigns at once, one worker process", eligible=ELIGIBLE, small=SMALL, slow=SLOW, huge=HUGE,
        new=NEW, latency_ms=LATENCY_MS,
    )  # fmt: skip
    start_world = partial(World, {"latency_ms": LATENCY_MS}, {"REVOADA_TICK_SECONDS": f"{TICK_SECONDS:g}"})
    with start_world() as world:
        measure_ticks(world, report)
    cpu = {}
    for count in sorted({1, 10, 100, SMALL}):
        with start_world() as world:
            cpu[count] = measure_small(world, report, count)
    for count, used in cpu.items():
        what = f"{count:,} campaigns: at most {_MOST_CPU_TIMES:g} times the CPU of one campaign with their messages"
        report.goal_ratio(what, used / cpu[1], most=_MOST_CPU_TIMES)
    with start_world() as world:
        measure_slow(world, report, cpu[SMALL])
    with start_world() as world:
        measure_new(world, report)
    return report.finish()


def measure_ticks(world: World, report: Report) -> None:
    """Measure a tick in which all campaigns are due, including the publishing, and ticks in which none is due."""
    copy_campaign(world, world.add_campaign(world.add_accounts(ACCOUNTS), people=range(1)), ELIGIBLE - 1)
    world.ask("UPDATE campaigns SET status = 'running', started_at = clock_timestamp() RETURNING id")
    world.ask("SELECT 1 FROM pg_stat_force_next_flush()")
    world.database.run(lambda connection: connection.execute("ANALYZE"))
    os.environ.update(world.stack.environment)
    from campaigns import tasks  # noqa: PLC0415  the module reads the environment when it is imported
    from campaigns.sending import schedule  # noqa: PLC0415
    from campaigns.worker.runtime import runtime  # noqa: PLC0415

    bare_seconds = do_bare_tick(world)
    worker_runtime = runtime()
    tasks.enqueue_campaigns([0])  # opens the connection to the broker

    def tick() -> tuple[int, float, float]:
        began = time.monotonic()
        due = schedule.mark_due(worker_runtime.database, worker_runtime.settings)
        marked = time.monotonic()
        tasks.enqueue_campaigns(due)
        return len(due), marked - began, time.monotonic() - began

    due, marked, took = tick()
    idle = [tick() for _ in range(_IDLE_TICKS)]
    worker_runtime.close()
    idle_ms = 1000 * percentile([took for _, _, took in idle], 0.5)
    report.add("a tick, all due", campaigns=due, marked_seconds=marked, took_seconds=took)
    report.add("a tick, none due", campaigns=ELIGIBLE, took_seconds=idle_ms / 1000)
    report.add("a bare tick, all due", campaigns=ELIGIBLE, took_seconds=bare_seconds)
    what = f"a tick with {ELIGIBLE:,} due campaigns: at most 4 times a bare one"
    report.goal_ratio(what, took / bare_seconds, most=4)
    report.goal_ratio("a tick with none due: at most 5 % of one with all", idle_ms / 1000 / took, most=0.05)
    report.check("a tick found all that were due, the next none", due == ELIGIBLE and not any(n for n, _, _ in idle))


def do_bare_tick(world: World) -> float:
    """Mark all campaigns by one UPDATE, and push a body of the size of a task for each campaign; return the seconds."""
    client, body = redis.Redis.from_url(world.valkey.url), b"x" * _TASK_BYTES
    began = time.monotonic()
    world.ask("UPDATE campaigns SET enqueued_at = clock_timestamp() RETURNING id")
    for _ in range(ELIGIBLE):
        client.lpush("bare", body)
    seconds = time.monotonic() - began
    client.delete("bare")
    world.ask("UPDATE campaigns SET enqueued_at = NULL RETURNING id")
    with world.connect() as connection:
        connection.execute("VACUUM (ANALYZE) campaigns")
    return seconds


def measure_small(world: World, report: Report, count: int) -> float:
    """Start campaigns at once, with equal shares of the messages; measure the time until the last one has completed.

    Return the CPU milliseconds of the worker and Postgres for 1,000 messages. The time includes up to TICK_SECONDS
    until the next tick.
    """
    messages = SMALL * SMALL_RECIPIENTS // count * count
    first = world.add_campaign(world.add_accounts(ACCOUNTS), people=range(messages // count))
    ids = [first, *copy_campaign(world, first, count - 1)]
    world.start_roles("events", "worker", "beat")
    with world.measure() as usage:
        start_at_once(world)
        rows = world.await_completed(ids)
    seconds = measure_elapsed(rows)
    used = usage.cpu_ms_per_1000(messages)
    cpu = used["worker_cpu"] + used["postgres_cpu"]
    report.add(
        f"{count:,} campaigns of {messages // count:,}", campaigns=count, took_seconds=seconds,
        messages_per_second=messages / seconds, worker_and_postgres_cpu=cpu, **_list_usage(usage),
    )  # fmt: skip
    stats = world.call_simulator("stats")
    what = f"{count:,} campaigns: {messages:,} sent, nobody twice in a campaign"
    report.check(what, stats["accepted"] == messages == _count_sent(world))
    return cpu


def measure_slow(world: World, report: Report, small_cpu: float) -> None:
    """Measure how much the gaps between messages differ from the pace, and the CPU for a message.

    `small_cpu`: that of the small campaigns, which `measure_small` returns.
    """
    count = round((SLOW_SECONDS + 3 * _SETTLE_IN_SECONDS) / SLOW_INTERVAL)
    first = world.add_campaign(world.add_accounts(ACCOUNTS), people=range(count))
    world.ask("UPDATE campaigns SET interval_seconds = %s RETURNING id", SLOW_INTERVAL)
    copy_campaign(world, first, SLOW - 1)
    world.start_roles("events", "worker", "beat")
    start_at_once(world)
    time.sleep(_SETTLE_IN_SECONDS)
    settled_at = time.time()
    with world.measure() as usage:
        time.sleep(SLOW_SECONDS)
    # The times of the claims: the pace controls claims, and a request is sent at once after its claim.
    times: dict[int, list[float]] = defaultdict(list)
    for campaign_id, at in world.ask(
        "SELECT campaign_id, extract(epoch FROM claimed_at)::float FROM messages WHERE claimed_at >= to_timestamp(%s)"
        " ORDER BY claimed_at",
        settled_at,
    ):
        times[campaign_id].append(at)
    off = [abs(later - earlier - SLOW_INTERVAL) for each in times.values() for earlier, later in pairwise(each)]
    report.add(
        f"{SLOW} slow campaigns: off their pace", campaigns=len(times), p50_ms=1000 * percentile(off, 0.5),
        p99_ms=1000 * percentile(off, 0.99), **_list_usage(usage),
    )  # fmt: skip
    ratio = percentile(off, 0.99) / SLOW_INTERVAL
    report.goal_ratio("slow campaigns: 99 % of the gaps are wrong by at most a fifth of the interval", ratio, most=0.2)
    used = usage.cpu_ms_per_1000(sum(map(len, times.values())))
    what = f"slow campaigns: a message, with its slice, at most {_MOST_SLOW_TIMES:g} times the CPU of the small ones"
    report.goal_ratio(what, (used["worker_cpu"] + used["postgres_cpu"]) / small_cpu, most=_MOST_SLOW_TIMES)
    # A late campaign may catch up, but must never be ahead of its pace.
    is_ahead = any((len(each) - 1) * SLOW_INTERVAL > each[-1] - each[0] + 2 * SLOW_INTERVAL for each in times.values())
    report.check("no slow campaign ran ahead of its pace, none was left out", not is_ahead and len(times) == SLOW)


def measure_new(world: World, report: Report) -> None:
    """Measure the time from the start of a small campaign to its first message, while a huge campaign is running."""
    accounts = world.add_accounts(ACCOUNTS)
    huge = world.add_campaign(accounts, people=range(HUGE), name="huge")
    small = world.add_campaign(accounts, people=range(10), name="small")
    ids = [small, *copy_campaign(world, small, NEW - 1)]
    world.start_roles("events", "worker", "beat")
    os.environ.update(world.stack.environment)
    world.start_campaigns([huge])
    wait_until(lambda: world.call_simulator("stats")["accepted"] > 0, 30)
    took = []
    for campaign_id in ids:
        asked = time.time()
        world.start_campaigns([campaign_id])
        rows: list[tuple[Any, ...]] = []

        def is_sent(campaign_id: int = campaign_id, rows: list[tuple[Any, ...]] = rows) -> bool:
            rows[:] = world.ask(
                "SELECT extract(epoch FROM min(claimed_at))::float FROM messages WHERE campaign_id = %s", campaign_id
            )
            return rows[0][0] is not None

        wait_until(is_sent, 60)
        took.append(rows[0][0] - asked)
    is_busy = world.ask("SELECT completed_at IS NULL FROM campaigns WHERE id = %s", huge)[0][0]
    world.await_completed([huge, *ids])
    report.add(
        f"{NEW} new campaigns beside a huge one: first message", campaigns=NEW, p50_ms=1000 * percentile(took, 0.5),
        p99_ms=1000 * percentile(took, 0.99),
    )  # fmt: skip
    if not is_busy:
        report.note("The huge campaign was over before the last new one began: MANY_HUGE is too small worker_runtime.")
    what = f"the first message leaves within a tick ({TICK_SECONDS:g} s) of the start"
    report.goal_ratio(what, max(took) / TICK_SECONDS, most=1)
    report.check("all were sent", world.call_simulator("stats")["accepted"] == HUGE + 10 * NEW)


def start_at_once(world: World) -> None:
    """Start all drafts by one statement. The next tick enqueues them.

    `campaign start` first compares each list with the lists of all other campaigns, so it would start a thousand
    campaigns one after the other, within about a minute.
    """
    world.ask("UPDATE campaigns SET status = 'running', started_at = clock_timestamp() RETURNING id")


def copy_campaign(world: World, campaign_id: int, count: int) -> list[int]:
    """Copy a draft with its recipients `count` times; return the ids. Imports would take longer than the benchmark."""
    if not count:
        return []
    ids = [
        row[0]
        for row in world.ask(
            "INSERT INTO campaigns (name, template_id, parameters, columns, time_zone, interval_seconds,"
            " recipient_count)"
            " SELECT name || ' ' || n, template_id, parameters, columns, time_zone, interval_seconds, recipient_count"
            " FROM campaigns, generate_series(1, %s) n WHERE id = %s RETURNING id",
            count, campaign_id,
        )
    ]  # fmt: skip
    world.ask("INSERT INTO leases (campaign_id) SELECT unnest(%s::bigint[]) RETURNING 1", ids)
    world.ask(
        "INSERT INTO campaign_accounts SELECT new.id, account_id FROM campaign_accounts, unnest(%s::bigint[]) new (id)"
        " WHERE campaign_id = %s RETURNING 1",
        ids, campaign_id,
    )  # fmt: skip
    world.ask(
        "INSERT INTO messages (campaign_id, phone, recipient_key, variables)"
        " SELECT new.id, phone, recipient_key, variables FROM unnest(%s::bigint[]) new (id), messages"
        " WHERE campaign_id = %s ORDER BY new.id, messages.id RETURNING 1",
        ids, campaign_id,
    )  # fmt: skip
    world.database.run(analyze_messages)  # as each import does
    return ids


def _list_usage(usage: Usage) -> dict[str, float]:
    cores = {f"{role} cores": usage.cpu_seconds[role] / usage.seconds for role in ("worker", "postgres", "valkey")}
    return cores | {"peak_mb": usage.peak_of("worker")}


def _count_sent(world: World) -> int:
    return int(world.ask("SELECT count(*) FROM messages WHERE status = 'sent' AND send_no = 1")[0][0])


if __name__ == "__main__":
    sys.exit(main())
