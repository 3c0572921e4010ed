"""A draft gets the people of an earlier campaign of whom the evidence says what a person asks for."""

from __future__ import annotations

import datetime as dt

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.failures import LEFT_AUDIENCE
from campaigns.domain.message import Status
from campaigns.domain.statement import Refusal
from campaigns.management.accounts import add_template
from campaigns.management.campaigns import CampaignChanges
from campaigns.management.drafts.audiences import Audience, count_audience, create_from_audience, fill_draft
from campaigns.management.drafts.imports import add_recipients, replace_recipients
from campaigns.management.drafts.starts import look_before_start
from campaigns.management.recipients import Reading
from campaigns.privacy.erasure import forget
from campaigns.secrets import make_key
from campaigns.store.recipients import list_audiences
from tests.management.drafts.lists import ANA, BIA, CAIO, DORA
from tests.store.rows import add_campaign, add_message, claim, fetch, read_message
from tests.store.rows import add_template as add_row
from tests.store.rows import take as take_lease
from tests.support.actors import TESTER
from tests.support.campaigns import list_phones, read_campaign, refusal

KEY = make_key()
OTHER = "+5511999990099"


@pytest.fixture
def source(house):
    """A completed campaign: Ana has read, Bia got, Caio answered, Dora failed, one is uncertain, and one waits."""
    template_id = fetch(house, "SELECT id FROM templates WHERE name = 'promo'")[0]

    def make(connection):
        campaign_id = add_campaign(
            connection, "completed", accounts=[1], name="May", template_id=template_id, columns=["1"]
        )
        replied = {"replied_at": dt.datetime.now(dt.UTC)}
        got = {"delivered_at": "2026-10-01T12:01Z"}
        add_message(connection, campaign_id, "read", phone=ANA, variables=["Ana"], read_at="2026-10-02T12:00Z", **got)
        add_message(connection, campaign_id, "delivered", phone=BIA, variables=["Bia"], **got)
        add_message(connection, campaign_id, "read", phone=CAIO, variables=["Caio"], **got, **replied)
        add_message(connection, campaign_id, "failed", phone=DORA, variables=["Dora"])
        add_message(connection, campaign_id, "suppressed", variables=["Eva"])
        add_message(connection, campaign_id, "pending", variables=["Fabio"])
        return campaign_id

    return house.run(make)


@pytest.fixture
def take(house):
    """Makes a draft with people of an earlier campaign."""

    def take_some(source_id, who, *, uncertain=None, **changes):
        asked = {"name": "June", "template": "promo:en", "accounts": ["sales"]} | changes
        return create_from_audience(
            house,
            CampaignChanges(**asked),
            Audience(source_id, who, uncertain),
            time_zone="UTC",
            actor=TESTER,
            secret_key=KEY,
        )

    return take_some


@pytest.mark.parametrize(
    ("who", "phones"),
    [
        ("delivered", [ANA, BIA, CAIO]),
        ("delivered, no reply", [ANA, BIA]),
        ("delivered, not read", [BIA]),
        ("not read", [BIA, DORA]),
        ("replied", [CAIO]),
        ("failed", [DORA]),
        ("failed 131026", [DORA]),
        ("read before 1 hour", [ANA]),
    ],
)
def test_a_draft_gets_the_people_who_fit_with_their_values(house, source, take, who, phones):
    fetch(house, "UPDATE messages SET read_at = '2026-10-02T12:00Z' WHERE phone = %s RETURNING 1", ANA)
    result = take(source, who)
    assert list_phones(house, result.id) == phones
    assert (result.copied_count, read_campaign(house, result.id).counts) == (len(phones), {"pending": len(phones)})
    assert read_campaign(house, result.id).recipient_count == len(phones)
    names = {ANA: "Ana", BIA: "Bia", CAIO: "Caio", DORA: "Dora"}
    values = fetch(house, "SELECT variables FROM messages WHERE campaign_id = %s ORDER BY id", result.id)
    assert values == [[names[each]] for each in phones]
    assert count_audience(house, source, who).count == len(phones)


