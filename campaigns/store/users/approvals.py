"""The approvals of large campaigns, the requests for them, and the content that an approval is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from campaigns.domain.campaign import ENDED
from campaigns.domain.users.approval import Approval, ApprovalRequest, Content
from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class Approvable:
    """A campaign with the facts that decide about its approval.

    `pending_count`: the number of messages that it would send now. `possible_count`: the number of messages that it
    could send, also by a retry. `approval` and `request`: the newest ones. `changed_by`: the name of the person who
    changed the campaign last; None if the audit does not have the change any more.
    """

    campaign_id: int
    name: str
    content: Content
    pending_count: int
    possible_count: int
    approval: Approval | None
    changed_by: str | None
    is_standing: bool
    request: ApprovalRequest | None

    @property
    def is_approved(self) -> bool:
        """Whether an approval of the present content exists."""
        return self.approval is not None and self.approval.digest == self.content.digest()

    @property
    def open_request(self) -> ApprovalRequest | None:
        """The request for an approval of the present content; None if nobody asked for it, or if it is approved."""
        if self.request is None or self.request.digest != self.content.digest() or self.is_approved:
            return None
        return self.request

    def needs_approval(self, above: int) -> bool:
        """Tell whether the campaign could send more than `above` messages, as a standing campaign always can.

        `above` 0: no campaign needs an approval.
        """
        return above > 0 and (self.is_standing or self.possible_count > above)


def load_approvable(connection: Connection, campaign_id: int) -> Approvable:
    """Return the content of a campaign, which the caller has locked, with its newest approval."""
    (loaded,) = load_approvables(connection, [campaign_id])
    return loaded


def load_approvables(connection: Connection, campaign_ids: Sequence[int]) -> list[Approvable]:
    """Return the contents of campaigns, each with its newest approval. The result omits ids that do not exist."""
    rows = connection.execute(query("load_approvables"), {"campaign_ids": list(campaign_ids)})
    return [_read_approvable(row) for row in rows]


def _read_approvable(row: tuple[Any, ...]) -> Approvable:
    campaign_id, name, *content, pending_count, possible_count = row[:11]
    approved_by, approved, changed_by, is_standing, asked, asked_by, asked_at = row[11:]
    return Approvable(
        campaign_id,
        name,
        Content(*content),
        pending_count,
        possible_count,
        None if approved is None else Approval(approved_by, bytes(approved)),
        changed_by,
        is_standing,
        None if asked is None else ApprovalRequest(asked_by, asked_at, bytes(asked)),
    )


def insert_approval(connection: Connection, campaign_id: int, approval: Approval) -> None:
    parameters = {"campaign_id": campaign_id, "approved_by": approval.approved_by, "digest": approval.digest}
    connection.execute(query("insert_approval"), parameters)


def write_approval_request(connection: Connection, campaign_id: int, asked_by: str, digest: bytes) -> None:
    """Write the request for an approval of a campaign. It replaces an earlier one."""
    parameters = {"campaign_id": campaign_id, "asked_by": asked_by, "digest": digest}
    connection.execute(query("write_approval_request"), parameters)


def delete_approval_request(connection: Connection, campaign_id: int) -> None:
    connection.execute(query("delete_approval_request"), {"campaign_id": campaign_id})


def list_approval_requests(connection: Connection) -> list[int]:
    """Return the ids of the campaigns with a request that have not ended."""
    parameters = {"ended": [status.value for status in ENDED]}
    return [row[0] for row in connection.execute(query("list_approval_requests"), parameters)]
