"""The task that applies stored webhook bodies. The task has no arguments, because the bodies are in Postgres."""

from __future__ import annotations

from campaigns.celery import WakeUp, app
from campaigns.privacy.optout_confirmations import send_replies
from campaigns.tasks import enqueue_campaigns
from campaigns.worker.runtime import runtime
from webhooks.applier.apply import apply_events


@app.task(name="webhooks.apply", base=WakeUp)
def apply() -> None:
    """Apply the stored bodies that are due. A separate thread sends confirmations of opt-outs, and waits for Meta."""
    here = runtime()
    applied = apply_events(here.database, here.settings, here.alerts)
    enqueue_campaigns(applied.to_enqueue)
    # A database that is an older copy and lacks claims may also lack confirmations that were sent. While the database
    # may be such a copy, no confirmations are sent, because a person could get a confirmation twice.
    if here.settings.stop_reply is not None and here.continuity.check_now():
        here.confirmation_threads.submit(send_replies, here.database, here.settings)
    if applied.is_more_left:
        apply.apply_async(retry=False)
