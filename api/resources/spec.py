"""The description of the API: in OpenAPI for programs, and as a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from apiflask import APIBlueprint, APIFlask
from flask import Response, current_app, render_template, request
from markupsafe import Markup, escape

from api.access import PUBLIC, demands

blueprint = APIBlueprint("spec", __name__, enable_openapi=False)

_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@blueprint.get("/openapi.json")
@demands(PUBLIC)
def read_spec() -> dict[str, Any]:
    return _load()


@blueprint.get("/docs")
@demands(PUBLIC)
def show_spec() -> Response:
    """Show the description as a page that loads nothing."""
    spec = _load()
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            tags.setdefault(operation["tags"][0], []).append(_describe(path, method, operation))
    root = f"{request.script_root}/v1"
    schemas = spec["components"]["schemas"]
    page = render_template("docs.html", root=root, tags=tags, schemas=schemas, write=_write, refer=_refer)
    return Response(page, headers={"Content-Security-Policy": _POLICY})


def _load() -> dict[str, Any]:
    return cast("dict[str, Any]", cast("APIFlask", current_app).spec)


def _describe(path: str, method: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    status, answer = next(iter(operation["responses"].items()))
    (scopes,) = (each["token"] for each in operation["security"])
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "scope": next(iter(scopes), ""),
        "parameters": operation["parameters"],
        "body": _find_schema(operation.get("requestBody")),
        "status": status,
        "answer": _find_schema(answer),
    }


def _find_schema(body: Mapping[str, Any] | None) -> str:
    """Return the reference to the schema of a body; "" if it has none."""
    content = (body or {}).get("content", {}).get("application/json", {})
    return str(content.get("schema", {}).get("$ref", ""))


def _refer(reference: str) -> Markup:
    name = reference.rpartition("/")[2]
    return Markup('<a href="#schema-{}">{}</a>').format(name, name)


def _write(schema: Mapping[str, Any]) -> Markup:
    """Return the type of a value in words."""
    if "$ref" in schema:
        return _refer(schema["$ref"])
    if "anyOf" in schema:
        return Markup(" or ").join(_write(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_write(schema["items"]))
    return escape(schema.get("format") or schema.get("type") or "any value")
