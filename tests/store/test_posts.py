"""What a migration and the schema promise about standing campaigns, whatever an older process does."""

from __future__ import annotations

import psycopg
import pytest

from campaigns.management.recipients import find_overlaps
from tests.store.rows import add_campaign, add_message, fetch

ANA = "+5511999990001"


def test_an_older_worker_cannot_complete_a_standing_campaign(database):
    campaign_id = database.run(add_campaign, is_standing=True)
    complete = "UPDATE campaigns SET status = 'completed', completed_at = now() WHERE id = %s"
    with pytest.raises(psycopg.errors.CheckViolation, match="standing_goes_on"):
        fetch(database, complete, campaign_id)
    fetch(database, "UPDATE campaigns SET expire_at = now()")
    fetch(database, complete, campaign_id)


def test_an_older_process_adds_a_person_of_a_list_once(database):
    """It names the constraint, and writes no `posted_id`."""
    campaign_id = database.run(add_campaign)
    statement = (
        "INSERT INTO messages (campaign_id, phone, recipient_key) VALUES (%s, %s, %s)"
        " ON CONFLICT ON CONSTRAINT one_message_per_person DO NOTHING RETURNING id"
    )
    assert len(fetch(database, statement, campaign_id, ANA, ANA)) == 1
    assert fetch(database, statement, campaign_id, ANA, ANA) == []
    database.run(add_message, campaign_id, phone=ANA, posted_id=7)  # a posted one may be there, too


def test_a_start_is_not_compared_with_the_messages_of_standing_campaigns(database):
    """They are about an event of one person, and may be millions."""
    standing = database.run(add_campaign, is_standing=True)
    listed, other = database.run(add_campaign), database.run(add_campaign, "draft")
    for campaign_id in (standing, listed, other):
        database.run(add_message, campaign_id, phone=ANA)
    assert [each.campaign_id for each in find_overlaps(database, other, days=7)] == [listed]
