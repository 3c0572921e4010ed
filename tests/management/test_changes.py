"""Each setting of a campaign is taken away by the same value."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields

import pytest

from campaigns.domain.schedule import Holidays
from campaigns.domain.statement import Refusal
from campaigns.management.accounts import add_account, add_template, change_account
from campaigns.management.campaigns import CLEAR, CampaignChanges, change_campaign, draft_campaign
from campaigns.secrets import make_key
from campaigns.store.campaigns import list_campaigns
from tests.support.actors import TESTER

EVERYTHING = {
    "schedule": "2999-01-01 09:00",
    "start_within_seconds": 60.0,
    "max_per_person": 2,
    "within_days": 7,
    "expire": "2999-01-02 09:00",
    "interval_seconds": 2.0,
    "pause_after": 5,
    "pause_seconds": 60.0,
    "window": (dt.time(9), dt.time(18)),
    "weekdays": [1, 2],
    "uses_recipient_zones": True,
    "holidays": Holidays("BR"),
}
# The columns of a campaign by the field that clears them, and their values after that.
CLEARED = {
    "schedule": {"scheduled_at": None, "start_within_seconds": None},
    "start_within_seconds": {"start_within_seconds": None},
    "expire": {"expire_at": None},
    "interval_seconds": {"interval_seconds": 0},
    "window": {"window_from": None, "window_to": None},
    "weekdays": {"weekdays": [1, 2, 3, 4, 5, 6, 7]},
    "uses_recipient_zones": {"uses_recipient_zones": False},
    "holidays": {"holidays": None},
}
# Of these pairs, a campaign has both or none.
PAIRS = [("max_per_person", "within_days"), ("pause_after", "pause_seconds")]


@pytest.fixture
def full(database):
    """A draft that has every setting; and a function that reads its row."""
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=make_key(), actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    changes = CampaignChanges(name="Sale", template="promo:en", accounts=["sales"], **EVERYTHING)
    campaign_id = draft_campaign(database, changes, time_zone="UTC", actor=TESTER).id
    return campaign_id, lambda: database.run(list_campaigns, [campaign_id])[0]


def test_every_setting_that_a_campaign_may_lack_is_cleared_by_one_value():
    takes_clear = {field.name for field in fields(CampaignChanges) if "Clear" in field.type} - {"parameters"}
    assert takes_clear == {*CLEARED, *PAIRS[0], *PAIRS[1]} == {*EVERYTHING}


@pytest.mark.parametrize("field", CLEARED)
def test_a_cleared_field_takes_its_setting_away_and_no_other(database, full, field):
    campaign_id, read = full
    before = read()
    change_campaign(database, campaign_id, CampaignChanges(**{field: CLEAR}), actor=TESTER)
    after = read()
    changed = {name for name in before.__slots__ if getattr(before, name) != getattr(after, name)} - {"server_now"}
    assert {name: getattr(after, name) for name in changed} == CLEARED[field]


@pytest.mark.parametrize("pair", PAIRS)
def test_of_two_fields_that_belong_together_both_are_cleared_or_none(database, full, pair):
    campaign_id, read = full
    for field in pair:
        with pytest.raises(Refusal):
            change_campaign(database, campaign_id, CampaignChanges(**{field: CLEAR}), actor=TESTER)
        assert getattr(read(), field) == EVERYTHING[field]
    change_campaign(database, campaign_id, CampaignChanges(**dict.fromkeys(pair, CLEAR)), actor=TESTER)
    assert [getattr(read(), field) for field in pair] == [None, None]


def test_a_cleared_schedule_does_not_take_a_new_start_within(database, full):
    campaign_id, _ = full
    with pytest.raises(Refusal) as refused:
        change_campaign(database, campaign_id, CampaignChanges(schedule=CLEAR, start_within_seconds=5), actor=TESTER)
    assert refused.value.code == "start_within_without_schedule"


def test_a_value_for_all_recipients_is_cleared_only_if_the_template_can_do_without(database, full):
    campaign_id, read = full
    change_campaign(database, campaign_id, CampaignChanges(parameters={"1": "you"}), actor=TESTER)
    assert (read().parameters, read().columns) == ({"1": "you"}, [])
    with pytest.raises(Refusal):
        change_campaign(database, campaign_id, CampaignChanges(parameters={"1": CLEAR}), actor=TESTER)
    assert read().parameters == {"1": "you"}


def test_a_token_without_a_secret_key_is_refused(database, full):
    with pytest.raises(Refusal) as caught:
        change_account(database, "sales", {"token": "EAAnew"}, actor=TESTER)
    assert caught.value.code == "secret_key_missing"
