"""`doctor` on states as they stand in Postgres and Valkey; who answers over the broker is told by the test."""

from __future__ import annotations

import json
import re
import socket
import time
from contextlib import closing

import click
import psycopg
import pytest
import redis
from click.testing import CliRunner

from campaigns.broker import inspection
from campaigns.broker.inspection import Alive, BrokerError
from campaigns.broker.queues import QUEUES
from campaigns.cli.root import main
from campaigns.secrets import encrypt_token, make_key
from campaigns.store.migrate import migrate
from campaigns.throttle.bucket import Ask, Throttle
from devstack.postgres import start_postgres
from devstack.valkey import start_valkey
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import (
    EVERY_TABLE,
    add_account,
    add_campaign,
    add_message,
    add_template,
    deactivate_category,
    fetch,
)

HOUR = "now() - interval '1 hour'"


@pytest.fixture(scope="module")
def shared_url(tmp_path_factory):
    """A server of its own, as safe as it should be: that of the other tests is not."""
    server = start_postgres(tmp_path_factory.mktemp("doctor") / "postgres", fsync=True)
    try:
        url = server.create_database("doctor")
        migrate(url)
        yield url
    finally:
        server.stop(mode="immediate")


@pytest.fixture
def database_url(shared_url):
    with psycopg.connect(shared_url) as connection:
        connection.execute(f"TRUNCATE {EVERY_TABLE} RESTART IDENTITY CASCADE")
    return shared_url


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    """One that a test may spoil."""
    with start_valkey(tmp_path_factory.mktemp("doctor") / "valkey") as server:
        yield server


@pytest.fixture
def broker(monkeypatch):
    """All processes answer and no task waits; a test may take some away."""
    alive, waiting = Alive({queue: {"worker@here"} for queue in QUEUES}, {"celerybeat@here"}), dict.fromkeys(QUEUES, 0)
    monkeypatch.setattr(inspection, "ask_alive", lambda _app, _seconds: alive)
    monkeypatch.setattr(inspection, "count_waiting", lambda _app, _seconds: waiting)
    return alive, waiting


@pytest.fixture
def fine(revoada, database, valkey, broker, monkeypatch):
    """An installation with which nothing is wrong, and nothing becomes wrong during a test."""
    monkeypatch.setattr("campaigns.doctor.diagnose._TIMEOUT_SECONDS", PATIENCE_SECONDS)
    revoada.environment |= {"REDIS_URL": valkey.url, "REVOADA_TICK_SECONDS": "600"}
    fetch(database, "UPDATE installation SET ticked_at = clock_timestamp()")
    return revoada


@pytest.fixture
def account(fine, database):
    """Adds an account whose token can be read."""

    def add(name="sales", **columns):
        token = encrypt_token(fine.environment["REVOADA_SECRET_KEY"], "EAAG-secret")
        return database.run(add_account, name=name, token=token, **columns)

    return add


@pytest.fixture
def campaign(account, database):
    """Adds a campaign with an account, one message left and somebody who runs it."""

    def add(status="running", **columns):
        is_run = columns.pop("is_run", True)
        accounts = columns.pop("accounts", None)
        campaign_id = database.run(
            add_campaign, status, accounts=[account()] if accounts is None else accounts, **columns
        )
        database.run(add_message, campaign_id)
        if is_run:
            fetch(database, "UPDATE leases SET owner = 'host:7', until = now() + interval '1 hour'")
        return campaign_id

    return add


def add_worker(database, **columns):
    """A worker that has just reported; times are SQL."""
    row = {
        "owner": "'host:7'", "name": "'worker@host'", "queues": "'{campaigns}'", "slots": "512", "running_count": "0",
        "started_at": HOUR, "seen_at": "clock_timestamp()", "consumed_at": HOUR, "stalled_seconds": "NULL",
        "skew_seconds": "0",
    } | columns  # fmt: skip
    fetch(database, f"INSERT INTO workers ({', '.join(row)}) VALUES ({', '.join(row.values())})")


