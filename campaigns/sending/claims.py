"""Claims the messages of a campaign that may be sent now.

A claim is limited by the campaign's pace and sending window, the daily quota of portfolios, and the caps per person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence

from campaigns.domain.continuity import ClaimCount
from campaigns.domain.pacing import Pace, PaceState, Reason, Wait, Window, advance, allow
from campaigns.domain.phone.zones import ZoneHours
from campaigns.domain.schedule import read_holidays
from campaigns.store import leases, messages, portfolios
from campaigns.store.accounts import AccountRow
from campaigns.store.database import Connection, Database
from campaigns.store.leases import LeaseRow
from campaigns.store.messages import Claim
from campaigns.store.recipients import load_zones
from campaigns.throttle.bucket import Grant

# A message may be due and yet not be claimed, because no account had a token for the message. The slice tries to claim
# the message again after this time.
_SOON_SECONDS = 1.0
# The cursor of a standing campaign. Its messages are found by `not_before`, because their ids may be committed in
# another order. So a claim never reads the messages that were sent long ago.
_BEHIND_ALL = 2**63 - 1


class Claimer:
    """Claims the messages of one campaign at its pace, or finds the reason why no message may be claimed now.

    All methods except `allow` may query Postgres and raise the errors of `store.database`.
    """

    def __init__(self, row: LeaseRow, database: Database, *, now: Callable[[], dt.datetime]) -> None:
        """`now`: the time of the Postgres server. Pace and windows follow this time."""
        self._row, self._database, self._now = row, database, now
        holidays = read_holidays(row.holidays) if row.holidays else None
        window = Window(row.time_zone, row.window_from, row.window_to, frozenset(row.weekdays), holidays)
        self._zone_hours: ZoneHours | None = None
        self._open_zones: frozenset[int] = frozenset()
        if row.uses_recipient_zones:
            # The window applies in each recipient's own time zone, so the campaign as a whole has no window.
            self._zone_hours = ZoneHours(window, database.run(load_zones, row.id))
            self._open_zones = self._zone_hours.open_ids(row.left_at)
            window = Window(row.time_zone)
        self._pace = Pace(window, row.interval_seconds, row.pause_after, row.pause_seconds)
        self._pace_state = PaceState(row.next_message_at, row.burst_count)
        # By full portfolio (a portfolio without quota for new people): the key of the last person whose message was
        # claimed. The next claim continues after this key.
        self._last_people: dict[int, str] = {}
        self._has_waited = row.waiting_reason is not None
        self.cursor, self.claimed_count = _BEHIND_ALL if row.is_standing else row.cursor, 0
        self._claim_count = row.claim_count

    @property
    def claims(self) -> ClaimCount:
        """The number of the campaign's claims that this slice knows to be committed."""
        return ClaimCount(self._row.id, self._row.epoch, self._claim_count)

    def allow(self, want: int) -> int | Wait:
        """Return the number of messages, up to `want`, that the pace allows now; the wait if the pace allows none."""
        return allow(self._pace, self._pace_state, self._now(), want=want)

    def count_due(self, most: int) -> int:
        """Return the number of messages of a standing campaign that are due now, at most `most`."""
        return self._database.run(messages.count_due, self._row.id, most)

    def claim(
        self, grants: Mapping[int, Grant], accounts: Mapping[int, AccountRow], *, usable: Collection[int]
    ) -> Claim:
        """Claim at most one message per token and store the pace, in one transaction that is committed on return.

        `usable`: ids of the accounts that may send this campaign.
        """
        claim: Claim = self._database.run(self._claim_and_pace, grants, accounts, sorted(usable))
        self.cursor, self._claim_count = claim.cursor, claim.lease.claim_count
        self.claimed_count += len(claim.messages)
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
        limits = portfolios.PortfolioLimits(
            {each: portfolio_ids[each] for each in tokens if each in portfolio_ids}, self._last_people
        )
        claims = self.claims
        zones = self._find_open_zones()
        if self._row.is_capped:
            messages.lock_caps(connection)
        if limits.portfolios:
            claim = portfolios.claim_within_limits(
                connection,
                claims,
                cursor=self.cursor,
                tokens=tokens,
                active=active,
                limits=limits,
                open_zones=zones,
            )
        else:
            claim = messages.claim_messages(
                connection,
                claims,
                cursor=self.cursor,
                tokens=tokens,
                active=active,
                open_zones=zones,
            )
        state = advance(self._pace, self._pace_state, self._now(), claimed=len(claim.messages))
        if state != self._pace_state:
            messages.set_pace(connection, self._row.id, self._row.epoch, state)
            self._pace_state = state
        return claim

    def clear_wait(self) -> None:
        """Clear the campaign's waiting reason in Postgres, if the campaign had such a reason when this slice began."""
        if self._has_waited:
            self._has_waited = False
            self._database.run(leases.clear_wait, self._row.id)

    def _find_open_zones(self) -> list[int] | None:
        """Return ids of the zones in which the window is open; None if the campaign does not use recipients' zones."""
        if self._zone_hours is None:
            return None
        open_zones = self._zone_hours.open_ids(self._now())
        if open_zones - self._open_zones:
            # The window has opened in a zone. While the window was closed there, the cursor passed the messages of that
            # zone. So the search starts from the first message again.
            self.cursor = 0
        self._open_zones = open_zones
        return sorted(open_zones)

    def find_full_until(self, full: Mapping[int, dt.datetime]) -> dict[int, dt.datetime]:
        """Return, by full portfolio (`Claim.full`), the time before which its accounts must not claim.

        Returns {} if no message waits for quota.
        """
        if not full:
            return {}
        zones = None if self._zone_hours is None else sorted(self._open_zones)
        if not self._database.run(messages.has_claimable, self._row.id, cursor=self.cursor, open_zones=zones):
            return {}
        next_at = self._database.run(messages.find_next_release_at, self._row.id)
        if next_at is None or next_at <= self._now():
            return dict(full)
        return {portfolio_id: min(at, next_at) for portfolio_id, at in full.items()}

    def next_wait(self) -> Wait | None:
        """After an empty claim, return the wait until the next message becomes due; None if no message is left."""
        soon = self._now() + dt.timedelta(seconds=_SOON_SECONDS)
        if self._zone_hours is not None:
            return self._next_wait_by_zone(self._zone_hours, soon)
        next_at = self._database.run(messages.find_next_release_at, self._row.id)
        return None if next_at is None else Wait(Reason.RETRY, max(next_at, soon))

    def _next_wait_by_zone(self, zone_hours: ZoneHours, soon: dt.datetime) -> Wait | None:
        """Return the result of `next_wait` for a campaign whose window applies in the recipients' own time zones."""
        waits = []
        for zone_id, at in self._database.run(messages.find_next_times_by_zone, self._row.id).items():
            opens_at = zone_hours.opens_at(zone_id, max(at, self._now()))
            is_closed = zone_id not in self._open_zones and opens_at > soon
            if zone_id in self._open_zones and at <= soon:
                # The cursor passed these messages while the window was closed in their zone. The window is open there
                # now, because the window or the zone was changed. So the next claim starts from the first message.
                self.cursor = 0
            waits.append(Wait(Reason.WINDOW if is_closed else Reason.RETRY, max(opens_at, soon)))
        return min(waits, key=lambda wait: wait.until, default=None)
