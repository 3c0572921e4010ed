"""`make bench`: how fast this machine sends, with everything on it: Postgres, Valkey, the simulator, the roles.

Sizes come from the environment: CAMPAIGNS, RECIPIENTS (each), ACCOUNTS, LATENCY_MS, WORKERS.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from campaigns.directory import add_account, add_template
from campaigns.lifecycle import rung_ids, start_campaigns
from campaigns.planning import Wishes, create_campaign
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from campaigns.tokens import make_key
from devstack.ports import free_port
from devstack.server import wait_until
from devstack.stack import Stack, await_http

RESULTS = Path(__file__).parent / "results"
# Limits out of the way: what is measured is the path, not Meta's throttle.
RATE = 1_000_000


@dataclass(frozen=True)
class Size:
    campaigns: int = int(os.environ.get("CAMPAIGNS", "10"))
    recipients: int = int(os.environ.get("RECIPIENTS", "10000"))
    accounts: int = int(os.environ.get("ACCOUNTS", "10"))
    latency_ms: int = int(os.environ.get("LATENCY_MS", "150"))
    workers: int = int(os.environ.get("WORKERS", "1"))


@dataclass(frozen=True)
class Result:
    messages: int
    seconds: float
    messages_per_second: float
    worker_cpu_ms_per_1000: float
    postgres_cpu_ms_per_1000: float
    valkey_cpu_ms_per_1000: float
    simulator_cpu_ms_per_1000: float
    worker_peak_mb: float
    accepted: int
    most_per_recipient: int


def main() -> int:
    size = Size()
    folder = Path(tempfile.mkdtemp(prefix="revoada-bench-"))
    try:
        with Stack(folder, os.environ) as stack:
            result = measure_sending(stack, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"sending: {size.campaigns} campaigns x {size.recipients:,} recipients, {size.latency_ms} ms latency, "
          f"{size.workers} worker process(es)")  # fmt: skip
    for name, value in asdict(result).items():
        print(f"  {name:26} {value:>12,.1f}" if isinstance(value, float) else f"  {name:26} {value:>12,}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "sending.json").write_text(json.dumps({"size": asdict(size), "result": asdict(result)}, indent=2))
    return 0 if result.accepted == result.messages and result.most_per_recipient == 1 else 1


def measure_sending(stack: Stack, size: Size) -> Result:
    """Send everything once; rate from the first start to the last completion, CPU of the processes meanwhile."""
    simulator_url = f"http://127.0.0.1:{free_port()}"
    postgres, valkey = stack.start_postgres(), stack.start_valkey()
    url = postgres.create_database("revoada")
    migrate(url)
    stack.environment |= {
        "DATABASE_URL": url,
        "REDIS_URL": valkey.url,
        "GRAPH_API_URL": f"{simulator_url}/v24.0",
        "REVOADA_SECRET_KEY": make_key(),
    }
    command = [sys.executable, "-m", "simulator", "--port", simulator_url.rpartition(":")[2], "--no-limits"]
    simulator = stack.start_process("simulator", [*command, "--latency-ms", str(size.latency_ms)])
    await_http(f"{simulator_url}/_simulator/stats", stack)
    database = Database(url, max_connections=2, statement_seconds=600)
    database.open()
    ids = prepare(database, stack, size)
    workers = [stack.start_role(f"worker{n}", "-n", f"w{n}@%h", role="worker") for n in range(size.workers)]
    wait_until(lambda: all(b"ready." in worker.log_path.read_bytes() for worker in workers), 30)
    os.environ.update(stack.environment)
    from campaigns.tasks import ring_campaigns  # noqa: PLC0415  reads its environment when imported

    measured = [[worker.pid for worker in workers], [postgres.pid], [valkey.pid], [simulator.pid]]
    before = [cpu_seconds(pids) for pids in measured]
    peak = 0.0
    ring_campaigns(rung_ids(start_campaigns(database, ids)))
    rows = database.run(list_campaigns, ids)
    while any(row.completed_at is None for row in rows):
        time.sleep(0.5)
        stack.check_alive()
        peak = max(peak, *(psutil.Process(worker.pid).memory_info().rss / 1e6 for worker in workers))
        rows = database.run(list_campaigns, ids)
    after = [cpu_seconds(pids) for pids in measured]
    database.close()
    with urllib.request.urlopen(f"{simulator_url}/_simulator/stats") as response:
        stats = json.load(response)
    seconds = elapsed(rows)
    messages = size.campaigns * size.recipients
    cpu = [round(1e6 * (end - start) / messages, 1) for start, end in zip(before, after, strict=True)]
    return Result(
        messages, round(seconds, 2), round(messages / seconds, 1), *cpu, round(peak, 1),
        stats["accepted"], stats["max_accepted_per_recipient"],
    )  # fmt: skip


def prepare(database: Database, stack: Stack, size: Size) -> list[int]:
    """Make accounts, a template and campaigns with their recipients; return the campaigns' ids."""
    accounts = [f"account-{number}" for number in range(size.accounts)]
    for number, name in enumerate(accounts):
        add_account(
            database, name, phone_number_id=str(10_000 + number), waba_id="1", token="t", messages_per_second=RATE,
            secret_key=stack.environment["REVOADA_SECRET_KEY"],
        )  # fmt: skip
    add_template(database, "bench", language="pt_BR", body="Oi {{1}}, hoje {{2}} de desconto.")
    ids = []
    for number in range(size.campaigns):
        recipients = stack.folder / f"{number}.csv"
        recipients.write_text("phone,nome,desconto\n" + "".join(people(number * size.recipients, size.recipients)))
        wishes = Wishes(name=f"bench {number}", template="bench:pt_BR", accounts=accounts, recipients=recipients)
        ids.append(create_campaign(database, wishes, time_zone="UTC").id)
    return ids


def people(first: int, count: int) -> Iterator[str]:
    return (f"+5511{910_000_000 + number},Ana,20%\n" for number in range(first, first + count))


def elapsed(rows: list[CampaignListing]) -> float:
    starts = [row.started_at for row in rows if row.started_at]
    ends = [row.completed_at for row in rows if row.completed_at]
    took: dt.timedelta = max(ends) - min(starts)
    return took.total_seconds()


def cpu_seconds(pids: list[int]) -> float:
    """CPU time of processes with their children, the ended ones included."""
    total = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        own = process.cpu_times()
        total += own.user + own.system + own.children_user + own.children_system
        total += sum(child.cpu_times().user + child.cpu_times().system for child in process.children(recursive=True))
    return total


if __name__ == "__main__":
    sys.exit(main())
