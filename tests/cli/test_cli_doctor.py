"""`doctor` on states as they stand in Postgres and Valkey; who answers over the broker is told by the test."""

from __future__ import annotations

import json
import re
import shlex
import socket
import time
from contextlib import closing

import click
import psycopg
import pytest
import redis
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from campaigns.broker import inspection
from campaigns.broker.inspection import BrokerError, LiveProcesses
from campaigns.broker.queues import QUEUES
from campaigns.cli.hints import in_commands
from campaigns.cli.root import main
from campaigns.domain.failures import ROWS, UNKNOWN_NUMBER, advise_repair
from campaigns.domain.pacing import Reason
from campaigns.domain.template import TemplateStatus
from campaigns.domain.verdict import Action, Scope
from campaigns.management.files.jobs import request_look
from campaigns.management.files.uploads import add_piece, begin_upload, end_upload
from campaigns.secrets import encrypt_token, make_key
from campaigns.store.leases import mark_due_campaigns
from campaigns.store.migrate import migrate
from campaigns.throttle.bucket import Ask, Throttle
from devstack.postgres import start_postgres
from devstack.valkey import start_valkey
from tests.project.sources import list_statements
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    add_template,
    deactivate_category,
    fetch,
    take,
)
from tests.support.actors import TESTER
from tests.support.commands import enter

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


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    """One that a test may spoil."""
    with start_valkey(tmp_path_factory.mktemp("doctor") / "valkey") as server:
        yield server


@pytest.fixture
def broker(monkeypatch):
    """All processes answer and no task waits; a test may take some away."""
    alive, waiting = (
        LiveProcesses({queue: {"worker@here"} for queue in QUEUES}, {"celerybeat@here"}),
        dict.fromkeys(QUEUES, 0),
    )
    monkeypatch.setattr(inspection, "find_live_processes", lambda _app, _seconds: alive)
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
            command = enter(command, word)


def kinds(found):
    return [kind for kind, _ in found]


def closed_port():
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


# Nothing wrong

FINE = (
    "Nothing is wrong, as far as this machine knows. This command does not ask Meta: `revoada check-setup` does, for"
    " example whether Meta refuses a token.\n"
)


def test_a_fine_installation_has_no_finding(fine, campaign):
    campaign()
    assert look(fine, exit_code=0) == {}
    assert fine.ok("doctor") == FINE


def test_a_campaign_that_runs_says_so(fine, campaign, database):
    campaign_id = campaign()
    add_worker(database)
    found = look(fine, campaign_id, exit_code=0)
    assert kinds(found) == ["runs"]
    assert "host:7 holds its lease until" in found["runs", "note"]
    output = fine.ok("doctor", str(campaign_id))
    assert output.startswith(f"· Campaign {campaign_id} is being sent")
    assert "    → Watch it: `revoada campaign watch" in output
    assert output.endswith(FINE)


def test_a_campaign_that_does_not_exist_is_refused(fine):
    assert fine.refusal("doctor", "7").startswith("Campaign 7 does not exist: ")


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


def test_a_missing_role_for_files_is_told_only_while_work_is_due(fine, broker, database, campaign):
    del broker[0].queues["files"]
    assert look(fine, exit_code=0) == {}
    upload_id = begin_upload(database, "people.csv", actor=TESTER)
    add_piece(database, upload_id, 1, b"phone\n", max_bytes=100)
    end_upload(database, upload_id, actor=TESTER)
    request_look(database, campaign("completed"), upload_id, actor=TESTER)
    expected = "No worker answers for the queue `files`: uploaded lists are not read, and downloads are not written."
    assert look(fine, exit_code=2) == {("no_worker", "error"): expected}


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
        ({"descriptor_limit": "90"}, "few_descriptors", "warning"),
        ({"memory_limit_mb": "128"}, "little_memory", "warning"),
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


MINUTE = "clock_timestamp() - interval '1 minute'"


