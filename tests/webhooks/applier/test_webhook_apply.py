import datetime as dt
import random
import threading

import psycopg
import pytest

from campaigns.config import Settings
from campaigns.domain.message import Write
from campaigns.domain.optout.recognition import StopRules
from campaigns.store.database import DatabaseUnavailable
from campaigns.store.events import insert_events, take_events
from campaigns.store.messages import merge_evidence
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import (
    Beside,
    add_account,
    add_campaign,
    add_message,
    allowing_only,
    fetch,
    find_wrong_counters,
    make_report,
    make_reports,
    read_message,
    receive,
    say,
)
from tests.webhooks.webhook_bodies import AT, PHONE_NUMBER_ID, WABA_ID, make_body, make_status, make_value
from webhooks.applier import apply

APPLY_TAKEN = apply._apply_taken
NOON = dt.datetime.fromtimestamp(AT, dt.UTC)


@pytest.fixture
def add(database):
    """Adds messages that the account with the number of the bodies has sent."""
    account_id = database.run(add_account, phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    return lambda status="sent", **columns: database.run(
        add_message, campaign_id, status, **{"account_id": account_id} | columns
    )


@pytest.fixture
def tell(database):
    """Reports of messages, as statuses."""
    return lambda message_id, status="delivered", send_no=1, **changes: make_report(
        database, message_id, status, send_no, **changes
    )


def make_due(database):
    fetch(database, "UPDATE webhook_events SET next_try_at = clock_timestamp()")
    fetch(database, "UPDATE webhook_takes SET until = clock_timestamp()")


def read_events(database):
    return fetch(database, "SELECT status, reason FROM webhook_events ORDER BY id")


def test_a_status_climbs_and_its_body_is_gone(database, add, tell):
    message_id = add()
    with allowing_only(database, Write.EVIDENCE):
        applied = receive(database, make_reports(tell(message_id)))
    row = read_message(database, message_id)
    assert (row["status"], row["delivered_at"], applied.counts) == ("delivered", NOON, {"statuses": 1})
    assert read_events(database) == []


def test_any_order_copies_and_bodies_end_in_the_same_rows(database, add, tell):
    chance = random.Random(1)
    ends = []
    for size in (1, 5, 1_000):
        ids = [add("sending") for _ in range(20)]
        told = []
        for number, message_id in enumerate(ids):
            words = (["sent", "delivered"], ["sent", "delivered", "read"], ["sent", "failed"], ["read"])[number % 4]
            told += [
                tell(message_id, word, seconds=offset, id=f"wamid.{number}", errors=[{"code": 131026, "title": "No"}])
                for offset, word in enumerate(words)
            ]
        told += chance.sample(told, 15)
        chance.shuffle(told)
        receive(database, *(make_reports(*told[start : start + size]) for start in range(0, len(told), size)))
        rows = [read_message(database, message_id) for message_id in ids]
        ends.append([{key: row[key] for key in row.keys() - {"id", "phone", "recipient_key"}} for row in rows])
    assert ends[0] == ends[1] == ends[2]
    assert [row["status"] for row in ends[0][:4]] == ["delivered", "read", "failed", "read"]
    assert find_wrong_counters(database) == []


def test_a_thousand_statuses_in_one_body_are_applied(database, add, tell):
    add(wamid="w0")
    fetch(
        database,
        "INSERT INTO messages"
        " (campaign_id, phone, recipient_key, status, account_id, claimed_at, send_no, attempts, wamid, sent_at)"
        " SELECT campaign_id, '+5521' || 900000000 + n, '+5521' || 900000000 + n, 'sent', account_id, claimed_at, 1, 1,"
        " 'w' || n, now() FROM messages, generate_series(1, 999) n",
    )
    ids = fetch(database, "SELECT id FROM messages")
    applied = receive(database, make_reports(*(tell(each, "read", id=f"w{each}") for each in ids)))
    assert applied.counts == {"statuses": 1_000}
    assert fetch(database, "SELECT status::text, count FROM tallies WHERE count > 0") == [("read", 1_000)]


def test_evidence_before_our_own_write_is_not_lost(database, add, tell):
    message_id = add("sending")
    receive(database, make_reports(tell(message_id, "delivered", id="wamid.x")))
    database.run(merge_evidence, [say(message_id, "sent", wamid="wamid.x", sent_at=NOON)])
    row = read_message(database, message_id)
    assert (row["status"], row["wamid"], row["delivered_at"]) == ("delivered", "wamid.x", NOON)


def test_without_callback_data_the_wamid_matches(database, add, tell):
    message_id, other = add(wamid="wamid.a"), add(wamid="wamid.b")
    receive(database, make_reports(make_status(id="wamid.a", biz_opaque_callback_data=None)))
    assert [read_message(database, each)["status"] for each in (message_id, other)] == ["delivered", "sent"]


def test_another_installation_is_dropped_and_counted(database, add):
    message_id = add()
    theirs = make_status(biz_opaque_callback_data=f"r1.00000000.{message_id}.1")
    applied = receive(database, make_reports(theirs))
    assert applied.counts == {"foreign": 1}
    assert read_message(database, message_id)["status"] == "sent"
    assert read_events(database) == []


def test_evidence_without_a_message_waits_for_it(database, add):
    orphan = make_status(id="wamid.late", biz_opaque_callback_data=None)
    assert receive(database, make_reports(orphan)).counts == {"unmatched": 1}
    assert read_events(database) == [("unmatched", "no message has this wamid")]
    make_due(database)
    assert receive(database).counts == {"unmatched": 1}
    message_id = add("sending")
    database.run(merge_evidence, [say(message_id, "sent", wamid="wamid.late", sent_at=NOON)])
    make_due(database)
    assert receive(database).counts == {"statuses": 1}
    assert read_message(database, message_id)["status"] == "delivered"
    assert read_events(database) == []


def test_parked_evidence_costs_its_neighbours_nothing(database, add, tell):
    message_id = add()
    orphan = make_status(id="wamid.unknown", biz_opaque_callback_data=None)
    assert receive(database, make_reports(orphan, tell(message_id), orphan)).counts == {"statuses": 1, "unmatched": 2}
    assert read_message(database, message_id)["status"] == "delivered"


def test_evidence_of_another_phone_number_is_not_applied(database, add, tell):
    message_id = add()
    receive(database, make_reports(tell(message_id), number="999"))
    assert read_message(database, message_id)["status"] == "sent"
    assert read_events(database) == [("unmatched", "another phone number sent the message")]


def test_evidence_of_a_send_to_come_is_parked(database, add, tell):
    receive(database, make_reports(tell(add(), send_no=2)))
    assert read_events(database) == [("unmatched", "the message has no such send yet")]


def test_a_failed_status_stores_code_title_and_details(database, add, tell):
    message_id = add()
    error = {"code": 131026, "title": "Undeliverable\x00", "error_data": {"details": "no \ud800 WhatsApp"}}
    receive(database, make_reports(tell(message_id, "failed", errors=[error])))
    row = read_message(database, message_id)
    assert (row["status"], row["failed_at"], row["error_code"]) == ("failed", NOON, 131026)
    assert (row["error_title"], row["error_details"]) == ("Undeliverable\ufffd", "no \ufffd WhatsApp")


def test_a_body_that_is_no_json_is_set_aside_with_its_reason(database, add, tell):
    message_id = add()
    assert receive(database, b"<html>", make_reports(tell(message_id))).counts == {"statuses": 1, "set aside": 1}
    ((status, reason),) = read_events(database)
    assert (status, reason.startswith("not JSON")) == ("set_aside", True)


@pytest.fixture
def poison(shared):
    """A wamid that Postgres refuses."""
    fetch(shared, "ALTER TABLE messages ADD CONSTRAINT poison CHECK (wamid <> 'wamid.poison')")
    yield {"id": "wamid.poison"}
    fetch(shared, "ALTER TABLE messages DROP CONSTRAINT poison")


@pytest.mark.parametrize("are_together", [True, False])
def test_what_postgres_refuses_is_set_aside_alone(database, add, tell, poison, are_together):
    ids = [add() for _ in range(9)]
    told = [tell(each, **(poison if number == 4 else {})) for number, each in enumerate(ids)]
    receive(database, *([make_reports(*told)] if are_together else map(make_reports, told)))
    receive(database)
    statuses = [read_message(database, each)["status"] for each in ids]
    assert statuses == ["delivered"] * 4 + ["sent"] + ["delivered"] * 4
    assert read_events(database) == [("set_aside", "Postgres refuses it: CheckViolation")]


def test_a_template_event_beside_what_postgres_refuses_is_applied(database, add, tell, poison):
    fetch(database, "UPDATE templates SET name = 'promo', waba_id = %s, status_at = '2020-01-01'", WABA_ID)
    pause = {"event": "PAUSED", "message_template_name": "promo", "message_template_language": "en"}
    statuses = make_value(tell(add(), **poison), tell(add()))
    fields = [("messages", statuses), ("message_template_status_update", pause)]
    changes = [{"field": field, "value": value} for field, value in fields]
    receive(database, make_body({}, time=AT, changes=changes))
    receive(database)
    assert fetch(database, "SELECT status FROM templates") == ["paused"]


def test_a_late_failed_of_an_earlier_send_is_no_poison(database, add, tell):
    message_id = add("uncertain", send_no=2, attempts=2)
    receive(database, make_reports(tell(message_id, "failed", errors=[{"code": 131026}])))
    assert read_message(database, message_id)["status"] == "uncertain"
    assert read_events(database) == []


def test_a_body_that_ended_its_worker_often_is_set_aside(database, add, tell):
    message_id = add()
    fetch(database, "INSERT INTO webhook_events (body, attempts) VALUES ('{}', 5)")
    assert receive(database, make_reports(tell(message_id))).counts == {"statuses": 1, "set aside": 1}
    assert read_events(database) == [("set_aside", "not applied in 5 attempts")]


@pytest.fixture
def set_trap(shared):
    """Lets Postgres fail over a wamid with an error of this code."""

    def set_one(code):
        fetch(
            shared,
            "CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'it fell' USING ERRCODE = '{code}'; END $$",
        )
        fetch(
            shared,
            "CREATE TRIGGER trap BEFORE UPDATE ON messages FOR EACH ROW WHEN (NEW.wamid = 'wamid.trap')"
            " EXECUTE FUNCTION fall()",
        )
        return {"id": "wamid.trap"}

    yield set_one
    fetch(shared, "DROP TRIGGER trap ON messages")
    fetch(shared, "DROP FUNCTION fall")


def test_an_error_that_nobody_foresaw_costs_the_one_status_and_is_told(database, add, tell, set_trap, caplog):
    trap = set_trap("XX000")
    ids = [add() for _ in range(9)]
    receive(database, *(make_reports(tell(each, **(trap if each == ids[4] else {}))) for each in ids))
    statuses = [read_message(database, each)["status"] for each in ids]
    assert statuses == ["delivered"] * 4 + ["sent"] + ["delivered"] * 4
    assert read_events(database) == [("set_aside", "it cannot be applied: InternalError_")]
    assert [record.event for record in caplog.records if record.levelname == "ERROR"] == ["webhook_error"]


class ClumsyRules(StopRules):
    """A reader with a fault."""

    def find_word(self, text):
        return [][int(text)]


def test_a_fault_of_the_reader_costs_the_one_body(database, add, tell, monkeypatch):
    ids = [add() for _ in range(2)]
    answer = make_value() | {"messages": [{"type": "text", "text": {"body": "0"}, "from": "5511900000001"}]}
    monkeypatch.setattr(Settings, "stop_rules", ClumsyRules())
    applied = receive(database, make_reports(tell(ids[0])), make_body(answer), make_reports(tell(ids[1])))
    assert applied.counts == {"statuses": 2, "set aside": 1}
    assert read_events(database) == [("set_aside", "our parser failed: IndexError")]


def test_a_body_that_fails_again_and_again_costs_its_neighbours_no_attempt(database, add, tell, set_trap):
    """They were in one set when a worker died, so all are suspects; and this one makes Postgres wait for too long."""
    ids, trap = [add() for _ in range(4)], set_trap("57014")
    database.run(insert_events, [make_reports(tell(each, **(trap if each == ids[0] else {}))) for each in ids])
    fetch(database, "UPDATE webhook_events SET attempts = 4")
    with pytest.raises(DatabaseUnavailable):
        receive(database)
    assert fetch(database, "SELECT attempts FROM webhook_events ORDER BY id") == [5, 4, 4, 4]
    make_due(database)
    receive(database)
    assert read_events(database) == [("set_aside", "not applied in 5 attempts")]
    assert [read_message(database, each)["status"] for each in ids] == ["sent"] + ["delivered"] * 3


def test_bodies_that_wait_for_a_lock_of_others_lose_no_attempt(database, database_url, open_database, add, caplog):
    impatient = open_database(statement_seconds=4.0)
    ids = [add() for _ in range(3)]
    database.run(insert_events, [make_reports(make_report(database, each)) for each in ids])
    with psycopg.connect(database_url) as other:
        other.execute("SELECT FROM messages WHERE id = %s FOR UPDATE", [ids[1]])
        for _ in range(2):
            assert receive(impatient).counts == {}
            assert fetch(database, "SELECT attempts FROM webhook_events") == [0] * 3
            make_due(database)
    assert [record.event for record in caplog.records if record.levelname == "WARNING"] == ["webhooks_waiting"] * 2
    assert receive(database).counts == {"statuses": 3}
    assert [read_message(database, each)["status"] for each in ids] == ["delivered"] * 3


def test_a_process_that_is_frozen_as_it_takes_costs_nothing_applied(
    database, database_url, open_database, add, monkeypatch
):
    monkeypatch.setattr("campaigns.store.events._MAX_EVENTS", 1)
    impatient = open_database(statement_seconds=4.0)
    database.run(insert_events, [make_reports(make_report(database, add())) for _ in range(2)])
    with psycopg.connect(database_url) as other:

        def apply_and_freeze_another(*arguments):
            APPLY_TAKEN(*arguments)
            other.execute("LOCK TABLE webhook_takes IN SHARE UPDATE EXCLUSIVE MODE")

        monkeypatch.setattr(apply, "_apply_taken", apply_and_freeze_another)
        assert receive(impatient).counts == {"statuses": 1}
    assert fetch(database, "SELECT FROM webhook_takes") == []
    monkeypatch.undo()
    assert receive(database).counts == {"statuses": 1}


def test_a_process_that_is_frozen_inside_a_take_holds_others_up_for_seconds_only(database, open_database, add):
    database.run(insert_events, [make_reports(make_report(database, add()))])
    has_taken, may_go_on = threading.Event(), threading.Event()

    def take_and_freeze(connection):
        take_events(connection, retry_seconds=30)
        has_taken.set()
        may_go_on.wait(PATIENCE_SECONDS)

    frozen = Beside(open_database().run, take_and_freeze)
    assert has_taken.wait(PATIENCE_SECONDS)
    others = open_database()
    wait_for(lambda: receive(others).counts == {"statuses": 1})
    may_go_on.set()
    with pytest.raises(psycopg.Error):
        frozen.result()


def test_a_new_body_has_a_delay_and_an_unmatched_one_has_none(database, add, tell):
    database.run(insert_events, [make_reports(tell(add())), make_reports(tell(404))])
    fetch(database, "UPDATE webhook_events SET received_at = now() - interval '40 s' RETURNING 1")
    assert [each >= 40 for each in receive(database).delays] == [True, True]
    fetch(database, "UPDATE webhook_events SET next_try_at = now() RETURNING 1")
    applied = receive(database)
    assert (applied.event_count, applied.delays) == (1, [])


def judge(event, *, at=AT, name="promo"):
    value = {"event": event, "message_template_name": name, "message_template_language": "en"}
    return make_body(value, field="message_template_status_update", time=at)


@pytest.fixture
def waiting_id(database, add):
    """A campaign that waits for its template."""
    fetch(database, "UPDATE templates SET name = 'promo', waba_id = %s, status_at = '2020-01-01'", WABA_ID)
    fetch(database, "UPDATE campaigns SET waiting_reason = 'template', due_at = now() + interval '1 h'")
    return fetch(database, "SELECT id FROM campaigns")[0]


def read_template(database):
    return fetch(database, "SELECT status, blocked_until > now() FROM templates WHERE name = 'promo'")[0]


def test_a_paused_template_rests_and_an_approved_one_wakes_its_campaigns(database, waiting_id):
    assert receive(database, judge("PAUSED")).to_enqueue == []
    assert read_template(database) == ("paused", True)
    assert receive(database, judge("APPROVED", at=AT + 1)).to_enqueue == [waiting_id]
    assert read_template(database) == ("approved", None)
    assert fetch(database, "SELECT due_at, enqueued_at IS NOT NULL FROM campaigns") == [(None, True)]


def test_only_running_campaigns_that_wait_for_this_template_are_woken(database, waiting_id):
    database.run(add_campaign, waiting_reason="template")
    fetch(database, "UPDATE campaigns SET waiting_reason = 'window' WHERE id = %s", waiting_id)
    assert receive(database, judge("APPROVED")).to_enqueue == []


def test_an_older_template_event_changes_nothing(database, waiting_id):
    receive(database, judge("PAUSED", at=AT))
    assert receive(database, judge("APPROVED", at=AT - 1)).to_enqueue == []
    assert read_template(database) == ("paused", True)


def test_a_template_that_is_not_ours_is_no_matter(database, waiting_id):
    assert receive(database, judge("APPROVED", name="theirs")).to_enqueue == []


def test_account_events_are_kept_with_their_accounts(database):
    mine = database.run(add_account, phone_number_id="1", waba_id="300100200")
    same = database.run(add_account, phone_number_id="2", waba_id="300100200")
    database.run(add_account, phone_number_id="3", waba_id="4")
    receive(database, make_body({"event": "DISABLED_UPDATE"}, field="account_update"))
    rows = fetch(database, "SELECT account_id, kind, details ->> 'event' FROM account_events ORDER BY 1")
    assert rows == [(mine, "reported", "DISABLED_UPDATE"), (same, "reported", "DISABLED_UPDATE")]


@pytest.mark.parametrize("seconds", [10 * 365 * 86_400, 10**11, -AT])
def test_a_time_that_cannot_be_is_stored_as_the_time_of_receipt(database, add, tell, seconds):
    message_id = add("uncertain", error_title="?")
    before = fetch(database, "SELECT clock_timestamp()")[0]
    receive(database, make_reports(tell(message_id, "read", seconds=seconds)))
    row = read_message(database, message_id)
    assert row["status"] == "read"
    assert before <= row["read_at"] <= fetch(database, "SELECT clock_timestamp()")[0]


def test_a_deferred_piece_keeps_the_time_of_receipt_of_its_webhook(database, tell):
    received = "2026-11-20 12:00+00"
    database.run(insert_events, [make_reports(tell(404, seconds=10 * 365 * 86_400))])
    fetch(database, "UPDATE webhook_events SET received_at = %s", received)
    receive(database)
    assert fetch(database, "SELECT status, received_at = %s FROM webhook_events", received) == [("unmatched", True)]


# Which bodies one task takes


def test_a_body_that_comes_meanwhile_is_left_to_the_next_task(database, add, tell, monkeypatch):
    first, second = add(), add()

    def apply_taken(applier, taken):
        APPLY_TAKEN(applier, taken)
        database.run(insert_events, [make_reports(tell(second))])

    monkeypatch.setattr(apply, "_apply_taken", apply_taken)
    assert receive(database, make_reports(tell(first))).event_count == 1
    assert fetch(database, "SELECT status::text FROM messages ORDER BY id") == ["delivered", "sent"]
    assert fetch(database, "SELECT count(*) FROM webhook_takes") == [0]
    monkeypatch.undo()
    assert receive(database).event_count == 1
    assert fetch(database, "SELECT status::text FROM messages ORDER BY id") == ["delivered", "delivered"]


def test_one_task_applies_a_suspect_and_the_bodies_behind_it(database, add, tell):
    first, second = add(), add()
    database.run(insert_events, [make_reports(tell(first))])
    fetch(database, "UPDATE webhook_events SET attempts = 1")
    assert receive(database, make_reports(tell(second))).event_count == 2
    assert fetch(database, "SELECT status::text FROM messages") == ["delivered", "delivered"]
