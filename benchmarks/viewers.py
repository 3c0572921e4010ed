"""Viewers: what people who watch campaigns in the console cost the sending of these campaigns.

One worker sends all campaigns as fast as it can for VIEWERS_SECONDS (10). Then the limits of the accounts hold it at
half of that rate. In this state, times with VIEWERS (500) open streams alternate with times without, PAIRS (5) each.
The viewers are real connections to the role `console`, 25 for each of VIEWERS_CAMPAIGNS (20). LATENCY_MS is 150.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.frame import ACTOR, World, cpu_seconds, percentile, read_size
from benchmarks.limits import take_sample
from benchmarks.report import Report
from campaigns.management.accounts import change_account
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Connection, query
from campaigns.store.users.sessions import Credentials, open_session
from campaigns.store.users.users import insert_user
from devstack.roles import PROJECT
from devstack.server import DevstackError

VIEWERS = read_size("VIEWERS", 500)
CAMPAIGNS = read_size("VIEWERS_CAMPAIGNS", 20)
SECONDS = read_size("VIEWERS_SECONDS", 10)
PAIRS = read_size("PAIRS", 5)
LATENCY_MS = read_size("LATENCY_MS", 150)
ACCOUNTS = 10

_STREAMS_OF_SESSION = 10
_COOKIE = "revoada"
_SETTLE_SECONDS = 3.0  # after each change, before the measured time
_MOST_PER_SECOND = 16_000  # more than any machine has sent; the campaigns have people for this rate
# Postgres logs the duration of this share of its statements.
_LOGGED_SHARE = 0.25
_STATEMENTS = {"claim": "claim_messages", "settle": "merge_replies"}
_DURATION = re.compile(r"duration: ([\d.]+) ms  execute [^:]*: (-- .*)")


@dataclass
class Phase:
    """`durations`: milliseconds of the logged statements, by name."""

    rate: float
    worker_cpu: float
    postgres_cpu: float
    console_share: float
    durations: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    @property
    def cpu(self) -> float:
        """CPU milliseconds of the worker and Postgres per 1,000 messages."""
        return self.worker_cpu + self.postgres_cpu


def main() -> int:
    report = Report(
        "viewers", f"{VIEWERS} viewers of {CAMPAIGNS} campaigns, one worker at half of its maximum",
        viewers=VIEWERS, campaigns=CAMPAIGNS, pairs=PAIRS, seconds=SECONDS, latency_ms=LATENCY_MS,
    )  # fmt: skip
    with World({"latency_ms": LATENCY_MS}) as world:
        log_durations(world)
        tokens = sign_in(world)
        accounts = world.add_accounts(ACCOUNTS)
        ids = add_campaigns(world, accounts)
        world.start_roles("console", "worker")
        world.start_campaigns(ids)
        most = measure_phase(world)
        for name in accounts:
            rate = max(int(most.rate / 2 / ACCOUNTS), 1)
            change_account(world.database, name, {"messages_per_second": rate}, actor=ACTOR)
        without, watched, events = [], [], 0
        for number in range(PAIRS):
            # The order changes, so that a machine that becomes slower or faster makes no difference.
            for is_watched in (number % 2 == 0, number % 2 == 1):
                if is_watched:
                    with watch(world, tokens, ids) as counts:
                        watched.append(measure_phase(world))
                    events += counts[0]
                else:
                    without.append(measure_phase(world))
        unsent = sum(row.counts.get("pending", 0) for row in world.database.run(list_campaigns, ids))
        stats = world.call_simulator("stats")
    add_rows(report, most, {"half, nobody watches": without, f"half, {VIEWERS} watch": watched})
    report.check("the campaigns had people to the end", unsent > 0)
    report.check("nobody twice", stats["max_accepted_per_recipient"] == 1)
    report.check("each viewer got an event each second", events >= 0.8 * VIEWERS * SECONDS * PAIRS)
    return report.finish()


def add_rows(report: Report, most: Phase, compared: Mapping[str, list[Phase]]) -> None:
    """Add the figures and the goals of a comparison. `compared`: the phases without and with the load, by name."""
    report.add(
        "at its maximum", messages_per_second=most.rate, worker_cpu=most.worker_cpu, postgres_cpu=most.postgres_cpu
    )
    ratios = {}
    without, loaded = compared.values()
    for what, phases in compared.items():
        figures = {
            "messages_per_second": median(each.rate for each in phases),
            "worker_cpu": median(each.worker_cpu for each in phases),
            "postgres_cpu": median(each.postgres_cpu for each in phases),
            "console_core": median(each.console_share for each in phases),
        }
        for name in _STATEMENTS:
            found = [each for phase in phases for each in phase.durations[name]]
            figures[f"{name}_p99_ms"] = percentile(found, 0.99) if found else float("nan")
        report.add(what, figures)
    for name, attribute in (("rate", "rate"), ("CPU per message", "cpu")):
        pairs = zip(loaded, without, strict=True)
        ratios[name] = median(getattr(one, attribute) / getattr(other, attribute) for one, other in pairs)
    for name in _STATEMENTS:
        column = f"{name}_p99_ms"
        before, after = (report.rows[what][column] for what in list(report.rows)[1:])
        ratios[f"p99 of {name}"] = after / before
    report.add("ratio", ratios)
    report.note("CPU: worker and Postgres, median of the pairs. console_core: cores that the role console used.")
    report.goal("the rate at least 0.99 times", ratios["rate"] >= 0.99)
    report.goal("CPU per message at most 1.03 times", ratios["CPU per message"] <= 1.03)
    for name in _STATEMENTS:
        report.goal(f"p99 of {name} at most 1.1 times", ratios[f"p99 of {name}"] <= 1.1)


def log_durations(world: World) -> None:
    """Let Postgres log durations of statements in the sessions that follow."""
    for setting in (
        "log_min_duration_sample = 0", f"log_statement_sample_rate = {_LOGGED_SHARE}", "log_parameter_max_length = 0",
    ):  # fmt: skip
        name, _, value = setting.partition(" = ")
        world.database.run(lambda c, text=f"ALTER DATABASE revoada SET {name} = {value}": c.execute(text))


def sign_in(world: World) -> list[str]:
    """Sign the viewers in; return the tokens of their sessions."""

    def work(connection: Connection) -> list[str]:
        tokens = []
        for number in range(-(-VIEWERS // _STREAMS_OF_SESSION)):
            name, password_hash = f"viewer-{number}", "$argon2id$of-a-benchmark"
            columns = {"role": "operator", "language": ("en", "pt_BR")[number % 2], "time_zone": "America/Sao_Paulo"}
            user_id = insert_user(connection, name, password_hash=password_hash, **columns)
            tokens.append(secrets.token_urlsafe())
            credentials = Credentials(user_id, name, password_hash, is_disabled=False)
            open_session(connection, tokens[-1], credentials, network="127.0.0.1")
        return tokens

    return world.database.run(work)


def add_campaigns(world: World, accounts: list[str]) -> list[int]:
    seconds = (SECONDS + _SETTLE_SECONDS) * (1 + PAIRS)  # the phases at half of the rate count half
    each = int(_MOST_PER_SECOND * seconds / CAMPAIGNS)
    return [
        world.add_campaign(accounts, people=range(number * each, (number + 1) * each)) for number in range(CAMPAIGNS)
    ]


@contextmanager
def watch(world: World, tokens: list[str], ids: list[int]) -> Iterator[list[int]]:
    """Let VIEWERS browsers watch the campaigns until the block ends. Afterwards the list has the number of events."""
    # Browsers run on other machines. Here they share the cores, so they take only what the roles leave.
    command = ["nice", "-n", "19", sys.executable, "-m", "benchmarks.watching"]
    command += [world.stack.environment["CONSOLE_PORT"], _COOKIE]
    lines = [
        f"{tokens[number // _STREAMS_OF_SESSION]} /live/campaign?ids={ids[number % len(ids)]}\n"
        for number in range(VIEWERS)
    ]
    counts: list[int] = []
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(lines) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "ready\n":
            raise DevstackError("a viewer got no event")
        yield counts
        process.stdin.close()
        counts.append(int(process.stdout.readline()))


def measure_phase(world: World) -> Phase:
    time.sleep(_SETTLE_SECONDS)
    for path in _list_logs(world):
        path.unlink()  # Postgres' log goes on in a new file
    pids = world.pids()
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    begun_at, sent = take_sample(world)
    time.sleep(SECONDS)
    ended_at, sent_after = take_sample(world)
    used = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    count, seconds = sent_after - sent, ended_at - begun_at
    if not count:
        raise DevstackError("nothing was sent: the campaigns had too few people, or the worker does not work")
    world.stack.check_alive()
    phase = Phase(
        count / seconds, 1e6 * used["worker"] / count, 1e6 * used["postgres"] / count, used["console"] / seconds
    )
    notes = {query(statement).partition(b"\n")[0].decode(): name for name, statement in _STATEMENTS.items()}
    for path in _list_logs(world):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for found in filter(None, map(_DURATION.search, lines)):
                if (name := notes.get(found[2].strip())) is not None:
                    phase.durations[name].append(float(found[1]))
    return phase


def _list_logs(world: World) -> list[Path]:
    """Return the files of Postgres' log. A new file begins after 10 MB."""
    log = world.postgres.log_path
    return list(log.parent.glob(f"{log.name}*"))


if __name__ == "__main__":
    sys.exit(main())
