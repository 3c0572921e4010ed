"""Before a campaign goes out: test sends, and the question before a large start."""

from __future__ import annotations

import datetime as dt
import json
from zoneinfo import ZoneInfo

import pytest

from campaigns.broker.queues import BrokerFacts
from campaigns.cli.campaign import diagnosis, group, hours
from campaigns.management.files.jobs import request_look
from campaigns.management.files.uploads import store_upload
from campaigns.store.database import DatabaseUnavailable
from campaigns.store.messages import EvidenceRow, merge_evidence
from tests.cli.conftest import quiet_hours
from tests.store.rows import fetch
from tests.support.actors import TESTER

OWN, OTHER, THIRD = "+5511988880001", "+5511988880002", "+5511988880003"


@pytest.fixture
def settle(database, monkeypatch):
    """A worker that does to each message of a test what is told, as soon as it is rung."""

    def settle_as(*statuses):
        def ring(campaign_ids):
            with database._pool.connection() as connection:
                ids = connection.execute(
                    "UPDATE messages SET status = 'sending', account_id = 1, claimed_at = now(), send_no = 1,"
                    " attempts = 1 WHERE campaign_id = ANY (%s) RETURNING id",
                    (campaign_ids,),
                ).fetchall()
                at = connection.execute("SELECT now()").fetchone()[0]
                for (message_id,), status in zip(sorted(ids), statuses, strict=True):
                    proof = {"failed_at": at, "error_code": 131026, "error_title": "Undeliverable"}
                    proof = proof if status == "failed" else {"wamid": "w", "sent_at": at}
                    merge_evidence(connection, [EvidenceRow(message_id, 1, status, **proof)])
            return True

        monkeypatch.setattr("campaigns.cli.session.enqueue_campaigns", ring)

    return settle_as


def test_a_test_goes_to_own_phones_with_the_variables_of_the_first_people(create, house, settle, database):
    campaign_id = create()
    settle("sent", "sent", "sent")
    output = house.ok("campaign", "test", campaign_id, "--to", OWN, "--to", OTHER, "--to", THIRD)
    assert output.splitlines() == [f"{OWN} sent", f"{OTHER} sent", f"{THIRD} sent"]
    rows = database.run(
        lambda connection: connection.execute(
            "SELECT phone, variables FROM messages WHERE campaign_id = 2 ORDER BY id"
        ).fetchall()
    )
    assert rows == [(OWN, ["Ana"]), (OTHER, ["Bia"]), (THIRD, ["Ana"])]


def test_a_test_is_counted_apart_and_shown_with_its_campaign(create, house, settle):
    campaign_id = create()
    settle("sent")
    house.ok("campaign", "test", campaign_id, "--to", OWN)
    assert [row["id"] for row in house.json("campaign", "list")] == [1]
    shown = house.json("campaign", "show", campaign_id)
    assert (shown["status"], shown["counts"]) == ("draft", {"pending": 2})
    assert [(test["id"], test["counts"], test["test_of"]) for test in shown["tests"]] == [(2, {"sent": 1}, 1)]
    assert "campaign 2: 1/1" in house.ok("campaign", "show", campaign_id)
    assert "campaign 1" in house.ok("campaign", "show", "2")


def test_a_test_knows_neither_pace_nor_window_nor_schedule(create, house, settle):
    campaign_id = create(
        *("Sale", "--schedule-at", "2999-01-01T00:00", "--interval", "60", "--window", "09:00-09:01"),
        *("--pause-after", "1", "--pause-for", "600", "--weekdays", "sun"),
    )
    settle("sent")
    house.ok("campaign", "test", campaign_id, "--to", OWN)
    row = house.json("campaign", "show", "2")
    assert (row["scheduled_at"], row["interval_seconds"], row["pause_after"]) == (None, 0, None)
    assert (row["window_from"], row["weekdays"]) == (None, [1, 2, 3, 4, 5, 6, 7])
    assert row["status"] == "pending"
    assert [account["name"] for account in row["accounts"]] == ["sales"]


