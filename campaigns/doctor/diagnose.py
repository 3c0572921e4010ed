"""Gathers the facts that may keep campaigns from being sent, and judges them; repairs counters that are wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.broker.queues import FILES, QUEUES, BrokerFacts
from campaigns.config import Settings
from campaigns.doctor.campaign_checks import (
    AccountFacts,
    CampaignState,
    Patience,
    judge_campaign,
    judge_counters,
    judge_traffic,
)
from campaigns.doctor.system_checks import (
    judge_broker,
    judge_consumers,
    judge_database,
    judge_forwards,
    judge_hooks,
    judge_inbox,
    judge_tick,
    judge_valkey,
    judge_workers,
)
from campaigns.domain.campaign import ENDED, CampaignStatus, missing_campaign
from campaigns.domain.filling import find_misfit
from campaigns.domain.message import Status
from campaigns.domain.pacing import Reason, Window
from campaigns.domain.schedule import read_holidays
from campaigns.domain.statement import Finding, Hint, HintAction, Kind, Severity
from campaigns.domain.template import TemplateError, TemplateStatus, is_marketing, template_from_components
from campaigns.domain.users.actor import Act, Actor
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store import installation
from campaigns.store.accounts import AccountListing, list_accounts, load_accounts, load_campaign_accounts
from campaigns.store.campaigns import CampaignListing, list_campaigns
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable
from campaigns.store.files.jobs import count_due_jobs
from campaigns.store.forwards.forwards import Forward, list_forwards
from campaigns.store.hooks.hooks import FailingHook, find_failing_hooks
from campaigns.store.installation import StateRow, WorkerRow, list_workers
from campaigns.store.recipients import count_never_open
from campaigns.store.users.audit import write_audit
from campaigns.throttle.inspection import examine, read_rates

_TIMEOUT_SECONDS = 2.0
# Findings whose advice is to let the campaign send, which a person does after all else.
_LAST_STEPS = frozenset({"draft", "paused"})
# A hook whose POSTs have failed for a shorter time is not reported.
_FAILING_SECONDS = 3600.0
_OF_A_CAMPAIGN = ("campaigns", "control", "webhooks")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The facts from Postgres, loaded in one transaction."""

    campaigns: list[CampaignListing]
    states: dict[int, StateRow]
    never_open_counts: dict[int, int]
    accounts: dict[int, AccountListing]
    tokens: dict[int, bytes]
    categories: dict[int, dict[int, str]]
    traffic: dict[int, tuple[int, int]]
    workers: list[WorkerRow]
    tick_age: float | None
    inbox: installation.InboxFacts
    forwards: list[Forward]
    file_job_count: int
    failing_hooks: list[FailingHook]


def diagnose(
    database: Database,
    settings: Settings,
    broker: BrokerFacts,
    campaign_id: int | None,
    *,
    actor: Actor,
    explain: Callable[[Exception], str],
) -> list[Finding]:
    """Return the findings that say why campaigns are not sent, in the order in which a person follows their advice.

    Notes are included only if `campaign_id` is given.

    `campaign_id` None: all campaigns, except drafts and campaigns that ended more than 7 days ago. `explain`: a
    function that returns an error of Postgres in words. Raises Refusal if the campaign does not exist.
    """
    findings, loaded = _look_at_servers(database, settings, campaign_id, explain)
    if loaded is None:
        return [*findings, *judge_broker(broker, find_queues(0))]
    is_away = any(finding.code in {"valkey_away", "valkey_tls"} for finding in findings)
    accounts = read_accounts(loaded, settings, {} if is_away else _read_rates(settings, loaded.accounts))
    for found in judge_campaigns(loaded, settings, accounts).values():
        findings += found if campaign_id is not None else [each for each in found if each.severity != Severity.NOTE]

    is_ended = campaign_id is not None and loaded.campaigns[0].status in {*ENDED, CampaignStatus.DRAFT}
    if not is_ended:
        queues = find_queues(loaded.file_job_count) if campaign_id is None else _OF_A_CAMPAIGN
        findings += judge_broker(broker, queues)
        findings += judge_tick(loaded.tick_age, tick_seconds=settings.tick_seconds)
        findings += judge_workers(
            loaded.workers,
            silent_seconds=settings.silent_seconds,
            exits=bool(settings.exit_on_stall_seconds),
        )
        findings += judge_consumers(loaded.workers, broker.queues or {}, silent_seconds=settings.silent_seconds)
    findings += _repair(database, [row.id for row in loaded.campaigns], actor)
    findings += [*judge_inbox(loaded.inbox), *judge_forwards(loaded.forwards), *judge_traffic(accounts.values())]
    if campaign_id is None:
        findings += judge_hooks(loaded.failing_hooks)
    return sorted(findings, key=lambda each: each.code in _LAST_STEPS)


