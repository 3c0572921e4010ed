"""Makes the webhooks of accepted sends: waits until a status is due, collects batches, and queues them for posting."""

import asyncio
from collections import Counter
from typing import Any

from simulator.config import Account, Webhooks
from simulator.delivery import WebhookPoster
from simulator.ledger import Accepted
from simulator.outcomes import Kind, Step
from simulator.statuses import Event, encode_events, encode_webhook, make_event, plan_statuses, shuffle_events
from simulator.wheel import Wheel


class Reporter:
    def __init__(self, loop: asyncio.AbstractEventLoop, webhooks: Webhooks) -> None:
        self._loop = loop
        self._webhooks = webhooks
        self._wheel = Wheel(loop)
        self._batch: list[Event] = []
        self._batch_timer: asyncio.TimerHandle | None = None
        self._statuses: Counter[str] = Counter()
        self._poster = WebhookPoster(loop, webhooks)

    def configure(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._poster.configure(webhooks)

    def report(self, accepted: Accepted, account: Account, step: Step, *, answer_delay_seconds: float) -> None:
        """Plan the webhooks of a send. Without a callback URL there are none."""
        webhooks = self._webhooks
        if not webhooks.callback_url:
            return
        start = 0.0 if webhooks.before_answer else answer_delay_seconds
        code = step.code
        made: dict[Kind, Event] = {}
        for delay, status in plan_statuses(step, webhooks):
            # A status or a reply that is posted twice is the same event.
            event = made.setdefault(status, make_event(accepted, account, status, code=code, webhooks=webhooks))
            self._wheel.schedule(start + delay, self._add, event)

    def inject(self, document: Any) -> None:
        """Sign and post an event that the caller has made."""
        self._poster.post(encode_webhook(document))

    def flush(self) -> int:
        """Post all webhooks now that wait for their time, batch or retry; return the number of statuses and posts."""
        count = self._wheel.flush() + len(self._batch)
        self._send_batch()
        return count + self._poster.flush()

    def clear(self) -> None:
        self._wheel.clear()
        self._batch.clear()
        self._statuses.clear()
        self._poster.clear()

    def close(self) -> None:
        self.clear()
        self._poster.close()

    def summary(self) -> dict[str, Any]:
        """Return the counts. `pending` counts statuses that are not posted yet, and posts without an answer."""
        pending = len(self._wheel) + len(self._batch) + self._poster.pending_count
        return {**self._poster.counts, "pending": pending, "statuses": dict(self._statuses)}

    def _add(self, event: Event) -> None:
        self._statuses[event.status.value] += 1
        if self._webhooks.batch_size <= 1:
            self._poster.post(encode_events((event,), has_user_ids=self._webhooks.user_ids))
            return
        self._batch.append(event)
        if len(self._batch) >= self._webhooks.batch_size:
            self._send_batch()
        elif self._batch_timer is None:
            self._batch_timer = self._loop.call_later(self._webhooks.batch_ms[0], self._send_batch)

    def _send_batch(self) -> None:
        if self._batch_timer is not None:
            self._batch_timer.cancel()
            self._batch_timer = None
        if self._batch:
            events, self._batch = self._batch, []
            if self._webhooks.shuffle:
                shuffle_events(events)
            self._poster.post(encode_events(events, has_user_ids=self._webhooks.user_ids))
