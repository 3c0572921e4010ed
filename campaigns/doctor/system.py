"""Describes a whole installation for a page: what is wrong, the processes, the queues, the inbox and the versions."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from campaigns.broker.queues import QUEUES, BrokerFacts
from campaigns.config import Settings
from campaigns.doctor.diagnose import find_queues, judge_campaigns, load_facts, read_accounts
from campaigns.doctor.system_checks import (
    judge_broker,
    judge_consumers,
    judge_database,
    judge_forwards,
    judge_hooks,
    judge_inbox,
    judge_senders,
    judge_tick,
    judge_valkey,
    judge_workers,
)
from campaigns.domain.statement import Finding, Severity
from campaigns.store import installation
from campaigns.store.database import Database
from campaigns.store.forwards.forwards import Forward
from campaigns.store.installation import DatabaseFacts, InboxFacts, WorkerRow
from campaigns.throttle.inspection import ValkeyFacts, examine

# A person waits for the page, so a server that does not answer within this time counts as away.
_TIMEOUT_SECONDS = 1.0
_SLICES = "campaigns"  # the queue


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker process. `roles`: those of its queues. `is_silent`: it has reported nothing for so long that it counts
    as gone.
    """

    row: WorkerRow
    roles: Sequence[str]
    is_silent: bool


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue. `waiting`: its tasks; None if the broker does not answer. `workers`: the names of the workers that take
    its tasks; None if no process was asked.
    """

    name: str
    role: str
    waiting: int | None
    workers: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class SystemState:
    """An installation as it is now. `has_asked`: the processes were asked.

    `tick_age`: the seconds since the last tick; None if there was none. `tick_seconds`: the seconds between two ticks.
    `versions`: by the name of a program.
    """

    findings: Sequence[Finding]
    has_asked: bool
    workers: Sequence[WorkerState]
    queues: Sequence[QueueState]
    tick_age: float | None
    tick_seconds: float
    inbox: InboxFacts
    forwards: Sequence[Forward]
    file_job_count: int
    database: DatabaseFacts
    versions: Mapping[str, str]


def describe_system(database: Database, settings: Settings, broker: BrokerFacts) -> SystemState:
    """Return the state of the installation. `broker`: its state; the processes may have been asked, or not.

    The function reads no messages and changes nothing. `diagnose` also reads messages, and corrects counters.
    """
    facts = database.run(installation.load_database_facts)
    ids = database.run(installation.find_unfinished_campaigns)
    loaded = database.run(lambda connection: load_facts(connection, ids, reads_messages=False))
    addresses = {"REDIS_URL": settings.redis_url, "BROKER_URL": settings.broker_url}
    valkeys = {
        name: examine(url, timeout_seconds=_TIMEOUT_SECONDS) for name, url in addresses.items() if url is not None
    }
    accounts = read_accounts(loaded, settings, {})
    findings = [*judge_database(facts), *(each for name, one in valkeys.items() for each in judge_valkey(one, name))]
    for found in judge_campaigns(loaded, settings, accounts).values():
        findings += [each for each in found if each.severity is not Severity.NOTE]
    findings += judge_broker(broker, find_queues(loaded.file_job_count))
    workers = [
        WorkerState(each, _find_roles(each.queues), each.seen_seconds > settings.silent_seconds)
        for each in loaded.workers
    ]
    if broker.queues is None:
        senders = [each.row for each in workers if _SLICES in each.row.queues and not each.is_silent]
        findings += judge_senders(senders, None)
    findings += judge_tick(loaded.tick_age, tick_seconds=settings.tick_seconds)
    exits = bool(settings.exit_on_stall_seconds)
    findings += judge_workers(loaded.workers, silent_seconds=settings.silent_seconds, exits=exits)
    findings += judge_consumers(loaded.workers, broker.queues or {}, silent_seconds=settings.silent_seconds)
    findings += [*judge_inbox(loaded.inbox), *judge_forwards(loaded.forwards), *judge_hooks(loaded.failing_hooks)]
    return SystemState(
        sorted(findings, key=lambda each: each.severity is not Severity.ERROR),
        broker.queues is not None,
        workers,
        [_describe_queue(name, broker) for name in QUEUES],
        loaded.tick_age,
        settings.tick_seconds,
        loaded.inbox,
        loaded.forwards,
        loaded.file_job_count,
        facts,
        _list_versions(facts, valkeys),
    )


def _find_roles(queues: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(QUEUES[queue] for queue in queues if queue in QUEUES))


def _describe_queue(name: str, broker: BrokerFacts) -> QueueState:
    workers = None if broker.queues is None else sorted(broker.queues.get(name, ()))
    return QueueState(name, QUEUES[name], None if broker.waiting is None else broker.waiting.get(name, 0), workers)


def _list_versions(facts: DatabaseFacts, valkeys: Mapping[str, ValkeyFacts]) -> dict[str, str]:
    servers = {f"Valkey ({name})": each.version for name, each in valkeys.items() if each.version}
    return {
        "Revoada": version("revoada"),
        "Python": platform.python_version(),
        "Celery": version("celery"),
        "Postgres": facts.server_version,
        **servers,
    }
