"""Whoever can write to the broker can write anything there: it ends no process, runs nothing, and is told of once."""

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

import pytest
import redis
from harness import PATIENCE_SECONDS, QUEUES, Flow, wait_for

from campaigns.broker.remote_control import REFUSED_COMMANDS
from devstack.ports import free_port
from devstack.stack import await_http

SEED = 20_261_128
# Nested so deep that reading, writing or printing them raises RecursionError, for some only if the stack is deep.
DEPTHS = (20, 100, 300, 600, 900, 950, 1_000, 100_000)
REPLY_TO = {"exchange": "reply.celery.pidbox", "routing_key": "nobody"}
STRANGE: list[Any] = [
    *(None, True, -1, 0.5, 2**70, 10**400, float("nan"), "", "x" * 5_000, "\0", "\ud800", [], [[]], [None], {}),
    *({"a": {"b": []}}, ["x"], [1, [2]], {"__type__": "decimal", "__value__": "x"}, {"__type__": [], "__value__": 1}),
]
# No text, or a text that is too long.
STRANGE_NAMES = [each for each in STRANGE if each is not None and not (isinstance(each, str) and len(each) <= 1_000)]
CONSUMERS = ("cancel_consumer", "add_consumer")


ALL_QUEUES = (*QUEUES, "files")
TASKS = ("campaigns.run", "campaigns.tick", "webhooks.apply", "health.check_account", "files.work")  # one of each queue
AFTERWARDS = {"task": "os.system", "args": ["id"], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": True}


def forge(queue: str, *, changes: dict[str, Any] | None = None, body: Any = ([34], {}, {}), **headers: Any) -> bytes:
    """A message as kombu writes it to a list of Valkey, with something about it changed."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    plain = {"lang": "py", "task": "campaigns.run", "id": "forged", "eta": None, "expires": None, "retries": 0}
    message = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {**plain, "timelimit": [None, None], "ignore_result": True, **headers},
        "properties": {
            "delivery_tag": f"tag-{queue}",
            "delivery_info": {"exchange": queue, "routing_key": queue},
            "body_encoding": "base64",
        },
        **(changes or {}),
    }
    return json.dumps(message).encode()


def forge_all(queue: str, task: str) -> list[bytes]:
    """Each of these ends a worker of Celery 5.7, takes a slot of it for good, or runs what is not ours."""
    plain = json.loads(forge(queue))
    properties = plain["properties"]
    return [
        *(b"", b"\xff\xfe garbage", b"7", b"null", b"[]", b"[" * 100_000, b'{"__type__": [], "__value__": 1}'),
        *(forge(queue, task=name) for name in ("os.system", "celery.chord_unlock", None, ["a"], {"a": 1})),
        *(forge(queue, task=task, id=each) for each in (None, [1], {"a": 1})),
        *(forge(queue, task=task, eta=each) for each in ("9999-12-31T23:59:59+00:00", "x", 7)),
        *(forge(queue, task=task, expires=each) for each in ("x", [1], "0001-01-01T00:00:00+14:00")),
        *(forge(queue, task=task, timelimit=each) for each in ("x", [1])),
        *(forge(queue, task=task, compression=each) for each in ("application/x-gzip", "x")),
        forge(queue, task=task, group="g", retries=2**70),
        forge(queue, task="webhooks.apply" if queue == "campaigns" else "campaigns.run"),
        *(forge(queue, task=task, changes={"headers": each}) for each in (None, [1], {})),
        *(forge(queue, task=task, changes={"properties": each}) for each in (None, [1], {})),
        forge(queue, task=task, changes={"properties": {**properties, "delivery_tag": None}}),
        forge(queue, task=task, changes={"properties": {**properties, "delivery_info": None}}),
        forge(queue, task=task, changes={"properties": {**properties, "body_encoding": "rot13"}}),
        *(forge(queue, task=task, changes={"body": each}) for each in (None, 7, "!!!", "AAA")),
        *(forge(queue, task=task, changes={"content-type": each}) for each in (["x"], "application/x-yaml")),
        forge(queue, task=task, body=pickle.dumps(([], {}, {})), changes={"content-type": "application/x-pickle"}),
        *(forge(queue, task=task, body=each) for each in (b"<html>", b"{}", b"[[]]", b"[7,{},{}]", b"[[],{},7]")),
        *(forge(queue, task=task, body=([each], {}, {})) for each in ("1; DROP TABLE messages", -1, 2**70, 1.5, [1])),
        forge(queue, task=task, body=([float("nan")], {}, {})),
        forge(queue, task=task, body=([1], {"evil": 1}, {})),
        forge(queue, task=task, body=(["x" * 5_000_000], {}, {})),
        *(
            forge(queue, task=task, body=([], {}, {name: each}))
            for name in ("callbacks", "errbacks", "chain", "chord")
            for each in ([AFTERWARDS], [7])
        ),
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
        *(plain | {"method": each} for each in (None, ["ping"], {"a": 1}, "nope", "__init__", "hello", "election")),
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
        *(plain | {"method": each, "arguments": {"queue": queue}} for each in CONSUMERS for queue in STRANGE_NAMES),
    ]
    return forge_envelopes("celery.pidbox", plain) + [wrap(body, "celery.pidbox") for body in bodies]


def forge_answered_commands() -> list[bytes]:
    """Commands that a worker answers with an error: about queues that are not its own, or with other arguments."""
    plain = {"destination": None, "pattern": None, "matcher": None, "reply_to": REPLY_TO, "ticket": "t"}
    names = [each for each in STRANGE if each is None or (isinstance(each, str) and each not in STRANGE_NAMES)]
    bodies = [
        *({"method": each, "arguments": {"queue": name}} for each in CONSUMERS for name in [*names, "celery.pidbox"]),
        {"method": "add_consumer", "arguments": {"queue": "campaigns", "exchange_type": "nope"}},
        {"method": "add_consumer", "arguments": {"queue": "campaigns", "exchange": "celery.pidbox"}},
        {"method": "add_consumer", "arguments": {"queue": "x", "exchange": "e", "exchange_type": "topic"}},
        *(
            {"method": each, "arguments": {"n": strange, "state": 1}}
            for each in REFUSED_COMMANDS
            for strange in STRANGE
        ),
    ]
    return [wrap(plain | body, "celery.pidbox") for body in bodies]


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


@pytest.fixture(scope="module")
def attacked(module_flow: Flow) -> Flow:
    """An installation whose broker a stranger can reach. Its slots are fewer than the messages that would take one."""
    module_flow.start("events", "worker", "files", "beat", visibility_timeout_seconds=4, tick_seconds=1, slots=4)
    module_flow.await_ready()
    return module_flow


@pytest.fixture
def target(attacked: Flow) -> Flow:
    attacked.begin_anew()
    return attacked


def test_forged_tasks_are_refused_and_the_next_good_one_runs(target: Flow) -> None:
    forged = {queue: forge_all(queue, task) for queue, task in zip(ALL_QUEUES, TASKS, strict=True)}
    campaign = target.add_campaign("Promoção", [target.add_account("Vendas", health="YELLOW")], people=20)
    with redis.Redis.from_url(target.stack.environment["REDIS_URL"]) as broker:
        for queue, messages in forged.items():
            broker.lpush(queue, *messages)

        target.start_campaigns(campaign)
        target.await_status("completed", campaign)
        wait_for(lambda: target.events("health_not_ideal"), "the health check behind them ran")
        wait_for(lambda: not any((broker.hlen("unacked"), *map(broker.llen, ALL_QUEUES))), "nothing is left of them")

    target.stack.check_alive()
    target.assert_everybody_got_one(campaign)
    expected = sum(map(len, forged.values()))
    wait_for(lambda: len(target.events("task_refused", level="WARNING")) == expected, "each is told of, once")
    for name in ("slice_error", "health_error", "celery.app.trace", "celery.worker"):
        assert target.events(name) == []


def test_forged_remote_control_ends_nothing_and_is_told_of_once_in_each_process(target: Flow) -> None:
    url = target.stack.environment["REDIS_URL"]
    channel = f"/{url.rpartition('/')[2]}.celery.pidbox"
    campaign = target.add_campaign("Promoção", [target.add_account("Vendas")], people=20)
    with redis.Redis.from_url(url) as broker:
        wait_for(lambda: broker.publish(channel, b"") == 4, "all listen")
        commands = forge_commands()
        for message in commands:
            assert broker.publish(channel, message) == 4
        wait_for(lambda: len(target.events("control_refused", level="WARNING")) == 4 * len(commands), "all are refused")
        for message in (*forge_answered_commands(), *generate_commands(400)):
            broker.publish(channel, message)
        # A process has a second to answer. One that still reads what is forged is asked again.
        ping = ("celery", "-A", "campaigns", "inspect", "ping")
        wait_for(lambda: target.run_command(*ping).stdout.count("pong") == 4, "all answer")

        target.start_campaigns(campaign)
        target.await_status("completed", campaign)
    target.stack.check_alive()
    target.assert_everybody_got_one(campaign)
    for name in ("celery.worker.loops", "celery.worker"):
        assert target.events(name) == []


def test_what_is_forged_where_kombu_keeps_its_own_is_dropped(target: Flow) -> None:
    """Forged unacknowledged tasks, bindings of queues, and replies."""
    campaign = target.add_campaign("Promoção", [target.add_account("Vendas")], people=20)
    task = json.loads(wrap([[1], {}, {}], "campaigns"))
    stored = [
        *(b"", b"\xff", b"7", b"{}", b"[]", b"[1, 2]", b"[{}, {}, {}]", nest(100_000).encode(), nest(900).encode()),
        json.dumps([task, ["x"], "campaigns"]).encode(),
        json.dumps([task | {"properties": 7}, "campaigns", "campaigns"]).encode(),
    ]
    with redis.Redis.from_url(target.stack.environment["REDIS_URL"]) as broker:
        for queue in ALL_QUEUES:
            broker.sadd(f"_kombu.binding.{queue}", b"", b"\xff", "a\x06\x16b", "a\x06\x16b\x06\x16c\x06\x16d")
        broker.hset("unacked", mapping={f"forged{number}": each for number, each in enumerate(stored)})
        broker.zadd("unacked_index", {f"forged{number}": number for number in range(len(stored))})

        def finds_all() -> bool:
            done = target.run_command("revoada", "doctor", "--json")
            assert "Traceback" not in done.stderr
            return not {"broker_away", "no_worker", "no_beat"} & {each["kind"] for each in json.loads(done.stdout)}

        with replies_forged(broker):
            wait_for(finds_all, "the doctor finds the broker and all who answer over it")
        target.start_campaigns(campaign)
        target.await_status("completed", campaign)
        wait_for(lambda: not broker.hlen("unacked"), "nothing is left of them")
    target.stack.check_alive()
    target.assert_everybody_got_one(campaign)
    assert len(target.events("task_refused", queue="unacked")) >= len(stored)


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

    def shows_worker() -> bool:
        # As a worker does, again and again: Valkey keeps no event for a client that reconnects.
        with redis.Redis.from_url(url) as broker:
            broker.publish(channel, wrap(heartbeat | {"timestamp": time.time()}, "celeryev"))
        try:
            with urllib.request.urlopen(flow.stack.flower_url, timeout=PATIENCE_SECONDS) as page:
                return b"worker@far" in page.read()
        except urllib.error.URLError:
            return False

    wait_for(shows_worker, "Flower shows what came after them")
    assert flower.is_running()
    log = flower.log_path.read_text(encoding="utf-8")
    assert "Failed to capture" not in log and "Traceback" not in log
