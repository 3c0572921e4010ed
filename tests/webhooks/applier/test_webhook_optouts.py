"""Answers and preferences become suppressions: whoever says so, in whatever order, however often."""

import datetime as dt
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.alerts import Alerts
from campaigns.config import Settings, read_settings
from campaigns.domain.optout.recognition import Source
from campaigns.domain.phone.person import recipient_key
from campaigns.privacy.erasure import forget
from campaigns.secrets import make_key
from campaigns.store.database import DataError
from campaigns.store.events import insert_events
from campaigns.store.optouts.suppressions import (
    SuppressionEvent,
    find_suppressed,
    lift_suppressions,
    write_suppressions,
)
from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    claim,
    empty,
    fetch,
    make_report,
    read_message,
    receive,
    take,
)
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import AT, PHONE_NUMBER_ID, make_body, make_status, make_value
from webhooks.applier.apply import apply_events
from webhooks.applier.parse import parse_event

ANA, ANA_ID = "+5511987650001", "551187650001"  # Meta knows her without the ninth digit
NOON = dt.datetime.fromtimestamp(AT, dt.UTC)


def make_text(text="SAIR", seconds=0, /, **changes):
    message = {"from": ANA_ID, "id": "wamid.in", "timestamp": str(AT + seconds), "type": "text", "text": {"body": text}}
    return {key: value for key, value in (message | changes).items() if value is not None}


def make_tap(payload="STOP", text="Sair", seconds=0, /, **changes):
    return make_text(None, seconds, type="button", text=None, button={"payload": payload, "text": text}, **changes)


def make_choice(kind="button_reply", **reply):
    return make_text(type="interactive", text=None, interactive={"type": kind, kind: {"id": "x", "title": "y"} | reply})


def say(*messages, **more):
    return make_body(make_value(messages=list(messages), **more))


def prefer(word="stop", seconds=0, **changes):
    said = {"wa_id": ANA_ID, "category": "marketing_messages", "value": word, "timestamp": AT + seconds} | changes
    said = {key: value for key, value in said.items() if value is not None}
    contacts = [{"wa_id": ANA_ID, "user_id": "BR.1"}]
    return make_body({"contacts": contacts, "user_preferences": [said]}, field="user_preferences")


def read(database):
    return fetch(database, "SELECT source, is_active, at, detail FROM suppressions ORDER BY recipient_key, source")


def is_suppressed(database):
    return bool(database.run(find_suppressed, [recipient_key(ANA)]))


@pytest.mark.parametrize(
    ("message", "source", "detail"),
    [
        (make_text("Parar!"), "word", "parar"),
        (make_tap("STOP", "Chega"), "button", "stop"),
        (make_tap("c17", "Descadastrar"), "button", "descadastrar"),
        (make_choice(id="unsub"), "button", "unsub"),
        (make_choice(title="Sair"), "button", "sair"),
        (make_choice("list_reply", title="Sair"), "button", "sair"),
    ],
)
def test_an_answer_that_is_an_opt_out_suppresses_the_person_under_every_number(database, message, source, detail):
    applied = receive(database, say(message))
    assert fetch(database, "SELECT recipient_key FROM suppressions") == [recipient_key(ANA)]
    assert read(database) == [(source, True, NOON, detail)]
    assert applied.counts == {"opt-outs": 1}
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]


@pytest.mark.parametrize(
    "message",
    [
        make_text("Não quero mais PARAR"),
        make_tap("YES", "Quero"),
        make_choice(id="1", title="Sim"),
        make_choice("nfm_reply", name="flow", body="stop"),
        make_text("STOP", type="image"),
        make_text(text="STOP"),
        make_text(text={"body": ["STOP"]}),
    ],
)
def test_any_other_answer_is_counted_and_dropped(database, message):
    applied = receive(database, say(message))
    assert applied.counts == {"ignored": 1}
    assert read(database) == []


