"""When the first message of a campaign may leave, and why none may: `create`, `set`, `start`, `resume`, `preview`."""

from __future__ import annotations

import datetime as dt
import json
import re
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest

from campaigns.cli.campaign import watch
from tests.cli.conftest import ADD_WORKER, quiet_hours
from tests.store.rows import deactivate_category, fetch

SAO_PAULO = "America/Sao_Paulo"

BY_TEMPLATE = (
    "UPDATE templates SET status = 'paused'",
    "No message of campaign 1 can leave now: its template promo:pt_BR is paused.",
)
BY_EDIT = (
    "UPDATE templates SET components = jsonb_set(components, '{0,text}', '\"Oi {{1}} {{2}}\"')",
    "No message of campaign 1 can leave now: The template promo:pt_BR",
)
BY_ACCOUNT = (
    "UPDATE accounts SET active = false, inactive_reason = 'because' WHERE name = 'sales'",
    "No message of campaign 1 can leave now, because none of its accounts may send (sales).",
)


def test_a_draft_without_recipients_asks_for_recipients(house, people):
    people.write_text("phone,name\n5511,Caio\n")
    output = house.ok(
        *("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    )
    assert "Campaign 1 has no recipients to whom it could send. Add some: `revoada campaign import 1 FILE`." in output
    assert "may leave" not in output
    assert "campaign start" not in output
    assert "  revoada campaign import 1 FILE\n" in output
    assert house.json("campaign", "preview", "1")["first_message_at"] is None
    told = house("doctor", "1").stdout
    assert "Campaign 1 is a draft without recipients." in told
    assert "Add some: `revoada campaign import 1 FILE`." in told


@pytest.mark.parametrize("obstacle", [BY_TEMPLATE, BY_EDIT, BY_ACCOUNT])
@pytest.mark.parametrize("command", ["start", "resume", "preview", "set"])
def test_a_campaign_that_cannot_send_says_why(create, house, database, command, obstacle):
    change, reason = obstacle
    create("Sale", "--schedule-at", "tomorrow 12:00")
    if command == "resume":
        house.ok("campaign", "start", "1", "--yes")
        house.ok("campaign", "pause", "1")
    fetch(database, change)
    if command == "preview" and change == BY_EDIT[0]:
        return  # `preview` shows the first message, so it refuses values that do not fit
    options = {"set": ("--schedule-at", "tomorrow 13:00"), "preview": ()}.get(command, ("--yes",))
    output = house.ok("campaign", command, "1", *options)
    assert reason in output
    assert "may leave" not in output
    assert "See what to do: `revoada doctor 1`." in output


@pytest.mark.parametrize("obstacle", [(BY_TEMPLATE[0], "template"), (BY_ACCOUNT[0], "no_active_account")])
@pytest.mark.parametrize("status", ["draft", "scheduled", "paused"])
def test_the_doctor_says_what_to_do_before_the_campaign_runs(create, house, database, status, obstacle):
    create("Sale", "--schedule-at", "tomorrow 12:00")
    fetch(database, obstacle[0])
    fetch(database, "UPDATE campaigns SET status = %s", status)
    found = json.loads(house("doctor", "1", "--json").stdout)
    assert obstacle[1] in {each["kind"] for each in found}


def test_a_category_that_the_account_does_not_send_counts(create, house, database):
    create()
    database.run(deactivate_category, 1)
    assert "none of its accounts may send (sales)" in house.ok("campaign", "start", "1", "--yes")
    (moved,) = house.json("campaign", "pause", "1")
    assert moved["obstacles"] == []
    (moved,) = house.json("campaign", "resume", "1", "--yes")
    assert (moved["first_message_at"], [each["kind"] for each in moved["obstacles"]]) == (None, ["no_sender"])


def test_one_account_that_may_send_is_enough(create, house):
    create("Sale", "--account", "support")
    house.ok("account", "deactivate", "sales")
    assert "may leave now" in house.ok("campaign", "start", "1", "--yes")


@pytest.fixture
def full(house, database):
    """The portfolio of the account `sales` has no quota for two hours."""
    house.ok("portfolio", "add", "company", "--daily-limit", "1")
    house.ok("account", "set", "sales", "--portfolio", "company")
    fetch(database, "INSERT INTO portfolio_people SELECT id, 'x', now() + interval '2 hours' FROM portfolios")
    return dt.datetime.now(ZoneInfo(SAO_PAULO)) + dt.timedelta(hours=2)


@pytest.mark.usefixtures("full")
def test_a_daily_limit_that_is_used_up_delays_the_first_message(create, house):
    create()
    (moved,) = house.json("campaign", "start", "1", "--yes")
    at = dt.datetime.fromisoformat(moved["first_message_at"])
    assert dt.timedelta(minutes=119) < at - dt.datetime.now(dt.UTC) < dt.timedelta(minutes=121)
    house.ok("campaign", "pause", "1")
    output = house.ok("campaign", "resume", "1", "--yes")
    assert "may leave now" not in output
    assert "The daily limit of company is used up until " in output


@pytest.mark.usefixtures("full")
def test_a_daily_limit_that_becomes_free_before_the_schedule_delays_nothing(create, house):
    create("Sale", "--schedule-at", "in 3 hours")
    output = house.ok("campaign", "start", "1", "--yes")
    assert "may leave" in output
    assert "used up" not in output


@pytest.mark.usefixtures("full")
def test_an_account_outside_the_portfolio_sends_at_once(create, house):
    create("Sale", "--account", "support")
    assert "may leave now" in house.ok("campaign", "start", "1", "--yes")


def test_a_cooldown_of_all_accounts_delays_the_first_message(create, house, database):
    create()
    fetch(database, "UPDATE accounts SET blocked_until = now() + interval '1 hour', blocked_reason = 'throttled: x'")
    output = house.ok("campaign", "start", "1", "--yes")
    assert "may leave now" not in output
    assert "all accounts of campaign 1 have a cooldown that Meta asked for." in output


def test_hours_on_each_persons_clock_say_how_many_wait_until_when(house, people):
    """It is 06:00 in Acre when it is 08:00 in São Paulo, and 20:00 in Tokyo."""
    people.write_text("phone,name\n+5511999990001,Ana\n+5511999990002,Bia\n+5568999990003,Caio\n+819012345678,Dai\n")
    words = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    options = ("--schedule-at", "2999-12-02 08:00", "--window", "08:00-20:00", "--recipient-timezone")
    output = house.ok(*words, str(people), *options)
    assert f"may leave Monday, 2999-12-02, at 08:00 ({SAO_PAULO})." in output
    assert f"2 people wait until Monday, 2999-12-02, at 08:00 ({SAO_PAULO})." in output
    assert f"1 person waits until Monday, 2999-12-02, at 10:00 ({SAO_PAULO})." in output
    assert f"1 person waits until Monday, 2999-12-02, at 20:00 ({SAO_PAULO})." in output
    started = house.json("campaign", "start", "1", "--yes")
    assert [each["people"] for each in started[0]["openings"]] == [2, 1, 1]


def test_many_times_are_summed_up(house, people):
    """São Paulo, Acre, Japan, Portugal, India, New Zealand, South Africa."""
    phones = [
        "5511999990001",
        "5568999990003",
        "819012345678",
        "351912345678",
        "919812345678",
        "64211234567",
        "27821234567",
    ]
    people.write_text("phone,name\n" + "".join(f"+{phone},Ana\n" for phone in phones))
    words = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    options = ("--schedule-at", "2999-12-02 00:00", "--window", "08:00-10:00", "--recipient-timezone")
    lines = [line for line in house.ok(*words, str(people), *options).splitlines() if " wait" in line]
    assert len(lines) == 5
    assert sum(int(line.split()[0]) for line in lines) == len(phones)
    assert " wait longer, the last until Monday, 2999-12-0" in lines[-1]


def test_a_clock_that_opens_for_all_at_once_is_not_counted(create, house):
    create("Sale", "--schedule-at", "2999-12-02 06:00", "--window", "08:00-20:00", "--recipient-timezone")
    output = house.ok("campaign", "start", "1", "--yes")
    assert not re.search(r"(people|person) waits?", output), output


# No worker


NO_WORKER = "No worker runs, so nothing is sent. Start the role `worker`"


@pytest.mark.parametrize(
    "gone",
    [
        "DELETE FROM workers",
        "UPDATE workers SET queues = '{control,webhooks,health}'",
        "UPDATE workers SET seen_at = now() - interval '1 day'",
    ],
)
def test_a_start_without_a_worker_says_so(create, house, database, gone):
    create("Black Friday", "--window", "00:00-24:00")
    by_day = {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=12)}
    assert house("campaign", "start", "1", "--yes", **by_day).stderr == ""
    house.ok("campaign", "pause", "1")
    fetch(database, gone)
    result = house("campaign", "resume", "1", "--yes", **by_day)
    assert (result.exit_code, result.stderr.startswith(f"Warning: {NO_WORKER}")) == (0, True)
    house.ok("campaign", "pause", "1")
    result = house("campaign", "resume", "1", "--yes", "--json", **by_day)
    assert json.loads(result.stderr)["warning"].startswith(f"Warning: {NO_WORKER}")


def test_a_start_while_the_only_worker_takes_no_task_says_so(create, house, database):
    create("Black Friday", "--window", "00:00-24:00")
    fetch(database, "UPDATE workers SET stalled_seconds = 90")
    by_day = {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=12)}
    told = house("campaign", "start", "1", "--yes", **by_day).stderr
    assert told.startswith("Warning: Worker worker@host (host:1) is alive and has taken no task for ")
    house.ok("campaign", "pause", "1")
    fetch(database, ADD_WORKER.replace("host:1", "host:2"))
    assert house("campaign", "resume", "1", "--yes", **by_day).stderr == ""


def test_a_start_at_a_later_time_needs_no_worker_yet(create, house, database):
    create("Sale", "--schedule-at", "tomorrow 12:00")
    fetch(database, "DELETE FROM workers")
    assert "worker" not in house("campaign", "start", "1", "--yes").stderr


def test_a_watch_without_a_worker_says_so(create, house, database):
    create()
    house.ok("campaign", "start", "1", "--yes")
    fetch(database, "DELETE FROM workers")
    lines = []

    def end(line):
        """End the campaign once the watch has told of the worker, so that the watch ends."""
        lines.append(line)
        fetch(database, "UPDATE campaigns SET status = 'cancelled', cancelled_at = now()")

    with patch.object(watch, "print_json_line", end):
        house.ok("campaign", "watch", "1", "--json")
    assert lines[0]["problem"].startswith(NO_WORKER)
    assert (lines[-1]["status"], lines[-1]["problem"]) == ("cancelled", "")
