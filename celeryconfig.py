"""Celery on Redis or Valkey: a doorbell. One module for beat, all workers, the webhook receiver and Flower.

A task carries ids; losing it costs time, running it twice costs nothing. What is behind the settings is in
docs/architecture.md.
"""

import datetime as _dt  # noqa: ICN001  the last line says why

from celery.schedules import schedule as _schedule
from kombu import Exchange, Queue

from campaigns.broker.queues import QUEUES
from campaigns.clock import clock as _clock
from campaigns.config import read_settings

_settings = read_settings()
if _settings.broker_url is None:
    _settings.require("redis_url")

broker_url = _settings.broker_url or _settings.redis_url
broker_transport_options = (
    {
        # Without a timeout, publishes and acks block for ever on a half-open connection.
        "socket_timeout": 5,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 10,
        # Longer than the longest task (a slice and its draining), short enough to bring back what a dead worker held.
        "visibility_timeout": _settings.visibility_timeout_seconds,
        "unacked_restore_interval": min(10.0, _settings.visibility_timeout_seconds / 2),
        "unacked_restore_throttle": 1,
        "max_connections": 20,
    }
    if str(broker_url).startswith("redis")
    else {}
)
broker_connection_retry_on_startup = True  # start order does not matter
broker_connection_max_retries = None  # nor how long the broker is away
broker_pool_limit = 20
broker_pool_acquire_timeout = 3

result_backend = None
task_ignore_result = True

task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]

imports = ("campaigns.tasks", "campaigns.worker.signals", "webhooks.tasks")

# Senders (`campaigns`) run on workers of their own; the rest is quick and runs on `events`.
task_queues = tuple(
    # Each with an exchange and a key of its own: by default Celery would bind them all to the default queue's.
    Queue(name, Exchange(name, type="direct"), routing_key=name)
    for name in QUEUES
)
task_default_queue = "control"
task_create_missing_queues = False  # a typo in a queue's name fails instead of vanishing
task_routes = {
    "campaigns.tick": {"queue": "control"},
    "campaigns.reconcile": {"queue": "control"},
    "campaigns.retain": {"queue": "control"},
    "campaigns.run": {"queue": "campaigns"},
    "health.check_account": {"queue": "health"},
    "webhooks.apply": {"queue": "webhooks"},
}

# A worker takes what it can run and no more, so that campaigns spread over machines.
task_acks_late = True
worker_prefetch_multiplier = 1
worker_disable_prefetch = True

# A rate limit set by remote control would hold tasks in one worker's slots, where no other worker can take them.
worker_disable_rate_limits = True

# One message that is none of ours must not end a worker.
worker_consumer = "campaigns.broker.consumer:Consumer"

# The work waits for the network; a signal becomes a stop flag, and nothing is raised between a COMMIT and its return.
worker_pool = "threads"
worker_concurrency = _settings.slots
worker_soft_shutdown_timeout = 0
worker_cancel_long_running_tasks_on_connection_loss = False
worker_eta_task_limit = 100  # a guard: no task of ours has an ETA, and the gate refuses those of others

worker_enable_remote_control = True
worker_send_task_events = False  # Flower switches events on while it looks
worker_hijack_root_logger = False
worker_redirect_stdouts = False

# Beat keeps its schedule in memory. A file would hold times of the machine's clock; after that clock is set back, beat
# would wait until the time in the file.
beat_scheduler = "celery.beat:Scheduler"
beat_max_loop_interval = min(5.0, _settings.tick_seconds / 2)
beat_enable_remote_control = True

_MACHINE_START = _dt.datetime.fromtimestamp(0, _dt.UTC)


def _now() -> _dt.datetime:
    """Return the time since the machine's start, as a datetime: setting the machine's clock does not change it."""
    return _MACHINE_START + _dt.timedelta(seconds=_clock())


def _every(seconds: float, task: str) -> dict[str, object]:
    """Return an entry that is due when beat starts, and then at this interval."""
    return {"task": task, "schedule": _schedule(seconds, nowfun=_now), "last_run_at": _MACHINE_START}


beat_schedule = {
    "tick": _every(_settings.tick_seconds, "campaigns.tick"),
    # The webhook receiver enqueues this task itself. The entry replaces a lost task, and retries events.
    "apply": _every(_settings.tick_seconds, "webhooks.apply"),
    "reconcile": _every(_settings.reconcile_seconds, "campaigns.reconcile"),
    # Does nothing unless REVOADA_RETENTION_DAYS says so.
    "retain": _every(3600.0, "campaigns.retain"),
}

del Exchange, QUEUES, Queue, read_settings  # `celery report` prints the names of this module
