"""Whether a slice trusts its template and its list. After a refusal it sends nothing for a while, then one message.

See docs/decisions/0008-a-refused-template-is-tried-with-one-message.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from campaigns.domain.pacing import Reason, Wait
from campaigns.domain.verdict import Accepted, Action, Blame, Rejected, Verdict
from campaigns.store import templates
from campaigns.store.database import Connection
from campaigns.store.leases import LeaseRow

# Consecutive variable errors after which the recipient list is assumed not to fit the template.
_VARIABLE_ERRORS_MOST = 20

# The status of a template that Meta's refusal implies.
_STATUS_OF_CODE = {132001: "missing", 132007: "rejected", 132015: "paused", 132016: "disabled"}


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """What a set of replies says of the template: refused by Meta (account id and code), or accepted from accounts."""

    refusal: tuple[int, int] | None = None
    accepted_by: frozenset[int] = frozenset()


class TemplateProbation:
    """The template of one slice is in one of three states.

    Trusted: nothing is limited. Cooldown: nothing is sent until a time, after a refusal of the template or after too
    many variable errors in a row. On probation: one message at a time, until Meta accepts one. A slice that begins
    after a cooldown begins on probation, and there the first variable error leads back to a cooldown.
    """

    def __init__(self, row: LeaseRow, *, retry_seconds: float, now: Callable[[], dt.datetime]) -> None:
        """`retry_seconds`: the length of a cooldown. `now` is the server's clock."""
        is_approved = row.template_status == "approved"
        self._template_id, self._retry_seconds, self._now = row.template_id, retry_seconds, now
        self._until = None if is_approved else row.template_blocked_until
        self._is_on_probation = not is_approved or row.waiting_reason == Reason.TEMPLATE
        self._errors_most = 1 if self._is_on_probation else _VARIABLE_ERRORS_MOST
        self._error_count = 0

    def cooldown(self) -> Wait | None:
        """Return until when nothing may be sent; None: something may."""
        if self._until is not None and self._until > self._now():
            return Wait(Reason.TEMPLATE, self._until)
        return None

    def limit(self, count: int, *, in_flight: int) -> int:
        """Return how many of `count` messages may leave beside those that are in flight."""
        return min(count, 1 - in_flight) if self._is_on_probation else count

    def distrust_list(self) -> None:
        """Begin a cooldown and then a probation, because the list does not fit the template."""
        self._until = self._cooldown_end()
        self._is_on_probation = True
        self._errors_most = 1

    def judge(self, replies: Iterable[tuple[int, Verdict]]) -> TemplateChange:
        """Return what replies, each with the id of its account, say of the template. Changes nothing."""
        refusal, accepted_by = None, set()
        for account_id, verdict in replies:
            if isinstance(verdict, Rejected) and verdict.failure.action is Action.WAIT_TEMPLATE:
                refusal = (account_id, verdict.code)
            elif isinstance(verdict, Accepted):
                accepted_by.add(account_id)
        is_news = refusal is None and self._is_on_probation
        return TemplateChange(refusal, frozenset(accepted_by) if is_news else frozenset())

    def write(self, connection: Connection, change: TemplateChange) -> dt.datetime | None:
        """Write what replies say of the template, in the transaction that settles them; return the cooldown's end."""
        if change.refusal is not None:
            account_id, code = change.refusal
            status = _STATUS_OF_CODE.get(code, "refused")
            blocked_until = templates.block_template(
                connection, self._template_id, account_id=account_id, status=status, retry_seconds=self._retry_seconds
            )
            return blocked_until or self._cooldown_end()
        if change.accepted_by:
            templates.approve_template(connection, self._template_id, account_ids=change.accepted_by)
        return None

    def note(self, change: TemplateChange, verdicts: Iterable[Verdict], *, until: dt.datetime | None) -> None:
        """Move to the next state once the replies are settled. `until`: what `write` returned."""
        if change.refusal is not None or change.accepted_by:
            self._is_on_probation = change.refusal is not None
        for verdict in verdicts:
            self._error_count = self._error_count + 1 if _is_variable_error(verdict) else 0
            if self._error_count >= self._errors_most:
                self.distrust_list()
        if until is not None:
            self._until = until

    def _cooldown_end(self) -> dt.datetime:
        return self._now() + dt.timedelta(seconds=self._retry_seconds)


def _is_variable_error(verdict: Verdict) -> bool:
    return isinstance(verdict, Rejected) and verdict.failure.blame is Blame.MESSAGE
