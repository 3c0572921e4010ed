"""The people of a draft are replaced by those of another file."""

from __future__ import annotations

import pytest

from campaigns.management import lifecycle
from campaigns.management.campaigns import CampaignChanges, change_campaign
from campaigns.management.drafts.copies import copy_campaign
from campaigns.management.drafts.discards import discard_draft
from campaigns.management.drafts.imports import replace_recipients
from campaigns.management.recipients import Reading
from tests.management.drafts.lists import ANA, BIA, CAIO, DORA
from tests.store.rows import fetch
from tests.support.actors import TESTER
from tests.support.campaigns import list_phones, read_campaign, refusal


def test_other_people_take_the_place_of_those_of_a_draft(house, sale, write):
    result = replace_recipients(house, sale, write(DORA, "13"), Reading(), actor=TESTER)
    assert (result.imported.counts.recipient_count, list_phones(house, sale)) == (1, [DORA])
    row = read_campaign(house, sale)
    assert (row.recipient_count, row.duplicate_count, row.rejected_count, row.counts) == (1, 0, 1, {"pending": 1})
    assert fetch(house, "SELECT reason FROM import_errors WHERE campaign_id = %s AND row_number <> 3", sale) == []
    assert len(fetch(house, "SELECT id FROM imports WHERE campaign_id = %s", sale)) == 1


def test_a_draft_without_people_after_a_replacement_takes_any_template(house, sale, write):
    replace_recipients(house, sale, write("12"), Reading(), actor=TESTER)  # a file whose only row is rejected
    assert list_phones(house, sale) == []
    change_campaign(house, sale, CampaignChanges(template="offer:en"), actor=TESTER)


def test_a_file_that_cannot_be_read_leaves_the_people_of_the_draft(house, sale, write):
    before = read_campaign(house, sale)
    assert refusal(replace_recipients, house, sale, write(DORA, columns="what,name"), Reading(), actor=TESTER)
    assert list_phones(house, sale) == [ANA, BIA, CAIO]
    after = read_campaign(house, sale)
    assert (after.counts, after.recipient_count, after.rejected_count) == (before.counts, 3, before.rejected_count)


@pytest.mark.parametrize("is_paused", [False, True])
def test_only_a_draft_lets_its_people_be_replaced_or_itself_be_discarded(house, sale, write, is_paused):
    lifecycle.start_campaigns(house, [sale], actor=TESTER)
    if is_paused:
        lifecycle.pause_campaigns(house, [sale], actor=TESTER)
    assert refusal(replace_recipients, house, sale, write(DORA), Reading(), actor=TESTER) == "replace_after_start"
    assert refusal(discard_draft, house, sale, actor=TESTER) == "discard_after_start"
    assert list_phones(house, sale) == [ANA, BIA, CAIO]


def test_a_campaign_that_does_not_exist_is_neither_filled_nor_copied_nor_discarded(house, write):
    assert refusal(replace_recipients, house, 7, write(ANA), Reading(), actor=TESTER) == "campaign_missing"
    assert refusal(copy_campaign, house, 7, name="Again", actor=TESTER) == "campaign_missing"
    assert refusal(discard_draft, house, 7, actor=TESTER) == "campaign_missing"
