"""The status of a message, the order of evidence, and the transitions that are allowed."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The status of a message, from the weakest evidence to the strongest. The enum in Postgres has the same order."""

    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PENDING = "pending"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    HELD = "held"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"


LADDER: tuple[Status, ...] = tuple(Status)

# Meta has accepted the messages with these statuses. The commands count all these messages as "sent".
ACCEPTED = frozenset({Status.HELD, Status.SENT, Status.DELIVERED, Status.READ})

# A campaign is complete when no message of it has one of these statuses.
OPEN = frozenset({Status.PENDING, Status.SENDING})


class Write(StrEnum):
    """The author of a change of status. Each SQL statement makes the changes of one author."""

    RUNNER = "runner"  # a worker that holds the lease, or that knows that Meta did not accept the message
    EVIDENCE = "evidence"  # a reply or a webhook
    OPERATOR = "operator"  # a person


def can_become(old: Status, new: Status, write: Write) -> bool:
    """Tell whether the author `write` may change `old` into `new`. The SQL in `store` enforces the same rules."""
    return new in TRANSITIONS[write].get(old, frozenset())


def _climbs(*, lowest: Status) -> dict[Status, frozenset[Status]]:
    """Return the transitions that evidence may make: to any stronger status, but to no status below `lowest`."""
    return {
        old: frozenset(new for new in LADDER if LADDER.index(new) > max(LADDER.index(old), LADDER.index(lowest) - 1))
        for old in LADDER
    }


TRANSITIONS: dict[Write, dict[Status, frozenset[Status]]] = {
    Write.RUNNER: {
        # A retried uncertain message is `pending`. Such a message becomes `uncertain` again if it is not sent.
        Status.PENDING: frozenset({Status.SENDING, Status.SUPPRESSED, Status.EXPIRED, Status.UNCERTAIN}),
        Status.SENDING: frozenset({Status.PENDING, Status.CANCELLED, Status.UNCERTAIN, Status.FAILED}),
        Status.UNCERTAIN: frozenset({Status.PENDING, Status.CANCELLED, Status.FAILED}),
        # After a webhook reports a failure by the account's fault, another account may send the message.
        Status.HELD: frozenset({Status.PENDING}),
        Status.SENT: frozenset({Status.PENDING}),
    },
    Write.EVIDENCE: _climbs(lowest=Status.UNCERTAIN),
    Write.OPERATOR: {
        # A pending message becomes `uncertain` after a restore, or if it is a retried uncertain message that is not
        # sent.
        Status.PENDING: frozenset({Status.CANCELLED, Status.SUPPRESSED, Status.UNCERTAIN}),
        Status.SENDING: frozenset({Status.UNCERTAIN}),  # after a restore
        Status.FAILED: frozenset({Status.PENDING}),  # a retry
        Status.UNCERTAIN: frozenset({Status.PENDING}),  # a retry, at the risk of a second copy
        Status.SUPPRESSED: frozenset({Status.PENDING}),  # the person was suppressed for an answer that was no opt-out
    },
}
