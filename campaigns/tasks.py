"""The tasks. A task takes only ids, calls functions of other modules, and enqueues the campaigns that they return."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from campaigns.broker.enqueue import publish, warn_broker_away
from campaigns.broker.inspection import count_tasks
from campaigns.broker.message_filter import BrokerUnavailable
from campaigns.celery import WakeUp, app
from campaigns.config import Settings
from campaigns.doctor import health
from campaigns.logs import event
from campaigns.management.files.work import do_all_work
from campaigns.management.hooks import delivery
from campaigns.metrics.counts import counts
from campaigns.privacy import retention
from campaigns.sending import samples, schedule
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.accounts import claim_health_check
from campaigns.store.database import Database
from campaigns.store.leases import load_lease_epochs, unmark_campaigns
from campaigns.worker.runtime import runtime

_log = logging.getLogger(__name__)

# At most this many health checks wait in the queue, each for one account. Further checks are not published; slices
# request them again after REVOADA_HEALTH_SECONDS.
_MAX_HEALTH_CHECKS = 100
# Likewise for the hooks with due events.
_MAX_HOOKS = 100


@app.task(name="campaigns.tick", base=WakeUp)
def tick() -> None:
    """Enqueue every eligible campaign that has neither a running slice nor a waiting task."""
    with counts.time("revoada_tick_seconds"):
        _tick()
    counts.add("revoada_ticks_total")


def _tick() -> None:
    process = runtime()
    if not process.continuity.check_now():
        return  # Postgres may be an older copy that lacks claims: a warning or an alert has said so
    try:
        with app.connection_or_acquire() as connection:
            waiting_count = count_tasks(app.conf.task_routes[run.name]["queue"], connection)
    except BrokerUnavailable as error:
        warn_broker_away(run.name, 1, error)
        return
    enqueue_campaigns(schedule.mark_due(process.database, process.settings, waiting_count=waiting_count))


class SliceFailedError(Exception):
    """A slice ended with an error, which the log holds in full. The text of this exception is that error's type."""


# Celery logs an expected error in one line. Without `throws`, Celery would log the traceback a second time.
@app.task(name="campaigns.run", throws=(SliceFailedError,))
def run(campaign_id: int) -> None:
    """Run one slice of a campaign, which sends messages for at most REVOADA_SLICE_SECONDS.

    Does nothing if the campaign is not eligible, or if another task has started the slice.
    """
    tools = runtime().tools
    try:
        context = begin_slice(campaign_id, tools, epoch=run.request.get("lease_epoch"))
        if context is None:
            return
        enqueue_health_checks(context.health_due, campaign_id)
        if run_slice(context, tools):
            _enqueue_slices([(campaign_id, context.row.epoch)])
    except Exception as error:  # noqa: BLE001  the log holds the error in full
        # The lease expires by itself, and a tick enqueues the campaign again.
        bound = event("slice_error", campaign_id=campaign_id)
        _log.exception("Campaign %s stopped for now by an error; others go on", campaign_id, extra=bound)
        # Celery publishes the text and the traceback of a task's exception to Flower. The text of the first error may
        # quote data.
        raise SliceFailedError(type(error).__name__) from None


@app.task(name="campaigns.reconcile", base=WakeUp)
def reconcile() -> None:
    """Make messages of dead workers uncertain, expire messages of paused campaigns, delete expired webhook events.

    Reports messages that have been uncertain for long, and the number of people whose answers an operator must review.
    """
    process = runtime()
    schedule.reconcile(process.database, process.settings, process.alerts)


class RetentionFailedError(Exception):
    """Some steps of the retention ended with errors, which the log holds in full. The text has the errors' types."""


@app.task(name="campaigns.retain", base=WakeUp, throws=(RetentionFailedError,))
def retain() -> None:
    """Erase what is old: data of campaigns (REVOADA_RETENTION_DAYS), files, logins, the audit (REVOADA_AUDIT_DAYS)."""
    _run_each(_list_retention_steps(runtime().settings), runtime().database)


def _list_retention_steps(settings: Settings) -> list[Callable[[Database], object]]:
    """Return the steps that erase what is old. The steps that erase data of people come first."""
    steps: list[Callable[[Database], object]] = []
    if days := settings.retention_days:
        steps += [partial(each, days=days, actor=None) for each in (retention.retain, retention.retain_answers)]
    steps.append(partial(retention.retain_forwards, days=settings.retention_days))
    steps += [retention.retain_files, retention.retain_logins, retention.retain_requests]
    steps.append(retention.retain_hook_events)
    if settings.audit_days:
        steps.append(partial(retention.retain_audit, days=settings.audit_days))
    return [*steps, samples.condense_samples]


def _run_each(steps: Iterable[Callable[[Database], object]], database: Database) -> None:
    """Run all steps, also those behind a step that ends with an error. Raises RetentionFailedError at the end."""
    errors = []
    for step in steps:
        try:
            step(database)
        except Exception as error:  # noqa: BLE001  the log holds the error in full
            text = "A step of the erasure of old data ended with an error; the other steps go on"
            _log.exception(text, extra=event("retain_error"))
            errors.append(type(error).__name__)
    if errors:
        raise RetentionFailedError(", ".join(errors))


