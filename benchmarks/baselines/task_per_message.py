"""One Celery task per message: a task per campaign enqueues a task per message, which sends the message.

`celery -A benchmarks.baselines.task_per_message worker` reads BASELINE_BROKER, BASELINE_DATABASE and BASELINE_API.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import psycopg
import requests
from celery import Celery

from benchmarks.baselines.plain import send

app = Celery("plain", broker=os.environ["BASELINE_BROKER"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
# Each process, or each thread of a thread pool, has its own connection and session.
_local = threading.local()


def _connection() -> psycopg.Connection[Any]:
    if not hasattr(_local, "connection"):
        _local.connection = psycopg.connect(os.environ["BASELINE_DATABASE"], autocommit=True)
        _local.session = requests.Session()
    connection: psycopg.Connection[Any] = _local.connection
    return connection


@app.task
def send_campaign(campaign_id: int) -> None:
    waiting = "SELECT id FROM plain_messages WHERE campaign_id = %s AND status = 'pending' ORDER BY id"
    for (message_id,) in _connection().execute(waiting, [campaign_id]).fetchall():
        send_message.delay(message_id)


@app.task
def send_message(message_id: int) -> None:
    send(connection=_connection(), session=_local.session, api=os.environ["BASELINE_API"], message_id=message_id)
