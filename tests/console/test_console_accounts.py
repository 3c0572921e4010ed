"""Accounts: their state, their numbers over time, and what an admin changes."""

from __future__ import annotations

import re

import pytest
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from campaigns.management.listings.samples import Span, show_account_timeline
from campaigns.secrets import encrypt_token
from campaigns.store.accounts import add_account_event
from console.charts import HEIGHT, draw
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_messages, deactivate_category, fetch

FAILURE = {
    "code": 190,
    "title": "access token expired, revoked or unreadable",
    "details": "Session expired for +5511987654321",
    "fbtrace_id": "AbC123",
    "message_id": 7,
}
REASON = "5 consecutive send failures: 190 access token expired, revoked or unreadable"
ADD_PEOPLE = """
INSERT INTO portfolio_people (portfolio_id, recipient_key, until)
SELECT id, n, now() + interval '1 hour' FROM portfolios, generate_series(1, 1200) n
"""
# One minute ago, two hours ago, three days ago, and two months ago.
FILL = """
INSERT INTO account_samples (account_id, step, at, accepted, throttled, failed_account, failed_server, rate, quality)
SELECT %s, step, date_trunc(step, now() - age), accepted, 2, 3, 1, rate, quality FROM (VALUES
    ('minute', interval '1 minute', 100, 40.0, 'YELLOW'), ('minute', interval '2 hours', 1000, 80.0, 'GREEN'),
    ('hour', interval '3 days', 5000, 80.0, 'GREEN'), ('hour', interval '60 days', 7, NULL, NULL))
    v (step, age, accepted, rate, quality)
"""


@pytest.fixture
def account_id(database, settings):
    health = {"quality": "GREEN", "messaging_limit": "TIER_2K"}
    token = encrypt_token(settings.secret_key, "EAAG-old")
    return database.run(add_account, name="sales-1", health=Jsonb(health), token=token)


@pytest.fixture
def inactive_id(database):
    columns = {"name": "sales-2", "active": False, "inactive_reason": REASON, "consecutive_failures": 5}
    account_id = database.run(add_account, **columns, failures=Jsonb([FAILURE] * 5))
    database.run(add_account_event, account_id, "deactivated", {"errors": [FAILURE] * 5, "source": "replies"})
    return account_id


def find_row(page, account_id):
    return read_text(page.split(f'<tr id="account-{account_id}">')[1].split("</tr>")[0])


def test_the_list_tells_the_state_of_each_account(console, database, account_id, inactive_id):
    fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES ('acme', 2000) RETURNING 1")
    fetch(database, "UPDATE accounts SET portfolio_id = (SELECT id FROM portfolios) WHERE id = %s", account_id)
    fetch(database, ADD_PEOPLE)
    database.run(add_campaign, "running", accounts=[account_id], name="Black <Friday>")
    database.run(add_campaign, "completed", accounts=[account_id], name="Old")
    page = console.sign_in(Role.VIEWER).get("/accounts").text
    row = find_row(page, account_id)
    for words in ("active", "high quality", "2,000 people in 24 hours", "80", "0 of 5", "1,200 of 2,000", "Black <Fri"):
        assert words in row
    assert "Old" not in row
    row = find_row(page, inactive_id)
    for words in ("inactive", "190 access token expired", "Make a new token", "5 of 5", "not counted", "none now"):
        assert words in row


def test_the_list_goes_on_behind_its_last_account(console, database):
    ids = [database.run(add_account) for _ in range(51)]
    browser = console.sign_in()
    page = browser.get("/accounts").text
    assert page.count('<tr id="account-') == 50
    following = re.search(r'href="(/accounts\?after=\d+)"', page)[1]
    assert f'<tr id="account-{ids[-1]}">' in browser.get(following).text
    assert browser.get("/accounts?after=x").status_code == 400
    assert "There are no more accounts." in browser.get(f"/accounts?after={ids[-1]}").text


def test_without_an_account_the_list_says_what_to_do(console):
    assert "An admin connects the first phone number." in console.sign_in().get("/accounts").text


