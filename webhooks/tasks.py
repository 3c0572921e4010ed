"""The tasks that apply webhook bodies and pass them on. They have no arguments, because the bodies are in Postgres."""

from __future__ import annotations

from campaigns.broker.enqueue import publish
from campaigns.celery import WakeUp, app
from campaigns.metrics.counts import counts
from campaigns.privacy.optout_confirmations import send_replies
from campaigns.store.forwards.forwards import has_forward_work, lease_forwards, release_forward
from campaigns.tasks import enqueue_campaigns
from campaigns.worker.runtime import runtime
from webhooks.applier.apply import apply_events
from webhooks.forwarder.deliver import LEASE_SECONDS, send_waiting
from webhooks.forwarder.route import route_bodies


@app.task(name="webhooks.apply", base=WakeUp)
def apply() -> None:
    """Apply the stored bodies that are due. A separate thread sends confirmations of opt-outs, and waits for Meta."""
    here = runtime()
    # Beat publishes this task regularly, so a later try of a target needs no task of its own.
    if here.database.run(has_forward_work):
        publish(app, forward.name, [((), {})])
    applied = apply_events(here.database, here.settings, here.alerts)
    counts.add("revoada_webhooks_applied_total", count=applied.event_count)
    counts.observe("revoada_webhook_apply_delay_seconds", applied.delays)
    counts.add_all(
        "revoada_webhook_parts_total", [((name.replace(" ", "_"),), count) for name, count in applied.counts.items()]
    )
    enqueue_campaigns(applied.to_enqueue)
    # A database that is an older copy and lacks claims may also lack confirmations that were sent. While the database
    # may be such a copy, no confirmations are sent, because a person could get a confirmation twice.
    if here.settings.stop_reply is not None and here.continuity.check_now():
        here.confirmation_threads.submit(send_replies, here.database, here.settings)
    if applied.is_more_left:
        apply.apply_async(retry=False)


@app.task(name="webhooks.forward", base=WakeUp)
def forward() -> None:
    """Route the bodies that are to be passed on. Each target has a thread of its own, so none waits for another."""
    here = runtime()
    route_bodies(here.database)
    for leased in here.database.run(lease_forwards, lease_seconds=LEASE_SECONDS):
        if not here.forward_threads.submit(send_waiting, leased, here.database, here.settings, here.stop):
            here.database.run(release_forward, leased)
