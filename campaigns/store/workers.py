"""What workers say of themselves: whether they still take tasks."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass

from psycopg.rows import class_row

from campaigns.store.database import Connection, query


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker says, in ages of seconds; `local_time` is its clock, in seconds since 1970."""

    owner: str
    name: str
    queues: list[str]
    slots: int
    running_count: int
    started_seconds: float
    consumed_seconds: float
    stalled_seconds: float | None
    local_time: float


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker process as it last reported. `seen_seconds`: how long ago that was.

    `consumed_seconds`: how long before that it had begun its last task. `stalled_seconds`: how long it had taken none
    although one waited and a slot was free; None: it is fine. `skew_seconds`: how far its clock is ahead of Postgres.
    """

    owner: str
    name: str
    queues: list[str]
    slots: int
    running_count: int
    started_at: dt.datetime
    seen_at: dt.datetime
    consumed_at: dt.datetime
    seen_seconds: float
    consumed_seconds: float
    stalled_seconds: float | None
    skew_seconds: float


def report_worker(connection: Connection, report: WorkerReport, *, patience_seconds: float) -> None:
    """Write how a worker is. Forgets predecessors of its name that were silent for the patience."""
    connection.execute(query("report_worker"), asdict(report) | {"patience_seconds": patience_seconds})


def remove_worker(connection: Connection, owner: str) -> None:
    """Forget a worker that ends as it should."""
    connection.execute("DELETE FROM workers WHERE owner = %s", (owner,))


def list_workers(connection: Connection) -> list[WorkerRow]:
    with connection.cursor(row_factory=class_row(WorkerRow)) as cursor:
        return cursor.execute(query("list_workers")).fetchall()
