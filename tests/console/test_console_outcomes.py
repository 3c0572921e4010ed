"""The report of a campaign, as a page and as a file, and two campaigns beside each other."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from decimal import Decimal

import pytest

from campaigns.domain.prices.price_list import Price
from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Role
from campaigns.management.prices.charges import count_next_charges
from campaigns.store.prices import write_prices
from campaigns.store.users.audit import write_audit
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_messages, fetch
from tests.support.actors import TESTER

NOON = dt.datetime(2030, 3, 1, 12, 0, tzinfo=dt.UTC)
OPT_OUT = (
    "INSERT INTO suppressions (recipient_key, source, at) SELECT recipient_key, %s, sent_at + %s::interval"
    " FROM messages WHERE campaign_id = %s AND status = 'read' ORDER BY id LIMIT 1 RETURNING 1"
)


def add_sent(database, name, **counts):
    """A campaign that ended, with a message in each minute from noon on."""
    account_id = database.run(add_account)
    columns = {"started_at": NOON, "completed_at": NOON + dt.timedelta(hours=1), "name": name}
    campaign_id = database.run(add_campaign, "completed", accounts=[account_id], **columns)
    minute = 0
    for status, count in counts.items():
        for _ in range(count):
            sent_at = (
                {"sent_at": NOON + dt.timedelta(minutes=minute)} if status in {"sent", "delivered", "read"} else {}
            )
            database.run(add_messages, campaign_id, 1, status, **sent_at)
            minute += 1
    return campaign_id


@pytest.fixture
def first_id(database):
    return add_sent(database, "Black <Friday>", read=2, delivered=3, sent=1, failed=4, suppressed=2)


@pytest.fixture
def second_id(database):
    return add_sent(database, "Cyber Monday", read=4, delivered=4, uncertain=1)


def find_line(page, label):
    rows = [each.split("</tr>")[0] for each in page.split("<tr")[1:]]
    texts = [read_text(f"<tr{each.replace('<td', ' <td')}") for each in rows]
    return next(each for each in texts if each.startswith(label))


def test_two_campaigns_stand_beside_each_other(console, first_id, second_id):
    page = console.sign_in(Role.VIEWER).get(f"/campaigns/compare?a={first_id}&b={second_id}").text
    assert find_line(page, "In the campaign") == "In the campaign 12 9"
    assert find_line(page, "Sent: WhatsApp") == "Sent: WhatsApp has them 6 50 % 8 88.9 %"
    assert find_line(page, "read") == "read 2 33.3 % 4 50 %"
    assert find_line(page, "undeliverable").endswith("sender blocked (code 131026) 4 33.3 % 0 0 %")
    assert (
        find_line(page, "From the first message to half")
        == "From the first message to half of them 2 minutes 3 minutes"
    )
    assert (
        find_line(page, "From the first message to the last")
        == "From the first message to the last 5 minutes 7 minutes"
    )
    assert find_line(page, "Messages per second") == "Messages per second, with all pauses 0.017 0.017"
    assert "<Friday>" not in page
    text = read_text(page)
    assert "Why messages failed or are uncertain" in text
    assert "The person cannot get the message" in text
    assert "Black <Friday>" in text


def test_the_ticks_of_the_list_lead_to_the_comparison(console, database, first_id, second_id):
    database.run(add_campaign, "draft", name="Draft")
    browser = console.sign_in(Role.VIEWER)
    page = browser.get("/campaigns").text
    boxes = re.findall(r'name="id" value="(\d+)" form="compare"', page)
    assert boxes == [str(second_id), str(first_id)]  # a draft has nothing to compare
    answer = browser.get(f"/campaigns/compare?id={boxes[0]}&id={boxes[1]}")
    assert answer.location == f"/campaigns/compare?a={second_id}&b={first_id}"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("id=1", "Tick two campaigns, not one and not more."),
        ("id=1&id=2&id=3", "Tick two campaigns, not one and not more."),
        ("a=1&b=", "Choose two campaigns."),
        ("a=1&b=x", "The number of a campaign has digits only"),
        ("a=1&b=1", "These are not two campaigns."),
    ],
)
def test_a_wrong_choice_is_said_and_can_be_mended(console, first_id, query, words):
    answer = console.sign_in().get(f"/campaigns/compare?{query}")
    assert answer.status_code == 422
    assert words in answer.text
    assert f'<option value="{first_id}"' in answer.text


def test_the_page_of_a_campaign_offers_a_second_one(console, first_id, second_id):
    browser = console.sign_in()
    assert f'href="/campaigns/compare?a={first_id}"' in browser.get(f"/campaigns/{first_id}").text
    page = browser.get(f"/campaigns/compare?a={first_id}").text
    assert page.count(f'<option value="{first_id}" selected>') == 1
    assert browser.get(f"/campaigns/compare?a={first_id}&b=987").status_code == 404
    assert 'value="987" selected' in browser.get("/campaigns/compare?a=987").text


def test_the_report_has_all_that_a_lead_asks_for(console, database, first_id):
    fetch(database, OPT_OUT, "word", "2 days", first_id)
    database.run(write_audit, TESTER, Act.CAMPAIGN_APPROVE, first_id)
    database.run(write_audit, TESTER, Act.CAMPAIGN_START, first_id)
    text = read_text(console.sign_in(Role.VIEWER).get(f"/campaigns/{first_id}/report").text.replace("<td", " <td"))
    for words in (
        "Report on Black <Friday>",
        "completed",
        "Sent: WhatsApp has them 6 50 %",
        "1 person opted out within 7 days of the message.",
        "First message2030-03-01 12:00",
        "Last message2030-03-01 12:05, after 5 minutes",
        "4undeliverable",
        "2not sent: opt-out",
        f"campaign approved: {TESTER.name}",
        f"campaign started: {TESTER.name}",
    ):
        assert words in text, words


@pytest.mark.parametrize(("source", "age"), [("manual", "2 days"), ("word", "8 days"), ("word", "-1 minute")])
def test_an_opt_out_that_the_message_did_not_cause_is_not_counted(console, database, first_id, source, age):
    fetch(database, OPT_OUT, source, age, first_id)
    assert "0 people opted out" in read_text(console.sign_in().get(f"/campaigns/{first_id}/report").text)


def test_the_costs_stand_in_the_comparison_and_in_the_report(console, database, first_id, second_id):
    browser = console.sign_in(Role.VIEWER)
    page = browser.get(f"/campaigns/compare?a={first_id}&b={second_id}").text
    assert find_line(page, "So far") == "So far not counted yet not counted yet"
    fetch(
        database,
        "UPDATE messages SET pricing_category = 'marketing', is_billable = true"
        " WHERE campaign_id = %s AND status IN ('sent', 'delivered', 'read') RETURNING 1",
        first_id,
    )
    while count_next_charges(database):
        pass
    assert "So far no price no price" in read_text(
        browser.get(f"/campaigns/compare?a={first_id}&b={second_id}").text.replace("<td", " <td")
    )
    database.run(write_prices, [Price("BR", "marketing", dt.date(2020, 1, 1), "USD", Decimal("0.05"), "")])
    page = browser.get(f"/campaigns/compare?a={first_id}&b={second_id}").text
    assert find_line(page, "So far") == "So far $0.30 0"
    assert find_line(page, "Billable") == "Billable 6 0"
    assert find_line(page, "Not reported") == "Not reported 0 9"  # the uncertain one, too
    assert "Cost so far$0.30" in read_text(browser.get(f"/campaigns/{first_id}/report").text)
    rows = browser.get(f"/campaigns/{first_id}/report.csv").text
    assert "cost,amount.USD,0.3\r\n" in rows
    assert "cost,billable,6" in rows


def test_of_erased_people_nobody_knows_who_opted_out(console, database, first_id, second_id):
    fetch(database, "UPDATE campaigns SET erased_at = now() WHERE id = %s RETURNING 1", first_id)
    browser = console.sign_in()
    assert "it is not known how many opted out" in browser.get(f"/campaigns/{first_id}/report").text
    page = browser.get(f"/campaigns/compare?a={first_id}&b={second_id}").text
    assert find_line(page, "Opted out").endswith("of the message not known 0 0 %")
    assert "opted_out_within_7_days,\r\n" in browser.get(f"/campaigns/{first_id}/report.csv").text


def test_a_draft_has_a_report_that_nothing_was_sent(console, database):
    campaign_id = database.run(add_campaign, "draft", name="Draft")
    assert "Not sent yet" in console.sign_in().get(f"/campaigns/{campaign_id}/report").text


def test_the_report_is_a_file_for_programs_and_the_download_is_audited(console, database, first_id):
    fetch(database, "UPDATE campaigns SET name = '=1+1' WHERE id = %s RETURNING 1", first_id)
    answer = console.sign_in(Role.VIEWER, language="pt_BR").get(f"/campaigns/{first_id}/report.csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="campaign-{first_id}-report.csv"'
    header, *rows = csv.reader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert header == ["section", "key", "value"]
    found = {(section, key): value for section, key, value in rows}
    assert found["campaign", "name"] == "'=1+1"  # no spreadsheet calculates it
    assert found["campaign", "started_at"] == "2030-03-01T12:00:00+00:00"
    assert found["funnel", "sent"] == "6"
    assert found["failed", "recipient.131026"] == "4"
    assert found["speed", "half_at"] == "2030-03-01T12:02:00+00:00"
    assert found["people", "opted_out_within_7_days"] == "0"
    audited = fetch(database, "SELECT actor, target_id FROM audit_events WHERE what = 'campaign.report'")
    assert audited == [("viewer-pt-br", first_id)]


def test_a_campaign_that_has_sent_nothing_has_a_report(console, database):
    campaign_id = database.run(add_campaign, "running", accounts=[database.run(add_account)])
    database.run(add_messages, campaign_id, 3)
    browser = console.sign_in()
    text = read_text(browser.get(f"/campaigns/{campaign_id}/report").text)
    assert "Not sent yet3100 %" in text
    assert "First message" not in text
    assert browser.get(f"/campaigns/{campaign_id}/report.csv").status_code == 200
    assert "nothing sent" in browser.get(f"/campaigns/compare?a={campaign_id}&b={add_sent(database, 'B')}").text
    assert browser.get("/campaigns/987/report").status_code == 404


def test_no_phone_is_in_a_report(console, database, first_id):
    fetch(
        database, "UPDATE messages SET error_title = 'no WhatsApp: +5511987654321' WHERE status = 'failed' RETURNING 1"
    )
    browser = console.sign_in(Role.VIEWER)
    for path in (f"{first_id}/report", f"{first_id}/report.csv", f"compare?a={first_id}&b={add_sent(database, 'B')}"):
        assert "987654321" not in browser.get(f"/campaigns/{path}").text
