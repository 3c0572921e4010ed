"""Applies opt-outs: finds whose they are, writes them, and leaves a confirmation to be sent where one is wanted."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.logs import event, mask_phone
from campaigns.privacy.forgotten_people import ForgettingError, find_forgotten
from campaigns.store import people as store
from campaigns.store import suppressions
from campaigns.store.database import Connection
from campaigns.store.people import Pair, Person
from campaigns.store.suppressions import (
    Answer,
    AnsweredMessage,
    Decision,
    StopReply,
    SuppressionChange,
    SuppressionEvent,
    add_stop_replies,
    find_answered,
    find_said,
    write_suppressions,
)
from webhooks.applier.optouts import OptOut
from webhooks.applier.people import People

_log = logging.getLogger(__name__)

_OF_THE_PERSON = frozenset({Source.WORD, Source.BUTTON})


@dataclass(slots=True)
class Leaving:
    """The results of opt-outs. `unmatched`: the positions, by stored body, of opt-outs whose author is not known (yet).

    An unmatched opt-out that names a user id is kept under that id.
    """

    kept_count: int = 0
    review_count: int = 0
    unmatched: dict[int, list[int]] = field(default_factory=dict)
    to_tell: list[Callable[[Any], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Said:
    """An opt-out with the known facts about its author. `phone` is "" if no source gives a number."""

    body_id: int
    position: int
    optout: OptOut
    phone: str
    answered: AnsweredMessage | None

    @property
    def keys(self) -> list[str]:
        """The recipient keys of its rows: the number, and each user id."""
        return [*([recipient_key(self.phone)] if self.phone else []), *self.optout.user_ids]


def keep_optouts(
    connection: Connection,
    optouts: Mapping[int, Sequence[OptOut]],
    people: People,
    *,
    answers: bool,
    secret_key: str | None,
) -> Leaving:
    """Write the opt-outs of stored bodies (by their ids), and the pairs of user ids and numbers.

    `answers`: each new opt-out is to be confirmed. An opt-out by a user id is kept for ever, and written for each
    number of that person, in any order of arrival. A forgotten person is suppressed already, and stays a hash.
    """
    leaving = Leaving()
    said = _read(connection, optouts)
    pairs = _find_new_pairs(connection, said, people)
    if said or pairs or people.changes or people.moves:
        _Keeper(connection, leaving, said, people, pairs).keep(answers=answers, secret_key=secret_key)
    return leaving


def _read(connection: Connection, optouts: Mapping[int, Sequence[OptOut]]) -> list[_Said]:
    listed = [(body_id, place, each) for body_id, said in optouts.items() for place, each in enumerate(said)]
    answered = find_answered(connection, sorted({each.context_wamid for *_, each in listed if _needs_message(each)}))
    said = []
    for body_id, position, each in listed:
        message = answered.get(each.context_wamid)
        phone = f"+{each.number.removeprefix('+')}" if each.number else message.phone if message else ""
        said.append(_Said(body_id, position, each, phone, message))
    return said


def _needs_message(optout: OptOut) -> bool:
    return bool(optout.context_wamid) and not (optout.number and optout.is_certain)


def _find_new_pairs(connection: Connection, said: Iterable[_Said], people: People) -> list[Pair]:
    """Return the pairs to write. The author of an answer to our message has the number that the message went to."""
    for each in said:
        for user_id in each.optout.user_ids if each.phone else ():
            people.add(user_id, recipient_key(each.phone), each.optout.at)
    pairs = [Pair(user_id, key, at) for (user_id, key), at in people.pairs.items()]
    return store.find_new_pairs(connection, pairs)


class _Keeper:
    """Writes the opt-outs, pairs and changes of one set of bodies, in their transaction."""

    def __init__(
        self, connection: Connection, leaving: Leaving, said: Sequence[_Said], people: People, pairs: Sequence[Pair]
    ) -> None:
        self._connection, self._leaving = connection, leaving
        self._said, self._people, self._pairs = said, people, pairs

    def keep(self, *, answers: bool, secret_key: str | None) -> None:
        said_of_ids = any(each.optout.user_ids for each in self._said)
        if said_of_ids or self._pairs or self._people.changes or self._people.moves:
            is_shared = not (said_of_ids or self._people.changes or self._people.moves)
            store.lock_people(self._connection, is_shared=is_shared)
        self._leave_out_forgotten(secret_key)
        store.add_pairs(self._connection, self._pairs)
        store.add_changes(self._connection, self._people.changes)
        changes = write_suppressions(self._connection, self._list_events())
        found = store.find_people(self._connection, self._list_touched())
        changes += self._carry_over(found)
        self._move_reviews(found)
        self._open_reviews(found)
        changes += self._close_reviews(changes)
        self._count(found)
        self._tell(changes, found)
        if answers:
            self._confirm(changes, found)

    def _leave_out_forgotten(self, secret_key: str | None) -> None:
        """Drop all data that names a forgotten person: the number, and the user ids paired with it."""
        keys = {pair.recipient_key for pair in self._pairs} | {new for _, new in self._people.moves}
        keys |= {recipient_key(each.phone) for each in self._said if each.phone}
        forgotten = _find_forgotten(self._connection, sorted(keys), secret_key)
        if not forgotten:
            return
        hidden = {user_id for user_id, key in self._people.pairs if key in forgotten}
        self._pairs = [pair for pair in self._pairs if pair.recipient_key not in forgotten]
        self._people.moves = {move for move in self._people.moves if forgotten.isdisjoint(move)}
        self._people.changes = {change for change in self._people.changes if hidden.isdisjoint(change)}
        kept = [each for each in self._said if forgotten.isdisjoint(each.keys) and hidden.isdisjoint(each.keys)]
        self._leaving.kept_count += len(self._said) - len(kept)
        self._said = kept

    def _list_events(self) -> list[SuppressionEvent]:
        return [
            SuppressionEvent(key, said.optout.source, said.optout.is_active, said.optout.at, said.optout.detail)
            for said in self._said
            for key in said.keys
            if said.optout.is_certain
        ]

    def _list_touched(self) -> set[str]:
        """Return the user ids that the bodies name."""
        return {
            *(pair.user_id for pair in self._pairs),
            *(user_id for change in self._people.changes for user_id in change),
            *(user_id for said in self._said for user_id in said.optout.user_ids),
        }

    def _carry_over(self, found: Mapping[str, Person]) -> list[SuppressionChange]:
        """Copy opt-outs from user ids to the numbers of these people, and from previous numbers to the new ones."""
        targets: dict[str, set[str]] = {}
        for person in found.values():
            for user_id in person.user_ids if person.recipient_keys else ():
                targets.setdefault(user_id, set()).update(person.recipient_keys)
        for old, new in self._people.moves:
            targets.setdefault(old, set()).add(new)
        carried = [
            SuppressionEvent(key, said.source, said.is_active, said.at, said.detail)
            for said in (find_said(self._connection, targets) if targets else [])
            for key in sorted(targets[said.recipient_key])
        ]
        return write_suppressions(self._connection, carried)

    def _move_reviews(self, found: Mapping[str, Person]) -> None:
        moves = dict(self._people.moves)
        for person in found.values():
            if person.recipient_keys:
                moves |= dict.fromkeys(person.user_ids, person.recipient_keys[0])
        suppressions.move_reviews(self._connection, moves)

    def _open_reviews(self, found: Mapping[str, Person]) -> None:
        """Open reviews of answers that may be opt-outs."""
        unsure = [
            Answer(
                key,
                _digest(said.optout),
                str(said.optout.source),
                said.optout.detail,
                said.optout.text,
                said.optout.at,
                said.optout.phone_number_id,
                said.answered.id if said.answered else None,
            )
            for said in self._said
            if not said.optout.is_certain and (key := _find_key(said, found) or next(iter(said.optout.user_ids), ""))
        ]
        opened = suppressions.open_reviews(self._connection, unsure)
        self._leaving.review_count = len(opened)
        self._leaving.to_tell += [_tell_review(review_id, key) for review_id, key in opened]

    def _close_reviews(self, changes: Iterable[SuppressionChange]) -> list[SuppressionChange]:
        """Accept the undecided answers of people who have now certainly opted out."""
        left = {change.recipient_key for change in changes if change.is_active}
        left |= {key for said in self._said if said.optout.is_certain and said.optout.is_active for key in said.keys}
        decided = suppressions.decide_reviews(self._connection, left, Decision.ACCEPTED) if left else []
        suppressions.explain_held(self._connection, {each.recipient_key for each in decided})
        return write_suppressions(self._connection, suppressions.as_optouts(decided))

    def _count(self, found: Mapping[str, Person]) -> None:
        for said in self._said:
            is_known = bool(_find_key(said, found))
            if not is_known and said.optout.context_wamid:
                self._leaving.unmatched.setdefault(said.body_id, []).append(said.position)
            elif said.optout.is_certain:
                self._leaving.kept_count += 1

    def _tell(self, changes: Iterable[SuppressionChange], found: Mapping[str, Person]) -> None:
        """Report each person once: by the number, where one is known."""
        with_number = {user_id for user_id, person in found.items() if person.recipient_keys}
        self._leaving.to_tell += [
            _tell(change)
            for change in changes
            if change.is_active != change.was_active and change.recipient_key not in with_number
        ]

    def _confirm(self, changes: Iterable[SuppressionChange], found: Mapping[str, Person]) -> None:
        new = {(each.recipient_key, each.source) for each in changes if each.is_active and not each.was_active}
        replies = {
            key: StopReply(said.optout.phone_number_id, said.phone or key, said.optout.at)
            for said in self._said
            if said.optout.is_certain and said.optout.source in _OF_THE_PERSON
            if (key := _find_key(said, found)) and (key, said.optout.source) in new
        }
        add_stop_replies(self._connection, list(replies.values()))


def _find_key(said: _Said, found: Mapping[str, Person]) -> str:
    """Return the recipient key of the author's number, "" where none is known."""
    if said.phone:
        return recipient_key(said.phone)
    keys = [key for user_id in said.optout.user_ids for key in found[user_id].recipient_keys]
    return keys[0] if keys else ""


