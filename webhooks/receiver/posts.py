"""Reads the head of a posted webhook and writes its answer, without the objects of gunicorn and Flask.

It reads only heads as Meta and usual proxies send them. All others are left to gunicorn, which is strict about what a
head may contain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from webhooks.receiver.app import MAX_BODY_BYTES, PATH, SIGNATURE_HEADER, Answer

_MOST_HEAD_BYTES = 8_190  # gunicorn's limit for one header
_MOST_DIGITS = 10  # Python refuses to read a number with thousands of digits
_HEAD = re.compile(rb"POST %b HTTP/1\.1\r\n((?:[A-Za-z0-9-]++: [!-~][ -~]*+\r\n)++)\r\n" % re.escape(PATH.encode()))
_HEADER = re.compile(rb"([^:]+): ([^\r]*)\r\n")
_SIGNATURE = SIGNATURE_HEADER.lower().encode()
# These change how a request is read, or what its answer must say.
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a posted webhook. `size` and `body_length` are bytes."""

    size: int
    body_length: int
    signature: str | None


def read_head(data: bytes) -> Head | None:
    """Return the head at the beginning of `data`; None if gunicorn has to read the request.

    gunicorn reads each request that is no post to PATH, each head that is incomplete, long or unusual, and each body
    that is too large or has no declared length.
    """
    match = _HEAD.match(data, 0, _MOST_HEAD_BYTES)
    if match is None:
        return None
    pairs = _HEADER.findall(match[1])
    headers = {name.lower(): value.rstrip() for name, value in pairs}
    if len(headers) < len(pairs) or headers.keys() & _UNUSUAL or b"host" not in headers:
        return None
    length = headers.get(b"content-length", b"")
    if not length.isdigit() or len(length) > _MOST_DIGITS or int(length) > MAX_BODY_BYTES:
        return None
    if headers.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    signature = headers.get(_SIGNATURE)
    return Head(match.end(), int(length), None if signature is None else signature.decode("ascii"))


@lru_cache(maxsize=16)  # most answers of a second are equal
def write_answer(answer: Answer, second: int, *, is_last: bool) -> bytes:
    """Return the bytes of an answer that is given in this second since 1970. `is_last`: the connection ends with it."""
    lines = [
        f"HTTP/1.1 {answer.status} {answer.status.phrase.upper()}",
        "Server: gunicorn",
        f"Date: {formatdate(second, usegmt=True)}",
        f"Connection: {'close' if is_last else 'keep-alive'}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
        f"Content-Length: {len(answer.text.encode())}",
    ]
    return "\r\n".join([*lines, "", answer.text]).encode()
