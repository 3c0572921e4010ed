"""Keeps the leases of this process: renews them on a timer, and tells their slices when to stop or to make room."""

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

# How fast a pause or a cancel, an account switched off, or a campaign without a slot is noticed.
_WATCH_SECONDS = 1.0
# Taken off every lease: nothing leaves in the moment in which another runner may already have it.
_MARGIN_SECONDS = 0.5


@dataclass(slots=True, eq=False)
class Lease:
    """The right of one slice to send. It is also the permit that each request needs to leave.

    `deadline` is on `clock` and stands `margin` before the server's own end of the lease: it was taken before the
    last renewal was asked for. `may_claim` turns False for good when the lease or the status is gone.
    """

    campaign_id: int
    epoch: int
    deadline: float
    may_claim: bool = True
    wake: Callable[[], None] = field(default=lambda: None)

    def stop(self) -> None:
        """Claim no more, and hold back what has not left yet."""
        self.may_claim = False
        self.deadline = 0.0
        self.wake()

    def renew(self, deadline: float) -> None:
        """Move the deadline, unless the lease is stopped, be it in this very moment by another thread."""
        self.deadline = deadline
        if not self.may_claim:
            self.deadline = 0.0


class LeaseKeeper:
    """One thread per process, a few statements a second whatever the number of slices."""

    def __init__(self, database: Database, settings: Settings, *, was_full: Callable[[], bool] = lambda: True) -> None:
        """`was_full` tells whether all slots of this process were taken: only then one of them is wanted."""
        self._database, self._settings, self._was_full = database, settings, was_full
        self._leases: dict[int, Lease] = {}
        self._lock = threading.Lock()
        self._is_closed = threading.Event()
        self._renewed_at = clock()
        self._accounts: dict[int, AccountRow] = {}
        self._used: dict[int, int] = {}
        self.is_slot_wanted = False
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join(timeout=5)

    def deadline_from(self, asked_at: float) -> float:
        """Return the local end of a lease that was asked for at `asked_at`, on `clock`."""
        return asked_at + self._settings.lease_seconds - _MARGIN_SECONDS

    def stop_all(self) -> None:
        """Let no slice claim more, nor send what it has claimed: the process is about to stop."""
        with self._lock:
            held = list(self._leases.values())
        for lease in held:
            lease.stop()

    def keep(self, lease: Lease, account_ids: list[int]) -> None:
        """Renew `lease` from now on, and watch the accounts of its campaign."""
        with self._lock:
            self._leases[lease.campaign_id] = lease
            for account_id in account_ids:
                self._used[account_id] = self._used.get(account_id, 0) + 1

    def drop(self, lease: Lease, account_ids: list[int]) -> None:
        with self._lock:
            if self._leases.get(lease.campaign_id) is lease:
                del self._leases[lease.campaign_id]
            for account_id in account_ids:
                self._used[account_id] -= 1
                if not self._used[account_id]:
                    del self._used[account_id]
                    self._accounts.pop(account_id, None)

    def accounts(self, account_ids: list[int]) -> list[AccountRow]:
        """Return accounts as they were within the last second or so. Raises DatabaseError on the first look only."""
        missing = [account_id for account_id in account_ids if account_id not in self._accounts]
        if missing:
            self.refresh(missing)
        return [self._accounts[account_id] for account_id in account_ids if account_id in self._accounts]

    def refresh(self, account_ids: list[int]) -> None:
        """Look at accounts again, because something just changed them."""
        rows = self._database.run(load_accounts, account_ids)
        with self._lock:
            self._accounts.update((row.id, row) for row in rows)

    def _run(self) -> None:
        while not self._is_closed.wait(_WATCH_SECONDS):
            with self._lock:
                held = list(self._leases.values())
            if not held:
                self._renewed_at = clock()
                self.is_slot_wanted = False
                continue
            try:
                self._look_after(held)
            except (DatabaseError, *DatabaseUnavailable) as error:
                # The deadlines run on: without a renewal nothing leaves after them.
                _log.warning("Leases could not be kept: %s", error, extra=event("leases_not_kept", campaigns=len(held)))

    def _look_after(self, held: list[Lease]) -> None:
        pairs = [(lease.campaign_id, lease.epoch) for lease in held]
        is_due = clock() - self._renewed_at >= self._settings.renew_seconds
        was_full = self._was_full()
        asked_at = clock()

        def look(connection: Connection) -> tuple[set[int], set[int], bool, list[AccountRow]]:
            renewed = {lease.campaign_id for lease in held}
            if is_due:
                renewed = leases.renew_leases(connection, pairs, lease_seconds=self._settings.lease_seconds)
            running = leases.watch_leases(connection, pairs)
            is_wanted = was_full and leases.is_slot_wanted(
                connection, patience_seconds=self._settings.least_slice_seconds / 2
            )
            return renewed, running, is_wanted, load_accounts(connection, list(self._used))

        renewed, running, is_wanted, accounts = self._database.run(look)
        with self._lock:
            self._accounts.update((row.id, row) for row in accounts if row.id in self._used)
        for lease in held:
            if lease.campaign_id not in renewed or lease.campaign_id not in running:
                lease.stop()
            elif is_due:
                lease.renew(self.deadline_from(asked_at))
            elif is_wanted and not self.is_slot_wanted:
                lease.wake()
        self.is_slot_wanted = is_wanted
        if is_due:
            self._renewed_at = asked_at
