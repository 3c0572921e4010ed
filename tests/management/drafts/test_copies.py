"""A copy is a draft with the plan of a campaign in any status, and with its people if they are wanted."""

from __future__ import annotations

import datetime as dt

import pytest

from campaigns.domain.message import Status
from campaigns.domain.statement import Refusal
from campaigns.management import lifecycle
from campaigns.management.campaigns import lock_campaign
from campaigns.management.drafts.copies import copy_campaign, copy_from
from campaigns.management.drafts.imports import add_recipients
from campaigns.management.exports import export_campaign
from campaigns.management.recipients import Reading
from campaigns.privacy.erasure import forget
from campaigns.secrets import make_key
from campaigns.store import campaigns
from tests.management.drafts.lists import ANA, BIA, CAIO
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER
from tests.support.campaigns import list_phones, read_campaign, refusal

KEY = make_key()
QUIET = (dt.time(20), dt.time(8))
# Acre and São Paulo, whose clocks differ.
RIO_BRANCO, SAO_PAULO = "+5568999990001", "+5511999990009"


def test_a_copy_has_the_plan_but_no_people_and_no_times(house, draft, write):
    limits = {"max_per_person": 2, "within_days": 7, "pause_after": 5, "pause_seconds": 60.0, "interval_seconds": 2.0}
    hours = {"window": (dt.time(9), dt.time(18)), "weekdays": [1, 2], "uses_recipient_zones": True}
    times = {"schedule": "2999-01-01 09:00", "start_within_seconds": 60.0, "expire": "2999-01-02 09:00"}
    source_id = draft(**limits, **hours, **times, time_zone="America/Manaus")
    add_recipients(house, source_id, write(ANA), Reading(), actor=TESTER)
    result = copy_campaign(house, source_id, name="Again", actor=TESTER)
    source, copy = read_campaign(house, source_id), read_campaign(house, result.id)
    for column in ("template_name", "parameters", "columns", "time_zone", "max_per_person", "within_days", "weekdays"):
        assert getattr(copy, column) == getattr(source, column)
    for column in ("interval_seconds", "pause_after", "pause_seconds", "window_from", "window_to", "holidays"):
        assert getattr(copy, column) == getattr(source, column)
    assert (copy.name, copy.status, copy.recipient_count, copy.counts) == ("Again", "draft", 0, {})
    assert (copy.scheduled_at, copy.start_within_seconds, copy.expire_at) == (None, None, None)
    assert fetch(house, "SELECT account_id FROM campaign_accounts WHERE campaign_id = %s", result.id) == [1]
    assert fetch(house, "SELECT campaign_id FROM leases WHERE campaign_id = %s", result.id) == [result.id]


def test_a_copy_of_an_ended_campaign_takes_the_people_of_some_statuses(house, sale):
    lifecycle.start_campaigns(house, [sale], actor=TESTER)
    fetch(
        house,
        "UPDATE messages SET status = 'failed', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1,"
        " failed_at = now(), error_title = 'No' WHERE phone = ANY (%s)",
        [ANA, CAIO],
    )
    lifecycle.cancel_campaigns(house, [sale], actor=TESTER)
    failed = copy_campaign(house, sale, name="Again", statuses=[Status.FAILED], actor=TESTER).id
    assert list_phones(house, failed) == [ANA, CAIO]
    assert (read_campaign(house, failed).recipient_count, read_campaign(house, failed).counts) == (2, {"pending": 2})
    both = copy_campaign(house, sale, name="Again", statuses=[Status.FAILED, Status.CANCELLED], actor=TESTER).id
    assert list_phones(house, both) == [ANA, BIA, CAIO]
    variables = fetch(house, "SELECT variables FROM messages WHERE campaign_id = %s", both)
    assert variables == [["Someone"]] * 3
    assert lifecycle.start_campaigns(house, [both], actor=TESTER)[0].new == "pending"


def test_a_copy_and_an_export_of_cancelled_people_miss_nobody(house, sale, monkeypatch):
    """The page of a campaign cancels messages for two seconds, and leaves the rest to `campaigns.reconcile`."""
    lifecycle.start_campaigns(house, [sale], actor=TESTER)
    monkeypatch.setattr(campaigns, "_CANCELLED_AT_ONCE", 1)
    lifecycle.cancel_campaigns(house, [sale], actor=TESTER, seconds=0)
    assert fetch(house, "SELECT count(*) FROM messages WHERE status = 'pending'") == [2]
    exported = export_campaign(house, sale, actor=TESTER, statuses=[Status.CANCELLED])
    assert [row[0] for page in exported.pages for row in page] == [ANA, BIA, CAIO]
    fetch(house, "UPDATE messages SET status = 'pending' WHERE phone = %s", CAIO)
    copy = copy_campaign(house, sale, name="Again", statuses=[Status.CANCELLED], actor=TESTER).id
    assert list_phones(house, copy) == [ANA, BIA, CAIO]