def test_a_test_that_fails_says_why_and_is_no_success(create, house, settle):
    campaign_id = create()
    settle("sent", "failed")
    result = house("campaign", "test", campaign_id, "--to", OWN, "--to", OTHER)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [f"{OWN} sent", f"{OTHER} failed: 131026 Undeliverable"]
    assert "campaign show 2" in result.stderr


def test_a_test_that_nobody_sends_is_withdrawn(create, house):
    campaign_id = create()
    result = house("campaign", "test", campaign_id, "--to", OWN, "--to", OTHER, "--wait", "0.01")
    assert (result.exit_code, result.stdout) == (1, f"{OWN} cancelled\n{OTHER} cancelled\n"), result.stderr
    assert "2 messages were not sent in time and are withdrawn: they will not be sent later. " in result.stderr
    assert house.enqueued == [2]
    shown = house.json("campaign", "show", "2")
    assert (shown["status"], shown["counts"]) == ("cancelled", {"cancelled": 2})


def test_a_test_that_is_interrupted_is_withdrawn(create, house, monkeypatch):
    campaign_id = create()

    def press_ctrl_c(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(group, "await_test", press_ctrl_c)
    assert house("campaign", "test", campaign_id, "--to", OWN).exit_code == 1
    assert house.json("campaign", "show", "2")["counts"] == {"cancelled": 1}
    result = house("campaign", "test", campaign_id, "--to", OWN, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads(result.stderr) == {"error": {"code": "aborted", "kind": None, "message": "Aborted!"}}


def test_a_message_that_a_worker_has_claimed_is_not_withdrawn(create, house, monkeypatch, database):
    campaign_id = create()

    def claim_one(ids):
        fetch(
            database,
            "UPDATE messages SET status = 'sending', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1"
            " WHERE id = (SELECT min(id) FROM messages WHERE campaign_id = %s)",
            ids[0],
        )
        return True

    monkeypatch.setattr("campaigns.cli.session.enqueue_campaigns", claim_one)
    result = house("campaign", "test", campaign_id, "--to", OWN, "--to", OTHER, "--wait", "0.01")
    assert result.stdout == f"{OWN} sending\n{OTHER} cancelled\n"
    assert "1 message was not sent in time and is withdrawn" in result.stderr


def test_a_test_that_is_not_sent_names_the_inactive_account_with_its_code(create, house, database):
    campaign_id = create()
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = '190 Access token has expired'")
    line = house("campaign", "test", campaign_id, "--to", OWN, "--wait", "0.01").stderr
    assert "Account sales is inactive: 190 Access token has expired" in line
    assert "worker" not in line


def test_a_test_that_no_worker_takes_says_so(create, house, monkeypatch):
    campaign_id = create()
    monkeypatch.setattr(
        diagnosis, "ask_broker", lambda: BrokerFacts(queues={}, beats={"beat"}, waiting={"campaigns": 1})
    )
    line = house("campaign", "test", campaign_id, "--to", OWN, "--wait", "0.01").stderr
    assert "No worker answers for the queue `campaigns`, which holds 1 task: nothing is sent." in line


@pytest.mark.parametrize("phone", ["+5511000000000", "+55119888800011111", "+1 234", "+999123456789"])
def test_a_test_refuses_a_phone_that_cannot_exist(create, house, phone):
    campaign_id = create()
    assert repr(phone) in house.refusal("campaign", "test", campaign_id, "--to", phone)
    assert house.json("campaign", "show", campaign_id)["tests"] == []


def test_a_test_refuses_a_phone_that_may_be_foreign(create, house):
    campaign_id = create()
    assert "+557721234567" in house.refusal("campaign", "test", campaign_id, "--to", "07721 234567")
    assert house.json("campaign", "show", campaign_id)["tests"] == []


def test_a_test_takes_a_test_number_of_meta(create, house, settle):
    campaign_id = create()
    settle("sent")
    assert house.ok("campaign", "test", campaign_id, "--to", "+1 555-012-3456") == "+15550123456 sent\n"


@pytest.mark.parametrize(
    ("campaign_id", "phone", "reason"),
    [
        ("1", "Ana", "'Ana' has words in it: keep the number only."),
        ("1", "+0", "'+0' is not a phone number."),
        ("9", OWN, "Campaign 9 does not exist: `revoada campaign list` shows all."),
        ("2", OWN, "Campaign 2 (Black Friday (test)) is a test itself: test campaign 1 instead."),
    ],
)
def test_what_cannot_be_tested_is_refused(create, house, campaign_id, phone, reason):
    create("Black Friday")
    house("campaign", "test", "1", "--to", OWN, "--wait", "0.01")
    assert house.refusal("campaign", "test", campaign_id, "--to", phone) == reason


def test_an_erased_campaign_cannot_be_tested(create, house, database):
    campaign_id = create("Sale")
    house.ok("campaign", "cancel", campaign_id)
    fetch(database, "UPDATE messages SET phone = NULL, recipient_key = NULL, variables = '{}', consent = NULL")
    line = house.refusal("campaign", "test", campaign_id, "--to", OWN)
    assert line.startswith("Campaign 1 (Sale) has no recipients to take the variables from. Their data are erased, so")
    assert house.json("campaign", "show", campaign_id)["tests"] == []


@pytest.mark.parametrize("command", [("suppress", "add"), ("forget",)])
def test_who_must_not_be_messaged_gets_no_test_either(create, house, command):
    campaign_id = create()
    house.ok(*command, OTHER)
    line = house.refusal("campaign", "test", campaign_id, "--to", OWN, "--to", "+551188880002")
    assert line.startswith("+551188880002 must not be messaged, not even by a test:")
    assert house.json("campaign", "show", campaign_id)["tests"] == []
    house.ok("suppress", "remove", OTHER)
    assert f"{OTHER} cancelled" in house("campaign", "test", campaign_id, "--to", OTHER, "--wait", "0.01").stdout


def test_a_phone_that_is_given_twice_gets_one(create, house, settle):
    campaign_id = create()
    settle("sent")
    assert house.ok("campaign", "test", campaign_id, "--to", OWN, "--to", OWN) == f"{OWN} sent\n"


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(hours, "has_terminal", lambda: True)


@pytest.mark.parametrize(
    ("schedule", "status"), [((), "pending"), (("--schedule-at", "in 12 hours"), "scheduled")], ids=["now", "later"]
)
def test_a_terminal_is_asked_once_before_any_start(create, house, terminal, schedule, status):
    """The id may be that of another campaign, so its name and its first message stand above the question."""
    campaign_id = create("Black Friday", *ALL_HOURS, *schedule)
    by_day = {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=6)}
    result = house("campaign", "start", campaign_id, stdin="n\n", **by_day)
    assert "Campaign 1 (Black Friday) sends promo:pt_BR:\n  First message: Oi Ana!\n" in result.stdout
    assert result.stdout.count("Start campaign 1 (Black Friday): 2 messages? [y/N]") == 1
    assert result.exit_code == 1
    assert house.json("campaign", "show", campaign_id)["status"] == "draft"
    assert house.ok("campaign", "start", campaign_id, stdin="y\n", **by_day).count("[y/N]") == 1
    assert house.json("campaign", "show", campaign_id)["status"] == status


# A person has chosen all hours, so nothing is said about quiet hours.
ALL_HOURS = ("--window", "00:00-24:00")


def test_a_yes_is_not_asked(create, house, terminal):
    output = house.ok("campaign", "start", create("Sale", *ALL_HOURS), "--yes")
    assert ("[y/N]" in output, "Campaign 1 (Sale) is pending.\n" in output) == (False, True)


def test_a_resume_without_a_risk_is_not_asked(create, house, terminal):
    campaign_id = create("Sale", *ALL_HOURS)
    house.ok("campaign", "start", campaign_id, "--yes")
    house.ok("campaign", "pause", campaign_id)
    output = house.ok("campaign", "resume", campaign_id, REVOADA_QUIET_HOURS=quiet_hours(in_hours=12))
    assert "[y/N]" not in output


def test_a_script_is_never_asked(create, house):
    output = house.ok("campaign", "start", create("Sale"))
    assert ("[y/N]" in output, "Campaign 1 (Sale) is pending.\n" in output) == (False, True)


@pytest.fixture
def sent(create, database):
    """A campaign that has just sent its message to one of its two people."""
    create("Black Friday")
    sent_one = (
        "UPDATE messages SET status = 'sent', account_id = 1, claimed_at = now(), sent_at = now(), send_no = 1,"
        " attempts = 1, wamid = 'w' WHERE id = (SELECT min(id) FROM messages)"
    )
    fetch(database, sent_one)
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now()")


BY_DAY = {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=12)}
GOT_ONE = "1 of the 2 people of campaign 2 (Again) got campaign 1 (Black Friday), which has the "


