"""No campaign exceeds the daily limit of a portfolio. When an operator raises it, the campaigns go on."""

from __future__ import annotations

import datetime as dt

from harness import Flow, wait_for

from campaigns.management.accounts import add_portfolio, change_account
from tests.support.actors import TESTER


def test_campaigns_stop_at_the_daily_limit_and_go_on_when_it_is_raised(flow: Flow) -> None:
    """Beat does not run, so only the task that `portfolio set` enqueues can end the wait."""
    flow.start("worker", "worker2", tick_seconds=10)
    accounts = [flow.add_account("Vendas"), flow.add_account("Novidades")]
    add_portfolio(flow._database, "acme", daily_limit=70, actor=TESTER)
    for account in accounts:
        change_account(flow._database, account.name, {}, is_moved=True, portfolio="acme", actor=TESTER)
    campaigns = [
        flow.add_campaign("Black Friday", accounts, people=60),
        flow.add_campaign("Newsletter", accounts, people=50),
    ]
    flow.await_ready()

    started_at = flow.server_time()
    flow.start_campaigns(*campaigns)
    wait_for(lambda: ("running", "daily_limit") in [flow.status(each) for each in campaigns], "a campaign waits")
    wait_for(
        lambda: {flow.status(each) for each in campaigns} <= {("running", "daily_limit"), ("completed", None)},
        "all wait or are done",
    )
    assert len(flow.far.accepted()) == 70
    waiting = [each for each in campaigns if flow.status(each) == ("running", "daily_limit")]
    for campaign in waiting:
        # The campaign waits until 24 hours after the first person was counted.
        due = "SELECT due_at, (SELECT min(until) FROM portfolio_people) FROM campaigns WHERE id = %s"
        ((due_at, first_leaves_at),) = flow.query(due, campaign.id)
        assert due_at == first_leaves_at
        assert due_at.timestamp() - started_at >= dt.timedelta(hours=24).total_seconds()
        # The worker commits first, and logs then.
        event = {"campaign_id": campaign.id, "reason": "daily_limit", "level": "INFO"}
        wait_for(lambda event=event: flow.sentences("campaign_waiting", **event), "the log tells it")
        (told,) = flow.sentences("campaign_waiting", **event)
        assert told.endswith(": daily_limit")
    flow.assert_no_lease_lives()
    assert flow.run_command("revoada", "portfolio", "list").returncode == 0

    done = flow.run_command("revoada", "portfolio", "set", "acme", "--daily-limit", "90")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: len(flow.far.accepted()) == 90, "twenty more are sent")
    done = flow.run_command("revoada", "portfolio", "set", "acme", "--daily-limit", "110")
    assert done.returncode == 0, done.stderr
    flow.await_status("completed", *campaigns)
    flow.assert_everybody_got_one(*campaigns)
    flow.assert_counters_equal_rows()