def test_the_words_are_those_of_the_settings(database):
    chosen = read_settings({"REVOADA_STOP_WORDS": "chega", "REVOADA_STOP_PAYLOADS": "NO_MORE"})
    database.run(insert_events, [say(make_text("SAIR"), make_text("Chega!"), make_tap("no_more", "Sair"))])
    apply_events(database, chosen, Alerts(None))
    assert [row[0] for row in read(database)] == ["button", "word"]


def test_what_a_person_tells_whatsapp_counts_and_can_be_taken_back_there(database):
    receive(database, prefer("stop"))
    assert read(database) == [("meta", True, NOON, "user_preferences")]
    receive(database, prefer("resume", 1))
    assert not is_suppressed(database)
    receive(database, prefer("stop", 2))
    assert is_suppressed(database)


def test_an_older_event_that_comes_late_changes_nothing(database):
    receive(database, prefer("resume", 5), prefer("stop", 4))
    assert read(database) == [("meta", False, NOON + dt.timedelta(seconds=5), "user_preferences")]


@pytest.mark.parametrize("source", [Source.WORD, Source.BUTTON, Source.MANUAL, Source.IMPORT])
def test_a_resume_lifts_nothing_that_was_said_elsewhere(database, source):
    database.run(write_suppressions, [SuppressionEvent(recipient_key(ANA), source, True, NOON)])
    receive(database, prefer("resume", 5))
    assert is_suppressed(database)


def test_a_resume_lifts_an_opt_out_that_only_an_error_told(database):
    account_id = database.run(add_account, phone_number_id=PHONE_NUMBER_ID)
    campaign_id = database.run(add_campaign, accounts=[account_id])
    message_id = database.run(add_message, campaign_id, "sent", account_id=account_id, phone=ANA)
    told = make_report(database, message_id, "failed", errors=[{"code": 131050, "title": "No"}])
    receive(database, make_body(make_value(told)))
    assert is_suppressed(database)
    receive(database, prefer("resume", 1), make_body(make_value(told)))
    assert not is_suppressed(database)


def test_a_resume_of_something_else_lifts_nothing_and_a_stop_of_it_stops(database):
    receive(database, prefer("stop", category="news"), prefer("resume", 1, category="news"))
    assert is_suppressed(database)


def test_a_sign_up_is_counted_and_dropped(database):
    assert receive(database, prefer("signup")).counts == {"ignored": 1}


def test_what_a_person_removed_stays_removed_until_a_newer_word(database):
    said = [say(make_text("SAIR")), say(make_tap()), prefer()]
    receive(database, said[0])
    assert database.run(lift_suppressions, [recipient_key(ANA)]) == {recipient_key(ANA)}
    receive(database, *said)  # again, and what had been late
    assert not is_suppressed(database)
    later = int((dt.datetime.now(dt.UTC) - NOON).total_seconds()) + 60
    receive(database, say(make_text("SAIR", later)))
    assert is_suppressed(database)
    assert database.run(lift_suppressions, [recipient_key(ANA)])  # what a wrong clock dated ahead can be lifted too
    assert not is_suppressed(database)
    receive(
        database, say(make_text("SAIR", later))
    )  # a time ahead of the receipt counts as the receipt, so it is newer
    assert is_suppressed(database)


def test_nobody_is_lifted_who_was_not_suppressed(database):
    assert database.run(lift_suppressions, [recipient_key(ANA)]) == set()
    assert read(database) == []


def test_who_opts_out_while_a_campaign_runs_is_not_claimed(database):
    campaign_id = database.run(add_campaign)
    message_id = database.run(add_message, campaign_id, phone=ANA)
    database.run(take, campaign_id)
    receive(database, say(make_text("Sair")), say(make_tap()), prefer())
    claimed = database.run(claim, campaign_id, 1, accounts=[1])
    assert (claimed.messages, claimed.suppressed_count) == ([], 1)
    assert read_message(database, message_id)["status"] == "suppressed"


