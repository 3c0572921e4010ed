"""Programs: what a program that sends as many requests as its token allows costs the sending of campaigns.

One worker sends 20 campaigns as fast as it can for VIEWERS_SECONDS (10). Then the limits of the accounts hold it at
half of that rate. In this state, times with the program alternate with times without it, PAIRS (5) each. The program
reads progress, lists and messages, and makes drafts and opt-outs, ten requests a second. LATENCY_MS is 150.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from benchmarks.frame import ACTOR, World
from benchmarks.report import Report
from benchmarks.viewers import (
    ACCOUNTS,
    CAMPAIGNS,
    LATENCY_MS,
    PAIRS,
    SECONDS,
    Phase,
    add_campaigns,
    add_rows,
    log_durations,
    measure_phase,
)
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.accounts import change_account
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import add_user
from campaigns.store.campaigns import list_campaigns
from campaigns.throttle.requests import PER_MINUTE

_TIMEOUT_SECONDS = 30.0


class Program:
    """Sends PER_MINUTE requests a minute. `count`: those that were answered. `refusals`: the statuses of the others."""

    def __init__(self, world: World, ids: list[int], template: str) -> None:
        add_user(world.database, "program", actor=ACTOR, role=Role.ADMIN, password=None, time_zone="UTC")
        added = add_token(world.database, "program", owner="program", scopes=set(Scope), days=1, actor=ACTOR)
        self._url = f"http://127.0.0.1:{world.stack.environment['CONSOLE_PORT']}/api/v1"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {added.secret}"
        self._requests = self._list_requests(ids, template)
        self.count = 0
        self.refusals: list[int] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        is_over = threading.Event()
        thread = threading.Thread(target=self._run, args=(is_over,))
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _run(self, is_over: threading.Event) -> None:
        next_at = time.monotonic()
        while not is_over.wait(max(next_at - time.monotonic(), 0)):
            next_at += 60 / PER_MINUTE
            method, path, body = next(self._requests)
            answer = self._session.request(method, self._url + path, json=body, timeout=_TIMEOUT_SECONDS)
            if answer.ok:
                self.count += 1
            elif answer.status_code != requests.codes.too_many:
                self.refusals.append(answer.status_code)

    @staticmethod
    def _list_requests(ids: list[int], template: str) -> Iterator[tuple[str, str, Any]]:
        for number in itertools.count():
            campaign_id = ids[number % len(ids)]
            yield "GET", f"/campaigns/{campaign_id}/progress", None
            yield "GET", "/campaigns?limit=200", None
            yield "GET", f"/campaigns/{campaign_id}/messages?limit=200", None
            yield "POST", "/campaigns", {"name": f"Draft {number}", "template": template}
            yield "POST", "/suppressions", {"phones": [f"+5511988{number:06}"]}


def main() -> int:
    report = Report(
        "programs", f"A program at its limit of {PER_MINUTE} requests a minute, one worker at half of its maximum",
        campaigns=CAMPAIGNS, pairs=PAIRS, seconds=SECONDS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    without, loaded = list[Phase](), list[Phase]()
    with World({"latency_ms": LATENCY_MS}) as world:
        log_durations(world)
        accounts = world.add_accounts(ACCOUNTS)
        ids = add_campaigns(world, accounts)
        world.start_roles("console", "worker")
        world.start_campaigns(ids)
        most = measure_phase(world)
        for name in accounts:
            rate = max(int(most.rate / 2 / ACCOUNTS), 1)
            change_account(world.database, name, {"messages_per_second": rate}, actor=ACTOR)
        (campaign, *_others) = world.database.run(list_campaigns, ids[:1])
        program = Program(world, ids, f"{campaign.template_name}:{campaign.language}")
        for number in range(PAIRS):
            # The order changes, so that a machine that becomes slower or faster makes no difference.
            for is_loaded in (number % 2 == 0, number % 2 == 1):
                if is_loaded:
                    with program.running():
                        loaded.append(measure_phase(world))
                else:
                    without.append(measure_phase(world))
        unsent = sum(row.counts.get("pending", 0) for row in world.database.run(list_campaigns, ids))
        stats = world.call_simulator("stats")
    add_rows(report, most, {"half, no program": without, "half, a program": loaded})
    report.check("the campaigns had people to the end", unsent > 0)
    report.check("nobody twice", stats["max_accepted_per_recipient"] == 1)
    report.check("no request of the program was refused", program.refusals == [])
    report.check("the program came near its limit", program.count >= 0.8 * PER_MINUTE / 60 * SECONDS * PAIRS)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