def repair_counters(database: Database, *, actor: Actor) -> list[Finding]:
    """Correct the counters of all campaigns that `diagnose` looks at; return a finding for each campaign with a wrong
    counter.

    The function reads all messages of these campaigns.
    """
    return _repair(database, database.run(installation.find_unfinished_campaigns), actor)


def read_accounts(loaded: Loaded, settings: Settings, rates: Mapping[int, float]) -> dict[int, AccountFacts]:
    """Return the facts about the accounts of the campaigns. `rates`: by account, the rate in force, where known."""
    return {
        each.id: account_facts(
            each, loaded.tokens[each.id], settings, rates.get(each.id), loaded.traffic.get(each.id, (0, 0))
        )
        for each in loaded.accounts.values()
    }


def judge_campaigns(
    loaded: Loaded, settings: Settings, accounts: Mapping[int, AccountFacts]
) -> dict[int, list[Finding]]:
    """Return, by campaign, the findings about the campaign itself."""
    patience = Patience(settings.tick_seconds, settings.silent_seconds, settings.uncertain_grace_seconds)
    return {
        row.id: judge_campaign(_state(row, loaded, accounts, settings.quiet_hours), row.server_now, patience)
        for row in loaded.campaigns
    }


def find_queues(file_job_count: int) -> list[str]:
    """Return the queues that need a worker."""
    return [queue for queue in QUEUES if queue != FILES or file_job_count]


def _look_at_servers(
    database: Database, settings: Settings, campaign_id: int | None, explain: Callable[[Exception], str]
) -> tuple[list[Finding], Loaded | None]:
    findings, loaded = [], None
    try:
        facts = database.run(installation.load_database_facts)
        findings += judge_database(facts)
        if not facts.missing_migrations:
            loaded = database.run(_load, campaign_id)
    except DatabaseUnavailable as error:
        finding = Finding(
            "database_away",
            Severity.ERROR,
            "Postgres does not answer, so nothing is sent and webhooks get 503: {error}.",
            "Start it, and look at DATABASE_URL.",
            kind=Kind.AWAY,
            error=explain(error).rstrip(".?"),
        )
        findings.append(finding)
    except DatabaseError as error:
        finding = Finding(
            "database_refuses",
            Severity.ERROR,
            "Postgres answers with an error: {error}.",
            "Look at its log, and at DATABASE_URL.",
            error=explain(error).rstrip(".?"),
        )
        findings.append(finding)
    if settings.redis_url is not None:
        findings += judge_valkey(examine(settings.redis_url, timeout_seconds=_TIMEOUT_SECONDS), "REDIS_URL")
    if settings.broker_url is not None:
        findings += judge_valkey(examine(settings.broker_url, timeout_seconds=_TIMEOUT_SECONDS), "BROKER_URL")
    return findings, loaded


def _load(connection: Connection, campaign_id: int | None) -> Loaded:
    ids = installation.find_unfinished_campaigns(connection) if campaign_id is None else [campaign_id]
    loaded = load_facts(connection, ids)
    if campaign_id is not None and not loaded.campaigns:
        raise missing_campaign(campaign_id)
    return loaded


def load_facts(connection: Connection, ids: Sequence[int], *, reads_messages: bool = True) -> Loaded:
    """Return the facts about campaigns and about the processes that send them.

    `reads_messages` False: the facts for which a query reads many messages are left out.
    """
    rows = list_campaigns(connection, ids)
    states = installation.load_campaign_states(connection, ids, reads_messages=reads_messages)
    categories = load_campaign_accounts(connection, ids)
    account_ids = sorted({account_id for each in categories.values() for account_id in each})
    return Loaded(
        rows,
        states,
        {
            row.id: count_never_open(connection, row.id, _window(row))
            for row in rows
            if reads_messages and row.uses_recipient_zones and row.status not in ENDED
        },
        {each.id: each for each in list_accounts(connection, account_ids)},
        {each.id: each.token for each in load_accounts(connection, account_ids)},
        categories,
        installation.load_traffic(connection, ids) if reads_messages else {},
        list_workers(connection),
        installation.load_tick_age(connection),
        installation.load_inbox(connection),
        list_forwards(connection),
        count_due_jobs(connection),
        find_failing_hooks(connection, seconds=_FAILING_SECONDS),
    )


