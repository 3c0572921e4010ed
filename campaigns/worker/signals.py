"""Handlers of Celery's signals. They run when a worker starts or stops, and before and after each task."""

from __future__ import annotations

import gc
import signal
from typing import Any

from celery import signals

from campaigns.broker.queues import QUEUES
from campaigns.config import SettingsError
from campaigns.logs import configure_logging, report_start_error
from campaigns.metrics.port import serve_in_thread
from campaigns.metrics.table import Key
from campaigns.store.database import PoolerError, refuse_pooler
from campaigns.worker.runtime import runtime

# The garbage collector runs when the allocations exceed the deallocations by this number.
_COLLECT_AFTER = 50_000


@signals.setup_logging.connect
def _set_up_logging(**_: Any) -> None:
    configure_logging(runtime().settings)


@signals.celeryd_init.connect
def _check_settings(**_: Any) -> None:
    """End a worker at once if a setting is missing, or if DATABASE_URL leads to a pooler and no setting says so."""
    try:
        settings = runtime().settings.require("database_url", "redis_url", "secret_key")
        if not settings.is_pooled:
            refuse_pooler(settings.database_url or "")
    except (SettingsError, PoolerError) as error:
        report_start_error(error)
        raise SystemExit(1) from None


@signals.task_prerun.connect
def _note_task_begin(**_: Any) -> None:
    if (watchdog := runtime().watchdog) is not None:
        watchdog.note_task_begin()


@signals.task_postrun.connect
def _note_task_end(**_: Any) -> None:
    if (watchdog := runtime().watchdog) is not None:
        watchdog.note_task_end()


@signals.worker_ready.connect
def _handle_all_as_sigterm(**_: Any) -> None:
    """Give SIGINT, SIGQUIT and SIGHUP the handler of SIGTERM, which lets slices end before the worker stops.

    Celery's cold shutdown (SIGQUIT, or SIGINT twice) and its restart (SIGHUP) do not let slices end first. Messages
    whose requests are in flight would become uncertain.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.getsignal(signal.SIGTERM))


@signals.worker_ready.connect
def _serve_metrics(**_: Any) -> None:
    if (watchdog := runtime().watchdog) is not None:
        roles = {QUEUES[queue] for queue in watchdog.queues if queue in QUEUES}
        serve_in_thread(runtime().settings, roles, _read_gauges if "worker" in roles else dict)


def _read_gauges() -> dict[Key, float]:
    return {("revoada_requests_in_flight", ()): runtime().in_flight_count}


@signals.worker_ready.connect
def _tune_garbage_collector(**_: Any) -> None:
    """Collect garbage rarely: in-flight messages form no cycles, and each collection walks over thousands of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 50)


@signals.worker_shutting_down.connect
def _begin_stop(**_: Any) -> None:
    """Let the slices end as soon as a signal arrives.

    `Drain` would let the slices end only when the main thread has left its loop.
    """
    runtime().begin_stop()


@signals.worker_shutdown.connect
def _close(**_: Any) -> None:
    runtime().close()
