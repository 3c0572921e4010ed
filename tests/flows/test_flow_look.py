"""`celery inspect` shows the running tasks and the lengths of the queues, and no secret."""

from __future__ import annotations

import base64
import json

import redis
from harness import PATIENCE_SECONDS, QUEUES, Flow, run_together, wait_for


def test_celery_shows_what_runs_and_how_long_the_queues_are_and_nothing_secret(flow: Flow) -> None:
    # The slices last longer than the test, so no task is enqueued meanwhile.
    flow.start("events", slice_seconds=600)
    account = flow.add_account("Vendas", rate=10)
    campaigns = [flow.add_campaign(f"Campaign {number}", [account], people=1000) for number in range(3)]
    flow.await_ready()
    started = flow.run_command("revoada", "campaign", "start", *(str(campaign.id) for campaign in campaigns))
    assert started.returncode == 0, started.stderr
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as valkey:
        assert {name: valkey.llen(name) for name in QUEUES} == {
            "campaigns": 3, "control": 0, "webhooks": 0, "health": 0
        }  # fmt: skip
        tasks = [json.loads(task) for task in valkey.lrange("campaigns", 0, -1)]
        # The messages contain only ids. The last one in the list is the next that a worker takes.
        assert [json.loads(base64.b64decode(task["body"]))[:2] for task in reversed(tasks)] == [
            [[campaign.id], {}] for campaign in campaigns
        ]
    flow.start("worker")
    flow.await_ready()
    for campaign in campaigns:
        flow.await_accepted(campaign, 1)

    # If the workers are named, `celery` waits until all of them have answered, and no longer.
    wait_for(lambda: flow.query("SELECT count(*) FROM workers") == [(2,)], "both have told their names")
    names = ",".join(name for (name,) in flow.query("SELECT name FROM workers"))
    of_all = f"--destination {names} --timeout {PATIENCE_SECONDS}"
    commands = (
        f"inspect {of_all} active",
        f"inspect {of_all} ping",
        f"status {of_all}",
        "report",
        "amqp queue.declare campaigns",
    )
    done = run_together(
        *(lambda words=words: flow.run_command("celery", "-A", "campaigns", *words.split()) for words in commands)
    )

    for words, each in zip(commands, done, strict=True):
        assert each.returncode == 0, f"{words}: {each.stderr}"
        assert flow.find_leaks(each.stdout + each.stderr) == [], words
    active, ping, status, report, queue = (each.stdout for each in done)
    assert active.count("'name': 'campaigns.run'") == 3
    for campaign in campaigns:
        assert f"'args': [{campaign.id}]" in active
    assert ping.count("pong") == 2
    for name in ("worker@", "events@"):
        assert name in ping and name in status
    assert "2 nodes online" in status
    assert "software -> celery:5.7" in report
    assert "queue:campaigns messages:0" in queue
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as valkey:
        wait_for(lambda: not any(map(valkey.llen, QUEUES)), "the queues are empty")
