"""Confirmations of opt-outs: each at most once, in the open window, and never in the way of anything."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.management.suppressions import lift_phones
from campaigns.privacy.optout_confirmations import send_replies
from campaigns.secrets import encrypt_token, make_key
from campaigns.store.events import insert_events
from campaigns.store.optouts.confirmations import take_stop_reply
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import Beside, add_account, fetch
from tests.support.actors import TESTER
from tests.webhooks.webhook_bodies import PHONE_NUMBER_ID, make_body, make_value
from webhooks.applier.apply import apply_events

KEY = make_key()
ANA = "+5511987650001"
REPLY = "Pronto: você não recebe mais mensagens."


@pytest.fixture
def database(database):
    database.run(add_account, phone_number_id=PHONE_NUMBER_ID, token=encrypt_token(KEY, "token-1"))
    return database


@pytest.fixture
def settings(far):
    timeouts = {"connect_timeout_seconds": PATIENCE_SECONDS, "http_timeout_seconds": PATIENCE_SECONDS}
    return Settings(graph_api_url=f"{far.url}/v24.0", secret_key=KEY, stop_reply=REPLY, **timeouts)


def opt_out(database, settings, text="SAIR", *, ago=0, kind="text", **changes):
    """A person writes, and the webhook is applied."""
    at = int(time.time()) - ago
    part = {"body": text} if kind == "text" else {"payload": text, "text": text}
    message = {"from": ANA[1:], "id": "wamid.in", "timestamp": str(at), "type": kind, kind: part} | changes
    database.run(insert_events, [make_body(make_value(messages=[message]))])
    apply_events(database, settings, Alerts(None))
    return at


def read_sent(far):
    return [each["to"] for each in far.ask("accepted")["accepted"]]


def test_who_opts_out_is_told_so_once(database, settings, far, caplog):
    caplog.set_level(logging.INFO)
    opt_out(database, settings)
    opt_out(database, settings, "PARAR", ago=-1)  # again: nothing new
    send_replies(database, settings)
    send_replies(database, settings)
    assert [record.event for record in caplog.records if "stop_reply" in record.event] == ["stop_reply_sent"]
    assert ANA[5:-2] not in caplog.text
    assert far.ask("recipients") == {"recipients": {ANA[1:]: 1}, "callback_data": {"r1.answer": 1}}
    assert fetch(database, "SELECT count(*) FROM stop_replies") == [0]


def test_a_button_is_confirmed_and_what_whatsapp_passes_on_is_not(database, settings, far):
    opt_out(database, settings, kind="button")
    said = {"wa_id": ANA[1:], "category": "marketing_messages", "value": "stop", "timestamp": int(time.time())}
    database.run(insert_events, [make_body({"user_preferences": [said]}, field="user_preferences")])
    apply_events(database, settings, Alerts(None))
    send_replies(database, settings)
    assert len(read_sent(far)) == 1


def test_after_a_person_was_taken_back_a_new_opt_out_is_confirmed_again(database, settings, far):
    opt_out(database, settings)
    lift_phones(database, [ANA], secret_key=KEY, actor=TESTER)
    opt_out(database, settings, ago=-5)
    send_replies(database, settings)
    assert len(read_sent(far)) == 2


def test_an_opt_out_of_yesterday_is_not_answered(database, settings, far):
    opt_out(database, settings, ago=90_000)
    send_replies(database, settings)
    assert fetch(database, "SELECT is_active FROM suppressions") == [True]
    assert read_sent(far) == []


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("UPDATE stop_replies SET received_at = received_at - interval '1 day'", "it is older than a day"),
        (
            "UPDATE accounts SET active = false, inactive_reason = 'x'",
            f"no active account has the number {PHONE_NUMBER_ID}",
        ),
        ("UPDATE accounts SET token = 'x'", "REVOADA_SECRET_KEY does not have the key"),
    ],
)
def test_what_cannot_be_confirmed_is_logged_and_over(database, settings, far, caplog, spoil, why):  # noqa: PLR0917
    opt_out(database, settings)
    fetch(database, spoil)
    send_replies(database, settings)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"The opt-out of +5511…01 is kept, but could not be confirmed: {why}")
    assert fetch(database, "SELECT count(*) FROM stop_replies") == [0]
    assert read_sent(far) == []


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("error:131047", "Request failed with status code 400 (code 131047)"),
        ("hang", "No answer: ReadTimeout"),
        ("hang-before", "No answer: ReadTimeout"),
    ],
)
def test_a_failure_is_logged_and_never_tried_again(database, settings, far, caplog, outcome, why):  # noqa: PLR0917
    far.script(outcome=outcome)
    opt_out(database, settings)
    send_replies(database, replace(settings, http_timeout_seconds=0.3) if "hang" in outcome else settings)
    wait_for(lambda: far.stats()["request_bodies"])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.endswith(why)
    send_replies(database, settings)
    assert far.stats()["request_bodies"] == 1


def test_two_processes_send_each_reply_once(database, settings, far):
    phones = [f"55119876500{number:02}" for number in range(20)]
    for phone in phones:
        opt_out(database, settings, **{"from": phone})
    start = threading.Barrier(4)

    def take_all():
        start.wait()
        return [reply.phone for reply in iter(lambda: database.run(take_stop_reply), None)]

    takers = [Beside(take_all) for _ in range(4)]
    assert sorted(phone for taker in takers for phone in taker.result()) == [f"+{phone}" for phone in phones]
