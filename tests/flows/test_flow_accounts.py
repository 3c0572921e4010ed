"""Consecutive send failures of an account deactivate it, and no message is lost."""

from __future__ import annotations

from typing import Any

from harness import Account, Flow, wait_for

TITLE = "190 "


def test_a_failing_account_is_deactivated_after_five_and_the_other_sends_its_messages(flow: Flow) -> None:
    flow.start("worker")
    flow.far.script(latency_ms=[80, 120])  # several failures are in flight together
    failing = flow.add_account("Vendas", outcome="error:190")
    healthy = flow.add_account("Novidades")
    campaign = flow.add_campaign("Black Friday", [failing, healthy], people=150)
    flow.await_ready()

    flow.start_campaigns(campaign)
    flow.await_status("completed", campaign)

    flow.assert_everybody_got_one(campaign)
    assert {each["account"] for each in flow.far.accepted(campaign)} == {healthy.number}
    assert flow.counts(campaign) == {"sent": 150}
    assert flow.query("SELECT count(*) FROM messages WHERE account_id <> %s", healthy.id) == [(0,)]
    _assert_deactivated(flow, failing)
    assert flow.query("SELECT active, consecutive_failures FROM accounts WHERE id = %s", healthy.id) == [(True, 0)]
    flow.assert_counters_equal_rows()


def test_without_an_active_account_a_campaign_waits_and_goes_on_once_one_is_activated(flow: Flow) -> None:
    """Beat does not run, so only the task that `account activate` enqueues can end the wait."""
    flow.start("worker", tick_seconds=10, window_limit=1)
    only = flow.add_account("Vendas", outcome="error:190")
    campaign = flow.add_campaign("Black Friday", [only], people=30)
    flow.await_ready()

    flow.start_campaigns(campaign)
    flow.await_status("running", campaign, reason="no_active_account")
    # One request is in flight at a time, so no request is sent after the fifth failure.
    assert flow.far.stats()["accounts"][only.number]["errors"] == {"190": 5}
    _assert_deactivated(flow, only)
    assert flow.counts(campaign) == {"pending": 30}
    assert flow.sentences("campaign_waiting", campaign_id=campaign.id) == [
        f"Campaign {campaign.id} waits: no_active_account"
    ]
    wait_for(lambda: "campaign_cannot_go_on" in flow.alerts.kinds(), "the alert is posted")
    flow.assert_no_lease_lives()

    flow.far.script(accounts={only.number: {"outcome": "ok"}})
    done = flow.run_command("revoada", "account", "activate", "Vendas")
    assert done.returncode == 0, done.stderr
    flow.await_status("completed", campaign)

    flow.assert_everybody_got_one(campaign)
    assert flow.counts(campaign) == {"sent": 30}
    assert flow.query("SELECT active, consecutive_failures FROM accounts") == [(True, 0)]
    flow.assert_counters_equal_rows()


def _assert_deactivated(flow: Flow, account: Account) -> None:
    """Five failures deactivate the account. The row, the stored event, the log and the alert report it once each."""
    rows = flow.query("SELECT active, consecutive_failures, inactive_reason FROM accounts WHERE id = %s", account.id)
    active, failures, reason = rows[0]
    assert (active, failures) == (False, 5) and TITLE in reason
    events: list[tuple[Any, ...]] = flow.query(
        "SELECT details FROM account_events WHERE account_id = %s AND kind = 'deactivated'", account.id
    )
    assert len(events) == 1
    errors = events[0][0]["errors"]
    assert [error["code"] for error in errors] == [190] * 5
    assert flow.find_leaks(str(events)) == []
    (told,) = flow.events("account_deactivated", account_id=account.id)
    assert told["level"] == "WARNING"
    assert told["message"].startswith(f"Account {account.id} deactivated after 5 consecutive send failures: {TITLE}")
    wait_for(lambda: "account_deactivated" in flow.alerts.kinds(), "the alert is posted")
    assert flow.alerts.kinds().count("account_deactivated") == 1
