"""Describes an installation as numbers for the metrics. The numbers are those of the page of the system."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from campaigns.broker.queues import QUEUES, BrokerFacts
from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.metrics.table import MAX_ACCOUNTS, METRICS, Key, list_keys
from campaigns.store.database import Database, DatabaseError, DatabaseUnavailable
from campaigns.store.installation import WorkerRow
from campaigns.store.metrics.state import AccountState, State, UncertainCount, load_state, load_uncertain_ages
from campaigns.throttle.inspection import read_rates

# Postgres is read at most once in this time, however many Prometheus servers scrape the console.
_KEEP_SECONDS = 5.0
_THROTTLE_SECONDS = 0.5
# The messages of a campaign are read for the age of its uncertain ones at most once in this time.
_UNCERTAIN_SECONDS = 300.0


class StateReader:
    """Reads the state at most once in five seconds, however often it is asked.

    `database`: a pool that only this object uses, with a short timeout. So the answer comes before Prometheus gives up,
    also while Postgres is away. Then the answer has no numbers from Postgres, and `revoada_database_up` is 0.
    """

    def __init__(self, database: Database, settings: Settings, ask_broker: Callable[[], BrokerFacts]) -> None:
        self._database, self._settings, self._ask_broker = database, settings, ask_broker
        self._lock = threading.Lock()
        self._uncertain = _OldestUncertain(database)
        self._read_at, self._numbers = float("-inf"), dict[Key, float]()

    def read(self) -> dict[Key, float]:
        with self._lock:
            if clock() - self._read_at > _KEEP_SECONDS:
                self._numbers, self._read_at = self._load(), clock()
            return self._numbers

    def close(self) -> None:
        self._database.close()

    def _load(self) -> dict[Key, float]:
        numbers: dict[Key, float] = {("revoada_build_info", (version("revoada"),)): 1}
        broker = self._ask_broker()
        numbers["revoada_broker_up", ()] = broker.waiting is not None
        numbers |= {("revoada_queue_tasks", (name,)): count for name, count in (broker.waiting or {}).items()}
        try:
            self._database.open()  # does nothing if the pool is open
            state = self._database.run(load_state, most=MAX_ACCOUNTS)
        except (DatabaseError, *DatabaseUnavailable):
            return numbers | {("revoada_database_up", ()): 0}
        numbers["revoada_database_up", ()] = 1
        rates: dict[int, float] = {each.id: each.rate_limit for each in state.accounts}
        if self._settings.redis_url is not None:
            limits = {each.id: each.rate_limit for each in state.accounts}
            found = read_rates(self._settings.redis_url, limits, timeout_seconds=_THROTTLE_SECONDS)
            numbers["revoada_throttle_up", ()] = found is not None
            rates |= found or {}
        numbers |= dict(_count_campaigns(state))
        if (age := self._uncertain.find_age(state.uncertain)) is not None:
            numbers["revoada_uncertain_oldest_age_seconds", ()] = age
        numbers |= dict(_count_workers(state.workers, self._settings.silent_seconds))
        for account in state.accounts:
            numbers |= dict(_describe_account(account, rates[account.id]))
        for portfolio_id, people, limit in state.portfolios:
            numbers["revoada_portfolio_people", (str(portfolio_id),)] = people
            numbers["revoada_portfolio_limit", (str(portfolio_id),)] = limit
        return numbers


@dataclass(frozen=True, slots=True)
class _Uncertain:
    """The uncertain messages of a campaign, as they were read at `read_at`.

    `since`: when its oldest uncertain message was claimed; None if this is not known. Both times are times of `clock`.
    """

    counted: UncertainCount
    read_at: float
    since: float | None


class _OldestUncertain:
    """Keeps the age of the oldest uncertain message of each campaign.

    To find the age, Postgres reads all messages of the campaign. So it reads them at most once in five minutes. After
    the campaign has ended, it reads them again only if the number of uncertain messages has changed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[int, _Uncertain] = {}

    def find_age(self, campaigns: Sequence[UncertainCount]) -> float | None:
        """Return the age in seconds; 0 if no message is uncertain, None if Postgres has not found it in time.

        `campaigns`: all campaigns with uncertain messages.
        """
        now = clock()
        self._kept = {
            each.campaign_id: self._kept[each.campaign_id] for each in campaigns if each.campaign_id in self._kept
        }
        wanted = [each for each in campaigns if self._is_due(each, now)]
        if wanted:
            ages = self._load([each.campaign_id for each in wanted])
            for each in wanted:
                age = ages.get(each.campaign_id)
                self._kept[each.campaign_id] = _Uncertain(each, now, None if age is None else now - age)
        if not campaigns:
            return 0.0
        return max((now - kept.since for kept in self._kept.values() if kept.since is not None), default=None)

    def _is_due(self, counted: UncertainCount, now: float) -> bool:
        kept = self._kept.get(counted.campaign_id)
        if kept is None:
            return True
        is_known = counted.has_ended and kept.counted == counted and kept.since is not None
        return not is_known and now - kept.read_at > _UNCERTAIN_SECONDS

    def _load(self, campaign_ids: list[int]) -> dict[int, float]:
        try:
            return self._database.run(load_uncertain_ages, campaign_ids)
        except (DatabaseError, *DatabaseUnavailable):
            return {}