def test_a_person_known_by_a_user_id_only_is_found_by_the_contact(database):
    contacts = [{"wa_id": ANA_ID, "user_id": "BR.1"}]
    receive(database, say(make_text(**{"from": None}, from_user_id="BR.1"), contacts=contacts))
    assert is_suppressed(database)


def test_a_person_known_by_a_user_id_only_is_found_by_the_message_that_was_answered(database):
    answer = say(make_tap(**{"from": None}, from_user_id="BR.1", context={"id": "wamid.ours"}))
    applied = receive(database, answer)
    assert applied.counts == {"unmatched": 1}
    (reason,) = fetch(database, "SELECT reason FROM webhook_events WHERE status = 'unmatched'")
    assert reason == "the opt-out answers an unknown message"
    database.run(add_message, database.run(add_campaign), "sent", phone=ANA, wamid="wamid.ours")
    fetch(database, "UPDATE webhook_events SET next_try_at = clock_timestamp()")
    assert receive(database).counts == {"opt-outs": 1, "replies": 1}
    assert is_suppressed(database)
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (say(make_text(**{"from": None})), ".messages[0].from: missing"),
        (say(make_text(**{"from": "PHONE_NUMBER"})), ".messages[0].from: not a phone number"),
        (say(make_text(timestamp="soon")), ".messages[0].timestamp: not a number"),
        (prefer(wa_id=None), ".user_preferences[0].wa_id: missing"),
        (prefer("resume", timestamp=None), ".user_preferences[0].timestamp: not a number"),
    ],
)
def test_an_opt_out_of_nobody_knows_whom_is_kept_for_a_person(database, body, reason):
    assert receive(database, body).counts == {"set aside": 1}
    (kept,) = fetch(database, "SELECT reason FROM webhook_events WHERE status = 'set_aside'")
    assert f"value{reason}" in kept


def test_statuses_answers_and_preferences_in_one_body_cost_each_other_nothing(database):
    value = make_value(make_status(biz_opaque_callback_data=None), messages=[make_text(), make_text("Oi"), 7])
    counts = receive(database, make_body(value)).counts
    assert counts == {"opt-outs": 1, "ignored": 2, "unmatched": 1}


def test_where_postgres_refuses_one_piece_the_others_are_applied(database, monkeypatch):
    from campaigns.store.optouts import suppressions  # noqa: PLC0415
    from webhooks.applier import apply_optouts  # noqa: PLC0415

    def refuse_ana(connection, said):
        if any(each.recipient_key == recipient_key(ANA) for each in said):
            raise DataError[0]("no")
        return suppressions.write_suppressions(connection, said)

    monkeypatch.setattr(apply_optouts, "write_suppressions", refuse_ana)
    receive(database, say(make_text(), make_text(**{"from": "15551234567"})))
    receive(database)
    assert fetch(database, "SELECT recipient_key FROM suppressions") == ["+15551234567"]
    assert fetch(database, "SELECT status, reason FROM webhook_events") == [
        ("set_aside", "Postgres refuses it: DataError")
    ]


EVENTS = st.tuples(st.sampled_from(["word", "other word", "button", "stop", "resume", "131050"]), st.integers(0, 3))


def make_event(kind, seconds):
    return {
        "word": say(make_text("SAIR", seconds)),
        "other word": say(make_text("parar", seconds)),
        "button": say(make_tap("STOP", "Sair", seconds)),
        "stop": prefer("stop", seconds),
        "resume": prefer("resume", seconds),
        "131050": make_body(
            make_value(
                make_status(
                    id=f"wamid.{seconds}",
                    status="failed",
                    timestamp=str(AT + seconds),
                    biz_opaque_callback_data=None,
                    errors=[{"code": 131050, "title": "No"}],
                )
            )
        ),
    }[kind]