def look(revoada, *arguments, exit_code, **environment):
    """The findings as (kind, severity) → text, in their order; each says what to do, by commands that exist."""
    result = revoada("doctor", "--json", *map(str, arguments), **environment)
    assert result.exit_code == exit_code, result.output
    findings = json.loads(result.stdout)
    for finding in findings:
        assert finding["text"].endswith("."), finding
        assert finding["advice"]
        for call in re.findall(r"`revoada ([a-z -]+)", finding["advice"]):
            assert_exists(call.split())
    return {(finding["kind"], finding["severity"]): finding["text"] for finding in findings}


def assert_exists(words):
    command = main
    for word in words:
        if isinstance(command, click.Group) and not word.startswith("-"):
            command = command.commands[word]


def kinds(found):
    return [kind for kind, _ in found]


def closed_port():
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# Nothing wrong


def test_a_fine_installation_has_no_finding(fine, campaign):
    campaign()
    assert look(fine, exit_code=0) == {}
    assert fine.ok("doctor") == "Nothing is wrong.\n"


def test_a_campaign_that_runs_says_so(fine, campaign, database):
    campaign_id = campaign()
    add_worker(database)
    found = look(fine, campaign_id, exit_code=0)
    assert kinds(found) == ["runs"]
    assert "host:7 holds its lease until" in found["runs", "note"]
    output = fine.ok("doctor", str(campaign_id))
    assert output.startswith(f"· Campaign {campaign_id} is in its slice")
    assert "    → Watch it: `revoada campaign watch" in output
    assert output.endswith("Nothing is wrong.\n")


def test_a_campaign_that_does_not_exist_is_refused(fine):
    assert fine.refusal("doctor", "7") == "Campaign 7 does not exist."


# Servers


def test_without_postgres_the_rest_is_told_within_seconds(fine, broker):
    broker[0].queues["health"].clear()
    url = f"postgresql://u:pass-word@127.0.0.1:{closed_port()}/revoada"
    found = look(fine, exit_code=2, DATABASE_URL=url)
    assert kinds(found) == ["database_away", "no_worker"]
    assert "refused" in found["database_away", "error"]
    assert "pass-word" not in str(found)


def test_without_a_database_url_it_is_refused(fine):
    assert "DATABASE_URL is not set" in fine.refusal("doctor", DATABASE_URL=None)


def test_without_valkey_the_rest_is_told(fine, campaign, monkeypatch):
    def is_away(_app, _seconds):
        raise BrokerError("OperationalError")

    monkeypatch.setattr(inspection, "count_waiting", is_away)
    found = look(fine, campaign(), exit_code=2, REDIS_URL=f"redis://:pass-word@127.0.0.1:{closed_port()}/0")
    assert kinds(found) == ["valkey_away", "runs", "broker_away"]
    assert "pass-word" not in str(found)


def test_a_schema_that_is_older_or_newer_is_told(fine, database):
    fetch(database, "INSERT INTO schema_migrations (name) VALUES ('9999_later')")
    assert "9999_later" in look(fine, exit_code=2)["schema", "error"]
    fetch(database, "UPDATE schema_migrations SET name = 'gone' WHERE name = '0001_core'")
    assert "lacks 1 migration" in fine("doctor").stdout
    fetch(database, "DELETE FROM schema_migrations WHERE name = '9999_later'")
    fetch(database, "UPDATE schema_migrations SET name = '0001_core' WHERE name = 'gone'")


def test_a_database_that_takes_no_writes_is_told(fine, database_url, campaign):
    campaign()
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("ALTER DATABASE doctor SET default_transaction_read_only = on")
        found = look(fine, exit_code=2)
        admin.execute("ALTER DATABASE doctor RESET default_transaction_read_only")
    assert kinds(found) == ["read_only", "counters"]
    assert "could not be compared" in found["counters", "warning"]


