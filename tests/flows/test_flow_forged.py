"""Whoever can write to the broker can write anything there: it is refused, and the next good task runs."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import redis
from harness import QUEUES, Flow, wait_for

TASKS = ("campaigns.run", "campaigns.tick", "webhooks.apply", "health.check_account")  # one of each queue
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


def test_forged_tasks_are_refused_and_the_next_good_one_runs(flow: Flow) -> None:
    forged = {queue: forge_all(queue, task) for queue, task in zip(QUEUES, TASKS, strict=True)}
    flow.start("events", "worker", slots=4)  # fewer than forged messages that would take one for good
    campaign = flow.add_campaign("Promoção", [flow.add_account("Vendas", health="YELLOW")], people=20)
    flow.await_ready()
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as broker:
        for queue, messages in forged.items():
            broker.lpush(queue, *messages)

        flow.start_campaigns(campaign)
        flow.await_status("completed", campaign)
        wait_for(lambda: flow.events("health_not_ideal"), "the health check behind them ran")
        wait_for(lambda: not broker.hlen("unacked") and not any(map(broker.llen, QUEUES)), "nothing is left of them")

    flow.stack.check_alive()
    flow.assert_everybody_got_one(campaign)
    expected = sum(map(len, forged.values()))
    wait_for(lambda: len(flow.events("task_refused", level="WARNING")) == expected, "each is told of, once")
    for name in ("slice_error", "health_error", "celery.app.trace", "celery.worker"):
        assert flow.events(name) == []
