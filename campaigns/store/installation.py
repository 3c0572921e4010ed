"""Facts about an installation for the doctor: database, webhook events, campaign states, workers and set-up."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row

from campaigns.store.continuity import load_found_older_at
from campaigns.store.database import Connection, allow_long_statements, query
from campaigns.store.migrate import find_missing_migrations, find_newest_migration, find_unknown_migrations
from campaigns.store.optouts.reviews import count_reviews

# A session is reported if another session has waited for one of its locks for this time, because slices may be waiting
# too.
_LOCK_SECONDS = 5.0
# A webhook usually comes within seconds. Messages that were sent less than this many seconds ago are not counted.
_WEBHOOK_SECONDS = 120.0
# `load_traffic` reads a sample of at most this many messages per campaign.
_SAMPLE_COUNT = 2000
_SHOWN_REASONS = 3


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """Facts about the database. `unsafe`: the settings that can lose commits, with their values.

    `skew_seconds`: the seconds by which the clock of this machine is ahead of Postgres's clock. `blockers`: the
    sessions for whose locks other sessions wait, as (process id, application name, longest wait in seconds, number of
    waiting sessions). `found_older_at`: the time at which a check found that this database lacks claims whose messages
    were sent. `server_version`: that of Postgres. `newest_migration`: the name of the last one that was applied; "" if
    none was.
    """

    missing_migrations: Sequence[str]
    unknown_migrations: Sequence[str]
    is_read_only: bool
    unsafe: Mapping[str, str]
    connection_count: int
    connection_limit: int
    skew_seconds: float
    blockers: Sequence[tuple[int, str, float, int]] = ()
    found_older_at: dt.datetime | None = None
    server_version: str = ""
    newest_migration: str = ""


@dataclass(frozen=True, slots=True)
class InboxFacts:
    """Webhook events that were not applied yet, and dead letters (`set_aside_count`) with their reasons.

    `review_count`: the number of people with an answer that may be an opt-out and waits for a decision.
    `review_seconds`: the age of the oldest such answer.
    """

    due_count: int
    oldest_seconds: float
    set_aside_count: int
    reasons: Sequence[str] = ()
    review_count: int = 0
    review_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StateRow:
    """Facts about a campaign that `CampaignListing` lacks. The lease columns are None if no slice is running.

    `components`: the components of the campaign's template. `copy_status`: if a WABA of the campaign's accounts has a
    copy of the template that is not approved, the status of this copy; else None.
    """

    campaign_id: int
    lease_owner: str | None
    lease_until: dt.datetime | None
    next_message_at: dt.datetime | None
    components: list[dict[str, Any]]
    template_blocked_until: dt.datetime | None
    copy_status: str | None
    untaken_since: dt.datetime | None
    uncertain_since: dt.datetime | None


def load_database_facts(connection: Connection) -> DatabaseFacts:
    asked_at = time.time()
    row = connection.execute(query("database_facts")).fetchone()
    assert row is not None
    is_read_only, fsync, full_page_writes, synchronous_commit, count, limit, server_time = row
    skew_seconds = (asked_at + time.time()) / 2 - server_time
    found = {"fsync": fsync, "full_page_writes": full_page_writes, "synchronous_commit": synchronous_commit}
    blockers = connection.execute(query("find_blockers"), {"lock_seconds": _LOCK_SECONDS}).fetchall()
    missing_migrations = find_missing_migrations(connection)
    return DatabaseFacts(
        missing_migrations=missing_migrations,
        unknown_migrations=find_unknown_migrations(connection),
        is_read_only=is_read_only,
        unsafe={name: value for name, value in found.items() if value in {"off", "local"}},
        connection_count=count,
        connection_limit=limit,
        skew_seconds=skew_seconds,
        blockers=[(pid, program, seconds, waiting) for pid, program, seconds, waiting in blockers],
        found_older_at=None if missing_migrations else load_found_older_at(connection),
        server_version=connection.info.parameter_status("server_version") or "",
        newest_migration=find_newest_migration(connection),
    )


def load_tick_age(connection: Connection) -> float | None:
    """Return the seconds since the last tick; None if there was no tick yet."""
    row = connection.execute(query("load_tick_age")).fetchone()
    return row[0] if row else None


def load_inbox(connection: Connection) -> InboxFacts:
    row = connection.execute(query("inbox_facts"), {"reasons": _SHOWN_REASONS}).fetchone()
    assert row is not None
    due_count, oldest_seconds, set_aside_count, reasons = row
    return InboxFacts(due_count, oldest_seconds, set_aside_count, reasons, *count_reviews(connection))


def find_unfinished_campaigns(connection: Connection) -> list[int]:
    """Return the campaigns that were started and have not ended, or that ended less than 7 days ago."""
    return [row[0] for row in connection.execute(query("find_unfinished_campaigns"))]


def load_campaign_states(
    connection: Connection, campaign_ids: Sequence[int], *, reads_messages: bool = True
) -> dict[int, StateRow]:
    """Return facts by campaign. `reads_messages` False: no message is read, so `uncertain_since` is None."""
    allow_long_statements(connection)
    parameters = {"campaign_ids": list(campaign_ids), "reads_messages": reads_messages}
    with connection.cursor(row_factory=class_row(StateRow)) as cursor:
        rows = cursor.execute(query("load_campaign_states"), parameters)
        return {row.campaign_id: row for row in rows}


def load_traffic(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return, by account, the number of messages sent in the last hour, and how many of these messages have a webhook.

    Only a sample is counted: the last messages of each campaign, without messages of the last two minutes.
    """
    parameters = {
        "campaign_ids": list(campaign_ids),
        "webhook_seconds": _WEBHOOK_SECONDS,
        "sample_count": _SAMPLE_COUNT,
    }
    return {row[0]: (row[1], row[2]) for row in connection.execute(query("load_traffic"), parameters)}


