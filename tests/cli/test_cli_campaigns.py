from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from campaigns.management.accounts import add_template
from tests.cli.conftest import ANA, BIA, quiet_hours
from tests.domain.test_phone import ELSEWHERE
from tests.store.rows import deactivate_category, fetch
from tests.support.actors import TESTER

COLUMNS = {
    "parameters",
    "columns",
    *("id", "name", "status", "template_name", "language", "template_status", "scheduled_at", "interval_seconds"),
    *("pause_after", "pause_seconds", "window_from", "window_to", "weekdays", "time_zone", "waiting_reason", "due_at"),
    *("enqueued_at", "recipient_count", "duplicate_count", "rejected_count", "created_at", "started_at"),
    *("completed_at", "cancelled_at", "counts", "test_of", "start_within_seconds", "expire_at"),
    *("uses_recipient_zones", "holidays", "is_standing", "max_per_person", "within_days", "funnel"),
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
        "  {{1}} ← name (by its position)",
        "  First message: Oi Ana!",
        f"  1 row with an invalid phone: row 5 (phone {ELSEWHERE})",
        "  1 row of a person who is in an earlier row, which is taken: row 4 (phone belongs to the person of row 2)",
        "  `revoada campaign import-errors 1` lists these rows with their reasons.",
        "  Sent from account sales",
        "If you start the campaign now, the first message may leave now.",
        "Next:",
        "  revoada campaign preview 1",
        "  revoada campaign test 1 --to PHONE",
        "  revoada campaign start 1",
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


@pytest.mark.parametrize(
    ("word", "problem"), [("promo", "'promo' is not NAME:LANGUAGE"), ("promo:es", "There is no template promo:es")]
)
def test_a_template_in_other_languages_only_is_refused_with_these(house, people, database, word, problem):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    options = ("--account", "sales", "--recipients", str(people), "--template", word)
    refused = house.refusal("campaign", "create", "Sale", *options)
    assert f"{problem}; choose from: --template promo:en, --template promo:pt_BR." in refused
    assert f"{problem}; choose from: promo:en, promo:pt_BR." in house.refusal("template", "show", word)


def test_a_campaign_without_a_zone_has_that_of_the_settings(create, house):
    assert house.json("campaign", "show", create())["time_zone"] == "America/Sao_Paulo"


@pytest.mark.parametrize(
    ("options", "reason", "exit_code"),
    [
        (("--recipients", "nobody.csv"), "'nobody.csv' does not exist", 2),
        (("--template", "gone:en"), "There is no template gone:en; `revoada template list` shows all.", 1),
        (("--template", "gone"), "'gone' is not NAME:LANGUAGE, such as promo:pt_BR.", 1),
        (
            ("--account", "nobody"),
            "There is no account nobody. The accounts are: sales, support.",
            1,
        ),
        (("--template", "promos:pt_BR"), "did you mean --template promo:pt_BR? `revoada template list` shows all.", 1),
        (("--account", "Sale"), "There is no account Sale; did you mean sales? `revoada account list` shows all.", 1),
        (("--schedule-at", "soon"), "'soon' is not a time; write one such as 'tomorrow 09:00'", 1),
        (("--timezone", "Brazil"), "There is no time zone 'Brazil'", 2),
        (("--timezone", "London"), "There is no time zone 'London'; did you mean Europe/London?", 2),
        (("--timezone", "Sao_Paolo"), "There is no time zone 'Sao_Paolo'; did you mean America/Sao_Paulo?", 2),
        (("--timezone", "são paulo"), "There is no time zone 'são paulo'; did you mean America/Sao_Paulo?", 2),
        (("--window", "9-18"), "'9-18' is not a window; write one such as 09:00-18:00.", 2),
        (("--weekdays", "seg-xes"), "'seg-xes' is not a list of weekdays", 2),
        (("--interval", "-1"), "'--interval'", 2),
        (("--pause-after", "5"), "A pause needs both", 1),
        (("--pause-for", "0"), "'--pause-for'", 2),
    ],
)
def test_a_campaign_that_cannot_be_made_says_why(house, people, options, reason, exit_code):
    usual = {"--template": "promo:pt_BR", "--recipients": str(people)}
    base = [word for option, value in usual.items() if option not in options for word in (option, value)]
    words = ("campaign", "create", "Sale", "--account", "sales", *base, *options)
    assert reason in house.refusal(*words, exit_code=exit_code)
    assert house.json("campaign", "list") == []


def test_a_file_that_cannot_be_read_is_one_line(house, people):
    people.write_bytes(b'phone;name\n"1;Ana\n')
    base = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    line = house.refusal("campaign", "create", "Sale", *base)
    assert line == f"{people}: row 2 opens a quote that is never closed."


def test_start_rings_at_once_and_says_what_is(create, house):
    ids = [create("One"), create("Two")]
    assert house.ok("campaign", "start", *ids).splitlines()[-4:] == [
        "Campaign 1 (One) is pending.",
        "  The first message may leave now.",
        "Campaign 2 (Two) is pending.",
        "  The first message may leave now.",
    ]
    assert house.enqueued == [1, 2]


def test_start_without_a_broker_warns_and_works(create, house):
    house.has_broker = False
    result = house(
        "campaign",
        "start",
        create("Black Friday", "--window", "00:00-24:00"),
        "--yes",
        REVOADA_QUIET_HOURS=quiet_hours(in_hours=12),
    )
    assert result.exit_code == 0
    assert result.stderr == "Warning: the broker does not answer; the next tick enqueues these campaigns.\n"
    assert house.json("campaign", "list")[0]["status"] == "pending"


def test_start_without_a_broker_in_the_settings_warns_and_unmarks(create, house):
    """In a process of its own, because Celery reads its settings once in a process."""
    command = [
        Path(sys.executable).with_name("revoada"),
        "campaign",
        "start",
        create("Black Friday", "--window", "00:00-24:00"),
        "--yes",
    ]
    settings = os.environ | house.environment | {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=12)}
    environment = {name: value for name, value in settings.items() if value is not None}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "REDIS_URL is not set" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert house.json("campaign", "list")[0]["enqueued_at"] is None


