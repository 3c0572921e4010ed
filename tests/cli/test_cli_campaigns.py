from __future__ import annotations

import datetime as dt

import pytest

COLUMNS = {
    *("id", "name", "status", "template_name", "language", "template_status", "scheduled_at", "interval_seconds"),
    *("pause_after", "pause_seconds", "window_from", "window_to", "weekdays", "time_zone", "waiting_reason", "due_at"),
    *("enqueued_at", "recipient_count", "duplicate_count", "rejected_count", "created_at", "started_at"),
    *("completed_at", "counts", "start_within_seconds", "expire_at", "uses_recipient_zones", "holidays"),
}


@pytest.fixture
def sql(database):
    def run(text, *parameters):
        database.run(lambda connection: connection.execute(text, parameters))

    return run


def test_the_last_line_of_create_is_the_id(create, house):
    assert create() == "1"
    assert create() == "2"
    assert [row["id"] for row in house.json("campaign", "list")] == [1, 2]


def test_create_tells_what_became_of_the_rows(house, people):
    output = house.ok(
        *("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    )
    assert output.splitlines() == [
        "Campaign 1 (Sale): 2 recipients, 1 duplicate dropped, 1 row rejected.",
        "  row 5: phone does not start with + and the country code",
        "1",
    ]


def test_create_takes_all_options(create, house):
    campaign_id = create(
        *("Sale", "--schedule-at", "2999-11-27T09:00", "--interval", "2.5", "--pause-after", "200"),
        *("--pause-for", "600", "--window", "09:00-18:00", "--weekdays", "mon-fri", "--timezone", "America/Manaus"),
        *("--account", "support"),
    )
    row = house.json("campaign", "show", campaign_id)
    assert row["scheduled_at"] == "2999-11-27T13:00:00+00:00"
    assert (row["interval_seconds"], row["pause_after"], row["pause_seconds"]) == (2.5, 200, 600)
    assert (row["window_from"], row["window_to"], row["weekdays"]) == ("09:00:00", "18:00:00", [1, 2, 3, 4, 5])
    assert row["time_zone"] == "America/Manaus"
    assert [account["name"] for account in row["accounts"]] == ["sales", "support"]
    output = house.ok("campaign", "show", campaign_id)
    for shown in ("2999-11-27 09:00:00 -04", "600 s after 200 messages", "09:00-18:00", "mon-fri", "2.5 s"):
        assert shown in output


def test_a_campaign_without_a_zone_has_that_of_the_settings(create, house):
    assert house.json("campaign", "show", create())["time_zone"] == "America/Sao_Paulo"


@pytest.mark.parametrize(
    ("options", "reason", "exit_code"),
    [
        (("--recipients", "nobody.csv"), "'nobody.csv' does not exist", 2),
        (("--template", "promo:en"), "There is no template promo:en; `revoada template list` shows all.", 1),
        (("--account", "nobody"), "There is no account nobody; `revoada account list` shows all.", 1),
        (("--schedule-at", "soon"), "'soon' is not a time; write one such as 2026-11-27T09:00.", 1),
        (("--timezone", "Brazil"), "There is no time zone 'Brazil'", 2),
        (("--window", "9-18"), "'9-18' is not a window; write one such as 09:00-18:00.", 2),
        (("--weekdays", "seg-sex"), "'seg-sex' is not a list of weekdays", 2),
        (("--interval", "-1"), "'--interval'", 2),
        (("--pause-after", "5"), "A pause needs both", 1),
        (("--pause-for", "0"), "'--pause-for'", 2),
    ],
)
def test_a_campaign_that_cannot_be_made_says_why(house, people, options, reason, exit_code):
    base = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    assert reason in house.refusal("campaign", "create", "Sale", *base, *options, exit_code=exit_code)
    assert house.json("campaign", "list") == []


def test_a_file_that_cannot_be_read_is_one_line(house, people):
    people.write_bytes(b"phone;name\n")
    base = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    line = house.refusal("campaign", "create", "Sale", *base)
    assert line == f"{people}: its columns are separated by semicolons, they must be separated by commas."


def test_start_rings_at_once_and_says_what_is(create, house):
    ids = [create("One"), create("Two")]
    assert house.ok("campaign", "start", *ids) == "Campaign 1 (One) is pending.\nCampaign 2 (Two) is pending.\n"
    assert house.rung == [1, 2]


def test_start_without_a_broker_warns_and_works(create, house):
    house.has_broker = False
    result = house("campaign", "start", create())
    assert result.exit_code == 0
    assert result.stderr == "Warning: the broker does not answer; the next tick rings what may run now.\n"
    assert house.json("campaign", "list")[0]["status"] == "pending"


def test_start_without_a_broker_in_the_settings_warns_and_unmarks(create, house, monkeypatch):
    monkeypatch.undo()
    result = house("campaign", "start", create())
    assert result.exit_code == 0
    assert "REDIS_URL is not set" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert house.json("campaign", "list")[0]["enqueued_at"] is None


def test_a_campaign_goes_through_its_life(create, house):
    campaign_id = create()
    for command, status in (("start", "pending"), ("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled")):
        assert house.ok("campaign", command, campaign_id) == f"Campaign 1 (Black Friday) is {status}.\n"
    assert house.json("campaign", "show", campaign_id)["counts"] == {"cancelled": 2}


@pytest.mark.parametrize(
    ("command", "word"), [("start", "started"), ("pause", "paused"), ("resume", "resumed"), ("cancel", "cancelled")]
)
def test_an_impossible_command_names_the_status(create, house, command, word):
    house.ok("campaign", "cancel", create())
    assert house.refusal("campaign", command, "1") == f"Campaign 1 (Black Friday) is cancelled: it cannot be {word}."


@pytest.mark.parametrize("command", ["start", "pause", "resume", "cancel", "show", "watch"])
def test_an_unknown_campaign_is_refused(revoada, command):
    assert revoada.refusal("campaign", command, "99") == "Campaign 99 does not exist."


def test_a_campaign_of_bad_rows_cannot_start(create, house, people):
    people.write_text("phone,name\n123,Ana\n")
    line = house.refusal("campaign", "start", create())
    assert line == "Campaign 1 (Black Friday) has no recipients: it cannot be started."


def test_set_changes_a_running_campaign_and_rings_it(create, house, sql):
    campaign_id = create("Sale", "--interval", "3600")
    sql(
        "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'interval',"
        " due_at = '2999-01-01'"
    )
    assert house.ok("campaign", "set", campaign_id, "--interval", "0") == "Campaign 1 (Sale) is changed.\n"
    assert house.rung == [1]
    row = house.json("campaign", "show", campaign_id)
    assert (row["interval_seconds"], row["due_at"]) == (0, None)


def test_set_takes_limits_away(create, house):
    campaign_id = create(
        *("Sale", "--window", "09:00-18:00", "--pause-after", "5", "--pause-for", "5"),
        *("--schedule-at", "2999-01-01T00:00"),
    )
    house.ok("campaign", "set", campaign_id, "--no-window", "--no-pause", "--no-schedule", "--account", "support")
    row = house.json("campaign", "show", campaign_id)
    assert (row["window_from"], row["pause_after"], row["scheduled_at"]) == (None, None, None)
    assert [account["name"] for account in row["accounts"]] == ["support"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "Nothing to change: give at least one option."),
        (("--window", "09:00-18:00", "--no-window"), "Give --window or --no-window, not both."),
        (("--pause-for", "5", "--no-pause"), "Give --pause-for or --no-pause, not both."),
        (("--schedule-at", "2999-01-01", "--no-schedule"), "Give --schedule-at or --no-schedule, not both."),
    ],
)
def test_set_that_makes_no_sense_is_refused(create, house, options, reason):
    assert house.refusal("campaign", "set", create(), *options, exit_code=2).startswith(reason)


