"""Decides whether a reply belongs to the request to which HTTP assigns the reply.

HTTP/1.1 has no number that ties a reply to its request. A client takes the next reply on a connection for the reply to
its last request. If a server or a proxy repeats a reply or swaps two replies, the wrong messages would be settled. A
reply that belongs to another request is a *stray* reply. Three facts reveal stray replies: Meta repeats the recipient
of the request in `contacts[0].input`, gives each accepted message its own wamid, and answers each request once. An
error names neither recipient nor message. So the transport holds an error for longer than replies usually take, and
then checks whether another reply has come on the same connection.
"""

from __future__ import annotations

import json
import re
from itertools import islice

from campaigns.clock import clock
from campaigns.domain.failures import STRAY_REPLY
from campaigns.domain.verdict import Accepted, Unknown, Verdict
from campaigns.whatsapp.mailbox import Reply
from campaigns.whatsapp.outcomes import read_verdict

# The number of wamids to remember. It suffices to remember the wamids that no transaction has written yet, because
# Postgres finds the duplicates of all written wamids.
_MAX_WAMIDS = 50_000
# If the acceptance of a recipient came as the reply to another recipient's request, an error for the accepted recipient
# is not trusted for this time.
_MISDIRECTED_SECONDS = 60.0
_MAX_MISDIRECTED = 1_000
# An error is held for twice the time of the slowest recent acceptance, and at least for `_MIN_HOLD_SECONDS`. With each
# further acceptance, the remembered slowest time is multiplied by `_DECAY_PER_REPLY`.
_MIN_HOLD_SECONDS = 0.25
_HOLD_FACTOR = 2.0
_DECAY_PER_REPLY = 0.999

# This pattern cannot match inside a variable, because JSON escapes the quotes there.
_TO = re.compile(rb'"to":\s*"\+?([0-9]+)"')
_NO_DIGIT = re.compile(r"[^0-9]", re.ASCII)


class Attribution:
    """Remembers the acceptances of one process. Not thread-safe: only the transport's thread uses it."""

    def __init__(self) -> None:
        self._wamids: dict[str, None] = {}
        self._misdirected_at: dict[str, float] = {}
        self._slowest_seconds = 0.0

    @property
    def hold_seconds(self) -> float:
        """The time to wait after an error for another reply on the connection. Recent replies took less time."""
        return max(self._slowest_seconds * _HOLD_FACTOR, _MIN_HOLD_SECONDS)

    def judge(self, reply: Reply) -> Verdict:
        """Return the verdict of `reply` on its request: `Unknown` if the reply belongs to another request."""
        verdict = read_verdict(reply)
        if not isinstance(verdict, Accepted):
            return verdict
        self._slowest_seconds = max(reply.seconds, self._slowest_seconds * _DECAY_PER_REPLY)
        to, named = find_recipient(reply.request.body), verdict.recipient
        # The first comparison is cheap and nearly always sufficient. If the texts differ, their digits are compared.
        if to is not None and named is not None and named != f"+{to}" and (digits := _NO_DIGIT.sub("", named)) != to:
            self._note_misdirected(digits)
            return _make_unknown(
                "the reply names another recipient" if digits else "the reply names no readable recipient"
            )
        if verdict.wamid in self._wamids:
            return _make_unknown("the reply brings the wamid of an earlier reply")
        self._wamids[verdict.wamid] = None
        _forget_oldest(self._wamids, _MAX_WAMIDS)
        return verdict

    def confirm(self, reply: Reply, *, has_more: bool) -> Verdict:
        """Return the final verdict of an error. `has_more`: the connection received more than this reply."""
        if has_more:
            return _make_unknown("two replies came for one request")
        to = find_recipient(reply.request.body)
        if to in self._misdirected_at and clock() - self._misdirected_at[to] < _MISDIRECTED_SECONDS:
            return _make_unknown("another request got the acceptance of this recipient")
        return reply.verdict

    def _note_misdirected(self, phone: str) -> None:
        if phone:
            self._misdirected_at.pop(phone, None)
            self._misdirected_at[phone] = clock()
            _forget_oldest(self._misdirected_at, _MAX_MISDIRECTED)


def find_recipient(body: bytes) -> str | None:
    """Return the digits of the phone to which a request sends; None if the request names no phone."""
    found = _TO.search(body)
    return found[1].decode("ascii") if found else None


def is_garbled(reply: Reply) -> bool:
    """Whether a body holds parts of two replies: another reply begins before the first one is complete."""
    if b"HTTP/1." in reply.body:
        return True
    if reply.body[:1] != b"{":
        return False
    try:
        json.loads(reply.body)
    except (ValueError, RecursionError):
        return True
    return False


def _make_unknown(reason: str) -> Unknown:
    return Unknown(reason, STRAY_REPLY.code)


def _forget_oldest(entries: dict[str, None] | dict[str, float], max_count: int) -> None:
    if len(entries) > max_count:
        for each in list(islice(entries, max_count // 10)):
            del entries[each]