def test_a_campaign_goes_through_its_life(create, house):
    campaign_id = create()
    for command, status in (("start", "pending"), ("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled")):
        lines = house.ok("campaign", command, campaign_id).splitlines()
        assert f"Campaign 1 (Black Friday) is {status}." in lines
    assert house.json("campaign", "show", campaign_id)["counts"] == {"cancelled": 2}


@pytest.mark.parametrize(
    ("command", "word"), [("start", "started"), ("pause", "paused"), ("resume", "resumed"), ("cancel", "cancelled")]
)
def test_an_impossible_command_names_the_status(create, house, command, word):
    house.ok("campaign", "cancel", create())
    line = house.refusal("campaign", command, "1")
    assert line.startswith(f"Campaign 1 (Black Friday) is cancelled: it cannot be {word}. ")


@pytest.mark.parametrize("command", ["start", "pause", "resume", "cancel", "show", "watch"])
def test_an_unknown_campaign_is_refused(revoada, command):
    line = revoada.refusal("campaign", command, "99")
    assert line == "Campaign 99 does not exist: `revoada campaign list` shows all."


def test_a_campaign_of_bad_rows_cannot_start(create, house, people):
    people.write_text("phone,name\n123,Ana\n")
    line = house.refusal("campaign", "start", create())
    assert line.startswith("Campaign 1 (Black Friday) has no recipients: it cannot be started. ")
    assert line.endswith(" `revoada campaign import 1 FILE` adds some.")


