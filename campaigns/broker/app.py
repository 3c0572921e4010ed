"""Makes the Celery application for workers, beat and publishers. Its transport filters every incoming message."""

from __future__ import annotations

from celery import Celery

from campaigns.broker import message_filter


def make_app() -> Celery:
    """Return an application with the settings of `celeryconfig.py`. Importing a task's module registers the task."""
    message_filter.install()
    app = Celery("revoada", amqp=message_filter.AMQP)
    app.config_from_object("celeryconfig")
    return app
