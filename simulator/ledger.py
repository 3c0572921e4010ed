"""Counts the sends that arrived and those that were accepted, so that a test can find duplicates and losses."""

from collections import Counter
from typing import Any, NamedTuple


class Accepted(NamedTuple):
    """An accepted send. `monotonic` is the machine's CLOCK_MONOTONIC. `callback_data` is None if the send had none."""

    monotonic: float
    epoch: float
    account: str
    to: str
    callback_data: str | None
    wamid: str
    template: str


class Ledger:
    def __init__(self) -> None:
        self.accepted_count = 0
        self.request_heads = 0
        self.health_requests: Counter[str] = Counter()
        self.accepted_by_account: Counter[str] = Counter()
        self.errors: Counter[int] = Counter()
        self.errors_by_account: dict[str, Counter[int]] = {}
        self.recipients: dict[str, int] = {}
        self.callback_data: dict[str, int] = {}
        self.arrived: dict[str, int] = {}
        # Counted on arrival, because a summary that loops over a million people would delay replies.
        self.most_per_recipient = self.body_count = 0
        self.duplicates: Counter[str] = Counter()  # people, and callback data, with more than one accepted send
        self.log: list[Accepted] = []

    def accept(self, accepted: Accepted, *, keep: bool) -> None:
        """Count an accepted send; with `keep`, append it to the log."""
        to, callback_data = accepted.to, accepted.callback_data
        self.accepted_count += 1
        self.accepted_by_account[accepted.account] += 1
        before = self.recipients.get(to, 0)
        self.recipients[to] = before + 1
        self.most_per_recipient = max(self.most_per_recipient, before + 1)
        self.duplicates["recipients"] += before == 1
        if callback_data is not None:
            before = self.callback_data.get(callback_data, 0)
            self.callback_data[callback_data] = before + 1
            self.duplicates["callback_data"] += before == 1
        if keep:
            self.log.append(accepted)

    def count_body(self, to: str) -> None:
        self.arrived[to] = self.arrived.get(to, 0) + 1
        self.body_count += 1

    def count_error(self, account: str, code: int) -> None:
        self.errors[code] += 1
        self.errors_by_account.setdefault(account, Counter())[code] += 1

    def summary(self) -> dict[str, Any]:
        numbers = sorted(self.accepted_by_account.keys() | self.errors_by_account.keys() | self.health_requests.keys())
        return {
            "accepted": self.accepted_count,
            "accounts": {number: self._account_summary(number) for number in numbers},
            "errors": {str(code): count for code, count in sorted(self.errors.items())},
            "health_requests": self.health_requests.total(),
            "request_heads": self.request_heads,
            "request_bodies": self.body_count,
            "recipients": len(self.recipients),
            "max_accepted_per_recipient": self.most_per_recipient,
            "duplicates": {
                "recipients": self.duplicates["recipients"],
                "callback_data": self.duplicates["callback_data"],
            },
        }

    def _account_summary(self, number: str) -> dict[str, Any]:
        errors = self.errors_by_account.get(number, Counter())
        return {
            "accepted": self.accepted_by_account[number],
            "errors": {str(code): count for code, count in sorted(errors.items())},
            "health_requests": self.health_requests[number],
        }
