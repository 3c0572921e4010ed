"""Plans and makes the POSTs to hooks. Each event is tried until a receiver accepts it, or until all tries failed.

One process at a time delivers to a hook, and a hook that does not answer holds up no other hook. A process that dies
has written no result, so another process posts the same events with the same ids.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from campaigns.alerts import Alerts
from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.domain.controls import escape_unstorable
from campaigns.domain.hooks.events import DisabledReason, write_body
from campaigns.domain.hooks.signature import sign
from campaigns.domain.statement import Refusal
from campaigns.egress import Poster, PostResult, wait_seconds
from campaigns.logs import event
from campaigns.secrets import decrypt_token
from campaigns.store.database import Database
from campaigns.store.hooks import outbox
from campaigns.store.hooks.outbox import DueDelivery, TakenHook, Try

_log = logging.getLogger(__name__)

_PLANNED_TOGETHER = 2_000
# One call works for about this time. The next task, a few seconds later, goes on.
_WORK_SECONDS = 60.0
# A round of POSTs: how many of them there are, and how many are in flight at the same time. While a receiver fails, a
# round is one POST for each thread, so that a backlog does not use up its tries.
_ROUND, _THREADS = 64, 8
# Longer than a round can take: each thread makes 8 POSTs of at most 10 s.
_BUSY_SECONDS = 120.0
_MAX_ANSWER_CHARACTERS = 500
_GONE = 410


def plan(database: Database) -> list[int]:
    """Plan the deliveries of new events, and return the ids of the hooks that have due events."""
    until = clock() + _WORK_SECONDS
    while database.run(outbox.plan_deliveries, limit=_PLANNED_TOGETHER) == _PLANNED_TOGETHER and clock() < until:
        pass
    return database.run(outbox.find_due_hooks)


def deliver(hook_id: int, *, database: Database, settings: Settings, alerts: Alerts, stop: threading.Event) -> None:
    """Post the due events of a hook, round after round, while some arrive.

    Does nothing if another process delivers to the hook. `stop`: set when the process ends; then no POST is begun.
    """
    hook = database.run(outbox.take_hook, hook_id, seconds=_BUSY_SECONDS)
    if hook is None:
        return
    until = clock() + _WORK_SECONDS
    with Poster(hook.url, settings.egress_networks or (), ca_file=settings.ca_file) as poster:
        while hook is not None:
            limit = _ROUND if hook.failing_since is None else _THREADS
            due = database.run(outbox.list_due_deliveries, hook_id, limit=limit)
            try:
                tries = _post_all(hook, due, poster, settings, stop)
            except Refusal:  # no key can read the secret of the hook
                _report(hook_id, hook, database.run(outbox.note_failure, hook_id), alerts)
                raise
            if tries:
                _write(hook_id, hook, tries, database, alerts)
            if len(due) < limit or not any(each.is_success for each in tries) or stop.is_set() or clock() > until:
                database.run(outbox.give_hook_back, hook_id, hook.busy_until)
                return
            hook = database.run(outbox.take_hook, hook_id, seconds=_BUSY_SECONDS, held=hook.busy_until)


def _post_all(
    hook: TakenHook, due: Sequence[DueDelivery], poster: Poster, settings: Settings, stop: threading.Event
) -> list[Try]:
    settings.require("secret_key")
    assert settings.secret_key is not None
    sealed = [each for each in (hook.secret, hook.old_secret) if each is not None]
    secrets = [decrypt_token(settings.secret_key, each) for each in sealed]

    started_at = clock()

    def try_one(delivery: DueDelivery) -> Try | None:
        if stop.is_set():
            return None
        # Receivers refuse a POST with a wrong time, so the time is that of Postgres, not that of this machine.
        timestamp = int(hook.server_time + clock() - started_at)
        body = write_body(delivery.type, delivery.at, delivery.data)
        headers = sign(secrets, delivery.webhook_id, timestamp, body)
        headers["Content-Type"] = "application/json"
        return _judge(delivery, poster.post(body, headers))

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="hook-posts") as threads:
        return [each for each in threads.map(try_one, due) if each is not None]


def _judge(delivery: DueDelivery, result: PostResult) -> Try:
    answer = escape_unstorable(result.body.decode("utf-8", "replace")[:_MAX_ANSWER_CHARACTERS])
    wait = None if result.is_success else wait_seconds(delivery.try_count + 1)
    return Try(delivery, result.is_success, wait, result.status, result.error, answer or None, result.seconds)


def _write(hook_id: int, hook: TakenHook, tries: Sequence[Try], database: Database, alerts: Alerts) -> None:
    is_gone = any(each.status == _GONE for each in tries)
    reason = database.run(outbox.write_tries, hook_id, tries, is_gone=is_gone)
    given_up = [each for each in tries if not each.is_success and each.wait_seconds is None]
    if given_up:
        text = "Hook %s: %s events are given up after their last try"
        _log.warning(text, hook_id, len(given_up), extra=event("hook_given_up", hook_id=hook_id, count=len(given_up)))
    _report(hook_id, hook, reason, alerts)


def _report(hook_id: int, hook: TakenHook, reason: str | None, alerts: Alerts) -> None:
    """Report why a hook was disabled. `reason` None: it was not."""
    if reason is not None:
        why = {
            DisabledReason.GONE: "its receiver answered 410 (Gone)",
            DisabledReason.FAILING: "no POST to it succeeded for five days",
        }[DisabledReason(reason)]
        text = f"Hook {hook_id} ({urlsplit(hook.url).hostname}) is disabled, because {why}. It gets no more events."
        _log.error(text, extra=event("hook_disabled", hook_id=hook_id, reason=reason))
        alerts.send("hook_disabled", text, hook_id=hook_id, reason=reason)