def test_times_choose_people(house, source, take):
    fetch(house, "UPDATE messages SET delivered_at = now() - interval '1 hour' WHERE phone = %s RETURNING 1", BIA)
    assert list_phones(house, take(source, "delivered within 2 hours").id) == [BIA]
    assert refusal(take, source, "delivered before 2 hours, not read") == "audience_empty"


def test_the_draft_says_where_its_people_come_from(house, source, take):
    campaign_id = take(source, " Delivered,NO reply").id
    row = house.run(list_audiences, [campaign_id])[campaign_id]
    assert (row.source_id, row.source_name, row.conditions) == (source, "May", "delivered, no reply")
    assert (row.recipient_count, row.uncertain_count) == (2, 0)
    after = fetch(house, "SELECT after FROM audit_events WHERE what = 'campaign.import'")[0]
    assert after == {"source_id": source, "who": "delivered, no reply", "recipient_count": 2, "uncertain_count": 0}


def test_values_come_by_their_names_and_for_all_from_the_earlier_campaign(house, source, take):
    add_template(house, "club", language="en", body="{{name}}, {{city}}, {{gift}}!", actor=TESTER)
    assert refusal(take, source, "read", template="club:en") == "audience_values_missing"
    fetch(
        house,
        "UPDATE campaigns SET columns = '{city,name}', parameters = %s WHERE id = %s RETURNING 1",
        Jsonb({"gift": "mug"}),
        source,
    )
    fetch(house, "UPDATE messages SET variables = '{Rio,Ana}' WHERE campaign_id = %s RETURNING 1", source)
    campaign_id = take(source, "read, no reply", template="club:en").id
    assert fetch(house, "SELECT variables FROM messages WHERE campaign_id = %s", campaign_id) == [["Ana", "Rio", "mug"]]
    given = take(source, "read, no reply", template="club:en", parameters={"gift": "pen"}).id
    assert fetch(house, "SELECT variables FROM messages WHERE campaign_id = %s", given) == [["Ana", "Rio"]]


def test_numbers_of_another_template_are_warned_of(house, source, take):
    add_template(house, "other", language="en", body="Bye {{1}}!", actor=TESTER)
    for template, is_other in (("other:en", True), ("promo:en", False)):
        made = take(source, "read", template=template)
        (look,) = look_before_start(house, [made.id], quiet=None, overlap_days=7)
        for warnings in (made.warnings, look.warnings):
            assert ("audience_values_by_number" in [each.code for each in warnings]) == is_other


def test_ends_of_other_links_are_refused(house, source, take):
    for name, address in (("shop", "https://shop.example/{{1}}"), ("club", "https://club.example/{{1}}")):
        button = {"type": "URL", "text": "Go", "url": address}
        components = Jsonb([{"type": "BODY", "text": "Hi"}, {"type": "BUTTONS", "buttons": [button]}])
        house.run(add_row, name=name, language="en", components=components, status="approved")
    fetch(
        house,
        "UPDATE campaigns SET columns = '{button 1}', template_id = (SELECT id FROM templates WHERE name = 'shop')"
        " WHERE id = %s RETURNING 1",
        source,
    )
    assert refusal(take, source, "read", template="club:en") == "audience_links_differ"
    assert take(source, "read", template="shop:en").copied_count == 2


def test_a_missing_value_is_named(source, take):
    with pytest.raises(Refusal) as refused:
        take(source, "read", template="offer:en")
    assert (refused.value.code, refused.value.values["missing"]) == ("audience_values_missing", ["2"])


def test_people_whose_message_is_uncertain_need_a_number(house, source, take):
    house.run(add_message, source, "uncertain", phone=OTHER, variables=["Gil"])
    assert count_audience(house, source, "not read").uncertain_count == 1
    assert refusal(take, source, "not read") == "audience_uncertain"
    assert refusal(take, source, "not read", uncertain=0) == "audience_uncertain"
    assert list_phones(house, take(source, "not read, not uncertain").id) == [BIA, DORA]
    campaign_id = take(source, "not read", uncertain=1).id
    assert list_phones(house, campaign_id) == [BIA, DORA, OTHER]
    assert house.run(list_audiences, [campaign_id])[campaign_id].uncertain_count == 1
    assert fetch(house, "SELECT count(*) FROM campaigns WHERE name = 'June'") == [2]


