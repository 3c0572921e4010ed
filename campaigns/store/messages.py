"""Queries about messages: claims, evidence, releases, retries by operators, and exports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from psycopg.rows import class_row

from campaigns.domain.continuity import ClaimCount
from campaigns.domain.failures import NEVER_LEFT
from campaigns.domain.message import Status
from campaigns.domain.pacing import PaceState
from campaigns.domain.settlement import Release
from campaigns.store.database import Connection, allow_long_statements, query

# The statuses from which the reply to a send may release a message.
IN_FLIGHT = (Status.SENDING, Status.UNCERTAIN)
# A refusal by webhook may also release a message that Meta had accepted.
ACCEPTED_OR_IN_FLIGHT = (*IN_FLIGHT, Status.HELD, Status.SENT)


@dataclass(slots=True)  # not frozen, because a frozen object takes longer to make
class ClaimedMessage:
    """A message that was claimed for one account. `send_no`: the number of this send. `attempts` includes this send."""

    id: int
    account_id: int
    send_no: int
    attempts: int
    phone: str
    variables: list[str]
    refused_by: list[int] | None
    pair_refusals: int


@dataclass(frozen=True, slots=True)
class LeaseState:
    """The lease of a campaign after a claim. `is_held` is False if the lease is lost, or the campaign is not running.

    `claim_count`: the number of claims of the campaign in this database. `is_older`: `claim_count` differs from the
    number that the process expects, so this database is older than the campaign's last claim.
    """

    is_held: bool
    claim_count: int
    is_older: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of a claim. `cursor`: the highest message id that was claimed or skipped so far.

    `lease`: the lease after the claim. `full`: the portfolios without quota for another person, with the time at which
    quota becomes free. `has_found_end`: tokens were left over, and not because of quota or refused messages.
    """

    messages: list[ClaimedMessage]
    suppressed_count: int
    cursor: int
    lease: LeaseState
    full: Mapping[int, dt.datetime] = field(default_factory=dict)
    has_found_end: bool = False

    @property
    def is_held(self) -> bool:
        return self.lease.is_held


@dataclass(slots=True)
class EvidenceRow:
    """Merged evidence about one send of one message, for `merge_evidence`."""

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
    """A release: the decision to make a message pending again after one of its sends."""

    message_id: int
    send_no: int
    release: Release


def write_array(values: Iterable[object]) -> str | None:
    """Return an array as a Postgres literal. psycopg would be much slower, because it examines the type of each
    element.

    Returns None if all elements are None. Then `unnest` fills the column with NULL.
    """
    elements = list(values)
    if elements.count(None) == len(elements):
        return None
    # Most columns have only a few different values, so each of these is written only once.
    written = {value: _write_element(value) for value in set(elements)}
    return f"{{{','.join([written[value] for value in elements])}}}"


def write_ids(ids: Iterable[int]) -> str:
    """Return an array of ids as a Postgres literal, for the same reason as `write_array`."""
    return f"{{{','.join(map(str, ids))}}}"


def _write_element(value: object) -> str:
    if value is None:
        return "NULL"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def claim_messages(
    connection: Connection,
    claims: ClaimCount,
    *,
    cursor: int,
    tokens: Mapping[int, int],
    active: Sequence[int],
    open_zones: Sequence[int] | None = None,
) -> Claim:
    """Claim at most one message per token of each account. The caller commits before it sends the messages.

    `claims`: the number of claims of the campaign so far. `tokens`: the number of tokens by account id. `active`: the
    accounts that may send messages of the campaign. A message that all of these accounts have refused may be claimed
    for any of them again. `open_zones`: the zones in which the window is open now; None if the window does not follow
    the zone of each person.
    """
    parameters = {
        "campaign_id": claims.campaign_id,
        "epoch": claims.epoch,
        "claim_count": claims.count,
        "cursor": cursor,
        "accounts": list(tokens),
        "counts": list(tokens.values()),
        "active": list(active),
        "open_zones": None if open_zones is None else list(open_zones),
    }
    rows = connection.execute(query("claim_messages"), parameters).fetchall()
    taken = read_claimed(rows)
    last = max((row[0] for row in rows), default=cursor)
    lease = read_lease_state(connection, claims, rows)
    # An account gets no message that it has refused. So its tokens may be left over although the list goes on.
    has_found_end = len(rows) < sum(tokens.values()) and not any(message.refused_by for message in taken)
    return Claim(taken, len(rows) - len(taken), max(last, cursor), lease, has_found_end=has_found_end)


def read_claimed(rows: Sequence[tuple[Any, ...]]) -> list[ClaimedMessage]:
    """Return the claimed messages from the rows of a claim. The other rows are skipped messages, which are left out."""
    return [ClaimedMessage(*row[:8]) for row in rows if not row[8]]


