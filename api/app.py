"""Makes the API's Flask application from its parts."""

from __future__ import annotations

from functools import partial
from typing import Any

from apiflask import APIFlask
from werkzeug.routing import BaseConverter

from api.access import guard
from api.context import EXTENSION, Parts
from api.problems import handle_problems
from api.resources import (
    accounts,
    audit,
    campaigns,
    exports,
    forwards,
    hooks,
    me,
    messages,
    moves,
    people,
    portfolios,
    prices,
    recipients,
    reports,
    spec,
    suppressions,
    system,
    templates,
)
from api.spec import complete_spec

# The console passes the paths below /api/.
_PREFIX = "/v1"
_MAX_BODY_BYTES = 64 * 1024
_RESOURCES = (
    me,
    campaigns,
    moves,
    recipients,
    messages,
    reports,
    exports,
    prices,
    accounts,
    portfolios,
    templates,
    suppressions,
    people,
    hooks,
    forwards,
    audit,
    system,
    spec,
)


class IdConverter(BaseConverter):
    """An id in a path."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)


def make_api(parts: Parts) -> APIFlask:
    # APIFlask's own pages of documents load their scripts from other hosts.
    served: dict[str, Any] = {"docs_path": None, "spec_path": None, "static_folder": None, "json_errors": False}
    app = APIFlask("api", title="Revoada", version="1", **served)
    app.config.update(
        MAX_CONTENT_LENGTH=_MAX_BODY_BYTES,
        PROVIDE_AUTOMATIC_OPTIONS=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        AUTO_404_RESPONSE=False,
        AUTO_SERVERS=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[EXTENSION] = parts
    app.url_map.converters["id"] = IdConverter
    guard(app)
    handle_problems(app)
    for resource in _RESOURCES:
        app.register_blueprint(resource.blueprint, url_prefix=_PREFIX)
    for endpoint, view in app.view_functions.items():
        getattr(view, "_spec", {})["operation_id"] = endpoint
    app.spec_processor(partial(complete_spec, app))
    return app