@pytest.mark.usefixtures("sent", "terminal")
def test_a_terminal_is_asked_before_people_get_a_second_campaign_of_the_same_file(create, house):
    campaign_id = create("Again")
    result = house("campaign", "start", campaign_id, stdin="n\n", **BY_DAY)
    assert f"{GOT_ONE}very same file and template, the last at " in result.stdout
    assert "Start campaign 2 (Again): 2 messages? [y/N]" in result.stdout
    assert (result.exit_code, house.json("campaign", "show", campaign_id)["status"]) == (1, "draft")
    assert "got campaign" not in house.ok("campaign", "start", campaign_id, "--yes", **BY_DAY)


@pytest.mark.usefixtures("sent")
def test_a_script_is_warned_of_a_second_campaign_with_the_same_template(create, house, people):
    people.write_text(people.read_text() + f"{THIRD},Dora\n")
    result = house("campaign", "start", create("Again"), **BY_DAY)
    assert "Warning: 1 of the 3 people of campaign 2 (Again) got campaign 1 (Black Friday), which has the same " in (
        result.stderr
    )
    assert result.exit_code == 0
    assert house.json("campaign", "show", "2")["status"] == "pending"


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize("change", ["another list and template", "a campaign that ended long ago"])
def test_a_start_that_repeats_nothing_is_not_warned_of(create, house, people, database, change):
    campaign_id = create("Again", *ALL_HOURS)
    if change == "a campaign that ended long ago":
        fetch(
            database,
            "UPDATE campaigns SET status = 'completed', started_at = now() - interval '9 d',"
            " completed_at = now() - interval '8 d' WHERE id = 1",
        )
    else:
        fetch(
            database,
            "INSERT INTO templates (name, language, components) SELECT 'other', language, components FROM templates",
        )
        people.write_text(people.read_text() + f"{THIRD},Dora\n")
        campaign_id = create("Third", "--template", "other:pt_BR", *ALL_HOURS)
    assert house("campaign", "start", campaign_id, **BY_DAY).stderr == ""


