"""Sending: the rate of many campaigns at the same time, without rate limits, beside usual ways and lower bounds.

The sizes are CAMPAIGNS (10), ACCOUNTS (10, each campaign sends from all), RECIPIENTS (10,000 of each campaign) and
LATENCY_MS (150). The usual ways are slow, so they send fewer messages: BASELINE_RECIPIENTS (100 of each campaign). One
of them sends one message per Celery task, with BASELINE_PROCESSES (10) or BASELINE_THREADS (50). The lower bounds of
the CPU time (the "floor") are libcurl alone, with as many requests in flight as Revoada had on average, and claims and
settlements alone, in batches of FLOOR_BATCH (50).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import psutil
from celery import Celery

from benchmarks.baselines import plain
from benchmarks.frame import FIRST_ACCOUNT, Usage, World, measure_elapsed, read_size
from benchmarks.report import Report
from campaigns.store.campaigns import CampaignListing
from devstack.roles import PROJECT
from devstack.server import wait_until

CAMPAIGNS = read_size("CAMPAIGNS", 10)
ACCOUNTS = read_size("ACCOUNTS", 10)
RECIPIENTS = read_size("RECIPIENTS", 10_000)
LATENCY_MS = read_size("LATENCY_MS", 150)
BASELINE_RECIPIENTS = read_size("BASELINE_RECIPIENTS", 100)
BASELINE_PROCESSES = read_size("BASELINE_PROCESSES", 10)
BASELINE_THREADS = read_size("BASELINE_THREADS", 50)
FLOOR_BATCH = read_size("FLOOR_BATCH", 50)
MESSAGES = CAMPAIGNS * RECIPIENTS

_TASKS = "benchmarks.baselines.task_per_message"
_PATIENCE_SECONDS = 600.0


def main() -> int:
    report = Report(
        "sending", f"{CAMPAIGNS} campaigns at once, {LATENCY_MS} ms latency",
        campaigns=CAMPAIGNS, accounts=ACCOUNTS, recipients=RECIPIENTS, latency_ms=LATENCY_MS,
        baseline_recipients=BASELINE_RECIPIENTS,
    )  # fmt: skip
    one = measure_revoada(report, "Revoada, one worker", latency_ms=LATENCY_MS)
    no_latency = measure_revoada(report, "Revoada, one worker, 0 ms", latency_ms=0)
    pooler = {"REVOADA_DATABASE_POOLER": "transaction"}
    measure_revoada(report, "Revoada, one worker, nothing prepared", latency_ms=LATENCY_MS, settings=pooler)
    two = measure_revoada(report, "Revoada, two workers", latency_ms=LATENCY_MS, workers=2)
    with World({"latency_ms": LATENCY_MS}) as world:
        measure_floor(world, report, in_flight=one["in_flight"])
        loop = measure_loop(world, report, one)
        measure_tasks(world, report, one, pool="prefork", concurrency=BASELINE_PROCESSES, called="processes")
        measure_tasks(world, report, one, pool="threads", concurrency=BASELINE_THREADS, called="threads")
    for figures in report.rows.values():
        figures["cpu_times_revoada"] = sum_cpu(figures) / sum_cpu(one)
    report.note("times slower: the rate of Revoada with one worker, divided by the rate of the row.")
    report.note("CPU times revoada: CPU time per message (worker and Postgres), divided by that of Revoada.")
    report.note("nothing prepared: REVOADA_DATABASE_POOLER=transaction, which prepares no statement, without a pooler.")
    report.note("claimed peak: the maximum of messages that are in flight or wait for a connection.")
    report.note(f"The usual ways sent {CAMPAIGNS * BASELINE_RECIPIENTS:,} messages; their rates are of those.")
    report.goal("one worker: at least 8,000 messages/s", one["messages_per_second"] >= 8_000)
    report.goal("one worker: at most 160 CPU ms per 1,000 (worker and Postgres)", sum_cpu(one) <= 160)
    report.goal("at least 120 times the plain loop", one["messages_per_second"] >= 120 * loop["messages_per_second"])
    report.goal("0 ms: at least 9,000 messages/s", no_latency["messages_per_second"] >= 9_000)
    report.goal("two workers are faster than one", two["messages_per_second"] > one["messages_per_second"])
    return report.finish()


def sum_cpu(figures: Mapping[str, Any]) -> float:
    return float(figures["worker_cpu"] + figures.get("postgres_cpu", 0.0))


def measure_revoada(
    report: Report, what: str, *, latency_ms: int, workers: int = 1, settings: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Send all campaigns at the same time; the rate is from the first start to the last completion."""
    with World({"latency_ms": latency_ms}, settings) as world:
        ids = add_campaigns(world)
        names = [f"worker{number}" for number in range(1, workers + 1)]
        world.start_roles(*names)
        with world.measure() as usage:
            world.start_campaigns(ids)
            claimed: list[int] = []
            rows = world.await_completed(ids, watch=lambda rows: claimed.append(count_claimed(rows)))
        # A claimed message may wait for a connection, so the number of connections limits the requests in flight.
        connections = sum(count_connections(world.pids()[name], world.simulator_url) for name in names)
        stats = world.call_simulator("stats")
    seconds = measure_elapsed(rows)
    figures = {
        "messages": MESSAGES,
        "messages_per_second": MESSAGES / seconds,
        **usage.cpu_ms_per_1000(MESSAGES),
        "worker_peak_mb": usage.peak_of("worker"),
        "claimed_peak": max(claimed),
        "in_flight": min(round(fmean(filter(None, claimed))), connections),
    }
    report.add(what, figures)
    report.check(f"{what}: all accepted", stats["accepted"] == MESSAGES)
    report.check(f"{what}: nobody twice", stats["max_accepted_per_recipient"] == 1)
    return figures