def test_a_worker_that_another_has_replaced_is_not_told(fine, database):
    """Names differ, because each has the number of its process. One new process replaces one that is gone."""
    for number, gone in enumerate(({}, {"stalled_seconds": "60"}), start=1):
        add_worker(database, owner=f"'host:{number}'", name=f"'worker-{number}@host'", seen_at=HOUR, **gone)
    add_worker(database, owner="'host:3'", name="'events-3@host'", queues="'{control}'", started_at=MINUTE)
    add_worker(database, owner="'other:4'", name="'worker-4@other'", started_at=MINUTE)
    add_worker(database, owner="'host:5'", name="'worker-5@host'", started_at="now() - interval '2 hours'")
    assert look(fine, exit_code=1).keys() == {("worker_silent", "warning"), ("worker_stalled", "warning")}
    add_worker(database, owner="'host:6'", name="'worker-6@host'", started_at=MINUTE)
    assert len(look(fine, exit_code=1)) == 1
    add_worker(database, owner="'host:7'", name="'worker-7@host'", started_at=MINUTE)
    look(fine, exit_code=0)


def test_a_worker_whose_queue_is_cancelled_is_told_with_the_command_that_undoes_it(fine, database, broker):
    alive, _ = broker
    for role, queues in (("worker", "campaigns"), ("events", "control,webhooks,health")):
        add_worker(database, owner=f"'host:{role}'", name=f"'{role}-7@host'", queues=f"'{{{queues}}}'")
        for queue in queues.split(","):
            alive.queues[queue].add(f"{role}-7@host")
    look(fine, exit_code=0)
    alive.queues["health"].remove("events-7@host")
    result = fine("doctor", "--json")
    (finding,) = json.loads(result.stdout)
    assert (finding["kind"], finding["severity"], result.exit_code) == ("changed_consumers", "warning", 1)
    assert "events-7@host" in finding["text"] and "`health`" in finding["text"]
    assert "celery -A campaigns control -d events-7@host add_consumer health" in finding["advice"]


def test_a_worker_that_does_not_answer_is_not_told_to_have_cancelled_its_queues(fine, database):
    add_worker(database)
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
    assert text.startswith("Meta accepted 1 message of account sales in the last hour")
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


@pytest.mark.parametrize("status", ["draft", "paused"])
def test_the_advice_to_start_or_to_resume_comes_after_all_that_must_be_done_before(fine, campaign, database, status):
    campaign_id = campaign(status, is_run=False)
    fetch(database, "UPDATE templates SET status = 'paused'")
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'off'")
    found = kinds(look(fine, campaign_id, exit_code=2))
    assert (found[0], found[-1]) == ("template", status)


def test_an_ended_campaign_with_failed_messages_is_told_why_its_template_cannot_be_sent(fine, campaign, database):
    campaign_id = campaign("completed", is_run=False)
    fetch(database, "UPDATE templates SET status = 'paused'")
    assert kinds(look(fine, campaign_id, exit_code=0)) == ["ended"]
    fetch(database, "DELETE FROM messages")
    database.run(add_message, campaign_id, "failed")
    assert kinds(look(fine, campaign_id, exit_code=2)) == ["ended", "template"]


def test_people_whom_a_window_never_reaches_are_told(fine, campaign, database):
    hours = {"window_from": "09:00", "window_to": "18:00", "uses_recipient_zones": True}
    campaign_id = campaign(waiting_reason="window", due_at="2999-01-01T12:00Z", is_run=False, **hours)
    fetch(database, "INSERT INTO campaign_zones VALUES (%s, 1, 'America/New_York,Asia/Tokyo')", campaign_id)
    assert "zones_never_open" not in kinds(look(fine, campaign_id, exit_code=0))
    fetch(database, "UPDATE messages SET zone_id = 1")
    found = look(fine, exit_code=1)
    assert found["zones_never_open", "warning"].startswith(f"1 message of campaign {campaign_id} will never be sent.")
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


def test_one_inactive_account_has_one_repair_and_one_consequence(fine, account, campaign):
    campaign_id = campaign(accounts=[account(**inactive(190))], is_run=False, waiting_reason="no_active_account")
    repair, consequence = json.loads(fine("doctor", "--json", str(campaign_id)).stdout)[:2]
    assert (repair["kind"], consequence["kind"]) == ("account_inactive", "no_active_account")
    assert "`revoada account activate sales`" in repair["advice"]
    assert consequence["text"] == f"So campaign {campaign_id} has no account that may send."
    assert "activate" not in consequence["advice"]
    assert find(fine, "waits_no_active_account", str(campaign_id)) is None


