"""The receiver takes Meta's webhooks and stores them; the applier, in workers, applies them."""

from __future__ import annotations

from flask import Flask


def create_app() -> Flask:
    """Return the WSGI application of the receiver, wired to Postgres and the broker of the environment.

    Raises SettingsError naming the variable that is missing or wrong. Connects to nothing yet: a server may fork
    after this.
    """
    from webhooks.receiver.wiring import wire_app  # noqa: PLC0415  a worker imports this package without the receiver

    return wire_app()
