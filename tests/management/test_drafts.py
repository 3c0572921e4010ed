"""Drafts that get their people later, other people, or none: made, copied, filled, emptied and discarded."""

from __future__ import annotations

import datetime as dt

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.message import Status
from campaigns.domain.statement import Refusal
from campaigns.management import lifecycle
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import (
    CLEAR,
    CampaignChanges,
    change_campaign,
    create_campaign,
    draft_campaign,
    lock_campaign,
)
from campaigns.management.drafts.copies import copy_campaign, copy_from
from campaigns.management.drafts.discards import _discard, discard_draft
from campaigns.management.drafts.imports import add_recipients, replace_recipients
from campaigns.management.exports import export_campaign
from campaigns.management.recipients import Reading
from campaigns.management.test_sends import start_test
from campaigns.privacy.erasure import forget
from campaigns.secrets import make_key
from campaigns.store import campaigns
from campaigns.store.campaigns import insert_test, list_campaigns
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER

KEY = make_key()
ANA, BIA, CAIO, DORA = (f"+551199999000{number}" for number in range(1, 5))
# Acre and São Paulo, whose clocks differ.
RIO_BRANCO, SAO_PAULO = "+5568999990001", "+5511999990009"
QUIET = (dt.time(20), dt.time(8))


@pytest.fixture
def house(database):
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=KEY, actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    add_template(database, "offer", language="en", body="{{1}}, {{2}} off!", actor=TESTER)
    return database


@pytest.fixture
def write(tmp_path):
    def write_one(*phones, columns="phone,name"):
        file = tmp_path / "people.csv"
        row = ",Someone" * columns.count(",")
        file.write_text(f"{columns}\n" + "".join(f"{phone}{row}\n" for phone in phones))
        return file

    return write_one


@pytest.fixture
def draft(house):
    def draft_one(**changes):
        asked = {"name": "Sale", "template": "promo:en", "accounts": ["sales"]} | changes
        return draft_campaign(house, CampaignChanges(**asked), time_zone="UTC", actor=TESTER).id

    return draft_one


@pytest.fixture
def sale(house, write):
    """A draft to Ana, Bia and Caio, with one row rejected and one duplicate."""
    changes = CampaignChanges(name="Sale", template="promo:en", accounts=["sales"])
    return create_campaign(house, changes, write(ANA, BIA, CAIO, ANA, "12"), time_zone="UTC", actor=TESTER).id


def people(database, campaign_id):
    return fetch(database, "SELECT phone FROM messages WHERE campaign_id = %s ORDER BY id", campaign_id)


def read(database, campaign_id):
    (row,) = database.run(list_campaigns, [campaign_id])
    return row


def refusal(work, *arguments, **named):
    with pytest.raises(Refusal) as caught:
        work(*arguments, **named)
    return caught.value.code


def test_a_draft_without_people_cannot_start_until_it_has_some(house, draft, write):
    campaign_id = draft()
    assert (read(house, campaign_id).status, people(house, campaign_id)) == ("draft", [])
    assert refusal(lifecycle.start_campaigns, house, [campaign_id], actor=TESTER) == "start_without_recipients"
    add_recipients(house, campaign_id, write(ANA, BIA), Reading(), actor=TESTER)
    (move,) = lifecycle.start_campaigns(house, [campaign_id], actor=TESTER)
    assert (move.new, people(house, campaign_id)) == ("pending", [ANA, BIA])


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
    row = read(house, campaign_id)
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
        row = read(house, campaign_id)
        assert (row.window_from, row.uses_recipient_zones) == chosen


def test_a_draft_that_becomes_marketing_with_its_accounts_gets_the_quiet_hours(house):
    fetch(house, "UPDATE templates SET category = 'UTILITY' WHERE name = 'promo'")
    changes = CampaignChanges(name="Sale", template="promo:en")
    campaign_id = draft_campaign(house, changes, time_zone="UTC", quiet_hours=QUIET, actor=TESTER).id
    assert read(house, campaign_id).window_from is None
    change_campaign(
        house, campaign_id, CampaignChanges(template="offer:en", accounts=["sales"]), quiet_hours=QUIET, actor=TESTER
    )
    assert read(house, campaign_id).window_from == dt.time(8)


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