def test_doctor_and_errors_say_the_same_of_uncertain_messages(fine, campaign, database):
    campaign_id = campaign()
    columns = {"error_code": 131000, "error_title": "Something went wrong", "claimed_at": "2026-10-01T12:00Z"}
    database.run(add_message, campaign_id, "uncertain", **columns)
    text = find(fine, "uncertain")["text"]
    assert "nobody knows whether Meta has it" in text
    assert "lost" not in text  # Meta has answered, with its code
    assert "131000 Something went wrong" in fine.ok("campaign", "errors", str(campaign_id))


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
    assert "by host:7, which has reported nothing for 60 min" in found["lease_of_silent", "warning"]


def test_a_campaign_that_was_enqueued_and_not_taken_is_told(fine, campaign, database, monkeypatch):
    monkeypatch.setattr("campaigns.doctor.campaign_checks._PATIENCE_SECONDS", 900.0)
    campaign_id = campaign(is_run=False)
    fetch(database, "UPDATE campaigns SET enqueued_at = now() - interval '3 s'")
    assert look(fine, campaign_id, exit_code=0) == {}
    fetch(database, "UPDATE campaigns SET enqueued_at = now() - interval '20 min'")
    assert "was first enqueued 20 min ago" in look(fine, campaign_id, exit_code=1)["not_taken", "warning"]


def test_ticks_that_publish_a_lost_task_again_do_not_make_the_wait_shorter(fine, campaign, database):
    campaign_id = campaign(is_run=False)
    fetch(database, "UPDATE campaigns SET enqueued_at = now() - interval '20 min'")
    for _ in range(2):
        due, _ = database.run(mark_due_campaigns, tick_seconds=10, expiry_seconds=30)
        assert due == [campaign_id]
        assert "was first enqueued 20 min ago" in look(fine, campaign_id, exit_code=1)["not_taken", "warning"]
        fetch(database, "UPDATE campaigns SET enqueued_at = now() - interval '31 s'")
    database.run(take, campaign_id)
    assert fetch(database, "SELECT untaken_since FROM campaigns") == [None]


def test_a_campaign_that_no_tick_has_enqueued_is_told(fine, campaign):
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


# The advice works: a person who runs the printed commands sees the finding go


@pytest.fixture
def meta(fine, far):
    """The simulator in place of Meta. It takes each token and lists one template."""
    far.script(templates=[{"name": "promo", "language": "pt_BR", "body": "Oi!"}])
    fine.environment |= {
        "GRAPH_API_URL": f"{far.url}/v24.0",
        "REVOADA_HEALTH_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
    }
    return far


@pytest.fixture
def template(database):
    """Adds the template that Meta lists, in a state of our own."""

    def add(**columns):
        body = Jsonb([{"type": "BODY", "text": columns.pop("body", "Oi!")}])
        names = {"name": "promo", "language": "pt_BR", "waba_id": "22"}
        return database.run(add_template, **names | {"components": body, "status_at": "2026-01-01T00:00Z"} | columns)

    return add


# What only a person knows, by the word that stands for it in a command; TOKEN comes from standard input.
BLANKS = {"NAME": "support", "NAME:LANG": "spare:pt_BR", "N": "10", "ID": "424242", "ISO": "2026-01-01T00:00"}
TOKEN = "EAAG-new-token"


def find(revoada, kind, *arguments):
    findings = json.loads(revoada("doctor", "--json", *arguments).stdout)
    return next((each for each in findings if each["kind"] == kind), None)


def run_advice(revoada, advice, *, only=None):
    """Run the commands of an advice as they are printed, one after the other. `only`: the place of the one to run."""
    commands = re.findall(r"`revoada ([^`]+)`", advice)
    assert commands, advice
    for command in commands if only is None else [commands[only]]:
        words = [BLANKS.get(word, word) for word in shlex.split(command)]
        if "retry-uncertain" in words:
            words.append("--yes")  # a terminal asks
        result = revoada(*words, stdin=f"{TOKEN}\n")
        assert result.exit_code == 0, (command, result.output)


