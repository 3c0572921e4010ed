"""The steps by which a worker starts and stops, in addition to Celery's own steps."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from celery.bootsteps import StartStopStep
from kombu import Exchange, Queue

from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.broker.task_table import PROBE
from campaigns.celery import app
from campaigns.logs import event
from campaigns.worker.runtime import runtime

_log = logging.getLogger(__name__)
# The broker deletes the probe queue of a dead worker after this time.
_PROBE_QUEUE_SECONDS = 3600.0
# A broker that does not accept a connection for the probe within this time counts as unreachable.
_PROBE_TIMEOUT_SECONDS = 5


class Drain(StartStopStep):
    """Lets every slice end early, before Celery waits for the pool.

    Whatever stops the worker, Celery first closes all steps: after a signal, after `celery control shutdown`, and after
    an error from which Celery cannot recover. But Celery sends `worker_shutting_down` only after a signal.
    """

    requires = ("celery.worker.components:Pool",)

    def close(self, worker: Any) -> None:
        _log.info(
            "Worker %s stops: the messages that it is sending leave first",
            worker.hostname,
            extra=event("worker_stops", worker=worker.hostname),
        )
        runtime().begin_stop()


class ProbeQueue(StartStopStep):
    """Gives this worker a queue of its own. The watchdog checks that the worker consumes this queue."""

    requires = (Drain,)

    def start(self, worker: Any) -> None:
        names = list(app.amqp.queues.consume_from)
        name = f"probe.{runtime().owner}.{secrets.token_hex(4)}"
        # If the worker is killed, the broker deletes the worker's queue after `expires`, by the broker's own clock.
        queue = Queue(name, routing_key=name, auto_delete=True, expires=_PROBE_QUEUE_SECONDS)
        app.amqp.queues.select_add(queue)
        # Replaces the exchange that Celery has set. That exchange would keep a binding of every past process for ever.
        queue.exchange = Exchange("")
        # The consumer accepts a task only from the queue of its route.
        app.conf.task_routes[PROBE] = {"queue": name}
        runtime().start_watchdog(
            worker.hostname, queues=names, slots=worker.concurrency, put_probe=lambda: _put_probe(queue)
        )


def _put_probe(queue: Queue) -> bool:
    """Leave exactly one probe in the queue; return False if the broker is unreachable.

    Opens a new connection, because the existing connections may be broken.
    """
    try:
        with app.connection_for_write() as connection:
            # By default Celery would retry for ever.
            connection.ensure_connection(max_retries=0, timeout=_PROBE_TIMEOUT_SECONDS)
            queue.bind(connection.default_channel).purge()
            with connection.Producer() as producer:
                app.send_task(PROBE, producer=producer, queue=queue.name, retry=False)
    except BrokerUnavailable:
        return False
    return True


app.steps["worker"].update((Drain, ProbeQueue))