def test_an_inactive_account_shows_its_failures_with_metas_words_and_trace_ids(console, inactive_id):
    page = read_text(console.sign_in(Role.OPERATOR).get(f"/accounts/{inactive_id}").text)
    assert "The failures that made it inactive" in page
    assert "AbC123" in page
    assert "Session expired for +5511987654321" in page
    assert "+5511987654321" not in console.sign_in(Role.VIEWER).get(f"/accounts/{inactive_id}").text


def test_a_token_of_another_key_is_told(console, database, account_id):
    fetch(database, "UPDATE accounts SET token = 'x' WHERE id = %s RETURNING 1", account_id)
    row = find_row(console.sign_in().get("/accounts").text, account_id)
    assert "cannot sendThe token of account sales-1 cannot be read" in row


def test_a_category_that_is_not_sent_is_told(console, database, account_id):
    database.run(deactivate_category, account_id)
    browser = console.sign_in()
    assert "active in part" in find_row(browser.get("/accounts").text, account_id)
    assert "Account sales-1 sends no MARKETING templates" in read_text(browser.get(f"/accounts/{account_id}").text)


def test_an_account_shows_charts_and_the_same_numbers_as_tables(console, database, account_id):
    fetch(database, FILL + "RETURNING 1", account_id)
    database.run(add_account_event, account_id, "activated", {})
    page = console.sign_in().get(f"/accounts/{account_id}").text
    charts = dict(re.findall(r'id="chart-(\w+)".*?(<svg.*?</svg>)', page, re.DOTALL))
    assert set(charts) == {"accepted", "failed", "throttled", "receipts", "rate", "quality"}
    assert charts["accepted"].count("<rect") == 2
    assert charts["failed"].count('class="fault-account"') == charts["failed"].count('class="fault-meta"') == 2
    assert charts["quality"].count('class="quality-yellow"') == charts["quality"].count('class="quality-green"') == 1
    assert all(chart.count("<line") == 1 for chart in charts.values())
    text = read_text(page)
    for words in (
        "1,100 messages were accepted",
        "8 messages failed. Most often at fault: The account, 6.",
        "4 messages were refused for now",
        "The lowest rate that was allowed: 40 per second. Configured now: 80.",
        "The last quality of this time: medium quality.",
    ):
        assert words in text
    assert page.count("The numbers as a table") == 6


@pytest.mark.parametrize(("span", "accepted"), [("day", 1_100), ("week", 6_100), ("month", 6_100), ("year", 6_107)])
def test_each_time_has_its_samples(database, account_id, span, accepted):
    fetch(database, FILL + "RETURNING 1", account_id)
    timeline = show_account_timeline(database, account_id, Span(span))
    assert sum(each.accepted for each in timeline.samples) == accepted
    assert len(timeline.samples) == Span(span).interval[1] <= 60
    gaps = {after.at - before.at for before, after in zip(timeline.samples, timeline.samples[1:], strict=False)}
    assert {each.total_seconds() for each in gaps} == {timeline.seconds}


def test_an_account_without_samples_says_so(console, account_id):
    page = console.sign_in().get(f"/accounts/{account_id}?span=year").text
    assert "There are no numbers of this time." in page
    assert "<figure" not in page


def test_events_are_told_page_by_page(console, database, account_id):
    for number in range(51):
        database.run(add_account_event, account_id, "health_failed", {"reason": f"reason {number}", "said": "<b>"})
    database.run(add_account_event, account_id, "health_worse", {"changes": "quality GREEN → YELLOW"})
    browser = console.sign_in()
    page = browser.get(f"/accounts/{account_id}").text
    assert "quality GREEN → YELLOW" in read_text(page)
    assert "<b>" not in page
    assert "reason 1;" not in page
    older = re.search(r'href="([^"]*before=[^"]*)#events"', page)[1].replace("&amp;", "&")
    text = read_text(browser.get(older).text)
    assert "reason 1; Meta says: <b>" in text
    assert "reason 2;" not in text