def inactive(code):
    failure = {"code": code, "title": "No", "details": "", "message_id": 1, "fbtrace_id": ""}
    return {
        "active": False,
        "inactive_reason": f"5 consecutive send failures: {code} No",
        "failures": Jsonb([failure] * 5),
    }


# One code for each repair.
_ROWS = (UNKNOWN_NUMBER, *ROWS)
REPAIRS = {in_commands(advise_repair(row)): row.code for row in _ROWS if row.action is Action.SWITCH_ACCOUNT}


@pytest.mark.parametrize("code", [*REPAIRS.values(), 133999])
@pytest.mark.usefixtures("meta")
def test_the_advice_for_each_code_of_an_account_ends_its_finding(fine, account, campaign, code):
    campaign(accounts=[account(**inactive(code))])
    run_advice(fine, find(fine, "account_inactive")["advice"])
    assert find(fine, "account_inactive") is None
    assert find(fine, "no_active_account") is None


@pytest.mark.parametrize("code", [row.code for row in ROWS if row.scope is Scope.CATEGORY])
def test_the_advice_for_each_code_of_a_category_ends_its_finding(fine, account, campaign, database, code):
    sales = account()
    campaign(accounts=[sales])
    database.run(deactivate_category, sales, code=code)
    run_advice(fine, find(fine, "account_category_inactive")["advice"])
    assert find(fine, "account_category_inactive") is None


TEMPLATE_STATES = [status for status in TemplateStatus if status not in {"approved", "disabled"}]


@pytest.mark.parametrize("status", TEMPLATE_STATES)
@pytest.mark.parametrize("place", [0, -1])  # read it again once Meta approves it; take another template
@pytest.mark.usefixtures("meta")
def test_the_advice_for_each_status_of_a_template_ends_its_finding(  # noqa: PLR0917
    fine, account, campaign, template, status, place
):
    template(name="spare")
    campaign_id = campaign(
        template_id=template(status=status), accounts=[account(waba_id="22")], waiting_reason="template", is_run=False
    )
    found = find(fine, "template")
    assert find(fine, "waits_template") is None  # nothing is wrong with the list
    assert "campaign errors" not in found["advice"]
    run_advice(fine, found["advice"], only=place)
    assert find(fine, "template", str(campaign_id)) is None
    assert fine.enqueued == [campaign_id]


@pytest.mark.usefixtures("meta")
def test_a_disabled_template_is_replaced(fine, account, campaign, template):
    template(name="spare")
    campaign_id = campaign(template_id=template(status="disabled"), accounts=[account(waba_id="22")])
    run_advice(fine, find(fine, "template")["advice"])
    assert find(fine, "template", str(campaign_id)) is None


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.usefixtures("meta")
def test_the_advice_for_an_edited_template_ends_its_finding(fine, account, campaign, template, place):
    template(name="spare")
    campaign(template_id=template(body="Oi {{1}}!"), accounts=[account(waba_id="22")])
    found = find(fine, "template_misfit")
    assert "now takes 1 from each row, but the campaign's rows have nothing." in found["text"]
    if place == 0:
        run_advice(fine, found["advice"], only=0)
        assert find(fine, "template_misfit") is None
    else:
        assert fine("campaign", "set", "1", "--template", "spare:pt_BR").exit_code == 0
        assert find(fine, "template_misfit") is None


def set_campaign(database, columns):
    fetch(database, f"UPDATE campaigns SET {columns}")


WAIT = "waiting_reason = '{}', due_at = '2099-01-01T12:00Z'"
# By finding: the state (SQL on the campaign), and the place of the command to run (None: each).
CAMPAIGN_FINDINGS = {
    "draft": ("draft", "recipient_count = 1", None),
    "paused": ("paused", "name = name", None),
    "scheduled": ("scheduled", "scheduled_at = now() + interval '1 day'", None),
    "waits_interval": ("running", f"interval_seconds = 5, {WAIT.format('interval')}", None),
    "waits_pause": ("running", f"pause_after = 1, pause_seconds = 60, {WAIT.format('pause')}", None),
    "waits_window": ("running", f"window_from = '08:00', window_to = '09:00', {WAIT.format('window')}", None),
    "waits_template": ("running", WAIT.format("template"), None),
    "no_active_account": ("running", "name = name", None),
}


