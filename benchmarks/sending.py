"""Sending: campaigns at once from many accounts, limits out of the way, beside the usual ways and beside the floor.

CAMPAIGNS (10), ACCOUNTS (10, each campaign sends by all), RECIPIENTS (10,000 of each campaign), LATENCY_MS (150).
The usual ways are slow, so they get a share of the work: BASELINE_RECIPIENTS (100 of each campaign), sent by
BASELINE_PROCESSES (10) or BASELINE_THREADS (50) where one task sends one message. The floor is bare libcurl with as
many requests at once as Revoada had in the mean, and bare claims and settlements in sets of FLOOR_BATCH (50).
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
from benchmarks.frame import FIRST_ACCOUNT, Usage, World, elapsed, size_of
from benchmarks.report import Report
from campaigns.store.campaigns import CampaignListing
from devstack.roles import PROJECT
from devstack.server import wait_until

CAMPAIGNS = size_of("CAMPAIGNS", 10)
ACCOUNTS = size_of("ACCOUNTS", 10)
RECIPIENTS = size_of("RECIPIENTS", 10_000)
LATENCY_MS = size_of("LATENCY_MS", 150)
BASELINE_RECIPIENTS = size_of("BASELINE_RECIPIENTS", 100)
BASELINE_PROCESSES = size_of("BASELINE_PROCESSES", 10)
BASELINE_THREADS = size_of("BASELINE_THREADS", 50)
FLOOR_BATCH = size_of("FLOOR_BATCH", 50)
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
    two = measure_revoada(report, "Revoada, two workers", latency_ms=LATENCY_MS, workers=2)
    with World({"latency_ms": LATENCY_MS}) as world:
        measure_floor(world, report, in_flight=one["in_flight"])
        loop = measure_loop(world, report, one)
        measure_tasks(world, report, one, pool="prefork", concurrency=BASELINE_PROCESSES, called="processes")
        measure_tasks(world, report, one, pool="threads", concurrency=BASELINE_THREADS, called="threads")
    for figures in report.rows.values():
        figures["cpu_times_revoada"] = ours(figures) / ours(one)
    report.note("times slower: than Revoada with one worker. CPU times Revoada: of worker and Postgres, for a message.")
    report.note("claimed peak: messages whose request is out, or waits for a connection.")
    report.note(f"The usual ways sent {CAMPAIGNS * BASELINE_RECIPIENTS:,} messages; their rates are measured on those.")
    report.goal("one worker: at least 8,000 messages/s", one["messages_per_second"] >= 8_000)
    report.goal("one worker: at most 160 CPU ms per 1,000 (worker and Postgres)", ours(one) <= 160)
    report.goal("at least 120 times the plain loop", one["messages_per_second"] >= 120 * loop["messages_per_second"])
    report.goal("0 ms: at least 9,000 messages/s", no_latency["messages_per_second"] >= 9_000)
    report.goal("two workers are faster than one", two["messages_per_second"] > one["messages_per_second"])
    return report.finish()


def ours(figures: Mapping[str, Any]) -> float:
    return float(figures["worker_cpu"] + figures.get("postgres_cpu", 0.0))


def measure_revoada(report: Report, what: str, *, latency_ms: int, workers: int = 1) -> dict[str, Any]:
    """Send everything once; the rate is from the first start to the last completion."""
    with World({"latency_ms": latency_ms}) as world:
        ids = add_campaigns(world)
        names = [f"worker{number}" for number in range(1, workers + 1)]
        world.start_roles(*names)
        with world.measure() as usage:
            world.start_campaigns(ids)
            out: list[int] = []
            rows = world.await_completed(ids, watch=lambda rows: out.append(count_out(rows)))
        # What is claimed may wait for a connection; and a connection that was opened for a request is kept.
        connections = sum(count_connections(world.pids()[name], world.simulator_url) for name in names)
        stats = world.far("stats")
    seconds = elapsed(rows)
    figures = {
        "messages": MESSAGES,
        "messages_per_second": MESSAGES / seconds,
        **usage.cpu_ms_per_1000(MESSAGES),
        "worker_peak_mb": usage.peak_of("worker"),
        "claimed_peak": max(out),
        "in_flight": min(round(fmean(filter(None, out))), connections),
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


def count_out(rows: Sequence[CampaignListing]) -> int:
    return sum(row.counts.get("sending", 0) for row in rows)


def count_connections(pid: int, url: str) -> int:
    port = int(url.rpartition(":")[2])
    return sum(bool(each.raddr) and each.raddr.port == port for each in psutil.Process(pid).net_connections("tcp"))


# the floor


def measure_floor(world: World, report: Report, *, in_flight: int) -> None:
    api = f"{world.simulator_url}/v24.0"
    seconds, cpu, usage = run_program(world, "libcurl", api, ACCOUNTS, MESSAGES, in_flight)
    libcurl_cpu = 1e6 * cpu / MESSAGES
    report.add("floor: bare libcurl", messages=MESSAGES, messages_per_second=MESSAGES / seconds, worker_cpu=libcurl_cpu,
               simulator_cpu=usage.cpu_ms_per_1000(MESSAGES)["simulator_cpu"], in_flight=in_flight)  # fmt: skip
    report.check("floor: bare libcurl: all accepted", world.far("stats")["accepted"] == MESSAGES)
    ids = add_campaigns(world)
    # As a start does, but for the ring: no worker is there.
    world.database.run(lambda c: c.execute("UPDATE campaigns SET status = 'running', started_at = now()"))
    seconds, cpu, usage = run_program(world, "claim_settle", world.database_url, FLOOR_BATCH, *ids)
    postgres_cpu = usage.cpu_ms_per_1000(MESSAGES)["postgres_cpu"]
    report.add("floor: bare claim + settle", messages=MESSAGES, messages_per_second=MESSAGES / seconds,
               worker_cpu=1e6 * cpu / MESSAGES, postgres_cpu=postgres_cpu)  # fmt: skip
    settled = world.ask("SELECT count(*) FROM messages WHERE status = 'sent'")[0][0]
    report.check("floor: bare claim + settle: all settled", settled == MESSAGES)
    report.add("floor: libcurl and Postgres", worker_cpu=libcurl_cpu, postgres_cpu=postgres_cpu)


def run_program(world: World, module: str, *arguments: object) -> tuple[float, float, Usage]:
    """Run one of the baselines; return its seconds, its CPU seconds, and what the servers used meanwhile."""
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
    """Time from the tasks of the campaigns to the last message that was written down."""
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
    """Make the table of the plain ways, and forget what the far end has got."""
    world.far("reset?keep=script", {})
    parameters = {
        "first_account": FIRST_ACCOUNT, "accounts": ACCOUNTS, "campaigns": CAMPAIGNS, "people": BASELINE_RECIPIENTS,
    }  # fmt: skip
    for statement in plain.SCHEMA.split(";"):
        world.database.run(lambda c, text=statement: c.execute(text, parameters))
    return CAMPAIGNS * BASELINE_RECIPIENTS


def check_plain(world: World, report: Report, what: str, messages: int) -> None:
    report.check(f"{what}: all accepted", world.far("stats")["accepted"] == messages)


if __name__ == "__main__":
    sys.exit(main())
