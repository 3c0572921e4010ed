"""Answers the probes of a load balancer: `/healthz` while the process runs, `/readyz` while Postgres answers."""

from __future__ import annotations

from flask import Flask
from flask.wrappers import Response

from console.context import parts
from console.rights import public


def register(app: Flask) -> None:
    app.add_url_rule("/healthz", "healthz", show_health)
    app.add_url_rule("/readyz", "readyz", show_readiness)


@public
def show_health() -> Response:
    return Response("ok", mimetype="text/plain")


@public
def show_readiness() -> Response:
    is_ready = parts().database.is_ready()
    return Response("ready" if is_ready else "not ready", 200 if is_ready else 503, mimetype="text/plain")
