"""From an accepted send to its webhooks: waits for each status's time, gathers batches, hands bodies to the courier."""

import asyncio
from collections import Counter
from typing import Any

from simulator.config import Account, Webhooks
from simulator.delivery import Courier
from simulator.ledger import Accepted
from simulator.outcomes import Step
from simulator.statuses import Event, encode_events, encode_webhook, plan_statuses, shuffle_events
from simulator.wheel import Wheel


class Reporter:
    def __init__(self, loop: asyncio.AbstractEventLoop, webhooks: Webhooks) -> None:
        self._loop = loop
        self._webhooks = webhooks
        self._wheel = Wheel(loop)
        self._batch: list[Event] = []
        self._batch_timer: asyncio.TimerHandle | None = None
        self._statuses: Counter[str] = Counter()
        self._courier = Courier(loop, webhooks)

    def configure(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks
        self._courier.configure(webhooks)

    def report(self, accepted: Accepted, account: Account, step: Step, *, answer_delay_seconds: float) -> None:
        """Plan the webhooks of a send; without a callback URL there are none."""
        webhooks = self._webhooks
        if not webhooks.callback_url:
            return
        start = 0.0 if webhooks.before_answer else answer_delay_seconds
        code = step.code
        for delay, status in plan_statuses(step, webhooks):
            self._wheel.schedule(start + delay, self._add, Event(accepted, account, status, code))

    def inject(self, document: Any) -> None:
        """Sign and post an event of the caller's making."""
        self._courier.post(encode_webhook(document))

    def flush(self) -> int:
        """Send now what waits for its time, its batch or its retry; returns how many statuses and posts that was."""
        count = self._wheel.flush() + len(self._batch)
        self._send_batch()
        return count + self._courier.flush()

    def clear(self) -> None:
        self._wheel.clear()
        self._batch.clear()
        self._statuses.clear()
        self._courier.clear()

    def close(self) -> None:
        self.clear()
        self._courier.close()

    def summary(self) -> dict[str, Any]:
        """`pending` counts statuses that are not posted yet plus posts without an answer: 0 means all is told."""
        pending = len(self._wheel) + len(self._batch) + self._courier.pending_count
        return {**self._courier.counts, "pending": pending, "statuses": dict(self._statuses)}

    def _add(self, event: Event) -> None:
        self._statuses[event.status.value] += 1
        if self._webhooks.batch_size <= 1:
            self._courier.post(encode_events((event,)))
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
            self._courier.post(encode_events(events))
