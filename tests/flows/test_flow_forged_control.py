"""Forged messages of remote control from a client of the broker: each ends no process and causes one log line."""

from __future__ import annotations

import base64
import json
import pickle
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from harness import PATIENCE_SECONDS, QUEUES, Flow, wait_for

from devstack.ports import free_port
from devstack.stack import await_http

SEED = 20_261_128
SHORT = {"visibility_timeout_seconds": 4, "tick_seconds": 1}
# Nested so deep that reading, writing or printing them raises RecursionError, for some only if the stack is deep.
DEPTHS = (20, 100, 300, 600, 900, 950, 1_000, 100_000)
REPLY_TO = {"exchange": "reply.celery.pidbox", "routing_key": "nobody"}
STRANGE: list[Any] = [
    *(None, True, -1, 0.5, 2**70, 10**400, float("nan"), "", "x" * 5_000, "\0", "\ud800", [], [[]], [None], {}),
    *({"a": {"b": []}}, ["x"], [1, [2]], {"__type__": "decimal", "__value__": "x"}, {"__type__": [], "__value__": 1}),
]


def nest(depth: int) -> str:
    return "[" * depth + "]" * depth


def wrap(content: Any, exchange: str, **changes: Any) -> bytes:
    """Return a message as kombu publishes it, with the given changes."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    message = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"clock": 1, "expires": 0},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": exchange, "routing_key": ""},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "forged",
        },
        **changes,
    }
    return json.dumps(message).encode()


def forge_envelopes(exchange: str, good: dict[str, Any]) -> list[bytes]:
    """Messages with faults outside of the body; `good` is an acceptable body."""
    properties = json.loads(wrap(good, exchange))["properties"]
    return [
        *(b"\xff\xfe garbage", b"7", b"null", b'"x"', b"[]", b"{}", b'{"__type__": [], "__value__": 1}', b"[1e400]"),
        *(nest(depth).encode() for depth in DEPTHS),
        *(wrap(good, exchange).replace(b'"clock": 1', b'"clock": ' + nest(depth).encode()) for depth in DEPTHS),
        *(wrap(nest(depth).encode(), exchange) for depth in DEPTHS),
        *(wrap(good, exchange, body=each) for each in (None, 7, {}, "!!!", "AAA", "x" * 5_000_000)),
        *(wrap(each, exchange) for each in (b"", b"\x80\x04.", b"<html>", b"\xff", b"null", b"[]", b"7", b'"x"')),
        *(wrap(good, exchange, headers=each) for each in (7, [1], "x", {"compression": "application/x-gzip"})),
        *(wrap(good, exchange, headers={"clock": each}) for each in ("x", [1], {}, 2**70, 10**400, -1, 0.5)),
        *(wrap(good, exchange, headers={"ticket": each}) for each in ([1], {}, 7)),
        *(wrap(good, exchange, headers={"expires": each}) for each in ("x", [1])),
        *(wrap(good, exchange, properties=each) for each in (None, 7, [1], {})),
        *(wrap(good, exchange, properties=properties | {"body_encoding": each}) for each in ("rot13", None, [1])),
        *(wrap(good, exchange, properties=properties | {"delivery_info": each}) for each in (None, [1], {})),
        *(wrap(good, exchange, properties=properties | {"delivery_tag": each}) for each in (None, [1], {})),
        *(
            wrap(pickle.dumps(good), exchange, **{"content-type": each})
            for each in ("application/x-python-serialize", "application/x-pickle", "application/x-yaml", ["x"], None)
        ),
        wrap(good, exchange, **{"content-encoding": "rot13"}),
    ]


def forge_commands() -> list[bytes]:
    plain = {"method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None}
    bodies: list[Any] = [
        {},
        *(
            plain | {"method": each}
            for each in (None, ["ping"], {"a": 1}, "nope", "__init__", "pool_restart", "objgraph")
        ),
        *(plain | {"arguments": each} for each in ("x", [1], 7, {"state": 1}, {"x": 1}, {"self": 1})),
        *(plain | {"destination": each} for each in ("worker", 7, {"a": 1}, [1], [["worker"]])),
        *(plain | {"pattern": each, "matcher": "glob"} for each in (7, ["*"], {})),
        *(plain | {"pattern": "*", "matcher": each} for each in ("nope", ["glob"], {})),
        # To match this expression against the name of a worker takes practically for ever.
        plain | {"pattern": "((([^!]+)+)+)+!", "matcher": "pcre"},
        *(plain | {"reply_to": each} for each in ("x", 7, [], {"exchange": "x"}, {"exchange": [1], "routing_key": {}})),
        *(plain | {"reply_to": {"exchange": each, "routing_key": "x"}} for each in ("celery.pidbox", "campaigns", "")),
        *(plain | {"ticket": each, "reply_to": REPLY_TO} for each in ([1], {"a": 1}, 7)),
        *(plain | {each: 1} for each in ("self", "message", "evil")),
        # Celery executes these later. An error there ends the worker, or changes its queues after the next reconnect.
        *(plain | {"method": "cancel_consumer", "arguments": {"queue": each}} for each in STRANGE),
        *(plain | {"method": "add_consumer", "arguments": {"queue": each}} for each in [*STRANGE, "celery.pidbox"]),
        plain | {"method": "add_consumer", "arguments": {"queue": "campaigns", "exchange_type": "nope"}},
        plain | {"method": "add_consumer", "arguments": {"queue": "campaigns", "exchange": "celery.pidbox"}},
        plain | {"method": "add_consumer", "arguments": {"queue": "x", "exchange": "e", "exchange_type": "topic"}},
    ]
    return forge_envelopes("celery.pidbox", plain) + [wrap(body, "celery.pidbox") for body in bodies]


def generate_commands(count: int) -> Iterator[bytes]:
    """Commands with arguments of every kind, except valid commands that would take effect."""
    choose = random.Random(SEED)
    methods = ("ping", "active", "conf", "registered", "query_task", "revoke", "terminate", "rate_limit", "time_limit")
    methods += ("pool_grow", "pool_shrink", "autoscale", "hello", "election", "memdump", "revoke_by_stamped_headers")
    names = ("ids", "task_id", "task_name", "rate_limit", "soft", "hard", "n", "max", "min", "safe", "terminate")
    names += ("signal", "from_node", "revoked", "id", "topic", "action", "samples", "headers", "taskinfoitems")
    for _ in range(count):
        body: dict[str, Any] = {
            "method": choose.choice(methods),
            "arguments": {choose.choice(names): choose.choice(STRANGE) for _ in range(choose.randrange(4))},
        }
        if choose.random() < 0.5:
            body |= {"reply_to": REPLY_TO, "ticket": "t"}
        if choose.random() < 0.3:
            body |= {choose.choice(("destination", "pattern", "matcher", "ticket")): choose.choice(STRANGE)}
        headers = {"clock": choose.choice(STRANGE)} if choose.random() < 0.2 else {}
        yield wrap(body, "celery.pidbox", headers=headers)


def forge_events() -> list[bytes]:
    plain = {"type": "worker-heartbeat", "hostname": "evil@x", "timestamp": 1.0, "clock": 1, "utcoffset": 0, "pid": 1}
    bodies: list[Any] = [
        {},
        [{}],
        *(plain | {each: None} for each in ("type", "hostname", "timestamp", "clock")),
        *(plain | {"type": each} for each in (7, [1], {})),
        *(plain | {"timestamp": each} for each in ("x", [1], 10**400)),
        *(plain | {"type": "task-received", "uuid": each} for each in (None, [1], {})),
        [plain, 7],
    ]
    return forge_envelopes("celeryev", plain) + [wrap(body, "celeryev") for body in bodies]


def forge_replies() -> list[bytes]:
    return forge_envelopes("reply.celery.pidbox", {"w": {"ok": "pong"}}) + [
        wrap(body, "reply.celery.pidbox") for body in ([], {}, "x", 7, [["w"]])
    ]


@contextmanager
def replies_forged(broker: redis.Redis) -> Iterator[None]:
    """Push forged replies to every process that waits for replies meanwhile."""
    stop = threading.Event()
    strange = [wrap({"w": each}, "reply.celery.pidbox") for each in STRANGE]

    def push() -> None:
        done: set[bytes] = set()
        while not stop.wait(0.02):
            for binding in set(broker.smembers("_kombu.binding.reply.celery.pidbox")) - done:  # type: ignore[arg-type]
                broker.lpush(binding.split(b"\x06\x16")[-1], *forge_replies(), *strange)
                done.add(binding)

    thread = threading.Thread(target=push)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_forged_remote_control_ends_nothing_and_is_told_of_once_in_each_process(flow: Flow) -> None:
    url = flow.stack.environment["REDIS_URL"]
    channel = f"/{url.rpartition('/')[2]}.celery.pidbox"
    flow.start("events", "worker", "beat", **SHORT)
    campaign = flow.add_campaign("Promoção", [flow.add_account("Vendas")], people=20)
    flow.await_ready()
    with redis.Redis.from_url(url) as broker:
        wait_for(lambda: broker.publish(channel, b"") == 3, "all listen")
        commands = forge_commands()
        for message in commands:
            assert broker.publish(channel, message) == 3
        wait_for(lambda: len(flow.events("control_refused", level="WARNING")) == 3 * len(commands), "all are refused")
        for message in generate_commands(400):
            broker.publish(channel, message)
        # A process has a second to answer. One that still reads what is forged is asked again.
        ping = ("celery", "-A", "campaigns", "inspect", "ping")
        wait_for(lambda: flow.run_command(*ping).stdout.count("pong") == 3, "all answer")

        flow.start_campaigns(campaign)
        flow.await_status("completed", campaign)
    flow.stack.check_alive()
    flow.assert_everybody_got_one(campaign)
    for name in ("celery.worker.loops", "celery.worker"):
        assert flow.events(name) == []


def test_what_is_forged_where_kombu_keeps_its_own_is_dropped(flow: Flow) -> None:
    """Forged unacknowledged tasks, bindings of queues, and replies."""
    flow.start("events", "worker", "beat", **SHORT)
    campaign = flow.add_campaign("Promoção", [flow.add_account("Vendas")], people=20)
    flow.await_ready()
    task = json.loads(wrap([[1], {}, {}], "campaigns"))
    stored = [
        *(b"", b"\xff", b"7", b"{}", b"[]", b"[1, 2]", b"[{}, {}, {}]", nest(100_000).encode(), nest(900).encode()),
        json.dumps([task, ["x"], "campaigns"]).encode(),
        json.dumps([task | {"properties": 7}, "campaigns", "campaigns"]).encode(),
    ]
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as broker:
        for queue in QUEUES:
            broker.sadd(f"_kombu.binding.{queue}", b"", b"\xff", "a\x06\x16b", "a\x06\x16b\x06\x16c\x06\x16d")
        broker.hset("unacked", mapping={f"forged{number}": each for number, each in enumerate(stored)})
        broker.zadd("unacked_index", {f"forged{number}": number for number in range(len(stored))})

        def finds_all() -> bool:
            done = flow.run_command("revoada", "doctor", "--json")
            assert "Traceback" not in done.stderr
            return not {"broker_away", "no_worker", "no_beat"} & {each["kind"] for each in json.loads(done.stdout)}

        with replies_forged(broker):
            wait_for(finds_all, "the doctor finds the broker and all who answer over it")
        flow.start_campaigns(campaign)
        flow.await_status("completed", campaign)
        wait_for(lambda: not broker.hlen("unacked"), "nothing is left of them")
    flow.stack.check_alive()
    flow.assert_everybody_got_one(campaign)
    assert len(flow.events("task_refused", queue="unacked")) >= len(stored)


def test_forged_events_cost_flower_nothing(flow: Flow) -> None:
    url = flow.stack.environment["REDIS_URL"]
    channel = f"/{url.rpartition('/')[2]}.celeryev/worker.heartbeat"
    flow.stack.environment |= {"FLOWER_HOST": "127.0.0.1", "FLOWER_PORT": str(free_port())}
    flower = flow.stack.start_role("flower")
    await_http(f"{flow.stack.flower_url}/healthcheck", flow.stack, seconds=PATIENCE_SECONDS)
    heartbeat = {"type": "worker-heartbeat", "hostname": "worker@far", "clock": 1, "utcoffset": 0, "pid": 1}

    with redis.Redis.from_url(url) as broker:
        wait_for(lambda: broker.publish(channel, b""), "Flower listens")
        for message in forge_events():
            broker.publish(channel, message)
        broker.publish(channel, wrap(heartbeat | {"timestamp": time.time()}, "celeryev"))

    def shows_worker() -> bool:
        try:
            with urllib.request.urlopen(flow.stack.flower_url, timeout=PATIENCE_SECONDS) as page:
                return b"worker@far" in page.read()
        except urllib.error.URLError:
            return False

    wait_for(shows_worker, "Flower shows what came after them")
    assert flower.is_running()
    log = flower.log_path.read_text(encoding="utf-8")
    assert "Failed to capture" not in log and "Traceback" not in log
