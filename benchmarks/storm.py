"""Storm: how much a burst of webhooks slows down a campaign that sends at a fixed rate.

The campaign sends before, during and after the storm. Each body of the storm has one status of a message of the
campaign. The bodies come in random order; some come twice, and some cannot be parsed ("poison"). STORM_RATE (1,000
messages/s), STORM_EVENTS (10,000), STORM_SECONDS (10), CALM_SECONDS (10, before and after), LATENCY_MS (150).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import multiprocessing
import random
import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.frame import APP_SECRET, World, percentile, read_size
from benchmarks.report import Report
from devstack.server import wait_until

RATE = read_size("STORM_RATE", 1_000)
EVENTS = read_size("STORM_EVENTS", 10_000)
STORM_SECONDS = read_size("STORM_SECONDS", 10)
CALM_SECONDS = read_size("CALM_SECONDS", 10)
LATENCY_MS = read_size("LATENCY_MS", 150)

ACCOUNTS = 10
CONNECTIONS = 48  # Meta posts on many connections at the same time
POISON_SHARE, DUPLICATE_SHARE = 0.01, 0.1
_LATE = b'{"entry": [{"id": "1", "time": 1%s, "changes": [{"field": "account_update", "value": {"event": "X"}}]}]}'
POISON = (b"<html>", b'{"entry": 7}', b"[" * 10_000, _LATE % (b"0" * 400))
_WARM_UP_SECONDS = 4.0
_APPLY_SECONDS = 120.0
_ANSWER = re.compile(rb"HTTP/1.1 (?P<status>\d+).*?Content-Length: (?P<length>\d+).*?\r\n\r\n", re.DOTALL)


@dataclass(frozen=True)
class StormResult:
    """The answers to the storm: seconds until the last answer, latencies, and the number of answers other than 200."""

    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int


def main() -> int:
    report = Report(
        "storm", f"{EVENTS:,} webhook events in {STORM_SECONDS} s while a campaign sends {RATE:,} messages/s",
        rate=RATE, events=EVENTS, storm_seconds=STORM_SECONDS, calm_seconds=CALM_SECONDS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    with World({"latency_ms": LATENCY_MS}) as world:
        measure_storm(world, report)
    return report.finish()


def measure_storm(world: World, report: Report) -> None:
    accounts = world.add_accounts(ACCOUNTS, rate=RATE // ACCOUNTS)
    seconds = _WARM_UP_SECONDS + 2 * CALM_SECONDS + STORM_SECONDS
    campaign_id = world.add_campaign(accounts, people=range(round(RATE * seconds * 1.5)))
    world.start_roles("worker", "events", "webhooks")

    def phase(what: str, wait: Callable[[], Any]) -> float:
        sent = world.call_simulator("stats")["accepted"]
        with world.measure() as usage:
            wait()
        rate = (world.call_simulator("stats")["accepted"] - sent) / usage.seconds
        share = {f"{name} %": 100 * taken / usage.seconds for name, taken in usage.cpu_seconds.items()}
        report.add(what, messages_per_second=rate, **share)
        return float(rate)

    world.start_campaigns([campaign_id])
    time.sleep(_WARM_UP_SECONDS)
    before = phase("before", lambda: time.sleep(CALM_SECONDS))
    bodies, message_ids = make_bodies(world, campaign_id, EVENTS)
    with multiprocessing.get_context("spawn").Pool(1) as poster:
        poster.apply(_now)  # waits until the process has started
        posting = poster.apply_async(post_all, (world.stack.webhooks_url, bodies, STORM_SECONDS))
        storm = phase("storm", posting.wait)
        posted = posting.get()
    ended = _now()
    wait_until(lambda: _count(world, "webhook_events WHERE status = 'stored'") == 0, _APPLY_SECONDS)
    applied_after = _now() - ended
    after = phase("after", lambda: time.sleep(CALM_SECONDS))
    world.stack.check_alive()

    report.note("% is CPU time of one core.")
    report.note(f"Lost to the storm: {100 * (1 - storm / ((before + after) / 2)):.1f} % of the messages.")
    report.add("storm", answer_p50_ms=posted.p50_ms, answer_p99_ms=posted.p99_ms, refused=posted.refused)
    report.add("storm", answered_after_seconds=posted.seconds, applied_after_seconds=posted.seconds + applied_after)
    unread = "messages WHERE id = ANY (%s) AND NOT (status = 'read' AND delivered_at IS NOT NULL)"
    report.check("all were applied", _count(world, unread, message_ids) == 0)
    aside, poison = _count(world, "webhook_events WHERE status = 'set_aside'"), sum(map(is_poison, bodies))
    report.check(f"only poison was set aside ({aside} of {poison})", aside == poison)
    report.check("nobody twice", world.call_simulator("stats")["max_accepted_per_recipient"] == 1)


def make_bodies(world: World, campaign_id: int, count: int) -> tuple[list[bytes], list[int]]:
    """Return the bodies of the storm and the ids of the messages that they report on.

    The bodies report sent messages as delivered and read; some are copies, and some are poison.
    """
    poison_count, copy_count = round(count * POISON_SHARE), round(count * DUPLICATE_SHARE)
    message_count = (count - poison_count - copy_count) // 2
    rows = world.ask(
        "SELECT m.id, m.wamid, a.phone_number_id, i.id FROM messages m JOIN accounts a ON a.id = m.account_id,"
        " installation i WHERE m.campaign_id = %s AND m.status = 'sent' ORDER BY m.id LIMIT %s",
        campaign_id,
        message_count,
    )
    random_ = random.Random(8)
    statuses = [make_body(*row, word) for row in rows for word in ("delivered", "read")]
    bodies = [*statuses, *random_.sample(statuses, copy_count), *(POISON * poison_count)[:poison_count]]
    random_.shuffle(bodies)
    return bodies, [row[0] for row in rows]


def make_body(message_id: int, wamid: str, phone_number_id: str, installation: str, word: str) -> bytes:
    status = {
        "id": wamid, "status": word, "timestamp": str(int(time.time())), "recipient_id": "5511900000000",
        "biz_opaque_callback_data": f"r1.{installation}.{message_id}.1",
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing"},
    }  # fmt: skip
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": phone_number_id}, "statuses": [status]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def is_poison(body: bytes) -> bool:
    return body in POISON


def post_all(url: str, bodies: Sequence[bytes], seconds: float) -> StormResult:
    """Post bodies evenly over `seconds`. Like Meta, repeat each until it is answered with 200."""
    host, _, port = url.removeprefix("http://").partition(":")
    # The requests are made before the storm, so that posting takes little CPU of the machine that is measured.
    requests = [make_request(body) for body in bodies]
    began = _now()
    latencies: list[float] = []
    answers: Counter[int] = Counter()

    def post_some(first: int) -> None:
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            for index in range(first, len(requests), CONNECTIONS):
                time.sleep(max(0.0, began + seconds * index / len(requests) - _now()))
                status = 0
                while status != 200:
                    asked = _now()
                    connection.sendall(requests[index])
                    status = read_status(connection)
                    latencies.append(_now() - asked)
                    answers[status] += 1

    threads = [threading.Thread(target=post_some, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    p50, p99 = (1000 * percentile(latencies, share) for share in (0.5, 0.99))
    return StormResult(_now() - began, p50, p99, answers.total() - answers[200])


def make_request(body: bytes) -> bytes:
    signature = hmac.digest(APP_SECRET.encode(), body, hashlib.sha256).hex()
    lines = ("POST /webhooks/whatsapp HTTP/1.1", "Host: storm", f"X-Hub-Signature-256: sha256={signature}",
             "Content-Type: application/json", f"Content-Length: {len(body)}", "", "")  # fmt: skip
    return "\r\n".join(lines).encode() + body


def read_status(connection: socket.socket) -> int:
    """Read one answer, which is short and has a Content-Length; return its status."""
    answer = b""
    while not (match := _ANSWER.match(answer)) or len(answer) < match.end() + int(match["length"]):
        received = connection.recv(4096)
        if not received:
            raise ConnectionError("the receiver closed the connection")
        answer += received
    return int(match["status"])


def _count(world: World, what: str, *parameters: Any) -> int:
    return int(world.ask(f"SELECT count(*) FROM {what}", *parameters)[0][0])


def _now() -> float:
    return time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