def test_set_changes_a_running_campaign_and_rings_it(create, house, sql):
    campaign_id = create("Sale", "--interval", "3600")
    sql(
        "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'interval',"
        " due_at = '2999-01-01'"
    )
    assert house.ok("campaign", "set", campaign_id, "--interval", "0") == "Campaign 1 (Sale) is changed.\n"
    assert house.enqueued == [1]
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
    for shown in ("Black Friday", "running", "window until 2999-01-01 09:00:00 -03", "1/2 (50.0%), 1 sent"):
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


def test_show_names_the_accounts_that_do_not_send_the_category_of_the_template(create, house, database):
    campaign_id = create()
    house.ok("campaign", "set", campaign_id, "--account", "sales", "--account", "support")
    database.run(deactivate_category, 1, "UTILITY")
    assert "sales, support" in house.ok("campaign", "show", campaign_id)
    database.run(deactivate_category, 1)
    shown = house.ok("campaign", "show", campaign_id)
    assert (
        "sales (sends no MARKETING templates: 5 consecutive send failures: 131063 Marketing is off), support" in shown
    )
    accounts = house.json("campaign", "show", campaign_id)["accounts"]
    assert [each["template_category"] for each in accounts] == ["MARKETING", "MARKETING"]


def test_show_lists_rejected_rows_without_their_phones(create, house):
    output = house.ok("campaign", "show", create())
    assert "is not a valid phone number in BR" in output
    assert house.json("campaign", "show", "1")["import_errors"] == [
        {
            "file_name": "people.csv",
            "row_number": 5,
            "column_name": "phone",
            "reason": ELSEWHERE,
            "code": "phone_invalid",
        }
    ]
    assert "5511" not in output


def test_watch_ends_when_all_have_ended(create, house):
    ids = [create("One"), create("Two")]
    house.ok("campaign", "cancel", *ids)
    assert house.ok("campaign", "watch", *ids).splitlines() == [
        "Campaign 1 (One) cancelled: 0/2, 0 sent, 0 failed, 0 uncertain, 2 skipped",
        "Campaign 2 (Two) cancelled: 0/2, 0 sent, 0 failed, 0 uncertain, 2 skipped",
    ]


def test_watch_of_a_draft_says_that_it_was_not_started(create, house):
    campaign_id = create()
    (line,) = house.ok("campaign", "watch", campaign_id, "--json").splitlines()
    problem = json.loads(line)["problem"]
    # No process runs here, so a start alone would send nothing.
    assert problem.startswith("It is a draft and was not started. There was no tick")
    assert problem.endswith(f"Then `revoada campaign start {campaign_id}` starts it.")
    assert house.ok("campaign", "watch", campaign_id).splitlines()[-1].endswith(problem)


def test_watch_without_ids_takes_what_is_alive(create, house):
    create()
    assert house.ok("campaign", "watch") == "Nothing to watch: every campaign has ended or is a draft.\n"


def test_an_empty_list_says_how_to_begin(revoada):
    assert "revoada campaign create -h" in revoada.ok("campaign", "list")
    assert revoada.json("campaign", "list") == []


def test_held_messages_are_shown_as_held(create, house, sql):
    create()
    sql(
        "UPDATE messages SET status = 'held', account_id = 1, claimed_at = now(), send_no = 1, wamid = 'w' WHERE id = 1"
    )
    assert "1 held by Meta" in house.ok("campaign", "list")
    output = house.ok("campaign", "show", "1")
    assert re.search(r"^  held by Meta +1 \(100% of sent\) *$", output, re.MULTILINE)
    assert house.json("campaign", "show", "1")["counts"] == {"held": 1, "pending": 1}


@pytest.fixture
def rich(house, sql):
    """A template with everything, as a sync would have stored it."""
    components = [
        {"type": "HEADER", "format": "DOCUMENT"},
        {"type": "BODY", "text": "Oi {{nome}}!"},
        {
            "type": "BUTTONS",
            "buttons": [
                {"type": "URL", "text": "Ver", "url": "https://example.com/{{1}}"},
                {"type": "QUICK_REPLY", "text": "Sair"},
            ],
        },
    ]
    sql(
        "INSERT INTO templates (waba_id, name, language, components, status, synced_at)"
        " VALUES ('22', 'rich', 'en', %s, 'approved', now())",
        Jsonb(components),
    )
    return house


