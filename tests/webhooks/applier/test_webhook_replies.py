"""A reply of a person is counted once for the message that it answers, and nothing that the person wrote is kept."""

import datetime as dt
import itertools
import random

import pytest

from campaigns.alerts import Alerts
from campaigns.config import read_settings
from campaigns.domain.message import Status
from campaigns.management.retries import retry_uncertain_messages
from campaigns.privacy.erasure import forget
from campaigns.secrets import make_key
from campaigns.store.events import insert_events
from campaigns.store.messages import merge_evidence
from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_message,
    receive,
    say,
)
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import AT, PHONE_NUMBER_ID, make_body, make_value
from webhooks.applier import apply
from webhooks.applier.apply import apply_events
from webhooks.applier.parse import parse_event

RUI, RUI_ID = "+5571987654321", "557187654321"  # Meta knows him without the ninth digit
USER_ID = "BR.88341208655302740001"
NOON = dt.datetime.fromtimestamp(AT, dt.UTC)
HOUR = 3600
SECRET = "my brother will call you about the invoice"


def write(seconds=0, /, **changes):
    message = {"from": RUI_ID, "id": "wamid.in", "timestamp": str(AT + seconds), "type": "text"}
    message |= {"text": {"body": SECRET}} | changes
    return {key: value for key, value in message.items() if value is not None}


def quote(wamid="wamid.out", seconds=0, /, **changes):
    return write(seconds, context={"from": "15550001111", "id": wamid}, **changes)


def inbound(*messages, number=PHONE_NUMBER_ID, **more):
    metadata = {"display_phone_number": "15550001111", "phone_number_id": number}
    return make_body({"messaging_product": "whatsapp", "metadata": metadata, "messages": list(messages), **more})


@pytest.fixture
def accounts(database):
    """The account that receives the replies, and another one."""
    return [database.run(add_account, phone_number_id=each) for each in (PHONE_NUMBER_ID, "500600701")]


@pytest.fixture
def send(database, accounts):
    """Adds a message to Rui that was sent some seconds before noon, in a campaign of its own."""

    def send(ago=HOUR, /, status="delivered", **columns):
        campaign_id = database.run(add_campaign, accounts=accounts)
        row = {"account_id": accounts[0], "phone": RUI, "claimed_at": NOON - dt.timedelta(seconds=ago)}
        if status in {"delivered", "sent"}:
            row |= {"wamid": "wamid.out"}
        return database.run(add_message, campaign_id, status, **row | columns)

    return send


def read_time(database, message_id):
    return read_message(database, message_id)["replied_at"]


def test_a_quoted_message_is_replied_to(database, send):
    message_id = send()
    assert receive(database, inbound(quote())).counts == {"replies": 1}
    row = read_message(database, message_id)
    assert (row["replied_at"], row["status"]) == (NOON, "delivered")
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]


@pytest.mark.parametrize(
    "message",
    [
        write(type="button", text=None, button={"payload": "more", "text": "Tell me more"}),
        write(type="interactive", text=None, interactive={"type": "list_reply", "list_reply": {"id": "1"}}),
        write(type="interactive", text=None, interactive={"type": "nfm_reply", "nfm_reply": {"response_json": "{}"}}),
        *(write(type=kind, text=None, **{kind: {"id": "1"}}) for kind in ("audio", "image", "sticker", "video")),
        write(type="location", text=None, location={"latitude": 1.0, "longitude": 1.0}),
        write(type="contacts", text=None, contacts=[]),
        write(type="unsupported", text=None, errors=[{"code": 131051}]),
        write(context={"forwarded": True}),
        write(**{"from": int(RUI_ID)}),
        write(timestamp=AT),
    ],
)
def test_whatever_a_person_writes_within_72_hours_answers_their_newest_message(database, send, message):
    message_id = send()
    receive(database, inbound(message))
    assert read_time(database, message_id) == NOON


@pytest.mark.parametrize(
    "message",
    [
        quote(type="reaction", text=None, reaction={"message_id": "wamid.out", "emoji": "👍"}),
        quote(type="system", text=None, system={"type": "customer_identity_changed", "body": "…"}),
        quote(type="edit", text=None, edit={"original_message_id": "wamid.in"}),
        quote(type="revoke", text=None, revoke={"original_message_id": "wamid.in"}),
        quote(type="request_welcome", text=None),
        quote(type=None),
        quote(type=["text"]),
        quote(group_id="120363000000000000"),
        write(referral={"source_type": "ad", "source_id": "1"}),
        quote(**{"from": "15550001111"}),  # an echo: our own number wrote it
        quote(timestamp="soon"),
        quote(timestamp=None),
        write(**{"from": None}),
        quote(**{"from": "a group"}),
        7,
        None,
        {},
    ],
)
def test_what_is_no_reply_is_ignored(database, send, message):
    message_id = send()
    applied = receive(database, inbound(message))
    assert applied.counts == {"ignored": 1}
    assert read_time(database, message_id) is None


