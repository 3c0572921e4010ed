"""Celery's settings for beat, all workers, the webhook receiver and Flower.

Postgres holds the state; a task carries ids only. A lost task costs time, and a task that runs twice does no harm. The
reasons for these settings are in docs/architecture.md.
"""

import datetime as _dt  # noqa: ICN001  the underscore keeps the name out of `celery report`

from celery.schedules import schedule as _schedule
from kombu import Exchange, Queue

from campaigns.broker.queues import QUEUES
from campaigns.broker.task_table import TASKS
from campaigns.clock import clock as _clock
from campaigns.config import read_settings
from campaigns.valkey import make_sentinel_options as _make_sentinel_options
from campaigns.valkey_url import read_server_url as _read_server_url

_settings = read_settings()
if _settings.broker_url is None:
    _settings.require("redis_url")

_server = _read_server_url(str(_settings.broker_url or _settings.redis_url))
broker_url = _server.broker_url
broker_use_ssl = _server.tls  # None without TLS
broker_transport_options: dict[str, object] = {
    # Without a timeout, publishes and acks block for ever on a half-open connection.
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "health_check_interval": 10,
    # The timeout must be longer than the longest task (a slice and its last replies). A shorter timeout redelivers the
    # tasks of dead workers sooner.
    "visibility_timeout": _settings.visibility_timeout_seconds,
    "unacked_restore_interval": min(10.0, _settings.visibility_timeout_seconds / 2),
    "unacked_restore_throttle": 1,
    "max_connections": 20,
}
if _server.master_name is not None:
    broker_transport_options |= {
        "master_name": _server.master_name,
        "sentinel_kwargs": _make_sentinel_options(_server, connect_timeout_seconds=3, timeout_seconds=5),
    }
broker_connection_retry_on_startup = True  # workers may start before the broker
broker_connection_max_retries = None  # workers wait for the broker without limit
broker_pool_limit = 20
broker_pool_acquire_timeout = 3

result_backend = None
task_ignore_result = True

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]

imports = (
    "campaigns.tasks",
    "campaigns.worker.signals",
    "campaigns.worker.steps",
    "campaigns.cli.remote_control",
    "webhooks.tasks",
)

# The queue `campaigns` has workers of its own. The tasks of the other queues are short and run on the `events` workers.
task_queues = tuple(
    # Each queue has an exchange and a routing key of its own. By default Celery would bind all queues to the exchange
    # of the default queue.
    Queue(name, Exchange(name, type="direct"), routing_key=name)
    for name in QUEUES
)
task_default_queue = "control"
task_create_missing_queues = False  # a misspelled name raises an error and makes no new queue
task_routes = {name: {"queue": row.queue} for name, row in TASKS.items() if row.queue is not None}

# A worker takes only the tasks that it can start immediately, so that campaigns spread over machines.
task_acks_late = True
worker_prefetch_multiplier = 1
worker_disable_prefetch = True

# A rate limit set by remote control would hold tasks in one worker's slots, where no other worker can take them.
worker_disable_rate_limits = True

# This consumer drops invalid messages before Celery reads them, because such a message can end a worker.
worker_consumer = "campaigns.broker.consumer:Consumer"

# The pool runs tasks in threads, because tasks mostly wait for the network. With threads a signal only sets a flag, so
# no exception interrupts a task between a COMMIT and the return of the task.
worker_pool = "threads"
worker_concurrency = _settings.slots
worker_soft_shutdown_timeout = 0
worker_cancel_long_running_tasks_on_connection_loss = False

worker_enable_remote_control = True
worker_send_task_events = False  # Flower switches events on while it runs
worker_hijack_root_logger = False
worker_redirect_stdouts = False

# Beat keeps its schedule in memory. A file would store times of the machine's clock. If that clock were set back, beat
# would wait until the stored time.
beat_scheduler = "campaigns.broker.scheduler:Scheduler"
beat_max_loop_interval = min(5.0, _settings.tick_seconds / 2)
beat_enable_remote_control = True

_MACHINE_START = _dt.datetime.fromtimestamp(0, _dt.UTC)


def _now() -> _dt.datetime:
    """Return the time since the start of the machine, as a datetime. The wall clock does not affect this time."""
    return _MACHINE_START + _dt.timedelta(seconds=_clock())


def _every(seconds: float, task: str) -> dict[str, object]:
    """Return a schedule entry that is due when beat starts, and then at this interval."""
    return {"task": task, "schedule": _schedule(seconds, nowfun=_now), "last_run_at": _MACHINE_START}


beat_schedule = {
    name.partition(".")[2]: _every(row.interval(_settings), name)
    for name, row in TASKS.items()
    if row.interval is not None
}

del Exchange, QUEUES, Queue, TASKS, read_settings  # `celery report` prints all names of this module
