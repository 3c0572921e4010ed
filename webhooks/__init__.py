"""The receiver: takes Meta's webhooks, stores them, and lets workers apply them."""

from __future__ import annotations

from flask import Flask


def create_app() -> Flask:
    """Return the WSGI application, wired to Postgres and the broker of the environment.

    Raises SettingsError naming the variable that is missing or wrong. Connects to nothing yet: a server may fork
    after this.
    """
    from campaigns.logs import configure_logging  # noqa: PLC0415  importing the package must stay free of the app's cost
    from campaigns.store.events import insert_events  # noqa: PLC0415
    from campaigns.worker.runtime import runtime  # noqa: PLC0415
    from webhooks.receiver.app import make_app  # noqa: PLC0415
    from webhooks.receiver.inbox import Inbox  # noqa: PLC0415
    from webhooks.receiver.notifier import Doorbell  # noqa: PLC0415
    from webhooks.tasks import ring_apply  # noqa: PLC0415

    here = runtime()
    settings = here.settings.require("database_url", "meta_app_secret", "meta_verify_token")
    configure_logging(settings)
    return make_app(
        app_secret=settings.meta_app_secret or "",
        verify_token=settings.meta_verify_token or "",
        inbox=Inbox(lambda bodies: here.database.run(insert_events, bodies), wait_seconds=settings.inbox_wait_seconds),
        doorbell=Doorbell(ring_apply),
        is_ready=lambda: here.database.is_ready(),  # noqa: PLW0108  the pool is made after a fork, not here
    )