@pytest.fixture
def send(rich, tmp_path):
    """Makes a campaign of the rich template with this file; returns the words of the command."""

    def words(header, *rows, template="rich:en", account="sales", options=()):
        file = tmp_path / "rich.csv"
        file.write_text("\n".join([header, *rows, ""]))
        return (
            *("campaign", "create", "Sale", "--template", template, "--account", account),
            *("--recipients", str(file), *options),
        )

    return words


def test_media_links_and_payloads_come_from_columns_or_are_the_same_for_all(rich, send, database):
    rows = [f"{ANA},Ana,u/ana", f"{BIA},Bia,u/bia"]
    same = ("--set", "header=https://example.com/a.pdf", "--set", "file name=A.pdf", "--set", "button 2=STOP")
    rich.ok(*send("phone,nome,button 1", *rows, options=same))
    row = rich.json("campaign", "show", "1")
    assert row["columns"] == ["nome", "button 1"]
    assert row["parameters"] == {"header": "https://example.com/a.pdf", "file name": "A.pdf", "button 2": "STOP"}
    assert "https://example.com/a.pdf" in rich.ok("campaign", "show", "1")
    rich.ok(*send("phone,header,nome,button 1,button 2", f"{ANA},77,Ana,u,STOP", options=("--set", "button 2")))
    variables = fetch(database, "SELECT variables FROM messages ORDER BY id")
    assert variables == [["Ana", "u/ana"], ["Bia", "u/bia"], ["77", "Ana", "u", "STOP"]]


def test_each_row_is_held_to_the_rules_of_its_parameters(rich, send):
    rows = [
        f"{ANA},https://example.com/a.pdf,Ana,u/ana",
        f"{BIA},http://example.com/a.pdf,Bia,u",
        "+5511999990003,77,Caio,https://other.example/c",
        "+5511999990004,77,Da\tvi,u",
        f"+5511999990005,77,{'a' * 1021},u",
    ]
    rich.ok(*send("phone,header,nome,button 1", *rows))
    errors = rich.json("campaign", "show", "1")["import_errors"]
    assert [(error["row_number"], error["column_name"], error["reason"]) for error in errors] == [
        (3, "header", "is neither a link that begins with https:// nor the id of an upload"),
        (4, "button 1", "is a link to other.example, and the button's link leads to example.com"),
        (5, "nome", "has a tab"),
        (6, "nome", "makes the message longer than 1024 characters"),
    ]


@pytest.mark.parametrize(
    ("options", "header", "reason"),
    [
        (
            ("--set", "header=ftp://x"),
            "phone,nome,button 1",
            "The value for header of the template rich:en is neither",
        ),
        (("--set", "2=x"), "phone,nome,button 1", "The template rich:en has no '2' to set, it takes header, file name"),
        (("--set", "header"), "phone,nome,button 1", "3 variables"),
        ((), "phone,nome,button 1", "3 variables"),
    ],
)
def test_a_campaign_that_does_not_fit_its_template_is_refused_in_one_sentence(rich, send, options, header, reason):
    assert reason in rich.refusal(*send(header, f"{ANA},Ana,u", options=options))
    assert rich.json("campaign", "list") == []


def test_a_setting_without_a_key_is_a_usage_error(rich, send):
    assert "is not KEY=VALUE" in rich.refusal(*send("phone", options=("--set", "=x")), exit_code=2)


