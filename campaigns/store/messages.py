"""Messages in sets: claimed, settled with evidence, released, sent again by a person, exported."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from psycopg.rows import class_row

from campaigns.domain.failures import NEVER_LEFT
from campaigns.domain.message import Status
from campaigns.domain.pacing import PaceState
from campaigns.store.database import Connection, allow_long_statements, query

# From which statuses a reply may bring a message back: while it was out.
OUT = (Status.SENDING, Status.UNCERTAIN)
# And a webhook's refusal: also after Meta had accepted it.
ACCEPTED_OR_OUT = (*OUT, Status.HELD, Status.SENT)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message claimed for sending by one account. `send_no` numbers this request, `attempts` counts it."""

    id: int
    account_id: int
    send_no: int
    attempts: int
    phone: str
    variables: list[str]
    refused_by: list[int] | None
    pair_refusals: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What one claim took. `cursor` is the highest fresh id seen; `is_held` False: the lease or the status is gone.

    `full`: portfolios in whose limit nobody new has room, with the time at which somebody leaves it.
    """

    messages: list[Claimed]
    suppressed_count: int
    cursor: int
    is_held: bool
    full: Mapping[int, dt.datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """Merged evidence about one send of one message, as `merge_evidence.sql` takes it."""

    message_id: int
    send_no: int
    status: Status
    wamid: str | None = None
    sent_at: dt.datetime | None = None
    delivered_at: dt.datetime | None = None
    read_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None
    error_code: int | None = None
    error_title: str | None = None
    error_details: str | None = None
    pricing_category: str | None = None
    pricing_model: str | None = None
    is_billable: bool | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One message that goes back to pending, as `release_messages.sql` takes it."""

    message_id: int
    send_no: int
    wait_seconds: float
    refunds: bool
    error_code: int | None
    error_title: str
    error_details: str
    refusing: int | None = None
    forgets: bool = False
    is_pair_refusal: bool = False


def write_array(values: Iterable[object]) -> str | None:
    """Return an array as Postgres reads it: a fraction of what psycopg takes, which looks at the type of each element.

    None where all are NULL, as most columns of a set are: `unnest` fills it up.
    """
    written = ["NULL" if value is None else _quote(str(value)) for value in values]
    return None if written.count("NULL") == len(written) else f"{{{','.join(written)}}}"


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def claim_messages(
    connection: Connection,
    campaign_id: int,
    epoch: int,
    *,
    cursor: int,
    tokens: Mapping[int, int],
    active: Sequence[int],
    open_zones: Sequence[int] | None = None,
) -> Claim:
    """Claim up to one message per token of each account (`tokens`: how many by account). Commit before sending.

    `active` are the accounts that may send the campaign: a message that all of them have refused may go to any again.
    `open_zones`: the zones in which the window is open; None if the window does not follow each person's zone.
    """
    parameters = {
        "campaign_id": campaign_id,
        "epoch": epoch,
        "cursor": cursor,
        "accounts": list(tokens),
        "counts": list(tokens.values()),
        "active": list(active),
        "open_zones": None if open_zones is None else list(open_zones),
    }
    rows = connection.execute(query("claim_messages"), parameters).fetchall()
    taken = read_claimed(rows)
    is_held = bool(rows) or holds_lease(connection, campaign_id, epoch)
    last = max((row[0] for row in rows), default=cursor)
    return Claim(taken, len(rows) - len(taken), max(last, cursor), is_held)


def read_claimed(rows: Sequence[tuple[Any, ...]]) -> list[Claimed]:
    """Return the claimed messages of a claim's rows; the others are suppressed."""
    return [Claimed(*row[:8]) for row in rows if not row[8]]


def lock_caps(connection: Connection) -> None:
    """Let no other claim of a capped campaign run before this transaction ends: each sees what the others claimed."""
    connection.execute(query("lock_caps"))


def has_claimable(
    connection: Connection, campaign_id: int, *, cursor: int, open_zones: Sequence[int] | None = None
) -> bool:
    """Whether a message waits for nothing but a slot of its portfolio."""
    zones = None if open_zones is None else list(open_zones)
    parameters = {"campaign_id": campaign_id, "cursor": cursor, "open_zones": zones}
    row = connection.execute(query("has_claimable"), parameters).fetchone()
    return bool(row and row[0])