@pytest.mark.parametrize("kind", CAMPAIGN_FINDINGS)
@pytest.mark.usefixtures("meta")
def test_the_advice_about_a_campaign_ends_its_finding(  # noqa: PLR0917
    fine, account, campaign, template, database, kind
):
    status, columns, place = CAMPAIGN_FINDINGS[kind]
    sales = account(waba_id="22", **({} if kind != "no_active_account" else inactive(190)))
    account("support", waba_id="22", phone_number_id="77")
    campaign_id = campaign(status, template_id=template(), accounts=[sales], is_run=False)
    set_campaign(database, columns)
    found = find(fine, kind, str(campaign_id))
    run_advice(fine, found["advice"], only=place)
    assert find(fine, kind, str(campaign_id)) is None


@pytest.mark.usefixtures("meta")
def test_the_advice_about_a_token_that_cannot_be_read_ends_its_finding(fine, campaign, database):
    campaign()
    fetch(database, "UPDATE accounts SET token = 'x'")
    run_advice(fine, find(fine, "account_token")["advice"])
    assert find(fine, "account_token") is None


@pytest.mark.usefixtures("meta")
def test_the_advice_about_a_token_that_meta_refused_ends_its_finding(fine, campaign, database):
    campaign()
    fetch(database, """UPDATE accounts SET health = '{"error": "Request failed with status code 401 (code 190)"}'""")
    run_advice(fine, find(fine, "account_token_refused")["advice"])
    assert find(fine, "account_token_refused") is None


def test_the_advice_about_a_cooldown_ends_it(fine, campaign, database):
    campaign()
    fetch(database, "UPDATE accounts SET blocked_until = now() + interval '1 hour', blocked_reason = 'throttled: 4 x'")
    run_advice(fine, find(fine, "account_rests")["advice"])
    assert find(fine, "account_rests") is None


def test_the_advice_about_a_window_that_is_never_open_ends_its_finding(fine, campaign, database):
    hours = {"window_from": "09:00", "window_to": "10:00", "uses_recipient_zones": True}
    campaign_id = campaign(is_run=False, **hours)
    zones = "America/Sao_Paulo,America/New_York"
    fetch(database, "INSERT INTO campaign_zones VALUES (%s, 1, %s)", campaign_id, zones)
    fetch(database, "UPDATE messages SET zone_id = 1")
    run_advice(fine, find(fine, "zones_never_open")["advice"])
    assert find(fine, "zones_never_open") is None


def test_the_advice_about_marketing_without_hours_ends_its_finding(fine, campaign):
    campaign_id = campaign(is_run=False)
    fine.environment["REVOADA_QUIET_HOURS"] = "20:00-08:00"
    run_advice(fine, find(fine, "no_quiet_hours")["advice"])
    assert find(fine, "no_quiet_hours", str(campaign_id)) is None


def test_the_advice_about_uncertain_messages_ends_its_finding(fine, campaign, database):
    campaign_id = campaign()
    database.run(add_message, campaign_id, "uncertain", claimed_at="2026-10-01T12:00Z")
    run_advice(fine, find(fine, "uncertain")["advice"], only=-1)
    assert find(fine, "uncertain") is None


def test_the_advice_about_an_older_schema_ends_its_finding(fine, database):
    last = "(SELECT max(name) FROM schema_migrations)"
    (name,) = fetch(database, f"DELETE FROM schema_migrations WHERE name = {last} RETURNING name")
    advice = find(fine, "schema")["advice"]
    fetch(database, "INSERT INTO schema_migrations (name) VALUES (%s)", name)  # the tests after this one share it
    assert "`revoada migrate`" in advice


