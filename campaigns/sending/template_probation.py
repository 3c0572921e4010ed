"""Limits a slice after a refusal of its template: the slice sends nothing for a while, then one message at a time.

See docs/decisions/0008-a-refused-template-is-tried-with-one-message.md.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from campaigns.domain.pacing import Reason, Wait
from campaigns.domain.template import TemplateStatus
from campaigns.domain.verdict import Accepted, Action, Blame, Rejected, Verdict
from campaigns.store import templates
from campaigns.store.database import Connection
from campaigns.store.leases import LeaseRow

# Consecutive variable errors after which the recipient list is assumed not to fit the template.
_MAX_VARIABLE_ERRORS = 20


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """The effect of a set of replies on the template.

    `refusal`: the id of the account whose message was refused, and the status that the refusal implies. `accepted_by`:
    ids of the accounts from which Meta accepted a message with the template. `accepted_by` is empty if there was a
    refusal, or if the template is not on probation.
    """

    refusal: tuple[int, TemplateStatus] | None = None
    accepted_by: frozenset[int] = frozenset()


class TemplateProbation:
    """The state of the template in one slice. There are three states: trusted, cooldown, and on probation.

    Trusted: nothing is limited. Cooldown: nothing is sent until a certain time. A cooldown follows a refusal of the
    template, or too many variable errors of one account in a row. On probation: one message at a time is sent, until
    Meta accepts a message, and a single variable error starts the next cooldown. A slice that begins after a cooldown
    begins on probation.
    """

    def __init__(self, row: LeaseRow, *, retry_seconds: float, now: Callable[[], dt.datetime]) -> None:
        """`retry_seconds`: the length of a cooldown. `now`: the time of the Postgres server."""
        is_approved = row.template_status == TemplateStatus.APPROVED
        self._template_id, self._retry_seconds, self._now = row.template_id, retry_seconds, now
        self._cooldown_until = None if is_approved else row.template_blocked_until
        self._is_on_probation = not is_approved or row.waiting_reason == Reason.TEMPLATE
        # By account, because the template may have been edited in one WABA only: messages that other accounts send are
        # accepted all the time.
        self._error_counts: Counter[int] = Counter()

    def cooldown(self) -> Wait | None:
        """Return the wait until the end of the cooldown; None if there is no cooldown."""
        if self._cooldown_until is not None and self._cooldown_until > self._now():
            return Wait(Reason.TEMPLATE, self._cooldown_until)
        return None

    def limit(self, count: int, *, in_flight: int) -> int:
        """Return how many of `count` messages may be sent, in addition to the messages in flight."""
        return min(count, 1 - in_flight) if self._is_on_probation else count

    def start_cooldown(self) -> None:
        """Start a cooldown, with probation after it, because the recipient list does not fit the template."""
        self._cooldown_until = self._cooldown_end()
        self._is_on_probation = True

    def decide(self, replies: Iterable[tuple[int, Verdict]]) -> TemplateChange:
        """Return the change that the replies imply, for `write` and `apply`. `replies`: account ids and verdicts."""
        refusal, accepted_by = None, set()
        for account_id, verdict in replies:
            if isinstance(verdict, Rejected) and verdict.failure.action is Action.WAIT_TEMPLATE:
                refusal = (account_id, verdict.failure.template_status)
            elif isinstance(verdict, Accepted):
                accepted_by.add(account_id)
        may_end_probation = refusal is None and self._is_on_probation
        return TemplateChange(refusal, frozenset(accepted_by) if may_end_probation else frozenset())

    def write(self, connection: Connection, change: TemplateChange) -> dt.datetime | None:
        """Write the change, in the transaction that settles the replies; return the end of the cooldown, if any."""
        if change.refusal is not None:
            account_id, status = change.refusal
            blocked_until = templates.block_template(
                connection, self._template_id, account_id=account_id, status=status, retry_seconds=self._retry_seconds
            )
            return blocked_until or self._cooldown_end()
        if change.accepted_by:
            templates.approve_template(connection, self._template_id, account_ids=change.accepted_by)
        return None

    def apply(
        self, change: TemplateChange, replies: Iterable[tuple[int, Verdict]], *, until: dt.datetime | None
    ) -> None:
        """Move to the next state after the replies are settled. `until`: the result of `write`."""
        most_errors = 1 if self._is_on_probation else _MAX_VARIABLE_ERRORS
        if change.refusal is not None or change.accepted_by:
            self._is_on_probation = change.refusal is not None
        for account_id, verdict in replies:
            if not _is_variable_error(verdict):
                self._error_counts.pop(account_id, None)
                continue
            self._error_counts[account_id] += 1
            if self._error_counts[account_id] >= most_errors:
                self.start_cooldown()
        if until is not None:
            self._cooldown_until = until

    def _cooldown_end(self) -> dt.datetime:
        return self._now() + dt.timedelta(seconds=self._retry_seconds)


def _is_variable_error(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and verdict.failure.blame is Blame.MESSAGE
