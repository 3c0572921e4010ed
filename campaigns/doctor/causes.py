"""Chooses the findings that say why a campaign is not sent, for pages and commands that show them with the campaign."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.config import Settings
from campaigns.doctor.campaign_checks import AccountFacts
from campaigns.doctor.diagnose import Loaded, judge_campaigns, load_facts, read_accounts
from campaigns.doctor.system_checks import judge_senders, judge_tick, judge_valkey, judge_workers
from campaigns.domain.statement import Finding, Severity
from campaigns.store.database import Database
from campaigns.throttle.inspection import examine

# A person waits for the page, so a server that does not answer within this time counts as away.
_TIMEOUT_SECONDS = 0.5
_MOST_CAUSES = 3
# `no_active_account` names only the consequence of the findings about the accounts.
_NO_CAUSES = frozenset({"done", "no_active_account"})
# The codes of the waits of a campaign, besides those that begin with `waits_`.
_WAITS = frozenset({"not_rung", "not_taken", "lease_of_silent"})
# A worker that has the lease of a campaign sends the campaign, or ends its lease within seconds.
_SENT = "runs"


def choose_causes(found: Sequence[Finding], campaign_id: int) -> list[Finding]:
    """Return the findings that explain best why a campaign is not sent; [] if none does.

    The errors of the campaign itself come first, then an error of a server or a process, then a wait of the campaign.
    """
    own = [each for each in found if each.campaign_id == campaign_id and each.code not in _NO_CAUSES]
    return (
        [each for each in own if each.severity is Severity.ERROR][:_MOST_CAUSES]
        or [each for each in found if each.campaign_id is None and each.severity is Severity.ERROR][:1]
        or own[:1]
    )


def find_causes(database: Database, settings: Settings, campaign_ids: Sequence[int]) -> dict[int, list[Finding]]:
    """Return, by campaign, why nothing is sent now of campaigns that were started; [] if a campaign is being sent.

    The function asks no process, reads no messages and changes nothing, so a page can show its result each few seconds.
    `diagnose` looks at everything.
    """
    if not campaign_ids:
        return {}
    loaded = database.run(lambda connection: load_facts(connection, campaign_ids, reads_messages=False))
    accounts = read_accounts(loaded, settings, {})
    found = {
        campaign_id: _keep_causes(each, [accounts[account] for account in loaded.categories[campaign_id]])
        for campaign_id, each in judge_campaigns(loaded, settings, accounts).items()
    }
    is_blocked = any(each is not None for each in found.values())
    common = _judge_processes(loaded, settings) if is_blocked else []
    return {
        campaign_id: [] if each is None else choose_causes([*each, *common], campaign_id)
        for campaign_id, each in found.items()
    }


def _keep_causes(found: Sequence[Finding], accounts: Sequence[AccountFacts]) -> list[Finding] | None:
    """Return the findings that may explain why a campaign is not sent; None if it is being sent, or waits for a time.

    An account with a cooldown explains nothing while another account of the campaign may send.
    """
    errors = [each for each in found if each.severity is Severity.ERROR and each.code not in _NO_CAUSES]
    if not errors and any(each.code in {_SENT, "scheduled", "done"} for each in found):
        return None
    of_accounts = {each.values["account"] for each in found if each.code.startswith("account_")}
    cooldowns = [each for each in found if each.code == "account_rests" and len(of_accounts) == len(accounts)]
    waits = [each for each in found if each.code.startswith("waits_") or each.code in _WAITS]
    return [*errors, *(waits or cooldowns)]


def _judge_processes(loaded: Loaded, settings: Settings) -> list[Finding]:
    """Judge the broker, the workers and the ticks, without a question to a worker."""
    addresses = {"REDIS_URL": settings.redis_url, "BROKER_URL": settings.broker_url}
    servers = [
        finding
        for name, url in addresses.items()
        if url is not None
        for finding in judge_valkey(examine(url, timeout_seconds=_TIMEOUT_SECONDS), name)
    ]
    senders = [
        worker
        for worker in loaded.workers
        if "campaigns" in worker.queues and worker.seen_seconds <= settings.silent_seconds
    ]
    return [
        *servers,
        *judge_senders(senders, None),
        *judge_tick(loaded.tick_age, tick_seconds=settings.tick_seconds),
        *judge_workers(
            loaded.workers, silent_seconds=settings.silent_seconds, exits=bool(settings.exit_on_stall_seconds)
        ),
    ]
