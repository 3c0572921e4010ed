"""The tasks. Each takes ids, calls one use case, and rings what that returns; nothing is decided here."""

from __future__ import annotations

import gc
import logging
import secrets
import signal
from collections.abc import Iterable, Sequence
from typing import Any

from celery import signals
from kombu import Exchange, Queue

from campaigns.broker.inspection import count_tasks
from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.celery import WakeUp, app
from campaigns.config import SettingsError
from campaigns.logs import configure_logging, event
from campaigns.privacy import retention
from campaigns.sending import health, schedule
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.accounts import begin_check
from campaigns.store.leases import lease_epochs, unmark_campaigns
from campaigns.worker.runtime import runtime

_log = logging.getLogger(__name__)

# Objects made and not yet freed.
_COLLECT_AFTER = 50_000

# Most health checks that may wait in the queue, one per account. Checks beyond that are not published; they are
# requested again after REVOADA_HEALTH_SECONDS.
_MOST_HEALTH_CHECKS = 100

# Time until the broker deletes the probe queue of a worker that is gone.
_PROBE_QUEUE_SECONDS = 3600.0

# Until a broker counts as away that takes no probe.
_PROBE_SECONDS = 5


@app.task(name="campaigns.tick", base=WakeUp)
def tick() -> None:
    """Enqueue every eligible campaign that has neither a running slice nor a task."""
    here = runtime()
    try:
        with app.connection_or_acquire() as connection:
            waiting_count = count_tasks(app.conf.task_routes[run.name]["queue"], connection)
    except BrokerUnavailable as error:
        _tell_away(run, 1, error)
        return
    ring_campaigns(schedule.mark_due(here.database, here.settings, waiting_count=waiting_count))


@app.task(name="campaigns.run")
def run(campaign_id: int) -> None:
    """Run one slice of one campaign, if it is eligible, nobody else runs it, and this slice has not run before."""
    tools = runtime().tools
    try:
        begun = begin_slice(campaign_id, tools, epoch=run.request.get("lease_epoch"))
        if begun is None:
            return
        ring_health(begun.health_due, campaign_id)
        if run_slice(begun, tools):
            _enqueue_slices([(campaign_id, begun.row.epoch)])
    except Exception:  # noqa: BLE001  an error in one campaign stops no other, and its lease runs out by itself
        bound = event("slice_error", campaign_id=campaign_id)
        _log.exception("Campaign %s stopped for now by an error; others go on", campaign_id, extra=bound)


@app.task(name="campaigns.reconcile", base=WakeUp)
def reconcile() -> None:
    """Settle what dead runners left."""
    here = runtime()
    schedule.reconcile(here.database, here.settings, here.alerts)


@app.task(name="campaigns.retain", base=WakeUp)
def retain() -> None:
    """Erase the phones and variables of campaigns that ended long ago, if the settings say when."""
    here = runtime()
    if here.settings.retention_days:
        retention.retain(here.database, days=here.settings.retention_days)


@app.task(name="campaigns.probe")
def probe() -> None:
    """Be taken: what a worker does with it, it does with every task. `Watch` counts the tasks that begin."""


@app.task(name="health.check_account", base=WakeUp, most_waiting=_MOST_HEALTH_CHECKS)
def check_account(account_id: int, campaign_id: int | None = None) -> None:
    """Hand the check to the health threads, and forget it: a hanging endpoint must not hold a slot."""
    runtime().slow_threads.submit(_check_account, account_id, campaign_id)


def _check_account(account_id: int, campaign_id: int | None) -> None:
    here = runtime()
    try:
        if not here.database.run(begin_check, account_id):
            return
        health.check_account(
            account_id, campaign_id, database=here.database, settings=here.settings, alerts=here.alerts
        )
    except Exception:  # noqa: BLE001  a check may fail in any way
        bound = event("health_error", account_id=account_id, campaign_id=campaign_id)
        _log.exception("Health check of account %s ended with an error, going on", account_id, extra=bound)


def ring_campaigns(campaign_ids: Sequence[int]) -> bool:
    """Enqueue a slice for each campaign, in order, in one batch; the caller has marked the campaigns as enqueued.

    Returns False if the broker did not take the tasks: then the marks are removed, and the next tick enqueues them.
    """
    if not campaign_ids:
        return True
    epochs = runtime().database.run(lease_epochs, campaign_ids)
    return _enqueue_slices([(campaign_id, epochs.get(campaign_id)) for campaign_id in campaign_ids])


def _enqueue_slices(turns: Sequence[tuple[int, int | None]]) -> bool:
    """Enqueue slices of (campaign id, epoch of its lease) pairs; returns as `ring_campaigns` does."""
    if _publish(run, [((campaign_id,), {"lease_epoch": epoch}) for campaign_id, epoch in turns]):
        return True
    runtime().database.run(unmark_campaigns, [campaign_id for campaign_id, _ in turns])
    return False


def ring_health(account_ids: Iterable[int], campaign_id: int | None) -> None:
    """Enqueue health checks, which may be lost."""
    _publish(check_account, [((account_id, campaign_id), {}) for account_id in account_ids])


def _publish(task: Any, calls: Sequence[tuple[tuple[Any, ...], dict[str, Any]]]) -> bool:
    """Publish a task for each (arguments, headers)."""
    if not calls:
        return True
    try:
        with app.producer_or_acquire() as producer, producer.batch():
            for arguments, headers in calls:
                task.apply_async(arguments, producer=producer, headers=headers, retry=False)
    except BrokerUnavailable as error:
        # Some may be out all the same; a task too many finds nothing to do.
        _tell_away(task, len(calls), error)
        return False
    return True


def _tell_away(task: Any, count: int, error: Exception) -> None:
    bound = event("doorbell_failed", tasks=count)
    _log.warning("The broker did not take %s: %s", task.name, type(error).__name__, extra=bound)


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
    # The gate lets a task in from its own queue only.
    app.conf.task_routes["campaigns.probe"] = {"queue": name}
    runtime().start_watch(sender, queues=names, slots=instance.concurrency, put_probe=lambda: _put_probe(queue))


def _put_probe(queue: Queue) -> bool:
    """Let exactly one probe wait. By a connection of its own: those of the process may be what is dead."""
    try:
        with app.connection_for_write() as connection:
            # By default it would try for ever.
            connection.ensure_connection(max_retries=0, timeout=_PROBE_SECONDS)
            queue.bind(connection.default_channel).purge()
            with connection.Producer() as producer:
                probe.apply_async(producer=producer, queue=queue.name, retry=False)
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