BOTH = "2 of the 2 people of campaign 1 (One) will also get campaign 2 (Two), which has the very same file and template"


def test_two_campaigns_of_one_list_in_one_start_are_a_question(create, house, terminal):
    ids = create("One", *ALL_HOURS), create("Two", *ALL_HOURS)
    result = house("campaign", "start", *ids, stdin="n\n", **BY_DAY)
    assert result.stdout.count("will also get") == 1
    assert f"{BOTH}." in result.stdout
    assert (result.exit_code, house.json("campaign", "show", "1")["status"]) == (1, "draft")


def test_two_old_drafts_of_one_list_in_one_start_are_a_warning(create, house, database):
    ids = create("One", *ALL_HOURS), create("Two", *ALL_HOURS)
    fetch(database, "UPDATE campaigns SET created_at = now() - interval '1 year'")
    assert f"Warning: {BOTH}." in house("campaign", "start", *ids, **BY_DAY).stderr


@pytest.mark.parametrize("status", ["pending", "scheduled", "running", "paused"])
def test_people_who_will_get_another_campaign_of_the_same_list_are_a_warning(create, house, database, status):
    campaign_id = create("One", *ALL_HOURS)
    create("Two")
    times = "started_at = now(), scheduled_at = '2999-01-01T00:00Z'"
    fetch(database, f"UPDATE campaigns SET status = '{status}', {times} WHERE id = 2")
    assert f"Warning: {BOTH}." in house("campaign", "start", campaign_id, **BY_DAY).stderr