def test_a_setting_that_loses_commits_is_told_and_one_that_we_overrule_is_not(fine, database_url, database):
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("ALTER DATABASE doctor SET synchronous_commit = off")
        look(fine, exit_code=0)
        admin.execute("ALTER DATABASE doctor RESET synchronous_commit")
        for value in ("off", "on"):
            admin.execute(f"ALTER SYSTEM SET full_page_writes = {value}")
            admin.execute("SELECT pg_reload_conf()")
            wait_for(lambda value=value: fetch(database, "SHOW full_page_writes") == [value])
            if value == "off":
                assert "full_page_writes = off" in look(fine, exit_code=1)["unsafe_setting", "warning"]


def test_an_evicting_and_a_full_valkey_are_told(fine, valkey):
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "allkeys-lru" in look(fine, exit_code=1)["eviction", "warning"]
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1kb")
        found = look(fine, exit_code=2)
        client.config_set("maxmemory", "0")
    assert kinds(found) == ["valkey_refuses", "valkey_memory"]
    assert "maxmemory" in found["valkey_refuses", "error"]


def test_a_valkey_that_is_a_replica_is_told(fine, valkey):
    with redis.Redis.from_url(valkey.url) as client:
        client.replicaof("127.0.0.1", str(closed_port()))
        found = look(fine, exit_code=2)
        client.replicaof("NO", "ONE")
    assert "replica" in found["valkey_refuses", "error"]


# Processes


def test_a_queue_without_a_worker_is_told_with_what_waits_there(fine, broker):
    alive, waiting = broker
    del alive.queues["campaigns"]
    waiting["campaigns"] = 3
    found = look(fine, exit_code=2)
    expected = "No worker answers for the queue `campaigns`, which holds 3 tasks: nothing is sent."
    assert found == {("no_worker", "error"): expected}


def test_a_campaign_is_told_of_its_queues_only(fine, broker, campaign):
    broker[0].queues.clear()
    lines = fine("doctor", str(campaign())).stdout.splitlines()
    assert [re.search(r"queue `(\w+)`", line)[1] for line in lines if "No worker" in line] == [
        "campaigns", "control", "webhooks",
    ]  # fmt: skip


def test_a_backlog_and_a_missing_beat_are_told(fine, broker):
    alive, waiting = broker
    waiting["webhooks"] = 101
    alive.beats.clear()
    assert kinds(look(fine, exit_code=2)) == ["backlog", "no_beat"]


def test_an_old_tick_is_told(fine, database):
    fetch(database, "UPDATE installation SET ticked_at = now() - interval '12 min'")
    look(fine, exit_code=0)
    look_again = {"REVOADA_TICK_SECONDS": "200"}
    assert look(fine, exit_code=2, **look_again)["tick", "error"].startswith("The last tick was 12 min ago")
    fetch(database, "UPDATE installation SET ticked_at = NULL")
    assert look(fine, exit_code=2)["tick", "error"].startswith("There was no tick yet")


@pytest.mark.parametrize(
    ("columns", "kind", "severity"),
    [
        ({"stalled_seconds": "60"}, "worker_stalled", "error"),
        ({"stalled_seconds": "60", "seen_at": HOUR}, "worker_stalled", "warning"),
        ({"seen_at": HOUR}, "worker_silent", "warning"),
        ({"skew_seconds": "-4"}, "clock", "warning"),
        ({"skew_seconds": "3600"}, "clock", "warning"),
    ],
)
def test_a_worker_that_is_not_well_is_told(fine, database, columns, kind, severity):
    add_worker(database, **columns)
    (found,) = look(fine, exit_code=2 if severity == "error" else 1).items()
    assert found[0] == (kind, severity)
    assert "worker@host" in found[1]


def test_workers_that_are_well_are_not_told(fine, database):
    add_worker(database, skew_seconds="1.5")
    add_worker(database, owner="'host:8'", seen_at="now() - interval '5 s'")
    look(fine, exit_code=0)


# Webhooks


