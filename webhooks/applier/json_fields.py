"""Reads values from JSON of any shape. A reader returns a usable value or raises `UnusableError`."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import Any

MAX_ID_CHARACTERS = 512  # a wamid has about 60 characters; Postgres refuses index entries above 2,700 bytes
MAX_TEXT_CHARACTERS = 1_000
MAX_QUOTE_CHARACTERS = 40
MAX_DEPTH = 30  # a value nested too deeply to be written is cut at this depth; no field that we read is below depth 8

# Seconds since 1970. A time outside of this range is read as the nearer end of the range. `bound_time` then replaces
# this end by the time of receipt.
_EARLIEST = 1_230_768_000  # 2009-01-01, the year of WhatsApp
_LATEST = 4_102_444_800  # 2100-01-01
_EARLIEST_AT = dt.datetime.fromtimestamp(_EARLIEST, dt.UTC)
FIRST_MILLISECONDS = 100_000_000_000  # a larger number is in milliseconds (seen in production by nyaruka/courier)

_MAX_INTEGER_DIGITS = 100
_MAX_BIGINT = 2**63 - 1
_MAX_CODE = 2**31 - 1
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # Postgres stores neither NUL nor half of a surrogate pair

_decode = json.JSONDecoder().raw_decode

_KINDS = {dict: "an object", list: "a list", bool: "a boolean", type(None): "missing"}


class UnusableError(ValueError):
    """The value at the path `where` cannot be used, for the reason `why`.

    The path starts at the part that was being read. The path is empty if the part itself cannot be used.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}" if where else why)
        self.where = where
        self.why = why


def load_json(body: bytes) -> Any:
    """Return the JSON of `body`. Raises ValueError or RecursionError.

    An object without space around it, as Meta sends it, needs none of the searches that `json.loads` begins with.

    An invalid byte or a huge integer in one status must not make the whole body unreadable. If the fast parser fails
    for one of these two reasons, a slower parser reads the body.
    """
    try:
        if body.startswith(b'{"'):
            text = body.decode("utf-8", "surrogatepass")
            value, end = _decode(text)
            if end == len(text):
                return value
        return json.loads(body)
    except UnicodeDecodeError:
        return json.loads(body.decode("utf-8", "surrogateescape"), parse_int=_read_integer)
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python refuses integers of more than 4,300 digits
        return json.loads(body, parse_int=_read_integer)


def _read_integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else digits


def dump_json(value: object) -> bytes:
    """Return compact JSON from which `load_json` makes the same value again, lone surrogates included.

    A value that is nested too deeply is cut at `MAX_DEPTH`.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        text = json.dumps(_prune(value, MAX_DEPTH), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _prune(value: object, depth: int) -> object:
    if depth == 0 and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        return {key: _prune(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_prune(item, depth - 1) for item in value]
    return value


def read_list(value: object, where: str) -> list[Any]:
    """Return a list. Also accepts an object keyed "0", "1", … (PHP's form of a list), and a single object."""
    if isinstance(value, list):
        return value
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.values()) if all(key.isdecimal() for key in value) else [value]
    raise UnusableError(where, f"not a list: {quote(value)}")


def read_object(value: object, where: str) -> dict[str, Any]:
    """Return an object. Also accepts a list of one object, and None or `[]` (PHP's form of an empty object)."""
    if isinstance(value, dict):
        return value
    if value is None or value == []:
        return {}
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0]
    raise UnusableError(where, f"not an object: {quote(value)}")


def read_id(value: object, where: str) -> str:
    """Return an id, which may be a string or an integer; "" for None."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UnusableError(where, f"not an id: {quote(value)}")
    if len(value) > MAX_ID_CHARACTERS:
        raise UnusableError(where, f"too long: {len(value)} characters")
    if not value.isprintable():  # refuses NUL, other control characters, and surrogates
        raise UnusableError(where, "holds characters that no id has")
    return value


def read_time(value: object, where: str) -> dt.datetime:
    """Return a time from Unix seconds or milliseconds, which may be a string or a number.

    The time may be wrong; `bound_time` corrects it.
    """
    if isinstance(value, str):
        digits = value.strip()
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= MAX_QUOTE_CHARACTERS):
            raise UnusableError(where, f"not a number: {quote(value)}")
        number = int(digits)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and math.isfinite(value):
        number = int(value)
    else:
        raise UnusableError(where, f"not a number: {quote(value)}")
    milliseconds = 0
    if number > FIRST_MILLISECONDS:
        number, milliseconds = divmod(number, 1_000)
    if not _EARLIEST < number < _LATEST:
        return dt.datetime.fromtimestamp(_EARLIEST if number <= _EARLIEST else _LATEST, dt.UTC)
    at = dt.datetime.fromtimestamp(number, dt.UTC)
    return at.replace(microsecond=milliseconds * 1_000) if milliseconds else at


def bound_time(at: dt.datetime, received_at: dt.datetime) -> dt.datetime:
    """Return Meta's time of an event, or the time of receipt if Meta's time is later than the receipt.

    The time of receipt also replaces a time before WhatsApp existed. Such a time would stay for ever, because a message
    keeps the earliest time of each status.
    """
    return received_at if at > received_at or at <= _EARLIEST_AT else at


def read_text(value: object, limit: int = MAX_TEXT_CHARACTERS) -> str:
    """Return a string that Postgres can store, cut to `limit` characters; "" for any other type."""
    if not isinstance(value, str):
        return ""
    cut = value[:limit]
    return cut if cut.isprintable() else _UNSTORABLE.sub("\ufffd", cut)


def read_code(value: object) -> int | None:
    """Return an error code, which may be an integer or a string of digits; None for any other value."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= MAX_QUOTE_CHARACTERS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= _MAX_CODE else None


def summarize(value: object, depth: int = 5) -> Any:
    """Return a small copy that Postgres can store as `jsonb`: its depth, its lists and its strings are cut."""
    if isinstance(value, dict | list) and depth == 0:
        return "…"
    if isinstance(value, dict):
        return {read_text(key, 60): summarize(item, depth - 1) for key, item in list(value.items())[:30]}
    if isinstance(value, list):
        return [summarize(item, depth - 1) for item in value[:20]]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > _MAX_BIGINT:
        value = str(value)
    return read_text(value, 300) if isinstance(value, str) else value


def quote(value: object) -> str:
    """Return a short ASCII description of a refused value; for an object or a list, only its type."""
    if type(value) in _KINDS:
        return _KINDS[type(value)]
    if isinstance(value, int) and abs(value) > _MAX_BIGINT:
        return "a huge number"
    written = json.dumps(value[:MAX_QUOTE_CHARACTERS] if isinstance(value, str) else value)
    return written if len(written) <= 2 * MAX_QUOTE_CHARACTERS else written[: 2 * MAX_QUOTE_CHARACTERS] + "…"