def lock_caps(connection: Connection) -> None:
    """Serialise the claims of campaigns with a cap per person, so that each claim sees the other claims."""
    connection.execute(query("lock_caps"))


def count_due(connection: Connection, campaign_id: int, most: int) -> int:
    """Return the number of released or posted messages of a campaign that are due, at most `most`."""
    row = connection.execute(query("count_due"), {"campaign_id": campaign_id, "most": most}).fetchone()
    assert row is not None
    return int(row[0])


def has_claimable(
    connection: Connection, campaign_id: int, *, cursor: int, open_zones: Sequence[int] | None = None
) -> bool:
    """Whether a message could be claimed if its portfolio had quota."""
    zones = None if open_zones is None else list(open_zones)
    parameters = {"campaign_id": campaign_id, "cursor": cursor, "open_zones": zones}
    row = connection.execute(query("has_claimable"), parameters).fetchone()
    return bool(row and row[0])


def find_next_times_by_zone(connection: Connection, campaign_id: int) -> dict[int, dt.datetime]:
    """Return, by zone id, the time at which the first pending message may be sent if the window is ignored."""
    return dict(connection.execute(query("find_next_times_by_zone"), {"campaign_id": campaign_id}).fetchall())


def read_lease_state(connection: Connection, claims: ClaimCount, rows: Sequence[tuple[Any, ...]]) -> LeaseState:
    """Return the lease after a claim that returned `rows`. `claims`: the number of claims before this claim."""
    if rows:
        return LeaseState(is_held=True, claim_count=rows[0][10])
    parameters = {"campaign_id": claims.campaign_id, "epoch": claims.epoch}
    row = connection.execute(query("load_lease_state"), parameters).fetchone()
    if row is None:
        return LeaseState(is_held=False, claim_count=claims.count)
    is_held, count = row
    # The claim has raised the count by 1 only if the lease was valid.
    if count not in (claims.count, claims.count + 1):
        return LeaseState(is_held=False, claim_count=claims.count, is_older=True)
    return LeaseState(is_held=is_held, claim_count=count)


def set_pace(connection: Connection, campaign_id: int, epoch: int, state: PaceState) -> None:
    """Write the state of the pace, in the transaction of the claim that has changed the state."""
    parameters = {
        "campaign_id": campaign_id,
        "epoch": epoch,
        "next_message_at": state.next_message_at,
        "burst_count": state.burst_count,
    }
    connection.execute(query("set_pace"), parameters)


def find_next_release_at(connection: Connection, campaign_id: int) -> dt.datetime | None:
    """Return the time at which the first released message of a campaign may be sent; None if no message is released."""
    row = connection.execute(query("find_next_release_at"), {"campaign_id": campaign_id}).fetchone()
    return row[0] if row else None


def merge_evidence(connection: Connection, evidence: Sequence[EvidenceRow]) -> set[int]:
    """Merge evidence, at most one row per message; return the ids of the messages to which evidence applied."""
    return {row[0] for row in connection.execute(query("merge_evidence"), _write_evidence(evidence))}


def merge_replies(
    connection: Connection, evidence: Sequence[EvidenceRow], *, stray_code: int, stray_title: str
) -> dict[int, int]:
    """Merge the evidence of replies. A message becomes uncertain if another message has the wamid of its reply.

    Returns the ids of the messages that became uncertain for this reason, each with the id of the other message.
    """
    parameters = _write_evidence(evidence) | {"stray_code": stray_code, "stray_title": stray_title}
    rows = connection.execute(query("merge_replies"), parameters).fetchall()
    return {message_id: owner_id for message_id, owner_id in rows if owner_id is not None}


def _write_evidence(evidence: Sequence[EvidenceRow]) -> dict[str, Any]:
    rows = sorted(evidence, key=lambda row: row.message_id)
    return {
        "ids": write_array([row.message_id for row in rows]),
        "send_nos": write_array([row.send_no for row in rows]),
        "statuses": write_array([row.status for row in rows]),
        "wamids": write_array([row.wamid for row in rows]),
        "sent_at": write_array([row.sent_at for row in rows]),
        "delivered_at": write_array([row.delivered_at for row in rows]),
        "read_at": write_array([row.read_at for row in rows]),
        "failed_at": write_array([row.failed_at for row in rows]),
        "error_codes": write_array([row.error_code for row in rows]),
        "error_titles": write_array([row.error_title for row in rows]),
        "error_details": write_array([row.error_details for row in rows]),
        "pricing_categories": write_array([row.pricing_category for row in rows]),
        "pricing_models": write_array([row.pricing_model for row in rows]),
        "billable": write_array([row.is_billable for row in rows]),
    }


