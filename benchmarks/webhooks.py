"""Webhooks: how fast one receiver accepts signed posts of one status, and how soon statuses are applied while sending.

The first part posts to the server of the Procfile and to a bare protocol (benchmarks/baselines/bare_receiver.py) in
turns, as fast as possible, and compares their CPU time. Then it posts to the server at half of the rate that it had. In
the second part a campaign sends, and the simulator posts the three statuses of each message in bodies of up to 50.
HOOKS_POSTS (20,000), HOOKS_TURNS (4), FRESH_RATE (1,000 messages/s), FRESH_SECONDS (20), LATENCY_MS (150).
"""

from __future__ import annotations

import multiprocessing
import sys
from statistics import median
from typing import Any

from benchmarks.frame import APP_SECRET, World, percentile, read_size
from benchmarks.posting import PostResult, make_request, make_single, post_all
from benchmarks.report import Report
from devstack.ports import LOOPBACK, free_port, is_free
from devstack.server import wait_until

POSTS = read_size("HOOKS_POSTS", 20_000)
TURNS = read_size("HOOKS_TURNS", 4)
FRESH_RATE = read_size("FRESH_RATE", 1_000)
FRESH_SECONDS = read_size("FRESH_SECONDS", 20)
LATENCY_MS = read_size("LATENCY_MS", 150)

ACCOUNTS = 10
MOST_TIMES_BARE = 2.5  # the goal: the CPU time of the receiver beside that of the bare protocol
_WARM_UP = 1_000  # posts
_BARE = "bare_protocol"
_READY_SECONDS = 60.0
_APPLY_SECONDS = 60.0
# A trigger notes the age of each body when the body is deleted: the transaction that applies a body deletes it.
_WATCH = """
CREATE UNLOGGED TABLE applied_bodies (took interval);
CREATE FUNCTION note_applied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO applied_bodies SELECT clock_timestamp() - received_at FROM gone;
    RETURN NULL;
END $$;
CREATE TRIGGER note_applied AFTER DELETE ON webhook_events
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_applied();
"""


def main() -> int:
    report = Report(
        "webhooks", "signed posts of one status, and statuses applied while sending", posts=POSTS, turns=TURNS,
        fresh_rate=FRESH_RATE, fresh_seconds=FRESH_SECONDS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    with World() as world, multiprocessing.get_context("spawn").Pool(1) as poster:
        measure_posts(world, poster, report)
    with World({"latency_ms": LATENCY_MS}) as world:
        measure_apply_latency(world, report)
    return report.finish()


def measure_posts(world: World, poster: Any, report: Report) -> None:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.baselines.bare_receiver", LOOPBACK, str(port)]
    world.start_process(_BARE, command)
    world.start_roles("webhooks")
    wait_until(lambda: not is_free(port), _READY_SECONDS)
    urls = {"webhooks": world.stack.webhooks_url, _BARE: f"http://{LOOPBACK}:{port}"}
    requests = [make_request(make_single(number), APP_SECRET) for number in range(POSTS)]

    def post(what: str, server: str, count: int, **how: float) -> PostResult:
        with world.measure() as usage:
            posted: PostResult = poster.apply(post_all, (urls[server], requests[:count]), how)
        cpu = usage.cpu_ms_per_1000(count)
        report.add(
            what, posts_per_second=posted.per_second, p50_ms=posted.percentile_ms(0.5),
            p99_ms=posted.percentile_ms(0.99), receiver_cpu=cpu[f"{server}_cpu"], postgres_cpu=cpu["postgres_cpu"],
            peak_mb=usage.peak_of(server),
        )  # fmt: skip
        report.check(f"{what}: each was answered with 200", posted.refused == 0)
        return posted

    for url in urls.values():
        poster.apply(post_all, (url, requests[:_WARM_UP]))
    ratios, rates = [], []
    for turn in range(1, TURNS + 1):
        post(f"bare protocol, turn {turn}", _BARE, POSTS)
        rates.append(post(f"receiver, turn {turn}", "webhooks", POSTS).per_second)
        bare, ours = (report.rows[f"{name}, turn {turn}"]["receiver_cpu"] for name in ("bare protocol", "receiver"))
        ratios.append(ours / bare)
    half = max(rates) / 2
    even = post(f"receiver, {half:,.0f}/s", "webhooks", POSTS // 2, per_second=half)
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    report.note(f"The receiver takes {median(ratios):.2f} times the CPU time of the bare protocol ({spread}).")
    report.goal(
        f"at most {MOST_TIMES_BARE:g} times the CPU time of the bare protocol", median(ratios) <= MOST_TIMES_BARE
    )
    report.goal("p99 below 50 ms at half of the highest rate", even.percentile_ms(0.99) < 50)
    stored = world.ask("SELECT count(*) FROM webhook_events")[0][0]
    report.check("all are stored", stored == 2 * min(_WARM_UP, POSTS) + 2 * TURNS * POSTS + POSTS // 2)
    world.stop_roles(_BARE)


def measure_apply_latency(world: World, report: Report) -> None:
    accounts = world.add_accounts(ACCOUNTS, rate=FRESH_RATE // ACCOUNTS)
    campaign_id = world.add_campaign(accounts, people=range(FRESH_RATE * FRESH_SECONDS))
    callback_url = f"{world.stack.webhooks_url}/webhooks/whatsapp"
    posts = {"callback_url": callback_url, "app_secret": APP_SECRET, "batch_size": 50, "read_probability": 1}
    world.call_simulator("script", {"webhooks": posts})
    world.database.run(lambda connection: connection.execute(_WATCH))
    world.start_roles("webhooks", "events", "worker")
    with world.measure() as usage:
        world.start_campaigns([campaign_id])
        world.await_completed([campaign_id])
    unread = "SELECT count(*) FROM messages WHERE NOT (status = 'read' AND delivered_at IS NOT NULL)"
    is_applied = wait_until(lambda: world.ask(unread)[0][0] == 0, _APPLY_SECONDS)
    took = [row[0] for row in world.ask("SELECT extract(epoch FROM took)::float FROM applied_bodies")]
    sent = FRESH_RATE * FRESH_SECONDS
    report.add(
        "applied while sending", messages_per_second=sent / usage.seconds, **usage.cpu_ms_per_1000(sent),
        p50_ms=1000 * percentile(took, 0.5), p99_ms=1000 * percentile(took, 0.99), peak_mb=usage.peak_of("events"),
    )  # fmt: skip
    report.goal("statuses are applied within 2 s of their post (p99)", percentile(took, 0.99) <= 2)
    report.check("all statuses of all messages were applied", is_applied)


if __name__ == "__main__":
    sys.exit(main())
