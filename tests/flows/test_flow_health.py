"""Health checks only inform. They never pause, deactivate or delay sending."""

from __future__ import annotations

from harness import Flow, wait_for

from devstack.proxy import Proxy

THREADS_COUNT = 8  # of the worker, for health checks
HANGING_COUNT = 10


def test_health_400_yellow_and_hanging_disturb_no_campaign_and_a_change_is_an_alert(flow: Flow, gate: Proxy) -> None:
    flow.start("webhooks", "events", "worker", "beat")
    hanging = [flow.add_account(f"Hanging {number}", rate=6, health="hang") for number in range(HANGING_COUNT)]
    refusing = flow.add_account("Refusing", rate=50, health="400")
    yellow = flow.add_account("Yellow", rate=50, health="YELLOW")
    silent = flow.add_campaign("Hanging", hanging, people=200)
    refused = flow.add_campaign("Refusing", [refusing], people=200)
    warned = flow.add_campaign("Yellow", [yellow], people=200)
    flow.await_ready()

    def hanging_checks() -> int:
        told = flow.far.stats()["accounts"]
        return sum(told.get(account.number, {}).get("health_requests", 0) for account in hanging)

    # The accounts whose checks hang come first, and occupy all threads.
    flow.start_campaigns(silent)
    wait_for(lambda: hanging_checks() == THREADS_COUNT, "all threads hang")
    flow.start_campaigns(refused, warned)
    flow.await_status("completed", silent, refused, warned)
    # Meanwhile the other tasks of this role were executed.
    flow.await_arrival(silent, refused, warned)
    assert hanging_checks() == THREADS_COUNT
    assert flow.events("health_failed") == []

    gate.reset()
    wait_for(lambda: "health_worse" in flow.alerts.kinds(), "the alert is posted")
    wait_for(lambda: flow.events("health_failed", account_id=refusing.id), "the refusal is told")
    wait_for(lambda: hanging_checks() == HANGING_COUNT, "the last of them hang")
    gate.reset()
    failed = wait_for(
        lambda: (each := flow.events("health_failed", campaign_id=silent.id)) and len(each) == HANGING_COUNT and each,
        "every hanging check has failed",
    )
    flow.assert_everybody_got_one(silent, refused, warned)
    assert flow.query("SELECT count(*) FROM accounts WHERE NOT active") == [(0,)]

    assert {each["message"] for each in failed} == {
        f"Health check failed for campaign {silent.id}, going on: No answer: ConnectionError"
    }
    assert [each["level"] for each in flow.events("health_failed", account_id=refusing.id)] == ["WARNING"]
    (sentence,) = flow.sentences("health_failed", campaign_id=refused.id)
    assert sentence.startswith(
        f"Health check failed for campaign {refused.id}, going on: Request failed with status code 400"
    )
    assert flow.sentences("health_not_ideal", account_id=yellow.id) == [
        (
            f"[INFO] Account {yellow.id} health not ideal: quality YELLOW; "
            "stays active, only real send failures deactivate accounts"
        )
    ]
    assert [each["level"] for each in flow.events("health_worse", account_id=yellow.id)] == ["WARNING"]
    assert [each["account_id"] for each in flow.alerts.alerts if each["kind"] == "health_worse"] == [yellow.id]
    kinds = flow.query("SELECT account_id, kind FROM account_events WHERE kind <> 'created' ORDER BY 1, 2")
    assert kinds == [
        *((account.id, "health_failed") for account in hanging),
        (refusing.id, "health_failed"),
        (yellow.id, "health_worse"),
    ]


def test_health_that_gets_worse_and_better_is_told_once_each_way(flow: Flow) -> None:
    """Each change causes one alert, one event and one warning. Health that stays the same causes none."""
    flow.start("events", "worker", slice_seconds=0.5, tick_seconds=1, health_seconds=0.5)
    account = flow.add_account("Vendas", rate=20, health=["GREEN*1", "RED*2", "GREEN"])
    campaign = flow.add_campaign("Black Friday", [account], people=3_000)
    flow.await_ready()

    flow.start_campaigns(campaign)
    wait_for(lambda: len(flow.alerts.alerts) >= 2, "both changes are told")

    assert flow.alerts.kinds() == ["health_worse", "health_better"]
    assert [each["account_id"] for each in flow.alerts.alerts] == [account.id, account.id]
    for kind in ("health_worse", "health_better"):
        assert len(flow.events(kind, account_id=account.id, level="WARNING")) == 1
    kinds = flow.query("SELECT kind FROM account_events WHERE account_id = %s ORDER BY id", account.id)
    assert kinds == [("created",), ("health_worse",), ("health_better",)]
    assert flow.query("SELECT active, health ->> 'quality' FROM accounts") == [(True, "GREEN")]
    assert flow.status(campaign) == ("running", None)
