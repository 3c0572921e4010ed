"""A draft gets its people, its accounts and its hours before it starts."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.management import lifecycle
from campaigns.management.campaigns import CLEAR, CampaignChanges, change_campaign, draft_campaign
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.recipients import Reading
from tests.management.drafts.lists import ANA, BIA
from tests.store.rows import fetch
from tests.support.actors import TESTER
from tests.support.campaigns import list_phones, read_campaign, refusal

QUIET = (dt.time(20), dt.time(8))


def test_a_draft_without_people_cannot_start_until_it_has_some(house, draft, write):
    campaign_id = draft()
    assert (read_campaign(house, campaign_id).status, list_phones(house, campaign_id)) == ("draft", [])
    assert refusal(lifecycle.start_campaigns, house, [campaign_id], actor=TESTER) == "start_without_recipients"
    add_recipients(house, campaign_id, write(ANA, BIA), Reading(), actor=TESTER)
    (move,) = lifecycle.start_campaigns(house, [campaign_id], actor=TESTER)
    assert (move.new, list_phones(house, campaign_id)) == ("pending", [ANA, BIA])


def test_a_draft_without_accounts_cannot_start_until_it_has_one(house, draft, write):
    campaign_id = draft(accounts=())
    add_recipients(house, campaign_id, write(ANA), Reading(), actor=TESTER)
    assert refusal(lifecycle.start_campaigns, house, [campaign_id], actor=TESTER) == "start_without_account"
    change_campaign(house, campaign_id, CampaignChanges(accounts=["sales"]), actor=TESTER)
    assert lifecycle.start_campaigns(house, [campaign_id], actor=TESTER)[0].new == "pending"


def test_a_draft_that_gets_accounts_of_a_marketing_template_gets_the_quiet_hours(house, draft):
    campaign_id = draft_campaign(
        house,
        CampaignChanges(name="Sale", template="promo:en"),
        time_zone="UTC",
        quiet_hours=QUIET,
        actor=TESTER,
    ).id
    change_campaign(house, campaign_id, CampaignChanges(accounts=["sales"]), quiet_hours=QUIET, actor=TESTER)
    row = read_campaign(house, campaign_id)
    assert (row.window_from, row.window_to) == (dt.time(8), dt.time(20))


def test_a_draft_that_gets_accounts_keeps_the_window_and_the_clock_that_a_person_chose(house):
    for asked, chosen in (
        ({"window": CLEAR}, (None, False)),
        ({"uses_recipient_zones": CLEAR}, (dt.time(8), False)),
        ({}, (dt.time(8), True)),
    ):
        changes = CampaignChanges(name="Sale", template="promo:en", **asked)
        campaign_id = draft_campaign(house, changes, time_zone="UTC", quiet_hours=QUIET, actor=TESTER).id
        change_campaign(house, campaign_id, CampaignChanges(accounts=["sales"]), quiet_hours=QUIET, actor=TESTER)
        row = read_campaign(house, campaign_id)
        assert (row.window_from, row.uses_recipient_zones) == chosen


def test_a_draft_that_becomes_marketing_with_its_accounts_gets_the_quiet_hours(house):
    fetch(house, "UPDATE templates SET category = 'UTILITY' WHERE name = 'promo'")
    changes = CampaignChanges(name="Sale", template="promo:en")
    campaign_id = draft_campaign(house, changes, time_zone="UTC", quiet_hours=QUIET, actor=TESTER).id
    assert read_campaign(house, campaign_id).window_from is None
    change_campaign(
        house, campaign_id, CampaignChanges(template="offer:en", accounts=["sales"]), quiet_hours=QUIET, actor=TESTER
    )
    assert read_campaign(house, campaign_id).window_from == dt.time(8)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"template": "none:en"}, "template_missing"),
        ({"template": None}, "template_word_invalid"),
        ({"template": None, "accounts": ()}, "template_word_invalid"),
        ({"name": None}, "campaign_name_invalid"),
        ({"accounts": ["nobody"]}, "account_missing"),
        ({"expire": "2001-01-01 09:00"}, "expiry_passed"),
    ],
)
def test_a_draft_that_is_refused_leaves_no_row(house, draft, changes, code):
    assert refusal(draft, **changes) == code
    assert fetch(house, "SELECT id FROM campaigns") == []
