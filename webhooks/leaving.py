"""Applies opt-outs: finds whose they are, writes them, and leaves a confirmation to be sent where one is wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns.domain.optout import Source
from campaigns.domain.person import recipient_key
from campaigns.logs import event, mask_phone
from campaigns.remembering import ForgettingError, find_forgotten
from campaigns.store.answers import StopReply, add_stop_replies
from campaigns.store.database import Connection
from campaigns.store.suppressions import (
    SuppressionChange,
    SuppressionEvent,
    find_people,
    write_suppressions,
)
from webhooks.optouts import OptOut

_log = logging.getLogger(__name__)

_OF_THE_PERSON = frozenset({Source.WORD, Source.BUTTON})


@dataclass(slots=True)
class Leaving:
    """What became of opt-outs. `unmatched`: the positions, by stored body, of those that are of nobody known (yet)."""

    kept_count: int = 0
    unmatched: dict[int, list[int]] = field(default_factory=dict)
    to_tell: list[Callable[[Any], None]] = field(default_factory=list)


def keep_optouts(
    connection: Connection, optouts: Mapping[int, Sequence[OptOut]], *, answers: bool, secret_key: str | None
) -> Leaving:
    """Write the opt-outs of stored bodies (by their ids). `answers`: each new one is to be confirmed.

    Who was forgotten is suppressed already, and stays a hash whatever they say.
    """
    leaving = Leaving()
    wamids = [each.context_wamid for said in optouts.values() for each in said if not each.number]
    phones = find_people(connection, wamids) if wamids else {}
    named: list[tuple[str, OptOut]] = []
    for body_id, said in optouts.items():
        for position, each in enumerate(said):
            phone = f"+{each.number.removeprefix('+')}" if each.number else phones.get(each.context_wamid)
            if phone is None:
                leaving.unmatched.setdefault(body_id, []).append(position)
            else:
                named.append((phone, each))
    said_now = [
        SuppressionEvent(recipient_key(phone), each.source, each.is_active, each.at, each.detail)
        for phone, each in named
    ]
    forgotten = _find_forgotten(connection, [each.recipient_key for each in said_now], secret_key)
    changes = write_suppressions(connection, [each for each in said_now if each.recipient_key not in forgotten])
    if answers:
        new = {
            (change.recipient_key, change.source) for change in changes if change.is_active and not change.was_active
        }
        replies = {
            key: StopReply(each.phone_number_id, phone, each.at)
            for phone, each in named
            if (key := (recipient_key(phone), each.source)) in new and each.source in _OF_THE_PERSON
        }
        add_stop_replies(connection, list(replies.values()))
    leaving.kept_count = len(named)
    leaving.to_tell = [_tell(change) for change in changes if change.is_active != change.was_active]
    return leaving


def _find_forgotten(connection: Connection, keys: Sequence[str], secret_key: str | None) -> set[str]:
    if not keys:
        return set()
    try:
        return find_forgotten(connection, keys, secret_key=secret_key)
    except ForgettingError:  # nobody can tell who it was: an opt-out in clear is better than none
        return set()


def _tell(change: SuppressionChange) -> Callable[[Any], None]:
    who = mask_phone(change.recipient_key)
    if change.is_active:
        bound = event("opted_out", source=str(change.source))
        return lambda _alerts: _log.info("%s opted out (%s)", who, change.source, extra=bound)
    bound = event("opt_out_ended", source=str(change.source))
    return lambda _alerts: _log.info("%s takes messages again, says Meta", who, extra=bound)
