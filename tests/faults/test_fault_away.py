"""Workers are away: tasks do not pile up in any queue, and the waiting tasks starve no campaign afterwards."""

from __future__ import annotations

import redis
from harness import QUEUES, Account, Campaign, Flow, wait_for

# A wake-up is not published if enough others wait. A process reuses the queue length for a second, so a few more come.
MOST_WAKE_UPS = 40


def test_while_workers_are_away_no_queue_grows_and_a_campaign_waits_once(flow: Flow, redis_url: str) -> None:
    flow.start("webhooks", "beat", tick_seconds=0.2, reconcile_seconds=0.2)
    campaigns = add_campaigns(flow, 3)
    flow.await_ready()
    await_ticks(flow, 25)
    lengths = count_tasks(redis_url)
    assert 1 <= lengths["control"] <= MOST_WAKE_UPS
    for _ in range(40):
        flow.far.inject({"object": "whatsapp_business_account", "entry": []})
    await_ticks(flow, 25)
    assert max(count_tasks(redis_url).values()) <= MOST_WAKE_UPS

    flow.start("events")
    wait_for(lambda: sum(count_tasks(redis_url).values()) == 0, "all of it is taken")
    wait_for(lambda: flow.query("SELECT count(*) FROM webhook_events") == [(0,)], "all webhooks are applied")

    # Ticks are taken now, and slices are not.
    flow.start_campaigns(*campaigns)
    await_ticks(flow, 25)
    assert count_tasks(redis_url)["campaigns"] == 3
    with redis.Redis.from_url(redis_url) as client:
        client.delete("campaigns")
    wait_for(lambda: count_tasks(redis_url)["campaigns"] == 3, "a tick has enqueued what the broker has lost")
    await_ticks(flow, 10)
    assert count_tasks(redis_url)["campaigns"] == 3

    flow.start("worker", slots=1)
    flow.await_status("completed", *campaigns)
    flow.assert_everybody_got_one(*campaigns)


def test_doubled_tasks_of_one_campaign_take_no_turn_from_another(flow: Flow, redis_url: str) -> None:
    doubled = flow.add_campaign("Doubled", [flow.add_account("Vendas")], people=400, interval_seconds=0.2)
    other = flow.add_campaign("Other", [flow.add_account("Novidades")], people=20)
    (epoch,) = flow.query("SELECT epoch FROM leases WHERE campaign_id = %s", doubled.id)[0]
    flow.start_campaigns(doubled)
    with flow._celery.connection_for_write() as connection, connection.Producer() as producer:
        for _ in range(50):
            flow._celery.send_task(
                "campaigns.run", (doubled.id,), headers={"lease_epoch": epoch}, queue="campaigns", producer=producer
            )
    flow.start_campaigns(other)
    assert count_tasks(redis_url)["campaigns"] == 52

    flow.start("worker", slots=1, slice_seconds=2)
    flow.await_status("completed", other)
    (started,) = flow.events("campaign_started", campaign_id=other.id)
    turns = [each for each in flow.events("accounts_active", campaign_id=doubled.id) if each["at"] < started["at"]]
    assert len(turns) == 1, "the turn of the first task; the others asked for the same one"
    assert flow.status(doubled)[0] == "running"
    wait_for(lambda: count_tasks(redis_url)["campaigns"] <= 1, "the rest was taken and found nothing to do")
    flow.assert_everybody_got_one(other)
    flow.assert_nobody_got_two()


def test_health_checks_that_waited_for_days_are_one_check(flow: Flow) -> None:
    account = flow.add_account("Vendas")
    flow.execute("UPDATE accounts SET health_asked_at = now() - interval '2 days'")
    send_checks(flow, account, 30)
    flow.start("events")
    wait_for(lambda: flow.events("health_ok", account_id=account.id), "the account is checked")
    flow.execute("UPDATE accounts SET health_asked_at = now()")
    send_checks(flow, account, 1)
    wait_for(lambda: len(flow.events("health_ok", account_id=account.id)) > 1, "it is checked again")
    assert len(flow.events("health_ok", account_id=account.id)) == 2


def add_campaigns(flow: Flow, count: int) -> list[Campaign]:
    return [flow.add_campaign(f"Campaign {n}", [flow.add_account(f"Account {n}")], people=20) for n in range(count)]


def send_checks(flow: Flow, account: Account, count: int) -> None:
    for _ in range(count):
        flow._celery.send_task("health.check_account", (account.id, None), queue="health")


def count_tasks(redis_url: str) -> dict[str, int]:
    with redis.Redis.from_url(redis_url) as client:
        return {name: client.llen(name) for name in QUEUES}


def await_ticks(flow: Flow, count: int) -> None:
    log = flow.role("beat").log_path
    before = log.read_text().count("(campaigns.tick)")
    wait_for(lambda: log.read_text().count("(campaigns.tick)") >= before + count, f"{count} ticks pass")
