"""Checks, before messages are claimed, that Postgres has every claim whose messages were sent.

An asynchronous replica that was promoted, or a restored backup, may lack the newest claims. In such a database the
messages of these claims are `pending`, and would be sent a second time. Valkey stores the number of claims of each
campaign (see campaigns/throttle/ledger.py).
"""

from __future__ import annotations

import logging
import threading

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.continuity import ClaimCount, DatabaseIdentity
from campaigns.domain.statement import Hint, HintAction
from campaigns.logs import event
from campaigns.store import continuity
from campaigns.store.database import Connection, Database
from campaigns.throttle.ledger import Ledger
from campaigns.valkey import ServerUnavailable

_log = logging.getLogger("campaigns.sending")

# After a failover, the ledger may have a claim that was not committed. If the worker of this claim still runs, the
# worker corrects the ledger within the time of one slice and one lease. If claims are still missing after this many
# lease times, the database counts as an older copy.
_PATIENCE_LEASES = 2


class Continuity:
    """Decides whether messages may be claimed from this database. Threads may share one instance."""

    def __init__(self, database: Database, ledger: Ledger, settings: Settings, alerts: Alerts) -> None:
        self._database, self._ledger, self._alerts = database, ledger, alerts
        self._patience_seconds = _PATIENCE_LEASES * settings.lease_seconds
        self._lock, self._comparing = threading.Lock(), threading.Lock()
        self._known: str | None = None  # the incarnation of the database that passed the last check
        self._is_told = False

    def check(self, connection: Connection, identity: DatabaseIdentity, claims: ClaimCount | None = None) -> bool:
        """Return whether messages may be claimed from the database to which `connection` leads.

        `identity` and `claims` were read from this connection. `claims`: the number of claims of the campaign whose
        slice begins. While Valkey does not serve, this process accepts only the database that passed the last check of
        this process. Before the first check, the process accepts any database.
        """
        if identity.found_older_at is not None:
            return False
        try:
            is_current = self._ledger.check(identity, claims) or self._check_alone(connection, claims)
        except ServerUnavailable:
            is_current = self._known in {None, identity.incarnation}
        if is_current:
            self._known = identity.incarnation
        return is_current

    def check_now(self) -> bool:
        """Load the identity of the database; return whether messages may be claimed from this database."""
        return self._database.run(lambda connection: self.check(connection, continuity.load_identity(connection)))

    def finish(self, claims: ClaimCount) -> None:
        """Note in the ledger that the lease of `claims` makes no further claim. Without Valkey, do nothing."""
        try:
            self._ledger.finish(claims)
        except ServerUnavailable:
            _log.debug("Valkey is away: the claims of campaign %s are not noted as final", claims.campaign_id)

    def _check_alone(self, connection: Connection, claims: ClaimCount | None) -> bool:
        """Check again, one thread at a time, with an identity that is read after the ledger; then compare all claims.

        Many slices begin at the same time. Each of them reads the position of the write-ahead log, and then checks it.
        So one of them may check a position when the ledger has a later position already. A position that is read now
        cannot be behind a position that the ledger has now, unless the database is an older copy.

        Everything is read from the connection of the caller. During a failover, another connection of the pool may lead
        to another server. And a server cannot go back to an older state without closing its connections.
        """
        with self._comparing:
            position = self._ledger.read_position()
            identity = continuity.load_identity(connection)
            if identity.found_older_at is not None:
                return False
            return self._ledger.check(identity, claims, position_before=position) or self._compare(connection)

    def _compare(self, connection: Connection) -> bool:
        before = self._ledger.read()
        identity, counts = continuity.load_claim_counts(connection)
        found = self._ledger.compare(identity, counts, before=before)
        if not found.behind:
            with self._lock:
                was_told, self._is_told = self._is_told, False
            if was_told:
                _log.info("Postgres has every claim: sending goes on", extra=event("database_current"))
            return True
        campaigns = ", ".join(map(str, sorted(found.behind)))
        if found.seconds >= self._patience_seconds:
            self._report_older(identity, campaigns)
        else:
            with self._lock:
                was_told, self._is_told = self._is_told, True
            if not was_told:
                _log.warning(
                    "Postgres may be an older copy of the database: nothing is claimed while claims of these campaigns"
                    " are missing: %s",
                    campaigns,
                    extra=event("database_doubtful", campaigns=sorted(found.behind)),
                )
        return False

    def _report_older(self, identity: DatabaseIdentity, campaigns: str) -> None:
        """Record in the database itself that it lacks claims, and send an alert. Later calls do nothing.

        This is a transaction of its own, because the transaction that takes a lease is rolled back. If its connection
        leads to another server, nothing is recorded, and a later check tries again.
        """
        if not self._database.run(continuity.note_older, identity.incarnation):
            return
        text = (
            "This Postgres is older than what was sent (a failover to a replica that lagged, or a restore). Nothing is"
            f" sent any more. It lacks claims of the campaigns {campaigns}. Stop all roles, then"
            f" {Hint(HintAction.RECOVER)} (docs/operations.md, Back up and restore)"
        )
        _log.error(text, extra=event("database_older"))
        self._alerts.send("database_older", text)