def _digest(optout: OptOut) -> bytes:
    """Return a hash that identifies an inbound message: of its id, else of its number, time, source and text."""
    told = optout.answer_id or f"{optout.phone_number_id} {optout.at.isoformat()} {optout.source} {optout.text}"
    return hashlib.sha256(told.encode()).digest()


def _find_forgotten(connection: Connection, keys: Collection[str], secret_key: str | None) -> set[str]:
    if not keys:
        return set()
    try:
        return find_forgotten(connection, list(keys), secret_key=secret_key)
    except ForgettingError:  # nobody can tell who it was: an opt-out in clear is better than none
        return set()


def _tell(change: SuppressionChange) -> Callable[[Any], None]:
    who = mask_phone(change.recipient_key)
    if change.is_active:
        bound = event("opted_out", source=str(change.source))
        return lambda _alerts: _log.info("%s opted out (%s)", who, change.source, extra=bound)
    bound = event("opt_out_ended", source=str(change.source))
    return lambda _alerts: _log.info("%s takes messages again, says Meta", who, extra=bound)


def _tell_review(review_id: int, key: str) -> Callable[[Any], None]:
    who = mask_phone(key)
    bound = event("optout_review_opened", review_id=review_id)
    text = "%s may have opted out, and gets no marketing until somebody decides: revoada optouts review"
    return lambda _alerts: _log.info(text, who, extra=bound)