@pytest.mark.parametrize("status", ["pending", "rejected", "disabled", "deleted", "in_appeal"])
def test_a_campaign_with_a_template_that_meta_does_not_send_is_refused(rich, send, sql, status):
    sql("UPDATE templates SET status = %s WHERE name = 'rich'", status)
    line = rich.refusal(*send("phone,header,nome,button 1", f"{ANA},77,Ana,u"))
    assert f"The template rich:en is {status.replace('_', ' ')} in WABA 22" in line


def test_a_paused_template_is_taken_with_a_warning(rich, send, sql):
    sql("UPDATE templates SET status = 'paused' WHERE name = 'rich'")
    result = rich(*send("phone,header,nome,button 1", f"{ANA},77,Ana,u"))
    assert result.exit_code == 0
    assert "Warning: The template rich:en is paused in WABA 22: the campaign waits" in result.stderr


def test_set_changes_what_is_the_same_for_all_but_not_what_the_recipients_bring(rich, send):
    rich.ok(*send("phone,nome,button 1", f"{ANA},Ana,u", options=("--set", "header=77")))
    rich.ok("campaign", "set", "1", "--set", "header=88", "--set", "button 2=STOP")
    assert rich.json("campaign", "show", "1")["parameters"] == {"header": "88", "button 2": "STOP"}
    line = rich.refusal("campaign", "set", "1", "--set", "nome=Ana")
    assert line == (
        "The recipients of Campaign 1 (Sale) have 2 values (nome, button 1), but "
        "the template rich:en needs 1 value (button 1) for each. `revoada campaign create NAME --template NAME:LANG "
        "--account ACCOUNT --recipients FILE` makes a new campaign with this template."
    )
    assert "promo:pt_BR" in rich.refusal("campaign", "set", "1", "--template", "promo:pt_BR")


def test_an_optional_value_is_taken_away_and_a_needed_one_is_not(rich, send):
    same = ("--set", "header=77", "--set", "button 2=STOP", "--set", "file name=")
    rich.ok(*send("phone,nome,button 1", f"{ANA},Ana,u", options=same))
    assert rich.json("campaign", "show", "1")["parameters"] == {"header": "77", "button 2": "STOP"}
    rich.ok("campaign", "set", "1", "--set", "button 2=")
    assert rich.json("campaign", "show", "1")["parameters"] == {"header": "77"}
    line = rich.refusal("campaign", "set", "1", "--set", "header=")
    assert line == "The value for header of the template rich:en is empty."
    assert "has no 'butto' to set" in rich.refusal("campaign", "set", "1", "--set", "butto=")


def test_what_the_recipients_bring_is_not_taken_away(rich, send):
    options = ("--set", "header=77", "--set", "button 2")
    rich.ok(*send("phone,nome,button 1,button 2", f"{ANA},Ana,u,STOP", options=options))
    line = rich.refusal("campaign", "set", "1", "--set", "button 2=")
    assert line.startswith("The recipients of Campaign 1 (Sale) have 3 values (nome, button 1, button 2)")


def test_an_account_of_a_waba_without_the_template_is_refused(rich, send, sql):
    rich.ok("account", "add", "agency", "--phone-number-id", "9", "--waba-id", "33", "--token-env", "WHATSAPP_TOKEN")
    fit = ("phone,header,nome,button 1", f"{ANA},77,Ana,u")
    line = rich.refusal(*send(*fit, options=("--account", "agency")))
    assert line.startswith("The template rich:en is not known in WABA 33 of account agency")
    rich.ok(*send(*fit))
    assert "WABA 33" in rich.refusal("campaign", "set", "1", "--account", "agency")
    sql(
        "INSERT INTO templates (waba_id, name, language, components, synced_at)"
        " SELECT '33', name, language, components, now() FROM templates WHERE name = 'rich'"
    )
    rich.ok(*send(*fit, options=("--account", "agency")))
    sql("UPDATE templates SET components = components - 0 WHERE waba_id = '33'")
    assert "is not the same in WABA 22 and 33" in rich.refusal(*send(*fit, options=("--account", "agency")))


