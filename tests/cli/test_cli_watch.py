from __future__ import annotations

import datetime as dt
import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from campaigns.cli.campaign.watch import Problems, Rates, watch_campaigns
from campaigns.store.campaigns import CampaignListing

NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
ROW = CampaignListing(
    id=7,
    name="Sale [x]",
    status="running",
    test_of=None,
    is_standing=False,
    template_name="promo",
    language="en",
    template_status="approved",
    parameters={},
    columns=["1"],
    scheduled_at=None,
    start_within_seconds=None,
    max_per_person=None,
    within_days=None,
    expire_at=None,
    interval_seconds=0,
    pause_after=None,
    pause_seconds=None,
    window_from=None,
    window_to=None,
    weekdays=[1],
    time_zone="America/Sao_Paulo",
    uses_recipient_zones=False,
    holidays=None,
    waiting_reason=None,
    due_at=None,
    enqueued_at=None,
    recipient_count=4,
    duplicate_count=0,
    rejected_count=0,
    created_at=NOW,
    started_at=NOW,
    completed_at=None,
    cancelled_at=None,
    server_now=NOW,
    counts={"pending": 4},
    replied_counts={},
)
STORY = [
    ROW,
    replace(ROW, server_now=NOW + dt.timedelta(seconds=1), counts={"pending": 1, "sent": 2, "delivered": 1}),
    replace(
        ROW,
        server_now=NOW + dt.timedelta(seconds=2),
        waiting_reason="window",
        due_at=NOW + dt.timedelta(hours=1),
        counts={"pending": 1, "sent": 2, "delivered": 1},
    ),
    replace(
        ROW,
        server_now=NOW + dt.timedelta(seconds=3),
        status="completed",
        completed_at=NOW,
        counts={"read": 2, "failed": 1, "uncertain": 1},
        replied_counts={"read": 1},
    ),
]


def tell(*, is_terminal):
    story = iter(STORY)
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200, highlight=False)
    watch_campaigns(lambda: [next(story)], console=console, every_seconds=0.01)
    return console.file.getvalue()


def test_a_pipe_gets_a_line_whenever_something_changed():
    assert tell(is_terminal=False).splitlines() == [
        "Campaign 7 (Sale [x]) running: 0/4, 0 sent, 0 failed, 0 uncertain, 0.0/s",
        "Campaign 7 (Sale [x]) running: 3/4, 3 sent, 0 failed, 0 uncertain, 1 delivered (33.3%), 3.0/s",
        (
            "Campaign 7 (Sale [x]) running: 3/4, 3 sent, 0 failed, 0 uncertain, 1 delivered (33.3%), 1.5/s, "
            "waits for window until 2026-11-27 10:00:00 -03"
        ),
        (
            "Campaign 7 (Sale [x]) completed: 4/4, 2 sent, 1 failed, 1 uncertain, 2 delivered (100%), 2 read (100%), "
            "1 replied (50.0%)"
        ),
        (
            "1 message of campaign 7 is uncertain: nobody knows whether Meta has it. A webhook settles each, whenever "
            "it comes; nothing is sent again but by `revoada campaign retry-uncertain 7`, at the risk of a second copy."
        ),
    ]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_what_meta_holds_back_is_shown_as_held(is_terminal):
    row = replace(ROW, status="completed", completed_at=NOW, counts={"held": 3, "sent": 1})
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200, highlight=False)
    watch_campaigns(lambda: [row], console=console, every_seconds=0.01)
    output = console.file.getvalue()
    if is_terminal:
        assert re.search(r"7 +4 \(100%\) +0 +0 +0 +0 +3 held by Meta ", output)
    else:
        assert "4 sent" in output
        assert "3 held by Meta" in output


def test_a_terminal_gets_bars_up_to_the_end():
    output = tell(is_terminal=True)
    assert "━" in output
    assert re.search(r"7 +2 \(50.0%\) +2 \(100%\) +2 \(100%\) +1 \(50.0%\) +1 \(25.0%\) +1 uncertain ", output)
    assert "completed" in output
    assert "retry-uncertain 7" in output


def test_a_rate_is_that_of_the_last_seconds():
    rates = Rates()
    for second in range(20):
        rate = rates.add(7, NOW + dt.timedelta(seconds=second), 1000 if second < 10 else 1000 + 50 * (second - 10))
    assert rate == 50


PENDING = replace(ROW, status="pending", started_at=None)
WAITING = replace(ROW, waiting_reason="window", due_at=NOW + dt.timedelta(hours=1))
SCHEDULED = replace(PENDING, status="scheduled", scheduled_at=NOW + dt.timedelta(hours=1))


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize(("row", "is_told"), [(ROW, True), (PENDING, True), (WAITING, False), (SCHEDULED, False)])
def test_a_problem_is_shown_while_a_campaign_is_due(row, is_told, is_terminal):
    story = iter([row, row, replace(ROW, status="cancelled", completed_at=NOW)])
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200, highlight=False)
    problems = Problems(lambda: "No worker runs.", lambda _id: "")
    watch_campaigns(lambda: [next(story)], console=console, every_seconds=0.01, find_problem=problems.find)
    output = console.file.getvalue()
    assert ("No worker runs." in output) == is_told
    if is_told and not is_terminal:
        assert output.splitlines()[0].endswith(". No worker runs.")
        assert "No worker runs." not in output.splitlines()[-1]


DRAFT = replace(ROW, status="draft", started_at=None)
STOPPED = replace(ROW, waiting_reason="no_active_account", due_at=NOW + dt.timedelta(minutes=1))


@pytest.mark.parametrize("is_terminal", [False, True])
@pytest.mark.parametrize(
    ("row", "text"),
    [
        (STOPPED, "Account sales of campaign 7 is inactive."),
        (replace(STOPPED, waiting_reason="template"), "Account sales of campaign 7 is inactive."),
    ],
    ids=["account", "template"],
)
def test_a_campaign_that_waits_for_a_person_says_why(row, text, is_terminal):
    story = iter([row, row, replace(ROW, status="cancelled", completed_at=NOW)])
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200, highlight=False)
    problems = Problems(str, lambda campaign_id: f"Account sales of campaign {campaign_id} is inactive.")
    watch_campaigns(lambda: [next(story)], console=console, every_seconds=0.01, find_problem=problems.find)
    assert text in console.file.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_draft_is_shown_once(is_terminal):
    story = iter([DRAFT])
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=200, highlight=False)
    problems = Problems(str, lambda _campaign_id: "")
    watch_campaigns(lambda: [next(story)], console=console, every_seconds=0.01, find_problem=problems.find)
    assert "It is a draft and was not started: `revoada campaign start 7` starts it." in console.file.getvalue()


def test_a_draft_does_not_end_the_watching_of_a_running_campaign():
    story = iter([[DRAFT, replace(ROW, id=8)], [DRAFT, replace(ROW, id=8, status="completed", completed_at=NOW)]])
    console = Console(file=io.StringIO(), width=200, highlight=False)
    watch_campaigns(lambda: next(story), console=console, every_seconds=0.01)
    assert "Campaign 8 (Sale [x]) completed" in console.file.getvalue()
