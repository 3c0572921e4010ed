from __future__ import annotations

import datetime as dt
import itertools

import pytest

from campaigns.domain.campaign import (
    ENDED,
    TRANSITIONS,
    CampaignFacts,
    CampaignStatus,
    Command,
    Plan,
    check_plan,
    decide_move,
    decide_schedule,
)
from campaigns.domain.statement import Refusal

NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(hours=1)
EARLIER = NOW - dt.timedelta(hours=1)

# The life cycle, written once more by hand: what a person's command makes of each status.
LIFE = {
    ("start", "draft"): "pending",
    ("pause", "pending"): "paused",
    ("pause", "scheduled"): "paused",
    ("pause", "running"): "paused",
    ("resume", "paused"): "pending",
    ("cancel", "draft"): "cancelled",
    ("cancel", "pending"): "cancelled",
    ("cancel", "scheduled"): "cancelled",
    ("cancel", "running"): "cancelled",
    ("cancel", "paused"): "cancelled",
    ("retry", "running"): "running",
    ("retry", "paused"): "paused",
    ("retry", "completed"): "running",
    **{("recover", status): "paused" for status in ("draft", "pending", "scheduled", "running", "paused")},
}
PEOPLE = (Command.START, Command.PAUSE, Command.RESUME, Command.CANCEL, Command.RETRY, Command.RECOVER)
WORDS = {"retry": "retried", "start": "started", "pause": "paused", "resume": "resumed", "cancel": "cancelled"}
WORDS["recover"] = "recovered"

_WAITS = '"look for causes of the wait of campaign 7" says what it waits for.'
INSTEAD = {
    "draft": '"start campaign 7" starts it.',
    "paused": '"resume campaign 7" resumes it.',
    "pending": _WAITS,
    "scheduled": _WAITS,
    "running": _WAITS,
}
PAUSED_INSTEAD = {
    "draft": 'A draft sends nothing before "start campaign 7". "delete the draft of campaign 7" deletes it.',
    "paused": 'It sends nothing now. "resume campaign 7" resumes it, and "cancel campaign 7" ends it for ever.',
}


def facts(status, **more):
    return CampaignFacts(7, "Black Friday", CampaignStatus(status), **{"recipient_count": 1, "account_count": 1} | more)


def _find_step(command, status):
    """The next step that a refusal names."""
    if command is Command.PAUSE and status in PAUSED_INSTEAD:
        return PAUSED_INSTEAD[status]
    if status not in ENDED:
        return INSTEAD[status]
    if command in {Command.PAUSE, Command.CANCEL, Command.RECOVER}:
        return 'It sends nothing any more. "show campaign 7" shows it.'
    if status == CampaignStatus.COMPLETED:
        return (
            'It has nothing left to send. If messages failed, "show the errors of campaign 7" says why, and "retry'
            ' failed messages of campaign 7: class all-retryable" sends them again. "make a new campaign: limit of'
            ' messages per person 1" makes a new campaign, which skips the people who have got a message.'
        )
    kept = "cancelled,failed" if command is Command.RETRY else "cancelled"
    return (
        f'To send to its people, make a new campaign: "export the messages of campaign 7: status {kept}" lists those'
        ' who got no message, with their values of now, and "make a new campaign" makes the campaign from such a file.'
        ' If a list was wrong, take the right list in its place; "limit of messages per person 1" "days of the limit'
        ' per person 7" leaves out those who have got this message.'
        ' "show campaign 7" shows the pace, the hours and the limits to give it again.'
    )


@pytest.mark.parametrize(("command", "status"), list(itertools.product(PEOPLE, CampaignStatus)))
def test_every_command_in_every_status_leads_where_the_life_cycle_says(command, status):
    expected = LIFE.get((command.value, status.value))
    if expected is None:
        with pytest.raises(Refusal) as refused:
            decide_move(command, facts(status), now=NOW)
        text = f"Campaign 7 (Black Friday) is {status}: it cannot be {WORDS[command]}."
        assert str(refused.value) == f"{text} {_find_step(command, status)}"
    else:
        move = decide_move(command, facts(status), now=NOW)
        assert (move.old, move.new) == (status, expected)
        assert move.new in TRANSITIONS[command][status]


def test_nothing_but_a_retry_leaves_an_ended_status():
    leaving = {(command, status) for command, table in TRANSITIONS.items() for status in ENDED & table.keys()}
    assert leaving == {(Command.RETRY, CampaignStatus.COMPLETED)}


