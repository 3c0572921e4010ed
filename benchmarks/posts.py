"""Posts: how soon a single message leaves while a campaign uses the same phone number as fast as it may.

A worker sends a campaign of POSTS_PEOPLE (100,000) people by an account with POSTS_LIMIT (80) messages a second. Then a
program posts POSTS_RATE (10) messages a second to /api/v1/messages, for POSTS_SECONDS (30). The time of a message is
that from the begin of its post to its arrival at the simulated API, on the clock of this machine. One message, which
makes the standing campaign, is posted before. The yardstick is the console's /readyz, which asks Postgres one question.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import requests

from benchmarks.frame import ACTOR, TEMPLATE, World, percentile, read_size
from benchmarks.report import Report
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import add_user
from devstack.server import wait_until

PEOPLE = read_size("POSTS_PEOPLE", 100_000)
LIMIT = read_size("POSTS_LIMIT", 80)
RATE = read_size("POSTS_RATE", 10)
SECONDS = read_size("POSTS_SECONDS", 30)
_MOST_TIMES = 30.0
_BARE_REQUESTS = 100
_WARM_SECONDS = 5.0
_ARRIVAL_SECONDS = 60.0


def main() -> int:
    title = f"{RATE} single messages a second beside a campaign at {LIMIT} a second of the same number"
    report = Report("posts", title, people=PEOPLE, limit=LIMIT, rate=RATE, seconds=SECONDS)
    with World({"keep_accepted": True}) as world:
        (account,) = world.add_accounts(1, rate=LIMIT)
        campaign_id = world.add_campaign([account], people=range(PEOPLE))
        add_user(world.database, "maria", actor=ACTOR, role=Role.OPERATOR, password=None, time_zone="UTC")
        token = add_token(world.database, "shop", owner="maria", scopes={Scope.CAMPAIGNS_SEND}, days=1, actor=ACTOR)
        world.start_roles("console", "events", "beat", "worker")
        world.start_campaigns([campaign_id])
        wait_until(lambda: count_accepted(world) > LIMIT * _WARM_SECONDS, _ARRIVAL_SECONDS)
        post_all(world, token.secret, account, numbers=range(-1, 0))
        bare_ms = measure_bare(world)
        began_at, accepted_before = time.monotonic(), count_accepted(world)
        posted = post_all(world, token.secret, account, numbers=range(RATE * SECONDS))
        wait_until(lambda: find_arrivals(world).keys() >= posted.keys(), _ARRIVAL_SECONDS)
        rate = (count_accepted(world) - accepted_before) / (time.monotonic() - began_at)
        arrivals, stats = find_arrivals(world), world.call_simulator("stats")
    times = [1000 * (arrivals[phone] - at) for phone, at in posted.items() if phone in arrivals]
    report.add("post to arrival", median_ms=percentile(times, 0.5), p99_ms=percentile(times, 0.99), most_ms=max(times))
    report.add("the number", messages_per_second=rate)
    report.add("/readyz, one request at a time", median_ms=bare_ms)
    ratio = percentile(times, 0.5) / bare_ms
    report.goal_ratio(f"post to arrival: at most {_MOST_TIMES:g} times /readyz (median)", ratio, most=_MOST_TIMES)
    report.goal_ratio("the number stays in full use, at least 0.9 times its limit", rate / LIMIT, least=0.9)
    report.check("each post arrived", len(times) == len(posted) == RATE * SECONDS)
    report.check("nobody twice", stats["max_accepted_per_recipient"] == 1)
    return report.finish()


def measure_bare(world: World) -> float:
    """Return the median time, in ms, of a request to the console that only checks whether Postgres answers."""
    session, took = requests.Session(), []
    for _ in range(_BARE_REQUESTS):
        began_at = time.monotonic()
        session.get(f"{world.stack.console_url}/readyz", timeout=_ARRIVAL_SECONDS).raise_for_status()
        took.append(1000 * (time.monotonic() - began_at))
    return percentile(took, 0.5)


def post_all(world: World, token: str, account: str, *, numbers: range) -> dict[str, float]:
    """Post the messages at the rate; return, by phone, when its post began, in seconds since 1970."""
    name, _, language = TEMPLATE.partition(":")
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    begun: dict[str, float] = {}

    def post(number: int) -> None:
        phone = f"+55219{90_000_000 + number}"
        body = {
            "key": f"order-{number}",
            "person": phone,
            "values": {"1": "Ana", "2": "20%"},
            "account": account,
            "template": {"name": name, "language": language},
        }
        begun[phone] = time.time()
        answer = session.post(f"{world.stack.console_url}/api/v1/messages", json=body, timeout=_ARRIVAL_SECONDS)
        answer.raise_for_status()

    start = time.monotonic()
    with ThreadPoolExecutor(2 * RATE) as pool:
        posts = []
        for number in numbers:
            time.sleep(max(start + number / RATE - time.monotonic(), 0))
            posts.append(pool.submit(post, number))
        for each in posts:
            each.result()
    return begun


def count_accepted(world: World) -> int:
    return int(world.call_simulator("stats")["accepted"])


def find_arrivals(world: World) -> dict[str, float]:
    """Return, by phone, when a message arrived, in seconds since 1970."""
    return {f"+{each['to']}": each["epoch"] for each in world.call_simulator("accepted")["accepted"]}


if __name__ == "__main__":
    raise SystemExit(main())