def test_a_draft_without_people_takes_a_template_with_other_variables(house, draft, write):
    campaign_id = draft()
    change_campaign(house, campaign_id, CampaignChanges(template="offer:en"), actor=TESTER)
    assert read(house, campaign_id).columns == ["1", "2"]
    add_recipients(house, campaign_id, write(ANA, columns="phone,name,off"), Reading(), actor=TESTER)
    assert (
        refusal(change_campaign, house, campaign_id, CampaignChanges(template="promo:en"), actor=TESTER)
        == "recipients_misfit"
    )


def add_stored(database, name, *components, waba="1", language="en"):
    row = "INSERT INTO templates (name, language, components, waba_id) VALUES (%s, %s, %s, %s)"
    fetch(database, row, name, language, Jsonb(list(components)), waba)


def body(text):
    return {"type": "BODY", "text": text}


def link(url):
    return {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "See", "url": url}]}


@pytest.mark.parametrize(
    ("bodies", "fits"),
    [
        (("Hi {{name}}, use {{code}}", "Code {{code}} for {{name}}"), False),
        (("Hi {{name}}, use {{code}}", "{{code}} until {{date}}"), False),
        (("Hi {{name}}, use {{code}}", "{{name}} until {{date}}"), False),
        (("Hi {{name}}, use {{code}}", "Hello {{name}}: {{code}}!"), True),
        (("Hi {{name}}, use {{code}}", "Hi {{first_name}}, use {{coupon}}"), True),
        (("Hi {{1}}, use {{2}}", "Hi {{name}}, use {{code}}"), True),
    ],
)
def test_values_go_to_another_template_only_under_the_same_or_all_new_names(house, draft, write, bodies, fits):
    for name, text in zip(("old", "new"), bodies, strict=True):
        add_template(house, name, language="en", body=text, actor=TESTER)
    campaign_id = draft(template="old:en")
    columns = ",".join(["phone", *read(house, campaign_id).columns])
    add_recipients(house, campaign_id, write(ANA, columns=columns), Reading(), actor=TESTER)
    change = CampaignChanges(template="new:en")
    if fits:
        change_campaign(house, campaign_id, change, actor=TESTER)
    else:
        assert refusal(change_campaign, house, campaign_id, change, actor=TESTER) == "recipients_misfit"


def test_a_name_that_moves_from_the_header_to_the_body_does_not_take_the_value_of_the_other(house, draft, write):
    def header(text):
        return {"type": "HEADER", "format": "TEXT", "text": text}

    add_stored(house, "old", header("For {{name}}"), body("Use {{code}}"))
    add_stored(house, "new", header("Use {{code}}"), body("For {{name}}"))
    campaign_id = draft(template="old:en")
    add_recipients(house, campaign_id, write(ANA, columns="phone,name,code"), Reading(), actor=TESTER)
    assert (
        refusal(change_campaign, house, campaign_id, CampaignChanges(template="new:en"), actor=TESTER)
        == "recipients_misfit"
    )


def test_ends_of_links_are_not_sent_behind_another_beginning(house, draft, write):
    add_stored(house, "old", body("Hi"), link("https://shop.example/{{1}}"))
    add_stored(house, "same", body("Hello"), link("https://shop.example/{{1}}"))
    add_stored(house, "new", body("Hi"), link("https://other.example/a/{{1}}"))
    campaign_id = draft(template="old:en")
    add_recipients(house, campaign_id, write(ANA, columns="phone,button 1"), Reading(), actor=TESTER)
    assert (
        refusal(change_campaign, house, campaign_id, CampaignChanges(template="new:en"), actor=TESTER) == "links_differ"
    )
    change_campaign(house, campaign_id, CampaignChanges(template="same:en"), actor=TESTER)


