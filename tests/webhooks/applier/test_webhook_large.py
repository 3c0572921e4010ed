"""Bodies of up to 3 MB: their cost is linear, and nothing of them is lost."""

from __future__ import annotations

import json

import pytest

from tests.store.rows import add_account, add_campaign, add_message, fetch, make_report, make_reports, receive
from tests.webhooks.webhook_bodies import AT, PHONE_NUMBER_ID, make_body, make_status, make_value
from webhooks.applier import apply
from webhooks.applier.parse import parse_event
from webhooks.applier.people import MAX_CONNECTED, People

MEGABYTE = 1_000_000


def stop(user_id=None, number=None, **more):
    return {
        "from": number,
        "from_user_id": user_id,
        "type": "text",
        "text": {"body": "STOP"},
        "timestamp": str(AT),
        **more,
    }


def contact(number, user_id):
    return {"wa_id": number, "user_id": user_id}


def change(old, new):
    return {"user_id": {"previous": old, "current": new}, "timestamp": str(AT)}


@pytest.mark.parametrize(
    "frame",
    [
        {"time": "9" * 60_000},
        {"time": list(range(10_000))},
        {"time": {"a": "x" * 60_000}},
        {"changes_of": "x" * 60_000},
    ],
    ids=["text", "list", "object", "unknown key"],
)
@pytest.mark.parametrize("field", ["messages", "user_preferences", "statuses"])
def test_the_frame_of_an_entry_is_not_copied_into_its_pieces(frame, field):
    if field == "user_preferences":
        value = {field: [{"wa_id": "5511900000001", "value": "stop", "timestamp": str(AT)}] * 150}
        body = make_body(value, field, **frame)
    elif field == "messages":
        body = make_body(make_value(messages=[stop(number="5511900000001")] * 150), **frame)
    else:
        body = make_body(make_value(*[make_status()] * 150), **frame)
    parsed = parse_event(body)
    assert parsed.piece_count == 150
    assert sum(map(len, parsed.list_pieces())) < 4 * len(body)


def test_a_number_as_the_time_of_an_entry_stays_with_its_pieces():
    parsed = parse_event(make_body(make_value(messages=[stop(number="5511900000001")]), time=AT))
    assert json.loads(parsed.rewrap_optout(0))["entry"][0]["time"] == AT


def test_more_statuses_than_a_set_may_have_are_applied_in_several_sets(database, monkeypatch):
    monkeypatch.setattr(apply, "MAX_PIECES", 10)
    account_id = database.run(add_account, phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    ids = [database.run(add_message, campaign_id, "sent", account_id=account_id) for _ in range(35)]
    statuses = [make_report(database, message_id) for message_id in ids]
    value = make_value(*statuses, messages=[stop(number="5511977770001")])
    applied = receive(database, make_body(value))
    assert fetch(database, "SELECT count(*) FROM messages WHERE status = 'delivered'") == [len(ids)]
    assert fetch(database, "SELECT count(*) FROM suppressions") == [1]
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]
    assert (applied.counts["statuses"], applied.counts["bodies for later"], applied.event_count) == (35, 4, 5)
    assert not applied.is_more_left


def test_bodies_that_are_taken_together_are_applied_in_transactions_of_bounded_size(database, monkeypatch):
    monkeypatch.setattr(apply, "_MAX_SET_PIECES", 5)
    account_id = database.run(add_account, phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    ids = [database.run(add_message, campaign_id, "sent", account_id=account_id) for _ in range(8)]
    bodies = [make_reports(*(make_report(database, each) for each in ids[first : first + 2])) for first in (0, 2, 4, 6)]
    applied = receive(database, *bodies)
    assert (applied.event_count, applied.counts) == (4, {"statuses": 8})
    assert fetch(database, "SELECT count(DISTINCT xmin::text) FROM messages WHERE status = 'delivered'") == [2]


def test_statuses_without_a_message_of_a_large_body_are_all_deferred(database, monkeypatch):
    monkeypatch.setattr(apply, "MAX_PIECES", 10)
    receive(database, make_reports(*[make_status(id=f"wamid.{n}", biz_opaque_callback_data=None) for n in range(35)]))
    assert fetch(database, "SELECT status, count(*) FROM webhook_events GROUP BY 1") == [("unmatched", 35)]


@pytest.mark.parametrize(
    "value",
    [
        {"contacts": [contact(str(5511900000000 + n), "BR.1") for n in range(MAX_CONNECTED)]},
        {"contacts": [contact("5511900000001", f"BR.{n}") for n in range(MAX_CONNECTED)]},
        {"user_id_update": [change(f"BR.{n}", f"BR.{n + 1}") for n in range(MAX_CONNECTED)]},
        {"user_id_update": [change("BR.0", f"BR.{n + 1}") for n in range(MAX_CONNECTED)]},
    ],
    ids=["numbers", "ids", "chain", "star"],
)
def test_a_crowd_is_no_person_and_its_body_is_set_aside_while_all_else_is_applied(database, value):
    other = contact("5511988880001", "BR.other")
    contacts = [*value.pop("contacts", []), other]
    body = make_body(make_value(messages=[stop("BR.1"), stop(number="5511977770001")], contacts=contacts, **value))
    people = parse_event(body).people
    assert people == People({("BR.other", "+5511988880001"): people.pairs["BR.other", "+5511988880001"]})
    receive(database, body)
    assert fetch(database, "SELECT user_id FROM user_ids") == ["BR.other"]
    assert fetch(database, "SELECT recipient_key FROM suppressions ORDER BY 1") == ["+5511977770001", "BR.1"]
    (aside,) = fetch(database, "SELECT reason FROM webhook_events WHERE status = 'set_aside'")
    assert aside == f"{MAX_CONNECTED + 1:,} numbers and user ids would belong to one person: they are not connected"


def test_a_group_of_the_greatest_size_is_kept():
    contacts = [contact(str(5511900000000 + n), "BR.1") for n in range(MAX_CONNECTED - 1)]
    parsed = parse_event(
        make_body(make_value(contacts=[*contacts, contact("5511988880001", "BR.2")], messages=[stop("BR.2")]))
    )
    assert len(parsed.people.pairs) == MAX_CONNECTED
    assert parsed.dead_letters == ()
