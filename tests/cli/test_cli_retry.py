from __future__ import annotations

import re

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.failures import ROWS, find_failure
from campaigns.domain.verdict import Retry
from tests.store.rows import (
    add_account,
    add_campaign,
    add_message,
    add_template,
    make_report,
    make_reports,
    read_message,
    receive,
)

FAILED_AT = "2026-10-01T12:00Z"


@pytest.fixture
def sale(database):
    """A completed campaign: one delivered, one uncertain, and failures of four codes."""

    def make(connection, status="completed"):
        account_id = add_account(connection)
        campaign_id = add_campaign(connection, status, accounts=[account_id], time_zone="America/Sao_Paulo")
        add_message(connection, campaign_id, "delivered", account_id=account_id)
        add_message(connection, campaign_id, "uncertain", account_id=account_id)
        for code, title in ((131026, "Undeliverable"), (131000, "Went wrong"), (131000, "Went wrong"), (999, "New")):
            add_message(
                connection,
                campaign_id,
                "failed",
                account_id=account_id,
                error_code=code,
                error_title=title,
                failed_at=FAILED_AT,
            )
        return campaign_id

    return lambda status="completed": str(database.run(make, status))


def test_errors_say_what_they_mean_whose_fault_it_is_and_what_to_do(revoada, sale):
    rows = {row["error_code"]: row for row in revoada.json("campaign", "errors", sale())}
    assert set(rows) == {131026, 131000, 999, None}
    assert (rows[131000]["count"], rows[131000]["fault"], rows[131000]["retry"]) == (2, "meta", "server")
    assert (rows[131026]["fault"], rows[131026]["retry"]) == ("recipient", None)
    assert rows[131026]["meaning"].startswith("undeliverable: not on WhatsApp")
    assert (rows[999]["meaning"], rows[999]["fault"]) == ("unlisted code", "unknown")
    assert rows[None]["status"] == "uncertain"
    assert "webhook" in rows[None]["advice"]
    assert rows[131000]["oldest_at"] == rows[131000]["newest_at"] == "2026-10-01T12:00:00+00:00"


def test_errors_for_people_are_sentences_in_the_campaigns_zone(revoada, sale):
    campaign_id = sale()
    output = revoada.ok("campaign", "errors", campaign_id)
    for shown in (
        "2 messages failed: 131000 Went wrong",
        "1 message uncertain: the reply was lost",
        "Check that the number has WhatsApp",
        f"revoada campaign retry {campaign_id} --class server",
        "2026-10-01 09:00:00 -03",
    ):
        assert shown in output


def test_errors_of_a_campaign_without_any_say_so(revoada, database):
    campaign_id = database.run(add_campaign)
    assert revoada.ok("campaign", "errors", str(campaign_id)) == (
        f"No message of campaign {campaign_id} has failed or is uncertain.\n"
    )
    assert revoada.json("campaign", "errors", str(campaign_id)) == []


def test_show_leads_to_the_errors(revoada, sale):
    campaign_id = sale()
    output = revoada.ok("campaign", "show", campaign_id)
    assert "131000 Went wrong" in output
    assert f"revoada campaign errors {campaign_id}" in output


def test_a_retry_without_a_class_explains_each_class_with_its_number_of_people(revoada, sale):
    campaign_id = sale()
    result = revoada("campaign", "retry", campaign_id)
    assert result.exit_code == 2
    rows = [re.split(" {2,}", line.strip()) for line in result.stdout.splitlines() if line.strip()][2:]
    assert [row[:2] for row in rows] == [
        ["throttled", "0"],
        ["server", "2"],
        ["recipient-later", "0"],
        ["repaired", "0"],
        ["all-retryable", "2"],
    ]
    assert all(2 < len(row[2].split()) < 6 for row in rows)
    again = f"`revoada campaign retry {campaign_id} --class CLASS`"
    assert result.stderr == f"Error: Choose a class of failures: {again}.\n"


def test_a_retry_tells_what_goes_again_and_rings(revoada, sale):
    campaign_id = sale()
    output = revoada.ok("campaign", "retry", campaign_id, "--class", "server")
    assert output.startswith(f"Campaign {campaign_id} (Sale): 2 messages will be sent again. It is running.\n")
    assert "131026 Undeliverable" in output.split("stays failed")[1]
    assert revoada.enqueued == [int(campaign_id)]
    assert revoada.json("campaign", "show", campaign_id)["counts"]["pending"] == 2


def test_a_dry_run_rings_nobody(revoada, sale):
    campaign_id = sale()
    output = revoada.ok("campaign", "retry", campaign_id, "--class", "all-retryable", "--dry-run")
    assert output.startswith(f"Campaign {campaign_id} (Sale): 2 messages would be sent again.\n")
    assert revoada.enqueued == []
    assert revoada.json("campaign", "show", campaign_id)["status"] == "completed"


def test_a_retry_tells_until_when_messages_wait(revoada, sale, database):
    campaign_id = sale()
    database.run(
        lambda connection: connection.execute(
            "UPDATE messages SET error_code = 131049, failed_at = '2999-01-01T12:00Z' WHERE error_code = 131000"
        )
    )
    answer = revoada.json("campaign", "retry", campaign_id, "--class", "recipient-later")
    assert (answer["count"], answer["waiting_count"]) == (2, 2)
    assert answer["waits_until"] == "2999-01-02T12:00:00+00:00"
    assert [row["error_code"] for row in answer["again"]] == [131049]
    assert sorted(row["error_code"] for row in answer["left"]) == [999, 131026]
    assert answer["status"] == "running"


