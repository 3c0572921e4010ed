"""Completes the description of the API that APIFlask makes: what holds for each operation is written here once."""

from __future__ import annotations

import json
import re
from typing import Any

from apiflask import APIFlask

from api.access import ANY_TOKEN, find_demand
from api.problems import CONTENT_TYPE

# Each operation may answer with each of these problems.
_STATUSES = (400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503)
_STATUSES_OF_CHANGES = (412, 428)
# A POST that changes nothing.
_READS = frozenset({"/people:find"})
_ID = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `code` is stable, and docs/api.md explains each.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "A JSON pointer into the body, or ?name of the query.",
                    },
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "hint": {
            "type": "object",
            "required": ["action", "target"],
            "properties": {"action": {"type": "string"}, "target": {"type": "string"}},
        },
    },
}
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "The same request with the same key is carried out once, and gets the first answer for 24 hours.",
}
_LISTS: dict[str, Any] = {"text/csv": {}, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {}}
_IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "description": "The ETag of the campaign as it was read, or *.",
}


# The headers of successful answers; `_list_headers` says which operation sends which.
_HEADERS = {
    "RateLimit": "How many requests are left in the present minute, and when it ends.",
    "RateLimit-Policy": "The limit of the token.",
    "X-Request-Id": "The id of the request in the log of the server.",
    "ETag": "The version of the campaign. A change sends it as If-Match.",
    "Idempotency-Replayed": "`true` if the request was carried out before, and this is the answer of that time.",
    "Link": "The address of the next page.",
    "Location": "The address of what was made.",
}
_HEADERS_OF_ALL = ("RateLimit", "RateLimit-Policy", "X-Request-Id")


def complete_spec(app: APIFlask, spec: dict[str, Any]) -> dict[str, Any]:
    """Return the description with the problems, the scopes and the headers of each operation."""
    spec = json.loads(_shorten_names(json.dumps(spec)))
    schemas = spec["components"]["schemas"]
    spec["components"]["schemas"] = {}
    for name in sorted(schemas):
        known = spec["components"]["schemas"].setdefault(name.rpartition(".")[2], schemas[name])
        assert known == schemas[name], f"two schemas have the name {name}"
    spec["components"]["schemas"]["Problem"] = _PROBLEM
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    spec["components"]["responses"] = {"Problem": {"description": "A problem.", "content": content}}
    spec["components"]["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in _HEADERS.items()
    }
    spec["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    spec["servers"] = [{"url": "/api/v1"}]
    spec["tags"] = list({each["name"]: each for each in spec["tags"]}.values())
    spec["paths"] = {path.removeprefix("/v1"): spec["paths"][path] for path in sorted(spec["paths"])}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            _complete(app, path, method, operation)
    return spec


def _shorten_names(text: str) -> str:
    """Name each schema by its own name. APIFlask puts the name of the schema around it in front of it."""
    return re.sub(r'"#/components/schemas/(?:\w+\.)+(\w+)"', r'"#/components/schemas/\1"', text)


def _complete(app: APIFlask, path: str, method: str, operation: dict[str, Any]) -> None:
    demand = find_demand(app, operation["operationId"])
    operation["operationId"] = operation["operationId"].partition(".")[2].rstrip("_")
    operation["security"] = [{"token": [] if demand == ANY_TOKEN else [str(demand)]}]
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            parameter["schema"], parameter["required"] = _ID, True
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    if method == "put" and "requestBody" not in operation:
        operation["requestBody"] = {"required": True, "content": _LISTS}
    if method == "post" and path not in _READS:
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    is_conditional = method in {"patch", "delete"} and path.endswith("/campaigns/{campaign_id}")
    if is_conditional:
        operation["parameters"].append(_IF_MATCH)
    for status, response in operation["responses"].items():
        names = _list_headers(path, method, status, operation)
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    for status in (*_STATUSES, *(_STATUSES_OF_CHANGES if is_conditional else ())):
        operation["responses"][str(status)] = {"$ref": "#/components/responses/Problem"}


def _list_headers(path: str, method: str, status: str, operation: dict[str, Any]) -> list[str]:
    """Return the headers of a successful answer."""
    is_list = any(each["name"] == "cursor" for each in operation["parameters"])
    is_campaign = re.fullmatch(r"/campaigns(/\{campaign_id\}(:\w+)?)?", path) is not None and not is_list
    return [
        *_HEADERS_OF_ALL,
        *(["Link"] if is_list else []),
        *(["ETag"] if is_campaign and status in {"200", "201"} else []),
        *(["Location"] if status in {"201", "202"} else []),
        *(["Idempotency-Replayed"] if method == "post" and path not in _READS else []),
    ]
