"""Decides whether a reply belongs to the request to which HTTP assigns it.

HTTP has no number that ties a reply to its request: the next reply on a connection counts as that of the last request.
If a far end, or a proxy, repeats a reply or mixes up two, the wrong messages would be settled. Three facts reveal that:
Meta repeats the recipient of the request in `contacts[0].input`, gives each accepted message a wamid of its own, and
answers each request once. An error names neither recipient nor message, so it is held until no other reply can come.
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

# How many wamids of the last replies to keep: those that no transaction has written yet. Postgres knows all others.
_WAMIDS_MOST = 50_000
# For this time after an acceptance reached a wrong request, an error for the accepted recipient is not believed.
_ELSEWHERE_SECONDS = 60.0
_ELSEWHERE_MOST = 1_000
# An error is held for twice the time of the slowest recent acceptance, and at least this long.
_LEAST_HOLD_SECONDS = 0.25
_HOLD_FACTOR = 2.0
_DECAY_PER_REPLY = 0.999

# The text of a variable cannot match: its quotes are escaped in the request's JSON.
_TO = re.compile(rb'"to":\s*"\+?([0-9]+)"')
_NO_DIGIT = re.compile(r"[^0-9]", re.ASCII)


class Attribution:
    """The evidence from all replies of one process. Not thread-safe: only the transport's thread uses it."""

    def __init__(self) -> None:
        self._wamids: dict[str, None] = {}
        self._elsewhere: dict[str, float] = {}
        self._slowest_seconds = 0.0

    @property
    def hold_seconds(self) -> float:
        """Seconds to wait, after an error, for the reply that the request may still get: longer than replies take."""
        return max(self._slowest_seconds * _HOLD_FACTOR, _LEAST_HOLD_SECONDS)

    def judge(self, reply: Reply) -> Verdict:
        """Return the verdict of `reply` on its request: `Unknown` if the reply belongs to another request."""
        verdict = read_verdict(reply)
        if not isinstance(verdict, Accepted):
            return verdict
        self._slowest_seconds = max(reply.seconds, self._slowest_seconds * _DECAY_PER_REPLY)
        to, named = find_recipient(reply.request.body), verdict.recipient
        # Compare the phone in the form in which we send it, then by its digits.
        if to is not None and named is not None and named != f"+{to}" and (digits := _NO_DIGIT.sub("", named)) != to:
            self._note_elsewhere(digits)
            return _stray("the reply names another recipient" if digits else "the reply names no readable recipient")
        if verdict.wamid in self._wamids:
            return _stray("the reply brings the wamid of an earlier reply")
        self._wamids[verdict.wamid] = None
        _forget_oldest(self._wamids, _WAMIDS_MOST)
        return verdict

    def confirm(self, reply: Reply, *, has_more: bool) -> Verdict:
        """Return the verdict of an error after it was held. `has_more`: its connection brought more than this reply."""
        if has_more:
            return _stray("two replies came for one request")
        to = find_recipient(reply.request.body)
        if to in self._elsewhere and clock() - self._elsewhere[to] < _ELSEWHERE_SECONDS:
            return _stray("another request got the acceptance of this recipient")
        return reply.verdict

    def _note_elsewhere(self, phone: str) -> None:
        if phone:
            self._elsewhere.pop(phone, None)
            self._elsewhere[phone] = clock()
            _forget_oldest(self._elsewhere, _ELSEWHERE_MOST)


def find_recipient(body: bytes) -> str | None:
    """Return the digits of the phone that a request is sent to; None: it is not sent to a phone."""
    found = _TO.search(body)
    return found[1].decode("ascii") if found else None


def is_garbled(reply: Reply) -> bool:
    """Whether a reply consists of two: the first part of an earlier request's reply, and the beginning of another."""
    if b"HTTP/1." in reply.body:
        return True
    if reply.body[:1] != b"{":
        return False
    try:
        json.loads(reply.body)
    except (ValueError, RecursionError):
        return True
    return False


def _stray(reason: str) -> Unknown:
    return Unknown(reason, STRAY_REPLY.code)


def _forget_oldest(kept: dict[str, None] | dict[str, float], most: int) -> None:
    if len(kept) > most:
        for each in list(islice(kept, most // 10)):
            del kept[each]
