"""Gathers what may keep campaigns from moving, and says what was found; counters that are wrong are repaired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaigns.broker.queues import QUEUES, BrokerFacts
from campaigns.config import Settings
from campaigns.doctor.campaign_checks import (
    AccountFacts,
    CampaignState,
    Patience,
    judge_campaign,
    judge_tallies,
    judge_traffic,
)
from campaigns.doctor.system_checks import (
    judge_broker,
    judge_database,
    judge_inbox,
    judge_tick,
    judge_valkey,
    judge_workers,
)
from campaigns.domain.campaign import ENDED, CampaignError, CampaignStatus, missing_campaign
from campaigns.domain.finding import Finding, Severity
from campaigns.domain.message import Status
from campaigns.domain.pacing import Reason, Window
from campaigns.domain.schedule import read_holidays
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store import installation
from campaigns.store.accounts import AccountListing, list_accounts, load_accounts, load_campaign_accounts
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable
from campaigns.store.installation import Standing, WorkerRow, list_workers
from campaigns.store.recipients import count_never_open
from campaigns.throttle.inspection import examine, read_rates

_TIMEOUT_SECONDS = 2.0
_OF_A_CAMPAIGN = ("campaigns", "control", "webhooks")


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What Postgres says, as of one moment."""

    campaigns: list[CampaignListing]
    standings: dict[int, Standing]
    never_open_counts: dict[int, int]
    accounts: dict[int, AccountListing]
    tokens: dict[int, bytes]
    categories: dict[int, dict[int, str]]
    traffic: dict[int, tuple[int, int]]
    workers: list[WorkerRow]
    tick_age: float | None
    inbox: installation.InboxFacts


def diagnose(
    database: Database,
    settings: Settings,
    broker: BrokerFacts,
    campaign_id: int | None,
    *,
    explain: Callable[[Exception], str],
) -> list[Finding]:
    """Return what keeps campaigns from moving; for one of them in the order in which one would look, notes included.

    `explain` says in words what a database does that does not answer. Raises CampaignError when there is no such one.
    """
    findings, loaded = _look_at_servers(database, settings, campaign_id, explain)
    if loaded is None:
        return [*findings, *judge_broker(broker, QUEUES)]
    patience = Patience(settings.tick_seconds, settings.silent_seconds, settings.uncertain_grace_seconds)
    is_away = any(finding.kind == "valkey_away" for finding in findings)
    rates = {} if is_away else _read_rates(settings, loaded.accounts)
    accounts = {each.id: _account_facts(each, loaded, settings, rates) for each in loaded.accounts.values()}
    for row in loaded.campaigns:
        state = _state(row, loaded, accounts)
        found = judge_campaign(state, row.server_now, patience)
        findings += found if campaign_id is not None else [each for each in found if each.severity != Severity.NOTE]

    is_ended = campaign_id is not None and loaded.campaigns[0].status in {*ENDED, CampaignStatus.DRAFT}
    if not is_ended:
        findings += judge_broker(broker, QUEUES if campaign_id is None else _OF_A_CAMPAIGN)
        findings += judge_tick(loaded.tick_age, tick_seconds=settings.tick_seconds)
        findings += judge_workers(
            loaded.workers,
            silent_seconds=patience.silent_seconds,
            exits=bool(settings.exit_on_stall_seconds),
        )
    findings += _repair(database, [row.id for row in loaded.campaigns])
    return [*findings, *judge_inbox(loaded.inbox), *judge_traffic(accounts.values())]


def _look_at_servers(
    database: Database, settings: Settings, campaign_id: int | None, explain: Callable[[Exception], str]
) -> tuple[list[Finding], _Loaded | None]:
    findings, loaded = [], None
    try:
        facts = database.run(installation.load_database_facts)
        findings += judge_database(facts)
        if not facts.missing_migrations:
            loaded = database.run(_load, campaign_id)
    except DatabaseUnavailable as error:
        text = f"Postgres does not answer, so nothing is sent and webhooks get 503: {explain(error).rstrip('.?')}."
        findings.append(Finding("database_away", Severity.ERROR, text, "Start it, and look at DATABASE_URL."))
    except DatabaseError as error:
        text = f"Postgres refuses: {explain(error).rstrip('.?')}."
        findings.append(Finding("database_refuses", Severity.ERROR, text, "Look at its log, and at DATABASE_URL."))
    if settings.redis_url is not None:
        findings += judge_valkey(examine(settings.redis_url, timeout_seconds=_TIMEOUT_SECONDS), "REDIS_URL")
    if settings.broker_url is not None and settings.broker_url.startswith("redis"):
        findings += judge_valkey(examine(settings.broker_url, timeout_seconds=_TIMEOUT_SECONDS), "BROKER_URL")
    return findings, loaded


