"""Applies opt-outs: finds their authors, stores suppressions, and queues confirmations if these are configured."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.statement import Hint, HintAction
from campaigns.logs import event, mask_phone
from campaigns.privacy.forgotten_people import ForgettingError, find_forgotten
from campaigns.store import people as store
from campaigns.store.database import Connection
from campaigns.store.optouts import reviews
from campaigns.store.optouts.confirmations import StopReply, add_stop_replies
from campaigns.store.optouts.reviews import Answer, Decision
from campaigns.store.optouts.suppressions import (
    AnsweredMessage,
    SuppressionChange,
    SuppressionEvent,
    find_answered_messages,
    find_suppression_events,
    write_suppressions,
)
from campaigns.store.people import Person, UserIdPair
from webhooks.applier.optouts import OptOut
from webhooks.applier.people import People

_log = logging.getLogger(__name__)

# The sources of opt-outs that people wrote to us. Opt-outs of the other sources are reports of Meta, and get no
# confirmation.
_SAID_TO_US = frozenset({Source.WORD, Source.BUTTON})


@dataclass(slots=True)
class OptOutResult:
    """The result for a set of opt-outs.

    `unmatched`: by stored body, the positions of opt-outs whose author's number is not known yet. If such an opt-out
    names user ids, the opt-out is stored under these ids all the same.
    """

    kept_count: int = 0
    review_count: int = 0
    unmatched: dict[int, list[int]] = field(default_factory=dict)
    to_report: list[Callable[[Any], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _AuthoredOptOut:
    """An opt-out with the known facts about its author. `phone` is "" if the number is unknown."""

    body_id: int
    position: int
    optout: OptOut
    phone: str
    answered: AnsweredMessage | None

    @property
    def keys(self) -> list[str]:
        """The keys under which suppressions are stored: the recipient key of the number, and each user id."""
        return [*([recipient_key(self.phone)] if self.phone else []), *self.optout.user_ids]


def write_optouts(
    connection: Connection,
    optouts: Mapping[int, Sequence[OptOut]],
    people: People,
    *,
    has_stop_reply: bool,
    secret_key: str | None,
) -> OptOutResult:
    """Store the opt-outs of bodies (by body id), and the pairs of user ids and numbers.

    With `has_stop_reply`, each new opt-out that a person wrote to us gets a confirmation. An opt-out under a user id is
    stored for ever. Such an opt-out is also stored under each number of that person, even if the number is known only
    from a later webhook. For a forgotten person nothing is stored, because the hash of the number is suppressed
    already.
    """
    result = OptOutResult()
    authored = _find_authors(connection, optouts)
    pairs = _find_new_pairs(connection, authored, people)
    if authored or pairs or people.changes or people.moves:
        writer = _OptOutWriter(connection, result, authored, people, pairs)
        writer.write(has_stop_reply=has_stop_reply, secret_key=secret_key)
    return result


def _find_authors(connection: Connection, optouts: Mapping[int, Sequence[OptOut]]) -> list[_AuthoredOptOut]:
    listed = [(body_id, place, each) for body_id, found in optouts.items() for place, each in enumerate(found)]
    answered = find_answered_messages(
        connection, sorted({each.context_wamid for *_, each in listed if _needs_message(each)})
    )
    authored = []
    for body_id, position, each in listed:
        message = answered.get(each.context_wamid)
        phone = f"+{each.number.removeprefix('+')}" if each.number else message.phone if message else ""
        authored.append(_AuthoredOptOut(body_id, position, each, phone, message))
    return authored


def _needs_message(optout: OptOut) -> bool:
    return bool(optout.context_wamid) and not (optout.number and optout.is_certain)


def _find_new_pairs(connection: Connection, optouts: Iterable[_AuthoredOptOut], people: People) -> list[UserIdPair]:
    """Return the new pairs of a user id and a number.

    If a person answers our message, the person's number is the number to which we sent the message.
    """
    for each in optouts:
        for user_id in each.optout.user_ids if each.phone else ():
            people.add(user_id, recipient_key(each.phone), each.optout.at)
    pairs = [UserIdPair(user_id, key, at) for (user_id, key), at in people.pairs.items()]
    return store.find_new_pairs(connection, pairs)


class _OptOutWriter:
    """Stores the opt-outs, pairs and changes of one set of bodies, in the transaction that applies the set."""

    def __init__(
        self,
        connection: Connection,
        result: OptOutResult,
        optouts: Sequence[_AuthoredOptOut],
        people: People,
        pairs: Sequence[UserIdPair],
    ) -> None:
        self._connection, self._result = connection, result
        self._optouts, self._people, self._pairs = optouts, people, pairs

    def write(self, *, has_stop_reply: bool, secret_key: str | None) -> None:
        has_user_ids = any(each.optout.user_ids for each in self._optouts)
        if has_user_ids or self._pairs or self._people.changes or self._people.moves:
            is_shared = not (has_user_ids or self._people.changes or self._people.moves)
            store.lock_people(self._connection, is_shared=is_shared)
        self._leave_out_forgotten(secret_key)
        store.add_pairs(self._connection, self._pairs)
        store.add_changes(self._connection, self._people.changes)
        changes = write_suppressions(self._connection, self._list_events())
        found = store.find_people(self._connection, self._list_user_ids())
        changes += self._carry_over(found)
        self._move_reviews(found)
        self._open_reviews(found)
        changes += self._close_reviews(changes)
        self._count(found)
        self._report(changes, found)
        if has_stop_reply:
            self._add_confirmations(changes, found)

    def _leave_out_forgotten(self, secret_key: str | None) -> None:
        """Drop all data that name a forgotten person, by the number or by a user id that is paired with the number."""
        keys = {pair.recipient_key for pair in self._pairs} | {new for _, new in self._people.moves}
        keys |= {recipient_key(each.phone) for each in self._optouts if each.phone}
        forgotten = _find_forgotten(self._connection, sorted(keys), secret_key)
        if not forgotten:
            return
        forgotten_ids = {user_id for user_id, key in self._people.pairs if key in forgotten}
        self._pairs = [pair for pair in self._pairs if pair.recipient_key not in forgotten]
        self._people.moves = {move for move in self._people.moves if forgotten.isdisjoint(move)}
        self._people.changes = {change for change in self._people.changes if forgotten_ids.isdisjoint(change)}
        names = forgotten | forgotten_ids
        kept = [each for each in self._optouts if names.isdisjoint(each.keys)]
        self._result.kept_count += len(self._optouts) - len(kept)
        self._optouts = kept

    def _list_events(self) -> list[SuppressionEvent]:
        return [
            SuppressionEvent(key, each.optout.source, each.optout.is_active, each.optout.at, each.optout.detail)
            for each in self._optouts
            for key in each.keys
            if each.optout.is_certain
        ]

    def _list_user_ids(self) -> set[str]:
        """Return the user ids that the bodies name."""
        return {
            *(pair.user_id for pair in self._pairs),
            *(user_id for change in self._people.changes for user_id in change),
            *(user_id for each in self._optouts for user_id in each.optout.user_ids),
        }

    def _carry_over(self, found: Mapping[str, Person]) -> list[SuppressionChange]:
        """Copy opt-outs from a person's user ids to their numbers, and from a previous number to the new one."""
        targets: dict[str, set[str]] = {}
        for person in found.values():
            for user_id in person.user_ids if person.recipient_keys else ():
                targets.setdefault(user_id, set()).update(person.recipient_keys)
        for old, new in self._people.moves:
            targets.setdefault(old, set()).add(new)
        carried = [
            SuppressionEvent(key, each.source, each.is_active, each.at, each.detail)
            for each in (find_suppression_events(self._connection, targets) if targets else [])
            for key in sorted(targets[each.recipient_key])
        ]
        return write_suppressions(self._connection, carried)

    def _move_reviews(self, found: Mapping[str, Person]) -> None:
        moves = dict(self._people.moves)
        for person in found.values():
            if person.recipient_keys:
                moves |= dict.fromkeys(person.user_ids, person.recipient_keys[0])
        reviews.move_reviews(self._connection, moves)

    def _open_reviews(self, found: Mapping[str, Person]) -> None:
        """Open reviews of answers that may be opt-outs."""
        answers = [
            Answer(
                key,
                _digest(each.optout),
                str(each.optout.source),
                each.optout.detail,
                each.optout.text,
                each.optout.at,
                each.optout.phone_number_id,
                each.answered.id if each.answered else None,
            )
            for each in self._optouts
            if not each.optout.is_certain and (key := _find_key(each, found) or next(iter(each.optout.user_ids), ""))
        ]
        opened = reviews.open_reviews(self._connection, answers)
        self._result.review_count = len(opened)
        self._result.to_report += [_report_review(review_id, key) for review_id, key in opened]

    def _close_reviews(self, changes: Iterable[SuppressionChange]) -> list[SuppressionChange]:
        """Accept the answers under review of people who have meanwhile opted out with certainty.

        Return the changes of suppressions that follow from the accepted answers.
        """
        keys = {change.recipient_key for change in changes if change.is_active}
        keys |= {key for each in self._optouts if each.optout.is_certain and each.optout.is_active for key in each.keys}
        decided = reviews.decide_reviews(self._connection, keys, Decision.ACCEPTED) if keys else []
        reviews.clear_review_reason(self._connection, {each.recipient_key for each in decided})
        return write_suppressions(self._connection, reviews.make_optouts(decided))

    def _count(self, found: Mapping[str, Person]) -> None:
        for each in self._optouts:
            is_known = bool(_find_key(each, found))
            if not is_known and each.optout.context_wamid:
                self._result.unmatched.setdefault(each.body_id, []).append(each.position)
            elif each.optout.is_certain:
                self._result.kept_count += 1

    def _report(self, changes: Iterable[SuppressionChange], found: Mapping[str, Person]) -> None:
        """Prepare one log line for each person. The line names the number, or the user id if no number is known."""
        with_number = {user_id for user_id, person in found.items() if person.recipient_keys}
        self._result.to_report += [
            _report_change(change)
            for change in changes
            if change.is_active != change.was_active and change.recipient_key not in with_number
        ]

    def _add_confirmations(self, changes: Iterable[SuppressionChange], found: Mapping[str, Person]) -> None:
        new = {(each.recipient_key, each.source) for each in changes if each.is_active and not each.was_active}
        replies = {
            key: StopReply(each.optout.phone_number_id, each.phone or key, each.optout.at)
            for each in self._optouts
            if each.optout.is_certain and each.optout.source in _SAID_TO_US
            if (key := _find_key(each, found)) and (key, each.optout.source) in new
        }
        add_stop_replies(self._connection, list(replies.values()))