def next_by_zone(connection: Connection, campaign_id: int) -> dict[int, dt.datetime]:
    """When the first pending message of each zone may be tried, but for its window."""
    return dict(connection.execute(query("next_by_zone"), {"campaign_id": campaign_id}).fetchall())


def holds_lease(connection: Connection, campaign_id: int, epoch: int) -> bool:
    row = connection.execute(query("holds_lease"), {"campaign_id": campaign_id, "epoch": epoch}).fetchone()
    return bool(row and row[0])


def set_pace(connection: Connection, campaign_id: int, epoch: int, state: PaceState) -> None:
    """Keep where the pace stands, in the transaction of the claim that moved it."""
    parameters = {
        "campaign_id": campaign_id,
        "epoch": epoch,
        "next_message_at": state.next_message_at,
        "burst_count": state.burst_count,
    }
    connection.execute(query("set_pace"), parameters)


def next_release_at(connection: Connection, campaign_id: int) -> dt.datetime | None:
    """When the first released message of the campaign may be tried again; None: there is none."""
    row = connection.execute(query("next_release_at"), {"campaign_id": campaign_id}).fetchone()
    return row[0] if row else None


def merge_evidence(connection: Connection, evidence: Sequence[EvidenceRow]) -> set[int]:
    """Merge evidence, at most one row per message; return the ids that it was about."""
    return {row[0] for row in connection.execute(query("merge_evidence"), _write_evidence(evidence))}


def merge_replies(
    connection: Connection, evidence: Sequence[EvidenceRow], *, stray_code: int, stray_title: str
) -> dict[int, int]:
    """Merge the evidence of replies. A message is uncertain if its reply brings a wamid that another message has.

    Return these messages, each with the other message that has its wamid.
    """
    parameters = _write_evidence(evidence) | {"stray_code": stray_code, "stray_title": stray_title}
    rows = connection.execute(query("merge_replies"), parameters).fetchall()
    return {message_id: owner_id for message_id, owner_id in rows if owner_id is not None}


def _write_evidence(evidence: Sequence[EvidenceRow]) -> dict[str, Any]:
    rows = sorted(evidence, key=lambda row: row.message_id)
    return {
        "ids": write_array(row.message_id for row in rows),
        "send_nos": write_array(row.send_no for row in rows),
        "statuses": write_array(row.status for row in rows),
        "wamids": write_array(row.wamid for row in rows),
        "sent_at": write_array(row.sent_at for row in rows),
        "delivered_at": write_array(row.delivered_at for row in rows),
        "read_at": write_array(row.read_at for row in rows),
        "failed_at": write_array(row.failed_at for row in rows),
        "error_codes": write_array(row.error_code for row in rows),
        "error_titles": write_array(row.error_title for row in rows),
        "error_details": write_array(row.error_details for row in rows),
        "pricing_categories": write_array(row.pricing_category for row in rows),
        "pricing_models": write_array(row.pricing_model for row in rows),
        "billable": write_array(row.is_billable for row in rows),
    }


def release_messages(
    connection: Connection,
    releases: Sequence[ReleaseRow],
    *,
    campaign_ids: Sequence[int],
    from_statuses: Sequence[Status] = OUT,
) -> set[int]:
    """Put messages back, guarded by their send and status; return the ids that went back.

    Locks the campaigns first, so that none completes or is cancelled meanwhile.
    """
    connection.execute(query("lock_campaigns_of"), {"campaign_ids": list(campaign_ids)})
    rows = sorted(releases, key=lambda row: row.message_id)
    parameters: dict[str, Any] = {
        "ids": write_array(row.message_id for row in rows),
        "send_nos": write_array(row.send_no for row in rows),
        "wait_seconds": write_array(row.wait_seconds for row in rows),
        "refunds": write_array(row.refunds for row in rows),
        "refusing": write_array(row.refusing for row in rows),
        "forgets": write_array(row.forgets for row in rows),
        "pair_refusals": write_array(int(row.is_pair_refusal) for row in rows),
        "error_codes": write_array(row.error_code for row in rows),
        "error_titles": write_array(row.error_title for row in rows),
        "error_details": write_array(row.error_details for row in rows),
        "campaign_ids": list(campaign_ids),
        "from_statuses": [str(status) for status in from_statuses],
        "never_left": NEVER_LEFT.code,
    }
    return {row[0] for row in connection.execute(query("release_messages"), parameters)}