def _read_rates(settings: Settings, accounts: dict[int, AccountListing]) -> dict[int, float]:
    if settings.redis_url is None:
        return {}
    configured = {each.id: each.messages_per_second for each in accounts.values()}
    return read_rates(settings.redis_url, configured, timeout_seconds=_TIMEOUT_SECONDS) or {}


def account_facts(
    account: AccountListing,
    token: bytes,
    settings: Settings,
    rate: float | None,
    traffic: tuple[int, int] = (0, 0),
) -> AccountFacts:
    """Return the facts about an account. `token`: its encrypted token. `traffic`: `sent_count` and `told_count`."""
    sent_count, told_count = traffic
    return AccountFacts(
        account.id,
        account.name,
        account.active,
        account.inactive_reason,
        account.blocked_until,
        account.blocked_reason,
        account.messages_per_second,
        account.inactive_code,
        is_readable=_is_readable(settings.secret_key, token),
        is_refused=account.is_token_refused,
        rate=rate,
        sent_count=sent_count,
        told_count=told_count,
        inactive_categories=account.inactive_categories,
    )


def _is_readable(key: str | None, token: bytes) -> bool:
    """Tell whether a token can be decrypted. Without a key in this process, each token counts as readable."""
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


def _state(
    row: CampaignListing,
    loaded: Loaded,
    accounts: Mapping[int, AccountFacts],
    quiet_hours: tuple[dt.time, dt.time] | None,
) -> CampaignState:
    state = loaded.states[row.id]
    has_all_hours = row.window_from is None and any(map(is_marketing, loaded.categories[row.id].values()))
    seen = {worker.owner: worker.seen_seconds for worker in loaded.workers}
    return CampaignState(
        id=row.id,
        status=CampaignStatus(row.status),
        time_zone=row.time_zone,
        counts={Status(status): count for status, count in row.counts.items()},
        template=f"{row.template_name}:{row.language}",
        template_status=(row.template_status == TemplateStatus.APPROVED and state.copy_status) or row.template_status,
        template_blocked_until=state.template_blocked_until,
        misfit=_find_misfit(row, state.components),
        accounts=[accounts[account_id] for account_id in loaded.categories[row.id]],
        categories=loaded.categories[row.id],
        scheduled_at=row.scheduled_at,
        waiting_reason=Reason(row.waiting_reason) if row.waiting_reason else None,
        due_at=row.due_at,
        untaken_since=state.untaken_since,
        window=None if row.uses_recipient_zones else _window(row),
        never_open_count=loaded.never_open_counts.get(row.id, 0),
        lease_owner=state.lease_owner or "",
        lease_until=state.lease_until,
        runner_seen_seconds=seen.get(state.lease_owner or ""),
        next_message_at=state.next_message_at,
        uncertain_since=state.uncertain_since,
        missed_quiet_hours=quiet_hours if has_all_hours else None,
        is_standing=row.is_standing,
    )


def _find_misfit(row: CampaignListing, components: list[dict[str, Any]]) -> TemplateError | None:
    try:
        template = template_from_components(row.template_name, row.language, components)
    except TemplateError as error:
        return error
    return find_misfit(template, row.parameters, row.columns)


def _repair_counters(connection: Connection, campaign_ids: Sequence[int], actor: Actor) -> dict[int, dict[str, int]]:
    repaired = installation.repair_counters(connection, campaign_ids)
    for campaign_id, changes in repaired.items():
        if changes:
            write_audit(connection, actor, Act.CAMPAIGN_REPAIR, campaign_id, after={"added": changes})
    return repaired


def _repair(database: Database, campaign_ids: Sequence[int], actor: Actor) -> list[Finding]:
    try:
        repaired = database.run(_repair_counters, campaign_ids, actor)
    except (DatabaseError, *DatabaseUnavailable) as error:
        finding = Finding(
            "counters",
            Severity.WARNING,
            "The counters could not be compared with a recount: {error}.",
            "Run {diagnose} again once Postgres takes writes.",
            kind=Kind.AWAY,
            error=type(error).__name__,
            diagnose=Hint(HintAction.DIAGNOSE),
        )
        return [finding]
    return [finding for campaign_id, changes in repaired.items() for finding in judge_counters(campaign_id, changes)]