def test_an_echo_of_the_business_app_is_no_reply(database, send):
    message_id = send()
    receive(database, make_body(make_value(message_echoes=[quote()]), field="smb_message_echoes"))
    receive(database, make_body(make_value(message_echoes=[quote()])))
    assert read_time(database, message_id) is None


@pytest.mark.parametrize(
    ("ago", "is_counted"),
    [(72 * HOUR, True), (72 * HOUR + 1, False), (1, True), (-30, True), (-10 * 60, False)],
)
def test_first_words_count_for_72_hours_after_the_message_was_sent(database, send, ago, is_counted):
    message_id = send(ago)
    receive(database, inbound(write()))
    assert (read_time(database, message_id) is not None) == is_counted


def test_a_quote_counts_however_late_it_is(database, send):
    message_id = send(30 * 24 * HOUR)
    receive(database, inbound(quote()))
    assert read_time(database, message_id) == NOON


def test_first_words_answer_the_newest_message_only(database, send):
    older, newest = send(5 * HOUR, wamid="wamid.1"), send(HOUR, wamid="wamid.2")
    assert receive(database, inbound(write(), write(60))).counts == {"replies": 2}
    assert receive(database, inbound(write(120))).counts == {"ignored": 1}
    assert (read_time(database, older), read_time(database, newest)) == (None, NOON)
    receive(database, inbound(quote("wamid.1", 180)))
    assert read_time(database, older) == NOON + dt.timedelta(seconds=180)


@pytest.mark.parametrize("status", ["pending", "suppressed", "expired", "cancelled", "failed"])
def test_a_message_that_was_not_sent_is_not_answered_by_words(database, send, status):
    message_id = send(status=status)
    assert receive(database, inbound(write())).counts == {"ignored": 1}
    assert read_time(database, message_id) is None


def test_words_to_another_number_or_by_another_person_answer_nothing(database, send):
    message_id = send()
    counts = receive(database, inbound(write(), number="500600701"), inbound(write(), number="999")).counts
    assert counts == {"ignored": 2}
    assert receive(database, inbound(write(**{"from": "5571900000000"}))).counts == {"ignored": 1}
    assert read_time(database, message_id) is None


def test_a_quote_of_a_message_that_we_did_not_send_has_no_effect(database, send):
    message_id = send()
    assert receive(database, inbound(quote("wamid.of.another.installation"))).counts == {"ignored": 1}
    assert read_time(database, message_id) is None
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]


@pytest.mark.parametrize("status", ["sending", "uncertain"])
def test_a_quote_that_comes_before_the_wamid_of_its_message_is_counted(database, send, status):
    other, message_id = send(2 * HOUR), send(status=status)
    receive(database, inbound(quote("wamid.unknown")))
    assert (read_time(database, other), read_time(database, message_id)) == (None, NOON)
    database.run(merge_evidence, [say(message_id, "sent", wamid="wamid.unknown", sent_at=NOON)])
    receive(database, make_reports(make_report(database, message_id, "read", id="wamid.unknown")))
    row = read_message(database, message_id)
    assert (row["status"], row["replied_at"]) == ("read", NOON)
    assert find_wrong_counters(database) == []


def test_any_order_and_any_copies_leave_the_time_of_the_first_reply(database, send):
    bodies = [inbound(quote("wamid.out", 30)), inbound(write(10)), inbound(write(20), write(10))]
    for order in itertools.permutations(bodies):
        message_id = send()
        receive(database, *order)
        receive(database, random.Random(1).choice(bodies))
        assert read_time(database, message_id) == NOON + dt.timedelta(seconds=10)
        fetch(database, "DELETE FROM messages")
    assert find_wrong_counters(database) == []


def test_one_person_who_writes_ten_times_counts_once(database, send):
    message_id = send()
    receive(database, *(inbound(quote("wamid.out", each)) for each in range(10)))
    campaign_id = read_message(database, message_id)["campaign_id"]
    assert fetch(database, "SELECT replied_count FROM tallies WHERE campaign_id = %s AND count > 0", campaign_id) == [1]


def test_an_opt_out_is_a_reply_too(database, send):
    message_id = send()
    counts = receive(database, inbound(write(text={"body": "SAIR"}))).counts
    assert counts == {"opt-outs": 1, "replies": 1}
    assert read_time(database, message_id) == NOON
    assert fetch(database, "SELECT recipient_key FROM suppressions") == [RUI]