# The findings whose advice prints no command that ends them, each with the reason.
_LOOK = "the command shows more; the cause ends by itself, or a person decides"
_PROCESS = "a process, a server or a machine is started or set up, which no command of ours does"
NOT_CURED_BY_A_COMMAND = {
    "ended": _LOOK, "done": _LOOK, "runs": _LOOK, "is_due": _LOOK, "waits_retry": _LOOK, "waits_daily_limit": _LOOK,
    "optout_reviews": _LOOK, "no_webhooks": _LOOK, "counters": _LOOK, "account_slow": _LOOK, "waits_throttled": _LOOK,
    "waits_unreachable": _PROCESS, "waits_no_active_account": "another finding names the account and its repair",
    "schema": "migrate ends it; tests/store/test_migrations.py runs it", "database_older": "tests/flows run recover",
    "not_rung": _PROCESS, "not_taken": _PROCESS, "lease_of_silent": _PROCESS, "database_away": _PROCESS,
    "database_refuses": _PROCESS, "database_doubtful": _LOOK, "read_only": _PROCESS, "unsafe_setting": _PROCESS,
    "connections": _PROCESS, "locks": _PROCESS, "clock": _PROCESS, "valkey_tls": _PROCESS, "valkey_away": _PROCESS,
    "valkey_refuses": _PROCESS, "valkey_memory": _PROCESS, "eviction": _PROCESS, "broker_tls": _PROCESS,
    "broker_away": _PROCESS, "no_worker": _PROCESS, "backlog": _PROCESS, "no_beat": _PROCESS, "tick": _PROCESS,
    "worker_silent": _PROCESS, "worker_stalled": _PROCESS, "few_descriptors": _PROCESS, "little_memory": _PROCESS,
    "changed_consumers": _PROCESS, "inbox": _PROCESS, "set_aside": _PROCESS,
    "forward_failing": _PROCESS, "hook_failing": _PROCESS, "hook_disabled": _PROCESS, "waits_idle": _LOOK,
}  # fmt: skip
CURED = {
    *CAMPAIGN_FINDINGS, "account_inactive", "account_category_inactive", "account_token", "account_token_refused",
    "account_rests", "template", "template_misfit", "zones_never_open", "no_quiet_hours", "uncertain",
}  # fmt: skip


def test_each_finding_of_the_doctor_is_in_one_of_the_two_lists(project):
    made = {
        each.code
        for each in list_statements(project)
        if each.maker in {"Finding", "_add_finding"} and each.path.parts[1] == "doctor"
    }
    # `_add_finding` passes on its argument `code`, and `_add_wait` writes the codes of the reasons.
    found = {code for code in made if code.isidentifier() and code != "code"}
    found |= {f"waits_{reason}" for reason in Reason}
    assert not CURED & NOT_CURED_BY_A_COMMAND.keys()
    assert CURED | NOT_CURED_BY_A_COMMAND.keys() == found


# One code for each advice that `campaign errors` prints with a command.
ADVISED = {(str(row.advice), row.retry, row.action): row.code for row in reversed(_ROWS) if row.code is not None}


@pytest.fixture
def failed(account, campaign, template, database):
    """Adds a completed campaign with one message that failed for a code, another account and another template."""

    def add(code):
        template(name="spare")
        account("support", waba_id="22", phone_number_id="77")
        sales = account(waba_id="22")
        campaign_id = campaign("completed", template_id=template(), accounts=[sales], is_run=False)
        columns = {"error_code": code, "error_title": "No", "failed_at": "2026-01-01", "account_id": sales}
        database.run(add_message, campaign_id, "failed", **columns)
        return str(campaign_id)

    return add


@pytest.mark.parametrize("code", ADVISED.values())
@pytest.mark.usefixtures("meta")
def test_the_commands_that_errors_prints_for_each_code_can_be_run(fine, failed, code):
    campaign_id = failed(code)
    (found,) = fine.json("campaign", "errors", campaign_id)
    if "`revoada" in found["advice"]:
        run_advice(fine, found["advice"])
    if found["retry"]:
        line = f"revoada campaign retry {campaign_id} --class {found['retry']}"
        assert line in fine.ok("campaign", "errors", campaign_id)
        fine.ok(*line.split()[1:])
        assert fine.json("campaign", "errors", campaign_id) == []
