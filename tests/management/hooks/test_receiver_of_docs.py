"""The receiver in docs/hooks.md takes what the delivery sends, once, and nothing else."""

from __future__ import annotations

import json
import re
import threading

import pytest
import requests
from werkzeug.serving import make_server

from campaigns.alerts import Alerts
from campaigns.domain.hooks.events import EventType
from campaigns.management.hooks import delivery, hooks
from campaigns.store.hooks import outbox
from tests.management.hooks.test_delivery import KEY, LOOPBACK, SETTINGS, deliveries
from tests.project.test_docs import PROJECT
from tests.support.actors import TESTER
from tests.support.serving import serving

CODE = re.search(r"```python\n(.*?)```", (PROJECT / "docs/hooks.md").read_text(), re.DOTALL)[1]


@pytest.fixture
def posts(database, monkeypatch, capsys):
    """Adds a hook that leads to the receiver, and delivers what is due; returns what the receiver has printed."""
    program = {"__name__": "receiver"}

    def app(environ, start_response):
        return program["app"](environ, start_response)

    with serving(make_server("127.0.0.1", 0, app)) as server:
        url = f"http://127.0.0.1:{server.server_port}/revoada"
        hook = hooks.add_hook(database, url, types=[], networks=LOOPBACK, actor=TESTER, secret_key=KEY)
        monkeypatch.setenv("HOOK_SECRET", hook.secret)
        exec(CODE, program)

        def deliver():
            for hook_id in delivery.plan(database):
                delivery.deliver(
                    hook_id, database=database, settings=SETTINGS, alerts=Alerts(None), stop=threading.Event()
                )
            return capsys.readouterr().out.splitlines()

        deliver.url, deliver.hook_id = url, hook.hook.id
        yield deliver


def test_the_receiver_of_the_documents_takes_each_event_once(database, posts):
    for number in range(3):
        database.run(outbox.write_event, EventType.EXPORT_READY, {"job_id": str(number)})
    assert sorted(posts()) == [f"export.ready {{'job_id': '{number}'}}" for number in range(3)]
    hooks.replay_hook(database, posts.hook_id, from_id=1, actor=TESTER)
    assert posts() == []
    assert [each.status for each in deliveries(database, posts.hook_id)] == [204] * 3


def test_the_receiver_of_the_documents_takes_no_forged_event(posts):
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
    answer = requests.post(posts.url, data=json.dumps({"type": "x", "data": {}}), headers=headers, timeout=60)
    assert answer.status_code == 401
    assert posts() == []


def test_the_receiver_of_the_documents_is_short():
    assert len([line for line in CODE.splitlines() if line]) <= 20
