"""What a worker process does at its start, around each task, and at its end: the handlers of Celery's signals."""

from __future__ import annotations

import gc
import secrets
import signal
from typing import Any

from celery import signals
from kombu import Exchange, Queue

from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.celery import app
from campaigns.config import SettingsError
from campaigns.logs import configure_logging
from campaigns.worker.runtime import runtime

# Objects made and not yet freed.
_COLLECT_AFTER = 50_000

# Time until the broker deletes the probe queue of a worker that is gone.
_PROBE_QUEUE_SECONDS = 3600.0

# A broker that takes no probe within this many seconds counts as away.
_PROBE_SECONDS = 5
_PROBE = "campaigns.probe"


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    configure_logging(runtime().settings)


@signals.celeryd_init.connect
def _check_settings(**_: Any) -> None:
    """Refuse to start a worker that could not work."""
    try:
        runtime().settings.require("database_url", "redis_url", "secret_key")
    except SettingsError as error:
        raise SystemExit(f"revoada: {error}") from None


@signals.celeryd_after_setup.connect
def _start_watch(sender: str, instance: Any, **_: Any) -> None:
    """Give this worker a queue that no other process consumes, and watch whether it takes what is put there."""
    names = list(app.amqp.queues.consume_from)
    name = f"probe.{runtime().owner}.{secrets.token_hex(4)}"
    # After a worker is killed, the broker deletes the queue and its tasks, by its own clock.
    queue = Queue(name, routing_key=name, auto_delete=True, expires=_PROBE_QUEUE_SECONDS)
    app.amqp.queues.select_add(queue)
    # Not the one that Celery has given it, which would keep a binding of each process for ever.
    queue.exchange = Exchange("")
    # The message filter lets a task in from its own queue only.
    app.conf.task_routes[_PROBE] = {"queue": name}
    runtime().start_watch(sender, queues=names, slots=instance.concurrency, put_probe=lambda: _put_probe(queue))


def _put_probe(queue: Queue) -> bool:
    """Let exactly one probe wait. By a connection of its own: those of the process may be what is dead."""
    try:
        with app.connection_for_write() as connection:
            # By default it would try for ever.
            connection.ensure_connection(max_retries=0, timeout=_PROBE_SECONDS)
            queue.bind(connection.default_channel).purge()
            with connection.Producer() as producer:
                app.send_task(_PROBE, producer=producer, queue=queue.name, retry=False)
    except BrokerUnavailable:
        return False
    return True


@signals.task_prerun.connect
def _note_begin(**_: Any) -> None:
    if (watch := runtime().watch) is not None:
        watch.note_begin()


@signals.task_postrun.connect
def _note_end(**_: Any) -> None:
    if (watch := runtime().watch) is not None:
        watch.note_end()


@signals.worker_ready.connect
def _stop_in_order(**_: Any) -> None:
    """Let every signal that ends a worker ask for the same: SIGTERM's orderly stop.

    Celery's cold shutdown (SIGQUIT, a second SIGINT) tells the slices nothing and may leave what they have on the wire,
    nor do they hear of its restart (SIGHUP).
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.getsignal(signal.SIGTERM))


@signals.worker_ready.connect
def _calm_collector(**_: Any) -> None:
    """Look for cycles rarely: thousands of messages in flight make none, and each look walks over all of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


@signals.worker_shutting_down.connect
def _begin_stop(**_: Any) -> None:
    runtime().begin_stop()


@signals.worker_shutdown.connect
def _close(**_: Any) -> None:
    runtime().close()
