"""The console: web pages on which people make, watch and stop campaigns by the use cases of `campaigns`."""

from __future__ import annotations

from flask import Flask


def create_app() -> Flask:
    """Return the console's WSGI application, which uses the Postgres and the broker that the environment names.

    The server calls this function in each of its processes, after it has forked. Raises SettingsError, which names the
    variable that is missing or wrong. Raises PoolerError if a connection pooler answers in place of Postgres although
    no setting names a pooler.
    """
    from console.wiring import wire_app  # noqa: PLC0415  gunicorn imports this package for its settings first

    return wire_app()