def test_a_copy_with_people_keeps_the_zones_of_their_phones(house, draft, write):
    source_id = draft()
    add_recipients(house, source_id, write(RIO_BRANCO, SAO_PAULO), Reading(), actor=TESTER)
    copy_id = copy_campaign(house, source_id, name="Again", statuses=[Status.PENDING], actor=TESTER).id
    zones = (
        "SELECT m.phone, z.names FROM messages m JOIN campaign_zones z ON z.campaign_id = m.campaign_id"
        " AND z.id = m.zone_id WHERE m.campaign_id = %s ORDER BY m.id"
    )
    assert fetch(house, zones, copy_id) == fetch(house, zones, source_id)
    assert len(fetch(house, zones, copy_id)) == 2


def test_a_copy_has_the_zones_of_its_people_also_if_people_are_added_meanwhile(house, draft, write):
    source_id = draft()
    add_recipients(house, source_id, write(RIO_BRANCO), Reading(), actor=TESTER)

    def add_more(connection):
        connection.execute("LOCK TABLE messages")
        zone = "INSERT INTO campaign_zones (campaign_id, id, names) VALUES (%s, 2, 'America/Sao_Paulo')"
        connection.execute(zone, [source_id])
        message = (
            "INSERT INTO messages (campaign_id, phone, recipient_key, zone_id, variables)"
            " VALUES (%s, %s, %s, 2, '{Someone}')"
        )
        connection.execute(message, [source_id, SAO_PAULO, SAO_PAULO])

    adding, may_commit = hold(house, add_more)
    copying = Beside(copy_campaign, house, source_id, name="Again", statuses=[Status.PENDING], actor=TESTER)
    await_blocked(house)
    may_commit.set()
    adding.result()
    lost = (
        "SELECT m.phone FROM messages m WHERE m.campaign_id = %s AND NOT EXISTS"
        " (SELECT FROM campaign_zones z WHERE z.campaign_id = m.campaign_id AND z.id = m.zone_id)"
    )
    assert fetch(house, lost, copying.result().id) == []


def test_people_of_a_campaign_that_changes_meanwhile_are_not_copied(house, draft, sale):
    source = house.run(lock_campaign, sale)
    fetch(house, "UPDATE campaigns SET columns = '{1,2}' WHERE id = %s", sale)
    with pytest.raises(Refusal) as caught:
        house.run(
            copy_from, source, "Again", [Status.PENDING], TESTER, quiet_hours=None, secret_key=KEY, draft_key=None
        )
    assert (caught.value.code, caught.value.kind) == ("copied_while_changed", "conflict")
    assert fetch(house, "SELECT id FROM campaigns") == [sale]


def test_a_copy_tells_how_many_people_it_has(house, sale):
    assert copy_campaign(house, sale, name="Again", statuses=[Status.PENDING], actor=TESTER).copied_count == 3
    assert copy_campaign(house, sale, name="Again", statuses=[Status.FAILED], actor=TESTER).copied_count == 0
    assert copy_campaign(house, sale, name="Again", actor=TESTER).copied_count == 0


@pytest.mark.parametrize(("category", "hours"), [("MARKETING", (8, 20)), ("UTILITY", (None, None))])
def test_a_copy_without_a_window_gets_the_quiet_hours_if_it_is_marketing_now(house, sale, category, hours):
    fetch(house, "UPDATE templates SET category = %s", category)
    result = copy_campaign(house, sale, name="Again", quiet_hours=QUIET, actor=TESTER)
    row = read_campaign(house, result.id)
    assert (row.window_from and row.window_from.hour, row.window_to and row.window_to.hour) == hours
    assert row.uses_recipient_zones is (category == "MARKETING")
    assert result.quiet_hours == (QUIET if category == "MARKETING" else None)


def test_a_copy_keeps_its_window_instead_of_the_quiet_hours(house, draft):
    source_id = draft(window=(dt.time(9), dt.time(18)))
    result = copy_campaign(house, source_id, name="Again", quiet_hours=QUIET, actor=TESTER)
    assert (read_campaign(house, result.id).window_from, result.quiet_hours) == (dt.time(9), None)


def test_a_copy_has_nobody_who_was_forgotten(house, sale):
    forget(house, BIA, secret_key=KEY, actor=TESTER)
    copy_id = copy_campaign(house, sale, name="Again", statuses=list(Status), secret_key=KEY, actor=TESTER).id
    assert list_phones(house, copy_id) == [ANA, CAIO]


def test_people_who_do_not_fit_an_edited_template_are_not_copied(house, sale):
    fetch(
        house,
        "UPDATE templates SET components = (SELECT components FROM templates WHERE name = 'offer')"
        " WHERE name = 'promo'",
    )
    assert (
        refusal(copy_campaign, house, sale, name="Again", statuses=[Status.PENDING], actor=TESTER)
        == "recipients_misfit"
    )
    assert fetch(house, "SELECT id FROM campaigns") == [sale]
    # Without people, the plan takes the edited template.
    copy_id = copy_campaign(house, sale, name="Again", actor=TESTER).id
    assert read_campaign(house, copy_id).columns == ["1", "2"]
