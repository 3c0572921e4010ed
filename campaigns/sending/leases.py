"""Renews the leases of this process on a timer, and tells slices when to stop or to leave their slot."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.logs import event
from campaigns.store import leases
from campaigns.store.accounts import AccountRow, load_accounts
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable

_log = logging.getLogger(__name__)

# The keeper polls Postgres at this interval. So a slice reacts within about a second if its campaign is paused or
# cancelled, if one of its accounts is changed, or if another campaign waits for a slot.
_POLL_SECONDS = 1.0
# A slice treats its lease as ended this long before the lease ends in Postgres, so that no request leaves while another
# worker may already hold the lease.
_MARGIN_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class Lease:
    """The right of one slice to send messages of its campaign.

    The transport checks `deadline` before each request leaves.

    `deadline`: the end of the lease on `clock`. This deadline is earlier than the end in Postgres for two reasons. The
    deadline counts from the time just before the renewal was requested, and a margin is subtracted. `can_claim` becomes
    False for good when the lease is lost, the campaign is not running any more, or the process stops. `wake` ends a
    wait of the slice.
    """

    campaign_id: int
    epoch: int
    deadline: float
    can_claim: bool = True
    wake: Callable[[], None] = field(default=lambda: None)

    def stop(self) -> None:
        """Let the slice claim nothing more, and hold back its requests that have not left yet."""
        self.can_claim = False
        self.deadline = 0.0
        self.wake()

    def renew(self, deadline: float) -> None:
        """Set a later deadline, unless the lease is stopped.

        The deadline is set before the check, because another thread may stop the lease between the two steps.
        """
        self.deadline = deadline
        if not self.can_claim:
            self.deadline = 0.0


class LeaseKeeper:
    """Renews the leases of all slices of a process in one thread.

    The thread runs a few statements per second, whatever the number of slices.
    """

    def __init__(self, database: Database, settings: Settings, *, was_full: Callable[[], bool] = lambda: True) -> None:
        """`was_full` tells whether all slots of this process were taken at any time since the previous call.

        If a slot was always free, a waiting campaign could take a free slot, and no slice needs to leave its slot.
        """
        self._database, self._settings, self._was_full = database, settings, was_full
        self._leases: dict[int, Lease] = {}
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._renewed_at = clock()
        self._accounts: dict[int, AccountRow] = {}
        self._use_counts: dict[int, int] = {}  # by account: the number of slices that use it
        self.is_slot_wanted = False
        self._thread = threading.Thread(target=self._run, name="lease_keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join(timeout=5)

    @property
    def slice_count(self) -> int:
        """The number of slices that run in this process now."""
        return len(self._leases)

    def count_users(self, account_ids: list[int]) -> int:
        """Return the number of slices of this process that use the account which fewest slices use."""
        return min((self._use_counts.get(each, 0) for each in account_ids), default=0)

    def deadline_from(self, asked_at: float) -> float:
        """Return the end of a lease that was requested at `asked_at`; both times are on `clock`."""
        return asked_at + self._settings.lease_seconds - _MARGIN_SECONDS

    def stop_all(self) -> None:
        """Stop all leases, because the process is about to end."""
        with self._lock:
            current = list(self._leases.values())
        for lease in current:
            lease.stop()

    def add(self, lease: Lease, account_ids: list[int]) -> None:
        """Renew `lease` from now on, and reload the accounts of its slice from Postgres at each poll."""
        with self._lock:
            self._leases[lease.campaign_id] = lease
            for account_id in account_ids:
                self._use_counts[account_id] = self._use_counts.get(account_id, 0) + 1

    def remove(self, lease: Lease, account_ids: list[int]) -> None:
        with self._lock:
            if self._leases.get(lease.campaign_id) is lease:
                del self._leases[lease.campaign_id]
            for account_id in account_ids:
                self._use_counts[account_id] -= 1
                if not self._use_counts[account_id]:
                    del self._use_counts[account_id]
                    self._accounts.pop(account_id, None)

    def accounts(self, account_ids: list[int]) -> list[AccountRow]:
        """Return the rows of accounts. The rows are up to about a second old.

        Queries Postgres, and may raise its errors, only if one of the accounts is not loaded yet.
        """
        missing = [account_id for account_id in account_ids if account_id not in self._accounts]
        if missing:
            self.refresh(missing)
        return [self._accounts[account_id] for account_id in account_ids if account_id in self._accounts]

    def refresh(self, account_ids: list[int]) -> None:
        """Load accounts from Postgres now, and keep the loaded rows."""
        rows = self._database.run(load_accounts, account_ids)
        with self._lock:
            self._accounts.update((row.id, row) for row in rows)

    def _run(self) -> None:
        while not self._is_closed.wait(_POLL_SECONDS):
            with self._lock:
                current = list(self._leases.values())
            if not current:
                self._renewed_at = clock()
                self.is_slot_wanted = False
                continue
            try:
                self._poll(current)
            except (DatabaseError, *DatabaseUnavailable) as error:
                # Without a renewal the deadlines pass, and then no request leaves.
                _log.warning(
                    "Leases could not be renewed: %s", error, extra=event("leases_not_kept", campaigns=len(current))
                )

    def _poll(self, current: list[Lease]) -> None:
        pairs = [(lease.campaign_id, lease.epoch) for lease in current]
        is_due = clock() - self._renewed_at >= self._settings.renew_seconds
        was_full = self._was_full()
        asked_at = clock()

        def query(connection: Connection) -> tuple[set[int], set[int], bool, list[AccountRow]]:
            renewed = {lease.campaign_id for lease in current}
            if is_due:
                renewed = leases.renew_leases(connection, pairs, lease_seconds=self._settings.lease_seconds)
            running = leases.find_running_leases(connection, pairs)
            is_wanted = was_full and leases.has_campaign_waiting_for_slot(
                connection, patience_seconds=self._settings.min_slice_seconds / 2
            )
            return renewed, running, is_wanted, load_accounts(connection, list(self._use_counts))

        renewed, running, is_wanted, accounts = self._database.run(query)
        with self._lock:
            self._accounts.update((row.id, row) for row in accounts if row.id in self._use_counts)
        for lease in current:
            if lease.campaign_id not in renewed or lease.campaign_id not in running:
                lease.stop()
            elif is_due:
                lease.renew(self.deadline_from(asked_at))
            elif is_wanted and not self.is_slot_wanted:
                lease.wake()
        self.is_slot_wanted = is_wanted
        if is_due:
            self._renewed_at = asked_at
