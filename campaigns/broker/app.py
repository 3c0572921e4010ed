"""Makes a Celery application whose input is filtered, for workers, beat, and processes that only publish."""

from __future__ import annotations

from celery import Celery

from campaigns.broker import message_filter


def make_app() -> Celery:
    """Return an application with the settings of `celeryconfig.py`. It knows tasks once they are imported."""
    message_filter.install()
    app = Celery("revoada", amqp=message_filter.AMQP)
    app.config_from_object("celeryconfig")
    return app
