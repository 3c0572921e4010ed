"""The status of a message, the ladder of evidence, and every transition that may happen to it."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What is known of one message, weakest to strongest evidence. The order is that of the enum in Postgres."""

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

# Meta has it, or had it: what an operator calls "sent".
ACCEPTED = frozenset({Status.HELD, Status.SENT, Status.DELIVERED, Status.READ})

# A campaign is complete when none of its messages is in one of these.
OPEN = frozenset({Status.PENDING, Status.SENDING})


class Write(StrEnum):
    """Who may write a status. Three kinds, never mixed in one statement."""

    RUNNER = "runner"  # holds the lease, or knows that nothing was accepted
    EVIDENCE = "evidence"  # a reply or a webhook
    OPERATOR = "operator"  # a person


def can_become(old: Status, new: Status, write: Write) -> bool:
    """Tell whether `write` may turn `old` into `new`: the table behind every guard in the SQL of `store`."""
    return new in TRANSITIONS[write].get(old, frozenset())


def _climbs(*, lowest: Status) -> dict[Status, frozenset[Status]]:
    """Evidence only climbs, and evidence never makes a message weaker than `lowest`."""
    return {
        old: frozenset(new for new in LADDER if LADDER.index(new) > max(LADDER.index(old), LADDER.index(lowest) - 1))
        for old in LADDER
    }


TRANSITIONS: dict[Write, dict[Status, frozenset[Status]]] = {
    Write.RUNNER: {
        # Back to uncertain: what was doubted once and is not sent again after all.
        Status.PENDING: frozenset({Status.SENDING, Status.SUPPRESSED, Status.EXPIRED, Status.UNCERTAIN}),
        Status.SENDING: frozenset({Status.PENDING, Status.CANCELLED, Status.UNCERTAIN, Status.FAILED}),
        Status.UNCERTAIN: frozenset({Status.PENDING, Status.CANCELLED, Status.FAILED}),
        # Meta's `failed` that is the account's fault is a verdict: another account gets a new attempt.
        Status.HELD: frozenset({Status.PENDING}),
        Status.SENT: frozenset({Status.PENDING}),
    },
    Write.EVIDENCE: _climbs(lowest=Status.UNCERTAIN),
    Write.OPERATOR: {
        # After a restore, or not to be sent again after a doubt: uncertain.
        Status.PENDING: frozenset({Status.CANCELLED, Status.SUPPRESSED, Status.UNCERTAIN}),
        Status.SENDING: frozenset({Status.UNCERTAIN}),  # after a restore
        Status.FAILED: frozenset({Status.PENDING}),  # a retry
        Status.UNCERTAIN: frozenset({Status.PENDING}),  # sent again at the risk of a second copy
        Status.SUPPRESSED: frozenset({Status.PENDING}),  # skipped for an answer that was no opt-out
    },
}
