"""Applying: how fast one `events` process applies stored webhook bodies of 1,000 statuses each, and of one status.

All messages are in the status `sent`. The bodies report each as delivered, then as read. The benchmark enqueues the
task that applies them as often as the receiver does. Bodies of 1,000 statuses and of one alternate APPLY_ROUNDS (3)
times. The sizes of each round are APPLY_BODIES (100) and APPLY_STATUSES (1,000 in each body), and APPLY_SINGLES
(20,000 bodies of one status). With USER_IDS=1 the bodies name each person by a user id too, as Meta's do since 2026.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks.frame import World, read_size
from benchmarks.report import Report
from campaigns.store.events import insert_events

BODIES = read_size("APPLY_BODIES", 100)
STATUSES = read_size("APPLY_STATUSES", 1_000)
SINGLES = read_size("APPLY_SINGLES", 20_000)
ROUNDS = read_size("APPLY_ROUNDS", 3)
USER_IDS = read_size("USER_IDS", 0)
ACCOUNTS = 10
GOAL = 0.75  # the rate of bodies of one status, by CPU, in relation to that of bodies of 1,000
_REPORTED_STATUSES = ("delivered", "read")
_APPLY_SECONDS = 300.0
_ENQUEUE_SECONDS = 0.25  # the receiver enqueues this often while bodies come in
_INSERTED_BODIES = 100
# The last body is asked for first, by its key: to look for any body costs as much CPU as a part of the work itself.
_IS_LAST_LEFT = "SELECT EXISTS (SELECT FROM webhook_events WHERE id = %s)"
_IS_ANY_LEFT = "SELECT EXISTS (SELECT FROM webhook_events WHERE status = 'stored')"


def main() -> int:
    report = Report(
        "applying",
        f"stored bodies of {STATUSES:,} statuses, and of one",
        bodies=BODIES,
        singles=SINGLES,
        rounds=ROUNDS,
        user_ids=USER_IDS,
    )
    costs: dict[int, list[float]] = defaultdict(list)
    with World() as world:
        accounts = world.add_accounts(ACCOUNTS)
        world.start_roles("events")
        enqueue = _make_enqueue(world)
        people = 0
        for number in range(1, ROUNDS + 1):
            for size, count in ((STATUSES, BODIES * STATUSES), (1, SINGLES)):
                new = count // len(_REPORTED_STATUSES)
                campaign_id = world.add_campaign(accounts, people=range(people, people + new))
                people += new
                pretend_sent(world, campaign_id)
                what = f"round {number}: bodies of {size:,}"
                costs[size].append(
                    measure_applying(world, report, what, enqueue, make_bodies(world, campaign_id, size))
                )
                if number == ROUNDS:
                    for line in world.list_statements(count):
                        report.note(f"bodies of {size:,}: {line}")
        hot = world.ask("SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'messages'")[0]
        report.note(f"HOT: {hot[0]:,} of {hot[1]:,} updates of messages, including those that prepared the benchmark.")
        unread = _count(world, "messages WHERE NOT (status = 'read' AND delivered_at IS NOT NULL)")
        report.check("all were applied", unread == 0)
        report.check("nothing was deferred or set aside", _count(world, "webhook_events") == 0)
    ratio = median(costs[STATUSES]) / median(costs[1])
    report.note(f"By CPU, bodies of one status are applied at {ratio:.2f} times the rate of bodies of {STATUSES:,}.")
    report.goal(f"at least {GOAL} times the rate of bodies of {STATUSES:,}", ratio >= GOAL)
    return report.finish()


def measure_applying(
    world: World, report: Report, what: str, enqueue: Callable[[], object], bodies: Iterator[tuple[bytes, int]]
) -> float:
    """Return the CPU ms per 1,000 statuses of `events` and Postgres together."""
    count, waiting = 0, []
    for body, statuses in bodies:
        count += statuses
        waiting.append(body)
        if statuses > 1 or len(waiting) == _INSERTED_BODIES:
            world.database.run(insert_events, waiting)
            waiting = []
    world.database.run(insert_events, waiting)
    last_id = world.ask("SELECT max(id) FROM webhook_events")[0][0]
    with world.measure() as usage:
        deadline = time.monotonic() + _APPLY_SECONDS
        while (
            world.ask(_IS_LAST_LEFT, last_id)[0][0] or world.ask(_IS_ANY_LEFT)[0][0]
        ) and time.monotonic() < deadline:
            enqueue()
            time.sleep(_ENQUEUE_SECONDS)
    cpu = usage.cpu_ms_per_1000(count)
    both = cpu["events_cpu"] + cpu["postgres_cpu"]
    report.add(what, statuses=count, statuses_per_second=count / usage.seconds, **cpu, events_and_postgres_cpu=both,
               peak_mb=usage.peak_of("events"))  # fmt: skip
    return both


def pretend_sent(world: World, campaign_id: int) -> None:
    """Give the messages of a campaign the values of sent messages, in batches of the size that a worker writes."""
    first, last = world.ask("SELECT min(id), max(id) FROM messages WHERE campaign_id = %s", campaign_id)[0]
    world.ask(
        "UPDATE campaigns SET status = 'running', started_at = clock_timestamp() WHERE id = %s RETURNING id",
        campaign_id,
    )
    for start in range(first, last + 1, 500):
        world.ask(
            "UPDATE messages SET status = 'sent', send_no = 1, attempts = 1, claimed_at = clock_timestamp(),"
            " sent_at = clock_timestamp(), account_id = 1 + id %% %s, wamid = 'wamid.HBgN' || lpad(id::text, 46, '0')"
            " WHERE campaign_id = %s AND id BETWEEN %s AND %s RETURNING 1",
            ACCOUNTS, campaign_id, start, start + 499,
        )  # fmt: skip
    world.ask(
        "UPDATE campaigns SET status = 'completed', completed_at = clock_timestamp() WHERE id = %s RETURNING id",
        campaign_id,
    )


def make_bodies(world: World, campaign_id: int, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield bodies of up to `size` statuses, each with the number of its statuses."""
    rows = world.ask(
        "SELECT m.id, m.wamid, m.phone, a.phone_number_id, i.id FROM messages m JOIN accounts a ON a.id = m.account_id,"
        " installation i WHERE m.campaign_id = %s ORDER BY a.id, m.id",
        campaign_id,
    )
    for word in _REPORTED_STATUSES:
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            yield make_body(part, word), len(part)