def test_webhooks_that_wait_and_that_were_set_aside_are_told(fine, database):
    stored = "INSERT INTO webhook_events (received_at, next_try_at, body) VALUES (now() - interval '{}', now(), '')"
    fetch(database, stored.format("5 s"))
    look(fine, exit_code=0)
    fetch(database, stored.format("5 min"))
    fetch(
        database,
        "INSERT INTO webhook_events (status, reason, expires_at, body) VALUES ('set_aside', 'not JSON', now(), '')",
    )
    found = look(fine, exit_code=1)
    assert found["inbox", "warning"].startswith("The inbox holds 2 webhook events to be applied, the oldest for 5 min")
    assert "not JSON" in found["set_aside", "warning"]


def test_answers_that_wait_for_a_decision_are_told(fine, database):
    fetch(
        database,
        "INSERT INTO optout_reviews (recipient_key, answer, source, detail, text, said_at, phone_number_id, opened_at)"
        f" SELECT '+551199999000' || n, sha256(n::text::bytea), 'word', '', '', now(), '1', {HOUR}"
        " FROM generate_series(1, 2) n",
    )
    found = look(fine, exit_code=1)
    assert "(2 reviews, the first for 60 min" in found["optout_reviews", "warning"]


def test_an_account_of_whose_messages_no_webhook_tells_is_told(fine, account, campaign, database):
    sales = account()
    campaign_id = campaign(accounts=[sales])
    recently = "now() - interval '{}'"

    def add_sent(ago, **columns):
        message_id = database.run(add_message, campaign_id, "sent", account_id=sales, **columns)
        fetch(database, f"UPDATE messages SET sent_at = {recently.format(ago)} WHERE id = %s", message_id)
        return message_id

    add_sent("5 s")
    add_sent("2 hours")
    look(fine, exit_code=0)
    message_id = add_sent("10 min")
    text = look(fine, exit_code=1)["no_webhooks", "warning"]
    assert text.startswith("Account sales had 1 message accepted in the last hour")
    assert ("no_webhooks", "warning") in look(fine, campaign_id, exit_code=1)
    fetch(database, "UPDATE messages SET status = 'delivered' WHERE id = %s", message_id)
    look(fine, exit_code=0)


# A campaign


@pytest.mark.parametrize(
    ("status", "columns", "told"),
    [
        ("draft", {}, ("draft", "is a draft")),
        ("paused", {}, ("paused", "paused by a person")),
        ("completed", {}, ("ended", "is completed")),
        ("scheduled", {"scheduled_at": "2999-01-01T12:00Z"}, ("scheduled", "begins at 2999-01-01 12:00:00 UTC")),
        ("running", {"waiting_reason": "window", "due_at": "2999-01-01T12:00Z"}, ("waits_window", "2999-01-01 12:00")),
        ("running", {"waiting_reason": "interval", "due_at": "2999-01-01T12:00Z"}, ("waits_interval", "2999-01-01")),
        ("running", {"waiting_reason": "retry", "due_at": "2999-01-01T12:00Z"}, ("waits_retry", "next attempt")),
        ("running", {"waiting_reason": "daily_limit", "due_at": "2999-01-01T12:00Z"}, ("waits_daily_limit", "limit")),
    ],
)
def test_what_is_as_it_should_be_is_a_note(fine, campaign, status, columns, told):
    campaign_id = campaign(status, is_run=False, **columns)
    ((found, text),) = look(fine, campaign_id, exit_code=0).items()
    assert found == (told[0], "note")
    assert told[1] in text
    look(fine, exit_code=0)


def test_people_whom_a_window_never_reaches_are_told(fine, campaign, database):
    hours = {"window_from": "09:00", "window_to": "18:00", "uses_recipient_zones": True}
    campaign_id = campaign(waiting_reason="window", due_at="2999-01-01T12:00Z", is_run=False, **hours)
    fetch(database, "INSERT INTO campaign_zones VALUES (%s, 1, 'America/New_York,Asia/Tokyo')", campaign_id)
    assert "zones_never_open" not in kinds(look(fine, campaign_id, exit_code=0))
    fetch(database, "UPDATE messages SET zone_id = 1")
    found = look(fine, exit_code=1)
    assert found["zones_never_open", "warning"].startswith(f"1 message of campaign {campaign_id} will not be sent")
    fetch(database, "UPDATE campaigns SET window_from = '08:00', window_to = '07:00'")
    assert "zones_never_open" not in kinds(look(fine, campaign_id, exit_code=0))


