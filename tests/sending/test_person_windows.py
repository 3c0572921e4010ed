"""Sending windows in the time zone of each recipient."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from campaigns.domain.recipients import ReadColumns, Recipient
from campaigns.management.campaigns import CLEAR, CampaignChanges, change_campaign
from campaigns.sending.run import run_slice
from campaigns.sending.start import begin_slice
from campaigns.store.recipients import stage_rows, write_staged
from tests.store.rows import add_campaign, fetch
from tests.support.actors import TESTER

COLUMNS = ReadColumns(("phone",), 0, None, {})

MANAUS = [f"+5592912345{n:03}" for n in range(5)]
SAO_PAULO = [f"+5511912345{n:03}" for n in range(5)]
TOLL_FREE = "+18005550123"


@pytest.fixture
def tools(make_tools, far):
    return make_tools(f"{far.url}/v24.0", slice_seconds=600.0)


@pytest.fixture
def campaign_id(database, add_sender):
    return database.run(add_campaign, accounts=[add_sender()], time_zone="America/Sao_Paulo", uses_recipient_zones=True)


def import_people(database, campaign_id, phones):
    def work(connection):
        stage_rows(connection, enumerate([Recipient(phone, []) for phone in phones], 2))
        write_staged(connection, campaign_id, file_name="people.csv", file_sha256=b"", columns=COLUMNS)

    database.run(work)


def set_window(database, campaign_id, *, opened_hours_ago, hours):
    """Give the campaign a window of `hours` that opened `opened_hours_ago`, in its own zone."""
    opens = dt.datetime.now(ZoneInfo("America/Sao_Paulo")) - dt.timedelta(hours=opened_hours_ago)
    window = tuple(at.time().replace(second=0, microsecond=0) for at in (opens, opens + dt.timedelta(hours=hours)))
    change_campaign(database, campaign_id, CampaignChanges(window=window), actor=TESTER)


def run(tools, campaign_id):
    run_slice(begin_slice(campaign_id, tools), tools)


def sent(database):
    return set(fetch(database, "SELECT phone FROM messages WHERE status = 'sent'"))


def test_people_whom_the_campaign_went_past_are_found_when_another_window_is_open_for_them(
    tools, database, campaign_id
):
    import_people(database, campaign_id, MANAUS + SAO_PAULO)
    set_window(database, campaign_id, opened_hours_ago=0.5, hours=6)
    run(tools, campaign_id)
    assert sent(database) == set(SAO_PAULO)
    set_window(database, campaign_id, opened_hours_ago=2, hours=6)
    run(tools, campaign_id)
    assert sent(database) == {*SAO_PAULO, *MANAUS}


def test_recife_and_all_of_para_get_nothing_before_the_window_of_sao_paulo(tools, database, campaign_id):
    people = [f"+55{area}991234567" for area in ("11", "81", "87", "91", "93", "94", "96")]
    import_people(database, campaign_id, people)
    set_window(database, campaign_id, opened_hours_ago=-0.3, hours=6)
    run(tools, campaign_id)
    assert sent(database) == set()
    set_window(database, campaign_id, opened_hours_ago=0.3, hours=6)
    run(tools, campaign_id)
    assert sent(database) == set(people)


def test_a_phone_that_may_be_anywhere_waits_and_holds_up_nobody(tools, database, campaign_id):
    import_people(database, campaign_id, [TOLL_FREE, *SAO_PAULO])
    set_window(database, campaign_id, opened_hours_ago=1, hours=9)
    run(tools, campaign_id)
    assert sent(database) == set(SAO_PAULO)
    ((reason, is_far),) = fetch(database, "SELECT waiting_reason, due_at > now() + interval '1 day' FROM campaigns")
    assert (reason, is_far) == ("window", True)
    change_campaign(database, campaign_id, CampaignChanges(window=CLEAR), actor=TESTER)
    run(tools, campaign_id)
    assert sent(database) == {TOLL_FREE, *SAO_PAULO}