def test_every_kind_of_event_has_words(console, database, account_id):
    kinds = "SELECT unnest(regexp_matches(pg_get_constraintdef(oid), '''(\\w+)''', 'g')) FROM pg_constraint"
    for kind in fetch(database, f"{kinds} WHERE conname = 'account_events_kind_check'"):
        database.run(add_account_event, account_id, kind, {})
    page = read_text(console.sign_in().get(f"/accounts/{account_id}").text)
    for words in ("became inactive", "activated", "began to rest", "health got worse", "stopped one category"):
        assert words in page


@pytest.mark.parametrize("query", ["span=decade", "before=x"])
def test_a_wrong_address_is_refused(console, account_id, query):
    assert console.sign_in().get(f"/accounts/{account_id}?{query}").status_code == 400


def test_a_hint_leads_to_the_account_of_its_name(console, database, account_id, inactive_id):
    fetch(database, "UPDATE accounts SET name = %s WHERE id = %s RETURNING 1", str(account_id), inactive_id)
    browser = console.sign_in()
    assert browser.get("/accounts/named?name=sales-1").location == f"/accounts/{account_id}"
    assert browser.get(f"/accounts/named?name={account_id}").location == f"/accounts/{inactive_id}"  # names come first
    assert browser.get("/accounts/named?name=none").status_code == 404
    assert browser.get("/accounts/987").status_code == 404


def test_layers_stand_above_each_other():
    drawing = draw([[1.0, None, 2.0], [3.0, 0, None]])
    assert (drawing.count, drawing.top) == (8, 5.0)
    assert [(bar.x, bar.y, bar.height) for bar in drawing.layers[0]] == [(7.5, 80.0, 20.0), (157.5, 60.0, 40.0)]
    assert [(bar.x, bar.y + bar.height) for bar in drawing.layers[1]] == [(7.5, HEIGHT - 20.0)]


def test_an_account_shows_which_share_of_its_messages_arrived(console, database, account_id):
    fetch(database, FILL + "RETURNING 1", account_id)
    browser = console.sign_in()
    path = f"/accounts/{account_id}?span=week"
    assert "No message of this time is counted yet." in read_text(browser.get(path).text)
    add = "INSERT INTO account_receipts VALUES (%s, date_trunc('hour', now()) - interval '5 days', 72, 200, 150, 50)"
    fetch(database, add + " RETURNING 1", account_id)
    page = browser.get(path).text
    text = read_text(page)
    assert "Of 200 messages that were accepted at least an hour ago, 75 % arrived and 25 % were read." in text
    chart = page.split('id="chart-receipts"')[1].split("</svg>")[0]
    heights = re.findall(r'class="(part-\w+)"[^>]* height="([\d.]+)"', chart)
    assert heights == [("part-read", "25.0"), ("part-delivered", "50.0")]
    assert "20075 %25 %" in read_text(page.split('id="table-receipts"')[1].split("</details>")[0])


def test_the_parts_of_a_bar_have_patterns_and_times_without_numbers_a_mark(console, database, account_id):
    """A reader of a black and white print sees no colours."""
    fetch(database, FILL + "RETURNING 1", account_id)
    page = console.sign_in().get(f"/accounts/{account_id}").text
    failed = page.split('id="chart-failed"')[1].split("</section>")[0]
    assert failed.split("</svg>")[0].count('fill="url(#level)"') == 1  # a fault at Meta; the account is plain
    assert failed.split('class="legend"')[1].count('fill="url(#level)"') == 1
    assert page.count('class="gap"') == 6
    assert set(re.findall(r"url\(#(\w+)\)", page)) <= set(re.findall(r'<pattern id="(\w+)"', page))


def test_the_campaigns_of_an_account_are_shown_with_their_queue(console, database, account_id):
    campaign_id = database.run(add_campaign, "paused", accounts=[account_id], name="Sale")
    database.run(add_messages, campaign_id, 4)
    page = read_text(console.sign_in().get(f"/accounts/{account_id}").text)
    assert "Sale paused 4 messages in our queue" in page
