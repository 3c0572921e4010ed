"""Campaigns as people make, move, change and see them, with their counters."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.campaign import CampaignFacts, CampaignStatus, Move, Plan
from campaigns.domain.message import Status
from campaigns.domain.phone.person import recipient_key
from campaigns.store.database import Connection, allow_long_statements, query


@dataclass(frozen=True, slots=True)
class LockedCampaign:
    """A campaign that is locked until the transaction ends."""

    id: int
    name: str
    status: str
    template_id: int
    parameters: dict[str, str | None]
    columns: list[str]
    scheduled_at: dt.datetime | None
    start_within_seconds: float | None
    expire_at: dt.datetime | None
    max_per_person: int | None
    within_days: int | None
    interval_seconds: float
    pause_after: int | None
    pause_seconds: float | None
    window_from: dt.time | None
    window_to: dt.time | None
    weekdays: list[int]
    time_zone: str
    uses_recipient_zones: bool
    holidays: str | None
    waiting_reason: str | None
    started_at: dt.datetime | None
    recipient_count: int
    server_now: dt.datetime
    account_count: int

    @property
    def facts(self) -> CampaignFacts:
        return CampaignFacts(
            self.id,
            self.name,
            CampaignStatus(self.status),
            scheduled_at=self.scheduled_at,
            start_within_seconds=self.start_within_seconds,
            expire_at=self.expire_at,
            started_at=self.started_at,
            recipient_count=self.recipient_count,
            account_count=self.account_count,
        )

    @property
    def plan(self) -> Plan:
        return Plan(
            name=self.name,
            template_id=self.template_id,
            time_zone=self.time_zone,
            parameters=self.parameters,
            columns=self.columns,
            scheduled_at=self.scheduled_at,
            start_within_seconds=self.start_within_seconds,
            expire_at=self.expire_at,
            max_per_person=self.max_per_person,
            within_days=self.within_days,
            interval_seconds=self.interval_seconds,
            pause_after=self.pause_after,
            pause_seconds=self.pause_seconds,
            window_from=self.window_from,
            window_to=self.window_to,
            weekdays=self.weekdays,
            uses_recipient_zones=self.uses_recipient_zones,
            holidays=self.holidays,
        )


@dataclass(frozen=True, slots=True)
class CampaignListing:
    """A campaign as a list shows it. `counts`: messages by status, without zeros."""

    id: int
    name: str
    status: str
    test_of: int | None
    template_name: str
    language: str
    template_status: str
    parameters: dict[str, str | None]
    columns: list[str]
    scheduled_at: dt.datetime | None
    start_within_seconds: float | None
    expire_at: dt.datetime | None
    max_per_person: int | None
    within_days: int | None
    interval_seconds: float
    pause_after: int | None
    pause_seconds: float | None
    window_from: dt.time | None
    window_to: dt.time | None
    weekdays: list[int]
    time_zone: str
    uses_recipient_zones: bool
    holidays: str | None
    waiting_reason: str | None
    due_at: dt.datetime | None
    enqueued_at: dt.datetime | None
    recipient_count: int
    duplicate_count: int
    rejected_count: int
    created_at: dt.datetime
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    server_now: dt.datetime
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many messages of a campaign are uncertain, failed or skipped by its cap per person, for one reason."""

    status: str
    error_code: int | None
    error_title: str | None
    count: int
    oldest_at: dt.datetime | None
    newest_at: dt.datetime | None
    first_message_id: int


@dataclass(frozen=True, slots=True)
class TestMessage:
    """Where a test message stands. `reason` is that of a failed or uncertain one."""

    __test__ = False  # pytest: the name is a coincidence

    phone: str
    status: str
    error_code: int | None
    error_title: str | None


@dataclass(frozen=True, slots=True)
class PriceCount:
    """How many messages of a campaign Meta reported with one price category and model; None: it did not say."""

    category: str | None
    model: str | None
    is_billable: bool | None
    count: int


def insert_campaign(connection: Connection, plan: Plan, account_ids: Sequence[int]) -> int:
    parameters = _columns(plan) | {"account_ids": list(account_ids)}
    row = connection.execute(query("insert_campaign"), parameters).fetchone()
    assert row is not None
    return int(row[0])


def _columns(plan: Plan) -> dict[str, Any]:
    return asdict(plan) | {"parameters": Jsonb(dict(plan.parameters))}


def lock_campaigns(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, LockedCampaign]:
    """Lock campaigns until the transaction ends; those that do not exist are not in the result."""
    parameters = {"campaign_ids": list(campaign_ids)}
    with connection.cursor(row_factory=class_row(LockedCampaign)) as cursor:
        return {row.id: row for row in cursor.execute(query("lock_campaigns"), parameters)}


