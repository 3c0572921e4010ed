"""Applies an operator's decisions about answers that may be opt-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaigns.domain.statement import Hint, HintAction, Kind, Refusal, Sentence
from campaigns.domain.users.actor import Act, Actor
from campaigns.store.database import Connection, Database
from campaigns.store.optouts import reviews as store
from campaigns.store.optouts.reviews import DecidedAnswer, Decision, ReviewFacts
from campaigns.store.optouts.suppressions import SuppressionEvent, write_suppressions
from campaigns.store.people import find_people, find_user_ids, lock_people
from campaigns.store.users.audit import write_audit


@dataclass(frozen=True, slots=True)
class Accepted:
    """The number of people whom the decision suppressed, and the number of their answers that were accepted."""

    person_count: int
    answer_count: int


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The number of people who get marketing again, and the number of their answers that were dismissed.

    `restored_count`: the number of skipped messages that are pending again. `left_count`: the number of messages that
    stay skipped because their campaign has ended. `to_enqueue`: the ids of the campaigns that the caller enqueues.
    """

    person_count: int
    answer_count: int
    restored_count: int
    left_count: int
    to_enqueue: list[int]


def accept(database: Database, ids: Sequence[int], *, actor: Actor) -> Accepted:
    """Accept answers as opt-outs, all or none. Each author is suppressed from the time of the answer on.

    The authors' older undecided answers are accepted too. Raises Refusal if no answer is given, if an answer is unknown
    or decided already, or if its author has a newer undecided answer.
    """
    return database.run(_accept, ids, actor)


def dismiss(database: Database, ids: Sequence[int], *, actor: Actor) -> Dismissed:
    """Decide that answers are no opt-outs, all or none.

    Messages that were skipped because of these answers become pending again, unless their campaign has ended. The
    authors' older undecided answers are dismissed too. The caller enqueues the campaigns in `to_enqueue` of the result.
    Raises Refusal if no answer is given, if an answer is unknown or decided already, or if its author has a newer
    undecided answer.
    """
    return database.run(_dismiss, ids, actor)


def _accept(connection: Connection, ids: Sequence[int], actor: Actor) -> Accepted:
    # Until this transaction is committed, no other transaction can store a number for an author who is known only by a
    # user id.
    lock_people(connection)
    keys = _find_people(connection, ids)
    decided = _decide(connection, ids, keys, Decision.ACCEPTED)
    optouts = [each for optout in store.make_optouts(decided) for each in _spread(connection, optout)]
    write_suppressions(connection, optouts)
    store.clear_review_reason(connection, keys)
    _write_audit(connection, actor, Act.OPTOUT_ACCEPT, keys, decided)
    return Accepted(len(keys), len(decided))


def _write_audit(
    connection: Connection, actor: Actor, act: Act, keys: Sequence[str], decided: Sequence[DecidedAnswer]
) -> None:
    after = {"review_ids": sorted(each.id for each in decided), "person_count": len(keys)}
    write_audit(connection, actor, act, after=after)


def _spread(connection: Connection, optout: SuppressionEvent) -> list[SuppressionEvent]:
    """Return a copy of an opt-out for each number and each user id of the author."""
    key = optout.recipient_key
    user_ids = find_user_ids(connection, [key]) if key.startswith("+") else [key]
    people = find_people(connection, user_ids).values()
    keys = {key}.union(*(person.user_ids for person in people), *(person.recipient_keys for person in people))
    return [replace(optout, recipient_key=each) for each in sorted(keys)]


def _dismiss(connection: Connection, ids: Sequence[int], actor: Actor) -> Dismissed:
    keys = _find_people(connection, ids)
    campaign_ids = store.lock_campaigns_to(connection, keys)
    decided = _decide(connection, ids, keys, Decision.DISMISSED)
    restored_count, to_enqueue = store.restore_skipped_for_review(connection, keys, campaign_ids)
    since = min(each.opened_at for each in decided)
    left_count = store.count_skipped_for_review(connection, keys, since=since)
    _write_audit(connection, actor, Act.OPTOUT_DISMISS, keys, decided)
    return Dismissed(len(keys), len(decided), restored_count, left_count, to_enqueue)


def _find_people(connection: Connection, ids: Sequence[int]) -> list[str]:
    if not ids:
        raise Refusal("reviews_missing", "No answer was chosen: choose at least one.", kind=Kind.MISSING)
    found = store.find_reviews(connection, ids)
    if refusals := [why for each in dict.fromkeys(ids) if (why := _refuse(each, found.get(each)))]:
        text = "{refusals} Nothing was changed."
        is_missing = any(each not in found for each in ids)
        kind = Kind.MISSING if is_missing else Kind.CONFLICT
        raise Refusal("reviews_refused", text, kind=kind, refusals=refusals)
    return sorted({each.recipient_key for each in found.values()})


def _refuse(review_id: int, facts: ReviewFacts | None) -> Sentence | None:
    if facts is None:
        return Sentence("Review {id} does not exist.", id=review_id)
    if facts.decided_at is None:
        return None
    return Sentence(
        "Review {id} was {decision} at {at:%Y-%m-%d %H:%M:%S} UTC.",
        id=review_id,
        decision=facts.decision,
        at=facts.decided_at,
    )


def _decide(
    connection: Connection, ids: Sequence[int], recipient_keys: Sequence[str], decision: Decision
) -> list[DecidedAnswer]:
    decided = store.decide_reviews(connection, recipient_keys, decision)
    author = {each.id: each.recipient_key for each in decided}
    if missing := sorted(set(ids) - author.keys()):
        raise Refusal(
            "review_changed",
            "Review {id} has just been changed by somebody else. Nothing was changed: look again with {review}.",
            kind=Kind.CONFLICT,
            id=missing[0],
            review=Hint(HintAction.REVIEW_OPTOUTS),
        )
    # A list shows the newest answer of each author by its id. The decision erases the texts of all answers.
    newest_read = {author[each]: each for each in sorted(ids)}
    if unread := sorted(newest_read[key] for each, key in author.items() if each > newest_read[key]):
        raise Refusal(
            "review_changed",
            "The author of review {id} has a newer answer, which you may not have read. Nothing was changed: look"
            " again with {review}.",
            kind=Kind.CONFLICT,
            id=unread[0],
            review=Hint(HintAction.REVIEW_OPTOUTS),
        )
    return decided