class ExportRow(NamedTuple):
    """One message. A tuple, because there are millions of them."""

    id: int
    phone: str
    variables: list[str]
    status: str
    sent_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    failed_at: dt.datetime | None
    error_code: int | None
    error_title: str | None
    error_details: str | None
    attempts: int
    account: str | None
    wamid: str | None
    pricing_category: str | None
    pricing_model: str | None
    is_billable: bool | None
    consent: str | None


def export_messages(
    connection: Connection, campaign_id: int, *, statuses: Sequence[str] | None, after: int, limit: int
) -> list[ExportRow]:
    """Return up to `limit` messages with these statuses (None: any) whose id is above `after`."""
    parameters = {
        "campaign_id": campaign_id,
        "statuses": None if statuses is None else list(statuses),
        "after": after,
        "limit": limit,
    }
    # Few of many: a page may look at the whole campaign.
    allow_long_statements(connection)
    return [ExportRow(*row) for row in connection.execute(query("export_messages"), parameters)]


def variables_width(connection: Connection, campaign_id: int) -> int:
    """Return the most variables that a message of the campaign has."""
    allow_long_statements(connection)
    row = connection.execute(query("variables_width"), {"campaign_id": campaign_id}).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True)
class FailedCount:
    """Failed messages of one code (None: Meta gave none). `waiting_count` of them may not be tried yet."""

    error_code: int | None
    title: str | None
    count: int
    waiting_count: int
    waits_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class RetriedCount(FailedCount):
    """Messages of one code that one statement has put back; `last_id` is the highest of them."""

    last_id: int


@dataclass(frozen=True, slots=True)
class UncertainCount:
    """Uncertain messages of one reason: `count` may be sent again, the others stay as they are.

    `oldest_at`, `newest_at`: when the first and the last of all of them may have left.
    """

    error_code: int | None
    title: str
    count: int
    suppressed_count: int
    erased_count: int
    oldest_at: dt.datetime
    newest_at: dt.datetime


def count_failed(connection: Connection, campaign_id: int, later_seconds: Mapping[int, float]) -> list[FailedCount]:
    """Count a campaign's failed messages by code. `later_seconds`: how long after a failure codes must wait."""
    parameters = {"campaign_id": campaign_id, "codes": list(later_seconds), "later_seconds": [*later_seconds.values()]}
    # A look at a whole campaign takes longer than any statement of the send path may.
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(FailedCount)) as cursor:
        return cursor.execute(query("count_failed"), parameters).fetchall()


def retry_messages(
    connection: Connection, campaign_id: int, later_seconds: Mapping[int, float], *, after: int, limit: int
) -> list[RetriedCount]:
    """Put failed messages with one of the codes (and its seconds to wait) back to pending, after this id.

    The caller holds the lock on the campaign. Fewer than `limit`: there are no more.
    """
    parameters = {
        "campaign_id": campaign_id,
        "codes": list(later_seconds),
        "later_seconds": list(later_seconds.values()),
        "after": after,
        "limit": limit,
    }
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(RetriedCount)) as cursor:
        return cursor.execute(query("retry_messages"), parameters).fetchall()


def count_uncertain(connection: Connection, campaign_id: int) -> list[UncertainCount]:
    """Count a campaign's uncertain messages by reason."""
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(UncertainCount)) as cursor:
        return cursor.execute(query("count_uncertain"), {"campaign_id": campaign_id}).fetchall()


def retry_uncertain(connection: Connection, campaign_id: int, *, after: int, limit: int) -> tuple[int, int]:
    """Put uncertain messages back to pending, after this id; return how many, and the id of the last of them.

    The caller holds the lock on the campaign. Fewer than `limit`: there are no more.
    """
    allow_long_statements(connection)
    row = connection.execute(
        query("retry_uncertain"), {"campaign_id": campaign_id, "after": after, "limit": limit}
    ).fetchone()
    assert row is not None
    return row[0], row[1] or after