def test_the_list_tells_status_wait_and_progress(create, house, sql):
    create()
    sql(
        "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'window',"
        " due_at = '2999-01-01T12:00Z'"
    )
    sql(
        "UPDATE messages SET status = 'sent', account_id = 1, claimed_at = now(), send_no = 1, sent_at = now(),"
        " wamid = 'w' WHERE id = 1"
    )
    output = house.ok("campaign", "list")
    for shown in ("Black Friday", "running", "window until 2999-01-01 09:00:00 -03", "1/2 (50%)"):
        assert shown in output


def test_the_json_of_the_list_has_the_columns(create, house):
    create()
    row = house.json("campaign", "list")[0]
    assert set(row) == COLUMNS
    assert dt.datetime.fromisoformat(row["created_at"]).utcoffset() == dt.timedelta(0)
    assert row["counts"] == {"pending": 2}


def test_show_tells_why_messages_are_uncertain_or_failed(create, house, sql):
    create()
    sql(
        "UPDATE messages SET status = 'uncertain', account_id = 1, claimed_at = now(), send_no = 1,"
        " error_title = 'the reply was lost' WHERE id = 1"
    )
    sql(
        "UPDATE messages SET status = 'failed', account_id = 1, claimed_at = now(), send_no = 1, failed_at = now(),"
        " error_code = 131026, error_title = 'Message undeliverable' WHERE id = 2"
    )
    output = house.ok("campaign", "show", "1")
    assert "the reply was lost" in output
    assert "131026 Message undeliverable" in output
    reasons = house.json("campaign", "show", "1")["reasons"]
    assert [(reason["status"], reason["count"]) for reason in reasons] == [("failed", 1), ("uncertain", 1)]


def test_show_lists_rejected_rows_without_their_phones(create, house):
    output = house.ok("campaign", "show", create())
    assert "does not start with +" in output
    assert house.json("campaign", "show", "1")["import_errors"] == [
        {"row_number": 5, "column_name": "phone", "reason": "does not start with + and the country code"}
    ]
    assert "5511" not in output


def test_watch_ends_when_all_have_ended(create, house):
    ids = [create("One"), create("Two")]
    house.ok("campaign", "cancel", *ids)
    assert house.ok("campaign", "watch", *ids).splitlines() == [
        "Campaign 1 (One) cancelled: 2/2, 0 sent, 0 failed, 0 uncertain",
        "Campaign 2 (Two) cancelled: 2/2, 0 sent, 0 failed, 0 uncertain",
    ]


def test_watch_without_ids_takes_what_is_alive(create, house):
    create()
    assert house.ok("campaign", "watch") == "No campaign is alive.\n"


def test_an_empty_list_says_how_to_begin(revoada):
    assert "revoada campaign create -h" in revoada.ok("campaign", "list")
    assert revoada.json("campaign", "list") == []
