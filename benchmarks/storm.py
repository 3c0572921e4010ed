"""`python -m benchmarks.storm`: what a storm of webhooks costs a campaign that sends at a fixed rate.

One campaign sends all the time: some seconds of calm, the storm (statuses of its own messages, each a body of its own:
in any order, some twice, some poison), calm again. Sizes come from the environment: RATE (messages/s), EVENTS,
STORM_SECONDS, CALM_SECONDS, LATENCY_MS.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import multiprocessing
import os
import random
import re
import shutil
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.__main__ import RESULTS, cpu_seconds, people
from campaigns.directory import add_account, add_template
from campaigns.lifecycle import rung_ids, start_campaigns
from campaigns.planning import Wishes, create_campaign
from campaigns.store.database import Database
from campaigns.store.migrate import migrate
from campaigns.tokens import make_key
from devstack.ports import LOOPBACK, free_port
from devstack.server import wait_until
from devstack.stack import Stack, await_http

SECRET = "storm-app-secret"
ACCOUNTS = 10
CONNECTIONS = 48  # Meta posts by many at once
POISON_SHARE, DUPLICATE_SHARE = 0.01, 0.1
_LATE = b'{"entry": [{"id": "1", "time": 1%s, "changes": [{"field": "account_update", "value": {"event": "X"}}]}]}'
POISON = (b"<html>", b'{"entry": 7}', b"[" * 10_000, _LATE % (b"0" * 400))
_WARM_UP_SECONDS = 4.0
_ANSWER = re.compile(rb"HTTP/1.1 (?P<status>\d+).*?Content-Length: (?P<length>\d+).*?\r\n\r\n", re.DOTALL)


@dataclass(frozen=True)
class Size:
    rate: int = int(os.environ.get("RATE", "1000"))
    events: int = int(os.environ.get("EVENTS", "10000"))
    storm_seconds: float = float(os.environ.get("STORM_SECONDS", "10"))
    calm_seconds: float = float(os.environ.get("CALM_SECONDS", "10"))
    latency_ms: int = int(os.environ.get("LATENCY_MS", "150"))


@dataclass(frozen=True)
class Phase:
    """What the campaign did meanwhile, and the CPU that each process took (of one core)."""

    messages_per_second: float
    cpu: dict[str, float]


@dataclass(frozen=True)
class Posted:
    """How the storm was taken: seconds until the last answer, its slowest answers, answers other than 200."""

    seconds: float
    p99_ms: float
    refused: int


@dataclass(frozen=True)
class Result:
    before: Phase
    storm: Phase
    after: Phase
    lost_percent: float
    posted: Posted
    applied_after_seconds: float
    events: int
    not_applied: int
    set_aside: int
    poison: int
    most_per_recipient: int

    @property
    def is_good(self) -> bool:
        """Whether all events were applied, and nobody got two; a rate is for a person to judge."""
        return not self.not_applied and self.set_aside == self.poison and self.most_per_recipient == 1


def main() -> int:
    size = Size()
    folder = Path(tempfile.mkdtemp(prefix="revoada-storm-"))
    try:
        with Stack(folder, os.environ) as stack:
            result = measure_storm(stack, size)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"storm: {size.events:,} webhook events in {size.storm_seconds:g} s while a campaign sends {size.rate:,}/s, "
          f"{size.latency_ms} ms latency; load of the machine now {os.getloadavg()[0]:.1f}")  # fmt: skip
    for name, phase in (("before", result.before), ("storm", result.storm), ("after", result.after)):
        cpu = "  ".join(f"{role} {share:.0%}" for role, share in phase.cpu.items())
        print(f"  {name:8} {phase.messages_per_second:>8,.0f} messages/s   CPU: {cpu}")
    posted = result.posted
    print(f"  lost to the storm {result.lost_percent:.1f} %; the last event was answered after {posted.seconds:.1f} s "
          f"(p99 {posted.p99_ms:.0f} ms, {posted.refused} refused)")  # fmt: skip
    print(f"  all were applied {result.applied_after_seconds:.1f} s after the last answer")
    print(f"  not applied {result.not_applied}, set aside {result.set_aside} of {result.poison} poison, "
          f"most per recipient {result.most_per_recipient}")  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "storm.json").write_text(json.dumps({"size": asdict(size), "result": asdict(result)}, indent=2))
    return 0 if result.is_good else 1


def measure_storm(stack: Stack, size: Size) -> Result:
    simulator_url = f"http://{LOOPBACK}:{free_port()}"
    postgres, valkey = stack.start_postgres(), stack.start_valkey()
    url = postgres.create_database("revoada")
    migrate(url)
    stack.environment |= {
        "DATABASE_URL": url, "REDIS_URL": valkey.url, "GRAPH_API_URL": f"{simulator_url}/v24.0",
        "REVOADA_SECRET_KEY": make_key(), "META_APP_SECRET": SECRET, "META_VERIFY_TOKEN": "storm",
        "HOST": LOOPBACK, "PORT": str(free_port()),
    }  # fmt: skip
    command = [sys.executable, "-m", "simulator", "--port", simulator_url.rpartition(":")[2], "--no-limits"]
    simulator = stack.start_process("simulator", [*command, "--latency-ms", str(size.latency_ms)])
    await_http(f"{simulator_url}/_simulator/stats", stack)
    database = Database(url, max_connections=2, statement_seconds=600)
    database.open()
    seconds = _WARM_UP_SECONDS + 2 * size.calm_seconds + size.storm_seconds
    campaign_id = prepare(database, stack, size, count=round(size.rate * seconds * 1.5))
    roles = {name: stack.start_role(name) for name in ("worker", "events", "webhooks")}
    wait_until(lambda: all(b" ready." in roles[name].log_path.read_bytes() for name in ("worker", "events")), 30)
    await_http(f"{stack.webhooks_url}/readyz", stack)
    pids = {name: role.pid for name, role in roles.items()} | {"postgres": postgres.pid, "simulator": simulator.pid}
    os.environ.update(stack.environment)
    from campaigns.tasks import ring_campaigns  # noqa: PLC0415  reads its environment when imported

    def measure(wait: Callable[[], Any]) -> Phase:
        sent, cpu, began = read_stats(simulator_url)["accepted"], {n: cpu_seconds([p]) for n, p in pids.items()}, _now()
        wait()
        took = _now() - began
        rate = (read_stats(simulator_url)["accepted"] - sent) / took
        return Phase(round(rate, 1), {n: round((cpu_seconds([p]) - cpu[n]) / took, 3) for n, p in pids.items()})

    ring_campaigns(rung_ids(start_campaigns(database, [campaign_id])))
    time.sleep(_WARM_UP_SECONDS)
    before = measure(lambda: time.sleep(size.calm_seconds))
    bodies, message_ids = make_bodies(database, campaign_id, size.events)
    with multiprocessing.get_context("spawn").Pool(1) as poster:
        poster.apply(_now)  # it has started
        posting = poster.apply_async(post_all, (stack.webhooks_url, bodies, size.storm_seconds))
        storm = measure(posting.wait)
        posted = posting.get()
    ended = _now()
    wait_until(lambda: _ask(database, "SELECT count(*) FROM webhook_events WHERE status = 'stored'") == 0, 120)
    applied_after = _now() - ended
    after = measure(lambda: time.sleep(size.calm_seconds))
    stack.check_alive()
    calm = (before.messages_per_second + after.messages_per_second) / 2
    unread = "SELECT count(*) FROM messages WHERE id = ANY (%s) AND NOT (status = 'read' AND delivered_at IS NOT NULL)"
    result = Result(
        before, storm, after, round(100 * (1 - storm.messages_per_second / calm), 2), posted, round(applied_after, 2),
        len(bodies), _ask(database, unread, message_ids),
        _ask(database, "SELECT count(*) FROM webhook_events WHERE status = 'set_aside'"), sum(map(is_poison, bodies)),
        read_stats(simulator_url)["max_accepted_per_recipient"],
    )  # fmt: skip
    database.close()
    return result


def prepare(database: Database, stack: Stack, size: Size, *, count: int) -> int:
    """Make accounts whose rates add up to that of the campaign, and the campaign; return its id."""
    names = [f"account-{number}" for number in range(ACCOUNTS)]
    for number, name in enumerate(names):
        add_account(
            database, name, phone_number_id=str(10_000 + number), waba_id="1", token="t",
            messages_per_second=size.rate // ACCOUNTS, secret_key=stack.environment["REVOADA_SECRET_KEY"],
        )  # fmt: skip
    add_template(database, "storm", language="pt_BR", body="Oi {{1}}, hoje {{2}} de desconto.")
    path = stack.folder / "people.csv"
    path.write_text("phone,nome,desconto\n" + "".join(people(0, count)))
    wishes = Wishes(name="storm", template="storm:pt_BR", accounts=names, recipients=path)
    return create_campaign(database, wishes, time_zone="UTC").id


def make_bodies(database: Database, campaign_id: int, count: int) -> tuple[list[bytes], list[int]]:
    """Return bodies (delivered and read of messages that were sent, copies, poison) and the messages that they name."""
    poison_count, copy_count = round(count * POISON_SHARE), round(count * DUPLICATE_SHARE)
    message_count = (count - poison_count - copy_count) // 2
    rows = database.run(
        lambda connection: connection.execute(
            "SELECT m.id, m.wamid, a.phone_number_id, i.id FROM messages m JOIN accounts a ON a.id = m.account_id,"
            " installation i WHERE m.campaign_id = %s AND m.status = 'sent' ORDER BY m.id LIMIT %s",
            (campaign_id, message_count),
        ).fetchall()
    )
    chance = random.Random(8)
    told = [make_body(*row, word) for row in rows for word in ("delivered", "read")]
    bodies = [*told, *chance.sample(told, copy_count), *(POISON * poison_count)[:poison_count]]
    chance.shuffle(bodies)
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


def post_all(url: str, bodies: Sequence[bytes], seconds: float) -> Posted:
    """Post bodies evenly over so many seconds, each until it is answered 200, as Meta does."""
    host, _, port = url.removeprefix("http://").partition(":")
    requests = [
        make_request(body) for body in bodies
    ]  # whoever posts must cost little: on one machine it takes CPU away
    began = _now()
    took: list[float] = []
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
                    took.append(_now() - asked)
                    answers[status] += 1

    threads = [threading.Thread(target=post_some, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slowest = sorted(took)[int(len(took) * 0.99)]
    return Posted(round(_now() - began, 2), round(slowest * 1000, 1), answers.total() - answers[200])


def make_request(body: bytes) -> bytes:
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    lines = ("POST /webhooks/whatsapp HTTP/1.1", "Host: storm", f"X-Hub-Signature-256: sha256={signature}",
             "Content-Type: application/json", f"Content-Length: {len(body)}", "", "")  # fmt: skip
    return "\r\n".join(lines).encode() + body


def read_status(connection: socket.socket) -> int:
    """Read one answer, which has a length and is short; return its status."""
    answer = b""
    while not (match := _ANSWER.match(answer)) or len(answer) < match.end() + int(match["length"]):
        received = connection.recv(4096)
        if not received:
            raise ConnectionError("the receiver closed the connection")
        answer += received
    return int(match["status"])


def read_stats(simulator_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{simulator_url}/_simulator/stats") as response:
        stats: dict[str, Any] = json.load(response)
    return stats


def _ask(database: Database, statement: str, *parameters: Any) -> Any:
    return database.run(lambda connection: connection.execute(statement, parameters).fetchall())[0][0]


def _now() -> float:
    return time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
