"""Pages of lists: the cursor is the key of the last row, and the next page begins behind it."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from api.problems import ProblemError

_MAX_ID = 2**63 - 1


def write_cursor(key: Sequence[dt.datetime | int | str]) -> str:
    values = [each.astimezone(dt.UTC).isoformat() if isinstance(each, dt.datetime) else each for each in key]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def read_cursor(text: str | None, *kinds: type) -> Any:
    """Return the key of a cursor as a tuple of values of these types; None if there is no cursor."""
    if text is None:
        return None
    try:
        values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        return tuple(_read_value(value, kind) for value, kind in zip(values, kinds, strict=True))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        error = {"pointer": "?cursor", "code": "cursor_invalid", "detail": "Take the cursor from `next` of a page."}
        raise ProblemError("values_invalid", errors=[error]) from None


def link_next(cursor: str | None) -> dict[str, str]:
    """Return the header that links to the next page of the list of this request; {} if this page is the last one."""
    if cursor is None:
        return {}
    query = urlencode({**request.args.to_dict(), "cursor": cursor})
    return {"Link": f'<{request.script_root}{request.path}?{query}>; rel="next"'}


def _read_value(value: Any, kind: type) -> Any:
    if kind is dt.datetime:
        read = dt.datetime.fromisoformat(value)
        if read.tzinfo is None:
            raise ValueError(value)
        return read
    if kind is int and (type(value) is not int or not 0 <= value <= _MAX_ID):
        raise ValueError(value)
    if kind is str and (not isinstance(value, str) or "\0" in value):
        raise ValueError(value)
    return value
