"""The task that applies webhook events. It takes no arguments: the bodies stand in Postgres."""

from __future__ import annotations

from campaigns.celery import WakeUp, app
from campaigns.privacy.optout_confirmations import send_replies
from campaigns.tasks import ring_campaigns
from campaigns.worker.runtime import runtime
from webhooks.applier.apply import apply_events


@app.task(name="webhooks.apply", base=WakeUp)
def apply() -> None:
    """Apply what is stored and due. Confirmations of opt-outs wait for Meta in a thread apart."""
    here = runtime()
    applied = apply_events(here.database, here.settings, here.alerts)
    ring_campaigns(applied.to_ring)
    if here.settings.stop_reply is not None:
        here.slow_threads.submit(send_replies, here.database, here.settings)
    if applied.is_more_left:
        apply.apply_async(retry=False)