def test_of_many_campaigns_to_the_same_people_five_of_each_kind_are_named(create, house, database):
    campaign_id = create("One", *ALL_HOURS)
    for number in range(14):
        create(f"Other {number}")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now() WHERE id > 1")
    got = (
        "UPDATE messages SET status = 'sent', account_id = 1, claimed_at = now(), sent_at = now(), send_no = 1,"
        " attempts = 1, wamid = 'w' || id"
    )
    fetch(database, f"{got} WHERE campaign_id BETWEEN 2 AND 8")
    lines = house("campaign", "start", campaign_id, **BY_DAY).stderr.splitlines()
    assert [number for number in range(14) if "got campaign" in "".join(_find(lines, number))] == [0, 1, 2, 3, 4]
    assert [number for number in range(14) if "will also get" in "".join(_find(lines, number))] == [7, 8, 9, 10, 11]
    rest = "with the same file or template {} people who will get campaign 1 (One), each to 2 of them at most."
    assert f"Warning: 2 more campaigns {rest.format('were sent to')}" in lines
    assert f"Warning: 2 more campaigns {rest.format('will be sent to')}" in lines


def test_one_more_campaign_to_the_same_people_is_named_as_one(create, house, database):
    campaign_id = create("One", *ALL_HOURS)
    for number in range(6):
        create(f"Other {number}")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now() WHERE id > 1")
    rest = (
        "1 more campaign with the same file or template will be sent to 2 of the people who will get campaign 1 (One)."
    )
    assert f"Warning: {rest}" in house("campaign", "start", campaign_id, **BY_DAY).stderr.splitlines()


def _find(lines, number):
    return [line for line in lines if f"(Other {number})" in line]


@pytest.mark.parametrize("status", ["draft", "cancelled"])
def test_people_of_a_campaign_that_does_not_send_are_no_warning(create, house, database, status):
    create("One")
    campaign_id = create("Two", *ALL_HOURS)
    fetch(database, f"UPDATE campaigns SET status = '{status}' WHERE id = 1")
    told = house("campaign", "start", campaign_id, **BY_DAY).stderr
    assert BOTH not in told
    assert ("is an older draft with the same template" in told) == (status == "draft")


def test_a_resume_for_people_of_another_campaign_is_a_warning(create, house, database):
    create("One", *ALL_HOURS)
    create("Two", *ALL_HOURS)
    fetch(database, "UPDATE campaigns SET status = 'paused', started_at = now() WHERE id = 1")
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now() WHERE id = 2")
    assert f"Warning: {BOTH}." in house("campaign", "resume", "1", **BY_DAY).stderr


def test_a_terminal_is_asked_before_a_campaign_is_cancelled(create, house, terminal):
    campaign_id = create("Sale")
    result = house("campaign", "cancel", campaign_id, stdin="n\n")
    assert "Cancel campaign 1 (Sale) for ever? 2 messages will never be sent. [y/N]" in result.stdout
    assert (result.exit_code, house.json("campaign", "show", campaign_id)["status"]) == (1, "draft")
    house.ok("campaign", "cancel", campaign_id, stdin="y\n")
    assert house.json("campaign", "show", campaign_id)["status"] == "cancelled"


