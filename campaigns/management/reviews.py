"""Applies an operator's decisions about answers that may be opt-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaigns.store import suppressions
from campaigns.store.database import Connection, Database
from campaigns.store.people import find_people, find_user_ids, lock_people
from campaigns.store.suppressions import DecidedAnswer, Decision, ReviewFacts, SuppressionEvent, write_suppressions


class ReviewError(ValueError):
    """A review cannot be decided. The message is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The number of people who are suppressed now, and the number of their answers."""

    person_count: int
    answer_count: int


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The number of people who get marketing again. `restored_count`: skipped messages that are pending again;
    `left_count`: messages that stay skipped because their campaign has ended; `rings`: ids of campaigns to enqueue.
    """

    person_count: int
    answer_count: int
    restored_count: int
    left_count: int
    rings: list[int]


def accept(database: Database, ids: Sequence[int]) -> Accepted:
    """Accept answers as opt-outs, all or none: their authors are suppressed as of the answer.

    A person's other undecided answers are accepted too. Raises ReviewError if an answer is unknown or decided already.
    """
    return database.run(_accept, ids)


def dismiss(database: Database, ids: Sequence[int]) -> Dismissed:
    """Dismiss answers as no opt-outs, all or none: messages that were skipped for them are pending again.

    The caller enqueues the campaigns in `rings` of the result. Raises as `accept`.
    """
    return database.run(_dismiss, ids)


def _accept(connection: Connection, ids: Sequence[int]) -> Accepted:
    # Until this is committed, no number can be added to an author who is known by a user id.
    lock_people(connection)
    keys = _find_people(connection, ids)
    decided = _decide(connection, ids, keys, Decision.ACCEPTED)
    optouts = [each for optout in suppressions.as_optouts(decided) for each in _spread(connection, optout)]
    write_suppressions(connection, optouts)
    suppressions.explain_held(connection, keys)
    return Accepted(len(keys), len(decided))


def _spread(connection: Connection, optout: SuppressionEvent) -> list[SuppressionEvent]:
    """Return an opt-out for each number and user id of its author, as webhooks write a certain one."""
    key = optout.recipient_key
    user_ids = find_user_ids(connection, [key]) if key.startswith("+") else [key]
    people = find_people(connection, user_ids).values()
    keys = {key}.union(*(person.user_ids for person in people), *(person.recipient_keys for person in people))
    return [replace(optout, recipient_key=each) for each in sorted(keys)]


def _dismiss(connection: Connection, ids: Sequence[int]) -> Dismissed:
    keys = _find_people(connection, ids)
    campaign_ids = suppressions.lock_campaigns_to(connection, keys)
    decided = _decide(connection, ids, keys, Decision.DISMISSED)
    restored_count, rings = suppressions.restore_held(connection, keys, campaign_ids)
    since = min(each.opened_at for each in decided)
    left_count = suppressions.count_held(connection, keys, since=since)
    return Dismissed(len(keys), len(decided), restored_count, left_count, rings)


def _find_people(connection: Connection, ids: Sequence[int]) -> list[str]:
    found = suppressions.find_reviews(connection, ids)
    if refusals := [why for each in dict.fromkeys(ids) if (why := _refuse(each, found.get(each)))]:
        raise ReviewError(f"{' '.join(refusals)} Nothing was changed.")
    return sorted({each.recipient_key for each in found.values()})


def _refuse(review_id: int, facts: ReviewFacts | None) -> str:
    if facts is None:
        return f"Review {review_id} does not exist."
    if facts.decided_at is None:
        return ""
    return f"Review {review_id} was {facts.decision} at {facts.decided_at:%Y-%m-%d %H:%M:%S} UTC."


def _decide(
    connection: Connection, ids: Sequence[int], recipient_keys: Sequence[str], decision: Decision
) -> list[DecidedAnswer]:
    decided = suppressions.decide_reviews(connection, recipient_keys, decision)
    if missing := sorted(set(ids) - {each.id for each in decided}):
        raise ReviewError(
            f"Review {missing[0]} has just been changed by somebody else. Nothing was changed: look again with "
            "`revoada optouts review`."
        )
    return decided
