"""The table of tasks, Celery's routes, beat's schedule, the message filter and the functions say the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from campaigns.broker.queues import QUEUES
from campaigns.broker.task_messages import NotATaskMessage, read_task_message
from campaigns.broker.task_table import PROBE, TASKS
from devstack.roles import read_procfile

ROUTED = [name for name in TASKS if name != PROBE]

# For each task: its parameters (kind, whether it has a default), and the message that Celery publishes without ids.
PROGRAM = """
import inspect, json
from campaigns.celery import app

app.loader.import_default_modules()
names = [name for name in app.tasks if not name.startswith("celery.")]
parameters = {name: inspect.signature(app.tasks[name].run).parameters.values() for name in names}
print(json.dumps({
    "parameters": {
        name: [(each.kind.name, each.default is not inspect.Parameter.empty) for each in parameters[name]]
        for name in names
    },
    "messages": {name: app.amqp.as_task_v2("0c5f7f4e", name)[:3] for name in names},
    "queues": {name: route["queue"] for name, route in app.conf.task_routes.items()},
    "scheduled": [entry["task"] for entry in app.conf.beat_schedule.values()],
}))
"""


@pytest.fixture(scope="module")
def celery() -> dict[str, Any]:
    """Facts of the application, from a process of its own: Celery keeps the settings with which it was first asked."""
    environment = {"REDIS_URL": "redis://127.0.0.1:1/0", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read(celery: dict[str, Any], task: str, ids: list[int], queue: str) -> list[int | None]:
    """Return the ids that a worker gets of a task, from the message that Celery publishes for it."""
    headers, _, (_, named, follow_ups) = celery["messages"][task]
    body = json.dumps([ids, named, follow_ups])
    return read_task_message(headers, body, queue=queue, queues=celery["queues"]).arguments


def test_every_task_has_a_row_and_every_row_a_task(celery):
    assert celery["parameters"].keys() == TASKS.keys()


def test_every_task_but_the_probe_has_a_route_to_a_queue_that_a_role_takes(celery):
    assert celery["queues"] == {name: TASKS[name].queue for name in ROUTED}
    for queue in celery["queues"].values():
        words = read_procfile()[QUEUES[queue]].split()
        assert queue in words[words.index("-Q") + 1].split(",")


@pytest.mark.parametrize("name", TASKS)
def test_a_function_takes_the_ids_of_its_row(celery, name):
    parameters = celery["parameters"][name]
    assert {kind for kind, _ in parameters} <= {"POSITIONAL_OR_KEYWORD"}
    assert len(parameters) == TASKS[name].max_ids
    assert sum(not has_default for _, has_default in parameters) == TASKS[name].required_ids


@pytest.mark.parametrize("name", ROUTED)
def test_the_filter_passes_the_ids_of_a_row_and_refuses_fewer_and_other_queues(celery, name):
    row = TASKS[name]
    for count in range(row.required_ids, row.max_ids + 1):
        ids = list(range(1, count + 1))
        assert read(celery, name, ids, row.queue) == ids
    for count in range(row.required_ids):
        with pytest.raises(NotATaskMessage):
            read(celery, name, list(range(1, count + 1)), row.queue)
    for queue in QUEUES.keys() - {row.queue}:
        with pytest.raises(NotATaskMessage):
            read(celery, name, list(range(1, row.required_ids + 1)), queue)


@pytest.mark.parametrize("name", ROUTED)
def test_the_filter_passes_a_task_of_a_newer_version_with_more_ids(celery, name):
    row = TASKS[name]
    ids = list(range(1, row.max_ids + 4))
    assert read(celery, name, ids, row.queue) == ids[: row.max_ids]


def test_beat_publishes_the_tasks_with_an_interval_and_none_that_needs_an_id(celery):
    assert sorted(celery["scheduled"]) == sorted(name for name, row in TASKS.items() if row.interval)
    assert all(TASKS[name].required_ids == 0 for name in celery["scheduled"])