@pytest.mark.parametrize("changes", [{"from": None}, {"from": USER_ID, "from_user_id": None}])
def test_a_person_with_only_a_user_id_replies_to_what_they_quote(database, send, changes):
    message_id = send()
    receive(database, inbound(quote(**{"from_user_id": USER_ID} | changes)))
    assert read_time(database, message_id) == NOON


def test_the_words_of_a_person_with_only_a_user_id_count_once_the_number_is_known(database, send):
    message_id = send()
    words = write(**{"from": None}, from_user_id=USER_ID)
    assert receive(database, inbound(words)).counts == {"ignored": 1}
    receive(database, inbound(words, contacts=[{"wa_id": RUI_ID, "user_id": USER_ID}]))
    assert read_time(database, message_id) == NOON
    other = send(60, wamid="wamid.2")
    receive(database, inbound(write(5, **{"from": None}, from_user_id=USER_ID)))
    assert read_time(database, other) == NOON + dt.timedelta(seconds=5)


def test_a_reply_does_not_bring_a_forgotten_person_back(database, send):
    message_id = send()
    receive(database, inbound(quote()))
    key = make_key()
    forget(database, RUI, secret_key=key, actor=TESTER)
    assert read_time(database, message_id) == NOON
    fetch(database, "UPDATE messages SET replied_at = NULL")
    chosen = read_settings({"REVOADA_SECRET_KEY": key})
    named = {"contacts": [{"wa_id": RUI_ID, "user_id": USER_ID}]}
    database.run(insert_events, [inbound(quote(), write(), **named)])
    assert apply_events(database, chosen, Alerts(None)).counts == {"ignored": 2}
    assert read_time(database, message_id) is None
    for table in ("messages", "suppressions", "user_ids", "webhook_events"):
        dump = fetch(database, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{RUI[-8:]}%")
        assert dump == [0], table


def test_nothing_of_what_a_person_wrote_is_kept(database, send, monkeypatch):
    send()
    monkeypatch.setattr(apply, "MAX_PIECES", 1)
    body = inbound(*(quote("wamid.out", each, profile={"name": SECRET}) for each in range(3)))
    assert SECRET.encode() not in b"".join(parse_event(body).list_pieces())
    receive(database, body)
    for table in ("messages", "webhook_events", "optout_reviews"):
        assert fetch(database, f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", f"%{SECRET}%") == [0], table


def test_the_replies_of_a_large_body_are_counted_piece_by_piece(database, send, monkeypatch):
    monkeypatch.setattr(apply, "MAX_PIECES", 2)
    ids = [send(HOUR, wamid=f"wamid.{each}") for each in range(5)]
    stop = quote("wamid.3", text={"body": "SAIR"})
    receive(database, inbound(*(quote(f"wamid.{each}") for each in (0, 1, 2)), stop, quote("wamid.4")))
    assert [read_time(database, each) for each in ids] == [NOON] * 5
    assert fetch(database, "SELECT count(*) FROM suppressions") == [1]


def test_a_reply_beside_a_status_that_postgres_refuses_is_counted(database, send, monkeypatch):
    def refuse(*_arguments):
        raise ValueError

    message_id = send(status="sent")
    monkeypatch.setattr(apply, "merge_evidence", refuse)
    body = make_body(make_value(make_report(database, message_id), messages=[quote()]))
    receive(database, body)
    receive(database)
    assert read_time(database, message_id) == NOON


def test_a_reply_changes_no_status_and_is_kept_when_the_message_is_retried(database, send):
    message_id = send(status="uncertain", wamid="wamid.out")
    receive(database, inbound(quote()))
    row = read_message(database, message_id)
    assert (row["status"], row["replied_at"]) == ("uncertain", NOON)
    campaign_id = row["campaign_id"]
    assert retry_uncertain_messages(database, campaign_id, actor=TESTER)
    assert read_message(database, message_id)["replied_at"] == NOON
    assert find_wrong_counters(database) == []


@pytest.mark.parametrize("status", list(Status))
def test_each_status_has_a_counter_of_its_replies(database, send, status):
    columns = {"wamid": "wamid.out"} if status > Status.SUPPRESSED else {}
    message_id = send(status=status.value, **columns)
    fetch(database, "UPDATE messages SET replied_at = now() WHERE id = %s", message_id)
    assert fetch(database, "SELECT status::text, count, replied_count FROM tallies") == [(status.value, 1, 1)]
    fetch(database, "DELETE FROM messages")
    assert find_wrong_counters(database) == []