def expect(events):
    """What is known in the end, told without any order: of each source the newest, a stop before a resume."""
    sources = {"word": "word", "other word": "word", "button": "button", "stop": "meta", "resume": "meta"}
    ends = {}
    for kind, seconds in events:
        source = sources.get(kind, "meta")
        ends[source] = max(ends.get(source, (-1, False)), (seconds, kind != "resume"))
    return ends


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EVENTS, min_size=1, max_size=8), chance=st.randoms(use_true_random=False))
def test_any_order_and_copies_end_in_the_same_suppressions(shared, events, chance):
    empty(shared)
    account_id = shared.run(add_account, phone_number_id=PHONE_NUMBER_ID)
    for second in range(4):
        campaign_id = shared.run(add_campaign, accounts=[account_id])
        shared.run(add_message, campaign_id, "sent", account_id=account_id, phone=ANA, wamid=f"wamid.{second}")
    ends = []
    for _ in range(2):
        fetch(shared, "TRUNCATE suppressions")
        fetch(shared, "UPDATE messages SET status = 'sent', failed_at = NULL, error_code = NULL, error_title = NULL")
        told = events + chance.sample(events, len(events) // 2)
        chance.shuffle(told)
        middle = len(told) // 2
        for part in (told[:middle], told[middle:]):
            receive(shared, *(make_event(*each) for each in part))
        ends.append(read(shared))
    assert ends[0] == ends[1]
    found = {source: (int((at - NOON).total_seconds()), is_active) for source, is_active, at, _ in ends[0]}
    assert found == expect(events)


def test_the_log_says_who_opted_out_without_the_number(database, caplog):
    caplog.set_level(logging.INFO)
    receive(database, say(make_text()), say(make_text("PARE", 1)))
    receive(database, prefer("stop"), prefer("resume", 1))
    lines = [record.getMessage() for record in caplog.records if getattr(record, "event", "").startswith("opt")]
    assert lines == ["+5511…01 opted out (word)"]
    receive(database, prefer("stop", 2))
    receive(database, prefer("resume", 3))
    assert caplog.records[-2].event == "opt_out_ended"
    assert ANA[5:-2] not in caplog.text


def test_a_status_of_a_confirmation_is_not_looked_for():
    event = parse_event(make_body(make_value(make_status(biz_opaque_callback_data="r1.answer"))))
    assert event.ignored == {"status:answer/delivered": 1}
    assert not event.evidence


def test_by_default_nothing_is_answered(database):
    now = int((dt.datetime.now(dt.UTC) - NOON).total_seconds())
    receive(database, say(make_text("SAIR", now)))
    assert Settings().stop_reply is None
    assert fetch(database, "SELECT count(*) FROM stop_replies") == [0]


def test_who_was_forgotten_stays_a_hash_whatever_they_say(database):
    key = make_key()
    chosen = read_settings({"REVOADA_SECRET_KEY": key, "REVOADA_STOP_REPLY": "Done."})
    forget(database, ANA, secret_key=key, actor=TESTER)
    for body in (say(make_text("SAIR")), prefer("stop"), prefer("resume", 1)):
        database.run(insert_events, [body])
        apply_events(database, chosen, Alerts(None))
    assert read(database) == []
    assert fetch(database, "SELECT count(*) FROM stop_replies") == [0]
    assert fetch(database, "SELECT count(*) FROM forgotten") == [1]
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]


@pytest.mark.parametrize("key", [None, "kR0YlN8s7JYlP8oYdYkLhDq0a0Qm0c8c1z9Yb1m0YyQ="])
def test_without_the_key_an_opt_out_is_kept_in_clear_rather_than_lost(database, key):
    forget(database, ANA, secret_key=make_key(), actor=TESTER)
    database.run(insert_events, [say(make_text("SAIR"))])
    apply_events(database, read_settings({"REVOADA_SECRET_KEY": key} if key else {}), Alerts(None))
    assert is_suppressed(database)