@pytest.mark.parametrize(
    ("reason", "severity"),
    [("throttled", "warning"), ("unreachable", "warning"), ("no_active_account", "warning"), ("template", "error")],
)
def test_a_wait_that_a_person_should_know_is_told(fine, campaign, reason, severity):
    campaign_id = campaign(is_run=False, waiting_reason=reason, due_at="2999-01-01T12:00Z")
    ((found, text),) = look(fine, campaign_id, exit_code=2 if severity == "error" else 1).items()
    assert found == (f"waits_{reason}", severity)
    assert "until 2999-01-01 12:00:00 UTC" in text


def test_a_closed_window_and_a_pace_are_notes_also_before_a_slice_has_seen_them(fine, campaign, database):
    campaign_id = campaign(is_run=False, weekdays=[1, 2, 3, 4, 5, 6, 7], window_from="00:00", window_to="00:00:01")
    found = look(fine, campaign_id, exit_code=0)
    assert kinds(found) == ["waits_window", "is_due"]
    fetch(database, "UPDATE campaigns SET window_from = NULL, window_to = NULL, interval_seconds = 60")
    fetch(database, "UPDATE leases SET next_message_at = now() + interval '1 hour'")
    assert kinds(look(fine, campaign_id, exit_code=0)) == ["waits_interval", "is_due"]


def test_a_template_that_meta_has_paused_is_an_error(fine, campaign, database):
    template_id = database.run(add_template, name="promo", status="paused", blocked_until="2999-01-01T12:00Z")
    campaign_id = campaign(template_id=template_id)
    text = look(fine, campaign_id, exit_code=2)["template", "error"]
    assert "promo:en" in text
    assert "is paused" in text
    assert "2999-01-01 12:00:00 UTC" in text
    assert kinds(look(fine, exit_code=2)) == ["template"]


def test_accounts_that_may_not_send_are_told(fine, account, campaign, database):
    sales, other = account(), account("other")
    campaign_id = campaign(accounts=[sales, other])
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = '5 failures: 190' WHERE id = %s", sales)
    found = look(fine, campaign_id, exit_code=1)
    assert found["account_inactive", "warning"] == "Account sales is inactive: 5 failures: 190."
    found = look(fine, campaign_id, exit_code=2, REVOADA_SECRET_KEY=make_key())
    assert kinds(found) == ["account_inactive", "account_token", "no_active_account", "runs"]


def test_an_account_that_does_not_send_the_category_of_a_campaign_is_told_for_that_campaign(
    fine, account, campaign, database
):
    sales, other = account(), account("other")
    marketing = campaign(accounts=[sales, other], template_id=database.run(add_template, category="MARKETING"))
    utility = campaign(accounts=[sales], template_id=database.run(add_template, category="UTILITY"))
    database.run(deactivate_category, sales)
    text = look(fine, marketing, exit_code=1)["account_category_inactive", "warning"]
    assert text.startswith("Account sales sends no MARKETING templates since 20")
    assert text.endswith(": 5 consecutive send failures: 131063 Marketing is off.")
    assert kinds(look(fine, utility, exit_code=0)) == ["runs"]
    database.run(deactivate_category, other)
    assert kinds(look(fine, marketing, exit_code=2)) == ["account_category_inactive", "no_active_account", "runs"]
    advice = (
        "Allow marketing over the Cloud API: WhatsApp Manager, Account settings. Then `revoada account activate sales`."
    )
    assert advice in [each["advice"] for each in json.loads(fine("doctor", "--json", str(marketing)).stdout)]


