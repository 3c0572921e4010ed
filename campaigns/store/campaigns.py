"""Queries with which operators create, change, start, test and list campaigns, and read their counters and prices."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.clock import clock
from campaigns.domain.campaign import CampaignFacts, CampaignStatus, Move, Plan, list_pace, missing_campaign
from campaigns.domain.message import Status
from campaigns.domain.phone.person import recipient_key
from campaigns.store.database import Connection, Database, allow_long_statements, query

# The number of messages that one transaction cancels, in less than a second.
_CANCELLED_AT_ONCE = 10_000


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
    is_standing: bool
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
            time_zone=self.time_zone,
            pace=list_pace(self),
            is_standing=self.is_standing,
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
            is_standing=self.is_standing,
        )


@dataclass(frozen=True, slots=True)
class CampaignListing:
    """A campaign in a listing.

    `counts`: the number of messages by status, without zeros. `replied_counts`: the number of messages by status to
    which the person has replied.
    """

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
    is_standing: bool
    waiting_reason: str | None
    due_at: dt.datetime | None
    enqueued_at: dt.datetime | None
    recipient_count: int
    duplicate_count: int
    rejected_count: int
    created_at: dt.datetime
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    cancelled_at: dt.datetime | None
    server_now: dt.datetime
    counts: dict[str, int]
    replied_counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class SendingTimes:
    """When Meta accepted the first message of a campaign, the one in the middle, and the last one, of `count`."""

    count: int
    first_at: dt.datetime
    half_at: dt.datetime
    last_at: dt.datetime

    @property
    def half_seconds(self) -> float:
        return (self.half_at - self.first_at).total_seconds()

    @property
    def seconds(self) -> float:
        return (self.last_at - self.first_at).total_seconds()

    @property
    def rate(self) -> float | None:
        """The mean of the messages per second, with all pauses; None if all messages have the same time."""
        return (self.count - 1) / self.seconds if self.seconds else None


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """The number of messages of a campaign that are uncertain, failed or skipped for one reason.

    `account_ids`: the accounts that sent, or tried to send, these messages.
    """

    status: str
    error_code: int | None
    error_title: str | None
    count: int
    oldest_at: dt.datetime | None
    newest_at: dt.datetime | None
    first_message_id: int
    account_ids: list[int]


@dataclass(frozen=True, slots=True)
class TestMessage:
    """The status of a test message. The error is set if the message failed or is uncertain."""

    __test__ = False  # pytest would take the class for a test

    phone: str
    status: str
    error_code: int | None
    error_title: str | None


@dataclass(frozen=True, slots=True)
class PriceCount:
    """The number of a campaign's messages with the same category, model and `is_billable`. None: Meta did not report
    the value.
    """

    category: str | None
    model: str | None
    is_billable: bool | None
    count: int


def insert_campaign(
    connection: Connection, plan: Plan, account_ids: Sequence[int], *, draft_key: bytes | None = None
) -> int:
    """Insert a draft; return its id. `draft_key`: a key that no other campaign has; None: the draft has no key."""
    parameters = _columns(plan) | {"account_ids": list(account_ids), "draft_key": draft_key}
    row = connection.execute(query("insert_campaign"), parameters).fetchone()
    assert row is not None
    return int(row[0])


def claim_draft_key(connection: Connection, draft_key: bytes) -> int | None:
    """Return the id of the campaign with this key. If there is none, only this transaction can insert one."""
    connection.execute(query("lock_draft_key"), {"draft_key": draft_key})
    row = connection.execute(query("find_draft_key"), {"draft_key": draft_key}).fetchone()
    return None if row is None else int(row[0])


def _columns(plan: Plan) -> dict[str, Any]:
    return asdict(plan) | {"parameters": Jsonb(dict(plan.parameters))}


def lock_starts(connection: Connection) -> None:
    """Wait until no other transaction starts or resumes campaigns, and keep others from it until this one ends."""
    allow_long_statements(connection)
    connection.execute(query("lock_starts"))


def lock_campaigns(connection: Connection, campaign_ids: Sequence[int]) -> dict[int, LockedCampaign]:
    """Lock campaigns until the transaction ends. The result omits ids that do not exist."""
    parameters = {"campaign_ids": list(campaign_ids)}
    with connection.cursor(row_factory=class_row(LockedCampaign)) as cursor:
        return {row.id: row for row in cursor.execute(query("lock_campaigns"), parameters)}


def move_campaigns(connection: Connection, moves: Sequence[Move]) -> int:
    """Change the status of locked campaigns that still have their old status; return the number of these campaigns."""
    parameters = {
        "ids": [move.id for move in moves],
        "old": [move.old.value for move in moves],
        "new": [move.new.value for move in moves],
        "should_enqueue": [move.should_enqueue for move in moves],
    }
    return connection.execute(query("move_campaigns"), parameters).rowcount


def find_uncancelled(connection: Connection) -> list[int]:
    """Return the cancelled campaigns that still have pending messages."""
    return [row[0] for row in connection.execute(query("find_uncancelled"))]


def cancel_messages(database: Database, campaign_id: int, *, seconds: float | None = None) -> bool:
    """Cancel the pending messages of a cancelled campaign, in many short transactions.

    After about `seconds` the function leaves the rest alone, and returns False.
    """
    deadline = None if seconds is None else clock() + seconds
    last_id: int | None = 0
    while last_id is not None:
        last_id = database.run(_cancel_next, campaign_id, last_id)
        if deadline is not None and clock() > deadline:
            return last_id is None
    return True


def _cancel_next(connection: Connection, campaign_id: int, after: int) -> int | None:
    parameters = {"campaign_id": campaign_id, "after": after, "limit": _CANCELLED_AT_ONCE}
    row = connection.execute(query("cancel_messages"), parameters).fetchone()
    return None if row is None else row[0]


def update_campaign(
    connection: Connection,
    campaign: LockedCampaign,
    plan: Plan,
    *,
    status: CampaignStatus,
    wakes: bool,
    should_enqueue: bool,
) -> None:
    """Write a changed plan with the new status. `wakes`: the campaign becomes due now."""
    parameters = _columns(plan) | {
        "campaign_id": campaign.id,
        "old": campaign.status,
        "new": status.value,
        "wakes": wakes,
        "should_enqueue": should_enqueue,
    }
    connection.execute(query("update_campaign"), parameters)
    connection.execute(query("rebase_pace"), {"campaign_id": campaign.id})


def set_window(connection: Connection, campaign_id: int, plan: Plan) -> None:
    """Write the window of a plan to a campaign that is new or locked."""
    parameters = {
        "campaign_id": campaign_id,
        "window_from": plan.window_from,
        "window_to": plan.window_to,
        "uses_recipient_zones": plan.uses_recipient_zones,
    }
    connection.execute(query("set_window"), parameters)


def replace_accounts(connection: Connection, campaign_id: int, account_ids: Sequence[int]) -> None:
    parameters = {"campaign_id": campaign_id, "account_ids": list(account_ids)}
    connection.execute(query("replace_campaign_accounts"), parameters)


def delete_recipients(connection: Connection, campaign_id: int) -> None:
    """Delete the messages of a locked draft, and what is known of the files that they came from."""
    allow_long_statements(connection)
    for name in ("delete_messages", "delete_imports", "delete_zones", "reset_recipient_counts", "delete_tallies"):
        connection.execute(query(name), {"campaign_id": campaign_id})


def replace_recipients(connection: Connection, campaign_id: int) -> None:
    """Delete the recipients of a locked draft. Until the transaction ends, `count_kept_people` compares with them."""
    connection.execute(query("make_replaced_people"))
    connection.execute(query("note_replaced_people"), {"campaign_id": campaign_id})
    delete_recipients(connection, campaign_id)


def count_kept_people(connection: Connection, campaign_id: int) -> int:
    """Return the number of people of a draft who were in it before `replace_recipients`."""
    row = connection.execute(query("count_kept_people"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    return int(row[0])


def lock_for_deletion(connection: Connection, campaign_id: int) -> None:
    """Lock a campaign so that no other transaction adds a row that refers to it."""
    connection.execute(query("lock_for_deletion"), {"campaign_id": campaign_id})


def delete_draft(connection: Connection, campaign_id: int) -> None:
    """Delete a draft whose messages are deleted already. The caller has called `lock_for_deletion`."""
    connection.execute(query("delete_draft"), {"campaign_id": campaign_id})


def list_campaigns(connection: Connection, campaign_ids: Sequence[int] | None = None) -> list[CampaignListing]:
    """Return the campaigns with these ids, the oldest first. If `campaign_ids` is None, return all campaigns except
    tests.
    """
    parameters = {"campaign_ids": None if campaign_ids is None else list(campaign_ids)}
    with connection.cursor(row_factory=class_row(CampaignListing)) as cursor:
        return cursor.execute(query("list_campaigns"), parameters).fetchall()


def page_campaigns(
    connection: Connection,
    *,
    statuses: Sequence[CampaignStatus],
    pattern: str | None,
    account_id: int | None,
    made_by: str | None,
    template: str | None,
    before: tuple[dt.datetime, int] | None,
    limit: int,
) -> list[CampaignListing]:
    """Return at most `limit` campaigns, the newest first, without tests.

    `before`: the creation and the id of the campaign that the page follows; None: the first page. `pattern`: for ILIKE
    on the name. `account_id`: only campaigns with this account. `made_by`: only campaigns that this actor has made.
    `template`: only campaigns with this template, as `name:language`.
    """
    created_at, id_ = before or ("infinity", 0)
    parameters = {
        "statuses": [status.value for status in statuses],
        "pattern": pattern,
        "account_id": account_id,
        "made_by": made_by,
        "template": template,
        "created_at": created_at,
        "id": id_,
        "limit": limit,
    }
    ids = [row[0] for row in connection.execute(query("page_campaign_ids"), parameters)]
    return sorted(list_campaigns(connection, ids), key=lambda row: (row.created_at, row.id), reverse=True)


def page_uncertain(connection: Connection, *, before: int | None, limit: int) -> list[CampaignListing]:
    """Return at most `limit` campaigns with uncertain messages and an id below `before`, the newest first."""
    parameters = {"before": 2**63 - 1 if before is None else before, "limit": limit}
    ids = [row[0] for row in connection.execute(query("page_uncertain_ids"), parameters)]
    return sorted(list_campaigns(connection, ids), key=lambda row: row.id, reverse=True)


def insert_test(connection: Connection, campaign_id: int, phones: Sequence[str], word: str) -> int:
    """Create and start a test campaign for `campaign_id`; return the id of the test.

    The test sends the variables of the first recipients to `phones`. The test has the template and the accounts of the
    campaign, but no pace and no schedule. `word`: stands in brackets behind its name. Raises Refusal if the campaign
    was discarded in the meantime.
    """
    row = connection.execute(query("insert_test_campaign"), {"campaign_id": campaign_id, "word": word}).fetchone()
    if row is None:
        raise missing_campaign(campaign_id)
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
    """Return the messages of a test, in the order in which the phones were given."""
    with connection.cursor(row_factory=class_row(TestMessage)) as cursor:
        return cursor.execute(query("list_test_messages"), {"test_id": test_id}).fetchall()


def list_reasons(connection: Connection, campaign_id: int) -> list[ReasonCount]:
    with connection.cursor(row_factory=class_row(ReasonCount)) as cursor:
        return cursor.execute(query("list_reasons"), {"campaign_id": campaign_id}).fetchall()


def list_prices(connection: Connection, campaign_id: int) -> list[PriceCount]:
    with connection.cursor(row_factory=class_row(PriceCount)) as cursor:
        return cursor.execute(query("list_prices"), {"campaign_id": campaign_id}).fetchall()


def find_sending_times(connection: Connection, campaign_id: int) -> SendingTimes | None:
    """Return when the messages of a campaign were sent; None if none was sent. The query reads the whole campaign."""
    with connection.cursor(row_factory=class_row(SendingTimes)) as cursor:
        return cursor.execute(query("find_sending_times"), {"campaign_id": campaign_id}).fetchone()


def count_optouts_after(connection: Connection, campaign_id: int, *, days: int) -> int | None:
    """Return how many people opted out at most `days` days after a message of a campaign; None if they are erased.

    The query reads the whole campaign.
    """
    row = connection.execute(query("count_optouts_after"), {"campaign_id": campaign_id, "days": days}).fetchone()
    assert row is not None
    return None if row[0] is None else int(row[0])


def find_template_id(connection: Connection, campaign_id: int) -> int:
    row = connection.execute(query("find_template_id"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True)
class MadeWith:
    """The content of a draft when it was made. `template`: `name:language`."""

    template: str
    components: list[dict[str, Any]]
    parameters: dict[str, str | None]


def load_made_with(connection: Connection, campaign_id: int) -> MadeWith | None:
    """Return the content that a campaign had when it was made; None if an older version made it."""
    row = connection.execute(query("load_made_with"), {"campaign_id": campaign_id}).fetchone()
    return None if row is None or row[0] is None else MadeWith(**row[0])


def count_pending_by_prefix(connection: Connection, campaign_id: int) -> dict[str, int]:
    """Return the number of pending messages by the first three digits of the phones."""
    allow_long_statements(connection)
    return dict(connection.execute(query("count_pending_by_prefix"), {"campaign_id": campaign_id}).fetchall())


def list_pending_after(
    connection: Connection, campaign_id: int, message_id: int, *, limit: int, capped: Sequence[int] = ()
) -> list[tuple[int, str, list[str]]]:
    """Return id, phone and variables of the first pending messages behind `message_id`, in the order of the list.

    People who have opted out are omitted, and so are the messages `capped`.
    """
    parameters = {"campaign_id": campaign_id, "id": message_id, "limit": limit, "capped": list(capped)}
    return connection.execute(query("list_pending_after"), parameters).fetchall()


def list_pending_before(
    connection: Connection, campaign_id: int, message_id: int, *, limit: int, capped: Sequence[int] = ()
) -> list[tuple[int, str, list[str]]]:
    """Return id, phone and variables of the last pending messages before `message_id`, in the order of the list.

    People who have opted out are omitted, and so are the messages `capped`.
    """
    parameters = {"campaign_id": campaign_id, "id": message_id, "limit": limit, "capped": list(capped)}
    return connection.execute(query("list_pending_before"), parameters).fetchall()[::-1]


@dataclass(frozen=True, slots=True)
class PendingCount:
    """The number of pending messages to phones with the same beginning. `prefix`: the first four digits, without +.

    `suppressed_count`: those of them whose people have opted out.
    """

    prefix: str
    count: int
    suppressed_count: int


def list_pending_counts(connection: Connection, campaign_id: int) -> list[PendingCount]:
    """Return the numbers of pending messages by the beginning of the phones. The query reads the whole campaign."""
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(PendingCount)) as cursor:
        return cursor.execute(query("list_pending_counts"), {"campaign_id": campaign_id}).fetchall()


def count_pending(connection: Connection, campaign_id: int) -> tuple[int, int]:
    """Return the number of pending messages, and the number of pending messages to people who have opted out."""
    listed = list_pending_counts(connection, campaign_id)
    return sum(each.count for each in listed), sum(each.suppressed_count for each in listed)


def list_capped(connection: Connection, campaign_id: int, *, at: dt.datetime) -> list[int]:
    """Return the pending messages that the limit per person will hold back at a time, without opted-out people."""
    allow_long_statements(connection)
    rows = connection.execute(query("list_capped"), {"campaign_id": campaign_id, "at": at})
    return [row[0] for row in rows]


def load_counters(connection: Connection, campaign_id: int) -> dict[Status, int]:
    """Return the number of messages of one campaign in each status, without zeros."""
    rows = connection.execute(query("load_counters"), {"campaign_id": campaign_id})
    return {Status(row[0]): row[1] for row in rows if row[1]}
