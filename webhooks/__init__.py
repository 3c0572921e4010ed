"""Meta's webhooks. The receiver stores their bodies in Postgres. The applier runs in workers and applies the bodies."""

from __future__ import annotations

from flask import Flask


def create_app() -> Flask:
    """Return the receiver's WSGI application, which uses the Postgres and the broker that the environment names.

    The function leaves no connection open, so a server may fork after this call. Raises SettingsError, which names the
    variable that is missing or wrong. Raises PoolerError if a connection pooler answers in place of Postgres although
    no setting names a pooler.
    """
    from webhooks.receiver.wiring import wire_app  # noqa: PLC0415  a worker imports this package, but needs no receiver

    return wire_app()
