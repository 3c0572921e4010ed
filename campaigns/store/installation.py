"""What an installation says of itself: its id, its servers, its worker processes, its set-up."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from psycopg.rows import class_row

from campaigns.domain.message import Status
from campaigns.store.database import Connection, allow_long_statements, query
from campaigns.store.migrate import missing_migrations, unknown_migrations
from campaigns.store.suppressions import count_reviews

# A lock that is waited for as long as this keeps a slice from its work.
_LOCK_SECONDS = 5.0
# Webhooks come within seconds; and so many of the last messages of a campaign tell enough.
_WEBHOOK_SECONDS = 120.0
_SAMPLE_COUNT = 2000
_SHOWN_REASONS = 3


def installation_id(connection: Connection) -> str:
    """Return the 8 hex digits that callback data carry. Made by the first migration."""
    row = connection.execute(query("installation_id")).fetchone()
    assert row is not None, "the database was not migrated"
    return str(row[0])


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What Postgres says. `unsafe`: settings that lose commits, each with its value; `skew_seconds`: we are ahead.

    `blockers`: sessions that others have waited for: process id, program, seconds, how many wait.
    """

    missing_migrations: Sequence[str]
    unknown_migrations: Sequence[str]
    is_read_only: bool
    unsafe: Mapping[str, str]
    connection_count: int
    connection_limit: int
    skew_seconds: float
    blockers: Sequence[tuple[int, str, float, int]] = ()


@dataclass(frozen=True, slots=True)
class InboxFacts:
    """Webhook events: those that are due and not applied, and those that were dead-lettered for an operator.

    `review_count`: people with an answer that may be an opt-out and waits for a decision. The oldest such answer has
    waited for `review_seconds`.
    """

    due_count: int
    oldest_seconds: float
    set_aside_count: int
    reasons: Sequence[str] = ()
    review_count: int = 0
    review_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What the listing of a campaign does not say. Lease: None when nobody holds it."""

    campaign_id: int
    lease_owner: str | None
    lease_until: dt.datetime | None
    next_message_at: dt.datetime | None
    template_blocked_until: dt.datetime | None
    uncertain_since: dt.datetime | None


def load_database_facts(connection: Connection) -> DatabaseFacts:
    asked_at = time.time()
    row = connection.execute(query("database_facts")).fetchone()
    assert row is not None
    is_read_only, fsync, full_page_writes, synchronous_commit, count, limit, server_time = row
    skew_seconds = (asked_at + time.time()) / 2 - server_time
    found = {"fsync": fsync, "full_page_writes": full_page_writes, "synchronous_commit": synchronous_commit}
    blockers = connection.execute(query("find_blockers"), {"lock_seconds": _LOCK_SECONDS}).fetchall()
    return DatabaseFacts(
        missing_migrations=missing_migrations(connection),
        unknown_migrations=unknown_migrations(connection),
        is_read_only=is_read_only,
        unsafe={name: value for name, value in found.items() if value in {"off", "local"}},
        connection_count=count,
        connection_limit=limit,
        skew_seconds=skew_seconds,
        blockers=[(pid, program, seconds, waiting) for pid, program, seconds, waiting in blockers],
    )


def load_tick_age(connection: Connection) -> float | None:
    """Return how many seconds ago the last tick was; None: there was none yet."""
    row = connection.execute(query("load_tick_age")).fetchone()
    return row[0] if row else None


def load_inbox(connection: Connection) -> InboxFacts:
    row = connection.execute(query("inbox_facts"), {"reasons": _SHOWN_REASONS}).fetchone()
    assert row is not None
    due_count, oldest_seconds, set_aside_count, reasons = row
    return InboxFacts(due_count, oldest_seconds, set_aside_count, reasons, *count_reviews(connection))


def find_unfinished(connection: Connection) -> list[int]:
    """Return the campaigns that have started and not ended, and those that ended within a week."""
    return [row[0] for row in connection.execute(query("find_unfinished"))]


def load_standings(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, Standing]:
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(Standing)) as cursor:
        rows = cursor.execute(query("load_standings"), {"campaign_ids": list(campaign_ids)})
        return {row.campaign_id: row for row in rows}


def load_traffic(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return, by account, how many messages were accepted in the last hour, and of how many a webhook told anything.

    Counted among the last messages of each campaign, and only those that are older than webhooks take.
    """
    parameters = {
        "campaign_ids": list(campaign_ids),
        "webhook_seconds": _WEBHOOK_SECONDS,
        "sample_count": _SAMPLE_COUNT,
    }
    return {row[0]: (row[1], row[2]) for row in connection.execute(query("load_traffic"), parameters)}


def repair_tallies(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, dict[Status, int]]:
    """Make the counters of campaigns what a recount says; return what was added to each that differed, by campaign.

    Whatever changes messages meanwhile goes on, and is counted.
    """
    allow_long_statements(connection)
    connection.execute(query("lock_repair"))
    repaired: dict[int, dict[Status, int]] = {}
    for campaign_id, status, change in connection.execute(
        query("repair_tallies"), {"campaign_ids": list(campaign_ids)}
    ):
        repaired.setdefault(campaign_id, {})[Status(status)] = change
    return repaired


@dataclass(frozen=True, slots=True)
class SetupAccount:
    """An account with its token, which is still encrypted."""

    id: int
    name: str
    phone_number_id: str
    waba_id: str
    token: bytes


@dataclass(frozen=True, slots=True)
class UsedTemplate:
    """A template that a campaign which has not ended sends by an account."""

    account_id: int
    name: str
    language: str


def load_setup_accounts(connection: Connection, account_ids: Sequence[int] | None) -> list[SetupAccount]:
    """Return accounts by id; all of them when no ids are given."""
    with connection.cursor(row_factory=class_row(SetupAccount)) as cursor:
        return cursor.execute(
            query("load_setup_accounts"), {"ids": None if account_ids is None else list(account_ids)}
        ).fetchall()


def load_used_templates(connection: Connection) -> list[UsedTemplate]:
    with connection.cursor(row_factory=class_row(UsedTemplate)) as cursor:
        return cursor.execute(query("load_used_templates")).fetchall()


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says, in ages of seconds; `local_time` is its clock, in seconds since 1970."""

    owner: str
    name: str
    queues: list[str]
    slots: int
    running_count: int
    started_seconds: float
    consumed_seconds: float
    stalled_seconds: float | None
    local_time: float


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process as it last reported. `seen_seconds`: how long ago that was.

    `consumed_seconds`: how long before that it had begun its last task. `stalled_seconds`: how long it had taken none
    although one waited and a slot was free; None: it is fine. `skew_seconds`: how far its clock is ahead of Postgres.
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


def report_worker(connection: Connection, report: WorkerReport, *, patience_seconds: float) -> None:
    """Write how a worker is. Forgets predecessors of its name that were silent for the patience."""
    connection.execute(query("report_worker"), asdict(report) | {"patience_seconds": patience_seconds})


def remove_worker(connection: Connection, owner: str) -> None:
    """Forget a worker that ends as it should."""
    connection.execute(query("remove_worker"), {"owner": owner})


def list_workers(connection: Connection) -> list[WorkerRow]:
    with connection.cursor(row_factory=class_row(WorkerRow)) as cursor:
        return cursor.execute(query("list_workers")).fetchall()