def test_erased_and_forgotten_people_stay_out(house, source, take):
    forget(house, ANA, secret_key=KEY, actor=TESTER)
    assert list_phones(house, take(source, "read").id) == [CAIO]


def test_a_standing_campaign_takes_no_audience(source, take):
    assert refusal(take, source, "read", is_standing=True) == "import_into_standing"


def test_what_cannot_be_a_source_is_refused(house, source, take, sale):
    assert refusal(take, sale, "read") == "audience_source_unsent"
    assert refusal(take, 999, "read") == "campaign_missing"
    assert refusal(take, source, "opened") == "audience_unreadable"
    assert refusal(take, source, "uncertain", uncertain=9) == "audience_empty"
    assert refusal(count_audience, house, sale, "read") == "audience_source_unsent"
    own = Audience(sale, "read")
    assert refusal(fill_draft, house, sale, own, actor=TESTER) == "audience_of_itself"
    assert refusal(fill_draft, house, source, Audience(take(source, "read").id, "read"), actor=TESTER) in {
        "audience_source_unsent",
        "audience_after_start",
    }
    assert fetch(house, "SELECT count(*) FROM audiences") == [1]


def test_a_draft_changes_its_people_for_those_of_an_earlier_campaign_and_back(house, source, sale, write):
    result = fill_draft(house, sale, Audience(source, "replied"), actor=TESTER, secret_key=KEY)
    assert (result.replaced_count, list_phones(house, sale)) == (3, [CAIO])
    fill_draft(house, sale, Audience(source, "failed"), actor=TESTER, secret_key=KEY)
    assert list_phones(house, sale) == [DORA]
    replace_recipients(house, sale, write(ANA), Reading(), actor=TESTER)
    assert (list_phones(house, sale), house.run(list_audiences, [sale])) == ([ANA], {})


def run(database, campaign_id):
    fetch(
        database,
        "UPDATE campaigns SET status = 'running', started_at = now() WHERE id = %s RETURNING 1",
        campaign_id,
    )
    database.run(take_lease, campaign_id)


@pytest.mark.parametrize(
    ("who", "phone", "change"),
    [
        ("delivered, no reply", BIA, "replied_at = now()"),
        ("delivered, not read", BIA, "status = 'read', read_at = now()"),
        ("failed", DORA, "status = 'delivered', wamid = 'w', sent_at = now()"),
        ("failed", DORA, "status = 'pending', failed_at = NULL"),
        ("not read", BIA, "status = 'uncertain', error_title = 'lost'"),
    ],
)
def test_later_evidence_takes_a_person_out_before_the_claim(house, source, take, *, who, phone, change):
    campaign_id = take(source, who).id
    run(house, campaign_id)
    fetch(house, f"UPDATE messages SET {change} WHERE campaign_id = %s AND phone = %s RETURNING 1", source, phone)
    (message_id,) = fetch(house, "SELECT id FROM messages WHERE campaign_id = %s AND phone = %s", campaign_id, phone)
    claimed = house.run(claim, campaign_id, 1, accounts=[1] * 9)
    assert (claimed.suppressed_count, phone in [each.phone for each in claimed.messages]) == (1, False)
    row = read_message(house, message_id)
    assert (row["status"], row["error_title"], row["error_code"], row["send_no"]) == (
        *(Status.SUPPRESSED, LEFT_AUDIENCE, None, 0),
    )


def test_who_still_fits_is_sent_although_time_goes_on(house, source, take):
    campaign_id = take(source, "delivered before 1 hour, no reply").id
    run(house, campaign_id)
    fetch(house, "UPDATE messages SET wamid = 'other' WHERE campaign_id = %s RETURNING 1", source)
    assert len(house.run(claim, campaign_id, 1, accounts=[1] * 9).messages) == 2


def test_people_of_a_file_are_no_part_of_the_audience(house, source, take, write):
    campaign_id = take(source, "delivered, not read").id
    add_recipients(house, campaign_id, write(CAIO, columns="phone,1"), Reading(), actor=TESTER)
    run(house, campaign_id)
    assert [each.phone for each in house.run(claim, campaign_id, 1, accounts=[1] * 9).messages] == [BIA, CAIO]