def test_a_rest_and_a_low_rate_of_an_account_are_told(fine, account, campaign, database, valkey):
    sales = account(messages_per_second=80)
    campaign_id = campaign(accounts=[sales])
    with redis.Redis.from_url(valkey.url) as client:
        throttle = Throttle(client)
        for _ in range(2):
            (grant,) = throttle.grant(1, [Ask(sales, rate=80, want=1)])
            throttle.grant(1, [Ask(sales, rate=80, want=0, throttled_at=grant.granted_at)])
            client.hset(f"revoada:throttle:{sales}", "halved_at", 0)
        # The rate climbs from this time on.
        client.hset(f"revoada:throttle:{sales}", "at", time.time() + 3_600)
        found = look(fine, campaign_id, exit_code=1)
        client.flushdb()
    assert re.search(r"at most 2\d\.\d messages/s instead of 80", found["account_slow", "warning"])
    fetch(database, "UPDATE accounts SET blocked_until = '2999-01-01', blocked_reason = '131048 spam limit'")
    found = look(fine, campaign_id, exit_code=1)
    assert "until 2999-01-01 00:00:00 UTC: 131048 spam limit." in found["account_rests", "warning"]


def test_the_lease_of_a_worker_that_says_nothing_is_told(fine, campaign, database):
    campaign_id = campaign()
    add_worker(database, seen_at=HOUR)
    found = look(fine, campaign_id, exit_code=1)
    assert kinds(found) == ["lease_of_silent", "worker_silent"]
    assert "by host:7, which has said nothing for 60 min" in found["lease_of_silent", "warning"]


def test_a_campaign_that_was_rung_and_not_taken_is_told(fine, campaign, database, monkeypatch):
    monkeypatch.setattr("campaigns.doctor.campaign_checks._PATIENCE_SECONDS", 900.0)
    campaign_id = campaign(is_run=False)
    fetch(database, "UPDATE campaigns SET enqueued_at = now() - interval '3 s'")
    assert look(fine, campaign_id, exit_code=0) == {}
    fetch(database, "UPDATE campaigns SET enqueued_at = now() - interval '20 min'")
    assert "was rung 20 min ago" in look(fine, campaign_id, exit_code=1)["not_taken", "warning"]


def test_a_campaign_that_no_tick_has_rung_is_told(fine, campaign):
    campaign_id = campaign(is_run=False, due_at="2026-10-01T12:00Z")
    assert kinds(look(fine, campaign_id, exit_code=2)) == ["not_rung"]


def test_uncertain_messages_are_told_once_their_webhooks_are_late(fine, campaign, database):
    campaign_id = campaign("completed")
    fetch(database, "DELETE FROM messages")
    fetch(database, "UPDATE campaigns SET completed_at = now()")
    for _ in range(2):
        database.run(add_message, campaign_id, "uncertain")
    fetch(database, "UPDATE messages SET claimed_at = now()")
    assert kinds(look(fine, campaign_id, exit_code=0)) == ["ended", "uncertain"]
    fetch(database, "UPDATE messages SET claimed_at = now() - interval '2 hours'")
    text = look(fine, exit_code=1)["uncertain", "warning"]
    assert text.startswith(f"2 messages of campaign {campaign_id} are uncertain, the oldest since")
    assert f"campaign retry-uncertain {campaign_id}" in fine("doctor").stdout
    fetch(database, "UPDATE campaigns SET completed_at = now() - interval '8 days'")
    look(fine, exit_code=0)


def test_counters_that_differ_are_repaired_and_told(fine, campaign, database):
    campaign_id = campaign()
    fetch(database, "UPDATE tallies SET count = count + 3")
    fetch(database, "INSERT INTO tallies VALUES (%s, 'sent', 2)", campaign_id)
    text = look(fine, exit_code=1)["counters", "warning"]
    assert text.endswith("repaired: pending -3, sent -2.")
    look(fine, exit_code=0)
    assert fine.json("campaign", "show", str(campaign_id))["counts"] == {"pending": 1}


def test_the_help_names_the_exit_codes():
    text = CliRunner().invoke(main, ["doctor", "-h"]).output
    assert "exit code  0" in text