def test_a_value_for_all_may_go_behind_another_beginning(house, draft, write):
    add_stored(house, "old", body("Hi {{1}}"), link("https://shop.example/{{1}}"))
    add_stored(house, "new", body("Hi {{1}}"), link("https://other.example/{{1}}"))
    campaign_id = draft(template="old:en", parameters={"button 1": "sale"})
    add_recipients(house, campaign_id, write(ANA), Reading(), actor=TESTER)
    change_campaign(house, campaign_id, CampaignChanges(template="new:en"), actor=TESTER)


def test_accounts_whose_wabas_have_other_beginnings_of_a_link_share_no_campaign(house, draft):
    add_account(house, "agency", phone_number_id="2", waba_id="2", token="t", secret_key=KEY, actor=TESTER)
    for waba, url in (("1", "https://shop.example/{{1}}"), ("2", "https://agency.example/{{1}}")):
        add_stored(house, "see", body("Hi"), link(url), waba=waba)
        add_stored(house, "plain", body("Hi"), link(url.partition("{{")[0]), waba=waba)
    assert refusal(draft, template="see:en", accounts=["sales", "agency"]) == "template_differs"
    draft(template="plain:en", accounts=["sales", "agency"])


def test_other_people_take_the_place_of_those_of_a_draft(house, sale, write):
    result = replace_recipients(house, sale, write(DORA, "13"), Reading(), actor=TESTER)
    assert (result.imported.counts.recipient_count, people(house, sale)) == (1, [DORA])
    row = read(house, sale)
    assert (row.recipient_count, row.duplicate_count, row.rejected_count, row.counts) == (1, 0, 1, {"pending": 1})
    assert fetch(house, "SELECT reason FROM import_errors WHERE campaign_id = %s AND row_number <> 3", sale) == []
    assert len(fetch(house, "SELECT id FROM imports WHERE campaign_id = %s", sale)) == 1


def test_a_draft_without_people_after_a_replacement_takes_any_template(house, sale, write):
    replace_recipients(house, sale, write("12"), Reading(), actor=TESTER)  # a file whose only row is rejected
    assert people(house, sale) == []
    change_campaign(house, sale, CampaignChanges(template="offer:en"), actor=TESTER)


def test_a_file_that_cannot_be_read_leaves_the_people_of_the_draft(house, sale, write):
    before = read(house, sale)
    assert refusal(replace_recipients, house, sale, write(DORA, columns="what,name"), Reading(), actor=TESTER)
    assert people(house, sale) == [ANA, BIA, CAIO]
    after = read(house, sale)
    assert (after.counts, after.recipient_count, after.rejected_count) == (before.counts, 3, before.rejected_count)


@pytest.mark.parametrize("is_paused", [False, True])
def test_only_a_draft_lets_its_people_be_replaced_or_itself_be_discarded(house, sale, write, is_paused):
    lifecycle.start_campaigns(house, [sale], actor=TESTER)
    if is_paused:
        lifecycle.pause_campaigns(house, [sale], actor=TESTER)
    assert refusal(replace_recipients, house, sale, write(DORA), Reading(), actor=TESTER) == "replace_after_start"
    assert refusal(discard_draft, house, sale, actor=TESTER) == "discard_after_start"
    assert people(house, sale) == [ANA, BIA, CAIO]


def test_a_campaign_that_does_not_exist_is_neither_filled_nor_copied_nor_discarded(house, write):
    assert refusal(replace_recipients, house, 7, write(ANA), Reading(), actor=TESTER) == "campaign_missing"
    assert refusal(copy_campaign, house, 7, name="Again", actor=TESTER) == "campaign_missing"
    assert refusal(discard_draft, house, 7, actor=TESTER) == "campaign_missing"


