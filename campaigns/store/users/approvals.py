"""The approvals of large campaigns, and the content that an approval is about."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.domain.users.approval import Approval, Content
from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class Approvable:
    """A campaign with the facts that decide about its approval.

    `pending_count`: the number of messages that it would send now. `possible_count`: the number of messages that it
    could send, also by a retry. `approval`: the newest one. `changed_by`: the name of the
    person who changed the campaign last; None if the audit does not have the change any more.
    """

    content: Content
    pending_count: int
    possible_count: int
    approval: Approval | None
    changed_by: str | None
    is_standing: bool

    def needs_approval(self, above: int) -> bool:
        """Tell whether the campaign could send more than `above` messages, as a standing campaign always can.

        `above` 0: no campaign needs an approval.
        """
        return above > 0 and (self.is_standing or self.possible_count > above)


def load_approvable(connection: Connection, campaign_id: int) -> Approvable:
    """Return the content of a campaign, which the caller has locked, with its newest approval."""
    row = connection.execute(query("load_approvable"), {"campaign_id": campaign_id}).fetchone()
    assert row is not None
    *content, pending_count, possible_count, approved_by, digest, changed_by, is_standing = row
    approval = None if digest is None else Approval(approved_by, bytes(digest))
    return Approvable(Content(*content), pending_count, possible_count, approval, changed_by, is_standing)


def insert_approval(connection: Connection, campaign_id: int, approval: Approval) -> None:
    parameters = {"campaign_id": campaign_id, "approved_by": approval.approved_by, "digest": approval.digest}
    connection.execute(query("insert_approval"), parameters)
