"""The page for engineers: what is wrong, the processes, the queues, the versions, and settings without secrets."""

from __future__ import annotations

import re

import pytest

from campaigns.broker.queues import BrokerFacts
from campaigns.config import list_settings, read_settings
from campaigns.domain.users.rights import Role
from campaigns.secrets import make_key
from campaigns.store.forwards.forwards import insert_forward
from tests.cli.conftest import ADD_WORKER
from tests.console.conftest import read_text
from tests.store.rows import add_campaign, add_messages, fetch

TICK = "UPDATE installation SET ticked_at = clock_timestamp() RETURNING 1"
ALL_QUEUES = {"campaigns": {"w1"}, "control": {"e1"}, "webhooks": {"e1"}, "health": {"e1"}, "files": {"f1"}}


def add_worker(database, name, queues, **columns):
    row = {"owner": f"host:{name}", "name": name, "queues": queues, "slots": 512, "running_count": 3,
           "started_at": "2026-10-01T12:00Z", "stalled_seconds": None, "skew_seconds": 0.0} | columns  # fmt: skip
    names = ", ".join(row)
    values = ", ".join(["%s"] * len(row))
    add = f"INSERT INTO workers ({names}, seen_at, consumed_at) VALUES ({values}, now(), now()) RETURNING 1"
    fetch(database, add, *row.values())


def show(console, query="", role=Role.OPERATOR):
    return read_text(console.sign_in(role).get(f"/system{query}").text)


def test_what_is_wrong_is_told_with_advice_and_links(console, database):
    campaign_id = database.run(add_campaign, "running", waiting_reason="no_active_account", name="Sale")
    console.broker = BrokerFacts(waiting={"campaigns": 120})
    page = console.sign_in().get("/system").text
    text = read_text(page)
    for words in (
        "No worker runs, so nothing is sent.",
        "There was no tick yet",
        "The queue `campaigns` holds 120 tasks.",
    ):
        assert words in text
    assert f'href="/campaigns/{campaign_id}' in page
    assert text.index("No worker runs") < text.index("holds 120 tasks"), "errors come first"


def test_a_healthy_system_has_no_error(console, database):
    fetch(database, TICK)
    add_worker(database, "w1", ["campaigns"])
    console.broker = BrokerFacts(waiting=dict.fromkeys(ALL_QUEUES, 0))
    page = console.sign_in().get("/system").text
    text = read_text(page)
    assert 'class="problem"' not in page
    assert console.asked == [False]
    for words in ("w1 worker works 3 of 512", "campaigns worker 0", "control events 0"):
        assert words in text


def test_the_processes_are_asked_only_at_a_wish(console, database):
    fetch(database, TICK)
    add_worker(database, "w1", ["campaigns"])
    console.broker = BrokerFacts(queues={**ALL_QUEUES, "health": set()}, beats={"beat"}, waiting={})
    text = show(console, "?ask=processes")
    assert console.asked == [True]
    assert "No worker answers for the queue `health`" in text
    assert "campaigns worker 0 w1" in text
    assert "health events 0 none" in text
    assert "The servers and the processes were asked just now." in text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"stalled_seconds": 300.0}, "has taken no task for 5 min"),
        ({"skew_seconds": 125.0}, "2 min ahead"),
        ({"skew_seconds": -7.0}, "7 s behind"),
    ],
)
def test_the_state_of_a_worker_is_told(console, database, columns, words):
    add_worker(database, "w1", ["campaigns"], **columns)
    assert words in show(console)


def test_a_worker_that_reports_no_more_is_silent(console, database):
    fetch(database, ADD_WORKER)
    fetch(database, "UPDATE workers SET seen_at = now() - interval '3 hours' RETURNING 1")
    text = show(console)
    assert "silent" in text
    assert "3 hours ago" in text


def test_a_broker_that_is_away_is_told(console):
    console.broker = BrokerFacts(away="connection refused")
    text = show(console)
    assert "The broker does not answer (connection refused)" in text
    assert "campaigns worker not known" in text


def test_the_inbox_the_ticks_and_the_versions_are_told(console, database):
    fetch(database, TICK)
    add = "INSERT INTO webhook_events (body, received_at) VALUES ('{}', now() - interval '10 minutes') RETURNING 1"
    fetch(database, add)
    text = show(console)
    (newest,) = fetch(database, "SELECT max(name) FROM schema_migrations")
    for words in (
        *("Webhooks to apply1 the oldest waits for 10 minutes", "Last tick0 seconds ago one each 10 seconds"),
        *(f"Schema{newest}", "as this program needs it", "Postgres18", "Python3.", "Celery5."),
    ):
        assert words in text


CHAT = "https://chat.example.com/hook/geheim?phone=551130000000"


