"""Test sends: what a campaign's first people will get, really sent to a few phones, and counted apart from it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from campaigns.domain.campaign import CampaignError, missing_campaign
from campaigns.domain.message import OPEN
from campaigns.domain.phone.person import recipient_key
from campaigns.privacy.forgotten_people import find_forgotten
from campaigns.store import campaigns as store
from campaigns.store.campaigns import TestMessage
from campaigns.store.database import Connection, Database
from campaigns.store.people import lock_forgotten
from campaigns.store.suppressions import find_suppressed

MAX_PHONES = 50

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_LOOK_SECONDS = 0.2


def start_test(database: Database, campaign_id: int, phones: Sequence[str], *, secret_key: str | None = None) -> int:
    """Make and start a test of a campaign; return its id, which the caller rings.

    A test is a campaign of its own, so it is sent, throttled, settled and seen as every other. Who must not be messaged
    gets no test either; `secret_key` tells who was forgotten. Raises CampaignError, ForgettingError.
    """
    if not phones or len(phones) > MAX_PHONES:
        raise CampaignError(f"A test goes to 1 to {MAX_PHONES} phones.")
    if wrong := [phone for phone in phones if not _E164.fullmatch(phone)]:
        raise CampaignError(f"{wrong[0]} is not a phone number such as +5511999990000.")
    return database.run(_start, campaign_id, phones, secret_key)


def await_test(database: Database, test_id: int, *, seconds: float) -> list[TestMessage]:
    """Return where the messages of a test stand, once none is open any more or `seconds` are over."""
    deadline = time.monotonic() + seconds
    while True:
        messages = database.run(store.list_test_messages, test_id)
        if time.monotonic() >= deadline or not any(message.status in OPEN for message in messages):
            return messages
        time.sleep(_LOOK_SECONDS)


def _start(connection: Connection, campaign_id: int, phones: Sequence[str], secret_key: str | None) -> int:
    found = store.list_campaigns(connection, [campaign_id])
    if not found:
        raise CampaignError(missing_campaign(campaign_id))
    if found[0].test_of is not None:
        raise CampaignError(f"Campaign {campaign_id} ({found[0].name}) is a test itself.")
    if not found[0].recipient_count:
        raise CampaignError(f"Campaign {campaign_id} ({found[0].name}) has no recipients to take the variables from.")
    lock_forgotten(connection)
    keys = [recipient_key(phone) for phone in phones]
    unwilling = find_suppressed(connection, keys) | find_forgotten(connection, keys, secret_key=secret_key)
    if wrong := [phone for phone, key in zip(phones, keys, strict=True) if key in unwilling]:
        raise CampaignError(
            f"{wrong[0]} must not be messaged, also not by a test: `revoada suppress list` says why, "
            "`revoada suppress remove` lifts it."
        )
    return store.insert_test(connection, campaign_id, phones)
