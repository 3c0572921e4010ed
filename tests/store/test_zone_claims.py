import pytest

from campaigns.domain.recipients import ReadColumns, Recipient
from campaigns.store.messages import claim_messages, find_next_times_by_zone
from campaigns.store.recipients import load_zones, stage_rows, write_staged
from tests.store.rows import add_campaign, count_claims, fetch, take

COLUMNS = ReadColumns(("phone",), 0, None, {})

SAO_PAULO, MANAUS, UNKNOWN = "+5511999990001", "+5592999990001", "+883510000001"


@pytest.fixture
def campaign_id(database):
    campaign_id = database.run(add_campaign)
    people = [Recipient(phone, []) for phone in (MANAUS, SAO_PAULO, UNKNOWN)]
    database.run(import_people, campaign_id, people)
    database.run(take, campaign_id)
    return campaign_id


def import_people(connection, campaign_id, people):
    stage_rows(connection, enumerate(people, 2))
    write_staged(connection, campaign_id, file_name="people.csv", file_sha256=b"", columns=COLUMNS)


def claim(database, campaign_id, open_zones):
    claims = database.run(count_claims, campaign_id, 1)
    claimed = database.run(claim_messages, claims, cursor=0, tokens={1: 10}, active=[1], open_zones=open_zones)
    return [message.phone for message in sorted(claimed.messages, key=lambda message: message.id)]


def zone_ids(database, campaign_id):
    return {names[0].split("/")[1]: zone_id for zone_id, names in database.run(load_zones, campaign_id).items()}


def test_an_import_notes_where_people_are(database, campaign_id):
    assert zone_ids(database, campaign_id).keys() == {"Manaus", "Sao_Paulo"}
    more = [Recipient("+5592999990002", []), Recipient("+5568999990001", [])]
    before = zone_ids(database, campaign_id)
    database.run(import_people, campaign_id, more)
    after = zone_ids(database, campaign_id)
    assert (after.keys() - before.keys(), after | before) == ({"Rio_Branco"}, after)


def test_only_people_whose_window_is_open_are_claimed(database, campaign_id):
    zones = zone_ids(database, campaign_id)
    assert claim(database, campaign_id, []) == []
    assert claim(database, campaign_id, [zones["Sao_Paulo"]]) == [SAO_PAULO]
    assert claim(database, campaign_id, [0]) == [UNKNOWN]
    assert database.run(find_next_times_by_zone, campaign_id).keys() == {zones["Manaus"]}
    assert claim(database, campaign_id, [0, *zones.values()]) == [MANAUS]
    assert database.run(find_next_times_by_zone, campaign_id) == {}


def test_a_released_message_waits_for_its_window_too(database, campaign_id):
    fetch(
        database,
        "UPDATE messages SET not_before = '2020-01-01Z', refused_by = CASE phone WHEN %s THEN '{2}'::bigint[] END",
        MANAUS,
    )
    assert claim(database, campaign_id, [0]) == [UNKNOWN]
    assert claim(database, campaign_id, [0, zone_ids(database, campaign_id)["Manaus"]]) == [MANAUS]


def test_without_zones_all_are_claimed_in_their_order(database, campaign_id):
    assert claim(database, campaign_id, None) == [MANAUS, SAO_PAULO, UNKNOWN]
