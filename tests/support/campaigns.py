"""Reads a campaign as the tests compare it, and the code of a refusal."""

import pytest

from campaigns.domain.statement import Refusal
from campaigns.store.campaigns import list_campaigns
from tests.store.rows import fetch


def read_campaign(database, campaign_id):
    (row,) = database.run(list_campaigns, [campaign_id])
    return row


def list_phones(database, campaign_id):
    """Return the phones of the people of a campaign, in their order."""
    return fetch(database, "SELECT phone FROM messages WHERE campaign_id = %s ORDER BY id", campaign_id)


def refusal(work, *arguments, **named):
    """Do work that must be refused; return the code of the refusal."""
    with pytest.raises(Refusal) as refused:
        work(*arguments, **named)
    return refused.value.code
