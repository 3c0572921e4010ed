"""Sending: the rate of many campaigns at the same time, without rate limits, beside usual ways and lower bounds.

The sizes are CAMPAIGNS (10), ACCOUNTS (10, each campaign sends from all), RECIPIENTS (10,000 of each campaign) and
LATENCY_MS (150). The usual ways are slow, so they send fewer messages: BASELINE_RECIPIENTS (100 of each campaign). One
of them sends one message per Celery task, with BASELINE_PROCESSES (10) or BASELINE_THREADS (50). The lower bounds of
the CPU time (the "floor") are libcurl alone and sockets alone, with as many requests in flight as Revoada had on
average, and claims and settlements alone, in batches of FLOOR_BATCH (50).

At the end each way is killed (SIGKILL) when half of its messages are accepted, and started again as its users would do
it; Revoada with KILLED_RECIPIENTS (1,000) of each campaign. The record of the simulator says who got nothing and who
got two messages.
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
from benchmarks.frame import APP_SECRET, FIRST_ACCOUNT, Usage, World, measure_elapsed, read_size
from benchmarks.report import Report
from campaigns.store.campaigns import CampaignListing
from devstack.roles import PROJECT
from devstack.server import wait_until

CAMPAIGNS = read_size("CAMPAIGNS", 10)
ACCOUNTS = read_size("ACCOUNTS", 10)
RECIPIENTS = read_size("RECIPIENTS", 10_000)
LATENCY_MS = read_size("LATENCY_MS", 150)
BASELINE_RECIPIENTS = read_size("BASELINE_RECIPIENTS", 100)
KILLED_RECIPIENTS = read_size("KILLED_RECIPIENTS", 1_000)
BASELINE_PROCESSES = read_size("BASELINE_PROCESSES", 10)
BASELINE_THREADS = read_size("BASELINE_THREADS", 50)
FLOOR_BATCH = read_size("FLOOR_BATCH", 50)
MESSAGES = CAMPAIGNS * RECIPIENTS

_TASKS = "benchmarks.baselines.task_per_message"
_PATIENCE_SECONDS = 600.0
# If nothing was accepted for this time, a way to send has sent all that it will send.
_QUIET_SECONDS = 5.0
_LOOK_SECONDS = 0.05


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
        kill_loop(world, report)
        kill_tasks(world, report)
    kill_revoada(report)
    for figures in report.rows.values():
        if "worker_cpu" not in figures:
            continue
        figures["cpu_times_revoada"] = sum_cpu(figures) / sum_cpu(one)
    times_libcurl = one["worker_cpu"] / report.rows["floor: bare libcurl"]["worker_cpu"]
    report.note(f"Worker CPU per message, one worker, divided by that of bare libcurl: {times_libcurl:.2f}.")
    report.note("times slower: the rate of Revoada with one worker, divided by the rate of the row.")
    report.note("CPU times revoada: CPU time per message (worker and Postgres), divided by that of Revoada.")
    report.note("nothing prepared: REVOADA_DATABASE_POOLER=transaction, which prepares no statement, without a pooler.")
    report.note("claimed peak: the maximum of messages that are in flight or wait for a connection.")
    report.note(f"The usual ways sent {CAMPAIGNS * BASELINE_RECIPIENTS:,} messages; their rates are of those.")
    rate, cpu = one["messages_per_second"], sum_cpu(one)
    libcurl, floor = report.rows["floor: bare libcurl"], report.rows["floor: libcurl and Postgres"]
    ratio = rate / libcurl["messages_per_second"]
    report.goal_ratio("one worker: at least 0.6 times the rate of bare libcurl", ratio, least=0.6)
    report.goal_ratio(
        "one worker: at most 1.4 times the CPU of libcurl and Postgres alone", cpu / sum_cpu(floor), most=1.4
    )
    report.goal_ratio("one worker: at most 1.2 times the CPU of bare libcurl (worker)", times_libcurl, most=1.2)
    report.goal_ratio("one worker: at most a tenth of the CPU of the plain loop", cpu / sum_cpu(loop), most=0.1)
    report.goal_ratio("0 ms: not slower than with latency", no_latency["messages_per_second"] / rate, least=1.0)
    report.goal_ratio("two workers are faster than one", two["messages_per_second"] / rate, least=1.0)
    return report.finish()


def sum_cpu(figures: Mapping[str, Any]) -> float:
    return float(figures["worker_cpu"] + figures.get("postgres_cpu", 0.0))


def measure_revoada(
    report: Report,
    what: str,
    *,
    latency_ms: int,
    workers: int = 1,
    settings: Mapping[str, str] | None = None,
    is_tls: bool = False,
) -> dict[str, Any]:
    """Send all campaigns at the same time; the rate is from the first start to the last completion."""
    with World({"latency_ms": latency_ms}, settings, is_tls=is_tls) as world:
        ids = add_campaigns(world)
        names = [f"worker{number}" for number in range(1, workers + 1)]
        world.start_roles(*names)
        with world.measure() as usage:
            world.start_campaigns(ids)
            claimed: list[int] = []
            rows = world.await_completed(ids, watch=lambda rows: claimed.append(count_claimed(rows)))
        # A claimed message may wait for a connection, so the number of connections limits the requests in flight.
        connections = sum(count_connections(world.pids()[name], world.api_url) for name in names)
        stats = world.call_simulator("stats")
        statements = world.list_statements(MESSAGES)
    seconds = measure_elapsed(rows)
    figures = {
        "messages": MESSAGES,
        "messages_per_second": MESSAGES / seconds,
        **usage.cpu_ms_per_1000(MESSAGES),
        "worker_peak_mb": usage.peak_of("worker"),
        "claimed_peak": max(claimed),
        "in_flight": min(round(fmean(filter(None, claimed))), connections),
    }
    if not report.rows:
        for line in statements:
            report.note(f"{what}: {line}")
    report.add(what, figures)
    report.check(f"{what}: all accepted", stats["accepted"] == MESSAGES)
    report.check(f"{what}: nobody twice", stats["max_accepted_per_recipient"] == 1)
    return figures


def add_campaigns(world: World, recipients: int = RECIPIENTS) -> list[int]:
    accounts = world.add_accounts(ACCOUNTS)
    return [
        world.add_campaign(accounts, people=range(number * recipients, (number + 1) * recipients))
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
    seconds, cpu, usage = run_program(world, "sockets", api, ACCOUNTS, MESSAGES, in_flight)
    report.add("floor: bare sockets", messages=MESSAGES, messages_per_second=MESSAGES / seconds,
               worker_cpu=1e6 * cpu / MESSAGES, simulator_cpu=usage.cpu_ms_per_1000(MESSAGES)["simulator_cpu"],
               in_flight=in_flight)  # fmt: skip
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
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=world.stack.environment
        )
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
    app = start_tasks(world, pool, concurrency)
    with world.measure() as usage:
        enqueue_campaigns(app)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while world.ask("SELECT FROM plain_messages WHERE status = 'pending' LIMIT 1") and time.monotonic() < deadline:
            world.stack.check_alive()
            time.sleep(0.1)
    world.stop_roles("worker")
    report.add(what, messages=messages, messages_per_second=messages / usage.seconds, **usage.cpu_ms_per_1000(messages),
               times_slower=revoada["messages_per_second"] * usage.seconds / messages)  # fmt: skip
    check_plain(world, report, what, messages)


def start_tasks(world: World, pool: str, concurrency: int) -> Celery:
    """Start a worker for one task per message; return the app that enqueues the campaigns."""
    world.stack.environment |= {
        "BASELINE_BROKER": world.valkey.url.removesuffix("0") + "1",
        "BASELINE_DATABASE": world.database_url,
        "BASELINE_API": f"{world.simulator_url}/v24.0",
    }
    options = ("-P", pool, "-c", str(concurrency), "--without-gossip", "--without-mingle")
    app = Celery(broker=world.stack.environment["BASELINE_BROKER"])
    world.start_process("worker", [sys.executable, "-m", "celery", "-A", _TASKS, "worker", *options])
    wait_until(lambda: bool(app.control.ping(timeout=1)), _PATIENCE_SECONDS)
    return app


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


# the ways when they are killed


def kill_loop(world: World, report: Report) -> None:
    """Kill the loop, and run it again."""
    people = fill_table(world)
    words = (world.database_url, f"{world.simulator_url}/v24.0", str(CAMPAIGNS))
    command = [sys.executable, "-m", "benchmarks.baselines.loop", *words]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=PROJECT)
    await_half(world, people)
    running.kill()
    running.wait()
    run_program(world, "loop", *words)
    add_people(world, report, "killed: plain loop, started again", people)


def kill_tasks(world: World, report: Report) -> None:
    """Kill the worker, and start it again; then enqueue the messages that are still pending, as a person would do.

    The tasks that the dead worker had fetched come back after an hour, which is Celery's visibility timeout for Redis.
    The benchmark does not wait for them.
    """
    people = fill_table(world)
    app = start_tasks(world, "prefork", BASELINE_PROCESSES)
    enqueue_campaigns(app)
    await_half(world, people)
    world.kill_role("worker")
    start_tasks(world, "prefork", BASELINE_PROCESSES)
    await_quiet(world)
    what = f"killed: one task per message, {BASELINE_PROCESSES} processes, started again"
    add_people(world, report, what, people)
    enqueue_campaigns(app)
    await_quiet(world)
    world.stop_roles("worker")
    add_people(world, report, "the same, what was pending enqueued again", people)


def kill_revoada(report: Report) -> None:
    """Kill the only worker, and start it again; then send what is still uncertain again, as an operator would do."""
    people = CAMPAIGNS * KILLED_RECIPIENTS
    after = [100, 1000]
    webhooks = {
        "app_secret": APP_SECRET, "batch_size": 50, "batch_ms": 200,
        "sent_after_ms": after, "delivered_after_ms": after, "read_after_ms": after,
    }  # fmt: skip
    with World({"latency_ms": LATENCY_MS, "webhooks": webhooks}) as world:
        ids = add_campaigns(world, KILLED_RECIPIENTS)
        world.start_roles("webhooks", "events", "beat", "worker")
        url = f"{world.stack.webhooks_url}/webhooks/whatsapp"
        world.call_simulator("script", {"webhooks": {"callback_url": url}})
        world.start_campaigns(ids)
        await_half(world, people)
        world.kill_role("worker")
        world.start_roles("worker")
        world.await_completed(ids)
        # The webhooks settle the messages whose requests had arrived.
        none, _ = count_people(world, people)
        wait_until(lambda: count_uncertain(world) == none, _PATIENCE_SECONDS)
        figures = add_people(world, report, "killed: Revoada, started again", people, uncertain=count_uncertain(world))
        report.check(
            "Revoada, killed: all who got nothing are shown as uncertain", figures["uncertain"] == figures["got_none"]
        )
        for campaign_id in ids:
            world.run_command("campaign", "retry-uncertain", str(campaign_id), "--yes")
        world.await_completed(ids)
        what = "the same, what was uncertain sent again"
        figures = add_people(world, report, what, people, uncertain=count_uncertain(world))
    report.check("Revoada, killed: everybody got one", figures["got_none"] == figures["got_two"] == 0)


def enqueue_campaigns(app: Celery) -> None:
    for campaign_id in range(CAMPAIGNS):
        app.send_task(f"{_TASKS}.send_campaign", [campaign_id])


def await_half(world: World, people: int) -> None:
    while world.call_simulator("stats")["accepted"] < people // 2:
        world.stack.check_alive()
        time.sleep(_LOOK_SECONDS)


def await_quiet(world: World) -> None:
    """Wait until nothing was accepted for a while."""
    count, changed_at = -1, time.monotonic()
    while time.monotonic() - changed_at < _QUIET_SECONDS:
        accepted = world.call_simulator("stats")["accepted"]
        if accepted != count:
            count, changed_at = accepted, time.monotonic()
        time.sleep(_LOOK_SECONDS)


def count_people(world: World, people: int) -> tuple[int, int]:
    """Return how many people got nothing, and how many got more than one message, by the simulator's record."""
    counts = world.call_simulator("recipients")["recipients"].values()
    return people - len(counts), sum(count > 1 for count in counts)


def add_people(world: World, report: Report, what: str, people: int, **more: int) -> dict[str, int]:
    none, two = count_people(world, people)
    figures = {"people": people, "got_none": none, "got_two": two, **more}
    report.add(what, figures)
    return figures


def count_uncertain(world: World) -> int:
    return int(world.ask("SELECT count(*) FROM messages WHERE status = 'uncertain'")[0][0])


if __name__ == "__main__":
    sys.exit(main())
