"""The tasks. Each takes ids, calls one use case, and rings what that returns; nothing is decided here."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from campaigns.broker.inspection import count_tasks
from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.celery import WakeUp, app
from campaigns.logs import event
from campaigns.privacy import retention
from campaigns.sending import health, schedule
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.accounts import begin_check
from campaigns.store.leases import lease_epochs, unmark_campaigns
from campaigns.worker.runtime import runtime

_log = logging.getLogger(__name__)

# Most health checks that may wait in the queue, one per account. Checks beyond that are not published; they are
# requested again after REVOADA_HEALTH_SECONDS.
_MOST_HEALTH_CHECKS = 100


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