def test_every_status_but_draft_can_be_reached():
    reached = {new for table in TRANSITIONS.values() for news in table.values() for new in news}
    assert reached == set(CampaignStatus) - {CampaignStatus.DRAFT}


def test_a_start_with_a_time_to_come_is_scheduled_and_rings_nobody():
    move = decide_move(Command.START, facts("draft", scheduled_at=LATER), now=NOW)
    assert (move.new, move.should_enqueue) == ("scheduled", False)


@pytest.mark.parametrize("within", [None, 1e6])
def test_a_draft_whose_time_has_passed_is_not_started(within):
    late = facts("draft", scheduled_at=EARLIER, start_within_seconds=within)
    with pytest.raises(Refusal, match="was scheduled for") as refused:
        decide_move(Command.START, late, now=NOW)
    assert refused.value.code == "start_after_schedule"


def test_a_paused_campaign_whose_time_has_passed_may_go_on():
    move = decide_move(Command.RESUME, facts("paused", scheduled_at=EARLIER), now=NOW)
    assert (move.new, move.should_enqueue) == ("pending", True)


def test_resume_goes_on_running_what_had_started():
    move = decide_move(Command.RESUME, facts("paused", started_at=EARLIER), now=NOW)
    assert (move.new, move.should_enqueue) == ("running", True)


def test_resume_before_its_time_waits_for_it_again():
    move = decide_move(Command.RESUME, facts("paused", scheduled_at=LATER), now=NOW)
    assert (move.new, move.should_enqueue) == ("scheduled", False)


@pytest.mark.parametrize(("status", "should_enqueue"), [("completed", True), ("running", True), ("paused", False)])
def test_a_retry_rings_what_may_run(status, should_enqueue):
    assert decide_move(Command.RETRY, facts(status, started_at=EARLIER), now=NOW).should_enqueue == should_enqueue
    assert not decide_move(Command.RETRY, facts(status, started_at=EARLIER, scheduled_at=LATER), now=NOW).should_enqueue


@pytest.mark.parametrize("command", [Command.PAUSE, Command.CANCEL])
def test_what_stops_a_campaign_rings_nobody(command):
    assert not decide_move(command, facts("running", started_at=EARLIER), now=NOW).should_enqueue


def test_a_campaign_without_recipients_cannot_start():
    with pytest.raises(Refusal, match=r"^Campaign 7 \(Black Friday\) has no recipients: it cannot be started. "):
        decide_move(Command.START, facts("draft", recipient_count=0), now=NOW)


def test_a_campaign_without_accounts_cannot_start():
    with pytest.raises(Refusal, match=r"^Campaign 7 \(Black Friday\) has no account: it cannot be started. "):
        decide_move(Command.START, facts("draft", account_count=0), now=NOW)


@pytest.mark.parametrize(
    ("status", "scheduled_at", "expected"),
    [
        ("pending", LATER, "scheduled"),
        ("scheduled", LATER, "scheduled"),
        ("scheduled", None, "pending"),
        ("scheduled", EARLIER, "pending"),
        ("draft", LATER, "draft"),
        ("paused", LATER, "paused"),
        ("running", LATER, "running"),
    ],
)
def test_a_changed_schedule_moves_only_what_waits_to_run(status, scheduled_at, expected):
    assert decide_schedule(facts(status, scheduled_at=scheduled_at), now=NOW) == expected


def plan(**more):
    return Plan(**{"name": "Black Friday", "template_id": 1, "time_zone": "UTC"} | more)


def test_a_plan_that_says_little_is_good():
    assert check_plan(plan()) == plan()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": " "}, "one line of text"),
        ({"name": "a\nb"}, "one line of text"),
        ({"interval_seconds": -1.0}, "between 0 and a day"),
        ({"interval_seconds": float("nan")}, "between 0 and a day"),
        ({"interval_seconds": 86_401.0}, "between 0 and a day"),
        ({"pause_after": 5}, "needs both"),
        ({"pause_seconds": 5.0}, "needs both"),
        ({"pause_after": 0, "pause_seconds": 5.0}, "above 0"),
        ({"pause_after": 5, "pause_seconds": 0.0}, "longer than 0 s"),
        ({"pause_after": 5, "pause_seconds": float("inf")}, "no longer than a year"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change, reason):
    with pytest.raises(Refusal, match=reason):
        check_plan(plan(**change))