def release_messages(
    connection: Connection,
    releases: Sequence[ReleaseRow],
    *,
    campaign_ids: Sequence[int],
    from_statuses: Sequence[Status] = IN_FLIGHT,
) -> set[int]:
    """Release the messages whose `send_no` and status still match; return their ids.

    The messages become pending again, unless their campaign has ended. The campaigns are locked first, so that no
    campaign completes or is cancelled at the same time.
    """
    connection.execute(query("lock_campaigns_of"), {"campaign_ids": list(campaign_ids)})
    rows = sorted(releases, key=lambda row: row.message_id)
    parameters: dict[str, Any] = {
        "ids": write_array(row.message_id for row in rows),
        "send_nos": write_array(row.send_no for row in rows),
        "wait_seconds": write_array(row.release.wait_seconds for row in rows),
        "refunds": write_array(row.release.refunds for row in rows),
        "refusing": write_array(row.release.refusing for row in rows),
        "forgets": write_array(row.release.forgets for row in rows),
        "pair_refusals": write_array(int(row.release.is_pair_refusal) for row in rows),
        "error_codes": write_array(row.release.code for row in rows),
        "error_titles": write_array(row.release.title for row in rows),
        "error_details": write_array(row.release.details for row in rows),
        "campaign_ids": list(campaign_ids),
        "from_statuses": [str(status) for status in from_statuses],
        "never_left": NEVER_LEFT.code,
    }
    return {row[0] for row in connection.execute(query("release_messages"), parameters)}


class Skip(StrEnum):
    """Why a message is suppressed."""

    OPTED_OUT = "opted_out"
    CAPPED = "capped"  # the person had as many messages as the campaign allows
    LEFT_AUDIENCE = "left_audience"  # later evidence takes the person out of the audience
    IN_REVIEW = "in_review"  # an answer of the person waits for a review


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages of a campaign to return; None: the value does not matter.

    `reasons`: pairs of a status and an error code; the code None stands for no code. `title`: the error title.
    """

    statuses: Sequence[Status] | None = None
    has_replied: bool = False
    skip: Skip | None = None
    reasons: Sequence[tuple[str, int | None]] | None = None
    code: int | None = None
    has_no_code: bool = False
    title: str | None = None

    def to_parameters(self) -> dict[str, Any]:
        return {
            "statuses": None if self.statuses is None else [status.value for status in self.statuses],
            "has_replied": self.has_replied,
            "skip": None if self.skip is None else self.skip.value,
            "reason_statuses": None if self.reasons is None else [status for status, _ in self.reasons],
            "reason_codes": None if self.reasons is None else [code for _, code in self.reasons],
            "code": self.code,
            "has_no_code": self.has_no_code,
            "title": self.title,
        }


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """A message with its person. `recipient_key` None: the person was erased. `variables`: the values of the person."""

    id: int
    recipient_key: str | None
    variables: list[str]
    status: str
    error_code: int | None
    error_title: str | None
    attempts: int
    account: str | None
    claimed_at: dt.datetime | None
    sent_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    failed_at: dt.datetime | None
    replied_at: dt.datetime | None

    @property
    def changed_at(self) -> dt.datetime | None:
        """When the message got its status, as far as this is known."""
        times = (self.read_at, self.delivered_at, self.sent_at, self.claimed_at)
        return find_change(self.status, self.failed_at, times)


def find_change(status: str, failed_at: dt.datetime | None, times: Sequence[dt.datetime | None]) -> dt.datetime | None:
    """Return when a message got its status. `times`: of the steps of a message that did not fail, the last step first.

    A message that has arrived may have a failure as well, for example on the second device of the person.
    """
    if status == Status.FAILED:
        return failed_at
    return next((at for at in times if at is not None), None)


def page_recipients(
    connection: Connection, campaign_id: int, chosen: MessageFilter, *, after: int, searched: int, limit: int
) -> list[RecipientRow]:
    """Return up to `limit` of the next `searched` messages with an id above `after`, in the order of their ids."""
    page = {"campaign_id": campaign_id, "after": after, "searched": searched, "limit": limit}
    parameters = chosen.to_parameters() | page
    with connection.cursor(row_factory=class_row(RecipientRow)) as cursor:
        return cursor.execute(query("page_recipients"), parameters).fetchall()


def find_last_searched(connection: Connection, campaign_id: int, *, after: int, searched: int) -> int | None:
    """Return the id of the last of the next `searched` messages with an id above `after`; None if there are fewer."""
    parameters = {"campaign_id": campaign_id, "after": after, "searched": searched}
    row = connection.execute(query("find_last_searched"), parameters).fetchone()
    return None if row is None else int(row[0])


def find_error_kinds(
    connection: Connection, campaign_id: int, *, after: int, searched: int | None
) -> list[tuple[str, int | None]]:
    """Return the statuses and codes of the errors of the next `searched` messages; None: of all behind `after`."""
    if searched is None:
        allow_long_statements(connection)
    parameters = {"campaign_id": campaign_id, "after": after, "searched": searched}
    return connection.execute(query("find_error_kinds"), parameters).fetchall()


class ExportRow(NamedTuple):
    """One message of an export. The class is a tuple, because an export may have millions of rows."""

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
    replied_at: dt.datetime | None


def export_messages(
    connection: Connection, campaign_id: int, chosen: MessageFilter, *, after: int, limit: int
) -> list[ExportRow]:
    """Return up to `limit` messages with an id above `after`."""
    parameters = chosen.to_parameters() | {"campaign_id": campaign_id, "after": after, "limit": limit}
    # If few messages fit the filter, one page may read the whole campaign.
    allow_long_statements(connection)
    return [ExportRow(*row) for row in connection.execute(query("export_messages"), parameters)]


def find_max_variable_count(connection: Connection, campaign_id: int) -> int:
    """Return the greatest number of variables in a message of the campaign."""
    allow_long_statements(connection)
    row = connection.execute(query("find_max_variable_count"), {"campaign_id": campaign_id}).fetchone()
    return int(row[0]) if row else 0


@dataclass(frozen=True, slots=True)
class FailedCount:
    """The number of failed messages with one code; None: messages without a code.

    `waiting_count`: the number of messages that must not be sent yet. `waits_until`: the end of the last wait.
    """

    error_code: int | None
    title: str | None
    count: int
    waiting_count: int
    waits_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class RetriedCount(FailedCount):
    """The number of messages with one code that one statement has made pending. `last_id`: the highest id of these
    messages.
    """

    last_id: int


@dataclass(frozen=True, slots=True)
class UncertainCount:
    """The messages of a campaign that are uncertain for one reason.

    `count`: the number of messages that may be sent again.

    `suppressed_count`: the number of messages to suppressed people. `erased_count`: the number of messages whose
    recipient was erased. `oldest_at`, `newest_at`: the first and the last time at which a message with this reason was
    claimed.
    """

    error_code: int | None
    title: str
    count: int
    suppressed_count: int
    erased_count: int
    oldest_at: dt.datetime
    newest_at: dt.datetime


def count_failed(connection: Connection, campaign_id: int, later_seconds: Mapping[int, float]) -> list[FailedCount]:
    """Count a campaign's failed messages by code. `later_seconds`: by code, the required wait after the failure."""
    parameters = {"campaign_id": campaign_id, "codes": list(later_seconds), "later_seconds": [*later_seconds.values()]}
    allow_long_statements(connection)
    with connection.cursor(row_factory=class_row(FailedCount)) as cursor:
        return cursor.execute(query("count_failed"), parameters).fetchall()