def move_campaigns(connection: Connection, moves: Sequence[Move]) -> int:
    """Write decided moves; return how many found the status they were decided on. The caller holds the locks."""
    parameters = {
        "ids": [move.id for move in moves],
        "old": [move.old.value for move in moves],
        "new": [move.new.value for move in moves],
        "rings": [move.rings for move in moves],
    }
    return connection.execute(query("move_campaigns"), parameters).rowcount


def cancel_messages(connection: Connection, campaign_ids: Sequence[int]) -> int:
    """Cancel what is still pending in campaigns that the caller cancels; return how many messages."""
    # A large campaign takes longer than any statement of the send path may.
    allow_long_statements(connection)
    return connection.execute(query("cancel_messages"), {"campaign_ids": list(campaign_ids)}).rowcount


def update_campaign(
    connection: Connection,
    campaign: LockedCampaign,
    plan: Plan,
    *,
    status: CampaignStatus,
    wakes: bool,
    rings: bool,
) -> None:
    """Write a changed plan and what follows from it for the status and the wait."""
    parameters = _columns(plan) | {
        "campaign_id": campaign.id,
        "old": campaign.status,
        "new": status.value,
        "wakes": wakes,
        "rings": rings,
    }
    connection.execute(query("update_campaign"), parameters)
    connection.execute(query("rebase_pace"), {"campaign_id": campaign.id})


def replace_accounts(connection: Connection, campaign_id: int, account_ids: Sequence[int]) -> None:
    parameters = {"campaign_id": campaign_id, "account_ids": list(account_ids)}
    connection.execute(query("replace_campaign_accounts"), parameters)


def list_campaigns(connection: Connection, campaign_ids: Sequence[int] | None = None) -> list[CampaignListing]:
    """Return campaigns, oldest first; without ids all of them but tests."""
    parameters = {"campaign_ids": None if campaign_ids is None else list(campaign_ids)}
    with connection.cursor(row_factory=class_row(CampaignListing)) as cursor:
        return cursor.execute(query("list_campaigns"), parameters).fetchall()


def insert_test(connection: Connection, campaign_id: int, phones: Sequence[str]) -> int:
    """Make a started campaign that sends to `phones` what the first people of `campaign_id` get; return its id.

    It has the template and the accounts of the other one, and neither its pace nor its schedule.
    """
    row = connection.execute(query("insert_test_campaign"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    parameters = {
        "campaign_id": campaign_id,
        "test_id": row[0],
        "phones": list(phones),
        "recipient_keys": [recipient_key(phone) for phone in phones],
    }
    connection.execute(query("insert_test_messages"), parameters)
    return int(row[0])


def list_tests(connection: Connection, campaign_id: int) -> list[CampaignListing]:
    """Return the tests of a campaign, oldest first."""
    rows = connection.execute(query("list_test_ids"), {"campaign_id": campaign_id}).fetchall()
    return list_campaigns(connection, [row[0] for row in rows])


def list_test_messages(connection: Connection, test_id: int) -> list[TestMessage]:
    """Return where each message of a test stands, in the order in which the phones were given."""
    with connection.cursor(row_factory=class_row(TestMessage)) as cursor:
        return cursor.execute(query("list_test_messages"), {"test_id": test_id}).fetchall()


def list_reasons(connection: Connection, campaign_id: int) -> list[ReasonCount]:
    with connection.cursor(row_factory=class_row(ReasonCount)) as cursor:
        return cursor.execute(query("list_reasons"), {"campaign_id": campaign_id}).fetchall()


def list_prices(connection: Connection, campaign_id: int) -> list[PriceCount]:
    with connection.cursor(row_factory=class_row(PriceCount)) as cursor:
        return cursor.execute(query("list_prices"), {"campaign_id": campaign_id}).fetchall()


def find_template_id(connection: Connection, campaign_id: int) -> int:
    row = connection.execute(query("find_template_id"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    return int(row[0])


def first_messages(connection: Connection, campaign_id: int, *, limit: int) -> list[tuple[str, list[str]]]:
    """Return phone and variables of the first people of a campaign."""
    parameters = {"campaign_id": campaign_id, "limit": limit}
    return connection.execute(query("first_messages"), parameters).fetchall()


def count_pending(connection: Connection, campaign_id: int) -> tuple[int, int]:
    """Return how many messages are pending, and how many of them are for people who opted out."""
    allow_long_statements(connection)
    row = connection.execute(query("count_pending"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    return row[0], row[1]


def load_tally(connection: Connection, campaign_id: int) -> dict[Status, int]:
    """Return the counters of one campaign; a status that no message has may be missing."""
    rows = connection.execute(query("load_tally"), {"campaign_id": campaign_id})
    return {Status(row[0]): row[1] for row in rows if row[1]}