def _count_campaigns(state: State) -> Iterator[tuple[Key, float]]:
    for key in list_keys(("revoada_campaigns", "revoada_campaigns_waiting", "revoada_messages")):
        yield key, 0
    names = {"status": "revoada_campaigns", "reason": "revoada_campaigns_waiting"}
    ages = {"untaken": "revoada_campaigns_untaken", "untaken_age": "revoada_campaigns_untaken_age_seconds"}
    for what, label, count in state.campaigns:
        yield ((names[what], (label,)), count) if what in names else ((ages[what], ()), count)
    for status, count in state.messages.items():
        yield ("revoada_messages", (status,)), count
    for status in METRICS["revoada_inbox_events"].labels["status"] or ():
        yield ("revoada_inbox_events", (status,)), state.inbox.get(status, (0, 0))[0]
    yield ("revoada_inbox_age_seconds", ()), state.inbox.get("stored", (0, 0))[1]
    if state.tick_age is not None:
        yield ("revoada_last_tick_age_seconds", ()), state.tick_age
    if state.sampled_at is not None:
        yield ("revoada_last_sample_timestamp_seconds", ()), state.sampled_at
    yield ("revoada_accounts_unlisted", ()), max(state.account_count - MAX_ACCOUNTS, 0)
    yield ("revoada_file_jobs_due", ()), state.due_file_job_count
    yield ("revoada_hook_deliveries_due", ()), state.due_delivery_count
    yield ("revoada_hooks_failing", ()), state.failing_hook_count


def _count_workers(workers: Iterable[WorkerRow], silent_seconds: float) -> Iterator[tuple[Key, float]]:
    """Count processes and slots. The slots of a silent process count for nothing, because nobody can use them."""
    states, slots, used, skew = Counter[tuple[str, str]](), Counter[str](), Counter[str](), 0.0
    for row in workers:
        is_silent = row.seen_seconds > silent_seconds
        skew = skew if is_silent else max(skew, abs(row.skew_seconds))
        for role in {QUEUES[queue] for queue in row.queues if queue in QUEUES}:
            states[role, "silent" if is_silent else "ok" if row.stalled_seconds is None else "stalled"] += 1
            slots[role] += 0 if is_silent else row.slots
            used[role] += 0 if is_silent else row.running_count
    for process in METRICS["revoada_slots"].labels["process"] or ():
        yield ("revoada_slots", (process,)), slots[process]
        yield ("revoada_slots_used", (process,)), used[process]
        for state in METRICS["revoada_workers"].labels["state"] or ():
            yield ("revoada_workers", (process, state)), states[process, state]
    yield ("revoada_worker_clock_skew_seconds", ()), skew


def _describe_account(account: AccountState, rate: float) -> Iterator[tuple[Key, float]]:
    label = str(account.id)
    yield ("revoada_account_active", (label,)), account.is_active
    yield ("revoada_account_rate_limit", (label,)), account.rate_limit
    yield ("revoada_account_rate_allowed", (label,)), rate
    yield ("revoada_account_failures_in_row", (label,)), account.failure_count
    yield ("revoada_account_cooldown_seconds", (label,)), account.cooldown_seconds
    known = METRICS["revoada_account_quality"].labels["quality"] or ()
    quality = account.quality if account.quality in known else "UNKNOWN"
    for each in known:
        yield ("revoada_account_quality", (label, each)), each == quality
