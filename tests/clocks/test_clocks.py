"""A wrong clock of a machine stops no sending: rates, windows and schedules follow the clock of Postgres."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import redis
from harness import QUEUES, Account, Campaign, Flow, wait_for

from devstack.ports import LOOPBACK, free_port
from devstack.valkey import find_binary

WithClock = Callable[[str | None], AbstractContextManager[None]]

# Each test starts four roles and two commands.
pytestmark = pytest.mark.timeout(600)

ROLES = ("webhooks", "events", "worker", "beat")
OTHERS = ("events", "beat", "webhooks", "command")
NEAR, FAR = ("+30s", "-30s", "+10m", "-10m"), ("+1h", "-1h")
ZONE = ZoneInfo("America/Sao_Paulo")
RATE, PEOPLE = 40, 160
# The bucket of an account holds a quarter of a second of its rate.
SURPLUS = RATE // 4
# With an offset of 10 minutes or more, a role that wrongly waits for a clock to catch up waits longer than any test.


@pytest.mark.parametrize(
    ("role", "offset"),
    [
        ("worker", None),
        *(("worker", offset) for offset in (*NEAR, *FAR)),
        *((role, offset) for role in OTHERS for offset in FAR),
        *(pytest.param(role, offset, marks=pytest.mark.nightly) for role in OTHERS for offset in NEAR),
    ],
)
def test_a_role_with_a_wrong_clock_changes_nothing(
    flow: Flow, with_clock: WithClock, redis_url: str, role: str, offset: str | None
) -> None:
    for each in ROLES:
        with with_clock(offset if each == role else None):
            flow.start(each, tick_seconds=1, slice_seconds=4)
    running, scheduled, closed = add_campaigns(flow, offset)
    flow.await_ready()

    with with_clock(offset if role == "command" else None):
        start_later(flow, scheduled)
        done = flow.run_command("revoada", "campaign", "start", str(running.id), str(closed.id), "--yes")
    assert done.returncode == 0, done.stderr

    flow.await_status("completed", running, scheduled)
    assert_rate(flow, running)
    (due,) = flow.query("SELECT extract(epoch FROM scheduled_at)::float8 FROM campaigns WHERE id = %s", scheduled.id)[0]
    assert due <= min(flow.far.times(scheduled))
    flow.await_status("running", closed, reason="window")
    assert flow.far.accepted(closed) == []

    flow.await_arrival(running, scheduled)
    flow.assert_everybody_got_one(running, scheduled)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()
    assert_queues_are_short(redis_url)


def test_clocks_that_are_set_in_the_middle_change_nothing(
    flow: Flow, moving: Callable[[], AbstractContextManager[None]], dial: Path
) -> None:
    """The clocks of all roles and of Valkey are set at once, forward and back; beat is the role that might wait."""
    with moving():
        valkey = start_valkey(flow)
        flow.stack.environment |= {"REDIS_URL": valkey}
        flow.start(*ROLES, tick_seconds=1, slice_seconds=2)
    account = flow.add_account("Vendas", rate=RATE)
    campaigns = [flow.add_campaign(name, [account], people=PEOPLE) for name in ("Vendas", "Novidades", "Ofertas")]
    flow.await_ready(*ROLES)
    for campaign, offset in zip(campaigns, ("+1h", "-1h", "+0"), strict=True):
        assert flow.run_command("revoada", "campaign", "start", str(campaign.id), "--yes").returncode == 0
        flow.await_accepted(campaign, PEOPLE // 4)
        dial.write_text(offset)
        flow.await_accepted(campaign, PEOPLE // 2)
    dial.write_text("-1h")
    late = flow.add_campaign("Late", [account], people=20)
    start_later(flow, late)
    flow.await_status("completed", *campaigns, late)
    assert_rate(flow, *campaigns, late, set_count=4)
    flow.await_arrival(*campaigns, late)
    flow.assert_everybody_got_one(*campaigns, late)
    flow.assert_nobody_got_two()
    assert_queues_are_short(valkey)


@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_two_workers_that_disagree_about_the_time_share_the_campaigns(
    flow: Flow, with_clock: WithClock, redis_url: str, offset: str
) -> None:
    """The broker's client in one worker takes the other worker's tasks for lost, and delivers them again."""
    # With this visibility timeout, it searches for lost tasks once a second.
    flow.start("events", "worker", "beat", tick_seconds=1, slice_seconds=8, slots=2, visibility_timeout_seconds=60)
    with with_clock(offset):
        flow.start("worker2")
    campaigns = [
        flow.add_campaign(name, [flow.add_account(name)], people=100, interval_seconds=0.2)
        for name in ("Vendas", "Novidades", "Ofertas")
    ]
    flow.await_ready()
    flow.start_campaigns(*campaigns)
    longest = 0

    def are_completed() -> bool:
        nonlocal longest
        with redis.Redis.from_url(redis_url) as client:
            longest = max(longest, int(client.llen("campaigns")))
        return all(flow.status(campaign)[0] == "completed" for campaign in campaigns)

    wait_for(are_completed, "all campaigns are completed")
    assert longest <= 2 * len(campaigns)
    flow.assert_everybody_got_one(*campaigns)
    assert set(flow.far.arrived().values()) == {1}
    wait_for(lambda: count_tasks(redis_url) == 0, "no task is left")


def test_a_task_that_an_old_version_let_expire_is_run(flow: Flow, with_clock: WithClock) -> None:
    """During an upgrade, processes of the old version publish tasks too."""
    with with_clock("+1h"):
        flow.start("worker")
    campaign = flow.add_campaign("Vendas", [flow.add_account("Vendas")], people=20)
    flow.await_ready()
    flow.start_campaigns(campaign)
    with flow._celery.connection_for_write() as connection, connection.Producer() as producer:
        flow._celery.send_task("campaigns.run", (campaign.id,), queue="campaigns", expires=30, producer=producer)
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)


def add_campaigns(flow: Flow, offset: str | None) -> tuple[Campaign, Campaign, Campaign]:
    """Campaigns: one that runs, one with a schedule, and one whose window is open by the wrong clock only."""
    accounts: list[Account] = [flow.add_account(name, rate=RATE) for name in ("Vendas", "Novidades", "Ofertas")]
    now = dt.datetime.now(ZONE)
    opens = now + (dt.timedelta(hours=-2) if (offset or "").startswith("-") else dt.timedelta(minutes=5))
    window = tuple(each.time().replace(second=0, microsecond=0) for each in (opens, opens + dt.timedelta(minutes=115)))
    return (
        flow.add_campaign("Vendas", accounts[:1], people=PEOPLE),
        flow.add_campaign("Novidades", accounts[1:2], people=40),
        flow.add_campaign("Ofertas", accounts[2:], people=20, window=window, time_zone=str(ZONE)),
    )


def start_later(flow: Flow, campaign: Campaign) -> None:
    """Start a campaign that is scheduled in a few seconds: no command enqueues it then, so a tick must."""
    flow.execute(f"UPDATE campaigns SET scheduled_at = now() + interval '30 min' WHERE id = {campaign.id}")
    done = flow.run_command("revoada", "campaign", "start", str(campaign.id), "--yes")
    assert done.returncode == 0, done.stderr
    assert flow.status(campaign) == ("scheduled", None)
    flow.execute(f"UPDATE campaigns SET scheduled_at = now() + interval '3 s' WHERE id = {campaign.id}")


def assert_rate(flow: Flow, *campaigns: Campaign, set_count: int = 0) -> None:
    """Assert that none came sooner than the rate of the account allows, from its first campaign's start on.

    By each of `set_count` changes of its clock, Valkey may fill the bucket once more.
    """
    ids = [campaign.id for campaign in campaigns]
    ((began_at,),) = flow.query(
        "SELECT extract(epoch FROM min(started_at))::float8 FROM campaigns WHERE id = ANY (%s)", ids
    )
    for number, at in enumerate(sorted(each["epoch"] for each in flow.far.accepted(*campaigns)), start=1):
        assert at >= began_at + (number - SURPLUS * (1 + set_count)) / RATE, f"message {number} came too soon"


def start_valkey(flow: Flow) -> str:
    port = free_port()
    settings = ("--port", str(port), "--bind", LOOPBACK, "--save", "", "--maxmemory-policy", "noeviction")
    flow.stack.start_process("valkey", [str(find_binary()), *settings])
    url = f"redis://{LOOPBACK}:{port}/0"
    with redis.Redis.from_url(url, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100)) as client:
        assert client.ping()
    return url


def count_tasks(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return sum(int(client.llen(name)) for name in QUEUES) + int(client.hlen("unacked"))


def assert_queues_are_short(redis_url: str) -> None:
    wait_for(lambda: count_tasks(redis_url) <= len(QUEUES), "the queues are short")