def _find_key(authored: _AuthoredOptOut, found: Mapping[str, Person]) -> str:
    """Return the recipient key of the author's number, or "" if no number is known."""
    if authored.phone:
        return recipient_key(authored.phone)
    keys = (key for user_id in authored.optout.user_ids for key in found[user_id].recipient_keys)
    return next(keys, "")


def _digest(optout: OptOut) -> bytes:
    """Return a hash that identifies an inbound message.

    The hash is made from the id of the message. If the message has no id, the hash is made from the id of our number,
    the time, the source and the text.
    """
    identity = optout.answer_id or f"{optout.phone_number_id} {optout.at.isoformat()} {optout.source} {optout.text}"
    return hashlib.sha256(identity.encode()).digest()


def _find_forgotten(connection: Connection, keys: Collection[str], secret_key: str | None) -> set[str]:
    if not keys:
        return set()
    try:
        return find_forgotten(connection, list(keys), secret_key=secret_key)
    except ForgettingError:  # without the key no hash can be compared; the opt-out is then stored in clear text
        return set()


def _report_change(change: SuppressionChange) -> Callable[[Any], None]:
    who = mask_phone(change.recipient_key)
    if change.is_active:
        bound = event("opted_out", source=str(change.source))
        return lambda _alerts: _log.info("%s opted out (%s)", who, change.source, extra=bound)
    bound = event("opt_out_ended", source=str(change.source))
    return lambda _alerts: _log.info("%s takes messages again, says Meta", who, extra=bound)


def _report_review(review_id: int, key: str) -> Callable[[Any], None]:
    who = mask_phone(key)
    bound = event("optout_review_opened", review_id=review_id)
    text = "%s may have opted out, and gets no marketing until somebody decides: %s"
    return lambda _alerts: _log.info(text, who, Hint(HintAction.REVIEW_OPTOUTS), extra=bound)