def test_a_template_added_by_hand_holds_until_the_waba_was_read_without_it(house, create, sql):
    create()
    sql(
        "INSERT INTO templates (waba_id, name, language, components, synced_at)"
        " VALUES ('22', 'other', 'en', '[]', clock_timestamp())"
    )
    with pytest.raises(AssertionError, match="not known in WABA 22 of account sales"):
        create()


def test_components_that_cannot_be_read_are_refused_by_name(rich, send, sql):
    sql("UPDATE templates SET components = '[]' WHERE name = 'rich'")
    assert rich.refusal(*send("phone", ANA)) == "The template rich:en cannot be sent: The body is empty."
    sql("""UPDATE templates SET components = '[{"type": "BODY", "text": "Oi"}, {"type": "CAROUSEL"}]'""")
    assert rich.refusal(*send("phone", ANA)) == "A campaign cannot fill the template rich:en: component CAROUSEL."


def test_a_test_of_a_campaign_fills_the_template_as_the_campaign_does(rich, send):
    rich.ok(*send("phone,nome,button 1", f"{ANA},Ana,u", options=("--set", "header=77")))
    rich("campaign", "test", "1", "--to", BIA, "--wait", "0.01")  # nobody sends it here
    campaign, test = (rich.json("campaign", "show", number) for number in ("1", "2"))
    assert (test["parameters"], test["columns"]) == (campaign["parameters"], campaign["columns"])
    assert test["columns"] == ["nome", "button 1"]


def test_a_name_in_place_of_an_id_is_refused_with_the_ids_of_that_name(house, create):
    first, second, third = create("Black Friday"), create("Black Friday"), create("Black Friday: last call")
    house.ok("campaign", "start", first, "--yes")
    line = house.refusal("campaign", "start", "black  friday", exit_code=2)
    assert (
        "'black friday' is no id, and this command takes an id. It fits the names of 2 campaigns, the newest first:"
        f" {second} (Black Friday, draft), {first} (Black Friday, pending)."
    ) in line
    assert house.json("campaign", "show", second)["status"] == "draft"
    line = house.refusal("campaign", "pause", "LAST CALL", exit_code=2)
    assert f"It fits the name of 1 campaign: {third} (Black Friday: last call, draft)." in line


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("--template", "promo:pt_BR"), "Missing option '--account'. Choose from sales, support. See"),
        (("--account", "sales"), "Missing option '--template'. Choose from promo:pt_BR. See"),
    ],
)
def test_a_missing_account_or_template_is_refused_with_those_there_are(house, people, given, line):
    assert line in house.refusal("campaign", "create", "Sale", "--recipients", str(people), *given, exit_code=2)


def test_the_names_in_place_of_a_missing_one_are_few(house, database):
    for number in range(5):
        add_template(database, f"t{number}", language="en", body="Hi", actor=TESTER)
    line = house.refusal("campaign", "create", "Sale", "--account", "sales", exit_code=2)
    assert "'--template'. Choose from promo:pt_BR, t0:en, t1:en, t2:en, t3:en and others. See" in line


def test_a_name_of_no_campaign_leads_to_the_list(house, create):
    create()
    for command, name in (
        ("start", "Natal"),
        ("show", "Natal"),
        ("export", "Natal"),
        ("errors", "fri"),
        ("start", "n"),
    ):
        line = house.refusal("campaign", command, name, exit_code=2)
        assert f"{name!r} is not the id of a campaign. `revoada campaign list` shows all ids." in line


@pytest.mark.parametrize("campaign_id", ["-1", "1_0", "1.0", "", "9223372036854775808", "99999999999999999999999"])
def test_a_number_that_no_campaign_can_have_is_refused(house, create, campaign_id):
    create()
    line = house.refusal("campaign", "start", "--", campaign_id, exit_code=2)
    assert f"'{campaign_id}' is not the id of a campaign." in line


