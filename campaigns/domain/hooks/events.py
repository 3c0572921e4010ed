"""The types of events that a hook may get, the states of a hook and of a delivery, and the body of a POST."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from enum import StrEnum, unique
from typing import Any

from campaigns.domain.statement import Refusal


@unique
class EventType(StrEnum):
    """A kind of fact. The value is a stable name."""

    ACCOUNT_ACTIVATED = "account.activated"
    ACCOUNT_DEACTIVATED = "account.deactivated"
    ACCOUNT_HEALTH_CHANGED = "account.health_changed"
    ACCOUNT_REPORTED = "account.reported"  # Meta reported something about the account by a webhook
    CAMPAIGN_APPROVAL_WANTED = "campaign.approval_wanted"
    CAMPAIGN_CANCELLED = "campaign.cancelled"
    CAMPAIGN_COMPLETED = "campaign.completed"
    CAMPAIGN_EXPIRED = "campaign.expired"  # messages of the campaign were not sent before its time of expiry
    CAMPAIGN_PAUSED = "campaign.paused"
    CAMPAIGN_RESUMED = "campaign.resumed"  # also by a retry of failed messages
    CAMPAIGN_STARTED = "campaign.started"  # a worker has taken it for the first time
    CAMPAIGN_WAITING = "campaign.waiting"
    EXPORT_READY = "export.ready"
    IMPORT_FINISHED = "import.finished"
    MESSAGES_UNCERTAIN_OVERDUE = "messages.uncertain_overdue"
    PERSON_OPTED_OUT = "person.opted_out"
    TEMPLATE_STATUS_CHANGED = "template.status_changed"
    WORKER_STALLED = "worker.stalled"


# The event by which a person tests a hook. A hook gets it although it is none of its types.
TEST_TYPE = "hook.test"
# The types whose events have the phone of a person. A hook gets them only if a person names them.
PERSONAL_TYPES = frozenset({EventType.PERSON_OPTED_OUT})


class DisabledReason(StrEnum):
    PERSON = "person"  # a person has disabled the hook
    GONE = "gone"  # the receiver answered 410 (Gone)
    FAILING = "failing"  # no POST succeeded for five days


class DeliveryState(StrEnum):
    WAITING = "waiting"  # for its first or its next try
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"  # all tries failed; only a person sends it again


def choose_types(named: Collection[str]) -> list[EventType]:
    """Return the types that a hook gets. None named: all types but those with phones. Raises Refusal."""
    if not named:
        return sorted(set(EventType) - PERSONAL_TYPES)
    unknown = sorted(set(named) - set(EventType))
    if unknown:
        text = "There is no event type {type}. The types are: {types}."
        raise Refusal("hook_type_unknown", text, type=unknown[0], types=[each.value for each in EventType])
    return sorted({EventType(each) for each in named})


def write_body(event_type: str, at: dt.datetime, data: Mapping[str, Any]) -> bytes:
    """Return the body of the POST for an event, as UTF-8. `at`: the time of the fact."""
    timestamp = at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"type": event_type, "timestamp": timestamp, "data": data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