def count_failed_by_zone(
    connection: Connection, campaign_id: int, later_seconds: Mapping[int, float]
) -> dict[tuple[int, dt.datetime], int]:
    """Count a campaign's failed messages with these codes by `zone_id` and by the time from which they may be sent.

    `later_seconds`: by code, the required wait after the failure.
    """
    parameters = {"campaign_id": campaign_id, "codes": list(later_seconds), "later_seconds": [*later_seconds.values()]}
    allow_long_statements(connection)
    rows = connection.execute(query("count_failed_by_zone"), parameters)
    return {(zone_id, at): count for zone_id, at, count in rows}


def retry_messages(
    connection: Connection, campaign_id: int, later_seconds: Mapping[int, float], *, after: int, limit: int
) -> list[RetriedCount]:
    """Make failed messages with an id above `after` pending again. `later_seconds`: by code, the required wait.

    The caller has locked the campaign. If the number is less than `limit`, there are no more such messages.
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


def count_uncertain_by_zone(connection: Connection, campaign_id: int) -> dict[int, int]:
    """Count a campaign's uncertain messages that can be sent again by `zone_id`; 0: the zone is unknown."""
    allow_long_statements(connection)
    return dict(connection.execute(query("count_uncertain_by_zone"), {"campaign_id": campaign_id}).fetchall())


def retry_uncertain(connection: Connection, campaign_id: int, *, after: int, limit: int) -> tuple[int, int]:
    """Make uncertain messages with an id above `after` pending again; return their number and the highest id.

    The caller has locked the campaign. If the number is less than `limit`, there are no more such messages.
    """
    allow_long_statements(connection)
    row = connection.execute(
        query("retry_uncertain"), {"campaign_id": campaign_id, "after": after, "limit": limit}
    ).fetchone()
    assert row is not None
    return row[0], row[1] or after