@app.task(name="files.work", base=WakeUp)
def work_with_files() -> None:
    """Import uploads, write downloads and count costs, one after the other, until no work is due that nobody else does.

    When the process stops, its job is given back, and another process begins the job anew.
    """
    process, settings = runtime(), runtime().settings
    do_all_work(process.database, secret_key=settings.secret_key, overlap_days=settings.overlap_days, stop=process.stop)


@app.task(name="campaigns.sample", base=WakeUp)
def sample() -> None:
    """Write the numbers of running campaigns and of accounts for the charts, once a minute."""
    process = runtime()
    samples.sample(process.database, process.settings)


@app.task(name="hooks.plan", base=WakeUp)
def plan_hooks() -> None:
    """Plan the deliveries of new events to hooks, and enqueue a task for each hook that has due events."""
    hook_ids = delivery.plan(runtime().database)
    publish(app, deliver_to_hook.name, [((hook_id,), {}) for hook_id in hook_ids])


@app.task(name="hooks.deliver", base=WakeUp, max_waiting=_MAX_HOOKS)
def deliver_to_hook(hook_id: int) -> None:
    """Post the due events of a hook in a thread, so that a receiver that hangs does not occupy a slot.

    If too many hooks wait for a thread, nothing is begun. The next `hooks.plan` enqueues the hook again.
    """
    runtime().hook_threads.submit(_deliver_to_hook, hook_id)


def _deliver_to_hook(hook_id: int) -> None:
    process = runtime()
    try:
        delivery.deliver(
            hook_id, database=process.database, settings=process.settings, alerts=process.alerts, stop=process.stop
        )
    except Exception:  # noqa: BLE001  no error of a delivery may end the thread unlogged
        bound = event("hook_error", hook_id=hook_id)
        _log.exception("The delivery to hook %s ended with an error, going on later", hook_id, extra=bound)


def enqueue_file_work() -> bool:
    """Enqueue the work with files. Return False if the broker does not serve; beat enqueues it later."""
    return publish(app, work_with_files.name, [((), {})])


@app.task(name="campaigns.probe")
def probe() -> None:
    """Do nothing. The task proves that the worker consumes tasks, because `Watchdog` notes each task that begins."""


@app.task(name="health.check_account", base=WakeUp, max_waiting=_MAX_HEALTH_CHECKS)
def check_account(account_id: int, campaign_id: int | None = None) -> None:
    """Check the health of an account in a thread, so that an endpoint that hangs does not occupy a slot.

    If too many checks wait for a thread, the check is not begun. A slice requests the check again later.
    """
    if not runtime().health_threads.submit(_check_account, account_id, campaign_id):
        bound = event("health_postponed", account_id=account_id, campaign_id=campaign_id)
        _log.info("Health check of account %s postponed: too many wait for an answer", account_id, extra=bound)


def _check_account(account_id: int, campaign_id: int | None) -> None:
    process = runtime()
    try:
        if not process.database.run(claim_health_check, account_id):
            return
        health.check_account(
            account_id, campaign_id, database=process.database, settings=process.settings, alerts=process.alerts
        )
    except Exception:  # noqa: BLE001  no error of a check may end the thread unlogged
        bound = event("health_error", account_id=account_id, campaign_id=campaign_id)
        _log.exception("Health check of account %s ended with an error, going on", account_id, extra=bound)


def enqueue_campaigns(campaign_ids: Sequence[int]) -> bool:
    """Enqueue a slice for each campaign, in order, in one batch; the caller has marked the campaigns as enqueued.

    If the broker does not accept the tasks, the marks are removed, so that the next tick enqueues the campaigns.
    Returns False in that case.
    """
    if not campaign_ids:
        return True
    epochs = runtime().database.run(load_lease_epochs, campaign_ids)
    return _enqueue_slices([(campaign_id, epochs.get(campaign_id)) for campaign_id in campaign_ids])


def _enqueue_slices(slices: Sequence[tuple[int, int | None]]) -> bool:
    """Enqueue a slice for each (campaign id, epoch of its lease).

    If the broker does not accept the tasks, the marks are removed, and False is returned.
    """
    if publish(app, run.name, [((campaign_id,), {"lease_epoch": epoch}) for campaign_id, epoch in slices]):
        counts.add("revoada_enqueued_total", count=len(slices))
        return True
    runtime().database.run(unmark_campaigns, [campaign_id for campaign_id, _ in slices])
    return False


def enqueue_health_checks(account_ids: Iterable[int], campaign_id: int | None) -> None:
    """Enqueue health checks. If the broker loses a check, a slice requests the check again later."""
    publish(app, check_account.name, [((account_id, campaign_id), {}) for account_id in account_ids])