def add_campaigns(world: World) -> list[int]:
    accounts = world.add_accounts(ACCOUNTS)
    return [
        world.add_campaign(accounts, people=range(number * RECIPIENTS, (number + 1) * RECIPIENTS))
        for number in range(CAMPAIGNS)
    ]


def count_claimed(rows: Sequence[CampaignListing]) -> int:
    return sum(row.counts.get("sending", 0) for row in rows)


def count_connections(pid: int, url: str) -> int:
    port = int(url.rpartition(":")[2])
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process(pid).net_connections("tcp"))


# the lower bounds


def measure_floor(world: World, report: Report, *, in_flight: int) -> None:
    api = f"{world.simulator_url}/v24.0"
    seconds, cpu, usage = run_program(world, "libcurl", api, ACCOUNTS, MESSAGES, in_flight)
    libcurl_cpu = 1e6 * cpu / MESSAGES
    report.add("floor: bare libcurl", messages=MESSAGES, messages_per_second=MESSAGES / seconds, worker_cpu=libcurl_cpu,
               simulator_cpu=usage.cpu_ms_per_1000(MESSAGES)["simulator_cpu"], in_flight=in_flight)  # fmt: skip
    report.check("floor: bare libcurl: all accepted", world.call_simulator("stats")["accepted"] == MESSAGES)
    ids = add_campaigns(world)
    # Like `campaign start`, but without a task, because no worker is running.
    world.database.run(lambda c: c.execute("UPDATE campaigns SET status = 'running', started_at = now()"))
    seconds, cpu, usage = run_program(world, "claim_settle", world.database_url, FLOOR_BATCH, *ids)
    postgres_cpu = usage.cpu_ms_per_1000(MESSAGES)["postgres_cpu"]
    report.add("floor: bare claim + settle", messages=MESSAGES, messages_per_second=MESSAGES / seconds,
               worker_cpu=1e6 * cpu / MESSAGES, postgres_cpu=postgres_cpu)  # fmt: skip
    settled = world.ask("SELECT count(*) FROM messages WHERE status = 'sent'")[0][0]
    report.check("floor: bare claim + settle: all settled", settled == MESSAGES)
    report.add("floor: libcurl and Postgres", worker_cpu=libcurl_cpu, postgres_cpu=postgres_cpu)


def run_program(world: World, module: str, *arguments: object) -> tuple[float, float, Usage]:
    """Run a baseline; return its seconds, its CPU seconds, and the usage of the servers meanwhile."""
    command = [sys.executable, "-m", f"benchmarks.baselines.{module}", *map(str, arguments)]
    with world.measure() as usage:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    seconds, cpu_seconds = map(float, done.stdout.split())
    return seconds, cpu_seconds, usage


# the usual ways


def measure_loop(world: World, report: Report, revoada: Mapping[str, Any]) -> dict[str, Any]:
    messages = fill_table(world)
    seconds, cpu, usage = run_program(world, "loop", world.database_url, f"{world.simulator_url}/v24.0", CAMPAIGNS)
    figures = {"messages": messages, "messages_per_second": messages / seconds, "worker_cpu": 1e6 * cpu / messages}
    figures |= usage.cpu_ms_per_1000(messages) | {"times_slower": revoada["messages_per_second"] * seconds / messages}
    report.add("plain loop", figures)
    check_plain(world, report, "plain loop", messages)
    return figures


def measure_tasks(
    world: World, report: Report, revoada: Mapping[str, Any], *, pool: str, concurrency: int, called: str
) -> None:
    """Measure the time from the campaigns' tasks to the last message that is stored as sent."""
    what = f"one task per message, {concurrency} {called}"
    messages = fill_table(world)
    world.stack.environment |= {
        "BASELINE_BROKER": world.valkey.url.removesuffix("0") + "1",
        "BASELINE_DATABASE": world.database_url,
        "BASELINE_API": f"{world.simulator_url}/v24.0",
    }
    options = ("-P", pool, "-c", str(concurrency), "--without-gossip", "--without-mingle")
    app = Celery(broker=world.stack.environment["BASELINE_BROKER"])
    world.start_process("worker", [sys.executable, "-m", "celery", "-A", _TASKS, "worker", *options])
    wait_until(lambda: bool(app.control.ping(timeout=1)), _PATIENCE_SECONDS)
    with world.measure() as usage:
        for campaign_id in range(CAMPAIGNS):
            app.send_task(f"{_TASKS}.send_campaign", [campaign_id])
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while world.ask("SELECT FROM plain_messages WHERE status = 'pending' LIMIT 1") and time.monotonic() < deadline:
            world.stack.check_alive()
            time.sleep(0.1)
    world.stop_roles("worker")
    report.add(what, messages=messages, messages_per_second=messages / usage.seconds, **usage.cpu_ms_per_1000(messages),
               times_slower=revoada["messages_per_second"] * usage.seconds / messages)  # fmt: skip
    check_plain(world, report, what, messages)


def fill_table(world: World) -> int:
    """Create the table of the usual ways, and clear the simulator's counts."""
    world.call_simulator("reset?keep=script", {})
    parameters = {
        "first_account": FIRST_ACCOUNT, "accounts": ACCOUNTS, "campaigns": CAMPAIGNS, "people": BASELINE_RECIPIENTS,
    }  # fmt: skip
    for statement in plain.SCHEMA.split(";"):
        world.database.run(lambda c, text=statement: c.execute(text, parameters))
    return CAMPAIGNS * BASELINE_RECIPIENTS


def check_plain(world: World, report: Report, what: str, messages: int) -> None:
    report.check(f"{what}: all accepted", world.call_simulator("stats")["accepted"] == messages)


if __name__ == "__main__":
    sys.exit(main())
