"""Webhooks: how fast one receiver accepts signed posts of one status, and how soon statuses are applied while sending.

The first part posts to the server of the Procfile, as fast as possible and then at a fixed rate. In the second part a
campaign sends, and the simulator posts the three statuses of each message in bodies of up to 50. HOOKS_POSTS (20,000),
HOOKS_RATE (1,000 posts/s), FRESH_RATE (1,000 messages/s), FRESH_SECONDS (20), LATENCY_MS (150).
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

from benchmarks.frame import APP_SECRET, World, percentile, read_size
from benchmarks.posting import PostResult, make_request, make_single, post_all
from benchmarks.report import Report
from devstack.server import wait_until

POSTS = read_size("HOOKS_POSTS", 20_000)
RATE = read_size("HOOKS_RATE", 1_000)
FRESH_RATE = read_size("FRESH_RATE", 1_000)
FRESH_SECONDS = read_size("FRESH_SECONDS", 20)
LATENCY_MS = read_size("LATENCY_MS", 150)

ACCOUNTS = 10
_WARM_UP = 1_000  # posts
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
        "webhooks", "signed posts of one status, and statuses applied while sending", posts=POSTS, rate=RATE,
        fresh_rate=FRESH_RATE, fresh_seconds=FRESH_SECONDS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    with World() as world, multiprocessing.get_context("spawn").Pool(1) as poster:
        measure_posts(world, poster, report)
    with World({"latency_ms": LATENCY_MS}) as world:
        measure_apply_latency(world, report)
    return report.finish()


def measure_posts(world: World, poster: Any, report: Report) -> None:
    world.start_roles("webhooks")
    requests = [make_request(make_single(number), APP_SECRET) for number in range(POSTS)]

    def post(what: str, count: int, **how: float) -> PostResult:
        with world.measure() as usage:
            posted: PostResult = poster.apply(post_all, (world.stack.webhooks_url, requests[:count]), how)
        report.add(
            what, posts_per_second=posted.per_second, p50_ms=posted.percentile_ms(0.5),
            p99_ms=posted.percentile_ms(0.99), **usage.cpu_ms_per_1000(count), peak_mb=usage.peak_of("webhooks"),
        )  # fmt: skip
        report.check(f"{what}: each was answered with 200", posted.refused == 0)
        return posted

    poster.apply(post_all, (world.stack.webhooks_url, requests[:_WARM_UP]))
    post("as fast as they are taken", POSTS)
    even = post(f"{RATE:,}/s", POSTS // 2, per_second=RATE)
    per_core = 1e3 / (report.rows["as fast as they are taken"]["webhooks_cpu"] / 1e3)
    report.note(f"One core of the receiver takes {per_core:,.0f} posts/s.")
    report.goal("at least 3,000 posts/s per core of the receiver", per_core >= 3_000)
    report.goal(f"p99 below 250 ms at {RATE:,}/s", even.percentile_ms(0.99) < 250)
    stored = world.ask("SELECT count(*) FROM webhook_events")[0][0]
    report.check("all are stored", stored >= _WARM_UP + POSTS + POSTS // 2)


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