def test_a_copy_has_the_plan_but_no_people_and_no_times(house, draft, write):
    limits = {"max_per_person": 2, "within_days": 7, "pause_after": 5, "pause_seconds": 60.0, "interval_seconds": 2.0}
    hours = {"window": (dt.time(9), dt.time(18)), "weekdays": [1, 2], "uses_recipient_zones": True}
    times = {"schedule": "2999-01-01 09:00", "start_within_seconds": 60.0, "expire": "2999-01-02 09:00"}
    source_id = draft(**limits, **hours, **times, time_zone="America/Manaus")
    add_recipients(house, source_id, write(ANA), Reading(), actor=TESTER)
    result = copy_campaign(house, source_id, name="Again", actor=TESTER)
    source, copy = read(house, source_id), read(house, result.id)
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
    assert people(house, failed) == [ANA, CAIO]
    assert (read(house, failed).recipient_count, read(house, failed).counts) == (2, {"pending": 2})
    both = copy_campaign(house, sale, name="Again", statuses=[Status.FAILED, Status.CANCELLED], actor=TESTER).id
    assert people(house, both) == [ANA, BIA, CAIO]
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
    assert people(house, copy) == [ANA, BIA, CAIO]


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
    row = read(house, result.id)
    assert (row.window_from and row.window_from.hour, row.window_to and row.window_to.hour) == hours
    assert row.uses_recipient_zones is (category == "MARKETING")
    assert result.quiet_hours == (QUIET if category == "MARKETING" else None)


def test_a_copy_keeps_its_window_instead_of_the_quiet_hours(house, draft):
    source_id = draft(window=(dt.time(9), dt.time(18)))
    result = copy_campaign(house, source_id, name="Again", quiet_hours=QUIET, actor=TESTER)
    assert (read(house, result.id).window_from, result.quiet_hours) == (dt.time(9), None)


def test_a_copy_has_nobody_who_was_forgotten(house, sale):
    forget(house, BIA, secret_key=KEY, actor=TESTER)
    copy_id = copy_campaign(house, sale, name="Again", statuses=list(Status), secret_key=KEY, actor=TESTER).id
    assert people(house, copy_id) == [ANA, CAIO]


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
    assert read(house, copy_id).columns == ["1", "2"]


def test_a_discarded_draft_leaves_no_row(house, sale, draft):
    other_id = draft()
    discard_draft(house, sale, actor=TESTER)
    assert fetch(house, "SELECT id FROM campaigns") == [other_id]
    for table in ("messages", "tallies", "imports", "import_errors", "campaign_zones"):
        assert fetch(house, f"SELECT campaign_id FROM {table}") == [], table
    for table in ("leases", "campaign_accounts"):
        assert fetch(house, f"SELECT campaign_id FROM {table}") == [other_id], table


def test_a_draft_that_was_tested_is_kept_and_can_be_cancelled(house, sale):
    test_id = start_test(house, sale, [DORA], actor=TESTER)
    assert refusal(discard_draft, house, sale, actor=TESTER) == "discard_with_tests"
    assert fetch(house, "SELECT id FROM campaigns ORDER BY id") == [sale, test_id]
    assert lifecycle.cancel_campaigns(house, [sale], actor=TESTER)[0].new == "cancelled"


def test_a_test_that_is_made_at_the_same_time_is_kept(house, sale):
    testing, may_commit = hold(house, insert_test, sale, [DORA], "test")
    discarding = Beside(discard_draft, house, sale, actor=TESTER)
    await_blocked(house)
    may_commit.set()
    test_id = testing.result()
    assert refusal(discarding.result) == "discard_with_tests"
    assert people(house, test_id) == [DORA]


def test_a_test_of_a_draft_that_is_being_discarded_is_refused(house, sale):
    discarding, may_commit = hold(house, _discard, sale, TESTER)
    testing = Beside(start_test, house, sale, [DORA], actor=TESTER)
    await_blocked(house)
    may_commit.set()
    discarding.result()
    assert refusal(testing.result) == "campaign_missing"
