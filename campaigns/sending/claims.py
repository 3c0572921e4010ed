"""Claims what may be sent now: at the campaign's pace, in its windows, within the limits of portfolios and people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence

from campaigns.domain.pacing import Pace, PaceState, Reason, Wait, Window, advance, allow
from campaigns.domain.phone.zones import ZoneGate
from campaigns.domain.schedule import read_holidays
from campaigns.store import messages, portfolios
from campaigns.store.accounts import AccountRow
from campaigns.store.database import Connection, Database
from campaigns.store.leases import LeaseRow
from campaigns.store.messages import Claim
from campaigns.store.recipients import load_zones
from campaigns.throttle.bucket import Grant

# A released message that is due already waits for an account that had no token just now.
_SOON_SECONDS = 1.0


class Claimer:
    """What one slice knows of its campaign's list and pace: how much may be claimed, and what the rest waits for.

    All but `allow` talk to Postgres, and raise as `store.database` does.
    """

    def __init__(self, row: LeaseRow, database: Database, *, now: Callable[[], dt.datetime]) -> None:
        """`now` is the server's clock, which pace and windows follow."""
        self._row, self._database, self._now = row, database, now
        holidays = read_holidays(row.holidays) if row.holidays else None
        window = Window(row.time_zone, row.window_from, row.window_to, frozenset(row.weekdays), holidays)
        self._gate: ZoneGate | None = None
        self._open_zones: frozenset[int] = frozenset()
        if row.uses_recipient_zones:
            # The window is that of each person: the campaign as a whole has none.
            self._gate = ZoneGate(window, database.run(load_zones, row.id))
            self._open_zones = self._gate.open_ids(row.left_at)
            window = Window(row.time_zone)
        self._pace = Pace(window, row.interval_seconds, row.pause_after, row.pause_seconds)
        self._pace_state = PaceState(row.next_message_at, row.burst_count)
        self._places: dict[int, str] = {}  # in full portfolios: the last person whose message was claimed
        self.cursor = row.cursor

    def allow(self, want: int) -> int | Wait:
        """Return how many of `want` messages the pace allows now, or until when it allows none."""
        return allow(self._pace, self._pace_state, self._now(), want=want)

    def claim(
        self, grants: Mapping[int, Grant], accounts: Mapping[int, AccountRow], *, usable: Collection[int]
    ) -> Claim:
        """Claim one message per token, and note the pace, in one transaction: committed before anything leaves.

        `usable`: the accounts that may send this campaign.
        """
        claim: Claim = self._database.run(self._claim_and_pace, grants, accounts, sorted(usable))
        self.cursor = claim.cursor
        return claim

    def _claim_and_pace(
        self,
        connection: Connection,
        grants: Mapping[int, Grant],
        accounts: Mapping[int, AccountRow],
        active: Sequence[int],
    ) -> Claim:
        tokens = {account_id: grant.tokens for account_id, grant in grants.items()}
        portfolio_ids = {row.id: row.portfolio_id for row in accounts.values() if row.portfolio_id}
        limits = portfolios.Limits(
            {each: portfolio_ids[each] for each in tokens if each in portfolio_ids}, self._places
        )
        where = (connection, self._row.id, self._row.epoch)
        zones = self._look_at_zones()
        if self._row.is_capped:
            messages.lock_caps(connection)
        if limits.portfolios:
            claim = portfolios.claim_within_limits(
                *where,
                cursor=self.cursor,
                tokens=tokens,
                active=active,
                limits=limits,
                open_zones=zones,
            )
        else:
            claim = messages.claim_messages(*where, cursor=self.cursor, tokens=tokens, active=active, open_zones=zones)
        state = advance(self._pace, self._pace_state, self._now(), claimed=len(claim.messages))
        if state != self._pace_state:
            messages.set_pace(connection, self._row.id, self._row.epoch, state)
            self._pace_state = state
        return claim

    def _look_at_zones(self) -> list[int] | None:
        """Return the zones in which the window is open, or None where it is not that of each person."""
        if self._gate is None:
            return None
        open_zones = self._gate.open_ids(self._now())
        if open_zones - self._open_zones:
            # People of a zone that has just opened may stand before the cursor: it went on without them.
            self.cursor = 0
        self._open_zones = open_zones
        return sorted(open_zones)

    def held_up_until(self, full: Mapping[int, dt.datetime]) -> dict[int, dt.datetime]:
        """Return until when each full portfolio (`Claim.full`) is not to be asked; empty where it holds nothing up."""
        if not full:
            return {}
        zones = None if self._gate is None else sorted(self._open_zones)
        if not self._database.run(messages.has_claimable, self._row.id, cursor=self.cursor, open_zones=zones):
            return {}
        next_at = self._database.run(messages.next_release_at, self._row.id)
        if next_at is None or next_at <= self._now():
            return dict(full)
        return {portfolio_id: min(at, next_at) for portfolio_id, at in full.items()}

    def next_wait(self) -> Wait | None:
        """Return what is waited for where nothing could be claimed and no reply is out; None where nothing is left."""
        soon = self._now() + dt.timedelta(seconds=_SOON_SECONDS)
        if self._gate is not None:
            return self._next_wait_by_zone(self._gate, soon)
        next_at = self._database.run(messages.next_release_at, self._row.id)
        return None if next_at is None else Wait(Reason.RETRY, max(next_at, soon))

    def _next_wait_by_zone(self, gate: ZoneGate, soon: dt.datetime) -> Wait | None:
        """As above, where each person has a window: what is left may wait for its opening."""
        waits = []
        for zone_id, at in self._database.run(messages.next_by_zone, self._row.id).items():
            opens_at = gate.opens_at(zone_id, max(at, self._now()))
            is_closed = zone_id not in self._open_zones and opens_at > soon
            if zone_id in self._open_zones and at <= soon:
                # The cursor passed these messages while their window was closed. Their window or zone has changed
                # since and is open, so the next claim starts from the first message.
                self.cursor = 0
            waits.append(Wait(Reason.WINDOW if is_closed else Reason.RETRY, max(opens_at, soon)))
        return min(waits, key=lambda wait: wait.until, default=None)
