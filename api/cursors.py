"""Pages of lists: the cursor is the encrypted key of the last row, and the next page begins behind it.

A key may have a phone, and logs of proxies keep addresses.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from api.context import parts
from api.problems import ProblemError
from campaigns.secrets import open_key, seal_key

_SECONDS = 24 * 3600


def write_cursor(key: Sequence[dt.datetime | int | str] | None) -> str | None:
    """Return the cursor for the list of this request; None if no page follows."""
    if key is None:
        return None
    values = [each.isoformat() if isinstance(each, dt.datetime) else each for each in key]
    return seal_key(_secret(), f"{request.path} {json.dumps(values)}")


def read_cursor(cursor: str | None, *, has_time: bool = False) -> Any:
    """Return the key of a cursor as a tuple; None if there is no cursor. `has_time`: the key begins with a time."""
    if cursor is None:
        return None
    path, _space, text = (open_key(_secret(), cursor, seconds=_SECONDS) or "").partition(" ")
    if path != request.path:
        detail = "Take the cursor from `next` of a page of this list. It is valid for 24 hours."
        raise ProblemError(
            "values_invalid", errors=[{"pointer": "?cursor", "code": "cursor_invalid", "detail": detail}]
        )
    first, *others = json.loads(text)
    return (dt.datetime.fromisoformat(first) if has_time else first, *others)


def link_next(cursor: str | None) -> dict[str, str]:
    """Return the header that links to the next page of the list of this request; {} if no page follows."""
    if cursor is None:
        return {}
    query = urlencode({**request.args.to_dict(), "cursor": cursor})
    return {"Link": f'<{request.script_root}{request.path}?{query}>; rel="next"'}


def _secret() -> str:
    return parts().settings.secret_key or ""
