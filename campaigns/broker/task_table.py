"""The table of tasks. Celery's routes, beat's schedule and the message filter use this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from campaigns.config import Settings

PROBE = "campaigns.probe"
_RETAIN_SECONDS = 3600.0
_SAMPLE_SECONDS = 60.0
_HOOK_SECONDS = 5.0  # also the wait before the second try of an event


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task takes at least `required_ids` ids and at most `max_ids`.

    `queue`: None if each worker has a queue of its own for this task. `interval`: returns the seconds between two tasks
    that beat publishes; None if beat does not publish the task.
    """

    queue: str | None
    required_ids: int = 0
    max_ids: int = 0
    interval: Callable[[Settings], float] | None = None


TASKS = {
    "campaigns.tick": TaskRow("control", interval=lambda settings: settings.tick_seconds),
    "campaigns.reconcile": TaskRow("control", interval=lambda settings: settings.reconcile_seconds),
    # Does nothing unless REVOADA_RETENTION_DAYS is set.
    "campaigns.retain": TaskRow("control", interval=lambda _: _RETAIN_SECONDS),
    "campaigns.sample": TaskRow("control", interval=lambda _: _SAMPLE_SECONDS),
    "campaigns.run": TaskRow("campaigns", required_ids=1, max_ids=1),
    # The id of the account, and the id of the campaign that requested the check.
    "health.check_account": TaskRow("health", required_ids=1, max_ids=2),
    # A process that asks for work with a file publishes this task. Beat publishes it too, to replace lost tasks.
    "files.work": TaskRow("files", interval=lambda settings: settings.reconcile_seconds),
    # Events are written in the transactions of their facts, which publish no task, so beat's task finds them.
    "hooks.plan": TaskRow("control", interval=lambda _: _HOOK_SECONDS),
    "hooks.deliver": TaskRow("control", required_ids=1, max_ids=1),
    # The webhook receiver publishes this task. Beat publishes it too, to replace lost tasks and to retry events.
    "webhooks.apply": TaskRow("webhooks", interval=lambda settings: settings.tick_seconds),
    # `webhooks.apply` publishes this task when a body waits for a forward.
    "webhooks.forward": TaskRow("webhooks"),
    PROBE: TaskRow(None),
}
