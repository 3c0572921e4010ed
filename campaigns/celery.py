"""The Celery application: `celery -A campaigns …`. Settings stand in `celeryconfig.py`, tasks in `tasks.py`."""

from __future__ import annotations

from celery import Celery

app = Celery("revoada")
app.config_from_object("celeryconfig")
