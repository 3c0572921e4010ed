"""The rate of a campaign over time: its bars, its table, and the intervals that a page chooses."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from campaigns.management.listings.samples import MAX_SAMPLES, choose_step, show_timeline
from campaigns.store.campaigns import list_prices, list_reasons
from console.charts import HEIGHT, WIDTH, draw, find_top
from tests.store.rows import add_account, add_campaign, add_messages, fetch

START = dt.datetime(2030, 3, 1, 12, 0, tzinfo=dt.UTC)
FILL = """
INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT %s, 'minute', at, at, jsonb_build_object('sent', 10 * n, 'failed', n, 'pending', 100), 11 * n, n
FROM generate_series(1, %s) n CROSS JOIN LATERAL (SELECT %s::timestamptz + n * interval '1 minute' AS at) g
"""


def read_text(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


@pytest.fixture
def campaign_id(database):
    campaign_id = database.run(add_campaign, "running", accounts=[database.run(add_account)])
    database.run(add_messages, campaign_id, 5)
    return campaign_id


def test_the_page_shows_bars_and_the_same_numbers_as_a_table(console, database, campaign_id):
    fetch(database, FILL, campaign_id, 3, START)
    page = console.sign_in().get(f"/campaigns/{campaign_id}").text
    chart = page.split('class="chart"')[1].split("</svg>")[0]
    assert chart.count("<rect") == 3
    assert "At most 3 messages per second." in chart
    assert "2030-03-01 12:03 3 30 3 100" in read_text(page)


def test_a_campaign_without_samples_has_no_chart(console, campaign_id):
    assert 'class="chart"' not in console.sign_in().get(f"/campaigns/{campaign_id}").text


def test_a_long_time_is_put_together_to_few_bars(database, campaign_id):
    fetch(database, FILL, campaign_id, 200, START)
    timeline = show_timeline(database, campaign_id)
    assert timeline.seconds == 300
    assert len(timeline.samples) == 41
    first, last = timeline.samples[0], timeline.samples[-1]
    assert (first.at, first.rate, first.counts["sent"]) == (START, 2.5, 40)  # minutes 1 to 4
    assert (last.rate, last.counts["sent"]) == (200.0, 2000)


@pytest.mark.parametrize("minutes", [1, 59, 60, 500, 5_000, 50_000, 500_000])
def test_no_time_needs_more_intervals_than_a_chart_has(minutes):
    step = choose_step(START, START + dt.timedelta(minutes=minutes))
    assert minutes * 60 / step < MAX_SAMPLES


def test_bars_stand_at_their_times_and_a_gap_is_marked():
    drawing = draw([[4.0, None, 0.0, 2.0, *[None] * 6]], known=[True, False, True, True, *[False] * 6])
    assert (drawing.count, drawing.top) == (10, 5.0)
    assert [(bar.x, bar.height, bar.y) for bar in drawing.layers[0]] == [(6.0, 80.0, 20.0), (186.0, 40.0, 60.0)]
    assert all(bar.y + bar.height == HEIGHT for bar in drawing.layers[0])
    assert [bar.x for bar in drawing.gaps] == [60.0, 240.0, 300.0, 360.0, 420.0, 480.0, 540.0]


def test_a_single_number_is_a_narrow_bar_at_the_start():
    (bar,) = draw([[4.0]]).layers[0]
    assert bar.x + bar.width < WIDTH / 8


def test_a_minute_without_a_sample_is_a_gap_and_not_a_zero(console, database, campaign_id):
    fetch(database, FILL, campaign_id, 3, START)
    fetch(database, "DELETE FROM campaign_samples WHERE at = %s RETURNING 1", START + dt.timedelta(minutes=2))
    page = console.sign_in().get(f"/campaigns/{campaign_id}").text
    chart = page.split('class="chart"')[1].split("</svg>")[0]
    assert chart.count("<rect") == 2
    assert re.findall(r'class="gap" d="M75.0 0h75.0v100h-75.0z"', chart)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1.0), (0.03, 0.05), (0.1, 0.1), (1, 1.0), (3, 5.0), (11, 20.0), (80, 100.0), (5000, 5000.0)]
)
def test_the_top_of_a_chart_is_a_round_number(value, top):
    assert find_top(value) == pytest.approx(top)


def test_the_page_of_a_campaign_reads_no_message(console, database, campaign_id, monkeypatch):
    """A campaign may have millions of messages, and a page is opened often."""
    database.run(add_messages, campaign_id, 3, "failed", account_id=1)
    database.run(add_messages, campaign_id, 2, "suppressed")
    browser = console.sign_in()

    def pass_over(*_):
        raise AssertionError("this reads the whole campaign")

    for query in (list_prices, list_reasons):
        monkeypatch.setattr(f"campaigns.store.campaigns.{query.__name__}", pass_over)
    page = read_text(browser.get(f"/campaigns/{campaign_id}").text)
    assert "2 not sent: opt-out, limit per person, answer to review or conditions" in page
    assert "Why people got no message, and what helps" in page


def test_the_errors_say_which_people_were_left_out_for_which_reason(console, database, campaign_id):
    def suppress(title, code):
        database.run(add_messages, campaign_id, 1, "suppressed", error_title=title, error_code=code)

    suppress("the person had as many messages as the campaign allows", None)
    suppress("an answer waits for a review", -2)
    suppress("the person wants no messages", None)
    page = read_text(console.sign_in().get(f"/campaigns/{campaign_id}/errors").text)
    assert "1 not sent: opt-out" in page
    assert "1 not sent: limit of messages per person" in page
    assert "1 not sent: an answer waits for a review" in page
