"""`python -m benchmarks.wsgi` compares production WSGI servers with the same app and the same Postgres.

Revoada does not depend on the servers that it does not use: run `pip install waitress granian` first. A server that is
not installed is left out. Sizes come from the environment: POSTS (per turn), ROUNDS, RATE (posts/s for the latencies).
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import socket
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.frame import APP_SECRET, cpu_seconds, memory_mb, read_size
from benchmarks.posting import PostResult, make_request, make_single, post_all
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from devstack.ports import LOOPBACK, free_port
from devstack.roles import Role, read_procfile
from devstack.stack import Stack, await_http

POSTS = read_size("POSTS", 10_000)
ROUNDS = read_size("ROUNDS", 3)
RATE = read_size("RATE", 1_000)
SLOW_CLIENTS = 600  # more than the servers have threads; half of them send a part of a body

# Each server has enough threads for the requests that wait for a group commit.
_WAITRESS = (
    "import waitress, webhooks; waitress.serve(webhooks.create_app(), host='127.0.0.1', port=int('$PORT'), threads=64,"
    " connection_limit=1000, channel_timeout=20, max_request_body_size=4_000_000)"
)
_GTHREAD = "exec gunicorn 'webhooks:create_app()' -b $HOST:$PORT -k gthread --threads 64 --no-control-socket"
_GRANIAN = (
    "exec granian --interface wsgi --host $HOST --port $PORT --factory --blocking-threads 64 --backpressure 1000"
    " --no-ws webhooks:create_app"
)
COMMANDS = {
    "procfile": ("gunicorn", read_procfile()["webhooks"]),
    "gthread": ("gunicorn", _GTHREAD),
    "waitress": ("waitress", f'exec python -c "{_WAITRESS}"'),
    "granian": ("granian", _GRANIAN),
}


@dataclass
class Turn:
    per_second: float
    server_cpu_ms: float  # per 1,000 posts
    postgres_cpu_ms: float
    p50_ms: float
    p99_ms: float
    memory_mb: float
    refused: int


def main() -> int:
    names = sys.argv[1:] or [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]
    folder = Path(tempfile.mkdtemp(prefix="revoada-wsgi-"))
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    others: dict[str, dict[str, Any]] = {}
    try:
        with Stack(folder, os.environ) as stack, multiprocessing.get_context("spawn").Pool(1) as poster:
            postgres, valkey = stack.start_postgres(), stack.start_valkey()
            url = postgres.create_database("revoada")
            migrate(url)
            stack.environment |= {
                "DATABASE_URL": url, "REDIS_URL": valkey.url, "HOST": LOOPBACK,
                "META_APP_SECRET": APP_SECRET, "META_VERIFY_TOKEN": "bench",
            }  # fmt: skip
            database = Database(url, max_connections=1)
            database.open()
            servers, urls = {}, {}
            for name in names:  # all servers run at the same time, because an idle one takes no CPU
                stack.environment["PORT"] = str(free_port())
                servers[name], urls[name] = (
                    stack.start_process(name, ["/bin/sh", "-c", COMMANDS[name][1]]),
                    stack.webhooks_url,
                )
                await_http(f"{urls[name]}/healthz", stack)
            for number in range(ROUNDS):
                for name in names[number % len(names) :] + names[: number % len(names)]:
                    turns[name].append(measure(urls[name], servers[name].pid, postgres.pid, poster))
                    print(f"  {name:10} {turns[name][-1]}", flush=True)
                    database.run(lambda connection: connection.execute("TRUNCATE webhook_events"))
            for name in names:
                others[name] = try_slow_clients(urls[name]) | try_stop(urls[name], servers[name])
                stack.roles.remove(servers[name])
                servers[name].stop()
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{POSTS:,} posts a turn, {ROUNDS} rounds, load now {os.getloadavg()[0]:.1f}")
    for name in names:
        columns = vars(turns[name][0])
        middle = {key: round(statistics.median(getattr(turn, key) for turn in turns[name]), 1) for key in columns}
        print(f"{name:10} {json.dumps(middle | others[name])}")
    return 0


def measure(url: str, server_pid: int, postgres_pid: int, poster: Any) -> Turn:
    """Measure posts as fast as possible, and then posts at a fixed rate."""
    requests = make_requests(POSTS)
    poster.apply(post_all, (url, requests[:500]))  # warm
    before = cpu_seconds(server_pid), cpu_seconds(postgres_pid)
    fast: PostResult = poster.apply(post_all, (url, requests))
    after = cpu_seconds(server_pid), cpu_seconds(postgres_pid)
    cpu = [1e6 * (later - earlier) / POSTS for earlier, later in zip(before, after, strict=True)]
    even: PostResult = poster.apply(post_all, (url, requests[: POSTS // 2]), {"per_second": RATE})
    return Turn(
        round(fast.per_second, 1), round(cpu[0], 1), round(cpu[1], 1),
        even.percentile_ms(0.5), even.percentile_ms(0.99),
        round(memory_mb(server_pid), 1), fast.refused + even.refused,
    )  # fmt: skip


def make_requests(count: int) -> list[bytes]:
    return [make_request(make_single(number), APP_SECRET) for number in range(count)]


def try_slow_clients(url: str) -> dict[str, Any]:
    """Measure how long a complete post takes while many clients have sent only a part of their posts."""
    host, _, port = url.removeprefix("http://").partition(":")
    head = b"POST /webhooks/whatsapp HTTP/1.1\r\nHost: x\r\n"
    body = head + b"Content-Length: 3000000\r\n\r\n{"
    parts = [b"", body, head[:12], body]
    slow = []
    for number in range(SLOW_CLIENTS):
        with suppress(OSError):
            slow.append(socket.create_connection((host, int(port)), timeout=5))
            slow[-1].sendall(parts[number % len(parts)])
    began = time.monotonic()
    try:
        with socket.create_connection((host, int(port)), timeout=30) as good:
            good.settimeout(10)
            good.sendall(make_requests(1)[0])
            status = int(good.recv(4096)[9:12])
        return {"slow_status": status, "slow_seconds": round(time.monotonic() - began, 2)}
    except (OSError, ValueError) as error:
        return {"slow_status": type(error).__name__, "slow_seconds": round(time.monotonic() - began, 2)}
    finally:
        for each in slow:
            each.close()


def try_stop(url: str, server: Role) -> dict[str, Any]:
    """Send SIGTERM while a request is half sent; measure how the request is answered and how long the server takes."""
    host, _, port = url.removeprefix("http://").partition(":")
    request = make_requests(1)[0]
    with socket.create_connection((host, int(port)), timeout=30) as half:
        half.sendall(request[:-10])
        time.sleep(0.3)
        process = psutil.Process(server.pid)
        family = _family(server.pid)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        try:
            half.sendall(request[-10:])
            answer = half.recv(4096)[9:12].decode() or "closed"
        except OSError as error:
            answer = type(error).__name__
    _, alive = psutil.wait_procs(family, timeout=40)
    return {"stop_answer": answer, "stop_seconds": round(time.monotonic() - began, 1) if not alive else None}


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


if __name__ == "__main__":
    sys.exit(main())