def make_body(rows: Sequence[tuple[Any, ...]], word: str) -> bytes:
    """Return a webhook body with one status of each message. Like Meta's bodies, it has one change per number."""
    now = str(int(time.time()))
    numbers: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for message_id, wamid, phone, number, installation in rows:
        digits = phone.lstrip("+")
        user_id = f"BR.{digits:0>20}"
        lists = numbers.setdefault(number, {"contacts": [], "statuses": []})
        lists["contacts"].append({
            "profile": {"name": "Ada"}, "wa_id": digits, **({"user_id": user_id} if USER_IDS else {}),
        })  # fmt: skip
        lists["statuses"].append({
            "id": wamid, "status": word, "timestamp": now, "recipient_id": digits,
            **({"recipient_user_id": user_id} if USER_IDS else {}),
            "biz_opaque_callback_data": f"r1.{installation}.{message_id}.1",
            "conversation": {"id": "a" * 32, "origin": {"type": "marketing"}},
            "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing", "type": "regular"},
        })  # fmt: skip
    changes = [
        {"field": "messages", "value": {"messaging_product": "whatsapp",
         "metadata": {"display_phone_number": number, "phone_number_id": number}, **lists}}
        for number, lists in numbers.items()
    ]  # fmt: skip
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).encode()


def _make_enqueue(world: World) -> Any:
    os.environ.update(world.stack.environment)
    from campaigns.broker.app import make_app  # noqa: PLC0415  reads its environment when called
    from campaigns.broker.enqueue import enqueue_wake_up  # noqa: PLC0415

    app = make_app()
    return lambda: enqueue_wake_up(app, "webhooks.apply")


def _count(world: World, what: str) -> int:
    return int(world.ask(f"SELECT count(*) FROM {what}")[0][0])


if __name__ == "__main__":
    sys.exit(main())
