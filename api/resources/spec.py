"""The description of the API in OpenAPI."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import current_app

from api.access import PUBLIC, demands

blueprint = APIBlueprint("spec", __name__, enable_openapi=False)


@blueprint.get("/openapi.json")
@demands(PUBLIC)
def read_spec() -> dict[str, Any]:
    return current_app.spec  # type: ignore[attr-defined,no-any-return]