def _load(connection: Connection, campaign_id: int | None) -> _Loaded:
    ids = installation.find_unfinished(connection) if campaign_id is None else [campaign_id]
    rows = list_campaigns(connection, ids)
    if campaign_id is not None and not rows:
        raise CampaignError(missing_campaign(campaign_id))
    standings = installation.load_standings(connection, ids)
    categories = load_campaign_accounts(connection, ids)
    account_ids = sorted({account_id for each in categories.values() for account_id in each})
    return _Loaded(
        rows,
        standings,
        {
            row.id: count_never_open(connection, row.id, _window(row))
            for row in rows
            if row.uses_recipient_zones and row.status not in ENDED
        },
        {each.id: each for each in list_accounts(connection, account_ids)},
        {each.id: each.token for each in load_accounts(connection, account_ids)},
        categories,
        installation.load_traffic(connection, ids),
        list_workers(connection),
        installation.load_tick_age(connection),
        installation.load_inbox(connection),
    )


def _read_rates(settings: Settings, accounts: dict[int, AccountListing]) -> dict[int, float]:
    if settings.redis_url is None:
        return {}
    configured = {each.id: each.messages_per_second for each in accounts.values()}
    return read_rates(settings.redis_url, configured, timeout_seconds=_TIMEOUT_SECONDS)


def _account_facts(
    account: AccountListing, loaded: _Loaded, settings: Settings, rates: dict[int, float]
) -> AccountFacts:
    sent_count, told_count = loaded.traffic.get(account.id, (0, 0))
    return AccountFacts(
        account.id,
        account.name,
        account.active,
        account.inactive_reason,
        account.blocked_until,
        account.blocked_reason,
        account.messages_per_second,
        is_readable=_is_readable(settings.secret_key, loaded.tokens[account.id]),
        rate=rates.get(account.id),
        sent_count=sent_count,
        told_count=told_count,
        inactive_categories=account.inactive_categories,
    )


def _is_readable(key: str | None, token: bytes) -> bool:
    """Tell whether a token is; without a key here nobody can tell, and the workers have theirs."""
    if key is None:
        return True
    try:
        decrypt_token(key, token)
    except TokenError:
        return False
    return True


def _window(row: CampaignListing) -> Window:
    holidays = read_holidays(row.holidays) if row.holidays else None
    return Window(row.time_zone, row.window_from, row.window_to, frozenset(row.weekdays), holidays)


def _state(row: CampaignListing, loaded: _Loaded, accounts: dict[int, AccountFacts]) -> CampaignState:
    standing = loaded.standings[row.id]
    seen = {worker.owner: worker.seen_seconds for worker in loaded.workers}
    return CampaignState(
        id=row.id,
        status=CampaignStatus(row.status),
        time_zone=row.time_zone,
        counts={Status(status): count for status, count in row.counts.items()},
        template=f"{row.template_name}:{row.language}",
        template_status=row.template_status,
        template_blocked_until=standing.template_blocked_until,
        accounts=[accounts[account_id] for account_id in loaded.categories[row.id]],
        categories=loaded.categories[row.id],
        scheduled_at=row.scheduled_at,
        waiting_reason=Reason(row.waiting_reason) if row.waiting_reason else None,
        due_at=row.due_at,
        enqueued_at=row.enqueued_at,
        window=None if row.uses_recipient_zones else _window(row),
        never_open_count=loaded.never_open_counts.get(row.id, 0),
        lease_owner=standing.lease_owner or "",
        lease_until=standing.lease_until,
        runner_seen_seconds=seen.get(standing.lease_owner or ""),
        next_message_at=standing.next_message_at,
        uncertain_since=standing.uncertain_since,
    )


def _repair(database: Database, campaign_ids: Sequence[int]) -> list[Finding]:
    try:
        repaired = database.run(installation.repair_tallies, campaign_ids)
    except (DatabaseError, *DatabaseUnavailable) as error:
        text = f"The counters could not be compared with a recount: {type(error).__name__}."
        return [Finding("counters", Severity.WARNING, text, "Run `revoada doctor` again once Postgres takes writes.")]
    return [finding for campaign_id, changes in repaired.items() for finding in judge_tallies(campaign_id, changes)]