def test_a_yes_or_a_script_cancels_without_a_question(create, house, monkeypatch):
    assert house.ok("campaign", "cancel", create("Sale")) == "Campaign 1 (Sale) is cancelled.\n"
    monkeypatch.setattr(hours, "has_terminal", lambda: True)
    assert house.ok("campaign", "cancel", create("Sale"), "--yes") == "Campaign 2 (Sale) is cancelled.\n"


def test_a_cap_per_person_is_kept_shown_and_taken_away(create, house):
    campaign_id = create("Sale", "--max-per-person", "2", "--within", "7")
    shown = house.json("campaign", "show", campaign_id)
    assert (shown["max_per_person"], shown["within_days"]) == (2, 7)
    assert "2 per person in 7 days" in house.ok("campaign", "show", campaign_id)
    house.ok("campaign", "set", campaign_id, "--no-max-per-person")
    assert house.json("campaign", "show", campaign_id)["max_per_person"] is None


def test_who_was_skipped_by_the_cap_is_told_from_who_opted_out(create, house, database):
    campaign_id = create("Sale", "--max-per-person", "2", "--within", "7")
    why = "the person had as many messages as the campaign allows"
    fetch(database, "UPDATE messages SET status = 'suppressed', error_title = %s WHERE id = 1", why)
    fetch(database, "UPDATE messages SET status = 'suppressed', error_title = 'busy' WHERE id = 2")
    (reason,) = house.json("campaign", "show", campaign_id)["reasons"]
    assert (reason["status"], reason["count"], reason["error_title"]) == ("suppressed", 1, why)
    output = house.ok("campaign", "show", campaign_id)
    assert why in output
    assert "what to do" not in output
    assert house.json("campaign", "errors", campaign_id) == []


def test_half_a_cap_is_refused(create, house):
    campaign_id = create("Sale")
    reason = house.refusal("campaign", "set", campaign_id, "--max-per-person", "2")
    assert reason == "--max-per-person and --within belong together: 2 messages, within 7 days."


def test_a_start_at_night_names_the_way_to_send_by_day(create, house, terminal):
    hour = dt.datetime.now(ZoneInfo("America/Sao_Paulo")).hour
    campaign_id = create("Sale")
    result = house("campaign", "start", campaign_id, stdin="n\n")
    is_night = hour >= 20 or hour < 8
    way = "`revoada campaign set 1 --window 09:00-20:00` lets campaign 1 send by day only; then repeat this command."
    assert (way in result.stdout) == is_night
    assert result.exit_code == 1


def test_a_test_that_is_withdrawn_does_not_say_that_it_goes_on(create, house, database):
    campaign_id = create()
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = '190 Access token has expired'")
    assert "goes on" not in house("campaign", "test", campaign_id, "--to", OWN, "--wait", "0.01").stderr


def test_a_reason_to_wait_is_shown_in_words(create, house, database):
    campaign_id = create()
    fetch(
        database,
        "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'no_active_account'",
    )
    output = house.ok("campaign", "show", campaign_id)
    assert "no active account" in output
    assert "no_active_account" not in output


@pytest.mark.parametrize(("command", "status"), [("start", "cancelled"), ("resume", "cancelled"), ("resume", "draft")])
def test_a_command_that_cannot_succeed_is_refused_before_a_question(create, house, terminal, command, status):
    campaign_id = create("Black Friday")
    if status == "cancelled":
        house.ok("campaign", "cancel", campaign_id, "--yes")
    result = house("campaign", command, campaign_id, stdin="y\n", REVOADA_QUIET_HOURS=quiet_hours(in_hours=0.5))
    assert result.stdout == ""
    assert result.stderr.startswith(f"Error: Campaign 1 (Black Friday) is {status}: ")


