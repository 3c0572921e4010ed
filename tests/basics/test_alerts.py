from __future__ import annotations

import datetime as dt
import json
import socket
import threading

import pytest

from campaigns.alerts import Alerts
from tests.simulator.far_end import PATIENCE_SECONDS, Receiver, wait_for
from tests.store.rows import Beside
from tests.support.serving import serving


@pytest.fixture
def receiver():
    with serving(Receiver()) as server:
        yield server


def posted(receiver, count):
    wait_for(lambda: len(receiver.posts) >= count)
    return [json.loads(body) for _, body, _ in receiver.posts]


def failures(caplog):
    return [record for record in caplog.records if getattr(record, "event", "") == "alert_failed"]


def test_an_alert_is_posted_as_json(receiver):
    Alerts(receiver.url).send("account_deactivated", "Account 3 deactivated", account_id=3, account="Verão")
    (alert,) = posted(receiver, 1)
    assert alert == {
        "kind": "account_deactivated",
        "text": "Account 3 deactivated",
        "account_id": 3,
        "account": "Verão",
    }
    assert receiver.posts[0][0]["Content-Type"] == "application/json"


def test_alerts_come_in_the_order_in_which_they_were_sent(receiver):
    alerts = Alerts(receiver.url)
    for number in range(50):
        alerts.send("health_worse", "text", account_id=number)
    assert [alert["account_id"] for alert in posted(receiver, 50)] == list(range(50))


def test_without_an_address_nothing_is_posted():
    alerts = Alerts(None)
    alerts.send("health_worse", "text")
    assert alerts._thread is None
    assert alerts._waiting.empty()


def test_a_refused_alert_is_not_the_last(receiver, caplog):
    receiver.answers = [500, 404]
    alerts = Alerts(receiver.url)
    for number in range(3):
        alerts.send("health_worse", "text", account_id=number)
    assert len(posted(receiver, 3)) == 3
    assert len(failures(caplog)) == 2


def test_an_alert_that_is_no_json_is_not_the_last(receiver):
    alerts = Alerts(receiver.url)
    alerts.send("health_worse", "text", at=dt.datetime.now(dt.UTC))
    alerts.send("health_better", "text")
    wait_for(lambda: receiver.posts)
    assert [alert["kind"] for alert in posted(receiver, 1)] == ["health_better"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/secret-path", "http://graph.invalid/secret-path", "http://a..b/x"])
def test_an_address_that_leads_nowhere_is_a_line_in_the_log_without_it(caplog, url):
    Alerts(url).send("health_worse", "text")
    wait_for(lambda: failures(caplog))
    assert "secret-path" not in caplog.text


def test_a_receiver_that_hangs_delays_nobody(caplog, monkeypatch):
    monkeypatch.setattr("campaigns.alerts._MAX_WAITING", 20)
    monkeypatch.setattr("campaigns.alerts._TIMEOUT", 2 * PATIENCE_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and never answers
        alerts = Alerts(f"http://127.0.0.1:{listener.getsockname()[1]}/")

        def send_all():
            for number in range(30):  # more than may wait
                alerts.send("health_worse", "text", account_id=number)

        Beside(send_all).result()
        assert {record.getMessage() for record in failures(caplog)} == {
            "Too many alerts wait, so this alert is dropped: health_worse"
        }, "the first is still being posted"
    wait_for(alerts._waiting.empty)  # now each is refused at once


def test_many_threads_share_one_that_posts(receiver):
    alerts = Alerts(receiver.url)
    senders = [threading.Thread(target=alerts.send, args=("kind", "text")) for _ in range(20)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(posted(receiver, 20)) == 20
    assert sum(thread.name == "alerts" and thread is alerts._thread for thread in threading.enumerate()) == 1


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_it_is_said(receiver, caplog, code):
    with serving(Receiver()) as other:
        receiver.answers, receiver.location = [code], other.url
        alerts = Alerts(receiver.url)
        alerts.send("health_worse", "first")
        alerts.send("health_worse", "second")
        posted(receiver, 2)
        assert other.posts == []
    (failure,) = failures(caplog)
    assert failure.getMessage() == "Alert could not be posted: TooManyRedirects"