def test_a_retry_without_anything_of_its_class_says_so(revoada, sale):
    campaign_id = sale()
    output = revoada.ok("campaign", "retry", campaign_id, "--class", "throttled")
    assert output.startswith(f"Campaign {campaign_id} (Sale): no failed message of this class.\n")
    assert revoada.enqueued == []


def test_a_cancelled_campaign_is_not_retried(revoada, sale):
    campaign_id = sale("cancelled")
    line = revoada.refusal("campaign", "retry", campaign_id, "--class", "server")
    assert line.startswith(f"Campaign {campaign_id} (Sale) is cancelled: it cannot be retried. To send to its people,")


@pytest.mark.parametrize(
    ("command", "options"),
    [("errors", ()), ("retry", ("--class", "server")), ("retry", ("--class", "server", "--dry-run"))],
)
def test_a_campaign_that_is_not_there_is_refused(revoada, command, options):
    assert (
        revoada.refusal("campaign", command, "99", *options)
        == "Campaign 99 does not exist: `revoada campaign list` shows all."
    )


def test_an_unknown_class_is_refused(revoada, sale):
    assert "'--class'" in revoada.refusal("campaign", "retry", sale(), "--class", "all", exit_code=2)


def test_show_sums_what_meta_reports_of_the_price(revoada, database):
    account_id = database.run(add_account, phone_number_id="500600700")
    campaign_id = database.run(add_campaign, accounts=[account_id])
    ids = [database.run(add_message, campaign_id, "sending", account_id=account_id) for _ in range(4)]
    prices = [
        {"category": "marketing", "pricing_model": "PMP", "billable": True},
        {"category": "marketing", "pricing_model": "PMP", "billable": True},
        {"category": "utility", "pricing_model": "PMP", "billable": False},
    ]
    reports = [
        make_report(database, each, "delivered", pricing=price) for each, price in zip(ids, prices, strict=False)
    ]
    receive(database, make_reports(*reports, *reports, make_report(database, ids[3], "sent"), number="500600700"))
    assert revoada.json("campaign", "show", str(campaign_id))["prices"] == [
        {"category": "marketing", "model": "PMP", "is_billable": True, "count": 2},
        {"category": "utility", "model": "PMP", "is_billable": False, "count": 1},
    ]
    assert "utility" in revoada.ok("campaign", "show", str(campaign_id))


def test_what_was_billable_once_stays_billable_in_any_order(database):
    account_id = database.run(add_account, phone_number_id="500600700")
    campaign_id = database.run(add_campaign, accounts=[account_id])
    for flags in ((True, False), (False, True)):
        message_id = database.run(add_message, campaign_id, "sending", account_id=account_id)
        for status, flag in zip(("sent", "delivered"), flags, strict=True):
            report = make_report(database, message_id, status, pricing={"category": "marketing", "billable": flag})
            receive(database, make_reports(report, number="500600700"))
        assert read_message(database, message_id)["is_billable"] is True


@pytest.mark.parametrize(
    ("campaign", "template", "is_ready"),
    [
        ({}, {}, True),
        ({"waiting_reason": "template", "due_at": "2999-01-01T12:00Z"}, {}, False),
        ({"waiting_reason": "template", "enqueued_at": "2026-10-01T12:00Z"}, {}, True),  # a sync has ended the wait
        ({}, {"status": "paused"}, False),
        ({}, {"components": Jsonb([{"type": "BODY", "text": "Oi {{1}}, {{2}}!"}])}, False),
    ],
    ids=["approved", "waits", "synced", "paused", "edited"],
)
def test_errors_name_the_step_before_a_retry_while_the_template_cannot_be_sent(
    revoada, database, campaign, template, is_ready
):
    template_id = database.run(add_template, **template)
    columns = {"error_code": 132000, "error_title": "Number of parameters", "failed_at": FAILED_AT}
    account_id = database.run(add_account)
    made = database.run(add_campaign, "running", template_id=template_id, accounts=[account_id], **campaign)
    database.run(add_message, made, "failed", account_id=account_id, **columns)
    campaign_id = str(made)
    output = revoada.ok("campaign", "errors", campaign_id, COLUMNS="400")
    (line,) = (line for line in output.splitlines() if "send again" in line)
    again = f"revoada campaign retry {campaign_id} --class repaired"
    if is_ready:
        assert line.split("send again")[1].strip() == again
    else:
        assert "not yet" in line
        assert line.index("`revoada template sync`") < line.index(f"`{again}`")
    assert revoada.json("campaign", "errors", campaign_id)[0]["waits_for_template"] is not is_ready


def test_the_help_names_codes_of_each_class_and_codes_of_none(revoada):
    text = " ".join(revoada.ok("campaign", "retry", "-h").split())
    places = [text.index(f" {word} ") for word in ("throttled", "server", "recipient-later", "repaired")]
    ends = [*places[1:], text.index(" all-retryable all")]
    for retry_class, start, end in zip(Retry, places, ends, strict=True):
        codes = {int(code) for code in re.findall(r"\b\d{3,6}\b", text[start:end])}
        assert codes
        assert {find_failure(code).retry for code in codes} == {retry_class}
        if retry_class is Retry.REPAIRED:
            assert codes > {row.code for row in ROWS if row.is_of_form}
    none = re.search(r"would fail again \(([^)]*)\)", text)
    assert none is not None
    assert {find_failure(int(code)).retry for code in re.findall(r"\d{6}", none[1])} == {None}