NEXT = {
    ("start", "pending"): "doctor {id}",
    ("start", "scheduled"): "campaign set {id} --no-schedule",
    ("start", "running"): "doctor {id}",
    ("start", "paused"): "campaign resume {id} --yes",
    ("resume", "draft"): "campaign start {id} --yes",
    ("resume", "pending"): "doctor {id}",
    ("resume", "scheduled"): "campaign set {id} --no-schedule",
    ("resume", "running"): "doctor {id}",
}


@pytest.mark.parametrize(("command", "status"), NEXT)
def test_a_start_or_resume_that_is_refused_names_the_command_that_helps(house, create, database, command, status):
    campaign_id = create("Sale", *(("--schedule-at", "in 5 days") if status == "scheduled" else ()))
    if status != "draft":
        house.ok("campaign", "start", campaign_id, "--yes")
    if status == "paused":
        house.ok("campaign", "pause", campaign_id)
    if status == "running":
        fetch(database, "UPDATE campaigns SET status = 'running', started_at = now()")
    line = house.refusal("campaign", command, campaign_id, "--yes")
    words = NEXT[command, status].format(id=campaign_id)
    assert line.startswith(f"Campaign {campaign_id} (Sale) is {status}: it cannot be {command}")
    assert f"`revoada {words.removesuffix(' --yes')}`" in line
    if not words.startswith("doctor"):
        house.enqueued.clear()
        house.ok(*words.split())
        assert house.json("campaign", "show", campaign_id)["status"] == "pending"
        assert house.enqueued == [int(campaign_id)]


def test_refused_drafts_use_up_no_ids(house, create, people, tmp_path):
    options = {"--template": "promo:pt_BR", "--account": "sales", "--recipients": str(people)}
    (tmp_path / "headers.csv").write_text("phone,name\n")
    (tmp_path / "other.csv").write_text("phone\n+5511999990001\n")
    for wrong in (
        {"--template": "none:pt_BR"},
        {"--account": "nobody"},
        {"--recipients": str(tmp_path / "headers.csv")},
        {"--recipients": str(tmp_path / "other.csv")},
        {"--expire-at": "2020-01-01 09:00"},
        {"--set": "2=Ana"},
        {"--phone-column": "Celular"},
    ):
        words = [word for pair in (options | wrong).items() for word in pair]
        assert house("campaign", "create", "Sale", *words).exit_code == 1, wrong
    first = create()
    assert house("campaign", "create", "Sale", *words).exit_code == 1
    assert int(create()) == int(first) + 1
    assert first == "1"


def test_a_standing_campaign_is_made_without_a_list_and_waits_for_messages(house, sql):
    options = ("--template", "promo:pt_BR", "--account", "sales")
    made = house.ok("campaign", "create", "Orders", "--standing", *options)
    assert made.splitlines()[-1] == "1"
    assert "takes messages after" in made
    house.ok("campaign", "start", "1", "--yes")
    sql("UPDATE campaigns SET status = 'running', started_at = now(), enqueued_at = NULL, waiting_reason = 'idle',"
        " due_at = now() + interval '1 hour'")  # fmt: skip
    assert (house.json("campaign", "list")[0]["is_standing"], house.json("campaign", "show", "1")["status"]) == (
        True,
        "running",
    )
    assert "until" not in house.ok("campaign", "list").partition("idle")[2].splitlines()[0]
    assert "waits for the next message that a program posts" in house("doctor", "1").stdout
    house.ok("campaign", "pause", "1")
    house.ok("campaign", "resume", "1", "--yes")
    house.ok("campaign", "cancel", "1", "--yes")


def test_a_campaign_has_either_a_list_or_messages_of_programs(house):
    options = ("--template", "promo:pt_BR", "--account", "sales")
    both = ("--standing", "--recipients", __file__)
    for words in ((), both):
        refused = house("campaign", "create", "Orders", *options, *words)
        assert "Give --recipients FILE, or --from ID with --who CONDITIONS, or --standing." in refused.stderr
