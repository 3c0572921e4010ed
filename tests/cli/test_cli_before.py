"""Before a campaign goes out: test sends, and the question before a large start."""

from __future__ import annotations

import pytest

from campaigns.cli import campaigns
from campaigns.store.messages import EvidenceRow, merge_evidence
from tests.store.rows import fetch

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

        monkeypatch.setattr("campaigns.cli.session.ring_campaigns", ring)

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


def test_a_test_that_nobody_sends_says_so(create, house):
    campaign_id = create()
    result = house("campaign", "test", campaign_id, "--to", OWN, "--wait", "0")
    assert (result.exit_code, result.stdout) == (1, f"{OWN} pending\n")
    assert "is a worker running?" in result.stderr
    assert house.rung == [2]


@pytest.mark.parametrize(
    ("campaign_id", "phone", "reason"),
    [
        ("1", "Ana", "'Ana' has letters in it."),
        ("1", "+0", "+0 is not a phone number such as +5511999990000."),
        ("9", OWN, "Campaign 9 does not exist."),
        ("2", OWN, "Campaign 2 (Black Friday (test)) is a test itself."),
    ],
)
def test_what_cannot_be_tested_is_refused(create, house, campaign_id, phone, reason):
    create("Black Friday")
    house("campaign", "test", "1", "--to", OWN, "--wait", "0")
    assert house.refusal("campaign", "test", campaign_id, "--to", phone) == reason


@pytest.mark.parametrize("command", [("suppress", "add"), ("forget",)])
def test_who_must_not_be_messaged_gets_no_test_either(create, house, command):
    campaign_id = create()
    house.ok(*command, OTHER)
    line = house.refusal("campaign", "test", campaign_id, "--to", OWN, "--to", "+551188880002")
    assert line.startswith("+551188880002 must not be messaged, also not by a test:")
    assert house.json("campaign", "show", campaign_id)["tests"] == []
    house.ok("suppress", "remove", OTHER)
    assert f"{OTHER} pending" in house("campaign", "test", campaign_id, "--to", OTHER, "--wait", "0").stdout


def test_a_phone_that_is_given_twice_gets_one(create, house, settle):
    campaign_id = create()
    settle("sent")
    assert house.ok("campaign", "test", campaign_id, "--to", OWN, "--to", OWN) == f"{OWN} sent\n"


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(campaigns, "has_terminal", lambda: True)


def test_a_terminal_is_asked_before_a_large_start(create, house, terminal):
    campaign_id = create("Black Friday")
    result = house("campaign", "start", campaign_id, stdin="n\n", REVOADA_CONFIRM_ABOVE="1")
    assert "Start campaign 1 (Black Friday): 2 messages? [y/N]" in result.stdout
    assert result.exit_code == 1
    assert house.json("campaign", "show", campaign_id)["status"] == "draft"
    house.ok("campaign", "start", campaign_id, stdin="y\n", REVOADA_CONFIRM_ABOVE="1")
    assert house.json("campaign", "show", campaign_id)["status"] == "pending"


@pytest.mark.parametrize(("limit", "options"), [("2", []), ("1", ["--yes"])])
def test_a_small_start_or_a_yes_is_not_asked(create, house, terminal, limit, options):
    output = house.ok("campaign", "start", create("Sale"), *options, REVOADA_CONFIRM_ABOVE=limit)
    assert output == "Campaign 1 (Sale) is pending.\n"


def test_a_script_is_never_asked(create, house):
    assert house.ok("campaign", "start", create("Sale"), REVOADA_CONFIRM_ABOVE="1") == "Campaign 1 (Sale) is pending.\n"


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