def test_a_draft_without_people_is_refused_before_a_question(create, house, terminal, people):
    campaign_id = create("Black Friday")
    people.write_text("phone,name\nabc,Ana\n")
    house.ok("campaign", "import", campaign_id, str(people), "--replace")
    result = house("campaign", "start", campaign_id, stdin="y\n")
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_draft_is_discarded_after_a_question(create, house, terminal):
    campaign_id = create("Black Friday")
    result = house("campaign", "discard", campaign_id, stdin="n\n")
    assert "Delete the draft 1 (Black Friday) with 2 recipients? [y/N]" in result.stdout
    assert (result.exit_code, house.json("campaign", "show", campaign_id)["status"]) == (1, "draft")
    output = house.ok("campaign", "discard", campaign_id, "--reason", "made twice", stdin="y\n")
    assert output.endswith("The draft 1 (Black Friday) is deleted.\n")
    assert house.refusal("campaign", "show", campaign_id).startswith("Campaign 1 does not exist: ")
    assert "made twice" in house.ok("audit", "--json")


def test_a_newer_list_that_stops_the_start_is_discarded(create, house, database):
    campaign_id = create("Black Friday")
    assert house.ok("campaign", "discard-list", campaign_id).endswith("Nothing was deleted.\n")
    upload_id = store_upload(database, "new.csv", [b"phone,name\n"], max_bytes=100, actor=TESTER).id
    request_look(database, int(campaign_id), upload_id, actor=TESTER)
    advice = f"To send to the others: `revoada campaign discard-list {campaign_id}`."
    assert advice in house.refusal("campaign", "start", campaign_id, "--yes")
    discard = ("campaign", "discard-list", campaign_id, "--reason", "wrong file")
    assert house.json(*discard) == {"id": 1, "discarded": ["new.csv"]}
    assert "wrong file" in house.ok("audit", "--what", "upload.discard")
    house.ok("campaign", "start", campaign_id, "--yes")
    assert house.refusal("campaign", "discard-list", "9").startswith("Campaign 9 does not exist: ")


def test_a_script_discards_a_draft_without_a_question(create, house):
    campaign_id = create("Black Friday")
    expected = {"id": 1, "name": "Black Friday", "recipient_count": 2}
    assert house.json("campaign", "discard", campaign_id) == expected


def test_only_a_draft_is_discarded(create, house, terminal):
    house.ok("campaign", "start", create("Black Friday"), "--yes")
    result = house("campaign", "discard", "1", stdin="y\n")
    assert result.stdout == ""
    assert "Campaign 1 (Black Friday) is pending: only a draft can be discarded." in result.stderr
    assert house.refusal("campaign", "discard", "9").startswith("Campaign 9 does not exist: ")


def test_an_interrupted_start_says_whether_the_campaign_is_started(create, house, monkeypatch):
    first, second = create(), create()

    def press_ctrl_c(*_arguments, **_options):
        raise KeyboardInterrupt

    def told(campaign_id):
        result = house("campaign", "start", campaign_id)
        assert result.exit_code == 1
        return result.stderr.splitlines()[-1]

    monkeypatch.setattr(group, "explain_missing_worker", press_ctrl_c)
    interrupted = "Error: The command was interrupted. "
    started = "Campaign 1 (Black Friday) is pending. `revoada campaign pause 1` stops it."
    assert told(first) == interrupted + started
    assert house.json("campaign", "show", first)["status"] == "pending"
    monkeypatch.setattr(group.lifecycle, "start_campaigns", press_ctrl_c)
    assert told(second) == interrupted + "Campaign 2 (Black Friday) is draft."


def test_a_start_that_loses_the_database_says_that_it_may_have_been_made(create, house, monkeypatch):
    campaign_id = create()

    def lose(*_arguments, **_options):
        raise DatabaseUnavailable[0]("the connection was refused")

    monkeypatch.setattr(group, "explain_missing_worker", lose)
    result = house("campaign", "start", campaign_id)
    assert result.exit_code == 1
    warning, error = result.stderr.splitlines()[-2:]
    assert warning.startswith("Warning: the change may have been made. Look at the status before you repeat")
    assert error.startswith("Error: The database does not answer")
    assert house.json("campaign", "show", campaign_id)["status"] == "pending"