def test_forwards_are_shown_without_the_secret_parts_of_their_addresses(console, database):
    assert "Webhooks for other programs" not in show(console)
    database.run(insert_forward, CHAT, fields=["messages"], phone_number_ids=["1065"], secret=None)
    database.run(insert_forward, "https://crm.example.com/", fields=[], phone_number_ids=[], secret=None)
    fetch(
        database,
        "INSERT INTO forward_bodies (forward_id, inbox_id, received_at, phone_number_ids, next_try_at, body)"
        " SELECT 1, n, '2026-10-01T12:00Z', '{1065}', now(), '{}' FROM generate_series(1, 37) n RETURNING 1",
    )
    failing = "failing_since = '2026-10-01T12:05Z', last_error = 'HTTP 502', given_up_count = 2"
    fetch(database, f"UPDATE forwards SET {failing} WHERE id = 1 RETURNING 1")
    fetch(database, "UPDATE forwards SET disabled_at = '2026-10-01T13:00Z' WHERE id = 2 RETURNING 1")
    page = console.sign_in(name="olga").get("/system").text
    text = read_text(page)
    assert "geheim" not in page
    assert "551130000000" not in page
    for words in (
        "1: chat.example.com fails since 2026-10-01 12:05 messages 1065 37 2026-10-01 12:00 never 2 HTTP 502",
        "2: crm.example.com disabled since 2026-10-01 13:00 all fields all numbers 0 never 0",
        "revoada forward show 1",
        "revoada forward enable 1",
    ):
        assert words in text
    assert 'href="/system">see the forwards of webhooks' in page


def test_settings_are_shown_without_secrets(make_console, settings):
    console = make_console(redis_url=None, meta_app_secret="geheim-1", flower_url="https://flower.example")
    page = console.sign_in().get("/system").text
    text = read_text(page)
    assert "geheim-1" not in page
    assert settings.secret_key not in page
    assert re.search(r"META_APP_SECRET app secret with [^.]*\) set META_VERIFY_TOKEN", text)
    assert re.search(r"BROKER_URL URL of the broker, if it is not REDIS_URL not set", text)
    assert re.search(r"REVOADA_SLOTS campaigns that one [^.]* 512 the default", text)
    assert 'href="https://flower.example"' in page
    assert (
        "Flower" not in read_text(make_console().sign_in(name="olga").get("/system").text).partition("All settings")[0]
    )


def test_no_row_of_the_settings_has_a_secret():
    key = make_key()
    given = {"DATABASE_URL": "postgresql://u:geheim@db/x", "REDIS_URL": "redis://:geheim@valkey:6379",
             "META_VERIFY_TOKEN": "geheim", "ALERT_WEBHOOK_URL": "https://x.example/geheim", "REVOADA_SECRET_KEY": key,
             "REVOADA_QUIET_HOURS": "20:00-08:00", "REVOADA_TRUSTED_PROXIES": "10.0.0.5,10.1.0.0/16"}  # fmt: skip
    rows = {each.variable: each for each in list_settings(read_settings(given))}
    assert not [each for each in rows.values() if "geheim" in each.value or key in each.value]
    assert all(rows[name].is_set for name in given)
    assert rows["REVOADA_QUIET_HOURS"].value == "20:00-08:00"
    assert rows["REVOADA_TRUSTED_PROXIES"].value == "10.0.0.5/32, 10.1.0.0/16"
    assert rows["REVOADA_TICK_SECONDS"].value == "10"
    assert rows["REVOADA_TICK_SECONDS"].is_default


def test_an_admin_corrects_wrong_counters(console, database):
    campaign_id = database.run(add_campaign, "running")
    database.run(add_messages, campaign_id, 4)
    fetch(database, "UPDATE tallies SET count = 7 WHERE status = 'pending' RETURNING 1")
    browser = console.sign_in(Role.ADMIN)
    text = read_text(browser.post("/system/repair", form="/system").text)
    assert "pending -3" in text
    assert fetch(database, "SELECT count FROM tallies WHERE status = 'pending'") == [4]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.repair'") == ["admin-en"]
    again = read_text(browser.post("/system/repair", form="/system").text)
    assert "All counters agree with a recount. Nothing was changed." in again


def test_the_page_alone_corrects_no_counter(console, database):
    campaign_id = database.run(add_campaign, "running")
    database.run(add_messages, campaign_id, 4)
    fetch(database, "UPDATE tallies SET count = 7 WHERE status = 'pending' RETURNING 1")
    assert "Recount and correct Your role does not allow it." in show(console)
    assert fetch(database, "SELECT count FROM tallies WHERE status = 'pending'") == [7]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PLANNER])
def test_others_do_not_see_the_system(console, role):
    browser = console.sign_in(role)
    assert browser.get("/system").status_code == 403
    assert "System" not in read_text(browser.get("/").text)
