"""The numbers of a campaign are cumulative, add up on the screen, and no percentage rounds to a lie."""

import io
import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from campaigns.cli.campaign.watch import Rates, _draw
from campaigns.cli.output import describe_funnel, describe_skipped, funnel_cells, percent
from campaigns.domain.failures import UNDER_REVIEW
from campaigns.domain.message import ACCEPTED, Status
from campaigns.management.reports import read_funnel
from tests.cli.test_cli_watch import ROW
from tests.store.rows import add_message, fetch

NUMBERS = st.integers(0, 3) | st.integers(0, 2_000_000)
COUNTS = st.dictionaries(st.sampled_from(list(Status)), NUMBERS, max_size=len(Status))


def make_row(counts, replied=(), **columns):
    return replace(ROW, counts={k: v for k, v in counts.items() if v}, replied_counts=dict(replied), **columns)


def read_number(text):
    return int(re.match(r"[\d,]+", text)[0].replace(",", ""))


@given(COUNTS, st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=300)
def test_the_numbers_on_the_screen_add_up(counts, capped, in_review):
    counts[Status.SUPPRESSED] = counts.get(Status.SUPPRESSED, 0) + capped + in_review
    funnel = read_funnel(make_row(counts))
    shown = {name: read_number(value) for name, value in describe_funnel(funnel)}
    skipped = describe_skipped(funnel, capped=capped, held_for_review=in_review)
    parts = [shown.get(name, 0) for name in ("sent", "failed", "uncertain", "to send")]
    total, _, reasons = skipped.partition(": ")
    assert sum(parts) + (read_number(total) if total else 0) == shown["recipients"] == sum(counts.values())
    assert sum(read_number(each) for each in reasons.split(", ") if each) == funnel.skipped
    assert funnel.sent >= funnel.delivered >= funnel.read
    assert funnel.sent == sum(counts.get(status, 0) for status in ACCEPTED)


@given(COUNTS, st.data())
def test_nobody_who_got_nothing_has_replied(counts, data):
    replied = {status: data.draw(st.integers(0, count)) for status, count in counts.items()}
    funnel = read_funnel(make_row(counts, replied))
    assert funnel.replied <= funnel.sent


@given(st.integers(0, 3_000_000), st.integers(0, 3_000_000))
@example(9_996, 10_000)
@example(1, 10_000)
@example(999_999, 1_000_000)
@example(1, 2)
def test_a_percentage_says_neither_nothing_nor_all_of_what_is_in_between(part, rest):
    whole = part + rest
    shown = percent(part, whole)
    if not whole:
        assert shown == ""
        return
    assert (shown == "0%") == (part == 0)
    assert (shown == "100%") == (rest == 0)
    exact = 100 * part / whole
    if shown.startswith("<"):
        assert 0 < exact < 0.1
    elif shown.startswith(">"):
        assert 99.9 < exact < 100
    else:
        assert abs(float(shown.removesuffix("%")) - exact) <= 0.05 + 1e-9


def test_the_edges_of_percentages():
    pairs = ((9_996, 10_000), (99_951, 100_000), (1, 10_000), (1, 3), (1, 2), (0, 7), (7, 7), (0, 0))
    assert [percent(*each) for each in pairs] == [
        *(">99.9%", ">99.9%", "<0.1%", "33.3%", "50.0%", "0%", "100%", ""),
    ]


@pytest.fixture
def sale(create, house, database):
    """A completed campaign with messages in every stage."""
    campaign_id = int(create())
    fetch(database, "DELETE FROM messages")
    database.run(add_message, campaign_id, "held")
    database.run(add_message, campaign_id, "failed")
    database.run(add_message, campaign_id, "uncertain")
    database.run(add_message, campaign_id, "expired")
    database.run(add_message, campaign_id, "suppressed")
    why = "the person had as many messages as the campaign allows"
    database.run(add_message, campaign_id, "suppressed", error_title=why)
    database.run(add_message, campaign_id, "suppressed", error_code=UNDER_REVIEW.code, error_title="an answer")
    for number in range(4):
        database.run(add_message, campaign_id, "read", replied_at="2026-10-01T12:01Z" if number == 0 else None)
    database.run(add_message, campaign_id, "delivered")
    fetch(
        database,
        "UPDATE campaigns SET status = 'completed', started_at = now(), completed_at = now(), duplicate_count = 3,"
        " rejected_count = 2",
    )
    return str(campaign_id)


def test_show_has_the_funnel_and_beside_it_who_was_skipped_and_why(house, sale):
    output = house.ok("campaign", "show", sale)
    for line in (
        "recipients         12",
        "sent               6 (50.0% of recipients)",
        "  delivered        5 (83.3% of sent)",
        "  read             4 (66.7% of sent)",
        "  replied          1 (16.7% of sent)",
        "  held by Meta     1 (16.7% of sent)",
        "failed             1 (8.3% of recipients)",
        "uncertain          1 (8.3% of recipients)",
        "skipped 4 (33.3% of recipients): 1 suppressed, 1 had their most messages, 1 may have opted out, 1 expired",
        "duplicates dropped 3",
        "rows rejected      2",
    ):
        assert re.sub(" +", " ", line) in re.sub(" +", " ", output), line


@pytest.mark.parametrize("width", ["80", "240"])
def test_the_list_has_each_stage_whole_in_any_terminal(house, sale, width):
    house.environment["COLUMNS"] = width
    output = house.ok("campaign", "list")
    for stage in (
        *("12/12 (100%)", "6 sent", "5 delivered (83.3%)", "4 read (66.7%)", "1 replied (16.7%)", "1 held by Meta"),
        *("1 failed", "1 uncertain", "3 skipped", "1 expired"),
    ):
        assert re.search(stage.replace("(", "\\(").replace(")", "\\)").replace(" ", r"\s+"), output), stage


def test_a_narrow_terminal_shows_every_stage_that_is_watched():
    row = make_row({"pending": 4_000, "delivered": 1_010_477, "read": 1_012_475, "failed": 12, "uncertain": 1})
    console = Console(file=io.StringIO(), width=80)
    console.print(_draw([row], Rates(), "", console))
    output = console.file.getvalue()
    for heading in ("sent", "delivered", "read", "replied", "failed", "also"):
        assert heading in output
    assert "…" not in output


def test_the_json_has_the_funnel_and_the_exclusive_counts(house, sale):
    shown, (listed,) = house.json("campaign", "show", sale), house.json("campaign", "list")
    assert listed["counts"] == shown["counts"] == {
        "suppressed": 3, "expired": 1, "uncertain": 1, "held": 1, "failed": 1,
        "delivered": 1, "read": 4,
    }  # fmt: skip
    assert listed["funnel"] == shown["funnel"] == {
        "recipients": 12, "sent": 6, "held": 1, "delivered": 5, "read": 4, "replied": 1, "failed": 1,
        "uncertain": 1, "to_send": 0, "suppressed": 3, "expired": 1, "cancelled": 0,
        "duplicates": 3, "rejected_rows": 2,
    }  # fmt: skip


def test_a_draft_without_recipients_has_no_percentages():
    funnel = read_funnel(make_row({}))
    assert describe_funnel(funnel) == [("recipients", "0"), ("sent", "0")]
    assert funnel_cells(funnel) == ("0", "0", "0", "0", "0")
