"""Applies replies: finds the messages that people answered, and writes the time of the first reply to each message."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from campaigns.domain.phone.person import recipient_key
from campaigns.store import events
from campaigns.store import people as store
from campaigns.store.database import Connection, commit_lazily
from campaigns.store.events import ReplyRow
from webhooks.applier.people import People
from webhooks.applier.replies import Reply


def write_replies(connection: Connection, replies: Sequence[Reply], people: People) -> list[bool]:
    """Mark the answered messages; return for each reply whether a message got a new time of its first reply.

    `people`: the user ids and numbers that the bodies name. The function stores only the times of replies, so a reply
    does not bring back a forgotten person. A second run changes nothing.
    """
    commit_lazily(connection)  # if a crash undoes the commit, the body is still stored and is applied again
    answered = events.find_replied(connection, _make_rows(connection, replies, people))
    first: dict[int, dt.datetime] = {}
    for position, message_id in answered.items():
        at = replies[position].at
        first[message_id] = min(at, first.get(message_id, at))
    changed = events.mark_replied(connection, first) if first else set()
    return [answered.get(position) in changed for position in range(len(replies))]


def _make_rows(connection: Connection, replies: Sequence[Reply], people: People) -> list[ReplyRow]:
    named: dict[str, list[str]] = {}
    for user_id, key in people.pairs:
        named.setdefault(user_id, []).append(key)
    unknown = {user_id for each in replies if not each.number for user_id in each.user_ids}
    known = store.find_people(connection, unknown)
    rows = []
    for each in replies:
        keys = [recipient_key(each.number)] if each.number else []
        for user_id in () if each.number else each.user_ids:
            keys += [*named.get(user_id, ()), *known[user_id].recipient_keys]
        rows.append(ReplyRow(each.context_wamid, keys, each.phone_number_id, each.at))
    return rows