def repair_counters(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Correct the counters of campaigns by a recount; return the difference of each wrong counter, by campaign.

    The name of a counter is a status, or `STATUS with a reply` for the counter of the replies. Other transactions may
    change messages at the same time; the counters include their changes.
    """
    allow_long_statements(connection)
    connection.execute(query("lock_repair"))
    repaired: dict[int, dict[str, int]] = {}
    rows = connection.execute(query("repair_counters"), {"campaign_ids": list(campaign_ids)})
    for campaign_id, status, change, replied_change in rows:
        changes = {status: change, f"{status} with a reply": replied_change}
        repaired[campaign_id] = repaired.get(campaign_id, {}) | {name: by for name, by in changes.items() if by}
    return repaired


@dataclass(frozen=True, slots=True)
class SetupAccount:
    """An account with its encrypted token."""

    id: int
    name: str
    phone_number_id: str
    waba_id: str
    token: bytes


@dataclass(frozen=True, slots=True)
class UsedTemplate:
    """A template that an unfinished campaign sends by an account."""

    account_id: int
    name: str
    language: str


def load_setup_accounts(connection: Connection, account_ids: Sequence[int] | None) -> list[SetupAccount]:
    """Return the accounts with these ids, in the order of their ids. If `account_ids` is None, return all accounts."""
    with connection.cursor(row_factory=class_row(SetupAccount)) as cursor:
        return cursor.execute(
            query("load_setup_accounts"), {"ids": None if account_ids is None else list(account_ids)}
        ).fetchall()


def load_used_templates(connection: Connection) -> list[UsedTemplate]:
    with connection.cursor(row_factory=class_row(UsedTemplate)) as cursor:
        return cursor.execute(query("load_used_templates")).fetchall()


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """The report of a worker. The report has ages instead of times, because the clocks of machines differ.

    `local_time`: the worker's Unix time.
    """

    owner: str
    name: str
    queues: list[str]
    slots: int
    running_count: int
    started_seconds: float
    consumed_seconds: float
    stalled_seconds: float | None
    local_time: float
    descriptor_limit: int | None
    memory_limit_mb: int | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """The last report of a worker process. `seen_seconds`: the age of the report.

    `consumed_seconds`: the seconds between the start of the worker's last task and the report. `stalled_seconds`: the
    seconds for which the worker had taken no task although a task waited and a slot was free; None: the worker takes
    tasks. `skew_seconds`: the seconds by which the worker's clock is ahead of Postgres's clock.
    """

    owner: str
    name: str
    queues: list[str]
    slots: int
    running_count: int
    started_at: dt.datetime
    seen_at: dt.datetime
    consumed_at: dt.datetime
    seen_seconds: float
    consumed_seconds: float
    stalled_seconds: float | None
    skew_seconds: float
    descriptor_limit: int | None
    memory_limit_mb: int | None


def report_worker(connection: Connection, report: WorkerReport, *, patience_seconds: float) -> None:
    """Write the report of a worker, and delete the rows of workers that have stopped reporting.

    The row of another worker is deleted if that worker was silent for a day. If that worker has the same name, its row
    is deleted after a silence of `patience_seconds`.
    """
    connection.execute(query("report_worker"), asdict(report) | {"patience_seconds": patience_seconds})


def remove_worker(connection: Connection, owner: str) -> None:
    """Delete the row of a worker that was shut down."""
    connection.execute(query("remove_worker"), {"owner": owner})


def list_workers(connection: Connection) -> list[WorkerRow]:
    with connection.cursor(row_factory=class_row(WorkerRow)) as cursor:
        return cursor.execute(query("list_workers")).fetchall()
